//! DLMS/COSEM meters: from their configuration to a session.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use meter_link::dlms::client::job::{Job, Outcome, RelayCommand, RelayJob, RelayReport};
use meter_link::dlms::client::{
    Client, ClientConfig, CounterStore, JobMaker, MemoryCounters, Once, Random, Reader,
    ReaderConfig, Runner, WallClock,
};
use meter_link::dlms::data::DateTime;
use meter_link::driver::{self, Bus, FileCounters, Place, PortEvent};
use meter_link::session::Session;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::{DlmsConfig, MeterConfig};

/// From a failed reading to the next.
const RETRY_AFTER: Duration = Duration::from_secs(20);

fn part(meter: &MeterConfig) -> anyhow::Result<&DlmsConfig> {
    let part = meter.dlms.as_deref();
    part.context("the meter has no table [meter.dlms]")
}

/// The session that reads a meter again and again. Rows of the profile up to `since` are known.
///
/// # Errors
/// The configuration or a secret cannot be used, or the invocation counter is in use elsewhere.
pub fn reader(
    meter: &MeterConfig,
    state_dir: &Path,
    clock: SharedClock,
    since: Option<DateTime>,
) -> anyhow::Result<Reader> {
    let dlms = part(meter)?;
    let client = dlms.client(meter)?;
    let counters = counters(meter, &client, state_dir)?;
    let mut profile = dlms.query(None)?;
    if let Some(query) = &mut profile {
        query.since = since;
    }
    let config = ReaderConfig {
        client,
        registers: dlms.registers()?,
        period: Duration::from_secs(u64::from(meter.period_s)),
        retry_after: RETRY_AFTER,
        profile,
        profile_period: Duration::from_secs(u64::from(dlms.profile_period_s.unwrap_or(900))),
        clock: dlms.clock_policy(),
        calendar: dlms.calendar,
    };
    Ok(Reader::new(config, counters, random(), wall(clock)))
}

/// The session that does some jobs a single time.
///
/// # Errors
/// As [`reader`].
pub fn once(
    meter: &MeterConfig,
    state_dir: &Path,
    clock: SharedClock,
    jobs: JobMaker,
) -> anyhow::Result<Once> {
    let client = part(meter)?.client(meter)?;
    let counters = counters(meter, &client, state_dir)?;
    let client = Client::new(client, counters, random());
    Ok(Once::new(Runner::new(client, wall(clock)), jobs))
}

/// Runs a session of [`once`] at the meter's port, or on the line it shares, and hands over what comes out of it until there
/// is no more.
///
/// # Errors
/// The port is lost, the association fails, or `take` fails.
pub async fn finish(
    meter: &MeterConfig,
    bus: Option<Arc<Bus>>,
    session: &mut dyn Session,
    mut take: impl FnMut(Outcome) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (events, mut from_driver) = mpsc::channel(32);
    let stop = CancellationToken::new();
    let port: Place = meter.port.to_string_lossy().parse()?;
    let drive = async {
        match bus {
            Some(bus) => driver::run_shared(&bus, session, events, stop).await,
            None => driver::run_at(&port, meter.head_power, session, events, stop).await,
        }
    };
    let listen = async {
        let mut failed = None;
        while let Some(event) = from_driver.recv().await {
            match event {
                PortEvent::Lost { reason, .. } => anyhow::bail!("{port}: {reason}"),
                PortEvent::Rejected(rejected) => failed = Some(rejected.reason),
                PortEvent::Found(outcome) => match *outcome {
                    Outcome::Finished(None) => {
                        let failed = failed.map(|reason| anyhow::anyhow!(reason));
                        return failed.map_or(Ok(()), Err);
                    }
                    Outcome::Finished(Some(error)) => anyhow::bail!("{error}"),
                    outcome => take(outcome)?,
                },
                _ => {}
            }
        }
        anyhow::bail!("the port was closed")
    };
    tokio::select! {
        biased;
        ended = listen => ended,
        () = drive => anyhow::bail!("the port was closed"),
    }
}

/// Does something with a meter's relay and reads back what it did.
///
/// # Errors
/// As [`finish`], or the relay did not do it.
pub async fn relay(
    meter: &MeterConfig,
    bus: Option<Arc<Bus>>,
    state_dir: &Path,
    clock: SharedClock,
    command: RelayCommand,
) -> anyhow::Result<RelayReport> {
    let relay = part(meter)?.relay();
    let jobs = job(move || RelayJob::new(relay, command));
    let mut session = once(meter, state_dir, clock, jobs)?;
    let mut report = None;
    finish(meter, bus, &mut session, |outcome| {
        if let Outcome::Relay(found) = outcome {
            report = Some(found);
        }
        Ok(())
    })
    .await?;
    report.context("the meter did not tell the state of its relay")
}

/// A maker of one job.
pub fn job<J: Job + 'static>(mut make: impl FnMut() -> J + Send + 'static) -> JobMaker {
    Box::new(move || vec![Box::new(make())])
}

/// Where the numbers of ciphered messages are kept: a file for each meter and title.
fn counters(
    meter: &MeterConfig,
    client: &ClientConfig,
    state_dir: &Path,
) -> anyhow::Result<Box<dyn CounterStore>> {
    let Some(ciphering) = &client.ciphering else {
        return Ok(Box::new(MemoryCounters::default()));
    };
    let path = counter_file(state_dir, &meter.name, ciphering.title);
    let counters = FileCounters::open(path).context("the invocation counter")?;
    Ok(Box::new(counters))
}

fn counter_file(state_dir: &Path, name: &str, title: [u8; 8]) -> PathBuf {
    counter_path(state_dir, name, &crate::hex::encode(&title))
}

/// The file of a counter that a meter's name and something of letters and digits tell apart.
pub(crate) fn counter_path(state_dir: &Path, name: &str, what: &str) -> PathBuf {
    let mut file = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => file.push(byte.into()),
            other => file.push_str(&format!("%{other:02X}")),
        }
    }
    file.push('@');
    file.push_str(what);
    state_dir.join("counters").join(file)
}

#[expect(
    clippy::expect_used,
    reason = "without random numbers there is no security, and Linux always has some"
)]
/// Random numbers of the system.
pub(crate) fn random() -> Random {
    Box::new(|octets| getrandom::fill(octets).expect("the system gives random numbers"))
}

fn wall(clock: SharedClock) -> WallClock {
    Box::new(move |_: Instant| clock.now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_meter_and_title_has_a_file_of_its_own() {
        let file = |name, title| counter_file(Path::new("/state"), name, title);
        assert_eq!(
            file("a/b c", *b"WTL\0\0\0\0\x01"),
            Path::new("/state/counters/a%2Fb%20c@57544c0000000001")
        );
        assert_ne!(file("a", [0; 8]), file("a", [1; 8]));
        assert_ne!(file("a.b", [0; 8]), file("a%2Eb", [0; 8]));
    }
}
