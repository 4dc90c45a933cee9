//! What reader and meter agree on after the identification (clauses 6.3.3 and 6.4.3): readout,
//! programming or HDLC, the speed, and when the line changes.

use std::time::Duration;

use super::encode;
use super::identification::{Identification, baud};
use crate::profile;
use crate::session::Line;

/// Longest gap in front of a change of speed that is waited.
const MAX_GAP: Duration = Duration::from_millis(500);

/// How the reader wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The meter sends its data sets.
    Readout,
    /// Commands with a password: reading and writing of single data sets.
    Programming,
    /// HDLC behind a mode E opening, for DLMS; eight bits and no parity.
    Hdlc,
}

/// The reader's side of the agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The line of the sign-on.
    pub line: Line,
    /// The fastest speed agreed to, in bits per second.
    pub max_baud: u32,
    /// From the last bit of the acknowledgement to the change of speed, 0 to 500 ms. `None`: what
    /// the model is known to need, or the identification asks for, 200 ms or 20 ms less a margin.
    pub switch_gap: Option<Duration>,
}

/// The acknowledgement and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// To be sent at the speed of the sign-on.
    pub acknowledgement: Vec<u8>,
    /// The line to change to.
    pub line: Line,
    /// From the beginning of the acknowledgement to the change of the line.
    pub after: Duration,
}

impl Agreement {
    /// What to answer to an identification of mode C or E: the fastest speed that both know. What
    /// is known about the model ([`profile::model`]) counts more than what it proposes.
    ///
    /// ```
    /// use meter_link::iec62056_21::{Agreement, Identification, Purpose, Terms};
    /// use meter_link::session::Line;
    ///
    /// let meter = Identification::parse(b"/LGZ5\\2ZMD4104407.B31\r\n").ok_or("no identification")?;
    /// let terms = Terms { line: Line::seven_even(300), max_baud: 19_200, switch_gap: None };
    /// let hdlc = Agreement::new(&meter, Purpose::Hdlc, &terms);
    /// assert_eq!(hdlc.acknowledgement, b"\x06252\r\n");
    /// assert_eq!(hdlc.line, Line::eight_none(9600));
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn new(identification: &Identification, purpose: Purpose, terms: &Terms) -> Self {
        let known = profile::model(&identification.manufacturer, &identification.text);
        let offered = identification.baud().unwrap_or(terms.line.baud);
        let spoken = known.and_then(|model| model.max_baud).unwrap_or(offered);
        let agreed = ['6', '5', '4', '3', '2', '1', '0']
            .into_iter()
            .filter_map(|code| Some((code, baud(code)?)))
            .find(|(_, speed)| *speed <= offered.min(spoken).min(terms.max_baud));
        let (code, speed) = agreed.unwrap_or(('0', 300));
        let (protocol, option) = match purpose {
            Purpose::Readout => ('0', '0'),
            Purpose::Programming => ('0', '1'),
            Purpose::Hdlc => ('2', '2'),
        };
        let acknowledgement = encode::acknowledgement(protocol, code, option);
        let usual = Duration::from_millis(if identification.is_quick() { 10 } else { 180 });
        let known_gap = known.and_then(profile::Model::switch_gap);
        let gap = terms.switch_gap.or(known_gap).unwrap_or(usual).min(MAX_GAP);
        Self {
            after: sending_time(acknowledgement.len(), terms.line.baud) + gap,
            acknowledgement,
            line: match purpose {
                Purpose::Hdlc => Line::eight_none(speed),
                _ => Line {
                    baud: speed,
                    ..terms.line
                },
            },
        }
    }
}

/// The fastest speed to agree to after nothing came at `tried`: one step slower, and from the
/// slowest, or at the speed of the sign-on itself, back to the fastest. Some meters do not follow
/// the speed they propose.
#[must_use]
pub fn step_down(tried: u32, sign_on: u32, fastest: u32) -> u32 {
    if tried <= sign_on {
        return fastest;
    }
    let slower = ['5', '4', '3', '2', '1', '0'].into_iter().filter_map(baud);
    slower
        .filter(|speed| *speed < tried)
        .max()
        .unwrap_or(fastest)
}

/// How long so many characters take: start, seven bits, parity and stop.
pub(super) fn sending_time(characters: usize, baud: u32) -> Duration {
    let bits = u32::try_from(characters)
        .unwrap_or(u32::MAX)
        .saturating_mul(10);
    Duration::from_secs(1).saturating_mul(bits) / baud.max(1)
}
