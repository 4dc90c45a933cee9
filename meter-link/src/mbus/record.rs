//! Data records of the variable data structure: DIF, DIFEs, VIF, VIFEs and data (EN 13757-3,
//! clause 6).
//!
//! ```
//! use meter_link::mbus::{Quantity, Records, Value};
//! let payload = [0x2F, 0x04, 0x13, 0x89, 0xE2, 0x01, 0x00];
//! let record = Records::new(&payload).next().ok_or("no record")??;
//! assert_eq!(record.meaning.quantity, Quantity::Volume);
//! let Value::Number(volume_m3) = record.value() else {
//!     return Err("no number".into());
//! };
//! assert_eq!(volume_m3.to_string(), "123.529");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use rust_decimal::Decimal;

use super::modifier::{Effect, Modifier, effect, extended};
use super::quantity::{Quantity, Unit, names};
use super::value::{self, Coding, Kind, Value};
use super::vif::{Meaning, extension_fb, extension_fd, primary};

/// Most DIFEs, and most VIFEs, that a record may have.
pub const MAX_EXTENSIONS: usize = 10;

const EXTENSION: u8 = 0x80;
const IDLE_FILLER: u8 = 0x2F;
const MANUFACTURER_DATA: u8 = 0x0F;
const MORE_FOLLOWS: u8 = 0x1F;
const PLAIN_TEXT: u8 = 0x7C;
const ANY_MANUFACTURER: u8 = 0x7F;
const FIRST_EXTENSION: u8 = 0xFB;
const SECOND_EXTENSION: u8 = 0xFD;

names! {
    /// Which value of a period a record holds (DIF bits 4 and 5).
    Function {
        /// The value of the moment.
        Instantaneous = "instantaneous",
        /// The highest.
        Maximum = "maximum",
        /// The lowest.
        Minimum = "minimum",
        /// The value while there was an error.
        Error = "error",
    }
}

/// One data record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// DIF, DIFEs, VIF, VIFEs, plain-text unit and LVAR as sent.
    pub header: &'a [u8],
    /// The value's bytes as sent.
    pub data: &'a [u8],
    /// Bytes of `header` that are DIF, DIFEs, VIF, VIFEs and plain-text unit: all but LVAR.
    pub key_length: usize,
    /// Which value of a period it is.
    pub function: Function,
    /// Storage number, 41 bits.
    pub storage: u64,
    /// Tariff, 20 bits.
    pub tariff: u32,
    /// Subunit, 10 bits.
    pub subunit: u16,
    /// Quantity, unit and scale, multipliers of VIFEs counted in.
    pub meaning: Meaning,
    /// VIF without its extension bit; FB and FD are followed by their own code in `sub_vif`.
    pub vif: u8,
    /// The code after VIF FB or FD, its extension bit cleared.
    pub sub_vif: Option<u8>,
    /// The unit of VIF 7C in plain text, last character first.
    pub plain_unit: Option<&'a [u8]>,
    modifiers: [Option<Modifier>; MAX_EXTENSIONS],
    record_error: Option<u8>,
    pub(super) coding: Coding,
    pub(super) instant: bool,
    pub(super) msb_first: bool,
}

/// Why bytes are no data records. The offset is that of the record's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The record runs past the end.
    #[error("the record at byte {offset} runs past the end of the payload")]
    Truncated {
        /// Where the record begins.
        offset: usize,
    },
    /// More extensions than the standard allows.
    #[error("the record at byte {offset} has more than {MAX_EXTENSIONS} DIFE or VIFE")]
    TooManyExtensions {
        /// Where the record begins.
        offset: usize,
    },
    /// A special function that no meter sends.
    #[error("DIF {dif:02X} at byte {offset} is reserved")]
    ReservedDif {
        /// Where the record begins.
        offset: usize,
        /// The DIF.
        dif: u8,
    },
    /// A length that the standard reserves.
    #[error("LVAR {lvar:02X} of the record at byte {offset} is reserved")]
    ReservedLvar {
        /// Where the record begins.
        offset: usize,
        /// The LVAR.
        lvar: u8,
    },
}

