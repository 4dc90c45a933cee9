//! What is near by its address: in the house, or outside it.

use std::net::IpAddr;

/// True for addresses of private networks, of the link and of the machine itself (RFC 1918, 3927,
/// 4193, 4291).
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_private() || address.is_loopback() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// True for what is private, and for the networks that this machine is part of: a home's IPv6
/// addresses are global ones.
#[must_use]
pub fn is_in_house(address: IpAddr) -> bool {
    is_private(address)
        || networks().any(|(own, mask)| is_in_network(address.to_canonical(), own, mask))
}

/// This machine's addresses with the masks of their networks.
fn networks() -> impl Iterator<Item = (IpAddr, IpAddr)> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    interfaces.filter_map(|interface| {
        let ip = |storage: nix::sys::socket::SockaddrStorage| {
            let v4 = storage
                .as_sockaddr_in()
                .map(|socket| IpAddr::V4(socket.ip()));
            v4.or_else(|| {
                storage
                    .as_sockaddr_in6()
                    .map(|socket| IpAddr::V6(socket.ip()))
            })
        };
        Some((ip(interface.address?)?, ip(interface.netmask?)?))
    })
}

fn is_in_network(address: IpAddr, own: IpAddr, mask: IpAddr) -> bool {
    match (address, own, mask) {
        (IpAddr::V4(address), IpAddr::V4(own), IpAddr::V4(mask)) => {
            mask.to_bits() != 0 && (address.to_bits() ^ own.to_bits()) & mask.to_bits() == 0
        }
        (IpAddr::V6(address), IpAddr::V6(own), IpAddr::V6(mask)) => {
            mask.to_bits() != 0 && (address.to_bits() ^ own.to_bits()) & mask.to_bits() == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_private_networks_are_private() {
        for (address, private) in [
            ("127.0.0.1", true),
            ("192.168.1.20", true),
            ("10.9.8.7", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("169.254.3.4", true),
            ("8.8.8.8", false),
            ("::1", true),
            ("fe80::1", true),
            ("fd00::1", true),
            ("2001:db8::1", false),
            ("::ffff:192.168.1.20", true),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        }
    }

    #[test]
    fn a_network_is_as_large_as_its_mask() {
        for (address, own, mask, inside) in [
            ("203.0.113.77", "203.0.113.4", "255.255.255.0", true),
            ("203.0.114.77", "203.0.113.4", "255.255.255.0", false),
            (
                "2001:db8:1:2::9",
                "2001:db8:1:2::1",
                "ffff:ffff:ffff:ffff::",
                true,
            ),
            (
                "2001:db8:1:3::9",
                "2001:db8:1:2::1",
                "ffff:ffff:ffff:ffff::",
                false,
            ),
            (
                "203.0.113.77",
                "2001:db8:1:2::1",
                "ffff:ffff:ffff:ffff::",
                false,
            ),
            // Such a mask says nothing, as on a modem's line.
            ("203.0.113.77", "198.51.100.1", "0.0.0.0", false),
        ] {
            let [address, own, mask] = [address, own, mask].map(|text| text.parse().unwrap());
            assert_eq!(is_in_network(address, own, mask), inside, "{address} {own}");
        }
    }
}
