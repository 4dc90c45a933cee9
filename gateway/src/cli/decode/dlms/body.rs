//! What a message carries, as JSON: one member per node of its tree.

use meter_link::dlms::apdu::{
    AccessResult, ActionRequest, ActionResponse, Apdu, GetRequest, GetResponse, GetResult,
    MethodDescriptor, ReadResult, Selected, SetRequest, SetResponse, WriteResult,
};
use meter_link::dlms::data::{AttributeDescriptor, Data, DateTime};
use serde_json::{Map, Value, json};

use super::super::output::{Object, hex};

/// Adds invoke-id, body and results of a message other than a push.
pub(super) fn set(object: &mut Object, apdu: &Apdu) {
    match apdu {
        Apdu::DataNotification(push) => object.set("invoke_id", push.invoke),
        Apdu::EventNotification(event) => {
            object.set_some("time", event.at.and_then(DateTime::iso));
            object.set("attribute", attribute(&event.attribute));
            object.set("body", data(&event.value));
        }
        Apdu::GetRequest(request) => {
            object.set("invoke_id", request.invoke());
            match request {
                GetRequest::Normal { attribute, .. } => {
                    object.set("attribute", selected(attribute));
                    let access = attribute.access.as_ref();
                    object.set_some("selector", access.map(|access| access.selector));
                    let parameters = access.map(|access| data(&access.parameters));
                    object.set_some("body", parameters);
                }
                GetRequest::Next { block, .. } => object.set("block", *block),
                GetRequest::WithList { attributes, .. } => {
                    object.set_list("attributes", attributes.iter().map(selected).collect());
                }
            }
        }
        Apdu::GetResponse(response) => {
            object.set("invoke_id", response.invoke());
            match response {
                GetResponse::Normal { result, .. } => get_result(object, result),
                GetResponse::WithBlock {
                    last,
                    number,
                    result,
                    ..
                } => {
                    object.set("block", *number);
                    object.set("last", *last);
                    match result {
                        Ok(octets) => object.set("octets", hex(octets)),
                        Err(code) => object.set("result", code.to_string()),
                    }
                }
                GetResponse::WithList { results, .. } => {
                    object.set_list("results", results.iter().map(result_value).collect());
                }
            }
        }
        Apdu::SetRequest(request) => {
            object.set("invoke_id", request.invoke());
            match request {
                SetRequest::Normal {
                    attribute, value, ..
                } => {
                    object.set("attribute", selected(attribute));
                    object.set("body", data(value));
                }
                SetRequest::WithFirstBlock { attribute, .. } => {
                    object.set("attribute", selected(attribute));
                }
                SetRequest::WithList {
                    attributes, values, ..
                } => {
                    object.set_list("attributes", attributes.iter().map(selected).collect());
                    object.set("body", array(values));
                }
                _ => {}
            }
        }
        Apdu::SetResponse(response) => {
            object.set("invoke_id", response.invoke());
            match response {
                SetResponse::Normal { result, .. } | SetResponse::LastBlock { result, .. } => {
                    object.set("result", result.to_string());
                }
                SetResponse::Block { number, .. } => object.set("block", *number),
                SetResponse::LastBlockWithList { results, .. }
                | SetResponse::WithList { results, .. } => {
                    let results = results.iter().map(|result| json!(result.to_string()));
                    object.set_list("results", results.collect());
                }
            }
        }
        Apdu::ActionRequest(request) => {
            object.set("invoke_id", request.invoke());
            match request {
                ActionRequest::Normal {
                    method: called,
                    parameter,
                    ..
                } => {
                    object.set("method", method(called));
                    object.set_some("body", parameter.as_ref().map(data));
                }
                ActionRequest::NextBlock { block, .. } => object.set("block", *block),
                ActionRequest::WithList {
                    methods,
                    parameters,
                    ..
                } => {
                    object.set_list("methods", methods.iter().map(method).collect());
                    object.set("body", array(parameters));
                }
                ActionRequest::WithFirstBlock { method: called, .. } => {
                    object.set("method", method(called));
                }
                _ => {}
            }
        }
        Apdu::ActionResponse(response) => {
            object.set("invoke_id", response.invoke());
            match response {
                ActionResponse::Normal { result, .. } => {
                    object.set("result", result.result.to_string());
                    if let Some(GetResult::Data(returned)) = &result.returned {
                        object.set("body", data(returned));
                    }
                }
                ActionResponse::WithList { results, .. } => {
                    let results = results
                        .iter()
                        .map(|result| json!(result.result.to_string()));
                    object.set_list("results", results.collect());
                }
                ActionResponse::NextBlock { block, .. } => object.set("block", *block),
                ActionResponse::WithBlock { block, .. } => object.set("block", block.number),
            }
        }
        other => set_further(object, other),
    }
}

