//! The energy register of a plug, exact: scaled by its own multiplier and divisor, through the
//! end of its 48 bits, through resets, and past values that cannot be.
//!
//! A plug counts in units of its own, and many count wrongly: no divisor, a thousandfold for one
//! report, zero after a power cut. What is told here only ever rises, and by no more than a socket
//! can carry in the time that has passed.

use std::time::{Duration, Instant};

use rust_decimal::Decimal;

/// The register has 48 bits (Zigbee Cluster Library, 10.4.2.2.1).
const MODULUS: u64 = 1 << 48;
/// More than a socket of 25 A at 240 V with its tolerance carries, W.
const MOST_W: u64 = 7_500;
/// Steps of the register that are taken in any time: reports come late and register steps at once.
const SLACK_STEPS: u64 = 2;
/// So many values in a row that agree with each other and not with the past are a new beginning.
const AGREEING: u8 = 3;

/// What a value made of the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was counted.
    Counted,
    /// It is the first, from which counting begins.
    First,
    /// The register began anew, at a power cut or by hand; what it has counted since was counted.
    Reset,
    /// More than can be; it was not counted.
    Impossible,
    /// Multiplier and divisor are not known, or 0; nothing can be counted.
    Quarantined,
}

/// A register and what it has counted.
#[derive(Clone, Debug)]
pub struct Register {
    /// What can pass at most, W.
    most_w: u64,
    scale: Option<(u32, u32)>,
    last: Option<(u64, Instant)>,
    /// Units counted since the first value, and that value.
    total: u128,
    epochs: u32,
    doubtful: Option<(u64, Instant, u8)>,
}

/// What of a register outlives the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Multiplier and divisor.
    pub scale: (u32, u32),
    /// Its last value that was counted.
    pub last: u64,
    /// Units counted since the first value, and that value.
    pub total: u128,
    /// How often it has begun anew.
    pub epochs: u32,
}

impl Kept {
    /// The same after it has counted up to so many kWh, as is known from elsewhere; it never has
    /// counted less.
    #[must_use]
    pub fn counted_to(mut self, kwh: Decimal) -> Self {
        let (multiplier, divisor) = self.scale;
        let units = kwh
            .checked_mul(Decimal::from(divisor))
            .and_then(|units| units.checked_div(Decimal::from(multiplier)))
            .and_then(|units| u128::try_from(units.round()).ok());
        if let Some(more) = units.and_then(|units| units.checked_sub(self.total)) {
            self.total += more;
            let last = (u128::from(self.last) + more) % u128::from(MODULUS);
            self.last = u64::try_from(last).unwrap_or(self.last);
        }
        self
    }
}

impl Default for Register {
    fn default() -> Self {
        Self {
            most_w: MOST_W,
            scale: None,
            last: None,
            total: 0,
            epochs: 0,
            doubtful: None,
        }
    }
}

impl Register {
    /// A register of what carries more than a socket: so many watts at most.
    #[must_use]
    pub fn of(most_w: u64) -> Self {
        Self {
            most_w,
            ..Self::default()
        }
    }

    /// What is to be kept; `None` before the first value.
    #[must_use]
    pub fn kept(&self) -> Option<Kept> {
        Some(Kept {
            scale: self.scale?,
            last: self.last?.0,
            total: self.total,
            epochs: self.epochs,
        })
    }

    /// Goes on from what was kept at an instant: what has passed since is counted with the next
    /// value.
    pub fn restore(&mut self, kept: Kept, at: Instant) {
        *self = Self {
            scale: Some(kept.scale),
            last: Some((kept.last, at)),
            total: kept.total,
            epochs: kept.epochs,
            ..Self::of(self.most_w)
        };
    }

    /// Takes what the device says of its scale: kWh are the register times the multiplier divided
    /// by the divisor.
    pub fn set_scale(&mut self, multiplier: Option<u32>, divisor: Option<u32>) {
        let scale = multiplier.zip(divisor);
        let scale = scale.filter(|(multiplier, divisor)| *multiplier > 0 && *divisor > 0);
        if scale.is_some() && self.scale.is_some() && scale != self.scale {
            // Another scale is another register.
            *self = Self {
                epochs: self.epochs + 1,
                ..Self::of(self.most_w)
            };
        }
        self.scale = scale;
    }

