//! Lending a line: a command on the gateway gets a meter's port for a while, and gives it back.
//!
//! The part that reads a meter holds its line. When somebody wants it, every part that holds that port
//! ends its exchange in order and lets go, a shared line is closed, and invocation counters are free.
//! When the loan ends, however it ends, they go on.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, watch};

use crate::buses::Buses;
use crate::config::MeterConfig;

/// Who has which line. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    lines: Arc<Mutex<HashMap<PathBuf, Line>>>,
    ports: Arc<BTreeMap<String, PathBuf>>,
    buses: Buses,
}

/// Readers hold it, a borrower has it alone.
#[derive(Clone, Debug, Default)]
struct Line {
    lock: Arc<RwLock<()>>,
    wanted: watch::Sender<bool>,
}

/// A line that a reader of a meter uses.
#[derive(Debug)]
pub struct Held {
    wanted: watch::Receiver<bool>,
    _line: OwnedRwLockReadGuard<()>,
}

impl Held {
    /// Waits until somebody wants the line.
    pub async fn wanted(&mut self) {
        if self.wanted.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A line that is lent until this is dropped.
#[derive(Debug)]
pub struct Loan {
    // In this order: whoever takes the line again finds that nobody wants it.
    _wish: Wish,
    _line: OwnedRwLockWriteGuard<()>,
}

/// Says that the line is wanted, as long as it lives.
#[derive(Debug)]
struct Wish(watch::Sender<bool>);

impl Drop for Wish {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// Why a line is not lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The meter has no line here.
    #[error("no meter of that name is read over a line")]
    Unknown,
    /// Somebody else has it or waits for it.
    #[error("another command has the line of this meter; wait for its end")]
    Lent,
}

impl Lines {
    /// The lines of these meters.
    #[must_use]
    pub fn new(meters: &[MeterConfig], buses: Buses) -> Self {
        let wired = meters.iter().filter(|meter| meter.has_line());
        let ports = wired.map(|meter| (meter.name.clone(), meter.port.clone()));
        Self {
            lines: Arc::default(),
            ports: Arc::new(ports.collect()),
            buses,
        }
    }

    /// The lines that meters share.
    #[must_use]
    pub const fn buses(&self) -> &Buses {
        &self.buses
    }

    fn line(&self, port: &Path) -> Line {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(port.to_path_buf()).or_default().clone()
    }

    /// Waits until a meter's line is lent to nobody, and holds it with the others that read there.
    pub async fn hold(&self, meter: &MeterConfig) -> Held {
        let line = self.line(&meter.port);
        Held {
            wanted: line.wanted.subscribe(),
            _line: line.lock.read_owned().await,
        }
    }

    /// Waits until all who read on the line of the meter `name` have let go of it. Giving up the wait is
    /// safe.
    ///
    /// # Errors
    /// There is no such line, or somebody else wants it.
    pub async fn borrow(&self, name: &str) -> Result<Loan, Refusal> {
        let port = self.ports.get(name).ok_or(Refusal::Unknown)?;
        let line = self.line(port);
        let free = line
            .wanted
            .send_if_modified(|wanted| !std::mem::replace(wanted, true));
        if !free {
            return Err(Refusal::Lent);
        }
        let wish = Wish(line.wanted);
        let alone = line.lock.write_owned().await;
        self.buses.close(port).await;
        Ok(Loan {
            _wish: wish,
            _line: alone,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    fn lines() -> (Lines, Vec<MeterConfig>) {
        let text = "[[meter]]\nname = \"a\"\nprotocol = \"modbus\"\nport = \"/dev/rs485\"\nunit = 1\n\
                    [[meter]]\nname = \"b\"\nprotocol = \"modbus\"\nport = \"/dev/rs485\"\nunit = 2\n\
                    [[meter]]\nname = \"c\"\nprotocol = \"sml\"\nport = \"/dev/optical\"\n";
        let meters = toml::from_str::<crate::config::Config>(text)
            .unwrap()
            .meters;
        (Lines::new(&meters, Buses::new(&meters)), meters)
    }

    /// Reads a meter in turns of an hour, unless the line is wanted; says when it has begun anew.
    async fn reader(lines: Lines, meter: MeterConfig, begun: watch::Sender<u32>) {
        loop {
            let mut held = lines.hold(&meter).await;
            begun.send_modify(|count| *count += 1);
            held.wanted().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_readers_of_a_line_let_go_and_go_on() {
        let (lines, meters) = lines();
        let (begun, mut seen) = watch::channel(0);
        for meter in meters.iter().take(2) {
            tokio::spawn(reader(lines.clone(), meter.clone(), begun.clone()));
        }
        seen.wait_for(|count| *count == 2).await.unwrap();
        let loan = lines.borrow("b").await.unwrap();
        assert_eq!(lines.borrow("a").await.unwrap_err(), Refusal::Lent);
        assert_eq!(lines.borrow("d").await.unwrap_err(), Refusal::Unknown);
        // Another line is not touched by it.
        drop(lines.borrow("c").now_or_never().unwrap().unwrap());
        let waits =
            tokio::time::timeout(Duration::from_secs(600), seen.wait_for(|count| *count > 2));
        assert!(waits.await.is_err(), "the line was read while it was lent");
        drop(loan);
        seen.wait_for(|count| *count == 4).await.unwrap();
        assert!(lines.borrow("a").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_leaves_the_line_free() {
        let (lines, meters) = lines();
        let mut held = lines.hold(&meters[2]).await;
        assert!(lines.borrow("c").now_or_never().is_none());
        assert!(
            held.wanted().now_or_never().is_none(),
            "nobody wants it any more"
        );
        drop(held);
        assert!(lines.borrow("c").now_or_never().unwrap().is_ok());
    }
}
