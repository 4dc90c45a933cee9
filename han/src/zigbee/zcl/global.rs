//! Global commands: what every cluster understands (Zigbee Cluster Library, 2.5).

use super::types::{id8, is_analogue, value};
use super::{ZclError, clusters, id16, octet};
use crate::layout::Reader;
use crate::value::{Record, Value};

/// Reads the fields of a global command; without name and fields when it is not known.
///
/// # Errors
/// When the message ends within a record or an attribute's type is not defined.
pub fn decode(
    command: u8,
    cluster: u16,
    reader: &mut Reader<'_>,
) -> Result<(Option<&'static str>, Record), ZclError> {
    let Some(name) = name(command) else {
        return Ok((None, Record::new()));
    };
    let fields = match command {
        0x00 => {
            let mut attributes = Vec::new();
            while !reader.is_at_end() {
                attributes.push(Value::id16(id16(reader, "attribute")?));
            }
            Record::new().with("attributes", Value::List(attributes))
        }
        0x01 => records(reader, |reader| {
            let mut record = attribute(reader, cluster)?;
            let status = octet(reader, "status")?;
            record.push("status", number(status));
            if status == 0 {
                typed_value(reader, &mut record)?;
            }
            Ok(record)
        })?,
        0x02 | 0x03 | 0x05 | 0x0A => records(reader, |reader| {
            let mut record = attribute(reader, cluster)?;
            typed_value(reader, &mut record)?;
            Ok(record)
        })?,
        0x04 => answers(reader, |reader| attribute(reader, cluster))?,
        0x06 => records(reader, |reader| {
            let mut record = directed(reader, cluster)?;
            reporting(reader, &mut record)?;
            Ok(record)
        })?,
        0x07 => answers(reader, |reader| directed(reader, cluster))?,
        0x08 => records(reader, |reader| directed(reader, cluster))?,
        0x09 => records(reader, |reader| {
            let status = octet(reader, "status")?;
            let mut record = Record::new().with("status", number(status));
            append(&mut record, &directed(reader, cluster)?);
            if status == 0 {
                reporting(reader, &mut record)?;
            }
            Ok(record)
        })?,
        0x0B => Record::new()
            .with("command", id8(octet(reader, "command")?))
            .with("status", number(octet(reader, "status")?)),
        0x0C => Record::new()
            .with("start", Value::id16(id16(reader, "start")?))
            .with("max", number(octet(reader, "max")?)),
        0x0D => {
            let complete = truth(octet(reader, "complete")?);
            let mut attributes = Vec::new();
            while !reader.is_at_end() {
                let mut found = attribute(reader, cluster)?;
                found.push("type", id8(octet(reader, "type")?));
                attributes.push(Value::Record(found));
            }
            let attributes = Value::List(attributes);
            Record::new()
                .with("complete", complete)
                .with("attributes", attributes)
        }
        0x11 | 0x13 => Record::new()
            .with("start", id8(octet(reader, "start")?))
            .with("max", number(octet(reader, "max")?)),
        _ => {
            let complete = truth(octet(reader, "complete")?);
            let commands = reader.take_rest().iter().map(|&command| id8(command));
            let commands = Value::List(commands.collect());
            Record::new()
                .with("complete", complete)
                .with("commands", commands)
        }
    };
    Ok((Some(name), fields))
}

const fn name(command: u8) -> Option<&'static str> {
    Some(match command {
        0x00 => "ReadAttributes",
        0x01 => "ReadAttributesResponse",
        0x02 => "WriteAttributes",
        0x03 => "WriteAttributesUndivided",
        0x04 => "WriteAttributesResponse",
        0x05 => "WriteAttributesNoResponse",
        0x06 => "ConfigureReporting",
        0x07 => "ConfigureReportingResponse",
        0x08 => "ReadReportingConfiguration",
        0x09 => "ReadReportingConfigurationResponse",
        0x0A => "ReportAttributes",
        0x0B => "DefaultResponse",
        0x0C => "DiscoverAttributes",
        0x0D => "DiscoverAttributesResponse",
        0x11 => "DiscoverCommandsReceived",
        0x12 => "DiscoverCommandsReceivedResponse",
        0x13 => "DiscoverCommandsGenerated",
        0x14 => "DiscoverCommandsGeneratedResponse",
        _ => return None,
    })
}

type Read<'r, 'a> = &'r mut Reader<'a>;

fn records(
    reader: Read<'_, '_>,
    mut one: impl FnMut(Read<'_, '_>) -> Result<Record, ZclError>,
) -> Result<Record, ZclError> {
    let mut records = Vec::new();
    while !reader.is_at_end() {
        records.push(Value::Record(one(reader)?));
    }
    Ok(Record::new().with("records", Value::List(records)))
}

