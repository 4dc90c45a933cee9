//! Decade 1: what the numbers of the other tables measure (C12.19, tables 11, 12, 15 and 16).

use rust_decimal::Decimal;
use serde::Serialize;

use super::TableError;
use super::reader::Reader;

/// Table 11, actual data sources limiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActualSources {
    /// Flags as sent: bit 5 and 6 tell which optional constants table 15 has.
    pub source_flags: u8,
    /// Entries of table 12.
    pub nbr_uom_entries: u8,
    /// Entries of table 13.
    pub nbr_demand_ctrl_entries: u8,
    /// Octets of an entry of table 14.
    pub data_ctrl_length: u8,
    /// Entries of table 14.
    pub nbr_data_ctrl_entries: u8,
    /// Entries of table 15.
    pub nbr_constants_entries: u8,
    /// What table 15 holds: 0 and 1 gas, 2 electricity.
    pub constants_selector: u8,
    /// Entries of table 16.
    pub nbr_sources: u8,
}

impl ActualSources {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, TableError> {
        Ok(Self {
            source_flags: reader.u8()?,
            nbr_uom_entries: reader.u8()?,
            nbr_demand_ctrl_entries: reader.u8()?,
            data_ctrl_length: reader.u8()?,
            nbr_data_ctrl_entries: reader.u8()?,
            nbr_constants_entries: reader.u8()?,
            constants_selector: reader.u8()?,
            nbr_sources: reader.u8()?,
        })
    }
}

/// An entry of table 12, unit of measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UnitOfMeasure {
    /// Quantity: 0 active, 1 reactive, 2 apparent power, 8 voltage, 12 current …
    pub id_code: u8,
    /// 0 dial reading (the quantity times hours), 1 instantaneous, 2 over a period of the grid, 3
    /// and 4 average demand, 5 amount of an interval, 6 thermal demand, 7 event.
    pub time_base: u8,
    /// Power of ten of the unit, coded; see [`UnitOfMeasure::exponent`].
    pub multiplier: u8,
    /// Quadrants that count, 1 to 4 from bit 0 on.
    pub quadrants: u8,
    /// Delivered less received.
    pub net_flow: bool,
    /// Phase: 0 all, 1 to 3 between two phases, 5 to 7 phase A, B, C to neutral.
    pub segmentation: u8,
    /// One harmonic of the quantity.
    pub harmonic: bool,
    /// The code follows the maker's definitions and not the standard's.
    pub nfs: bool,
}

impl UnitOfMeasure {
    fn read(reader: &mut Reader<'_>) -> Result<Self, TableError> {
        let bits = reader.u32()?;
        let part = |shift: u32, mask: u32| u8::try_from(bits >> shift & mask).unwrap_or_default();
        Ok(Self {
            id_code: part(0, 0xFF),
            time_base: part(8, 7),
            multiplier: part(11, 7),
            quadrants: part(14, 15),
            net_flow: part(18, 1) == 1,
            segmentation: part(19, 7),
            harmonic: part(22, 1) == 1,
            nfs: part(31, 1) == 1,
        })
    }

    /// The bits of the entry.
    pub(in crate::c12) fn bits(&self) -> u32 {
        u32::from(self.id_code)
            | u32::from(self.time_base) << 8
            | u32::from(self.multiplier) << 11
            | u32::from(self.quadrants) << 14
            | u32::from(self.net_flow) << 18
            | u32::from(self.segmentation) << 19
            | u32::from(self.harmonic) << 22
            | u32::from(self.nfs) << 31
    }

    /// The power of ten that numbers are multiplied with.
    #[must_use]
    pub const fn exponent(&self) -> i8 {
        match self.multiplier {
            1 => 2,
            2 => 3,
            3 => 6,
            4 => 9,
            5 => -2,
            6 => -3,
            7 => -6,
            _ => 0,
        }
    }
}

