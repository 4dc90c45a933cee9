//! Listens to a meter that pushes P1 telegrams.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::cipher::{CipheredFrame, Keys, Verdict};
use super::registers::readings;
use super::splitter::{Event, Message, Splitter};
use super::telegram::{LineCheck, Telegram};
use crate::dlms::security::{CipherError, ReplayWindow};
use crate::line_search::{LineSearch, Look, Turn};
use crate::model::{RegisterValue, Telegram as Reading};
use crate::session::{Action, Line, Parity, Rejected, Session};

/// After so long a silence nothing more comes of a telegram that has begun. Meters send a
/// telegram in one go, and the next a second or ten later.
pub const SILENCE: Duration = Duration::from_millis(750);

/// How often a channel's reading is handed on while it stays the same: gas meters report every
/// five minutes or every hour, and the telegram repeats it every second. A little less than ten
/// seconds, the period of meters before DSMR 5.
const REPEAT: Duration = Duration::from_secs(9);

/// After so many bytes of noise it is told, although its end is not known.
const TELL_NOISE: u64 = 4096;

/// How long each line is listened to while it is not known: meters before DSMR 5 send every ten
/// seconds.
const PATIENCE: Duration = Duration::from_secs(12);

/// Lines of P1 ports, the likeliest first: DSMR 4 and later, DSMR 2.2 and 3, and what users met.
const LINES: [Line; 5] = [
    Line::eight_none(115_200),
    Line::seven_even(9_600),
    Line {
        parity: Parity::Even,
        ..Line::eight_none(115_200)
    },
    Line::eight_none(9_600),
    Line::seven_even(115_200),
];

/// A [`Session`] that listens: it never sends.
///
/// A telegram becomes one [`Reading`] of the meter and one for each meter on its M-Bus channels,
/// the latter when something in them has changed, or after nine seconds. With an encryption key only
/// ciphered telegrams count. Once a telegram had a CRC, those without one are rejected, and of
/// authenticated frames those whose invocation counter does not rise.
#[derive(Debug)]
pub struct Listener {
    search: LineSearch,
    keys: Keys,
    splitter: Splitter,
    actions: VecDeque<Action>,
    deadline: Option<Instant>,
    seen_crc: bool,
    counters: ReplayWindow,
    channels: BTreeMap<u8, (Vec<RegisterValue>, Instant)>,
}

impl Default for Listener {
    fn default() -> Self {
        Self::searching(Keys::default())
    }
}

impl Listener {
    /// A listener on a line that is known: 115200 8N1 from DSMR 4 on, 9600 7E1 before.
    #[must_use]
    pub fn new(line: Line, keys: Keys) -> Self {
        Self::with(LineSearch::fixed(line), keys)
    }

    /// A listener that finds speed and framing of its line by itself.
    #[must_use]
    pub fn searching(keys: Keys) -> Self {
        Self::with(LineSearch::new(LINES.to_vec(), PATIENCE), keys)
    }

    fn with(search: LineSearch, keys: Keys) -> Self {
        Self {
            search,
            keys,
            splitter: Splitter::new(),
            actions: VecDeque::new(),
            deadline: None,
            seen_crc: false,
            counters: ReplayWindow::default(),
            channels: BTreeMap::new(),
        }
    }

    fn found(&mut self, event: Event, now: Instant) {
        let length = usize::try_from(event.length).unwrap_or(usize::MAX);
        let taken = match event.message {
            Message::Rejected(fault) => Err(fault.to_string()),
            Message::Telegram(telegram) => self.plain(&telegram, now),
            Message::Ciphered(frame) => self.ciphered(&frame, now),
        };
        if let Err(reason) = taken {
            let rejected = Rejected { reason, length };
            self.actions.push_back(Action::Rejected(rejected));
        }
    }

    fn plain(&mut self, telegram: &Telegram, now: Instant) -> Result<(), String> {
        if !self.keys.encryption.is_empty() {
            return Err(CipherError::NotCiphered.to_string());
        }
        match telegram.check {
            LineCheck::Crc => self.seen_crc = true,
            LineCheck::Absent if self.seen_crc => {
                return Err("the telegram has no CRC although others had one".to_owned());
            }
            LineCheck::Absent => {}
        }
        self.hand_on(readings(telegram, false), now);
        Ok(())
    }

    fn ciphered(&mut self, frame: &CipheredFrame, now: Instant) -> Result<(), String> {
        let opened = frame.open(&self.keys).map_err(|error| error.to_string())?;
        let authentic = opened.verdict == Verdict::Authenticated;
        if authentic {
            // Nobody but the meter can make a new title here, since the tag is right.
            let counter = frame.invocation_counter;
            if !self.counters.accept(frame.system_title, counter) {
                return Err(format!(
                    "the invocation counter {counter} does not rise: a frame was sent again"
                ));
            }
        }
        let mut found = readings(&opened.telegram, authentic);
        if let Some(own) = found.first_mut() {
            own.raw.clone_from(&frame.raw);
        }
        self.hand_on(found, now);
        Ok(())
    }

    fn turn(&mut self, Turn { line, heard }: Turn) {
        self.splitter = Splitter::new();
        self.deadline = None;
        self.actions.push_back(Action::SetLine(line));
        // Silence is told by whoever waits for readings.
        if let Some(heard) = heard {
            self.actions.push_back(Action::Rejected(Rejected {
                reason: format!("{heard}; listening at {line} now"),
                length: 0,
            }));
        }
    }

    fn hand_on(&mut self, found: Vec<Reading>, now: Instant) {
        for reading in found {
            if let Some(channel) = reading.channel {
                let known = self.channels.get(&channel.number);
                let same = |(values, at): &(Vec<RegisterValue>, Instant)| {
                    *values == reading.values && now.saturating_duration_since(*at) < REPEAT
                };
                if known.is_some_and(same) {
                    continue;
                }
                self.channels
                    .insert(channel.number, (reading.values.clone(), now));
            }
            self.actions.push_back(Action::Telegram(Box::new(reading)));
        }
    }
}

impl Session for Listener {
    /// The line that is being tried, was found, or was given.
    fn line(&self) -> Line {
        self.search.line()
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        let mut input = bytes;
        let mut understood = false;
        while let Some(event) = self.splitter.pull(&mut input) {
            understood |= !matches!(event.message, Message::Rejected(_));
            self.found(event, now);
        }
        if understood {
            self.search.understood();
        } else if !self.splitter.is_inside()
            && let Some(turn) = self.search.hear(bytes, now)
        {
            return self.turn(turn);
        }
        if self.splitter.noise() >= TELL_NOISE
            && let Some(noise) = self.splitter.tell_noise()
        {
            self.found(noise, now);
        }
        let waits = self.splitter.is_inside() || self.splitter.noise() > 0;
        self.deadline = waits.then(|| now + SILENCE);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(turn) = self.search.handle_timeout(now) {
            return self.turn(turn);
        }
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.deadline = None;
        if self.search.look() == Look::Inverted
            && let Some(reason) = Look::Inverted.advice()
        {
            let reason = reason.to_owned();
            self.actions
                .push_back(Action::Rejected(Rejected { reason, length: 0 }));
        }
        while let Some(event) = self.splitter.finish() {
            self.found(event, now);
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let search = self.search.poll_timeout();
        [self.deadline, search].into_iter().flatten().min()
    }

    fn restart(&mut self, now: Instant) {
        self.search.restart(now);
        self.splitter = Splitter::new();
        self.deadline = None;
    }
}
