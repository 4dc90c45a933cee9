//! The Ethernet ports of the adapters: packet sockets on the far ends of veth pairs.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use anyhow::Context;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvfrom, send,
    socket,
};

use super::line::PowerLine;

/// A frame that this process has sent itself (`packet(7)`).
const PACKET_OUTGOING: u8 = 4;

/// Serves adapters on the interfaces, in their order, until a socket fails.
///
/// # Errors
/// When an interface does not exist, or raw sockets are not permitted.
pub fn serve(
    interfaces: &[String],
    mut line: PowerLine,
    ready: impl FnOnce(),
) -> anyhow::Result<()> {
    let ports = interfaces
        .iter()
        .map(|name| open(name))
        .collect::<anyhow::Result<Vec<_>>>()?;
    ready();
    let mut buffer = vec![0; 2048];
    loop {
        let mut waiting: Vec<PollFd<'_>> = ports
            .iter()
            .map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN))
            .collect();
        poll(&mut waiting, PollTimeout::NONE).context("cannot wait for frames")?;
        for (index, port) in ports.iter().enumerate() {
            while let Some(frame) = receive(port, &mut buffer)? {
                for (to, frame) in line.handle(index, &frame, Instant::now()) {
                    if let Some(port) = ports.get(to) {
                        // A port that is down loses what is sent to it, as a cable does.
                        let _ = send(port.as_raw_fd(), &frame, MsgFlags::empty());
                    }
                }
            }
        }
    }
}

fn open(name: &str) -> anyhow::Result<OwnedFd> {
    let address = getifaddrs()?
        .filter(|candidate| candidate.interface_name == name)
        .find_map(|candidate| candidate.address?.as_link_addr().copied())
        .with_context(|| format!("there is no interface {name}"))?;
    let port = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )
    .context("cannot open a packet socket: CAP_NET_RAW is needed")?;
    bind(port.as_raw_fd(), &address).with_context(|| format!("cannot bind to {name}"))?;
    Ok(port)
}

/// The next frame of the host at the port; `None` when there is none at present.
fn receive(port: &OwnedFd, buffer: &mut [u8]) -> anyhow::Result<Option<Vec<u8>>> {
    loop {
        match recvfrom::<LinkAddr>(port.as_raw_fd(), buffer) {
            Ok((_, Some(from))) if from.pkttype() == PACKET_OUTGOING => {}
            Ok((length, _)) => return Ok(buffer.get(..length).map(<[u8]>::to_vec)),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR | Errno::ENETDOWN) => {}
            Err(error) => return Err(error).context("cannot receive frames"),
        }
    }
}
