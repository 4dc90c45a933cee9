//! Control fields, who listens when, and messages to meters.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::mbus::{DeviceAddress, Header};
use crate::wmbus::ell::ExtendedLink;
use crate::wmbus::phy::LinkMode;

/// Bytes in front of the first CI field.
const LINK: usize = 10;
/// A transport layer to the meter with its long address and no application data.
pub(super) const CI_TO_METER: u8 = 0x80;

/// Control fields (EN 13757-4, clause 11.5.4).
pub mod control {
    /// To the meter: end the exchange.
    pub const SND_NKE: u8 = 0x40;
    /// To the meter: data, to be acknowledged.
    pub const SND_UD: u8 = 0x53;
    /// To the meter: class 1 data (alarms) are asked for.
    pub const REQ_UD1: u8 = 0x5A;
    /// To the meter: class 2 data are asked for.
    pub const REQ_UD2: u8 = 0x5B;
    /// To the meter: its installation is confirmed.
    pub const CNF_IR: u8 = 0x06;
    /// Either way: acknowledged.
    pub const ACK: u8 = 0x00;
    /// From the meter: data without being asked.
    pub const SND_NR: u8 = 0x44;
    /// From the meter: it has just been installed.
    pub const SND_IR: u8 = 0x46;
    /// From the meter: no data, but it listens.
    pub const ACC_NR: u8 = 0x47;
    /// From the meter: it has something important to say and wants to be asked.
    pub const ACC_DMD: u8 = 0x48;
    /// From the meter: data that were asked for.
    pub const RSP_UD: u8 = 0x08;
    /// The frame count bit of a request; it alternates.
    pub const FCB: u8 = 0x20;
    /// What a meter's answers may have set beside: access demand and flow control.
    pub const ANSWER_MASK: u8 = 0xCF;
}

/// When a meter can be reached (OMS Specification Volume 2, table 33).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// It only sends.
    Never,
    /// It listens at times, but not after this telegram.
    NotNow,
    /// It listens for a moment after this telegram.
    AfterThis,
    /// It always listens.
    Always,
}

impl Access {
    const fn of(bidirectional: bool, accessible: bool) -> Self {
        match (bidirectional, accessible) {
            (false, false) => Self::Never,
            (false, true) => Self::NotNow,
            (true, false) => Self::AfterThis,
            (true, true) => Self::Always,
        }
    }

    /// True when a message may be sent right after this telegram.
    #[must_use]
    pub const fn is_now(self) -> bool {
        matches!(self, Self::AfterThis | Self::Always)
    }
}

/// Whether the sender of a frame (L, C, M, A, CI …) listens now, and whether it wants the answer
/// fast, as its extended link layer or its transport header say.
#[must_use]
pub fn access(frame: &[u8]) -> (Access, bool) {
    let rest = frame.get(LINK..).unwrap_or_default();
    if let Some(Ok(extended)) = ExtendedLink::read(rest) {
        let bit = |mask: u8| extended.communication_control & mask != 0;
        return (Access::of(bit(0x80), bit(0x04)), bit(0x40));
    }
    let header = Header::read(rest);
    let field = header.map_or(0, |header| header.configuration.field);
    (Access::of(field & 0x8000 != 0, field & 0x4000 != 0), false)
}

/// The time after the end of a meter's telegram in which its answer must begin.
#[must_use]
pub const fn response_window(mode: LinkMode, fast: bool) -> Option<RangeInclusive<Duration>> {
    let (from_us, to_us) = match mode {
        LinkMode::T2 => (2_000, 3_000),
        LinkMode::S2 | LinkMode::R2 => (3_000, 50_000),
        LinkMode::C2 if fast => (99_500, 100_500),
        LinkMode::C2 => (999_500, 1_000_500),
        _ => return None,
    };
    Some(RangeInclusive::new(
        Duration::from_micros(from_us),
        Duration::from_micros(to_us),
    ))
}

/// A message from the gateway to a meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Control field.
    pub control: u8,
    /// The gateway.
    pub gateway: DeviceAddress,
    /// The meter.
    pub meter: DeviceAddress,
    /// The meter's access number, which the answer repeats.
    pub access_number: u8,
    /// What the meter is told, from its CI field on, sealed if need be; nothing but the meter's
    /// address when empty.
    pub body: Vec<u8>,
}

impl Message {
    /// The frame: L, C, M, A, CI … without link-layer CRCs; `None` when it is too long.
    #[must_use]
    pub fn to_frame(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0, self.control];
        frame.extend(self.gateway.to_link());
        if self.body.is_empty() {
            frame.push(CI_TO_METER);
            frame.extend(long_address(self.meter));
            frame.extend([self.access_number, 0, 0, 0]);
        } else {
            frame.extend_from_slice(&self.body);
        }
        let length = u8::try_from(frame.len() - 1).ok()?;
        *frame.first_mut()? = length;
        Some(frame)
    }
}

/// An address in the order of the long header.
pub(super) const fn long_address(meter: DeviceAddress) -> [u8; 8] {
    let [m0, m1, i0, i1, i2, i3, version, device_type] = meter.to_link();
    [i0, i1, i2, i3, m0, m1, version, device_type]
}
