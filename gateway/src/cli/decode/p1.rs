//! `wattle decode p1`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::str::FromStr;

use clap::Args;
use meter_link::key::Key;
use meter_link::p1::{
    Channel, CipherError, CipheredFrame, Entry, Event, Fault, KeyChain, Keys, LineCheck, Message,
    Opened, Splitter, SystemTitle, Telegram, Verdict, WallTime,
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::output::{Object, Output};
use super::{CommonArgs, Decoder};

const PROTOCOL: &str = "p1";

/// Decode P1 telegrams of the customer port (DSMR, ESMR, eMUCS), plain and ciphered
#[derive(Debug, Args)]
#[command(
    long_about = "Decode P1 telegrams of the customer port: DSMR 2.2 to 5, ESMR, eMUCS-P1, the \
        national forms of Luxembourg, Austria, Sweden, Hungary and Ireland, and the push \
        telegrams of D0 meters.\n\n\
        A telegram must pass its CRC; `check` says \"absent\" where none was sent. A ciphered \
        frame gives values only when its tag verifies, or with --no-auth when the telegram \
        inside passes its CRC. With a key, telegrams that are not ciphered are rejected. Keys \
        are never printed.",
    after_help = "Examples:\n  \
        wattle decode p1 telegrams.txt\n  \
        wattle decode p1 --format table telegrams.txt\n  \
        wattle decode p1 --key $EK --auth-key $AK frames.hex\n  \
        wattle decode p1 --key $EK --no-auth --replay-check frames.hex"
)]
pub(super) struct P1Args {
    /// Encryption key, 32 hex digits (64 for suite 2); with ID=, the system title in hex, only
    /// for frames of this sender
    #[arg(long, value_name = "[ID=]HEX")]
    key: Vec<KeyText>,

    /// Authentication key, likewise
    #[arg(long, value_name = "[ID=]HEX")]
    auth_key: Vec<KeyText>,

    /// Take frames whose tag is wrong or cannot be checked, if the telegram inside passes its CRC
    #[arg(long)]
    no_auth: bool,

    /// System title of frames that carry none, 16 hex digits
    #[arg(long, value_name = "HEX")]
    system_title: Option<String>,

    /// Reject frames whose invocation counter does not rise
    #[arg(long)]
    replay_check: bool,

    #[command(flatten)]
    pub(super) common: CommonArgs,
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
}

pub(super) struct P1Decoder {
    splitter: Splitter,
    keys: Keys,
    /// The last invocation counter of each sender, when they must rise.
    counters: Option<BTreeMap<Option<SystemTitle>, u32>>,
}

impl P1Decoder {
    pub(super) fn new(args: &P1Args) -> Result<Self, WrongOption> {
        let title = args.system_title.as_deref();
        let keys = Keys {
            encryption: chain("key", &args.key)?,
            authentication: chain("auth-key", &args.auth_key)?,
            no_auth: args.no_auth,
            system_title: title
                .map(|text| parse_title("system-title", text))
                .transpose()?,
        };
        Ok(Self {
            splitter: Splitter::new(),
            keys,
            counters: args.replay_check.then(BTreeMap::new),
        })
    }

    fn object(&mut self, event: &Event) -> Object {
        let (offset, length) = (event.offset, event.length);
        let rejected =
            |status, reason: &str| Object::rejected(PROTOCOL, status, reason, offset, length);
        match &event.message {
            Message::Rejected(fault) => rejected(fault_status(*fault), &fault.to_string()),
            Message::Telegram(_) if !self.keys.encryption.is_empty() => {
                rejected("not_ciphered", &CipherError::NotCiphered.to_string())
            }
            Message::Telegram(telegram) => {
                let mut object = Object::ok(PROTOCOL, offset, length);
                describe(&mut object, telegram, Vec::new());
                object
            }
            Message::Ciphered(frame) => {
                let security = security(frame, self.keys.system_title);
                let opened = frame.open(&self.keys);
                let (status, reason) = match &opened {
                    Err(error) => (error_status(error), error.to_string()),
                    Ok(_) if self.is_replay(frame) => (
                        "replay",
                        format!(
                            "the invocation counter {} does not rise",
                            frame.invocation_counter
                        ),
                    ),
                    Ok(opened) => return ok(offset, length, opened, security),
                };
                let mut object = rejected(status, &reason);
                object.set("security", security);
                object
            }
        }
    }

