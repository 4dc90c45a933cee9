//! One worker: from sealed messages to rows and acknowledgements, and from the database to devices, whatever
//! carries them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use tokio_postgres::{Client, Transaction};
use wattle_relay::Refusal;
use wattle_relay::cose::Context;

use crate::keys::{self, Keys};
use crate::{Common, database};

/// How often commands are looked for.
pub(crate) const LOOK: Duration = Duration::from_millis(250);
/// Messages of one transaction.
pub(crate) const TOGETHER: usize = 64;

/// Whatever keeps messages until they are taken off it.
pub(crate) trait Broker: Sized {
    /// A message of a device.
    type Taken;

    /// Its octets.
    fn octets(message: &Self::Taken) -> &[u8];

    /// Connects, and listens to what devices send.
    async fn connect(common: &Common) -> Result<Self>;

    /// The next messages, [`TOGETHER`] at most; none when none come for [`LOOK`].
    async fn next(&mut self) -> Result<Vec<Self::Taken>>;

    /// Takes a message off the broker.
    async fn done(&mut self, message: &Self::Taken) -> Result<()>;

    /// Sends a message to a device.
    async fn publish(&mut self, device: &str, octets: Vec<u8>) -> Result<()>;

    /// Goes on after an error, where that is possible.
    async fn recover(&mut self, error: anyhow::Error) -> Result<()> {
        Err(error)
    }
}

/// Carries messages for ever.
pub(crate) async fn run<B: Broker>(common: Common) -> Result<()> {
    let mut worker = Worker::new(&common).await?;
    let mut broker = B::connect(&common).await?;
    loop {
        if let Err(error) = round(&mut broker, &mut worker).await {
            broker.recover(error).await?;
        }
    }
}

async fn round<B: Broker>(broker: &mut B, worker: &mut Worker) -> Result<()> {
    let together = broker.next().await?;
    let octets: Vec<&[u8]> = together.iter().map(B::octets).collect();
    for (device, octets) in worker.take(&octets).await? {
        broker.publish(&device, octets).await?;
    }
    // Only what is committed is taken off the broker.
    for message in &together {
        broker.done(message).await?;
    }
    // One that is handed to two links is done once.
    let commands = worker.db.transaction().await?;
    let due = "DELETE FROM down WHERE number IN
        (SELECT number FROM down ORDER BY number FOR UPDATE SKIP LOCKED) RETURNING device, octets";
    for row in commands.query(due, &[]).await? {
        broker.publish(row.get(0), row.get(1)).await?;
    }
    Ok(commands.commit().await?)
}

pub(crate) struct Worker {
    keys: Keys,
    pub(crate) db: Client,
}

impl Worker {
    pub(crate) async fn new(common: &Common) -> Result<Self> {
        Ok(Self {
            keys: keys::recipient(common)?,
            db: database::connect(&common.database).await?,
        })
    }

    /// Writes messages in one transaction; returns the acknowledgements and whom they are for.
    pub(crate) async fn take(&mut self, together: &[&[u8]]) -> Result<Vec<(String, Vec<u8>)>> {
        let step = self.db.transaction().await?;
        let mut streams = BTreeSet::new();
        for octets in together {
            match one(&mut self.keys, &step, octets).await {
                Ok(context) => {
                    streams.extend(context.map(|context| (context.device, context.stream)));
                }
                // What nobody can open comes again when its key has come.
                Err(error) => eprintln!("headend: refused: {}", error.downcast::<Refusal>()?),
            }
        }
        let mut acks = Vec::new();
        for (device, stream) in streams {
            let ack = database::progress(&step, &device, &stream).await?;
            let octets = self.keys.acknowledge(&device, stream, &ack)?;
            acks.push((device, octets));
        }
        step.commit().await?;
        Ok(acks)
    }
}

/// Writes one message; its context, unless it announced a key.
async fn one(keys: &mut Keys, db: &Transaction<'_>, octets: &[u8]) -> Result<Option<Context>> {
    let Some(opened) = keys::open(keys, db, octets).await? else {
        return Ok(None);
    };
    database::write(db, &opened).await?;
    Ok(Some(opened.context))
}
