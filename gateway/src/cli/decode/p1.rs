//! `wattle decode p1`.

use std::io;

use clap::Args;
use meter_link::dlms::security::{CipherError, ReplayWindow};
use meter_link::p1::{
    Channel, CipheredFrame, Entry, Event, Fault, Keys, LineCheck, Message, OpenError, Opened,
    Splitter, SystemTitle, Telegram, Verdict, WallTime,
};
use serde_json::{Map, Value, json};

use super::keys::{KeyArgs, WrongOption, cipher_status};
use super::output::{Object, Output, hex};
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
    #[command(flatten)]
    keys: KeyArgs,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

pub(super) struct P1Decoder {
    splitter: Splitter,
    keys: Keys,
    /// The last invocation counter of each sender, when they must rise.
    counters: Option<ReplayWindow>,
}

impl P1Decoder {
    pub(super) fn new(args: &P1Args) -> Result<Self, WrongOption> {
        Ok(Self {
            splitter: Splitter::new(),
            keys: args.keys.keys()?,
            counters: args.keys.replay_check.then(ReplayWindow::default),
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
        let title = frame.system_title.or(self.keys.system_title);
        let counters = self.counters.as_mut();
        counters.is_some_and(|counters| !counters.accept(title, frame.invocation_counter))
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

const fn fault_status(fault: Fault) -> &'static str {
    match fault {
        Fault::Truncated => "truncated",
        Fault::Crc { .. } => "checksum",
        _ => "malformed",
    }
}

fn error_status(error: &OpenError) -> &'static str {
    match error {
        OpenError::Cipher(error) => cipher_status(*error),
        OpenError::Content(fault) => fault_status(*fault),
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
