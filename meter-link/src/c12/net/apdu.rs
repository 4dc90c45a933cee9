//! Application protocol data units: ACSE around EPSEM (C12.22, clauses 5.3.2 and 5.3.4).

use std::collections::BTreeMap;

use super::ber::{self, BerError};
use super::eax::{Eax, EaxError, MAC_LENGTH, Mac};
use super::title::ApTitle;
use crate::c12::service::{Request, ResponseCode};
use crate::key::Key;

/// First octet of every unit.
pub const TAG: u8 = 0x60;
/// Octets of the longest unit.
pub const MAX_APDU: usize = 64 * 1024;

const ASO_CONTEXT: u8 = 0xA1;
const CALLED_TITLE: u8 = 0xA2;
const CALLED_QUALIFIER: u8 = 0xA3;
const CALLED_INVOCATION: u8 = 0xA4;
const CALLING_TITLE: u8 = 0xA6;
const CALLING_QUALIFIER: u8 = 0xA7;
const CALLING_INVOCATION: u8 = 0xA8;
const MECHANISM: u8 = 0x8B;
const AUTHENTICATION: u8 = 0xAC;
const USER_INFORMATION: u8 = 0xBE;

const EXTERNAL: u8 = 0x28;
const OCTET_ALIGNED: u8 = 0x81;
const INTEGER: u8 = 0x02;

/// Why octets are no unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApduError {
    /// They end before their declared end.
    #[error("the message ends before its declared end")]
    Truncated,
    /// Octets follow the declared end.
    #[error("octets follow the declared end of the message")]
    Trailing,
    /// An element is not what stands there.
    #[error("{0}")]
    Malformed(&'static str),
}

/// How a message is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityMode {
    /// Neither checked nor encrypted.
    ClearText,
    /// Checked.
    Authenticated,
    /// Checked and encrypted.
    Ciphered,
    /// The code that is reserved.
    Reserved,
}

/// When the other side is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseControl {
    /// Always.
    Always,
    /// Only to tell that something went wrong.
    OnException,
    /// Never.
    Never,
    /// The code that is reserved.
    Reserved,
}

/// A message of the network layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apdu {
    /// Who is to get it.
    pub called: Option<ApTitle>,
    /// Answers: the number of the message that is answered.
    pub called_invocation_id: Option<u32>,
    /// Who sent it.
    pub calling: Option<ApTitle>,
    /// Kind of the sender, as sent.
    pub calling_qualifier: Option<u32>,
    /// Number of the message, of the sender's choice.
    pub calling_invocation_id: Option<u32>,
    /// Number of the key.
    pub key_id: Option<u8>,
    /// Initialization vector, as sent.
    pub iv: Option<Vec<u8>>,
    /// The rest.
    pub body: Body,
    /// What the check covers in front of the body (C12.22, clause 5.3.4.13).
    canonical: Vec<u8>,
}

/// What a unit carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Services.
    Epsem {
        /// `EPSEM` control octet.
        control: u8,
        /// Class of the sender and services, encrypted or not.
        data: Vec<u8>,
        /// The check.
        mac: Option<Mac>,
    },
    /// Part of a longer unit.
    Segment {
        /// Octets of the whole unit.
        total: usize,
        /// Place of this part.
        offset: usize,
        /// The part.
        data: Vec<u8>,
    },
}

/// One service of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// The other side is asked.
    Request(Request),
    /// It answers.
    Response {
        /// How it went.
        code: ResponseCode,
        /// What follows.
        payload: Vec<u8>,
    },
}

impl Service {
    fn parse(octets: &[u8]) -> Option<Self> {
        match octets.split_first()? {
            (code, payload) if ResponseCode::is_response(*code) => Some(Self::Response {
                code: ResponseCode(*code),
                payload: payload.to_vec(),
            }),
            _ => Request::parse(octets).map(Self::Request),
        }
    }

    /// The octets of the service.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response { code, payload } => std::iter::once(code.0)
                .chain(payload.iter().copied())
                .collect(),
        }
    }
}

