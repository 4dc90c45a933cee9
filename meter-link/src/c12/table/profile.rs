//! Decade 6: load profiles (C12.19, tables 61 to 67).

use rust_decimal::Decimal;
use serde::Serialize;

use super::TableError;
use super::format::{ClockTime, Formats};
use super::general::GeneralConfiguration;
use super::reader::Reader;

/// First of the four tables of profile data.
pub const FIRST_DATA_TABLE: u16 = 64;
const SETS: u16 = 4;

/// Size of one set of table 61.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileSet {
    /// The table with its data, 64 to 67.
    pub table: u16,
    /// Blocks.
    pub nbr_blks: u16,
    /// Intervals of a block.
    pub nbr_blk_ints: u16,
    /// Channels.
    pub nbr_chns: u8,
    /// Minutes of an interval.
    pub max_int_time_min: u8,
    /// Channels have scalars and divisors.
    pub scalar_divisor_flag: bool,
}

/// Table 61, actual load profile limiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActualProfile {
    /// Octets of memory for all sets.
    pub lp_memory_len: u32,
    /// `LP_FLAGS` as sent.
    pub lp_flags: u16,
    /// Blocks carry the registers at their end.
    pub blk_end_read_flag: bool,
    /// Blocks carry pulses at their end.
    pub blk_end_pulse_flag: bool,
    /// Intervals carry a status for each channel.
    pub extended_int_status_flag: bool,
    /// Blocks carry one bit for each interval.
    pub simple_int_status_flag: bool,
    /// `LP_FMATS` as sent.
    pub lp_fmats: u8,
    /// The sets the device has.
    pub sets: Vec<ProfileSet>,
}

impl ActualProfile {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        general: &GeneralConfiguration,
    ) -> Result<Self, TableError> {
        let lp_memory_len = reader.u32()?;
        let lp_flags = reader.u16()?;
        let lp_fmats = reader.u8()?;
        let flag = |bit: u16| lp_flags >> bit & 1 == 1;
        let mut sets = Vec::new();
        for set in 0..SETS {
            let table = FIRST_DATA_TABLE + set;
            if !general.std_tables_used.contains(&table) {
                continue;
            }
            sets.push(ProfileSet {
                table,
                nbr_blks: reader.u16()?,
                nbr_blk_ints: reader.u16()?,
                nbr_chns: reader.u8()?,
                max_int_time_min: reader.u8()?,
                scalar_divisor_flag: flag(6 + set),
            });
        }
        Ok(Self {
            lp_memory_len,
            lp_flags,
            blk_end_read_flag: flag(4),
            blk_end_pulse_flag: flag(5),
            extended_int_status_flag: flag(10),
            simple_int_status_flag: flag(11),
            lp_fmats,
            sets,
        })
    }
}

/// A channel of table 62.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileChannel {
    /// The channel has a reading at the end of a block.
    pub end_rdg_flag: bool,
    /// Source of its intervals.
    pub lp_source_select: u8,
    /// Source of its end readings.
    pub end_blk_rdg_source_select: u8,
    /// What an amount was multiplied with before it was recorded.
    pub scalar: u16,
    /// What it was divided by.
    pub divisor: u16,
}

/// A set of table 62.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileControlSet {
    /// The table with its data.
    pub table: u16,
    /// Format of an interval: 1, 2, 4 unsigned and 8, 16, 32 signed integers of 1, 2 and 4 octets,
    /// 64 `NI_FMAT1`, 128 `NI_FMAT2`.
    pub int_fmt_cde: u8,
    /// The channels.
    pub channels: Vec<ProfileChannel>,
}

/// Table 62, load profile control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileControl {
    /// The sets, in the order of table 61.
    pub sets: Vec<ProfileControlSet>,
}

impl ProfileControl {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualProfile,
    ) -> Result<Self, TableError> {
        let mut sets = Vec::new();
        for set in &limits.sets {
            let count = usize::from(set.nbr_chns);
            let mut channels = reader.many(count, |reader| {
                Ok(ProfileChannel {
                    end_rdg_flag: reader.u8()? & 1 == 1,
                    lp_source_select: reader.u8()?,
                    end_blk_rdg_source_select: reader.u8()?,
                    scalar: 1,
                    divisor: 1,
                })
            })?;
            let int_fmt_cde = reader.u8()?;
            if set.scalar_divisor_flag {
                for channel in &mut channels {
                    channel.scalar = reader.u16()?;
                }
                for channel in &mut channels {
                    channel.divisor = reader.u16()?;
                }
            }
            sets.push(ProfileControlSet {
                table: set.table,
                int_fmt_cde,
                channels,
            });
        }
        Ok(Self { sets })
    }
}

