//! How numbers, texts and times are written into a table.

use rust_decimal::Decimal;

use super::{Contents, NotReady};
use crate::model::ObisCode;

const DECIMALS: u32 = 6;

/// The octets of a table.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn text(&mut self, text: &str, length: usize) {
        let plain = text
            .bytes()
            .take_while(|octet| matches!(octet, 0x20..=0x7E));
        let padded = plain.chain(std::iter::repeat(b' '));
        self.0.extend(padded.take(length));
    }

    pub(super) fn seconds(&mut self, at_s: i64) {
        self.0
            .extend(u32::try_from(at_s).unwrap_or(0).to_le_bytes());
    }

    pub(super) fn value(
        &mut self,
        contents: &Contents,
        register: ObisCode,
    ) -> Result<(), NotReady> {
        self.millionths(*contents.values.get(&register).ok_or(NotReady)?)
    }

    pub(super) fn millionths(&mut self, value: Decimal) -> Result<(), NotReady> {
        let mut scaled = value;
        scaled.rescale(DECIMALS);
        if scaled != value || scaled.scale() != DECIMALS {
            return Err(NotReady);
        }
        let number = i64::try_from(scaled.mantissa()).map_err(|_| NotReady)?;
        self.0.extend(number.to_le_bytes());
        Ok(())
    }
}