    /// Whether its scale is known.
    #[must_use]
    pub const fn is_scaled(&self) -> bool {
        self.scale.is_some()
    }

    /// How often it has begun anew.
    #[must_use]
    pub const fn epochs(&self) -> u32 {
        self.epochs
    }

    /// What it has counted, kWh; never falls. `None` before the first value or without a scale.
    #[must_use]
    pub fn energy_kwh(&self) -> Option<Decimal> {
        let (multiplier, divisor) = self.scale?;
        self.last?;
        let units = i128::try_from(self.total.checked_mul(u128::from(multiplier))?).ok()?;
        let units = Decimal::try_from_i128_with_scale(units, 0).ok()?;
        Some((units / Decimal::from(divisor)).normalize())
    }

    /// Takes a value that came at `now`.
    pub fn take(&mut self, raw: u64, now: Instant) -> Verdict {
        if self.scale.is_none() {
            return Verdict::Quarantined;
        }
        if raw >= MODULUS - 1 {
            // All ones: the value is invalid (2.6.2.7).
            return Verdict::Impossible;
        }
        let Some((last, at)) = self.last else {
            (self.last, self.total) = (Some((raw, now)), raw.into());
            return Verdict::First;
        };
        let passed = now.saturating_duration_since(at);
        if raw >= last {
            if raw - last <= self.most(passed) {
                return self.count(raw, raw - last, now, Verdict::Counted);
            }
        } else {
            let wrapped = MODULUS - last + raw;
            if wrapped <= self.most(passed) {
                return self.count(raw, wrapped, now, Verdict::Counted);
            }
            if raw <= self.most(passed) {
                self.epochs += 1;
                return self.count(raw, raw, now, Verdict::Reset);
            }
        }
        self.doubt(raw, now)
    }

    fn count(&mut self, raw: u64, units: u64, now: Instant, verdict: Verdict) -> Verdict {
        self.total += u128::from(units);
        self.last = Some((raw, now));
        self.doubtful = None;
        verdict
    }

    /// A value that cannot follow the last one: when the next ones follow it, the register was set
    /// to another value, and only what it counts from there on is counted.
    fn doubt(&mut self, raw: u64, now: Instant) -> Verdict {
        let agrees = self.doubtful.is_some_and(|(before, at, _)| {
            let passed = now.saturating_duration_since(at);
            raw >= before && raw - before <= self.most(passed)
        });
        let count = match self.doubtful {
            Some((.., count)) if agrees => count + 1,
            _ => 1,
        };
        if count < AGREEING {
            self.doubtful = Some((raw, now, count));
            return Verdict::Impossible;
        }
        self.epochs += 1;
        self.count(raw, 0, now, Verdict::Reset)
    }

