//! The content of a batch: rows of one register as differences, in CBOR.
//!
//! ```text
//! [1, unit, decimals, [first time, step…], [first value, least difference, bits], packed,
//!  [place, status…], [place, seconds…]]
//! ```
//! Times are seconds since 1970 (UTC). One step stands for all where rows come evenly. Values are
//! whole numbers of the last decimal; `packed` has what each difference is above the least, `bits`
//! bits each, the highest first. A status other than 0, and how far the time of capture is from the
//! time a row stands for, are told only of the rows that have one. Meter and register are named by
//! the stream, and the rows' sequence numbers are those of the envelope: a batch has no holes.

use rust_decimal::Decimal;

use crate::cbor::{Reader, Writer};
use crate::refusal::Refusal;

/// Content format of a batch in CBOR (of the range for experiments).
pub const PLAIN: u16 = 65_001;
/// Content format of a batch that is compressed with zstd (RFC 8878).
pub const COMPRESSED: u16 = 65_002;
/// Rows of a batch at most.
pub const ROWS: usize = 4_096;
/// Octets of a batch before compression at most.
const LONGEST: usize = 256 * 1024;
const VERSION: i64 = 1;
const LEVEL: i32 = 19;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The instant that it stands for, seconds since 1970.
    pub at_s: i64,
    /// The value.
    pub value: Decimal,
    /// Flags of [`status`].
    pub status: u8,
    /// Seconds from `at_s` to when it was captured, where that matters.
    pub captured_s: i32,
}

/// Flags of a row.
pub mod status {
    /// The time of capture is further from the time it stands for than 3 % of the period.
    pub const LATE: u8 = 1;
    /// A gap lies before it.
    pub const GAP: u8 = 2;
    /// The meter or the gateway doubts it.
    pub const SUSPECT: u8 = 4;
    /// The clock was not synchronised.
    pub const CLOCK: u8 = 8;
    /// The value was given up when the disk was full: there is none.
    pub const SHED: u8 = 16;
}

/// Why rows make no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There are none, or too many.
    #[error("a batch has 1 to {ROWS} rows")]
    Count,
    /// Another row has another number of decimals, or one is beyond 64 bits.
    #[error("the rows of a batch have the same decimals and fit 64 bits")]
    Value,
}

/// A batch in CBOR, compressed when that pays; with its content format.
///
/// # Errors
/// The rows do not fit together.
pub fn encode(unit: u8, rows: &[Row]) -> Result<(u16, Vec<u8>), BatchError> {
    let (Some(first), 1..=ROWS) = (rows.first(), rows.len()) else {
        return Err(BatchError::Count);
    };
    let decimals = first.value.scale();
    let mut mantissas = Vec::with_capacity(rows.len());
    for row in rows {
        let mantissa = i64::try_from(row.value.mantissa()).map_err(|_| BatchError::Value)?;
        if row.value.scale() != decimals {
            return Err(BatchError::Value);
        }
        mantissas.push(mantissa);
    }
    let times: Vec<i64> = rows.iter().map(|row| row.at_s).collect();
    let mut times = differences(&times).ok_or(BatchError::Value)?;
    let mut steps = times.iter().skip(1);
    let step = steps.next().copied();
    if rows.len() > 2 && steps.all(|other| Some(*other) == step) {
        times.truncate(2);
    }
    let mut out = Writer::default();
    out.array(8)
        .int(VERSION)
        .int(unit.into())
        .int(decimals.into());
    list(&mut out, &times);
    values(&mut out, &mantissas).ok_or(BatchError::Value)?;
    list(&mut out, &exceptions(rows, |row| row.status.into()));
    list(&mut out, &exceptions(rows, |row| row.captured_s.into()));
    let plain = out.into_octets();
    match zstd::bulk::compress(&plain, LEVEL) {
        Ok(packed) if packed.len() < plain.len() => Ok((COMPRESSED, packed)),
        _ => Ok((PLAIN, plain)),
    }
}

