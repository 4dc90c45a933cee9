//! `wattle upstream seal`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use wattle_relay::cose::{self, Context as Rows, EpochKey, Message};
use wattle_relay::{PrivateKey, cms};

use super::{certificate_of, epoch_key, octets_of, state_folder};
use crate::upstream::counter::IvCounter;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    /// SignedData inside AuthEnvelopedData, for one recipient
    Cms,
    /// COSE_Sign1 inside COSE_Encrypt0, with the key of an epoch
    Cose,
}

/// Sign and seal the octets of a file, unchanged
#[derive(Args, Debug)]
pub(super) struct SealArgs {
    /// The payload; - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// The envelope
    #[arg(long)]
    profile: Profile,
    /// The signer's certificate
    #[arg(long, value_name = "FILE")]
    sign_cert: PathBuf,
    /// The signer's private key
    #[arg(long, value_name = "FILE")]
    sign_key: PathBuf,
    /// The recipient's certificate (CMS)
    #[arg(long, required_if_eq("profile", "cms"), value_name = "FILE")]
    recipient: Option<PathBuf>,
    /// Leave the signer's certificate out (CMS): the recipient has it
    #[arg(long)]
    compact: bool,
    /// The epoch's key (COSE): ID=HEX or ID=@FILE
    #[arg(long, required_if_eq("profile", "cose"), value_name = "ID=HEX", value_parser = epoch_key)]
    epoch_key: Option<EpochKey>,
    /// The device (COSE)
    #[arg(long, required_if_eq("profile", "cose"), value_name = "ID")]
    device: Option<String>,
    /// The stream (COSE)
    #[arg(long, required_if_eq("profile", "cose"), value_name = "NAME")]
    stream: Option<String>,
    /// Sequence number of its row, or of the first and the last (COSE)
    #[arg(long, required_if_eq("profile", "cose"), value_name = "N[-M]", value_parser = sequence)]
    seq: Option<(u64, u64)>,
    /// Folder that keeps which IVs were used (COSE): with one key always the same
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Write the batch into a file instead of to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn sequence(text: &str) -> Result<(u64, u64), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |digits: &str| {
        digits
            .parse()
            .map_err(|_| "a number, or two with '-' between".to_owned())
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err("the first is above the last".to_owned());
    }
    Ok((first, last))
}

pub(super) fn run(args: &SealArgs) -> anyhow::Result<ExitCode> {
    let payload = octets_of(&args.file)?;
    let certificate = certificate_of(&args.sign_cert)?;
    let name = || args.sign_key.display().to_string();
    let key = PrivateKey::read(&octets_of(&args.sign_key)?).with_context(name)?;
    anyhow::ensure!(
        key.public() == certificate.public(),
        "{}: it is not the key of {}",
        name(),
        args.sign_cert.display()
    );
    let sealed = match args.profile {
        Profile::Cms => {
            let recipient = args.recipient.as_ref().context("--recipient is missing")?;
            let included = if args.compact {
                cms::Included::Nothing
            } else {
                cms::Included::Certificate
            };
            cms::seal(
                &payload,
                (&certificate, &key),
                included,
                &certificate_of(recipient)?,
            )?
        }
        Profile::Cose => {
            let (first, last) = args.seq.context("--seq is missing")?;
            let context = Rows {
                device: args.device.clone().context("--device is missing")?,
                stream: args.stream.clone().context("--stream is missing")?,
                first,
                last,
            };
            let epoch = args.epoch_key.as_ref().context("--epoch-key is missing")?;
            let counter = IvCounter::open(&state_folder(args.state.as_ref()), epoch)?.next(1)?;
            let message = Message {
                context: &context,
                format: None,
                payload: &payload,
            };
            cose::seal(message, &key, epoch, cose::iv(epoch.epoch, counter))?
        }
    };
    match &args.out {
        Some(path) => std::fs::write(path, sealed).with_context(|| path.display().to_string())?,
        None => std::io::stdout().lock().write_all(&sealed)?,
    }
    Ok(ExitCode::SUCCESS)
}
