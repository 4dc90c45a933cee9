//! A home's load, second by second: what its meters count.
//!
//! The load is a function of the wall clock and a seed, in whole watts that hold for one second.
//! So it can be told for any instant without having run until then, energy is an exact sum of
//! watt-seconds, and a simulator that is started again goes on where the registers would be.
//!
//! Four weeks make a cycle that repeats from [`INSTALLED`] on; within it every day differs. Power
//! drawn is positive, power fed in is negative. The home keeps Central European winter time.

use std::sync::Arc;

/// When the simulated meters began at zero: Sunday 2023-01-01 00:00 (UTC+1), in Unix seconds.
pub const INSTALLED: u64 = 1_672_527_600;

const DAY: u64 = 86_400;
const CYCLE_DAYS: u64 = 28;

/// Energy counted in both directions, in watt-seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Energy {
    /// Drawn.
    pub import_ws: u64,
    /// Fed in.
    pub export_ws: u64,
}

impl Energy {
    /// What is drawn, in units of `unit_ws` watt-seconds, without what is not yet full: 360 for
    /// tenths of a watt-hour, 3,600 for watt-hours.
    #[must_use]
    pub const fn import_in(self, unit_ws: u64) -> u64 {
        self.import_ws / unit_ws
    }

    /// What is fed in, likewise.
    #[must_use]
    pub const fn export_in(self, unit_ws: u64) -> u64 {
        self.export_ws / unit_ws
    }

    fn plus(self, other: Self) -> Self {
        Self {
            import_ws: self.import_ws + other.import_ws,
            export_ws: self.export_ws + other.export_ws,
        }
    }

    fn count(&mut self, power_w: i64) {
        if power_w >= 0 {
            self.import_ws += power_w.unsigned_abs();
        } else {
            self.export_ws += power_w.unsigned_abs();
        }
    }
}

/// What a load curve belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The connection of the whole home, with a photovoltaic plant or without.
    Home {
        /// 4.2 kW on the roof.
        pv: bool,
    },
    /// The heat pump alone, which is part of the home.
    HeatPump,
    /// The same power all the time, for tests.
    Constant {
        /// In watts.
        power_w: i32,
    },
}

/// A load curve and the energy under it.
#[derive(Clone, Debug)]
pub struct Curve {
    seed: u64,
    kind: Kind,
    /// Energy from the beginning of the cycle to the beginning of each day, and of the next cycle.
    days: Arc<[Energy]>,
    /// Where the last question was answered, to count on from there.
    cursor: Option<(u64, Energy)>,
}

impl Curve {
    /// The curve of `kind` for `seed`. Counts four weeks of seconds once.
    #[must_use]
    pub fn new(kind: Kind, seed: u64) -> Self {
        let mut sum = Energy::default();
        let mut days = vec![sum];
        for day in 0..CYCLE_DAYS {
            for second in 0..DAY {
                sum.count(power(kind, seed, day, second));
            }
            days.push(sum);
        }
        Self {
            seed,
            kind,
            days: days.into(),
            cursor: None,
        }
    }

    /// Power during the second that begins at `unix_s`, in watts; 0 before [`INSTALLED`].
    #[must_use]
    pub fn power_w(&self, unix_s: u64) -> i64 {
        unix_s.checked_sub(INSTALLED).map_or(0, |age| {
            power(self.kind, self.seed, age / DAY % CYCLE_DAYS, age % DAY)
        })
    }

    /// Energy from [`INSTALLED`] to `unix_s`.
    pub fn energy(&mut self, unix_s: u64) -> Energy {
        let Some(age) = unix_s.checked_sub(INSTALLED) else {
            return Energy::default();
        };
        let midnight = age - age % DAY;
        let (mut at, mut sum) = match self.cursor {
            Some((at, sum)) if at >= midnight && at <= age => (at, sum),
            _ => (midnight, self.until_midnight(age / DAY)),
        };
        while at < age {
            sum.count(self.power_w(INSTALLED + at));
            at += 1;
        }
        self.cursor = Some((at, sum));
        sum
    }

