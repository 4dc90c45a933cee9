//! A slave's side of the link layer, for simulators and tests: addresses, selection, frame count
//! bit and several telegrams.

use super::SPEEDS;
use super::address::{Pattern, SecondaryAddress};
use super::frame::{Frame, control};

/// A slave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slave {
    /// Primary address.
    pub address: u8,
    /// Secondary address.
    pub secondary: SecondaryAddress,
    /// The speed at which it listens, in baud.
    pub baud: u32,
    /// User data of its telegrams, from the control information on. All but the last end their
    /// records with DIF 1F.
    pub telegrams: Vec<Vec<u8>>,
    selected: bool,
    /// The frame count bit of the last request, and the telegram it was answered with.
    last: Option<(bool, usize)>,
}

impl Slave {
    /// A slave at 2400 baud that has been initialised.
    #[must_use]
    pub const fn new(address: u8, secondary: SecondaryAddress, telegrams: Vec<Vec<u8>>) -> Self {
        Self {
            address,
            secondary,
            baud: 2_400,
            telegrams,
            selected: false,
            last: None,
        }
    }

    /// Takes a request; the bytes of the reply, if there is one.
    pub fn hear(&mut self, request: &Frame) -> Option<Vec<u8>> {
        match request {
            Frame::Short { control, address } => {
                let (answers, mine) = self.is_for(*address);
                let reply = match *control {
                    control::SND_NKE if mine => {
                        self.last = None;
                        if *address == 0xFD {
                            self.selected = false;
                        }
                        Frame::Ack.to_bytes()
                    }
                    asked if asked & !control::FCB == control::REQ_UD2 && mine => {
                        self.data(asked & control::FCB != 0)?
                    }
                    _ => return None,
                };
                answers.then_some(reply)
            }
            Frame::Long {
                address: 0xFD,
                ci: 0x52,
                data,
                ..
            } => {
                let selection = <[u8; 8]>::try_from(data.as_slice()).ok()?;
                self.selected = Pattern::selects(&selection, &self.secondary);
                self.last = None;
                self.selected.then(|| Frame::Ack.to_bytes())
            }
            Frame::Control { address, ci, .. } => {
                let (answers, mine) = self.is_for(*address);
                let place = usize::from(ci.checked_sub(0xB8)?);
                let baud = *SPEEDS.get(place).filter(|_| mine)?;
                self.baud = baud;
                answers.then(|| Frame::Ack.to_bytes())
            }
            Frame::Long {
                address,
                ci: 0x51,
                data,
                ..
            } => {
                let (answers, mine) = self.is_for(*address);
                if let (true, [0x01, 0x7A, new]) = (mine, data.as_slice()) {
                    self.address = *new;
                }
                (answers && mine).then(|| Frame::Ack.to_bytes())
            }
            _ => None,
        }
    }

    /// Whether it answers a request to this address, and whether it heeds it.
    const fn is_for(&self, address: u8) -> (bool, bool) {
        match address {
            0xFF => (false, true),
            0xFE => (true, true),
            0xFD => (self.selected, self.selected),
            address => (address == self.address, address == self.address),
        }
    }

    /// The telegram asked for: the next one when the frame count bit has changed.
    fn data(&mut self, fcb: bool) -> Option<Vec<u8>> {
        let place = match self.last {
            None => 0,
            Some((last, place)) if last == fcb => place,
            Some((_, place)) => (place + 1) % self.telegrams.len().max(1),
        };
        self.last = Some((fcb, place));
        let [ci, data @ ..] = self.telegrams.get(place)?.as_slice() else {
            return None;
        };
        Some(Frame::long(control::RSP_UD, self.address, *ci, data).to_bytes())
    }
}
