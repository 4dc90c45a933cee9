//! The types of management messages (HomePlug AV specification 1.1, table 11-2; Green PHY 1.1;
//! the vendor types of Qualcomm Atheros as their published tools name them).

use std::fmt;

use super::OUI_QUALCOMM;

/// The type of a management message, with what it is of an exchange in its two lowest bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MmType(pub u16);

/// What a message is within an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// A request.
    Request,
    /// The answer to a request.
    Confirm,
    /// A message of its own.
    Indication,
    /// The answer to an indication.
    Response,
}

impl MmType {
    /// The type without the variant.
    #[must_use]
    pub const fn base(self) -> u16 {
        self.0 & !3
    }

    /// What it is of its exchange.
    #[must_use]
    pub const fn variant(self) -> Variant {
        match self.0 & 3 {
            0 => Variant::Request,
            1 => Variant::Confirm,
            2 => Variant::Indication,
            _ => Variant::Response,
        }
    }

    /// Whether a vendor defines it (A000 to BFFF).
    #[must_use]
    pub const fn is_vendor(self) -> bool {
        matches!(self.0, 0xA000..=0xBFFF)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "REQ",
            Self::Confirm => "CNF",
            Self::Indication => "IND",
            Self::Response => "RSP",
        })
    }
}

/// The name of a message: `CM_SET_KEY.REQ`; `MME_6FA0.REQ` when nobody has named it.
///
/// Vendor messages are Qualcomm Atheros's, told by their organisation. Some firmware of the
/// QCA7420 leaves it at zero in its attenuation profile.
#[must_use]
pub fn name(mmtype: MmType, oui: Option<[u8; 3]>) -> String {
    let table = match oui {
        None if !mmtype.is_vendor() => STANDARD,
        Some(OUI_QUALCOMM) => QUALCOMM,
        Some([0, 0, 0]) if mmtype.base() == ATTEN_CHAR => QUALCOMM,
        _ => &[],
    };
    let base = mmtype.base();
    let known = table.iter().find(|(code, _)| *code == base);
    match known {
        Some((_, name)) => format!("{name}.{}", mmtype.variant()),
        None => format!("MME_{base:04X}.{}", mmtype.variant()),
    }
}

/// The vendor's attenuation profile.
pub(super) const ATTEN_CHAR: u16 = 0xA14C;

const STANDARD: &[(u16, &str)] = &[
    (0x0000, "CC_CCO_APPOINT"),
    (0x0004, "CC_BACKUP_APPOINT"),
    (0x0008, "CC_LINK_INFO"),
    (0x000C, "CC_HANDOVER"),
    (0x0010, "CC_HANDOVER_INFO"),
    (0x0014, "CC_DISCOVER_LIST"),
    (0x0018, "CC_LINK_NEW"),
    (0x001C, "CC_LINK_MOD"),
    (0x0020, "CC_LINK_SQZ"),
    (0x0024, "CC_LINK_REL"),
    (0x0028, "CC_DETECT_REPORT"),
    (0x002C, "CC_WHO_RU"),
    (0x0030, "CC_ASSOC"),
    (0x0034, "CC_LEAVE"),
    (0x0038, "CC_SET_TEI_MAP"),
    (0x003C, "CC_RELAY"),
    (0x0040, "CC_BEACON_RELIABILITY"),
    (0x0044, "CC_ALLOC_MOVE"),
    (0x0048, "CC_ACCESS_NEW"),
    (0x004C, "CC_ACCESS_REL"),
    (0x0050, "CC_DCPPC"),
    (0x0054, "CC_HP1_DET"),
    (0x0058, "CC_BLE_UPDATE"),
    (0x2000, "CP_PROXY_APPOINT"),
    (0x2008, "CP_PROXY_WAKE"),
    (0x4000, "NN_INL"),
    (0x4004, "NN_NEW_NET"),
    (0x4008, "NN_ADD_ALLOC"),
    (0x400C, "NN_REL_ALLOC"),
    (0x4010, "NN_REL_NET"),
    (0x6000, "CM_UNASSOCIATED_STA"),
    (0x6004, "CM_ENCRYPTED_PAYLOAD"),
    (0x6008, "CM_SET_KEY"),
    (0x600C, "CM_GET_KEY"),
    (0x6010, "CM_SC_JOIN"),
    (0x6014, "CM_CHAN_EST"),
    (0x6018, "CM_TM_UPDATE"),
    (0x601C, "CM_AMP_MAP"),
    (0x6020, "CM_BRG_INFO"),
    (0x6024, "CM_CONN_NEW"),
    (0x6028, "CM_CONN_REL"),
    (0x602C, "CM_CONN_MOD"),
    (0x6030, "CM_CONN_INFO"),
    (0x6034, "CM_STA_CAP"),
    (0x6038, "CM_NW_INFO"),
    (0x603C, "CM_GET_BEACON"),
    (0x6040, "CM_HFID"),
    (0x6044, "CM_MME_ERROR"),
    (0x6048, "CM_NW_STATS"),
    (0x604C, "CM_LINK_STATS"),
    (0x6050, "CM_ROUTE_INFO"),
    (0x6054, "CM_UNREACHABLE"),
    (0x6058, "CM_MH_CONN_NEW"),
    (0x605C, "CM_EXTENDED_TONEMASK"),
    (0x6060, "CM_STA_IDENTIFY"),
    (0x6064, "CM_SLAC_PARAM"),
    (0x6068, "CM_START_ATTEN_CHAR"),
    (0x606C, "CM_ATTEN_CHAR"),
    (0x6070, "CM_PKCS_CERT"),
    (0x6074, "CM_MNBC_SOUND"),
    (0x6078, "CM_VALIDATE"),
    (0x607C, "CM_SLAC_MATCH"),
    (0x6080, "CM_SLAC_USER_DATA"),
    (0x6084, "CM_ATTEN_PROFILE"),
    (0x8000, "MS_PB_ENC"),
    (0x8004, "MS_ADC_CAP"),
    (0x8008, "MS_DISCOVER"),
];

