//! From the bytes of a message to what it says: opened where it is ciphered, read to its end.

use super::apdu::{Apdu, Ciphered, Ciphering, GeneralSigning, tag};
use super::axdr::{self, Fault, Reader};
use super::security::{
    CipherError, Keys, Opened, Protected, SecurityControl, SystemTitle, Verdict,
};

/// How a message is protected, as far as it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Security {
    /// In which form.
    pub form: Form,
    /// The sender's title, or the configured one where the message leaves it out.
    pub system_title: Option<SystemTitle>,
    /// What was done; `None` for a message that is only signed.
    pub control: Option<SecurityControl>,
    /// The sender's counter.
    pub invocation_counter: Option<u32>,
}

/// The form of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// general-glo-ciphering.
    GeneralGlo,
    /// general-ded-ciphering.
    GeneralDed,
    /// A service's own tag with the global key.
    Glo,
    /// A service's own tag with the dedicated key.
    Ded,
    /// general-signing.
    GeneralSigning,
    /// general-ciphering.
    GeneralCiphering,
}

impl Form {
    /// The name in the standard, shortened.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GeneralGlo => "general-glo",
            Self::GeneralDed => "general-ded",
            Self::Glo => "glo",
            Self::Ded => "ded",
            Self::GeneralSigning => "general-signing",
            Self::GeneralCiphering => "general-ciphering",
        }
    }

    const fn of(ciphering: Ciphering) -> Self {
        match ciphering {
            Ciphering::Glo(_) => Self::Glo,
            Ciphering::Ded(_) => Self::Ded,
            Ciphering::GeneralGlo => Self::GeneralGlo,
            Ciphering::GeneralDed => Self::GeneralDed,
        }
    }
}

/// Why a message says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It could not be opened.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// It is no message.
    #[error("{0}")]
    Form(axdr::Error),
    /// What a right tag protects is no message.
    #[error("inside of the ciphered message, {0}")]
    Inside(axdr::Error),
}

impl Refusal {
    /// True when the message ends before it should.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        matches!(
            self,
            Self::Form(axdr::Error {
                fault: Fault::Short,
                ..
            })
        )
    }
}

/// A message that may be believed as far as its verdict says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub apdu: Apdu,
    /// How far it may be believed.
    pub verdict: Verdict,
    /// The opened message of a ciphered one.
    pub plaintext: Option<Vec<u8>>,
    /// Its tag was checked and is wrong, which was allowed.
    pub wrong_tag: bool,
    /// Stray bytes that followed it.
    pub trailing: usize,
}

/// What became of the bytes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// How it is protected; `None` for a plain message.
    pub security: Option<Security>,
    /// The message, or why it says nothing.
    pub message: Result<Message, Refusal>,
}

/// Opens and reads a message. With an encryption key only ciphered messages count.
///
/// A signature is not checked here: it proves nothing to a receiver that has no certificate.
///
/// ```
/// use meter_link::dlms::receive::receive;
/// use meter_link::dlms::security::Keys;
/// let received = receive(&[0x0F, 0, 0, 0, 1, 0, 0x11, 5], &Keys::default());
/// assert_eq!(received.message?.apdu.name(), "data_notification");
/// # Ok::<(), meter_link::dlms::receive::Refusal>(())
/// ```
#[must_use]
pub fn receive(bytes: &[u8], keys: &Keys) -> Received {
    let (apdu, trailing) = match Apdu::decode(bytes) {
        Ok((apdu, behind)) => (apdu, behind.len()),
        Err(error) => {
            return Received {
                security: begun(bytes, keys),
                message: Err(Refusal::Form(error)),
            };
        }
    };
    match apdu {
        Apdu::Ciphered(ciphered) => open(&ciphered, trailing, keys),
        Apdu::GeneralCiphering(message) => Received {
            security: Some(Security {
                form: Form::GeneralCiphering,
                system_title: message.header.originator.as_slice().try_into().ok(),
                control: message.content.first().copied().map(SecurityControl),
                invocation_counter: counter(&message.content),
            }),
            message: Err(Refusal::Cipher(CipherError::Unsupported(
                "general-ciphering by a meter that pushes",
            ))),
        },
        Apdu::GeneralSigning(signed) => unsign(&signed, keys),
        apdu => Received {
            security: None,
            message: match keys.encryption.is_empty() {
                true => Ok(Message {
                    apdu,
                    verdict: Verdict::None,
                    plaintext: None,
                    wrong_tag: false,
                    trailing,
                }),
                false => Err(CipherError::NotCiphered.into()),
            },
        },
    }
}

