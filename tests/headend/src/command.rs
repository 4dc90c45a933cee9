//! Commands to a device.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use wattle_relay::command::{Command, Kind};
use wattle_relay::cose::{self, Message};
use wattle_relay::{Certificate, PrivateKey, cms, epoch};

use crate::{Common, database, https, mqtt, nats, private_key};

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
    /// In how many seconds it is to be done; at once when 0
    #[arg(long, default_value_t = 0)]
    delay_s: i64,
    /// In the form of CMS; the last signer's certificate lies beside its key, with the ending crt
    #[arg(long, default_value_t = false, action = clap::ArgAction::Set)]
    cms: bool,
    /// Private keys of those who sign, the last one outermost
    #[arg(long, required = true)]
    signer: Vec<PathBuf>,
}

pub(crate) async fn send(args: SendArgs) -> anyhow::Result<()> {
    let common = &args.common;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let command = Command {
        kind: Kind::of_name(&args.kind).context("--kind is none of the known")?,
        id: args.id.clone(),
        counter: args.counter,
        not_before_s: now - 60 + args.valid_s.min(0),
        not_after_s: now + args.valid_s,
        execute_at_s: if args.delay_s == 0 {
            0
        } else {
            now + args.delay_s
        },
        body: args.body.clone(),
    };
    let signers = args
        .signer
        .iter()
        .map(|path| private_key(path))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (last, others) = signers.split_last().context("somebody has to sign")?;
    let others: Vec<_> = others.iter().collect();
    let (format, payload) = command.signed_by(&args.device, &others)?;
    let context = command.context(&args.device);
    let message = Message {
        context: &context,
        format: Some(format),
        payload: &payload,
    };
    let octets = if args.cms {
        let of = common.device_certificate(&args.device);
        let of = of.context("the device is not registered")?;
        let path = args.signer.last().context("somebody has to sign")?;
        let own = Certificate::read(&std::fs::read(path.with_extension("crt"))?)?;
        cms::seal_message(message, (&own, last), &of)?
    } else {
        in_cose(common, &args.device, message, last).await?
    };
    let device = &args.device;
    let way = if common.broker.is_some() {
        mqtt::deliver(common, device, octets).await?;
        "the broker"
    } else if common.nats.is_empty() {
        https::deliver(common, device, octets).await?;
        "the database"
    } else {
        nats::deliver(common, device, octets).await?;
        "the cluster"
    };
    println!("{} {} was handed to {way}", args.kind, args.id);
    Ok(())
}

/// A message under the newest key that the device has announced.
async fn in_cose(
    common: &Common,
    device: &str,
    message: Message<'_>,
    signer: &PrivateKey,
) -> anyhow::Result<Vec<u8>> {
    let db = database::connect(&common.database).await?;
    let select = "SELECT announcement FROM epoch_key WHERE device = $1 ORDER BY epoch DESC LIMIT 1";
    let row = db
        .query_opt(select, &[&device])
        .await?
        .context("the device has announced no key yet")?;
    let announcement: Vec<u8> = row.get(0);
    let trusted = common
        .device(device)
        .context("the device is not registered")?;
    let key = epoch::accept(&announcement, &common.private_key()?, &[trusted])?
        .key
        .down();
    Ok(cose::seal(message, signer, &key, crate::random_iv()?)?)
}
