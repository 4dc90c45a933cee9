//! How a meter is reached and what the client proves to it.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::dlms::apdu::{Conformance, Mechanism};
use crate::dlms::hdlc::{Address, Parameters};
use crate::dlms::security::ecdsa::{SigningKey, VerifyingKey};
use crate::dlms::security::{KeyChoice, SecurityControl, SystemTitle};
use crate::key::Key;
use crate::model::ObisCode;
use crate::session::Line;

/// `0-0:43.1.0.255`: the invocation counter of the global unicast key of suite 0 (IEC 62056-6-1).
pub const INVOCATION_COUNTER: ObisCode = ObisCode([0, 0, 43, 1, 0, 255]);

/// Number of the public client, which every meter lets read a few objects.
pub const PUBLIC_CLIENT: u8 = 16;

/// A meter as a client sees it.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// How its bytes travel.
    pub carrier: CarrierConfig,
    /// The client's number, 1 to 127; 16 is the public client.
    pub client: u8,
    /// How objects are named.
    pub referencing: Referencing,
    /// What the client proves.
    pub authentication: ClientAuthentication,
    /// How messages are ciphered; plain when `None`.
    pub ciphering: Option<CipheringConfig>,
    /// Services proposed to the meter.
    pub conformance: Conformance,
    /// Longest message taken, in bytes.
    pub max_pdu_size: u16,
    /// How often a request is sent again, and an association opened again.
    pub repeats: u8,
}

impl ClientConfig {
    /// A client without authentication or ciphering.
    #[must_use]
    pub fn new(carrier: CarrierConfig, client: u8) -> Self {
        Self {
            carrier,
            client,
            referencing: Referencing::LogicalNames,
            authentication: ClientAuthentication::None,
            ciphering: None,
            conformance: default_conformance(),
            max_pdu_size: 0xFFFF,
            repeats: 4,
        }
    }
}

/// How objects are named in messages (IEC 62056-5-3, 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Referencing {
    /// By logical name: GET, SET and ACTION.
    #[default]
    LogicalNames,
    /// By short name: Read and Write. The names are read from the meter at the start of each
    /// association; lists are read item by item.
    ShortNames,
}

/// The services that this client uses with short names.
pub(super) fn short_name_conformance() -> Conformance {
    Conformance::READ
        | Conformance::WRITE
        | Conformance::PARAMETERIZED_ACCESS
        | Conformance::BLOCK_TRANSFER_WITH_GET
}

/// The services that this client uses with logical names.
#[must_use]
pub fn default_conformance() -> Conformance {
    Conformance::GET
        | Conformance::SET
        | Conformance::ACTION
        | Conformance::SELECTIVE_ACCESS
        | Conformance::MULTIPLE_REFERENCES
        | Conformance::BLOCK_TRANSFER_WITH_GET
        | Conformance::BLOCK_TRANSFER_WITH_SET
        | Conformance::BLOCK_TRANSFER_WITH_ACTION
}

/// How bytes travel.
#[derive(Clone, Debug)]
pub enum CarrierConfig {
    /// HDLC, over a serial line or a TCP connection to one.
    Hdlc(HdlcConfig),
    /// The wrapper, over TCP or UDP.
    Wrapper(WrapperConfig),
}

/// HDLC.
#[derive(Clone, Debug)]
pub struct HdlcConfig {
    /// The meter's address.
    pub server: Address,
    /// What is proposed to it.
    pub parameters: Parameters,
    /// The line while frames are exchanged; behind an opening, the fastest speed agreed to.
    pub line: Line,
    /// The opening in front of it, for an optical head.
    pub opening: Option<Opening>,
    /// Longest wait for the first byte of an answer for which the meter may have to work.
    pub response_timeout: Duration,
    /// Longest wait for the first byte of a frame that the meter has ready.
    pub segment_timeout: Duration,
    /// Longest silence within a frame.
    pub quiet: Duration,
    /// How often a frame is sent again without any progress.
    pub repeats: u8,
}