/// A set of table 63.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileStatusSet {
    /// The table with its data.
    pub table: u16,
    /// Newer blocks come before older ones.
    pub descending_blocks: bool,
    /// Unread blocks were lost.
    pub overflow: bool,
    /// The blocks are a ring.
    pub circular: bool,
    /// Newer intervals come before older ones.
    pub descending_intervals: bool,
    /// The set records.
    pub active: bool,
    /// It records in test mode.
    pub test_mode: bool,
    /// Blocks with at least one interval.
    pub nbr_valid_blocks: u16,
    /// Index of the newest block.
    pub last_block_element: u16,
    /// Its sequence number.
    pub last_block_seq_nbr: u32,
    /// Blocks nobody has read yet.
    pub nbr_unread_blocks: u16,
    /// Intervals of the newest block.
    pub nbr_valid_int: u16,
}

/// Table 63, load profile status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileStatus {
    /// The sets, in the order of table 61.
    pub sets: Vec<ProfileStatusSet>,
}

impl ProfileStatus {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualProfile,
    ) -> Result<Self, TableError> {
        let mut sets = Vec::new();
        for set in &limits.sets {
            let flags = reader.u8()?;
            let flag = |bit: u8| flags >> bit & 1 == 1;
            sets.push(ProfileStatusSet {
                table: set.table,
                descending_blocks: flag(0),
                overflow: flag(1),
                circular: flag(2),
                descending_intervals: flag(4),
                active: flag(5),
                test_mode: flag(6),
                nbr_valid_blocks: reader.u16()?,
                last_block_element: reader.u16()?,
                last_block_seq_nbr: reader.u32()?,
                nbr_unread_blocks: reader.u16()?,
                nbr_valid_int: reader.u16()?,
            });
        }
        Ok(Self { sets })
    }
}

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
    pub(super) fn read(
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
pub(super) fn size(
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileRow {
    /// End of the interval, by the device's clock; `None` when its block has no time.
    pub end: ClockTime,
    /// Common flags, as of [`ProfileInterval::common_status`].
    pub common_status: Option<u8>,
    /// The channels, scalar and divisor undone; `None` for a skipped interval and for one that no
    /// exact decimal holds.
    pub channels: Vec<Option<Decimal>>,
}

/// Status of a channel: the interval was skipped.
const SKIPPED: u8 = 4;

/// The intervals that count, oldest first.
#[must_use]
pub fn rows(
    set: &ProfileSet,
    control: &ProfileControlSet,
    status: &ProfileStatusSet,
    data: &ProfileData,
) -> Vec<ProfileRow> {
    let count = usize::from(set.nbr_blks).max(1);
    let valid = usize::from(status.nbr_valid_blocks).min(count);
    let last = usize::from(status.last_block_element) % count;
    let mut rows = Vec::new();
    for age in (0..valid).rev() {
        let place = if status.descending_blocks {
            (last + age) % count
        } else {
            (last + count - age) % count
        };
        let Some(block) = data.blocks.get(place) else {
            continue;
        };
        let filled = if age == 0 {
            usize::from(status.nbr_valid_int).min(block.intervals.len())
        } else {
            block.intervals.len()
        };
        let mut intervals: Vec<(usize, &ProfileInterval)> =
            block.intervals.iter().enumerate().take(filled).collect();
        if status.descending_intervals {
            intervals.reverse();
        }
        for (before_end, (index, interval)) in (0..filled).rev().zip(intervals) {
            let marked = block.simple_status.as_ref();
            if marked.is_some_and(|marks| !marks.iter().any(|mark| usize::from(*mark) == index)) {
                continue;
            }
            let minutes = i64::from(set.max_int_time_min) * i64::try_from(before_end).unwrap_or(0);
            let span = jiff::Span::new().try_minutes(minutes).ok();
            rows.push(ProfileRow {
                end: block.end_time.and_then(|end| end.checked_sub(span?).ok()),
                common_status: interval.common_status,
                channels: values(interval, control),
            });
        }
    }
    rows
}

fn values(interval: &ProfileInterval, control: &ProfileControlSet) -> Vec<Option<Decimal>> {
    let channels = interval.channels.iter().zip(&control.channels);
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
