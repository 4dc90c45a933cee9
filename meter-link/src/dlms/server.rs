//! The server's side of an association (IEC 62056-5-3): somebody else reads what is served here.
//!
//! Reading only, by logical names: GET of one attribute or of several, long answers in blocks, and
//! the method that ends the handshake. An association is entered by mechanism 5 (GMAC over a fresh
//! challenge) and by nothing else, every message is authenticated and encrypted with counters that
//! rise. What is served is behind [`Objects`]. No SET, no other method, no public client, no
//! dedicated keys, no general block transfer.

mod handshake;
mod reading;

use super::apdu::{
    ActionRequest, ActionResponse, ActionResult, Apdu, Ciphered, Ciphering, ExceptionResponse,
    GetResult, MethodResult, Rlre, Selected, ServiceException, StateError,
};
use super::client::{CounterStore, Random};
use super::data::Data;
use super::security::{Cipher, Protected, SecurityControl, SystemTitle};
use crate::key::Key;
use crate::model::ObisCode;

/// The present association: `0-0:40.0.0*255`.
const ASSOCIATION: ObisCode = ObisCode([0, 0, 40, 0, 0, 255]);
const ASSOCIATION_CLASS: u16 = 15;
/// Longest message of ours.
const LONGEST: u16 = 2_048;
/// Shortest that a client may ask for.
const SHORTEST: u16 = 128;
/// Counters reserved at once.
const BLOCK: u32 = 100;

/// What is served.
pub trait Objects {
    /// The value of an attribute of a logical device.
    fn attribute(&mut self, device: u16, selected: &Selected) -> GetResult;
}

/// Who may read, and with which keys.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Our system title.
    pub title: SystemTitle,
    /// The client's system title; any when left out.
    pub client_title: Option<SystemTitle>,
    /// The client's number, its port in the wrapper.
    pub client: u16,
    /// Encryption key: 16 octets for suite 0, 32 for suite 2.
    pub encryption: Key,
    /// Authentication key of the same length.
    pub authentication: Key,
}

impl ServerConfig {
    fn suite(&self) -> u8 {
        if self.encryption.octets().len() == 32 {
            2
        } else {
            0
        }
    }
}

/// How far somebody has come.
enum Stage {
    /// Nowhere.
    Idle,
    /// It has to prove that it has the keys.
    Pending {
        to_client: Vec<u8>,
        to_server: Vec<u8>,
    },
    /// It may read.
    Open,
}

/// One association at a time, over one connection.
pub struct Server {
    config: ServerConfig,
    counters: Box<dyn CounterStore>,
    random: Random,
    /// The next counter of ours, and how many are reserved from there.
    reserved: (u32, u32),
    stage: Stage,
    peer: SystemTitle,
    device: u16,
    /// The lowest counter that is taken.
    lowest: u32,
    pdu: usize,
    /// What is left of a long answer, and the number of its next block.
    blocks: Option<(u32, Vec<u8>)>,
}

/// Why there is no other answer.
enum Refused {
    Exception(ServiceException),
    /// Numbers cannot be reserved: nothing may be said.
    Silent,
}

impl Server {
    /// A server that nobody has entered.
    #[must_use]
    pub fn new(config: ServerConfig, counters: Box<dyn CounterStore>, random: Random) -> Self {
        Self {
            config,
            counters,
            random,
            reserved: (0, 0),
            stage: Stage::Idle,
            peer: [0; 8],
            device: 0,
            lowest: 0,
            pdu: usize::from(SHORTEST),
            blocks: None,
        }
    }

    /// Takes a message of a client to a logical device; the answer, empty when there is none.
    pub fn hear(
        &mut self,
        client: u16,
        device: u16,
        octets: &[u8],
        objects: &mut dyn Objects,
    ) -> Vec<u8> {
        let answer = if client == self.config.client {
            match Apdu::decode(octets) {
                Ok((apdu, [])) => self.outer(device, apdu, objects),
                _ => Err(Refused::Exception(ServiceException::OtherReason)),
            }
        } else {
            Err(Refused::Exception(ServiceException::OperationNotPossible))
        };
        match answer {
            Ok(octets) => octets,
            Err(Refused::Silent) => Vec::new(),
            Err(Refused::Exception(service)) => {
                let state = StateError::ServiceNotAllowed;
                Apdu::ExceptionResponse(ExceptionResponse { state, service }).to_vec()
            }
        }
    }

