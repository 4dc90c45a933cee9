//! `[zigbee]`

use serde::Deserialize;

use super::in_range;

/// The Zigbee stick.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ZigbeeConfig {
    /// A device file, or `tcp://HOST:PORT`; there is no Zigbee while it is empty.
    pub port: String,
    /// The speed of a serial port.
    pub baud: u32,
    /// The stick uses RTS and CTS.
    pub flow_control: bool,
    /// The channel of a network that is formed, 11 to 26.
    pub channel: u8,
}

impl Default for ZigbeeConfig {
    fn default() -> Self {
        Self {
            port: String::new(),
            baud: 115_200,
            flow_control: false,
            channel: 15,
        }
    }
}

impl ZigbeeConfig {
    /// Whether there is a stick.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.port.is_empty()
    }

    pub(super) fn check(&self, found: &mut Vec<String>) {
        in_range("zigbee.baud", self.baud.into(), 9_600, 921_600, found);
        in_range("zigbee.channel", self.channel.into(), 11, 26, found);
        let is_tcp = self.port.starts_with("tcp://");
        if is_tcp
            && self
                .port
                .rsplit_once(':')
                .is_none_or(|(_, port)| port.parse::<u16>().is_err())
        {
            found.push(format!(
                "zigbee.port: {:?} is no tcp://HOST:PORT",
                self.port
            ));
        }
    }
}
