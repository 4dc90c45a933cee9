//! The clusters: names, commands and attributes, one file per group of them.

mod calendar;
mod energy;
mod general;
pub mod id;
mod names;
mod ota;
mod security;
mod smart_energy;

pub use names::{attribute_name, cluster_name};

use super::Direction;
use crate::layout::{Field, Kind};

/// A command of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Which end sends it.
    pub direction: Direction,
    /// Its number.
    pub id: u8,
    /// Its name in the library.
    pub name: &'static str,
    /// What it carries.
    pub fields: &'static [Field],
}

/// The command that a cluster defines, if a table knows it.
///
/// Smart Energy's clusters mean the same in every profile: many plugs use them under 0104.
#[must_use]
pub fn command(cluster: u16, direction: Direction, id: u8) -> Option<&'static Command> {
    let table = match cluster {
        0x0003 => general::IDENTIFY,
        0x0004 => general::GROUPS,
        id::ON_OFF => general::ON_OFF,
        0x0008 => general::LEVEL,
        id::OTA_UPGRADE => ota::UPGRADE,
        0x0500 => security::IAS_ZONE,
        id::PRICE => energy::PRICE,
        id::LOAD_CONTROL => energy::LOAD_CONTROL,
        id::MESSAGING => smart_energy::MESSAGING,
        id::TUNNELING => smart_energy::TUNNELING,
        id::CALENDAR => calendar::CALENDAR,
        id::KEY_ESTABLISHMENT => smart_energy::KEY_ESTABLISHMENT,
        _ => return None,
    };
    table
        .iter()
        .find(|command| command.direction == direction && command.id == id)
}

const fn from_client(id: u8, name: &'static str, fields: &'static [Field]) -> Command {
    Command {
        direction: Direction::ClientToServer,
        id,
        name,
        fields,
    }
}

const fn from_server(id: u8, name: &'static str, fields: &'static [Field]) -> Command {
    Command {
        direction: Direction::ServerToClient,
        id,
        name,
        fields,
    }
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

const fn i8(name: &'static str) -> Field {
    Field::new(name, Kind::Signed(1))
}

const fn i16(name: &'static str) -> Field {
    Field::new(name, Kind::Signed(2))
}

const fn id16(name: &'static str) -> Field {
    Field::new(name, Kind::Id(2))
}

const fn id32(name: &'static str) -> Field {
    Field::new(name, Kind::Id(4))
}

const fn text(name: &'static str) -> Field {
    Field::new(name, Kind::CharString)
}

const fn rest(name: &'static str) -> Field {
    Field::new(name, Kind::Rest)
}
