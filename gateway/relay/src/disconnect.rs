//! Remote disconnection: the local rules that no command overrides.
//!
//! A state machine without clock or wire. It is asked whether a command may be taken, told the time,
//! the button and the relay's position, and says when to switch. What it must remember over a loss of
//! power is one value ([`Supply`]); the relay itself keeps its position.

#[cfg(test)]
mod tests;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::command::{Kind, Signed};
use crate::safety::{self, in_window};

/// How long a disconnection is announced on the display at least, seconds.
pub const ANNOUNCED_S: i64 = 60;
/// From one switching to the next at least, seconds.
pub const APART_S: i64 = 600;
/// Switchings in a day at most.
pub const PER_DAY: usize = 6;
const DAY_S: i64 = 86_400;

/// What the installer and the law say of this home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Somebody here lives by a device: never disconnected.
    pub life_support: bool,
    /// Local hours of the day within which a disconnection may take place, from and to.
    pub hours: (u8, u8),
    /// Outdoor temperatures, °C, below and above which nobody is disconnected.
    pub moratorium_c: (i16, i16),
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            life_support: false,
            hours: (8, 15),
            moratorium_c: (0, 35),
        }
    }
}

/// The world at an instant.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Seconds since 1970.
    pub now_s: i64,
    /// The local hour, 0 to 23.
    pub hour: u8,
    /// How far the clock may be off, seconds; `None` when it is not synchronised.
    pub clock_off_s: Option<i64>,
    /// Outdoor temperature, °C, as exactly as it was measured; `None` when nobody knows.
    pub outdoor_c: Option<Decimal>,
}

/// Why nothing is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Fewer than two different signers.
    #[error("two_signers: a disconnection is signed by two")]
    TwoSigners,
    /// What holds for every command that takes power from a home.
    #[error(transparent)]
    Safety(#[from] safety::Denial),
    /// Outside the allowed hours.
    #[error("hours: not at this hour of the day")]
    Hours,
    /// Too cold or too hot, or nobody knows.
    #[error("moratorium: the outdoor temperature forbids it, or is not known")]
    Moratorium,
    /// The last switching was less than ten minutes ago.
    #[error("too_soon: ten minutes lie between two switchings")]
    TooSoon,
    /// Six times today already.
    #[error("too_often: six switchings a day at most")]
    TooOften,
    /// The supply is not in a state for it.
    #[error("state: the supply is {0} already")]
    State(&'static str),
    /// Another kind of command.
    #[error("kind: it is no command about the supply")]
    Kind,
}

impl Denial {
    /// Its name in a result.
    #[must_use]
    pub fn name(self) -> String {
        self.to_string()
            .split(':')
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

/// Where the supply stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Connected.
    #[default]
    On,
    /// A disconnection is announced on the display.
    Announced {
        /// When it will be, seconds since 1970.
        at_s: i64,
        /// After this it is not done any more.
        not_after_s: i64,
        /// The command's name.
        id: String,
        /// Reason and whom to call, for the display.
        text: String,
    },
    /// Disconnected.
    Off,
    /// Disconnected, and the person may press the button.
    Armed,
}

/// The supply: what is remembered over a loss of power.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supply {
    /// Where it stands.
    pub state: State,
    /// When it was switched, seconds since 1970, oldest first.
    pub switched_s: Vec<i64>,
    /// Everything that happened, for the calibration log; taken out by who writes it.
    pub steps: Vec<String>,
}

/// What is to be done with the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Open it, and read back.
    Open,
    /// Close it, and read back.
    Close,
}

impl Supply {
    /// Takes a command, whose signatures and counter were checked.
    ///
    /// # Errors
    /// A rule forbids it.
    pub fn command(
        &mut self,
        signed: &Signed,
        text: &str,
        policy: &Policy,
        world: Situation,
    ) -> Result<(), Denial> {
        let taken = self.decide(signed, text, policy, world);
        let said = match taken {
            Ok(()) => "taken".to_owned(),
            Err(denial) => denial.to_string(),
        };
        self.note(
            world.now_s,
            &format!(
                "{} {}: {said}",
                signed.command.kind.name(),
                signed.command.id
            ),
        );
        taken
    }

