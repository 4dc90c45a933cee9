//! Decade 2: the registers (C12.19, tables 21 to 25, 27 and 28).

use rust_decimal::Decimal;
use serde::Serialize;

use super::TableError;
use super::format::ClockTime;
use super::reader::Reader;

/// Table 21, actual register limiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActualRegisters {
    /// Register tables name the season.
    pub season_info_field_flag: bool,
    /// Register tables have dates and times.
    pub date_time_field_flag: bool,
    /// Table 23 begins with the number of demand resets.
    pub demand_reset_ctr_flag: bool,
    /// Demand resets can be locked.
    pub demand_reset_lock_flag: bool,
    /// Demands have a cumulative value.
    pub cum_demand_flag: bool,
    /// Demands have a continuously cumulative value.
    pub cont_cum_demand_flag: bool,
    /// Present demands tell the time left in their interval.
    pub time_remaining_flag: bool,
    /// `REG_FUNC2_FLAGS` as sent.
    pub reg_func2_flags: u8,
    /// Self reads kept.
    pub nbr_self_reads: u8,
    /// Sums of each block.
    pub nbr_summations: u8,
    /// Demands of each block.
    pub nbr_demands: u8,
    /// Coincident values of each block.
    pub nbr_coin_values: u8,
    /// Occurrences of each demand.
    pub nbr_occur: u8,
    /// Tariffs.
    pub nbr_tiers: u8,
    /// Present demands of table 28.
    pub nbr_present_demands: u8,
    /// Present values of table 28.
    pub nbr_present_values: u8,
}

impl ActualRegisters {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, TableError> {
        let functions = reader.u8()?;
        let flag = |bit: u8| functions >> bit & 1 == 1;
        Ok(Self {
            season_info_field_flag: flag(0),
            date_time_field_flag: flag(1),
            demand_reset_ctr_flag: flag(2),
            demand_reset_lock_flag: flag(3),
            cum_demand_flag: flag(4),
            cont_cum_demand_flag: flag(5),
            time_remaining_flag: flag(6),
            reg_func2_flags: reader.u8()?,
            nbr_self_reads: reader.u8()?,
            nbr_summations: reader.u8()?,
            nbr_demands: reader.u8()?,
            nbr_coin_values: reader.u8()?,
            nbr_occur: reader.u8()?,
            nbr_tiers: reader.u8()?,
            nbr_present_demands: reader.u8()?,
            nbr_present_values: reader.u8()?,
        })
    }
}

/// Table 22, data selection: which source each number of table 23 comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataSelection {
    /// Source of each sum.
    pub summation_select: Vec<u8>,
    /// Source of each demand.
    pub demand_select: Vec<u8>,
    /// Demands that are the greatest of their period; the others are the least.
    pub max_demands: Vec<u16>,
    /// Source of each coincident value.
    pub coincident_select: Vec<u8>,
    /// The demand each coincident value belongs to.
    pub coin_demand_assoc: Vec<u8>,
}

impl DataSelection {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualRegisters,
    ) -> Result<Self, TableError> {
        let demands = usize::from(limits.nbr_demands);
        let coincidents = usize::from(limits.nbr_coin_values);
        Ok(Self {
            summation_select: reader.take(limits.nbr_summations.into())?.to_vec(),
            demand_select: reader.take(demands)?.to_vec(),
            max_demands: reader.set(demands.div_ceil(8))?,
            coincident_select: reader.take(coincidents)?.to_vec(),
            coin_demand_assoc: reader.take(coincidents)?.to_vec(),
        })
    }
}

/// A demand and what is kept with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// When each occurrence was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub event_time: Vec<ClockTime>,
    /// Sum of the greatest demands of all periods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cum_demand: Option<Decimal>,
    /// The same with the present period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cont_cum_demand: Option<Decimal>,
    /// The occurrences.
    pub demand: Vec<Decimal>,
}