    fn until_midnight(&self, days: u64) -> Energy {
        let whole = self.days.last().copied().unwrap_or_default();
        let cycles = days / CYCLE_DAYS;
        let begun = usize::try_from(days % CYCLE_DAYS).unwrap_or(0);
        let begun = self.days.get(begun).copied().unwrap_or_default();
        Energy {
            import_ws: whole.import_ws * cycles,
            export_ws: whole.export_ws * cycles,
        }
        .plus(begun)
    }
}

fn power(kind: Kind, seed: u64, day: u64, second: u64) -> i64 {
    let home = Home { seed, day, second };
    match kind {
        Kind::Constant { power_w } => i64::from(power_w),
        Kind::HeatPump => home.heat_pump(),
        Kind::Home { pv: false } => home.consumption(),
        Kind::Home { pv: true } => home.consumption() - home.photovoltaics(),
    }
}

/// A home at one second of one day of the cycle.
struct Home {
    seed: u64,
    day: u64,
    second: u64,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

impl Home {
    fn consumption(&self) -> i64 {
        self.standby()
            + self.cooling(0, 2_880, 1_020, 85)
            + self.cooling(1, 3_540, 900, 70)
            + self.light_and_television()
            + self.kitchen()
            + self.washing_machine()
            + self.dishwasher()
            + self.heat_pump()
    }

    fn standby(&self) -> i64 {
        92 + self.wobble(10, self.second / 4, 9)
    }

    /// Fridge and freezer: a compressor that starts with a surge and runs for a while.
    fn cooling(&self, which: u64, cycle: u64, run: u64, power_w: i64) -> i64 {
        let now = self.day * DAY + self.second;
        let (turn, into) = (now / cycle, now % cycle);
        let run = run + self.pick(20 + which, turn, 300);
        match into {
            0..2 => 3 * power_w,
            _ if into < run => power_w + i64::from(into < 120) * 12,
            _ => 0,
        }
    }

    fn light_and_television(&self) -> i64 {
        let mut sum = 0;
        if self.within(6 * HOUR + 15 * MINUTE, 70 * MINUTE).is_some() {
            sum += 110;
        }
        let dusk = 17 * HOUR + self.pick(30, self.day, 40 * MINUTE);
        if self.within(dusk, 5 * HOUR).is_some() {
            sum += 165;
        }
        if self.within(20 * HOUR, 135 * MINUTE).is_some() {
            sum += 105 + self.wobble(31, self.second / 3, 25);
        }
        sum
    }

    fn kitchen(&self) -> i64 {
        let mut sum = 0;
        for (event, from, spread) in [(40, 6 * HOUR + 30 * MINUTE, 40), (41, 15 * HOUR, 80)] {
            let start = from + self.pick(event, self.day, spread * MINUTE);
            let boil = 140 + self.pick(event + 10, self.day, 70);
            if self.within(start, boil).is_some() {
                sum += 2_050;
            }
        }
        let toast = 6 * HOUR + 50 * MINUTE + self.pick(42, self.day, 30 * MINUTE);
        if self.within(toast, 160).is_some() {
            sum += 890;
        }
        let cook = 18 * HOUR + self.pick(43, self.day, 45 * MINUTE);
        if let Some(into) = self.within(cook, 38 * MINUTE)
            && (into < 6 * MINUTE || into % 70 < 32)
        {
            sum += 1_780;
        }
        sum
    }

    fn washing_machine(&self) -> i64 {
        if !matches!(self.day % 7, 1 | 4 | 6) {
            return 0;
        }
        let start = 9 * HOUR + 30 * MINUTE + self.pick(50, self.day, 3 * HOUR);
        match self.within(start, 68 * MINUTE) {
            None => 0,
            Some(0..180) => 35,
            Some(180..1_080) => 2_010,
            Some(into @ 1_080..3_600) => 60 + i64::from(into / 14 % 2 == 0) * 150,
            Some(into) => 260 + i64::from(into > 3_700) * 180,
        }
    }

    fn dishwasher(&self) -> i64 {
        if self.pick(60, self.day, 3) == 0 {
            return 0;
        }
        let start = 20 * HOUR + 30 * MINUTE + self.pick(61, self.day, HOUR);
        match self.within(start, 85 * MINUTE) {
            None => 0,
            Some(300..1_020 | 3_300..3_900) => 1_900,
            Some(_) => 62,
        }
    }