/// Services that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Class of the sender, if it tells.
    pub ed_class: Option<[u8; 4]>,
    /// The services in the order sent.
    pub services: Vec<Service>,
    /// Whether a check proved them.
    pub authenticated: bool,
}

/// Why the services of a message are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no key of this number.
    #[error("there is no key number {0}")]
    NoKey(u8),
    /// The check is wrong.
    #[error(transparent)]
    Check(EaxError),
    /// There is a key, and the message is not checked.
    #[error("the message is in clear text without a check, though there is a key")]
    Unauthenticated,
    /// It is part of a longer message.
    #[error("the message is a segment of a longer one")]
    Segment,
    /// Its inside is malformed.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Keys by their number.
pub type Keys = BTreeMap<u8, Key>;

impl Apdu {
    /// Reads a unit.
    ///
    /// # Errors
    /// It is cut or malformed.
    pub fn parse(octets: &[u8]) -> Result<Self, ApduError> {
        let at = |error| match error {
            BerError::Short => ApduError::Truncated,
            BerError::Length => ApduError::Malformed("a length is indefinite or too long"),
        };
        let (tag, mut rest, behind) = ber::element(octets).map_err(at)?;
        if tag != TAG {
            return Err(ApduError::Malformed("a message begins with 60"));
        }
        if !behind.is_empty() {
            return Err(ApduError::Trailing);
        }
        let inside = |_| ApduError::Malformed("an element is longer than the message");
        let mut elements: BTreeMap<u8, &[u8]> = BTreeMap::new();
        while !rest.is_empty() {
            let (tag, contents, behind) = ber::element(rest).map_err(inside)?;
            if elements.insert(tag, contents).is_some() {
                return Err(ApduError::Malformed("an element comes twice"));
            }
            rest = behind;
        }
        Self::from_elements(&elements)
    }

    fn from_elements(elements: &BTreeMap<u8, &[u8]>) -> Result<Self, ApduError> {
        let title = |tag: u8| {
            let Some(contents) = elements.get(&tag) else {
                return Ok(None);
            };
            let found = match ber::element(contents) {
                Ok((tag, title, [])) => ApTitle::from_element(tag, title),
                _ => None,
            };
            let wrong = ApduError::Malformed("a title is no object identifier");
            found.map(Some).ok_or(wrong)
        };
        let number = |tag: u8| {
            let Some(contents) = elements.get(&tag) else {
                return Ok(None);
            };
            let found = ber::only(contents, INTEGER).and_then(ber::unsigned);
            let wrong = ApduError::Malformed("an invocation identifier or qualifier is no number");
            found.map(Some).ok_or(wrong)
        };
        let (key_id, iv) = match elements.get(&AUTHENTICATION) {
            Some(contents) => authentication(contents)?,
            None => (None, None),
        };
        let user = elements
            .get(&USER_INFORMATION)
            .ok_or(ApduError::Malformed("there is no user information"))?;
        let (body, head) = user_information(user, number(CALLED_QUALIFIER)?)?;
        let (called, calling) = (title(CALLED_TITLE)?, title(CALLING_TITLE)?);
        let put_absolute = |tag, title: Option<&ApTitle>, canonical: &mut Vec<u8>| {
            if let Some(title) = title {
                let mut contents = Vec::new();
                title.put_absolute(&mut contents);
                ber::put(tag, &contents, canonical);
            }
        };
        let mut canonical = Vec::new();
        for tag in [
            ASO_CONTEXT,
            CALLED_TITLE,
            CALLED_INVOCATION,
            CALLING_QUALIFIER,
            CALLING_INVOCATION,
            MECHANISM,
            AUTHENTICATION,
        ] {
            if tag == CALLED_TITLE {
                put_absolute(tag, called.as_ref(), &mut canonical);
            } else if let Some(contents) = elements.get(&tag) {
                ber::put(tag, contents, &mut canonical);
            }
        }
        canonical.push(USER_INFORMATION);
        ber::put_length(user.len(), &mut canonical);
        canonical.extend_from_slice(head);
        put_absolute(CALLING_TITLE, calling.as_ref(), &mut canonical);
        canonical.extend(key_id);
        canonical.extend(iv.iter().flatten());
        Ok(Self {
            called,
            called_invocation_id: number(CALLED_INVOCATION)?,
            calling,
            calling_qualifier: number(CALLING_QUALIFIER)?,
            calling_invocation_id: number(CALLING_INVOCATION)?,
            key_id,
            iv,
            body,
            canonical,
        })
    }

