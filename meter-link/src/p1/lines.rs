//! Data lines: an address and its bracket groups, and what they mean (DSMR 5.0.2, 6.12).

use jiff::civil;

/// A meter's wall clock time, `YYMMDDhhmmss` and the letter of the season.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallTime {
    /// Date and time in the zone of the installation.
    pub at: civil::DateTime,
    /// True for S, summer time; false for W; `None` without a letter.
    pub dst: Option<bool>,
}

impl WallTime {
    /// Reads a time group; `None` for another form or an impossible time such as month 25.
    #[must_use]
    pub fn parse(group: &str) -> Option<Self> {
        if !has_time_form(group) {
            return None;
        }
        let pair = |at: usize| group.get(at..at + 2)?.parse::<i8>().ok();
        let (year, month, day) = (pair(0)?, pair(2)?, pair(4)?);
        let (hour, minute, second) = (pair(6)?, pair(8)?, pair(10)?);
        let year = 2000 + i16::from(year);
        let at = civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        let dst = group.get(12..).and_then(|letter| match letter {
            "S" => Some(true),
            "W" => Some(false),
            _ => None,
        });
        Some(Self { at, dst })
    }
}

/// Twelve digits, then S, W or nothing.
fn has_time_form(group: &str) -> bool {
    let digits = group.strip_suffix(['S', 'W']).unwrap_or(group);
    digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// One value of a telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `A-B:C.D.E*F`, F = 255 when the line names none; as sent when it has another form.
    pub obis: String,
    /// A number without leading zeros and with its decimals as sent, or the text as sent.
    pub value: String,
    /// The unit of a number as sent, such as `kWh`.
    pub unit: Option<String>,
    /// When the value was taken, if the line says so and the time is possible.
    pub captured_at: Option<WallTime>,
    /// The rows of a log (power failures, monthly peaks); empty for everything else.
    pub rows: Vec<Entry>,
}

impl Entry {
    /// A value of one bracket group.
    fn new(obis: &str, group: &str, captured_at: Option<WallTime>) -> Self {
        let (value, unit) = match quantity(group) {
            Some((number, unit)) => (number, Some(unit.to_owned())),
            None => (group.to_owned(), None),
        };
        Self {
            obis: obis.to_owned(),
            value,
            unit,
            captured_at,
            rows: Vec::new(),
        }
    }
}

/// A line in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    address: String,
    groups: Vec<String>,
}

/// The values of the lines between identification and `!`, in order, and the lines that are none.
pub(super) fn parse(text: &str) -> (Vec<Entry>, Vec<String>) {
    let mut lines: Vec<Line> = Vec::new();
    let mut strange = Vec::new();
    for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        let address = line.split('(').next().unwrap_or_default();
        let groups = groups(line.get(address.len()..).unwrap_or_default());
        match (groups, lines.last_mut()) {
            // DSMR 2.2 and 3: the value of a gas meter stands on a line of its own.
            (Some(groups), Some(before)) if address.is_empty() => before.groups.extend(groups),
            (Some(groups), _) if is_address(address) => lines.push(Line {
                address: canonical(address),
                groups,
            }),
            _ => strange.push(line.to_owned()),
        }
    }
    let entries = lines.iter().flat_map(entries).collect();
    (entries, strange)
}

/// `(…)(…)` to the end; `None` for anything else.
fn groups(text: &str) -> Option<Vec<String>> {
    let mut groups = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (content, next) = rest.strip_prefix('(')?.split_once(')')?;
        groups.push(content.to_owned());
        rest = next;
    }
    (!groups.is_empty()).then_some(groups)
}

/// What the groups of one line mean.
fn entries(line: &Line) -> Vec<Entry> {
    let obis = line.address.as_str();
    let groups: Vec<&str> = line.groups.iter().map(String::as_str).collect();
    match groups.as_slice() {
        [one] => vec![Entry::new(obis, one, None)],
        [time, value] if has_time_form(time) => {
            vec![Entry::new(obis, value, WallTime::parse(time))]
        }
        // DSMR 2.2 and 3, 0-n:24.3.0: time, status, period, number of values, address, unit.
        [time, _, _, _, address, unit, value, ..] if is_old_mbus(obis) => vec![Entry {
            obis: canonical(address),
            value: number(value).unwrap_or_else(|| (*value).to_owned()),
            unit: Some((*unit).to_owned()),
            captured_at: WallTime::parse(time),
            rows: Vec::new(),
        }],
        [count, address, rest @ ..] if is_count(count) && is_plain_address(address) => {
            vec![log(obis, count, address, rest)]
        }
        // Hungary's month: one time, many quantities.
        [time, values @ ..] if has_time_form(time) => {
            let at = WallTime::parse(time);
            let entry = |value: &&str| Entry::new(obis, value, at);
            values.iter().map(entry).collect()
        }
        groups => groups
            .iter()
            .map(|group| Entry::new(obis, group, None))
            .collect(),
    }
}

