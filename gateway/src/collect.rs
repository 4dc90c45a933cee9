//! Collecting: one part of the daemon per meter, from its port to the store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use meter_link::dlms::client::job::Outcome;
use meter_link::dlms::listener;
use meter_link::driver::{self, MbusMeter, ModbusMeter, Place, PortEvent};
use meter_link::mbus::link::Frame;
use meter_link::model::{Hint, MeterId, Telegram};
use meter_link::session::{Line, Rejected, Session};
use meter_link::{iec62056_21, p1, sml, tic};
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Event};
use crate::buses::Buses;
use crate::c12;
use crate::channel;
use crate::clock::SharedClock;
use crate::config::{Framing, MeterConfig, Protocol};
use crate::dlms;
use crate::lines::Lines;
use crate::mbus::{Told, WiredMeter};
use crate::prices::told;
use crate::store::{Incoming, Profiles, Readers};
use crate::supervisor::Pulse;
use crate::supply::{Order, Orders};

/// Events that may wait between the driver and here.
const QUEUE: usize = 32;
/// Longest wait for the answer of a Modbus meter.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// A meter's rejected input is logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Where a meter's telegrams go.
#[derive(Clone)]
pub struct Sink {
    /// Into the store.
    pub store: mpsc::Sender<Incoming>,
    /// The load profiles.
    pub profiles: Profiles,
    /// What is stored.
    pub readers: Readers,
    /// Folder of the installer's drivers.
    pub drivers_dir: PathBuf,
    /// Folder of what outlives the daemon, such as invocation counters.
    pub state_dir: PathBuf,
    /// To the relay of a meter, where the utility may switch it.
    pub orders: Option<Orders>,
    /// To everyone who wants to know.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
}

/// Reads one meter until told to stop.
///
/// # Errors
/// The store's writer has ended, or the meter's keys cannot be read.
pub async fn run(
    meter: MeterConfig,
    sink: Sink,
    lines: Lines,
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let (events, mut from_driver) = mpsc::channel(QUEUE);
    let mut asked = sink.bus.listen();
    let (driven, pushed) = (sink.clone(), meter.clone());
    let drives = async move {
        loop {
            let mut held = lines.hold(&pushed).await;
            let once = stop.child_token();
            let buses = lines.buses();
            let mut drive = drive(&pushed, &driven, buses, events.clone(), once.clone())?;
            let order = tokio::select! {
                () = &mut drive => return Ok(()),
                () = read_now(&mut asked, &pushed) => None,
                () = held.wanted() => None,
                order = next_order(driven.orders.as_ref(), &pushed) => Some(order),
            };
            once.cancel();
            // The line is given back in order; then the meter is asked from the beginning.
            drive.await;
            if stop.is_cancelled() {
                return Ok(());
            }
            if let Some(order) = order {
                obey(order, &pushed, &driven, buses).await;
            }
        }
    };
    let is_wired = meter.protocol == Protocol::Mbus;
    let wired = is_wired.then(|| WiredMeter::new(&meter, &sink.drivers_dir, &sink.readers));
    let mut collector = Collector {
        meter: &meter,
        wired: wired.transpose()?,
        sink,
        hints: Vec::new(),
        serials: BTreeMap::new(),
        log: Log::default(),
    };
    let collect = async {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                event = from_driver.recv() => match event {
                    Some(event) => collector.take(event).await?,
                    None => return Ok(()),
                },
                _ = tick.tick() => pulse.beat(),
            }
        }
    };
    tokio::select! {
        biased;
        collected = collect => collected,
        driven = drives => driven,
    }
}

