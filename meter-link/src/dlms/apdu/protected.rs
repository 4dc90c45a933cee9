//! Messages around protected messages (IEC 62056-5-3, 5.3.5 and 8): service-specific ciphering,
//! general-glo-, general-ded- and general-ciphering, general-signing.

use super::parts::choice;
use super::tag;
use crate::dlms::axdr::{Error, Reader, put_octets, put_optional};

/// How a message names its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ciphering {
    /// A service's own tag, global key; the tag of the message.
    Glo(u8),
    /// A service's own tag, dedicated key; the tag of the message.
    Ded(u8),
    /// general-glo-ciphering.
    GeneralGlo,
    /// general-ded-ciphering.
    GeneralDed,
}

impl Ciphering {
    /// True when the key is the association's dedicated one.
    #[must_use]
    pub const fn is_dedicated(self) -> bool {
        matches!(self, Self::Ded(_) | Self::GeneralDed)
    }

    /// The tag under which the message with tag `plain` is sent with the global key; `None` for
    /// messages that are only ciphered generally.
    #[must_use]
    pub const fn glo_of(plain: u8) -> Option<Self> {
        match plain {
            1 | 5 | 6 | 8 | 12 | 13 | 14 | 22 | 24 => Some(Self::Glo(plain + 0x20)),
            0xC0..=0xC5 | 0xC7 => Some(Self::Glo(plain + 8)),
            _ => None,
        }
    }

    /// The same with the dedicated key.
    #[must_use]
    pub const fn ded_of(plain: u8) -> Option<Self> {
        match plain {
            1 | 5 | 6 | 8 | 12 | 13 | 14 | 22 | 24 => Some(Self::Ded(plain + 0x40)),
            0xC0..=0xC5 | 0xC7 => Some(Self::Ded(plain + 16)),
            _ => None,
        }
    }

    /// What a tag says; `None` when it is no ciphered message's.
    #[must_use]
    pub const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            33 | 37 | 38 | 40 | 44 | 45 | 46 | 54 | 56 | 0xC8..=0xCD | 0xCF => Some(Self::Glo(tag)),
            65 | 69 | 70 | 72 | 76 | 77 | 78 | 86 | 88 | 0xD0..=0xD5 | 0xD7 => Some(Self::Ded(tag)),
            tag::GENERAL_GLO => Some(Self::GeneralGlo),
            tag::GENERAL_DED => Some(Self::GeneralDed),
            _ => None,
        }
    }
}

/// A ciphered message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphered {
    /// Which key, and which tag.
    pub ciphering: Ciphering,
    /// The sender's title; empty with service-specific ciphering, and where a sender leaves it out.
    pub system_title: Vec<u8>,
    /// Security control, invocation counter, content and tag:
    /// [`Protected`](crate::dlms::security::Protected).
    pub content: Vec<u8>,
}

impl Ciphered {
    pub(super) fn read(ciphering: Ciphering, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let system_title = match ciphering {
            Ciphering::Glo(_) | Ciphering::Ded(_) => Vec::new(),
            Ciphering::GeneralGlo | Ciphering::GeneralDed => reader.octets()?.to_vec(),
        };
        Ok(Self {
            ciphering,
            system_title,
            content: reader.octets()?.to_vec(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self.ciphering {
            Ciphering::Glo(tag) | Ciphering::Ded(tag) => out.push(tag),
            Ciphering::GeneralGlo => {
                out.push(tag::GENERAL_GLO);
                put_octets(out, &self.system_title);
            }
            Ciphering::GeneralDed => {
                out.push(tag::GENERAL_DED);
                put_octets(out, &self.system_title);
            }
        }
        put_octets(out, &self.content);
    }
}

/// What general-ciphering and general-signing say about themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GeneralHeader {
    /// Number of the transaction.
    pub transaction_id: Vec<u8>,
    /// Title of who made it.
    pub originator: Vec<u8>,
    /// Title of whom it is for.
    pub recipient: Vec<u8>,
    /// When it was made, twelve octets or none.
    pub date_time: Vec<u8>,
    /// Whatever else.
    pub other_information: Vec<u8>,
}

impl GeneralHeader {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut octets = || reader.octets().map(<[u8]>::to_vec);
        Ok(Self {
            transaction_id: octets()?,
            originator: octets()?,
            recipient: octets()?,
            date_time: octets()?,
            other_information: octets()?,
        })
    }

    /// The fields with their lengths, as they stand in the message and as they are signed.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_octets(out, &self.transaction_id);
        put_octets(out, &self.originator);
        put_octets(out, &self.recipient);
        put_octets(out, &self.date_time);
        put_octets(out, &self.other_information);
    }
}

/// Which key a general-ciphering message uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyInfo {
    /// A key both know: 0 global unicast, 1 global broadcast.
    Identified(u8),
    /// A key wrapped with another one: which (0 the master key), and the wrapped key.
    Wrapped(u8, Vec<u8>),
    /// A key both agree on: 01 one-pass Diffie-Hellman, 02 static unified model; and the sender's
    /// ephemeral public key with its signature, if there is one.
    Agreed(Vec<u8>, Vec<u8>),
}

/// general-ciphering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneralCiphering {
    /// Who, to whom, when.
    pub header: GeneralHeader,
    /// Which key.
    pub key: Option<KeyInfo>,
    /// Security control, invocation counter, content and tag.
    pub content: Vec<u8>,
}

impl GeneralCiphering {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let header = GeneralHeader::read(reader)?;
        let key = reader.optional(|reader| {
            let start = reader.clone();
            Ok(match reader.u8()? {
                0 => KeyInfo::Identified(reader.u8()?),
                1 => KeyInfo::Wrapped(reader.u8()?, reader.octets()?.to_vec()),
                2 => KeyInfo::Agreed(reader.octets()?.to_vec(), reader.octets()?.to_vec()),
                value => return Err(choice(&start, "way of telling a key", value)),
            })
        })?;
        Ok(Self {
            header,
            key,
            content: reader.octets()?.to_vec(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::GENERAL_CIPHERING);
        self.header.write(out);
        put_optional(out, self.key.as_ref(), |out, key| match key {
            KeyInfo::Identified(id) => out.extend_from_slice(&[0, *id]),
            KeyInfo::Wrapped(by, octets) => {
                out.extend_from_slice(&[1, *by]);
                put_octets(out, octets);
            }
            KeyInfo::Agreed(parameters, octets) => {
                out.push(2);
                put_octets(out, parameters);
                put_octets(out, octets);
            }
        });
        put_octets(out, &self.content);
    }
}

/// general-signing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneralSigning {
    /// Who, to whom, when.
    pub header: GeneralHeader,
    /// The signed message, plain or ciphered.
    pub content: Vec<u8>,
    /// r and s, of 32 octets each in suite 1 and of 48 in suite 2.
    pub signature: Vec<u8>,
}

impl GeneralSigning {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            header: GeneralHeader::read(reader)?,
            content: reader.octets()?.to_vec(),
            signature: reader.octets()?.to_vec(),
        })
    }

    /// What the signature is over: the header's fields, each with its length, and the content. Figure
    /// 85 of the Green Book has the content's length signed as well; the meters and libraries that
    /// sign messages leave it out.
    #[must_use]
    pub fn signed(&self, with_length: bool) -> Vec<u8> {
        let mut out = Vec::new();
        self.header.write(&mut out);
        match with_length {
            true => put_octets(&mut out, &self.content),
            false => out.extend_from_slice(&self.content),
        }
        out
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::GENERAL_SIGNING);
        out.extend(self.signed(true));
        put_octets(out, &self.signature);
    }
}
