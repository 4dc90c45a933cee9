//! `wattle decode dlms`.

mod body;

use std::io;
use std::path::PathBuf;

use clap::Args;
use meter_link::dlms::apdu::{ActionRequest, ActionResponse, Apdu, GetResult};
use meter_link::dlms::axdr::Fault as FormFault;
use meter_link::dlms::data::{Data, DateTime};
use meter_link::dlms::framing::{Deframer, Fault, Found, FrameInfo, Framing};
use meter_link::dlms::interpret::{self, Content, Entry};
use meter_link::dlms::receive::{self, Message, Received, Refusal, Security};
use meter_link::dlms::security::{Cipher, Keys, ReplayWindow, SystemTitle, Verdict, hls};
use meter_link::profile::dlms::{self as profile, Profile};
use serde_json::{Map, Value, json};

use super::keys::{KeyArgs, WrongOption, cipher_status};
use super::output::{Object, Output, hex, octets_of};
use super::{CommonArgs, Decoder};

const PROTOCOL: &str = "dlms";

/// Decode DLMS/COSEM messages: pushes of customer ports and recorded sessions
#[derive(Debug, Args)]
#[command(
    long_about = "Decode DLMS/COSEM messages, as meters push them at their customer ports and as \
        they are exchanged with a client: in HDLC frames, wired M-Bus, the wrapper of TCP, or \
        bare. Segments and blocks are put together.\n\n\
        A ciphered message gives values only when its tag verifies, or with --no-auth when it is \
        a message to its last byte. With a key, messages that are not ciphered are rejected. \
        Keys are never printed.",
    after_help = "Examples:\n  \
        wattle decode dlms push.bin\n  \
        wattle decode dlms --format table --key $EK --auth-key $AK push.hex\n  \
        wattle decode dlms --key $EK --no-auth --profile my-meter.toml push.hex"
)]
pub(super) struct DlmsArgs {
    #[command(flatten)]
    keys: KeyArgs,

    /// Challenge that an HLS-GMAC token in an ACTION must answer; --system-title is its sender
    #[arg(long, value_name = "HEX")]
    challenge: Option<String>,

    /// File of profiles that say what lists mean, as in meter-link/src/profile/dlms.toml
    #[arg(long, value_name = "FILE")]
    profile: Vec<PathBuf>,

    /// Use no profile at all
    #[arg(long, conflicts_with = "profile")]
    no_profiles: bool,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

pub(super) struct DlmsDecoder {
    deframer: Deframer,
    keys: Keys,
    counters: Option<ReplayWindow>,
    challenge: Option<Vec<u8>>,
    profiles: Vec<Profile>,
}

impl DlmsDecoder {
    pub(super) fn new(args: &DlmsArgs) -> Result<Self, WrongOption> {
        let mut profiles = Vec::new();
        for path in &args.profile {
            let wrong = |why: String| WrongOption::Profile {
                path: path.display().to_string(),
                why,
            };
            let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            profiles.extend(profile::parse(&text).map_err(|error| wrong(error.to_string()))?);
        }
        if !args.no_profiles {
            profiles.extend_from_slice(profile::profiles());
        }
        let challenge = args.challenge.as_deref();
        Ok(Self {
            deframer: Deframer::recording(),
            keys: args.keys.keys()?,
            counters: args.keys.replay_check.then(ReplayWindow::default),
            challenge: challenge
                .map(|text| octets_of(text).ok_or(WrongOption::Hex("challenge")))
                .transpose()?,
            profiles,
        })
    }

