//! `[disconnect]`: the utility may have the supply switched off, within the installer's rules.

use serde::Deserialize;
use wattle_relay::disconnect::Policy;

use super::{MeterConfig, Protocol};

/// `[disconnect]`. Without it no relay is in the gateway's hands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisconnectConfig {
    /// The DLMS meter whose relay it is (`[meter.dlms] relay`).
    pub meter: String,
    /// Somebody here lives by a device: then nothing is ever switched off. It has to be said.
    pub life_support: bool,
    /// Local hours of the day within which a disconnection may take place, from and to.
    #[serde(default = "office")]
    pub hours: [u8; 2],
    /// Nobody is disconnected at or below this outdoor temperature, °C.
    #[serde(default)]
    pub not_below_c: i16,
    /// Nor at or above this one.
    #[serde(default = "hot")]
    pub not_above_c: i16,
    /// Where the outdoor temperature comes from. One that is older than two hours is none, and then
    /// nothing is switched off.
    pub outdoor: Outdoor,
}

/// A field of a meter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outdoor {
    /// The meter's name.
    pub meter: String,
    /// The field, in °C: `external_temperature_c`.
    pub field: String,
}

const fn office() -> [u8; 2] {
    [8, 15]
}

const fn hot() -> i16 {
    35
}

impl DisconnectConfig {
    /// The rules.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let [from, to] = self.hours;
        Policy {
            life_support: self.life_support,
            hours: (from, to),
            moratorium_c: (self.not_below_c, self.not_above_c),
        }
    }

    pub(super) fn check(&self, meters: &[MeterConfig], commanded: bool, found: &mut Vec<String>) {
        let at = "disconnect";
        let named = |name: &str| meters.iter().find(|meter| meter.name == name);
        match named(&self.meter) {
            None => found.push(format!("{at}.meter: there is no meter {:?}", self.meter)),
            Some(meter) if meter.protocol != Protocol::Dlms => {
                found.push(format!("{at}.meter: its protocol is not \"dlms\""));
            }
            Some(meter) => {
                let secured = meter.dlms.as_ref().is_some_and(|dlms| dlms.key.is_some());
                if !secured {
                    found.push(format!(
                        "{at}.meter: a relay is switched in a secured association alone: [meter.dlms] needs authentication and keys"
                    ));
                }
            }
        }
        let [from, to] = self.hours;
        if from >= to || to > 24 {
            found.push(format!("{at}.hours: two hours of a day, as [8, 15]"));
        }
        if self.not_below_c >= self.not_above_c {
            found.push(format!("{at}: not_below_c is below not_above_c"));
        }
        if named(&self.outdoor.meter).is_none() {
            found.push(format!(
                "{at}.outdoor: there is no meter {:?}",
                self.outdoor.meter
            ));
        }
        if !self.outdoor.field.ends_with("_c") {
            found.push(format!(
                "{at}.outdoor.field: a field in °C, whose name ends in _c"
            ));
        }
        if !commanded {
            found.push(format!("{at}: has no effect without upstream.commanders"));
        }
    }
}
