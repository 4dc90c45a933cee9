//! Appliances: feeds the meter's power to the decoder, keeps the books, tells everyone.
//!
//! The store is the log: what the decoder has not seen is read from there after a start and
//! whenever events were missed, so that a restart changes nothing. What was learnt is kept in
//! `appliances.json` in the state folder, once an hour and at the end.

mod ledger;
mod recall;
mod said;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::{ObisCode, Quality, Unit};
use nilm::correction::{Correction, CorrectionError};
use nilm::engine::{Disaggregator, Settings as DecoderSettings};
use nilm::ingest::Sample;
use nilm::library::Library;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use wattle_api::{
    ApplianceCorrection, ApplianceCycle, ApplianceDay, Appliances, Corrected, Guess, RunningLoad,
    UnnamedLoad,
};

use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::files;
use crate::prices::Current;
use crate::store::{Readers, StoredTelegram};
use crate::supervisor::Pulse;
use ledger::{Ledger, two};
use recall::Values;
use said::Said;

/// How long a decision waits, s.
const DELAY_S: i64 = 7200;
/// How often what was learnt is written.
const KEEP_EVERY: Duration = Duration::from_secs(3600);
/// The library that is part of the program.
static LIBRARY: &[u8] = include_bytes!("../../../assets/signatures/model.json");

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// Name of the electricity meter at the grid.
    pub meter: String,
    /// What the household says it owns.
    pub owned: Vec<String>,
    /// Meters that measure one appliance, and which.
    pub plugs: BTreeMap<String, String>,
    /// Where what was learnt is kept.
    pub state_dir: PathBuf,
    /// Into the store.
    pub readers: Readers,
    /// Says what happens.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
    /// The home's time zone.
    pub zone: TimeZone,
    /// The tariff of the moment.
    pub tariff: Current,
    /// Where the books lie open.
    pub board: Board,
}

/// The decoder and the books, for the API to read and to correct.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Option<Home>>>);

