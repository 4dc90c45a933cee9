//! Short name referencing (IEC 62056-5-3, 6.13 to 6.16): requests by logical name become Read and
//! Write, and what comes back becomes an answer by logical name again.

use std::collections::BTreeMap;

use super::error::ClientError;
use crate::dlms::apdu::{
    ActionRequest, ActionResponse, ActionResult, Apdu, DataAccessResult, GetRequest, GetResponse,
    GetResult, MethodDescriptor, MethodResult, ReadRequest, ReadResponse, ReadResult, Selected,
    SetRequest, SetResponse, VariableAccess, WriteRequest, WriteResponse, WriteResult,
};
use crate::dlms::axdr::{Fault, Reader};
use crate::dlms::data::{AttributeDescriptor, Data};
use crate::model::ObisCode;

/// The association that is open.
const CURRENT_ASSOCIATION: ObisCode = ObisCode([0, 0, 40, 0, 0, 255]);
/// Its base name (IEC 62056-5-3, 4.1.5).
const ASSOCIATION: u16 = 0xFA00;
/// Its classes by short and by logical name.
const ASSOCIATION_SN: u16 = 12;
const ASSOCIATION_LN: u16 = 15;
/// Offset of its method `reply_to_HLS_authentication`.
const REPLY_TO_HLS: u16 = 0x58;

/// Where the object list is.
pub(super) const OBJECT_LIST: AttributeDescriptor = AttributeDescriptor {
    class: ASSOCIATION_SN,
    instance: CURRENT_ASSOCIATION,
    attribute: 2,
};

/// Translates between the two ways of naming.
#[derive(Debug, Default)]
pub(super) struct ShortNames {
    /// Base names of objects, with the version of their class.
    objects: BTreeMap<(u16, ObisCode), (u16, u8)>,
    pending: Option<Pending>,
}

/// What was asked, for the answer to be understood.
#[derive(Clone, Copy, Debug)]
struct Pending {
    service: Service,
    invoke: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Get,
    Set,
    Action,
}

/// A request by short name, or the answer when there is nothing to ask.
#[derive(Debug, PartialEq)]
pub(super) enum Translated {
    Ask(Apdu),
    Answer(Apdu),
}

impl ShortNames {
    /// Takes the object list of the meter, as it was encoded.
    pub(super) fn learn(&mut self, list: &[u8]) -> Result<(), ClientError> {
        let list = Data::read(&mut Reader::new(list))?;
        for object in list.elements().unwrap_or_default() {
            let Some([base, class, version, name]) = object.elements() else {
                continue;
            };
            let name = name.octets().and_then(|name| name.try_into().ok());
            let class = class.integer().and_then(|class| u16::try_from(class).ok());
            let version = version.integer().and_then(|it| u8::try_from(it).ok());
            // A long, of which many names are negative numbers.
            let base = base.integer().and_then(|base| {
                let signed = i16::try_from(base).map(i16::cast_unsigned);
                signed.or_else(|_| u16::try_from(base)).ok()
            });
            if let (Some(base), Some(class), Some(version), Some(name)) =
                (base, class, version, name)
            {
                let key = (class, ObisCode(name));
                self.objects.insert(key, (base, version));
            }
        }
        Ok(())
    }

    fn base(&self, class: u16, instance: ObisCode) -> Option<u16> {
        if class == ASSOCIATION_SN && instance == CURRENT_ASSOCIATION {
            return Some(ASSOCIATION);
        }
        self.objects.get(&(class, instance)).map(|(base, _)| *base)
    }

    fn attribute(&self, attribute: &AttributeDescriptor) -> Option<u16> {
        let number = u16::try_from(attribute.attribute).ok()?.checked_sub(1)?;
        let base = self.base(attribute.class, attribute.instance)?;
        base.checked_add(8 * number)
    }

    fn method(&self, method: &MethodDescriptor) -> Option<u16> {
        if (method.class, method.method) == (ASSOCIATION_LN, 1) {
            return Some(ASSOCIATION + REPLY_TO_HLS);
        }
        let number = u16::try_from(method.method).ok()?.checked_sub(1)?;
        let base = self.base(method.class, method.instance)?;
        base.checked_add(first_method(method.class)? + 8 * number)
    }

