//! Remote disconnection: the local rules that no command overrides.
//!
//! A state machine without clock or wire. It is asked whether a command may be taken, told the time,
//! the button and the relay's position, and says when to switch. What it must remember over a loss of
//! power is one value ([`Supply`]); the relay itself keeps its position.

use serde::{Deserialize, Serialize};

use crate::command::{Command, Kind, Signed};

/// The clock must be closer than this to the true time (3 % of a quarter-hour), seconds.
pub const CLOCK_S: i64 = 27;
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
    /// Outdoor temperature, °C; `None` when nobody knows.
    pub outdoor_c: Option<i16>,
}

/// Why nothing is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Fewer than two different signers.
    #[error("two_signers: a disconnection is signed by two")]
    TwoSigners,
    /// Somebody lives by a device.
    #[error("life_support: somebody here lives by a device")]
    LifeSupport,
    /// The clock is not to be trusted.
    #[error("clock: the clock is not synchronised to within 27 s")]
    Clock,
    /// Outside the command's own window.
    #[error("window: the command is not valid now")]
    Window,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
                    return Err(Denial::Window);
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
            Err(Denial::Window)
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

/// A command outside its window is none.
///
/// # Errors
/// [`Denial::Window`].
pub const fn in_window(command: &Command, now_s: i64) -> Result<(), Denial> {
    if now_s < command.not_before_s || now_s > command.not_after_s {
        Err(Denial::Window)
    } else {
        Ok(())
    }
}

