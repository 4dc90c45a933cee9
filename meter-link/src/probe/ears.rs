//! Listening: every protocol that meters push, at the same time.

use std::time::Instant;

use super::finding::{Finding, Missing, Protocol};
use super::links;
use crate::iec62056_21;
use crate::model::{Hint, Telegram};
use crate::p1;
use crate::profile::QuirkSet;
use crate::session::{Action, Line, Session};
use crate::{sml, tic};

/// Bytes that are kept for frames without a splitter of their own.
const WINDOW: usize = 8 * 1024;
/// Intact groups of a TIC frame that are no accident: each checksum has six bits.
const TIC_GROUPS: usize = 4;

/// Frames without an address after which a Linky is told without its number: the first one is cut
/// where the listening began.
const NAMELESS: u8 = 2;

/// What listens on one line.
pub(super) struct Ears {
    line: Line,
    sml: sml::Listener,
    p1: p1::Splitter,
    tic: tic::Splitter,
    nameless: u8,
    text: iec62056_21::Splitter,
    window: Vec<u8>,
}

impl Ears {
    pub(super) fn new(line: Line) -> Self {
        Self {
            line,
            sml: sml::Listener::new(line, QuirkSet::default()),
            p1: p1::Splitter::new(),
            tic: tic::Splitter::new(),
            nameless: 0,
            text: iec62056_21::Splitter::new(),
            window: Vec::new(),
        }
    }

    /// Takes bytes; the first meter that is understood.
    pub(super) fn hear(&mut self, bytes: &[u8], now: Instant) -> Option<Finding> {
        self.window.extend_from_slice(bytes);
        let excess = self.window.len().saturating_sub(WINDOW);
        self.window.drain(..excess);
        self.hear_sml(bytes, now)
            .or_else(|| self.hear_p1(bytes))
            .or_else(|| self.hear_tic(bytes))
            .or_else(|| self.hear_text(bytes))
            .or_else(|| self.hear_links())
    }

    fn found(&self, protocol: Protocol) -> Finding {
        Finding::new(protocol, Some(self.line))
    }

    fn hear_sml(&mut self, bytes: &[u8], now: Instant) -> Option<Finding> {
        self.sml.handle_input(bytes, now);
        let telegram =
            std::iter::from_fn(|| self.sml.poll_action()).find_map(|action| match action {
                Action::Telegram(telegram) => Some(telegram),
                _ => None,
            })?;
        let locked = telegram.hints.contains(&Hint::PinLocked);
        Some(Finding {
            missing: if locked {
                vec![Missing::Pin]
            } else {
                Vec::new()
            },
            ..self.told(Protocol::Sml, *telegram)
        })
    }

    fn told(&self, protocol: Protocol, telegram: Telegram) -> Finding {
        Finding {
            meter: telegram.meter,
            manufacturer: telegram.manufacturer,
            ..self.found(protocol)
        }
    }

    fn hear_p1(&mut self, bytes: &[u8]) -> Option<Finding> {
        let mut input = bytes;
        while let Some(event) = self.p1.pull(&mut input) {
            match event.message {
                p1::Message::Telegram(telegram) if !telegram.entries.is_empty() => {
                    let own = p1::readings(&telegram, false).into_iter().next()?;
                    // Mode D has the same form, at 2,400 baud and without a CRC.
                    let protocol = match telegram.check {
                        p1::LineCheck::Absent if self.line.baud <= 2_400 => {
                            Protocol::Iec62056_21Push
                        }
                        _ => Protocol::P1,
                    };
                    let model = telegram.identification.get(3..).unwrap_or_default();
                    return Some(Finding {
                        model: Some(model.to_owned()),
                        ..self.told(protocol, own)
                    });
                }
                p1::Message::Ciphered(frame)
                    if is_plausible(&frame) && !is_carried(&self.window, &frame.raw) =>
                {
                    let mut missing = vec![Missing::Key];
                    if frame.system_title.is_none() {
                        missing.push(Missing::SystemTitle);
                    }
                    let title = frame.system_title.map(|title| {
                        let letters = title.iter().take(3).copied().map(char::from);
                        letters
                            .filter(char::is_ascii_alphabetic)
                            .collect::<String>()
                    });
                    return Some(Finding {
                        manufacturer: title.filter(|letters| letters.len() == 3),
                        missing,
                        ..self.found(Protocol::P1)
                    });
                }
                _ => {}
            }
        }
        None
    }

    fn hear_tic(&mut self, bytes: &[u8]) -> Option<Finding> {
        let mut input = bytes;
        while let Some(event) = self.tic.pull(&mut input) {
            let Ok(frame) = event.found else { continue };
            let intact = frame.groups.len() - frame.damaged();
            if intact < TIC_GROUPS {
                continue;
            }
            let telegram = tic::telegram(&frame);
            if telegram.meter.is_none() && self.nameless < NAMELESS {
                self.nameless += 1;
                continue;
            }
            let mode = match frame.mode {
                tic::Mode::Historic => "historic mode",
                tic::Mode::Standard => "standard mode",
            };
            return Some(Finding {
                // The port sends 7E1, whatever this end was set to.
                line: Some(Line::seven_even(self.line.baud)),
                model: Some(mode.to_owned()),
                ..self.told(Protocol::Tic, telegram)
            });
        }
        None
    }

    fn hear_text(&mut self, bytes: &[u8]) -> Option<Finding> {
        let mut input = bytes;
        while let Some(event) = self.text.pull(&mut input) {
            if let iec62056_21::Message::Readout(readout) = event.message
                && !readout.sets.is_empty()
            {
                let model = readout.identification.text.clone();
                return Some(Finding {
                    model: Some(model),
                    ..self.told(Protocol::Iec62056_21Push, iec62056_21::telegram(&readout))
                });
            }
        }
        None
    }

    fn hear_links(&self) -> Option<Finding> {
        let link = links::find(&self.window)?;
        let protocol = match link {
            links::Link::Hdlc { .. } => Protocol::DlmsPushHdlc,
            links::Link::Mbus { .. } => Protocol::DlmsPushMbus,
        };
        // Ciphering services of the Green Book, clause 9.5: general-glo and -ded, and those of GET,
        // event notification and the like with the global key.
        let ciphered = matches!(link.payload().first(), Some(0xDB | 0xDC | 0xC8..=0xCF));
        Some(Finding {
            missing: if ciphered {
                vec![Missing::Key]
            } else {
                Vec::new()
            },
            ..self.found(protocol)
        })
    }
}

/// A ciphered frame has no check that can be verified without a key: its form has to do. Every
/// telegram is longer than this.
fn is_plausible(frame: &p1::CipheredFrame) -> bool {
    let control = frame.security_control;
    frame.content.len() >= 64 && matches!(control & 0xF0, 0x10 | 0x20 | 0x30) && control & 0x0F <= 2
}

/// The same bytes are carried in HDLC frames, behind LLC addresses, and in M-Bus frames, behind
/// their header: such a push is no customer port of the P1 kind.
fn is_carried(window: &[u8], frame: &[u8]) -> bool {
    let place = window
        .windows(frame.len())
        .rposition(|bytes| bytes == frame);
    let before = place.and_then(|at| window.get(..at)).unwrap_or_default();
    matches!(
        before,
        [.., 0xE6, 0xE6 | 0xE7, 0] | [.., 0x68, _, _, 0x68, _, _, _, _, _]
    )
}
