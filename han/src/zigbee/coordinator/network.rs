//! A network as it is kept outside the stick, so that another stick can carry it on.

use std::fmt;

use zeroize::Zeroizing;

/// So much is added to a counter that is restored: what may have been sent since it was written.
pub(super) const COUNTER_MARGIN: u32 = 0x2000;

/// Whose firmware a stick runs: how the link keys of devices follow from the network's secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stack {
    /// Silicon Labs' EmberZNet: by hashing it with the device's address.
    #[default]
    EmberZnet,
    /// Texas Instruments' Z-Stack 3: by turning it and mixing it with the address.
    ZStack,
}

/// The key that a device shares with the trust centre, as the stick's tables tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey {
    /// The device.
    pub ieee: u64,
    /// Its key.
    pub key: Zeroizing<[u8; 16]>,
    /// Frames sent under it.
    pub sent: u32,
    /// The highest counter that came under it.
    pub received: u32,
}

/// What makes a network: whoever has it can carry it on, and can read it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Whose stick formed it.
    pub stack: Stack,
    /// Its 64-bit name.
    pub extended_pan: u64,
    /// Its 16-bit name.
    pub pan: u16,
    /// Its channel, 11 to 26.
    pub channel: u8,
    /// Counts changes of channel and name.
    pub update_id: u8,
    /// The key that all its devices have.
    pub key: Zeroizing<[u8; 16]>,
    /// The number of that key.
    pub key_sequence: u8,
    /// Frames sent under the key; never lower, or devices take what is sent for a replay.
    pub frame_counter: u32,
    /// The secret from which each device's link key follows.
    pub link_key: Zeroizing<[u8; 16]>,
    /// The keys of devices, where the stick keeps them in tables; EmberZNet makes them of the secret.
    pub link_keys: Vec<LinkKey>,
    /// The address of the stick that formed it.
    pub coordinator: u64,
}

impl Network {
    /// A network that does not exist yet, of random octets.
    #[must_use]
    pub fn from_random(channel: u8, random: &[u8; 42]) -> Self {
        let mut parts = random.iter().copied();
        let mut take = |count: usize| parts.by_ref().take(count).collect::<Vec<u8>>();
        let key = |octets: Vec<u8>| Zeroizing::new(octets.try_into().unwrap_or_default());
        Self {
            key: key(take(16)),
            link_key: key(take(16)),
            extended_pan: u64::from_le_bytes(take(8).try_into().unwrap_or_default()),
            // FFFF and FFFE mean something else (05-3474, 3.2.2.5).
            pan: u16::from_le_bytes(take(2).try_into().unwrap_or_default()) & 0x3FFF,
            channel,
            update_id: 0,
            key_sequence: 0,
            frame_counter: 0,
            ..Self::default()
        }
    }

    /// Whether this is the same network, wherever its counter stands.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (self.extended_pan, self.pan, &self.key) == (other.extended_pan, other.pan, &other.key)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("extended_pan", &format_args!("{:016x}", self.extended_pan))
            .field("pan", &format_args!("{:04x}", self.pan))
            .field("channel", &self.channel)
            .field("frame_counter", &self.frame_counter)
            .finish_non_exhaustive()
    }
}

/// How busy a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelEnergy {
    /// 11 to 26.
    pub channel: u8,
    /// The strongest that was heard, dBm; the lower, the better.
    pub energy_dbm: i8,
}

/// The channel to form on: the quietest of 15, 20 and 25, which lie between the usual channels of
/// wireless LAN, and of 11 to 24 only where one is quieter by 10 dB. Channel 26 is left out: many
/// devices send weakly on it or not at all.
#[must_use]
pub fn advise(scan: &[ChannelEnergy]) -> Option<u8> {
    let quietest = |channels: &[u8]| {
        let found = scan.iter().filter(|one| channels.contains(&one.channel));
        found
            .min_by_key(|one| (one.energy_dbm, one.channel))
            .copied()
    };
    let between = quietest(&[15, 20, 25]);
    let any = quietest(&[11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24]);
    match (between, any) {
        (Some(between), Some(any))
            if i16::from(any.energy_dbm) + 10 <= i16::from(between.energy_dbm) =>
        {
            Some(any.channel)
        }
        (Some(found), _) | (None, Some(found)) => Some(found.channel),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(energies: &[(u8, i8)]) -> Vec<ChannelEnergy> {
        let one = |&(channel, energy_dbm): &(u8, i8)| ChannelEnergy {
            channel,
            energy_dbm,
        };
        energies.iter().map(one).collect()
    }

    #[test]
    fn a_quiet_channel_between_those_of_wireless_lan_is_advised() {
        assert_eq!(
            advise(&scan(&[
                (11, -90),
                (15, -85),
                (20, -88),
                (25, -60),
                (26, -99)
            ])),
            Some(20)
        );
        assert_eq!(
            advise(&scan(&[(12, -95), (15, -60), (20, -55), (25, -58)])),
            Some(12)
        );
        assert_eq!(advise(&scan(&[(26, -99)])), None);
    }

    #[test]
    fn no_key_is_printed() {
        let network = Network::from_random(15, &[0xA5; 42]);
        assert!(
            !format!("{network:?}")
                .to_lowercase()
                .contains("a5a5a5a5a5a5a5a5a5a5")
        );
        assert!(network.pan < 0x4000);
    }
}
