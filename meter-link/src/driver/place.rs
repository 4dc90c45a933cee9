//! Where a meter is: a serial port of this machine, or a converter or meter in the network.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a meter is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A device file.
    Serial(PathBuf),
    /// `tcp:host:port`, as a socket address or a name with a port.
    Tcp(String),
    /// `udp:host:port`, likewise.
    Udp(String),
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither a device file nor tcp:host:port or udp:host:port")]
pub struct ParsePlaceError {
    /// What was given.
    pub text: String,
}

impl FromStr for Place {
    type Err = ParsePlaceError;

    /// Reads `/dev/ttyUSB0`, `tcp:192.168.1.5:502` or `tcp:[fe80::1]:502`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParsePlaceError {
            text: text.chars().take(100).collect(),
        };
        let network = |scheme| text.strip_prefix(scheme);
        let (address, place): (_, fn(String) -> Self) = match (network("tcp:"), network("udp:")) {
            (Some(address), _) => (address, Self::Tcp),
            (_, Some(address)) => (address, Self::Udp),
            (None, None) => {
                let is_file = !text.is_empty();
                return is_file.then(|| Self::Serial(text.into())).ok_or_else(error);
            }
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(error)?;
        let is_port = port.parse::<u16>().is_ok_and(|port| port != 0);
        let is_host = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
        if is_port && is_host {
            Ok(place(address.to_owned()))
        } else {
            Err(error())
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Udp(address) => write!(f, "udp:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_addresses() {
        for text in ["/dev/ttyUSB0", "tcp:meter.lan:502", "udp:[::1]:4059"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "tcp:",
            "tcp:host",
            "tcp:host:0",
            "tcp::502",
            "tcp:::1:502",
            "udp:host",
            "tcp:h:70000",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
