//! What is tried, in which order, and for how long.

use std::collections::VecDeque;
use std::time::Duration;

use super::ask::{Ask, Registers};
use crate::session::{Line, Parity};

/// One step of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The line to be on; `None` behind a network address.
    pub(super) line: Option<Line>,
    /// What is asked; `None` only listens.
    pub(super) ask: Option<Ask>,
    /// How long an answer is waited for.
    pub(super) patience: Duration,
}

const fn listen(line: Line, seconds: u64) -> Step {
    Step {
        line: Some(line),
        ask: None,
        patience: Duration::from_secs(seconds),
    }
}

const fn ask(line: Line, ask: Ask, patience_ms: u64) -> Step {
    Step {
        line: Some(line),
        ask: Some(ask),
        patience: Duration::from_millis(patience_ms),
    }
}

/// Longer than the period of meters that push: ten seconds, in DSMR 4 and of Kamstrup.
const PERIOD_S: u64 = 11;

/// The first step on a serial port. If nothing at all is heard in it, no meter pushes here.
pub(super) fn first_serial() -> Step {
    listen(Line::eight_none(9_600), PERIOD_S)
}

/// The other lines on which meters push, once something is heard. The quick ones first.
pub(super) fn other_lines() -> [Step; 4] {
    [
        listen(Line::seven_even(1_200), 3),
        listen(Line::eight_none(115_200), PERIOD_S),
        listen(
            Line {
                parity: Parity::Even,
                ..Line::eight_none(2_400)
            },
            PERIOD_S,
        ),
        listen(Line::seven_even(2_400), 4),
    ]
}

/// A line with seven bits, after text was heard with its parity in the highest bit.
pub(super) fn seven_bits(baud: u32, parity: Parity) -> Step {
    listen(
        Line {
            data_bits: 7,
            parity,
            ..Line::eight_none(baud)
        },
        PERIOD_S,
    )
}

/// The questions on a serial port, what disturbs least first.
pub(super) fn serial_questions() -> VecDeque<Step> {
    let rtu = |unit| Ask::Rtu {
        unit,
        what: Registers::Voltage,
    };
    let eight = Line::eight_none;
    let even = |baud| Line {
        parity: Parity::Even,
        ..eight(baud)
    };
    VecDeque::from([
        // Twice: a meter that sleeps is woken by the first.
        ask(Line::seven_even(300), Ask::SignOn, 2_500),
        ask(Line::seven_even(300), Ask::SignOn, 2_500),
        ask(eight(9_600), Ask::Snrm(1), 700),
        ask(eight(9_600), Ask::Snrm(2), 700),
        ask(eight(9_600), Ask::Snrm(4), 700),
        ask(eight(9_600), Ask::Identify, 1_200),
        ask(eight(9_600), rtu(1), 600),
        ask(eight(9_600), rtu(2), 600),
        ask(eight(9_600), rtu(3), 600),
        ask(eight(2_400), rtu(1), 800),
        ask(even(9_600), rtu(1), 600),
        ask(even(19_200), rtu(1), 600),
        ask(eight(19_200), rtu(1), 600),
        ask(eight(115_200), rtu(1), 600),
        ask(eight(115_200), Ask::Snrm(1), 700),
        ask(eight(19_200), Ask::Snrm(1), 700),
        ask(eight(2_400), Ask::Snrm(1), 1_200),
    ])
}

/// What is done behind a network address: a converter may have a serial meter behind it.
pub(super) fn network_steps() -> VecDeque<Step> {
    let step = |ask, patience_ms| Step {
        line: None,
        ask,
        patience: Duration::from_millis(patience_ms),
    };
    let rtu = Ask::Rtu {
        unit: 1,
        what: Registers::Voltage,
    };
    VecDeque::from([
        step(None, 4_000),
        step(Some(Ask::Mbap(Registers::Voltage)), 1_500),
        step(Some(Ask::Aarq), 2_000),
        step(Some(Ask::Snrm(1)), 1_500),
        step(Some(Ask::Snrm(2)), 1_000),
        step(Some(Ask::Snrm(4)), 1_000),
        step(Some(Ask::SignOn), 3_000),
        step(Some(Ask::Identify), 2_000),
        step(Some(rtu), 1_500),
        // Last, for meters behind a converter that push every ten seconds.
        step(None, 8_000),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_takes_less_than_the_promise() {
        let sum =
            |steps: &mut dyn Iterator<Item = Step>| -> Duration { steps.map(|s| s.patience).sum() };
        let questions = sum(&mut serial_questions().into_iter());
        let lines = first_serial().patience + sum(&mut other_lines().into_iter());
        // A line with seven bits, and what follows a sign-on or a Modbus meter.
        let more = Duration::from_secs(PERIOD_S + 20);
        assert!(
            lines + questions + more <= super::super::LONGEST,
            "{lines:?} {questions:?}"
        );
        assert!(sum(&mut network_steps().into_iter()) < Duration::from_secs(30));
    }
}
