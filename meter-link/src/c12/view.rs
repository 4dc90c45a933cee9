//! Registers as the tables of a device (ANSI C12.19): what a reader of such tables is served.
//!
//! Tables 00, 01, 03, 05, 11, 12, 16, 21, 22, 23, 27, 28, 52, and 61 to 64 for quarter-hours. Sums
//! over all tariffs, with their tariffs where all of them have the same ones, stand in table 23;
//! other sums and present values in table 28. Numbers are `INT64` in millionths of the unit, times
//! seconds of UTC since 1970, the least significant octet first. A register that C12.19 cannot
//! name is left out; extremes and demands are, too.

#[cfg(test)]
mod tests;
mod writer;

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::interpret::source_of;
use super::table::UnitOfMeasure;
use crate::model::{ObisCode, Unit};
use writer::Writer;

/// Sources at most.
const SOURCES: usize = 64;
/// Tariffs at most.
const TIERS: u8 = 8;
/// Channels of the load profile at most.
const CHANNELS: usize = 8;
/// Blocks of the load profile at most; each is a day of UTC.
const DAYS: usize = 31;
/// Octets of table 64 at most: an answer has a count of 16 bits.
const PROFILE_OCTETS: usize = 60_000;
const INTERVALS: u8 = 96;
const INTERVAL_S: i64 = 900;
const DAY_S: i64 = 86_400;
/// The code of 10^-6 in table 12.
const MILLIONTHS: u8 = 7;
/// Status of a channel in an interval: only part of it was measured.
const PARTIAL: u8 = 2;
/// Nothing is known of it.
const SKIPPED: u8 = 4;

/// Who a device is. Texts of other characters than those of ISO 646 are cut at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Maker, 4 characters.
    pub manufacturer: String,
    /// Model, 8 characters.
    pub model: String,
    /// Version and revision of the firmware.
    pub firmware: (u8, u8),
    /// Serial number; the last 16 characters are told.
    pub serial: String,
}

/// What an interval of a channel gained, and whether all of it was measured.
pub type Amounts = BTreeMap<i64, (Decimal, bool)>;

/// What the tables are made of.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Seconds since 1970.
    pub now_s: i64,
    /// The newest value of each register, in its unit without a prefix (Wh, W, V …).
    pub values: BTreeMap<ObisCode, Decimal>,
    /// For each channel of [`View::channels`], its quarter-hours by their end in seconds since
    /// 1970; needed for [`View::needs_profile`] alone.
    pub profile: Vec<Amounts>,
}

/// Which register stands where. It does not change while a client reads, whatever is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Registers of table 23, then those of table 28.
    sources: Vec<(ObisCode, UnitOfMeasure)>,
    /// How many of them are sums of table 23.
    sums: usize,
    /// Tariffs that each of those has.
    tiers: u8,
    /// Sources of the channels.
    channels: Vec<u8>,
}

/// A value is missing or has more digits than the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value is not there, or has more than six decimals")]
pub struct NotReady;

impl View {
    /// A view of these registers, in this order; quarter-hours are kept of those in `profiled`.
    #[must_use]
    pub fn new(registers: &[(ObisCode, Unit)], profiled: &BTreeSet<ObisCode>) -> Self {
        let named = registers.iter().filter_map(|(register, unit)| {
            let (mut source, physical) = source_of(*register)?;
            source.multiplier = MILLIONTHS;
            (physical == *unit).then_some((*register, source))
        });
        let mut named: Vec<(ObisCode, UnitOfMeasure)> = named.take(SOURCES).collect();
        let all: BTreeSet<ObisCode> = registers.iter().map(|(register, _)| *register).collect();
        let tiers = |register: &ObisCode| {
            let has = |tier: &u8| all.contains(&of_tier(*register, *tier));
            let count = (1..=TIERS).take_while(has).count();
            u8::try_from(count).unwrap_or(TIERS)
        };
        let is_sum = |register: &ObisCode| register.0[3] == 8;
        let sums = named.iter().filter(|(register, _)| is_sum(register));
        let most = sums.map(|(register, _)| tiers(register)).max().unwrap_or(0);
        let in_23 = |register: &ObisCode| is_sum(register) && tiers(register) == most;
        named.sort_by_key(|(register, _)| !in_23(register));
        let channels = (0u8..).zip(&named);
        let channels = channels.filter(|(_, (register, _))| profiled.contains(register));
        Self {
            sums: named.iter().filter(|(register, _)| in_23(register)).count(),
            tiers: most,
            channels: channels.map(|(source, _)| source).take(CHANNELS).collect(),
            sources: named,
        }
    }

