//! Rows of a load profile: the blocks of tables 64 to 67, and when their intervals ended.

use jiff::Span;
use rust_decimal::Decimal;
use serde::Serialize;

use super::super::TableError;
use super::super::format::{ClockTime, Formats};
use super::super::reader::Reader;
use super::{ActualProfile, ProfileControlSet, ProfileSet, ProfileStatusSet};

/// An interval of a load profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileInterval {
    /// Common flags: bit 0 summer time, 1 power failure, 2 clock set forward, 3 backward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_status: Option<u8>,
    /// Status of each channel: 1 overflow, 2 partial, 3 long, 4 skipped, 5 test, 6 configuration
    /// changed, 7 stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<u8>,
    /// The channels as recorded.
    pub channels: Vec<Decimal>,
}

/// A block of a load profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileBlock {
    /// End of its last interval, by the device's clock.
    pub end_time: ClockTime,
    /// Registers at its end, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub end_readings: Vec<Decimal>,
    /// Pulses at its end, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub end_pulses: Vec<u32>,
    /// Intervals that are marked valid, where the device marks them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simple_status: Option<Vec<u16>>,
    /// All intervals.
    pub intervals: Vec<ProfileInterval>,
}

/// Tables 64 to 67, load profile data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileData {
    /// The blocks that were sent, in the order sent.
    pub blocks: Vec<ProfileBlock>,
}

impl ProfileData {
    /// Reads whole blocks until the octets end.
    pub(in super::super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualProfile,
        control: &ProfileControlSet,
    ) -> Result<Self, TableError> {
        let set = limits.sets.iter().find(|set| set.table == control.table);
        let set = set.ok_or_else(|| reader.malformed("table 61 has no such set"))?;
        let mut blocks = Vec::new();
        while reader.left() > 0 && blocks.len() < usize::from(set.nbr_blks) {
            let before = reader.left();
            blocks.push(ProfileBlock::read(
                reader,
                limits,
                set,
                control.int_fmt_cde,
            )?);
            if reader.left() == before {
                return Err(reader.malformed("blocks without any octets"));
            }
        }
        Ok(Self { blocks })
    }
}

/// Octets of a block of a set, and of all its blocks; `None` for a format that is not assigned.
pub(in super::super) fn size(
    formats: &Formats,
    limits: &ActualProfile,
    set: &ProfileSet,
    format: u8,
) -> Option<(usize, usize)> {
    let channels = usize::from(set.nbr_chns);
    let intervals = usize::from(set.nbr_blk_ints);
    let mut reading = if limits.blk_end_pulse_flag { 4 } else { 0 };
    if limits.blk_end_read_flag {
        reading += formats.ni1.size()?;
    }
    let marks = if limits.simple_int_status_flag {
        intervals.div_ceil(8)
    } else {
        0
    };
    let status = if limits.extended_int_status_flag {
        channels / 2 + 1
    } else {
        0
    };
    let width = match format {
        1 | 8 => 1,
        2 | 16 => 2,
        4 | 32 => 4,
        64 => formats.ni1.size()?,
        128 => formats.ni2.size()?,
        _ => return None,
    };
    let interval = status + channels * width;
    let block = formats.time.short_size()? + channels * reading + marks + intervals * interval;
    Some((block, block.checked_mul(set.nbr_blks.into())?))
}

impl ProfileBlock {
    fn read(
        reader: &mut Reader<'_>,
        limits: &ActualProfile,
        set: &ProfileSet,
        format: u8,
    ) -> Result<Self, TableError> {
        let end_time = reader.short_time()?;
        let (mut end_readings, mut end_pulses) = (Vec::new(), Vec::new());
        for _ in 0..set.nbr_chns {
            if limits.blk_end_read_flag {
                end_readings.push(reader.ni1()?);
            }
            if limits.blk_end_pulse_flag {
                end_pulses.push(reader.u32()?);
            }
        }
        let marks = usize::from(set.nbr_blk_ints).div_ceil(8);
        let simple = limits.simple_int_status_flag.then(|| reader.set(marks));
        Ok(Self {
            end_time,
            end_readings,
            end_pulses,
            simple_status: simple.transpose()?,
            intervals: reader.many(set.nbr_blk_ints.into(), |reader| {
                ProfileInterval::read(
                    reader,
                    limits.extended_int_status_flag,
                    set.nbr_chns,
                    format,
                )
            })?,
        })
    }
}

impl ProfileInterval {
    fn read(
        reader: &mut Reader<'_>,
        extended: bool,
        channels: u8,
        format: u8,
    ) -> Result<Self, TableError> {
        let mut nibbles = Vec::new();
        if extended {
            let octets = reader.take(usize::from(channels) / 2 + 1)?;
            nibbles.extend(octets.iter().flat_map(|octet| [octet >> 4, octet & 15]));
        }
        let common_status = nibbles.first().copied();
        let status = nibbles.into_iter().skip(1).take(channels.into()).collect();
        let number = |number: i128| crate::model::scaled(number, 0).unwrap_or_default();
        let channels = reader.many(channels.into(), |reader| match format {
            1 => Ok(number(reader.u8()?.into())),
            2 => Ok(number(reader.u16()?.into())),
            4 => Ok(number(reader.u32()?.into())),
            8 => Ok(number(reader.int(1)?)),
            16 => Ok(number(reader.int(2)?)),
            32 => Ok(number(reader.int(4)?)),
            64 => reader.ni1(),
            128 => reader.ni2(),
            _ => Err(reader.malformed("the format of intervals is none of table 62's")),
        })?;
        Ok(Self {
            common_status,
            status,
            channels,
        })
    }
}