    /// Translates a request.
    pub(super) fn request(&mut self, request: &Apdu) -> Result<Translated, ClientError> {
        let unsupported = || ClientError::Unexpected {
            asked: "a request by short name",
            got: request.name(),
        };
        let (service, invoke) = match request {
            Apdu::GetRequest(get) => (Service::Get, get.invoke()),
            Apdu::SetRequest(set) => (Service::Set, set.invoke()),
            Apdu::ActionRequest(action) => (Service::Action, action.invoke()),
            _ => return Err(unsupported()),
        };
        self.pending = Some(Pending { service, invoke });
        let asked = match request {
            Apdu::GetRequest(GetRequest::Normal { attribute, .. }) => {
                if attribute.descriptor.class == ASSOCIATION_LN
                    && attribute.descriptor.attribute == 2
                {
                    return Ok(Translated::Answer(self.listed(invoke)));
                }
                self.variable(attribute).map(|it| read(vec![it]))
            }
            Apdu::GetRequest(GetRequest::Next { block, .. }) => {
                let block = u16::try_from(*block).map_err(|_| unsupported())?;
                Some(read(vec![VariableAccess::BlockNumber(block)]))
            }
            Apdu::SetRequest(SetRequest::Normal {
                attribute, value, ..
            }) => self
                .variable(attribute)
                .map(|variable| write(variable, value.clone())),
            Apdu::ActionRequest(ActionRequest::Normal {
                method, parameter, ..
            }) => self.method(method).map(|name| {
                let parameter = parameter.clone().unwrap_or(Data::Null);
                // Methods that give something back are read, the others written.
                match method.class {
                    ASSOCIATION_LN => read(vec![VariableAccess::Parameterized {
                        name,
                        selector: 0,
                        parameter,
                    }]),
                    _ => write(VariableAccess::Name(name), parameter),
                }
            }),
            _ => return Err(unsupported()),
        };
        Ok(match asked {
            Some(apdu) => Translated::Ask(apdu),
            None => Translated::Answer(unknown(service, invoke)),
        })
    }

    fn variable(&self, selected: &Selected) -> Option<VariableAccess> {
        let name = self.attribute(&selected.descriptor)?;
        Some(match &selected.access {
            None => VariableAccess::Name(name),
            Some(access) => VariableAccess::Parameterized {
                name,
                selector: access.selector,
                parameter: access.parameters.clone(),
            },
        })
    }

    /// The object list as an association by logical name has it; rights are not told.
    fn listed(&self, invoke: u8) -> Apdu {
        let objects = self.objects.iter().map(|((class, name), (_, version))| {
            Data::Structure(vec![
                Data::Uint16(*class),
                Data::Uint8(*version),
                Data::OctetString(name.0.to_vec()),
                Data::Structure(vec![Data::Array(Vec::new()), Data::Array(Vec::new())]),
            ])
        });
        Apdu::GetResponse(GetResponse::Normal {
            invoke,
            result: GetResult::Data(Data::Array(objects.collect())),
        })
    }

    /// Translates what the meter sends; what is no answer by short name stays as it is.
    pub(super) fn response(&self, apdu: Apdu) -> Result<Apdu, ClientError> {
        let Some(Pending { service, invoke }) = self.pending else {
            return Ok(apdu);
        };
        let one = |what| {
            let start = Reader::new(&[]);
            ClientError::from(start.error(Fault::Form(what)))
        };
        match apdu {
            Apdu::ReadResponse(ReadResponse(results)) => {
                let Ok([result]) = <[ReadResult; 1]>::try_from(results) else {
                    return Err(one("one result of a read is expected"));
                };
                match (service, result) {
                    (Service::Get, ReadResult::Data(data)) => {
                        Ok(got(invoke, GetResult::Data(data)))
                    }
                    (Service::Get, ReadResult::Error(code)) => {
                        Ok(got(invoke, GetResult::Error(code)))
                    }
                    (
                        Service::Get,
                        ReadResult::Block {
                            last,
                            number,
                            octets,
                        },
                    ) => block(invoke, last, number, octets),
                    (Service::Action, ReadResult::Data(data)) => {
                        Ok(invoked(invoke, ActionResult::Success, Some(data)))
                    }
                    (Service::Action, ReadResult::Error(code)) => Ok(refused(invoke, code)),
                    _ => Err(one("another result of a read is expected")),
                }
            }
            Apdu::WriteResponse(WriteResponse(results)) => match (service, results.as_slice()) {
                (Service::Set, [WriteResult::Success]) => {
                    Ok(set(invoke, DataAccessResult::Success))
                }
                (Service::Set, [WriteResult::Error(code)]) => Ok(set(invoke, *code)),
                (Service::Action, [WriteResult::Success]) => {
                    Ok(invoked(invoke, ActionResult::Success, None))
                }
                (Service::Action, [WriteResult::Error(code)]) => Ok(refused(invoke, *code)),
                _ => Err(one("one result of a write is expected")),
            },
            other => Ok(other),
        }
    }
}