    /// How the message is protected; `None` for a segment.
    #[must_use]
    pub const fn security_mode(&self) -> Option<SecurityMode> {
        match self.body {
            Body::Epsem { control, .. } => Some(security_mode(control)),
            Body::Segment { .. } => None,
        }
    }

    /// When an answer is wanted; `None` for a segment.
    #[must_use]
    pub const fn response_control(&self) -> Option<ResponseControl> {
        match self.body {
            Body::Epsem { control, .. } => Some(match control & 3 {
                0 => ResponseControl::Always,
                1 => ResponseControl::OnException,
                2 => ResponseControl::Never,
                _ => ResponseControl::Reserved,
            }),
            Body::Segment { .. } => None,
        }
    }

    /// Checks and decrypts the message and reads its services. As soon as there is any key, a
    /// message without a check is refused.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing of the services is told then.
    pub fn open(&self, keys: &Keys) -> Result<Opened, OpenError> {
        let Body::Epsem { control, data, mac } = &self.body else {
            return Err(OpenError::Segment);
        };
        let (plain, authenticated) = match (security_mode(*control), mac) {
            (SecurityMode::ClearText, _) if keys.is_empty() => (data.clone(), false),
            (SecurityMode::ClearText, _) => return Err(OpenError::Unauthenticated),
            (SecurityMode::Reserved, _) | (_, None) => {
                return Err(OpenError::Malformed("the security mode is reserved"));
            }
            (mode, Some(mac)) => {
                let number = self.key_id.unwrap_or(0);
                let key = keys.get(&number).ok_or(OpenError::NoKey(number))?;
                let eax = Eax::new(key.octets()).map_err(OpenError::Check)?;
                let plain = if mode == SecurityMode::Ciphered {
                    eax.open(&self.canonical, data, mac)
                } else {
                    eax.verify(&self.canonical, data, mac)
                        .map(|()| data.clone())
                };
                (plain.map_err(OpenError::Check)?, true)
            }
        };
        let (ed_class, services) = services(*control, &plain).map_err(OpenError::Malformed)?;
        Ok(Opened {
            ed_class,
            services,
            authenticated,
        })
    }
}

const fn security_mode(control: u8) -> SecurityMode {
    match control >> 2 & 3 {
        0 => SecurityMode::ClearText,
        1 => SecurityMode::Authenticated,
        2 => SecurityMode::Ciphered,
        _ => SecurityMode::Reserved,
    }
}

/// Key number and vector: `A2 { A0 { A1 { 80 key 81 vector } } }`.
fn authentication(contents: &[u8]) -> Result<(Option<u8>, Option<Vec<u8>>), ApduError> {
    let inner = ber::only(contents, 0xA2)
        .and_then(|inner| ber::only(inner, 0xA0))
        .and_then(|inner| ber::only(inner, 0xA1));
    let wrong = ApduError::Malformed("the authentication value has no form that is known here");
    let mut rest = inner.ok_or(wrong)?;
    let (mut key_id, mut iv) = (None, None);
    while !rest.is_empty() {
        let (tag, contents, behind) = ber::element(rest).map_err(|_| wrong)?;
        match (tag, contents) {
            (0x80, [number]) => key_id = Some(*number),
            (0x81, vector) if vector.len() <= 16 => iv = Some(vector.to_vec()),
            _ => return Err(wrong),
        }
        rest = behind;
    }
    Ok((key_id, iv))
}

