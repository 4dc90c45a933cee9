//! A display and a load-control device of the Smart Energy profile on the simulated stick, and what
//! tshark makes of what they are told.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "every test file uses a part of it; a helper that fails is a test that fails"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use han::zigbee::devices::Event;
use han::zigbee::key_establishment::Suite;
use han::zigbee::services::{self, EventStatus};
use wattle_sim::zigbee::authority::{identity, random};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::energy_services::EnergyServices;
use wattle_sim::zigbee::kinds;
use wattle_sim::zigbee::mesh::Heard;

use crate::house::{House, UTC};

pub(crate) const DISPLAY: u64 = 0x0012_4B00_0000_0005;
pub(crate) const HEATER: u64 = 0x0012_4B00_0000_0006;
/// The first full quarter of an hour after the start.
pub(crate) const QUARTER: u32 = UTC / 900 * 900 + 900;

/// The fields of a packet, as tshark names them.
pub(crate) type Fields = Vec<(String, String)>;

/// Whether tshark is here; says that a test is skipped when it is not.
pub(crate) fn has_tshark() -> bool {
    let is_here = Command::new("tshark").arg("--version").output().is_ok();
    if !is_here {
        println!("skipped: no tshark here; install the package tshark");
    }
    is_here
}

/// What tshark reads in messages; panics where it marks one.
pub(crate) fn read(name: &str, heard: &[Heard]) -> Vec<Fields> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pcap"));
    capture(&file, heard);
    let out = Command::new("tshark")
        .arg("-r")
        .arg(&file)
        .args(["-T", "json", "--no-duplicate-keys"])
        .output()
        .expect("it is installed");
    let text = String::from_utf8_lossy(&out.stdout);
    let packets: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    assert_eq!(packets.len(), heard.len());
    let read = packets.iter().zip(heard).map(|(packet, one)| {
        // What passes through a tunnel is data to tshark, as it should be.
        let is_tunnel = one.aps.cluster == 0x0704;
        let mut fields = Vec::new();
        flatten(packet, &mut fields);
        let bad = fields.iter().find(|(name, _)| {
            name.contains("malformed")
                || name.contains("expert")
                || (name == "data.data" && !is_tunnel)
        });
        assert_eq!(bad, None, "{packet:#}");
        fields
    });
    read.collect()
}

impl House {
    pub(crate) fn serving(suite: Suite) -> Self {
        let mut display = kinds::display(DISPLAY, 0x1A05);
        display.energy_services = Some(EnergyServices::display().with(identity(suite, DISPLAY)));
        let mut heater = kinds::load_control(HEATER, 0x1A06, Curve::Constant(2000));
        let services = EnergyServices::load_control(0x0004).with(identity(suite, HEATER));
        heater.energy_services = Some(services);
        let mut house = Self::new(14, vec![display, heater]);
        house.ncp.mesh.heard = Some(Vec::new());
        let own = identity(suite, house.ncp.eui64).expect("there are random numbers");
        house.home.services.identify(own, random);
        house
    }

    pub(crate) fn secured(suite: Suite) -> Self {
        let mut house = Self::serving(suite);
        house.up();
        house.permit();
        house.key(DISPLAY);
        house.key(HEATER);
        house
    }

    pub(crate) fn key(&mut self, of: u64) {
        let found = |event: &Event| matches!(event, Event::Service(services::Event::KeyEstablished { ieee, .. }) if *ieee == of);
        let seen = self.events.iter().any(|(_, event)| found(event));
        assert!(seen || self.wait(200, found).is_some(), "{:?}", self.events);
    }

    pub(crate) fn at(&self, ieee: u64) -> &EnergyServices {
        let device = self.ncp.mesh.device(ieee).expect("it is there");
        device.energy_services.as_ref().expect("it has them")
    }

    pub(crate) fn at_mut(&mut self, ieee: u64) -> &mut EnergyServices {
        let device = self.ncp.mesh.device_mut(ieee).expect("it is there");
        device.energy_services.as_mut().expect("it has them")
    }

    pub(crate) fn utc(&self) -> u32 {
        self.home.utc(self.now).expect("it has a clock")
    }

    pub(crate) fn run_to(&mut self, utc: u32) {
        let seconds = utc.saturating_sub(self.utc());
        self.run(seconds.into());
    }

    pub(crate) fn services(&self) -> Vec<services::Event> {
        let said = self.events.iter().filter_map(|(_, event)| match event {
            Event::Service(event) => Some(event.clone()),
            _ => None,
        });
        said.collect()
    }

    pub(crate) fn statuses(&self, of: &str) -> Vec<EventStatus> {
        let statuses = self.services().into_iter().filter_map(|event| match event {
            services::Event::EventStatus { key, status, .. } if key == of => Some(status),
            _ => None,
        });
        statuses.collect()
    }
}

/// A capture of link type 230 (IEEE 802.15.4 without its check sum): frames that are not encrypted,
/// so that tshark reads what is in them.
fn capture(file: &Path, heard: &[Heard]) {
    let mut out = Vec::new();
    out.extend(0xA1B2_C3D4_u32.to_le_bytes());
    out.extend([2, 0, 4, 0]);
    out.extend([0; 8]);
    out.extend(65_535_u32.to_le_bytes());
    out.extend(230_u32.to_le_bytes());
    for (number, one) in (0_u8..=255).cycle().zip(heard) {
        let [high, low] = one.nwk.to_be_bytes();
        let mut frame = vec![0x61, 0x88, number, 0x34, 0x12, low, high, 0, 0];
        frame.extend([0x48, 0x00, low, high, 0, 0, 30, number]);
        frame.extend([0x40, one.aps.dst_endpoint]);
        frame.extend(one.aps.cluster.to_le_bytes());
        frame.extend(one.aps.profile.to_le_bytes());
        frame.extend([one.aps.src_endpoint, number]);
        frame.extend(&one.payload);
        let seconds = u32::try_from(one.at_ms / 1000).unwrap_or(0);
        out.extend(seconds.to_le_bytes());
        out.extend(0_u32.to_le_bytes());
        let length = u32::try_from(frame.len()).unwrap_or(0);
        out.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
        out.extend(frame);
    }
    let mut opened = std::fs::File::create(file).expect("the folder is there");
    opened.write_all(&out).expect("there is room");
}

/// All fields of a packet by their name, whatever they stand in.
fn flatten(value: &serde_json::Value, into: &mut Vec<(String, String)>) {
    let Some(members) = value.as_object() else {
        return;
    };
    for (name, value) in members {
        let all = match value {
            serde_json::Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in all {
            if let serde_json::Value::String(text) = value {
                into.push((name.clone(), text.clone()));
            } else {
                into.push((name.clone(), String::new()));
                flatten(value, into);
            }
        }
    }
}
