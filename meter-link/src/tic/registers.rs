//! Fields that are no numbers: times, bit fields, tariffs, and tomorrow's switching times.

use jiff::civil;

use super::frame::Frame;
use crate::model::{DayColor, MeterTime};

/// Season as the meter's clock tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Season {
    /// `H`: winter time.
    Winter,
    /// `E`: summer time.
    Summer,
    /// A blank: not told.
    Unknown,
}

/// A time field: `SAAMMJJhhmmss`, the meter's wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horodate {
    /// Season.
    pub season: Season,
    /// True for a small season letter: the meter's clock has lost its time and is not to be
    /// relied on.
    pub degraded: bool,
    /// Date and time as sent.
    pub at: civil::DateTime,
}

impl Horodate {
    /// Reads a time field; `None` for a date that does not exist.
    ///
    /// ```
    /// use meter_link::tic::{Horodate, Season};
    /// let time = Horodate::parse("E260701120000").ok_or("no time")?;
    /// assert_eq!((time.season, time.degraded), (Season::Summer, false));
    /// assert_eq!(time.at.to_string(), "2026-07-01T12:00:00");
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (letter, digits) = text.split_at_checked(1)?;
        let (season, degraded) = match letter {
            "H" => (Season::Winter, false),
            "h" => (Season::Winter, true),
            "E" => (Season::Summer, false),
            "e" => (Season::Summer, true),
            " " => (Season::Unknown, false),
            _ => return None,
        };
        if digits.len() != 12 {
            return None;
        }
        let two = |index: usize| {
            let pair = digits.get(2 * index..2 * index + 2)?;
            let all = pair.bytes().all(|byte| byte.is_ascii_digit());
            pair.parse::<i8>().ok().filter(|_| all)
        };
        let year = 2000 + i16::from(two(0)?);
        let (month, day) = (two(1)?, two(2)?);
        let at = civil::DateTime::new(year, month, day, two(3)?, two(4)?, two(5)?, 0).ok()?;
        Some(Self {
            season,
            degraded,
            at,
        })
    }

    /// The model's form.
    #[must_use]
    pub const fn meter_time(self) -> MeterTime {
        MeterTime::Wall {
            at: self.at,
            dst: match self.season {
                Season::Winter => Some(false),
                Season::Summer => Some(true),
                Season::Unknown => None,
            },
        }
    }
}

/// A colour as the status register codes it.
const fn color(bits: u32) -> Option<DayColor> {
    match bits {
        1 => Some(DayColor::Blue),
        2 => Some(DayColor::White),
        3 => Some(DayColor::Red),
        _ => None,
    }
}

/// The status register `STGE`: 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRegister(pub u32);

impl StatusRegister {
    /// Reads eight hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(text, 16).ok().filter(|_| hex).map(Self)
    }

    const fn bits(self, lowest: u32, count: u32) -> u32 {
        self.0 >> lowest & ((1 << count) - 1)
    }

    const fn is_set(self, bit: u32) -> bool {
        self.bits(bit, 1) == 1
    }

    /// The dry contact is open.
    #[must_use]
    pub const fn contact_open(self) -> bool {
        self.is_set(0)
    }

    /// The breaker: 0 closed; open because of 1 power, 2 voltage, 3 load shedding, 4 an order,
    /// 5 heat above and 6 heat below the greatest current.
    #[must_use]
    pub const fn breaker(self) -> u32 {
        self.bits(1, 3)
    }

    /// The breaker in a word or two.
    #[must_use]
    pub const fn breaker_name(self) -> &'static str {
        match self.breaker() {
            0 => "closed",
            1 => "open: overload",
            2 => "open: overvoltage",
            3 => "open: load shedding",
            4 => "open: ordered",
            5 => "open: overheated above the greatest current",
            6 => "open: overheated below the greatest current",
            _ => "unknown",
        }
    }

    /// The terminal cover is open.
    #[must_use]
    pub const fn cover_open(self) -> bool {
        self.is_set(4)
    }

    /// A phase has too high a voltage.
    #[must_use]
    pub const fn overvoltage(self) -> bool {
        self.is_set(6)
    }

    /// More power is drawn than the reference.
    #[must_use]
    pub const fn over_reference_power(self) -> bool {
        self.is_set(7)
    }

    /// The contract is a producer's.
    #[must_use]
    pub const fn producer(self) -> bool {
        self.is_set(8)
    }

    /// Active energy flows into the grid.
    #[must_use]
    pub const fn feeding_in(self) -> bool {
        self.is_set(9)
    }

    /// The supplier's register that counts, 1 to 10 (`EASF01` to `EASF10`).
    #[must_use]
    pub const fn supplier_index(self) -> u32 {
        self.bits(10, 4) + 1
    }

    /// The grid operator's register that counts, 1 to 4 (`EASD01` to `EASD04`).
    #[must_use]
    pub const fn distributor_index(self) -> u32 {
        self.bits(14, 2) + 1
    }

    /// The clock has lost its time.
    #[must_use]
    pub const fn clock_degraded(self) -> bool {
        self.is_set(16)
    }

    /// The customer port is in standard mode.
    #[must_use]
    pub const fn standard_mode(self) -> bool {
        self.is_set(17)
    }

    /// The Euridis port: 0 off, 1 on without, 3 on with security.
    #[must_use]
    pub const fn euridis(self) -> u32 {
        self.bits(19, 2)
    }

    /// The power line carrier: 0 new and unlocked, 1 new and locked, 2 registered.
    #[must_use]
    pub const fn plc_status(self) -> u32 {
        self.bits(21, 2)
    }

    /// The power line carrier is synchronised.
    #[must_use]
    pub const fn plc_synchronised(self) -> bool {
        self.is_set(23)
    }

    /// Colour of today; `None` without an announcement.
    #[must_use]
    pub const fn color_today(self) -> Option<DayColor> {
        color(self.bits(24, 2))
    }

    /// Colour of tomorrow; `None` without an announcement.
    #[must_use]
    pub const fn color_tomorrow(self) -> Option<DayColor> {
        color(self.bits(26, 2))
    }

    /// Notice of a movable peak, 1 to 3; 0 for none.
    #[must_use]
    pub const fn peak_notice(self) -> u32 {
        self.bits(28, 2)
    }

    /// The movable peak that holds now, 1 to 3; 0 for none.
    #[must_use]
    pub const fn peak(self) -> u32 {
        self.bits(30, 2)
    }
}

