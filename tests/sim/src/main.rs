//! `wattle-sim`: simulated meters behind ptys, for trying wattle without any hardware.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use meter_link::key::Key;
use meter_link::key::hex;
use meter_link::mbus::{DeviceAddress, DeviceType, Identification, Manufacturer};
use nix::sys::signal::{SigSet, Signal};
use serde_json::json;
use wattle_sim::actor::Handle;
use wattle_sim::household::{Curve, Kind};
use wattle_sim::radio::{Meter, Security};
use wattle_sim::replay::{Recording, Replay};
use wattle_sim::{c12, dlms_push, iec62056_21, modbus, p1, sml, tic, uart::Framing};

/// Simulated meters that speak the real protocols through ptys.
///
/// A program that reads meters opens the paths printed here as it would open /dev/ttyUSB0. Each
/// subcommand prints one line of JSON on standard output as soon as its ports can be opened, runs
/// until SIGINT or SIGTERM (Ctrl-C), and takes its links away.
///
/// Commands on standard input, one a line: `unplug NAME` pulls a meter's cable, `plug NAME` puts
/// it back at the same path, `quit` ends. NAME is the name in the line of JSON.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A home: an SML or P1 meter at the house connection, and the heat pump's meter behind it.
    ///
    /// DIR/electricity pushes an SML telegram every second at 9,600 baud, 8N1; with --p1 a P1
    /// telegram of DSMR 5 at 115,200 baud, 8N1, with a gas meter behind it.
    /// DIR/submeter answers IEC 62056-21 requests in mode C, from 300 baud, 7E1 up to 9,600.
    /// What they count follows the wall clock and the seed: registers go on after a restart.
    Household {
        /// Folder for the links to the ptys; made when it is not there.
        #[arg(long)]
        dir: PathBuf,
        /// A photovoltaic plant on the roof: the home also feeds in.
        #[arg(long)]
        pv: bool,
        /// Another seed, another home.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The meter at the house connection speaks P1 in place of SML.
        #[arg(long, conflicts_with = "pin_locked")]
        p1: bool,
        /// Seconds from one pushed telegram to the next.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3600))]
        interval_s: u32,
        /// The SML meter sends no decimals and no power, as before its PIN was entered.
        #[arg(long)]
        pin_locked: bool,
        /// Every n-th readout of the heat pump's meter has a wrong check character.
        #[arg(long, default_value_t = 0)]
        wrong_bcc_every: u32,
        /// The heat pump's meter leaves every n-th request without an answer.
        #[arg(long, default_value_t = 0)]
        silent_every: u32,
    },
    /// A French meter's customer port (TIC): a frame a second in standard mode, 9,600 baud, 7E1.
    ///
    /// The meter's name for `unplug` and `plug` is `linky`.
    Linky {
        /// Path of the link to the pty.
        #[arg(long)]
        pty: PathBuf,
        /// Historic mode at 1,200 baud in place of the standard one.
        #[arg(long)]
        historic: bool,
        /// A photovoltaic plant on the roof: the home also feeds in.
        #[arg(long)]
        pv: bool,
        /// Another seed, another home.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// A meter that pushes a DLMS list every two seconds at 2,400 baud, 8N1, as in Norway or
    /// Austria.
    ///
    /// The meter's name for `unplug` and `plug` is `dlms`.
    DlmsPush {
        /// Path of the link to the pty.
        #[arg(long)]
        pty: PathBuf,
        /// Wired M-Bus in place of HDLC frames.
        #[arg(long)]
        mbus: bool,
        /// Cipher with the keys 00 to 0F and D0 to DF under the system title WSM00001.
        #[arg(long)]
        ciphered: bool,
        /// A photovoltaic plant on the roof: the home also feeds in.
        #[arg(long)]
        pv: bool,
        /// Another seed, another home.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// A meter of the American standards: C12.18 at 9,600 baud, 8N1, through an optical head.
    ///
    /// The meter's name for `unplug` and `plug` is `ansi`.
    Ansi {
        /// Path of the link to the pty.
        #[arg(long)]
        pty: PathBuf,
        /// C12.21 behind a modem, which answers AT commands, in place of C12.18.
        #[arg(long)]
        modem: bool,
        /// Numbers in tables have their most significant octet first.
        #[arg(long)]
        big_endian: bool,
        /// The meter does not tell what its sources measure.
        #[arg(long)]
        no_units: bool,
        /// Every n-th transmission of the meter is damaged.
        #[arg(long, default_value_t = 0)]
        damage_every: u32,
        /// Another seed, another home.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// An RS-485 line with Modbus meters of the kind of an SDM630: RTU, 9,600 baud, 8N1.
    ///
    /// The line's name for `unplug` and `plug` is `modbus`.
    Modbus {
        /// Path of the link to the pty.
        #[arg(long)]
        pty: PathBuf,
        /// The meters' unit numbers.
        #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u8).range(1..=247))]
        units: Vec<u8>,
        /// Another seed, other loads.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Wireless M-Bus meters in the air: gas 11111111 and water 22222222, in clear.
    ///
    /// A line of hex digits per telegram on standard output, for `port = "exec:wattle-sim air"`.
    Air {
        /// Seconds from one telegram of a meter to the next.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
        interval_s: u64,
    },
    /// Plays recorded bytes at the speed of the line, from when the port is first opened.
    ///
    /// The recording runs on while the cable is out, as a meter does. At its end the line stays
    /// up and silent. The meter's name for `unplug` and `plug` is `replay`.
    Replay {
        /// The bytes as they were received.
        file: PathBuf,
        /// Path of the link to the pty.
        #[arg(long)]
        pty: PathBuf,
        /// Speed of the line; a reader at another speed hears garbage.
        #[arg(long, default_value_t = 9600, value_parser = clap::value_parser!(u32).range(50..=4_000_000))]
        baud: u32,
        /// 7 data bits and even parity in place of 8 and none; matters only at a wrong speed.
        #[arg(long)]
        seven_even: bool,
        /// Begin again at the end, for ever.
        #[arg(long = "loop")]
        repeat: bool,
    },
}

/// A device and what is said about it.
struct Device {
    name: &'static str,
    protocol: &'static str,
    id: String,
    kind: Running,
}

enum Running {
    Sml(sml::SmlMeter),
    P1(p1::P1Meter),
    Iec(iec62056_21::Meter),
    Tic(tic::Meter),
    Dlms(dlms_push::DlmsMeter),
    C12(c12::Meter),
    Modbus(modbus::MeterLine),
    Replay(Replay),
}

impl Device {
    const fn handle(&self) -> &Handle {
        match &self.kind {
            Running::Sml(meter) => meter.handle(),
            Running::P1(meter) => meter.handle(),
            Running::Iec(meter) => meter.handle(),
            Running::Tic(meter) => meter.handle(),
            Running::Dlms(meter) => meter.handle(),
            Running::C12(meter) => meter.handle(),
            Running::Modbus(line) => line.handle(),
            Running::Replay(replay) => replay.handle(),
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wattle-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says telegrams until nobody listens.
fn air(interval: Duration) -> anyhow::Result<()> {
    let meter = |number: &str, kind, index| -> anyhow::Result<Meter> {
        let address = DeviceAddress {
            manufacturer: Manufacturer::from_letters("WSM").context("letters")?,
            identification: Identification::from_digits(number).context("digits")?,
            version: 1,
            device_type: DeviceType(kind),
        };
        Ok(Meter::new(address, Security::Clear, index))
    };
    // What they count follows the wall clock: a litre a minute, so that it goes on after a restart.
    let minutes = || -> anyhow::Result<u32> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        Ok(u32::try_from(now.as_secs() / 60 % 90_000_000)?)
    };
    let mut meters = [meter("11111111", 3, 0)?, meter("22222222", 7, 0)?];
    loop {
        for meter in &mut meters {
            meter.index = minutes()?;
            let digits = hex(&meter.telegram().telegram);
            let mut out = std::io::stdout().lock();
            writeln!(out, "{digits}")?;
            out.flush()?;
        }
        std::thread::sleep(interval);
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    if let Command::Air { interval_s } = command {
        return air(Duration::from_secs(interval_s));
    }
    // Blocked before any thread is started, so that all of them inherit it and `wait` gets them.
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block().context("cannot block signals")?;

    let devices = Arc::new(start(command)?);
    let ready = json!({
        "ready": true,
        "meters": devices.iter().map(describe).collect::<Vec<_>>(),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{ready}").context("cannot write to standard output")?;
    out.flush().context("cannot write to standard output")?;
    drop(out);

    let listening = Arc::clone(&devices);
    std::thread::spawn(move || obey(&listening));
    signals.wait().context("cannot wait for signals")?;
    for device in devices.iter() {
        // The links go; nothing is left to be told of a device that has stopped.
        let _ = device.handle().unplug();
    }
    Ok(())
}

fn start(command: Command) -> anyhow::Result<Vec<Device>> {
    match command {
        Command::Air { .. } => Ok(Vec::new()),
        Command::Household {
            dir,
            pv,
            seed,
            p1,
            interval_s,
            pin_locked,
            wrong_bcc_every,
            silent_every,
        } => {
            let link = dir.join("electricity");
            let curve = Curve::new(Kind::Home { pv }, seed);
            let interval = Duration::from_secs(interval_s.into());
            let electricity = if p1 {
                start_p1(&link, interval, curve)?
            } else {
                start_sml(&link, interval, curve, pin_locked)?
            };
            let config = iec62056_21::Config {
                faults: iec62056_21::Faults {
                    wrong_bcc_every,
                    silent_every,
                    keeps_its_speed: false,
                },
                ..iec62056_21::Config::new(Curve::new(Kind::HeatPump, seed))
            };
            let link = dir.join("submeter");
            let submeter = Device {
                name: "submeter",
                protocol: "iec62056-21",
                id: config.address.clone(),
                kind: Running::Iec(
                    iec62056_21::Meter::start(&link, config)
                        .with_context(|| format!("cannot make {}", link.display()))?,
                ),
            };
            Ok(vec![electricity, submeter])
        }
        Command::Linky {
            pty,
            historic,
            pv,
            seed,
        } => {
            let mode = if historic {
                meter_link::tic::Mode::Historic
            } else {
                meter_link::tic::Mode::Standard
            };
            let config = tic::Config::new(mode, Curve::new(Kind::Home { pv }, seed));
            Ok(vec![Device {
                name: "linky",
                protocol: "tic",
                id: config.address.clone(),
                kind: Running::Tic(
                    tic::Meter::start(&pty, config)
                        .with_context(|| format!("cannot make {}", pty.display()))?,
                ),
            }])
        }
        Command::DlmsPush {
            pty,
            mbus,
            ciphered,
            pv,
            seed,
        } => Ok(vec![start_dlms(
            &pty,
            mbus,
            ciphered,
            Curve::new(Kind::Home { pv }, seed),
        )?]),
        Command::Ansi {
            pty,
            modem,
            big_endian,
            no_units,
            damage_every,
            seed,
        } => {
            let load = Curve::new(Kind::Home { pv: false }, seed);
            let mut config = c12::Config::new(load);
            config.big_endian = big_endian;
            config.units = !no_units;
            config.faults.damage_every = damage_every;
            if modem {
                config.dialect = meter_link::c12::client::Dialect::C12_21;
            }
            Ok(vec![Device {
                name: "ansi",
                protocol: if modem { "c12.21" } else { "c12.18" },
                id: config.serial.clone(),
                kind: Running::C12(
                    c12::Meter::start(&pty, config)
                        .with_context(|| format!("cannot make {}", pty.display()))?,
                ),
            }])
        }
        Command::Modbus { pty, units, seed } => {
            let unit = |number: u8| modbus::Unit {
                number,
                serial: 21_000_000 + u32::from(number),
                load: Curve::new(Kind::Home { pv: false }, seed + u64::from(number)),
            };
            let numbers: Vec<String> = units.iter().map(u8::to_string).collect();
            let config = modbus::Config::new(units.into_iter().map(unit).collect());
            Ok(vec![Device {
                name: "modbus",
                protocol: "modbus",
                id: numbers.join(","),
                kind: Running::Modbus(
                    modbus::MeterLine::start(&pty, config)
                        .with_context(|| format!("cannot make {}", pty.display()))?,
                ),
            }])
        }
        Command::Replay {
            file,
            pty,
            baud,
            seven_even,
            repeat,
        } => {
            let bytes =
                std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let recording = Recording {
                baud,
                framing: if seven_even {
                    Framing::SevenEven
                } else {
                    Framing::EightNone
                },
                repeat,
                ..Recording::new(bytes)
            };
            let replay = Replay::start(&pty, recording)
                .with_context(|| format!("cannot make {}", pty.display()))?;
            Ok(vec![Device {
                name: "replay",
                protocol: "recorded",
                id: file.display().to_string(),
                kind: Running::Replay(replay),
            }])
        }
    }
}

fn start_sml(
    link: &Path,
    interval: Duration,
    load: Curve,
    pin_locked: bool,
) -> anyhow::Result<Device> {
    let config = sml::Config {
        interval,
        pin_locked,
        phases: true,
        ..sml::Config::new(load)
    };
    let octets = config.server_id();
    let meter = sml::SmlMeter::start(link, config);
    Ok(Device {
        name: "electricity",
        protocol: "sml",
        id: hex(&octets),
        kind: Running::Sml(meter.with_context(|| format!("cannot make {}", link.display()))?),
    })
}

fn start_p1(link: &Path, interval: Duration, load: Curve) -> anyhow::Result<Device> {
    let config = p1::Config {
        interval,
        ..p1::Config::new(load)?
    };
    let id = config.serial.clone();
    let meter = p1::P1Meter::start(link, config);
    Ok(Device {
        name: "electricity",
        protocol: "p1",
        id,
        kind: Running::P1(meter.with_context(|| format!("cannot make {}", link.display()))?),
    })
}

fn start_dlms(link: &Path, mbus: bool, ciphered: bool, load: Curve) -> anyhow::Result<Device> {
    let key = |first: u8| -> anyhow::Result<Key> {
        let octets: Vec<u8> = (first..first + 16).collect();
        Key::from_octets(&octets).context("sixteen octets")
    };
    let cipher = dlms_push::Cipher {
        title: *b"WSM00001",
        security_control: 0x30,
        key: key(0x00)?,
        auth_key: key(0xD0)?,
    };
    let config = dlms_push::Config {
        carrier: if mbus {
            dlms_push::Carrier::Mbus
        } else {
            dlms_push::Carrier::Hdlc
        },
        cipher: ciphered.then_some(cipher),
        ..dlms_push::Config::new(load)
    };
    let id = config.serial.clone();
    let meter = dlms_push::DlmsMeter::start(link, config);
    Ok(Device {
        name: "dlms",
        protocol: "dlms-push",
        id,
        kind: Running::Dlms(meter.with_context(|| format!("cannot make {}", link.display()))?),
    })
}

fn describe(device: &Device) -> serde_json::Value {
    let handle = device.handle();
    json!({
        "name": device.name,
        "protocol": device.protocol,
        "id": device.id,
        "link": handle.link(),
        "terminal": handle.terminal(),
    })
}

/// Carries out what comes on standard input, and goes on without when there is no more.
fn obey(devices: &[Device]) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let mut words = line.split_whitespace();
        let (verb, name) = (words.next().unwrap_or_default(), words.next());
        let device = devices.iter().find(|device| Some(device.name) == name);
        let done = match (verb, device) {
            ("", _) => continue,
            ("quit", _) => {
                // The same way out as Ctrl-C.
                nix::sys::signal::kill(nix::unistd::Pid::this(), Signal::SIGTERM)
                    .map_err(std::io::Error::from)
            }
            ("unplug", Some(device)) => device.handle().unplug(),
            ("plug", Some(device)) => device.handle().plug(),
            _ => Err(std::io::Error::other(
                "not understood; there are: unplug NAME, plug NAME, quit",
            )),
        };
        match done {
            Ok(()) => println!("{}", json!({ "done": line.trim() })),
            Err(error) => println!(
                "{}",
                json!({ "failed": line.trim(), "why": error.to_string() })
            ),
        }
    }
}