/// The registers of all tariffs together, or of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataBlock {
    /// Sums, in the order of table 22.
    pub summations: Vec<Decimal>,
    /// Demands, likewise.
    pub demands: Vec<Demand>,
    /// Coincident values, each with its occurrences.
    pub coincidents: Vec<Vec<Decimal>>,
}

impl DataBlock {
    fn read(reader: &mut Reader<'_>, limits: &ActualRegisters) -> Result<Self, TableError> {
        let occurrences = usize::from(limits.nbr_occur);
        let summations = reader.many(limits.nbr_summations.into(), Reader::ni1)?;
        let demands = reader.many(limits.nbr_demands.into(), |reader| {
            let event_time = if limits.date_time_field_flag {
                reader.many(occurrences, Reader::short_time)?
            } else {
                Vec::new()
            };
            let mut cumulative = |flag: bool| flag.then(|| reader.ni1()).transpose();
            Ok(Demand {
                event_time,
                cum_demand: cumulative(limits.cum_demand_flag)?,
                cont_cum_demand: cumulative(limits.cont_cum_demand_flag)?,
                demand: reader.many(occurrences, Reader::ni2)?,
            })
        })?;
        let coincidents = reader.many(limits.nbr_coin_values.into(), |reader| {
            reader.many(occurrences, Reader::ni2)
        })?;
        Ok(Self {
            summations,
            demands,
            coincidents,
        })
    }
}

/// Table 23, current registers; tables 24 and 25 hold the same of an earlier time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegisterData {
    /// When the earlier time ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<ClockTime>,
    /// Its season.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub season: Option<u8>,
    /// How often demands were reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbr_demand_resets: Option<u8>,
    /// All tariffs together.
    pub total: DataBlock,
    /// Each tariff.
    pub tiers: Vec<DataBlock>,
}

impl RegisterData {
    /// Reads table 23, or with `earlier` one that begins with a date and a season.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualRegisters,
        earlier: bool,
    ) -> Result<Self, TableError> {
        let dated = earlier && limits.date_time_field_flag;
        let seasonal = earlier && limits.season_info_field_flag;
        Ok(Self {
            end_time: dated.then(|| reader.short_time()).transpose()?,
            season: seasonal.then(|| reader.u8()).transpose()?,
            nbr_demand_resets: limits
                .demand_reset_ctr_flag
                .then(|| reader.u8())
                .transpose()?,
            total: DataBlock::read(reader, limits)?,
            tiers: reader.many(limits.nbr_tiers.into(), |reader| {
                DataBlock::read(reader, limits)
            })?,
        })
    }
}

/// Table 27, present register selection: which source each number of table 28 comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PresentSelection {
    /// Source of each present demand; 255 for none.
    pub present_demand_select: Vec<u8>,
    /// Source of each present value; 255 for none.
    pub present_value_select: Vec<u8>,
}

impl PresentSelection {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualRegisters,
    ) -> Result<Self, TableError> {
        Ok(Self {
            present_demand_select: reader.take(limits.nbr_present_demands.into())?.to_vec(),
            present_value_select: reader.take(limits.nbr_present_values.into())?.to_vec(),
        })
    }
}

/// A present demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PresentDemand {
    /// Seconds left in its interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_remaining_s: Option<u32>,
    /// The demand.
    pub demand: Decimal,
}

/// Table 28, present registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PresentData {
    /// Present demands, in the order of table 27.
    pub present_demands: Vec<PresentDemand>,
    /// Present values, likewise.
    pub present_values: Vec<Decimal>,
}

impl PresentData {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualRegisters,
    ) -> Result<Self, TableError> {
        let present_demands = reader.many(limits.nbr_present_demands.into(), |reader| {
            let remaining = limits.time_remaining_flag.then(|| reader.time_of_day_s());
            Ok(PresentDemand {
                time_remaining_s: remaining.transpose()?.flatten(),
                demand: reader.ni2()?,
            })
        })?;
        Ok(Self {
            present_demands,
            present_values: reader.many(limits.nbr_present_values.into(), Reader::ni1)?,
        })
    }
}
