//! `[[bearer]]`: ways out of the house for the relay.

use serde::Deserialize;
use wattle_api::BearerKind;

use super::in_range;

/// Octets of an interface's name at most (IFNAMSIZ less its end).
const LONGEST: usize = 15;
/// Bearers at most.
const MOST: usize = 8;
const MEGABYTE: u64 = 1_000_000;

/// A way out of the house. Those that cost nothing come first, then those in front in the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BearerConfig {
    /// Its name.
    pub name: String,
    /// The interface, as the system calls it: `eth0`, `wwan0`.
    pub interface: String,
    /// What it is: ethernet, wifi, cellular, plc, wi-sun. The last two are border routers, and one
    /// more interface with IP.
    #[serde(default)]
    kind: Named,
    /// Whether what goes over it costs money; of a cellular one it does unless this says no.
    metered: Option<bool>,
    /// Megabytes that may go over it in a calendar month (UTC), both ways, by whomever, 1 to
    /// 1000000; no limit when left out.
    budget_mb: Option<u32>,
    /// Of a cellular one: the access point. ModemManager is asked to connect there when nobody else
    /// has; when left out the system connects it.
    pub apn: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Named {
    #[default]
    Ethernet,
    Wifi,
    Cellular,
    Plc,
    WiSun,
}

impl BearerConfig {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> BearerKind {
        match self.kind {
            Named::Ethernet => BearerKind::Ethernet,
            Named::Wifi => BearerKind::Wifi,
            Named::Cellular => BearerKind::Cellular,
            Named::Plc => BearerKind::Plc,
            Named::WiSun => BearerKind::WiSun,
        }
    }

    /// Whether what goes over it costs money.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.metered.unwrap_or(self.kind == Named::Cellular)
    }

    /// Octets of a month, where they are limited.
    #[must_use]
    pub fn budget(&self) -> Option<u64> {
        self.budget_mb
            .map(|megabytes| u64::from(megabytes) * MEGABYTE)
    }

    fn check(&self, found: &mut Vec<String>) {
        let at = format!("bearer {:?}", self.name);
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':');
        let named = !self.interface.is_empty()
            && self.interface.len() <= LONGEST
            && self.interface.chars().all(plain)
            && !matches!(self.interface.as_str(), "." | "..");
        if !named {
            found.push(format!(
                "{at}: interface is the system's name of it, such as eth0; `ip link` lists them"
            ));
        }
        if let Some(megabytes) = self.budget_mb {
            let key = format!("{at}: budget_mb");
            in_range(&key, megabytes.into(), 1, 1_000_000, found);
            if !self.is_metered() {
                found.push(format!("{at}: budget_mb has an effect with metered alone"));
            }
        }
        if let Some(apn) = &self.apn {
            if self.kind != Named::Cellular {
                found.push(format!("{at}: apn belongs to a cellular one"));
            }
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if apn.is_empty() || apn.len() > 100 || !apn.chars().all(legal) {
                found.push(format!(
                    "{at}: apn is what the operator names, such as iot.example"
                ));
            }
        }
    }
}

/// Checks all of them together with how the relay goes out.
pub(super) fn check(
    bearers: &[BearerConfig],
    upstream: Option<&super::UpstreamConfig>,
    found: &mut Vec<String>,
) {
    if bearers.len() > MOST {
        found.push(format!("bearer: {MOST} at most"));
    }
    for (index, bearer) in bearers.iter().enumerate() {
        bearer.check(found);
        let mut others = bearers.iter().take(index);
        if others.any(|other| other.name == bearer.name || other.interface == bearer.interface) {
            found.push(format!(
                "bearer {:?}: its name or its interface is used twice",
                bearer.name
            ));
        }
    }
    let link = upstream.and_then(|upstream| upstream.link.parse::<super::UpstreamLink>().ok());
    if !bearers.is_empty() && link.is_none() {
        found.push("bearer: it has no effect without upstream.link".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> BearerConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn mobile_networks_cost_money_unless_said() {
        let fibre = read("name = \"fibre\"\ninterface = \"eth0\"");
        assert!(!fibre.is_metered());
        assert_eq!(fibre.kind(), BearerKind::Ethernet);
        let sim = "name = \"sim\"\ninterface = \"wwan0\"\nkind = \"cellular\"\n";
        assert!(read(sim).is_metered());
        assert!(!read(&format!("{sim}metered = false")).is_metered());
        let limited = read(&format!("{sim}budget_mb = 20"));
        assert_eq!(limited.budget(), Some(20_000_000));
        let mesh = read("name = \"mesh\"\ninterface = \"tun0\"\nkind = \"wi-sun\"");
        assert_eq!(mesh.kind(), BearerKind::WiSun);
    }

    #[test]
    fn what_can_have_no_effect_is_told() {
        for (text, word) in [
            ("interface = \"../eth0\"", "interface"),
            ("interface = \"\"", "interface"),
            ("interface = \"eth0\"\nbudget_mb = 5", "metered"),
            (
                "interface = \"eth0\"\nmetered = true\nbudget_mb = 0",
                "1 to",
            ),
            ("interface = \"eth0\"\napn = \"iot.example\"", "cellular"),
            (
                "interface = \"a\"\nkind = \"cellular\"\napn = \"a b\"",
                "apn",
            ),
        ] {
            let mut found = Vec::new();
            read(&format!("name = \"x\"\n{text}")).check(&mut found);
            assert!(
                found.iter().any(|said| said.contains(word)),
                "{text}: {found:?}"
            );
        }
        let twice = [
            read("name = \"a\"\ninterface = \"eth0\""),
            read("name = \"b\"\ninterface = \"eth0\""),
        ];
        let mut found = Vec::new();
        check(&twice, None, &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
