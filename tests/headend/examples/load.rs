//! How many sealed batches head-end workers take, and how long an acknowledgement takes:
//! gateways that are only keys post made-up quarter-hours through a real broker.
//!
//! `tests/bench/headend` prepares what this needs and says what came out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a measurement may fail"
)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::mpsc;
use wattle_relay::ack::Ack;
use wattle_relay::batch::{self, Row};
use wattle_relay::cose::{self, Context, EpochKey, Message};
use wattle_relay::{Certificate, Curve, PrivateKey, PublicKey, epoch, issue, to_pem};

const STREAM: &str = "7/1WSM0000000001/1-0:1.8.0*255";

#[derive(Parser)]
struct Args {
    /// The broker: host:port
    #[arg(long)]
    broker: String,
    /// The database, as libpq writes it
    #[arg(long)]
    database: String,
    /// Folder with headend.key and headend.crt
    #[arg(long)]
    folder: PathBuf,
    /// Workers
    #[arg(long)]
    workers: u32,
    /// Gateways
    #[arg(long, default_value_t = 200)]
    devices: u32,
    /// Batches of each gateway at full speed
    #[arg(long, default_value_t = 50)]
    batches: u64,
    /// Quarter-hours of a batch; a day unless said
    #[arg(long, default_value_t = 96)]
    rows: u64,
    /// Seconds at half speed, for the latency
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// A gateway that is only keys.
struct Device {
    name: String,
    key: PrivateKey,
    epoch: EpochKey,
    sent: u64,
    rows: u64,
}

impl Device {
    fn new(args: &Args, number: u32, recipient: &PublicKey) -> (Self, Vec<u8>) {
        let name = format!("load-{}-{number}", std::process::id());
        let key = PrivateKey::generate(Curve::P256).unwrap();
        let certificate =
            issue::self_signed(&key, &name, "20260101000000Z", "20460101000000Z").unwrap();
        let path = args.folder.join("devices").join(format!("{name}.crt"));
        std::fs::write(path, to_pem("CERTIFICATE", certificate.der())).unwrap();
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).unwrap();
        let epoch = EpochKey::new(1, &secret).unwrap();
        let announcement = epoch::announce(&name, &epoch, recipient, &key).unwrap();
        let device = Self {
            name,
            key,
            epoch,
            sent: 0,
            rows: args.rows,
        };
        (device, announcement)
    }

    /// Rows that it has sent.
    const fn last(&self) -> u64 {
        self.sent * self.rows
    }

    /// Its next batch.
    fn batch(&mut self) -> Vec<u8> {
        let first = self.last() + 1;
        let rows: Vec<Row> = (first..first + self.rows)
            .map(|seq| {
                let seq = i64::try_from(seq).unwrap();
                Row {
                    at_s: 1_767_225_600 + seq * 900,
                    value: rust_decimal::Decimal::new(54_301_577 + seq * 913 + seq % 17, 1),
                    status: 0,
                    captured_s: 0,
                }
            })
            .collect();
        let (format, payload) = batch::encode(30, &rows).unwrap();
        self.sent += 1;
        let context = Context {
            device: self.name.clone(),
            stream: STREAM.to_owned(),
            first,
            last: first + self.rows - 1,
        };
        let message = Message {
            context: &context,
            format: Some(format),
            payload: &payload,
        };
        cose::seal(message, &self.key, &self.epoch, cose::iv(1, self.sent)).unwrap()
    }
}

struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn worker(args: &Args) -> Worker {
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("wattle-headend");
    let child = Command::new(program)
        .args([
            "run",
            "--broker",
            &args.broker,
            "--database",
            &args.database,
        ])
        .arg("--folder")
        .arg(&args.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("wattle-headend is built");
    Worker(child)
}

/// The side of the gateways at the broker.
struct Gateways {
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<Publish>,
    devices: Vec<Device>,
    places: HashMap<String, usize>,
    trusted: PublicKey,
    /// Rows that are acknowledged, by gateway.
    through: Vec<u64>,
}

impl Gateways {
    /// Waits for the next acknowledgement; whose it is.
    async fn acknowledged(&mut self) -> usize {
        loop {
            let publish = self.heard.recv().await.expect("the broker");
            let label = cose::label(&publish.payload).unwrap();
            let Some(place) = self.places.get(&label.context.device).copied() else {
                continue;
            };
            let key = self.devices.get(place).unwrap().epoch.down();
            let trusted = std::slice::from_ref(&self.trusted);
            let opened = cose::open(&publish.payload, |_| Some(key.clone()), trusted).unwrap();
            let ack = Ack::decode(&opened.payload).unwrap();
            let through = self.through.get_mut(place).unwrap();
            *through = ack.through.max(*through);
            return place;
        }
    }

    /// Hands a message over.
    async fn post(&self, place: usize, octets: Vec<u8>) {
        let topic = format!("wattle/up/{}", self.devices[place].name);
        let posted = self.client.publish(topic, QoS::AtLeastOnce, false, octets);
        posted.await.unwrap();
    }
}

/// Drives the connection; what comes is handed on.
async fn drive(mut link: EventLoop, out: mpsc::UnboundedSender<Publish>) {
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = link.poll().await.expect("the broker") {
            let _ = out.send(publish);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args = Args::parse();
    std::fs::create_dir_all(args.folder.join("devices")).unwrap();
    let certificate = std::fs::read(args.folder.join("headend.crt")).unwrap();
    let trusted = Certificate::read(&certificate).unwrap().public().clone();
    let (host, port) = args.broker.rsplit_once(':').unwrap();
    let mut options = MqttOptions::new("gateways", host, port.parse().unwrap());
    options.set_connect_properties(ConnectProperties {
        max_packet_size: Some(256 * 1024),
        ..ConnectProperties::new()
    });
    options.set_outgoing_inflight_upper_limit(1_000);
    let (client, link) = AsyncClient::new(options, 1_000);
    client
        .subscribe("wattle/down/+", QoS::AtLeastOnce)
        .await
        .unwrap();
    let (devices, announcements): (Vec<_>, Vec<_>) = (0..args.devices)
        .map(|number| Device::new(&args, number, &trusted))
        .unzip();
    let (out, heard) = mpsc::unbounded_channel();
    tokio::spawn(drive(link, out));
    let mut gateways = Gateways {
        client,
        heard,
        places: devices
            .iter()
            .enumerate()
            .map(|(place, device)| (device.name.clone(), place))
            .collect(),
        through: vec![0; devices.len()],
        devices,
        trusted,
    };
    let _workers: Vec<Worker> = (0..args.workers).map(|_| worker(&args)).collect();
    // Workers that are not there yet would lose these: the first batch of each goes until it is taken.
    let mut first: Vec<(usize, Vec<u8>, Vec<u8>)> = announcements
        .into_iter()
        .zip(&mut gateways.devices)
        .enumerate()
        .map(|(place, (announcement, device))| (place, announcement, device.batch()))
        .collect();
    while !first.is_empty() {
        for (place, announcement, batch) in &first {
            gateways.post(*place, announcement.clone()).await;
            gateways.post(*place, batch.clone()).await;
        }
        let wait = tokio::time::sleep(Duration::from_secs(2));
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => break,
                _ = gateways.acknowledged() => {}
            }
        }
        first.retain(|(place, ..)| gateways.through[*place] == 0);
    }

    let mut sealed = Vec::new();
    for _ in 0..args.batches {
        for (place, device) in gateways.devices.iter_mut().enumerate() {
            sealed.push((place, device.batch()));
        }
    }
    let (count, octets) = (
        sealed.len(),
        sealed.iter().map(|(_, octets)| octets.len()).sum::<usize>(),
    );
    let began = Instant::now();
    for (place, octets) in sealed {
        gateways.post(place, octets).await;
    }
    while gateways
        .through
        .iter()
        .zip(&gateways.devices)
        .any(|(through, device)| *through < device.last())
    {
        gateways.acknowledged().await;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    println!(
        "{} worker(s): {rate:.0} batches/s, {:.0} rows/s, {} octets a batch",
        args.workers,
        rate * args.rows as f64,
        octets / count
    );

    let mut waiting: HashMap<usize, Instant> = HashMap::new();
    let mut latencies = Vec::new();
    let pause = Duration::from_secs_f64(2.0 / rate);
    let mut tick = tokio::time::interval(pause);
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let mut place = 0;
    while Instant::now() < end || !waiting.is_empty() {
        tokio::select! {
            _ = tick.tick(), if Instant::now() < end => {
                place = (place + 1) % gateways.devices.len();
                // One batch of a gateway at a time.
                if let Entry::Vacant(vacant) = waiting.entry(place) {
                    let octets = gateways.devices.get_mut(place).unwrap().batch();
                    let topic = format!("wattle/up/{}", gateways.devices[place].name);
                    vacant.insert(Instant::now());
                    gateways.client.try_publish(topic, QoS::AtLeastOnce, false, octets).unwrap();
                }
            }
            place = gateways.acknowledged() => {
                let done = gateways.through[place] >= gateways.devices[place].last();
                if done && let Some(at) = waiting.remove(&place) {
                    latencies.push(at.elapsed());
                }
            }
        }
    }
    latencies.sort_unstable();
    let of = |share: usize| latencies[(latencies.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    println!(
        "{} worker(s) at half of that: a batch is acknowledged after {:.1} ms (median), {:.1} ms (95 %), {:.1} ms (99 %), {} batches",
        args.workers,
        of(50),
        of(95),
        of(99),
        latencies.len()
    );
}