/// Waits until a meter that is asked is to be asked at once.
async fn read_now(asked: &mut broadcast::Receiver<Event>, meter: &MeterConfig) {
    if !meter.is_asked() {
        std::future::pending::<()>().await;
    }
    loop {
        match asked.recv().await {
            Ok(Event::ReadNow(name)) if name == meter.name => return,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Waits for an order for the relay of this meter.
async fn next_order(orders: Option<&Orders>, meter: &MeterConfig) -> Order {
    match orders {
        Some(orders) => orders.next(&meter.name).await,
        None => std::future::pending().await,
    }
}

/// Has the relay switched and read back, as long as somebody waits for it.
async fn obey(mut order: Order, meter: &MeterConfig, sink: &Sink, buses: &Buses) {
    let command = order.command;
    let relay = async {
        let bus = buses.shared(meter)?;
        dlms::relay(meter, bus, &sink.state_dir, sink.clock.clone(), command).await
    };
    let switched = tokio::select! {
        () = order.given_up() => return,
        switched = relay => switched,
    };
    order.tell(switched.map_err(|error| format!("{error:#}")));
}

/// What reads the meter and tells `events` of it.
fn drive<'a>(
    meter: &'a MeterConfig,
    sink: &Sink,
    buses: &Buses,
    events: mpsc::Sender<PortEvent>,
    stop: CancellationToken,
) -> anyhow::Result<BoxFuture<'a, ()>> {
    if meter.protocol == Protocol::Modbus {
        let map = meter
            .register_map()
            .context("the meter has no register map")?;
        let meter = ModbusMeter {
            bus: buses.of(meter)?,
            unit: meter.unit.context("the meter has no unit number")?,
            map: map.clone(),
            period: Duration::from_secs(u64::from(meter.period_s)),
            timeout: ANSWER_TIMEOUT,
            repeats: 2,
        };
        return Ok(async move { driver::run_modbus(&meter, events, stop).await }.boxed());
    }
    if meter.protocol == Protocol::Mbus {
        let address = meter.mbus_address();
        let meter = MbusMeter {
            bus: buses.of(meter)?,
            target: address.context("the meter has no address")?.target(),
            master: meter.mbus_master(),
            period: Duration::from_secs(u64::from(meter.period_s)),
        };
        return Ok(async move { driver::run_mbus(&meter, events, stop).await }.boxed());
    }
    let mut session = match meter.protocol {
        Protocol::Dlms => dlms_session(meter, sink)?,
        Protocol::C12_18 | Protocol::C12_21 | Protocol::C12_22 => {
            c12::session(meter, &sink.profiles, &sink.state_dir, sink.clock.clone())?
        }
        _ => session(meter)?,
    };
    if let Some(bus) = buses.shared(meter)? {
        let drive = async move { driver::run_shared(&bus, session.as_mut(), events, stop).await };
        return Ok(drive.boxed());
    }
    let place: Place = meter.port.to_string_lossy().parse()?;
    let power = meter.head_power;
    let drive = async move { driver::run_at(&place, power, session.as_mut(), events, stop).await };
    Ok(drive.boxed())
}

/// The session of a meter that needs nothing of what the gateway keeps.
///
/// # Errors
/// The configuration cannot be used, or the meter is read in another way.
pub(crate) fn session(meter: &MeterConfig) -> anyhow::Result<Box<dyn Session>> {
    Ok(match meter.protocol {
        Protocol::Sml => {
            let line = Line::eight_none(meter.baud.unwrap_or(9600));
            Box::new(sml::Listener::new(
                line,
                meter_link::profile::QuirkSet::default(),
            ))
        }
        Protocol::Iec62056_21 => Box::new(iec62056_21::ReadoutReader::new(iec_config(meter))),
        Protocol::Tic => Box::new(tic::Listener::new(tic::Config {
            start: match meter.baud {
                Some(1_200) => tic::Mode::Historic,
                _ => tic::Mode::Standard,
            },
            ..tic::Config::default()
        })),
        Protocol::Dlms | Protocol::C12_18 | Protocol::C12_21 | Protocol::C12_22 => {
            anyhow::bail!("this meter is read with what the gateway keeps")
        }
        Protocol::Wmbus => anyhow::bail!("a wireless meter is read by receivers"),
        Protocol::Zigbee => anyhow::bail!("a Zigbee plug is read by the stick"),
        Protocol::Modbus | Protocol::Mbus => anyhow::bail!("this meter is read in turns"),
        Protocol::P1 => {
            let keys = meter.keys()?;
            Box::new(match p1_line(meter) {
                Some(line) => p1::Listener::new(line, keys),
                None => p1::Listener::searching(keys),
            })
        }
        Protocol::DlmsPush => Box::new(listener::Listener::new(dlms_push(meter)?)),
    })
}

/// How a meter of IEC 62056-21 is read out.
pub(crate) fn iec_config(meter: &MeterConfig) -> iec62056_21::Config {
    iec62056_21::Config {
        address: meter.address.clone(),
        push: meter.push,
        line: Line::seven_even(meter.baud.unwrap_or(if meter.push { 2400 } else { 300 })),
        period: Duration::from_secs(u64::from(meter.period_s)),
        switch_gap: meter
            .switch_gap_ms
            .map(|gap| Duration::from_millis(u64::from(gap))),
        ..iec62056_21::Config::default()
    }
}

/// The line of a P1 meter, as far as the configuration says it: 115200 8N1 from DSMR 4 on,
/// 9600 7E1 before. Otherwise it is searched for.
fn p1_line(meter: &MeterConfig) -> Option<Line> {
    let usual = |baud| match baud {
        9600 => Line::seven_even(9600),
        baud => Line::eight_none(baud),
    };
    match (meter.baud, meter.framing) {
        (None, None) => None,
        (Some(baud), None) => Some(usual(baud)),
        (baud, Some(framing)) => Some(framing.at(baud.unwrap_or(115_200))),
    }
}

fn dlms_push(meter: &MeterConfig) -> anyhow::Result<listener::Config> {
    let framing = meter.framing.unwrap_or(Framing::EightEven);
    Ok(listener::Config {
        line: framing.at(meter.baud.unwrap_or(2400)),
        find_parity: meter.framing.is_none(),
        keys: meter.keys()?,
        profiles: meter.profiles()?,
    })
}

/// A DLMS/COSEM meter goes on behind the last row of its profile that is stored.
fn dlms_session(meter: &MeterConfig, sink: &Sink) -> anyhow::Result<Box<dyn Session>> {
    let profile = meter.dlms.as_ref().and_then(|dlms| dlms.profile);
    let since = profile.map(|profile| sink.profiles.last(&meter.name, profile));
    let since = since.transpose()?.flatten();
    let clock = sink.clock.clone();
    let reader = dlms::reader(meter, &sink.state_dir, clock, since)?;
    Ok(Box::new(reader))
}

struct Collector<'a> {
    meter: &'a MeterConfig,
    /// What reads the readouts of a meter on a wired M-Bus.
    wired: Option<WiredMeter>,
    sink: Sink,
    hints: Vec<Hint>,
    /// Serial numbers by name, as last told.
    serials: BTreeMap<String, String>,
    log: Log,
}

