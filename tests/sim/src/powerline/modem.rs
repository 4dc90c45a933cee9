//! One adapter: what it answers.

use std::time::{Duration, Instant};

use han::homeplug::avln::LOCAL_ADAPTER;
use han::homeplug::keys::{NetworkKey, SecurityLevel, network_identifier};
use han::homeplug::{Fragment, MmType, Mme, OUI_QUALCOMM, fields};
use han::{Record, Value};

/// QCA7005, as the device identifier of VS_SW_VER says it.
const DEVICE_ID: u8 = 0x22;
/// An adapter is silent for so long after it has taken a key.
const RESET: Duration = Duration::from_millis(600);
/// So long does a pressed button count.
const BUTTON: Duration = Duration::from_secs(120);
/// How many groups of carriers an adapter measures.
pub(super) const GROUPS: u8 = 58;

/// An adapter at an Ethernet port.
#[derive(Clone, Debug)]
pub struct Modem {
    /// Its own address.
    pub mac: [u8; 6],
    /// The key of its network.
    pub key: NetworkKey,
    /// Its number in a network.
    pub tei: u8,
    /// The text of its firmware's version.
    pub version: String,
    /// The host that it has seen at its port.
    pub(super) host: Option<[u8; 6]>,
    pub(super) silent_until: Option<Instant>,
    /// When its button was pressed.
    pub(super) pressed: Option<Instant>,
}

/// Another adapter as this one knows it.
pub(super) struct Peer<'a> {
    pub(super) modem: &'a Modem,
    pub(super) rate_mbit: u16,
}

impl Modem {
    /// An adapter with a factory-set key.
    #[must_use]
    pub fn new(mac: [u8; 6], key: NetworkKey, tei: u8) -> Self {
        Self {
            mac,
            key,
            tei,
            version: "MAC-QCA7005-1.1.0.727-02-20130826-SIMULATED".to_owned(),
            host: None,
            silent_until: None,
            pressed: None,
        }
    }

    pub(super) fn nid(&self) -> [u8; 7] {
        network_identifier(&self.key, SecurityLevel::SimpleConnect)
    }

    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.silent_until.is_some_and(|until| now < until)
    }

    /// Whether a message of its host is for the adapter itself.
    pub(super) fn is_addressed(&self, destination: [u8; 6]) -> bool {
        destination == LOCAL_ADAPTER || destination == self.mac || destination == [0xFF; 6]
    }

    /// Takes a new key; it is silent while it starts again.
    pub(super) fn take_key(&mut self, key: NetworkKey, now: Instant) {
        self.key = key;
        self.silent_until = Some(now + RESET);
    }

    /// What it answers to a message that it does not have to act on.
    pub(super) fn answer(&self, mme: &Mme<'_>, peers: &[Peer<'_>]) -> Option<Vec<u8>> {
        match mme.mmtype.0 {
            0xA000 => {
                let version = self.version.as_bytes();
                let mut payload = vec![0, DEVICE_ID, u8::try_from(version.len()).ok()?];
                payload.extend(version);
                payload.resize(payload.len().max(68), 0);
                // Identity of the chip: 001CFC00 is a QCA7005.
                payload.extend([0x00, 0x1C, 0xFC, 0x00]);
                Some(self.vendor(mme, &payload))
            }
            0xA038 if mme.mmv >= 1 => Some(self.vendor(mme, &self.network(peers))),
            0xA038 => None,
            0x6020 => {
                let mut payload = vec![u8::from(self.host.is_some())];
                if let Some(host) = self.host {
                    payload.extend([self.tei, 1]);
                    payload.extend(host);
                }
                Some(self.standard(mme, &payload))
            }
            _ => None,
        }
    }

    /// Whether its button was pressed and counts still.
    pub(super) fn is_pressed(&self, now: Instant) -> bool {
        self.pressed
            .is_some_and(|pressed| now.saturating_duration_since(pressed) < BUTTON)
    }

    /// The confirmation that a pressed button counts.
    pub(super) fn button_confirmation(&self, mme: &Mme<'_>) -> Vec<u8> {
        self.standard(mme, &[0, 0])
    }

    /// The confirmation of a key; `result` is 1 when it says that it was taken.
    pub(super) fn key_confirmation(&self, mme: &Mme<'_>, result: u8) -> Option<Vec<u8>> {
        let request = fields(mme).ok()??;
        let mut payload = vec![result];
        payload.extend([0x5A, 0x17, 0x43, 0x01]);
        match request.field("my_nonce") {
            Some(Value::Octets(nonce)) => payload.extend(nonce),
            _ => payload.extend([0; 4]),
        }
        let small = |request: &Record, name| {
            u8::try_from(request.number(name).unwrap_or_default()).unwrap_or_default()
        };
        payload.extend([small(&request, "pid"), 0, 0, 0xFF, 0]);
        Some(self.standard(mme, &payload))
    }

    /// What it has heard of a car's sound, for its own host.
    pub(super) fn attenuation_profile(&self, car: [u8; 6], attenuation_db: u8) -> Option<Vec<u8>> {
        let mut payload = car.to_vec();
        payload.extend([GROUPS, 0]);
        payload.extend([attenuation_db; GROUPS as usize]);
        let profile = Mme {
            destination: self.host?,
            source: self.mac,
            mmv: 1,
            mmtype: MmType(0x6086),
            fragment: Some(Fragment::default()),
            oui: None,
            payload: &payload,
        };
        Some(profile.to_frame())
    }

    fn network(&self, peers: &[Peer<'_>]) -> Vec<u8> {
        let all = peers.iter().map(|peer| peer.modem).chain([self]);
        let coordinator = all.min_by_key(|modem| modem.tei).unwrap_or(self);
        let mut body = vec![0, 1];
        body.extend(self.nid());
        body.extend([0, 0, 4, self.tei, 0, 0, 0, 0]);
        body.push(if coordinator.mac == self.mac { 2 } else { 0 });
        body.extend(coordinator.mac);
        body.extend([coordinator.tei, 0, 0, 0]);
        body.push(u8::try_from(peers.len()).unwrap_or(u8::MAX));
        body.extend([0; 5]);
        for peer in peers {
            body.extend(peer.modem.mac);
            body.extend([peer.modem.tei, 0, 0, 0]);
            body.extend(peer.modem.host.unwrap_or_default());
            body.extend(peer.rate_mbit.to_le_bytes());
            body.extend([0, 0]);
            body.extend(peer.rate_mbit.to_le_bytes());
            body.extend([0, 0]);
        }
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        let mut payload = vec![0, 0];
        payload.extend(length.to_le_bytes());
        payload.extend(body);
        payload
    }

    fn vendor(&self, request: &Mme<'_>, payload: &[u8]) -> Vec<u8> {
        self.reply(request, Some(OUI_QUALCOMM), payload)
    }

    fn standard(&self, request: &Mme<'_>, payload: &[u8]) -> Vec<u8> {
        self.reply(request, None, payload)
    }

    fn reply(&self, request: &Mme<'_>, oui: Option<[u8; 3]>, payload: &[u8]) -> Vec<u8> {
        let reply = Mme {
            destination: request.source,
            source: self.mac,
            mmv: request.mmv,
            mmtype: MmType(request.mmtype.0 | 1),
            fragment: request.fragment,
            oui,
            payload,
        };
        reply.to_frame()
    }
}
