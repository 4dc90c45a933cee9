//! Smart plugs: what they tell is the appliance's exactly, and teaches what its cycles look like.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Disaggregator;
use crate::candidate::Candidate;
use crate::kind::{Family, kind_of};
use crate::personal::Point;

/// A plug: the power it told, by the time it told it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Plug {
    pub(super) readings: VecDeque<(i64, i64)>,
}

/// A plug that has been silent this long tells nothing. s.
const PLUG_S: i64 = 600;

impl Plug {
    /// Mean power from `from` to `to`, mW; `None` where it was silent.
    pub(super) fn mean(&self, from: f64, to: f64) -> Option<f64> {
        let mut at = self
            .readings
            .partition_point(|&(ts, _)| ts as f64 <= from)
            .checked_sub(1)?;
        let (mut sum, mut span) = (0.0, 0.0);
        while let Some(&(ts, power)) = self.readings.get(at) {
            if ts as f64 >= to {
                break;
            }
            let next = self.readings.get(at + 1).map_or(i64::MAX, |next| next.0);
            let until = next.min(ts.saturating_add(PLUG_S)) as f64;
            let lasting = until.min(to) - (ts as f64).max(from);
            if lasting > 0.0 {
                sum += power as f64 * lasting;
                span += lasting;
            }
            at += 1;
        }
        (span > 0.5 * (to - from)).then(|| sum / span)
    }
}

impl Disaggregator {
    /// Takes what the plug of an appliance told at `ts` (unix seconds): its power in mW. Rows and
    /// plug readings come in the order of their time; of one second the last counts.
    pub fn plug(&mut self, name: &str, ts: i64, power_mw: i64) {
        let Some(column) = self.columns.iter().position(|column| column == name) else {
            return;
        };
        let readings = &mut self.plugs.entry(column).or_default().readings;
        let power_mw = power_mw.max(0);
        match readings.back_mut() {
            Some((last, _)) if *last > ts => return,
            // A plug that changes tells what it draws now right after what it drew before.
            Some((last, power)) if *last == ts => *power = power_mw,
            _ => readings.push_back((ts, power_mw)),
        }
        let keep = self.settings.delay_s + 6 * 3600;
        while readings
            .front()
            .is_some_and(|&(first, _)| ts.saturating_sub(first) > keep)
        {
            readings.pop_front();
        }
    }

    /// Whose a candidate is by the plugs, and what is to be learnt from it.
    pub(super) fn plugged(
        &self,
        candidate: &Candidate,
        now: f64,
    ) -> (Option<usize>, Vec<(usize, bool)>) {
        let period = self.rhythm.period_s() as f64;
        let (mut owner, mut lessons) = (None, Vec::new());
        for (&column, plug) in &self.plugs {
            let (mut own, mut energy, mut told) = (0.0, 0.0, true);
            for pulse in &candidate.pulses {
                let (from, to) = (pulse.on - period, pulse.off.min(now) + period);
                let Some(mean) = plug.mean(from, to) else {
                    told = false;
                    break;
                };
                own += mean / 1000.0 * (to - from);
                energy += pulse.power * (pulse.off.min(now) - pulse.on);
            }
            if !told {
                continue;
            }
            let share = own / energy.max(1.0);
            let is_own = share > 0.5 && share < 1.9;
            if is_own {
                owner = Some(column);
            }
            let family = self.columns.get(column).map(|name| kind_of(name).family);
            if candidate.grouped == (family == Some(Family::Programme)) {
                lessons.push((column, is_own));
            }
        }
        (owner, lessons)
    }

    pub(super) fn learn(&mut self, candidate: &Candidate, lessons: &[(usize, bool)]) {
        for &(column, own) in lessons {
            let point = Point::of(candidate);
            self.personal
                .entry(column)
                .or_default()
                .learn(point, own, 1.0, 0);
        }
    }

    /// Whether a plug tells of an appliance at this time.
    pub(super) fn has_plug(&self, column: usize, from: f64, to: f64) -> bool {
        self.plugs
            .get(&column)
            .is_some_and(|plug| plug.mean(from, to).is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Settings;
    use super::*;

    #[test]
    fn of_two_readings_in_one_second_the_last_counts() {
        let settings = Settings {
            plugged: vec!["washing_machine".to_owned()],
            ..Settings::default()
        };
        let mut home = Disaggregator::new(Arc::default(), settings);
        for (ts, power_mw) in [(10, 500), (11, 500), (11, 2_000_000), (10, 7)] {
            home.plug("washing_machine", ts, power_mw);
        }
        let told: Vec<_> = home
            .plugs
            .values()
            .flat_map(|plug| &plug.readings)
            .collect();
        assert_eq!(told, [&(10, 500), &(11, 2_000_000)]);
    }
}
