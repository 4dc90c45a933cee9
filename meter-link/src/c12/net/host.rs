//! A device's side of C12.22: messages of one client are checked, each once, and answered with
//! tables that somebody else makes.
//!
//! Reading only, and only in messages that are encrypted: no writing, no procedures, no passwords,
//! since who has the key may read everything that is served. No registration with a master relay.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::apdu::{
    Apdu, Keys, MAX_APDU, OpenError, Outgoing, Protection, ResponseControl, SecurityMode, Service,
};
use super::eax::EaxError;
use super::title::ApTitle;
use crate::c12::service::{Request, ResponseCode, framed};
use crate::dlms::client::{Counter, CounterError, CounterStore};
use crate::key::Key;

/// Seconds that a client's clock may be off.
const WINDOW_S: i64 = 600;
/// Messages within two windows at most.
const REMEMBERED: usize = 4_096;
/// Services of a message at most; those behind are refused.
const SERVICES: usize = 32;

/// Who may read, and under which names.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Our titles; each is a device.
    pub titles: Vec<ApTitle>,
    /// The client's title; any when left out.
    pub client: Option<ApTitle>,
    /// Number of the key.
    pub key_id: u8,
    /// The key of EAX', 16 octets.
    pub key: Key,
}

/// What is served.
pub trait Devices {
    /// A table of the device with this place among the titles.
    ///
    /// # Errors
    /// What the client is told instead.
    fn table(&mut self, device: usize, table: u16) -> Result<Vec<u8>, ResponseCode>;
}

