//! The association control service elements (ISO/IEC 15954 in BER, as IEC 62056-5-3, clause 7.2
//! and 8 profile it): AARQ, AARE, RLRQ, RLRE.

use super::{AssociationResult, tag};
use crate::dlms::axdr::{Error, Fault, Reader, put_length};

/// 2.16.756.5.8: the DLMS user association's arc, as its content octets.
const ARC: [u8; 5] = [0x60, 0x85, 0x74, 0x05, 0x08];

/// What the association is about: how objects are referred to and whether messages may be
/// ciphered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// Logical names, no ciphering.
    LogicalName,
    /// Short names, no ciphering.
    ShortName,
    /// Logical names with ciphering.
    LogicalNameCiphered,
    /// Short names with ciphering.
    ShortNameCiphered,
    /// A number that the standard does not name.
    Other(u8),
}

impl Context {
    /// Last number of its object identifier.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::LogicalName => 1,
            Self::ShortName => 2,
            Self::LogicalNameCiphered => 3,
            Self::ShortNameCiphered => 4,
            Self::Other(number) => number,
        }
    }

    /// The context of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::LogicalName,
            2 => Self::ShortName,
            3 => Self::LogicalNameCiphered,
            4 => Self::ShortNameCiphered,
            other => Self::Other(other),
        }
    }
}

/// How the sides prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// Not at all.
    None,
    /// The client tells a password (low level security).
    Low,
    /// A maker's own challenge function.
    Manufacturer,
    /// MD5 over challenge and secret.
    Md5,
    /// SHA-1 over challenge and secret.
    Sha1,
    /// GMAC over the challenge.
    Gmac,
    /// SHA-256 over secret, titles and challenges.
    Sha256,
    /// ECDSA over titles and challenges.
    Ecdsa,
    /// A number that the standard does not name.
    Other(u8),
}

impl Mechanism {
    /// Last number of its object identifier.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Low => 1,
            Self::Manufacturer => 2,
            Self::Md5 => 3,
            Self::Sha1 => 4,
            Self::Gmac => 5,
            Self::Sha256 => 6,
            Self::Ecdsa => 7,
            Self::Other(number) => number,
        }
    }

    /// The mechanism of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Low,
            2 => Self::Manufacturer,
            3 => Self::Md5,
            4 => Self::Sha1,
            5 => Self::Gmac,
            6 => Self::Sha256,
            7 => Self::Ecdsa,
            other => Self::Other(other),
        }
    }

    /// True for mechanisms of four passes, with challenges of both sides.
    #[must_use]
    pub const fn is_high(self) -> bool {
        self.number() >= 2
    }
}

/// What one side shows of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Authentication {
    /// How.
    pub mechanism: Mechanism,
    /// The password of low level security, or a challenge. Never printed.
    pub value: Option<Vec<u8>>,
}

impl std::fmt::Debug for Authentication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let length = self.value.as_ref().map(Vec::len);
        write!(f, "Authentication({:?}, {length:?} octets)", self.mechanism)
    }
}

/// Association request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aarq {
    /// What it is about.
    pub context: Context,
    /// The client's system title (calling-AP-title).
    pub title: Option<Vec<u8>>,
    /// The client's certificate (calling-AE-qualifier).
    pub certificate: Option<Vec<u8>>,
    /// The client's user (calling-AE-invocation-id).
    pub user: Option<u8>,
    /// How the client proves who it is.
    pub authentication: Option<Authentication>,
    /// An InitiateRequest, plain or ciphered.
    pub information: Option<Vec<u8>>,
}

/// Why an association was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnostic {
    /// Of the service's user: 0 none, 1 no reason given, 2 application context not supported,
    /// 11 mechanism name not recognised, 12 mechanism name required, 13 authentication failure,
    /// 14 authentication required.
    User(u8),
    /// Of the service's provider: 0 none, 1 no reason given, 2 no common version.
    Provider(u8),
}

impl Diagnostic {
    /// What it says.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::User(0) | Self::Provider(0) => "no diagnostic",
            Self::User(1) | Self::Provider(1) => "no reason given",
            Self::User(2) => "application context not supported",
            Self::User(3) => "calling AP title not recognised",
            Self::User(11) => "authentication mechanism not recognised",
            Self::User(12) => "authentication mechanism required",
            Self::User(13) => "authentication failure",
            Self::User(14) => "authentication required",
            Self::Provider(2) => "no common version of the protocol",
            _ => "another reason",
        }
    }
}

/// Association response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aare {
    /// What it is about.
    pub context: Context,
    /// Accepted or not.
    pub result: AssociationResult,
    /// Why not, or that authentication is still required.
    pub diagnostic: Diagnostic,
    /// The server's system title (responding-AP-title).
    pub title: Option<Vec<u8>>,
    /// The server's certificate (responding-AE-qualifier).
    pub certificate: Option<Vec<u8>>,
    /// How the server proves who it is.
    pub authentication: Option<Authentication>,
    /// An InitiateResponse or ConfirmedServiceError, plain or ciphered.
    pub information: Option<Vec<u8>>,
}

