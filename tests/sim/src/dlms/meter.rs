//! The application layer of a simulated meter: associations, services, objects.

use std::io::Read;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use meter_link::dlms::apdu::{
    Aare, Aarq, ActionRequest, ActionResponse, ActionResult, Apdu, AssociationResult,
    Authentication, BlockTransfer, Conformance, Context, DataAccessResult, Diagnostic,
    ExceptionResponse, GetRequest, GetResponse, GetResult, InitiateRequest, InitiateResponse,
    Mechanism, MethodResult, Rlre, Selected, ServiceException, SetRequest, SetResponse, StateError,
};
use meter_link::dlms::data::{ClockStatus, Data, DateTime};
use meter_link::dlms::security::ecdsa::{self, SigningKey, VerifyingKey};
use meter_link::dlms::security::{Protected, SecurityControl, SystemTitle};
use meter_link::key::Key;
use meter_link::model::ObisCode;

use super::calendar::{self, CALENDAR, SPECIAL_DAYS};
use super::{Config, DlmsMeter, Security, Shared, lock};

const PUBLIC: u8 = 16;
const CLOCK: ObisCode = ObisCode([0, 0, 1, 0, 0, 255]);
const SERIAL: ObisCode = ObisCode([0, 0, 96, 1, 0, 255]);
const DEVICE_NAME: ObisCode = ObisCode([0, 0, 42, 0, 0, 255]);
const COUNTER: ObisCode = ObisCode([0, 0, 43, 1, 0, 255]);
const STATUS: ObisCode = ObisCode([0, 0, 96, 10, 1, 255]);
const RELAY: ObisCode = ObisCode([0, 0, 96, 3, 10, 255]);
const PROFILE: ObisCode = ObisCode([1, 0, 99, 1, 0, 255]);
const IMPORT: ObisCode = ObisCode::ACTIVE_ENERGY_IMPORT;
const EXPORT: ObisCode = ObisCode::ACTIVE_ENERGY_EXPORT;
const POWER: ObisCode = ObisCode::ACTIVE_POWER_NET;

/// Octets of a message beside a block and its protection.
const OVERHEAD: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    None,
    /// The client must still prove that it has the keys.
    Pending,
    Open,
}

/// One association at a time, as one reader has.
pub(super) struct Meter {
    config: Config,
    state: Shared,
    stage: Stage,
    client: u8,
    title: SystemTitle,
    ciphered: bool,
    dedicated: Option<Key>,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    /// What is left of an answer in blocks, and the number of the next one.
    blocks: Option<(u32, Vec<u8>)>,
    /// Likewise in general blocks: all octets, and how many are acknowledged.
    general: Option<(Vec<u8>, u16)>,
    /// A request that comes in general blocks: its octets, and how many blocks were taken.
    request: (Vec<u8>, u16),
    lost_block: bool,
    incoming: Vec<u8>,
    target: Option<Selected>,
}

/// Why a request gets an exception.
pub(super) struct Refused(pub(super) ServiceException);

