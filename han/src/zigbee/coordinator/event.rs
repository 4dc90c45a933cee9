//! What the coordinator tells, and the messages that it carries.

use super::Network;
use super::network::ChannelEnergy;

/// Where a message of the application goes or comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aps {
    /// The profile.
    pub profile: u16,
    /// The cluster.
    pub cluster: u16,
    /// The endpoint here.
    pub own_endpoint: u8,
    /// The endpoint there.
    pub endpoint: u8,
    /// Whether it is encrypted with the key that only the device and the coordinator have.
    pub secured: bool,
}

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Who sent it: the address in the network.
    pub nwk: u16,
    /// Where.
    pub aps: Aps,
    /// What it says.
    pub payload: Vec<u8>,
    /// How well it was heard, 0 to 255.
    pub lqi: u8,
}

/// Which message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub(super) u64);

/// How a device came into the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// It is new, or has been reset.
    New,
    /// It has come back.
    Again,
    /// It has gone.
    Left,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The network works; keep what makes it.
    Up {
        /// The network.
        network: Network,
        /// It was formed or restored just now.
        formed: bool,
    },
    /// The stick carries a network that is not ours; it is left alone.
    Foreign {
        /// Its 64-bit name.
        extended_pan: u64,
        /// Its 16-bit name.
        pan: u16,
        /// Its channel.
        channel: u8,
    },
    /// The stick is lost or does not do what it should; [`Coordinator::start`](super::Coordinator::start) begins anew.
    Lost(String),
    /// A device came or went.
    Device {
        /// Its address for life.
        ieee: u64,
        /// Its address in the network.
        nwk: u16,
        /// How.
        join: Join,
    },
    /// A message came.
    Incoming(Incoming),
    /// A message of ours has been acknowledged, or not.
    Sent {
        /// Which one.
        tag: Tag,
        /// Whether the device has it.
        delivered: bool,
    },
    /// How busy the channels are.
    Energy(Vec<ChannelEnergy>),
    /// What makes the network, with its counter as it stands.
    Snapshot(Network),
    /// Devices were told this key, which is used soon; keep it beside the present one.
    NextKey(Network),
    /// The stick does not exchange the network's key.
    KeyStays,
}
