//! Commands from the utility: one schema, signed by those who may command, sealed for the device.
//!
//! ```text
//! [1, kind, id, counter, not before, not after, execute at (0: now), body]
//! ```
//! Times are seconds since 1970 (UTC). The counter rises with every command, over restarts too. What
//! switches a relay off or limits the load is signed twice: the outer signature's payload is then
//! the inner signed command. What has not been signed so is no command.

use crate::cbor::{Reader, Writer};
use crate::certificate::{PrivateKey, PublicKey};
use crate::cose::{self, Context, Message, SealError};
use crate::refusal::Refusal;

/// Content format of a command.
pub const COMMAND: u16 = 65_020;
/// Content format of a command that somebody else has signed before.
pub const COUNTERSIGNED: u16 = 65_021;
/// Content format of a command's result.
pub const RESULT: u16 = 65_022;
/// The stream of commands, and that of results.
pub const STREAM: &str = "command";
const VERSION: i64 = 1;
/// Octets of an id or of a body at most.
const LONGEST: usize = 16 * 1024;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A price document.
    Price,
    /// A tariff file.
    Tariff,
    /// An event of demand response.
    DrEvent,
    /// Send the registers of a meter now (TAF 6).
    ReadNow,
    /// Settings of streams.
    Config,
    /// Metadata of new firmware.
    Firmware,
    /// Time of the head-end.
    Time,
    /// Take a new epoch's key.
    KeyRotate,
    /// Switch a supply off.
    Disconnect,
    /// Let the person at the home switch on.
    Arm,
    /// The same, for head-ends that know no other word: nothing is switched on from afar.
    Reconnect,
    /// Limit the load.
    LoadLimit,
    /// A message to the household.
    Message,
}

const KINDS: [(Kind, &str); 13] = [
    (Kind::Price, "PRICE"),
    (Kind::Tariff, "TARIFF"),
    (Kind::DrEvent, "DR_EVENT"),
    (Kind::ReadNow, "READ_NOW"),
    (Kind::Config, "CONFIG"),
    (Kind::Firmware, "FIRMWARE"),
    (Kind::Time, "TIME"),
    (Kind::KeyRotate, "KEY_ROTATE"),
    (Kind::Disconnect, "DISCONNECT"),
    (Kind::Arm, "ARM"),
    (Kind::Reconnect, "RECONNECT"),
    (Kind::LoadLimit, "LOAD_LIMIT"),
    (Kind::Message, "MESSAGE"),
];

impl Kind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, name)| name)
    }

    /// The kind of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        KINDS
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(kind, _)| *kind)
    }

    /// True for what two have to sign.
    #[must_use]
    pub const fn needs_two(self) -> bool {
        matches!(self, Self::Disconnect | Self::LoadLimit)
    }
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What is to be done.
    pub kind: Kind,
    /// Its name, by which its result is told.
    pub id: String,
    /// Rises with every command to this device.
    pub counter: u64,
    /// Not to be taken before, seconds since 1970.
    pub not_before_s: i64,
    /// Not to be taken nor done after.
    pub not_after_s: i64,
    /// When it is to be done; at once when 0.
    pub execute_at_s: i64,
    /// What belongs to it, a text such as JSON; by its kind.
    pub body: String,
}

/// A command, and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The command.
    pub command: Command,
    /// Places of its signers among the trusted, all different.
    pub signers: Vec<usize>,
}

impl Command {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.array(8)
            .int(VERSION)
            .text(self.kind.name())
            .text(&self.id)
            .unsigned(self.counter);
        out.int(self.not_before_s)
            .int(self.not_after_s)
            .int(self.execute_at_s)
            .text(&self.body);
        out.into_octets()
    }

    fn decode(payload: &[u8]) -> Result<Self, Refusal> {
        let mut from = Reader::new(payload);
        from.array_of(8)?;
        if from.int()? != VERSION {
            return Err(Refusal::Unsupported("another version of a command"));
        }
        let kind = Kind::of_name(from.text()?)
            .ok_or(Refusal::Unsupported("a command that is not known"))?;
        let command = Self {
            kind,
            id: from.text()?.to_owned(),
            counter: from.unsigned()?,
            not_before_s: from.int()?,
            not_after_s: from.int()?,
            execute_at_s: from.int()?,
            body: from.text()?.to_owned(),
        };
        from.end()?;
        let sound = (1..=64).contains(&command.id.len())
            && command.body.len() <= LONGEST
            && command.not_before_s <= command.not_after_s
            && (command.execute_at_s == 0
                || (command.not_before_s..=command.not_after_s).contains(&command.execute_at_s));
        if sound {
            Ok(command)
        } else {
            Err(Refusal::Malformed("a command out of bounds"))
        }
    }

    /// The context it travels in.
    #[must_use]
    pub fn context(&self, device: &str) -> Context {
        Context {
            device: device.to_owned(),
            stream: STREAM.to_owned(),
            first: self.counter,
            last: self.counter,
        }
    }

    /// The content format and the payload that the last of `signers` still has to sign, by sealing.
    ///
    /// # Errors
    /// One of them signs nothing in COSE.
    pub fn signed_by(
        &self,
        device: &str,
        others: &[&PrivateKey],
    ) -> Result<(u16, Vec<u8>), SealError> {
        let context = self.context(device);
        let (mut format, mut payload) = (COMMAND, self.encode());
        for signer in others {
            let message = Message {
                context: &context,
                format: Some(format),
                payload: &payload,
            };
            payload = cose::sign(message, signer)?;
            format = COUNTERSIGNED;
        }
        Ok((format, payload))
    }
}

