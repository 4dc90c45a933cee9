//! Registers by their OBIS code: what tables 23 and 28 hold, with the units that tables 12, 15 and
//! 16 give their sources.
//!
//! Quadrants and phases are those of IEC 62053-23 on both sides, so that a delivered quantity is
//! OBIS import. A source without a unit that OBIS knows gets a code whose value group C is the
//! maker's own, 128 plus the index of the source (IEC 62056-6-1, clause 5.4.1), and no unit.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::table::format::ClockTime;
use super::table::{
    ConstantsTable, DataBlock, Sources, Table, TableError, Tables, UnitOfMeasure, UnitsOfMeasure,
};
use crate::model::{ObisCode, Unit, scaled};

/// A register of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its code.
    pub register: ObisCode,
    /// Its value, constants and power of ten applied.
    pub value: Decimal,
    /// Its unit.
    pub unit: Option<Unit>,
    /// The power of ten of table 12, where it was applied.
    pub scaler: Option<i8>,
    /// The number as it stood in the table.
    pub raw: Decimal,
    /// When a demand was reached, by the device's clock.
    pub captured_at: ClockTime,
    /// Index of its source.
    pub source: u8,
}

/// What a source measures, where the installer says so and tables 12 and 16 do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Code of the sum over all tariffs; value group E is replaced for each tariff.
    pub register: ObisCode,
    /// Its unit.
    pub unit: Option<Unit>,
    /// The power of ten that numbers are multiplied with.
    pub scaler: i8,
}

/// Assignments by the index of the source.
pub type Assignments = BTreeMap<u8, Assignment>;

/// No source.
const NONE: u8 = 255;

/// Value group D.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Processing {
    Sum,
    /// Recorded in an interval of the load profile.
    Interval,
    Maximum,
    Minimum,
    CumulativeMaximum,
    CumulativeMinimum,
    Present,
}

/// What is known of the sources of a device.
pub(super) struct Knowledge<'a> {
    sources: Option<Sources>,
    units: Option<UnitsOfMeasure>,
    constants: Option<ConstantsTable>,
    assigned: &'a Assignments,
}

impl Tables {
    /// The registers of table 23 or 28 with their codes. Table 23 needs 00, 21 and 22; table 28
    /// needs 00, 21 and 27. Units come from 12 and 16, and 15 where constants are to be applied.
    ///
    /// # Errors
    /// A table that is needed is missing, or one does not follow its layout to its last octet.
    pub fn registers_of(
        &self,
        table: u16,
        assigned: &Assignments,
    ) -> Result<Vec<Entry>, TableError> {
        let needs = |error| match error {
            TableError::NotRead(needs) => TableError::Needs { table, needs },
            other => other,
        };
        let decoded = self.decode(table)?;
        if decoded.extra > 0 {
            // The limiting table does not describe this one: no number is where it seems to be.
            return Err(TableError::Long {
                table,
                extra: decoded.extra,
            });
        }
        let knowledge = Knowledge::new(self, assigned);
        let mut found = Vec::new();
        match decoded.table {
            Table::RegisterData(data) if table == 23 => {
                let selection = self.selection().map_err(needs)?;
                let blocks = std::iter::once(&data.total).chain(&data.tiers);
                for (tier, block) in (0u8..=254).zip(blocks) {
                    knowledge.block(block, tier, &selection, &mut found);
                }
            }
            Table::PresentData(data) => {
                let selection = self.present_selection().map_err(needs)?;
                let demands = selection.present_demand_select.iter();
                let demands = demands.zip(data.present_demands.iter().map(|found| found.demand));
                let values = selection.present_value_select.iter();
                let values = values.zip(data.present_values.iter().copied());
                for (source, raw) in demands.chain(values) {
                    found.extend(knowledge.entry(*source, Processing::Present, 0, raw, None));
                }
            }
            _ => return Err(TableError::Unknown(table)),
        }
        Ok(found)
    }
}