/// `RELAIS`: the meter's dry contact and seven relays that are only announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relays(pub u8);

impl Relays {
    /// Reads three decimal digits up to 255.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).map(Self)
    }

    /// Whether relay 1 (real) or 2 to 8 (virtual) is closed; `None` for another number.
    #[must_use]
    pub const fn closed(self, relay: u8) -> Option<bool> {
        match relay {
            1..=8 => Some(self.0 >> (relay - 1) & 1 == 1),
            _ => None,
        }
    }
}

/// One entry of `PJOURF+1`, tomorrow's switching list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySwitch {
    /// From when on.
    pub from: civil::Time,
    /// What is switched, as sent: bits 14 and 15 the dry contact (0 unchanged, 1 by the tariff, 2 open, 3
    /// closed), 7 to 13 the virtual relays 2 to 8, 0 to 3 the supplier's register.
    pub action: u16,
}

impl DaySwitch {
    /// The supplier's register that counts from then on, 1 to 10; 0 when it is not told.
    #[must_use]
    pub const fn supplier_index(self) -> u16 {
        self.action & 0x0F
    }
}

/// Reads a switching list: up to eleven blocks of `hhmm` and four hex digits, or `NONUTILE`.
/// `None` when a block is neither.
#[must_use]
pub fn day_profile(text: &str) -> Option<Vec<DaySwitch>> {
    let used = text
        .split_ascii_whitespace()
        .filter(|block| *block != "NONUTILE");
    used.take(11).map(day_switch).collect()
}

fn day_switch(block: &str) -> Option<DaySwitch> {
    if block.len() != 8 || !block.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (hour, minute) = (
        block.get(..2)?.parse().ok()?,
        block.get(2..4)?.parse().ok()?,
    );
    Some(DaySwitch {
        from: civil::Time::new(hour, minute, 0, 0).ok()?,
        action: u16::from_str_radix(block.get(4..)?, 16).ok()?,
    })
}

/// The tariff that holds, put together from the labels of both modes. Members are `None` where
/// the meter does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tariff {
    /// Name of the period: `LTARF` with single blanks, or the period of `PTEC`.
    pub current: Option<String>,
    /// Number of the supplier's register that counts, 1 to 10 (`NTARF`).
    pub index: Option<u8>,
    /// Colour of today: `STGE`, or the end of `PTEC`.
    pub color_today: Option<DayColor>,
    /// Colour of tomorrow: `STGE`, or `DEMAIN`.
    pub color_tomorrow: Option<DayColor>,
}

impl Tariff {
    /// The tariff a frame tells; empty when it tells none.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        let status = frame.value("STGE").and_then(StatusRegister::parse);
        let period = frame.value("PTEC").and_then(historic_period);
        let named = frame.value("LTARF").map(|name| {
            let words: Vec<&str> = name.split_ascii_whitespace().collect();
            words.join(" ")
        });
        let index = frame.value("NTARF").filter(|text| text.len() == 2);
        Self {
            current: named
                .filter(|name| !name.is_empty())
                .or_else(|| period.map(|period| period.name.to_owned())),
            index: index
                .and_then(|text| text.parse().ok())
                .filter(|index| (1..=10).contains(index)),
            color_today: status
                .and_then(StatusRegister::color_today)
                .or_else(|| period.and_then(|period| period.color)),
            color_tomorrow: status
                .and_then(StatusRegister::color_tomorrow)
                .or_else(|| frame.value("DEMAIN").and_then(announced)),
        }
    }
}