/// The command of an opened message, with all its signers.
///
/// # Errors
/// It is no command, was signed twice by the same, or by fewer than it needs.
pub fn of(opened: &cose::Opened, trusted: &[PublicKey]) -> Result<Signed, Refusal> {
    let mut signers = vec![opened.signer];
    let (mut format, mut payload) = (opened.format, opened.payload.to_vec());
    while format == Some(COUNTERSIGNED) && signers.len() < 4 {
        let inner = cose::verify(&payload, &opened.context, trusted)?;
        if signers.contains(&inner.signer) {
            return Err(Refusal::UntrustedSigner);
        }
        signers.push(inner.signer);
        (format, payload) = (inner.format, inner.payload.to_vec());
    }
    if format != Some(COMMAND) {
        return Err(Refusal::Unsupported("another content format"));
    }
    let command = Command::decode(&payload)?;
    if opened.context.stream != STREAM
        || (opened.context.first, opened.context.last) != (command.counter, command.counter)
    {
        return Err(Refusal::Malformed("a command in another's envelope"));
    }
    if command.kind.needs_two() && signers.len() < 2 {
        return Err(Refusal::UntrustedSigner);
    }
    Ok(Signed { command, signers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cose::EpochKey;
    use crate::curve::Curve;

    fn command(kind: Kind) -> Command {
        Command {
            kind,
            id: "c-1".to_owned(),
            counter: 9,
            not_before_s: 100,
            not_after_s: 200,
            execute_at_s: 150,
            body: "{}".to_owned(),
        }
    }

    fn sent(
        command: &Command,
        others: &[&PrivateKey],
        last: &PrivateKey,
        trusted: &[PublicKey],
    ) -> Result<Signed, Refusal> {
        let (format, payload) = command.signed_by("gw-1", others).unwrap();
        let context = command.context("gw-1");
        let message = Message {
            context: &context,
            format: Some(format),
            payload: &payload,
        };
        let key = EpochKey::new(1, &[1; 16]).unwrap().down();
        let sealed = cose::seal(message, last, &key, [4; 12]).unwrap();
        of(
            &cose::open(&sealed, |_| Some(key.clone()), trusted)?,
            trusted,
        )
    }

    #[test]
    fn a_disconnection_has_two_signers_who_differ() {
        let party = || PrivateKey::generate(Curve::P256).unwrap();
        let (a, b, stranger) = (party(), party(), party());
        let trusted = [a.public().clone(), b.public().clone()];
        let read = command(Kind::ReadNow);
        assert_eq!(sent(&read, &[], &a, &trusted).unwrap().command, read);
        let off = command(Kind::Disconnect);
        assert_eq!(sent(&off, &[&a], &b, &trusted).unwrap().signers, [1, 0]);
        for (others, last) in [
            (vec![], &a),
            (vec![&a], &a),
            (vec![&stranger], &a),
            (vec![&a, &a], &b),
        ] {
            assert_eq!(
                sent(&off, &others, last, &trusted),
                Err(Refusal::UntrustedSigner)
            );
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_no_command() {
        let a = PrivateKey::generate(Curve::P256).unwrap();
        let trusted = [a.public().clone()];
        let late = Command {
            execute_at_s: 201,
            ..command(Kind::ReadNow)
        };
        let turned = Command {
            not_after_s: 99,
            ..command(Kind::ReadNow)
        };
        for wrong in [
            late,
            turned,
            Command {
                id: String::new(),
                ..command(Kind::ReadNow)
            },
        ] {
            assert!(matches!(
                sent(&wrong, &[], &a, &trusted),
                Err(Refusal::Malformed(_))
            ));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            let _ = Command::decode(&octets);
        }
    }
}