/// Why a message is not answered. Nobody is told over the line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is not encrypted.
    #[error("the message is not encrypted")]
    NotCiphered,
    /// It is for somebody else.
    #[error("the message is for another title")]
    NotForUs,
    /// It comes from somebody else than the client.
    #[error("the message comes from another title than the client's")]
    Stranger,
    /// It does not say who sends it, its number, or its time.
    #[error("the message has no sender, number, or initialization vector of four octets")]
    Unnamed,
    /// Its time is too far from ours.
    #[error("the message is {0} s away from this clock, or older than the start of this program")]
    Stale(i64),
    /// It came before.
    #[error("the message came before")]
    Repeated,
    /// Too many came in a short time.
    #[error("more than {REMEMBERED} messages came within minutes")]
    TooMany,
    /// We have no number for an answer.
    #[error(transparent)]
    Counter(#[from] CounterError),
    /// The answer cannot be sealed.
    #[error(transparent)]
    Seal(#[from] EaxError),
}

/// The device's side, for all connections together.
pub struct Host {
    config: HostConfig,
    keys: Keys,
    numbers: Counter,
    seen: Seen,
}

impl Host {
    /// A host that has heard nothing, at `now_s` seconds since 1970. Its messages are numbered
    /// from `counters`, and no number comes twice under one key.
    #[must_use]
    pub fn new(config: HostConfig, counters: Box<dyn CounterStore>, now_s: i64) -> Self {
        Self {
            keys: Keys::from([(config.key_id, config.key.clone())]),
            config,
            numbers: Counter::new(counters),
            seen: Seen::new(now_s),
        }
    }

    /// The octets that answer a message: units of at most `room` octets of it each, and none when
    /// no answer is wanted. An answer longer than `longest` becomes a refusal of its services.
    ///
    /// # Errors
    /// The message must not be answered.
    pub fn answer(
        &mut self,
        apdu: &Apdu,
        now_s: i64,
        (longest, room): (usize, usize),
        devices: &mut dyn Devices,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        if apdu.security_mode() != Some(SecurityMode::Ciphered) {
            return Err(Refusal::NotCiphered);
        }
        let opened = apdu.open(&self.keys)?;
        let is = |own: &ApTitle| apdu.called.as_ref().is_some_and(|title| title.is_same(own));
        let device = self.config.titles.iter().position(is);
        let device = device.ok_or(Refusal::NotForUs)?;
        let (Some(client), Some(number), Some(iv)) =
            (&apdu.calling, apdu.calling_invocation_id, vector(apdu))
        else {
            return Err(Refusal::Unnamed);
        };
        let expected = self.config.client.as_ref();
        if expected.is_some_and(|expected| !client.is_same(expected)) {
            return Err(Refusal::Stranger);
        }
        let message = (iv, number, device, client.absolute());
        self.seen.admit(now_s, message)?;
        let longest = longest.min(MAX_APDU - HEAD);
        let mut services = serve(&opened.services, device, longest, devices);
        let wanted = match apdu.response_control() {
            Some(ResponseControl::Always) => true,
            Some(ResponseControl::OnException) => services.iter().any(is_refusal),
            _ => false,
        };
        if !wanted {
            return Ok(Vec::new());
        }
        if services.is_empty() {
            services.push(response(ERROR, Vec::new()));
        }
        let message = Outgoing {
            called: client.clone(),
            called_invocation_id: Some(number),
            calling: self.config.titles.get(device).unwrap_or(client).clone(),
            calling_invocation_id: self.numbers.take()?,
            services,
        };
        let protection = Protection::Keyed {
            key: &self.config.key,
            key_id: self.config.key_id,
            iv: u32::try_from(now_s).unwrap_or_default().to_be_bytes(),
            encrypt: true,
        };
        let octets = message.to_bytes(protection)?;
        Ok(message.segments(&octets, room))
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("titles", &self.config.titles)
            .finish_non_exhaustive()
    }
}

/// Octets of a message around its services at most.
const HEAD: usize = 512;

const ERROR: ResponseCode = ResponseCode(0x01);
const NOT_SUPPORTED: ResponseCode = ResponseCode(0x02);
const INAPPROPRIATE: ResponseCode = ResponseCode(0x05);
const REQUEST_TOO_LARGE: ResponseCode = ResponseCode(0x0F);
const RESPONSE_TOO_LARGE: ResponseCode = ResponseCode(0x10);

fn vector(apdu: &Apdu) -> Option<u32> {
    let iv: [u8; 4] = apdu.iv.as_deref()?.try_into().ok()?;
    Some(u32::from_be_bytes(iv))
}

fn is_refusal(service: &Service) -> bool {
    matches!(service, Service::Response { code, .. } if *code != ResponseCode::OK)
}

const fn response(code: ResponseCode, payload: Vec<u8>) -> Service {
    Service::Response { code, payload }
}

/// An answer to each service, in order.
fn serve(
    asked: &[Service],
    device: usize,
    longest: usize,
    devices: &mut dyn Devices,
) -> Vec<Service> {
    let mut room = longest;
    let mut services = Vec::new();
    for (place, service) in asked.iter().enumerate() {
        let answer = if place < SERVICES {
            one(service, device, devices)
        } else {
            Err(REQUEST_TOO_LARGE)
        };
        services.push(match answer {
            Ok(payload) if payload.len() + SERVICE <= room => {
                room -= payload.len() + SERVICE;
                response(ResponseCode::OK, payload)
            }
            Ok(_) => response(RESPONSE_TOO_LARGE, Vec::new()),
            Err(code) => response(code, Vec::new()),
        });
    }
    services
}

/// Octets of a service beside what it carries: its length and its code.
const SERVICE: usize = 6;

fn one(
    service: &Service,
    device: usize,
    devices: &mut dyn Devices,
) -> Result<Vec<u8>, ResponseCode> {
    let Service::Request(request) = service else {
        return Err(INAPPROPRIATE);
    };
    match request {
        // C12.22, version 1, without features.
        Request::Identify => Ok(vec![3, 1, 0, 0]),
        Request::Read { table } => {
            let octets = devices.table(device, *table)?;
            told(&octets)
        }
        Request::ReadOffset {
            table,
            offset,
            count,
        } => {
            let octets = devices.table(device, *table)?;
            let start = usize::try_from(*offset).map_err(|_| INAPPROPRIATE)?;
            let end = start + usize::from(*count);
            let part = octets.get(start..end).ok_or(INAPPROPRIATE)?;
            told(part)
        }
        // The message itself proves who sends it; there is no session to enter or to leave.
        Request::Logon { .. } | Request::Logoff | Request::Terminate | Request::Wait { .. } => {
            Ok(Vec::new())
        }
        _ => Err(NOT_SUPPORTED),
    }
}

fn told(octets: &[u8]) -> Result<Vec<u8>, ResponseCode> {
    if octets.len() > usize::from(u16::MAX) {
        return Err(RESPONSE_TOO_LARGE);
    }
    Ok(framed(octets))
}

/// The messages that came, as far as one of them could still be taken.
struct Seen {
    /// The lowest initialization vector that is taken.
    floor_s: i64,
    /// The highest that was.
    newest_s: i64,
    last_s: i64,
    messages: BTreeSet<Message>,
}

/// Initialization vector, number, device and sender.
type Message = (u32, u32, usize, Vec<u8>);

impl Seen {
    /// What was sent before this program began could have been answered before.
    const fn new(now_s: i64) -> Self {
        Self {
            floor_s: now_s,
            newest_s: now_s - 1,
            last_s: now_s,
            messages: BTreeSet::new(),
        }
    }

    fn admit(&mut self, now_s: i64, message: Message) -> Result<(), Refusal> {
        if now_s < self.last_s - WINDOW_S {
            // The clock was set back, and may have been wrong until now. What was forgotten must
            // not be taken again; what was taken was within the window of both clocks.
            self.floor_s = self.newest_s + 1;
            self.messages.clear();
        }
        self.last_s = now_s;
        self.floor_s = self.floor_s.max(now_s - WINDOW_S);
        let at = i64::from(message.0);
        if at < self.floor_s || at > now_s + WINDOW_S {
            return Err(Refusal::Stale(at - now_s));
        }
        let floor = u32::try_from(self.floor_s).unwrap_or_default();
        self.messages = self.messages.split_off(&(floor, 0, 0, Vec::new()));
        if self.messages.contains(&message) {
            return Err(Refusal::Repeated);
        }
        if self.messages.len() >= REMEMBERED {
            return Err(Refusal::TooMany);
        }
        self.newest_s = self.newest_s.max(at);
        self.messages.insert(message);
        Ok(())
    }
}