fn is_old_mbus(obis: &str) -> bool {
    obis.split_once(':')
        .is_some_and(|(_, rest)| rest == "24.3.0*255")
}

fn is_count(group: &str) -> bool {
    !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit())
}

/// A log: how many rows, the addresses of their values, the rows.
fn log(obis: &str, count: &str, address: &str, rest: &[&str]) -> Entry {
    let more = rest
        .iter()
        .take_while(|group| is_plain_address(group))
        .count();
    let cells = rest.get(more..).unwrap_or_default();
    let rows: usize = count.parse().unwrap_or(usize::MAX);
    let width = cells.len().checked_div(rows).unwrap_or(0);
    let row_obis = canonical(address);
    let row = |row: &[&str]| {
        let (first, last) = (row.first()?, row.last()?);
        Some(Entry::new(&row_obis, last, WallTime::parse(first)))
    };
    let rows = match width {
        0 => Vec::new(),
        _ => cells
            .chunks_exact(width)
            .take(rows)
            .filter_map(row)
            .collect(),
    };
    Entry {
        value: count.to_owned(),
        unit: None,
        rows,
        ..Entry::new(obis, "", None)
    }
}

/// `A-B:C.D.E`, with nothing behind it; some leave out `A-`.
fn is_plain_address(group: &str) -> bool {
    let Some((head, body)) = group.split_once(':') else {
        return false;
    };
    let (medium, channel) = head.split_once('-').unwrap_or(("0", head));
    is_count(medium)
        && is_count(channel)
        && body.split('.').count() == 3
        && body.split('.').all(is_count)
}

/// The address of a data line: digits and dots, `A-B:` in front and `*F` behind if they are there.
fn is_address(text: &str) -> bool {
    let body = match text.split_once(':') {
        Some((head, body)) => {
            let pair = head.split_once('-');
            if !pair.is_some_and(|(a, b)| is_count(a) && is_count(b)) {
                return false;
            }
            body
        }
        None => text,
    };
    let (body, period) = body
        .split_once(['*', '&'])
        .map_or((body, None), |(body, period)| (body, Some(period)));
    let digits_and_dots = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    !body.is_empty() && body.bytes().all(digits_and_dots) && period.is_none_or(is_count)
}

/// `A-B:C.D.E*F` without leading zeros; an address of another form stays as it is.
fn canonical(address: &str) -> String {
    let parts: Vec<&str> = address.split(['-', ':', '.', '*', '&']).collect();
    let short = |part: &&str| is_count(part) && part.len() <= 5;
    let marks: String = address
        .chars()
        .filter(|letter| !letter.is_ascii_digit())
        .collect();
    let marks_fit = matches!(marks.as_str(), "-:.." | "-:..*" | "-:..&" | "-:...");
    let bare = |part: &str| {
        let trimmed = part.trim_start_matches('0');
        if trimmed.is_empty() { "0" } else { trimmed }.to_owned()
    };
    match parts.as_slice() {
        [a, b, c, d, e, period @ ..] if marks_fit && parts.iter().all(short) => {
            let period = period.first().map_or_else(|| "255".to_owned(), |f| bare(f));
            let [a, b, c, d, e] = [a, b, c, d, e].map(|part| bare(part));
            format!("{a}-{b}:{c}.{d}.{e}*{period}")
        }
        _ => address.to_owned(),
    }
}

/// `number*unit`.
fn quantity(group: &str) -> Option<(String, &str)> {
    let (sent, unit) = group.split_once('*')?;
    let is_unit = !unit.is_empty() && !unit.contains(['*', '&', '(', ')']);
    Some((number(sent.trim_start())?, unit)).filter(|_| is_unit)
}

