//! `wattle decode osgp`: the digest of recorded messages, for laboratories.

use clap::Args;
use meter_link::osgp::{Digest, OmaKey, OmaKeyError, digest, verify};

use super::input::{self, Failure};
use super::keys::KeyText;
use super::output::{Object, Output, hex};
use super::{FrameArgs, lines};

const PROTOCOL: &str = "osgp";

/// Check the digest of recorded OSGP messages, for laboratories
#[derive(Debug, Args)]
#[command(
    long_about = "Make or check the digest of recorded messages of the Open Smart Grid Protocol \
        (ETSI TS 104 001).\n\n\
        Each line is a message in hex, or a message and its digest. The digest is broken: whoever \
        listens finds its key, so that a right one proves nothing. wattle opens no such session.",
    after_help = "Example:\n  wattle decode osgp --key $KEY messages.txt"
)]
pub(super) struct OsgpArgs {
    /// Key of the digest, 24 hex digits
    #[arg(long, value_name = "HEX")]
    key: KeyText,

    #[command(flatten)]
    common: FrameArgs,
}

/// The key of the command line.
pub(super) fn key(args: &OsgpArgs) -> Result<OmaKey, OmaKeyError> {
    OmaKey::from_hex(&args.key.0)
}

/// Runs `wattle decode osgp`.
pub(super) fn run(args: &OsgpArgs, key: &OmaKey) -> Result<(), Failure> {
    let path = &args.common.file;
    let mut output = Output::new(args.common.format);
    lines::each(path, input::open(path)?, |line, text| {
        let mut object =
            object(key, text).unwrap_or_else(|why| Object::failed(PROTOCOL, "malformed", &why));
        object.set("line", line);
        output.print(object).map_err(Failure::Output)
    })
}

fn object(key: &OmaKey, text: &str) -> Result<Object, String> {
    let mut words = text.split_whitespace();
    let message = lines::octets(words.next().unwrap_or_default())?;
    let sent = match words.next().map(lines::octets).transpose()? {
        Some(octets) => Some(
            Digest::try_from(octets)
                .map_err(|octets| format!("a digest has 8 octets, this has {}", octets.len()))?,
        ),
        None => None,
    };
    if words.next().is_some() {
        return Err("a line is a message and, if there is one, its digest".to_owned());
    }
    if sent.is_some_and(|sent| !verify(key, &message, &sent)) {
        let reason = "the digest is another: another key, or the message was altered";
        return Ok(Object::failed(PROTOCOL, "wrong_key", reason));
    }
    let mut object = Object::message(PROTOCOL);
    object.set("digest", hex(&digest(key, &message)));
    object.set("deprecated", true);
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_none() {
        let key = OmaKey::from_hex(&"df".repeat(12)).unwrap();
        for text in ["0", "00 00", "00 0011223344556677 00", "zz"] {
            assert!(object(&key, text).is_err(), "{text}");
        }
    }
}
