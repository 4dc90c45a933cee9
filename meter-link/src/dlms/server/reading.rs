//! GET, with its blocks.

use super::super::apdu::{DataAccessResult, GetRequest, GetResponse, GetResult};
use super::{Objects, Server};

/// Octets of a message beside a block and its protection.
const OVERHEAD: usize = 64;
/// Attributes of one request.
const ATTRIBUTES: usize = 64;

impl Server {
    pub(super) fn get(&mut self, request: GetRequest, objects: &mut dyn Objects) -> GetResponse {
        match request {
            GetRequest::Normal { invoke, attribute } => {
                self.blocks = None;
                match objects.attribute(self.device, &attribute) {
                    GetResult::Data(data) => {
                        let octets = data.to_vec();
                        if octets.len() > self.block_size() {
                            self.blocks = Some((1, octets));
                            return self.block(invoke);
                        }
                        let result = GetResult::Data(data);
                        GetResponse::Normal { invoke, result }
                    }
                    result @ GetResult::Error(_) => GetResponse::Normal { invoke, result },
                }
            }
            GetRequest::WithList { invoke, attributes } => {
                let mut left = self.block_size();
                let results = attributes.iter().take(ATTRIBUTES).map(|one| {
                    let result = objects.attribute(self.device, one);
                    let length = match &result {
                        GetResult::Data(data) => data.to_vec().len() + 1,
                        GetResult::Error(_) => 2,
                    };
                    // What does not fit is to be read alone, in blocks.
                    let fits = length <= left;
                    left = left.saturating_sub(length);
                    if fits {
                        result
                    } else {
                        GetResult::Error(DataAccessResult::DataBlockUnavailable)
                    }
                });
                let results = results.collect();
                GetResponse::WithList { invoke, results }
            }
            GetRequest::Next { invoke, block } => match &self.blocks {
                Some((next, _)) if block.checked_add(1) == Some(*next) => self.block(invoke),
                _ => {
                    self.blocks = None;
                    GetResponse::WithBlock {
                        invoke,
                        last: true,
                        number: block,
                        result: Err(DataAccessResult::DataBlockNumberInvalid),
                    }
                }
            },
        }
    }

    const fn block_size(&self) -> usize {
        self.pdu.saturating_sub(OVERHEAD)
    }

    fn block(&mut self, invoke: u8) -> GetResponse {
        let (number, octets) = self.blocks.take().unwrap_or_default();
        let (block, rest) = octets.split_at(self.block_size().min(octets.len()));
        if !rest.is_empty() {
            self.blocks = Some((number.saturating_add(1), rest.to_vec()));
        }
        GetResponse::WithBlock {
            invoke,
            last: rest.is_empty(),
            number,
            result: Ok(block.to_vec()),
        }
    }
}
