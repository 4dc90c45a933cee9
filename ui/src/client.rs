//! Reads the gateway's event stream: HTTP/1.1 and server-sent events over a Unix socket.
//!
//! One thread connects, reads, and connects again for ever, waiting from a quarter of a second to
//! eight seconds between attempts. It keeps only the newest state; the display takes it from the
//! [`Mailbox`] at its own pace.

use jiff::Timestamp;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::mem::discriminant;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use wattle_api::{
    BILL_PATH, CONSENTS_PATH, EVENTS_PATH, HEARD_PATH, LEDGER_PATH, MESSAGES_PATH, Medium,
    POWERLINE_PATH, RUN_ADVICE_PATH, SUPPLY_PATH, State, USAGE_PATH, Usage, UsageSpan, ZIGBEE_PATH,
};

use crate::bind::Answers;
use crate::command::Done;
use crate::http::{self, Chunked, LONGEST_LINE, invalid};

/// Where the gateway listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/wattle/api.sock";

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// What the gateway said last, and when.
#[derive(Clone, Debug, Default)]
pub struct Mailbox(Arc<Mutex<News>>);

/// The newest of everything.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// The last state and when it came.
    pub state: Option<(State, Instant)>,
    /// Whether the gateway is connected now.
    pub connected: bool,
    /// Why not, in words for a log.
    pub trouble: Option<String>,
    /// What was answered to requests.
    pub answers: Answers,
    /// What came of the last command.
    pub done: Option<Done>,
}

