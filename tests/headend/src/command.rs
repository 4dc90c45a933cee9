//! Commands to a device.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use wattle_relay::command::{Command, Kind};
use wattle_relay::cose::Message;

use crate::keys::{self, certificate, private_key};
use crate::{Common, database};

#[derive(Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    common: Common,
    /// The device
    #[arg(long)]
    device: String,
    /// READ_NOW, PRICE, DISCONNECT …
    #[arg(long)]
    kind: String,
    /// Its name
    #[arg(long)]
    id: String,
    /// Above that of every command before
    #[arg(long)]
    counter: u64,
    /// What belongs to it
    #[arg(long, default_value = "{}")]
    body: String,
    /// Seconds for which it may be taken
    #[arg(long, default_value_t = 300, allow_hyphen_values = true)]
    valid_s: i64,
    /// In how many seconds it is to be done; at once when left out
    #[arg(long)]
    delay_s: Option<i64>,
    /// In the form of CMS; the last signer's certificate lies beside its key, with the ending crt
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set)]
    cms: bool,
    /// Private keys of those who sign, the last one outermost
    #[arg(long, required = true)]
    signer: Vec<PathBuf>,
}

pub(crate) async fn send(args: SendArgs) -> anyhow::Result<()> {
    let SendArgs { common, device, .. } = &args;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let command = Command {
        kind: Kind::of_name(&args.kind).context("--kind is none of the known")?,
        id: args.id.clone(),
        counter: args.counter,
        not_before_s: now - 60 + args.valid_s.min(0),
        not_after_s: now + args.valid_s,
        execute_at_s: args.delay_s.map_or(0, |delay_s| now + delay_s),
        body: args.body.clone(),
    };
    let (path, others) = args.signer.split_last().context("somebody has to sign")?;
    let others = others.iter().map(|path| private_key(path));
    let others = others.collect::<anyhow::Result<Vec<_>>>()?;
    let (format, payload) = command.signed_by(device, &others.iter().collect::<Vec<_>>())?;
    let last = private_key(path)?;
    let context = command.context(device);
    let message = Message {
        context: &context,
        format: Some(format),
        payload: &payload,
    };
    let mut keys = keys::recipient(common)?;
    let db = database::connect(&common.database).await?;
    let octets = if args.cms {
        let own = certificate(&path.with_extension("crt"))?;
        keys.seal_cms(message, (&own, &last))?
    } else {
        keys::announced(&mut keys, &db, device, None).await?;
        keys.seal(message, &last)?
    };
    let insert = "INSERT INTO down (device, octets) VALUES ($1, $2)";
    db.execute(insert, &[device, &octets]).await?;
    println!("{} {} was handed to the workers", args.kind, args.id);
    Ok(())
}
