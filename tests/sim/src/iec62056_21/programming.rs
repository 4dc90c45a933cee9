//! The meter's side of programming mode (IEC 62056-21, clause 6.5): a password, single data sets
//! read, and the load profile of two days as `P.01`, in one piece or in blocks.

use crate::household::Curve;

const SOH: u8 = 0x01;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const EOT: u8 = 0x04;
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;

/// Rows of a block.
const BLOCK_ROWS: usize = 20;
const PERIOD_S: u64 = 900;
/// Rows that the meter keeps.
pub const PROFILE_ROWS: u64 = 192;

/// A row of the load profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileRow {
    /// End of its period, in Unix seconds.
    pub end_unix_s: u64,
    /// Mean power drawn, in watts.
    pub import_w: u64,
    /// Mean power given, in watts.
    pub export_w: u64,
}

/// The rows that the meter holds, oldest first.
#[must_use]
pub fn profile(load: &mut Curve, unix_s: u64) -> Vec<ProfileRow> {
    let newest = unix_s / PERIOD_S;
    (newest.saturating_sub(PROFILE_ROWS) + 1..=newest)
        .map(|period| {
            let end_unix_s = period * PERIOD_S;
            let before = load.energy(end_unix_s - PERIOD_S);
            let energy = load.energy(end_unix_s);
            ProfileRow {
                end_unix_s,
                import_w: energy.import_ws.saturating_sub(before.import_ws) / PERIOD_S,
                export_w: energy.export_ws.saturating_sub(before.export_ws) / PERIOD_S,
            }
        })
        .collect()
}

/// What the meter says before the password.
pub(super) fn greeting() -> Vec<u8> {
    framed(SOH, b"P0\x02(00000000)", ETX)
}

/// A conversation in programming mode.
#[derive(Clone, Debug)]
pub(super) struct Inside {
    password: String,
    knows: bool,
    heard: Vec<u8>,
    last: Vec<u8>,
    /// Blocks that are still to come, the last one first.
    blocks: Vec<String>,
}

/// What comes of a character.
pub(super) enum Reply {
    /// Nothing yet.
    None,
    /// This answer.
    Answer(Vec<u8>),
    /// The conversation is over, with this as its last word.
    Over(Vec<u8>),
}

impl Inside {
    pub(super) fn new(password: &str) -> Self {
        Self {
            password: password.to_owned(),
            knows: false,
            heard: Vec::new(),
            last: greeting(),
            blocks: Vec::new(),
        }
    }

    /// Hears a character; `data` looks up a data set by its address.
    pub(super) fn hear(
        &mut self,
        byte: u8,
        load: &mut Curve,
        unix_s: u64,
        data: impl Fn(&str) -> Option<String>,
    ) -> Reply {
        if self.heard.is_empty() {
            match byte {
                NAK => return Reply::Answer(self.last.clone()),
                ACK => return self.next_block(),
                SOH => {}
                _ => return Reply::None,
            }
        }
        if self.heard.len() < 256 {
            self.heard.push(byte);
        }
        // The block check follows ETX.
        let [SOH, covered @ .., check] = self.heard.as_slice() else {
            return Reply::None;
        };
        if covered.last() != Some(&ETX) {
            return Reply::None;
        }
        let sound = covered.iter().fold(0, |sum, byte| sum ^ byte) & 0x7F == *check;
        let text = String::from_utf8_lossy(covered).into_owned();
        self.heard.clear();
        if !sound {
            return self.say(vec![NAK]);
        }
        let (command, rest) = text.split_at_checked(2).unwrap_or_default();
        let operand = rest.trim_start_matches('\x02').trim_end_matches('\x03');
        match command {
            "B0" => Reply::Over(Vec::new()),
            "P1" if operand == format!("({})", self.password) => {
                self.knows = true;
                self.say(vec![ACK])
            }
            "P1" => Reply::Over(framed(SOH, b"B0", ETX)),
            _ if !self.knows => self.error("ER04"),
            "R5" | "R6" if operand.starts_with("P.01(") => {
                let pieces = pieces(load, unix_s, operand, command == "R6");
                self.blocks = pieces.into_iter().rev().collect();
                self.next_block()
            }
            "R1" | "R5" => {
                let address = operand.strip_suffix("()");
                match address.and_then(|address| Some((address, data(address)?))) {
                    Some((address, value)) => {
                        let text = format!("{address}({value})");
                        self.say(framed(STX, text.as_bytes(), ETX))
                    }
                    None => self.error("ER06"),
                }
            }
            _ => self.error("ER05"),
        }
    }

    fn error(&mut self, code: &str) -> Reply {
        self.say(framed(STX, format!("({code})").as_bytes(), ETX))
    }

    fn say(&mut self, bytes: Vec<u8>) -> Reply {
        self.last.clone_from(&bytes);
        Reply::Answer(bytes)
    }

    fn next_block(&mut self) -> Reply {
        let Some(text) = self.blocks.pop() else {
            return Reply::None;
        };
        let end = if self.blocks.is_empty() { ETX } else { EOT };
        self.say(framed(STX, text.as_bytes(), end))
    }
}

/// The profile from the first time of `P.01(from;to)` on, in blocks or in one.
fn pieces(load: &mut Curve, unix_s: u64, operand: &str, in_blocks: bool) -> Vec<String> {
    let from = operand
        .trim_start_matches("P.01(")
        .split(';')
        .next()
        .unwrap_or_default();
    let rows = profile(load, unix_s);
    // Times of one form compare as texts; the season in front does not count.
    let wanted = |row: &ProfileRow| stamp(row.end_unix_s).get(1..) >= from.get(1..);
    let rows: Vec<&ProfileRow> = rows.iter().filter(|row| wanted(row)).collect();
    let Some(first) = rows.first() else {
        return vec!["P.01()".to_owned()];
    };
    let start = stamp(first.end_unix_s);
    let mut lines = vec![format!("P.01({start})(00)(15)(2)(1.5)(kW)(2.5)(kW)")];
    let kw = |w: u64| format!("{}.{:03}", w / 1_000, w % 1_000);
    let row = |row: &&ProfileRow| format!("({})({})", kw(row.import_w), kw(row.export_w));
    lines.extend(rows.iter().map(row));
    let size = if in_blocks { BLOCK_ROWS } else { lines.len() };
    lines
        .chunks(size)
        .map(|lines| lines.join("\r\n") + "\r\n")
        .collect()
}

/// UTC (season 2), then `YYMMDDhhmm` and the seconds.
fn stamp(unix_s: u64) -> String {
    let at = i64::try_from(unix_s).ok();
    let at = at.and_then(|at| jiff::Timestamp::from_second(at).ok());
    let at = jiff::tz::Offset::UTC.to_datetime(at.unwrap_or_default());
    format!("2{}", at.strftime("%y%m%d%H%M%S"))
}

/// A frame from its first character to its block check.
fn framed(start: u8, text: &[u8], end: u8) -> Vec<u8> {
    let mut bytes = vec![start];
    bytes.extend_from_slice(text);
    bytes.push(end);
    let check = bytes.iter().skip(1).fold(0, |sum, byte| sum ^ byte) & 0x7F;
    bytes.push(check);
    bytes
}
