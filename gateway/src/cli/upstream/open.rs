//! `wattle upstream open`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};
use wattle_relay::cose::{self, EpochKey};
use wattle_relay::{Certificate, Hash, PrivateKey, Refusal, cms};

use super::{EXIT_REFUSED, certificate_of, certificates_of, epoch_key, octets_of};
use crate::hex;

/// Open a sealed batch: verify, decrypt, print it as JSON
///
/// Exit status 0 when it was opened, 1 when it was refused: then `status` says why, and nothing of
/// the content is printed or written.
#[derive(Args, Debug)]
pub(super) struct OpenArgs {
    /// The batch, CMS in DER or COSE; - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// The recipient's certificate (CMS)
    #[arg(long, requires = "key", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The recipient's private key (CMS)
    #[arg(long, requires = "cert", value_name = "FILE")]
    key: Option<PathBuf>,
    /// A key of an epoch (COSE): ID=HEX or ID=@FILE
    #[arg(long, value_name = "ID=HEX", value_parser = epoch_key)]
    epoch_key: Vec<EpochKey>,
    /// Certificates of the signers that are accepted
    #[arg(long, required = true, value_name = "FILE")]
    trust: Vec<PathBuf>,
    /// Open EnvelopedData with CBC too, for old archives: nothing shows whether it was altered
    #[arg(long)]
    allow_cbc: bool,
    /// Write the payload's octets into a file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &OpenArgs) -> anyhow::Result<ExitCode> {
    let mut trusted = Vec::new();
    for path in &args.trust {
        trusted.extend(certificates_of(path)?);
    }
    let recipient = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => {
            let name = || key.display().to_string();
            let private = PrivateKey::read(&octets_of(key)?).with_context(name)?;
            let certificate = certificate_of(cert)?;
            anyhow::ensure!(
                private.public() == certificate.public(),
                "{}: it is not the key of {}",
                name(),
                cert.display()
            );
            Some((certificate, private))
        }
        _ => None,
    };
    let octets = octets_of(&args.file)?;
    let (mut line, payload) = match opened(args, &octets, recipient.as_ref(), &trusted) {
        Ok(opened) => opened,
        Err(refusal) => {
            let line = json!({
                "protocol": "sealed", "status": refusal.name(), "reason": refusal.to_string(),
            });
            println!("{line}");
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
    };
    if let Some(path) = &args.out {
        std::fs::write(path, &*payload).with_context(|| path.display().to_string())?;
    }
    line.insert("payload_bytes".to_owned(), payload.len().into());
    line.insert(
        "payload_sha256".to_owned(),
        hex::encode(&Hash::Sha256.digest(&payload)).into(),
    );
    let document = std::str::from_utf8(&payload).ok().and_then(as_written);
    match document {
        Some(document) => line.insert("payload".to_owned(), document),
        None => line.insert(
            "payload_base64".to_owned(),
            wattle_relay::base64(&payload).into(),
        ),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", Value::Object(line))?;
    Ok(ExitCode::SUCCESS)
}

/// A JSON document; its numbers are kept digit by digit.
fn as_written(text: &str) -> Option<Value> {
    let document: Value = serde_json::from_str(text).ok()?;
    matches!(document, Value::Object(_) | Value::Array(_)).then_some(document)
}

type Line = (Map<String, Value>, zeroize::Zeroizing<Vec<u8>>);

fn opened(
    args: &OpenArgs,
    octets: &[u8],
    recipient: Option<&(Certificate, PrivateKey)>,
    trusted: &[Certificate],
) -> Result<Line, Refusal> {
    let subject = |place: usize| trusted.get(place).map(Certificate::subject);
    let line = match octets.first() {
        Some(0x30) => {
            let options = cms::Options {
                recipient: recipient.map(|(certificate, key)| (certificate, key)),
                trusted,
                allow_cbc: args.allow_cbc,
            };
            let opened = cms::open(octets, options)?;
            let line = json!({
                "protocol": "sealed", "status": "ok", "profile": "cms",
                "order": opened.order.name(),
                "content_encryption": opened.content_encryption,
                "key_agreement": opened.key_agreement,
                "signer": subject(opened.signer),
                "signature": opened.signature,
            });
            (line, opened.payload)
        }
        // A tag, of whatever number.
        Some(0xC0..=0xDB) => {
            let key = |epoch| {
                args.epoch_key
                    .iter()
                    .find(|key| key.epoch == epoch)
                    .cloned()
            };
            let opened = cose::open(octets, key, &cose::keys_of(trusted))?;
            let line = json!({
                "protocol": "sealed", "status": "ok", "profile": "cose",
                "order": cms::Order::SignThenEncrypt.name(),
                "content_encryption": opened.content_encryption,
                "epoch": opened.epoch,
                "device": opened.context.device,
                "stream": opened.context.stream,
                "seq": [opened.context.first, opened.context.last],
                "signer": subject(opened.signer),
                "signature": opened.signature,
            });
            (line, opened.payload)
        }
        _ => return Err(Refusal::Malformed("neither CMS nor COSE")),
    };
    match line {
        (Value::Object(line), payload) => Ok((line, payload)),
        _ => Err(Refusal::Malformed("no line could be made")),
    }
}
