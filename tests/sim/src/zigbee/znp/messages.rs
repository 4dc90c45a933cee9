//! Messages: to devices, to all, to the coprocessor's own device objects, and what comes back.

use han::Record;
use han::zigbee::zdo;
use han::zigbee::znp::nv::item;

use super::super::device::Aps;
use super::super::mesh::Arrival;
use super::super::own::Own;
use super::Znp;

/// All nodes, those that do not sleep, and routers.
const BROADCASTS: std::ops::RangeInclusive<u16> = 0xFFFC..=0xFFFF;
/// The device did not acknowledge (Z-Stack, `ZMacNoACK`).
const NO_ACK: u8 = 0xE9;
const BUFFER_FULL: u8 = 0x11;
const INVALID: u8 = 2;
/// An option of a message: it is encrypted with the link key.
const SECURED: u8 = 0x40;

impl Znp {
    /// A message of the host's: to a short address, or to one of several kinds.
    pub(super) fn send(&mut self, id: u16, request: &[u8]) -> Option<u8> {
        if self.faults.buffer_full {
            return Some(BUFFER_FULL);
        }
        let (nwk, dst, src, rest) = if id == 0x0401 {
            let (&[low, high, dst, src], rest) = request.split_first_chunk()?;
            (u16::from_le_bytes([low, high]), dst, src, rest)
        } else {
            let (&[mode, low, high, _, _, _, _, _, _, dst, _, _, src], rest) =
                request.split_first_chunk()?;
            // Groups are heard by nobody here.
            if !matches!(mode, 2 | 15) {
                return Some(if mode == 1 { 0 } else { INVALID });
            }
            (u16::from_le_bytes([low, high]), dst, src, rest)
        };
        let (&[c0, c1, tag, options, _radius], rest) = rest.split_first_chunk()?;
        let cluster = u16::from_le_bytes([c0, c1]);
        // The length has one octet, or two.
        let payload = rest.get(if id == 0x0401 { 1 } else { 2 }..)?;
        if dst == 0 {
            let (tsn, data) = payload.split_first()?;
            self.device_objects(nwk, cluster, *tsn, data);
            return Some(0);
        }
        let own = |one: &&Record| one.number("endpoint") == Some(src.into());
        let endpoint = self.endpoints.iter().find(own);
        let Some(profile) = endpoint.and_then(|own| own.number("profile")) else {
            return Some(INVALID);
        };
        let aps = Aps {
            profile: u16::try_from(profile).ok()?,
            cluster,
            src_endpoint: src,
            dst_endpoint: dst,
            secured: options & SECURED != 0,
        };
        let delivered = self.deliver(nwk, aps, payload);
        let latency = self.mesh.by_nwk(nwk).map_or(5, |device| device.latency_ms);
        let status = if delivered { 0 } else { NO_ACK };
        self.indicate(latency, 0x0480, vec![status, src, tag]);
        Some(0)
    }

    fn deliver(&mut self, nwk: u16, aps: Aps, payload: &[u8]) -> bool {
        if !self.is_up {
            return false;
        }
        self.count_frame();
        let key = self.memory.key().1;
        if !self.mesh.accepts(key, self.frame_counter) {
            return false;
        }
        if BROADCASTS.contains(&nwk) {
            let joined = self.mesh.devices.iter().filter(|device| device.joined);
            let all: Vec<u16> = joined.map(|device| device.nwk).collect();
            for one in all {
                self.mesh.deliver(one, aps, payload, self.now_ms);
            }
            return true;
        }
        let has_key = !aps.secured || self.has_key_of(nwk);
        has_key && self.mesh.deliver(nwk, aps, payload, self.now_ms)
    }

    /// A request for device objects that has a command of its own: the receiver, and what follows
    /// the sequence number.
    pub(super) fn ask_device_objects(&mut self, id: u16, request: &[u8]) -> Option<u8> {
        let cluster = match id {
            0x0537 => {
                let (&[_, _, _mode, c0, c1, c2, c3], _) = request.split_first_chunk()?;
                self.scan(0, [c0, c1, c2, c3]);
                return Some(0);
            }
            0x0536 => {
                let (&[_mode, low, high], data) = request.split_first_chunk()?;
                let nwk = u16::from_le_bytes([low, high]);
                self.device_objects(nwk, 0x0036, 0, data);
                return Some(0);
            }
            // These have no receiver: the network is asked, here those who are meant.
            0x0500 | 0x0501 => return self.ask_address(id, request),
            _ => id & 0x00FF,
        };
        let (&[low, high], data) = request.split_first_chunk()?;
        let nwk = u16::from_le_bytes([low, high]);
        self.device_objects(nwk, cluster, 0, data);
        Some(0)
    }

    fn ask_address(&mut self, id: u16, request: &[u8]) -> Option<u8> {
        let nwk = if id == 0x0501 {
            u16::from_le_bytes(request.first_chunk().copied()?)
        } else {
            let ieee = u64::from_le_bytes(request.first_chunk().copied()?);
            let is_own = ieee == self.memory.eui64();
            let device = self.mesh.device(ieee).filter(|device| device.joined);
            match device {
                Some(device) => device.nwk,
                None if is_own => 0,
                // Nobody answers.
                None => return Some(0),
            }
        };
        self.device_objects(nwk, id & 0x00FF, 0, request);
        Some(0)
    }

