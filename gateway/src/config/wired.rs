//! Meters on a wired M-Bus in the configuration.

use std::time::Duration;

use meter_link::driver::Place;
use meter_link::mbus::link::{self, Pattern, SPEEDS, Target};
use meter_link::session::{Line, Parity};

use super::{MeterConfig, Protocol, in_range};

/// Highest primary address of a slave; 254 is for a line with a single one.
const HIGHEST: u8 = 250;
const ANY: u8 = 254;
/// What converters, USB and networks add to a slave's time to answer.
const SLACK: Duration = Duration::from_millis(150);

/// How a slave is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MbusAddress {
    /// Primary address.
    Primary(u8),
    /// Secondary address, or a pattern that only one slave matches.
    Secondary(Pattern),
}

impl MbusAddress {
    /// Reads `5`, `12345678` or `12345678-KAM-1B-04`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() <= 3 {
            let number = text.parse().ok()?;
            return (number <= HIGHEST || number == ANY).then_some(Self::Primary(number));
        }
        text.parse().ok().map(Self::Secondary)
    }

    /// Whom the master asks.
    #[must_use]
    pub const fn target(self) -> Target {
        match self {
            Self::Primary(number) => Target::Primary(number),
            Self::Secondary(pattern) => Target::Secondary(pattern),
        }
    }
}

/// The master's settings for a line of this speed.
#[must_use]
pub fn mbus_master(baud: u32) -> link::Config {
    link::Config {
        baud,
        slack: SLACK,
        ..link::Config::default()
    }
}

/// The line at this speed: 8 data bits, even parity.
#[must_use]
pub const fn mbus_line(baud: u32) -> Line {
    Line {
        baud,
        data_bits: 8,
        parity: Parity::Even,
    }
}

impl MeterConfig {
    /// The address of a slave.
    #[must_use]
    pub fn mbus_address(&self) -> Option<MbusAddress> {
        MbusAddress::parse(&self.address)
    }

    /// The master's settings for the line of a slave.
    #[must_use]
    pub fn mbus_master(&self) -> link::Config {
        mbus_master(self.baud.unwrap_or(link::Config::default().baud))
    }
}

/// Whether two slaves may hang on one port.
pub(super) fn may_share(one: &MeterConfig, other: &MeterConfig) -> bool {
    let is_slave = |meter: &MeterConfig| meter.protocol == Protocol::Mbus;
    is_slave(one)
        && is_slave(other)
        && one.mbus_address() != other.mbus_address()
        && one.mbus_master().baud == other.mbus_master().baud
        && one.head_power == other.head_power
}

pub(super) fn check(meter: &MeterConfig, at: &str, found: &mut Vec<String>) {
    if meter.protocol != Protocol::Mbus {
        return;
    }
    if let Err(error) = meter.port.to_string_lossy().parse::<Place>()
        && !meter.port.as_os_str().is_empty()
    {
        found.push(format!("{at}: port: {error}"));
    }
    if meter.mbus_address().is_none() {
        found.push(format!(
            "{at}: address: {:?} is neither a primary address (0 to 250, 254 for a single slave) nor a secondary one (\"12345678\", \"12345678-KAM-1B-04\")",
            meter.address
        ));
    }
    let baud = meter.mbus_master().baud;
    if !SPEEDS.contains(&baud) {
        found.push(format!(
            "{at}: baud: {baud} is no speed of M-Bus: {SPEEDS:?}"
        ));
    }
    let key = format!("{at}: period_s");
    in_range(&key, u64::from(meter.period_s), 5, 86_400, found);
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn problems(meters: &[&str]) -> Vec<String> {
        let meter = |(place, more): (usize, &&str)| {
            format!(
                "[[meter]]\nname = \"m{place}\"\nmedium = \"heat\"\nprotocol = \"mbus\"\nrole = \"submeter\"\nport = \"/dev/ttyUSB0\"\n{more}\n"
            )
        };
        let text: String = meters.iter().enumerate().map(meter).collect();
        toml::from_str::<Config>(&text).unwrap().problems()
    }

    #[test]
    fn slaves_of_one_line() {
        let five = "address = \"5\"";
        assert!(problems(&[five, "address = \"12345678\""]).is_empty());
        assert!(problems(&[five, "address = \"254\""]).is_empty());
        for other in [five, "address = \"6\"\nbaud = 300"] {
            assert_eq!(problems(&[five, other]).len(), 1, "{other}");
        }
        for (wrong, told) in [
            ("address = \"251\"", "primary address"),
            ("", "primary address"),
            ("address = \"1234567G\"", "secondary"),
            ("address = \"5\"\nbaud = 2000", "speed"),
            ("address = \"5\"\nperiod_s = 1", "period_s"),
        ] {
            let found = problems(&[wrong]);
            assert!(found.len() == 1 && found[0].contains(told), "{found:?}");
        }
    }
}