/// The decoder and the books of one home.
struct Home {
    decoder: Disaggregator,
    ledger: Ledger,
    zone: TimeZone,
    tariff: Current,
    /// The last value of each register.
    values: BTreeMap<(ObisCode, Unit), Decimal>,
    /// When the last telegram that was used came, microseconds.
    seen_us: i64,
    /// What the household calls appliances.
    labels: BTreeMap<String, String>,
    /// The household said something that is not kept yet.
    said: bool,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept<D, L> {
    format: u32,
    decoder: D,
    ledger: L,
    values: Vec<(ObisCode, u8, Decimal)>,
    seen_us: i64,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// The longest label, in characters.
const LABEL: usize = 40;
/// How many cycles of the present day are told.
const CYCLES_TOLD: usize = 40;
/// Format of what is kept.
const FORMAT: u32 = 1;

/// Why the household's word was not taken.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// Nothing has been read yet.
    #[error("no power has been read yet")]
    Empty,
    /// It speaks of something that is not known.
    #[error(transparent)]
    Correction(#[from] CorrectionError),
    /// A label that cannot be shown.
    #[error("a label is one line of 1 to {LABEL} characters")]
    Label,
}

impl Board {
    fn with<T>(&self, work: impl FnOnce(&mut Home) -> T) -> Option<T> {
        let mut home = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        home.as_mut().map(work)
    }

    /// What used the power, now.
    #[must_use]
    pub fn appliances(&self, now: Timestamp) -> Option<Appliances> {
        self.with(|home| home.appliances(now))
    }

    /// Days from `from` to `to`.
    #[must_use]
    pub fn days(&self, from: Date, to: Date) -> Vec<ApplianceDay> {
        let days = |home: &mut Home| {
            let days = home.ledger.days(from, to, &home.currency());
            home.heard().days(days, &home.zone)
        };
        self.with(days).unwrap_or_default()
    }

    /// Cycles that began from `from` to `to`.
    #[must_use]
    pub fn cycles(&self, from: Date, to: Date) -> Vec<ApplianceCycle> {
        self.with(|home| {
            let midnight = |date: Date| {
                date.to_zoned(home.zone.clone())
                    .map(|at| at.timestamp().as_second())
            };
            let (Ok(from), Ok(to)) = (midnight(from), to.tomorrow().and_then(midnight)) else {
                return Vec::new();
            };
            let cycles = home.ledger.cycles(from, to, &home.currency());
            home.heard().cycles(cycles)
        })
        .unwrap_or_default()
    }

    /// Carries out a correction.
    ///
    /// # Errors
    /// It speaks of something that is not known.
    pub fn correct(&self, said: ApplianceCorrection) -> Result<Corrected, BoardError> {
        let correction = match said.clone() {
            ApplianceCorrection::Name { slot, appliance } => Correction::Name {
                slot: slot.checked_sub(1).ok_or(CorrectionError::Slot)?,
                appliance,
            },
            ApplianceCorrection::Reject { appliance, at } => Correction::Reject {
                appliance,
                at: at.as_second(),
            },
            ApplianceCorrection::Split {
                appliance,
                at,
                into,
            } => Correction::Split {
                appliance,
                at: at.as_second(),
                into,
            },
            ApplianceCorrection::Merge { appliance, into } => Correction::Merge { appliance, into },
        };
        let done = self
            .with(|home| {
                home.said = true;
                home.decoder.correct(correction)
            })
            .ok_or(BoardError::Empty)?;
        Ok(Corrected {
            id: done?,
            correction: said,
        })
    }

    /// Takes a correction back.
    ///
    /// # Errors
    /// There is no such correction.
    pub fn undo(&self, id: u64) -> Result<(), BoardError> {
        Ok(self
            .with(|home| {
                home.said = true;
                home.decoder.undo(id)
            })
            .ok_or(BoardError::Empty)??)
    }

    /// Lets an appliance be called something else; by its own name again without a label.
    ///
    /// # Errors
    /// There is no such appliance, or the label cannot be shown.
    pub fn label(&self, name: &str, label: Option<&str>) -> Result<(), BoardError> {
        let label = label.map(str::trim);
        let fits = |label: &str| {
            (1..=LABEL).contains(&label.chars().count()) && !label.chars().any(char::is_control)
        };
        if label.is_some_and(|label| !fits(label)) {
            return Err(BoardError::Label);
        }
        self.with(|home| {
            if !home.decoder.columns().iter().any(|column| column == name) {
                return Err(CorrectionError::Appliance.into());
            }
            home.said = true;
            match label {
                Some(label) => home.labels.insert(name.to_owned(), label.to_owned()),
                None => home.labels.remove(name),
            };
            Ok(())
        })
        .ok_or(BoardError::Empty)?
    }

    /// The corrections in force.
    #[must_use]
    pub fn corrections(&self) -> Vec<Corrected> {
        self.with(|home| {
            home.decoder
                .corrections()
                .iter()
                .filter_map(|made| {
                    let at = |at: i64| Timestamp::from_second(at).ok();
                    let correction = match made.correction.clone() {
                        Correction::Name { slot, appliance } => ApplianceCorrection::Name {
                            slot: slot + 1,
                            appliance,
                        },
                        Correction::Reject {
                            appliance,
                            at: when,
                        } => ApplianceCorrection::Reject {
                            appliance,
                            at: at(when)?,
                        },
                        Correction::Split {
                            appliance,
                            at: when,
                            into,
                        } => ApplianceCorrection::Split {
                            appliance,
                            at: at(when)?,
                            into,
                        },
                        Correction::Merge { appliance, into } => {
                            ApplianceCorrection::Merge { appliance, into }
                        }
                    };
                    Some(Corrected {
                        id: made.id,
                        correction,
                    })
                })
                .collect()
        })
        .unwrap_or_default()
    }

    /// Forgets all about an appliance.
    ///
    /// # Errors
    /// There is no such appliance.
    pub fn erase(&self, name: &str) -> Result<(), BoardError> {
        let erased = self.with(|home| {
            home.decoder.erase(name)?;
            home.ledger.erase(name);
            home.labels.remove(name);
            Ok::<(), CorrectionError>(())
        });
        Ok(erased.ok_or(BoardError::Empty)??)
    }

    /// All that was learnt, as JSON.
    #[must_use]
    pub fn learnt(&self) -> Option<Vec<u8>> {
        self.with(|home| home.kept().ok()).flatten()
    }
}

/// Feeds the decoder until told to stop.
///
/// # Errors
/// The store cannot be read.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let file = settings.state_dir.join("appliances.json");
    let mut events = settings.bus.listen();
    let home = Home::open(&settings, &file)?;
    *settings
        .board
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(home);
    catch_up(&settings, &pulse, &stop).await?;
    let mut kept = tokio::time::Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut told: Option<Arc<Appliances>> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            event = events.recv() => match event {
                Ok(Event::Stored(telegram)) if telegram.name == settings.meter => {
                    settings.board.with(|home| home.telegram(&telegram));
                }
                Ok(Event::Stored(telegram)) if settings.plugs.contains_key(&telegram.name) => {
                    let appliance = settings.plugs.get(&telegram.name);
                    let values = measured(&telegram);
                    let at_us = telegram.received_at.as_microsecond();
                    settings.board.with(|home| home.plug(appliance, at_us, &values));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => catch_up(&settings, &pulse, &stop).await?,
                Err(RecvError::Closed) => break,
            },
            _ = tick.tick() => {
                pulse.beat();
                let now = settings.board.appliances(settings.clock.now()).map(Arc::new);
                if let Some(now) = now.filter(|now| told.as_ref() != Some(now)) {
                    told = Some(Arc::clone(&now));
                    settings.bus.send(Event::Appliances(now));
                }
                // What a person said is not to be said twice: it is kept at once.
                let said = settings.board.with(|home| std::mem::take(&mut home.said));
                if said == Some(true) || kept.elapsed() >= KEEP_EVERY {
                    kept = tokio::time::Instant::now();
                    keep(&settings.board, &file).await;
                }
            }
        }
    }
    keep(&settings.board, &file).await;
    Ok(())
}