/// A number in plain notation without its leading zeros and plus sign.
fn number(sent: &str) -> Option<String> {
    let digits = sent.strip_prefix(['-', '+']).unwrap_or(sent);
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    if !is_count(whole) || !fraction.is_none_or(is_count) {
        return None;
    }
    let sign = if sent.starts_with('-') { "-" } else { "" };
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    let point = if fraction.is_some() { "." } else { "" };
    Some(format!(
        "{sign}{whole}{point}{}",
        fraction.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(entry: &Entry) -> String {
        let unit = entry.unit.as_deref().unwrap_or_default();
        let at = entry.captured_at.map_or_else(String::new, |time| {
            let dst = match time.dst {
                Some(true) => "S",
                Some(false) => "W",
                None => "",
            };
            format!(" @{}{dst}", time.at)
        });
        let rows: String = entry
            .rows
            .iter()
            .map(|row| format!(" [{}]", shown(row)))
            .collect();
        format!("{}={} {unit}{at}{rows}", entry.obis, entry.value)
    }

    /// The forms of DSMR 5.0.2 (6.12), DSMR 2.2, eMUCS-P1 and Hungary's specification.
    #[test]
    fn every_form_of_line() {
        for (line, want) in [
            (
                "1-0:1.8.1(000671.578*kWh)",
                &["1-0:1.8.1*255=671.578 kWh"] as &[&str],
            ),
            ("1-0:16.7.0(-00.10*kW)", &["1-0:16.7.0*255=-0.10 kW"]),
            (
                "1-0:1.8.0*255(00032549.5061662*kWh)",
                &["1-0:1.8.0*255=32549.5061662 kWh"],
            ),
            ("0-0:96.14.0(0002)", &["0-0:96.14.0*255=0002 "]),
            ("0-0:96.13.0()", &["0-0:96.13.0*255= "]),
            (
                "0-1:24.2.1(101209112500W)(12785.123*m3)",
                &["0-1:24.2.1*255=12785.123 m3 @2010-12-09T11:25:00W"],
            ),
            (
                "0-1:24.2.1(632525252525W)(00.000*m3)",
                &["0-1:24.2.1*255=0.000 m3"],
            ),
            (
                "0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00000.010)",
                &["0-1:24.2.1*255=0.010 m3 @2009-02-12T16:00:00"],
            ),
            (
                "1-0:99.97.0(2)(0-0:96.7.19)(101208152415W)(0000000240*s)(101208151004W)(0000000301*s)",
                &[
                    "1-0:99.97.0*255=2  [0-0:96.7.19*255=240 s @2010-12-08T15:24:15W] [0-0:96.7.19*255=301 s @2010-12-08T15:10:04W]",
                ],
            ),
            ("1-0:99.97.0(0)(0-0:96.7.19)", &["1-0:99.97.0*255=0 "]),
            (
                "0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)",
                &["0-0:98.1.0*255=1  [1-0:1.6.0*255=3.695 kW @2020-05-01T00:00:00S]"],
            ),
            (
                "0-0:98.1.0(230801000000S)(000012.5*kWh)(000001.5*kvarh)",
                &[
                    "0-0:98.1.0*255=12.5 kWh @2023-08-01T00:00:00S",
                    "0-0:98.1.0*255=1.5 kvarh @2023-08-01T00:00:00S",
                ],
            ),
            (
                "0-0:96.50.1(a)(2*V)",
                &["0-0:96.50.1*255=a ", "0-0:96.50.1*255=2 V"],
            ),
        ] {
            let (entries, strange) = parse(line);
            assert!(strange.is_empty(), "{strange:?}");
            let got: Vec<String> = entries.iter().map(shown).collect();
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn counts_that_promise_too_much() {
        for line in [
            "1-0:99.97.0(99999999999999999999)(0-0:96.7.19)(101208152415W)(1*s)",
            "1-0:99.97.0(5)(0-0:96.7.19)(101208152415W)(1*s)",
        ] {
            let (entries, _) = parse(line);
            assert!(entries[0].rows.is_empty(), "{line}");
        }
    }

    #[test]
    fn strange_lines_are_told() {
        let (entries, strange) = parse("hello\r\n1-0:1.8.0(1*kWh\r\n1-0:x.8.0(1)\r\n(5)");
        assert!(entries.is_empty());
        assert_eq!(strange.len(), 4);
    }
}