    /// How many units can have passed at most.
    fn most(&self, passed: Duration) -> u64 {
        let (multiplier, divisor) = self.scale.unwrap_or((1, 1));
        let watt_milliseconds = u128::from(self.most_w) * passed.as_millis();
        let units =
            watt_milliseconds * u128::from(divisor) / (u128::from(multiplier) * 3_600_000_000);
        u64::try_from(units)
            .unwrap_or(MODULUS)
            .saturating_add(SLACK_STEPS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scaled(multiplier: u32, divisor: u32) -> Register {
        let mut register = Register::default();
        register.set_scale(Some(multiplier), Some(divisor));
        register
    }

    fn kwh(text: &str) -> Option<Decimal> {
        text.parse().ok()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn scaling_is_exact() {
        let now = Instant::now();
        let mut register = scaled(1, 1000);
        assert_eq!(register.take(1_234_567, now), Verdict::First);
        assert_eq!(register.energy_kwh(), kwh("1234.567"));
        let mut register = scaled(3, 10_000);
        register.take(7, now);
        assert_eq!(register.energy_kwh(), kwh("0.0021"));
    }

    #[test]
    fn without_a_scale_nothing_is_counted() {
        for (multiplier, divisor) in [
            (None, Some(1000)),
            (Some(1), None),
            (Some(1), Some(0)),
            (Some(0), Some(1000)),
        ] {
            let mut register = Register::default();
            register.set_scale(multiplier, divisor);
            assert_eq!(register.take(5, Instant::now()), Verdict::Quarantined);
            assert_eq!(register.energy_kwh(), None);
        }
    }

    #[test]
    fn what_passes_while_nobody_looks_is_counted_afterwards() {
        let now = Instant::now();
        let mut register = scaled(1, 1000);
        register.take(10_000, now);
        register.take(100, now + MINUTE);
        assert_eq!(register.epochs(), 1);
        let kept = register.kept().unwrap();
        let mut again = Register::default();
        again.restore(kept, now + MINUTE);
        assert_eq!(again.energy_kwh(), kwh("10.1"));
        again.set_scale(Some(1), Some(1000));
        assert_eq!(again.take(1100, now + MINUTE * 60), Verdict::Counted);
        assert_eq!(again.energy_kwh(), kwh("11.1"));
        // What was counted after it was kept stands elsewhere.
        let later = kept.counted_to("10.5".parse().unwrap());
        assert_eq!((later.total, later.last), (10_500, 500));
        assert_eq!(kept.counted_to(Decimal::ONE), kept);
    }

    #[test]
    fn the_end_of_48_bits_is_no_reset() {
        let now = Instant::now();
        let mut register = scaled(1, 1000);
        register.take(MODULUS - 10, now);
        assert_eq!(register.take(20, now + MINUTE), Verdict::Counted);
        let total = Decimal::from(MODULUS + 20) / Decimal::from(1000);
        assert_eq!(register.energy_kwh(), Some(total));
        assert_eq!(register.epochs(), 0);
    }

    #[test]
    fn a_power_cut_loses_nothing_and_a_spike_counts_nothing() {
        let now = Instant::now();
        let mut register = scaled(1, 1000);
        register.take(500_000, now);
        assert_eq!(register.take(3, now + MINUTE), Verdict::Reset);
        assert_eq!(
            (register.energy_kwh(), register.epochs()),
            (kwh("500.003"), 1)
        );
        assert_eq!(register.take(3_000, now + 2 * MINUTE), Verdict::Impossible);
        assert_eq!(register.take(5, now + 3 * MINUTE), Verdict::Counted);
        assert_eq!(register.energy_kwh(), kwh("500.005"));
        assert_eq!(
            register.take(MODULUS - 1, now + 4 * MINUTE),
            Verdict::Impossible
        );
    }

    #[test]
    fn a_register_that_was_set_counts_on_from_there() {
        let now = Instant::now();
        let mut register = scaled(1, 1000);
        register.take(100, now);
        assert_eq!(register.take(900_000, now + MINUTE), Verdict::Impossible);
        assert_eq!(
            register.take(900_010, now + 2 * MINUTE),
            Verdict::Impossible
        );
        assert_eq!(register.take(900_020, now + 3 * MINUTE), Verdict::Reset);
        assert_eq!(register.energy_kwh(), kwh("0.1"));
        assert_eq!(register.take(900_030, now + 4 * MINUTE), Verdict::Counted);
        assert_eq!(register.energy_kwh(), kwh("0.11"));
    }

    proptest! {
        #[test]
        fn it_never_falls_and_never_outruns_a_socket(values in proptest::collection::vec((any::<u64>(), 0_u64..4000), 1..40)) {
            let start = Instant::now();
            let mut now = start;
            let mut register = scaled(1, 1000);
            let mut last = None;
            let mut first = Decimal::ZERO;
            for (raw, passed) in values {
                now += Duration::from_secs(passed);
                register.take(raw % MODULUS, now);
                let energy = register.energy_kwh();
                if last.is_none() {
                    first = energy.unwrap_or_default();
                }
                prop_assert!(energy >= last);
                last = energy;
            }
            let hours = Decimal::from((now - start).as_secs()) / Decimal::from(3600);
            let slack = Decimal::from(40 * SLACK_STEPS) / Decimal::from(1000);
            let most = Decimal::from(MOST_W) / Decimal::from(1000) * hours + slack;
            prop_assert!(last.unwrap_or_default() - first <= most);
        }
    }
}
