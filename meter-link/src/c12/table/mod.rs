//! Tables of utility devices (ANSI C12.19, the twin of IEEE 1377).
//!
//! What a table looks like depends on others: table 00 says how numbers are written, the limiting
//! table of a decade how many there are. [`Tables`] keeps what was read of a device and decodes a
//! table as soon as those it depends on are there.
//!
//! Decoded: 00, 01, 03, 05, 11, 12, 15 (electricity), 16, 21 to 25, 27, 28, 51 to 55, 61 to 67, 71
//! to 76. The rest is kept as octets.

use std::collections::BTreeMap;

use serde::Serialize;

mod clock;
pub mod format;
mod general;
mod log;
mod profile;
mod reader;
mod register;
mod source;
#[cfg(test)]
mod tests;

pub use clock::{
    ActualTimeOfUse, Calendar, Clock, NonRecurringDate, RecurringDate, TierSwitch, TimeOffset,
};
pub use general::{
    DeviceIdentification, GeneralConfiguration, ManufacturerIdentification, ModeStatus,
};
pub use log::{ActualLog, Events, Log, LogEntry};
pub use profile::{
    ActualProfile, FIRST_DATA_TABLE, ProfileBlock, ProfileChannel, ProfileControl,
    ProfileControlSet, ProfileData, ProfileInterval, ProfileLayout, ProfileRow, ProfileSet,
    ProfileStatus, ProfileStatusSet,
};
pub use register::{
    ActualRegisters, DataBlock, DataSelection, Demand, PresentData, PresentDemand,
    PresentSelection, RegisterData,
};
pub use source::{
    ActualSources, Constants, ConstantsTable, Ratios, Source, Sources, UnitOfMeasure,
    UnitsOfMeasure,
};

use log::Which;
use reader::Reader;

/// Octets of all tables of a device that are kept.
pub const MAX_OCTETS: usize = 4 * 1024 * 1024;

/// Why a table cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// It has not been read.
    #[error("table {0} has not been read")]
    NotRead(u16),
    /// It says nothing without another one.
    #[error("table {table} cannot be decoded without table {needs}")]
    Needs {
        /// The table.
        table: u16,
        /// What is missing.
        needs: u16,
    },
    /// Its layout is not known here.
    #[error("table {0} has no layout that is known here")]
    Unknown(u16),
    /// It ends before its last field.
    #[error("table {table} has {length} octets and its layout takes more")]
    Short {
        /// The table.
        table: u16,
        /// Its length.
        length: usize,
    },
    /// It has more octets than its layout.
    #[error("table {table} has {extra} octets more than its limiting table declares")]
    Long {
        /// The table.
        table: u16,
        /// How many.
        extra: usize,
    },
    /// A field holds what it must not.
    #[error("table {table}, octet {offset}: {rule}")]
    Malformed {
        /// The table.
        table: u16,
        /// Place behind the field.
        offset: usize,
        /// The rule.
        rule: &'static str,
    },
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident($type:ty)),+ $(,)?) => {
        /// A decoded table.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        pub enum Table {
            $($(#[$doc])* $name($type),)+
        }
    };
}

tables! {
    /// Table 00.
    GeneralConfiguration(Box<GeneralConfiguration>),
    /// Table 01.
    ManufacturerIdentification(ManufacturerIdentification),
    /// Table 03.
    ModeStatus(ModeStatus),
    /// Table 05.
    DeviceIdentification(DeviceIdentification),
    /// Table 11.
    ActualSources(ActualSources),
    /// Table 12.
    UnitsOfMeasure(UnitsOfMeasure),
    /// Table 15.
    Constants(ConstantsTable),
    /// Table 16.
    Sources(Sources),
    /// Table 21.
    ActualRegisters(ActualRegisters),
    /// Table 22.
    DataSelection(DataSelection),
    /// Tables 23 to 25.
    RegisterData(RegisterData),
    /// Table 27.
    PresentSelection(PresentSelection),
    /// Table 28.
    PresentData(PresentData),
    /// Table 51.
    ActualTimeOfUse(ActualTimeOfUse),
    /// Tables 52 and 55.
    Clock(Clock),
    /// Table 53.
    TimeOffset(TimeOffset),
    /// Table 54.
    Calendar(Calendar),
    /// Table 61.
    ActualProfile(ActualProfile),
    /// Table 62.
    ProfileControl(ProfileControl),
    /// Table 63.
    ProfileStatus(ProfileStatus),
    /// Tables 64 to 67.
    ProfileData(ProfileData),
    /// Table 71.
    ActualLog(ActualLog),
    /// Tables 72, 73 and 75.
    Events(Events),
    /// Tables 74 and 76.
    Log(Log),
}

/// A decoded table and what was left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The table.
    pub table: Table,
    /// Octets behind its last field. Later versions of the standard add fields at the end.
    pub extra: usize,
}

