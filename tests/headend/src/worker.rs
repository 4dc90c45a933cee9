//! One worker: from sealed messages to rows and acknowledgements, whatever carries them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_postgres::{Client, Transaction};
use wattle_relay::ack::{ACK, Ack};
use wattle_relay::command::RESULT;
use wattle_relay::cose::{self, EpochKey, Message};
use wattle_relay::{PrivateKey, Refusal, batch, cms, epoch};

use crate::Common;
use crate::database::{self, Content};

/// Messages of one transaction.
pub(crate) const TOGETHER: usize = 64;
/// Format of the news that rows were given up.
const SHED: u16 = 65_004;
/// A head-end has many devices; the keys of these are kept.
const KEYS: usize = 10_000;
/// How often what was done is told.
const TELL: Duration = Duration::from_secs(5);

pub(crate) struct Worker {
    common: Common,
    key: PrivateKey,
    keys: HashMap<(String, u32), EpochKey>,
    /// Devices whose last message had the form of CMS.
    in_cms: HashSet<String>,
    taken: u64,
    refused: u64,
    told: Instant,
}

impl Worker {
    pub(crate) fn new(common: Common) -> anyhow::Result<Self> {
        Ok(Self {
            key: common.private_key()?,
            common,
            keys: HashMap::new(),
            in_cms: HashSet::new(),
            taken: 0,
            refused: 0,
            told: Instant::now(),
        })
    }