/// Why an association ends: 0 normal, 1 urgent or not finished, 30 user defined.
pub type ReleaseReason = u8;

/// Release request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rlrq {
    /// Why.
    pub reason: Option<ReleaseReason>,
    /// An InitiateRequest, ciphered, where the association is.
    pub information: Option<Vec<u8>>,
}

/// Release response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rlre {
    /// How.
    pub reason: Option<ReleaseReason>,
    /// An InitiateResponse, ciphered, where the association is.
    pub information: Option<Vec<u8>>,
}

/// Tag and content of each field of the message whose tag was read.
fn fields<'a>(
    reader: &mut Reader<'a>,
    mut take: impl FnMut(u8, Reader<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let length = reader.length()?;
    let mut inside = reader.part(length)?;
    while !inside.is_empty() {
        let field = inside.u8()?;
        let length = inside.length()?;
        take(field, inside.part(length)?)?;
    }
    Ok(())
}

/// The content of the one field with this tag that `inside` holds.
fn within<'a>(mut inside: Reader<'a>, tag: u8) -> Result<Reader<'a>, Error> {
    let start = inside.clone();
    if inside.u8()? != tag {
        return Err(start.error(Fault::Form("a field of an association has another type")));
    }
    let length = inside.length()?;
    inside.part(length)
}

fn integer(inside: &Reader<'_>) -> Result<u8, Error> {
    match inside.rest() {
        // A leading zero keeps numbers from 128 on positive.
        [number] | [0, number] => Ok(*number),
        _ => Err(inside.error(Fault::Form("an integer of one octet is expected"))),
    }
}

/// The last number of an object identifier below 2.16.756.5.8.`arc`.
fn identifier(inside: &Reader<'_>, arc: u8) -> Result<u8, Error> {
    match inside.rest().strip_prefix(&ARC) {
        Some([found, number]) if *found == arc => Ok(*number),
        _ => Err(inside.error(Fault::Form("an object identifier is none of DLMS"))),
    }
}

fn octets(inside: &Reader<'_>) -> Vec<u8> {
    inside.rest().to_vec()
}

fn put_field(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    put_length(out, content.len());
    out.extend_from_slice(content);
}

fn nested(outer: u8, inner: u8, content: &[u8]) -> Vec<u8> {
    let mut inside = Vec::new();
    put_field(&mut inside, inner, content);
    let mut out = Vec::new();
    put_field(&mut out, outer, &inside);
    out
}

const fn oid(arc: u8, number: u8) -> [u8; 7] {
    let [a, b, c, d, e] = ARC;
    [a, b, c, d, e, arc, number]
}

const MISSING_CONTEXT: Fault = Fault::Form("the application context name is missing");
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const INTEGER: u8 = 0x02;
const CHARSTRING: u8 = 0x80;

/// Mechanism and value, which come in either order.
#[derive(Default)]
struct Shown {
    mechanism: Option<Mechanism>,
    value: Option<Vec<u8>>,
}

impl Shown {
    fn take_mechanism(&mut self, inside: &Reader<'_>) -> Result<(), Error> {
        self.mechanism = Some(Mechanism::from_number(identifier(inside, 2)?));
        Ok(())
    }

    fn take_value(&mut self, inside: Reader<'_>) -> Result<(), Error> {
        self.value = Some(octets(&within(inside, CHARSTRING)?));
        Ok(())
    }

    fn authentication(self) -> Option<Authentication> {
        let Self { mechanism, value } = self;
        (mechanism.is_some() || value.is_some()).then(|| Authentication {
            mechanism: mechanism.unwrap_or(Mechanism::None),
            value,
        })
    }
}

/// Requirement of authentication, mechanism and value under their three tags.
fn put_authentication(out: &mut Vec<u8>, shown: &Authentication, tags: [u8; 3]) {
    let [requirements, mechanism, value] = tags;
    // A bit string of one bit: the functional unit of authentication.
    put_field(out, requirements, &[0x07, 0x80]);
    put_field(out, mechanism, &oid(2, shown.mechanism.number()));
    if let Some(shown) = &shown.value {
        out.extend(nested(value, CHARSTRING, shown));
    }
}