/// A row of a load profile: what was recorded in one interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileRow {
    /// End of the interval, by the device's clock; `None` when its block has no time.
    pub end: ClockTime,
    /// Common flags, as of [`ProfileInterval::common_status`].
    pub common_status: Option<u8>,
    /// Status of each channel, as of [`ProfileInterval::status`].
    pub status: Vec<u8>,
    /// The channels, scalar and divisor undone; `None` for a skipped interval and for one that no
    /// exact decimal holds.
    pub channels: Vec<Option<Decimal>>,
}

/// Status of a channel: the interval was skipped.
const SKIPPED: u8 = 4;
/// Common flag: summer time.
const SUMMER: u8 = 1;

impl ProfileRow {
    /// Summer time was in force; `None` when the device does not tell.
    #[must_use]
    pub fn summer(&self) -> Option<bool> {
        self.common_status.map(|status| status & SUMMER != 0)
    }
}

impl ProfileStatusSet {
    /// The place in the table of the block that is `age` blocks older than the newest.
    #[must_use]
    pub fn place(&self, set: &ProfileSet, age: usize) -> usize {
        let count = usize::from(set.nbr_blks).max(1);
        let (last, age) = (usize::from(self.last_block_element) % count, age % count);
        if self.descending_blocks {
            (last + age) % count
        } else {
            (last + count - age) % count
        }
    }

    /// Blocks that hold at least one interval.
    #[must_use]
    pub fn valid_blocks(&self, set: &ProfileSet) -> usize {
        usize::from(self.nbr_valid_blocks.min(set.nbr_blks))
    }
}

/// A load profile as tables 61 to 63 describe it.
#[derive(Clone, Debug)]
pub struct ProfileLayout {
    /// Its sizes.
    pub set: ProfileSet,
    /// Its channels.
    pub control: ProfileControlSet,
    /// What it holds.
    pub status: ProfileStatusSet,
    /// Minutes by which the device's clock goes ahead in summer; 0 when it does not change, and
    /// when nothing is told of that.
    pub summer_min: u8,
}

impl ProfileLayout {
    /// The intervals of a block that count, oldest first. `age` is 0 for the newest block, which
    /// may not be full.
    ///
    /// An interval that ended in winter while its block ends in summer has its time by the clock
    /// of winter, where the device marks its intervals.
    #[must_use]
    pub fn rows(&self, block: &ProfileBlock, age: usize) -> Vec<ProfileRow> {
        let filled = if age == 0 {
            usize::from(self.status.nbr_valid_int).min(block.intervals.len())
        } else {
            block.intervals.len()
        };
        let mut intervals: Vec<(usize, &ProfileInterval)> =
            block.intervals.iter().enumerate().take(filled).collect();
        if self.status.descending_intervals {
            intervals.reverse();
        }
        let ahead = |interval: &ProfileInterval| {
            let summer = interval
                .common_status
                .is_some_and(|status| status & SUMMER != 0);
            if summer {
                i64::from(self.summer_min)
            } else {
                0
            }
        };
        let at_end = intervals.last().map_or(0, |(_, newest)| ahead(newest));
        let mut rows = Vec::new();
        for (before_end, (index, interval)) in (0..filled).rev().zip(intervals) {
            let marked = block.simple_status.as_ref();
            if marked.is_some_and(|marks| !marks.iter().any(|mark| usize::from(*mark) == index)) {
                continue;
            }
            let minutes = i64::from(self.set.max_int_time_min)
                * i64::try_from(before_end).unwrap_or(0)
                + at_end
                - ahead(interval);
            let span = Span::new().try_minutes(minutes).ok();
            rows.push(ProfileRow {
                end: block.end_time.and_then(|end| end.checked_sub(span?).ok()),
                common_status: interval.common_status,
                status: interval.status.clone(),
                channels: self.values(interval),
            });
        }
        rows
    }

    fn values(&self, interval: &ProfileInterval) -> Vec<Option<Decimal>> {
        let channels = interval.channels.iter().zip(&self.control.channels);
        channels
            .enumerate()
            .map(|(index, (recorded, channel))| {
                if interval.status.get(index) == Some(&SKIPPED) {
                    return None;
                }
                let (scalar, divisor) = (channel.scalar.into(), channel.divisor.into());
                let whole = recorded.checked_mul(divisor)?;
                let value = whole.checked_div(scalar)?;
                (value.checked_mul(scalar)? == whole).then(|| value.normalize())
            })
            .collect()
    }
}
