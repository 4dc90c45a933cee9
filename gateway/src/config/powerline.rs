//! `[[powerline]]`: powerline adapters, and charging outlets behind them.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Deserialize;

/// `[[powerline]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerlineConfig {
    /// The Ethernet interface to which an adapter is connected.
    pub interface: String,
    /// Seconds from one question to the adapters to the next, 1 to 3600.
    #[serde(default = "half_a_minute")]
    pub every_s: u16,
    /// Names for adapters, by their addresses with colons: `"00:b0:52:00:00:02" = "garage"`.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// The charging outlet at which the adapter is, if it is at one: the gateway then finds out
    /// which car is plugged in.
    pub outlet: Option<OutletConfig>,
}

/// `[powerline.outlet]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutletConfig {
    /// A name of the installer's choice, unique.
    pub name: String,
    /// What a car may draw there, kW.
    pub max_kw: Decimal,
}

const fn half_a_minute() -> u16 {
    30
}

pub(super) fn check(all: &[PowerlineConfig], found: &mut Vec<String>) {
    let mut outlets = BTreeSet::new();
    for (index, powerline) in all.iter().enumerate() {
        powerline.check(index, found);
        if let Some(outlet) = &powerline.outlet
            && !outlets.insert(&outlet.name)
        {
            found.push(format!(
                "powerline[{index}].outlet.name: another outlet is called {:?}",
                outlet.name
            ));
        }
    }
}

impl PowerlineConfig {
    fn check(&self, index: usize, found: &mut Vec<String>) {
        let at = format!("powerline[{index}]");
        let name = &self.interface;
        if !super::is_interface(name) {
            found.push(format!(
                "{at}.interface: {name:?} is no name of an interface"
            ));
        }
        let key = format!("{at}.every_s");
        super::in_range(&key, self.every_s.into(), 1, 3_600, found);
        if let Some(outlet) = &self.outlet {
            if outlet.name.is_empty() || outlet.name.len() > 40 {
                found.push(format!("{at}.outlet.name: a name has 1 to 40 characters"));
            }
            if outlet.max_kw <= Decimal::ZERO || outlet.max_kw > Decimal::from(400) {
                found.push(format!("{at}.outlet.max_kw: more than 0 and at most 400"));
            }
        }
        for mac in self.names.keys() {
            let octets: Vec<&str> = mac.split(':').collect();
            let is_octet = |octet: &&str| octet.len() == 2 && u8::from_str_radix(octet, 16).is_ok();
            if octets.len() != 6 || !octets.iter().all(is_octet) {
                found.push(format!(
                    "{at}.names: {mac:?} is no address such as 00:b0:52:00:00:02"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn an_outlet_has_a_name_and_a_limit() {
        let problems = |more: &str| {
            let text = format!("[[powerline]]\ninterface = \"eth1\"\n{more}");
            toml::from_str::<Config>(&text).unwrap().problems()
        };
        let outlet = "[powerline.outlet]\nname = \"garage\"\nmax_kw = \"11\"\n";
        let second = format!("{outlet}[[powerline]]\ninterface = \"eth2\"\n{outlet}");
        assert_eq!(problems(&second).len(), 1);
        assert!(problems(outlet).is_empty() && problems("").is_empty());
        for wrong in [
            outlet.replace("garage", ""),
            outlet.replace("\"11\"", "\"0\""),
            outlet.replace("\"11\"", "\"500\""),
        ] {
            assert_eq!(problems(&wrong).len(), 1, "{wrong}");
        }
    }
}