    /// Runs a share of each hour: more in the morning, little at noon.
    fn heat_pump(&self) -> i64 {
        let hour = self.second / HOUR;
        let share = match hour {
            5..9 => 36,
            9..16 => 15,
            16..22 => 27,
            _ => 20,
        };
        let run = (share + self.pick(70, self.day * 24 + hour, 9)) * MINUTE;
        match self.second % HOUR {
            0..4 => 2_300,
            into if into < run => 1_140 + self.wobble(71, self.second / 20, 30),
            _ => 9,
        }
    }

    /// A parabola over the day under clouds that come and go within minutes.
    fn photovoltaics(&self) -> i64 {
        const RISE: u64 = 6 * HOUR + 50 * MINUTE;
        const LENGTH: u64 = 11 * HOUR;
        let Some(into) = self.within(RISE, LENGTH) else {
            return 0;
        };
        let clear = 4 * 4_200 * into * (LENGTH - into) / (LENGTH * LENGTH);
        let sky = 350 + self.pick(80, self.day, 650);
        let (step, part) = (into / 240, into % 240);
        let cloud = |step| self.pick(81, self.day * 1_000 + step, 1_050 - sky);
        let shade = (cloud(step) * (240 - part) + cloud(step + 1) * part) / 240;
        i64::try_from(clear * sky.saturating_sub(shade) / 1_000).unwrap_or(0)
    }

    /// Seconds since `start` if the second lies in the `length` seconds from there on.
    fn within(&self, start: u64, length: u64) -> Option<u64> {
        self.second.checked_sub(start).filter(|&into| into < length)
    }

    /// A number below `below` that belongs to `what` and its `turn`.
    fn pick(&self, what: u64, turn: u64, below: u64) -> u64 {
        scramble(self.seed ^ what << 48 ^ turn) % below.max(1)
    }

    /// A number from -`most` to `most`.
    fn wobble(&self, what: u64, turn: u64, most: u64) -> i64 {
        let turn = self.day << 24 | turn;
        let picked = i64::try_from(self.pick(what, turn, 2 * most + 1)).unwrap_or(0);
        picked - i64::try_from(most).unwrap_or(0)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
const fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_believable_home() {
        for (pv, least, most) in [(false, 12, 24), (true, 5, 20)] {
            let mut curve = Curve::new(Kind::Home { pv }, 7);
            let week = |curve: &mut Curve, n: u64| curve.energy(INSTALLED + n * 7 * DAY);
            let (start, end) = (week(&mut curve, 1), week(&mut curve, 2));
            let kwh_a_day = (end.import_ws - start.import_ws) / 7 / 3_600_000;
            assert!((least..most).contains(&kwh_a_day), "pv {pv}: {kwh_a_day}");
            let exported = (end.export_ws - start.export_ws) / 7 / 3_600_000;
            assert_eq!(exported > 2, pv, "pv {pv}: {exported}");
        }
    }

    #[test]
    fn energy_is_the_sum_of_power_wherever_one_begins() {
        let from = INSTALLED + 30 * DAY + 86_000;
        let mut counting = Curve::new(Kind::Home { pv: true }, 3);
        let mut sum = counting.energy(from);
        for second in from..from + 1_500 {
            sum.count(counting.power_w(second));
            assert_eq!(counting.energy(second + 1), sum);
        }
        let mut afresh = Curve::new(Kind::Home { pv: true }, 3);
        assert_eq!(afresh.energy(from + 1_500), sum);
        assert_eq!(afresh.energy(from), counting.energy(from));
    }

    #[test]
    fn the_seed_decides() {
        let at = INSTALLED + 5 * DAY + 18 * HOUR;
        let day = |seed| {
            let curve = Curve::new(Kind::Home { pv: false }, seed);
            (at..at + 3_600).map(move |s| curve.power_w(s))
        };
        assert!(day(1).eq(day(1)));
        assert!(day(1).ne(day(2)));
    }

    #[test]
    fn nothing_before_the_meter_was_there() {
        let mut curve = Curve::new(Kind::Constant { power_w: -500 }, 0);
        assert_eq!(curve.energy(INSTALLED - 1), Energy::default());
        assert_eq!(curve.energy(INSTALLED + 3_600).export_in(3_600), 500);
        assert_eq!(curve.power_w(0), 0);
    }
}
