//! The port of a radio stick: a serial port, or a TCP connection to one elsewhere.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_serial::{FlowControl, SerialPortBuilderExt, SerialStream};

/// How long a connection may take, and octets to leave.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open port.
#[derive(Debug)]
pub struct Stick(Port);

#[derive(Debug)]
enum Port {
    Serial(SerialStream),
    Tcp(TcpStream),
}

impl Stick {
    /// Opens a device file at a speed, 8N1, or `tcp://HOST:PORT`.
    ///
    /// # Errors
    /// What the system says.
    pub async fn open(place: &str, baud: u32, flow_control: bool) -> io::Result<Self> {
        if let Some(address) = place.strip_prefix("tcp://") {
            let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
            stream.set_nodelay(true)?;
            return Ok(Self(Port::Tcp(stream)));
        }
        let flow_control = if flow_control {
            FlowControl::Hardware
        } else {
            FlowControl::None
        };
        let port = tokio_serial::new(place, baud)
            .flow_control(flow_control)
            .open_native_async()?;
        Ok(Self(Port::Serial(port)))
    }

    /// Whether it is elsewhere in the network.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self.0, Port::Tcp(_))
    }

    /// Waits for octets. It can be cancelled at any time.
    ///
    /// # Errors
    /// When the port is gone.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match &mut self.0 {
            Port::Serial(port) => port.read(buffer).await?,
            Port::Tcp(stream) => stream.read(buffer).await?,
        };
        if length == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the other end hung up",
            ));
        }
        Ok(length)
    }

    /// Sends octets.
    ///
    /// # Errors
    /// When the port is gone, or takes nothing for five seconds.
    pub async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        let send = async {
            match &mut self.0 {
                Port::Serial(port) => port.write_all(octets).await,
                Port::Tcp(stream) => stream.write_all(octets).await,
            }
        };
        timeout(PATIENCE, send).await?
    }
}
