//! What every simulated device has in common: a thread that owns its port, and a handle to it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::port::Port;
use crate::uart::{self, BITS_PER_CHARACTER, Framing};

/// How fast bytes leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the line carries them.
    Line,
    /// At once, for tests that do not look at time.
    AtOnce,
}

enum Order {
    Plug(Sender<io::Result<()>>),
    Unplug(Sender<io::Result<()>>),
}

/// A running device. It stops, and its link goes, when the handle is dropped.
#[derive(Debug)]
pub struct Handle {
    link: PathBuf,
    terminal: Option<PathBuf>,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Starts a device: makes its port at `link` and runs `life` in a thread of its own until
    /// [`Wire::wait`] says that it is over.
    ///
    /// # Errors
    /// When there is no pty to be had, or no thread.
    pub fn start(
        name: &str,
        link: &Path,
        life: impl FnOnce(&mut Wire) + Send + 'static,
    ) -> io::Result<Self> {
        let port = Port::new(link)?;
        let terminal = port.terminal().map(Path::to_path_buf);
        let (orders, inbox) = channel();
        let mut wire = Wire {
            port,
            inbox,
            over: false,
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || life(&mut wire))?;
        Ok(Self {
            link: link.to_path_buf(),
            terminal,
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// The path to open.
    #[must_use]
    pub fn link(&self) -> &Path {
        &self.link
    }

    /// The terminal the link pointed to when the device was started.
    #[must_use]
    pub fn terminal(&self) -> Option<&Path> {
        self.terminal.as_deref()
    }

    /// Pulls the cable and returns when it is out.
    ///
    /// # Errors
    /// When the device has stopped.
    pub fn unplug(&self) -> io::Result<()> {
        self.order(Order::Unplug)
    }

    /// Puts the cable back and returns when it is in.
    ///
    /// # Errors
    /// When the device has stopped, or there is no pty to be had.
    pub fn plug(&self) -> io::Result<()> {
        self.order(Order::Plug)
    }

    /// Whether the device has come to its end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn order(&self, order: impl FnOnce(Sender<io::Result<()>>) -> Order) -> io::Result<()> {
        let stopped = || io::Error::other("the simulated device has stopped");
        let (answer, answered) = channel();
        let orders = self.orders.as_ref().ok_or_else(stopped)?;
        orders.send(order(answer)).map_err(|_| stopped())?;
        answered.recv().map_err(|_| stopped())?
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A device that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

/// A device's end of its line, as its thread sees it.
#[derive(Debug)]
pub struct Wire {
    port: Port,
    inbox: Receiver<Order>,
    over: bool,
}

/// How finely the thread looks after orders while it waits.
const TICK: Duration = Duration::from_millis(10);

impl Wire {
    /// Whether somebody listens.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.port.is_open()
    }

    /// The speed the far end has set.
    #[must_use]
    pub fn far_speed(&self) -> Option<u32> {
        self.port.speed()
    }

    /// Waits until `until`, or until bytes come; these are appended to `heard`. False when the
    /// device is to stop.
    pub fn wait(&mut self, until: Instant, heard: &mut Vec<u8>) -> bool {
        let before = heard.len();
        loop {
            self.obey();
            let left = until.saturating_duration_since(Instant::now());
            if self.over || left.is_zero() || heard.len() > before {
                return !self.over;
            }
            self.port.read(heard, left.min(TICK));
        }
    }

    /// Sends `bytes` at `baud`. The far end hears them as its own speed lets it. False when the
    /// device is to stop.
    pub fn send(&mut self, bytes: &[u8], baud: u32, framing: Framing, pace: Pace) -> bool {
        let per_second = (baud / BITS_PER_CHARACTER).max(1);
        let chunk = match pace {
            Pace::AtOnce => bytes.len(),
            // What leaves within two ticks, at least one.
            Pace::Line => usize::try_from(per_second / 50).unwrap_or(1),
        };
        let start = Instant::now();
        let mut sent = 0u32;
        for part in bytes.chunks(chunk.max(1)) {
            // A character is there when its last bit is.
            sent = sent.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
            let due = match pace {
                Pace::AtOnce => Duration::ZERO,
                Pace::Line => Duration::from_secs(1) * sent / per_second,
            };
            loop {
                self.obey();
                if self.over {
                    return false;
                }
                let left = due.saturating_sub(start.elapsed());
                if left.is_zero() {
                    break;
                }
                std::thread::sleep(left.min(TICK));
            }
            let far = self.far_speed().unwrap_or(baud);
            self.port.write(&uart::heard(part, baud, far, framing));
        }
        true
    }

    fn obey(&mut self) {
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Plug(answer)) => {
                    let result = self.port.plug();
                    let _ = answer.send(result);
                }
                Ok(Order::Unplug(answer)) => {
                    self.port.unplug();
                    let _ = answer.send(Ok(()));
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.over = true;
                    return;
                }
            }
        }
    }
}
