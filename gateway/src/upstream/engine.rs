//! What is sent when, and what comes back: the relay without its link and its clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use rust_decimal::Decimal;
use wattle_relay::ack::{ACK, Ack};
use wattle_relay::batch::{self, Row};
use wattle_relay::command::{self, RESULT};
use wattle_relay::cose::{self, Context, Message};
use wattle_relay::{Refusal, cms, epoch};

use super::counter::IvCounter;
use super::keys::Keys;
use super::rules::Rules;
use super::tuning::Tuning;
use crate::bearer::Allowance;
use crate::config::Taf;
use crate::store::{Outbox, Stream, TEXT, Waiting};

/// Content format of the news that rows were given up.
pub const SHED: u16 = 65_004;
/// IVs reserved at once.
const BLOCK: u32 = 256;
/// Messages under one key at most (2^20, of SP 800-38D's far higher bound).
const MESSAGES: u64 = 1 << 20;
/// Batches of a stream that may be on their way at once.
const WINDOW: u64 = 32;
/// The longest pause between two attempts.
const LONGEST_RESEND: Duration = Duration::from_secs(3_600);

/// Something to be sent.
#[derive(Debug)]
pub struct Sealed {
    /// Its octets.
    pub octets: Vec<u8>,
    /// Stream and rows, for the ledger; none for an announcement.
    pub rows: Option<Context>,
}

/// What came down.
#[derive(Debug)]
pub enum Down {
    /// An acknowledgement, which was booked.
    Acknowledged,
    /// A command, whose signatures are right; nothing else of it was judged yet.
    Command(command::Signed),
}

/// How far a stream has come.
#[derive(Debug)]
struct Progress {
    /// Everything up to this was sent.
    sent: u64,
    /// When something was sent or acknowledged last.
    moved: Instant,
    /// Since when rows wait to be sent.
    waits_since: Option<Instant>,
    /// What the head-end misses of what was sent.
    gaps: Vec<(u64, u64)>,
    /// Attempts without an answer.
    tries: u32,
}

/// The relay's state.
#[derive(Debug)]
pub struct Engine {
    /// Those of the configuration.
    base: Rules,
    /// Those in force.
    rules: Rules,
    keys: Keys,
    counter: IvCounter,
    outbox: Outbox,
    progress: HashMap<i64, Progress>,
    /// The epoch's key is to be told before anything else.
    announce: bool,
    /// What may go.
    allowance: Allowance,
}

impl Engine {
    /// Begins where the outbox stands.
    ///
    /// # Errors
    /// The counter's folder cannot be used.
    pub fn new(rules: Rules, keys: Keys, outbox: Outbox) -> anyhow::Result<Self> {
        let counter = IvCounter::open(&rules.folder, keys.epoch())?;
        Ok(Self {
            base: rules.clone(),
            rules,
            keys,
            counter,
            outbox,
            progress: HashMap::new(),
            announce: true,
            allowance: Allowance::ALL,
        })
    }

    /// The device's keys.
    pub(super) const fn keys(&mut self) -> &mut Keys {
        &mut self.keys
    }

    /// The outbox, for results and the like.
    pub const fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Takes what was changed from afar.
    pub(super) fn tune(&mut self, tuning: &Tuning) {
        self.rules = tuning.applied(&self.base);
    }

    /// What may go from now on; the rest waits in the outbox.
    pub const fn hold(&mut self, allowance: Allowance) {
        self.allowance = allowance;
    }

    /// A new link: what was under way on the old one may be lost.
    pub fn begin_again(&mut self) {
        self.progress.clear();
        self.announce = true;
    }

    /// Takes a new epoch's key.
    ///
    /// # Errors
    /// It did not reach the disk.
    pub fn rotate(&mut self, now: Timestamp) -> anyhow::Result<()> {
        self.keys.rotate(now)?;
        self.counter = IvCounter::open(&self.rules.folder, self.keys.epoch())?;
        self.announce = true;
        Ok(())
    }