/// The values as the first, the least difference, and what the others are above it.
fn values(out: &mut Writer, mantissas: &[i64]) -> Option<()> {
    let differences = differences(mantissas)?;
    let (first, differences) = differences.split_first()?;
    let least = differences.iter().min().copied().unwrap_or(0);
    let above = |difference: &i64| difference.abs_diff(least);
    let most = differences.iter().map(above).max().unwrap_or(0);
    let bits = u64::BITS - most.leading_zeros();
    let mut packed = Vec::new();
    let (mut open, mut held) = (0_u128, 0);
    for difference in differences {
        open = open << bits | u128::from(above(difference));
        held += bits;
        while held >= 8 {
            held -= 8;
            packed.push((open >> held).to_be_bytes()[15]);
        }
    }
    if held > 0 {
        packed.push((open << (8 - held)).to_be_bytes()[15]);
    }
    list(out, &[*first, least, bits.into()]);
    out.bytes(&packed);
    Some(())
}

/// What [`values`] wrote, for `count` rows.
fn unpacked(head: &[i64], packed: &[u8], count: usize) -> Result<Vec<i64>, Refusal> {
    let wrong = Refusal::Malformed("values that do not fill their place");
    let &[first, least, bits] = head else {
        return Err(wrong);
    };
    let bits = u32::try_from(bits)
        .ok()
        .filter(|bits| *bits <= 64)
        .ok_or(wrong)?;
    let mask = (1_u128 << bits) - 1;
    let mut octets = packed.iter();
    let (mut open, mut held) = (0_u128, 0);
    let mut values = vec![first];
    let mut value = first;
    for _ in 1..count {
        while held < bits {
            open = open << 8 | u128::from(*octets.next().ok_or(wrong)?);
            held += 8;
        }
        held -= bits;
        let above = i128::try_from(open >> held & mask).map_err(|_| wrong)?;
        let next = i128::from(value) + i128::from(least) + above;
        value = i64::try_from(next).map_err(|_| wrong)?;
        values.push(value);
    }
    let idle = open & ((1_u128 << held) - 1);
    if octets.next().is_some() || held >= 8 || idle != 0 {
        return Err(wrong);
    }
    Ok(values)
}

fn list(out: &mut Writer, values: &[i64]) {
    out.array(values.len());
    for value in values {
        out.int(*value);
    }
}

/// The first, and from each to the next; `None` beyond 64 bits.
fn differences(values: &[i64]) -> Option<Vec<i64>> {
    let first = values.first().copied();
    let pairs = values.iter().zip(values.iter().skip(1));
    let steps = pairs.map(|(before, after)| after.checked_sub(*before));
    std::iter::once(first).chain(steps).collect()
}

fn exceptions(rows: &[Row], of: impl Fn(&Row) -> i64) -> Vec<i64> {
    let told = (0_i64..).zip(rows).filter(|(_, row)| of(row) != 0);
    told.flat_map(|(place, row)| [place, of(row)]).collect()
}

/// Reads the unit and the rows of a batch of `count` rows.
///
/// # Errors
/// It has not the form, other rows than told, or is longer than a batch can be.
pub fn decode(format: Option<u16>, payload: &[u8], count: u64) -> Result<(u8, Vec<Row>), Refusal> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if !(1..=ROWS).contains(&count) {
        return Err(Refusal::Malformed("a batch of no rows or of too many"));
    }
    match format {
        Some(PLAIN) => read(payload, count),
        Some(COMPRESSED) => {
            let plain = zstd::bulk::decompress(payload, LONGEST).map_err(|_| {
                Refusal::Malformed("a batch that zstd does not read within 256 KiB")
            })?;
            read(&plain, count)
        }
        _ => Err(Refusal::Unsupported("another content format")),
    }
}