/// The tables read of one device.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    octets: BTreeMap<u16, Vec<u8>>,
    total: usize,
}

impl Tables {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a table in place of what was read of it before; false when all tables together would
    /// take more than [`MAX_OCTETS`], and then it is not kept.
    pub fn insert(&mut self, table: u16, octets: Vec<u8>) -> bool {
        let before = self.octets.get(&table).map_or(0, Vec::len);
        let total = self.total - before + octets.len();
        if total > MAX_OCTETS {
            return false;
        }
        self.total = total;
        self.octets.insert(table, octets);
        true
    }

    /// Forgets a table.
    pub fn remove(&mut self, table: u16) {
        if let Some(octets) = self.octets.remove(&table) {
            self.total -= octets.len();
        }
    }

    /// The octets of a table.
    #[must_use]
    pub fn octets(&self, table: u16) -> Option<&[u8]> {
        self.octets.get(&table).map(Vec::as_slice)
    }

    /// Table 00.
    ///
    /// # Errors
    /// It was not read, or is too short.
    pub fn general(&self) -> Result<GeneralConfiguration, TableError> {
        let octets = self.octets(0).ok_or(TableError::NotRead(0))?;
        GeneralConfiguration::read(octets)
    }

    /// Decodes a table.
    ///
    /// # Errors
    /// It, or one it depends on, was not read or does not follow its layout.
    pub fn decode(&self, table: u16) -> Result<Decoded, TableError> {
        let octets = self.octets(table).ok_or(TableError::NotRead(table))?;
        if table == 0 {
            let found = GeneralConfiguration::read(octets)?;
            let sets = 2
                * (usize::from(found.dim_std_tbls_used) + usize::from(found.dim_mfg_tbls_used))
                + usize::from(found.dim_std_proc_used)
                + usize::from(found.dim_mfg_proc_used);
            return Ok(Decoded {
                table: Table::GeneralConfiguration(Box::new(found)),
                extra: octets.len().saturating_sub(19 + sets),
            });
        }
        let general = self.general().map_err(|error| depends(table, error))?;
        let mut reader = Reader::new(table, octets, general.formats());
        let found = self.read(table, &mut reader, &general);
        let found = found.map_err(|error| depends(table, error))?;
        Ok(Decoded {
            table: found,
            extra: reader.left(),
        })
    }

    fn read(
        &self,
        table: u16,
        reader: &mut Reader<'_>,
        general: &GeneralConfiguration,
    ) -> Result<Table, TableError> {
        Ok(match table {
            1 => Table::ManufacturerIdentification(ManufacturerIdentification::read(reader)?),
            3 => Table::ModeStatus(ModeStatus::read(reader, general)?),
            5 => Table::DeviceIdentification(DeviceIdentification::read(reader)?),
            11 => Table::ActualSources(ActualSources::read(reader)?),
            12 => Table::UnitsOfMeasure(UnitsOfMeasure::read(reader, &self.sources_limits()?)?),
            15 => Table::Constants(ConstantsTable::read(reader, &self.sources_limits()?)?),
            16 => Table::Sources(Sources::read(reader, &self.sources_limits()?)?),
            21 => Table::ActualRegisters(ActualRegisters::read(reader)?),
            22 => Table::DataSelection(DataSelection::read(reader, &self.registers()?)?),
            23..=25 => {
                let earlier = table != 23;
                Table::RegisterData(RegisterData::read(reader, &self.registers()?, earlier)?)
            }
            27 => Table::PresentSelection(PresentSelection::read(reader, &self.registers()?)?),
            28 => Table::PresentData(PresentData::read(reader, &self.registers()?)?),
            51 => Table::ActualTimeOfUse(ActualTimeOfUse::read(reader)?),
            52 => Table::Clock(Clock::read(reader)?),
            53 => Table::TimeOffset(TimeOffset::read(reader)?),
            54 => Table::Calendar(Calendar::read(reader, &self.time_of_use()?)?),
            55 => Table::Clock(Clock::read_state(reader, self.time_of_use().ok().as_ref())?),
            61 => Table::ActualProfile(ActualProfile::read(reader, general)?),
            62 => Table::ProfileControl(ProfileControl::read(reader, &self.profile()?)?),
            63 => Table::ProfileStatus(ProfileStatus::read(reader, &self.profile()?)?),
            64..=67 => {
                let control = self.profile_control()?;
                let set = control.sets.iter().find(|set| set.table == table);
                let set = set.ok_or(TableError::Needs { table, needs: 62 })?;
                Table::ProfileData(ProfileData::read(reader, &self.profile()?, set)?)
            }
            71 => Table::ActualLog(ActualLog::read(reader)?),
            72 => Table::Events(Events::read(reader, &self.log()?, None)?),
            73 | 75 => Table::Events(Events::read(reader, &self.log()?, Some(general))?),
            74 => Table::Log(Log::read(reader, &self.log()?, Which::History)?),
            76 => Table::Log(Log::read(reader, &self.log()?, Which::Event)?),
            other => return Err(TableError::Unknown(other)),
        })
    }

