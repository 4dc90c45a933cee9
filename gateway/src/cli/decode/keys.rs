//! Keys on the command line.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::Args;
use meter_link::dlms::security::{CipherError, KeyChain, Keys, SystemTitle};
use meter_link::key::Key;
use zeroize::Zeroizing;

/// What opening ciphered messages takes.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// Encryption key, 32 hex digits (64 for suite 2); with ID=, the system title in hex, only
    /// for messages of this sender
    #[arg(long, value_name = "[ID=]HEX")]
    key: Vec<KeyText>,

    /// Authentication key, likewise
    #[arg(long, value_name = "[ID=]HEX")]
    auth_key: Vec<KeyText>,

    /// Take messages whose tag is wrong, not there or cannot be checked, if what is inside makes
    /// sense
    #[arg(long)]
    no_auth: bool,

    /// System title of messages that carry none, 16 hex digits
    #[arg(long, value_name = "HEX")]
    system_title: Option<String>,

    /// Reject messages whose invocation counter does not rise
    #[arg(long)]
    pub(super) replay_check: bool,
}

impl KeyArgs {
    pub(super) fn keys(&self) -> Result<Keys, WrongOption> {
        let title = self.system_title.as_deref();
        Ok(Keys {
            encryption: chain("key", &self.key)?,
            authentication: chain("auth-key", &self.auth_key)?,
            no_auth: self.no_auth,
            system_title: title
                .map(|text| parse_title("system-title", text))
                .transpose()?,
        })
    }
}

/// A key as it was given. clap repeats a value it refuses, so that this takes any text and a
/// wrong one is found later.
#[derive(Clone)]
pub(super) struct KeyText(pub(super) Zeroizing<String>);

impl FromStr for KeyText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(..)")
    }
}

/// What is wrong with an option.
#[derive(Debug, thiserror::Error)]
pub(super) enum WrongOption {
    #[error("--{option}: {source}")]
    Key {
        option: &'static str,
        source: meter_link::key::KeyError,
    },
    #[error("--{0}: a system title has 16 hex digits")]
    Title(&'static str),
    #[error("--{0}: an even number of hex digits is expected")]
    Hex(&'static str),
    #[error("--profile {path}: {why}")]
    Profile { path: String, why: String },
}

/// The word for why a message could not be opened.
pub(super) const fn cipher_status(error: CipherError) -> &'static str {
    match error {
        // Without a title no key can be tried.
        CipherError::NoKey | CipherError::NoTitle => "no_key",
        CipherError::NoAuthKey => "no_auth_key",
        CipherError::WrongKey(_) => "wrong_key",
        CipherError::Unauthenticated => "unauthenticated",
        CipherError::NotCiphered => "not_ciphered",
        _ => "unsupported",
    }
}

fn chain(option: &'static str, texts: &[KeyText]) -> Result<KeyChain, WrongOption> {
    let mut chain = KeyChain::default();
    for KeyText(text) in texts {
        let (title, digits) = match text.split_once('=') {
            Some((title, digits)) => (Some(parse_title(option, title)?), digits),
            None => (None, text.as_str()),
        };
        let key = Key::from_hex(digits).map_err(|source| WrongOption::Key { option, source })?;
        chain.insert(title, key);
    }
    Ok(chain)
}

fn parse_title(option: &'static str, text: &str) -> Result<SystemTitle, WrongOption> {
    meter_link::dlms::security::parse_title(text).ok_or(WrongOption::Title(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(given: &str) -> KeyText {
        given.parse().unwrap()
    }

    #[test]
    fn wrong_keys_are_refused_and_not_repeated() {
        let digits = "c0ffee".repeat(6);
        for given in [
            digits.clone(),
            format!("57534d3030303031={digits}"),
            format!("57={digits}"),
        ] {
            let error = chain("key", &[text(&given)]).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("c0ffee"));
        }
        assert!(!format!("{:?}", text(&digits)).contains("c0ffee"));
    }

    #[test]
    fn keys_by_sender() {
        let own = format!("57534d3030303031={}", "11".repeat(16));
        let chain = chain("key", &[text(&own), text(&"22".repeat(16))]).unwrap();
        assert_eq!(chain.of(*b"WSM00001").unwrap().octets(), [0x11; 16]);
        assert_eq!(chain.of(*b"WSM00002").unwrap().octets(), [0x22; 16]);
    }
}
