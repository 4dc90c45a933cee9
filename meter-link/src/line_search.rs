//! Finds speed and framing of a line on which a meter pushes text.
//!
//! At the wrong speed a line is noise. At the right speed with the wrong framing it is nearly
//! text, and which framing it has can be seen: [`look`] says so in words for the installer and
//! lets the search go straight there. Time is told, as everywhere.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::session::{Line, Parity};

/// Bytes that are looked at, the last ones.
const WINDOW: usize = 512;
/// So many bytes say what they are.
const ENOUGH: usize = 64;

/// What bytes look like that gave no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// There are too few to tell.
    TooFew,
    /// Text: speed and framing are right.
    Text,
    /// Text of seven bits whose parity was left in the highest bit.
    SevenBits(Parity),
    /// Text with holes where the parity does not fit: the line has eight bits and no parity, or the
    /// other parity.
    Holes,
    /// Text once the line is turned over: idle is low where it should be high.
    Inverted,
    /// Nothing of this: another speed, or no text at all.
    Noise,
}

impl Look {
    /// A sentence for the installer; `None` where there is nothing to say.
    #[must_use]
    pub const fn advice(self) -> Option<&'static str> {
        match self {
            Self::TooFew | Self::Text => None,
            Self::SevenBits(Parity::Odd) => {
                Some("this is text with seven data bits and odd parity (7O1)")
            }
            Self::SevenBits(_) => Some("this is text with seven data bits and even parity (7E1)"),
            Self::Holes => Some("text with gaps: the parity is not the one that is set"),
            Self::Inverted => Some(
                "the signal is upside down: the data line of a P1 port needs an inverter, or the inversion switched on in the cable",
            ),
            Self::Noise => Some("no text at this speed"),
        }
    }
}

/// What the bytes heard on a line look like.
#[must_use]
pub fn look(bytes: &[u8], line: Line) -> Look {
    if bytes.len() < ENOUGH {
        return Look::TooFew;
    }
    let share = |wanted: &dyn Fn(u8) -> bool| {
        let count = bytes.iter().filter(|byte| wanted(**byte)).count();
        count * 100 / bytes.len()
    };
    if share(&is_text) >= 95 {
        return Look::Text;
    }
    let stripped = share(&|byte| is_text(byte & 0x7F));
    if line.data_bits == 8 && stripped >= 95 {
        let even = share(&|byte| byte.count_ones().is_multiple_of(2));
        if even >= 95 {
            return Look::SevenBits(Parity::Even);
        }
        if even <= 5 {
            return Look::SevenBits(Parity::Odd);
        }
    }
    // A turned-over line of eight bits: the stop bit is heard as the start, the start bit as a
    // one, and behind it the seven bits of the character, each turned over.
    let turned = |byte: u8| byte & 1 == 1 && is_text(!(byte >> 1) & 0x7F);
    if share(&turned) >= 80 {
        return Look::Inverted;
    }
    let holes = share(&|byte| byte == 0);
    if (10..=75).contains(&holes) && share(&|byte| byte == 0 || is_text(byte)) >= 95 {
        return Look::Holes;
    }
    Look::Noise
}

const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b'\t' | 2 | 3 | b' '..=b'~')
}

/// What is to be done about a line that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The line to listen to now.
    pub line: Line,
    /// What was heard at the line before, if anything was.
    pub heard: Option<&'static str>,
}

/// Tries one line after another until a message is understood.
#[derive(Clone, Debug)]
pub struct LineSearch {
    candidates: Vec<Line>,
    at: usize,
    patience: Duration,
    /// The end of the turn; `None` while nothing is to be searched.
    deadline: Option<Instant>,
    known: bool,
    heard: VecDeque<u8>,
}

impl LineSearch {
    /// A search among `candidates`, the likeliest first, which listens to each for `patience`:
    /// a little longer than the meter's period. With one candidate nothing is ever changed.
    #[must_use]
    pub fn new(candidates: Vec<Line>, patience: Duration) -> Self {
        Self {
            candidates,
            at: 0,
            patience,
            deadline: None,
            known: false,
            heard: VecDeque::new(),
        }
    }

    /// A line that the installer has said.
    #[must_use]
    pub fn fixed(line: Line) -> Self {
        Self::new(vec![line], Duration::MAX)
    }

    /// The line that is being tried or was found.
    #[must_use]
    pub fn line(&self) -> Line {
        let first = Line::eight_none(9600);
        self.candidates.get(self.at).copied().unwrap_or(first)
    }

    /// Begins: the port was opened. A line that was found stays the first to be tried.
    pub fn restart(&mut self, now: Instant) {
        self.heard.clear();
        self.wait(now);
    }

    /// A message was understood on this line.
    pub fn understood(&mut self) {
        self.known = true;
        self.heard.clear();
        self.deadline = None;
    }

    /// Takes bytes, and says which line to turn to when they show that this one is wrong. Call
    /// after [`LineSearch::understood`], if they completed a message.
    pub fn hear(&mut self, bytes: &[u8], now: Instant) -> Option<Turn> {
        self.heard.extend(bytes);
        let excess = self.heard.len().saturating_sub(WINDOW);
        self.heard.drain(..excess);
        if self.candidates.len() < 2 || (self.known && self.heard.len() < WINDOW) {
            return None;
        }
        if self.known {
            // So much without a message: the meter was changed, or its port.
            self.known = false;
            self.wait(now);
        }
        match self.look() {
            Look::SevenBits(parity) => {
                let wanted = Line {
                    data_bits: 7,
                    parity,
                    ..self.line()
                };
                let place = self.candidates.iter().position(|line| *line == wanted)?;
                self.turn_to(place, now)
            }
            Look::Noise | Look::Holes if self.heard.len() == WINDOW => self.next(now),
            _ => None,
        }
    }

