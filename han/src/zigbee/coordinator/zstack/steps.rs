//! What is done one after the other to read, start, form and erase a network.

use std::collections::VecDeque;

use super::{ENDPOINTS, Network};
use crate::zigbee::matyas_meyer_oseas;
use crate::zigbee::znp::nv::{Address, ApsKey, SecurityMaterial, TcLinkKey, item, table};

/// The memory of a network that was just formed is looked at so often, once a second.
const SETTLES: u8 = 20;

/// One thing that is asked of the stick.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The address for life.
    Eui64,
    /// An item, which may be missing.
    Read(u16),
    /// The entries of a table from this one on.
    ReadTable(u16, u16),
    /// The information base, until it tells of a network; looked at so often at most.
    Settle(u8),
    /// An item is written, made when it is missing or has another length.
    Write(u16, Vec<u8>),
    /// The same, when its length is known to be right.
    WriteNow(u16, Vec<u8>),
    /// An entry of a table.
    WriteTable(u16, u16, Vec<u8>),
    /// An item is removed when it is there.
    Delete(u16),
    /// An item of that length is removed.
    DeleteNow(u16, u16),
    /// A request whose answer is a status that must be 0, or one of these.
    Ask(u16, Vec<u8>, &'static [u8]),
    /// A request that not every firmware knows.
    Try(u16, Vec<u8>),
    /// The stick starts again.
    Reset,
    /// The network works.
    AwaitUp,
}

impl std::fmt::Debug for Step {
    // What is written may be a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").finish_non_exhaustive()
    }
}

/// Reads what the memory tells of a network.
pub(super) fn look() -> VecDeque<Step> {
    VecDeque::from([
        Step::Eui64,
        Step::Read(item::NIB),
        Step::Read(item::IS_ON_A_NETWORK),
        Step::Read(item::ACTIVE_KEY),
        Step::Read(item::TC_LINK_KEY_SEED),
        Step::Read(item::APS_LINK_KEY_TABLE),
        Step::ReadTable(table::SECURITY_MATERIAL, 0),
        Step::ReadTable(table::TC_LINK_KEYS, 0),
        Step::ReadTable(table::ADDRESSES, 0),
        Step::ReadTable(table::APS_KEYS, 0),
    ])
}

/// Starts the network that the memory tells of.
pub(super) fn carry_on() -> VecDeque<Step> {
    let mut steps = VecDeque::from([
        // In 100 ms. 1: there was no state to restore, which the start itself will show.
        Step::Ask(0x0540, vec![100, 0], &[0, 1]),
        Step::AwaitUp,
        // All messages of the device objects are passed on.
        Step::Ask(0x053E, vec![0xFF, 0xFF], &[0]),
        // Devices of before Zigbee 3.0 do not ask for a key of their own; rejoining is allowed.
        Step::Try(0x0F09, vec![0]),
        Step::Try(0x0F03, vec![1]),
    ]);
    for own in ENDPOINTS {
        let mut register = vec![own.id];
        register.extend(own.profile.to_le_bytes());
        register.extend(own.device.to_le_bytes());
        // Version 0, no wishes for speed.
        register.extend([0, 0]);
        for clusters in [own.inputs, own.outputs] {
            register.push(u8::try_from(clusters.len()).unwrap_or(0));
            register.extend(clusters.iter().flat_map(|cluster| cluster.to_le_bytes()));
        }
        // B8: it is registered already.
        steps.push_back(Step::Ask(0x0400, register, &[0, 0xB8]));
    }
    steps
}

/// Forgets the network.
pub(super) fn erase() -> VecDeque<Step> {
    VecDeque::from([
        Step::Delete(item::IS_CONFIGURED),
        Step::Delete(item::IS_ON_A_NETWORK),
        Step::Delete(item::NIB),
        Step::Write(item::STARTUP_OPTION, vec![3]),
        Step::Reset,
        Step::Write(item::STARTUP_OPTION, vec![0]),
    ])
}

/// Forms a network on the wanted channel with a key and names that nobody uses.
pub(super) fn provisional(network: &Network) -> VecDeque<Step> {
    let secret = [&network.key[..], &network.link_key[..], b"provisional"].concat();
    let key = matyas_meyer_oseas(&secret).unwrap_or_default();
    let mut name = matyas_meyer_oseas(&key).unwrap_or_default().to_vec();
    name.truncate(8);
    let channels = 1_u32.checked_shl(network.channel.into()).unwrap_or(0);
    let channels = channels.to_le_bytes();
    let primary = [&[1][..], &channels].concat();
    VecDeque::from([
        Step::Write(item::STARTUP_OPTION, vec![0]),
        Step::Write(item::LOGICAL_TYPE, vec![0]),
        Step::Write(item::ZDO_DIRECT_CALLBACK, vec![1]),
        Step::Write(item::CONCENTRATOR_ENABLE, vec![1]),
        Step::Write(item::CONCENTRATOR_DISCOVERY, vec![120]),
        Step::Write(item::CHANNELS, channels.to_vec()),
        Step::Write(item::PAN, vec![0xFF, 0xFF]),
        Step::Write(item::EXTENDED_PAN, name.clone()),
        Step::Write(item::USE_EXTENDED_PAN, name),
        Step::Write(item::PRECONFIGURED_KEYS_ENABLE, vec![0]),
        Step::Write(item::PRECONFIGURED_KEY, key.to_vec()),
        Step::Ask(0x0F08, primary, &[0]),
        Step::Ask(0x0F08, vec![0, 0, 0, 0, 0], &[0]),
        // Forming alone.
        Step::Ask(0x0F05, vec![4], &[0]),
        Step::AwaitUp,
        Step::Settle(SETTLES),
        Step::Read(item::APS_LINK_KEY_TABLE),
        Step::ReadTable(table::SECURITY_MATERIAL, 0),
        Step::ReadTable(table::ADDRESSES, 0),
        Step::ReadTable(table::TC_LINK_KEYS, 0),
        Step::ReadTable(table::APS_KEYS, 0),
    ])
}

/// What entries of the table of addresses, of keys that follow from the seed and of other keys a
/// network has.
pub(super) struct Keys {
    pub(super) addresses: Vec<Address>,
    pub(super) hashed: Vec<TcLinkKey>,
    pub(super) own: Vec<ApsKey>,
    /// Places of addresses and of other keys.
    pub(super) table: Vec<(u16, u16)>,
}

/// A table as it is to be: these entries, and empty ones as far as it reaches.
pub(super) fn table_steps(
    id: u16,
    entries: Vec<Vec<u8>>,
    empty: &[u8],
    capacity: usize,
) -> impl Iterator<Item = Step> {
    let rest = capacity.saturating_sub(entries.len());
    let entries = entries
        .into_iter()
        .chain(std::iter::repeat_n(empty.to_vec(), rest));
    (0_u16..)
        .zip(entries)
        .map(move |(place, entry)| Step::WriteTable(id, place, entry))
}

/// The counter of a network, and no other.
pub(super) fn counter_entry(network: &Network) -> Vec<u8> {
    let entry = SecurityMaterial {
        frame_counter: network.frame_counter,
        extended_pan: network.extended_pan,
    };
    entry.octets()
}