impl<'a> Knowledge<'a> {
    pub(super) fn new(tables: &Tables, assigned: &'a Assignments) -> Self {
        Self {
            sources: tables.sources().ok(),
            units: tables.units().ok(),
            constants: tables.constants().ok(),
            assigned,
        }
    }

    fn block(
        &self,
        block: &DataBlock,
        tier: u8,
        selection: &super::table::DataSelection,
        found: &mut Vec<Entry>,
    ) {
        for (source, raw) in selection.summation_select.iter().zip(&block.summations) {
            found.extend(self.entry(*source, Processing::Sum, tier, *raw, None));
        }
        let demands = selection.demand_select.iter().zip(&block.demands);
        for (index, (source, demand)) in (0u16..).zip(demands) {
            let is_maximum = selection.max_demands.contains(&index);
            let (extreme, cumulative) = if is_maximum {
                (Processing::Maximum, Processing::CumulativeMaximum)
            } else {
                (Processing::Minimum, Processing::CumulativeMinimum)
            };
            // Further occurrences have no code of their own.
            if let Some(raw) = demand.demand.first() {
                let at = demand.event_time.first().copied().flatten();
                found.extend(self.entry(*source, extreme, tier, *raw, at));
            }
            if let Some(raw) = demand.cum_demand {
                found.extend(self.entry(*source, cumulative, tier, raw, None));
            }
        }
    }

    /// `None` for an unused selection, and for a number that does not fit once it is scaled.
    pub(super) fn entry(
        &self,
        source: u8,
        processing: Processing,
        tier: u8,
        raw: Decimal,
        captured_at: ClockTime,
    ) -> Option<Entry> {
        if source == NONE {
            return None;
        }
        let (register, unit, scaler, value) = if let Some(assigned) = self.assigned.get(&source) {
            let ObisCode([a, b, c, d, _, f]) = assigned.register;
            let d = if processing == Processing::Interval && d == 8 {
                29
            } else {
                d
            };
            let register = ObisCode([a, b, c, d, tier, f]);
            (register, assigned.unit, Some(assigned.scaler), raw)
        } else {
            self.measured(source, processing, tier, raw)?
        };
        let value = match scaler {
            Some(exponent) => scale(value, exponent)?,
            None => value,
        };
        Some(Entry {
            register,
            value,
            unit,
            scaler,
            raw,
            captured_at,
            source,
        })
    }

    fn measured(
        &self,
        source: u8,
        processing: Processing,
        tier: u8,
        raw: Decimal,
    ) -> Option<(ObisCode, Option<Unit>, Option<i8>, Decimal)> {
        let unnamed = || {
            let group_c = source.checked_add(128).filter(|code| *code < 200)?;
            let group_d = group_d(processing, None);
            Some((
                ObisCode([1, 0, group_c, group_d, tier, 255]),
                None,
                None,
                raw,
            ))
        };
        let (Some(sources), Some(units)) = (&self.sources, &self.units) else {
            return unnamed();
        };
        let flags = sources.entries.get(usize::from(source));
        let unit = sources.unit(source, units);
        let (Some(flags), Some(unit)) = (flags, unit) else {
            return unnamed();
        };
        let constants = self.constants.as_ref();
        let value = if flags.constants_to_be_applied {
            match constants.and_then(|table| sources.constants(source, table)) {
                Some(constants) => apply(constants, raw)?,
                None => return unnamed(),
            }
        } else if flags.engineering_units {
            raw
        } else {
            // Pulses of a weight that nobody tells.
            return unnamed();
        };
        match code(unit, processing, tier) {
            Some((register, physical)) => {
                Some((register, Some(physical), Some(unit.exponent()), value))
            }
            None => unnamed(),
        }
    }
}

/// Multiplier, offset and those ratios that the device has not applied itself.
fn apply(constants: &super::table::Constants, raw: Decimal) -> Option<Decimal> {
    let mut value = raw
        .checked_mul(constants.multiplier)?
        .checked_add(constants.offset)?;
    for ratios in constants.ratios.iter().filter(|ratios| !ratios.applied) {
        value = value
            .checked_mul(ratios.ratio_f1)?
            .checked_mul(ratios.ratio_p1)?;
    }
    Some(value)
}

