//! `[[receiver]]`: the radio receivers that hear wireless meters.

use std::path::PathBuf;
use std::time::Duration;

use meter_link::driver::Endpoint;
use meter_link::wmbus::receiver::{self, Kind, ModeSet};
use serde::Deserialize;

/// `[[receiver]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverConfig {
    /// A name of the installer's choice, unique.
    pub name: String,
    /// `im871a`, `amb8465`, `cul`, `iu891a`, `rc1180`, `rtlwmbus` or `hex`; `auto` asks what is
    /// there.
    #[serde(default = "auto")]
    pub kind: String,
    /// A device file, `tcp:host:port`, `udp:address:port`, `exec:command line`, or `mqtt:topic`
    /// of the configured broker.
    pub port: String,
    /// Speed in bits per second, where the device was set to another than its own.
    pub baud: Option<u32>,
    /// What to listen to: `ct`, `c`, `t`, `s` or `n`.
    #[serde(default = "ct")]
    pub modes: String,
    /// Minutes of silence after which something must be wrong, until the home's rhythm is known;
    /// 1 to 1440.
    #[serde(default = "thirty")]
    pub patience_min: u16,
}

fn auto() -> String {
    "auto".to_owned()
}

fn ct() -> String {
    "ct".to_owned()
}

const fn thirty() -> u16 {
    30
}

/// Where a receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiverPort {
    /// A device file.
    Serial(PathBuf),
    /// A stream.
    Stream(Endpoint),
    /// A topic of the configured broker.
    Mqtt(String),
}

impl ReceiverConfig {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> ReceiverPort {
        let text = self.port.as_str();
        if let Some(address) = text.strip_prefix("tcp:") {
            ReceiverPort::Stream(Endpoint::Tcp(address.to_owned()))
        } else if let Some(address) = text.strip_prefix("udp:") {
            ReceiverPort::Stream(Endpoint::Udp(address.to_owned()))
        } else if let Some(line) = text.strip_prefix("exec:") {
            ReceiverPort::Stream(Endpoint::Command(line.to_owned()))
        } else if let Some(topic) = text.strip_prefix("mqtt:") {
            ReceiverPort::Mqtt(topic.to_owned())
        } else {
            ReceiverPort::Serial(PathBuf::from(text))
        }
    }

    /// How its session is set up.
    #[must_use]
    pub fn session(&self) -> receiver::Config {
        let stream = match self.place() {
            ReceiverPort::Serial(_) => None,
            ReceiverPort::Stream(Endpoint::Command(_)) => Some(Kind::RtlWmbus),
            ReceiverPort::Stream(_) | ReceiverPort::Mqtt(_) => Some(Kind::Hex),
        };
        receiver::Config {
            kind: Kind::from_name(&self.kind).or(stream),
            baud: self.baud,
            modes: ModeSet::from_name(&self.modes).unwrap_or_default(),
            patience: Duration::from_secs(60 * u64::from(self.patience_min)),
        }
    }

    pub(super) fn check(&self, index: usize, found: &mut Vec<String>) {
        let at = format!("receiver {} ({:?})", index + 1, self.name);
        if self.name.is_empty() || self.name.len() > 40 {
            found.push(format!("{at}: a name has 1 to 40 characters"));
        }
        if self.kind != "auto" && Kind::from_name(&self.kind).is_none() {
            let names = Kind::ALL.map(Kind::name).join(", ");
            found.push(format!(
                "{at}: kind {:?} is none of auto, {names}",
                self.kind
            ));
        }
        if ModeSet::from_name(&self.modes).is_none() {
            found.push(format!(
                "{at}: modes {:?} is none of ct, c, t, s, n",
                self.modes
            ));
        }
        let rest = ["tcp:", "udp:", "exec:", "mqtt:"]
            .iter()
            .find_map(|scheme| self.port.strip_prefix(scheme))
            .unwrap_or(&self.port);
        if rest.trim().is_empty() {
            found.push(format!("{at}: port names no place"));
        }
        let patience = u64::from(self.patience_min);
        super::in_range(&format!("{at}: patience_min"), patience, 1, 1_440, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> ReceiverConfig {
        toml::from_str(&format!("name = \"stick\"\n{more}")).unwrap()
    }

    #[test]
    fn places_and_kinds() {
        let stick = config("port = \"/dev/ttyUSB0\"");
        assert_eq!(stick.session().kind, None);
        assert!(matches!(stick.place(), ReceiverPort::Serial(_)));
        let hex = config("port = \"tcp:10.0.0.5:9000\"");
        assert_eq!(hex.session().kind, Some(Kind::Hex));
        let pipe = config("port = \"exec:rtl_sdr -f 868.95M - | rtl_wmbus -f\"");
        assert_eq!(pipe.session().kind, Some(Kind::RtlWmbus));
        for (more, problems) in [
            ("port = \"/dev/ttyUSB0\"\nkind = \"cul\"", 0),
            ("port = \"tcp:\"", 1),
            ("port = \"/dev/x\"\nkind = \"zigbee\"\nmodes = \"q\"", 2),
            ("port = \"/dev/x\"\npatience_min = 0", 1),
        ] {
            let mut found = Vec::new();
            config(more).check(0, &mut found);
            assert_eq!(found.len(), problems, "{more}: {found:?}");
        }
    }
}
