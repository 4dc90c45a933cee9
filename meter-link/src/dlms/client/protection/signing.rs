//! general-signing of one association's messages (IEC 62056-5-3, 5.3.5.5).

use super::Protection;
use crate::dlms::apdu::Apdu;
use crate::dlms::client::config::Signing;
use crate::dlms::client::error::ClientError;
use crate::dlms::security::CipherError;

/// Octets by which a signature lengthens a message, at most: tag, titles, lengths, signature.
pub(super) fn length(signing: &Signing) -> usize {
    const FIELDS: usize = 28;
    FIELDS + if signing.own.suite() == 2 { 96 } else { 64 }
}

impl Protection {
    /// A message of ours with our signature.
    pub(super) fn sign(&self, content: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        let signing = self.config.signing.as_ref().ok_or(CipherError::NoKey)?;
        let signed = signing.own.general_signing(self.header()?, content);
        Ok(Apdu::GeneralSigning(signed).to_vec())
    }

    /// What the meter has signed.
    pub(super) fn verified(&self, apdu: Apdu) -> Result<Vec<u8>, ClientError> {
        let signing = self.config.signing.as_ref().ok_or(CipherError::NoKey)?;
        let Apdu::GeneralSigning(signed) = apdu else {
            return Err(ClientError::Unsigned(apdu.name()));
        };
        self.is_for_us(&signed.header)?;
        match signing.meter.verifies(&signed) {
            true => Ok(signed.content),
            false => Err(CipherError::WrongKey("the meter's signature does not verify").into()),
        }
    }
}
