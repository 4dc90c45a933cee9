//! The JSON object of `--format json`.

use meter_link::mbus::{DeviceAddress, FieldValue, Kind, Modifier, Record, Value};

use super::json::{Json, LOWER, UPPER};
use super::report::{Headline, Place, Reading, Report};

/// Writes one report as an object.
pub(super) fn write(json: &mut Json, report: &Report<'_>) {
    json.open();
    member(json, "protocol", report.protocol);
    match report.place {
        Place::Line(line) => bare(json, "line", Some(line)),
        Place::Offset(offset) => bare(json, "offset", Some(offset)),
    }
    member(json, "status", report.status());
    if let Some(failure) = &report.failure {
        member(json, "reason", &failure.reason);
    }
    if let Some(id) = report.id {
        json.name("id");
        json.quoted(id);
    }
    if report.id.is_some() {
        identity(json, report);
    }
    if let Some(wired) = &report.wired {
        member(json, "frame", wired.form);
        bare(json, "primary_address", wired.address);
        hex_byte(json, "control", wired.control);
        if let Some(signature) = wired.signature {
            json.name("signature");
            json.hex(&signature, LOWER);
        }
    }
    if report.ci.is_some() {
        bare(json, "access_number", report.access_number);
        bare(json, "meter_status", report.meter_status);
        hex_byte(json, "ci", report.ci);
    }
    if let Some(signature) = report.format_signature {
        bare(json, "compact", Some(true));
        json.name("format_signature");
        json.hex(&signature.to_be_bytes(), LOWER);
    }
    if report.protocol == "wmbus" {
        reception(json, report);
    }
    if let Some(security) = &report.security {
        json.name("security");
        json.open();
        member(json, "mode", &security.mode.name());
        member(json, "check", security.proof.name());
        bare(
            json,
            "authenticated",
            Some(security.proof.is_authentication()),
        );
        bare(json, "counter", security.counter);
        if security.clear_payload {
            bare(json, "clear_payload", Some(true));
        }
        json.close();
    }
    if report.id.is_some() {
        json.name("driver");
        json.string_or_null(report.driver.as_deref());
        json.name("name");
        json.string_or_null(report.name.as_deref());
    }
    if let Some(reading) = &report.reading {
        write_reading(json, reading);
    }
    if let Some(payload) = report.payload {
        json.name("payload");
        json.hex(payload, UPPER);
    }
    if let Some(telegram) = report.telegram {
        json.name("telegram");
        json.hex(telegram, UPPER);
    }
    json.close();
}

fn identity(json: &mut Json, report: &Report<'_>) {
    json.name("manufacturer");
    match report.manufacturer {
        Some(manufacturer) => json.string(&manufacturer.to_string()),
        None => json.raw("null"),
    }
    hex_byte(json, "version", report.version);
    hex_byte(json, "type", report.device_type);
    json.name("medium");
    json.string_or_null(report.medium.as_deref());
    if report.protocol == "wmbus" {
        json.name("link_address");
        match report.link_address {
            None => json.raw("null"),
            Some(address) => link_address(json, address),
        }
    }
}

fn link_address(json: &mut Json, address: DeviceAddress) {
    json.open();
    json.name("id");
    json.quoted(address.identification);
    member(json, "manufacturer", &address.manufacturer.to_string());
    hex_byte(json, "version", Some(address.version));
    hex_byte(json, "type", Some(address.device_type.0));
    json.close();
}

fn reception(json: &mut Json, report: &Report<'_>) {
    let reception = &report.reception;
    json.name("frame_format");
    json.string_or_null(reception.frame_format);
    json.name("link_mode");
    json.string_or_null(reception.link_mode.as_deref());
    bare(json, "rssi_dbm", reception.rssi_dbm);
    if let Some(raw) = &reception.rssi_raw {
        member(json, "rssi_raw", raw);
    }
    json.name("received_at");
    json.string_or_null(reception.received_at.as_deref());
    if !report.trailing.is_empty() {
        json.name("trailing");
        json.hex(report.trailing, LOWER);
    }
}