impl HdlcConfig {
    /// A line of 9600 8N1 without an opening, long frames and a window of 1.
    #[must_use]
    pub fn new(server: Address) -> Self {
        let parameters = Parameters {
            max_info_transmit: 1_024,
            max_info_receive: 1_024,
            ..Parameters::default()
        };
        Self {
            server,
            parameters,
            line: Line::eight_none(9_600),
            opening: None,
            response_timeout: Duration::from_secs(3),
            segment_timeout: Duration::from_millis(700),
            quiet: Duration::from_millis(150),
            repeats: 6,
        }
    }
}

/// IEC 62056-21 mode E: the change to HDLC through the optical head (clause 6.4.5, annex E).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The meter's address on a shared line; empty for the only meter.
    pub address: String,
    /// Line of the request and the identification.
    pub line: Line,
    /// From the last bit of the acknowledgement to the change of speed, 0 to 500 ms. `None`: what
    /// the identification asks for.
    pub switch_gap: Option<Duration>,
    /// Longest wait for the identification to begin.
    pub answer_timeout: Duration,
}

impl Default for Opening {
    fn default() -> Self {
        Self {
            address: String::new(),
            line: Line::seven_even(300),
            switch_gap: None,
            answer_timeout: Duration::from_secs(2),
        }
    }
}

/// The wrapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrapperConfig {
    /// The meter's logical device: its wrapper port.
    pub server: u16,
    /// Longest wait for an answer.
    pub response_timeout: Duration,
}

impl WrapperConfig {
    /// The logical device with this number.
    #[must_use]
    pub const fn new(server: u16) -> Self {
        Self {
            server,
            response_timeout: Duration::from_secs(5),
        }
    }
}

/// What the client proves.
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// Nothing (lowest level security).
    None,
    /// That it knows a password, by telling it (low level security).
    Low(Password),
    /// That it knows a secret, without telling it (high level security).
    High(Mechanism, Password),
    /// That it knows the keys (high level security with GMAC).
    Gmac,
    /// Who it is, by its signature (high level security with ECDSA). The meter's own is checked.
    Ecdsa {
        /// Our private key.
        own: SigningKey,
        /// The meter's public key, of the same curve.
        meter: VerifyingKey,
    },
}

/// A password or secret: wiped from memory, never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// A password of these octets.
    #[must_use]
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// How messages are ciphered.
#[derive(Clone, Debug)]
pub struct CipheringConfig {
    /// The client's system title. The counter belongs to it and to the key.
    pub title: SystemTitle,
    /// Global unicast encryption key (EK).
    pub encryption: Key,
    /// Authentication key (AK).
    pub authentication: Key,
    /// What is done to each message, with the security suite.
    pub control: SecurityControl,
    /// Agree on a key for this association alone.
    pub dedicated: bool,
    /// How messages tell that they are ciphered, and by which key.
    pub envelope: Envelope,
    /// Each message is signed, and only signed ones are taken.
    pub signing: Option<Signing>,
    /// The object that holds the meter's view of our counter, read as the public client before an
    /// association; the meter is not asked when `None`.
    pub counter_object: Option<ObisCode>,
}

/// How messages tell that they are ciphered (IEC 62056-5-3, 5.3.5).
#[derive(Clone, Debug)]
pub enum Envelope {
    /// By a tag for each service: glo- and ded-ciphering.
    Services,
    /// As a whole, under the global or dedicated key: general-glo- and general-ded-ciphering.
    General,
    /// As a whole, and they tell their key: general-ciphering.
    Keyed(KeyChoice),
}

/// Signatures of messages: general-signing.
#[derive(Clone, Debug)]
pub struct Signing {
    /// Our private key.
    pub own: SigningKey,
    /// The meter's public key, of the same curve.
    pub meter: VerifyingKey,
    /// The plain message is signed and then ciphered; otherwise the ciphered one is signed.
    pub inside: bool,
}

impl CipheringConfig {
    /// Suite 0, authenticated and encrypted, with the global key.
    #[must_use]
    pub const fn new(title: SystemTitle, encryption: Key, authentication: Key) -> Self {
        Self {
            title,
            encryption,
            authentication,
            control: SecurityControl::AUTHENTICATED_ENCRYPTED,
            dedicated: false,
            envelope: Envelope::Services,
            signing: None,
            counter_object: Some(INVOCATION_COUNTER),
        }
    }
}
