//! Ethernet frames of HomePlug AV through a packet socket (Linux, `packet(7)`).
//!
//! The kernel hands the socket frames of type 88E1 only, so no filter program is needed. Opening
//! one takes the capability CAP_NET_RAW and nothing else.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, SockaddrLike, SockaddrStorage, bind};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::homeplug::ETHERTYPE;

/// The longest Ethernet frame without its check sequence.
const LONGEST_FRAME: usize = 1518;

/// Why no socket could be opened; says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such interface.
    #[error("there is no network interface {name}; there are {known}")]
    NoInterface {
        /// As it was asked for.
        name: String,
        /// Those with an Ethernet address, with commas.
        known: String,
    },
    /// The capability is missing.
    #[error(
        "raw frames need the capability CAP_NET_RAW: under systemd, \
         AmbientCapabilities=CAP_NET_RAW; on a desk, sudo setcap cap_net_raw+ep on the program"
    )]
    NotPermitted,
    /// Something else.
    #[error("interface {name}: {source}")]
    Io {
        /// Which interface.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A socket for the frames of HomePlug AV on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    // Not UDP: the type serves for its plain send(2) and recv(2), without unsafe code.
    socket: UdpSocket,
    mac: [u8; 6],
}

impl PacketSocket {
    /// Opens a socket on the interface of that name. It must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no such interface, or the process may not.
    pub fn open(interface: &str) -> Result<Self, OpenError> {
        Self::open_type(interface, ETHERTYPE)
    }

    /// The same for frames of another Ethernet type.
    ///
    /// # Errors
    /// As [`PacketSocket::open`].
    pub fn open_type(interface: &str, ethertype: u16) -> Result<Self, OpenError> {
        let io_error = |source: io::Error| {
            if source.kind() == io::ErrorKind::PermissionDenied {
                OpenError::NotPermitted
            } else {
                OpenError::Io {
                    name: interface.to_owned(),
                    source,
                }
            }
        };
        let address = link_address(interface).map_err(io_error)?;
        let address = address.ok_or_else(|| OpenError::NoInterface {
            name: interface.to_owned(),
            known: known_interfaces(),
        })?;
        let mac = address.addr().unwrap_or_default();
        let protocol = Protocol::from(i32::from(ethertype.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).map_err(io_error)?;
        socket.set_nonblocking(true).map_err(io_error)?;
        bind(socket.as_raw_fd(), &address).map_err(|error| io_error(error.into()))?;
        let socket = std::net::UdpSocket::from(OwnedFd::from(socket));
        Ok(Self {
            socket: UdpSocket::from_std(socket).map_err(io_error)?,
            mac,
        })
    }

    /// The interface's own address.
    #[must_use]
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Waits for the next frame, without its check sequence. It can be cancelled at any time.
    ///
    /// # Errors
    /// When the interface is gone.
    pub async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; LONGEST_FRAME];
        let length = self.socket.recv(&mut frame).await?;
        frame.truncate(length);
        Ok(frame)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the interface is down or gone.
    pub async fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send(frame).await.map(|_| ())
    }
}

fn link_address(interface: &str) -> io::Result<Option<LinkAddr>> {
    let found = getifaddrs()?
        .filter(|candidate| candidate.interface_name == interface)
        .find_map(|candidate| link(candidate.address?));
    Ok(found)
}

fn link(address: SockaddrStorage) -> Option<LinkAddr> {
    address.family()?;
    address.as_link_addr().copied()
}

fn known_interfaces() -> String {
    let Ok(all) = getifaddrs() else {
        return "none".to_owned();
    };
    let named = all.filter_map(|candidate| {
        link(candidate.address?)?;
        Some(candidate.interface_name)
    });
    named.collect::<Vec<_>>().join(", ")
}