impl Meter {
    pub(super) fn new(config: Config, state: Shared) -> Self {
        Self {
            config,
            state,
            stage: Stage::None,
            client: 0,
            title: [0; 8],
            ciphered: false,
            dedicated: None,
            to_client: Vec::new(),
            to_server: Vec::new(),
            blocks: None,
            general: None,
            request: (Vec::new(), 0),
            lost_block: false,
            incoming: Vec::new(),
            target: None,
        }
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    pub(super) const fn state(&self) -> &Shared {
        &self.state
    }

    /// The client's system title.
    pub(super) const fn title(&self) -> SystemTitle {
        self.title
    }

    pub(super) const fn dedicated(&self) -> Option<&Key> {
        self.dedicated.as_ref()
    }

    pub(super) fn reset(&mut self) {
        self.stage = Stage::None;
        self.dedicated = None;
        self.blocks = None;
        self.general = None;
        self.request = (Vec::new(), 0);
        self.lost_block = false;
    }

    /// Takes a client's message; its answer.
    pub(super) fn hear(&mut self, client: u8, bytes: &[u8]) -> Vec<u8> {
        self.client = client;
        let answer = match Apdu::decode(bytes) {
            Ok((Apdu::BlockTransfer(block), [])) if block.octets.is_empty() => {
                return self.general_block(block.acknowledged);
            }
            Ok((Apdu::BlockTransfer(block), [])) => match self.request_block(&block) {
                Ok(whole) => return self.hear(client, &whole),
                Err(acknowledgement) => return acknowledgement,
            },
            Ok((apdu, [])) => self.outer(apdu),
            _ => Err(Refused(ServiceException::OtherReason)),
        };
        let refused = |Refused(service)| {
            let state = StateError::ServiceNotAllowed;
            Apdu::ExceptionResponse(ExceptionResponse { state, service }).to_vec()
        };
        let answer = answer.unwrap_or_else(refused);
        let size = usize::from(self.config.pdu) - OVERHEAD / 4;
        if self.config.general_blocks && answer.len() > size {
            self.general = Some((answer, 0));
            return self.general_block(0);
        }
        answer
    }

    /// A block of a request: the whole with the last one, an acknowledgement with the others. The
    /// second one is not heard the first time.
    fn request_block(&mut self, block: &BlockTransfer) -> Result<Vec<u8>, Vec<u8>> {
        let (octets, taken) = &mut self.request;
        let lose = block.number == 2 && !std::mem::replace(&mut self.lost_block, true);
        if block.number == *taken + 1 && !lose {
            *taken += 1;
            octets.extend_from_slice(&block.octets);
            lock(&self.state).seen.request_blocks += 1;
            if block.last {
                let whole = std::mem::take(octets);
                *taken = 0;
                return Ok(whole);
            }
        }
        Err(Apdu::BlockTransfer(BlockTransfer {
            last: true,
            number: block.number,
            acknowledged: self.request.1,
            octets: Vec::new(),
            ..*block
        })
        .to_vec())
    }

    /// The block behind the one that was acknowledged.
    fn general_block(&mut self, acknowledged: u16) -> Vec<u8> {
        let size = usize::from(self.config.pdu) - OVERHEAD / 4;
        let Some((octets, _)) = &self.general else {
            return Vec::new();
        };
        let start = usize::from(acknowledged) * size;
        let rest = octets.get(start..).unwrap_or_default();
        let last = rest.len() <= size;
        let block = BlockTransfer {
            last,
            streaming: false,
            window: 1,
            number: acknowledged + 1,
            acknowledged,
            octets: rest
                .get(..size.min(rest.len()))
                .unwrap_or_default()
                .to_vec(),
        };
        Apdu::BlockTransfer(block).to_vec()
    }

    fn outer(&mut self, apdu: Apdu) -> Result<Vec<u8>, Refused> {
        match apdu {
            Apdu::Aarq(aarq) => self.aarq(&aarq),
            Apdu::Rlrq(_) => {
                self.reset();
                lock(&self.state).seen.releases += 1;
                let reason = Some(0);
                let information = None;
                Ok(Apdu::Rlre(Rlre {
                    reason,
                    information,
                })
                .to_vec())
            }
            _ if self.stage == Stage::None => Err(Refused(ServiceException::OperationNotPossible)),
            protected if self.ciphered => {
                let (inner, like) = self.unprotect(protected)?;
                let answer = self.service(inner)?;
                self.protect(&answer, like)
            }
            plain => Ok(self.service(plain)?.to_vec()),
        }
    }

    fn aarq(&mut self, aarq: &Aarq) -> Result<Vec<u8>, Refused> {
        self.reset();
        self.title = aarq
            .title
            .as_deref()
            .and_then(|title| title.try_into().ok())
            .unwrap_or_default();
        self.ciphered = aarq.context == Context::LogicalNameCiphered;
        let information = aarq.information.as_deref().unwrap_or_default();
        let initiate = match Apdu::decode(information) {
            Ok((Apdu::Ciphered(message), _)) => {
                let opened = self.open(&message)?;
                Apdu::decode(&opened).ok().map(|(apdu, _)| apdu)
            }
            Ok((apdu, _)) => Some(apdu),
            Err(_) => None,
        };
        let Some(Apdu::InitiateRequest(InitiateRequest { dedicated_key, .. })) = initiate else {
            return Err(Refused(ServiceException::OtherReason));
        };
        self.dedicated = dedicated_key;
        let shown = aarq.authentication.as_ref();
        let mechanism = shown.map_or(Mechanism::None, |shown| shown.mechanism);
        let value = shown.and_then(|shown| shown.value.clone());
        let diagnostic = match (self.client, &self.config.security, mechanism) {
            (PUBLIC, _, Mechanism::None) | (_, Security::None, Mechanism::None) => 0,
            (PUBLIC, ..) => 11,
            (_, Security::Low(password), Mechanism::Low) if value.as_ref() == Some(password) => 0,
            (_, Security::Gmac(_), Mechanism::Gmac) if self.ciphered => 14,
            (_, Security::Ecdsa(_), Mechanism::Ecdsa) if self.ciphered => 14,
            _ => 13,
        };
        let accepted = matches!(diagnostic, 0 | 14);
        self.stage = match diagnostic {
            0 => Stage::Open,
            14 => Stage::Pending,
            _ => Stage::None,
        };
        if diagnostic == 0 {
            lock(&self.state).seen.associations += 1;
        }
        let mut authentication = None;
        if diagnostic == 14 {
            self.to_server = value.unwrap_or_default();
            self.to_client = random();
            authentication = Some(Authentication {
                mechanism,
                value: Some(self.to_client.clone()),
            });
        }
        let response = Apdu::InitiateResponse(InitiateResponse {
            quality_of_service: None,
            version: 6,
            conformance: self.conformance(),
            max_pdu_size: self.config.pdu,
            vaa_name: 7,
        });
        let information = match self.ciphered {
            true => self.seal(&response, None)?,
            false => response.to_vec(),
        };
        Ok(Apdu::Aare(Aare {
            context: aarq.context,
            result: match accepted {
                true => AssociationResult::Accepted,
                false => AssociationResult::RejectedPermanent,
            },
            diagnostic: Diagnostic::User(diagnostic),
            title: self.ciphered.then(|| self.config.title.to_vec()),
            certificate: None,
            authentication,
            information: Some(information),
        })
        .to_vec())
    }

    fn service(&mut self, apdu: Apdu) -> Result<Apdu, Refused> {
        Ok(match apdu {
            Apdu::GetRequest(request) => Apdu::GetResponse(self.get(request)),
            Apdu::SetRequest(request) => Apdu::SetResponse(self.set(request)?),
            Apdu::ActionRequest(ActionRequest::Normal {
                invoke,
                method,
                parameter,
            }) => Apdu::ActionResponse(ActionResponse::Normal {
                invoke,
                result: self.invoke((method.class, method.instance, method.method), parameter)?,
            }),
            _ => return Err(Refused(ServiceException::ServiceNotSupported)),
        })
    }

    fn get(&mut self, request: GetRequest) -> GetResponse {
        match request {
            GetRequest::Normal { invoke, attribute } => {
                let result = self.attribute(&attribute);
                let response = GetResponse::Normal { invoke, result };
                let length = Apdu::GetResponse(response.clone()).to_vec().len();
                match response {
                    GetResponse::Normal {
                        result: GetResult::Data(data),
                        ..
                    } if length > self.block_size() && !self.config.general_blocks => {
                        self.blocks = Some((1, data.to_vec()));
                        self.block(invoke)
                    }
                    response => response,
                }
            }
            GetRequest::WithList { invoke, attributes } => {
                let results = attributes.iter().map(|one| self.attribute(one)).collect();
                GetResponse::WithList { invoke, results }
            }
            GetRequest::Next { invoke, block } => match &self.blocks {
                Some((next, _)) if block + 1 == *next => self.block(invoke),
                _ => GetResponse::WithBlock {
                    invoke,
                    last: true,
                    number: block,
                    result: Err(DataAccessResult::DataBlockNumberInvalid),
                },
            },
        }
    }

    fn block_size(&self) -> usize {
        usize::from(self.config.pdu)
            .saturating_sub(OVERHEAD)
            .max(16)
    }

    fn block(&mut self, invoke: u8) -> GetResponse {
        let size = self.block_size();
        let (number, octets) = self.blocks.take().unwrap_or_default();
        let (block, rest) = octets.split_at(size.min(octets.len()));
        if !rest.is_empty() {
            self.blocks = Some((number + 1, rest.to_vec()));
        }
        GetResponse::WithBlock {
            invoke,
            last: rest.is_empty(),
            number,
            result: Ok(block.to_vec()),
        }
    }

    fn set(&mut self, request: SetRequest) -> Result<SetResponse, Refused> {
        let (invoke, block) = match request {
            SetRequest::Normal {
                invoke,
                attribute,
                value,
            } => {
                let result = self.write(&attribute, &value);
                return Ok(SetResponse::Normal { invoke, result });
            }
            SetRequest::WithFirstBlock {
                invoke,
                attribute,
                block,
            } => {
                self.incoming.clear();
                self.target = Some(attribute);
                (invoke, block)
            }
            SetRequest::WithBlock { invoke, block } => (invoke, block),
            _ => return Err(Refused(ServiceException::ServiceNotSupported)),
        };
        let number = block.number;
        self.incoming.extend(block.octets);
        if !block.last {
            return Ok(SetResponse::Block { invoke, number });
        }
        let value = Data::decode(&self.incoming);
        let result = match (self.target.take(), value) {
            (Some(target), Ok(value)) => self.write(&target, &value),
            _ => DataAccessResult::LongSetAborted,
        };
        Ok(SetResponse::LastBlock {
            invoke,
            result,
            number,
        })
    }

    fn write(&mut self, attribute: &Selected, value: &Data) -> DataAccessResult {
        let one = attribute.descriptor;
        let time = value.date_time().and_then(DateTime::meter_time);
        if self.client == PUBLIC || self.stage != Stage::Open {
            return DataAccessResult::ReadWriteDenied;
        }
        match ((one.class, one.instance, one.attribute), time) {
            ((8, CLOCK, 2), Some(meter_link::model::MeterTime::Utc(at))) => {
                let mut state = lock(&self.state);
                state.ahead_s = at.as_second() - Timestamp::now().as_second();
                state.seen.clock_set += 1;
                DataAccessResult::Success
            }
            ((8, CLOCK, 2), _) => DataAccessResult::TypeUnmatched,
            _ => DataAccessResult::ReadWriteDenied,
        }
    }

    fn invoke(
        &mut self,
        method: (u16, ObisCode, i8),
        parameter: Option<Data>,
    ) -> Result<MethodResult, Refused> {
        let done = |result| {
            let returned = None;
            Ok(MethodResult { result, returned })
        };
        match method {
            (15, ObisCode([0, 0, 40, 0, 0, 255]), 1) if self.stage == Stage::Pending => {
                let token = parameter.and_then(|data| data.octets().map(<[u8]>::to_vec));
                self.prove(&token.unwrap_or_default())
            }
            (70, RELAY, 1 | 2) if self.stage == Stage::Open && self.client != PUBLIC => {
                let on = method.2 == 2;
                let mut state = lock(&self.state);
                state.relay = on;
                state.seen.relay.push(on);
                done(ActionResult::Success)
            }
            _ => done(ActionResult::ReadWriteDenied),
        }
    }

    /// Passes 3 and 4: the client's proof, and ours.
    fn prove(&mut self, token: &[u8]) -> Result<MethodResult, Refused> {
        if let (Security::Ecdsa(_), Some((own, client))) =
            (&self.config.security, self.config.signing_keys())
        {
            return Ok(self.prove_by_signature(token, &own, &client.verifying_key()));
        }
        let Security::Gmac(suite) = self.config.security else {
            return Err(Refused(ServiceException::ServiceNotSupported));
        };
        let denied = MethodResult {
            result: ActionResult::ReadWriteDenied,
            returned: None,
        };
        let (Some(head), Some(tag)) = (token.get(..5), token.get(5..)) else {
            return Ok(denied);
        };
        let with_challenge = [head, &self.to_client, tag].concat();
        let Ok(protected) = Protected::decode(&with_challenge) else {
            return Ok(denied);
        };
        let opened = self.global().open(self.title, &protected);
        if protected.control.is_encrypted() || opened.is_err() {
            self.stage = Stage::None;
            return Ok(denied);
        }
        let counter = {
            let mut state = lock(&self.state);
            state.seen.associations += 1;
            // The message around it has a higher one, and was taken before.
            let proof = (self.title, protected.invocation_counter);
            state.seen.counters.push(proof);
            state.next_counter()
        };
        self.stage = Stage::Open;
        let control = SecurityControl::AUTHENTICATED.in_suite(suite);
        let sealed = self
            .global()
            .seal(control, self.config.title, counter, &self.to_server)
            .map_err(|_| Refused(ServiceException::OtherReason))?;
        let mut own = vec![control.0];
        own.extend(counter.to_be_bytes());
        own.extend(sealed.tag.into_iter().flatten());
        Ok(MethodResult {
            result: ActionResult::Success,
            returned: Some(GetResult::Data(Data::OctetString(own))),
        })
    }

    fn prove_by_signature(
        &mut self,
        token: &[u8],
        own: &SigningKey,
        client: &VerifyingKey,
    ) -> MethodResult {
        let title = self.config.title;
        let signed = ecdsa::challenge(self.title, title, &self.to_client, &self.to_server);
        if !client.verify(&signed, token) {
            self.stage = Stage::None;
            return MethodResult {
                result: ActionResult::ReadWriteDenied,
                returned: None,
            };
        }
        lock(&self.state).seen.associations += 1;
        self.stage = Stage::Open;
        let answer = ecdsa::challenge(title, self.title, &self.to_server, &self.to_client);
        MethodResult {
            result: ActionResult::Success,
            returned: Some(GetResult::Data(Data::OctetString(own.sign(&answer)))),
        }
    }

    fn attribute(&mut self, selected: &Selected) -> GetResult {
        let one = selected.descriptor;
        let for_all = matches!(one.instance, CLOCK | COUNTER | DEVICE_NAME);
        if self.stage != Stage::Open || self.client == PUBLIC && !for_all {
            return GetResult::Error(DataAccessResult::ReadWriteDenied);
        }
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or(0);
        let wh = |value: u64| Data::Uint32(u32::try_from(value % (1 << 32)).unwrap_or(0));
        let octets = |text: &str| Data::OctetString(text.as_bytes().to_vec());
        let data = match (one.class, one.instance, one.attribute) {
            (_, name, 1) => Data::OctetString(name.0.to_vec()),
            (1, SERIAL | DEVICE_NAME, 2) => octets(&self.config.serial),
            (1, COUNTER, 2) => {
                let state = lock(&self.state);
                let lowest = state.lowest.values().max().copied().unwrap_or(0);
                Data::Uint32(lowest.saturating_sub(1))
            }
            (8, CLOCK, 2) => {
                let ahead = SignedDuration::from_secs(lock(&self.state).ahead_s);
                Data::OctetString(time(Timestamp::now() + ahead).0.to_vec())
            }
            (3, IMPORT, 2) => wh(self.config.load.energy(now).import_in(3_600)),
            (3, EXPORT, 2) => wh(self.config.load.energy(now).export_in(3_600)),
            (3, POWER, 2) => Data::Int32(i32::try_from(self.config.load.power_w(now)).unwrap_or(0)),
            (3, IMPORT | EXPORT, 3) => Data::Structure(vec![Data::Int8(0), Data::Enum(30)]),
            (3, POWER, 3) => Data::Structure(vec![Data::Int8(0), Data::Enum(27)]),
            (70, RELAY, 2) => Data::Boolean(lock(&self.state).relay),
            (70, RELAY, 3) => Data::Enum(u8::from(lock(&self.state).relay)),
            (70, RELAY, 4) => Data::Enum(4),
            (7, PROFILE, 2) => self.rows(selected),
            (7, PROFILE, 3) => Data::Array(vec![
                captured(8, CLOCK),
                captured(1, STATUS),
                captured(3, IMPORT),
            ]),
            (7, PROFILE, 4) => Data::Uint32(900),
            (7, PROFILE, 7 | 8) => {
                Data::Uint32(u32::try_from(lock(&self.state).rows.len()).unwrap_or(0))
            }
            (20, CALENDAR, attribute) => match calendar::attribute(attribute) {
                Some(data) => data,
                None => return GetResult::Error(DataAccessResult::ObjectUndefined),
            },
            (11, SPECIAL_DAYS, 2) => calendar::special_days(),
            (15, ObisCode([0, 0, 40, 0, 0, 255]), 2) => objects(),
            _ => return GetResult::Error(DataAccessResult::ObjectUndefined),
        };
        GetResult::Data(data)
    }

    fn rows(&self, selected: &Selected) -> Data {
        let access = selected.access.as_ref();
        let parameters = access.and_then(|access| access.parameters.elements());
        let bound = |index: usize| {
            let at = parameters?.get(index)?.date_time()?.civil()?;
            Offset::constant(1)
                .to_timestamp(at)
                .ok()
                .map(Timestamp::as_second)
        };
        let number = |index: usize| usize::try_from(parameters?.get(index)?.integer()?).ok();
        let mut state = lock(&self.state);
        let wanted: Vec<_> = match access.map(|access| access.selector) {
            Some(1) => {
                let (from, to) = (bound(1).unwrap_or(0), bound(2).unwrap_or(i64::MAX));
                let within = |(quarter, _): &&(i64, u8)| (from..=to).contains(&(quarter * 900));
                state.rows.iter().filter(within).copied().collect()
            }
            Some(2) => {
                let from = number(0).unwrap_or(1).max(1) - 1;
                let to = number(1).filter(|to| *to > 0).unwrap_or(state.rows.len());
                let count = to.saturating_sub(from);
                state.rows.iter().skip(from).take(count).copied().collect()
            }
            _ => state.rows.clone(),
        };
        state.seen.rows_sent += wanted.len() as u64;
        let row = |(quarter, status)| {
            let at = Timestamp::from_second(quarter * 900).unwrap_or_default();
            let import = u32::try_from(DlmsMeter::import_wh(quarter)).unwrap_or(0);
            Data::Structure(vec![
                Data::OctetString(time(at).0.to_vec()),
                Data::Uint8(status),
                Data::Uint32(import),
            ])
        };
        Data::Array(wanted.into_iter().map(row).collect())
    }
}

impl Meter {
    fn conformance(&self) -> Conformance {
        let blocks = match self.config.general_blocks {
            true => Conformance::GENERAL_BLOCK_TRANSFER,
            false => Conformance::BLOCK_TRANSFER_WITH_GET | Conformance::BLOCK_TRANSFER_WITH_SET,
        };
        Conformance::GET
            | Conformance::SET
            | Conformance::ACTION
            | Conformance::SELECTIVE_ACCESS
            | Conformance::MULTIPLE_REFERENCES
            | Conformance::GENERAL_PROTECTION
            | blocks
    }
}

/// The meter's clock is one hour ahead of UTC all the year.
fn time(at: Timestamp) -> DateTime {
    DateTime::new(
        Offset::constant(1).to_datetime(at),
        Some(-60),
        ClockStatus(0),
    )
}

fn captured(class: u16, name: ObisCode) -> Data {
    Data::Structure(vec![
        Data::Uint16(class),
        Data::OctetString(name.0.to_vec()),
        Data::Int8(2),
        Data::Uint16(0),
    ])
}

fn objects() -> Data {
    let object = |(class, name): (u16, ObisCode)| {
        Data::Structure(vec![
            Data::Uint16(class),
            Data::Uint8(0),
            Data::OctetString(name.0.to_vec()),
            Data::Structure(vec![Data::Array(Vec::new()), Data::Array(Vec::new())]),
        ])
    };
    let all = [
        (1, SERIAL),
        (1, DEVICE_NAME),
        (1, COUNTER),
        (8, CLOCK),
        (3, IMPORT),
        (3, EXPORT),
        (3, POWER),
        (7, PROFILE),
        (70, RELAY),
        (20, CALENDAR),
        (11, SPECIAL_DAYS),
    ];
    Data::Array(all.into_iter().map(object).collect())
}

/// A challenge.
pub(super) fn random() -> Vec<u8> {
    let mut octets = vec![0; 16];
    let read =
        std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut octets));
    // A simulator without random numbers is still a simulator.
    drop(read);
    octets
}