/// Reads from the store what the decoder has not seen.
async fn catch_up(
    settings: &Settings,
    pulse: &Pulse,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let (readers, meter) = (settings.readers.clone(), settings.meter.clone());
        let plugs = settings.plugs.clone();
        let from_us = settings.board.with(|home| home.seen_us).unwrap_or(0);
        let board = settings.board.clone();
        let work = tokio::task::spawn_blocking(move || -> anyhow::Result<bool> {
            let reader = readers.open()?;
            let (found, more) = recall::after(&reader, &meter, from_us)?;
            let until_us = found.keys().next_back().copied();
            let mut told = recall::plugs(&reader, &plugs, from_us, until_us)?
                .into_iter()
                .peekable();
            for (at_us, values) in found {
                while let Some(((at_us, appliance), values)) =
                    told.next_if(|((at, _), _)| *at < at_us)
                {
                    board.with(|home| home.plug(Some(&appliance), at_us, &values));
                }
                board.with(|home| home.values_at(at_us, &values));
            }
            Ok(more)
        });
        tokio::pin!(work);
        let more = loop {
            tokio::select! {
                done = &mut work => break done??,
                () = tokio::time::sleep(Duration::from_secs(1)) => pulse.beat(),
            }
        };
        if !more || stop.is_cancelled() {
            return Ok(());
        }
    }
}

async fn keep(board: &Board, file: &Path) {
    let Some(bytes) = board.learnt() else {
        return;
    };
    if let Err(error) = files::replace_later(file, bytes, files::For::All).await {
        tracing::warn!(%error, file = %file.display(), "what was learnt of appliances cannot be kept");
    }
}

impl Settings {
    fn plugged(&self) -> Vec<String> {
        self.plugs.values().cloned().collect()
    }
}

