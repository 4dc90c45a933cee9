//! The proofs of high level security that need no cipher (IEC 62056-5-3, 5.3.2.3, mechanisms 3, 4
//! and 6), and what is signed with mechanism 7.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::config::Password;
use super::error::ClientError;
use crate::dlms::apdu::Mechanism;
use crate::dlms::security::ecdsa;

/// What a proof is over, from the view of the one who makes it.
pub(super) struct Sides<'a> {
    /// System title of the one who proves.
    pub(super) sender: &'a [u8],
    /// System title of the other.
    pub(super) receiver: &'a [u8],
    /// The challenge that is answered.
    pub(super) to_sender: &'a [u8],
    /// The challenge of the one who proves.
    pub(super) to_receiver: &'a [u8],
}

/// Titles and challenges of one association.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    own: Vec<u8>,
    server: Vec<u8>,
    of_client: Vec<u8>,
    of_server: Vec<u8>,
}

impl Handshake {
    /// We have sent a challenge.
    pub(super) fn begun(challenge: Vec<u8>) -> Self {
        Self {
            of_client: challenge,
            ..Self::default()
        }
    }

    /// The meter has sent its own.
    pub(super) fn answered(
        &mut self,
        challenge: Option<&[u8]>,
        own: Vec<u8>,
        server: Vec<u8>,
    ) -> Result<(), ClientError> {
        let challenge = challenge.filter(|challenge| (8..=64).contains(&challenge.len()));
        let no_challenge = ClientError::HighLevelSecurity("the meter sends no challenge");
        let challenge = challenge.ok_or(no_challenge)?;
        if challenge == self.of_client {
            return Err(ClientError::HighLevelSecurity(
                "the meter sends our own challenge back",
            ));
        }
        self.of_server = challenge.to_vec();
        (self.own, self.server) = (own, server);
        Ok(())
    }

    /// Our challenge to the meter.
    pub(super) fn of_client(&self) -> &[u8] {
        &self.of_client
    }

    /// The meter's challenge to us.
    pub(super) fn of_server(&self) -> &[u8] {
        &self.of_server
    }

    /// What our proof is over.
    pub(super) fn own_side(&self) -> Sides<'_> {
        Sides {
            sender: &self.own,
            receiver: &self.server,
            to_sender: &self.of_server,
            to_receiver: &self.of_client,
        }
    }

    /// What the meter's proof is over.
    pub(super) fn server_side(&self) -> Sides<'_> {
        Sides {
            sender: &self.server,
            receiver: &self.own,
            to_sender: &self.of_client,
            to_receiver: &self.of_server,
        }
    }
}

/// The proof that its maker knows a secret.
pub(super) fn proof(
    mechanism: Mechanism,
    secret: &Password,
    sides: &Sides<'_>,
) -> Result<Vec<u8>, ClientError> {
    let secret = secret.octets();
    Ok(match mechanism {
        Mechanism::Md5 => digest::<Md5>(&[sides.to_sender, secret]),
        Mechanism::Sha1 => digest::<Sha1>(&[sides.to_sender, secret]),
        Mechanism::Sha256 => digest::<Sha256>(&[
            secret,
            sides.sender,
            sides.receiver,
            sides.to_sender,
            sides.to_receiver,
        ]),
        _ => {
            return Err(ClientError::HighLevelSecurity(
                "this mechanism is not supported",
            ));
        }
    })
}

/// What the one who proves signs. Both sides must have told their system titles.
pub(super) fn signed(sides: &Sides<'_>) -> Result<Vec<u8>, ClientError> {
    let title = |title: &[u8]| title.try_into().ok();
    let (Some(sender), Some(receiver)) = (title(sides.sender), title(sides.receiver)) else {
        return Err(ClientError::HighLevelSecurity(
            "a signature is over both system titles, and one is not known",
        ));
    };
    Ok(ecdsa::challenge(
        sender,
        receiver,
        sides.to_sender,
        sides.to_receiver,
    ))
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let hash = parts.iter().fold(D::new(), Digest::chain_update);
    hash.finalize().to_vec()
}

/// Compares two proofs in a time that does not depend on where they differ.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlms::security::ecdsa::VerifyingKey;

    /// Digests of the joined parts by Python's hashlib.
    #[test]
    fn proofs_of_another_implementation() {
        let sides = Sides {
            sender: b"CLIENT01",
            receiver: b"SERVER01",
            to_sender: b"stoc-challenge!!",
            to_receiver: b"ctos-challenge!!",
        };
        let secret = Password::new(*b"secret-secret-16");
        for (mechanism, want) in [
            (Mechanism::Md5, "CCB39EDC8496DFF548CC3D37E9725710"),
            (Mechanism::Sha1, "536AA898D326384FD98E654478C429BD2F0EE737"),
            (
                Mechanism::Sha256,
                "F3D940BF48CA0EAB063DDCD884438FE23B34F56DD1FF61E6F34C50A24D82751F",
            ),
        ] {
            let want = crate::key::octets(want).unwrap();
            let made = proof(mechanism, &secret, &sides).unwrap();
            assert_eq!(made, want);
            assert!(same(&made, &want) && !same(&made, &want[1..]));
        }
        assert!(proof(Mechanism::Manufacturer, &secret, &sides).is_err());
    }

    /// A meter's proof by gurux-dlms, with the key of RFC 6979, A.2.5.
    #[test]
    fn a_signature_of_another_implementation() {
        let octets = |text: &str| crate::key::octets(text).unwrap();
        let meter = VerifyingKey::from_octets(&octets(
            "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6\
             7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        ))
        .unwrap();
        let proof = octets(
            "E6E73419F63768106AC5FE9E9B09871F6EF20434E08124B6480BFE9EFACC5615\
             ED031D80201D8EBC03AC2279E16DF4816F077A1010B6D81C1D2926FF949F8812",
        );
        let mut handshake = Handshake::begun(b"ctos-challenge!!".to_vec());
        let titles = (b"CLIENT01".to_vec(), b"SERVER01".to_vec());
        handshake
            .answered(Some(b"stoc-challenge!!"), titles.0, titles.1)
            .unwrap();
        assert!(meter.verify(&signed(&handshake.server_side()).unwrap(), &proof));
        assert!(!meter.verify(&signed(&handshake.own_side()).unwrap(), &proof));
        assert!(signed(&Handshake::default().own_side()).is_err());
    }
}
