//! Connections that leave through one interface (`SO_BINDTODEVICE`), whatever the routes prefer.

use std::io;

use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// A connection to a host, through an interface where one is named. The name is resolved as the
/// system does it.
///
/// # Errors
/// No address of the host is reached that way.
pub(crate) async fn connect(
    interface: Option<&str>,
    host: &str,
    port: u16,
) -> io::Result<TcpStream> {
    let Some(interface) = interface else {
        return TcpStream::connect((host, port)).await;
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((host, port)).await? {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.bind_device(Some(interface.as_bytes()))?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