impl Collector<'_> {
    async fn take(&mut self, event: PortEvent) -> anyhow::Result<()> {
        let name = self.meter.name.clone();
        match event {
            PortEvent::Opened => {
                tracing::info!(meter = name, port = %self.meter.port.display(), "port opened");
                self.sink.bus.send(Event::Port { name, lost: None });
            }
            PortEvent::Lost { reason, .. } => {
                tracing::warn!(meter = name, port = %self.meter.port.display(), reason, "port lost, trying again");
                self.sink.bus.send(Event::Port {
                    name,
                    lost: Some(reason),
                });
            }
            PortEvent::Rejected(rejected) => self.rejected(rejected),
            PortEvent::Mbus(frames) => self.readout(&frames).await?,
            PortEvent::Telegram(telegram) => {
                if telegram.hints != self.hints {
                    self.hints.clone_from(&telegram.hints);
                    for hint in &self.hints {
                        tracing::info!(meter = name, "{}", hint.advice());
                    }
                    self.sink.bus.send(Event::Hints {
                        name: name.clone(),
                        hints: telegram.hints.clone(),
                    });
                }
                let name = telegram
                    .channel
                    .map_or(name, |place| channel::name(&self.meter.name, place));
                let serial = self.serial(&name, telegram.meter.as_ref());
                self.store(name, serial, *telegram, (Vec::new(), Vec::new()))
                    .await?;
            }
            PortEvent::Found(outcome) => self.found(*outcome).await?,
            _ => {}
        }
        Ok(())
    }

    fn rejected(&mut self, Rejected { reason, length }: Rejected) {
        let name = self.meter.name.clone();
        if let Some(since) = self.log.rejected() {
            tracing::warn!(
                meter = name,
                reason,
                length,
                stretches = since,
                "input rejected"
            );
        }
        self.sink.bus.send(Event::Rejected { name, reason });
    }

    async fn readout(&mut self, frames: &[Frame]) -> anyhow::Result<()> {
        let at = self.sink.clock.now();
        let wired = self.wired.as_mut().context("this is no slave")?;
        match wired.read(frames, at) {
            Ok((telegram, told)) => {
                let name = self.meter.name.clone();
                let serial = self.serial(&name, telegram.meter.as_ref());
                self.store(name, serial, telegram, told).await
            }
            Err(refusal) => {
                self.rejected(Rejected {
                    reason: refusal.to_string(),
                    length: frames.iter().map(|frame| frame.to_bytes().len()).sum(),
                });
                Ok(())
            }
        }
    }

    async fn store(
        &self,
        name: String,
        serial: String,
        telegram: Telegram,
        (fields, doubts): Told,
    ) -> anyhow::Result<()> {
        let incoming = Incoming {
            name,
            serial,
            received_at: self.sink.clock.now(),
            port: self.meter.port.display().to_string(),
            telegram,
            fields,
            doubts,
            counter: None,
        };
        let sent = self.sink.store.send(incoming).await;
        sent.map_err(|_| anyhow::anyhow!("the store has ended"))
    }

    async fn found(&mut self, outcome: Outcome) -> anyhow::Result<()> {
        let name = self.meter.name.clone();
        match outcome {
            Outcome::Profile(rows) => {
                for gap in &rows.gaps {
                    tracing::warn!(
                        meter = name,
                        profile = %rows.profile,
                        after = gap.after.iso(),
                        before = gap.before.iso(),
                        missing = gap.missing,
                        clock_changed = gap.clock_changed,
                        status = gap.status,
                        "the load profile has a gap"
                    );
                }
                let profiles = self.sink.profiles.clone();
                let stored = {
                    let name = name.clone();
                    tokio::task::spawn_blocking(move || profiles.store(&name, &rows))
                };
                // What could not be stored is read again after the restart.
                let new = stored.await??;
                tracing::info!(meter = name, rows = new, "rows of the load profile stored");
            }
            Outcome::Clock(clock) => tracing::info!(
                meter = name,
                ahead_s = clock.ahead_s,
                set = clock.set,
                ahead_after_s = clock.ahead_after_s,
                "the meter's clock"
            ),
            Outcome::Calendar(calendar) => {
                let profiles = self.sink.profiles.clone();
                let document = told::of_calendar(&calendar);
                let kept = {
                    let name = name.clone();
                    tokio::task::spawn_blocking(move || profiles.keep_calendar(&name, &document))
                };
                kept.await??;
                tracing::info!(
                    meter = name,
                    seasons = calendar.seasons.len(),
                    days = calendar.days.len(),
                    special_days = calendar.special_days.len(),
                    "the meter's tariff calendar"
                );
            }
            _ => {}
        }
        Ok(())
    }
}