fn may_open(policy: &Policy, world: Situation) -> Result<(), Denial> {
    if policy.life_support {
        return Err(Denial::LifeSupport);
    }
    let trusted = |off: i64| off.saturating_abs() <= CLOCK_S;
    if world.clock_off_s.is_none_or(|off| !trusted(off)) {
        return Err(Denial::Clock);
    }
    if !(policy.hours.0..policy.hours.1).contains(&world.hour) {
        return Err(Denial::Hours);
    }
    let mild = |celsius| celsius > policy.moratorium_c.0 && celsius < policy.moratorium_c.1;
    if world.outdoor_c.is_some_and(mild) {
        Ok(())
    } else {
        Err(Denial::Moratorium)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn world(now_s: i64) -> Situation {
        Situation {
            now_s,
            hour: 10,
            clock_off_s: Some(0),
            outdoor_c: Some(15),
        }
    }

    fn signed(kind: Kind, execute_at_s: i64) -> Signed {
        let command = Command {
            kind,
            id: "c-1".to_owned(),
            counter: 1,
            not_before_s: NOW - 60,
            not_after_s: NOW + 7_200,
            execute_at_s,
            body: String::new(),
        };
        Signed {
            command,
            signers: vec![0, 1],
        }
    }

    fn disconnect(supply: &mut Supply, policy: &Policy, world: Situation) -> Result<(), Denial> {
        supply.command(
            &signed(Kind::Disconnect, 0),
            "unpaid; call 123",
            policy,
            world,
        )
    }

    /// A supply that was disconnected at this time.
    fn off(at_s: i64) -> Supply {
        Supply {
            state: State::Off,
            switched_s: vec![at_s],
            steps: Vec::new(),
        }
    }

    #[test]
    fn two_have_to_sign() {
        let mut one = signed(Kind::Disconnect, 0);
        one.signers.truncate(1);
        let mut supply = Supply::default();
        assert_eq!(
            supply.command(&one, "", &Policy::default(), world(NOW)),
            Err(Denial::TwoSigners)
        );
        assert_eq!(supply.state, State::On);
    }

    #[test]
    fn never_where_somebody_lives_by_a_device() {
        let policy = Policy {
            life_support: true,
            ..Policy::default()
        };
        assert_eq!(
            disconnect(&mut Supply::default(), &policy, world(NOW)),
            Err(Denial::LifeSupport)
        );
    }

    #[test]
    fn never_with_a_clock_that_is_not_trusted() {
        for clock_off_s in [None, Some(28), Some(-28)] {
            let world = Situation {
                clock_off_s,
                ..world(NOW)
            };
            assert_eq!(
                disconnect(&mut Supply::default(), &Policy::default(), world),
                Err(Denial::Clock)
            );
        }
        let near = Situation {
            clock_off_s: Some(-27),
            ..world(NOW)
        };
        assert_eq!(
            disconnect(&mut Supply::default(), &Policy::default(), near),
            Ok(())
        );
    }

    #[test]
    fn never_outside_the_commands_window() {
        for now in [NOW - 61, NOW + 7_201, NOW + 7_200 - ANNOUNCED_S + 1] {
            assert_eq!(
                disconnect(&mut Supply::default(), &Policy::default(), world(now)),
                Err(Denial::Window)
            );
        }
    }

    #[test]
    fn never_outside_the_allowed_hours() {
        for hour in [0, 7, 15, 23] {
            let world = Situation { hour, ..world(NOW) };
            assert_eq!(
                disconnect(&mut Supply::default(), &Policy::default(), world),
                Err(Denial::Hours)
            );
        }
    }

    #[test]
    fn never_in_a_temperature_moratorium_nor_without_a_temperature() {
        for outdoor_c in [None, Some(0), Some(-20), Some(35)] {
            let world = Situation {
                outdoor_c,
                ..world(NOW)
            };
            assert_eq!(
                disconnect(&mut Supply::default(), &Policy::default(), world),
                Err(Denial::Moratorium)
            );
        }
    }

    #[test]
    fn announced_for_a_minute_and_judged_again_then() {
        let policy = Policy::default();
        let mut supply = Supply::default();
        disconnect(&mut supply, &policy, world(NOW)).unwrap();
        assert!(
            matches!(&supply.state, State::Announced { at_s, text, .. } if *at_s == NOW + 60 && text.contains("123"))
        );
        assert_eq!(supply.tick(&policy, world(NOW + 59)), None);
        let mut cold = supply.clone();
        let frost = Situation {
            outdoor_c: Some(-5),
            ..world(NOW + 60)
        };
        assert_eq!((cold.tick(&policy, frost), cold.state), (None, State::On));
        assert_eq!(supply.tick(&policy, world(NOW + 60)), Some(Action::Open));
        assert_eq!(supply.state, State::Off);
        let mut slept = Supply::default();
        disconnect(&mut slept, &policy, world(NOW)).unwrap();
        assert_eq!(
            (slept.tick(&policy, world(NOW + 7_201)), slept.state),
            (None, State::On)
        );
    }

    #[test]
    fn it_may_be_called_off_while_it_is_announced() {
        let policy = Policy::default();
        let mut supply = Supply::default();
        disconnect(&mut supply, &policy, world(NOW)).unwrap();
        supply
            .command(&signed(Kind::Reconnect, 0), "", &policy, world(NOW + 10))
            .unwrap();
        assert_eq!(
            (supply.tick(&policy, world(NOW + 100)), supply.state),
            (None, State::On)
        );
    }

    #[test]
    fn a_reconnection_only_arms_and_the_person_presses_the_button() {
        let policy = Policy::default();
        let mut supply = off(NOW - APART_S);
        assert_eq!(supply.button(NOW), Err(Denial::State("off and not armed")));
        supply
            .command(&signed(Kind::Reconnect, 0), "", &policy, world(NOW))
            .unwrap();
        assert_eq!(
            (supply.tick(&policy, world(NOW + 500)), &supply.state),
            (None, &State::Armed)
        );
        assert_eq!(supply.button(NOW), Ok(Action::Close));
        assert_eq!(supply.state, State::On);
    }

    #[test]
    fn ten_minutes_lie_between_two_switchings() {
        let mut supply = Supply {
            state: State::On,
            switched_s: vec![NOW - 599],
            steps: Vec::new(),
        };
        assert_eq!(
            disconnect(&mut supply, &Policy::default(), world(NOW)),
            Err(Denial::TooSoon)
        );
        assert_eq!(
            disconnect(&mut supply, &Policy::default(), world(NOW + 1)),
            Ok(())
        );
        let mut set_back = Supply {
            state: State::On,
            switched_s: vec![NOW + 9_000],
            steps: Vec::new(),
        };
        assert_eq!(
            disconnect(&mut set_back, &Policy::default(), world(NOW)),
            Err(Denial::TooSoon)
        );
        let mut armed = Supply {
            state: State::Armed,
            ..off(NOW - 599)
        };
        assert_eq!(armed.button(NOW), Err(Denial::TooSoon));
    }

    #[test]
    fn six_switchings_a_day() {
        let switched_s: Vec<i64> = (1..=6).rev().map(|place| NOW - 4_000 * place).collect();
        let mut supply = Supply {
            state: State::On,
            switched_s,
            steps: Vec::new(),
        };
        assert_eq!(
            disconnect(&mut supply, &Policy::default(), world(NOW)),
            Err(Denial::TooOften)
        );
    }

    #[test]
    fn a_relay_that_stands_otherwise_is_an_alarm() {
        let mut supply = off(NOW);
        assert!(!supply.read_back(NOW, false));
        assert!(supply.read_back(NOW, true));
        assert!(supply.steps.last().unwrap().contains("ALARM"));
    }

    #[test]
    fn a_loss_of_power_keeps_the_last_state() {
        let policy = Policy::default();
        let mut supply = Supply::default();
        disconnect(&mut supply, &policy, world(NOW)).unwrap();
        let kept = serde_json::to_string(&supply).unwrap();
        let again: Supply = serde_json::from_str(&kept).unwrap();
        assert_eq!(again, supply);
    }

    #[test]
    fn every_step_is_noted() {
        let policy = Policy::default();
        let mut supply = Supply::default();
        disconnect(&mut supply, &policy, world(NOW)).unwrap();
        supply.tick(&policy, world(NOW + 60));
        let hot = Situation {
            outdoor_c: Some(40),
            ..world(NOW)
        };
        let _ = disconnect(&mut Supply::default(), &policy, hot);
        supply
            .command(&signed(Kind::Arm, 0), "", &policy, world(NOW + 70))
            .unwrap();
        supply.button(NOW + 700).unwrap();
        assert_eq!(supply.steps.len(), 4, "{:?}", supply.steps);
    }
}