fn scale(value: Decimal, exponent: i8) -> Option<Decimal> {
    let scale = i32::try_from(value.scale()).ok()? - i32::from(exponent);
    scaled(value.mantissa(), i8::try_from(-scale).ok()?).ok()
}

fn group_d(processing: Processing, unit: Option<&UnitOfMeasure>) -> u8 {
    let time_base = unit.map(|unit| unit.time_base);
    match (processing, time_base) {
        (Processing::CumulativeMinimum, _) => 1,
        (Processing::CumulativeMaximum, _) => 2,
        (Processing::Minimum, _) => 3,
        (Processing::Maximum, _) => 6,
        // Time integral 5 and current average 5: over an interval of the load profile.
        (Processing::Interval, Some(0 | 5) | None) => 29,
        (Processing::Interval, Some(3 | 4 | 6)) => 27,
        // Since the start of the billing period.
        (Processing::Sum, Some(5)) => 9,
        (Processing::Sum, _) | (Processing::Present, Some(0)) => 8,
        // The average of the running, and of the last, interval.
        (Processing::Present, Some(3 | 6)) => 4,
        (Processing::Present, Some(4)) => 5,
        (Processing::Present | Processing::Interval, _) => 7,
    }
}

/// What a source measures whose sum or present value, over all tariffs, is this register, and its
/// unit; `None` for registers that C12.19 cannot name.
pub(super) fn source_of(register: ObisCode) -> Option<(UnitOfMeasure, Unit)> {
    let ObisCode([1, 0, _, d, 0, 255]) = register else {
        return None;
    };
    let (processing, time_base) = match d {
        8 => (Processing::Sum, 0),
        7 => (Processing::Present, 1),
        _ => return None,
    };
    // There are some hundred of them, and so one table serves both ways.
    let id_codes = [0, 1, 2, 8, 12].into_iter();
    let shapes = id_codes.flat_map(|id_code| (0..16).map(move |quadrants| (id_code, quadrants)));
    let phases = [0, 5, 6, 7];
    let mut candidates = shapes.flat_map(|(id_code, quadrants)| {
        phases.into_iter().flat_map(move |segmentation| {
            [false, true].map(|net_flow| UnitOfMeasure {
                id_code,
                time_base,
                multiplier: 0,
                quadrants,
                net_flow,
                segmentation,
                harmonic: false,
                nfs: false,
            })
        })
    });
    candidates.find_map(|unit| match code(&unit, processing, 0) {
        Some((found, physical)) if found == register => Some((unit, physical)),
        _ => None,
    })
}

