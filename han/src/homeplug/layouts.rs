//! What the management messages carry (HomePlug AV 1.1, 11.5; Green PHY 1.1, 11.5; ISO 15118-3,
//! annex A; the vendor's messages as his published tools read them).

use super::mme::{Mme, MmeError, OUI_QUALCOMM};
use super::mmtype::{ATTEN_CHAR, MmType};
use crate::layout::{Count, Field, Kind, Reader, Unwritable, When, write};
use crate::value::Record;

/// The fields of a message, in order; `None` when its layout is not known.
///
/// # Errors
/// When the frame ends before its fields do.
pub fn fields(mme: &Mme<'_>) -> Result<Option<Record>, MmeError> {
    let layout = match mme.oui {
        None => standard(mme.mmtype),
        Some(oui) => vendor(mme.mmtype, mme.mmv, oui),
    };
    let read = layout.map(|layout| Reader::new(mme.payload).record(layout));
    Ok(read.transpose()?)
}

/// The payload of a message of the standard with these fields.
///
/// # Errors
/// When a field is missing or does not fit, or the layout of that type is not known.
pub fn write_fields(mmtype: MmType, fields: &Record) -> Result<Vec<u8>, Unwritable> {
    let layout = standard(mmtype).ok_or(Unwritable { field: "mmtype" })?;
    let mut payload = Vec::new();
    write(layout, fields, &mut payload)?;
    Ok(payload)
}

fn standard(mmtype: MmType) -> Option<&'static [Field]> {
    Some(match mmtype.0 {
        0x0015 => DISCOVER_LIST_CNF,
        0x6002 => UNASSOCIATED_STA_IND,
        0x6007 => ENCRYPTED_PAYLOAD_RSP,
        0x6008 => SET_KEY_REQ,
        0x6009 => SET_KEY_CNF,
        0x600C => GET_KEY_REQ,
        0x600D => GET_KEY_CNF,
        0x601C => AMP_MAP_REQ,
        0x601D => AMP_MAP_CNF,
        0x6021 => BRG_INFO_CNF,
        0x6035 => STA_CAP_CNF,
        0x6039 => CM_NW_INFO_CNF,
        0x6049 => NW_STATS_CNF,
        0x6064 => SLAC_PARAM_REQ,
        0x6065 => SLAC_PARAM_CNF,
        0x606A => START_ATTEN_CHAR_IND,
        0x606E => ATTEN_CHAR_IND,
        0x606F => ATTEN_CHAR_RSP,
        0x6076 => MNBC_SOUND_IND,
        0x6078 => VALIDATE_REQ,
        0x6079 => VALIDATE_CNF,
        0x607C => SLAC_MATCH_REQ,
        0x607D => SLAC_MATCH_CNF,
        0x6086 => ATTEN_PROFILE_IND,
        0x8000 => PB_ENC_REQ,
        0x8001 => PB_ENC_CNF,
        _ => return None,
    })
}

fn vendor(mmtype: MmType, mmv: u8, oui: [u8; 3]) -> Option<&'static [Field]> {
    Some(match (mmtype.0, mmv, oui) {
        (0xA001, _, OUI_QUALCOMM) => SW_VER_CNF,
        (0xA01D, _, OUI_QUALCOMM) => RS_DEV_CNF,
        (0xA020, 0, OUI_QUALCOMM) => WR_MOD_REQ,
        (0xA021, 0, OUI_QUALCOMM) => WR_MOD_CNF,
        (0xA024, 0, OUI_QUALCOMM) => RD_MOD_REQ,
        (0xA025, 0, OUI_QUALCOMM) => RD_MOD_CNF,
        (0xA030, 0, OUI_QUALCOMM) => LNK_STATS_REQ,
        (0xA039, 1.., OUI_QUALCOMM) => NW_INFO_CNF,
        (0xA06D, _, OUI_QUALCOMM) => ENET_SETTINGS_CNF,
        (_, _, OUI_QUALCOMM | [0, 0, 0]) if mmtype.0 == ATTEN_CHAR | 2 => VS_ATTEN_CHAR_IND,
        _ => return None,
    })
}

const fn u8(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(1))
}

const fn u16(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(2))
}

const fn u32(name: &'static str) -> Field {
    Field::new(name, Kind::Unsigned(4))
}

const fn octets(name: &'static str, count: u8) -> Field {
    Field::new(name, Kind::Octets(count))
}

const fn mac(name: &'static str) -> Field {
    Field::new(name, Kind::Mac)
}

const fn reserved(count: u8) -> Field {
    Field::new("", Kind::Reserved(count))
}

const AAG: Field = Field::new(
    "aag",
    Kind::Each(Count::Field("num_groups"), &Kind::Unsigned(1)),
);

const DISCOVER_LIST_CNF: &[Field] = &[
    Field::new(
        "stations",
        Kind::Groups(Count::Prefix(1), DISCOVERED_STATION),
    ),
    Field::new(
        "networks",
        Kind::Groups(Count::Prefix(1), DISCOVERED_NETWORK),
    ),
];

