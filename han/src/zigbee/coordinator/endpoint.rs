//! The coordinator's own endpoints, the same on every stick.

/// A part of the coordinator that devices can talk to.
pub(in crate::zigbee) struct Endpoint {
    /// Its number.
    pub(in crate::zigbee) id: u8,
    /// Its profile.
    pub(in crate::zigbee) profile: u16,
    /// What it is.
    pub(in crate::zigbee) device: u16,
    /// Clusters that it serves.
    pub(in crate::zigbee) inputs: &'static [u16],
    /// Clusters that it uses.
    pub(in crate::zigbee) outputs: &'static [u16],
}

/// One for devices of the home, one that is the energy services interface of Smart Energy.
pub(super) const ENDPOINTS: [Endpoint; 2] = [
    Endpoint {
        id: 1,
        profile: 0x0104,
        device: 0x0005,
        inputs: &[0x0000, 0x000A, 0x0019],
        outputs: &[0x0003, 0x0006, 0x0008, 0x0201, 0x0402, 0x0702, 0x0B04],
    },
    Endpoint {
        id: 2,
        profile: 0x0109,
        device: 0x0500,
        inputs: &[
            0x0000, 0x000A, 0x0700, 0x0701, 0x0702, 0x0703, 0x0704, 0x0705, 0x0707, 0x0800,
        ],
        outputs: &[0x0800],
    },
];
