//! What the coordinator asks of a radio stick, whoever made it.

use std::fmt;
use std::time::Instant;

use super::{Aps, ChannelEnergy, Incoming, Join, Network, Stack};

/// Octets to send, what happened, and the time: like every session, a radio is told and asked.
///
/// It begins with [`Radio::start`] and tells [`RadioEvent::Found`]; the coordinator decides what
/// becomes of that network. [`RadioEvent::Lost`] ends it until it is started again.
pub(super) trait Radio: fmt::Debug + Send {
    /// Whose firmware it speaks to.
    fn stack(&self) -> Stack;

    /// Begins anew, after the port was opened.
    fn start(&mut self, now: Instant);

    /// Looks at the network that works once more; [`RadioEvent::Found`] tells.
    fn look(&mut self, now: Instant);

    /// Carries the network that was found on; [`RadioEvent::Up`] tells.
    fn carry_on(&mut self, now: Instant);

    /// Erases the network that was found; [`RadioEvent::Erased`] tells.
    fn erase(&mut self, now: Instant);

    /// Forms a network on an empty stick; one that is `restored` has devices already.
    /// [`RadioEvent::Up`] tells it as the stick has it.
    fn form(&mut self, network: &Network, restored: bool, now: Instant);

    /// Reads the frame counter; [`RadioEvent::Snapshot`] tells.
    fn snapshot(&mut self, now: Instant);

    /// Sends a message; [`RadioEvent::Sent`] tells how it went. False when it cannot be asked.
    fn send(&mut self, message: Outgoing, now: Instant) -> bool;

    /// Lets devices in for so many seconds, through every router or through one.
    fn permit(&mut self, seconds: u8, through: Option<u16>, without_code: bool, now: Instant);

    /// Lets one device join with a key of its own.
    fn allow(&mut self, ieee: u64, key: &[u8; 16], now: Instant);

    /// Takes the key that the coordinator and one device have come to, for a place of its table.
    fn link_key(&mut self, place: u8, device: (u64, u16), key: &[u8; 16], now: Instant);

    /// Measures how busy the channels are; [`RadioEvent::Energy`] tells.
    fn scan(&mut self, now: Instant);

    /// Tells all devices the network's next key; [`RadioEvent::KeyTold`] follows. False when it
    /// cannot be asked.
    fn tell_key(&mut self, key: &[u8; 16], sequence: u8, now: Instant) -> bool;

    /// Uses the key that was told; [`RadioEvent::KeyUsed`] follows. False when it cannot be asked.
    fn use_key(&mut self, sequence: u8, now: Instant) -> bool;

    /// Takes octets that came.
    fn handle_octets(&mut self, octets: &[u8], now: Instant);

    /// Takes note that `now` has come.
    fn handle_timeout(&mut self, now: Instant);

    /// The next octets to send.
    fn poll_transmit(&mut self) -> Option<Vec<u8>>;

    /// The next thing that happened.
    fn poll_event(&mut self) -> Option<RadioEvent>;

    /// When `handle_timeout` must be called at the latest.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// A message to one device.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// By this [`RadioEvent::Sent`] names it, 1 to 255.
    pub(super) tag: u8,
    pub(super) nwk: u16,
    pub(super) aps: Aps,
    pub(super) payload: Vec<u8>,
}

/// What a radio tells.
#[derive(Debug)]
pub(super) enum RadioEvent {
    /// The stick has been looked at: the network that it carries.
    Found(Option<Network>),
    /// The network works.
    Up(Network),
    /// The stick is empty now.
    Erased,
    /// The network with its counter as it stands.
    Snapshot(Network),
    /// Whether devices were told the next key.
    KeyTold(bool),
    /// Whether the next key is used.
    KeyUsed(bool),
    /// What became of a message.
    Sent { tag: u8, delivered: bool },
    /// A message came.
    Incoming(Incoming),
    /// A device came or went.
    Device { ieee: u64, nwk: u16, join: Join },
    /// How busy the channels are.
    Energy(Vec<ChannelEnergy>),
    /// It does not do what it should.
    Lost(String),
}
