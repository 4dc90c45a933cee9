//! What the coprocessor answers to each request.

use han::zigbee::install_code::InstallCode;
use han::{Record, Value};

use super::Znp;

/// The interfaces that it has: SYS, AF, ZDO, UTIL, GP, APP_CNF.
const CAPABILITIES: u16 = 0x0659;
/// The day of the build.
const REVISION: u32 = 20_240_710;

impl Znp {
    /// The answer to a request; `None` for one that is not known.
    pub(super) fn answer(&mut self, id: u16, request: &[u8]) -> Option<Vec<u8>> {
        let octet = |at: usize| request.get(at).copied();
        Some(match id {
            0x0101 => CAPABILITIES.to_le_bytes().to_vec(),
            0x0102 => {
                let mut version = vec![2, 1, 2, 7, 1];
                version.extend(REVISION.to_le_bytes());
                version
            }
            0x0104 => self.memory.eui64().to_le_bytes().to_vec(),
            0x0107..=0x0109 | 0x0112 | 0x0113 | 0x011C | 0x011D | 0x0130..=0x0135 => {
                return self.memory.answer(id, request);
            }
            // Power and tuning; LEDs; table of children; routes; groups; policies that change nothing
            // here.
            0x010F | 0x0114 | 0x070A | 0x0763 | 0x0764 | 0x0545 | 0x0546 | 0x054B | 0x0F03
            | 0x0F09 => vec![0],
            // It is in no group.
            0x054A => vec![1, 0, 0, 0],
            0x0400 => vec![self.register(request)?],
            0x0401 | 0x0402 => vec![self.send(id, request)?],
            0x0523 => {
                let (nwk, rest) = request.split_first_chunk()?;
                let (ieee, key) = rest.split_first_chunk()?;
                let (ieee, nwk) = (u64::from_le_bytes(*ieee), u16::from_le_bytes(*nwk));
                let is_put = self.memory.put_aps_key(ieee, nwk, key.try_into().ok()?);
                vec![u8::from(!is_put)]
            }
            0x0540 => vec![self.start_up()],
            0x053E => {
                let cluster = request.first_chunk().copied()?;
                self.callbacks.insert(u16::from_le_bytes(cluster));
                vec![0]
            }
            0x054E => vec![self.tell_key(octet(2)?, request.get(3..)?.try_into().ok()?)],
            0x054F => vec![self.use_key(octet(2)?)],
            0x0550 => self.network_info(),
            0x0500..=0x0538 => vec![self.ask_device_objects(id, request)?],
            0x0700 => {
                let mut info = vec![0];
                info.extend(self.memory.eui64().to_le_bytes());
                info.extend([0, 0, 7, self.state(), 0]);
                info
            }
            // A structure as it lies in memory, of which only the length is looked at.
            0x0749 => vec![0xFF; 36],
            0x074A => {
                let mut device = vec![0xFE, 0xFF, 0xFF, 0xFF, 0xFF];
                device.resize(28, 0);
                device
            }
            0x0F04 => vec![self.add_install_code(request)?],
            0x0F05 => vec![self.commission(octet(0)?)],
            0x0F06 => {
                self.needs_install_code = octet(0)? != 0;
                vec![0]
            }
            0x0F08 => {
                let (is_primary, channels) = request.split_first()?;
                if *is_primary == 1 {
                    self.channels = u32::from_le_bytes(channels.first_chunk().copied()?);
                }
                vec![0]
            }
            _ => return None,
        })
    }

    /// Endpoint, profile, device, version, latency, and two lists of clusters.
    fn register(&mut self, request: &[u8]) -> Option<u8> {
        let (&[endpoint, p0, p1, d0, d1, version, _latency], rest) = request.split_first_chunk()?;
        let (inputs, rest) = clusters(rest)?;
        let (outputs, _) = clusters(rest)?;
        let number = |one: &Record| one.number("endpoint");
        if self
            .endpoints
            .iter()
            .any(|one| number(one) == Some(endpoint.into()))
        {
            return Some(0xB8);
        }
        let count = |ids: &[Value]| Value::Unsigned(ids.len() as u64);
        self.endpoints.push(
            Record::new()
                .with("endpoint", Value::Unsigned(endpoint.into()))
                .with("profile", Value::id16(u16::from_le_bytes([p0, p1])))
                .with("device", Value::id16(u16::from_le_bytes([d0, d1])))
                .with("device_version", Value::Unsigned(version.into()))
                .with("input_count", count(&inputs))
                .with("input_clusters", Value::List(inputs))
                .with("output_count", count(&outputs))
                .with("output_clusters", Value::List(outputs)),
        );
        Some(0)
    }

    fn network_info(&self) -> Vec<u8> {
        let nib = self.memory.formed();
        let (pan, name, channel) = nib.map_or((0xFFFF, 0, 0), |nib| {
            (nib.pan(), nib.extended_pan(), nib.channel())
        });
        let mut info = vec![0, 0, self.state()];
        info.extend(pan.to_le_bytes());
        info.extend([0, 0]);
        info.extend(name.to_le_bytes());
        info.extend([0; 8]);
        info.push(channel);
        info
    }

    /// Format, device, and a code with its CRC (1) or the key that was made of it (2).
    fn add_install_code(&mut self, request: &[u8]) -> Option<u8> {
        let (format, rest) = request.split_first()?;
        let (ieee, code) = rest.split_first_chunk()?;
        let key = match format {
            1 => {
                let text: String = code.iter().map(|octet| format!("{octet:02x}")).collect();
                match InstallCode::parse(&text) {
                    Ok(code) => *code.link_key(),
                    Err(_) => return Some(2),
                }
            }
            2 => code.try_into().ok()?,
            _ => return Some(2),
        };
        self.install_codes.push((u64::from_le_bytes(*ieee), key));
        Some(0)
    }
}

/// A list of clusters after its length, and what follows it.
fn clusters(of: &[u8]) -> Option<(Vec<Value>, &[u8])> {
    let (count, rest) = of.split_first()?;
    let (list, rest) = rest.split_at_checked(usize::from(*count) * 2)?;
    let ids = list.as_chunks::<2>().0.iter();
    let ids = ids.map(|id| Value::id16(u16::from_le_bytes(*id)));
    Some((ids.collect(), rest))
}
