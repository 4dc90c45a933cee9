//! Others read the gateway over C12.22: our own client over TCP and UDP, table by table, and tshark,
//! which decrypts what went over the line and checks it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::lived::{SERIAL, live_through, quarters};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use meter_link::c12::interpret::Assignments;
use meter_link::c12::net::client::{Client, Config, Event};
use meter_link::c12::net::{ApTitle, Outgoing, Protection, Service};
use meter_link::c12::service::{Request, table_data};
use meter_link::c12::table::{Table, Tables};
use meter_link::key::Key;
use meter_link::key::hex;
use rust_decimal::Decimal;

const KEY: &str = "01020304050607080102030405060708";
const TITLE: &str = ".123.8437";
const CLIENT: &str = ".123.4";
const PATIENCE: Duration = Duration::from_secs(30);

/// How messages travel.
enum Line {
    Stream(TcpStream),
    Datagrams(UdpSocket),
}

/// A head-end, and every message that it sent (true) and heard.
struct HeadEnd {
    line: Line,
    client: Client,
    heard: Vec<(bool, Vec<u8>)>,
}

fn seconds() -> anyhow::Result<u32> {
    Ok(u32::try_from(Timestamp::now().as_second())?)
}

impl HeadEnd {
    fn new(line: Line, first_id: u32) -> anyhow::Result<Self> {
        match &line {
            Line::Stream(stream) => stream.set_read_timeout(Some(PATIENCE))?,
            Line::Datagrams(socket) => socket.set_read_timeout(Some(PATIENCE))?,
        }
        let mut config = Config::new(title(TITLE)?, title(CLIENT)?);
        config.key = Some((2, Key::from_hex(KEY)?));
        Ok(Self {
            line,
            client: Client::new(config, seconds()?, first_id),
            heard: Vec::new(),
        })
    }

    /// Reads tables; `None` for each that is refused, with its code.
    fn read(&mut self, asked: &[Request]) -> anyhow::Result<Vec<Result<Vec<u8>, u8>>> {
        let services = asked.iter().cloned().map(Service::Request).collect();
        self.client.request(services, Instant::now());
        let mut buffer = vec![0; 65_536];
        loop {
            match self.client.poll() {
                Some(Event::Send(octets)) => {
                    match &mut self.line {
                        Line::Stream(stream) => stream.write_all(&octets)?,
                        Line::Datagrams(socket) => drop(socket.send(&octets)?),
                    }
                    self.heard.push((true, octets));
                }
                Some(Event::Answer(answers)) => {
                    let data =
                        |(code, payload): (meter_link::c12::service::ResponseCode, Vec<u8>)| {
                            if code.0 != 0 {
                                return Ok(Err(code.0));
                            }
                            Ok(Ok(table_data(&payload)?.to_vec()))
                        };
                    return answers.into_iter().map(data).collect();
                }
                Some(other) => bail!("{other:?}"),
                None => match &mut self.line {
                    Line::Stream(stream) => {
                        let length = stream.read(&mut buffer)?;
                        anyhow::ensure!(length > 0, "the gateway hung up");
                        let octets = buffer.get(..length).unwrap_or_default();
                        self.client.handle_input(octets);
                        self.heard.push((false, octets.to_vec()));
                    }
                    Line::Datagrams(socket) => {
                        let length = socket.recv(&mut buffer)?;
                        let octets = buffer.get(..length).unwrap_or_default();
                        self.client.handle_datagram(octets);
                        self.heard.push((false, octets.to_vec()));
                    }
                },
            }
        }
    }
}

fn title(text: &str) -> anyhow::Result<ApTitle> {
    Ok(text.parse()?)
}

/// Reads every table that table 00 names.
fn tables(head_end: &mut HeadEnd) -> anyhow::Result<Tables> {
    let mut tables = Tables::new();
    let mut wanted = vec![0];
    while let Some(table) = wanted.pop() {
        let mut octets = head_end.read(&[Request::Read { table }])?;
        let octets = match octets.pop() {
            Some(Ok(octets)) => octets,
            // Over UDP a table that is too long is read in parts.
            Some(Err(0x10)) => in_parts(head_end, table)?,
            other => bail!("table {table}: {other:?}"),
        };
        anyhow::ensure!(tables.insert(table, octets), "table {table} is too long");
        if table == 0 {
            let Table::GeneralConfiguration(general) = tables.decode(0)?.table else {
                bail!("table 0 is another one");
            };
            wanted = general.std_tables_used;
            wanted.retain(|table| *table != 0);
        }
    }
    Ok(tables)
}

fn in_parts(head_end: &mut HeadEnd, table: u16) -> anyhow::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let mut count = 4_000;
    while count > 0 {
        let offset = u32::try_from(octets.len())?;
        let asked = Request::ReadOffset {
            table,
            offset,
            count,
        };
        match head_end.read(&[asked])?.pop() {
            Some(Ok(part)) => octets.extend(part),
            // Behind its end: less.
            Some(Err(5)) => count /= 2,
            other => bail!("table {table} at {offset}: {other:?}"),
        }
    }
    Ok(octets)
}

