//! DLMS messages against another implementation, the crate dlms-cosem-rs: what one side writes
//! the other reads, and writes again byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

use dlms_cosem_rs::codec::{Decode, Encode};
use meter_link::dlms::apdu::{
    AccessRequest, AccessSpecification, ActionRequest, ActionResponse, ActionResult, Apdu,
    BlockTransfer, ConfirmedServiceError, Conformance, DataAccessResult, DataBlock,
    DataNotification, EventNotification, ExceptionResponse, GetRequest, GetResponse, GetResult,
    InformationReport, InitiateRequest, InitiateResponse, MethodDescriptor, MethodResult,
    ReadRequest, ReadResponse, ReadResult, Selected, SelectiveAccess, ServiceException, SetRequest,
    SetResponse, StateError, VariableAccess, WriteRequest, WriteResponse, WriteResult,
};
use meter_link::dlms::data::{
    AttributeDescriptor, BitString, CompactArray, Data, DateTime, TypeDescription,
};
use meter_link::key::Key;
use meter_link::model::ObisCode;
use proptest::collection::vec;
use proptest::prelude::*;

fn theirs(bytes: &[u8]) -> Option<Vec<u8>> {
    let apdu = dlms_cosem_rs::Apdu::from_bytes(bytes).ok()?;
    let mut out = Vec::new();
    apdu.encode(&mut out).ok()?;
    Some(out)
}

fn date_time() -> impl Strategy<Value = DateTime> {
    let fields = (
        1970u16..2100,
        1u8..13,
        1u8..29,
        1u8..8,
        0u8..24,
        0u8..60,
        0u8..60,
        -720i16..841,
    );
    fields.prop_map(
        |(year, month, day, weekday, hour, minute, second, deviation)| {
            let (year, deviation) = (year.to_be_bytes(), deviation.to_be_bytes());
            DateTime([
                year[0],
                year[1],
                month,
                day,
                weekday,
                hour,
                minute,
                second,
                0,
                deviation[0],
                deviation[1],
                0x80,
            ])
        },
    )
}

fn simple() -> impl Strategy<Value = Data> {
    let octets = || vec(any::<u8>(), 0..20);
    let text = || "[ -~]{0,20}".prop_map(String::into_bytes);
    let bits = (0usize..30).prop_map(|bits| {
        let octets = vec![0xA0; bits.div_ceil(8)];
        Data::BitString(BitString::new(bits, octets).unwrap())
    });
    prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Boolean),
        any::<i8>().prop_map(Data::Int8),
        any::<i16>().prop_map(Data::Int16),
        any::<i32>().prop_map(Data::Int32),
        any::<i64>().prop_map(Data::Int64),
        any::<u8>().prop_map(Data::Uint8),
        any::<u16>().prop_map(Data::Uint16),
        any::<u32>().prop_map(Data::Uint32),
        any::<u64>().prop_map(Data::Uint64),
        any::<u8>().prop_map(Data::Enum),
        any::<f32>().prop_map(|number| Data::Float32(number.to_bits())),
        any::<f64>().prop_map(|number| Data::Float64(number.to_bits())),
        octets().prop_map(Data::OctetString),
        text().prop_map(Data::VisibleString),
        text().prop_map(Data::Utf8String),
        date_time().prop_map(Data::DateTime),
        bits,
    ]
}

fn data() -> impl Strategy<Value = Data> {
    let compact = vec((any::<u16>(), vec(any::<u8>(), 0..5)), 0..6).prop_map(|rows| {
        let description = TypeDescription::Structure(vec![
            TypeDescription::Simple(18),
            TypeDescription::Simple(9),
        ]);
        let elements = rows
            .into_iter()
            .map(|(number, octets)| {
                Data::Structure(vec![Data::Uint16(number), Data::OctetString(octets)])
            })
            .collect();
        Data::CompactArray(Box::new(CompactArray {
            description,
            elements,
        }))
    });
    prop_oneof![4 => simple(), 1 => compact].prop_recursive(3, 40, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Data::Array),
            vec(inner, 0..8).prop_map(Data::Structure),
        ]
    })
}

fn descriptor() -> impl Strategy<Value = AttributeDescriptor> {
    let code = any::<[u8; 6]>().prop_map(ObisCode);
    (1u16..200, code, 1i8..20).prop_map(|(class, instance, attribute)| AttributeDescriptor {
        class,
        instance,
        attribute,
    })
}