impl RecordError {
    /// Where the record begins that is none.
    #[must_use]
    pub const fn offset(self) -> usize {
        match self {
            Self::Truncated { offset }
            | Self::TooManyExtensions { offset }
            | Self::ReservedDif { offset, .. }
            | Self::ReservedLvar { offset, .. } => offset,
        }
    }
}

/// What follows DIF 0F or 1F.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManufacturerData<'a> {
    /// The bytes, in a form of the maker's.
    pub bytes: &'a [u8],
    /// DIF 1F: more records follow in the next telegram.
    pub more_follows: bool,
}

/// The records of a payload, in order; ends at manufacturer data or the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    payload: &'a [u8],
    at: usize,
    msb_first: bool,
    manufacturer_data: Option<ManufacturerData<'a>>,
}

impl<'a> Records<'a> {
    /// Records whose values stand least significant byte first, as nearly all do.
    #[must_use]
    pub const fn new(payload: &'a [u8]) -> Self {
        Self {
            payload,
            at: 0,
            msb_first: false,
            manufacturer_data: None,
        }
    }

    /// Records whose values stand most significant byte first (wired, CI field 76).
    #[must_use]
    pub const fn msb_first(payload: &'a [u8]) -> Self {
        let mut records = Self::new(payload);
        records.msb_first = true;
        records
    }

    /// What stood behind DIF 0F or 1F, once the iterator has come to its end.
    #[must_use]
    pub const fn manufacturer_data(&self) -> Option<ManufacturerData<'a>> {
        self.manufacturer_data
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.payload.get(self.at..)?;
            match *rest.first()? {
                IDLE_FILLER => self.at += 1,
                dif @ (MANUFACTURER_DATA | MORE_FOLLOWS) => {
                    self.manufacturer_data = Some(ManufacturerData {
                        bytes: rest.get(1..).unwrap_or_default(),
                        more_follows: dif == MORE_FOLLOWS,
                    });
                    self.at = self.payload.len();
                }
                _ => break,
            }
        }
        let record = Parser::new(self.payload, self.at).record(self.msb_first);
        self.at = match &record {
            Ok(record) => self.at + record.header.len() + record.data.len(),
            Err(_) => self.payload.len(),
        };
        Some(record)
    }
}

impl<'a> Record<'a> {
    /// A counter of the fixed data structure.
    pub(super) const fn fixed(
        header: &'a [u8],
        data: &'a [u8],
        meaning: Meaning,
        coding: Coding,
    ) -> Self {
        let mut record = Self::empty(coding);
        record.header = header;
        record.key_length = header.len();
        record.data = data;
        record.meaning = meaning;
        record
    }

    const fn empty(coding: Coding) -> Self {
        Self {
            header: &[],
            data: &[],
            key_length: 0,
            function: Function::Instantaneous,
            storage: 0,
            tariff: 0,
            subunit: 0,
            meaning: Meaning::of(Quantity::Reserved),
            vif: 0,
            sub_vif: None,
            plain_unit: None,
            modifiers: [None; MAX_EXTENSIONS],
            record_error: None,
            coding,
            instant: false,
            msb_first: false,
        }
    }