/// Registers and quarter-hours are those of the store.
fn compare(tables: &Tables, quarters: &[[i64; 3]]) -> anyhow::Result<()> {
    let Table::DeviceIdentification(device) = tables.decode(5)?.table else {
        bail!("no table 5");
    };
    assert_eq!(device.device_id, SERIAL);
    let found = tables.registers_of(23, &Assignments::new())?;
    let found: Vec<(String, Decimal)> = found
        .iter()
        .map(|entry| (entry.register.to_string(), entry.value.normalize()))
        .collect();
    // 54301577 + 576 * 1913 and 1000 + 576 * 7 tenths.
    let want = [("1-0:1.8.0*255", "5540346.5"), ("1-0:2.8.0*255", "503.2")];
    let want = want.map(|(register, value)| Ok((register.to_owned(), value.parse()?)));
    assert_eq!(found, want.into_iter().collect::<anyhow::Result<Vec<_>>>()?);

    let told = tables.profile_rows(64)?;
    let mut amounts: Vec<(i64, Vec<Decimal>)> = Vec::new();
    for row in told {
        let at = row
            .end
            .context("a row has no time")?
            .to_zoned(TimeZone::UTC)?;
        let channels: Option<Vec<Decimal>> = row.channels.into_iter().collect();
        // The day before the first reading is not known.
        if let Some(channels) = channels {
            amounts.push((at.timestamp().as_second(), channels));
        }
    }
    let want: Vec<(i64, Vec<Decimal>)> = quarters
        .windows(2)
        .filter_map(|pair| {
            let [[_, import, export], [end, import_end, export_end]] = pair else {
                return None;
            };
            // Tenths in millionths.
            let amount = |before: &i64, after: &i64| Decimal::from((after - before) * 100_000);
            Some((
                *end,
                vec![amount(import, import_end), amount(export, export_end)],
            ))
        })
        .collect();
    // The opening of the first one is in no row of the store that is read here.
    let from = amounts.len().saturating_sub(want.len());
    assert_eq!(amounts.get(from..), Some(want.as_slice()));
    assert!(
        want.len() > 180 && from <= 1,
        "{} and {from} more",
        want.len()
    );
    Ok(())
}

#[test]
fn a_head_end_reads_tables_and_tshark_decrypts_them() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    live_through(&folder.path().join("state"))?;
    let port = e2e::free_port()?;
    std::fs::write(folder.path().join("key"), KEY)?;
    let more = format!(
        "[[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {:?}\n\
         [c1222_server]\nlisten = \"127.0.0.1:{port}\"\nkey_id = 2\nkey = \"file:{}\"\n\
         titles = {{ house = {TITLE:?} }}\nclient = {CLIENT:?}\nconsent = \"test\"\n",
        folder.path().join("none"),
        folder.path().join("key").display(),
    );
    let daemon = Daemon::start(folder.path(), &more)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = eventually("it listens", Duration::from_secs(20), || {
        Ok(TcpStream::connect(address).ok())
    })?;
    let quarters = quarters(&daemon)?;
    let mut head_end = HeadEnd::new(Line::Stream(stream), 1_000)?;
    compare(&tables(&mut head_end)?, &quarters)?;
    let refused = head_end.read(&[
        Request::Read { table: 99 },
        Request::Write {
            table: 5,
            data: vec![0; 20],
        },
    ])?;
    assert_eq!(refused, [Err(4), Err(2)]);

    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    let mut datagrams = HeadEnd::new(Line::Datagrams(socket), 2_000)?;
    compare(&tables(&mut datagrams)?, &quarters)?;
    silence(address)?;
    eventually("the ledger says who read", PATIENCE, || {
        let told = daemon.json(wattle_api::LEDGER_PATH).unwrap_or_default();
        Ok(told
            .to_string()
            .contains("C12.22 client at 127.0.0.1")
            .then_some(()))
    })?;

    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: no tshark here; install the package tshark");
        return daemon.stop();
    }
    let mut messages = head_end.heard;
    messages.extend(datagrams.heard);
    second_opinion(folder.path(), &messages)?;
    daemon.stop()
}

