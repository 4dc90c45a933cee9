//! Decade 0: what the device is (C12.19, tables 00, 01, 03, 05).

use serde::Serialize;

use super::TableError;
use super::format::{CharFormat, DataOrder, Formats, IntFormat, NiFormat, TimeFormat};
use super::reader::Reader;
use crate::key::hex;

/// Table 00, general configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GeneralConfiguration {
    /// Order of the octets of numbers in tables.
    pub data_order: DataOrder,
    /// How texts are written.
    pub char_format: CharFormat,
    /// `MODEL_SELECT`; 0 is the only one assigned.
    pub model_select: u8,
    /// How times are written: 0 there is no clock, 1 BCD, 2 binary, 3 minutes, 4 seconds.
    pub tm_format: TimeFormat,
    /// Which partial accesses there are: bit 0 by offset, bit 1 by index.
    pub data_access_method: u8,
    /// 0: identifications are text, 1: BCD.
    pub id_form: u8,
    /// How negative integers are written.
    pub int_format: IntFormat,
    /// Format of `NI_FMAT1`.
    pub ni_format1: NiFormat,
    /// Format of `NI_FMAT2`.
    pub ni_format2: NiFormat,
    /// Maker (version 1 of the standard), if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Device class (version 2), as hex, if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_class: Option<String>,
    /// Gas, Water, Electric, or the code.
    pub nameplate_type: String,
    /// Number of the default set in use, 0 for none.
    pub default_set_used: u8,
    /// Longest parameters of a procedure, in octets.
    pub max_proc_parm_length: u8,
    /// Longest answer of a procedure, in octets.
    pub max_resp_data_len: u8,
    /// Version of the standard the tables follow.
    pub std_version_no: u8,
    /// Its revision.
    pub std_revision_no: u8,
    /// Octets of the set of standard tables.
    pub dim_std_tbls_used: u8,
    /// Octets of the set of the maker's tables.
    pub dim_mfg_tbls_used: u8,
    /// Octets of the set of standard procedures.
    pub dim_std_proc_used: u8,
    /// Octets of the set of the maker's procedures.
    pub dim_mfg_proc_used: u8,
    /// Octets of the maker's status in table 03.
    pub dim_mfg_status_used: u8,
    /// Entries of the pending status table.
    pub nbr_pending: u8,
    /// Standard tables the device has.
    pub std_tables_used: Vec<u16>,
    /// The maker's tables the device has, counted from 0.
    pub mfg_tables_used: Vec<u16>,
    /// Standard procedures the device has.
    pub std_proc_used: Vec<u16>,
    /// The maker's procedures the device has.
    pub mfg_proc_used: Vec<u16>,
    /// Standard tables that can be written.
    pub std_tables_write: Vec<u16>,
    /// The maker's tables that can be written.
    pub mfg_tables_write: Vec<u16>,
}

/// What holds before table 00 was read: it has neither numbers nor times in it.
pub(super) const UNKNOWN: Formats = Formats {
    order: DataOrder::Little,
    chars: CharFormat(1),
    time: TimeFormat(0),
    bcd_ids: false,
    int: IntFormat::TwosComplement,
    ni1: NiFormat(8),
    ni2: NiFormat(8),
};