    fn object(&mut self, found: &Found) -> Object {
        let apdu = match &found.apdu {
            Ok(apdu) => apdu,
            Err(fault) => {
                let mut object = rejected(found, fault_status(*fault), &fault.to_string());
                framing(&mut object, found);
                return object;
            }
        };
        if let Some(object) = self.token(apdu, found) {
            return object;
        }
        let Received { security, message } = receive::receive(apdu, &self.keys);
        let message = match message {
            Ok(message) => match self.replayed(security.as_ref(), &message) {
                Some(counter) => Err((
                    "replay",
                    format!("the invocation counter {counter} does not rise"),
                )),
                None => Ok(message),
            },
            Err(refusal) => Err((refusal_status(&refusal), refusal.to_string())),
        };
        let (message, mut object) = match message {
            Ok(message) => (message, Object::ok(PROTOCOL, found.offset, found.length)),
            Err((status, reason)) => {
                let mut object = rejected(found, status, &reason);
                framing(&mut object, found);
                if let Some(security) = &security {
                    object.set("security", protection(security, None));
                }
                return object;
            }
        };
        framing(&mut object, found);
        if let Some(security) = &security {
            object.set("security", protection(security, Some(message.verdict)));
        }
        let title = security.and_then(|security| security.system_title);
        let plaintext = message.plaintext.as_deref().map(hex);
        object.set_some("plaintext", plaintext);
        self.describe(&mut object, &message.apdu, title);
        object.set_list("warnings", warnings(found, &message));
        object
    }

    fn replayed(&mut self, security: Option<&Security>, message: &Message) -> Option<u32> {
        let counters = self.counters.as_mut()?;
        let security = security?;
        let counter = security.invocation_counter?;
        let ciphered = message.verdict != Verdict::None;
        (ciphered && !counters.accept(security.system_title, counter)).then_some(counter)
    }

    /// An ACTION with a token that was to be checked against a challenge.
    fn token(&self, bytes: &[u8], found: &Found) -> Option<Object> {
        let challenge = self.challenge.as_deref()?;
        let (apdu, _) = Apdu::decode(bytes).ok()?;
        let token = token_of(&apdu)?;
        let mut object = Object::ok(PROTOCOL, found.offset, found.length);
        framing(&mut object, found);
        self.describe(&mut object, &apdu, None);
        let title = self.keys.system_title;
        let verdict = title.and_then(|title| {
            let cipher = Cipher {
                encryption: self.keys.encryption.of(title)?,
                authentication: self.keys.authentication.of(title)?,
            };
            Some(hls::verify_gmac(&cipher, title, token, challenge))
        });
        match verdict {
            Some(right) => {
                let verdict = if right { "ok" } else { "failed" };
                object.set("hls", json!({"mechanism": 5, "verdict": verdict}));
            }
            None => object.set_list(
                "warnings",
                vec![json!(
                    "the token cannot be checked without --key, --auth-key and --system-title"
                )],
            ),
        }
        Some(object)
    }

    fn describe(&self, object: &mut Object, apdu: &Apdu, title: Option<SystemTitle>) {
        object.set("apdu", apdu.name());
        body::set(object, apdu);
        let Apdu::DataNotification(push) = apdu else {
            return;
        };
        let octets = push.at.map(|at| hex(&at.0)).unwrap_or_default();
        object.set("date_time", octets);
        let reading = interpret::read(&push.body, title, &self.profiles);
        let time = push.at.or(reading.time).and_then(DateTime::iso);
        object.set_some("time", time);
        object.set_some("meter_id", reading.meter_id);
        object.set_some("manufacturer", reading.manufacturer);
        object.set("body", body::data(&push.body));
        object.set_list("values", reading.entries.iter().map(entry).collect());
    }
}

impl Decoder for DlmsDecoder {
    fn feed(&mut self, bytes: &[u8], output: &mut Output) -> io::Result<()> {
        self.deframer.push(bytes);
        while let Some(found) = self.deframer.poll() {
            output.print(self.object(&found))?;
        }
        Ok(())
    }

    fn finish(&mut self, output: &mut Output) -> io::Result<()> {
        self.deframer.finish();
        self.feed(&[], output)
    }
}

fn rejected(found: &Found, status: &str, reason: &str) -> Object {
    Object::rejected(PROTOCOL, status, reason, found.offset, found.length)
}

const fn fault_status(fault: Fault) -> &'static str {
    match fault {
        Fault::Check(_) => "checksum",
        Fault::Cut | Fault::Segment | Fault::Block(_) => "truncated",
        _ => "malformed",
    }
}

fn refusal_status(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Cipher(error) => cipher_status(*error),
        Refusal::Form(error) if error.fault == FormFault::Short => "truncated",
        _ => "malformed",
    }
}