/// Another key, clear text, and a message that came before are not answered: the next answer on
/// the line is that of a good message.
fn silence(address: SocketAddr) -> anyhow::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let message = |id| -> anyhow::Result<Outgoing> {
        Ok(Outgoing {
            called: title(TITLE)?,
            called_invocation_id: None,
            calling: title(CLIENT)?,
            calling_invocation_id: id,
            services: vec![Service::Request(Request::Read { table: 5 })],
        })
    };
    let (key, wrong) = (Key::from_hex(KEY)?, Key::from_hex(&"5a".repeat(16))?);
    let iv = seconds()?.to_be_bytes();
    let keyed = |key, encrypt| Protection::Keyed {
        key,
        key_id: 2,
        iv,
        encrypt,
    };
    let good = message(7)?.to_bytes(keyed(&key, true))?;
    let mut buffer = [0; 2_048];
    socket.send(&good)?;
    let first = socket.recv(&mut buffer)?;
    assert!(first > 0);
    for bad in [
        good,
        message(8)?.to_bytes(Protection::Clear)?,
        message(9)?.to_bytes(keyed(&key, false))?,
        message(10)?.to_bytes(keyed(&wrong, true))?,
    ] {
        socket.send(&bad)?;
    }
    socket.send(&message(11)?.to_bytes(keyed(&key, true))?)?;
    let length = socket.recv(&mut buffer)?;
    let answer = meter_link::c12::net::Apdu::parse(buffer.get(..length).unwrap_or_default())?;
    assert_eq!(answer.called_invocation_id, Some(11));
    Ok(())
}

/// tshark finds every check right, and the values where they were meant.
fn second_opinion(folder: &Path, messages: &[(bool, Vec<u8>)]) -> anyhow::Result<()> {
    let file = folder.join("c1222.pcap");
    std::fs::write(&file, capture(&whole(messages))?)?;
    let read = |key: &str| -> anyhow::Result<Vec<Vec<String>>> {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&file).args(["-T", "fields"]);
        command.args([
            "-o",
            "c1222.baseoid:2.16.124.113620.1.22.0",
            "-o",
            "c1222.decrypt:TRUE",
        ]);
        command.args(["-o", &format!("uat:c1222_decryption_table:\"2\",{key}")]);
        for field in [
            "c1222.crypto_good",
            "c1222.err",
            "c1222.data",
            "_ws.malformed",
        ] {
            command.args(["-e", field]);
        }
        let output = command.output()?;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        anyhow::ensure!(output.status.success(), "{complaint}");
        let text = String::from_utf8(output.stdout)?;
        let row = |line: &str| line.split('\t').map(str::to_owned).collect();
        Ok(text.lines().map(row).collect())
    };
    let lines = read(KEY)?;
    let field = |line: &Vec<String>, place: usize| line.get(place).cloned().unwrap_or_default();
    // A segment has neither check nor services; its whole follows it here.
    for line in &lines {
        let (good, malformed) = (field(line, 0), field(line, 3));
        assert!(good == "1" && malformed.is_empty(), "{line:?}");
    }
    // Table 23 as it stands in the store: 5540346.5 and 503.2 Wh in millionths.
    let registers = [5_540_346_500_000_u64, 503_200_000]
        .map(u64::to_le_bytes)
        .concat();
    let registers = hex(&registers);
    let told = lines
        .iter()
        .filter(|line| field(line, 2).contains(&registers))
        .count();
    assert_eq!(told, 2, "over TCP and over UDP");
    let blind = read(&"5a".repeat(16))?;
    assert!(blind.iter().all(|line| field(line, 0) != "1"));
    println!(
        "tshark decrypted {} messages and found every check right",
        lines.len()
    );
    Ok(())
}

/// Units as they were sent, whatever pieces they came in; answers in segments put together.
fn whole(messages: &[(bool, Vec<u8>)]) -> Vec<(bool, Vec<u8>)> {
    use meter_link::c12::net::{Body, Element, Splitter};
    let mut units = Vec::new();
    let (mut ours, mut theirs) = (Splitter::new(), Splitter::new());
    let mut parts = Vec::new();
    for (sent, octets) in messages {
        let mut input = octets.as_slice();
        let splitter = if *sent { &mut ours } else { &mut theirs };
        while let Some(event) = splitter.pull(&mut input) {
            let Element::Apdu(apdu, octets) = event.element else {
                continue;
            };
            match apdu.body {
                Body::Segment { total, data, .. } => {
                    parts.extend(data);
                    if parts.len() == total {
                        units.push((*sent, std::mem::take(&mut parts)));
                    }
                }
                Body::Epsem { .. } => units.push((*sent, octets)),
            }
        }
    }
    units
}

/// A capture of raw IP packets, a UDP datagram for each message.
fn capture(messages: &[(bool, Vec<u8>)]) -> anyhow::Result<Vec<u8>> {
    let mut out = 0xA1B2_C3D4_u32.to_le_bytes().to_vec();
    out.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(65_535_u32.to_le_bytes());
    out.extend(101_u32.to_le_bytes());
    for (sent, message) in messages {
        let (from, to) = if *sent {
            (40_000_u16, 1_153_u16)
        } else {
            (1_153, 40_000)
        };
        let length = u16::try_from(message.len() + 8)?;
        let mut packet = vec![0x45, 0];
        packet.extend((length + 20).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend(
            [
                from.to_be_bytes(),
                to.to_be_bytes(),
                length.to_be_bytes(),
                [0, 0],
            ]
            .concat(),
        );
        packet.extend(message);
        let length = u32::try_from(packet.len())?;
        out.extend([[0; 4], [0; 4], length.to_le_bytes(), length.to_le_bytes()].concat());
        out.extend(packet);
    }
    Ok(out)
}
