//! The control field (IEC 62056-46, clause 6.4.3): what kind of frame it is.

/// What a frame is for. Numbers are sequence numbers modulo 8; `poll` is the poll or final bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// Information: a piece of an APDU.
    Information {
        /// Number of this frame.
        send: u8,
        /// Number of the frame that is expected next.
        receive: u8,
        /// Poll or final bit.
        poll: bool,
    },
    /// Receive ready: the frames before `receive` came; go on.
    ReceiveReady {
        /// Number of the frame that is expected next.
        receive: u8,
        /// Poll or final bit.
        poll: bool,
    },
    /// Receive not ready: as ready, but wait.
    ReceiveNotReady {
        /// Number of the frame that is expected next.
        receive: u8,
        /// Poll or final bit.
        poll: bool,
    },
    /// Reject: send again from `receive` on. No part of the standard's command set; some meters
    /// answer so all the same.
    Reject {
        /// Number of the frame that is expected next.
        receive: u8,
        /// Poll or final bit.
        poll: bool,
    },
    /// Set normal response mode: opens a link.
    Snrm {
        /// Poll bit.
        poll: bool,
    },
    /// Disconnect: closes a link.
    Disc {
        /// Poll bit.
        poll: bool,
    },
    /// Unnumbered acknowledge: the answer to both.
    Ua {
        /// Final bit.
        poll: bool,
    },
    /// Disconnected mode: there is no link.
    Dm {
        /// Final bit.
        poll: bool,
    },
    /// Frame reject: the frame made no sense.
    Frmr {
        /// Final bit.
        poll: bool,
    },
    /// Unnumbered information, such as what a meter pushes.
    Ui {
        /// Poll or final bit.
        poll: bool,
    },
    /// Any other byte.
    Unknown(u8),
}

impl Control {
    /// What a control byte says.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        let poll = byte & 0x10 != 0;
        let receive = byte >> 5;
        if byte & 1 == 0 {
            let send = byte >> 1 & 7;
            return Self::Information {
                send,
                receive,
                poll,
            };
        }
        match byte & 0x0F {
            0x01 => return Self::ReceiveReady { receive, poll },
            0x05 => return Self::ReceiveNotReady { receive, poll },
            0x09 => return Self::Reject { receive, poll },
            _ => {}
        }
        match byte & 0xEF {
            0x83 => Self::Snrm { poll },
            0x43 => Self::Disc { poll },
            0x63 => Self::Ua { poll },
            0x0F => Self::Dm { poll },
            0x87 => Self::Frmr { poll },
            0x03 => Self::Ui { poll },
            _ => Self::Unknown(byte),
        }
    }

    /// The byte as sent.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        let (base, poll) = match self {
            Self::Information {
                send,
                receive,
                poll,
            } => ((receive & 7) << 5 | (send & 7) << 1, poll),
            Self::ReceiveReady { receive, poll } => ((receive & 7) << 5 | 0x01, poll),
            Self::ReceiveNotReady { receive, poll } => ((receive & 7) << 5 | 0x05, poll),
            Self::Reject { receive, poll } => ((receive & 7) << 5 | 0x09, poll),
            Self::Snrm { poll } => (0x83, poll),
            Self::Disc { poll } => (0x43, poll),
            Self::Ua { poll } => (0x63, poll),
            Self::Dm { poll } => (0x0F, poll),
            Self::Frmr { poll } => (0x87, poll),
            Self::Ui { poll } => (0x03, poll),
            Self::Unknown(byte) => return byte,
        };
        if poll { base | 0x10 } else { base }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        for byte in 0..=255 {
            assert_eq!(Control::from_byte(byte).to_byte(), byte);
        }
    }

    /// The table of clause 6.4.3.1.
    #[test]
    fn named_as_in_the_standard() {
        assert_eq!(Control::from_byte(0x93), Control::Snrm { poll: true });
        assert_eq!(Control::from_byte(0x73), Control::Ua { poll: true });
        assert_eq!(Control::from_byte(0x13), Control::Ui { poll: true });
        assert_eq!(Control::from_byte(0x1F), Control::Dm { poll: true });
        let rr = Control::ReceiveReady {
            receive: 3,
            poll: true,
        };
        assert_eq!(Control::from_byte(0x71), rr);
        let information = Control::Information {
            send: 1,
            receive: 2,
            poll: true,
        };
        assert_eq!(Control::from_byte(0x52), information);
    }
}
