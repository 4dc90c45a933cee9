//! Value axes of three lines at round values, one of them zero.

use super::strip::Scale;
use crate::generated::AxisLine;
use rust_decimal::Decimal;

/// Steps between two lines, times a power of ten.
const STEPS: [i64; 8] = [10, 15, 20, 25, 30, 40, 50, 80];

/// A value axis.
pub(super) struct Axis {
    pub(super) scale: Scale,
    lines: Vec<Decimal>,
}

impl Axis {
    /// The narrowest one that holds zero and every value.
    pub(super) fn of(values: impl Iterator<Item = Decimal> + Clone) -> Self {
        let highest = values.clone().fold(Decimal::ZERO, Decimal::max);
        let lowest = values.fold(Decimal::ZERO, Decimal::min);
        let half = |end: Decimal| end.checked_div(Decimal::TWO).unwrap_or_default();
        // Two steps on the side of zero where all values are, or one round end on each side.
        let lines: Vec<Decimal> = match (lowest < Decimal::ZERO, highest > Decimal::ZERO) {
            (true, true) => vec![-step(-lowest), Decimal::ZERO, step(highest)],
            (true, false) => {
                let step = step(half(-lowest));
                vec![-step - step, -step, Decimal::ZERO]
            }
            _ => {
                let step = step(half(highest));
                vec![Decimal::ZERO, step, step + step]
            }
        };
        let end = |line: Option<&Decimal>| line.copied().unwrap_or_default();
        Self {
            scale: Scale::between(end(lines.first()), end(lines.last())),
            lines,
        }
    }

    /// Its lines, each with the text of its value.
    pub(super) fn lines(&self, text: impl Fn(Decimal) -> String) -> Vec<AxisLine> {
        let line = |value: &Decimal| AxisLine {
            at: self.scale.place(*value),
            text: text(*value).into(),
        };
        self.lines.iter().rev().map(line).collect()
    }
}

/// The smallest round number that is not below `least`.
fn step(least: Decimal) -> Decimal {
    // From 10^-6 to 10^9 in each of the steps: whatever a home pays or uses.
    let rounds = (0..16).flat_map(|power: u32| STEPS.map(|step| (power, step)));
    rounds
        .filter_map(|(power, step)| {
            let whole =
                Decimal::from(step).checked_mul(Decimal::from(10_i64.checked_pow(power)?))?;
            whole.checked_div(Decimal::from(10_000_000))
        })
        .find(|step| *step >= least && !least.is_zero())
        .unwrap_or(Decimal::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(values: &[&str]) -> Vec<String> {
        let values: Vec<Decimal> = values.iter().map(|text| text.parse().unwrap()).collect();
        Axis::of(values.into_iter())
            .lines(|value| value.normalize().to_string())
            .iter()
            .map(|line| line.text.to_string())
            .collect()
    }

    #[test]
    fn lines_are_round() {
        assert_eq!(axis(&["0.342", "0.074"]), ["0.4", "0.2", "0"]);
        assert_eq!(axis(&["0.28", "-0.05"]), ["0.3", "0", "-0.05"]);
        assert_eq!(axis(&["-0.07"]), ["0", "-0.04", "-0.08"]);
        assert_eq!(axis(&["7.1"]), ["8", "4", "0"]);
        assert_eq!(axis(&["1234.5"]), ["1600", "800", "0"]);
        assert_eq!(axis(&["0"]), ["2", "1", "0"]);
        assert_eq!(axis(&[]), ["2", "1", "0"]);
    }
}