    /// Writes messages in one transaction; returns the acknowledgements and whom they are for.
    pub(crate) async fn take(
        &mut self,
        db: &mut Client,
        together: &[&[u8]],
    ) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let step = db.transaction().await?;
        let mut streams = BTreeSet::new();
        for octets in together {
            match self.one(&step, octets).await? {
                Ok(Some(context)) => {
                    self.taken += 1;
                    streams.insert((context.device, context.stream));
                }
                Ok(None) => {}
                // What nobody can open comes again when its key has come.
                Err(refusal) => {
                    self.refused += 1;
                    eprintln!("headend: refused: {refusal}");
                }
            }
        }
        let mut acks = Vec::new();
        for (device, stream) in streams {
            let ack = database::progress(&step, &device, &stream).await?;
            acks.push((device, stream, ack));
        }
        step.commit().await?;
        let mut out = Vec::new();
        for (device, stream, ack) in acks {
            out.push(self.ack(device, stream, &ack)?);
        }
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            println!("taken {} refused {}", self.taken, self.refused);
        }
        Ok(out)
    }

    /// An acknowledgement in the form that the device speaks, and for whom it is.
    fn ack(&self, device: String, stream: String, ack: &Ack) -> anyhow::Result<(String, Vec<u8>)> {
        let context = cose::Context {
            device,
            stream,
            first: ack.through,
            last: ack.through,
        };
        let payload = ack.encode();
        let message = Message {
            context: &context,
            format: Some(ACK),
            payload: &payload,
        };
        let device = context.device.clone();
        if self.in_cms.contains(&device) {
            let of = self.common.device_certificate(&device);
            let of = of.context("the device was registered a moment ago")?;
            let own = self.common.certificate()?;
            let octets = cms::seal_message(message, (&own, &self.key), &of)?;
            return Ok((device, octets));
        }
        let newest = self
            .keys
            .keys()
            .filter(|(of, _)| *of == device)
            .map(|(_, epoch)| *epoch)
            .max();
        let key = newest.and_then(|epoch| self.keys.get(&(device.clone(), epoch)));
        let key = key.context("a batch was opened with it")?.down();
        let octets = cose::seal(message, &self.key, &key, crate::random_iv()?)?;
        Ok((device, octets))
    }

    /// Writes one message.
    async fn one(
        &mut self,
        db: &Transaction<'_>,
        octets: &[u8],
    ) -> anyhow::Result<Result<Option<cose::Context>, Refusal>> {
        if octets.first() == Some(&0x83) {
            return Ok(self.announcement(db, octets).await?.map(|()| None));
        }
        let opened = match self.open(db, octets).await? {
            Ok(opened) => opened,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let count = opened.context.last - opened.context.first + 1;
        let content = match opened.format {
            Some(SHED) => Content::Shed,
            Some(RESULT) => Content::Text(String::from_utf8_lossy(&opened.payload).into_owned()),
            format => match batch::decode(format, &opened.payload, count) {
                Ok((unit, rows)) => Content::Rows { unit, rows },
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        database::write(db, &opened.context, &content).await?;
        Ok(Ok(Some(opened.context)))
    }

    async fn open(
        &mut self,
        db: &Transaction<'_>,
        octets: &[u8],
    ) -> anyhow::Result<Result<cose::Opened, Refusal>> {
        if cms::is_cms(octets) {
            return self.open_cms(octets);
        }
        let label = match cose::label(octets) {
            Ok(label) => label,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (device, number) = (label.context.device, label.epoch);
        let Some(trusted) = self.common.device(&device) else {
            return Ok(Err(Refusal::UntrustedSigner));
        };
        let Some(key) = self.epoch_key(db, &device, number).await? else {
            return Ok(Err(Refusal::NoKey));
        };
        let opened = cose::open(octets, |_| Some(key.clone()), &[trusted]);
        if opened.is_ok() {
            self.in_cms.remove(&device);
        }
        Ok(opened)
    }

    /// Opens a message in the form of CMS: only its own device may have signed it.
    fn open_cms(&mut self, octets: &[u8]) -> anyhow::Result<Result<cose::Opened, Refusal>> {
        let (own, devices) = (self.common.certificate()?, self.common.devices()?);
        let opened = cms::open_message(octets, (&own, &self.key), &devices).and_then(|opened| {
            let device = self.common.device(&opened.context.device);
            let device = device.ok_or(Refusal::UntrustedSigner)?;
            cms::signed_by(opened, &devices, &[device])
        });
        if let Ok(opened) = &opened {
            self.in_cms.insert(opened.context.device.clone());
        }
        Ok(opened)
    }

    /// Keeps an announcement as it came: the database never sees the key inside.
    async fn announcement(
        &mut self,
        db: &Transaction<'_>,
        octets: &[u8],
    ) -> anyhow::Result<Result<(), Refusal>> {
        let announced = match self.accept(octets) {
            Ok(announced) => announced,
            Err(refusal) => return Ok(Err(refusal)),
        };
        db.execute(
            "INSERT INTO epoch_key VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[&announced.device, &i64::from(announced.key.epoch), &octets],
        )
        .await?;
        self.keep(announced);
        Ok(Ok(()))
    }

    fn accept(&self, octets: &[u8]) -> Result<epoch::Announced, Refusal> {
        let device = epoch::announcer(octets)?;
        let trusted = self.common.device(device).ok_or(Refusal::UntrustedSigner)?;
        epoch::accept(octets, &self.key, &[trusted])
    }

    fn keep(&mut self, announced: epoch::Announced) -> EpochKey {
        if self.keys.len() >= KEYS {
            self.keys.clear();
        }
        let key = announced.key.clone();
        self.keys
            .insert((announced.device, key.epoch), announced.key);
        key
    }

    async fn epoch_key(
        &mut self,
        db: &Transaction<'_>,
        device: &str,
        number: u32,
    ) -> anyhow::Result<Option<EpochKey>> {
        if let Some(key) = self.keys.get(&(device.to_owned(), number)) {
            return Ok(Some(key.clone()));
        }
        let select = "SELECT announcement FROM epoch_key WHERE device = $1 AND epoch = $2";
        let Some(row) = db.query_opt(select, &[&device, &i64::from(number)]).await? else {
            return Ok(None);
        };
        let announcement: Vec<u8> = row.get(0);
        Ok(self
            .accept(&announcement)
            .ok()
            .map(|announced| self.keep(announced)))
    }
}