/// A status per record, or a single one when all went well.
fn answers(
    reader: Read<'_, '_>,
    mut about: impl FnMut(Read<'_, '_>) -> Result<Record, ZclError>,
) -> Result<Record, ZclError> {
    let all_in_one = reader.rest().len() == 1;
    records(reader, |reader| {
        let status = octet(reader, "status")?;
        let mut record = Record::new().with("status", number(status));
        if !all_in_one {
            append(&mut record, &about(reader)?);
        }
        Ok(record)
    })
}

fn append(record: &mut Record, more: &Record) {
    for (name, value) in more.fields() {
        record.push(name, value.clone());
    }
}

fn attribute(reader: Read<'_, '_>, cluster: u16) -> Result<Record, ZclError> {
    let attribute = id16(reader, "attribute")?;
    let mut record = Record::new().with("attribute", Value::id16(attribute));
    if let Some(name) = clusters::attribute_name(cluster, attribute) {
        record.push("name", Value::Text(name.to_owned()));
    }
    Ok(record)
}

fn directed(reader: Read<'_, '_>, cluster: u16) -> Result<Record, ZclError> {
    let direction = octet(reader, "direction")?;
    let mut record = Record::new().with("direction", number(direction));
    append(&mut record, &attribute(reader, cluster)?);
    Ok(record)
}

fn typed_value(reader: Read<'_, '_>, record: &mut Record) -> Result<(), ZclError> {
    let type_id = octet(reader, "type")?;
    record.push("type", id8(type_id));
    record.push("value", value(reader, type_id, id_of(record))?);
    Ok(())
}

/// How an attribute is reported (direction 0), or how long reports may stay away (1).
fn reporting(reader: Read<'_, '_>, record: &mut Record) -> Result<(), ZclError> {
    if record.number("direction") != Some(0) {
        record.push("timeout", seconds(reader, "timeout")?);
        return Ok(());
    }
    let type_id = octet(reader, "type")?;
    record.push("type", id8(type_id));
    record.push("min_interval", seconds(reader, "min_interval")?);
    record.push("max_interval", seconds(reader, "max_interval")?);
    if is_analogue(type_id) {
        let change = value(reader, type_id, id_of(record))?;
        record.push("reportable_change", change);
    }
    Ok(())
}

fn id_of(record: &Record) -> u16 {
    let id = record.number("attribute").unwrap_or_default();
    u16::try_from(id).unwrap_or_default()
}

fn seconds(reader: Read<'_, '_>, field: &'static str) -> Result<Value, ZclError> {
    Ok(Value::Unsigned(id16(reader, field)?.into()))
}

fn number(octet: u8) -> Value {
    Value::Unsigned(octet.into())
}

fn truth(octet: u8) -> Value {
    match octet {
        0 => Value::Bool(false),
        1 => Value::Bool(true),
        other => number(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(command: u8, octets: &[u8]) -> Result<String, ZclError> {
        let (_, fields) = decode(command, 0x0B04, &mut Reader::new(octets))?;
        Ok(Value::Record(fields).to_string())
    }

    #[test]
    fn reporting_has_a_change_only_for_analogue_types() {
        let analogue = [0, 0x08, 0x05, 0x21, 0x03, 0, 0x20, 0x1C, 1, 0];
        let expected = "{records: [{direction: 0, attribute: 0508, name: RmsCurrent, type: 21, \
                        min_interval: 3, max_interval: 7200, reportable_change: 1}]}";
        assert_eq!(read(0x06, &analogue).as_deref(), Ok(expected));
        let discrete = [0, 0x00, 0x00, 0x10, 1, 0, 0x2C, 1];
        let fields = read(0x06, &discrete).unwrap_or_default();
        assert!(fields.contains("max_interval: 300") && !fields.contains("change"));
        let other = [1, 0x00, 0x00, 60, 0];
        assert!(read(0x06, &other).is_ok_and(|fields| fields.contains("timeout: 60")));
    }

    #[test]
    fn answers_come_singly_or_all_in_one() {
        assert_eq!(read(0x04, &[0]).as_deref(), Ok("{records: [{status: 0}]}"));
        let several = read(0x07, &[0x8C, 0, 0x34, 0x12, 0x86, 0, 0x35, 0x12]);
        let expected = "{records: [{status: 140, direction: 0, attribute: 1234}, \
                        {status: 134, direction: 0, attribute: 1235}]}";
        assert_eq!(several.as_deref(), Ok(expected));
        assert!(read(0x07, &[0x8C, 0, 0x34]).is_err());
    }

    #[test]
    fn failed_reads_have_no_value() {
        let octets = [0xDD, 0x0D, 0x86, 0x0B, 0x05, 0, 0x29, 0x9A, 0x82];
        let expected = "{records: [{attribute: 0ddd, status: 134}, {attribute: 050b, \
                        name: ActivePower, status: 0, type: 29, value: -32102}]}";
        assert_eq!(read(0x01, &octets).as_deref(), Ok(expected));
        let undefined = read(0x01, &[1, 0, 0, 0x77]);
        let expected = ZclError::DataType {
            attribute: 1,
            type_id: 0x77,
        };
        assert_eq!(undefined, Err(expected));
    }
}
