//! Messages of C12.22.

use std::io;

use meter_link::c12::net::{
    Apdu, ApduError, Body, Element, Event, Keys, OpenError, Opened, Reassembler, SecurityMode,
    Service, Splitter,
};
use meter_link::c12::service::Request;
use serde_json::{Map, Value, json};

use super::super::output::{Object, Output, hex};
use super::{service_name, text};

const PROTOCOL: &str = "c12.22";

pub(super) struct MessageDecoder {
    keys: Keys,
    splitter: Splitter,
    reassembler: Reassembler,
    /// Place of the first segment that waits for others.
    first_segment: Option<u64>,
    end: u64,
}

impl MessageDecoder {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            splitter: Splitter::new(),
            reassembler: Reassembler::new(),
            first_segment: None,
            end: 0,
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8], output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.splitter.pull(&mut bytes) {
            self.print(event, output)?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.splitter.finish() {
            self.print(event, output)?;
        }
        if let (Some(offset), 1..) = (self.first_segment, self.reassembler.pending()) {
            let length = self.end - offset;
            let reason = "segments of a message are missing";
            output.print(Object::rejected(
                PROTOCOL,
                "truncated",
                reason,
                offset,
                length,
            ))?;
        }
        Ok(())
    }

    fn print(&mut self, event: Event, output: &mut Output) -> io::Result<()> {
        let (offset, length) = (event.offset, event.length);
        self.end = offset + length;
        match event.element {
            Element::Noise => {
                let reason = "these octets belong to no message";
                output.print(Object::rejected(
                    PROTOCOL,
                    "malformed",
                    reason,
                    offset,
                    length,
                ))
            }
            Element::Rejected(error) => output.print(rejected(&error, offset, length)),
            Element::Apdu(apdu, _) => {
                let segment = matches!(apdu.body, Body::Segment { .. });
                match self.reassembler.push(*apdu) {
                    Ok(Some(apdu)) => {
                        let first = self.first_segment.filter(|_| segment).unwrap_or(offset);
                        if segment {
                            self.first_segment = None;
                        }
                        output.print(self.object(&apdu, first, self.end - first))
                    }
                    Ok(None) => {
                        self.first_segment.get_or_insert(offset);
                        Ok(())
                    }
                    Err(error) => {
                        self.first_segment = None;
                        output.print(rejected(&error, offset, length))
                    }
                }
            }
        }
    }

    fn object(&self, apdu: &Apdu, offset: u64, length: u64) -> Object {
        let opened = apdu.open(&self.keys);
        let mut object = match &opened {
            Ok(_) => Object::ok(PROTOCOL, offset, length),
            Err(error) => {
                let status = match error {
                    OpenError::NoKey(_) => "no_key",
                    OpenError::Check(_) => "wrong_key",
                    OpenError::Unauthenticated => "unauthenticated",
                    _ => "malformed",
                };
                Object::rejected(PROTOCOL, status, &error.to_string(), offset, length)
            }
        };
        let title = |title: &Option<_>| title.as_ref().map(ToString::to_string);
        object.set_some("called_ap_title", title(&apdu.called));
        object.set_some("called_ap_invocation_id", apdu.called_invocation_id);
        object.set_some("calling_ap_title", title(&apdu.calling));
        object.set_some("calling_ap_invocation_id", apdu.calling_invocation_id);
        if let Body::Epsem { control, .. } = apdu.body {
            object.set("epsem_control", format!("{control:02x}"));
        }
        object.set("security", security(apdu, opened.as_ref().ok()));
        if let Ok(opened) = opened {
            object.set_some("ed_class", opened.ed_class.map(|class| hex(&class)));
            object.set(
                "services",
                opened.services.iter().map(service).collect::<Value>(),
            );
        }
        object
    }
}

fn rejected(error: &ApduError, offset: u64, length: u64) -> Object {
    let status = match error {
        ApduError::Truncated => "truncated",
        _ => "malformed",
    };
    Object::rejected(PROTOCOL, status, &error.to_string(), offset, length)
}

fn security(apdu: &Apdu, opened: Option<&Opened>) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    let mode = match apdu.security_mode() {
        Some(SecurityMode::ClearText) => "cleartext",
        Some(SecurityMode::Authenticated) => "cleartext_auth",
        Some(SecurityMode::Ciphered) => "ciphertext_auth",
        _ => "reserved",
    };
    set("mode", json!(mode));
    if let Some(number) = apdu.key_id {
        set("key_id", json!(number));
    }
    if let Some(iv) = &apdu.iv {
        set("iv", json!(hex(iv)));
    }
    if let Body::Epsem { mac: Some(mac), .. } = &apdu.body {
        set("mac", json!(hex(mac)));
    }
    if let Some(opened) = opened {
        let verdict = if opened.authenticated {
            "authenticated"
        } else {
            "none"
        };
        set("verdict", json!(verdict));
    }
    Value::Object(members)
}

fn service(service: &Service) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    let request = match service {
        Service::Response { code, payload } => {
            set("code", json!(format!("{:02x}", code.0)));
            set("service", json!(code.name().unwrap_or("unknown")));
            if !payload.is_empty() {
                set("data", json!(hex(payload)));
            }
            return Value::Object(members);
        }
        Service::Request(request) => request,
    };
    let code = request.code();
    set("code", json!(format!("{code:02x}")));
    set("service", json!(service_name(code).unwrap_or("unknown")));
    if let Some(table) = request.table() {
        set("table", json!(table));
    }
    match request {
        Request::ReadOffset { offset, count, .. } => {
            set("offset", json!(offset));
            set("count", json!(count));
        }
        Request::ReadIndex { selection, .. } => drop(set("selection", json!(hex(selection)))),
        Request::Write { data, .. } => drop(set("data", json!(hex(data)))),
        Request::WriteIndex { rest, .. } => drop(set("selection", json!(hex(rest)))),
        Request::WriteOffset { offset, data, .. } => {
            set("offset", json!(offset));
            set("data", json!(hex(data)));
        }
        Request::Logon {
            user_id,
            user,
            idle_timeout_s,
        } => {
            set("user_id", json!(user_id));
            set("user", json!(text(user).trim_end_matches([' ', '\0'])));
            if let Some(seconds) = idle_timeout_s {
                set("session_idle_timeout", json!(seconds));
            }
        }
        Request::Security { password, user_id } => {
            set("password", json!(text(password.octets())));
            if let Some(number) = user_id {
                set("user_id", json!(number));
            }
        }
        Request::Authenticate { data } => drop(set("data", json!(hex(data)))),
        Request::Wait { seconds } => drop(set("seconds", json!(seconds))),
        Request::Other { payload, .. } if !payload.is_empty() => {
            set("data", json!(hex(payload)));
        }
        _ => {}
    }
    Value::Object(members)
}