const QUALCOMM: &[(u16, &str)] = &[
    (0xA000, "VS_SW_VER"),
    (0xA004, "VS_WR_MEM"),
    (0xA008, "VS_RD_MEM"),
    (0xA00C, "VS_ST_MAC"),
    (0xA010, "VS_GET_NVM"),
    (0xA014, "VS_RSVD_1"),
    (0xA018, "VS_RSVD_2"),
    (0xA01C, "VS_RS_DEV"),
    (0xA020, "VS_WR_MOD"),
    (0xA024, "VS_RD_MOD"),
    (0xA028, "VS_MOD_NVM"),
    (0xA02C, "VS_WD_RPT"),
    (0xA030, "VS_LNK_STATS"),
    (0xA034, "VS_SNIFFER"),
    (0xA038, "VS_NW_INFO"),
    (0xA03C, "VS_RSVD_3"),
    (0xA040, "VS_CP_RPT"),
    (0xA044, "VS_ARPC"),
    (0xA048, "VS_FR_LBK"),
    (0xA04C, "VS_LPBK_STAT"),
    (0xA050, "VS_SET_KEY"),
    (0xA054, "VS_MFG_STRING"),
    (0xA058, "VS_RD_CBLOCK"),
    (0xA05C, "VS_SET_SDRAM"),
    (0xA060, "VS_HOST_ACTION"),
    (0xA068, "VS_OP_ATTRIBUTES"),
    (0xA06C, "VS_ENET_SETTINGS"),
    (0xA070, "VS_TONE_MAP_CHAR"),
    (0xA074, "VS_NW_INFO_STATS"),
    (0xA078, "VS_SLAVE_MEM"),
    (0xA07C, "VS_FAC_DEFAULTS"),
    (0xA084, "VS_MULTICAST_INFO"),
    (0xA088, "VS_CLASSIFICATION"),
    (0xA090, "VS_RX_TONE_MAP_CHAR"),
    (0xA094, "VS_SET_LED_BEHAVIOR"),
    (0xA098, "VS_WRITE_AND_EXECUTE_APPLET"),
    (0xA09C, "VS_MDIO_COMMAND"),
    (0xA0A0, "VS_SLAVE_REG"),
    (0xA0A4, "VS_BANDWIDTH_LIMITING"),
    (0xA0A8, "VS_SNID_OPERATION"),
    (0xA0AC, "VS_NN_MITIGATE"),
    (0xA0B0, "VS_MODULE_OPERATION"),
    (0xA0B4, "VS_DIAG_NETWORK_PROBE"),
    (0xA0B8, "VS_PL_LINK_STATUS"),
    (0xA0BC, "VS_GPIO_STATE_CHANGE"),
    (0xA0C0, "VS_CONN_ADD"),
    (0xA0C4, "VS_CONN_MOD"),
    (0xA0C8, "VS_CONN_REL"),
    (0xA0CC, "VS_CONN_INFO"),
    (0xA0D0, "VS_MULTIPORT_LNK_STA"),
    (0xA0DC, "VS_EM_ID_TABLE"),
    (0xA0E0, "VS_STANDBY"),
    (0xA0E4, "VS_SLEEPSCHEDULE"),
    (0xA0E8, "VS_SLEEPSCHEDULE_NOTIFICATION"),
    (0xA0F0, "VS_MICROCONTROLLER_DIAG"),
    (0xA0F8, "VS_GET_PROPERTY"),
    (0xA100, "VS_SET_PROPERTY"),
    (0xA104, "VS_PHYSWITCH_MDIO"),
    (0xA10C, "VS_SELFTEST_ONETIME_CONFIG"),
    (0xA110, "VS_SELFTEST_RESULTS"),
    (0xA114, "VS_MDU_TRAFFIC_STATS"),
    (0xA118, "VS_FORWARD_CONFIG"),
    (0xA14C, "VS_ATTEN_CHAR"),
    (0xA200, "VS_HYBRID_INFO"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_type_and_variant() {
        assert_eq!(name(MmType(0x6065), None), "CM_SLAC_PARAM.CNF");
        assert_eq!(name(MmType(0x6FA2), None), "MME_6FA0.IND");
        assert_eq!(name(MmType(0xA000), Some(OUI_QUALCOMM)), "VS_SW_VER.REQ");
        assert_eq!(name(MmType(0xA000), Some([0, 0, 1])), "MME_A000.REQ");
        assert_eq!(name(MmType(0xA14E), Some([0; 3])), "VS_ATTEN_CHAR.IND");
        assert_eq!(name(MmType(0x606F), None), "CM_ATTEN_CHAR.RSP");
    }
}
