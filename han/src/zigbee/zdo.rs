//! Zigbee device objects, profile 0000 (Zigbee specification 05-3474, 2.4).
//!
//! The cluster names the request, the same with its highest bit set the answer; the first octet of
//! either is the number that both have in common.

use crate::layout::{Count, Field, Kind, Reader, Truncated, Unwritable, When, write};
use crate::value::{Record, Value};

/// A request, an answer or an announcement.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// The number that request and answer have in common.
    pub tsn: u8,
    /// Its name, if it is known: `Node_Desc_req`.
    pub name: Option<&'static str>,
    /// Its fields in order; none when it is not known.
    pub fields: Record,
    /// What follows the number.
    pub payload: &'a [u8],
    /// Octets after a complete message.
    pub extra: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads an APS payload.
    ///
    /// An answer whose status is not 0 may end after any field.
    ///
    /// # Errors
    /// When it ends within a field that must be there.
    pub fn decode(cluster: u16, octets: &'a [u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(octets);
        let tsn = reader.octets(1, "tsn")?.first().copied().unwrap_or(0);
        let payload = reader.rest();
        let Some((_, name, layout)) = MESSAGES.iter().find(|(known, ..)| *known == cluster) else {
            return Ok(Self {
                tsn,
                name: None,
                fields: Record::new(),
                payload,
                extra: &[],
            });
        };
        let mut fields = Record::new();
        for field in *layout {
            let failed = fields.number("status").is_some_and(|status| status != 0);
            if failed && reader.is_at_end() {
                break;
            }
            let due = match field.when {
                When::Equals(name, value) => fields.number(name) == Some(value),
                _ => true,
            };
            if due {
                reader.field(field, &mut fields)?;
            }
            // A failed request for a simple descriptor says that it has no octets.
            if failed && fields.number("length") == Some(0) {
                break;
            }
        }
        Ok(Self {
            tsn,
            name: Some(name),
            fields: without_lengths(fields),
            payload,
            extra: reader.rest(),
        })
    }
}

/// A message as an APS payload. The length of a simple descriptor is made here.
///
/// # Errors
/// When no table knows the message, or a field is missing or does not fit.
pub fn encode(cluster: u16, tsn: u8, fields: &Record) -> Result<Vec<u8>, Unwritable> {
    let message = MESSAGES.iter().find(|(known, ..)| *known == cluster);
    let (.., layout) = message.ok_or(Unwritable { field: "cluster" })?;
    let mut out = vec![tsn];
    let status = fields.number("status").unwrap_or(0);
    if status != 0 {
        // What failed says no more than whom it was about.
        let told = layout.get(..2).unwrap_or_default();
        write(told, fields, &mut out)?;
        if cluster == 0x8004 || cluster == 0x8005 {
            out.push(0);
        }
        return Ok(out);
    }
    let Some(at) = layout.iter().position(|field| field.name == "length") else {
        write(layout, fields, &mut out)?;
        return Ok(out);
    };
    let (before, rest) = layout.split_at(at);
    let mut descriptor = Vec::new();
    write(rest.get(1..).unwrap_or_default(), fields, &mut descriptor)?;
    write(before, fields, &mut out)?;
    out.push(u8::try_from(descriptor.len()).map_err(|_| Unwritable { field: "length" })?);
    out.extend(descriptor);
    Ok(out)
}

/// The length of a descriptor is said by its fields.
fn without_lengths(fields: Record) -> Record {
    if fields.field("length").is_none() {
        return fields;
    }
    let kept = fields.fields().filter(|(name, _)| *name != "length");
    kept.fold(Record::new(), |record, (name, value): (_, &Value)| {
        record.with(name, value.clone())
    })
}

const fn u8(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(1))
}

const fn u16(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(2))
}

const fn id16(name: &'static str) -> Field {
    Field::new(name, Kind::Id(2))
}

const fn ieee(name: &'static str) -> Field {
    Field::new(name, Kind::Id(8))
}

const fn list(name: &'static str, kind: &'static Kind) -> Field {
    Field::new(name, Kind::Each(Count::Prefix(1), kind))
}