fn set_further(object: &mut Object, apdu: &Apdu) {
    match apdu {
        Apdu::ReadResponse(response) => {
            let results = response.0.iter().map(|result| match result {
                ReadResult::Data(value) => data(value),
                ReadResult::Error(code) => json!(code.to_string()),
                ReadResult::Block { number, .. } | ReadResult::BlockNumber(number) => {
                    json!({ "block": number })
                }
            });
            object.set_list("results", results.collect());
        }
        Apdu::WriteRequest(request) | Apdu::UnconfirmedWrite(request) => {
            object.set("body", array(&request.values));
        }
        Apdu::WriteResponse(response) => {
            let results = response.0.iter().map(|result| match result {
                WriteResult::Success => json!("success"),
                WriteResult::Error(code) => json!(code.to_string()),
                WriteResult::BlockNumber(number) => json!({ "block": number }),
            });
            object.set_list("results", results.collect());
        }
        Apdu::InformationReport(report) => object.set("body", array(&report.values)),
        Apdu::AccessRequest(request) => {
            object.set("invoke_id", request.invoke);
            object.set("body", array(&request.data));
        }
        Apdu::AccessResponse(response) => {
            object.set("invoke_id", response.invoke);
            object.set("body", array(&response.data));
            let results = response.results.iter().map(|result| match result {
                AccessResult::Get(code) | AccessResult::Set(code) => json!(code.to_string()),
                AccessResult::Action(code) => json!(code.to_string()),
            });
            object.set_list("results", results.collect());
        }
        Apdu::ExceptionResponse(exception) => object.set("exception", exception.to_string()),
        Apdu::ConfirmedServiceError(error) => object.set("error", error.to_string()),
        Apdu::InitiateRequest(request) => {
            object.set("conformance", format!("{:06x}", request.conformance.0));
            object.set("max_pdu_size", request.max_pdu_size);
        }
        Apdu::InitiateResponse(response) => {
            object.set("conformance", format!("{:06x}", response.conformance.0));
            object.set("max_pdu_size", response.max_pdu_size);
        }
        Apdu::Aarq(request) => {
            object.set("context", request.context.number());
            object.set_some("system_title", request.title.as_deref().map(hex));
            let shown = request.authentication.as_ref();
            object.set_some("mechanism", shown.map(|shown| shown.mechanism.number()));
        }
        Apdu::Aare(response) => {
            object.set("context", response.context.number());
            object.set("result", response.result.to_string());
            object.set("diagnostic", response.diagnostic.text());
            object.set_some("system_title", response.title.as_deref().map(hex));
            let shown = response.authentication.as_ref();
            object.set_some("mechanism", shown.map(|shown| shown.mechanism.number()));
        }
        _ => {}
    }
}

fn get_result(object: &mut Object, result: &GetResult) {
    match result {
        GetResult::Data(value) => object.set("body", data(value)),
        GetResult::Error(code) => object.set("result", code.to_string()),
    }
}

fn result_value(result: &GetResult) -> Value {
    match result {
        GetResult::Data(value) => data(value),
        GetResult::Error(code) => json!({ "error": code.to_string() }),
    }
}

fn attribute(descriptor: &AttributeDescriptor) -> Value {
    json!({
        "class": descriptor.class,
        "obis": descriptor.instance.to_string(),
        "attribute": descriptor.attribute,
    })
}

fn selected(selected: &Selected) -> Value {
    attribute(&selected.descriptor)
}

fn method(descriptor: &MethodDescriptor) -> Value {
    json!({
        "class": descriptor.class,
        "obis": descriptor.instance.to_string(),
        "method": descriptor.method,
    })
}

fn array(values: &[Data]) -> Value {
    json!({ "array": values.iter().map(data).collect::<Vec<_>>() })
}

/// A node of the tree with all that is below it.
pub(super) fn data(value: &Data) -> Value {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let list = |elements: &[Data]| elements.iter().map(data).collect::<Value>();
    let (name, node) = match value {
        Data::Null => ("null", Value::Null),
        Data::Boolean(flag) => ("boolean", json!(flag)),
        Data::BitString(bits) => {
            return json!({"bit-string": hex(bits.octets()), "bits": bits.bits()});
        }
        Data::Int8(number) => ("int8", json!(number)),
        Data::Int16(number) => ("int16", json!(number)),
        Data::Int32(number) => ("int32", json!(number)),
        Data::Int64(number) => ("int64", json!(number.to_string())),
        Data::Uint8(number) => ("uint8", json!(number)),
        Data::Uint16(number) => ("uint16", json!(number)),
        Data::Uint32(number) => ("uint32", json!(number)),
        Data::Uint64(number) => ("uint64", json!(number.to_string())),
        Data::DeltaInt8(number) => ("delta-int8", json!(number)),
        Data::DeltaInt16(number) => ("delta-int16", json!(number)),
        Data::DeltaInt32(number) => ("delta-int32", json!(number)),
        Data::DeltaUint8(number) => ("delta-uint8", json!(number)),
        Data::DeltaUint16(number) => ("delta-uint16", json!(number)),
        Data::DeltaUint32(number) => ("delta-uint32", json!(number)),
        Data::Enum(number) => ("enum", json!(number)),
        Data::Bcd(number) => ("bcd", json!(number)),
        Data::Float32(_) => ("float32", json!(value.float_text())),
        Data::Float64(_) => ("float64", json!(value.float_text())),
        Data::OctetString(octets) => ("octet-string", json!(hex(octets))),
        Data::VisibleString(octets) => ("visible-string", json!(text(octets))),
        Data::Utf8String(octets) => ("utf8", json!(text(octets))),
        Data::DateTime(at) => ("date-time", json!(hex(&at.0))),
        Data::Date(date) => ("date", json!(hex(&date.0))),
        Data::Time(time) => ("time", json!(hex(&time.0))),
        Data::Array(elements) => ("array", list(elements)),
        Data::Structure(elements) => ("structure", list(elements)),
        Data::CompactArray(array) => ("compact-array", list(&array.elements)),
        Data::Attribute(descriptor) => ("attribute", attribute(descriptor)),
        Data::DontCare => ("dont-care", Value::Null),
    };
    let mut members = Map::new();
    members.insert(name.to_owned(), node);
    Value::Object(members)
}
