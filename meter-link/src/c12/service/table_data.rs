//! Table data with its length and check.

/// Table data of up to 65,535 octets with its length and check: `count(2) data checksum`.
pub(crate) fn framed(data: &[u8]) -> Vec<u8> {
    let count = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut bytes = count.to_be_bytes().to_vec();
    bytes.extend_from_slice(data);
    bytes.push(checksum(data));
    bytes
}

/// Two's complement of the sum of all octets (C12.18, clause 5.3.2.4).
#[must_use]
pub fn checksum(data: &[u8]) -> u8 {
    data.iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg()
}

/// Why `count(2) data checksum` is not that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableDataError {
    /// The count does not fit what came.
    #[error("the answer declares {declared} octets of table data and has {present}")]
    Length {
        /// As declared.
        declared: usize,
        /// As present.
        present: usize,
    },
    /// The sum is wrong.
    #[error("the checksum of the table data is wrong")]
    Checksum,
}

/// The data in `count(2) data checksum`.
///
/// # Errors
/// The count or the checksum does not fit.
pub fn table_data(payload: &[u8]) -> Result<&[u8], TableDataError> {
    let length = |declared, present| TableDataError::Length { declared, present };
    let (count, rest) = payload.split_first_chunk::<2>().ok_or(length(0, 0))?;
    let declared = usize::from(u16::from_be_bytes(*count));
    let (sum, data) = rest.split_last().ok_or(length(declared, 0))?;
    if data.len() != declared {
        return Err(length(declared, data.len()));
    }
    if checksum(data) != *sum {
        return Err(TableDataError::Checksum);
    }
    Ok(data)
}
