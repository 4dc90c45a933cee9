//! R7: the stick is unplugged twenty times, and a network radio's connection dies without a word.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::daemon::Daemon;
use e2e::zigbee::{OUI, device, is, let_in, plug, start, stick};
use serde_json::json;
use wattle_sim::zigbee::{Ncp, mesh::Mesh, serve_tcp};

const PLUG: u64 = OUI | 0x01;
const ROUNDS: u32 = 20;

/// How long it takes until the network is in a state.
fn until(daemon: &Daemon, state: &str) -> anyhow::Result<Duration> {
    let since = Instant::now();
    is(daemon, state)?;
    Ok(since.elapsed())
}

/// The plug tells whether it is on.
fn tells(daemon: &Daemon, on: bool) -> anyhow::Result<()> {
    device(daemon, PLUG, "the plug", |told| {
        told.get("on") == Some(&json!(on))
    })?;
    Ok(())
}

fn switch(daemon: &Daemon, on: bool) -> anyhow::Result<()> {
    let order = json!({"ieee": format!("{PLUG:016x}"), "on": on});
    let (status, answer) = daemon.post("/api/v1/zigbee/switch", &order)?;
    ensure!(status.contains("200"), "{status} {answer}");
    tells(daemon, on)
}

#[test]
fn r7_twenty_replugs_lose_no_device() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("stick");
    let stick = stick(&link, vec![plug(PLUG, 900)])?;
    let daemon = start(folder.path(), &link.display().to_string())?;
    let_in(&daemon)?;
    tells(&daemon, true)?;
    let cable = stick.handle().context("it has a cable")?;
    let mut longest = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        cable.unplug()?;
        longest.0 = longest.0.max(until(&daemon, "offline")?);
        if round % 4 == 0 {
            // A chip may answer its first resets with an error.
            stick.ncp().faults.errors_at_start = 2;
        }
        cable.plug()?;
        longest.1 = longest.1.max(until(&daemon, "up")?);
    }
    switch(&daemon, false)?;
    println!(
        "{ROUNDS} replugs: told offline within {:?}, up again within {:?}, no device lost",
        longest.0, longest.1
    );
    Ok(())
}

/// A connection through a part of the network that can die without telling.
struct Cable {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
}

impl Cable {
    fn to(radio: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let cut = Arc::clone(&cut);
                std::thread::spawn(move || {
                    // Who hangs up ends the connection and nothing else.
                    let _ = carry(client, radio, &cut);
                });
            }
        });
        Ok(Self { address, is_cut })
    }
}

/// Carries octets both ways until the cable is cut; from then on this connection swallows them.
fn carry(mut client: TcpStream, radio: SocketAddr, is_cut: &AtomicBool) -> std::io::Result<()> {
    let mut radio = TcpStream::connect(radio)?;
    let mut buffer = [0; 512];
    for end in [&client, &radio] {
        end.set_read_timeout(Some(Duration::from_millis(2)))?;
        end.set_nodelay(true)?;
    }
    while !is_cut.load(Ordering::Relaxed) {
        if !pass(&mut client, &mut radio, &mut buffer)?
            || !pass(&mut radio, &mut client, &mut buffer)?
        {
            return Ok(());
        }
    }
    drop(radio);
    client.set_read_timeout(None)?;
    while client.read(&mut buffer)? > 0 {}
    Ok(())
}

fn pass(from: &mut TcpStream, to: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<bool> {
    match from.read(buffer) {
        Ok(0) => Ok(false),
        Ok(length) => {
            to.write_all(buffer.get(..length).unwrap_or_default())?;
            Ok(true)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

#[test]
fn r7_a_dead_connection_to_a_network_radio_is_noticed_and_made_anew() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mesh = Mesh::new(vec![plug(PLUG, 900)], 800_000_000);
    let radio = serve_tcp("127.0.0.1:0".parse()?, Ncp::new(14, mesh, Instant::now()))?;
    let cable = Cable::to(radio.address().context("it listens")?)?;
    let config = format!("[zigbee]\nport = \"tcp://{}\"\n", cable.address);
    let daemon = Daemon::start(folder.path(), &config)?;
    let_in(&daemon)?;
    tells(&daemon, true)?;
    cable.is_cut.store(true, Ordering::Relaxed);
    let noticed = until(&daemon, "offline")?;
    cable.is_cut.store(false, Ordering::Relaxed);
    let back = until(&daemon, "up")?;
    switch(&daemon, false)?;
    println!("a dead connection is noticed after {noticed:?} and made anew after {back:?}");
    Ok(())
}
