//! Dates and times: types F, G, I and J (EN 13757-3, annex A).

use jiff::civil;

use super::value::{Kind, Value};

/// A date or time of 2, 3, 4 or 6 bytes; octets when there are another number of them.
pub(crate) fn decode(data: &[u8]) -> Value {
    match *data {
        [low, high] => date(low, high, 0).map_or(Value::Invalid(Kind::Date), Value::Date),
        [second, minute, hour] => time(hour & 0x1F, minute & 0x3F, second & 0x3F)
            .map_or(Value::Invalid(Kind::Time), Value::Time),
        [minute, hour, low, high] => {
            // Type F: minute bits 0-5, IV bit 7; hour bits 0-4, century bits 5-6, summer time bit 7.
            let at = date(low, high, hour >> 5 & 3).zip(time(hour & 0x1F, minute & 0x3F, 0));
            clock(at, minute & 0x80 != 0, hour & 0x80 != 0, false)
        }
        [second, minute, hour, low, high, _] => {
            // Type I: seconds with summer time in bit 7, minute with IV in bit 7.
            let at = date(low, high, 0).zip(time(hour & 0x1F, minute & 0x3F, second & 0x3F));
            clock(at, minute & 0x80 != 0, second & 0x80 != 0, true)
        }
        [] => Value::None,
        _ => Value::Hex(data.to_vec()),
    }
}

fn clock(at: Option<(civil::Date, civil::Time)>, invalid: bool, dst: bool, seconds: bool) -> Value {
    match at.map(|(date, time)| date.to_datetime(time)) {
        None => Value::Invalid(Kind::Datetime),
        Some(at) if invalid => Value::MarkedInvalid(at),
        Some(at) => Value::Datetime { at, dst, seconds },
    }
}

fn time(hour: u8, minute: u8, second: u8) -> Option<civil::Time> {
    let [hour, minute, second] = [hour, minute, second].map(u8::cast_signed);
    civil::Time::new(hour, minute, second, 0).ok()
}

/// Type G, and the date in F and I: day, three low bits of the year, month, four high bits.
fn date(low: u8, high: u8, century: u8) -> Option<civil::Date> {
    let year = i16::from(low >> 5 | high >> 1 & 0x78);
    let year = match (century, year) {
        (_, 100..) => return None,
        // Meters of the circular two-digit calendar (annex A, type F, note).
        (0, 0..=80) => 2000 + year,
        // Some meters set both century bits for this one: 2100 is not what they mean.
        (2.., _) => 2000 + year,
        (century, _) => 1900 + 100 * i16::from(century) + year,
    };
    let (day, month) = (low & 0x1F, high & 0x0F);
    civil::Date::new(year, month.cast_signed(), day.cast_signed()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(data: &[u8]) -> String {
        match decode(data) {
            Value::Date(date) => date.to_string(),
            Value::Datetime { at, .. } => at.to_string(),
            Value::MarkedInvalid(at) => format!("invalid {at}"),
            Value::Time(time) => time.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn known_dates() {
        for (data, want) in [
            // OMS Specification Volume 2, Annex N.2.1.
            ([0x32, 0x37, 0x1F, 0x15].as_slice(), "2008-05-31T23:50:00"),
            // Month 13.
            (&[0x9F, 0x1D], "Invalid(Date)"),
            (&[0xBF, 0x1C], "2013-12-31"),
            (&[0xFF, 0xFF], "Invalid(Date)"),
            (&[0x00, 0x00], "Invalid(Date)"),
            (&[0x3B, 0x17, 0xBF, 0x1C], "2013-12-31T23:59:00"),
            (&[0xBB, 0x17, 0xBF, 0x1C], "invalid 2013-12-31T23:59:00"),
            (&[0x1E, 0x3B, 0x17, 0xBF, 0x1C, 0x00], "2013-12-31T23:59:30"),
            (&[0x1E, 0x3B, 0x17], "23:59:30"),
        ] {
            assert_eq!(shown(data), want);
        }
    }
}
