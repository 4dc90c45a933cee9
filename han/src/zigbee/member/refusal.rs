//! Why the stick is not in the meter's network, in words for a household.

use crate::zigbee::key_establishment::Refusal;

/// Why there is nothing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// No network was heard.
    #[error(
        "no Zigbee network is heard: the stick is too far from the meter, or the meter's radio is off"
    )]
    NobodyThere,
    /// Networks were heard, and the configured one is not among them.
    #[error("the network of zigbee.extended_pan is not heard among {0} others")]
    NotAmong(usize),
    /// No network that was heard lets devices in.
    #[error(
        "{0} Zigbee networks are heard and none lets devices in: ask the utility to register the \
         stick's address and install code, and to open the meter's network"
    )]
    NobodyPermits(usize),
    /// The stick associated, and no key of the network came that the install code opens.
    #[error(
        "the meter's network let the stick in and gave it no key that its install code opens: the \
         code in zigbee.install_code is not the one that the utility has registered for the \
         stick's address"
    )]
    WrongCode,
    /// The network did not let the stick in.
    #[error("the meter's network does not let the stick in (status {0:02x} of the stick)")]
    NotLetIn(u64),
    /// The stick said nothing of it in time.
    #[error(
        "the stick was to join the meter's network and did not tell in a minute whether it has"
    )]
    NoAnswer,
    /// The meter's interface has no endpoint of Smart Energy with a meter.
    #[error(
        "the network's trust centre has no meter of the Smart Energy profile (0109, cluster 0702)"
    )]
    NoMeter,
    /// There is no certificate to come to a key with.
    #[error(
        "the meter gives nothing without a key from certificates, and zigbee.certificate names none"
    )]
    NoCertificate,
    /// The certificate is of a suite that the meter does not have.
    #[error("the meter has no cryptographic suite {0}, of which zigbee.certificate is")]
    NoSuite(u16),
    /// The certificate is of another stick.
    #[error(
        "zigbee.certificate is of the device {certificate:016x}, and the stick is {stick:016x}"
    )]
    OtherStick {
        /// Whom the certificate names.
        certificate: u64,
        /// The stick's address.
        stick: u64,
    },
    /// The exchange of certificates ended without a key.
    #[error("the meter and the gateway came to no key: {}", words(*.0))]
    NoKey(Refusal),
    /// The meter did not answer in the exchange.
    #[error("the meter does not answer in the exchange of certificates")]
    Silent,
    /// The stick does not keep the key.
    #[error("the stick does not take the key that it and the meter came to")]
    KeyNotTaken,
}

impl Obstacle {
    /// What the stack's status after joining means (UG100, EmberStatus; sl_status_t from version
    /// 14 on).
    pub(super) const fn of_status(status: Option<u64>) -> Self {
        match status {
            // NO_NETWORK_KEY_RECEIVED, NO_LINK_KEY_RECEIVED, PRECONFIGURED_KEY_REQUIRED, and the key
            // that came in the clear.
            Some(0xAC..=0xAF | 0x0C1A..=0x0C1D) => Self::WrongCode,
            Some(status) => Self::NotLetIn(status),
            None => Self::NoAnswer,
        }
    }
}

/// The reason with the name of the status where the meter gave one (annex C.3.1.2.3.4).
fn words(refusal: Refusal) -> String {
    let reason = match refusal {
        Refusal::ByOther(1) => "the authority that issued zigbee.certificate is not the meter's",
        Refusal::ByOther(2) => "the confirmation of the key was wrong",
        Refusal::ByOther(3) => "a message was not the one that was due",
        Refusal::ByOther(4) => "it has no room for another exchange",
        Refusal::ByOther(5) => "it does not have the certificate's suite",
        Refusal::ByOther(6) => "it does not take zigbee.certificate",
        other => return other.to_string(),
    };
    format!("the meter ended the exchange, {reason}")
}