/// A period of historic mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HistoricPeriod {
    name: &'static str,
    color: Option<DayColor>,
    /// Value group E of the energy register that counts, as in the table of labels; `None` for the
    /// only register, which is the total.
    pub(super) register: Option<u8>,
}

/// `PTEC`: all hours, off-peak, peak, normal hours, movable peak, and the colours of Tempo.
pub(super) fn historic_period(text: &str) -> Option<HistoricPeriod> {
    let period = |name, color, register| HistoricPeriod {
        name,
        color,
        register,
    };
    Some(match text {
        "TH.." => period("TH", None, None),
        "HC.." => period("HC", None, Some(1)),
        "HP.." => period("HP", None, Some(2)),
        "HN.." => period("HN", None, Some(1)),
        "PM.." => period("PM", None, Some(2)),
        "HCJB" => period("HC BLEU", Some(DayColor::Blue), Some(1)),
        "HPJB" => period("HP BLEU", Some(DayColor::Blue), Some(2)),
        "HCJW" => period("HC BLANC", Some(DayColor::White), Some(3)),
        "HPJW" => period("HP BLANC", Some(DayColor::White), Some(4)),
        "HCJR" => period("HC ROUGE", Some(DayColor::Red), Some(5)),
        "HPJR" => period("HP ROUGE", Some(DayColor::Red), Some(6)),
        _ => return None,
    })
}

/// `DEMAIN`; four dashes before the announcement.
fn announced(text: &str) -> Option<DayColor> {
    match text {
        "BLEU" => Some(DayColor::Blue),
        "BLAN" => Some(DayColor::White),
        "ROUG" => Some(DayColor::Red),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_bits_one_by_one() {
        assert_eq!(StatusRegister::parse("0000000"), None);
        assert_eq!(StatusRegister::parse("+0000000"), None);
        let of = |bits: u32| StatusRegister::parse(&format!("{bits:08X}")).unwrap();
        assert!(of(1).contact_open() && !of(!1).contact_open());
        assert_eq!(of(4 << 1).breaker_name(), "open: ordered");
        assert!(of(1 << 4).cover_open() && of(1 << 6).overvoltage());
        assert!(of(1 << 7).over_reference_power() && of(1 << 8).producer());
        assert!(of(1 << 9).feeding_in());
        assert_eq!(
            (
                of(9 << 10).supplier_index(),
                of(3 << 14).distributor_index()
            ),
            (10, 4)
        );
        assert!(of(1 << 16).clock_degraded() && of(1 << 17).standard_mode());
        assert_eq!((of(3 << 19).euridis(), of(2 << 21).plc_status()), (3, 2));
        assert!(of(1 << 23).plc_synchronised());
        let colors = of(3 << 24 | 1 << 26);
        assert_eq!(
            (colors.color_today(), colors.color_tomorrow()),
            (Some(DayColor::Red), Some(DayColor::Blue))
        );
        assert_eq!((of(2 << 28).peak_notice(), of(3 << 30).peak()), (2, 3));
        assert_eq!(
            (of(0).color_today(), of(0).breaker_name()),
            (None, "closed")
        );
    }

    #[test]
    fn relays_and_switching_list() {
        let relays = Relays::parse("129").unwrap();
        let closed: Vec<u8> = (1..=8)
            .filter(|n| relays.closed(*n) == Some(true))
            .collect();
        assert_eq!((closed, relays.closed(9)), (vec![1, 8], None));
        assert_eq!((Relays::parse("256"), Relays::parse("+01")), (None, None));

        let list = day_profile("00004001 0630C002 NONUTILE NONUTILE").unwrap();
        let seen: Vec<_> = list
            .iter()
            .map(|s| (s.from.to_string(), s.supplier_index()))
            .collect();
        assert_eq!(
            seen,
            [("00:00:00".to_owned(), 1), ("06:30:00".to_owned(), 2)]
        );
        assert_eq!(day_profile("25004001"), None);
        assert_eq!(day_profile("0000400"), None);
        assert_eq!(day_profile("NONUTILE"), Some(Vec::new()));
    }

    #[test]
    fn times() {
        assert_eq!(Horodate::parse("H261301000000"), None);
        assert_eq!(Horodate::parse("X260101000000"), None);
        assert_eq!(Horodate::parse("H2601010000é"), None);
        let clock = Horodate::parse("e260701000000").unwrap();
        assert!(clock.degraded && clock.season == Season::Summer);
    }
}
