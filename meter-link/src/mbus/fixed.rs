//! The fixed data structure of old wired meters (EN 1434-3:1997, clause 6.2; CI fields 73 and 77).

use super::quantity::{Quantity, Unit};
use super::record::Record;
use super::value::Coding;
use super::vif::Meaning;

/// Identification, access number, status, two codes of medium and unit, two counters.
pub(super) const LENGTH: usize = 16;

const HISTORIC: u8 = 0x3E;

/// A response with fixed data.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedData<'a> {
    /// Identification number.
    pub identification: [u8; 4],
    /// Access number.
    pub access_number: u8,
    /// Status.
    pub status: u8,
    /// What is measured, in plain words.
    pub medium: &'static str,
    /// The two counters.
    pub records: [Record<'a>; 2],
}

impl<'a> FixedData<'a> {
    /// Reads the bytes behind the CI field; `None` when they are too few.
    #[must_use]
    pub fn read(bytes: &'a [u8], msb_first: bool) -> Option<Self> {
        let bytes = bytes.get(..LENGTH)?;
        let (&[i0, i1, i2, i3, access_number, status], rest) = bytes.split_first_chunk::<6>()?;
        let (codes, counters) = rest.split_at_checked(2)?;
        let (first, second) = counters.split_at_checked(4)?;
        let (&[code], code_two) = codes.split_first_chunk::<1>()?;
        let [second_code] = *code_two.first_chunk::<1>()?;
        // Status bit 0: binary, else BCD.
        let coding = if status & 1 == 0 {
            Coding::Bcd
        } else {
            Coding::Integer
        };
        let record = |code: u8, header, data| {
            // "Same unit, but historic": the other counter's, as of the last set date.
            let historic = code & 0x3F == HISTORIC;
            let unit = if historic {
                second_other(code, codes)
            } else {
                code
            };
            let mut record = Record::fixed(header, data, meaning(unit & 0x3F), coding);
            record.storage = u64::from(historic);
            record.msb_first = msb_first;
            record
        };
        Some(Self {
            identification: [i0, i1, i2, i3],
            access_number,
            status,
            medium: medium(code >> 6 | second_code >> 4 & 0x0C),
            records: [
                record(code, codes.get(..1)?, first),
                record(second_code, code_two, second),
            ],
        })
    }
}

/// The code that is not the historic one.
fn second_other(code: u8, codes: &[u8]) -> u8 {
    let other = codes.iter().find(|it| **it & 0x3F != HISTORIC);
    other.copied().unwrap_or(code)
}

const fn medium(code: u8) -> &'static str {
    match code {
        0x0 => "other",
        0x1 => "oil",
        0x2 => "electricity",
        0x3 | 0xA => "gas",
        0x4 | 0xB => "heat",
        0x5 => "steam",
        0x6 | 0xC => "warm water",
        0x7 | 0xD => "water",
        0x8 | 0xE => "heat cost allocation",
        _ => "reserved",
    }
}

/// Units count up in steps of ten, three to a prefix (table 4).
const fn meaning(code: u8) -> Meaning {
    use Quantity as Q;
    use Unit as U;
    let (quantity, unit, exponent) = match code {
        0x02..=0x0A => (Q::Energy, U::KilowattHour, step(code, 0x02) - 3),
        0x0B..=0x13 => (Q::Energy, U::Megajoule, step(code, 0x0B) - 3),
        0x14..=0x1C => (Q::Power, U::Kilowatt, step(code, 0x14) - 3),
        0x1D..=0x25 => (Q::Power, U::MegajoulePerHour, step(code, 0x1D) - 3),
        0x26..=0x2E => (Q::Volume, U::CubicMetre, step(code, 0x26) - 6),
        0x2F..=0x37 => (Q::VolumeFlow, U::CubicMetrePerHour, step(code, 0x2F) - 6),
        0x38 => (Q::FlowTemperature, U::Celsius, -3),
        0x39 => (Q::HeatCostAllocation, U::Hca, 0),
        0x3F => return Meaning::of(Q::Dimensionless),
        _ => return Meaning::of(Q::Reserved),
    };
    Meaning::in_unit(quantity, unit, exponent)
}

const fn step(code: u8, first: u8) -> i8 {
    (code - first).cast_signed()
}