/// Table 12, units of measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnitsOfMeasure {
    /// One for each source that table 16 flags for it, in that order.
    pub entries: Vec<UnitOfMeasure>,
}

impl UnitsOfMeasure {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualSources,
    ) -> Result<Self, TableError> {
        let entries = reader.many(limits.nbr_uom_entries.into(), UnitOfMeasure::read)?;
        Ok(Self { entries })
    }
}

/// Ratios of current and voltage transformers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ratios {
    /// The device has applied them already.
    pub applied: bool,
    /// Of the current transformers.
    pub ratio_f1: Decimal,
    /// Of the voltage transformers.
    pub ratio_p1: Decimal,
}

/// An entry of table 15 of an electricity meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Constants {
    /// What a number is multiplied with.
    pub multiplier: Decimal,
    /// What is then added.
    pub offset: Decimal,
    /// Transformers, up to two sets.
    pub ratios: Vec<Ratios>,
}

/// Table 15, constants of an electricity meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConstantsTable {
    /// One for each source that table 16 flags for it, in that order.
    pub entries: Vec<Constants>,
}

impl ConstantsTable {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualSources,
    ) -> Result<Self, TableError> {
        if limits.constants_selector != 2 {
            return Err(reader.malformed("the constants are not those of an electricity meter"));
        }
        let sets =
            usize::from(limits.source_flags >> 5 & 1) + usize::from(limits.source_flags >> 6 & 1);
        let entries = reader.many(limits.nbr_constants_entries.into(), |reader| {
            Ok(Constants {
                multiplier: reader.ni1()?,
                offset: reader.ni1()?,
                ratios: reader.many(sets, |reader| {
                    Ok(Ratios {
                        applied: reader.u8()? & 1 == 1,
                        ratio_f1: reader.ni1()?,
                        ratio_p1: reader.ni1()?,
                    })
                })?,
            })
        })?;
        Ok(Self { entries })
    }
}

/// An entry of table 16, source definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Table 12 has an entry for it.
    pub uom_entry: bool,
    /// Table 13 has one.
    pub demand_ctrl: bool,
    /// Table 14 has one.
    pub data_ctrl: bool,
    /// Table 15 has one.
    pub constants: bool,
    /// Numbers are in engineering units; in pulses otherwise.
    pub engineering_units: bool,
    /// The constants of table 15 are still to be applied.
    pub constants_to_be_applied: bool,
}

/// Table 16, sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sources {
    /// The sources, in order of their index.
    pub entries: Vec<Source>,
}

impl Sources {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualSources,
    ) -> Result<Self, TableError> {
        let entries = reader.many(limits.nbr_sources.into(), |reader| {
            let bits = reader.u8()?;
            let flag = |bit: u8| bits >> bit & 1 == 1;
            Ok(Source {
                uom_entry: flag(0),
                demand_ctrl: flag(1),
                data_ctrl: flag(2),
                constants: flag(3),
                engineering_units: flag(4),
                constants_to_be_applied: flag(5),
            })
        })?;
        Ok(Self { entries })
    }

    /// The entry of table 12 that belongs to source `index`.
    #[must_use]
    pub fn unit<'a>(&self, index: u8, units: &'a UnitsOfMeasure) -> Option<&'a UnitOfMeasure> {
        let place = self.place(index, |source| source.uom_entry)?;
        units.entries.get(place)
    }

    /// The entry of table 15 that belongs to source `index`.
    #[must_use]
    pub fn constants<'a>(&self, index: u8, table: &'a ConstantsTable) -> Option<&'a Constants> {
        let place = self.place(index, |source| source.constants)?;
        table.entries.get(place)
    }

    /// How many flagged sources there are before `index`, if that is flagged itself.
    fn place(&self, index: u8, flag: impl Fn(&Source) -> bool) -> Option<usize> {
        let source = self.entries.get(usize::from(index))?;
        let before = self.entries.iter().take(usize::from(index));
        flag(source).then(|| before.filter(|source| flag(source)).count())
    }
}
