//! Limits on the load: the local rules that no command overrides.
//!
//! Such a limit is what a grid operator may ask of loads that can be controlled, down to a least power that
//! the home keeps (in Germany 4.2 kW, section 14a EnWG).

use crate::command::Signed;
use crate::safety;

/// The longest limit, seconds.
pub const LONGEST_S: i64 = 86_400;

/// What the installer and the law say of this home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Somebody here lives by a device: never limited.
    pub life_support: bool,
    /// What the home may always draw, W.
    pub least_w: u32,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What may be drawn at most, W.
    pub limit_w: u32,
    /// From when, seconds since 1970.
    pub start_s: i64,
    /// Until when.
    pub end_s: i64,
}

/// Why nothing is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Fewer than two different signers.
    #[error("two_signers: a limit is signed by two")]
    TwoSigners,
    /// What holds for every command that takes power from a home.
    #[error(transparent)]
    Safety(#[from] safety::Denial),
    /// Below what the home may always draw.
    #[error("least: this home may always draw {0} W")]
    Least(u32),
    /// It has no end within a day.
    #[error("longest: a limit ends after it begins, in the future, and lasts a day at most")]
    Longest,
}

/// Whether a limit may be put in force.
///
/// # Errors
/// A rule forbids it.
pub fn judge(
    signed: &Signed,
    limit: Limit,
    policy: Policy,
    now_s: i64,
    clock_off_s: Option<i64>,
) -> Result<(), Denial> {
    may_be(signed, now_s)?;
    safety::allows(policy.life_support, clock_off_s)?;
    if limit.limit_w < policy.least_w {
        return Err(Denial::Least(policy.least_w));
    }
    let lasts = limit.end_s.saturating_sub(limit.start_s);
    if lasts <= 0 || lasts > LONGEST_S || limit.end_s <= now_s {
        return Err(Denial::Longest);
    }
    Ok(())
}

/// Whether a command about limits may be taken at all, such as one that calls a limit off.
///
/// # Errors
/// It is signed by too few, or out of its window.
pub fn may_be(signed: &Signed, now_s: i64) -> Result<(), Denial> {
    if signed.signers.len() < 2 {
        return Err(Denial::TwoSigners);
    }
    Ok(safety::in_window(&signed.command, now_s)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, Kind};

    const NOW: i64 = 1_800_000_000;
    const HOME: Policy = Policy {
        life_support: false,
        least_w: 4_200,
    };
    const LIMIT: Limit = Limit {
        limit_w: 4_200,
        start_s: NOW,
        end_s: NOW + 3_600,
    };

    fn signed(signers: usize) -> Signed {
        let command = Command {
            kind: Kind::LoadLimit,
            id: "c-1".to_owned(),
            counter: 1,
            not_before_s: NOW - 60,
            not_after_s: NOW + 60,
            execute_at_s: 0,
            body: String::new(),
        };
        Signed {
            command,
            signers: (0..signers).collect(),
        }
    }

    fn judged(limit: Limit, policy: Policy, now_s: i64, off: Option<i64>) -> Result<(), Denial> {
        judge(&signed(2), limit, policy, now_s, off)
    }

    #[test]
    fn a_limit_within_the_rules_is_taken() {
        assert_eq!(judged(LIMIT, HOME, NOW, Some(27)), Ok(()));
    }

    #[test]
    fn two_have_to_sign() {
        let one = judge(&signed(1), LIMIT, HOME, NOW, Some(0));
        assert_eq!(one, Err(Denial::TwoSigners));
        assert_eq!(may_be(&signed(1), NOW), Err(Denial::TwoSigners));
        assert_eq!(may_be(&signed(2), NOW), Ok(()));
    }

    #[test]
    fn never_where_somebody_lives_by_a_device() {
        let home = Policy {
            life_support: true,
            ..HOME
        };
        assert_eq!(
            judged(LIMIT, home, NOW, Some(0)),
            Err(safety::Denial::LifeSupport.into())
        );
    }

    #[test]
    fn never_by_a_clock_that_is_not_to_be_trusted() {
        for off in [None, Some(28), Some(-28), Some(i64::MIN)] {
            assert_eq!(
                judged(LIMIT, HOME, NOW, off),
                Err(safety::Denial::Clock.into())
            );
        }
    }

    #[test]
    fn never_out_of_the_command_s_window() {
        for now_s in [NOW - 61, NOW + 61] {
            assert_eq!(
                judged(LIMIT, HOME, now_s, Some(0)),
                Err(safety::Denial::Window.into())
            );
        }
    }

    #[test]
    fn never_below_what_the_home_may_always_draw() {
        let little = Limit {
            limit_w: 4_199,
            ..LIMIT
        };
        let denied = judged(little, HOME, NOW, Some(0));
        assert_eq!(denied, Err(Denial::Least(4_200)));
    }

    #[test]
    fn never_without_an_end_within_a_day() {
        for (start_s, end_s) in [
            (NOW, NOW),
            (NOW, NOW - 1),
            (NOW - 100, NOW - 1),
            (NOW, NOW + LONGEST_S + 1),
            (i64::MIN, i64::MAX),
        ] {
            let limit = Limit {
                start_s,
                end_s,
                ..LIMIT
            };
            assert_eq!(judged(limit, HOME, NOW, Some(0)), Err(Denial::Longest));
        }
    }
}
