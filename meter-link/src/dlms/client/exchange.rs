//! One service from its request to its result, in as many messages as it takes (IEC 62056-5-3,
//! 6.6 to 6.8): lists, and blocks both ways.

use super::error::ClientError;
use crate::dlms::apdu::{
    ActionRequest, ActionResponse, Apdu, Conformance, DataAccessResult, DataBlock, GetRequest,
    GetResponse, GetResult, MethodDescriptor, MethodResult, Selected, SetRequest, SetResponse,
};
use crate::dlms::axdr::{self, Fault, Reader};
use crate::dlms::data::Data;

/// Longest value taken, in bytes: a year of quarter-hours with ten columns is half of it.
pub const MAX_VALUE: usize = 8 * 1024 * 1024;

/// Octets of a request beside its block: form, invoke-id, descriptor, block number, lengths.
const BLOCK_OVERHEAD: usize = 32;

/// What is asked of a meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read attributes.
    Get(Vec<Selected>),
    /// Read one attribute that may be long; its value comes as it was encoded.
    GetEncoded(Selected),
    /// Write attributes.
    Set(Vec<(Selected, Data)>),
    /// Invoke methods.
    Action(Vec<(MethodDescriptor, Option<Data>)>),
}

/// What a meter answers, in the order asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Values.
    Get(Vec<GetResult>),
    /// The encoded value of [`Request::GetEncoded`], perhaps with stray octets behind it.
    Encoded(Vec<u8>),
    /// How each was written.
    Set(Vec<DataAccessResult>),
    /// What each method gave.
    Action(Vec<MethodResult>),
    /// No answer, or not the whole of it.
    Interrupted {
        /// What had come of a value that was read in blocks, from its start.
        octets: Vec<u8>,
        /// Why there is no more.
        error: ClientError,
    },
}

/// What the two sides agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) conformance: Conformance,
    /// Longest plain message that the meter takes.
    pub(super) send: usize,
    /// Longest message as it travels, with its protection.
    pub(super) pdu: usize,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    Send(Apdu),
    Done(Answer),
    /// The message belongs to an earlier request.
    Stale,
}

/// A service under way.
#[derive(Debug)]
pub(super) struct Exchange {
    request: Request,
    limits: Limits,
    invoke: u8,
    /// Ask for one item at a time, though there are more.
    single: bool,
    /// How many items of the message under way were asked for.
    asked: usize,
    /// Items answered so far.
    done: usize,
    got: Vec<GetResult>,
    set: Vec<DataAccessResult>,
    invoked: Vec<MethodResult>,
    /// Octets of an answer in blocks.
    incoming: Vec<u8>,
    /// The last block received.
    block: u32,
    outgoing: Option<Outgoing>,
    /// Octets behind a whole value.
    pub(super) trailing: usize,
}

/// What is sent in blocks.
#[derive(Debug)]
struct Outgoing {
    octets: Vec<u8>,
    sent: usize,
    number: u32,
}

impl Outgoing {
    fn next(&mut self, size: usize) -> DataBlock {
        let end = (self.sent + size).min(self.octets.len());
        let octets = self.octets.get(self.sent..end).unwrap_or_default().to_vec();
        self.sent = end;
        self.number += 1;
        DataBlock {
            last: end == self.octets.len(),
            number: self.number,
            octets,
        }
    }
}

impl Exchange {
    pub(super) fn new(request: Request, limits: Limits, invoke: u8) -> Self {
        let single = !limits.conformance.has(Conformance::MULTIPLE_REFERENCES);
        Self {
            request,
            limits,
            invoke,
            single,
            asked: 0,
            done: 0,
            got: Vec::new(),
            set: Vec::new(),
            invoked: Vec::new(),
            incoming: Vec::new(),
            block: 0,
            outgoing: None,
            trailing: 0,
        }
    }

