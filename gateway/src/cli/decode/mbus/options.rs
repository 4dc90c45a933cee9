//! Keys and meters of the command line.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use meter_link::mbus::Identification;
use meter_link::wmbus::{KeyRing, MeterKey};
use zeroize::Zeroizing;

/// `HEX` or `ID=HEX`; its `Debug` shows no key.
#[derive(Clone)]
pub(super) struct KeyOption(Zeroizing<String>);

impl FromStr for KeyOption {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for KeyOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyOption")
    }
}

/// An option that is not of its form. No key is repeated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OptionError {
    /// `--key`.
    #[error(
        "--key takes HEX or ID=HEX, with 32 hex digits (AES) or 16 (DES) and an ID of 8 digits"
    )]
    Key,
    /// `--meter`.
    #[error("--meter takes ID=NAME or ID=NAME:DRIVER with an ID of 8 digits, not {0:?}")]
    Meter(String),
    /// A driver that there is not.
    #[error("no driver is called {0:?}")]
    UnknownDriver(String),
}

/// All keys of the command line.
pub(super) fn key_ring(options: &[KeyOption]) -> Result<KeyRing, OptionError> {
    let mut ring = KeyRing::default();
    for option in options {
        match option.0.split_once('=') {
            Some((id, hex)) => ring.insert(
                Identification::from_digits(id).ok_or(OptionError::Key)?,
                MeterKey::from_hex(hex).map_err(|_| OptionError::Key)?,
            ),
            None => {
                let key = MeterKey::from_hex(&option.0);
                ring.insert_for_all(key.map_err(|_| OptionError::Key)?);
            }
        }
    }
    Ok(ring)
}

/// What `--meter` says about one meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MeterOption {
    /// Its name.
    pub(super) name: String,
    /// The driver it is pinned to.
    pub(super) driver: Option<String>,
}

/// All meters of the command line.
pub(super) fn meters(
    options: &[String],
) -> Result<HashMap<Identification, MeterOption>, OptionError> {
    let mut meters = HashMap::new();
    for option in options {
        let error = || OptionError::Meter(option.clone());
        let (id, rest) = option.split_once('=').ok_or_else(error)?;
        // A name may hold a colon; what stands behind the last one is the driver.
        let (name, driver) = match rest.rsplit_once(':') {
            Some((name, driver)) => (name, Some(driver)),
            None => (rest, None),
        };
        let driver = driver.filter(|driver| !driver.is_empty() && *driver != "auto");
        meters.insert(
            Identification::from_digits(id).ok_or_else(error)?,
            MeterOption {
                name: name.to_owned(),
                driver: driver.map(str::to_owned),
            },
        );
    }
    Ok(meters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let key = |text: &str| key_ring(&[text.parse().unwrap()]).map(|_| ());
        assert_eq!(key(&"0a".repeat(16)), Ok(()));
        assert_eq!(key(&format!("12345678={}", "0a".repeat(8))), Ok(()));
        for wrong in [
            "",
            "12",
            "1234567=0a",
            &format!("123456zz={}", "0a".repeat(16)),
        ] {
            assert_eq!(key(wrong), Err(OptionError::Key), "{wrong}");
        }
        let known = meters(&["12345678=My: tap:iperl".to_owned()]).unwrap();
        let meter = known.values().next().unwrap();
        assert_eq!(
            (meter.name.as_str(), meter.driver.as_deref()),
            ("My: tap", Some("iperl"))
        );
        assert!(meters(&["12345678".to_owned()]).is_err());
    }
}
