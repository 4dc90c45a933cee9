//! Wireless M-Bus meters in the air: gas, water, heat and others that send in clear or encrypted,
//! as OMS Specification Volume 2 has it. What a telegram says is noted, to compare with.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockEncryptMut, KeyIvInit};
use cmac::{Cmac, Mac};
use meter_link::mbus::DeviceAddress;

use crate::log::Log;

const SND_NR: u8 = 0x44;
const SHORT_HEADER: u8 = 0x7A;
const FILLER: u8 = 0x2F;

/// How a meter protects its telegrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    Clear,
    /// Security mode 5: AES-128-CBC, known bytes.
    Mode5([u8; 16]),
    /// Security mode 7: a key for each message, CMAC and a message counter.
    Mode7([u8; 16]),
}

/// A meter.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Its address.
    pub address: DeviceAddress,
    /// How it protects its telegrams.
    pub security: Security,
    /// Its index: litres, or watt-hours of heat, electricity and the like. It rises by one with
    /// each telegram.
    pub index: u32,
    /// From one telegram to the next.
    pub interval: Duration,
    /// Telegrams sent so far: access number and message counter.
    pub count: u32,
}

/// What a telegram said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The meter's number, as printed.
    pub id: String,
    /// Its index.
    pub index: u32,
    /// The telegram, without link-layer CRCs.
    pub telegram: Vec<u8>,
}

impl Meter {
    /// A meter that sends every half second.
    #[must_use]
    pub const fn new(address: DeviceAddress, security: Security, index: u32) -> Self {
        Self {
            address,
            security,
            index,
            interval: Duration::from_millis(500),
            count: 0,
        }
    }

    /// Its next telegram: L, C, M, A, CI … without link-layer CRCs.
    pub fn telegram(&mut self) -> Sent {
        self.count += 1;
        self.index += 1;
        let access = self.count.to_le_bytes()[0];
        let payload = self.payload();
        let body = match self.security {
            Security::Clear => [&[SHORT_HEADER, access, 0, 0, 0][..], &payload].concat(),
            Security::Mode5(key) => {
                let [a0, a1, a2, a3, a4, a5, a6, a7] = self.address.to_link();
                let n = access;
                let iv = [a0, a1, a2, a3, a4, a5, a6, a7, n, n, n, n, n, n, n, n];
                let sealed = encrypt(&key, &iv, &payload);
                let blocks = u8::try_from(sealed.len() / 16 * 16).unwrap_or(0xF0);
                [&[SHORT_HEADER, access, 0, blocks, 0x05][..], &sealed].concat()
            }
            Security::Mode7(key) => self.mode_7(&key, access, &payload),
        };
        let mut telegram = vec![0, SND_NR];
        telegram.extend(self.address.to_link());
        telegram.extend(body);
        let length = u8::try_from(telegram.len() - 1).unwrap_or(u8::MAX);
        if let Some(first) = telegram.first_mut() {
            *first = length;
        }
        Sent {
            id: self.address.identification.to_string(),
            index: self.index,
            telegram,
        }
    }

    fn mode_7(&self, key: &[u8; 16], access: u8, payload: &[u8]) -> Vec<u8> {
        const MCL: u8 = 0x25;
        let counter = self.count.to_le_bytes();
        let number = self.address.identification.0;
        let derived = |purpose: u8| {
            let message = [&[purpose][..], &counter, &number, &[7; 7]].concat();
            cmac(key, &message)
        };
        let sealed = encrypt(&derived(0), &[0; 16], payload);
        let blocks = u8::try_from(sealed.len() / 16 * 16).unwrap_or(0xF0);
        let transport = [&[SHORT_HEADER, access, 0, blocks, 0x07, 0x10][..], &sealed].concat();
        let message = [&[MCL][..], &counter, &transport].concat();
        let mac = cmac(&derived(1), &message);
        // FCL: MCL, MCR and MAC are there.
        let mut sublayer = vec![0x90, 15, 0x00, 0x2C, MCL];
        sublayer.extend(counter);
        sublayer.extend(mac.iter().take(8));
        sublayer.extend(transport);
        sublayer
    }

