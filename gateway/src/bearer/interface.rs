//! Interfaces as the kernel tells of them: `/sys/class/net` and their addresses.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use wattle_api::BearerState;

/// An interface at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Absent, down, without an address, or ready.
    pub(super) state: BearerState,
    pub(super) sent: u64,
    pub(super) received: u64,
}

/// Looks at an interface.
pub(super) fn look(name: &str) -> Seen {
    look_in(Path::new("/sys/class/net"), name, has_address(name))
}

fn look_in(root: &Path, name: &str, has_address: bool) -> Seen {
    let folder = root.join(name);
    let text = |file: &str| -> Option<String> {
        let path: PathBuf = folder.join(file);
        std::fs::read_to_string(path).ok()
    };
    let count = |file: &str| text(file).and_then(|text| text.trim().parse().ok());
    let state = if !folder.exists() {
        BearerState::Absent
    } else if text("carrier").is_none_or(|carrier| carrier.trim() != "1") {
        // Of one that is switched off the file cannot be read.
        BearerState::Down
    } else if !has_address {
        BearerState::NoAddress
    } else {
        BearerState::Ready
    };
    Seen {
        state,
        sent: count("statistics/tx_bytes").unwrap_or(0),
        received: count("statistics/rx_bytes").unwrap_or(0),
    }
}

/// True when it has an address that leads further than the link.
fn has_address(name: &str) -> bool {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let own = interfaces.filter(|interface| interface.interface_name == name);
    own.filter_map(|interface| interface.address)
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())))
        })
        .any(|address| match address {
            IpAddr::V4(address) => !address.is_link_local() && !address.is_unspecified(),
            IpAddr::V6(address) => !address.is_unicast_link_local() && !address.is_unspecified(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_read_as_the_kernel_writes_it() {
        let root = tempfile::tempdir().unwrap();
        let seen = |has_address| look_in(root.path(), "wwan0", has_address);
        assert_eq!(seen(true).state, BearerState::Absent);
        let statistics = root.path().join("wwan0/statistics");
        std::fs::create_dir_all(&statistics).unwrap();
        assert_eq!(seen(true).state, BearerState::Down);
        std::fs::write(root.path().join("wwan0/carrier"), "0\n").unwrap();
        assert_eq!(seen(true).state, BearerState::Down);
        std::fs::write(root.path().join("wwan0/carrier"), "1\n").unwrap();
        assert_eq!(seen(false).state, BearerState::NoAddress);
        std::fs::write(statistics.join("tx_bytes"), "123\n").unwrap();
        std::fs::write(statistics.join("rx_bytes"), "18446744073709551615\n").unwrap();
        let want = Seen {
            state: BearerState::Ready,
            sent: 123,
            received: u64::MAX,
        };
        assert_eq!(seen(true), want);
    }

    #[test]
    fn the_machine_s_own_loopback_has_an_address() {
        assert!(has_address("lo"));
        assert!(!has_address("no such interface"));
    }
}