    /// What was asked, for messages.
    pub(super) const fn name(&self) -> &'static str {
        match self.request {
            Request::Get(_) | Request::GetEncoded(_) => "get_request",
            Request::Set(_) => "set_request",
            Request::Action(_) => "action_request",
        }
    }

    /// True while a repetition of the last message would do no harm: nothing was written or
    /// invoked, and no block was taken.
    pub(super) const fn is_repeatable(&self) -> bool {
        matches!(self.request, Request::Get(_) | Request::GetEncoded(_)) && self.block == 0
    }

    /// Gives up the list after the meter refused it; false when there was none.
    pub(super) const fn split_list(&mut self) -> bool {
        let split = self.asked > 1 && self.block == 0;
        self.single |= split;
        split
    }

    /// What has come so far of a value that is given as it was encoded.
    pub(super) fn so_far(&self) -> Option<&[u8]> {
        matches!(self.request, Request::GetEncoded(_)).then_some(self.incoming.as_slice())
    }

    /// What had come of a single value.
    pub(super) fn interrupt(self, error: ClientError) -> Answer {
        let octets = match self.asked {
            1 => self.incoming,
            _ => Vec::new(),
        };
        Answer::Interrupted { octets, error }
    }

    fn items(&self) -> usize {
        match &self.request {
            Request::Get(items) => items.len(),
            Request::GetEncoded(_) => 1,
            Request::Set(items) => items.len(),
            Request::Action(items) => items.len(),
        }
    }

    /// The message that asks for what is still to be asked.
    pub(super) fn ask(&mut self, invoke: u8) -> Result<Next, ClientError> {
        let left = self.items() - self.done.min(self.items());
        if left == 0 {
            return Ok(Next::Done(self.answer()));
        }
        self.invoke = invoke;
        self.incoming.clear();
        self.block = 0;
        self.outgoing = None;
        self.asked = if self.single { 1 } else { left };
        let apdu = self.whole_request();
        if apdu.to_vec().len() <= self.limits.send {
            return Ok(Next::Send(apdu));
        }
        if self.asked > 1 {
            self.single = true;
            return self.ask(invoke);
        }
        let conformance = self.limits.conformance;
        match self.first_block() {
            Some(block) => Ok(Next::Send(block)),
            // Cut into general blocks once it is protected.
            None if conformance.has(Conformance::GENERAL_BLOCK_TRANSFER) => Ok(Next::Send(apdu)),
            None => Err(ClientError::RequestTooLong(self.limits.send)),
        }
    }

    fn answer(&mut self) -> Answer {
        match self.request {
            Request::Get(_) => Answer::Get(std::mem::take(&mut self.got)),
            Request::GetEncoded(_) => match self.got.first() {
                None => Answer::Encoded(std::mem::take(&mut self.incoming)),
                Some(GetResult::Data(data)) => Answer::Encoded(data.to_vec()),
                Some(GetResult::Error(_)) => Answer::Get(std::mem::take(&mut self.got)),
            },
            Request::Set(_) => Answer::Set(std::mem::take(&mut self.set)),
            Request::Action(_) => Answer::Action(std::mem::take(&mut self.invoked)),
        }
    }

    fn whole_request(&self) -> Apdu {
        let invoke = self.invoke;
        match &self.request {
            Request::GetEncoded(attribute) => Apdu::GetRequest(GetRequest::Normal {
                invoke,
                attribute: attribute.clone(),
            }),
            Request::Get(items) => {
                let attributes: Vec<_> = taken(items, self.done, self.asked).to_vec();
                Apdu::GetRequest(match <[Selected; 1]>::try_from(attributes) {
                    Ok([attribute]) => GetRequest::Normal { invoke, attribute },
                    Err(attributes) => GetRequest::WithList { invoke, attributes },
                })
            }
            Request::Set(items) => {
                let items = taken(items, self.done, self.asked);
                Apdu::SetRequest(match items {
                    [(attribute, value)] => SetRequest::Normal {
                        invoke,
                        attribute: attribute.clone(),
                        value: value.clone(),
                    },
                    items => {
                        let (attributes, values) = items.iter().cloned().unzip();
                        SetRequest::WithList {
                            invoke,
                            attributes,
                            values,
                        }
                    }
                })
            }
            Request::Action(items) => {
                let items = taken(items, self.done, self.asked);
                Apdu::ActionRequest(match items {
                    [(method, parameter)] => ActionRequest::Normal {
                        invoke,
                        method: *method,
                        parameter: parameter.clone(),
                    },
                    items => ActionRequest::WithList {
                        invoke,
                        methods: items.iter().map(|(method, _)| *method).collect(),
                        parameters: items
                            .iter()
                            .map(|(_, parameter)| parameter.clone().unwrap_or(Data::Null))
                            .collect(),
                    },
                })
            }
        }
    }

    /// The first message of a request in blocks, where the meter takes such.
    fn first_block(&mut self) -> Option<Apdu> {
        let size = self.block_size()?;
        let invoke = self.invoke;
        let has = |service| self.limits.conformance.has(service);
        let (octets, apdu): (Vec<u8>, Box<dyn FnOnce(DataBlock) -> Apdu>) = match &self.request {
            Request::Set(items) if has(Conformance::BLOCK_TRANSFER_WITH_SET) => {
                let (attribute, value) = items.get(self.done)?.clone();
                let make = move |block| {
                    Apdu::SetRequest(SetRequest::WithFirstBlock {
                        invoke,
                        attribute,
                        block,
                    })
                };
                (value.to_vec(), Box::new(make))
            }
            Request::Action(items) if has(Conformance::BLOCK_TRANSFER_WITH_ACTION) => {
                let (method, parameter) = items.get(self.done)?.clone();
                let make = move |block| {
                    Apdu::ActionRequest(ActionRequest::WithFirstBlock {
                        invoke,
                        method,
                        block,
                    })
                };
                (parameter?.to_vec(), Box::new(make))
            }
            _ => return None,
        };
        let mut outgoing = Outgoing {
            octets,
            sent: 0,
            number: 0,
        };
        let block = outgoing.next(size);
        self.outgoing = Some(outgoing);
        Some(apdu(block))
    }

    fn block_size(&self) -> Option<usize> {
        self.limits
            .send
            .checked_sub(BLOCK_OVERHEAD)
            .filter(|size| *size > 0)
    }

    /// The block after the one the meter has acknowledged.
    fn further_block(&mut self, acknowledged: u32) -> Result<DataBlock, ClientError> {
        let size = self.block_size().unwrap_or(1);
        let outgoing = self.outgoing.as_mut().filter(|outgoing| {
            outgoing.number == acknowledged && outgoing.sent < outgoing.octets.len()
        });
        match outgoing {
            Some(outgoing) => Ok(outgoing.next(size)),
            None => Err(ClientError::Block {
                expected: self.outgoing.as_ref().map_or(0, |out| out.number),
                got: acknowledged,
            }),
        }
    }

    /// Takes the meter's message.
    pub(super) fn take(&mut self, apdu: Apdu) -> Result<Next, ClientError> {
        let (asked, got) = (self.name(), apdu.name());
        match (&self.request, apdu) {
            (Request::Get(_) | Request::GetEncoded(_), Apdu::GetResponse(response)) => {
                if response.invoke() & 0x0F != self.invoke & 0x0F {
                    return Ok(Next::Stale);
                }
                self.take_get(response)
            }
            (Request::Set(_), Apdu::SetResponse(response)) => {
                if response.invoke() & 0x0F != self.invoke & 0x0F {
                    return Ok(Next::Stale);
                }
                self.take_set(response)
            }
            (Request::Action(_), Apdu::ActionResponse(response)) => {
                if response.invoke() & 0x0F != self.invoke & 0x0F {
                    return Ok(Next::Stale);
                }
                self.take_action(response)
            }
            _ => Err(ClientError::Unexpected { asked, got }),
        }
    }

    fn take_get(&mut self, response: GetResponse) -> Result<Next, ClientError> {
        let results = match response {
            GetResponse::Normal { result, .. } => vec![result],
            GetResponse::WithList { results, .. } => results,
            GetResponse::WithBlock {
                result: Err(code), ..
            } if self.block == 0 && self.asked == 1 => vec![GetResult::Error(code)],
            GetResponse::WithBlock {
                result: Err(_),
                number,
                ..
            } => {
                return Err(ClientError::Block {
                    expected: self.block + 1,
                    got: number,
                });
            }
            GetResponse::WithBlock {
                last,
                number,
                result: Ok(octets),
                ..
            } => {
                self.add_block(number, &octets)?;
                if !last {
                    return Ok(Next::Send(Apdu::GetRequest(GetRequest::Next {
                        invoke: self.invoke,
                        block: number,
                    })));
                }
                if matches!(self.request, Request::GetEncoded(_)) {
                    return Ok(Next::Done(self.answer()));
                }
                self.results_in_blocks()?
            }
        };
        self.counted(results.len())?;
        self.got.extend(results);
        self.ask(self.invoke)
    }

    fn add_block(&mut self, number: u32, octets: &[u8]) -> Result<(), ClientError> {
        if number != self.block + 1 {
            return Err(ClientError::Block {
                expected: self.block + 1,
                got: number,
            });
        }
        if self.incoming.len() + octets.len() > MAX_VALUE {
            return Err(ClientError::TooLong(MAX_VALUE));
        }
        self.block = number;
        self.incoming.extend_from_slice(octets);
        Ok(())
    }

    /// One value, or a list of results, that came in blocks.
    fn results_in_blocks(&mut self) -> Result<Vec<GetResult>, ClientError> {
        let mut reader = Reader::new(&self.incoming);
        let results = match self.asked {
            1 => vec![GetResult::Data(Data::read(&mut reader)?)],
            _ => reader.list(get_result)?,
        };
        self.trailing += reader.rest().len();
        Ok(results)
    }

    fn take_set(&mut self, response: SetResponse) -> Result<Next, ClientError> {
        let invoke = self.invoke;
        let results = match response {
            SetResponse::Normal { result, .. } | SetResponse::LastBlock { result, .. } => {
                vec![result]
            }
            SetResponse::WithList { results, .. }
            | SetResponse::LastBlockWithList { results, .. } => results,
            SetResponse::Block { number, .. } => {
                let block = self.further_block(number)?;
                let request = SetRequest::WithBlock { invoke, block };
                return Ok(Next::Send(Apdu::SetRequest(request)));
            }
        };
        self.counted(results.len())?;
        self.set.extend(results);
        self.ask(invoke)
    }

    fn take_action(&mut self, response: ActionResponse) -> Result<Next, ClientError> {
        let invoke = self.invoke;
        let results = match response {
            ActionResponse::Normal { result, .. } => vec![result],
            ActionResponse::WithList { results, .. } => results,
            ActionResponse::NextBlock { block, .. } => {
                let block = self.further_block(block)?;
                let request = ActionRequest::WithBlock { invoke, block };
                return Ok(Next::Send(Apdu::ActionRequest(request)));
            }
            ActionResponse::WithBlock { block, .. } => {
                self.add_block(block.number, &block.octets)?;
                if !block.last {
                    return Ok(Next::Send(Apdu::ActionRequest(ActionRequest::NextBlock {
                        invoke,
                        block: block.number,
                    })));
                }
                self.method_results_in_blocks()?
            }
        };
        self.counted(results.len())?;
        self.invoked.extend(results);
        self.ask(invoke)
    }

    /// The octets of the blocks are those of the response behind its invoke-id.
    fn method_results_in_blocks(&mut self) -> Result<Vec<MethodResult>, ClientError> {
        let mut whole = vec![0xC7, if self.asked == 1 { 1 } else { 3 }, self.invoke];
        whole.extend_from_slice(&self.incoming);
        let (apdu, rest) = Apdu::decode(&whole)?;
        self.trailing += rest.len();
        match apdu {
            Apdu::ActionResponse(ActionResponse::Normal { result, .. }) => Ok(vec![result]),
            Apdu::ActionResponse(ActionResponse::WithList { results, .. }) => Ok(results),
            other => Err(ClientError::Unexpected {
                asked: "action_request",
                got: other.name(),
            }),
        }
    }

    fn counted(&mut self, results: usize) -> Result<(), ClientError> {
        if results != self.asked {
            let start = Reader::new(&[]);
            let fault = Fault::Form("as many results as items that were asked for are expected");
            return Err(start.error(fault).into());
        }
        self.done += results;
        Ok(())
    }
}

fn taken<T>(items: &[T], from: usize, count: usize) -> &[T] {
    items.get(from..from + count).unwrap_or_default()
}

fn get_result(reader: &mut Reader<'_>) -> Result<GetResult, axdr::Error> {
    match reader.u8()? {
        0 => Data::read(reader).map(GetResult::Data),
        1 => Ok(GetResult::Error(DataAccessResult::from_code(reader.u8()?))),
        value => Err(reader.error(Fault::Choice {
            what: "result of a read",
            value,
        })),
    }
}