    /// The index and what belongs to it.
    fn payload(&self) -> Vec<u8> {
        let index = self.index.to_le_bytes();
        let record = |header: &[u8], data: &[u8]| [header, data].concat();
        match self.address.device_type.0 {
            // 0.001 m³; volume flow 0.120 m³/h.
            0x03 | 0x06 | 0x07 | 0x15 | 0x16 => [
                record(&[0x04, 0x13], &index),
                record(&[0x02, 0x3B], &[0x78, 0x00]),
            ]
            .concat(),
            // Wh; flow 55.0 °C; return 38.5 °C; power 1200 W.
            0x04 => [
                record(&[0x04, 0x03], &index),
                record(&[0x02, 0x5A], &[0x26, 0x02]),
                record(&[0x02, 0x5E], &[0x81, 0x01]),
                record(&[0x02, 0x2B], &[0xB0, 0x04]),
            ]
            .concat(),
            0x02 => record(&[0x04, 0x03], &index),
            // Units of a heat cost allocator, and a date.
            _ => [
                record(&[0x04, 0x6E], &index),
                record(&[0x42, 0x6C], &[0x3F, 0x3C]),
            ]
            .concat(),
        }
    }
}

/// Known bytes, the payload and fillers, encrypted.
fn encrypt(key: &[u8; 16], iv: &[u8; 16], payload: &[u8]) -> Vec<u8> {
    let mut plain = vec![FILLER, FILLER];
    plain.extend_from_slice(payload);
    plain.resize(plain.len().next_multiple_of(16), FILLER);
    let mut cipher = cbc::Encryptor::<Aes128>::new(key.into(), iv.into());
    for block in plain.as_chunks_mut::<16>().0 {
        cipher.encrypt_block_mut(block.into());
    }
    plain
}

fn cmac(key: &[u8; 16], message: &[u8]) -> [u8; 16] {
    let mut mac = <Cmac<Aes128> as Mac>::new(key.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The air: every meter sends, and every receiver in reach hears it.
#[derive(Debug)]
pub struct Air {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    receivers: Mutex<Vec<Sender<Vec<u8>>>>,
    log: Log<Sent>,
    over: std::sync::atomic::AtomicBool,
}

impl Air {
    /// Lets the meters send.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(meters: Vec<Meter>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("air".to_owned())
            .spawn(move || own.run(meters))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// What is heard from now on.
    #[must_use]
    pub fn listen(&self) -> Receiver<Vec<u8>> {
        let (sender, receiver) = channel();
        self.shared.receivers().push(sender);
        receiver
    }

    /// What was sent, oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.log.all()
    }
}

impl Shared {
    fn receivers(&self) -> std::sync::MutexGuard<'_, Vec<Sender<Vec<u8>>>> {
        self.receivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut meters: Vec<Meter>) {
        let start = Instant::now();
        // They do not send all at once.
        let mut due: Vec<Instant> = (0u32..)
            .zip(&meters)
            .map(|(place, meter)| start + meter.interval * place / 16)
            .collect();
        while !self.over.load(std::sync::atomic::Ordering::Relaxed) {
            for (meter, due) in meters.iter_mut().zip(&mut due) {
                if *due > Instant::now() {
                    continue;
                }
                *due += meter.interval;
                let sent = meter.telegram();
                self.receivers()
                    .retain(|receiver| receiver.send(sent.telegram.clone()).is_ok());
                self.log.push(sent);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Air {
    fn drop(&mut self) {
        self.shared
            .over
            .store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use meter_link::mbus::{DeviceType, Identification, Manufacturer, Value};
    use meter_link::wmbus::{Decoder, MeterKey};

    use super::*;

    const KEY: [u8; 16] = [7; 16];

    #[test]
    fn our_own_decoder_opens_them() {
        for security in [Security::Clear, Security::Mode5(KEY), Security::Mode7(KEY)] {
            for device_type in [0x02, 0x03, 0x04, 0x07, 0x08] {
                let address = DeviceAddress {
                    manufacturer: Manufacturer::from_letters("SIM").unwrap(),
                    identification: Identification::from_digits("12345678").unwrap(),
                    version: 1,
                    device_type: DeviceType(device_type),
                };
                let mut meter = Meter::new(address, security, 41);
                let mut decoder = Decoder::default();
                let key = MeterKey::from_hex(&"07".repeat(16)).unwrap();
                decoder.keys.insert(address.identification, key);
                let sent = meter.telegram();
                let opened = decoder.decode(&sent.telegram, &[]).outcome.unwrap();
                let record = opened.records().next().unwrap().unwrap();
                let Value::Number(index) = record.value() else {
                    panic!("{record:?}");
                };
                assert!(
                    index.mantissa() == 42 || index.to_string() == "0.042",
                    "{index}"
                );
            }
        }
    }
}
