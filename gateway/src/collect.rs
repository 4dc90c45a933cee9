//! Collecting: one part of the daemon per meter, from its port to the store.

use std::collections::BTreeMap;
use std::time::Duration;

use meter_link::driver::{self, PortEvent, SerialPort};
use meter_link::model::{Hint, MeterId};
use meter_link::session::{Line, Rejected, Session};
use meter_link::{iec62056_21, p1, sml, tic};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Event};
use crate::channel;
use crate::clock::SharedClock;
use crate::config::{MeterConfig, Protocol};
use crate::store::Incoming;
use crate::supervisor::Pulse;

/// Events that may wait between the driver and here.
const QUEUE: usize = 32;
/// A meter's rejected input is logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Where a meter's telegrams go.
#[derive(Clone)]
pub struct Sink {
    /// Into the store.
    pub store: mpsc::Sender<Incoming>,
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
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut session = session(&meter)?;
    let port = SerialPort {
        path: meter.port.clone(),
        power: meter.head_power,
    };
    let (events, mut from_driver) = mpsc::channel(QUEUE);
    let drive = driver::run(&port, session.as_mut(), events, stop.clone());
    let mut collector = Collector {
        meter: &meter,
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
        () = drive => Ok(()),
    }
}

fn session(meter: &MeterConfig) -> anyhow::Result<Box<dyn Session>> {
    Ok(match meter.protocol {
        Protocol::Sml => {
            let line = Line::eight_none(meter.baud.unwrap_or(9600));
            Box::new(sml::Listener::new(
                line,
                meter_link::profile::QuirkSet::default(),
            ))
        }
        Protocol::Iec62056_21 => Box::new(iec62056_21::ReadoutReader::new(iec62056_21::Config {
            address: meter.address.clone(),
            push: meter.push,
            line: Line::seven_even(meter.baud.unwrap_or(if meter.push { 2400 } else { 300 })),
            period: Duration::from_secs(u64::from(meter.period_s)),
            switch_gap: meter
                .switch_gap_ms
                .map(|gap| Duration::from_millis(u64::from(gap))),
            ..iec62056_21::Config::default()
        })),
        Protocol::Tic => Box::new(tic::Listener::new(tic::Config {
            start: match meter.baud {
                Some(1_200) => tic::Mode::Historic,
                _ => tic::Mode::Standard,
            },
            ..tic::Config::default()
        })),
        Protocol::Wmbus => anyhow::bail!("a wireless meter is read by receivers"),
        Protocol::P1 => {
            // 115200 8N1 from DSMR 4 on, 9600 7E1 before.
            let line = match meter.baud.unwrap_or(115_200) {
                9600 => Line::seven_even(9600),
                baud => Line::eight_none(baud),
            };
            Box::new(p1::Listener::new(line, meter.p1_keys()?))
        }
    })
}

struct Collector<'a> {
    meter: &'a MeterConfig,
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
            PortEvent::Rejected(Rejected { reason, length }) => {
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
                let incoming = Incoming {
                    name,
                    serial,
                    received_at: self.sink.clock.now(),
                    port: self.meter.port.display().to_string(),
                    telegram: *telegram,
                    fields: Vec::new(),
                };
                self.sink
                    .store
                    .send(incoming)
                    .await
                    .map_err(|_| anyhow::anyhow!("the store has ended"))?;
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
    use super::*;

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
    }
}