    fn is_replay(&mut self, frame: &CipheredFrame) -> bool {
        let Some(counters) = &mut self.counters else {
            return false;
        };
        let title = frame.system_title.or(self.keys.system_title);
        let last = counters.get(&title);
        if last.is_some_and(|last| frame.invocation_counter <= *last) {
            return true;
        }
        counters.insert(title, frame.invocation_counter);
        false
    }
}

impl Decoder for P1Decoder {
    fn feed(&mut self, mut bytes: &[u8], output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.splitter.pull(&mut bytes) {
            output.print(self.object(&event))?;
        }
        Ok(())
    }

    fn finish(&mut self, output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.splitter.finish() {
            output.print(self.object(&event))?;
        }
        Ok(())
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
    meter_link::p1::parse_title(text).ok_or(WrongOption::Title(option))
}

const fn fault_status(fault: Fault) -> &'static str {
    match fault {
        Fault::Truncated => "truncated",
        Fault::Crc { .. } => "checksum",
        _ => "malformed",
    }
}

const fn error_status(error: &CipherError) -> &'static str {
    match error {
        // Without a title no key can be tried.
        CipherError::NoKey | CipherError::NoTitle => "no_key",
        CipherError::NoAuthKey => "no_auth_key",
        CipherError::WrongKey(_) => "wrong_key",
        CipherError::Unauthenticated => "unauthenticated",
        CipherError::NotCiphered => "not_ciphered",
        CipherError::Content(fault) => fault_status(*fault),
        _ => "unsupported",
    }
}

fn ok(offset: u64, length: u64, opened: &Opened, mut security: Value) -> Object {
    let verdict = match opened.verdict {
        Verdict::None => "none",
        Verdict::Authenticated => "authenticated",
        Verdict::Unauthenticated => "unauthenticated",
    };
    if let Some(members) = security.as_object_mut() {
        members.insert("verdict".to_owned(), json!(verdict));
    }
    let mut object = Object::ok(PROTOCOL, offset, length);
    object.set("security", security);
    object.set("plaintext", hex(&opened.plaintext));
    let wrong_tag = "the tag does not verify with the authentication key";
    let warnings = opened.wrong_tag.then(|| json!(wrong_tag));
    describe(
        &mut object,
        &opened.telegram,
        warnings.into_iter().collect(),
    );
    object
}

fn security(frame: &CipheredFrame, configured: Option<SystemTitle>) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("ciphering", json!("general-glo"));
    if let Some(title) = frame.system_title.or(configured) {
        set("system_title", json!(hex(&title)));
    }
    set("security_control", json!(frame.security_control));
    set("suite", json!(frame.suite()));
    set("encrypted", json!(frame.is_encrypted()));
    set("invocation_counter", json!(frame.invocation_counter));
    Value::Object(members)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Adds what a telegram says.
fn describe(object: &mut Object, telegram: &Telegram, mut warnings: Vec<Value>) {
    object.set("identification", telegram.identification.as_str());
    object.set("manufacturer", telegram.manufacturer());
    object.set_some("version", telegram.version());
    object.set_some("meter_id", telegram.meter_id());
    let time = telegram.time();
    object.set_some("time", time.map(|time| time.at.to_string()));
    object.set_some("dst", time.and_then(|time| time.dst));
    object.set(
        "check",
        match telegram.check {
            LineCheck::Absent => "absent",
            LineCheck::Crc => "ok",
        },
    );
    let strange = telegram.strange_lines.iter();
    warnings.extend(strange.map(|line| json!(format!("no data line: {line:?}"))));
    object.set_list("warnings", warnings);
    let values: Vec<Value> = telegram.entries.iter().map(entry).collect();
    object.set("values", values);
    object.set_list(
        "channels",
        telegram.channels().iter().map(channel).collect(),
    );
}

fn entry(entry: &Entry) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("obis", json!(entry.obis));
    set("value", json!(entry.value));
    if let Some(unit) = &entry.unit {
        set("unit", json!(unit));
    }
    if let Some(WallTime { at, dst }) = entry.captured_at {
        set("captured_at", json!(at.to_string()));
        if let Some(dst) = dst {
            set("dst", json!(dst));
        }
    }
    if !entry.rows.is_empty() {
        set("entries", entry.rows.iter().map(self::entry).collect());
    }
    Value::Object(members)
}

fn channel(channel: &Channel) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("channel", json!(channel.number));
    set("type", json!(channel.kind));
    if let Some(medium) = channel.medium_name() {
        set("medium", json!(medium));
    }
    if let Some(id) = &channel.meter_id {
        set("meter_id", json!(id));
    }
    Value::Object(members)
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