fn method() -> impl Strategy<Value = MethodDescriptor> {
    descriptor().prop_map(|descriptor| MethodDescriptor {
        class: descriptor.class,
        instance: descriptor.instance,
        method: descriptor.attribute,
    })
}

fn selected() -> impl Strategy<Value = Selected> {
    let access = (1u8..4, data()).prop_map(|(selector, parameters)| SelectiveAccess {
        selector,
        parameters,
    });
    (descriptor(), proptest::option::of(access))
        .prop_map(|(descriptor, access)| Selected { descriptor, access })
}

fn block() -> impl Strategy<Value = DataBlock> {
    (any::<bool>(), any::<u32>(), vec(any::<u8>(), 0..300)).prop_map(|(last, number, octets)| {
        DataBlock {
            last,
            number,
            octets,
        }
    })
}

fn access_result() -> impl Strategy<Value = DataAccessResult> {
    prop_oneof![0u8..5, 11u8..20, Just(250)].prop_map(DataAccessResult::from_code)
}

fn get_result() -> impl Strategy<Value = GetResult> {
    prop_oneof![
        3 => data().prop_map(GetResult::Data),
        1 => (1u8..5).prop_map(|code| GetResult::Error(DataAccessResult::from_code(code))),
    ]
}

fn logical_names() -> impl Strategy<Value = Apdu> {
    let invoke = 0xC1;
    let results = vec(get_result(), 1..4);
    let method_result =
        (0u8..5, proptest::option::of(get_result())).prop_map(|(code, returned)| MethodResult {
            result: ActionResult::from_code(code),
            returned,
        });
    let get = |request| Apdu::GetRequest(request);
    prop_oneof![
        selected().prop_map(move |attribute| get(GetRequest::Normal { invoke, attribute })),
        any::<u32>().prop_map(move |block| get(GetRequest::Next { invoke, block })),
        vec(selected(), 1..4)
            .prop_map(move |attributes| get(GetRequest::WithList { invoke, attributes })),
        get_result()
            .prop_map(move |result| Apdu::GetResponse(GetResponse::Normal { invoke, result })),
        block().prop_map(move |block| Apdu::GetResponse(GetResponse::WithBlock {
            invoke,
            last: block.last,
            number: block.number,
            result: Ok(block.octets),
        })),
        results
            .prop_map(move |results| Apdu::GetResponse(GetResponse::WithList { invoke, results })),
        (selected(), data()).prop_map(move |(attribute, value)| {
            Apdu::SetRequest(SetRequest::Normal {
                invoke,
                attribute,
                value,
            })
        }),
        (selected(), block()).prop_map(move |(attribute, block)| {
            Apdu::SetRequest(SetRequest::WithFirstBlock {
                invoke,
                attribute,
                block,
            })
        }),
        block().prop_map(move |block| Apdu::SetRequest(SetRequest::WithBlock { invoke, block })),
        vec((selected(), data()), 1..4).prop_map(move |pairs| {
            let (attributes, values) = pairs.into_iter().unzip();
            Apdu::SetRequest(SetRequest::WithList {
                invoke,
                attributes,
                values,
            })
        }),
        access_result()
            .prop_map(move |result| Apdu::SetResponse(SetResponse::Normal { invoke, result })),
        vec(access_result(), 1..5)
            .prop_map(move |results| Apdu::SetResponse(SetResponse::WithList { invoke, results })),
        (method(), proptest::option::of(data())).prop_map(move |(method, parameter)| {
            Apdu::ActionRequest(ActionRequest::Normal {
                invoke,
                method,
                parameter,
            })
        }),
        block()
            .prop_map(move |block| Apdu::ActionRequest(ActionRequest::WithBlock { invoke, block })),
        method_result.prop_map(move |result| Apdu::ActionResponse(ActionResponse::Normal {
            invoke,
            result
        })),
    ]
}