/// What a telegram measured.
fn measured(telegram: &StoredTelegram) -> Values {
    let values = telegram.values.iter();
    values
        .filter(|value| value.quality == Quality::Measured)
        .map(|value| (value.obis, value.unit, value.value))
        .collect()
}

impl Home {
    /// What was kept, or a home of which nothing is known.
    fn open(settings: &Settings, file: &Path) -> anyhow::Result<Self> {
        let library: Library =
            serde_json::from_slice(LIBRARY).context("the signature library cannot be read")?;
        let library = Arc::new(library);
        let read = |bytes: Vec<u8>| -> anyhow::Result<Self> {
            let kept: Kept<Disaggregator, Ledger> = serde_json::from_slice(&bytes)?;
            anyhow::ensure!(kept.format == FORMAT, "its format is {}", kept.format);
            let mut decoder = kept.decoder.with_library(Arc::clone(&library));
            decoder.own(&settings.owned);
            decoder.plug_in(&settings.plugged());
            Ok(Self {
                decoder,
                ledger: kept.ledger,
                zone: settings.zone.clone(),
                tariff: settings.tariff.clone(),
                values: kept
                    .values
                    .into_iter()
                    .filter_map(|(obis, unit, value)| {
                        Some(((obis, Unit::from_own_code(unit)?), value))
                    })
                    .collect(),
                seen_us: kept.seen_us,
                labels: kept.labels,
                said: false,
            })
        };
        match std::fs::read(file)
            .map_err(anyhow::Error::from)
            .and_then(read)
        {
            Ok(home) => return Ok(home),
            Err(_) if !file.exists() => {}
            Err(error) => {
                tracing::warn!(file = %file.display(), "what was learnt of appliances is not used: {error:#}");
            }
        }
        let decoder = DecoderSettings {
            delay_s: DELAY_S,
            owned: settings.owned.clone(),
            plugged: settings.plugged(),
            ..DecoderSettings::default()
        };
        Ok(Self {
            decoder: Disaggregator::new(library, decoder),
            ledger: Ledger::default(),
            zone: settings.zone.clone(),
            tariff: settings.tariff.clone(),
            values: BTreeMap::new(),
            seen_us: 0,
            labels: BTreeMap::new(),
            said: false,
        })
    }