    /// The register of each channel of the load profile.
    #[must_use]
    pub fn channels(&self) -> Vec<ObisCode> {
        let register = |source: &u8| Some(self.sources.get(usize::from(*source))?.0);
        self.channels.iter().filter_map(register).collect()
    }

    /// Whether a table needs [`Contents::profile`], and from when on.
    #[must_use]
    pub fn needs_profile(&self, table: u16, now_s: i64) -> Option<i64> {
        let days = i64::try_from(self.days()).unwrap_or(0);
        (matches!(table, 63 | 64) && days > 0).then(|| now_s - days * DAY_S)
    }

    fn used(&self) -> Vec<u8> {
        let mut used = vec![0, 1, 3, 5, 52];
        if !self.sources.is_empty() {
            used.extend([11, 12, 16, 21]);
        }
        if self.sums > 0 {
            used.extend([22, 23]);
        }
        if self.sources.len() > self.sums {
            used.extend([27, 28]);
        }
        if !self.channels.is_empty() {
            used.extend([61, 62, 63, 64]);
        }
        used
    }

    /// The octets of a table; `Ok(None)` for one that is not there.
    ///
    /// # Errors
    /// A number of it is not there.
    pub fn table(
        &self,
        table: u16,
        identity: &Identity,
        contents: &Contents,
    ) -> Result<Option<Vec<u8>>, NotReady> {
        let used = self.used();
        if !used.iter().any(|number| u16::from(*number) == table) {
            return Ok(None);
        }
        let mut out = Writer::default();
        let count = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        let all = count(self.sources.len());
        let (sums, present) = self.sources.split_at(self.sums);
        let places = 0..all;
        match table {
            0 => general(&used, identity, &mut out),
            1 => {
                out.text(&identity.manufacturer, 4);
                out.text(&identity.model, 8);
                out.0
                    .extend([0, 0, identity.firmware.0, identity.firmware.1]);
                out.text(last(&identity.serial, 16), 16);
            }
            // It meters, and has nothing to complain of.
            3 => out.0.extend([1, 0, 0, 0]),
            5 => out.text(last(&identity.serial, 20), 20),
            11 => out.0.extend([0, all, 0, 0, 0, 0, 2, all]),
            12 => {
                for (_, unit) in &self.sources {
                    out.0.extend(unit.bits().to_le_bytes());
                }
            }
            // An entry of table 12, engineering units.
            16 => out.0.extend(self.sources.iter().map(|_| 0x11)),
            21 => {
                let tiers = self.tiers;
                out.0.extend([
                    0,
                    0,
                    0,
                    count(sums.len()),
                    0,
                    0,
                    0,
                    tiers,
                    0,
                    count(present.len()),
                ]);
            }
            22 => out.0.extend(places.take(self.sums)),
            23 => {
                for tier in 0..=self.tiers {
                    for (register, _) in sums {
                        out.value(contents, of_tier(*register, tier))?;
                    }
                }
            }
            27 => out.0.extend(places.skip(self.sums)),
            28 => {
                for (register, _) in present {
                    out.value(contents, *register)?;
                }
            }
            52 => {
                out.seconds(contents.now_s);
                // UTC; 1970-01-01 was a Thursday.
                let weekday = (contents.now_s.div_euclid(DAY_S) + 4).rem_euclid(7);
                out.0.push(0x10 | u8::try_from(weekday).unwrap_or(7));
            }
            _ => self.profile(table, contents, &mut out)?,
        }
        Ok(Some(out.0))
    }

    /// Octets of the marks and amounts of an interval.
    fn interval_octets(&self) -> usize {
        self.channels.len() / 2 + 1 + 8 * self.channels.len()
    }

    /// Blocks of the load profile.
    fn days(&self) -> usize {
        if self.channels.is_empty() {
            return 0;
        }
        let block = 4 + usize::from(INTERVALS) * self.interval_octets();
        (PROFILE_OCTETS / block).min(DAYS)
    }