const CLUSTERS_IN: Field = list("input_clusters", &Kind::Id(2));
const CLUSTERS_OUT: Field = list("output_clusters", &Kind::Id(2));

/// Logical type in the lowest bits, flags of descriptors and frequencies above them.
const NODE_FLAGS: Field = Field::new("", Kind::Bits(1, &[("logical_type", 0, 3)]));

const ADDRESSES: &[Field] = &[u8("status"), ieee("ieee"), id16("nwk")];
const OF_NODE: &[Field] = &[id16("nwk")];
const STATUS: &[Field] = &[u8("status")];
const FROM_INDEX: &[Field] = &[u8("start_index")];

const NODE_DESC_RSP: &[Field] = &[
    u8("status"),
    id16("nwk"),
    NODE_FLAGS,
    Field::new("", Kind::Reserved(1)),
    u8("capability"),
    id16("manufacturer"),
    u8("max_buffer"),
    u16("max_incoming"),
    u16("server_mask"),
    u16("max_outgoing"),
    Field::new("", Kind::Reserved(1)),
];

const SIMPLE_DESC_RSP: &[Field] = &[
    u8("status"),
    id16("nwk"),
    u8("length"),
    u8("endpoint"),
    id16("profile"),
    id16("device"),
    u8("device_version"),
    CLUSTERS_IN,
    CLUSTERS_OUT,
];

const BIND_REQ: &[Field] = &[
    ieee("src_ieee"),
    u8("src_endpoint"),
    id16("cluster"),
    u8("dst_mode"),
    ieee("dst_ieee").when(When::Equals("dst_mode", 3)),
    u8("dst_endpoint").when(When::Equals("dst_mode", 3)),
    id16("dst_group").when(When::Equals("dst_mode", 1)),
];

const NEIGHBOR: &[Field] = &[
    ieee("ext_pan"),
    ieee("ieee"),
    id16("nwk"),
    Field::new(
        "",
        Kind::Bits(
            1,
            &[
                ("device_type", 0, 2),
                ("rx_on_when_idle", 2, 2),
                ("relationship", 4, 3),
            ],
        ),
    ),
    Field::new("", Kind::Bits(1, &[("permit_joining", 0, 2)])),
    u8("depth"),
    u8("lqi"),
];

const ROUTE: &[Field] = &[
    id16("dst"),
    Field::new("", Kind::Bits(1, &[("status", 0, 3)])),
    id16("next_hop"),
];

type Layout = (u16, &'static str, &'static [Field]);

