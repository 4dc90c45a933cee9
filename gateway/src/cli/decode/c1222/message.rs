//! A message of C12.22 as an object.

use meter_link::c12::net::{
    ApTitle, Apdu, ApduError, Body, Keys, OpenError, ResponseControl, SecurityMode, Service,
};
use meter_link::c12::service::{Request, ResponseCode};
use serde_json::{Map, Value, json};

use super::super::output::{Object, hex};
use super::PROTOCOL;

/// Name of a service by the first octet of its request or answer.
pub(in super::super) const fn service_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0x20 => "Ident",
        0x21 => "Terminate",
        0x22 => "Disconnect",
        0x24 => "Deregister",
        0x25 => "Resolve",
        0x26 => "Trace",
        0x27 => "Register",
        0x30 => "ReadFull",
        0x31 => "ReadPartialIndex1",
        0x32 => "ReadPartialIndex2",
        0x33 => "ReadPartialIndex3",
        0x34 => "ReadPartialIndex4",
        0x35 => "ReadPartialIndex5",
        0x36 => "ReadPartialIndex6",
        0x37 => "ReadPartialIndex7",
        0x38 => "ReadPartialIndex8",
        0x39 => "ReadPartialIndex9",
        0x3F => "ReadPartialOffset",
        0x40 => "WriteFull",
        0x41 => "WritePartialIndex1",
        0x42 => "WritePartialIndex2",
        0x43 => "WritePartialIndex3",
        0x44 => "WritePartialIndex4",
        0x45 => "WritePartialIndex5",
        0x46 => "WritePartialIndex6",
        0x47 => "WritePartialIndex7",
        0x48 => "WritePartialIndex8",
        0x49 => "WritePartialIndex9",
        0x4F => "WritePartialOffset",
        0x50 => "Logon",
        0x51 => "Security",
        0x52 => "Logoff",
        0x53 => "Authenticate",
        0x60..=0x6B => "Negotiate",
        0x70 => "Wait",
        0x71 => "TimingSetup",
        code => return ResponseCode(code).name(),
    })
}

/// Octets that are no message.
pub(super) fn rejected(error: ApduError) -> Object {
    let status = match error {
        ApduError::Truncated => "truncated",
        _ => "malformed",
    };
    Object::failed(PROTOCOL, status, &error.to_string())
}

/// A message, its services only when its check is right.
pub(super) fn message(apdu: &Apdu, keys: &Keys) -> Object {
    // What came in clear text is told as that, whether there are keys or not.
    let opened = if apdu.security_mode() == Some(SecurityMode::ClearText) {
        apdu.open(&Keys::new())
    } else {
        apdu.open(keys)
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(error @ OpenError::NoKey(_)) => {
            let mut object = Object::failed(PROTOCOL, "no_key", &error.to_string());
            routing(&mut object, apdu);
            return object;
        }
        Err(error) => {
            let status = match error {
                OpenError::Check(_) => "wrong_key",
                _ => "malformed",
            };
            return Object::failed(PROTOCOL, status, &error.to_string());
        }
    };
    let mut object = Object::message(PROTOCOL);
    routing(&mut object, apdu);
    if let Body::Epsem { mac: Some(mac), .. } = &apdu.body {
        object.set("mac", hex(mac));
    }
    object.set_some("ed_class", opened.ed_class.map(|class| hex(&class)));
    object.set(
        "services",
        opened.services.iter().map(service).collect::<Value>(),
    );
    object
}

/// Who says it to whom, and how it is protected.
fn routing(object: &mut Object, apdu: &Apdu) {
    let title = |title: &Option<ApTitle>| title.as_ref().map(ToString::to_string);
    object.set_some("called", title(&apdu.called));
    object.set_some("called_invocation_id", apdu.called_invocation_id);
    object.set_some("calling", title(&apdu.calling));
    object.set_some("calling_invocation_id", apdu.calling_invocation_id);
    let control = apdu.response_control().map(|control| match control {
        ResponseControl::Always => "always",
        ResponseControl::OnException => "on_exception",
        ResponseControl::Never => "never",
        ResponseControl::Reserved => "reserved",
    });
    object.set_some("response_control", control);
    let mode = apdu.security_mode().map(|mode| match mode {
        SecurityMode::ClearText => "cleartext",
        SecurityMode::Authenticated => "authenticated",
        SecurityMode::Ciphered => "ciphertext",
        SecurityMode::Reserved => "reserved",
    });
    object.set_some("security_mode", mode);
    object.set_some("key_id", apdu.key_id);
    object.set_some("iv", apdu.iv.as_deref().map(hex));
}

fn service(service: &Service) -> Value {
    let octets = service.to_bytes();
    let (code, payload) = octets.split_first().unwrap_or((&0, &[]));
    let kind = match service {
        Service::Request(_) => "request",
        Service::Response { .. } => "response",
    };
    let mut members = Map::new();
    members.insert("kind".to_owned(), json!(kind));
    members.insert("code".to_owned(), json!(format!("{code:02x}")));
    members.insert(
        "name".to_owned(),
        json!(service_name(*code).unwrap_or("unknown")),
    );
    members.insert("payload".to_owned(), json!(hex(payload)));
    if let Service::Request(request) = service {
        let fields = fields(request, payload);
        if !fields.is_empty() {
            members.insert("fields".to_owned(), Value::Object(fields));
        }
    }
    Value::Object(members)
}

fn fields(request: &Request, payload: &[u8]) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    if let Some(table) = request.table() {
        set("table", json!(table));
    }
    match request {
        Request::ReadOffset { offset, count, .. } => {
            set("offset", json!(offset));
            set("count", json!(count));
        }
        Request::WriteOffset { offset, .. } => set("offset", json!(offset)),
        Request::Logon {
            user_id,
            user,
            idle_timeout_s,
        } => {
            set("user_id", json!(user_id));
            let user = super::super::c12::text(user);
            set("user", json!(user.trim_end_matches([' ', '\0'])));
            if let Some(seconds) = idle_timeout_s {
                set("session_idle_timeout", json!(seconds));
            }
        }
        Request::Security { password, user_id } => {
            set("password", json!(hex(password.octets())));
            if let Some(number) = user_id {
                set("user_id", json!(number));
            }
        }
        Request::Wait { seconds } => set("seconds", json!(seconds)),
        // Resolve and trace name a node.
        Request::Other {
            code: 0x25 | 0x26, ..
        } => {
            if let Some(title) = ApTitle::parse(payload) {
                set("ap_title", json!(title.to_string()));
            }
        }
        _ => {}
    }
    fields
}