    fn profile(&self, table: u16, contents: &Contents, out: &mut Writer) -> Result<(), NotReady> {
        let days = u16::try_from(self.days()).unwrap_or(1);
        let channels = u8::try_from(self.channels.len()).unwrap_or(0);
        match table {
            61 => {
                out.0.extend(0u32.to_le_bytes());
                // Each interval has a status, in the format of NI_FMAT1.
                out.0.extend((1u16 << 10).to_le_bytes());
                out.0.push(64);
                out.0.extend(days.to_le_bytes());
                out.0.extend(u16::from(INTERVALS).to_le_bytes());
                out.0.extend([channels, 15]);
            }
            62 => {
                for source in &self.channels {
                    out.0.extend([0, *source, *source]);
                }
                out.0.push(64);
            }
            63 => {
                let (oldest, newest, filled) = contents.span();
                let valid = (newest - oldest + 1).clamp(0, days.into());
                let valid = if filled == 0 { 0 } else { valid };
                // A ring of days, ascending, recording.
                out.0.push(0x24);
                out.0
                    .extend(u16::try_from(valid).unwrap_or(0).to_le_bytes());
                let place = newest.rem_euclid(i64::from(days));
                out.0
                    .extend(u16::try_from(place).unwrap_or(0).to_le_bytes());
                out.0
                    .extend(u32::try_from(newest).unwrap_or(0).to_le_bytes());
                out.0.extend(0u16.to_le_bytes());
                out.0.extend(filled.to_le_bytes());
            }
            _ => {
                let (_, newest, filled) = contents.span();
                let days = i64::from(days);
                // The block of a day stands where its number says.
                let first = newest - days + 1;
                let mut ring: Vec<i64> = (first..=newest).collect();
                ring.sort_by_key(|day| day.rem_euclid(days));
                for day in ring {
                    let count = if day == newest {
                        filled
                    } else {
                        INTERVALS.into()
                    };
                    self.block(day * DAY_S, count, contents, out)?;
                }
            }
        }
        Ok(())
    }

    fn block(
        &self,
        start_s: i64,
        count: u16,
        contents: &Contents,
        out: &mut Writer,
    ) -> Result<(), NotReady> {
        out.seconds(start_s + i64::from(count) * INTERVAL_S);
        for interval in 1..=u16::from(INTERVALS) {
            let end = start_s + i64::from(interval) * INTERVAL_S;
            let cell = |channel: usize| {
                let amounts = contents.profile.get(channel)?;
                amounts.get(&end).copied()
            };
            let cells: Vec<_> = (0..self.channels.len()).map(cell).collect();
            let marks = cells.iter().map(|cell| match cell {
                None => SKIPPED,
                Some((_, true)) => 0,
                Some((_, false)) => PARTIAL,
            });
            // The first half octet is common to all channels.
            let mut marks: Vec<u8> = std::iter::once(0).chain(marks).collect();
            marks.resize(2 * (self.channels.len() / 2 + 1), 0);
            let (pairs, _) = marks.as_chunks::<2>();
            out.0
                .extend(pairs.iter().map(|[high, low]| high << 4 | low));
            for cell in cells {
                out.millionths(cell.map_or(Decimal::ZERO, |(amount, _)| amount))?;
            }
        }
        Ok(())
    }
}

impl Contents {
    /// Days of the oldest and the newest quarter-hour, and how many the newest day has so far.
    fn span(&self) -> (i64, i64, u16) {
        let ends = || {
            self.profile
                .iter()
                .flat_map(|channel| channel.keys().copied())
        };
        let day = |end: i64| (end - 1).div_euclid(DAY_S);
        let (Some(oldest), Some(newest)) = (ends().min(), ends().max()) else {
            let today = day(self.now_s);
            return (today, today, 0);
        };
        let filled = (newest - day(newest) * DAY_S) / INTERVAL_S;
        (day(oldest), day(newest), u16::try_from(filled).unwrap_or(0))
    }
}

fn of_tier(register: ObisCode, tier: u8) -> ObisCode {
    let ObisCode([a, b, c, d, _, f]) = register;
    ObisCode([a, b, c, d, tier, f])
}

/// The last characters of a text; those of ISO 646 take an octet each.
fn last(text: &str, count: usize) -> &str {
    text.get(text.len().saturating_sub(count)..).unwrap_or(text)
}

fn general(used: &[u8], identity: &Identity, out: &mut Writer) {
    // Least significant octet first and texts of 7 bits; seconds, access by offset; INT64 twice.
    out.0.extend([0x02, 0x0C, 0xBB]);
    out.text(&identity.manufacturer, 4);
    // Electric; version 2 of the standard; as many octets of tables as there must be.
    out.0.extend([2, 0, 0, 0, 2, 0, 9, 0, 0, 0, 0, 0]);
    let mut set = [0u8; 9];
    for number in used {
        if let Some(octet) = set.get_mut(usize::from(number / 8)) {
            *octet |= 1 << (number % 8);
        }
    }
    out.0.extend(set);
    // None can be written.
    out.0.extend([0; 9]);
}