impl Mailbox {
    /// A copy of what is in it.
    #[must_use]
    pub fn read(&self) -> News {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn write(&self, change: impl FnOnce(&mut News)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Starts reading from `socket`. `arrived` is called on the reading thread after each change.
///
/// # Errors
/// When no thread can be started.
pub fn start(socket: PathBuf, arrived: impl Fn() + Send + 'static) -> io::Result<Mailbox> {
    let mailbox = Mailbox::default();
    let theirs = mailbox.clone();
    thread::Builder::new()
        .name("gateway".into())
        .spawn(move || {
            let mut wait = FIRST_WAIT;
            loop {
                let ended = read_events(&socket, |state| {
                    wait = FIRST_WAIT;
                    theirs.write(|news| {
                        news.state = Some((state, Instant::now()));
                        news.connected = true;
                        news.trouble = None;
                    });
                    arrived();
                });
                let trouble = match ended {
                    Ok(()) => "the gateway closed the connection".to_owned(),
                    Err(error) => error.to_string(),
                };
                theirs.write(|news| {
                    news.connected = false;
                    news.trouble = Some(trouble);
                });
                arrived();
                thread::sleep(wait);
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        })?;
    Ok(mailbox)
}

/// What a screen wants to know besides the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// What was used in a stretch, how many of them before the present one, and of what.
    Usage(UsageSpan, u16, Medium),
    /// The last days of gas and water.
    Supplies,
    /// The bill of the month.
    Bill,
    /// The powerline networks.
    Powerline,
    /// The Zigbee network.
    Zigbee,
    /// When to run what can wait, finished by a time.
    Runs(Option<Timestamp>),
    /// Wireless meters that are heard.
    Heard,
    /// Who was told what.
    Told,
    /// Who may be told.
    Consents,
    /// What the utility writes, and where the supply stands.
    Messages,
}

/// Starts answering questions from `socket` into `mailbox`, one after the other. `arrived` is
/// called on the asking thread after each answer. A question that gets none clears what was there.
///
/// # Errors
/// When no thread can be started.
pub fn answer(
    socket: PathBuf,
    mailbox: Mailbox,
    arrived: impl Fn() + Send + 'static,
) -> io::Result<mpsc::Sender<Question>> {
    let (sender, questions) = mpsc::channel();
    thread::Builder::new()
        .name("questions".into())
        .spawn(move || {
            while let Ok(first) = questions.recv() {
                // A finger is faster than a year of quarter-hours: of a kind, the last counts.
                let mut waiting = vec![first];
                while let Ok(newer) = questions.try_recv() {
                    waiting.retain(|older| discriminant(older) != discriminant(&newer));
                    waiting.push(newer);
                }
                for question in waiting {
                    take(&socket, &mailbox, question);
                    arrived();
                }
            }
        })?;
    Ok(sender)
}

fn take(socket: &Path, mailbox: &Mailbox, question: Question) {
    match question {
        Question::Usage(span, back, medium) => {
            let usage = ask(socket, &usage_path(span, back, medium)).ok();
            mailbox.write(|news| news.answers.usage = usage);
        }
        Question::Supplies => {
            let [gas, water] = [Medium::Gas, Medium::Water].map(|medium| weeks(socket, medium));
            mailbox.write(|news| {
                news.answers.gas_weeks = gas;
                news.answers.water_weeks = water;
            });
        }
        Question::Bill => {
            let bill = ask(socket, BILL_PATH).ok();
            mailbox.write(|news| news.answers.bill = bill);
        }
        Question::Powerline => {
            let powerline = ask(socket, POWERLINE_PATH).ok();
            mailbox.write(|news| news.answers.powerline = powerline);
        }
        Question::Zigbee => {
            let zigbee = ask(socket, ZIGBEE_PATH).ok();
            mailbox.write(|news| news.answers.zigbee = zigbee);
        }
        Question::Runs(finish_by) => {
            let path = match finish_by {
                Some(by) => format!("{RUN_ADVICE_PATH}?finish_by={by}"),
                None => RUN_ADVICE_PATH.to_owned(),
            };
            let runs = ask(socket, &path).ok();
            mailbox.write(|news| news.answers.runs = runs);
        }
        Question::Heard => {
            let heard = ask(socket, HEARD_PATH).ok();
            mailbox.write(|news| news.answers.heard = heard);
        }
        Question::Told => {
            let told = ask(socket, LEDGER_PATH).ok();
            mailbox.write(|news| news.answers.told = told);
        }
        Question::Consents => {
            let consents = ask(socket, CONSENTS_PATH).ok();
            mailbox.write(|news| news.answers.consents = consents);
        }
        Question::Messages => {
            let messages = ask(socket, MESSAGES_PATH).ok();
            let supply = ask(socket, SUPPLY_PATH).ok();
            mailbox.write(|news| {
                news.answers.messages = messages;
                news.answers.supply = supply;
            });
        }
    }
}

/// Everything that screens want to know, as far as it is answered: for a picture.
#[must_use]
pub fn answers(socket: &Path) -> Answers {
    Answers {
        powerline: ask(socket, POWERLINE_PATH).ok(),
        zigbee: ask(socket, ZIGBEE_PATH).ok(),
        usage: ask(socket, USAGE_PATH).ok(),
        gas_weeks: weeks(socket, Medium::Gas),
        water_weeks: weeks(socket, Medium::Water),
        bill: ask(socket, BILL_PATH).ok(),
        runs: ask(socket, RUN_ADVICE_PATH).ok(),
        heard: ask(socket, HEARD_PATH).ok(),
        told: ask(socket, LEDGER_PATH).ok(),
        consents: ask(socket, CONSENTS_PATH).ok(),
        messages: ask(socket, MESSAGES_PATH).ok(),
        supply: ask(socket, SUPPLY_PATH).ok(),
    }
}

fn usage_path(span: UsageSpan, back: u16, medium: Medium) -> String {
    let medium = match medium {
        Medium::Electricity | Medium::Heat => "electricity",
        Medium::Gas => "gas",
        Medium::Water => "water",
    };
    format!(
        "{USAGE_PATH}?span={}&back={back}&medium={medium}",
        span.name()
    )
}

/// This week and the one before it, the earlier first; nothing where there is no such meter.
fn weeks(socket: &Path, medium: Medium) -> Vec<Usage> {
    [1, 0]
        .into_iter()
        .filter_map(|back| ask(socket, &usage_path(UsageSpan::Week, back, medium)).ok())
        .collect()
}

/// Asks for one document.
///
/// # Errors
/// When the gateway cannot be reached or answers with something else.
pub fn ask<T: serde::de::DeserializeOwned>(socket: &Path, path: &str) -> io::Result<T> {
    let answer = http::exchange(socket, "GET", path, None)?;
    if answer.status != 200 {
        return Err(invalid(format!("the gateway answered {}", answer.status)));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| invalid(format!("not understood: {error}")))
}

/// Reads one connection's states until it ends.
///
/// # Errors
/// When the socket cannot be opened or what comes is not an event stream.
pub fn read_events(socket: &Path, mut each: impl FnMut(State)) -> io::Result<()> {
    visit_events(socket, |state| {
        each(state);
        true
    })
}

/// Reads the first state a gateway sends.
///
/// # Errors
/// When there is none.
pub fn read_one(socket: &Path) -> io::Result<State> {
    let mut first = None;
    visit_events(socket, |state| {
        first = Some(state);
        false
    })?;
    first.ok_or_else(|| invalid("the gateway closed the connection before it sent a state"))
}

fn visit_events(socket: &Path, mut each: impl FnMut(State) -> bool) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(http::TIMEOUT))?;
    stream.write_all(
        format!(
            "GET {EVENTS_PATH} HTTP/1.1\r\nHost: wattle\r\nAccept: text/event-stream\r\n\
             Connection: close\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let clock = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let head = http::read_head(&mut reader)?;
    if head.status != 200 {
        return Err(invalid(format!("the gateway answered {}", head.status)));
    }
    // Nothing changes, nothing is sent: from here silence is no error.
    clock.set_read_timeout(None)?;
    if head.chunked {
        visit_stream(BufReader::new(Chunked::new(reader)), &mut each)
    } else {
        visit_stream(reader, &mut each)
    }
}

/// Reads server-sent events and hands on those named `state`, until `each` answers false.
fn visit_stream(mut reader: impl BufRead, each: &mut impl FnMut(State) -> bool) -> io::Result<()> {
    let (mut event, mut data) = (String::new(), String::new());
    loop {
        let mut line = Vec::new();
        let length = reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && length as u64 == LONGEST_LINE {
            return Err(invalid("a line of the event stream is too long"));
        }
        let line = String::from_utf8(line).map_err(|_| invalid("the event stream is not UTF-8"))?;
        let line = line.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            if event == "state" && !data.is_empty() {
                let state = serde_json::from_str(&data)
                    .map_err(|error| invalid(format!("a state that is not understood: {error}")))?;
                if !each(state) {
                    return Ok(());
                }
            }
            event.clear();
            data.clear();
        } else if let Some(value) = field(line, "event") {
            value.clone_into(&mut event);
        } else if let Some(value) = field(line, "data") {
            if data.len() + value.len() > usize::try_from(LONGEST_LINE).unwrap_or(usize::MAX) {
                return Err(invalid("an event is too long"));
            }
            if !data.is_empty() {
                data.push('\n');
            }
            data.push_str(value);
        }
    }
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let value = line.strip_prefix(name)?.strip_prefix(':')?;
    Some(value.strip_prefix(' ').unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = r#"{"at":"2026-11-20T17:30:00Z","gateway":{"id":"a1b2c3","version":"0.1.0","time_zone":"Europe/London","started_at":"2026-11-20T07:00:00Z"},"meters":[],"notices":[]}"#;

    fn states(stream: &[u8]) -> io::Result<usize> {
        let mut count = 0;
        visit_stream(BufReader::new(stream), &mut |_| {
            count += 1;
            true
        })?;
        Ok(count)
    }

    #[test]
    fn only_whole_states_are_taken() {
        for (stream, count) in [
            (format!("event: state\ndata: {STATE}\n\n"), 1),
            (
                format!(
                    "event:state\r\ndata:{STATE}\r\n\r\n: keep-alive\n\nevent: state\ndata: {STATE}\n\n"
                ),
                2,
            ),
            (format!("event: other\ndata: {STATE}\n\n"), 0),
            (format!("event: state\ndata: {STATE}\n"), 0),
            (String::new(), 0),
        ] {
            assert_eq!(states(stream.as_bytes()).unwrap(), count, "{stream}");
        }
        let damaged = states(b"event: state\ndata: {\"at\":1}\n\n").unwrap_err();
        assert!(damaged.to_string().contains("column"), "{damaged}");
        assert!(states(b"event: \xff\n").is_err());
    }
}
