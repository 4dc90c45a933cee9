//! Decade 6: load profiles (C12.19, tables 61 to 67).

use serde::Serialize;

use super::TableError;
use super::general::GeneralConfiguration;
use super::reader::Reader;

mod data;

pub(super) use data::size;
pub use data::{ProfileBlock, ProfileData, ProfileInterval, ProfileLayout, ProfileRow};

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