impl GeneralConfiguration {
    /// Reads the table.
    pub(super) fn read(octets: &[u8]) -> Result<Self, TableError> {
        let mut reader = Reader::new(0, octets, UNKNOWN);
        let (control1, control2, control3) = (reader.u8()?, reader.u8()?, reader.u8()?);
        let maker = reader.take(4)?;
        let is_text = maker.iter().all(|octet| matches!(octet, 0x20..=0x7E));
        let nameplate_type = match reader.u8()? {
            0 => "Gas".to_owned(),
            1 => "Water".to_owned(),
            2 => "Electric".to_owned(),
            other => other.to_string(),
        };
        let default_set_used = reader.u8()?;
        let max_proc_parm_length = reader.u8()?;
        let max_resp_data_len = reader.u8()?;
        let std_version_no = reader.u8()?;
        let std_revision_no = reader.u8()?;
        let dim_std_tbls_used = reader.u8()?;
        let dim_mfg_tbls_used = reader.u8()?;
        let dim_std_proc_used = reader.u8()?;
        let dim_mfg_proc_used = reader.u8()?;
        let dim_mfg_status_used = reader.u8()?;
        let nbr_pending = reader.u8()?;
        Ok(Self {
            data_order: if control1 & 1 == 0 {
                DataOrder::Little
            } else {
                DataOrder::Big
            },
            char_format: CharFormat(control1 >> 1 & 7),
            model_select: control1 >> 4 & 7,
            tm_format: TimeFormat(control2 & 7),
            data_access_method: control2 >> 3 & 3,
            id_form: control2 >> 5 & 1,
            int_format: IntFormat::from_code(control2 >> 6),
            ni_format1: NiFormat(control3 & 15),
            ni_format2: NiFormat(control3 >> 4),
            manufacturer: is_text.then(|| UNKNOWN.chars.text(maker, UNKNOWN.order)),
            device_class: (!is_text).then(|| hex(maker)),
            nameplate_type,
            default_set_used,
            max_proc_parm_length,
            max_resp_data_len,
            std_version_no,
            std_revision_no,
            dim_std_tbls_used,
            dim_mfg_tbls_used,
            dim_std_proc_used,
            dim_mfg_proc_used,
            dim_mfg_status_used,
            nbr_pending,
            std_tables_used: reader.set(dim_std_tbls_used.into())?,
            mfg_tables_used: reader.set(dim_mfg_tbls_used.into())?,
            std_proc_used: reader.set(dim_std_proc_used.into())?,
            mfg_proc_used: reader.set(dim_mfg_proc_used.into())?,
            std_tables_write: reader.set(dim_std_tbls_used.into())?,
            mfg_tables_write: reader.set(dim_mfg_tbls_used.into())?,
        })
    }

    /// How this device writes what is in its tables.
    #[must_use]
    pub const fn formats(&self) -> Formats {
        Formats {
            order: self.data_order,
            chars: self.char_format,
            time: self.tm_format,
            bcd_ids: self.id_form == 1,
            int: self.int_format,
            ni1: self.ni_format1,
            ni2: self.ni_format2,
        }
    }
}

/// Table 01, general manufacturer identification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManufacturerIdentification {
    /// Maker.
    pub manufacturer: String,
    /// Model.
    pub ed_model: String,
    /// Version of the hardware.
    pub hw_version_no: u8,
    /// Revision of the hardware.
    pub hw_revision_no: u8,
    /// Version of the firmware.
    pub fw_version_no: u8,
    /// Revision of the firmware.
    pub fw_revision_no: u8,
    /// Serial number.
    pub serial_no: String,
}

impl ManufacturerIdentification {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, TableError> {
        Ok(Self {
            manufacturer: reader.text(4)?,
            ed_model: reader.text(8)?,
            hw_version_no: reader.u8()?,
            hw_revision_no: reader.u8()?,
            fw_version_no: reader.u8()?,
            fw_revision_no: reader.u8()?,
            serial_no: reader.id(16)?,
        })
    }
}

/// Table 03, mode and status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModeStatus {
    /// Bits: 0 metering, 1 test, 2 meter shop, 3 factory.
    pub ed_mode: u8,
    /// Status bits as sent; [`ModeStatus::conditions`] names them.
    pub std_status: u16,
    /// Names of the status bits that are set.
    pub conditions: Vec<&'static str>,
    /// The maker's status, as hex.
    pub mfg_status: String,
}

const CONDITIONS: [&str; 14] = [
    "unprogrammed",
    "configuration error",
    "self check error",
    "RAM failure",
    "ROM failure",
    "nonvolatile memory failure",
    "clock error",
    "measurement error",
    "low battery",
    "low loss potential",
    "demand overload",
    "power failure",
    "tamper detected",
    "reverse rotation",
];

impl ModeStatus {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        general: &GeneralConfiguration,
    ) -> Result<Self, TableError> {
        let ed_mode = reader.u8()?;
        let std_status = reader.u16()?;
        // ED_STD_STATUS2 is a placeholder of the standard.
        reader.u8()?;
        let mfg_status = hex(reader.take(general.dim_mfg_status_used.into())?);
        let conditions = CONDITIONS.iter().enumerate();
        Ok(Self {
            ed_mode,
            std_status,
            conditions: conditions
                .filter(|(bit, _)| std_status >> bit & 1 == 1)
                .map(|(_, name)| *name)
                .collect(),
            mfg_status,
        })
    }
}

/// Table 05, device identification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceIdentification {
    /// Identification given by the utility.
    pub device_id: String,
}

impl DeviceIdentification {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, TableError> {
        Ok(Self {
            device_id: reader.id(20)?,
        })
    }
}
