//! Decade 7: history and event log (C12.19, tables 71 to 76).

use serde::Serialize;

use super::TableError;
use super::format::ClockTime;
use super::general::GeneralConfiguration;
use super::reader::Reader;
use crate::key::hex;

/// Table 71, actual log limiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActualLog {
    /// Entries carry a number common to both logs.
    pub event_number_flag: bool,
    /// Entries of the history log carry their time.
    pub hist_date_time_flag: bool,
    /// Entries of the history log carry a sequence number.
    pub hist_seq_nbr_flag: bool,
    /// The history log stops when it is full.
    pub hist_inhibit_ovf_flag: bool,
    /// The event log stops when it is full.
    pub event_inhibit_ovf_flag: bool,
    /// Octets of the set of standard events.
    pub nbr_std_events: u8,
    /// Octets of the set of the maker's events.
    pub nbr_mfg_events: u8,
    /// Octets of the argument of a history entry.
    pub hist_data_length: u8,
    /// Octets of the argument of an event entry.
    pub event_data_length: u8,
    /// Entries of the history log.
    pub nbr_history_entries: u16,
    /// Entries of the event log.
    pub nbr_event_entries: u16,
}

impl ActualLog {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, TableError> {
        let flags = reader.u8()?;
        let flag = |bit: u8| flags >> bit & 1 == 1;
        Ok(Self {
            event_number_flag: flag(0),
            hist_date_time_flag: flag(1),
            hist_seq_nbr_flag: flag(2),
            hist_inhibit_ovf_flag: flag(3),
            event_inhibit_ovf_flag: flag(4),
            nbr_std_events: reader.u8()?,
            nbr_mfg_events: reader.u8()?,
            hist_data_length: reader.u8()?,
            event_data_length: reader.u8()?,
            nbr_history_entries: reader.u16()?,
            nbr_event_entries: reader.u16()?,
        })
    }
}

/// Table 72, events the device knows; tables 73 and 75 begin likewise and tell which are logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Events {
    /// Numbers of standard events.
    pub std_events: Vec<u16>,
    /// Numbers of the maker's events.
    pub mfg_events: Vec<u16>,
    /// Tables 73 and 75: standard tables whose change is logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std_tables: Option<Vec<u16>>,
    /// Tables 73 and 75: the maker's tables whose change is logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfg_tables: Option<Vec<u16>>,
    /// Tables 73 and 75: standard procedures whose use is logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std_procedures: Option<Vec<u16>>,
    /// Tables 73 and 75: the maker's procedures whose use is logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfg_procedures: Option<Vec<u16>>,
}

impl Events {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualLog,
        logged: Option<&GeneralConfiguration>,
    ) -> Result<Self, TableError> {
        let std_events = reader.set(limits.nbr_std_events.into())?;
        let mfg_events = reader.set(limits.nbr_mfg_events.into())?;
        let mut set = |count: Option<u8>| count.map(|count| reader.set(count.into())).transpose();
        Ok(Self {
            std_events,
            mfg_events,
            std_tables: set(logged.map(|general| general.dim_std_tbls_used))?,
            mfg_tables: set(logged.map(|general| general.dim_mfg_tbls_used))?,
            std_procedures: set(logged.map(|general| general.dim_std_proc_used))?,
            mfg_procedures: set(logged.map(|general| general.dim_mfg_proc_used))?,
        })
    }
}

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Table 74.
    History,
    /// Table 76.
    Event,
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// When it happened, by the device's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: ClockTime,
    /// Number common to both logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_number: Option<u16>,
    /// Number within this log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u16>,
    /// Who did it: 0 the device itself, 1 by hand.
    pub user_id: u16,
    /// What happened: number of the event, 0 to 2047.
    pub code: u16,
    /// The number is the maker's own.
    pub mfg: bool,
    /// More about it, as hex.
    pub argument: String,
}

/// Table 74 or 76, the entries of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// The newest entry comes first.
    pub descending: bool,
    /// Entries were lost.
    pub overflow: bool,
    /// The log is a ring.
    pub circular: bool,
    /// Entries that count.
    pub nbr_valid_entries: u16,
    /// Index of the newest.
    pub last_entry_element: u16,
    /// Its sequence number.
    pub last_entry_seq_nbr: u32,
    /// Entries nobody has read yet.
    pub nbr_unread_entries: u16,
    /// All entries that were sent, those that do not count, too.
    pub entries: Vec<LogEntry>,
}

impl Log {
    /// Reads table 74 or 76; entries that were not sent are left out.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualLog,
        which: Which,
    ) -> Result<Self, TableError> {
        let flags = reader.u8()?;
        let flag = |bit: u8| flags >> bit & 1 == 1;
        let history = which == Which::History;
        let (declared, argument) = if history {
            (limits.nbr_history_entries, limits.hist_data_length)
        } else {
            (limits.nbr_event_entries, limits.event_data_length)
        };
        let timed = !history || limits.hist_date_time_flag;
        let sequenced = !history || limits.hist_seq_nbr_flag;
        let nbr_valid_entries = reader.u16()?;
        let last_entry_element = reader.u16()?;
        let last_entry_seq_nbr = reader.u32()?;
        let nbr_unread_entries = reader.u16()?;
        let entries = reader.many(declared.into(), |reader| {
            let time = timed.then(|| reader.long_time()).transpose()?.flatten();
            let mut number = |flag: bool| flag.then(|| reader.u16()).transpose();
            let event_number = number(limits.event_number_flag)?;
            let sequence = number(sequenced)?;
            let user_id = reader.u16()?;
            let code = reader.u16()?;
            Ok(LogEntry {
                time,
                event_number,
                sequence,
                user_id,
                code: code & 0x7FF,
                mfg: code >> 11 & 1 == 1,
                argument: hex(reader.take(argument.into())?),
            })
        })?;
        Ok(Self {
            descending: flag(0),
            overflow: flag(1),
            circular: flag(2),
            nbr_valid_entries,
            last_entry_element,
            last_entry_seq_nbr,
            nbr_unread_entries,
            entries,
        })
    }
}
