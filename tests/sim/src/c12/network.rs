//! The same meter behind C12.22: each message is answered on its own, over TCP or UDP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use meter_link::c12::net::{
    ApTitle, Apdu, Element, Keys, Outgoing, Protection, Reassembler, Service, Splitter,
};
use meter_link::c12::service::{Request, ResponseCode};
use meter_link::key::Key;

use super::{Application, Config};
use crate::sml::unix_now;

/// What the meter is on its network.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its title.
    pub title: ApTitle,
    /// The key of EAX', with its number; messages are in clear text without.
    pub key: Option<(u8, Key)>,
    /// Octets of the longest unit it sends; longer answers are segmented.
    pub longest: usize,
}

/// A meter's answers to messages, without any connection.
#[derive(Debug)]
pub struct Responder {
    application: Application,
    network: Network,
    sent: u32,
}

impl Responder {
    /// A meter nobody talks to.
    #[must_use]
    pub const fn new(config: Config, network: Network) -> Self {
        Self {
            application: Application::new(config),
            network,
            sent: 0,
        }
    }

    /// The units that answer a message; none when it cannot be opened.
    pub fn answer(&mut self, apdu: &Apdu, unix_s: u64) -> Vec<Vec<u8>> {
        let keys: Keys = self.network.key.clone().into_iter().collect();
        let Ok(opened) = apdu.open(&keys) else {
            return Vec::new();
        };
        let Some(called) = apdu.calling.clone() else {
            return Vec::new();
        };
        let answers = opened.services.iter();
        let services = answers.map(|service| self.serve(service, unix_s)).collect();
        self.sent = self.sent.wrapping_add(1);
        let message = Outgoing {
            called,
            called_invocation_id: apdu.calling_invocation_id,
            calling: self.network.title.clone(),
            calling_invocation_id: 0x1000 + self.sent,
            services,
        };
        // A simulated meter may use a counter where a real one takes its clock.
        let protection = match &self.network.key {
            Some((key_id, key)) => Protection::Keyed {
                key,
                key_id: *key_id,
                iv: self.sent.to_be_bytes(),
                encrypt: true,
            },
            None => Protection::Clear,
        };
        match message.to_bytes(protection) {
            Ok(octets) => message.segments(&octets, self.network.longest),
            Err(_) => Vec::new(),
        }
    }

    fn serve(&mut self, service: &Service, unix_s: u64) -> Service {
        let answer = match service {
            Service::Request(request @ (Request::Read { .. } | Request::ReadOffset { .. })) => {
                self.application.read(request, unix_s)
            }
            // A message carries its own security, so that there is no session to be entered.
            Service::Request(
                Request::Logon { .. }
                | Request::Security { .. }
                | Request::Logoff
                | Request::Wait { .. },
            ) => vec![0],
            Service::Request(Request::Identify) => vec![0, 3, 1, 0, 0],
            _ => vec![2],
        };
        let (code, payload) = answer
            .split_first()
            .map_or((1, &[][..]), |(code, rest)| (*code, rest));
        Service::Response {
            code: ResponseCode(code),
            payload: payload.to_vec(),
        }
    }
}

/// A meter that listens on a TCP or UDP port. It stops when it is dropped.
#[derive(Debug)]
pub struct NetworkMeter {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NetworkMeter {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// There is no port, or no thread, to be had.
    pub fn start(config: Config, network: Network) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        Self::begin(address, move |stopped| {
            let mut responder = Responder::new(config, network);
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        // A connection that breaks is no matter of the next one.
                        let _ = serve(stream, &mut responder, stopped);
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
            }
        })
    }

    /// Works in a thread of its own until it is told to stop.
    fn begin(
        address: SocketAddr,
        work: impl FnOnce(&AtomicBool) + Send + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("c1222-meter".to_owned())
            .spawn(move || work(&stopped))?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    /// The same on a free UDP port: each unit is a datagram.
    ///
    /// # Errors
    /// There is no port, or no thread, to be had.
    pub fn on_datagrams(config: Config, network: Network) -> io::Result<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let address = socket.local_addr()?;
        Self::begin(address, move |stopped| {
            let mut responder = Responder::new(config, network);
            let mut buffer = vec![0; 64 * 1_024];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let heard = buffer.get(..length).unwrap_or_default();
                let Ok(apdu) = Apdu::parse(heard) else {
                    continue;
                };
                for unit in responder.answer(&apdu, unix_now()) {
                    // Whoever has gone hears nothing.
                    let _ = socket.send_to(&unit, from);
                }
            }
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for NetworkMeter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A meter that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, responder: &mut Responder, stop: &AtomicBool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut splitter = Splitter::new();
    let mut reassembler = Reassembler::new();
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let length = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut input = buffer.get(..length).unwrap_or_default();
        while let Some(event) = splitter.pull(&mut input) {
            let Element::Apdu(apdu, _) = event.element else {
                continue;
            };
            if let Ok(Some(apdu)) = reassembler.push(*apdu) {
                for unit in responder.answer(&apdu, unix_now()) {
                    stream.write_all(&unit)?;
                }
            }
        }
    }
    Ok(())
}