    fn kept(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Kept {
            format: FORMAT,
            decoder: &self.decoder,
            ledger: &self.ledger,
            values: self
                .values
                .iter()
                .map(|((obis, unit), value)| (*obis, unit.code(), *value))
                .collect(),
            seen_us: self.seen_us,
            labels: self.labels.clone(),
        })
    }

    /// What the household said about what has been decided.
    fn heard(&self) -> Said {
        Said::of(self.decoder.corrections(), &self.ledger, &self.currency())
    }

    fn telegram(&mut self, telegram: &StoredTelegram) {
        self.values_at(telegram.received_at.as_microsecond(), &measured(telegram));
    }

    /// What the meter of one appliance told.
    fn plug(&mut self, appliance: Option<&String>, at_us: i64, values: &Values) {
        let at = recall::instant(at_us);
        let told = |obis, unit| {
            let mut told = values.iter();
            told.find(|told| (told.0, told.1) == (obis, unit))
                .map(|told| told.2)
        };
        let power = recall::power(told).and_then(|watts| (watts * Decimal::ONE_THOUSAND).to_i64());
        if let (Some(appliance), Some(at), Some(power_mw)) = (appliance, at, power) {
            self.decoder.plug(appliance, at.as_second(), power_mw);
        }
    }

    fn values_at(&mut self, at_us: i64, values: &Values) {
        let Some(at) = recall::instant(at_us).filter(|_| at_us > self.seen_us) else {
            return;
        };
        self.seen_us = at_us;
        let (mut power, mut energy) = (false, false);
        for &(obis, unit, value) in values {
            power |= recall::is_power(obis, unit);
            energy |= recall::direction(obis, unit).is_some();
            self.values.insert((obis, unit), value);
        }
        if energy && let Some(sum) = self.register() {
            self.ledger.register(at, sum, &self.zone);
        }
        if power && let Some(watts) = self.power() {
            let sample = Sample {
                ts: at.as_second(),
                power_mw: (watts * Decimal::ONE_THOUSAND).to_i64(),
                valid: true,
                ..Sample::default()
            };
            let mut rows = Vec::new();
            self.decoder.push(&sample, &mut rows);
            let tariff = self.tariff.borrow().clone();
            for row in &rows {
                self.ledger
                    .row(self.decoder.columns(), row, &self.zone, tariff.as_deref());
            }
        }
    }

    fn power(&self) -> Option<Decimal> {
        recall::power(|obis, unit| self.values.get(&(obis, unit)).copied())
    }

    /// Import less export, Wh: the totals where there are any, else the tariffs.
    fn register(&self) -> Option<Decimal> {
        let side = |side: i8| {
            let of = self
                .values
                .iter()
                .filter(move |((obis, unit), _)| recall::direction(*obis, *unit) == Some(side));
            let total = of.clone().find(|((obis, _), _)| obis.tariff() == 0);
            match total {
                Some((_, value)) => Some(*value),
                None => of.map(|(_, value)| *value).reduce(|sum, value| sum + value),
            }
        };
        Some(side(1)? - side(-1).unwrap_or_default())
    }

    fn currency(&self) -> String {
        let tariff = self.tariff.borrow();
        tariff
            .as_ref()
            .and_then(|tariff| tariff.currency.clone())
            .map_or_else(String::new, |c| c.to_string())
    }

    fn appliances(&self, now: Timestamp) -> Appliances {
        let columns = self.decoder.columns();
        let currency = self.currency();
        let today = self.zone.to_datetime(now).date();
        // What is on is not known any more when the meter has been silent.
        let fresh = self
            .decoder
            .last()
            .is_some_and(|last| now.as_second() - last <= 3 * self.decoder.period_s().max(60));
        let running = self.decoder.running();
        let running = running.iter().filter(|_| fresh).filter_map(|load| {
            #[expect(clippy::cast_possible_truncation, reason = "unix seconds")]
            let since = Timestamp::from_second(load.since as i64).ok()?;
            Some(RunningLoad {
                appliance: load.column.and_then(|column| columns.get(column).cloned()),
                power_w: Decimal::try_from(load.power_w).ok()?.round(),
                since,
                confidence: two(load.likely),
            })
        });
        let unnamed = self.decoder.unnamed().into_iter().map(|load| UnnamedLoad {
            slot: load.slot + 1,
            power_w: Decimal::try_from(load.power_w).unwrap_or_default().round(),
            typical_s: Decimal::try_from(load.typical_s)
                .unwrap_or_default()
                .round()
                .to_u32()
                .unwrap_or(0),
            per_week: Decimal::try_from(load.per_week)
                .unwrap_or_default()
                .round_dp(1),
            guesses: load
                .guesses
                .into_iter()
                .map(|(appliance, p)| Guess {
                    appliance,
                    p: two(p),
                })
                .collect(),
        });
        let said = self.heard();
        let days = said.days(self.ledger.days(today, today, &currency), &self.zone);
        let cycles = today.to_zoned(self.zone.clone()).map_or_else(
            |_| Vec::new(),
            |midnight| {
                let from = midnight.timestamp().as_second();
                self.ledger.cycles(from, i64::MAX, &currency)
            },
        );
        let mut cycles = said.cycles(cycles);
        cycles.drain(..cycles.len().saturating_sub(CYCLES_TOLD));
        Appliances {
            decided_until: self.ledger.decided_until(),
            always_on_w: Decimal::try_from(self.decoder.floor_w())
                .ok()
                .map(|watts| watts.round()),
            running: running.collect(),
            today: days.into_iter().next_back(),
            appliances: said.appliances(self.ledger.appliances(&currency)),
            unnamed: unnamed.collect(),
            notes: self.ledger.notes(today),
            labels: self.labels.clone(),
            cycles,
        }
    }
}
