//! The search itself: one step after the other until a meter is found.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::LONGEST;
use super::ask::{self, Answer, Ask, Registers};
use super::ears::Ears;
use super::finding::{Finding, Missing, Protocol, Verdict};
use super::plan::{self, Step};
use crate::iec62056_21::{Agreement, Config, Identification, Mode, Purpose, ReadoutReader, Terms};
use crate::line_search::{Look, look};
use crate::session::{Action, Line, Session};

/// Bytes of an answer that are kept.
const ANSWER: usize = 4 * 1024;
/// How long the readout of a meter that was found is waited for, to learn its number.
const READOUT: Duration = Duration::from_secs(20);
/// How long a meter whose identification was not acknowledged takes to forget the reader.
const FORGETS: Duration = Duration::from_millis(2_500);

/// What the probe is doing, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Since the start.
    pub elapsed: Duration,
    /// A sentence without its full stop.
    pub text: String,
}

/// A [`Session`] that finds out what is at its port. [`Session::restart`] starts it.
pub struct Probe {
    network: bool,
    begun: Option<Instant>,
    line: Line,
    step: Option<Step>,
    steps: VecDeque<Step>,
    ears: Ears,
    heard: Vec<u8>,
    /// Bytes heard in all, those sent not counted.
    total: usize,
    /// Questions whose only answer was their echo, and questions in all.
    echoes: (u32, u32),
    looks: Vec<(Line, Look)>,
    readout: Option<ReadoutReader>,
    finding: Option<Finding>,
    verdict: Option<Verdict>,
    actions: VecDeque<Action>,
    progress: VecDeque<Progress>,
    deadline: Option<Instant>,
    asked_lines: bool,
}

impl Probe {
    /// A probe of a serial port.
    #[must_use]
    pub fn serial() -> Self {
        Self::with(false)
    }

    /// A probe of a network address, behind which there is no line to change.
    #[must_use]
    pub fn network() -> Self {
        Self::with(true)
    }

    fn with(network: bool) -> Self {
        let line = Line::eight_none(9_600);
        Self {
            network,
            begun: None,
            line,
            step: None,
            steps: VecDeque::new(),
            ears: Ears::new(line),
            heard: Vec::new(),
            total: 0,
            echoes: (0, 0),
            looks: Vec::new(),
            readout: None,
            finding: None,
            verdict: None,
            actions: VecDeque::new(),
            progress: VecDeque::new(),
            deadline: None,
            asked_lines: false,
        }
    }

    /// What is being done, as it changes.
    pub fn poll_progress(&mut self) -> Option<Progress> {
        self.progress.pop_front()
    }

    /// What came of it, once it is over.
    #[must_use]
    pub const fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    fn own_line(&self) -> Option<Line> {
        (!self.network).then_some(self.line)
    }

    fn say(&mut self, text: String, now: Instant) {
        let elapsed = self.begun.map_or(Duration::ZERO, |begun| now - begun);
        self.progress.push_back(Progress { elapsed, text });
    }

    /// Goes to the next step, or comes to the end.
    fn advance(&mut self, now: Instant) {
        self.close_step();
        let out_of_time = self
            .begun
            .is_some_and(|begun| now.saturating_duration_since(begun) + FORGETS >= LONGEST);
        let next = self.steps.pop_front().filter(|_| !out_of_time);
        let Some(step) = next else {
            return self.conclude();
        };
        if let Some(line) = step.line
            && line != self.line
        {
            self.line = line;
            self.actions.push_back(Action::SetLine(line));
        }
        self.ears = Ears::new(self.line);
        self.heard.clear();
        let at = step
            .line
            .map_or(String::new(), |line| format!(" at {line}"));
        let text = match step.ask {
            None => format!("listening{at}"),
            Some(Ask::SignOn) => format!("IEC 62056-21: asking who is there{at}"),
            Some(Ask::Snrm(_) | Ask::Disconnect(_)) => format!("DLMS over HDLC: asking{at}"),
            Some(Ask::Aarq) => "DLMS over TCP: asking".to_owned(),
            Some(Ask::Identify) => format!("ANSI C12.18: asking who is there{at}"),
            Some(Ask::Rtu { unit, .. }) => format!("Modbus RTU: asking unit {unit}{at}"),
            Some(Ask::Mbap(_)) => "Modbus TCP: asking unit 1".to_owned(),
        };
        self.say(text, now);
        if let Some(ask) = step.ask {
            self.actions.push_back(Action::Send(ask.bytes()));
        }
        self.deadline = Some(now + step.patience);
        self.step = Some(step);
    }