fn counter(content: &[u8]) -> Option<u32> {
    let octets = content.get(1..)?.first_chunk()?;
    Some(u32::from_be_bytes(*octets))
}

/// What the beginning of a ciphered message tells of it.
fn begun(bytes: &[u8], keys: &Keys) -> Option<Security> {
    let mut reader = Reader::new(bytes);
    let ciphering = Ciphering::from_tag(reader.u8().ok()?)?;
    let title = match ciphering {
        Ciphering::Glo(_) | Ciphering::Ded(_) => None,
        _ => reader.octets().ok()?.try_into().ok(),
    };
    reader.length().ok()?;
    let control = SecurityControl(reader.u8().ok()?);
    Some(Security {
        form: Form::of(ciphering),
        system_title: title.or(keys.system_title),
        control: Some(control),
        invocation_counter: reader.u32().ok(),
    })
}

fn open(ciphered: &Ciphered, trailing: usize, keys: &Keys) -> Received {
    let form = Form::of(ciphered.ciphering);
    let title: Option<SystemTitle> = ciphered.system_title.as_slice().try_into().ok();
    let security = Security {
        form,
        system_title: title.or(keys.system_title),
        control: ciphered.content.first().copied().map(SecurityControl),
        invocation_counter: counter(&ciphered.content),
    };
    let message = if title.is_none() && !ciphered.system_title.is_empty() {
        let fault = Fault::Form("a system title has eight octets");
        Err(Refusal::Form(axdr::Error { at: 1, fault }))
    } else {
        Protected::decode(&ciphered.content)
            .map_err(Refusal::Form)
            .and_then(|protected| inside(keys.open(title, &protected)?, trailing))
    };
    Received {
        security: Some(security),
        message,
    }
}

/// Reads what was opened. Where no tag proves that the key was right, the plaintext must be one
/// message to its last byte.
fn inside(opened: Opened, trailing: usize) -> Result<Message, Refusal> {
    let Opened {
        plaintext,
        verdict,
        wrong_tag,
    } = opened;
    let proven = verdict != Verdict::Unauthenticated;
    let no_message = CipherError::WrongKey("the plaintext is no message");
    match Apdu::decode(&plaintext) {
        Ok((apdu, behind)) if is_plain(&apdu) && (proven || behind.is_empty()) => Ok(Message {
            trailing: trailing + behind.len(),
            apdu,
            verdict,
            plaintext: Some(plaintext),
            wrong_tag,
        }),
        Ok(_) if proven => {
            let fault = Fault::ApduTag(plaintext.first().copied().unwrap_or_default());
            Err(Refusal::Inside(axdr::Error { at: 0, fault }))
        }
        Err(error) if proven => Err(Refusal::Inside(error)),
        _ => Err(no_message.into()),
    }
}

const fn is_plain(apdu: &Apdu) -> bool {
    !matches!(
        apdu,
        Apdu::Ciphered(_)
            | Apdu::GeneralCiphering(_)
            | Apdu::GeneralSigning(_)
            | Apdu::BlockTransfer(_)
    )
}