impl Collector<'_> {
    /// The serial number of a meter that told it now or before; its configured name stands in for
    /// a meter that never does.
    fn serial(&mut self, name: &str, told: Option<&MeterId>) -> String {
        match told {
            Some(id) => {
                let serial = id.as_str().to_owned();
                self.serials.insert(name.to_owned(), serial.clone());
                serial
            }
            None => self
                .serials
                .get(name)
                .cloned()
                .unwrap_or_else(|| name.to_owned()),
        }
    }
}

/// Counts rejections between two lines of the log.
#[derive(Default)]
struct Log {
    last: Option<Instant>,
    since: u32,
}

impl Log {
    /// The number of rejections since the last line, when it is time for another.
    fn rejected(&mut self) -> Option<u32> {
        self.since = self.since.saturating_add(1);
        if self.last.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.since))
    }
}

#[cfg(test)]
mod tests {
    use meter_link::session::Parity;

    use super::*;

    #[test]
    fn the_line_of_a_dlms_meter_that_pushes() {
        let line = |more: &str| {
            let text = format!(
                "[[meter]]\nname = \"house\"\nprotocol = \"dlms-push\"\nport = \"/dev/null\"\n{more}"
            );
            let config: crate::config::Config = toml::from_str(&text).unwrap();
            let made = dlms_push(&config.meters[0]).unwrap();
            (made.line.baud, made.line.parity, made.find_parity)
        };
        assert_eq!(line(""), (2400, Parity::Even, true));
        let fixed = (115_200, Parity::None, false);
        assert_eq!(line("baud = 115200\nframing = \"8N1\"\n"), fixed);
    }

    #[test]
    fn the_line_of_a_p1_meter_follows_its_speed() {
        let line = |more: &str| {
            let text = format!(
                "[[meter]]\nname = \"house\"\nprotocol = \"p1\"\nport = \"/dev/null\"\n{more}"
            );
            let config: crate::config::Config = toml::from_str(&text).unwrap();
            session(&config.meters[0]).unwrap().line()
        };
        assert_eq!(line(""), Line::eight_none(115_200));
        assert_eq!(line("baud = 9600\n"), Line::seven_even(9600));
        assert_eq!(line("baud = 19200\n"), Line::eight_none(19_200));
        let framing = "framing = \"7E1\"\n";
        assert_eq!(line(framing), Line::seven_even(115_200));
    }
}