/// The body, and the octets of the user information up to and with the control octet.
fn user_information(contents: &[u8], total: Option<u32>) -> Result<(Body, &[u8]), ApduError> {
    let wrong = ApduError::Malformed("the user information has no form that is known here");
    let external = ber::only(contents, EXTERNAL).ok_or(wrong)?;
    let (tag, first, behind) = ber::element(external).map_err(|_| wrong)?;
    if tag == INTEGER {
        let offset = ber::unsigned(first).ok_or(wrong)?;
        let data = ber::only(behind, OCTET_ALIGNED).ok_or(wrong)?;
        let total = total.ok_or(ApduError::Malformed(
            "a segment without the length of the whole",
        ))?;
        let fits = |number: u32| usize::try_from(number).ok().filter(|n| *n <= MAX_APDU);
        let (total, offset) = (fits(total).ok_or(wrong)?, fits(offset).ok_or(wrong)?);
        let body = Body::Segment {
            total,
            offset,
            data: data.to_vec(),
        };
        return Ok((body, &[]));
    }
    if tag != OCTET_ALIGNED || !behind.is_empty() {
        return Err(wrong);
    }
    let empty = ApduError::Malformed("there is no EPSEM control octet");
    let (&control, data) = first.split_first().ok_or(empty)?;
    let head = contents.get(..contents.len() - data.len()).ok_or(wrong)?;
    let (data, mac) = match security_mode(control) {
        SecurityMode::ClearText | SecurityMode::Reserved => (data, None),
        SecurityMode::Authenticated | SecurityMode::Ciphered => {
            let short = ApduError::Malformed("the message is too short for its check");
            let (data, mac) = data.split_last_chunk::<MAC_LENGTH>().ok_or(short)?;
            (data, Some(*mac))
        }
    };
    let body = Body::Epsem {
        control,
        data: data.to_vec(),
        mac,
    };
    Ok((body, head))
}

type Services = (Option<[u8; 4]>, Vec<Service>);

fn services(control: u8, plain: &[u8]) -> Result<Services, &'static str> {
    let mut rest = plain;
    let mut ed_class = None;
    if control & 0x10 != 0 {
        let (class, behind) = rest
            .split_first_chunk::<4>()
            .ok_or("the class of the sender is cut")?;
        ed_class = Some(*class);
        rest = behind;
    }
    let mut found = Vec::new();
    while !rest.is_empty() {
        let wrong = "a service is longer than the message";
        let (length, behind) = ber::length(rest).map_err(|_| wrong)?;
        if length == 0 {
            // Ends the list.
            if behind.iter().any(|octet| *octet != 0) {
                return Err("octets follow the end of the services");
            }
            break;
        }
        let (service, behind) = behind.split_at_checked(length).ok_or(wrong)?;
        found.push(Service::parse(service).ok_or(wrong)?);
        rest = behind;
    }
    Ok((ed_class, found))
}

/// How a message that is sent is protected.
#[derive(Clone, Copy, Debug)]
pub enum Protection<'a> {
    /// Not at all.
    Clear,
    /// Checked, or checked and encrypted.
    Keyed {
        /// The key.
        key: &'a Key,
        /// Its number.
        key_id: u8,
        /// Never the same twice under a key; C12.22 asks for seconds since 1970.
        iv: [u8; 4],
        /// Encrypted, too.
        encrypt: bool,
    },
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Who is to get it.
    pub called: ApTitle,
    /// Answers: the number of the message that is answered.
    pub called_invocation_id: Option<u32>,
    /// Who sends it.
    pub calling: ApTitle,
    /// Number of the message.
    pub calling_invocation_id: u32,
    /// Services in order.
    pub services: Vec<Service>,
}

