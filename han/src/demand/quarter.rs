//! The mean of the quarter-hour, which is what capacity is billed and limited by.

use rust_decimal::Decimal;

const QUARTER_S: i64 = 900;
/// A meter that has not been read for so long did not draw what it drew last, s.
const GAP_S: i64 = 60;

/// What was drawn since the quarter-hour began. A part of it that was not measured, before a start
/// or in a gap, says nothing: it is taken to have been at the limit, neither room nor debt.
#[derive(Debug, Default)]
pub(super) struct Quarter {
    number: i64,
    watt_seconds: Decimal,
    measured_s: i64,
    last: Option<(i64, Decimal)>,
}

impl Quarter {
    pub(super) fn take(&mut self, watts: Decimal, at: i64) {
        let number = at.div_euclid(QUARTER_S);
        let begin = number * QUARTER_S;
        let is_new = number != self.number;
        if is_new {
            (self.number, self.watt_seconds, self.measured_s) = (number, Decimal::ZERO, 0);
        }
        if let Some((last, before)) = self.last.filter(|(last, _)| *last < at) {
            let passed = (at - last.max(begin)).clamp(0, GAP_S);
            self.watt_seconds += before * Decimal::from(passed);
            self.measured_s += passed;
        }
        self.last = Some((at, watts));
    }

    /// By how much less must be drawn than `watts`, from now to the end of the quarter-hour, for its
    /// mean to stay below the limit; negative when there is room. In the last minute it is the
    /// excess over the limit alone: a load that is shed then changes nothing.
    pub(super) fn excess(&self, watts: Decimal, limit: Decimal, now: i64) -> Decimal {
        let (number, begin) = (
            now.div_euclid(QUARTER_S),
            now.div_euclid(QUARTER_S) * QUARTER_S,
        );
        let rest = QUARTER_S - (now - begin);
        if number != self.number || rest <= GAP_S {
            return watts - limit;
        }
        let (before, passed) = self.last.map_or((Decimal::ZERO, 0), |(last, before)| {
            (before, (now - last).clamp(0, GAP_S))
        });
        let drawn = self.watt_seconds + before * Decimal::from(passed);
        let allowed = limit * Decimal::from(self.measured_s + passed + rest) - drawn;
        watts - allowed / Decimal::from(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_leaves_less_for_the_rest() {
        let watts = |number: i64| Decimal::from(number);
        let mut quarter = Quarter::default();
        for second in 0..=45 {
            quarter.take(watts(6000), 9000 + 10 * second);
        }
        // Half the quarter at 6 kW: for a mean of 4 kW 2 kW are left.
        assert_eq!(quarter.excess(watts(6000), watts(4000), 9450), watts(4000));
        assert_eq!(quarter.excess(watts(2000), watts(4000), 9450), watts(0));
        // A new quarter-hour begins with nothing drawn.
        assert_eq!(quarter.excess(watts(6000), watts(4000), 9900), watts(2000));
        quarter.take(watts(100), 9910);
        // Ten seconds at 6 kW are missed in the 890 that are left.
        let excess = quarter.excess(watts(4000), watts(4000), 9910);
        assert_eq!(excess.round(), watts(22));
    }

    #[test]
    fn what_was_not_measured_leaves_no_room() {
        let watts = |number: i64| Decimal::from(number);
        for begin in [0, 1, 450, 838, 839, 840, 899] {
            let mut quarter = Quarter::default();
            quarter.take(watts(5000), 9000 + begin);
            let excess = quarter.excess(watts(5000), watts(4200), 9000 + begin);
            assert_eq!(excess, watts(800), "begun {begin} s into the quarter-hour");
        }
        // 100 s at 5 kW, of which 60 are measured: 48 kWs too many for the 800 s that are left.
        let mut quarter = Quarter::default();
        quarter.take(watts(5000), 9000);
        quarter.take(watts(5000), 9100);
        let excess = quarter.excess(watts(4200), watts(4200), 9100);
        assert_eq!(excess, watts(60));
    }
}