impl Aarq {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let mut context = None;
        let mut shown = Shown::default();
        let (mut title, mut certificate, mut user, mut information) = (None, None, None, None);
        fields(reader, |field, inside| {
            match field {
                0xA1 => {
                    let number = identifier(&within(inside, OBJECT_IDENTIFIER)?, 1)?;
                    context = Some(Context::from_number(number));
                }
                0xA6 => title = Some(octets(&within(inside, OCTET_STRING)?)),
                0xA7 => certificate = Some(octets(&within(inside, OCTET_STRING)?)),
                0xA9 => user = Some(integer(&within(inside, INTEGER)?)?),
                0x8B => shown.take_mechanism(&inside)?,
                0xAC => shown.take_value(inside)?,
                0xBE => information = Some(octets(&within(inside, OCTET_STRING)?)),
                // The version, the server's title, requirements, anything newer.
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self {
            context: context.ok_or(start.error(MISSING_CONTEXT))?,
            title,
            certificate,
            user,
            authentication: shown.authentication(),
            information,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut inside = nested(0xA1, OBJECT_IDENTIFIER, &oid(1, self.context.number()));
        if let Some(title) = &self.title {
            inside.extend(nested(0xA6, OCTET_STRING, title));
        }
        if let Some(certificate) = &self.certificate {
            inside.extend(nested(0xA7, OCTET_STRING, certificate));
        }
        if let Some(user) = self.user {
            inside.extend(nested(0xA9, INTEGER, &number(user)));
        }
        if let Some(shown) = &self.authentication {
            put_authentication(&mut inside, shown, [0x8A, 0x8B, 0xAC]);
        }
        if let Some(information) = &self.information {
            inside.extend(nested(0xBE, OCTET_STRING, information));
        }
        put_field(out, tag::AARQ, &inside);
    }
}

/// The content octets of a positive INTEGER.
fn number(value: u8) -> Vec<u8> {
    if value < 0x80 {
        vec![value]
    } else {
        vec![0, value]
    }
}

impl Aare {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let (mut context, mut result, mut diagnostic) = (None, None, None);
        let mut shown = Shown::default();
        let (mut title, mut certificate, mut information) = (None, None, None);
        fields(reader, |field, inside| {
            match field {
                0xA1 => {
                    let number = identifier(&within(inside, OBJECT_IDENTIFIER)?, 1)?;
                    context = Some(Context::from_number(number));
                }
                0xA2 => {
                    let code = integer(&within(inside, INTEGER)?)?;
                    result = Some(AssociationResult::from_code(code));
                }
                0xA3 => {
                    let provider = inside.peek() == Some(0xA2);
                    let source = within(inside, if provider { 0xA2 } else { 0xA1 })?;
                    let code = integer(&within(source, INTEGER)?)?;
                    diagnostic = Some(match provider {
                        true => Diagnostic::Provider(code),
                        false => Diagnostic::User(code),
                    });
                }
                0xA4 => title = Some(octets(&within(inside, OCTET_STRING)?)),
                0xA5 => certificate = Some(octets(&within(inside, OCTET_STRING)?)),
                0x89 => shown.take_mechanism(&inside)?,
                0xAA => shown.take_value(inside)?,
                0xBE => information = Some(octets(&within(inside, OCTET_STRING)?)),
                _ => {}
            }
            Ok(())
        })?;
        let no_result = Fault::Form("the result of the association is missing");
        Ok(Self {
            context: context.ok_or(start.error(MISSING_CONTEXT))?,
            result: result.ok_or(start.error(no_result))?,
            diagnostic: diagnostic.unwrap_or(Diagnostic::User(0)),
            title,
            certificate,
            authentication: shown.authentication(),
            information,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut inside = nested(0xA1, OBJECT_IDENTIFIER, &oid(1, self.context.number()));
        inside.extend(nested(0xA2, INTEGER, &number(self.result.code())));
        let (source, code) = match self.diagnostic {
            Diagnostic::User(code) => (0xA1, code),
            Diagnostic::Provider(code) => (0xA2, code),
        };
        put_field(&mut inside, 0xA3, &nested(source, INTEGER, &number(code)));
        if let Some(title) = &self.title {
            inside.extend(nested(0xA4, OCTET_STRING, title));
        }
        if let Some(certificate) = &self.certificate {
            inside.extend(nested(0xA5, OCTET_STRING, certificate));
        }
        if let Some(shown) = &self.authentication {
            put_authentication(&mut inside, shown, [0x88, 0x89, 0xAA]);
        }
        if let Some(information) = &self.information {
            inside.extend(nested(0xBE, OCTET_STRING, information));
        }
        put_field(out, tag::AARE, &inside);
    }
}

fn read_release(
    reader: &mut Reader<'_>,
) -> Result<(Option<ReleaseReason>, Option<Vec<u8>>), Error> {
    let (mut reason, mut information) = (None, None);
    fields(reader, |field, inside| {
        match field {
            0x80 => reason = Some(integer(&inside)?),
            0xBE => information = Some(octets(&within(inside, OCTET_STRING)?)),
            _ => {}
        }
        Ok(())
    })?;
    Ok((reason, information))
}

fn write_release(
    out: &mut Vec<u8>,
    tag: u8,
    reason: Option<ReleaseReason>,
    information: Option<&Vec<u8>>,
) {
    let mut inside = Vec::new();
    if let Some(reason) = reason {
        put_field(&mut inside, 0x80, &number(reason));
    }
    if let Some(information) = information {
        inside.extend(nested(0xBE, OCTET_STRING, information));
    }
    put_field(out, tag, &inside);
}

impl Rlrq {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (reason, information) = read_release(reader)?;
        Ok(Self {
            reason,
            information,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_release(out, tag::RLRQ, self.reason, self.information.as_ref());
    }
}

impl Rlre {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (reason, information) = read_release(reader)?;
        Ok(Self {
            reason,
            information,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_release(out, tag::RLRE, self.reason, self.information.as_ref());
    }
}