    /// Takes note of what a step without a finding has shown.
    fn close_step(&mut self) {
        let Some(step) = self.step.take() else { return };
        if let Some(ask) = step.ask {
            let (echoes, asked) = self.echoes;
            let is_echo = !self.heard.is_empty() && self.heard == ask.bytes();
            self.echoes = (echoes + u32::from(is_echo), asked + 1);
            if !is_echo {
                self.total += self.heard.len();
            }
            return;
        }
        self.total += self.heard.len();
        let seen = look(&self.heard, self.line);
        if seen != Look::TooFew {
            self.looks.push((self.line, seen));
        }
        if let (Look::SevenBits(parity), false) = (seen, self.network) {
            self.steps
                .push_front(plan::seven_bits(self.line.baud, parity));
        }
        if !self.network && !std::mem::replace(&mut self.asked_lines, true) && self.total > 0 {
            for step in plan::other_lines().into_iter().rev() {
                self.steps.push_front(step);
            }
        }
    }

    fn found(&mut self, finding: Finding, now: Instant) {
        self.say(format!("found: {}", finding.protocol.name()), now);
        self.step = None;
        self.finding = Some(finding);
        self.conclude();
    }

    fn conclude(&mut self) {
        self.deadline = None;
        self.step = None;
        let mut remarks = Vec::new();
        if self.finding.is_none() {
            remarks = self.why_nothing();
        }
        self.verdict = Some(Verdict {
            finding: self.finding.take(),
            remarks,
        });
    }

    fn why_nothing(&self) -> Vec<String> {
        let mut told = Vec::new();
        let inverted = self.looks.iter().find(|(_, look)| *look == Look::Inverted);
        if let Some((line, look)) = inverted {
            told.push(format!("at {line}: {}", look.advice().unwrap_or_default()));
            return told;
        }
        let (echoes, asked) = self.echoes;
        if asked > 0 && echoes * 2 > asked {
            told.push(
                "only the echo of what was sent comes back: the head hears itself. It sits on the wrong side, \
                 turned by 180 degrees, or on no meter's optical port"
                    .to_owned(),
            );
        } else if self.total == 0 {
            let more = match self.network {
                true => "is this the right address, and is the meter connected to the converter?",
                false => {
                    "is the head powered (--head-power rts, dtr or both), on the right side and the right way up, \
                     and is this the right port? On RS-485, are A and B swapped?"
                }
            };
            told.push(format!("nothing at all was heard: {more}"));
        } else {
            told.push(
                "something is heard, but no protocol is understood: the meter may speak one that is not known here, \
                 the line may be disturbed, or two devices speak at once"
                    .to_owned(),
            );
        }
        for (line, look) in &self.looks {
            if matches!(look, Look::Text | Look::SevenBits(_) | Look::Holes) {
                told.push(format!("at {line} there is text that is no whole telegram"));
            }
        }
        told
    }

    fn answered(&mut self, ask: Ask, answer: Answer, now: Instant) {
        match (ask, answer) {
            (_, Answer::SignedOn(identification)) => self.signed_on(&identification, now),
            (Ask::Snrm(width), Answer::Meter(finding)) => {
                self.actions
                    .push_back(Action::Send(Ask::Disconnect(width).bytes()));
                self.found(finding, now);
            }
            (Ask::Identify, Answer::Meter(finding)) => {
                // The packet is acknowledged, so that the meter does not send it again.
                self.actions.push_back(Action::Send(vec![0x06]));
                self.found(finding, now);
            }
            (_, Answer::Meter(finding)) => self.found(finding, now),
            (Ask::Rtu { unit, what }, Answer::Words(words)) => {
                self.modbus(Protocol::ModbusRtu, unit, what, words.as_deref(), now);
            }
            (Ask::Mbap(what), Answer::Words(words)) => {
                self.modbus(Protocol::ModbusTcp, 1, what, words.as_deref(), now);
            }
            (_, Answer::Words(_)) => {}
        }
    }

    /// A Modbus meter has answered: it is asked which it is.
    fn modbus(
        &mut self,
        protocol: Protocol,
        unit: u8,
        what: Registers,
        words: Option<&[u16]>,
        now: Instant,
    ) {
        let line = self.own_line();
        let finding = self.finding.get_or_insert_with(|| Finding {
            unit: Some(unit),
            missing: vec![Missing::Map],
            ..Finding::new(protocol, line)
        });
        ask::of_words(finding, what, words);
        let next = match what {
            Registers::Voltage => Registers::ProductCode,
            Registers::ProductCode => Registers::Serial,
            Registers::Serial if finding.map.is_none() => Registers::ControlsCode,
            Registers::Serial | Registers::ControlsCode => {
                if let Some(finding) = self.finding.take() {
                    self.found(finding, now);
                }
                return;
            }
        };
        let ask = match protocol {
            Protocol::ModbusTcp => Ask::Mbap(next),
            _ => Ask::Rtu { unit, what: next },
        };
        // A meter wants a silence between two requests.
        self.steps.clear();
        self.steps.push_front(Step {
            line,
            ask: Some(ask),
            patience: Duration::from_millis(1_000),
        });
        self.step = None;
        self.deadline = Some(now + Duration::from_millis(150));
    }

