//! Calling a meter through a modem with AT commands (ITU-T V.250), as C12.21 leaves to the two
//! ends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A modem and the number it calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modem {
    /// What is dialled: digits, `*`, `#`, `,` and `+`.
    pub number: String,
    /// Commands before dialling, without the `AT` in front; empty for none.
    pub init: String,
    /// Longest wait for the connection.
    pub patience: Duration,
}

impl Modem {
    /// A modem that is reset and then dials `number`; `None` for anything that is no number.
    #[must_use]
    pub fn new(number: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'*' | b'#' | b',' | b'+');
        let fits = (1..=32).contains(&number.len()) && number.bytes().all(legal);
        fits.then(|| Self {
            number: number.to_owned(),
            init: "Z".to_owned(),
            patience: Duration::from_secs(60),
        })
    }
}

/// What dialling wants done, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send(Vec<u8>),
    Connected,
    Failed(String),
}

/// Answer to a command.
const COMMAND_PATIENCE: Duration = Duration::from_secs(3);
/// The silence that makes the escape sequence one, before and after it.
pub(super) const GUARD: Duration = Duration::from_millis(1_100);
/// Takes a modem out of its call, and ends that.
pub(super) const HANG_UP: [&[u8]; 2] = [b"+++", b"ATH\r"];
/// Octets of a line that are looked at.
const MAX_LINE: usize = 128;

#[derive(Debug)]
pub(super) struct Dialling {
    commands: VecDeque<(String, Duration)>,
    steps: VecDeque<Step>,
    line: Vec<u8>,
    due: Option<Instant>,
    now: Instant,
}

impl Dialling {
    pub(super) fn start(modem: &Modem, now: Instant) -> Self {
        let mut commands = VecDeque::new();
        if !modem.init.is_empty() {
            commands.push_back((format!("AT{}\r", modem.init), COMMAND_PATIENCE));
        }
        commands.push_back((format!("ATDT{}\r", modem.number), modem.patience));
        let mut dialling = Self {
            commands,
            steps: VecDeque::new(),
            line: Vec::new(),
            due: None,
            now,
        };
        dialling.command();
        dialling
    }

    fn command(&mut self) {
        if let Some((command, patience)) = self.commands.front() {
            self.steps
                .push_back(Step::Send(command.clone().into_bytes()));
            self.due = Some(self.now + *patience);
        }
    }

    pub(super) fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.now = now;
        for byte in bytes {
            if !matches!(byte, b'\r' | b'\n') {
                if self.line.len() < MAX_LINE {
                    self.line.push(*byte);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&self.line).trim().to_owned();
            self.line.clear();
            match line.as_str() {
                "OK" if self.commands.len() > 1 => {
                    self.commands.pop_front();
                    self.command();
                }
                "NO CARRIER" | "BUSY" | "NO ANSWER" | "NO DIALTONE" | "NO DIAL TONE" | "ERROR" => {
                    self.fail(&format!("the modem answered {line}"));
                }
                _ if line.starts_with("CONNECT") => {
                    self.due = None;
                    self.steps.push_back(Step::Connected);
                }
                // The echo of a command, RING and the like.
                _ => {}
            }
        }
    }

    fn fail(&mut self, reason: &str) {
        self.due = None;
        self.steps.push_back(Step::Failed(reason.to_owned()));
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.due.is_some_and(|due| due <= now) {
            self.fail("the modem does not answer");
        }
    }

    pub(super) fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}