    /// DIF, DIFEs, VIF and VIFEs, without LVAR.
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        self.header.get(..self.key_length).unwrap_or(self.header)
    }

    /// What VIFEs change in the meaning, in the order sent.
    pub fn modifiers(&self) -> impl Iterator<Item = Modifier> + Clone {
        self.modifiers.into_iter().flatten()
    }

    /// True when no VIFE changes the meaning.
    #[must_use]
    pub const fn is_unmodified(&self) -> bool {
        self.modifiers[0].is_none()
    }

    /// The error code that a VIFE reports for this record (table 17), other than 0.
    #[must_use]
    pub const fn record_error(&self) -> Option<u8> {
        self.record_error
    }

    /// The value, scaled to the unit of `meaning`.
    #[must_use]
    pub fn value(&self) -> Value {
        value::decode(self)
    }

    /// What kind of value there is or, when it is invalid, should be.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.value().kind()
    }

    /// True for a 32-bit real.
    #[must_use]
    pub const fn is_real(&self) -> bool {
        matches!(self.coding, Coding::Real)
    }

    /// The record's plain-text unit as text, first character first.
    #[must_use]
    pub fn plain_unit_text(&self) -> Option<String> {
        self.plain_unit.map(value::latin1_reversed)
    }

    /// The unit of the value: the plain-text one of VIF 7C, or that of the quantity.
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        self.meaning.unit
    }

    /// A number with the factor and power of ten of the record's meaning.
    #[must_use]
    pub fn scale(&self, number: Decimal) -> Option<Decimal> {
        value::apply(self, number)
    }

    /// The VIFEs as sent, without plain-text unit and without the code that VIF FB or FD extends to.
    #[must_use]
    pub fn vifes(&self) -> &'a [u8] {
        let difs = 1 + self
            .header
            .iter()
            .take_while(|it| **it & EXTENSION != 0)
            .count();
        let text = self.plain_unit.map_or(0, |text| 1 + text.len());
        let vif = 1 + usize::from(self.sub_vif.is_some());
        self.key().get(difs + vif + text..).unwrap_or_default()
    }

    /// True when the value is a date or a time.
    #[must_use]
    pub const fn is_instant(&self) -> bool {
        self.instant
    }

    /// True for digits in BCD.
    #[must_use]
    pub const fn is_bcd(&self) -> bool {
        matches!(self.coding, Coding::Bcd | Coding::NegativeBcd)
    }

    /// True for a binary integer.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        matches!(self.coding, Coding::Integer)
    }

    pub(super) fn has_no_value(&self) -> bool {
        // Table 17: 15 no data available, 16 overflow, 17 underflow. With 18, data error, a value is
        // sent, and some makers mean "at an error" by it.
        matches!(self.record_error, Some(0x15..=0x17))
    }
}

/// Lengths of the record that begins with the key at `at` of `keys`: of the key (DIF to VIFEs) and
/// of the data that belong to it, LVAR included. `data` is where the data begin.
pub(crate) fn key_and_data_lengths(
    keys: &[u8],
    at: usize,
    data: &[u8],
) -> Result<(usize, usize), RecordError> {
    let record = Parser::new(keys, at).header()?;
    let length = match record.coding {
        Coding::Variable => {
            let offset = at;
            let lvar = *data.first().ok_or(RecordError::Truncated { offset })?;
            let variable = value::variable(lvar);
            1 + variable
                .ok_or(RecordError::ReservedLvar { offset, lvar })?
                .1
        }
        _ => value::length_of_dif(keys.get(at).copied().unwrap_or(0)),
    };
    Ok((record.key_length, length))
}

struct Parser<'a> {
    payload: &'a [u8],
    start: usize,
    at: usize,
}

impl<'a> Parser<'a> {
    const fn new(payload: &'a [u8], start: usize) -> Self {
        Self {
            payload,
            start,
            at: start,
        }
    }

