//! The tables of the simulated meter (ANSI C12.19).

use meter_link::c12::client::Dialect;

use super::Config;
use crate::household::Curve;

/// Days of the load profile; each is a block, the last one is not full.
pub const PROFILE_DAYS: u16 = 8;
const INTERVALS: u16 = 96;
const INTERVAL_S: u64 = 900;
const DAY_S: u64 = 86_400;

/// A telling of table 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// When, in Unix seconds.
    pub unix_s: u64,
    /// Delivered, in watt-hours.
    pub import_wh: u64,
    /// Received, in watt-hours.
    pub export_wh: u64,
}

/// A row of the load profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileRow {
    /// End of the interval, in Unix seconds.
    pub end_unix_s: u64,
    /// Delivered in it, in watt-hours.
    pub import_wh: u64,
    /// Received in it.
    pub export_wh: u64,
}

/// Which tables there are.
fn used(config: &Config) -> Vec<u8> {
    let mut used = vec![0, 1, 3, 5, 21, 22, 23, 27, 28, 52, 61, 62, 63, 64];
    if config.units {
        used.extend([11, 12, 16]);
    }
    used
}

struct Writer {
    octets: Vec<u8>,
    big_endian: bool,
}

impl Writer {
    fn number(&mut self, value: u64, octets: usize) {
        if self.big_endian {
            self.octets
                .extend(value.to_be_bytes().iter().skip(8 - octets));
        } else {
            self.octets.extend(value.to_le_bytes().iter().take(octets));
        }
    }

    /// `NI_FMAT1`: six octets.
    fn ni1(&mut self, value: i64) {
        self.number(u64::from_ne_bytes(value.to_ne_bytes()), 6);
    }

    /// `NI_FMAT2`: four octets.
    fn ni2(&mut self, value: i64) {
        self.number(u64::from_ne_bytes(value.to_ne_bytes()), 4);
    }

    fn text(&mut self, text: &str, length: usize) {
        let padded = text.bytes().chain(std::iter::repeat(b' '));
        self.octets.extend(padded.take(length));
    }

    /// A date and time of UTC in binary fields; `short` leaves the seconds out.
    fn time(&mut self, unix_s: u64, short: bool) {
        let second = i64::try_from(unix_s).unwrap_or(0);
        let at = jiff::Timestamp::from_second(second).unwrap_or_default();
        let at = jiff::tz::Offset::UTC.to_datetime(at);
        let fields = [at.month(), at.day(), at.hour(), at.minute(), at.second()];
        let year = u8::try_from(at.year() % 100).unwrap_or(0);
        self.octets.push(year);
        let count = if short { 4 } else { 5 };
        let fields = fields.into_iter().take(count);
        self.octets
            .extend(fields.map(|field| u8::try_from(field).unwrap_or(0)));
    }
}

/// A unit of measure: quantity, time base, quadrants, phase, and whether it is a net flow.
fn unit(id: u64, time_base: u64, multiplier: u64, quadrants: u64, net: u64, phase: u64) -> u64 {
    id | time_base << 8 | multiplier << 11 | quadrants << 14 | net << 18 | phase << 19
}

/// The octets of a table; `None` for one that is not there.
pub(super) fn table(
    config: &mut Config,
    table: u16,
    unix_s: u64,
    told: &mut Vec<Reading>,
) -> Option<Vec<u8>> {
    let used = used(config);
    if !used.iter().any(|number| u16::from(*number) == table) {
        return None;
    }
    let mut out = Writer {
        octets: Vec::new(),
        big_endian: config.big_endian,
    };
    match table {
        0 => {
            // Texts of 7 bits; binary times, access by offset; INT48 and INT32.
            out.octets
                .extend([2 | u8::from(config.big_endian), 0x0A, 0x8A]);
            out.text(&config.manufacturer, 4);
            out.octets.extend([2, 0, 8, 64, 2, 0, 9, 0, 0, 0, 1, 0]);
            let mut set = [0u8; 9];
            for number in used {
                if let Some(octet) = set.get_mut(usize::from(number / 8)) {
                    *octet |= 1 << (number % 8);
                }
            }
            out.octets.extend(set);
            out.octets.extend([0; 9]);
        }
        1 => {
            out.text(&config.manufacturer, 4);
            let model = match config.dialect {
                Dialect::C12_18 => "SIM-18",
                Dialect::C12_21 => "SIM-21",
            };
            out.text(model, 8);
            out.octets.extend([1, 2, 3, 4]);
            out.text(&config.serial, 16);
        }
        3 => out.octets.extend([1, 0, 0, 0, 0]),
        5 => out.text("SIMULATED METER", 20),
        11 => out.octets.extend([0, 5, 0, 0, 0, 0, 2, 5]),
        12 => {
            for entry in [
                unit(0, 0, 0, 9, 0, 0),
                unit(0, 0, 0, 6, 0, 0),
                unit(0, 4, 0, 9, 0, 0),
                unit(0, 1, 0, 15, 1, 0),
                unit(8, 2, 5, 0, 0, 5),
            ] {
                out.number(entry, 4);
            }
        }
        16 => out.octets.extend([0x11; 5]),
        // Dates, demand resets; two sums, one demand, one occurrence; one present demand and two
        // values.
        21 => out.octets.extend([6, 0, 0, 2, 1, 0, 1, 0, 1, 2]),
        22 => out.octets.extend([0, 1, 2, 1]),
        23 => registers(config, unix_s, &mut out, told),
        27 => out.octets.extend([2, 3, 4]),
        28 => {
            let (_, demand) = demand(&mut config.load, unix_s);
            out.ni2(demand);
            out.ni1(config.load.power_w(unix_s));
            out.ni1(23_040);
        }
        52 => {
            out.time(unix_s, false);
            // UTC; the days since 1970-01-01, a Thursday.
            let weekday = u8::try_from((unix_s / DAY_S + 4) % 7).unwrap_or(7);
            out.octets.push(0x10 | weekday);
        }
        61 => {
            out.number(0, 4);
            out.number(1 << 10, 2);
            out.octets.push(2);
            out.number(PROFILE_DAYS.into(), 2);
            out.number(INTERVALS.into(), 2);
            out.octets.extend([2, 15]);
        }
        62 => out.octets.extend([0, 0, 0, 0, 1, 1, 2]),
        63 => {
            let (day, filled) = newest(unix_s);
            out.octets.push(0x24);
            out.number(PROFILE_DAYS.into(), 2);
            out.number(day % u64::from(PROFILE_DAYS), 2);
            out.number(day, 4);
            out.number(0, 2);
            out.number(filled, 2);
        }
        64 => profile(config, unix_s, &mut out),
        _ => return None,
    }
    Some(out.octets)
}