/// Code and unit of a quantity; `None` for those that OBIS does not have.
fn code(unit: &UnitOfMeasure, processing: Processing, tier: u8) -> Option<(ObisCode, Unit)> {
    if unit.nfs || unit.harmonic {
        return None;
    }
    let integral = matches!(unit.time_base, 0 | 5);
    // A sum of something that is no amount, or an extreme of one that is.
    if integral != matches!(group_d(processing, Some(unit)), 8 | 9 | 29) || unit.time_base == 7 {
        return None;
    }
    let phase = match unit.segmentation {
        0 => Some(0),
        5 => Some(20),
        6 => Some(40),
        7 => Some(60),
        _ => None,
    };
    const Q1: u8 = 1;
    const Q2: u8 = 2;
    const Q3: u8 = 4;
    const Q4: u8 = 8;
    const ALL: u8 = 15;
    let pick = |energy, power| if integral { energy } else { power };
    let (group_c, physical) = match (unit.id_code, unit.quadrants, unit.net_flow) {
        (0, quadrants, net) => {
            let group_c = match (quadrants, net) {
                (ALL, true) => 16,
                (ALL, false) => 15,
                (quadrants, false) if quadrants == Q1 | Q4 => 1,
                (quadrants, false) if quadrants == Q2 | Q3 => 2,
                (Q1, false) => 17,
                (Q2, false) => 18,
                (Q3, false) => 19,
                (Q4, false) => 20,
                _ => return None,
            };
            (group_c, pick(Unit::WattHour, Unit::Watt))
        }
        (1, quadrants, false) => {
            let group_c = match quadrants {
                quadrants if quadrants == Q1 | Q2 => 3,
                quadrants if quadrants == Q3 | Q4 => 4,
                Q1 => 5,
                Q2 => 6,
                Q3 => 7,
                Q4 => 8,
                _ => return None,
            };
            (group_c, pick(Unit::VarHour, Unit::Var))
        }
        // Arithmetic or vectorial, and phasor.
        (2 | 3, quadrants, false) => {
            let group_c = match quadrants {
                quadrants if quadrants == Q1 | Q4 => 9,
                quadrants if quadrants == Q2 | Q3 => 10,
                _ => return None,
            };
            (group_c, pick(Unit::VoltAmpereHour, Unit::VoltAmpere))
        }
        (8, ..) if !integral => (12, Unit::Volt),
        (12, ..) if !integral => (11, Unit::Ampere),
        _ => return None,
    };
    let group_c = group_c + phase?;
    let group_d = group_d(processing, Some(unit));
    Some((ObisCode([1, 0, group_c, group_d, tier, 255]), physical))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(id_code: u8, time_base: u8, quadrants: u8, segmentation: u8) -> UnitOfMeasure {
        UnitOfMeasure {
            id_code,
            time_base,
            multiplier: 0,
            quadrants,
            net_flow: false,
            segmentation,
            harmonic: false,
            nfs: false,
        }
    }

    /// Codes from IEC 62056-6-1, table of value groups C and D for electricity.
    #[test]
    fn codes_of_quantities() {
        for (given, processing, tier, want) in [
            (
                unit(0, 0, 9, 0),
                Processing::Sum,
                0,
                Some("1-0:1.8.0*255 Wh"),
            ),
            (
                unit(0, 0, 6, 0),
                Processing::Sum,
                2,
                Some("1-0:2.8.2*255 Wh"),
            ),
            (
                unit(0, 0, 15, 0),
                Processing::Sum,
                0,
                Some("1-0:15.8.0*255 Wh"),
            ),
            (
                unit(0, 4, 9, 0),
                Processing::Maximum,
                1,
                Some("1-0:1.6.1*255 W"),
            ),
            (
                unit(0, 4, 9, 0),
                Processing::CumulativeMaximum,
                0,
                Some("1-0:1.2.0*255 W"),
            ),
            (
                unit(0, 1, 9, 5),
                Processing::Present,
                0,
                Some("1-0:21.7.0*255 W"),
            ),
            (
                unit(1, 0, 3, 0),
                Processing::Sum,
                0,
                Some("1-0:3.8.0*255 varh"),
            ),
            (
                unit(1, 0, 8, 0),
                Processing::Sum,
                0,
                Some("1-0:8.8.0*255 varh"),
            ),
            (
                unit(2, 0, 9, 0),
                Processing::Sum,
                0,
                Some("1-0:9.8.0*255 VAh"),
            ),
            (
                unit(8, 2, 0, 6),
                Processing::Present,
                0,
                Some("1-0:52.7.0*255 V"),
            ),
            (
                unit(12, 2, 0, 7),
                Processing::Present,
                0,
                Some("1-0:71.7.0*255 A"),
            ),
            (unit(2, 0, 15, 0), Processing::Sum, 0, None),
            (unit(0, 4, 9, 0), Processing::Sum, 0, None),
            (unit(0, 0, 9, 1), Processing::Sum, 0, None),
            (unit(77, 0, 0, 0), Processing::Sum, 0, None),
        ] {
            let found = code(&given, processing, tier);
            let found = found.map(|(register, unit)| format!("{register} {unit}"));
            assert_eq!(found.as_deref(), want, "{given:?}");
        }
    }

    fn unhex(text: &str) -> Vec<u8> {
        crate::key::octets(&text.replace(' ', "")).unwrap()
    }

    fn meter() -> Tables {
        let mut tables = Tables::new();
        tables.insert(
            0,
            unhex("020a8a 53494d20 02 00 08 40 02 00 04 00 00 00 01 00 ffffff1f 00000000"),
        );
        // Two sums, a demand, a tariff; a present demand and a present value.
        tables.insert(21, unhex("02 00 00 02 01 00 01 01 01 01"));
        tables.insert(22, unhex("00 02 01 01"));
        tables.insert(
            23,
            unhex(
                "15cd5b070000 e80300000000 1a0b16101e 0a000000 010000000000 020000000000 0000000000 04000000",
            ),
        );
        tables.insert(27, unhex("01 ff"));
        tables.insert(28, unhex("39050000 d20400000000"));
        tables
    }

    fn shown(entries: &[Entry]) -> Vec<String> {
        let text = |entry: &Entry| {
            let unit = entry.unit.map(|unit| unit.to_string()).unwrap_or_default();
            format!("{} {} {unit}", entry.register, entry.value)
        };
        entries.iter().map(text).collect()
    }

    #[test]
    fn without_units_the_codes_are_the_makers() {
        let tables = meter();
        let found = tables.registers_of(23, &Assignments::new()).unwrap();
        assert_eq!(
            shown(&found),
            [
                "1-0:128.8.0*255 123456789 ",
                "1-0:130.8.0*255 1000 ",
                "1-0:129.6.0*255 10 ",
                "1-0:128.8.1*255 1 ",
                "1-0:130.8.1*255 2 ",
                "1-0:129.6.1*255 4 "
            ]
        );
        assert_eq!(
            found[2].captured_at.unwrap().to_string(),
            "2026-11-22T16:30:00"
        );
        assert_eq!(found[5].captured_at, None);
        let found = tables.registers_of(28, &Assignments::new()).unwrap();
        assert_eq!(shown(&found), ["1-0:129.7.0*255 1337 "]);
    }

    #[test]
    fn an_installer_may_say_what_a_source_is() {
        let assigned = Assignment {
            register: ObisCode::ACTIVE_ENERGY_IMPORT,
            unit: Some(Unit::WattHour),
            scaler: -3,
        };
        let assigned = Assignments::from([(0, assigned)]);
        let found = meter().registers_of(23, &assigned).unwrap();
        assert_eq!(shown(&found)[0], "1-0:1.8.0*255 123456.789 Wh");
        assert_eq!(shown(&found)[3], "1-0:1.8.1*255 0.001 Wh");
    }

    #[test]
    fn units_constants_and_powers_of_ten_are_applied() {
        let mut tables = meter();
        tables.insert(11, unhex("00 03 00 00 00 01 02 03"));
        // kWh delivered, kW delivered (block average), pulses of varh.
        tables.insert(12, unhex("00500200 00540200 01c00000"));
        tables.insert(16, unhex("11 11 29"));
        tables.insert(15, unhex("0a0000000000 010000000000"));
        let found = tables.registers_of(23, &Assignments::new()).unwrap();
        assert_eq!(
            shown(&found)[..3],
            [
                "1-0:1.8.0*255 123456789000 Wh",
                "1-0:3.8.0*255 10001 varh",
                "1-0:1.6.0*255 10000 W"
            ]
        );
        assert_eq!(found[0].scaler, Some(3));
        // Without the constants nobody knows what a pulse is.
        tables.insert(15, Vec::new());
        let found = tables.registers_of(23, &Assignments::new()).unwrap();
        assert_eq!(shown(&found)[1], "1-0:130.8.0*255 1000 ");
    }

    #[test]
    fn a_table_that_does_not_fit_its_limits_gives_no_value() {
        let mut tables = meter();
        let mut octets = tables.octets(23).unwrap().to_vec();
        octets.insert(0, 9);
        tables.insert(23, octets);
        assert_eq!(
            tables.registers_of(23, &Assignments::new()),
            Err(TableError::Long {
                table: 23,
                extra: 1
            })
        );
    }
}
