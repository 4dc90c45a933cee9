//! A meter that pushes DLMS messages at its customer port: a list of names, values and units as
//! in Norway or Austria, in HDLC frames or over wired M-Bus, plain or ciphered.

use std::io;
use std::path::Path;
use std::time::Duration;

use meter_link::dlms::apdu::{Apdu, BlockTransfer, Ciphered, Ciphering, DataNotification};
use meter_link::dlms::data::{ClockStatus, Data, DateTime};
use meter_link::dlms::hdlc::{self, Address, Control, LLC_RESPONSE};
use meter_link::dlms::mbus;
use meter_link::dlms::security::{self, SecurityControl, SystemTitle};
use meter_link::key::Key;

use crate::actor::Pace;
use crate::at_work::AtWork;
use crate::household::{Curve, INSTALLED};
use crate::push::Push;
use crate::sml::unix_now;
use crate::uart::Framing;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// One HDLC frame a message.
    Hdlc,
    /// Segments of so many bytes in HDLC frames.
    HdlcSegments(usize),
    /// Blocks of so many bytes of general block transfer, each in an HDLC frame.
    HdlcBlocks(usize),
    /// Long frames of wired M-Bus.
    Mbus,
}

/// How a ciphered meter ciphers.
#[derive(Clone, Debug)]
pub struct Cipher {
    /// Its system title.
    pub title: SystemTitle,
    /// 30 authenticated and encrypted, 20 encrypted.
    pub security_control: u8,
    /// Encryption key.
    pub key: Key,
    /// Authentication key.
    pub auth_key: Key,
}

/// What a meter is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The number on the nameplate.
    pub serial: String,
    /// From one message to the next.
    pub interval: Duration,
    /// The speed of its port.
    pub baud: u32,
    /// How fast bytes leave.
    pub pace: Pace,
    /// What carries the messages.
    pub carrier: Carrier,
    /// Ciphers its messages.
    pub cipher: Option<Cipher>,
    /// What it counts.
    pub load: Curve,
}

/// What a message told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The second it belongs to, in Unix seconds.
    pub unix_s: u64,
    /// 1-0:1.8.0 in watt-hours.
    pub import_wh: u32,
    /// 1-0:2.8.0 in watt-hours.
    pub export_wh: u32,
    /// 1-0:1.7.0 less 1-0:2.7.0 in watts.
    pub power_w: i64,
    /// 1-0:32.7.0 in tenths of a volt.
    pub volts_d: u16,
    /// Whether somebody had the port open, at the right speed, from its first byte to its last.
    pub heard: bool,
}

impl Config {
    /// A meter that pushes every two seconds at 2,400 baud.
    #[must_use]
    pub fn new(load: Curve) -> Self {
        Self {
            serial: "1WSM0012345678".to_owned(),
            interval: Duration::from_secs(2),
            baud: 2400,
            pace: Pace::Line,
            carrier: Carrier::Hdlc,
            cipher: None,
            load,
        }
    }

    /// The bytes of the message of the second `unix_s`, and the truth it tells.
    ///
    /// # Errors
    /// It cannot be ciphered with its keys, or does not fit its frames.
    pub fn message(&mut self, unix_s: u64, count: u32) -> io::Result<(Vec<u8>, Sent)> {
        let energy = self.load.energy(unix_s);
        let whole = |wh: u64| u32::try_from(wh).unwrap_or(u32::MAX);
        let power_w = self.load.power_w(unix_s);
        let sag = u16::try_from(power_w.clamp(0, 20_000) / 100).unwrap_or_default();
        let sent = Sent {
            unix_s,
            import_wh: whole(energy.import_in(3600)),
            export_wh: whole(energy.export_in(3600)),
            power_w,
            volts_d: 2_310 - sag,
            heard: false,
        };
        let plain = self.apdu(&sent, count).to_vec();
        let apdu = match &self.cipher {
            None => plain,
            Some(cipher) => sealed(cipher, count, &plain)?,
        };
        Ok((self.carried(&apdu)?, sent))
    }

