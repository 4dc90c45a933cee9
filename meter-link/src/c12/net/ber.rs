//! The little of the basic encoding rules (ITU-T X.690) that C12.22 takes: one-octet tags and
//! definite lengths.

/// Why octets are no element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BerError {
    /// They end too early.
    Short,
    /// The length is indefinite or takes more than four octets.
    Length,
}

/// A length and the octets behind it.
pub(super) fn length(octets: &[u8]) -> Result<(usize, &[u8]), BerError> {
    let (&first, rest) = octets.split_first().ok_or(BerError::Short)?;
    if first < 0x80 {
        return Ok((first.into(), rest));
    }
    let count = usize::from(first & 0x7F);
    if !(1..=4).contains(&count) {
        return Err(BerError::Length);
    }
    let (digits, rest) = rest.split_at_checked(count).ok_or(BerError::Short)?;
    let length = digits
        .iter()
        .fold(0usize, |length, digit| length << 8 | usize::from(*digit));
    Ok((length, rest))
}

/// Tag, contents and what follows the first element.
pub(super) fn element(octets: &[u8]) -> Result<(u8, &[u8], &[u8]), BerError> {
    let (&tag, rest) = octets.split_first().ok_or(BerError::Short)?;
    let (length, rest) = length(rest)?;
    let (contents, rest) = rest.split_at_checked(length).ok_or(BerError::Short)?;
    Ok((tag, contents, rest))
}

/// The contents of the only element in `octets`, if it has this tag.
pub(super) fn only(octets: &[u8], tag: u8) -> Option<&[u8]> {
    match element(octets) {
        Ok((found, contents, [])) if found == tag => Some(contents),
        _ => None,
    }
}

/// Writes a length in the fewest octets.
pub(super) fn put_length(length: usize, out: &mut Vec<u8>) {
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap_or_default());
        return;
    }
    let octets = length.to_be_bytes();
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    out.push(0x80 | u8::try_from(octets.len() - zeros).unwrap_or_default());
    out.extend(octets.iter().skip(zeros));
}

/// Writes an element.
pub(super) fn put(tag: u8, contents: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_length(contents.len(), out);
    out.extend_from_slice(contents);
}

/// A number without a sign, of one to four octets.
pub(super) fn unsigned(contents: &[u8]) -> Option<u32> {
    // A leading zero keeps the highest bit from being a sign.
    let digits = match contents {
        [] => return None,
        [0, rest @ ..] => rest,
        all => all,
    };
    (digits.len() <= 4).then(|| {
        digits
            .iter()
            .fold(0, |number, digit| number << 8 | u32::from(*digit))
    })
}

/// The contents of an integer that stands for `number`.
pub(super) fn integer(number: u32) -> Vec<u8> {
    let octets = number.to_be_bytes();
    let zeros = octets
        .iter()
        .take_while(|octet| **octet == 0)
        .count()
        .min(3);
    let digits = octets.iter().skip(zeros).copied();
    let mut contents: Vec<u8> = digits.collect();
    if contents.first().is_some_and(|first| *first >= 0x80) {
        contents.insert(0, 0);
    }
    contents
}