fn registers(config: &mut Config, unix_s: u64, out: &mut Writer, told: &mut Vec<Reading>) {
    let energy = config.load.energy(unix_s);
    let reading = Reading {
        unix_s,
        import_wh: energy.import_in(3_600),
        export_wh: energy.export_in(3_600),
    };
    told.push(reading);
    out.octets.push(0);
    out.ni1(i64::try_from(reading.import_wh).unwrap_or(0));
    out.ni1(i64::try_from(reading.export_wh).unwrap_or(0));
    let (end, demand) = demand(&mut config.load, unix_s);
    out.time(end, true);
    out.ni2(demand);
}

/// End of the last whole quarter of an hour, and the mean power drawn in it in watts.
fn demand(load: &mut Curve, unix_s: u64) -> (u64, i64) {
    let end = unix_s - unix_s % INTERVAL_S;
    let before = load.energy(end.saturating_sub(INTERVAL_S)).import_ws;
    let drawn = load.energy(end).import_ws.saturating_sub(before);
    (end, i64::try_from(drawn / INTERVAL_S).unwrap_or(0))
}

/// Number of the day of the newest block, and its intervals. A block holds at least one.
const fn newest(unix_s: u64) -> (u64, u64) {
    let last = (unix_s / INTERVAL_S).saturating_sub(1);
    let per_day = DAY_S / INTERVAL_S;
    (last / per_day, last % per_day + 1)
}

/// The rows of a day, as many as `count`.
fn day_rows(load: &mut Curve, day: u64, count: u64) -> Vec<ProfileRow> {
    let start = day * DAY_S;
    let mut before = load.energy(start);
    (1..=count)
        .map(|interval| {
            let end_unix_s = start + interval * INTERVAL_S;
            let energy = load.energy(end_unix_s);
            let row = ProfileRow {
                end_unix_s,
                import_wh: energy.import_in(3_600) - before.import_in(3_600),
                export_wh: energy.export_in(3_600) - before.export_in(3_600),
            };
            before = energy;
            row
        })
        .collect()
}

/// Days of the profile, oldest first, with their intervals.
fn days(unix_s: u64) -> Vec<(u64, u64)> {
    let (newest, filled) = newest(unix_s);
    let oldest = (newest + 1).saturating_sub(PROFILE_DAYS.into());
    let count = |day| {
        if day == newest {
            filled
        } else {
            INTERVALS.into()
        }
    };
    (oldest..=newest).map(|day| (day, count(day))).collect()
}

pub(super) fn profile_rows(load: &mut Curve, unix_s: u64) -> Vec<ProfileRow> {
    let days = days(unix_s);
    days.into_iter()
        .flat_map(|(day, count)| day_rows(load, day, count))
        .collect()
}

fn profile(config: &mut Config, unix_s: u64, out: &mut Writer) {
    // The ring: the block of a day stands where its number says.
    let mut ring = days(unix_s);
    ring.sort_by_key(|(day, _)| day % u64::from(PROFILE_DAYS));
    for (day, count) in ring {
        let rows = day_rows(&mut config.load, day, count);
        out.time(rows.last().map_or(0, |row| row.end_unix_s), true);
        for interval in 0..usize::from(INTERVALS) {
            out.octets.extend([0, 0]);
            let row = rows.get(interval);
            out.number(row.map_or(0, |row| row.import_wh), 2);
            out.number(row.map_or(0, |row| row.export_wh), 2);
        }
    }
}