fn read(plain: &[u8], count: usize) -> Result<(u8, Vec<Row>), Refusal> {
    let mut from = Reader::new(plain);
    from.array_of(8)?;
    if from.int()? != VERSION {
        return Err(Refusal::Unsupported("another version of a batch"));
    }
    let beyond = |_| Refusal::Malformed("a number out of bounds");
    let unit = u8::try_from(from.int()?).map_err(beyond)?;
    let decimals = u32::try_from(from.int()?).map_err(beyond)?;
    let times = numbers(&mut from)?;
    let head = numbers(&mut from)?;
    let values = unpacked(&head, from.bytes()?, count)?;
    let (statuses, captured) = (numbers(&mut from)?, numbers(&mut from)?);
    from.end()?;
    let even = match *times.as_slice() {
        [_, step] if count > 2 => Some(step),
        _ if times.len() == count => None,
        _ => return Err(Refusal::Malformed("a batch has a time for each value")),
    };
    let overflow = Refusal::Malformed("a sum out of bounds");
    let mut rows: Vec<Row> = Vec::with_capacity(count);
    let mut at_s = 0_i64;
    for (place, mantissa) in values.into_iter().enumerate() {
        let step = times.get(place).copied().or(even).unwrap_or(0);
        at_s = at_s.checked_add(step).ok_or(overflow)?;
        let value = Decimal::try_from_i128_with_scale(mantissa.into(), decimals)
            .map_err(|_| Refusal::Malformed("decimals out of bounds"))?;
        rows.push(Row {
            at_s,
            value,
            status: 0,
            captured_s: 0,
        });
    }
    told(&mut rows, &statuses, |row, value| {
        row.status = u8::try_from(value).map_err(beyond)?;
        Ok(())
    })?;
    told(&mut rows, &captured, |row, value| {
        row.captured_s = i32::try_from(value).map_err(beyond)?;
        Ok(())
    })?;
    Ok((unit, rows))
}

fn numbers(from: &mut Reader<'_>) -> Result<Vec<i64>, Refusal> {
    let count = from.array()?;
    if count > 2 * ROWS {
        return Err(Refusal::Malformed("more rows than a batch has"));
    }
    (0..count).map(|_| from.int()).collect()
}

fn told(
    rows: &mut [Row],
    exceptions: &[i64],
    mut set: impl FnMut(&mut Row, i64) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    for pair in exceptions.chunks(2) {
        let wrong = Refusal::Malformed("an exception of no row");
        let [place, value] = *pair else {
            return Err(wrong);
        };
        let place = usize::try_from(place).map_err(|_| wrong)?;
        set(rows.get_mut(place).ok_or(wrong)?, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: i64) -> Vec<Row> {
        (0..count)
            .map(|place| Row {
                at_s: 1_700_000_100 + 900 * place,
                value: Decimal::new(54_301_577 + place * place * 13, 1),
                status: 0,
                captured_s: 0,
            })
            .collect()
    }

    #[test]
    fn rows_there_and_back() {
        for count in [1, 2, 3, 96, 4096] {
            let mut sent = rows(count);
            for end in [
                "-0.5",
                "922337203685477580.7",
                "-922337200000000000.8",
                "0.0",
            ] {
                let (format, octets) = encode(30, &sent).unwrap();
                let rows = sent.len() as u64;
                assert_eq!(
                    decode(Some(format), &octets, rows).unwrap(),
                    (30, sent.clone())
                );
                let last = sent.last_mut().unwrap();
                (last.at_s, last.status, last.captured_s) = (last.at_s + 1, status::LATE, -31);
                last.value = end.parse().unwrap();
            }
        }
    }

    #[test]
    fn what_does_not_fit_together_makes_no_batch() {
        assert_eq!(encode(30, &[]), Err(BatchError::Count));
        let mut mixed = rows(2);
        mixed[1].value = Decimal::new(1, 2);
        assert_eq!(encode(30, &mixed), Err(BatchError::Value));
        mixed[1].value = Decimal::from_i128_with_scale(i128::from(i64::MAX) + 1, 1);
        assert_eq!(encode(30, &mixed), Err(BatchError::Value));
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>, packed: bool, count: u64) {
            let format = if packed { COMPRESSED } else { PLAIN };
            if let Ok((_, rows)) = decode(Some(format), &octets, count) {
                assert_eq!(rows.len() as u64, count);
            }
        }
    }

    #[test]
    fn a_bomb_does_not_unfold() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        assert!(decode(Some(COMPRESSED), &bomb, 1).is_err());
    }
}