    /// Octets of a block of load profile data table `table` (64 to 67), and of the whole table:
    /// what tables 00, 61 and 62 say.
    ///
    /// # Errors
    /// One of them was not read or does not follow its layout, or there is no such table.
    pub fn profile_size(&self, table: u16) -> Result<(usize, usize), TableError> {
        let formats = self.general()?.formats();
        let (limits, control) = (self.profile()?, self.profile_control()?);
        let set = limits.sets.iter().find(|set| set.table == table);
        let control = control.sets.iter().find(|set| set.table == table);
        let (set, control) = set
            .zip(control)
            .ok_or(TableError::Needs { table, needs: 61 })?;
        profile::size(&formats, &limits, set, control.int_fmt_cde).ok_or(TableError::Malformed {
            table: 62,
            offset: 0,
            rule: "the format of intervals is none of table 62's",
        })
    }

    /// What tables 61 to 63 say of load profile data table `table` (64 to 67); 52 and 53, where they
    /// were read, tell whether its times change in summer.
    ///
    /// # Errors
    /// One of them was not read or does not follow its layout.
    pub fn profile_layout(&self, table: u16) -> Result<ProfileLayout, TableError> {
        let needs = |needs| TableError::Needs { table, needs };
        let set = self.profile()?.sets.into_iter();
        let control = self.profile_control()?.sets.into_iter();
        let status = self.profile_status()?.sets.into_iter();
        Ok(ProfileLayout {
            set: { set }.find(|set| set.table == table).ok_or(needs(61))?,
            control: { control }
                .find(|set| set.table == table)
                .ok_or(needs(62))?,
            status: { status }.find(|set| set.table == table).ok_or(needs(63))?,
            summer_min: match (self.clock(), self.time_offset()) {
                (Ok(clock), Ok(offset)) if clock.dst_applied_flag => offset.dst_time_amt_min,
                _ => 0,
            },
        })
    }

    /// The rows of a load profile, oldest first: tables 00, 61, 62, 63 and `table` (64 to 67).
    ///
    /// # Errors
    /// One of them was not read or does not follow its layout.
    pub fn profile_rows(&self, table: u16) -> Result<Vec<ProfileRow>, TableError> {
        let layout = self.profile_layout(table)?;
        let Table::ProfileData(data) = self.decode(table)?.table else {
            return Err(TableError::Unknown(table));
        };
        let ages = (0..layout.status.valid_blocks(&layout.set)).rev();
        let blocks = ages.filter_map(|age| {
            let block = data.blocks.get(layout.status.place(&layout.set, age))?;
            Some(layout.rows(block, age))
        });
        Ok(blocks.flatten().collect())
    }
}

macro_rules! dependency {
    ($($(#[$doc:meta])* $name:ident: $table:literal $variant:ident $type:ty),+ $(,)?) => {
        impl Tables {
            $($(#[$doc])*
            ///
            /// # Errors
            /// It was not read, or does not follow its layout.
            pub fn $name(&self) -> Result<$type, TableError> {
                match self.decode($table)?.table {
                    Table::$variant(found) => Ok(found),
                    _ => Err(TableError::Unknown($table)),
                }
            })+
        }
    };
}

dependency! {
    /// Table 11.
    sources_limits: 11 ActualSources ActualSources,
    /// Table 12.
    units: 12 UnitsOfMeasure UnitsOfMeasure,
    /// Table 15.
    constants: 15 Constants ConstantsTable,
    /// Table 16.
    sources: 16 Sources Sources,
    /// Table 21.
    registers: 21 ActualRegisters ActualRegisters,
    /// Table 22.
    selection: 22 DataSelection DataSelection,
    /// Table 27.
    present_selection: 27 PresentSelection PresentSelection,
    /// Table 51.
    time_of_use: 51 ActualTimeOfUse ActualTimeOfUse,
    /// Table 52.
    clock: 52 Clock Clock,
    /// Table 53.
    time_offset: 53 TimeOffset TimeOffset,
    /// Table 61.
    profile: 61 ActualProfile ActualProfile,
    /// Table 62.
    profile_control: 62 ProfileControl ProfileControl,
    /// Table 63.
    profile_status: 63 ProfileStatus ProfileStatus,
    /// Table 71.
    log: 71 ActualLog ActualLog,
}

/// A table that was not read is what the asking one needs.
const fn depends(table: u16, error: TableError) -> TableError {
    match error {
        TableError::NotRead(needs) => TableError::Needs { table, needs },
        other => other,
    }
}