/// Offset of the first method of a class behind its base name (IEC 62056-6-2).
const fn first_method(class: u16) -> Option<u16> {
    Some(match class {
        3 => 0x28,
        4 => 0x38,
        5 => 0x48,
        6 => 0x30,
        7 => 0x58,
        8 => 0x60,
        9 | 70 => 0x20,
        18 => 0x40,
        20 => 0x50,
        _ => return None,
    })
}

const fn read(variables: Vec<VariableAccess>) -> Apdu {
    Apdu::ReadRequest(ReadRequest(variables))
}

fn write(variable: VariableAccess, value: Data) -> Apdu {
    Apdu::WriteRequest(WriteRequest {
        variables: vec![variable],
        values: vec![value],
    })
}

fn got(invoke: u8, result: GetResult) -> Apdu {
    Apdu::GetResponse(GetResponse::Normal { invoke, result })
}

fn set(invoke: u8, result: DataAccessResult) -> Apdu {
    Apdu::SetResponse(SetResponse::Normal { invoke, result })
}

fn invoked(invoke: u8, result: ActionResult, returned: Option<Data>) -> Apdu {
    let returned = returned.map(GetResult::Data);
    Apdu::ActionResponse(ActionResponse::Normal {
        invoke,
        result: MethodResult { result, returned },
    })
}

fn refused(invoke: u8, code: DataAccessResult) -> Apdu {
    invoked(invoke, ActionResult::from_code(code.code()), None)
}

/// What the meter would say of an object that it does not list.
fn unknown(service: Service, invoke: u8) -> Apdu {
    let code = DataAccessResult::ObjectUndefined;
    match service {
        Service::Get => got(invoke, GetResult::Error(code)),
        Service::Set => set(invoke, code),
        Service::Action => refused(invoke, code),
    }
}