fn unsign(signed: &GeneralSigning, keys: &Keys) -> Received {
    let own = Security {
        form: Form::GeneralSigning,
        system_title: signed.header.originator.as_slice().try_into().ok(),
        control: None,
        invocation_counter: None,
    };
    let inside_again = signed.content.first() == Some(&tag::GENERAL_SIGNING);
    if inside_again {
        let fault = Fault::Form("a signed message is signed again");
        return Received {
            security: Some(own),
            message: Err(Refusal::Form(axdr::Error { at: 0, fault })),
        };
    }
    let Received { security, message } = receive(&signed.content, keys);
    let security = match security {
        None => own,
        Some(inner) => Security {
            form: Form::GeneralSigning,
            system_title: inner.system_title.or(own.system_title),
            ..inner
        },
    };
    Received {
        security: Some(security),
        message: message.map(|message| Message {
            plaintext: message.plaintext.or_else(|| Some(signed.content.clone())),
            ..message
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlms::framing::Deframer;
    use crate::dlms::interpret::{self, Content};
    use crate::key::{Key, octets};

    /// The worked example of the description of Tirol's customer port
    /// (github.com/fneur/smart-meter-tirol, doc/EXAMPLE.md): two M-Bus segments, suite 1,
    /// encrypted only.
    const TIROL: &str = "\
        68FAFA6853FF000167DB084B464D10100000238201092100295B9AEFC1546E644A2C9E32EDD42CBD0F1B945B\
        194D086885C4D8DF86DD52CB5B448854A6D548D5D270739B2A169D05B013F9015070089D3C5FA45CA05E9230\
        9A645CC83D7DA40FBC8F4CF9C225AFA69A25FF0B2AC9C2744550ABA53CE9143FD10B0AD85FD30BD6B6DFFEE6\
        5F8204DC9C5067CA73B62E299A39D50AA730B2B9AE3836BC2F3490FB41BE5B6F930D84952976369DD7DABBB5\
        A4354AECA1D2486CFF2EB0C6206380BA501D122AF75D716D3092C3960506A15E06FAB0EE5B7DFA3C2CDF0CAF\
        D051B88E44B8B9FB8865F20CB89D1143CDC7EFEB07FB4C4898E764E9E3A32DDC3D1F0F166826266853FF1101\
        67B46961CE962B2C78050C96598C7E4D26658043F9CBCA78189BD01B139F8AE0F7391116";

    fn keys(digits: &str) -> Keys {
        let mut keys = Keys {
            no_auth: true,
            ..Keys::default()
        };
        keys.encryption.insert(None, Key::from_hex(digits).unwrap());
        keys
    }

    fn tirol() -> Vec<u8> {
        let mut deframer = Deframer::line();
        deframer.push(&octets(TIROL).unwrap());
        deframer.finish();
        deframer.poll().unwrap().apdu.unwrap()
    }

    #[test]
    fn a_published_push_of_suite_1() {
        let received = receive(&tirol(), &keys("101112131415161718191a1b1c1d1e1f"));
        let security = received.security.unwrap();
        assert_eq!(security.control, Some(SecurityControl(0x21)));
        assert_eq!(security.invocation_counter, Some(0x0029_5B9A));
        let message = received.message.unwrap();
        assert_eq!(message.verdict, Verdict::Unauthenticated);
        let Apdu::DataNotification(push) = message.apdu else {
            panic!("no push");
        };
        let reading = interpret::read(&push.body, security.system_title, &[]);
        assert_eq!(reading.meter_id.as_deref(), Some("1KFM0100000035"));
        assert_eq!(reading.manufacturer.as_deref(), Some("KFM"));
        let told: Vec<String> = reading
            .entries
            .iter()
            .filter_map(|entry| match &entry.content {
                Content::Number(number) => Some(format!("{} {number}", entry.register)),
                Content::Octets(_) => None,
            })
            .collect();
        assert_eq!(
            told[..3],
            [
                "1-0:32.7.0*255 230.8",
                "1-0:31.7.0*255 0.00",
                "1-0:1.7.0*255 0"
            ]
        );
        assert!(told.contains(&"1-0:1.8.0*255 9108".to_owned()));
    }

    #[test]
    fn without_a_tag_the_plaintext_must_make_sense() {
        let wrong = receive(&tirol(), &keys("101112131415161718191a1b1c1d1e1e"));
        let error = CipherError::WrongKey("the plaintext is no message");
        assert_eq!(wrong.message, Err(Refusal::Cipher(error)));
        let mut cut = tirol();
        cut.truncate(100);
        let cut = receive(&cut, &keys("101112131415161718191a1b1c1d1e1f"));
        assert!(cut.message.unwrap_err().is_truncated());
        let counter = cut.security.unwrap().invocation_counter;
        assert_eq!(counter, Some(0x0029_5B9A));
    }

    #[test]
    fn stray_bytes_after_a_right_tag_are_told() {
        let push = [0x0F, 0, 0, 0, 1, 0, 0x11, 5];
        let stray = [&push[..], &[0; 3]].concat();
        let message = receive(&stray, &Keys::default()).message.unwrap();
        assert_eq!((message.trailing, message.verdict), (3, Verdict::None));
        let plain = receive(&push, &keys("101112131415161718191a1b1c1d1e1f"));
        assert_eq!(plain.message, Err(CipherError::NotCiphered.into()));
    }
}