    fn record(mut self, msb_first: bool) -> Result<Record<'a>, RecordError> {
        let mut record = self.header()?;
        let length = self.length(&mut record)?;
        record.msb_first = msb_first;
        record.header = self.payload.get(self.start..self.at).unwrap_or_default();
        record.data = self.take(length)?;
        Ok(record)
    }

    fn byte(&mut self) -> Result<u8, RecordError> {
        let byte = self.payload.get(self.at).copied();
        self.at += 1;
        byte.ok_or(RecordError::Truncated { offset: self.start })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let end = self.at.saturating_add(length);
        let taken = self.payload.get(self.at..end);
        self.at = end;
        taken.ok_or(RecordError::Truncated { offset: self.start })
    }

    fn header(&mut self) -> Result<Record<'a>, RecordError> {
        let offset = self.start;
        let dif = self.byte()?;
        if dif & 0x0F == 0x0F {
            return Err(RecordError::ReservedDif { offset, dif });
        }
        let mut storage = u64::from(dif >> 6 & 1);
        let (mut tariff, mut subunit) = (0u32, 0u16);
        let mut byte = dif;
        let mut count = 0u32;
        while byte & EXTENSION != 0 {
            if count as usize >= MAX_EXTENSIONS {
                return Err(RecordError::TooManyExtensions { offset });
            }
            byte = self.byte()?;
            storage |= u64::from(byte & 0x0F) << (1 + 4 * count);
            tariff |= u32::from(byte >> 4 & 3) << (2 * count);
            subunit |= u16::from(byte >> 6 & 1) << count;
            count += 1;
        }
        let mut record = Record::empty(value::coding(dif));
        (record.storage, record.tariff, record.subunit) = (storage, tariff, subunit);
        record.function = match dif >> 4 & 3 {
            0 => Function::Instantaneous,
            1 => Function::Maximum,
            2 => Function::Minimum,
            _ => Function::Error,
        };
        self.value_information(&mut record)?;
        record.key_length = self.at - self.start;
        Ok(record)
    }

    fn value_information(&mut self, record: &mut Record<'a>) -> Result<(), RecordError> {
        let vif = self.byte()?;
        record.vif = vif & !EXTENSION;
        if record.vif == PLAIN_TEXT {
            let length = self.byte()?;
            record.plain_unit = Some(self.take(usize::from(length))?);
        }
        record.meaning = primary(record.vif);
        let mut last = vif;
        let mut count = 0;
        if vif == FIRST_EXTENSION || vif == SECOND_EXTENSION {
            last = self.byte()?;
            count = 1;
            let code = last & !EXTENSION;
            record.sub_vif = Some(code);
            record.meaning = if vif == FIRST_EXTENSION {
                extension_fb(code)
            } else {
                extension_fd(code)
            };
        }
        record.instant = is_instant(record.meaning.quantity);
        let mut standard = record.vif != ANY_MANUFACTURER;
        let mut from_extended = false;
        let mut modifiers = record.modifiers.iter_mut();
        while last & EXTENSION != 0 {
            if count >= MAX_EXTENSIONS {
                return Err(RecordError::TooManyExtensions { offset: self.start });
            }
            count += 1;
            last = self.byte()?;
            if !standard {
                continue;
            }
            let code = last & !EXTENSION;
            let effect = if std::mem::take(&mut from_extended) {
                Effect::Meaning(extended(code))
            } else {
                effect(code)
            };
            let modifier = match effect {
                Effect::Power(power) => {
                    let meaning = &mut record.meaning;
                    meaning.exponent = meaning.exponent.saturating_add(power);
                    continue;
                }
                Effect::Extended => {
                    from_extended = true;
                    continue;
                }
                Effect::Meaning(Modifier::RecordError) if code == 0 => continue,
                Effect::Meaning(modifier) => modifier,
                Effect::Instant(modifier) => {
                    record.instant = true;
                    record.meaning = Meaning::of(record.meaning.quantity);
                    modifier
                }
                Effect::Count(modifier) => {
                    record.meaning = Meaning::of(record.meaning.quantity);
                    modifier
                }
            };
            match modifier {
                Modifier::RecordError => record.record_error = Some(code),
                Modifier::ManufacturerSpecific => standard = false,
                _ => {}
            }
            if let Some(free) = modifiers.next() {
                *free = Some(modifier);
            }
        }
        Ok(())
    }

    /// Reads LVAR where there is one; the length of the data.
    fn length(&mut self, record: &mut Record<'a>) -> Result<usize, RecordError> {
        if record.coding != Coding::Variable {
            return Ok(value::length_of_dif(
                self.payload.get(self.start).copied().unwrap_or(0),
            ));
        }
        let lvar = self.byte()?;
        let offset = self.start;
        let (coding, length) =
            value::variable(lvar).ok_or(RecordError::ReservedLvar { offset, lvar })?;
        record.coding = coding;
        Ok(length)
    }
}