/// The blocks of a Read.response hold a list of one result; those of a GET.response its value.
fn block(invoke: u8, last: bool, number: u16, octets: Vec<u8>) -> Result<Apdu, ClientError> {
    let result = match (number, octets.as_slice()) {
        (1, [1, 0, value @ ..]) => Ok(value.to_vec()),
        (1, [1, 1, code]) => Err(DataAccessResult::from_code(*code)),
        (1, _) => {
            let start = Reader::new(&[]);
            let rule = "the blocks of a read hold one result";
            return Err(start.error(Fault::Form(rule)).into());
        }
        _ => Ok(octets),
    };
    Ok(Apdu::GetResponse(GetResponse::WithBlock {
        invoke,
        last,
        number: number.into(),
        result,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlms::apdu::SelectiveAccess;

    fn hex(text: &str) -> Vec<u8> {
        crate::key::octets(&text.replace(' ', "")).unwrap()
    }

    fn object(class: u16, base: u16, name: [u8; 6]) -> Data {
        Data::Structure(vec![
            Data::Int16(base.cast_signed()),
            Data::Uint16(class),
            Data::Uint8(0),
            Data::OctetString(name.to_vec()),
        ])
    }

    fn names() -> ShortNames {
        let mut names = ShortNames::default();
        let list = Data::Array(vec![
            object(3, 0x1000, [1, 0, 1, 8, 0, 255]),
            object(8, 0x2BC0, [0, 0, 1, 0, 0, 255]),
            object(70, 0x3000, [0, 0, 96, 3, 10, 255]),
            object(7, 0x4000, [1, 0, 99, 1, 0, 255]),
            object(1, 0xFC00, [0, 0, 96, 1, 0, 255]),
            Data::Null,
        ]);
        names.learn(&list.to_vec()).unwrap();
        names
    }

    fn attribute(class: u16, name: &str, attribute: i8) -> AttributeDescriptor {
        AttributeDescriptor {
            class,
            instance: name.parse().unwrap(),
            attribute,
        }
    }

    fn get(attribute: impl Into<Selected>) -> Apdu {
        let attribute = attribute.into();
        Apdu::GetRequest(GetRequest::Normal {
            invoke: 0xC1,
            attribute,
        })
    }

    fn invoke(class: u16, name: &str, method: i8) -> Apdu {
        let instance = name.parse().unwrap();
        Apdu::ActionRequest(ActionRequest::Normal {
            invoke: 0xC1,
            method: MethodDescriptor {
                class,
                instance,
                method,
            },
            parameter: Some(Data::Int8(0)),
        })
    }

    /// The requests of gurux-dlms 1.0.203 (Python) for the same objects.
    #[test]
    fn requests_of_another_implementation() {
        let mut names = names();
        let time = Data::OctetString(hex("07ea0301ff0c000000000000"));
        let set = Apdu::SetRequest(SetRequest::Normal {
            invoke: 0xC1,
            attribute: attribute(8, "0-0:1.0.0", 2).into(),
            value: time,
        });
        let entries = Selected {
            descriptor: attribute(7, "1-0:99.1.0", 2),
            access: Some(SelectiveAccess {
                selector: 2,
                parameters: Data::Structure(vec![
                    Data::Uint32(1),
                    Data::Uint32(10),
                    Data::Uint16(1),
                    Data::Uint16(0),
                ]),
            }),
        };
        for (request, want) in [
            (get(OBJECT_LIST), "050102fa08"),
            (get(attribute(3, "1-0:1.8.0", 2)), "0501021008"),
            (get(attribute(3, "1-0:1.8.0", 3)), "0501021010"),
            (set, "0601022bc801090c07ea0301ff0c000000000000"),
            (invoke(70, "0-0:96.3.10", 1), "0601023020010f00"),
            (invoke(70, "0-0:96.3.10", 2), "0601023028010f00"),
            (
                get(entries),
                "05010440080202040600000001060000000a120001120000",
            ),
        ] {
            let Translated::Ask(asked) = names.request(&request).unwrap() else {
                panic!("{request:?} is answered here");
            };
            assert_eq!(asked.to_vec(), hex(want), "{request:?}");
        }
    }

    #[test]
    fn names_above_the_middle_are_negative_numbers() {
        let mut names = names();
        let asked = names.request(&get(attribute(1, "0-0:96.1.0", 2))).unwrap();
        assert_eq!(
            asked,
            Translated::Ask(read(vec![VariableAccess::Name(0xFC08)]))
        );
    }

    #[test]
    fn what_the_meter_does_not_list_is_not_asked() {
        let mut names = names();
        let undefined = DataAccessResult::ObjectUndefined;
        assert_eq!(
            names.request(&get(attribute(3, "1-0:2.8.0", 2))).unwrap(),
            Translated::Answer(got(0xC1, GetResult::Error(undefined)))
        );
        let answer = names.request(&invoke(70, "0-0:96.3.11", 1)).unwrap();
        assert_eq!(answer, Translated::Answer(refused(0xC1, undefined)));
    }

    #[test]
    fn answers() {
        let mut names = names();
        let take = |names: &ShortNames, bytes: &str| {
            let (apdu, rest) = Apdu::decode(&hex(bytes))
                .map(|(a, r)| (a, r.len()))
                .unwrap();
            assert_eq!(rest, 0);
            names.response(apdu)
        };
        names.request(&get(attribute(3, "1-0:1.8.0", 2))).unwrap();
        assert_eq!(
            take(&names, "0c0100 0600000007").unwrap(),
            got(0xC1, GetResult::Data(Data::Uint32(7)))
        );
        assert_eq!(
            take(&names, "0c010104").unwrap(),
            got(0xC1, GetResult::Error(DataAccessResult::ObjectUndefined))
        );
        // A value in two blocks, whose octets begin as the list of results does.
        let part = |last, number, octets: &[u8]| {
            Apdu::GetResponse(GetResponse::WithBlock {
                invoke: 0xC1,
                last,
                number,
                result: Ok(octets.to_vec()),
            })
        };
        assert_eq!(
            take(&names, "0c0102 00 0001 04 01000600").unwrap(),
            part(false, 1, &[6, 0])
        );
        assert_eq!(
            take(&names, "0c0102 01 0002 03 000007").unwrap(),
            part(true, 2, &[0, 0, 7])
        );
        assert!(take(&names, "0c0102 00 0001 04 02000600").is_err());
        assert!(take(&names, "0c02001105001105").is_err());
        assert!(take(&names, "0d0100").is_err());
        names.request(&invoke(70, "0-0:96.3.10", 1)).unwrap();
        assert_eq!(
            take(&names, "0d0100").unwrap(),
            invoked(0xC1, ActionResult::Success, None)
        );
        assert_eq!(
            take(&names, "0d010103").unwrap(),
            refused(0xC1, DataAccessResult::ReadWriteDenied)
        );
    }
}