fn warnings(found: &Found, message: &Message) -> Vec<Value> {
    let mut warnings: Vec<Value> = found.warnings.iter().map(|text| json!(text)).collect();
    if message.wrong_tag {
        warnings.push(json!("the tag does not verify with the authentication key"));
    }
    if message.trailing > 0 {
        let trailing = message.trailing;
        warnings.push(json!(format!("{trailing} bytes follow the message")));
    }
    warnings
}

/// The octets of an HLS token in an ACTION.
fn token_of(apdu: &Apdu) -> Option<&[u8]> {
    let data = match apdu {
        Apdu::ActionRequest(ActionRequest::Normal { parameter, .. }) => parameter.as_ref()?,
        Apdu::ActionResponse(ActionResponse::Normal { result, .. }) => {
            match result.returned.as_ref()? {
                GetResult::Data(data) => data,
                GetResult::Error(_) => return None,
            }
        }
        _ => return None,
    };
    match data {
        Data::OctetString(octets) => Some(octets),
        _ => None,
    }
}

fn framing(object: &mut Object, found: &Found) {
    let Some(framing) = found.framing else {
        return;
    };
    let kind = match framing {
        Framing::Hdlc => "hdlc",
        Framing::Mbus => "mbus",
        Framing::Wrapper => "wrapper",
        Framing::Raw => "raw",
    };
    let mut members = Map::new();
    members.insert("kind".to_owned(), json!(kind));
    if !found.frames.is_empty() {
        let frames: Vec<Value> = found.frames.iter().map(frame).collect();
        members.insert("frames".to_owned(), frames.into());
    }
    object.set("framing", members);
}

fn frame(frame: &FrameInfo) -> Value {
    match frame {
        FrameInfo::Hdlc {
            length,
            segmented,
            destination,
            source,
            control,
            hcs_ok,
            fcs_ok,
            block,
        } => {
            let mut members = json!({
                "length": length, "segmented": segmented, "dst": hex(destination),
                "src": hex(source), "control": control, "hcs": hcs_ok, "fcs": fcs_ok,
            });
            if let (Some((number, last)), Some(members)) = (block, members.as_object_mut()) {
                let block = json!({"block": number, "last": last});
                members.insert("gbt".to_owned(), block);
            }
            members
        }
        FrameInfo::Mbus {
            length,
            control,
            address,
            information,
            checksum_ok,
        } => json!({
            "length": length, "c": control, "a": address, "ci": information,
            "checksum": checksum_ok,
        }),
        FrameInfo::Wrapper {
            source,
            destination,
            length,
        } => json!({"source": source, "destination": destination, "length": length}),
    }
}

fn protection(security: &Security, verdict: Option<Verdict>) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("ciphering", json!(security.form.name()));
    if let Some(title) = security.system_title {
        set("system_title", json!(hex(&title)));
    }
    if let Some(control) = security.control {
        set("security_control", json!(control.0));
        set("suite", json!(control.suite()));
        set("encrypted", json!(control.is_encrypted()));
    }
    if let Some(counter) = security.invocation_counter {
        set("invocation_counter", json!(counter));
    }
    if let Some(verdict) = verdict {
        let verdict = match verdict {
            Verdict::None => "none",
            Verdict::Authenticated => "authenticated",
            Verdict::Unauthenticated => "unauthenticated",
        };
        set("verdict", json!(verdict));
    }
    Value::Object(members)
}

fn entry(entry: &Entry) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("obis", json!(entry.register.to_string()));
    match &entry.content {
        Content::Number(number) => {
            set("value", json!(number.to_string()));
        }
        Content::Octets(octets) => {
            let printable = octets.iter().all(|octet| (0x20..0x7F).contains(octet));
            let text = match printable {
                true => String::from_utf8_lossy(octets).into_owned(),
                false => hex(octets),
            };
            set("value", json!(text));
            set("hex", json!(hex(octets)));
        }
    }
    if let Some(unit) = entry.unit {
        set("unit", json!(unit.to_string()));
    }
    if let Some(scaler) = entry.scaler {
        set("scaler", json!(scaler));
    }
    if entry.attribute != 2 {
        set("attribute", json!(entry.attribute));
    }
    if let Some(profile) = &entry.profile {
        set("profile", json!(profile));
    }
    Value::Object(members)
}