    /// A meter has identified itself: it is read out, to learn its number. Of mode E, too, since
    /// nothing else says it without an association.
    fn signed_on(&mut self, identification: &Identification, now: Instant) {
        let line = Line::seven_even(300);
        let finding = ask::of_sign_on(identification, line);
        self.say(
            format!(
                "{} has answered, reading its number",
                identification.manufacturer
            ),
            now,
        );
        self.finding = Some(finding);
        self.step = None;
        let config = Config {
            repeats: 1,
            period: LONGEST,
            retry_after: LONGEST,
            ..Config::default()
        };
        let mut reader = ReadoutReader::new(config);
        reader.restart(now);
        reader.handle_timeout(now);
        // Its own sign-on has been said already.
        while reader.poll_action().is_some() {}
        reader.handle_input(&self.heard, now);
        if matches!(identification.mode, Mode::C | Mode::E) {
            let terms = Terms {
                line,
                max_baud: 19_200,
                switch_gap: None,
            };
            let agreed = Agreement::new(identification, Purpose::Readout, &terms).line;
            if let Some(finding) = &mut self.finding {
                finding.line = Some(agreed);
            }
        }
        self.readout = Some(reader);
        self.deadline = Some(now + READOUT);
        self.pump_readout(now);
    }

    /// Hands on what the readout wants done; its end is the probe's.
    fn pump_readout(&mut self, now: Instant) {
        let Some(mut reader) = self.readout.take() else {
            return;
        };
        while let Some(action) = reader.poll_action() {
            match action {
                Action::Telegram(telegram) => {
                    if let Some(mut finding) = self.finding.take() {
                        finding.meter = telegram.meter;
                        // What the configuration wants is the speed of the sign-on.
                        finding.line = Some(Line::seven_even(300));
                        return self.found(finding, now);
                    }
                }
                Action::Rejected(_) => {}
                other => self.actions.push_back(other),
            }
        }
        self.readout = Some(reader);
    }

    fn readout_failed(&mut self, now: Instant) {
        self.readout = None;
        if let Some(mut finding) = self.finding.take() {
            finding.line = Some(Line::seven_even(300));
            self.found(finding, now);
        }
    }
}

impl Session for Probe {
    fn line(&self) -> Line {
        self.line
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        if self.verdict.is_some() {
            return;
        }
        if let Some(reader) = &mut self.readout {
            reader.handle_input(bytes, now);
            return self.pump_readout(now);
        }
        let Some(step) = self.step else { return };
        let room = ANSWER.saturating_sub(self.heard.len());
        self.heard.extend(bytes.iter().take(room));
        if let Some(ask) = step.ask {
            if let Some(answer) = ask.answer(&self.heard, self.own_line()) {
                self.answered(ask, answer, now);
            }
            return;
        }
        if let Some(mut finding) = self.ears.hear(bytes, now) {
            if self.network {
                finding.line = None;
            }
            return self.found(finding, now);
        }
        // At another speed than the meter's there is no use in waiting for more.
        let elsewhere = !self.asked_lines || self.steps.iter().any(|step| step.ask.is_none());
        let seen = look(&self.heard, self.line);
        let hopeless =
            seen == Look::Noise && self.heard.len() >= 1_500 && elsewhere && !self.network;
        let other_framing = matches!(seen, Look::SevenBits(_)) && self.heard.len() >= 256;
        if hopeless || (other_framing && !self.network) {
            self.advance(now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(reader) = &mut self.readout {
            if reader.poll_timeout().is_some_and(|due| due <= now) {
                reader.handle_timeout(now);
                self.pump_readout(now);
            }
            // The reader rests only after it has failed.
            let resting = self
                .readout
                .as_ref()
                .and_then(ReadoutReader::poll_timeout)
                .is_some_and(|due| due > now + READOUT);
            if resting || self.deadline.is_some_and(|deadline| deadline <= now) {
                self.readout_failed(now);
            }
            return;
        }
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        // A Modbus meter that has answered once and then no more is found all the same.
        if self.step.is_some()
            && let Some(finding) = self.finding.take()
        {
            return self.found(finding, now);
        }
        self.advance(now);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let reader = self.readout.as_ref().and_then(ReadoutReader::poll_timeout);
        [self.deadline, reader].into_iter().flatten().min()
    }

    fn restart(&mut self, now: Instant) {
        *self = Self::with(self.network);
        self.begun = Some(now);
        self.steps = match self.network {
            true => plan::network_steps(),
            false => {
                let mut steps = plan::serial_questions();
                steps.push_front(plan::first_serial());
                steps
            }
        };
        self.advance(now);
    }
}

#[cfg(test)]
mod tests;
