//! The elements of an encoded array, one by one.

use crate::dlms::axdr::{self, Reader};
use crate::dlms::data::Data;

/// The elements of an array that came only in part: those that are whole.
///
/// ```
/// use meter_link::dlms::client::whole_elements;
/// use meter_link::dlms::data::Data;
/// let begun = [1, 3, 0x11, 7, 0x11, 8, 0x12, 0];
/// assert_eq!(whole_elements(&begun), [Data::Uint8(7), Data::Uint8(8)]);
/// ```
#[must_use]
pub fn whole_elements(octets: &[u8]) -> Vec<Data> {
    let mut reader = Reader::new(octets);
    if reader.u8() != Ok(1) {
        return Vec::new();
    }
    let count = reader.length().unwrap_or_default();
    let elements = (0..count).map_while(|_| Data::read(&mut reader).ok());
    elements.collect()
}

/// Lets each element of an encoded array be read where it lies, so that a long one is never held as
/// a tree; returns how many octets stand behind it.
pub(super) fn each_element<E: From<axdr::Error>>(
    octets: &[u8],
    mut read: impl FnMut(&mut Reader<'_>) -> Result<(), E>,
) -> Result<usize, E> {
    let mut reader = Reader::new(octets);
    if octets.first() != Some(&1) {
        // A compact array holds its elements in another form.
        let whole = Data::read(&mut reader)?;
        for element in whole.elements().unwrap_or_default() {
            read(&mut Reader::new(&element.to_vec()))?;
        }
        return Ok(reader.rest().len());
    }
    reader.u8()?;
    for _ in 0..reader.length()? {
        read(&mut reader)?;
    }
    Ok(reader.rest().len())
}