    fn outer(
        &mut self,
        device: u16,
        apdu: Apdu,
        objects: &mut dyn Objects,
    ) -> Result<Vec<u8>, Refused> {
        match apdu {
            Apdu::Aarq(aarq) => {
                self.device = device;
                self.enter(&aarq)
            }
            Apdu::Rlrq(_) => {
                self.leave();
                let (reason, information) = (Some(0), None);
                let rlre = Rlre {
                    reason,
                    information,
                };
                Ok(Apdu::Rlre(rlre).to_vec())
            }
            _ if matches!(self.stage, Stage::Idle) || device != self.device => {
                Err(Refused::Exception(ServiceException::OperationNotPossible))
            }
            Apdu::Ciphered(message) if !message.ciphering.is_dedicated() => {
                let opened = self.open(&message)?;
                let wrong = || Refused::Exception(ServiceException::DecipheringError);
                // Nothing protects what stands outside: it must say the same as what is within.
                let tag = opened.first().copied().unwrap_or(0);
                let agrees = match message.ciphering {
                    Ciphering::GeneralGlo => message.system_title == self.peer,
                    other => Ciphering::glo_of(tag) == Some(other),
                };
                let Ok((inner, [])) = Apdu::decode(&opened) else {
                    return Err(wrong());
                };
                if !agrees {
                    return Err(wrong());
                }
                let answer = self.service(inner, objects)?;
                self.seal(&answer, message.ciphering)
            }
            _ => Err(Refused::Exception(ServiceException::OperationNotPossible)),
        }
    }

    fn leave(&mut self) {
        self.stage = Stage::Idle;
        self.blocks = None;
        self.lowest = 0;
    }

    fn cipher(&self) -> Cipher<'_> {
        Cipher {
            encryption: &self.config.encryption,
            authentication: &self.config.authentication,
        }
    }

    /// A number that was never used, on disk before it is.
    fn counter(&mut self) -> Result<u32, Refused> {
        if self.reserved.1 == 0 {
            let first = self.counters.reserve(1, BLOCK);
            self.reserved = (first.map_err(|_| Refused::Silent)?, BLOCK);
        }
        let (next, left) = self.reserved;
        self.reserved = (next.checked_add(1).ok_or(Refused::Silent)?, left - 1);
        Ok(next)
    }

    fn open(&mut self, message: &Ciphered) -> Result<Vec<u8>, Refused> {
        let wrong = || Refused::Exception(ServiceException::DecipheringError);
        let protected = Protected::decode(&message.content).map_err(|_| wrong())?;
        let wanted = SecurityControl::AUTHENTICATED_ENCRYPTED.in_suite(self.config.suite());
        if protected.control != wanted {
            return Err(wrong());
        }
        let opened = self.cipher().open(self.peer, &protected);
        let opened = opened.map_err(|_| wrong())?;
        if protected.invocation_counter < self.lowest {
            let lowest = self.lowest;
            return Err(Refused::Exception(
                ServiceException::InvocationCounterError(lowest),
            ));
        }
        self.lowest = protected.invocation_counter.saturating_add(1);
        Ok(opened)
    }

    fn seal(&mut self, apdu: &Apdu, like: Ciphering) -> Result<Vec<u8>, Refused> {
        let octets = apdu.to_vec();
        let tag = octets.first().copied().unwrap_or(0);
        let ciphering = match like {
            Ciphering::GeneralGlo => Some(like),
            _ => Ciphering::glo_of(tag),
        };
        let ciphering = ciphering.unwrap_or(Ciphering::GeneralGlo);
        let control = SecurityControl::AUTHENTICATED_ENCRYPTED.in_suite(self.config.suite());
        let counter = self.counter()?;
        let title = self.config.title;
        let sealed = self.cipher().seal(control, title, counter, &octets);
        let sealed = sealed.map_err(|_| Refused::Silent)?;
        let system_title = match ciphering {
            Ciphering::GeneralGlo => title.to_vec(),
            _ => Vec::new(),
        };
        let message = Ciphered {
            ciphering,
            system_title,
            content: sealed.to_vec(),
        };
        Ok(Apdu::Ciphered(message).to_vec())
    }

    fn service(&mut self, apdu: Apdu, objects: &mut dyn Objects) -> Result<Apdu, Refused> {
        match apdu {
            Apdu::ActionRequest(ActionRequest::Normal {
                invoke,
                method,
                parameter,
            }) => {
                let wanted = (method.class, method.instance, method.method);
                let token = parameter
                    .as_ref()
                    .and_then(Data::octets)
                    .unwrap_or_default();
                let result = if wanted == (ASSOCIATION_CLASS, ASSOCIATION, 1) {
                    self.prove(token)?
                } else {
                    denied()
                };
                Ok(Apdu::ActionResponse(ActionResponse::Normal {
                    invoke,
                    result,
                }))
            }
            Apdu::GetRequest(request) if matches!(self.stage, Stage::Open) => {
                Ok(Apdu::GetResponse(self.get(request, objects)))
            }
            _ => Err(Refused::Exception(ServiceException::ServiceNotSupported)),
        }
    }
}

const fn denied() -> MethodResult {
    MethodResult {
        result: ActionResult::ReadWriteDenied,
        returned: None,
    }
}