    /// What is to be sent now, at most `room` messages.
    ///
    /// # Errors
    /// The store or the counter failed; nothing was sent then.
    pub fn due(
        &mut self,
        now: Instant,
        wall: Timestamp,
        room: usize,
    ) -> anyhow::Result<Vec<Sealed>> {
        if self.keys.is_due(wall, self.rules.rotate_days) || self.counter.used() >= MESSAGES {
            self.rotate(wall)?;
        }
        let mut out = Vec::new();
        for stream in self.outbox.streams()? {
            if !self.allowance.lets(Taf::of_stream(&stream.name)) {
                continue;
            }
            self.stream_due(&stream, now, room, &mut out)?;
            if out.len() >= room {
                break;
            }
        }
        Ok(out)
    }

    fn stream_due(
        &mut self,
        stream: &Stream,
        now: Instant,
        room: usize,
        out: &mut Vec<Sealed>,
    ) -> anyhow::Result<()> {
        let (rules, last) = (&self.rules, stream.next_seq.saturating_sub(1));
        let progress = self.progress.entry(stream.id).or_insert_with(|| Progress {
            sent: stream.acked,
            moved: now,
            waits_since: None,
            gaps: Vec::new(),
            tries: 0,
        });
        let patience = rules
            .resend
            .saturating_mul(1 << progress.tries.min(12))
            .min(LONGEST_RESEND);
        if progress.sent > stream.acked && now.duration_since(progress.moved) >= patience {
            progress.sent = stream.acked;
            progress.gaps.clear();
            progress.tries += 1;
            // Perhaps it was the key that did not arrive.
            self.announce = true;
        }
        if progress.sent < last && progress.waits_since.is_none() {
            progress.waits_since = Some(now);
        }
        let waited = progress
            .waits_since
            .is_some_and(|since| now.duration_since(since) >= rules.every);
        let size = rules.rows as u64;
        // Before their time is up only whole batches go.
        let ready = if waited || progress.tries > 0 {
            last
        } else {
            progress.sent + last.saturating_sub(progress.sent) / size * size
        };
        let mut wanted: Vec<(u64, u64)> = std::mem::take(&mut progress.gaps);
        let ready = ready.min(stream.acked + WINDOW * size);
        if progress.sent < ready {
            wanted.push((progress.sent + 1, ready));
        }
        for (from, to) in wanted {
            let mut next = from;
            while next <= to {
                if out.len() + 1 >= room {
                    return Ok(());
                }
                let limit = self
                    .rules
                    .rows
                    .min(usize::try_from(to - next + 1).unwrap_or(usize::MAX));
                let Some((through, sealed)) = self.batch(stream, next, limit)? else {
                    break;
                };
                if std::mem::take(&mut self.announce) && self.rules.cms.is_none() {
                    out.push(self.announcement()?);
                }
                out.push(sealed);
                next = through + 1;
                if let Some(progress) = self.progress.get_mut(&stream.id) {
                    progress.sent = progress.sent.max(through);
                    progress.moved = now;
                    if progress.sent >= last {
                        progress.waits_since = None;
                    }
                }
            }
        }
        Ok(())
    }

    fn announcement(&self) -> anyhow::Result<Sealed> {
        let key = self.keys.epoch();
        let octets = epoch::announce(
            &self.rules.device,
            key,
            &self.rules.recipient,
            self.keys.device(),
        )?;
        Ok(Sealed { octets, rows: None })
    }

    /// The batch that begins with a row, and its last row.
    fn batch(
        &mut self,
        stream: &Stream,
        from: u64,
        limit: usize,
    ) -> anyhow::Result<Option<(u64, Sealed)>> {
        let rows = self.outbox.rows(stream.id, from, limit)?;
        let (last, format, payload) = match rows.first() {
            Some(first) if first.seq == from => payload(&rows)?,
            _ => match self.outbox.shed(stream.id, from)? {
                Some((first, last)) if first == from => (last, SHED, Vec::new()),
                _ => return Ok(None),
            },
        };
        let context = Context {
            device: self.rules.device.clone(),
            stream: stream.name.clone(),
            first: from,
            last,
        };
        let message = Message {
            context: &context,
            format: Some(format),
            payload: &payload,
        };
        let octets = match &self.rules.cms {
            Some(form) => {
                let certificate = self.keys.certificate()?;
                let signer = (&certificate, self.keys.device());
                cms::seal_message(message, signer, &form.recipient)?
            }
            None => {
                let iv = cose::iv(self.keys.epoch().epoch, self.counter.next(BLOCK)?);
                cose::seal(message, self.keys.device(), self.keys.epoch(), iv)?
            }
        };
        Ok(Some((
            last,
            Sealed {
                octets,
                rows: Some(context),
            },
        )))
    }

