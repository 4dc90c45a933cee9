//! `wattle decode c12`.

mod link;
mod network;

use std::io;

use clap::Args;
use meter_link::c12::net::Keys;
use meter_link::key::Key;

use super::keys::KeyText;
use super::output::Output;
use super::{CommonArgs, Decoder};

/// Decode ANSI C12.18 and C12.21 sessions and C12.22 messages with C12.19 tables
#[derive(Debug, Args)]
#[command(
    long_about = "Decode ANSI C12.18 and C12.21 sessions, given as JSON Lines of \
        {\"dir\":\"host\"|\"meter\",\"hex\":\"...\"}, and C12.22 messages, given as hex text or raw \
        bytes.\n\n\
        A session gives one line per request with its answer; retries, refused packets, \
        repetitions and messages of several packets are put together. Tables are decoded with \
        those read before them. A C12.22 message that is checked gives its services only when its \
        EAX' check is right; with a key, messages without a check are rejected. Keys are never \
        printed.",
    after_help = "Examples:\n  \
        wattle decode c12 session.jsonl\n  \
        wattle decode c12 --format table session.jsonl\n  \
        wattle decode c12 --key 2=$KEY messages.hex"
)]
pub(super) struct C12Args {
    /// Key of 32 hex digits; with NR=, only for messages that name this key number
    #[arg(long, value_name = "[NR=]HEX")]
    key: Vec<KeyText>,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// What is wrong with an option.
#[derive(Debug, thiserror::Error)]
pub(super) enum WrongOption {
    #[error("--key: {0}")]
    Key(#[from] meter_link::key::KeyError),
    #[error("--key: a key has 32 hex digits here")]
    Length,
    #[error("--key: a key number is a number from 0 to 255")]
    Number,
}

/// What the input is.
enum Mode {
    /// Nothing but white space has come.
    Undecided,
    Session(Box<link::SessionDecoder>),
    Messages(Box<network::MessageDecoder>),
}

pub(super) struct C12Decoder {
    keys: Keys,
    mode: Mode,
}

impl C12Decoder {
    pub(super) fn new(args: &C12Args) -> Result<Self, WrongOption> {
        let mut keys = Keys::new();
        let mut any = None;
        for KeyText(text) in &args.key {
            let (number, digits) = match text.split_once('=') {
                Some((number, digits)) => {
                    let number = number.parse::<u8>().map_err(|_| WrongOption::Number)?;
                    (Some(number), digits)
                }
                None => (None, text.as_str()),
            };
            let key = Key::from_hex(digits)?;
            if key.octets().len() != 16 {
                return Err(WrongOption::Length);
            }
            match number {
                Some(number) => drop(keys.insert(number, key)),
                None => any = Some(key),
            }
        }
        if let Some(key) = any {
            for number in 0..=u8::MAX {
                keys.entry(number).or_insert_with(|| key.clone());
            }
        }
        Ok(Self {
            keys,
            mode: Mode::Undecided,
        })
    }
}

impl Decoder for C12Decoder {
    fn feed(&mut self, bytes: &[u8], output: &mut Output) -> io::Result<()> {
        if matches!(self.mode, Mode::Undecided) {
            // The octets of a message are not white space, except by chance at their very start.
            let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
            self.mode = match first {
                None => return Ok(()),
                Some(b'{') => Mode::Session(Box::new(link::SessionDecoder::lines())),
                // A packet, or what comes around one: octets of both directions in turn.
                Some(0xEE | 0x06 | 0x15) => Mode::Session(Box::new(link::SessionDecoder::octets())),
                Some(_) => {
                    Mode::Messages(Box::new(network::MessageDecoder::new(self.keys.clone())))
                }
            };
        }
        match &mut self.mode {
            Mode::Undecided => Ok(()),
            Mode::Session(decoder) => decoder.feed(bytes, output),
            Mode::Messages(decoder) => decoder.feed(bytes, output),
        }
    }

    fn finish(&mut self, output: &mut Output) -> io::Result<()> {
        match &mut self.mode {
            Mode::Undecided => Ok(()),
            Mode::Session(decoder) => decoder.finish(output),
            Mode::Messages(decoder) => decoder.finish(output),
        }
    }
}

/// Name of a service by the first octet of its request.
const fn service_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0x20 => "identify",
        0x21 => "terminate",
        0x22 => "disconnect",
        0x24 => "deregister",
        0x25 => "resolve",
        0x26 => "trace",
        0x27 => "register",
        0x30 => "read",
        0x31..=0x39 => "read_index",
        0x3F => "read_offset",
        0x40 => "write",
        0x41..=0x49 => "write_index",
        0x4F => "write_offset",
        0x50 => "logon",
        0x51 => "security",
        0x52 => "logoff",
        0x53 => "authenticate",
        0x60..=0x6B => "negotiate",
        0x70 => "wait",
        0x71 => "timing_setup",
        _ => return None,
    })
}

/// Octets as text, outer blanks and all.
pub(super) fn text(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}