const DISCOVERED_STATION: &[Field] = &[
    mac("mac"),
    u8("tei"),
    u8("same_network"),
    u8("snid"),
    reserved(1),
    u8("cco_capability"),
    u8("signal_level"),
];

const DISCOVERED_NETWORK: &[Field] = &[
    octets("nid", 7),
    u8("snid"),
    u8("hybrid_mode"),
    u8("num_beacon_slots"),
    u8("cco_status"),
    u16("beacon_offset"),
];

const UNASSOCIATED_STA_IND: &[Field] = &[octets("nid", 7), u8("cco_capability")];

const STA_CAP_CNF: &[Field] = &[
    u8("av_version"),
    mac("mac"),
    octets("oui", 3),
    u8("auto_connect"),
    u8("smoothing"),
    u8("cco_capability"),
    u8("proxy_capability"),
    u8("backup_cco_capability"),
    u8("soft_handover"),
    u8("two_symbol_frame_control"),
    u16("max_fl_av"),
    u8("homeplug_1_1_capability"),
    u8("homeplug_1_0_interoperability"),
    u8("regulatory_capability"),
    u8("bidirectional_bursting"),
    u16("implementation_version"),
];

const PB_ENC_REQ: &[Field] = &[u8("action")];

const PB_ENC_CNF: &[Field] = &[u8("status"), u8("avln_status")];

const RS_DEV_CNF: &[Field] = &[u8("status")];

const WR_MOD_REQ: &[Field] = &[
    u8("module_id"),
    reserved(1),
    u16("length"),
    u32("offset"),
    u32("checksum"),
    Field::new("data", Kind::Rest),
];

const WR_MOD_CNF: &[Field] = &[
    u8("status"),
    u8("module_id"),
    reserved(1),
    u16("length"),
    u32("offset"),
];

const RD_MOD_REQ: &[Field] = &[u8("module_id"), reserved(1), u16("length"), u32("offset")];

const RD_MOD_CNF: &[Field] = &[
    u8("status"),
    reserved(3),
    u8("module_id"),
    reserved(1),
    u16("length"),
    u32("offset"),
    u32("checksum"),
    Field::new("data", Kind::Rest),
];

const LNK_STATS_REQ: &[Field] = &[u8("control"), u8("direction"), u8("link_id"), mac("mac")];

/// One value of four bits for each of `am_len` carriers, the even carrier in the low half of its
/// octet (ISO 15118-3, A.9.6, as EVerest's libslac has it).
const AMP_MAP_REQ: &[Field] = &[
    u16("am_len"),
    Field::new(
        "am_data",
        Kind::Each(Count::HalfOf("am_len"), &Kind::Unsigned(1)),
    ),
];

const AMP_MAP_CNF: &[Field] = &[u8("result")];

const CM_NW_INFO_CNF: &[Field] = &[Field::new(
    "networks",
    Kind::Groups(Count::Prefix(1), CM_NETWORK),
)];

const CM_NETWORK: &[Field] = &[
    octets("nid", 7),
    u8("snid"),
    u8("tei"),
    u8("role"),
    mac("cco_mac"),
    u8("access"),
    u8("coordinating_networks"),
];

const NW_STATS_CNF: &[Field] = &[Field::new(
    "stations",
    Kind::Groups(Count::Prefix(1), STATION_RATES),
)];

const STATION_RATES: &[Field] = &[mac("mac"), u8("tx_rate"), u8("rx_rate")];

const VALIDATE_REQ: &[Field] = &[u8("signal_type"), u8("timer"), u8("result")];

const VALIDATE_CNF: &[Field] = &[u8("signal_type"), u8("toggle_num"), u8("result")];

const ENCRYPTED_PAYLOAD_RSP: &[Field] = &[u8("result"), u8("pid"), u16("prn")];

const SET_KEY_REQ: &[Field] = &[
    u8("key_type"),
    octets("my_nonce", 4),
    octets("your_nonce", 4),
    u8("pid"),
    u16("prn"),
    u8("pmn"),
    u8("cco_capability"),
    octets("nid", 7),
    u8("new_eks"),
    octets("new_key", 16),
];

const SET_KEY_CNF: &[Field] = &[
    u8("result"),
    octets("my_nonce", 4),
    octets("your_nonce", 4),
    u8("pid"),
    u16("prn"),
    u8("pmn"),
    u8("cco_capability"),
];

const GET_KEY_REQ: &[Field] = &[
    u8("request_type"),
    u8("key_type"),
    octets("nid", 7),
    octets("my_nonce", 4),
    u8("pid"),
    u16("prn"),
    u8("pmn"),
];

const GET_KEY_CNF: &[Field] = &[
    u8("result"),
    u8("key_type"),
    octets("my_nonce", 4),
    octets("your_nonce", 4),
    octets("nid", 7),
    u8("eks"),
    u8("pid"),
    u16("prn"),
    u8("pmn"),
    octets("key", 16).when(When::Equals("result", 0)),
];