const MESSAGES: &[Layout] = &[
    (
        0x0000,
        "NWK_addr_req",
        &[ieee("ieee"), u8("request_type"), u8("start_index")],
    ),
    (0x8000, "NWK_addr_rsp", ADDRESSES),
    (
        0x0001,
        "IEEE_addr_req",
        &[id16("nwk"), u8("request_type"), u8("start_index")],
    ),
    (0x8001, "IEEE_addr_rsp", ADDRESSES),
    (0x0002, "Node_Desc_req", OF_NODE),
    (0x8002, "Node_Desc_rsp", NODE_DESC_RSP),
    (0x0003, "Power_Desc_req", OF_NODE),
    (
        0x8003,
        "Power_Desc_rsp",
        &[u8("status"), id16("nwk"), u16("power_descriptor")],
    ),
    (0x0004, "Simple_Desc_req", &[id16("nwk"), u8("endpoint")]),
    (0x8004, "Simple_Desc_rsp", SIMPLE_DESC_RSP),
    (0x0005, "Active_EP_req", OF_NODE),
    (
        0x8005,
        "Active_EP_rsp",
        &[
            u8("status"),
            id16("nwk"),
            list("endpoints", &Kind::Unsigned(1)),
        ],
    ),
    (
        0x0006,
        "Match_Desc_req",
        &[id16("nwk"), id16("profile"), CLUSTERS_IN, CLUSTERS_OUT],
    ),
    (
        0x8006,
        "Match_Desc_rsp",
        &[
            u8("status"),
            id16("nwk"),
            list("endpoints", &Kind::Unsigned(1)),
        ],
    ),
    (
        0x0013,
        "Device_annce",
        &[id16("nwk"), ieee("ieee"), u8("capability")],
    ),
    (0x0021, "Bind_req", BIND_REQ),
    (0x8021, "Bind_rsp", STATUS),
    (0x0022, "Unbind_req", BIND_REQ),
    (0x8022, "Unbind_rsp", STATUS),
    (0x0031, "Mgmt_Lqi_req", FROM_INDEX),
    (
        0x8031,
        "Mgmt_Lqi_rsp",
        &[
            u8("status"),
            u8("entries"),
            u8("start_index"),
            Field::new("neighbors", Kind::Groups(Count::Prefix(1), NEIGHBOR)),
        ],
    ),
    (0x0032, "Mgmt_Rtg_req", FROM_INDEX),
    (
        0x8032,
        "Mgmt_Rtg_rsp",
        &[
            u8("status"),
            u8("entries"),
            u8("start_index"),
            Field::new("routes", Kind::Groups(Count::Prefix(1), ROUTE)),
        ],
    ),
    (0x0033, "Mgmt_Bind_req", FROM_INDEX),
    (0x0034, "Mgmt_Leave_req", &[ieee("ieee"), u8("flags")]),
    (0x8034, "Mgmt_Leave_rsp", STATUS),
    (
        0x0036,
        "Mgmt_Permit_Joining_req",
        &[u8("duration"), u8("tc_significance")],
    ),
    (0x8036, "Mgmt_Permit_Joining_rsp", STATUS),
    (
        0x0038,
        "Mgmt_NWK_Update_req",
        &[
            Field::new("scan_channels", Kind::Unsigned(4)),
            u8("scan_duration"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(cluster: u16, octets: &[u8]) -> String {
        let message = Message::decode(cluster, octets).expect("it is whole");
        Value::Record(message.fields).to_string()
    }

    #[test]
    fn a_simple_descriptor_and_its_refusal() {
        let whole = [
            7, 0, 0x1B, 0x7A, 10, 3, 0x04, 0x01, 0x51, 0x00, 1, 1, 0x06, 0x00, 0,
        ];
        let expected = "{status: 0, nwk: 7a1b, endpoint: 3, profile: 0104, device: 0051, \
                        device_version: 1, input_clusters: [0006], output_clusters: []}";
        assert_eq!(fields(0x8004, &whole), expected);
        assert_eq!(
            fields(0x8004, &[7, 0x82, 0x1B, 0x7A, 0]),
            "{status: 130, nwk: 7a1b}"
        );
        assert_eq!(fields(0x8004, &[7, 0x81]), "{status: 129}");
        assert!(Message::decode(0x8004, &[7, 0, 0x1B, 0x7A]).is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        let whole = [
            7, 0, 0x1B, 0x7A, 10, 3, 0x04, 0x01, 0x51, 0x00, 1, 1, 0x06, 0x00, 0,
        ];
        let message = Message::decode(0x8004, &whole).expect("it is whole");
        assert_eq!(
            encode(0x8004, 7, &message.fields).as_deref(),
            Ok(&whole[..])
        );
        let bind = [
            1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x02, 0x07, 3, 2, 0, 0, 0, 0, 0, 0, 0, 1,
        ];
        let message = Message::decode(0x0021, &bind).expect("it is whole");
        assert_eq!(encode(0x0021, 1, &message.fields).as_deref(), Ok(&bind[..]));
    }

    #[test]
    fn bindings_go_to_a_device_or_a_group() {
        let to_group = [1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x02, 0x07, 1, 0x05, 0x00];
        let expected = "{src_ieee: 0000000000000001, src_endpoint: 1, cluster: 0702, \
                        dst_mode: 1, dst_group: 0005}";
        assert_eq!(fields(0x0021, &to_group), expected);
    }

    #[test]
    fn unknown_messages_keep_their_octets() {
        let message = Message::decode(0x0FFF, &[9, 1, 2]).expect("it has a number");
        assert_eq!((message.name, message.payload), (None, &[1, 2][..]));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(
            index in 0..MESSAGES.len(),
            octets in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let cluster = MESSAGES.get(index).map_or(0, |(cluster, ..)| *cluster);
            let _ = Message::decode(cluster, &octets);
        }
    }
}