    fn apdu(&self, sent: &Sent, count: u32) -> Apdu {
        let row = |code: [u8; 6], value, scaler, unit| {
            let unit = Data::Structure(vec![Data::Int8(scaler), Data::Enum(unit)]);
            Data::Structure(vec![Data::OctetString(code.to_vec()), value, unit])
        };
        let text = |code: [u8; 6], text: &str| {
            let text = Data::VisibleString(text.as_bytes().to_vec());
            Data::Structure(vec![Data::OctetString(code.to_vec()), text])
        };
        let watts = |w: i64| Data::Uint32(u32::try_from(w.max(0)).unwrap_or(u32::MAX));
        let body = Data::Array(vec![
            text([1, 1, 0, 2, 129, 255], "WSM_V0001"),
            text([0, 0, 96, 1, 0, 255], &self.serial),
            row([1, 0, 1, 7, 0, 255], watts(sent.power_w), 0, 27),
            row([1, 0, 2, 7, 0, 255], watts(-sent.power_w), 0, 27),
            row([1, 0, 32, 7, 0, 255], Data::Uint16(sent.volts_d), -1, 35),
            row([1, 0, 1, 8, 0, 255], Data::Uint32(sent.import_wh), 0, 30),
            row([1, 0, 2, 8, 0, 255], Data::Uint32(sent.export_wh), 0, 30),
        ]);
        let at = i64::try_from(sent.unix_s)
            .ok()
            .and_then(|unix_s| jiff::Timestamp::from_second(unix_s).ok())
            .unwrap_or_default();
        // The meter keeps winter time: UTC is sixty minutes behind it.
        let local = jiff::tz::Offset::constant(1).to_datetime(at);
        let at = DateTime::new(local, Some(-60), ClockStatus(0));
        Apdu::DataNotification(DataNotification {
            invoke: count,
            at: Some(at),
            body,
        })
    }

    fn carried(&self, apdu: &[u8]) -> io::Result<Vec<u8>> {
        let server = Address::server(1, None, None);
        let server = server.ok_or_else(|| io::Error::other("no address"))?;
        let frame = |information: &[u8], more: bool| {
            let control = Control::Ui { poll: true };
            hdlc::encode(&Address::client(16), &server, control, more, information)
                .map_err(io::Error::other)
        };
        let with_llc = |apdu: &[u8]| [&LLC_RESPONSE[..], apdu].concat();
        match self.carrier {
            Carrier::Hdlc => frame(&with_llc(apdu), false),
            Carrier::HdlcSegments(size) => {
                let message = with_llc(apdu);
                let count = message.chunks(size.max(1)).len();
                let parts = (1..).zip(message.chunks(size.max(1)));
                let frames: io::Result<Vec<_>> = parts
                    .map(|(number, part)| frame(part, number < count))
                    .collect();
                Ok(frames?.concat())
            }
            Carrier::HdlcBlocks(size) => {
                let count = apdu.chunks(size.max(1)).len();
                let parts = (1..).zip((1u16..).zip(apdu.chunks(size.max(1))));
                let frames: io::Result<Vec<_>> = parts
                    .map(|(place, (number, part))| {
                        let block = BlockTransfer {
                            last: place == count,
                            streaming: place != count,
                            window: 0,
                            number,
                            acknowledged: 0,
                            octets: part.to_vec(),
                        };
                        frame(&with_llc(&Apdu::BlockTransfer(block).to_vec()), false)
                    })
                    .collect();
                Ok(frames?.concat())
            }
            Carrier::Mbus => Ok(mbus::encode(apdu, 0xFF, [1, 0x67])),
        }
    }
}

fn sealed(cipher: &Cipher, count: u32, plain: &[u8]) -> io::Result<Vec<u8>> {
    let keys = security::Cipher {
        encryption: &cipher.key,
        authentication: &cipher.auth_key,
    };
    let control = SecurityControl(cipher.security_control);
    let content = keys
        .seal(control, cipher.title, count, plain)
        .map_err(io::Error::other)?;
    Ok(Apdu::Ciphered(Ciphered {
        ciphering: Ciphering::GeneralGlo,
        system_title: cipher.title.to_vec(),
        content: content.to_vec(),
    })
    .to_vec())
}

/// A meter at work.
pub type DlmsMeter = AtWork<Sent>;

impl DlmsMeter {
    /// Starts a meter whose port is at `link`.
    ///
    /// # Errors
    /// When there is no pty to be had, or its keys do not fit.
    pub fn start(link: &Path, mut config: Config) -> io::Result<Self> {
        config.message(unix_now(), 0)?;
        Self::begin("dlms-meter", link, move |wire, notes| {
            // Seconds since it was installed: it goes on rising when the meter is started again.
            let mut count = u32::try_from(unix_now().saturating_sub(INSTALLED)).unwrap_or(1);
            let push = Push {
                interval: config.interval,
                baud: config.baud,
                framing: Framing::EightNone,
                pace: config.pace,
            };
            let message = |unix_s| {
                let message = config.message(unix_s, count).ok();
                count = count.wrapping_add(1);
                message
            };
            push.run(wire, notes, message, |sent, heard| sent.heard = heard);
        })
    }
}
