//! Cycles by the rule of each kind: on from a threshold, short pauses joined, short cycles left out.

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// A cycle.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Cycle {
    /// Start of its first row, unix seconds UTC.
    pub start: i64,
    /// End of its last row, unix seconds UTC.
    pub end: i64,
    /// Energy, mJ.
    pub energy_mj: i64,
    /// The largest probability of its rows.
    pub confidence: f64,
}

/// Makes cycles of rows.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Cycles {
    open: Option<Cycle>,
}

impl Cycles {
    /// Takes a row of `seconds` at `power_mw` and returns the cycle that is over by it.
    pub fn push(
        &mut self,
        kind: &Kind,
        ts: i64,
        seconds: i64,
        power_mw: i64,
        on: f64,
    ) -> Option<Cycle> {
        let is_on = power_mw as f64 >= kind.on_w * 1000.0;
        let over = match self.open {
            Some(cycle) if (ts - cycle.end) as f64 > kind.join_s => self.finish(kind),
            _ => None,
        };
        if is_on {
            let cycle = self.open.get_or_insert(Cycle {
                start: ts,
                end: ts,
                ..Cycle::default()
            });
            cycle.end = ts + seconds;
            cycle.confidence = cycle.confidence.max(on);
        }
        if let Some(cycle) = &mut self.open {
            cycle.energy_mj = cycle
                .energy_mj
                .saturating_add(power_mw.saturating_mul(seconds));
        }
        over
    }

    /// Ends what is open.
    pub fn finish(&mut self, kind: &Kind) -> Option<Cycle> {
        self.open
            .take()
            .filter(|cycle| (cycle.end - cycle.start) as f64 >= kind.shortest_s)
    }

    /// The cycle that may still go on.
    #[must_use]
    pub fn open(&self) -> Option<&Cycle> {
        self.open.as_ref()
    }
}
