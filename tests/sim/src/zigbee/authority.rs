//! The authority whose certificates the simulated devices have. It exists for tests alone.

use std::sync::atomic::{AtomicU64, Ordering};

use han::zigbee::key_establishment::{Identity, Suite, TestAuthority};

/// Octets that differ at every call and are the same in every run.
pub fn random(octets: &mut [u8]) -> bool {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    let mut state = CALLS
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for octet in octets {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *octet = state.to_be_bytes()[2];
    }
    true
}

/// The authority.
///
/// # Panics
/// Never: its private key is in range.
#[must_use]
#[allow(clippy::expect_used, reason = "a constant key that is in range")]
pub fn authority(suite: Suite) -> TestAuthority {
    let private = [0x17; 20];
    TestAuthority::new(suite, 0x7761_7474_6C65_0001, &private).expect("it is in range")
}

/// The identity of a device or a gateway.
#[must_use]
pub fn identity(suite: Suite, ieee: u64) -> Option<Identity> {
    authority(suite).identity(ieee, random).ok()
}