const fn is_instant(quantity: Quantity) -> bool {
    matches!(
        quantity,
        Quantity::Date
            | Quantity::Datetime
            | Quantity::TariffStart
            | Quantity::BatteryChange
            | Quantity::DayChange
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::octets;

    fn shown(payload: &str) -> Vec<String> {
        let payload = octets(&payload.replace(' ', "")).unwrap();
        let records: Result<Vec<_>, _> = Records::new(&payload).collect();
        let show = |record: &Record<'_>| {
            let modifiers: Vec<_> = record.modifiers().map(Modifier::name).collect();
            let value = match record.value() {
                Value::Number(number) => number.to_string(),
                Value::Text(text) => text,
                other => format!("{other:?}"),
            };
            format!(
                "{} {}/{}/{} {} {value}{} {}",
                record.function.name(),
                record.storage,
                record.tariff,
                record.subunit,
                record.meaning.quantity.name(),
                record.unit().map_or("", Unit::name),
                modifiers.join(","),
            )
            .trim_end()
            .to_owned()
        };
        match records {
            Ok(records) => records.iter().map(show).collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    #[test]
    fn headers_and_scales() {
        for (payload, want) in [
            // OMS Specification Volume 2, Annex N.2.1: 28504.27 m³ of gas.
            (
                "2F2F 0C14 27048502",
                "instantaneous 0/0/0 volume 28504.27m3",
            ),
            ("0413 89E20100", "instantaneous 0/0/0 volume 123.529m3"),
            ("023B 0000", "instantaneous 0/0/0 volume_flow 0.000m3/h"),
            ("8440 06 01000000", "instantaneous 0/0/1 energy 1kWh"),
            ("8C9011 05 00000000", "instantaneous 32/5/0 energy 0.0kWh"),
            ("12 5B FFFF", "maximum 0/0/0 flow_temperature -1°C"),
            ("22 2E 0100", "minimum 0/0/0 power 1kW"),
            (
                "04 FB8273 01000000",
                "instantaneous 0/0/0 reactive_energy 0.001kvarh",
            ),
            (
                "04 933E 01000000",
                "instantaneous 0/0/0 volume 0.001m3 base_conditions",
            ),
            (
                "04 933C 01000000",
                "instantaneous 0/0/0 volume 0.001m3 backward",
            ),
            (
                "02 FDC9FC01 E600",
                "instantaneous 0/0/0 voltage 230V phase_l1",
            ),
            ("05 03 0028024A", "instantaneous 0/0/0 energy 2132.480kWh"),
            (
                "04 42 01000000",
                "instantaneous 0/0/0 volume_flow 0.00060m3/h",
            ),
            (
                "04 FF01 01000000",
                "instantaneous 0/0/0 manufacturer_specific 1",
            ),
            ("0D FD11 03 636261", "instantaneous 0/0/0 customer abc"),
            (
                "0C 78 45231107",
                "instantaneous 0/0/0 fabrication_number 07112345",
            ),
            ("02 7C 03 2B2A29 0500", "instantaneous 0/0/0 custom 5"),
            ("01 FD17 FF", "instantaneous 0/0/0 error_flags 255"),
            (
                "04 9315 01000000",
                "instantaneous 0/0/0 volume Invalid(Number)m3 record_error",
            ),
        ] {
            assert_eq!(shown(payload), [want], "{payload}");
        }
    }

    #[test]
    fn what_is_no_record() {
        for (payload, want) in [
            (
                "0413 89E201",
                "the record at byte 0 runs past the end of the payload",
            ),
            ("3F00", "DIF 3F at byte 0 is reserved"),
            ("0D FD11 F7", "LVAR F7 of the record at byte 0 is reserved"),
            (
                "84808080808080808080808013",
                "the record at byte 0 has more than 10 DIFE or VIFE",
            ),
            (
                "049393939393939393939393931300000000",
                "the record at byte 0 has more than 10 DIFE or VIFE",
            ),
        ] {
            assert_eq!(shown(payload), [want], "{payload}");
        }
    }

    #[test]
    fn manufacturer_data_ends_the_records() {
        let mut records = Records::new(&[0x01, 0xFD, 0x17, 0x00, 0x1F, 0xAA, 0xBB]);
        assert_eq!(records.by_ref().count(), 1);
        let rest = records.manufacturer_data().unwrap();
        assert_eq!(
            (rest.bytes, rest.more_follows),
            ([0xAA, 0xBB].as_slice(), true)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..260)) {
            for records in [Records::new(&bytes), Records::msb_first(&bytes)] {
                let taken: usize = records
                    .flatten()
                    .map(|record| {
                        let _ = (record.value(), record.plain_unit_text());
                        record.header.len() + record.data.len()
                    })
                    .sum();
                prop_assert!(taken <= bytes.len());
            }
        }
    }
}
