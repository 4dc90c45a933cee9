//! A serial port that is a pty behind a path of our choice, with a cable that can be pulled.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;

/// The meter's end of a serial line. The other end is whoever opens [`Port::link`].
#[derive(Debug)]
pub struct Port {
    link: PathBuf,
    live: Option<Live>,
}

#[derive(Debug)]
struct Live {
    master: OwnedFd,
    terminal: PathBuf,
}

impl Port {
    /// Makes a pty and the symbolic link `link` to it. A link that is there is replaced; a file
    /// that is not a link stays, and is an error.
    ///
    /// # Errors
    /// When the system gives no pty, or the link cannot be made.
    pub fn new(link: &Path) -> io::Result<Self> {
        let mut port = Self {
            link: link.to_path_buf(),
            live: None,
        };
        port.plug()?;
        Ok(port)
    }

    /// The path the far end opens.
    #[must_use]
    pub fn link(&self) -> &Path {
        &self.link
    }

    /// The terminal behind the link, while the cable is plugged.
    #[must_use]
    pub fn terminal(&self) -> Option<&Path> {
        self.live.as_ref().map(|live| live.terminal.as_path())
    }

    /// Puts the cable in: a fresh pty at the same link. Nothing happens when it is in.
    ///
    /// # Errors
    /// As for [`Port::new`].
    pub fn plug(&mut self) -> io::Result<()> {
        if self.live.is_some() {
            return Ok(());
        }
        let live = open_pty()?;
        point(&self.link, &live.terminal)?;
        self.live = Some(live);
        Ok(())
    }

    /// Pulls the cable: the link goes, and whoever has the port open is told that it hung up.
    pub fn unplug(&mut self) {
        if let Some(live) = self.live.take()
            && std::fs::read_link(&self.link).is_ok_and(|target| target == live.terminal)
        {
            // A link that is already gone is what is wanted.
            let _ = std::fs::remove_file(&self.link);
        }
    }

    /// Whether somebody has the port open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.live.as_ref().is_some_and(|live| {
            ready(live, PollFlags::OUT, Duration::ZERO)
                .is_ok_and(|flags| !flags.contains(PollFlags::HUP))
        })
    }

    /// The speed the far end has set, in bits per second; `None` while the cable is out.
    #[must_use]
    pub fn speed(&self) -> Option<u32> {
        let live = self.live.as_ref()?;
        let settings = rustix::termios::tcgetattr(&live.master).ok()?;
        Some(settings.output_speed())
    }

    /// Waits up to `patience` for bytes and appends them to `out`. Comes back at once when there
    /// are some; without anyone at the far end it only waits.
    pub fn read(&self, out: &mut Vec<u8>, patience: Duration) {
        let Some(live) = &self.live else {
            return std::thread::sleep(patience);
        };
        match ready(live, PollFlags::IN, patience) {
            Ok(flags) if flags.contains(PollFlags::IN) => {}
            Ok(flags) if flags.contains(PollFlags::HUP) => return std::thread::sleep(patience),
            _ => return,
        }
        let mut buffer = [0; 512];
        if let Ok(length) = rustix::io::read(&live.master, &mut buffer) {
            out.extend(buffer.iter().take(length));
        }
    }

    /// Sends bytes. What nobody takes is lost, as on a wire.
    pub fn write(&self, bytes: &[u8]) {
        let Some(live) = &self.live else { return };
        if !self.is_open() {
            return;
        }
        let mut rest = bytes;
        while let Ok(written @ 1..) = rustix::io::write(&live.master, rest) {
            rest = rest.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.unplug();
    }
}

fn open_pty() -> io::Result<Live> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let terminal = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));

    // A reader that opens a port finds neither echo nor line editing there. The terminal is
    // closed again at once: from then on the master can tell whether anybody has it open.
    let far = rustix::fs::open(
        &terminal,
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut settings = rustix::termios::tcgetattr(&far)?;
    settings.make_raw();
    rustix::termios::tcsetattr(&far, OptionalActions::Now, &settings)?;
    drop(far);

    let status = rustix::fs::fcntl_getfl(&master)?;
    rustix::fs::fcntl_setfl(&master, status | OFlags::NONBLOCK)?;
    Ok(Live { master, terminal })
}

/// Makes `link` point to `terminal` in one step, so that it never is half there.
fn point(link: &Path, terminal: &Path) -> io::Result<()> {
    if let Ok(there) = std::fs::symlink_metadata(link)
        && !there.file_type().is_symlink()
    {
        let complaint = format!("{} is there and is not a link", link.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, complaint));
    }
    if let Some(folder) = link.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = link.as_os_str().to_os_string();
    name.push(".new");
    let fresh = PathBuf::from(name);
    // Left behind by a simulator that was killed.
    let _ = std::fs::remove_file(&fresh);
    symlink(terminal, &fresh)?;
    std::fs::rename(&fresh, link)
}

fn ready(live: &Live, wanted: PollFlags, patience: Duration) -> io::Result<PollFlags> {
    let mut fds = [PollFd::from_borrowed_fd(live.master.as_fd(), wanted)];
    let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
    rustix::event::poll(&mut fds, Some(&patience))?;
    let [fd] = fds;
    Ok(fd.revents())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_line_with_a_cable() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("port");
        let mut port = Port::new(&link).unwrap();
        assert!(!port.is_open());
        port.write(b"lost");

        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(&link)
                .map_err(|_| ())
        };
        let mut far = open().unwrap();
        assert!(port.is_open());
        port.write(b"\x1Bheard\n");
        let mut bytes = [0; 7];
        far.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"\x1Bheard\n");

        far.write_all(b"/?!\r\n").unwrap();
        let mut request = Vec::new();
        port.read(&mut request, Duration::from_secs(1));
        assert_eq!(request, b"/?!\r\n");

        drop(far);
        assert!(!port.is_open());
        let mut far = open().unwrap();
        port.unplug();
        assert!(!link.exists() && std::fs::symlink_metadata(&link).is_err());
        assert!(matches!(far.read(&mut bytes), Ok(0) | Err(_)), "hung up");
        assert!(open().is_err());

        port.plug().unwrap();
        let far = open().unwrap();
        for baud in [300, 9600, 115_200, 12_345] {
            let mut settings = rustix::termios::tcgetattr(&far).unwrap();
            settings.set_speed(baud).unwrap();
            rustix::termios::tcsetattr(&far, OptionalActions::Now, &settings).unwrap();
            assert_eq!(port.speed(), Some(baud));
        }
        drop(port);
        assert!(!link.exists());
    }

    #[test]
    fn a_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("port");
        std::fs::write(&link, "mine").unwrap();
        assert!(Port::new(&link).is_err());
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "mine");
    }
}
