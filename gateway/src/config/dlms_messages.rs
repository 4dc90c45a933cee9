//! `[meter.dlms.messages]`: how each message tells its key, and its signature.

use anyhow::Context;
use meter_link::dlms::client::{Envelope, Signing};
use meter_link::dlms::security::KeyChoice;
use meter_link::dlms::security::agreement::{AgreementKey, AgreementPublicKey};
use meter_link::dlms::security::ecdsa::{SigningKey, VerifyingKey};
use meter_link::key::Key;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Secret;
use super::dlms::DlmsConfig;

/// `[meter.dlms.messages]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MessagesConfig {
    /// The key that messages tell (general-ciphering); they tell none when left out.
    pub key_info: Option<KeyInfo>,
    /// `wrapped`: the master key, 32 hex digits, 64 in suite 2.
    pub master_key: Option<Secret>,
    /// `one-pass` and `static`: our private key for agreeing on keys, 64 hex digits (P-256), 96
    /// (P-384).
    pub agreement_key: Option<Secret>,
    /// The meter's public key to agree with, likewise: 128 hex digits, 192.
    pub meter_agreement_key: Option<Secret>,
    /// Messages are signed by `signing_key`, the meter's checked by `meter_public_key`
    /// (general-signing).
    pub sign: Option<Sign>,
}

/// The key of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyInfo {
    /// `key`, which both know.
    Identified,
    /// A new one, wrapped with the master key.
    Wrapped,
    /// A new one, agreed on with a key pair that the sender makes and signs: C(1e, 1s).
    OnePass,
    /// A new one, agreed on with both sides' key pairs: C(0e, 2s).
    Static,
}

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// The ciphered message.
    Ciphered,
    /// The plain message, which is ciphered with its signature.
    Plain,
}

impl DlmsConfig {
    pub(super) fn envelope(&self) -> anyhow::Result<Envelope> {
        let messages = self.messages.as_ref();
        let Some((messages, key_info)) =
            messages.and_then(|messages| Some((messages, messages.key_info?)))
        else {
            return Ok(match self.general_ciphering {
                true => Envelope::General,
                false => Envelope::Services,
            });
        };
        anyhow::ensure!(
            !self.general_ciphering && !self.dedicated_key,
            "dlms.messages.key_info takes the place of dlms.general_ciphering and dlms.dedicated_key"
        );
        Ok(Envelope::Keyed(match key_info {
            KeyInfo::Identified => KeyChoice::Identified,
            KeyInfo::Wrapped => KeyChoice::Wrapped {
                master: messages.master(self.suite)?,
            },
            KeyInfo::OnePass => {
                let (own, peer) = messages.agreement(self.suite)?;
                let (signing, verifying) = self.signing_keys("key_info = \"one-pass\"")?;
                KeyChoice::OnePass {
                    own,
                    peer,
                    signing,
                    verifying,
                }
            }
            KeyInfo::Static => {
                let (own, peer) = messages.agreement(self.suite)?;
                KeyChoice::Static { own, peer }
            }
        }))
    }

    pub(super) fn signing(&self) -> anyhow::Result<Option<Signing>> {
        let Some(sign) = self.messages.as_ref().and_then(|messages| messages.sign) else {
            return Ok(None);
        };
        let (own, meter) = self.signing_keys("dlms.messages.sign")?;
        Ok(Some(Signing {
            own,
            meter,
            inside: sign == Sign::Plain,
        }))
    }

    /// Our private key and the meter's public one: P-256 in suites 0 and 1, P-384 in suite 2.
    pub(super) fn signing_keys(&self, needed: &str) -> anyhow::Result<(SigningKey, VerifyingKey)> {
        let own = octets("dlms.signing_key", self.signing_key.as_ref(), needed)?;
        let own = SigningKey::from_octets(&own).context("dlms.signing_key")?;
        let meter = self.meter_public_key.as_ref();
        let meter = octets("dlms.meter_public_key", meter, needed)?;
        let meter = VerifyingKey::from_octets(&meter).context("dlms.meter_public_key")?;
        anyhow::ensure!(
            own.suite() == self.suite.max(1)
                && meter.to_octets().len() == 2 * own.to_octets().len(),
            "dlms.signing_key and dlms.meter_public_key: suites 0 and 1 have keys of P-256, suite 2 of P-384"
        );
        Ok((own, meter))
    }
}

impl MessagesConfig {
    fn master(&self, suite: u8) -> anyhow::Result<Key> {
        let name = "dlms.messages.master_key";
        let needed = "key_info = \"wrapped\"";
        let octets = octets(name, self.master_key.as_ref(), needed)?;
        let long = if suite == 2 { 32 } else { 16 };
        let key = Key::from_octets(&octets).filter(|_| octets.len() == long);
        key.with_context(|| format!("{name}: a key of suite {suite} has {} hex digits", 2 * long))
    }

    fn agreement(&self, suite: u8) -> anyhow::Result<(AgreementKey, AgreementPublicKey)> {
        let needed = "agreeing on keys";
        let name = "dlms.messages.agreement_key";
        let own = octets(name, self.agreement_key.as_ref(), needed)?;
        let own = AgreementKey::from_octets(&own).context(name)?;
        let name = "dlms.messages.meter_agreement_key";
        let peer = octets(name, self.meter_agreement_key.as_ref(), needed)?;
        let peer = AgreementPublicKey::from_octets(&peer).context(name)?;
        anyhow::ensure!(
            own.suite() == suite && peer.suite() == suite,
            "dlms.messages: keys are agreed on in suite 1, with P-256, and in suite 2, with P-384"
        );
        Ok((own, peer))
    }
}

fn octets(
    name: &'static str,
    secret: Option<&Secret>,
    needed: &str,
) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let secret = secret.with_context(|| format!("{name} is missing for {needed}"))?;
    let text = secret.reveal().context(name)?;
    let octets = crate::hex::decode(text.trim());
    octets
        .map(Zeroizing::new)
        .with_context(|| format!("{name} is no hex"))
}