impl Outgoing {
    /// The octets of the message.
    ///
    /// # Errors
    /// The key has not 16 octets, or the clear text is too short for EAX'.
    pub fn to_bytes(&self, protection: Protection<'_>) -> Result<Vec<u8>, EaxError> {
        let mut plain = Vec::new();
        for service in &self.services {
            let octets = service.to_bytes();
            ber::put_length(octets.len(), &mut plain);
            plain.extend(octets);
        }
        let (mode, mac_length) = match protection {
            Protection::Clear => (0, 0),
            Protection::Keyed { encrypt, .. } => (if encrypt { 2 } else { 1 }, MAC_LENGTH),
        };
        // The canonical form needs nothing of the body but its length.
        let mut data = plain.clone();
        data.resize(plain.len() + mac_length, 0);
        let shape = self.assemble(protection, mode, &data);
        let Protection::Keyed { key, encrypt, .. } = protection else {
            return Ok(shape);
        };
        let eax = Eax::new(key.octets())?;
        let canonical = Apdu::parse(&shape)
            .map_err(|_| EaxError::ClearText)?
            .canonical;
        let mac = if encrypt {
            eax.seal(&canonical, &mut plain)?
        } else {
            eax.authenticate(&canonical, &plain)?
        };
        plain.extend(mac);
        Ok(self.assemble(protection, mode, &plain))
    }

    fn assemble(&self, protection: Protection<'_>, mode: u8, data: &[u8]) -> Vec<u8> {
        let mut inside = self.head(None);
        if let Protection::Keyed { key_id, iv, .. } = protection {
            let mut value = Vec::new();
            ber::put(0x80, &[key_id], &mut value);
            ber::put(0x81, &iv, &mut value);
            for tag in [0xA1, 0xA0, 0xA2, AUTHENTICATION] {
                let contents = std::mem::take(&mut value);
                ber::put(tag, &contents, &mut value);
            }
            inside.extend(value);
        }
        let mut epsem = vec![0x80 | mode << 2];
        epsem.extend_from_slice(data);
        inside.extend(wrapped(None, &epsem));
        let mut octets = Vec::new();
        ber::put(TAG, &inside, &mut octets);
        octets
    }

    /// Everything in front of authentication and user information.
    fn head(&self, total: Option<u32>) -> Vec<u8> {
        let mut out = Vec::new();
        let put_title = |tag, title: &ApTitle, out: &mut Vec<u8>| {
            let mut contents = Vec::new();
            title.put(&mut contents);
            ber::put(tag, &contents, out);
        };
        let put_number = |tag, number: u32, out: &mut Vec<u8>| {
            let mut contents = Vec::new();
            ber::put(INTEGER, &ber::integer(number), &mut contents);
            ber::put(tag, &contents, out);
        };
        put_title(CALLED_TITLE, &self.called, &mut out);
        if let Some(total) = total {
            put_number(CALLED_QUALIFIER, total, &mut out);
        } else if let Some(answered) = self.called_invocation_id {
            put_number(CALLED_INVOCATION, answered, &mut out);
        }
        put_title(CALLING_TITLE, &self.calling, &mut out);
        put_number(CALLING_INVOCATION, self.calling_invocation_id, &mut out);
        out
    }

    /// Cuts a message of [`Outgoing::to_bytes`] into units of which each carries at most `room`
    /// of its octets. A message that fits comes back whole.
    #[must_use]
    pub fn segments(&self, message: &[u8], room: usize) -> Vec<Vec<u8>> {
        if message.len() <= room {
            return vec![message.to_vec()];
        }
        let total = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut offset = 0u32;
        let mut units = Vec::new();
        for part in message.chunks(room.max(1)) {
            let mut inside = self.head(Some(total));
            inside.extend(wrapped(Some(offset), part));
            let mut octets = Vec::new();
            ber::put(TAG, &inside, &mut octets);
            units.push(octets);
            offset = offset.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
        }
        units
    }
}

/// User information around `data`, with its place for a segment.
fn wrapped(offset: Option<u32>, data: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    if let Some(offset) = offset {
        ber::put(INTEGER, &ber::integer(offset), &mut inner);
    }
    ber::put(OCTET_ALIGNED, data, &mut inner);
    let mut external = Vec::new();
    ber::put(EXTERNAL, &inner, &mut external);
    let mut octets = Vec::new();
    ber::put(USER_INFORMATION, &external, &mut octets);
    octets
}