    /// Asks the device objects of a node, or of all.
    fn device_objects(&mut self, nwk: u16, cluster: u16, tsn: u8, data: &[u8]) {
        let permits = data.first().filter(|_| cluster == 0x0036).copied();
        if BROADCASTS.contains(&nwk) {
            let joined = self.mesh.devices.iter().filter(|device| device.joined);
            let all: Vec<u16> = joined.map(|device| device.nwk).collect();
            for parent in all.into_iter().chain([0]) {
                if let Some(seconds) = permits {
                    self.permit(parent, seconds);
                }
            }
            // It hears its own broadcast.
            self.answer_for_itself(cluster, tsn, data);
            return;
        }
        if let Some(seconds) = permits {
            self.permit(nwk, seconds);
        }
        if nwk == 0 {
            self.answer_for_itself(cluster, tsn, data);
            return;
        }
        let aps = Aps {
            profile: 0,
            cluster,
            src_endpoint: 0,
            dst_endpoint: 0,
            secured: false,
        };
        let payload = [&[tsn], data].concat();
        self.deliver(nwk, aps, &payload);
    }

    fn answer_for_itself(&mut self, cluster: u16, tsn: u8, data: &[u8]) {
        if let (0x0038, Some(channels)) = (cluster, data.first_chunk()) {
            self.scan(tsn, *channels);
            return;
        }
        let payload = [&[tsn], data].concat();
        let Ok(message) = zdo::Message::decode(cluster, &payload) else {
            return;
        };
        let own = Own {
            eui64: self.memory.eui64(),
            // Texas Instruments.
            manufacturer: 0,
            endpoints: &self.endpoints,
            mesh: &self.mesh,
        };
        let Some(fields) = own.answer(cluster, &message.fields) else {
            return;
        };
        if let Ok(answer) = zdo::encode(cluster | 0x8000, tsn, &fields) {
            self.tell_device_objects(0, cluster | 0x8000, false, &answer);
        }
    }

    /// Channels to listen on, told as they were heard.
    fn scan(&mut self, tsn: u8, channels: [u8; 4]) {
        let mask = u32::from_le_bytes(channels);
        let scanned = (11..=26).zip(self.energy);
        let energies: Vec<u8> = scanned
            .filter(|(channel, _)| mask >> channel & 1 == 1)
            .map(|(_, energy)| energy)
            .collect();
        let mut notify = vec![tsn, 0];
        notify.extend(channels);
        notify.extend([0, 0, 0, 0, u8::try_from(energies.len()).unwrap_or(0)]);
        notify.extend(energies);
        self.tell_device_objects(0, 0x8038, false, &notify);
    }

    /// Passes on what has come from a device.
    pub(super) fn pass_on(&mut self, arrival: &Arrival) {
        let aps = arrival.aps;
        if aps.profile == 0 {
            let (nwk, broadcast) = (arrival.nwk, arrival.broadcast);
            self.tell_device_objects(nwk, aps.cluster, broadcast, &arrival.payload);
            return;
        }
        let is_there = |one: &Record| one.number("endpoint") == Some(aps.dst_endpoint.into());
        if !self.endpoints.iter().any(is_there) {
            return;
        }
        let nwk = arrival.nwk.to_le_bytes();
        let mut message = vec![0, 0];
        message.extend(aps.cluster.to_le_bytes());
        message.extend(nwk);
        message.extend([aps.src_endpoint, aps.dst_endpoint]);
        message.extend([u8::from(arrival.broadcast), arrival.lqi]);
        message.push(u8::from(aps.secured));
        message.extend([0; 4]);
        let Ok(length) = u8::try_from(arrival.payload.len()) else {
            return;
        };
        message.extend([0, length]);
        message.extend(&arrival.payload);
        message.extend(nwk);
        message.push(29);
        self.indicate(0, 0x0481, message);
    }

    /// Tells what device objects have said: in the command of that answer, and in the one for all.
    fn tell_device_objects(&mut self, nwk: u16, cluster: u16, broadcast: bool, payload: &[u8]) {
        let Some((tsn, data)) = payload.split_first() else {
            return;
        };
        let source = nwk.to_le_bytes();
        let command = match cluster {
            0x0013 => Some(0xC1),
            0x8000..=0x8038 => Some(0x80 | cluster & 0x7F),
            _ => None,
        };
        let is_told = self.memory.item(item::ZDO_DIRECT_CALLBACK) == [1];
        if let Some(command) = command.filter(|_| is_told) {
            // Addresses are told without who said them.
            let from: &[u8] = if cluster & 0xFFFE == 0x8000 {
                &[]
            } else {
                &source
            };
            self.indicate(0, 0x0500 | command, [from, data].concat());
        }
        if self.callbacks.contains(&0xFFFF) || self.callbacks.contains(&cluster) {
            let mut message = source.to_vec();
            message.push(u8::from(broadcast));
            message.extend(cluster.to_le_bytes());
            message.extend([0, *tsn, 0, 0]);
            message.extend(data);
            self.indicate(0, 0x05FF, message);
        }
    }
}