fn others() -> impl Strategy<Value = Apdu> {
    let at = || proptest::option::of(date_time());
    let names = || vec(any::<u16>().prop_map(VariableAccess::Name), 1..4);
    let short = prop_oneof![
        names().prop_map(|names| Apdu::ReadRequest(ReadRequest(names))),
        vec(data().prop_map(ReadResult::Data), 1..4)
            .prop_map(|results| Apdu::ReadResponse(ReadResponse(results))),
        vec((any::<u16>(), data()), 1..4).prop_map(|pairs| {
            let (names, values): (Vec<_>, _) = pairs.into_iter().unzip();
            let variables = names.into_iter().map(VariableAccess::Name).collect();
            Apdu::WriteRequest(WriteRequest { variables, values })
        }),
        (1u8..5).prop_map(|code| Apdu::WriteResponse(WriteResponse(vec![
            WriteResult::Success,
            WriteResult::Error(DataAccessResult::from_code(code)),
        ]))),
        (any::<u16>(), data()).prop_map(|(name, value)| {
            Apdu::InformationReport(InformationReport {
                at: None,
                variables: vec![VariableAccess::Name(name)],
                values: vec![value],
            })
        }),
    ];
    let initiate = (
        any::<u16>(),
        0u32..1 << 24,
        proptest::option::of(any::<[u8; 16]>()),
    )
        .prop_map(|(max_pdu_size, conformance, key)| {
            Apdu::InitiateRequest(InitiateRequest {
                dedicated_key: key.and_then(|key| Key::from_octets(&key)),
                response_allowed: true,
                quality_of_service: None,
                version: 6,
                conformance: Conformance(conformance),
                max_pdu_size,
            })
        });
    prop_oneof![
        (any::<u32>(), at(), data()).prop_map(|(invoke, at, body)| {
            Apdu::DataNotification(DataNotification { invoke, at, body })
        }),
        (at(), descriptor(), data()).prop_map(|(at, attribute, value)| {
            Apdu::EventNotification(EventNotification {
                at,
                attribute,
                value,
            })
        }),
        (any::<u32>(), descriptor()).prop_map(|(invoke, attribute)| {
            Apdu::AccessRequest(AccessRequest {
                invoke,
                at: None,
                specifications: vec![AccessSpecification::Get(attribute)],
                data: vec![Data::Null],
            })
        }),
        initiate,
        (any::<u16>(), 0u32..1 << 24).prop_map(|(max_pdu_size, conformance)| {
            Apdu::InitiateResponse(InitiateResponse {
                quality_of_service: None,
                version: 6,
                conformance: Conformance(conformance),
                max_pdu_size,
                vaa_name: 7,
            })
        }),
        any::<u32>().prop_map(|counter| Apdu::ExceptionResponse(ExceptionResponse {
            state: StateError::ServiceNotAllowed,
            service: ServiceException::InvocationCounterError(counter),
        })),
        (0u8..4).prop_map(|code| Apdu::ConfirmedServiceError(ConfirmedServiceError {
            service: 1,
            group: 6,
            code,
        })),
        (block(), any::<u16>()).prop_map(|(block, acknowledged)| {
            Apdu::BlockTransfer(BlockTransfer {
                last: block.last,
                streaming: !block.last,
                window: 1,
                number: 3,
                acknowledged,
                octets: block.octets,
            })
        }),
        short,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_we_write_they_read(apdu in prop_oneof![logical_names(), others()]) {
        let bytes = apdu.to_vec();
        prop_assert_eq!(theirs(&bytes), Some(bytes.clone()), "{:?}", apdu);
        prop_assert_eq!(Apdu::decode(&bytes), Ok((apdu, &[][..])));
    }

    #[test]
    fn what_they_write_we_read(
        apdu in prop_oneof![logical_names(), others()],
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut bytes = apdu.to_vec();
        let at = at.index(bytes.len());
        bytes[at] = octet;
        // Messages through a gateway (E6, E7) are not read here, and they look at the elements of
        // compact arrays (13) only when asked for them.
        let out_of_question = matches!(bytes.first(), Some(0xE6 | 0xE7)) || bytes.contains(&0x13);
        if !out_of_question && let Some(written) = theirs(&bytes) {
            match Apdu::decode(&written) {
                Ok((apdu, rest)) => {
                    prop_assert!(rest.is_empty());
                    // They copy lists as they came; a true that was not 1 is 1 from us.
                    let again = apdu.to_vec();
                    prop_assert_eq!(again.len(), written.len());
                    prop_assert_eq!(theirs(&again), Some(again.clone()));
                    prop_assert_eq!(Apdu::decode(&again), Ok((apdu, &[][..])));
                }
                Err(error) => prop_assert!(false, "{}: {:02x?}", error, written),
            }
        }
    }
}
