//! The opening of mode E (IEC 62056-21, clause 6.4.5 and annex E): a request at 300 Bd, an
//! identification, an acknowledgement that chooses HDLC, and the change of the line.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::Opening;
use crate::iec62056_21::{Identification, Splitter, encode};
use crate::session::{Action, Line};

/// Characters of the longest identification line.
const LONGEST_LINE: u32 = 48;
/// Longest gap in front of a change of speed that is waited.
const MAX_GAP: Duration = Duration::from_millis(500);
/// How long the meter's own acknowledgement is waited for after the change.
const SETTLE: Duration = Duration::from_millis(400);
/// Requests before it is given up.
const REQUESTS: u8 = 2;

enum State {
    Asked,
    Switching(Line),
    Settling(Line),
}

/// How an opening went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// HDLC begins, on this line.
    On(Line),
    /// The meter did not answer, or offers no mode E.
    Failed,
}

/// An opening under way.
pub(super) struct SignOn {
    opening: Opening,
    fastest: u32,
    state: State,
    splitter: Splitter,
    requests: u8,
    echo: Vec<u8>,
    deadline: Instant,
}

impl SignOn {
    /// Begins: sends the request.
    pub(super) fn new(
        opening: Opening,
        fastest: u32,
        actions: &mut VecDeque<Action>,
        now: Instant,
    ) -> Self {
        let mut new = Self {
            opening,
            fastest,
            state: State::Asked,
            splitter: Splitter::new(),
            requests: 0,
            echo: Vec::new(),
            deadline: now,
        };
        new.ask(actions, now);
        new
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    fn ask(&mut self, actions: &mut VecDeque<Action>, now: Instant) {
        self.requests += 1;
        self.splitter = Splitter::new();
        let request = encode::request(&self.opening.address);
        let characters = u32::try_from(request.len()).unwrap_or(0) + LONGEST_LINE;
        actions.push_back(Action::SetLine(self.opening.line));
        actions.push_back(Action::Send(request));
        self.state = State::Asked;
        self.deadline =
            now + self.opening.answer_timeout + sending_time(self.opening.line, characters);
    }

    pub(super) fn handle_input(
        &mut self,
        bytes: &[u8],
        actions: &mut VecDeque<Action>,
        now: Instant,
    ) -> Option<Signed> {
        match self.state {
            State::Asked => {
                let mut input = bytes;
                while self.splitter.pull(&mut input).is_some() {}
                let identification = self.splitter.identification()?;
                self.identified(&identification, actions, now)
            }
            State::Switching(_) => None,
            State::Settling(line) => {
                self.echo.extend(bytes.iter().take(64));
                // The meter repeats the acknowledgement at the new speed; parity may spoil it.
                let ended = self.echo.iter().any(|byte| byte & 0x7F == b'\n');
                ended.then_some(Signed::On(line))
            }
        }
    }

    fn identified(
        &mut self,
        identification: &Identification,
        actions: &mut VecDeque<Action>,
        now: Instant,
    ) -> Option<Signed> {
        if identification.escape != Some('2') {
            return Some(Signed::Failed);
        }
        let offered = identification.baud().unwrap_or(300).min(self.fastest);
        let speeds = [
            ('6', 19_200),
            ('5', 9_600),
            ('4', 4_800),
            ('3', 2_400),
            ('2', 1_200),
            ('1', 600),
        ];
        let agreed = speeds.into_iter().find(|(_, speed)| *speed <= offered);
        let (code, speed) = agreed.unwrap_or(('0', 300));
        let acknowledgement = encode::acknowledgement('2', code, '2');
        let characters = u32::try_from(acknowledgement.len()).unwrap_or(0);
        let gap = self
            .opening
            .switch_gap
            .unwrap_or(match identification.is_quick() {
                true => Duration::from_millis(10),
                false => Duration::from_millis(180),
            });
        actions.push_back(Action::Send(acknowledgement));
        self.state = State::Switching(Line::eight_none(speed));
        self.deadline = now + sending_time(self.opening.line, characters) + gap.min(MAX_GAP);
        None
    }

    pub(super) fn handle_timeout(
        &mut self,
        actions: &mut VecDeque<Action>,
        now: Instant,
    ) -> Option<Signed> {
        if now < self.deadline {
            return None;
        }
        match self.state {
            State::Asked if self.requests < REQUESTS => {
                self.ask(actions, now);
                None
            }
            State::Asked => Some(Signed::Failed),
            State::Switching(line) => {
                actions.push_back(Action::SetLine(line));
                self.state = State::Settling(line);
                self.deadline = now + SETTLE;
                None
            }
            State::Settling(line) => Some(Signed::On(line)),
        }
    }
}

/// What so many characters take: start, data, parity and stop.
pub(super) fn sending_time(line: Line, characters: u32) -> Duration {
    Duration::from_secs(10) * characters / line.baud.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sends(actions: &mut VecDeque<Action>) -> Vec<Vec<u8>> {
        let sent = actions.drain(..).filter_map(|action| match action {
            Action::Send(bytes) => Some(bytes),
            _ => None,
        });
        sent.collect()
    }

    #[test]
    fn the_line_changes_after_the_acknowledgement() {
        let start = Instant::now();
        let mut actions = VecDeque::new();
        let mut sign_on = SignOn::new(Opening::default(), 9_600, &mut actions, start);
        assert_eq!(
            actions.pop_front(),
            Some(Action::SetLine(Line::seven_even(300)))
        );
        assert_eq!(sends(&mut actions), [b"/?!\r\n"]);
        for part in b"/LGZ6\\2ZMD4104407.B31\r\n".chunks(4) {
            assert_eq!(sign_on.handle_input(part, &mut actions, start), None);
        }
        assert_eq!(sends(&mut actions), [b"\x06252\r\n"]);
        // Six characters at 300 Bd and the reaction time of clause 6.3.
        let switched = start + Duration::from_millis(200 + 180);
        assert_eq!(sign_on.deadline(), switched);
        assert_eq!(sign_on.handle_timeout(&mut actions, start), None);
        assert!(actions.is_empty());
        assert_eq!(sign_on.handle_timeout(&mut actions, switched), None);
        let line = Line::eight_none(9_600);
        assert_eq!(actions.pop_front(), Some(Action::SetLine(line)));
        let echo = b"\x06\xB2\x35\xB2\x8D\x0A";
        assert_eq!(
            sign_on.handle_input(echo, &mut actions, switched),
            Some(Signed::On(line))
        );
    }

    #[test]
    fn a_silent_meter_and_one_without_mode_e() {
        let start = Instant::now();
        let mut actions = VecDeque::new();
        let mut sign_on = SignOn::new(Opening::default(), 9_600, &mut actions, start);
        let again = sign_on.deadline();
        assert_eq!(sign_on.handle_timeout(&mut actions, again), None);
        assert_eq!(sends(&mut actions).len(), 2);
        let over = sign_on.deadline();
        assert_eq!(
            sign_on.handle_timeout(&mut actions, over),
            Some(Signed::Failed)
        );
        let mut sign_on = SignOn::new(Opening::default(), 9_600, &mut actions, start);
        let found = sign_on.handle_input(b"/ISk5MT174-0001\r\n", &mut actions, start);
        assert_eq!(found, Some(Signed::Failed));
    }
}