const BRG_INFO_CNF: &[Field] = &[
    u8("bridging"),
    u8("bridge_tei").when(When::Equals("bridging", 1)),
    Field::new("macs", Kind::Each(Count::Prefix(1), &Kind::Mac)).when(When::Equals("bridging", 1)),
];

const SLAC_PARAM_REQ: &[Field] = &[
    u8("application_type"),
    u8("security_type"),
    octets("run_id", 8),
];

const SLAC_PARAM_CNF: &[Field] = &[
    mac("sound_target"),
    u8("num_sounds"),
    u8("time_out"),
    u8("resp_type"),
    mac("forwarding_sta"),
    u8("application_type"),
    u8("security_type"),
    octets("run_id", 8),
];

const START_ATTEN_CHAR_IND: &[Field] = &[
    u8("application_type"),
    u8("security_type"),
    u8("num_sounds"),
    u8("time_out"),
    u8("resp_type"),
    mac("forwarding_sta"),
    octets("run_id", 8),
];

const ATTEN_CHAR_IND: &[Field] = &[
    u8("application_type"),
    u8("security_type"),
    mac("source_address"),
    octets("run_id", 8),
    octets("source_id", 17),
    octets("resp_id", 17),
    u8("num_sounds"),
    u8("num_groups"),
    AAG,
];

const ATTEN_CHAR_RSP: &[Field] = &[
    u8("application_type"),
    u8("security_type"),
    mac("source_address"),
    octets("run_id", 8),
    octets("source_id", 17),
    octets("resp_id", 17),
    u8("result"),
];

const MNBC_SOUND_IND: &[Field] = &[
    u8("application_type"),
    u8("security_type"),
    octets("sender_id", 17),
    u8("countdown"),
    octets("run_id", 8),
    reserved(8),
    octets("rnd", 16),
];

const SLAC_MATCH_REQ: &[Field] = &[
    u8("application_type"),
    u8("security_type"),
    u16("length"),
    octets("pev_id", 17),
    mac("pev_mac"),
    octets("evse_id", 17),
    mac("evse_mac"),
    octets("run_id", 8),
    reserved(8).when(When::Given),
];

const SLAC_MATCH_CNF: &[Field] = &[
    u8("application_type"),
    u8("security_type"),
    u16("length"),
    octets("pev_id", 17),
    mac("pev_mac"),
    octets("evse_id", 17),
    mac("evse_mac"),
    octets("run_id", 8),
    reserved(8),
    octets("nid", 7),
    reserved(1),
    octets("nmk", 16),
];

const ATTEN_PROFILE_IND: &[Field] = &[mac("pev_mac"), u8("num_groups"), reserved(1), AAG];

const SW_VER_CNF: &[Field] = &[
    u8("status"),
    u8("device_id"),
    Field::new("version", Kind::CharString),
];

const NW_INFO_CNF: &[Field] = &[
    u8("sub_version"),
    reserved(1),
    // The length of what follows.
    reserved(2),
    reserved(1),
    Field::new("networks", Kind::Groups(Count::Prefix(1), NETWORK)),
];

const NETWORK: &[Field] = &[
    octets("nid", 7),
    reserved(2),
    u8("snid"),
    u8("tei"),
    reserved(4),
    u8("role"),
    mac("cco_mac"),
    u8("cco_tei"),
    reserved(3),
    // The number of stations stands five octets before them.
    u8("num_stations"),
    reserved(5),
    Field::new(
        "stations",
        Kind::Groups(Count::Field("num_stations"), STATION),
    ),
];

const STATION: &[Field] = &[
    mac("mac"),
    u8("tei"),
    reserved(3),
    mac("bridged_mac"),
    u16("tx_rate"),
    reserved(2),
    u16("rx_rate"),
    reserved(2),
];

const ENET_SETTINGS_CNF: &[Field] = &[u8("status"), u8("speed"), u8("duplex")];

const VS_ATTEN_CHAR_IND: &[Field] = &[mac("pev_mac"), u8("num_groups")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homeplug::Fragment;
    use crate::value::Value;

    /// Five carriers, the last octet half used, in a frame that is filled up; and the map that
    /// EVerest's libslac sends for "no reduction": 1155 times 15.
    #[test]
    fn an_amplitude_map_has_half_as_many_octets_as_carriers() {
        for (carriers, octets) in [(5_u16, vec![0x21, 0x43, 0x05]), (1_155, vec![0xFF; 578])] {
            let payload = [&carriers.to_le_bytes()[..], &octets].concat();
            let frame = Mme {
                destination: [2; 6],
                source: [4; 6],
                mmv: 1,
                mmtype: MmType(0x601C),
                fragment: Some(Fragment::default()),
                oui: None,
                payload: &payload,
            }
            .to_frame();
            let read = fields(&Mme::parse(&frame).unwrap()).unwrap().unwrap();
            assert_eq!(read.number("am_len"), Some(carriers.into()));
            let values = octets
                .iter()
                .map(|octet| Value::Unsigned((*octet).into()))
                .collect();
            assert_eq!(read.field("am_data"), Some(&Value::List(values)));
            assert_eq!(write_fields(MmType(0x601C), &read).unwrap(), payload);
        }
    }
}