fn write_reading(json: &mut Json, reading: &Reading<'_>) {
    json.name("headline");
    match &reading.headline {
        None => json.raw("null"),
        Some(Headline {
            record,
            quantity,
            value,
            unit,
        }) => {
            json.open();
            bare(json, "record", *record);
            member(json, "quantity", quantity);
            json.name("value");
            json.quoted(value);
            member(json, "unit", unit);
            json.close();
        }
    }
    json.name("fields");
    json.open();
    for field in &reading.fields {
        json.name(&field.name);
        field_value(json, &field.value);
    }
    json.close();
    json.name("records");
    json.raw("[");
    for (index, record) in reading.records.iter().enumerate() {
        json.comma();
        write_record(json, index, record);
    }
    json.raw("]");
    if let Some(data) = reading.manufacturer_data {
        json.name("manufacturer_data");
        json.hex(data.bytes, UPPER);
        if data.more_follows {
            bare(json, "more_follows", Some(true));
        }
    }
}

fn field_value(json: &mut Json, value: &FieldValue) {
    match value {
        FieldValue::Null => json.raw("null"),
        FieldValue::Datetime {
            marked_invalid: true,
            ..
        } => json.raw("null"),
        FieldValue::Number(number) => json.quoted(number),
        FieldValue::Text(text) => json.string(text),
        FieldValue::Date(date) => json.quoted(date),
        FieldValue::Datetime { at, .. } => json.quoted(at),
        FieldValue::Time(time) => json.quoted(time),
    }
}

fn write_record(json: &mut Json, index: usize, record: &Record<'_>) {
    json.open();
    bare(json, "n", Some(index));
    json.name("header");
    json.hex(record.header, UPPER);
    json.name("data");
    json.hex(record.data, UPPER);
    member(json, "function", record.function.name());
    bare(json, "storage", Some(record.storage));
    bare(json, "tariff", Some(record.tariff));
    bare(json, "subunit", Some(record.subunit));
    member(json, "quantity", record.meaning.quantity.name());
    json.name("unit");
    match (record.plain_unit_text(), record.unit()) {
        (Some(text), _) => json.string(&text),
        (None, Some(unit)) => json.string(unit.name()),
        (None, None) => json.raw("null"),
    }
    if !record.is_unmodified() {
        json.name("modifiers");
        json.raw("[");
        for modifier in record.modifiers().map(Modifier::name) {
            json.comma();
            json.string(modifier);
        }
        json.raw("]");
    }
    record_value(json, &record.value());
    if record.is_real() {
        member(json, "coding", "real32");
    }
    json.close();
}

fn record_value(json: &mut Json, value: &Value) {
    let kind = value.kind();
    member(json, "type", kind.name());
    json.name("value");
    match value {
        Value::None | Value::Invalid(_) | Value::MarkedInvalid(_) => json.raw("null"),
        Value::Number(number) => json.quoted(number),
        Value::Date(date) => json.quoted(date),
        Value::Datetime { at, .. } => json.quoted(at),
        Value::Time(time) => json.quoted(time),
        Value::Text(text) => json.string(text),
        Value::Hex(octets) => json.hex(octets, UPPER),
    }
    if let Value::MarkedInvalid(at) = value {
        json.name("marked_invalid");
        json.quoted(at);
    }
    if matches!(value, Value::Datetime { dst: true, .. }) && kind == Kind::Datetime {
        bare(json, "dst", Some(true));
    }
}

fn member(json: &mut Json, name: &str, text: &str) {
    json.name(name);
    json.string(text);
}

fn bare(json: &mut Json, name: &str, value: Option<impl std::fmt::Display>) {
    json.name(name);
    json.bare_or_null(value);
}

fn hex_byte(json: &mut Json, name: &str, value: Option<u8>) {
    json.name(name);
    match value {
        Some(byte) => json.hex(&[byte], LOWER),
        None => json.raw("null"),
    }
}