    fn decide(
        &mut self,
        signed: &Signed,
        text: &str,
        policy: &Policy,
        world: Situation,
    ) -> Result<(), Denial> {
        let command = &signed.command;
        in_window(command, world.now_s)?;
        match command.kind {
            Kind::Disconnect => {
                if signed.signers.len() < 2 {
                    return Err(Denial::TwoSigners);
                }
                if self.state != State::On {
                    return Err(Denial::State("announced or off"));
                }
                may_open(policy, world)?;
                self.rate(world.now_s)?;
                let at_s = command.execute_at_s.max(world.now_s + ANNOUNCED_S);
                if at_s > command.not_after_s {
                    return Err(safety::Denial::Window.into());
                }
                self.state = State::Announced {
                    at_s,
                    not_after_s: command.not_after_s,
                    id: command.id.clone(),
                    text: text.to_owned(),
                };
                Ok(())
            }
            Kind::Arm | Kind::Reconnect => match self.state {
                State::Off => {
                    self.state = State::Armed;
                    Ok(())
                }
                // What is only announced is called off.
                State::Announced { .. } => {
                    self.state = State::On;
                    Ok(())
                }
                State::On => Err(Denial::State("on")),
                State::Armed => Err(Denial::State("armed")),
            },
            _ => Err(Denial::Kind),
        }
    }

    /// The time goes on: opens what was announced long enough, if every rule still allows it.
    pub fn tick(&mut self, policy: &Policy, world: Situation) -> Option<Action> {
        let State::Announced {
            at_s,
            not_after_s,
            id,
            ..
        } = &self.state
        else {
            return None;
        };
        if world.now_s < *at_s {
            return None;
        }
        let late = world.now_s > *not_after_s;
        let id = id.clone();
        let allowed = if late {
            Err(safety::Denial::Window.into())
        } else {
            may_open(policy, world)
        };
        match allowed.and_then(|()| self.rate(world.now_s)) {
            Ok(()) => {
                self.state = State::Off;
                self.switched(world.now_s, &format!("{id}: opens the relay"));
                Some(Action::Open)
            }
            Err(denial) => {
                self.state = State::On;
                self.note(world.now_s, &format!("{id}: called off, {denial}"));
                None
            }
        }
    }

    /// The person presses the button: the only way to switch on.
    ///
    /// # Errors
    /// It is not armed, or was switched too lately.
    pub fn button(&mut self, now_s: i64) -> Result<Action, Denial> {
        match self.state {
            State::Armed => {
                self.rate(now_s)?;
                self.state = State::On;
                self.switched(now_s, "the person closes the relay");
                Ok(Action::Close)
            }
            State::Off => Err(Denial::State("off and not armed")),
            State::On | State::Announced { .. } => Err(Denial::State("on")),
        }
    }

    /// The relay was read back and has moved.
    pub fn done(&mut self, now_s: i64, action: Action) {
        let word = match action {
            Action::Open => "open",
            Action::Close => "closed",
        };
        self.note(now_s, &format!("the relay is {word}, read back"));
    }

    /// The relay did not move, as it says itself: the supply stands where it stood before.
    pub fn not_done(&mut self, now_s: i64, action: Action) {
        let (state, word) = match action {
            Action::Open => (State::On, "open"),
            Action::Close => (State::Armed, "close"),
        };
        self.state = state;
        self.note(now_s, &format!("ALARM: the relay did not {word}"));
    }

    /// What the relay says of itself; true when that is not what it should be, which is an alarm.
    pub fn read_back(&mut self, now_s: i64, is_closed: bool) -> bool {
        let should = matches!(self.state, State::On | State::Announced { .. });
        if should != is_closed {
            let word = if is_closed { "closed" } else { "open" };
            self.note(
                now_s,
                &format!("ALARM: the relay is {word} and should not be"),
            );
        }
        should != is_closed
    }

    fn rate(&self, now_s: i64) -> Result<(), Denial> {
        // A clock that was set back must not open the gate: then everything counts as just now.
        let last = self.switched_s.last().map(|last| now_s - last);
        if last.is_some_and(|since| since < APART_S) {
            return Err(Denial::TooSoon);
        }
        let today = self
            .switched_s
            .iter()
            .filter(|at| now_s - **at < DAY_S)
            .count();
        if today >= PER_DAY {
            Err(Denial::TooOften)
        } else {
            Ok(())
        }
    }

    fn switched(&mut self, now_s: i64, what: &str) {
        self.switched_s.push(now_s);
        let idle = self.switched_s.len().saturating_sub(PER_DAY + 1);
        self.switched_s.drain(..idle);
        self.note(now_s, what);
    }

    fn note(&mut self, now_s: i64, what: &str) {
        self.steps.push(format!("{now_s} {what}"));
    }
}

fn may_open(policy: &Policy, world: Situation) -> Result<(), Denial> {
    safety::allows(policy.life_support, world.clock_off_s)?;
    if !(policy.hours.0..policy.hours.1).contains(&world.hour) {
        return Err(Denial::Hours);
    }
    let (cold, hot) = policy.moratorium_c;
    let mild = |celsius| celsius > Decimal::from(cold) && celsius < Decimal::from(hot);
    if world.outdoor_c.is_some_and(mild) {
        Ok(())
    } else {
        Err(Denial::Moratorium)
    }
}
