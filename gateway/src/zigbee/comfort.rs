//! Thermostats that follow the price, with what the home has; what they were set to before is kept
//! in `zigbee-comfort.json`, so that a restart gives it back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use han::comfort::{Action, Engine, Place, Shifted, Thermostat};
use han::zigbee::devices::{Home, Measured};
use han::zigbee::services::Price;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use wattle_api::ZigbeeComfort;

use crate::config::{ZigbeeComfortConfig, ZigbeeConfig};
use crate::files;

/// The engine, and where it keeps what is shifted.
pub(super) struct Comfort {
    engine: Engine,
    ids: Vec<u64>,
    file: PathBuf,
    kept: Vec<Shifted>,
    /// What the stick could not take.
    undone: Vec<Action>,
}

/// A shifted thermostat as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: u64,
    base: Decimal,
    told: Decimal,
    confirmed: bool,
}

impl Comfort {
    pub(super) fn new(config: &ZigbeeConfig, folder: &Path) -> Self {
        let file = folder.join("zigbee-comfort.json");
        let kept: Vec<Shifted> = recall(&file);
        let thermostats = config.comfort.iter().filter_map(thermostat);
        let thermostats: Vec<Thermostat> = thermostats.collect();
        let mut ids: Vec<u64> = thermostats.iter().map(|one| one.id).collect();
        ids.extend(kept.iter().map(|shifted| shifted.id));
        ids.sort_unstable();
        ids.dedup();
        Self {
            engine: Engine::new(thermostats, &kept),
            ids,
            file,
            kept,
            undone: Vec::new(),
        }
    }

    /// Whether there is any thermostat to be cared for.
    pub(super) fn is_used(&self) -> bool {
        !self.ids.is_empty()
    }

    pub(super) fn take(&mut self, ieee: u64, measured: &Measured) {
        if let Measured::HeatingSetpointC(celsius) = measured {
            self.engine.take_setpoint(ieee, *celsius);
        }
    }

    /// Lets the engine follow the price; thermostats that are `held` are left alone.
    pub(super) fn run(
        &mut self,
        home: &mut Home,
        place: Place,
        held: impl Fn(u64) -> bool,
        now: Timestamp,
    ) {
        for id in &self.ids {
            self.engine.hold(*id, held(*id));
        }
        self.engine.handle_price(place, now.as_second());
        let mut actions = std::mem::take(&mut self.undone);
        actions.retain(|action| !held(action.id));
        while let Some(action) = self.engine.poll_action() {
            // A later word takes the place of an earlier one.
            actions.retain(|other| other.id != action.id);
            actions.push(action);
        }
        // What was before is on the disk before it is changed.
        self.keep();
        let instant = std::time::Instant::now();
        for action in actions {
            if !home.heat_to(action.id, action.celsius, instant) {
                self.undone.push(action);
            }
        }
    }

    pub(super) fn api(&self) -> Vec<ZigbeeComfort> {
        let shifted = self.kept.iter().map(|shifted| ZigbeeComfort {
            ieee: format!("{:016x}", shifted.id),
            set_c: shifted.base,
            told_c: shifted.told,
        });
        shifted.collect()
    }

    fn keep(&mut self) {
        let now = self.engine.kept();
        if now == self.kept {
            return;
        }
        let kept = now.iter().map(|shifted| Kept {
            id: shifted.id,
            base: shifted.base,
            told: shifted.told,
            confirmed: shifted.confirmed,
        });
        let kept: Vec<Kept> = kept.collect();
        if let Err(error) = files::keep(&self.file, &kept, files::For::Owner) {
            tracing::error!(error = %format_args!("{error:#}"), "what thermostats were set to is not kept");
        }
        self.kept = now;
    }
}

fn recall(file: &Path) -> Vec<Shifted> {
    let kept = files::recall::<Vec<Kept>>(file).unwrap_or_else(|error| {
        tracing::error!(error = %format_args!("{error:#}"), "what thermostats were set to is not known");
        None
    });
    let kept = kept.unwrap_or_default();
    let shifted = kept.into_iter().map(|kept| Shifted {
        id: kept.id,
        base: kept.base,
        told: kept.told,
        confirmed: kept.confirmed,
    });
    shifted.collect()
}

fn thermostat(config: &ZigbeeComfortConfig) -> Option<Thermostat> {
    Some(Thermostat {
        id: config.address()?,
        lowest: config.lowest,
        highest: config.highest,
        shift: config.shift,
    })
}

/// Where the price of the moment stands among those of today and tomorrow: in the lowest or in the
/// highest quarter of the prices that there are.
pub(super) fn place(prices: &[Price], utc: u32) -> Place {
    let is_now = |price: &&Price| {
        let end = price.start.saturating_add(u32::from(price.minutes) * 60);
        (price.start..end).contains(&utc)
    };
    let Some(now) = prices.iter().find(is_now) else {
        return Place::Usual;
    };
    let distinct: BTreeSet<Decimal> = prices.iter().map(|price| price.per_kwh).collect();
    let below = distinct.range(..now.per_kwh).count();
    let Some(last) = distinct.len().checked_sub(1).filter(|last| *last > 0) else {
        return Place::Usual;
    };
    if below * 4 <= last {
        Place::Low
    } else if below * 4 >= last * 3 {
        Place::High
    } else {
        Place::Usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(per_kwh: &[i64]) -> Vec<Price> {
        let hours = (0_u32..).zip(per_kwh);
        let prices = hours.map(|(hour, per_kwh)| Price {
            start: hour * 3600,
            minutes: 60,
            per_kwh: Decimal::new(*per_kwh, 2),
            label: String::new(),
            tier: None,
        });
        prices.collect()
    }

    #[test]
    fn a_price_has_its_place_among_those_of_the_day() {
        use Place::{High, Low, Usual};
        for (per_kwh, wanted) in [
            (&[30_i64, 30][..], &[Usual, Usual][..]),
            (&[25, 35, 25], &[Low, High, Low]),
            (&[20, 30, 40], &[Low, Usual, High]),
            (
                &[10, 20, 30, 40, 50, 60],
                &[Low, Low, Usual, Usual, High, High],
            ),
        ] {
            let prices = prices(per_kwh);
            for (price, wanted) in prices.iter().zip(wanted) {
                assert_eq!(place(&prices, price.start + 1800), *wanted, "{per_kwh:?}");
            }
            assert_eq!(place(&prices, 1_000_000), Usual, "there is no price");
        }
    }

    #[test]
    fn what_is_shifted_is_found_again_also_without_its_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let config = ZigbeeConfig {
            comfort: vec![ZigbeeComfortConfig {
                id: "00124b0000000001".to_owned(),
                lowest: Decimal::from(19),
                highest: Decimal::from(22),
                shift: Decimal::ONE,
            }],
            ..ZigbeeConfig::default()
        };
        let mut comfort = Comfort::new(&config, folder.path());
        let id = 0x0012_4B00_0000_0001;
        comfort.take(id, &Measured::HeatingSetpointC(Decimal::new(205, 1)));
        comfort.engine.handle_price(Place::High, 1_000_000);
        comfort.keep();
        assert_eq!(comfort.api()[0].set_c, Decimal::new(205, 1));
        assert_eq!(comfort.api()[0].told_c, Decimal::new(195, 1));
        let again = Comfort::new(&ZigbeeConfig::default(), folder.path());
        assert!(again.is_used());
        assert_eq!(again.kept, comfort.kept);
    }
}
