//! What was found, and what it needs.

use crate::model::MeterId;
use crate::session::Line;

/// What a meter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// Smart Message Language, pushed.
    Sml,
    /// The customer port P1, pushed.
    P1,
    /// TIC, pushed.
    Tic,
    /// IEC 62056-21, asked.
    Iec62056_21,
    /// IEC 62056-21 mode D, pushed.
    Iec62056_21Push,
    /// DLMS/COSEM, pushed in HDLC frames.
    DlmsPushHdlc,
    /// DLMS/COSEM, pushed in M-Bus frames.
    DlmsPushMbus,
    /// DLMS/COSEM over HDLC, asked.
    DlmsHdlc,
    /// DLMS/COSEM over HDLC behind the optical head's opening, IEC 62056-21 mode E.
    DlmsModeE,
    /// DLMS/COSEM over TCP.
    DlmsWrapper,
    /// Modbus RTU.
    ModbusRtu,
    /// Modbus TCP.
    ModbusTcp,
    /// ANSI C12.18.
    C1218,
}

impl Protocol {
    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sml => "SML, pushed by the meter",
            Self::P1 => "P1, pushed by the meter",
            Self::Tic => "TIC, pushed by the meter",
            Self::Iec62056_21 => "IEC 62056-21, read out on request",
            Self::Iec62056_21Push => "IEC 62056-21 mode D, pushed by the meter",
            Self::DlmsPushHdlc => "DLMS/COSEM, pushed in HDLC frames",
            Self::DlmsPushMbus => "DLMS/COSEM, pushed in M-Bus frames",
            Self::DlmsHdlc => "DLMS/COSEM over HDLC, on request",
            Self::DlmsModeE => "DLMS/COSEM over HDLC behind an IEC 62056-21 opening (mode E)",
            Self::DlmsWrapper => "DLMS/COSEM over TCP",
            Self::ModbusRtu => "Modbus RTU, on request",
            Self::ModbusTcp => "Modbus TCP, on request",
            Self::C1218 => "ANSI C12.18, on request",
        }
    }

    /// Its name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Sml => "sml",
            Self::P1 => "p1",
            Self::Tic => "tic",
            Self::Iec62056_21 => "iec62056-21",
            Self::Iec62056_21Push => "iec62056-21-push",
            Self::DlmsPushHdlc => "dlms-push-hdlc",
            Self::DlmsPushMbus => "dlms-push-mbus",
            Self::DlmsHdlc => "dlms-hdlc",
            Self::DlmsModeE => "dlms-mode-e",
            Self::DlmsWrapper => "dlms-wrapper",
            Self::ModbusRtu => "modbus-rtu",
            Self::ModbusTcp => "modbus-tcp",
            Self::C1218 => "c1218",
        }
    }
}

/// What is missing before all of the meter can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// The householder's PIN.
    Pin,
    /// The key of a ciphered meter.
    Key,
    /// The system title of a ciphered meter that does not send it.
    SystemTitle,
    /// The register map of a Modbus meter.
    Map,
}

impl Missing {
    /// Its name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Key => "key",
            Self::SystemTitle => "system-title",
            Self::Map => "map",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Pin => {
                "the meter shows only its reduced data set, without power: enter the PIN from your grid operator and switch InF on"
            }
            Self::Key => {
                "the meter ciphers what it sends: ask your grid operator for the encryption key and the authentication key"
            }
            Self::SystemTitle => {
                "the meter ciphers without sending its system title: ask your grid operator for it"
            }
            Self::Map => {
                "which registers this model has is not known: choose a map by its nameplate, or write one from its manual"
            }
        }
    }
}

/// A meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it speaks.
    pub protocol: Protocol,
    /// At which speed and framing; `None` behind a network address.
    pub line: Option<Line>,
    /// Its serial number, if it was told.
    pub meter: Option<MeterId>,
    /// Its maker's letters, if they were told.
    pub manufacturer: Option<String>,
    /// What it says of its model.
    pub model: Option<String>,
    /// Its number on a Modbus line.
    pub unit: Option<u8>,
    /// The register map that fits.
    pub map: Option<&'static str>,
    /// What is missing.
    pub missing: Vec<Missing>,
}

impl Finding {
    pub(super) const fn new(protocol: Protocol, line: Option<Line>) -> Self {
        Self {
            protocol,
            line,
            meter: None,
            manufacturer: None,
            model: None,
            unit: None,
            map: None,
            missing: Vec::new(),
        }
    }
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The meter, if one was found.
    pub finding: Option<Finding>,
    /// What was noticed besides, or why nothing was found: sentences.
    pub remarks: Vec<String>,
}