    /// When [`LineSearch::handle_timeout`] is to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes note of the time; the line to turn to when this one has had its turn.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Turn> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return None;
        }
        self.next(now)
    }

    /// What was heard since the last message looks like.
    #[must_use]
    pub fn look(&self) -> Look {
        let bytes: Vec<u8> = self.heard.iter().copied().collect();
        look(&bytes, self.line())
    }

    fn next(&mut self, now: Instant) -> Option<Turn> {
        let place = (self.at + 1) % self.candidates.len().max(1);
        self.turn_to(place, now)
    }

    fn turn_to(&mut self, place: usize, now: Instant) -> Option<Turn> {
        let heard = self.look().advice();
        self.at = place;
        self.heard.clear();
        self.wait(now);
        Some(Turn {
            line: self.line(),
            heard,
        })
    }

    fn wait(&mut self, now: Instant) {
        let searches = self.candidates.len() > 1 && !self.known;
        self.deadline = searches.then(|| now + self.patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"/KFM5KAIFA-METER\r\n\r\n1-3:0.2.8(42)\r\n0-0:1.0.0(161113205757W)\r\n1-0:1.8.1(001581.123*kWh)\r\n";

    fn with_parity(odd: bool) -> Vec<u8> {
        let add = |byte: &u8| byte | (u8::from((byte.count_ones() % 2 == 1) != odd) << 7);
        TEXT.iter().map(add).collect()
    }

    /// A line drawn bit by bit, turned over, and received with eight bits and no parity.
    fn turned_over(bytes: &[u8]) -> Vec<u8> {
        let mut wire = vec![true; 20];
        for byte in bytes {
            wire.push(false);
            wire.extend((0..8).map(|bit| byte >> bit & 1 == 1));
            wire.push(true);
        }
        let wire: Vec<bool> = wire.iter().map(|bit| !bit).collect();
        let mut heard = Vec::new();
        let mut at = 1;
        while at + 9 < wire.len() {
            if wire[at] || !wire[at - 1] {
                at += 1;
                continue;
            }
            let bits = (0..8u8).map(|bit| u8::from(wire[at + 1 + usize::from(bit)]) << bit);
            heard.push(bits.sum());
            at += 9;
        }
        heard
    }

    #[test]
    fn framings_are_seen() {
        let line = Line::eight_none(115_200);
        assert_eq!(look(&TEXT[..20], line), Look::TooFew);
        assert_eq!(look(TEXT, line), Look::Text);
        assert_eq!(
            look(&with_parity(false), line),
            Look::SevenBits(Parity::Even)
        );
        assert_eq!(look(&with_parity(true), line), Look::SevenBits(Parity::Odd));
        let holes: Vec<u8> = TEXT
            .iter()
            .map(|byte| if byte.count_ones() % 2 == 1 { 0 } else { *byte })
            .collect();
        assert_eq!(look(&holes, Line::seven_even(9600)), Look::Holes);
        assert_eq!(look(&turned_over(&TEXT.repeat(4)), line), Look::Inverted);
        let noise: Vec<u8> = (0..=255u8)
            .map(|byte| byte.wrapping_mul(167) | 0x81)
            .collect();
        assert_eq!(look(&noise, line), Look::Noise);
    }

    #[test]
    fn the_search_goes_round_and_stays_where_it_understood() {
        let lines = vec![Line::eight_none(115_200), Line::seven_even(9600)];
        let mut search = LineSearch::new(lines.clone(), Duration::from_secs(12));
        let start = Instant::now();
        search.restart(start);
        let at = |s| start + Duration::from_secs(s);
        assert_eq!(search.handle_timeout(at(11)), None);
        assert_eq!(search.handle_timeout(at(12)).unwrap().line, lines[1]);
        assert_eq!(search.handle_timeout(at(24)).unwrap().line, lines[0]);
        // Noise needs no patience.
        let noise: Vec<u8> = (0..=255u8)
            .map(|byte| byte.wrapping_mul(167) | 0x81)
            .collect();
        assert_eq!(search.hear(&noise, at(25)), None);
        let turn = search.hear(&noise, at(25)).unwrap();
        assert_eq!((turn.line, turn.heard.is_some()), (lines[1], true));
        search.understood();
        assert_eq!((search.poll_timeout(), search.line()), (None, lines[1]));
        // Silence is no reason to search again; so much noise is.
        search.restart(at(99));
        assert_eq!(search.poll_timeout(), None);
        assert_eq!(search.hear(&noise, at(100)), None);
        assert_eq!(search.hear(&noise, at(100)).unwrap().line, lines[0]);
    }

    #[test]
    fn parity_in_the_bytes_leads_straight_there() {
        let lines = vec![
            Line::eight_none(9600),
            Line::eight_none(115_200),
            Line::seven_even(9600),
        ];
        let mut search = LineSearch::new(lines, Duration::from_secs(12));
        let now = Instant::now();
        search.restart(now);
        let turn = search.hear(&with_parity(false), now).unwrap();
        assert_eq!(turn.line, Line::seven_even(9600));
        assert!(turn.heard.unwrap().contains("7E1"));
    }

    #[test]
    fn what_the_installer_said_holds() {
        let mut search = LineSearch::fixed(Line::eight_none(9600));
        let now = Instant::now();
        search.restart(now);
        assert_eq!(search.poll_timeout(), None);
        assert_eq!(search.hear(&[0x93; 2000], now), None);
        assert_eq!(search.line(), Line::eight_none(9600));
    }
}