    /// Opens what came down: a command by one who may command, all else by the head-end.
    fn open(&self, octets: &[u8]) -> anyhow::Result<cose::Opened> {
        let elsewhere = "it is for another device";
        let among = |stream: &str| match stream {
            command::STREAM => self.rules.commanders.as_slice(),
            _ => self.rules.trusted.as_slice(),
        };
        if let Some(form) = &self.rules.cms {
            let certificate = self.keys.certificate()?;
            let recipient = (&certificate, self.keys.device());
            let opened = cms::open_message(octets, recipient, &form.signers)?;
            anyhow::ensure!(opened.context.device == self.rules.device, elsewhere);
            let trusted = among(&opened.context.stream);
            return Ok(cms::signed_by(opened, &form.signers, trusted)?);
        }
        let label = cose::label(octets)?;
        anyhow::ensure!(label.context.device == self.rules.device, elsewhere);
        let key = |number| self.keys.of_epoch(number).map(cose::EpochKey::down);
        Ok(cose::open(octets, key, among(&label.context.stream))?)
    }

    /// Takes what came down.
    ///
    /// # Errors
    /// It is refused: nothing of it is believed.
    pub fn take(&mut self, octets: &[u8], now: Instant) -> anyhow::Result<Down> {
        let opened = self.open(octets)?;
        if opened.context.stream == command::STREAM {
            return Ok(Down::Command(command::of(&opened, &self.rules.commanders)?));
        }
        if opened.format != Some(ACK) {
            return Err(Refusal::Unsupported("another content format").into());
        }
        let ack = Ack::decode(&opened.payload)?;
        let streams = self.outbox.streams()?;
        let stream = streams
            .iter()
            .find(|stream| stream.name == opened.context.stream);
        let stream = stream.context("it acknowledges a stream that is not there")?;
        anyhow::ensure!(
            ack.through < stream.next_seq && self.outbox.acknowledge(stream.id, ack.through)?,
            "{}: it acknowledges what was never sent",
            stream.name
        );
        if let Some(progress) = self.progress.get_mut(&stream.id) {
            if ack.through > stream.acked {
                progress.moved = now;
                progress.tries = 0;
            }
            progress.sent = progress.sent.max(ack.through);
            progress.gaps = ack
                .gaps
                .into_iter()
                .filter(|(_, to)| *to <= progress.sent)
                .collect();
        }
        Ok(Down::Acknowledged)
    }
}

/// The last row, format and payload of the longest batch that rows begin with.
fn payload(rows: &[Waiting]) -> anyhow::Result<(u64, u16, Vec<u8>)> {
    let first = rows.first().context("a batch has rows")?;
    if first.unit == TEXT {
        return Ok((first.seq, RESULT, first.value.as_bytes().to_vec()));
    }
    let scale = |waiting: &Waiting| waiting.value.parse::<Decimal>().map(|value| value.scale());
    let alike = |waiting: &&Waiting| waiting.unit == first.unit && scale(waiting) == scale(first);
    let mut values = Vec::with_capacity(rows.len());
    let mut last = first.seq;
    for waiting in rows.iter().take_while(alike) {
        last = waiting.seq;
        values.push(Row {
            at_s: waiting.at_s,
            value: waiting
                .value
                .parse()
                .context("the outbox holds exact decimals")?,
            status: waiting.status,
            captured_s: waiting.captured_s,
        });
    }
    let (format, payload) = batch::encode(first.unit, &values)?;
    Ok((last, format, payload))
}
