//! What becomes of a radio frame: found out whose it is, decrypted, read, or kept for later.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use meter_link::mbus::{self, DeviceAddress, Identification};
use meter_link::model::{self, Telegram};
use meter_link::profile::mbus::{Driver, DriverSet, known_formats};
use meter_link::wmbus::receiver::RadioFrame;
use meter_link::wmbus::{self, Decoded, Decoder, KeyRing, Refusal, ReplayGuard};
use rust_decimal::Decimal;
use wattle_api::{
    AdoptMeter, AdoptedMeter, HeardMeter, KeyCheck, KeyResult, Medium, MeterKey, SecretText,
};

use super::book::{self, Book};
use super::heard::{Heard, HeardMeters, Kept};
use super::interpret;
use crate::config::{MeterConfig, Protocol, Secret};
use crate::hex;
use crate::mbus::{Beliefs, Judged, gas_kwh_per_m3};
use crate::store::{Incoming, LastField, MessageCounter};
use crate::vault::Vault;

/// Telegrams of one meter that the book keeps.
const KEPT_IN_BOOK: usize = 8;

/// A meter that was configured or taken on.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    /// kWh per cubic metre, correction included.
    gas_kwh_per_m3: Option<Decimal>,
    /// The driver it is pinned to.
    driver: Option<String>,
    adopted: Option<book::Adopted>,
}

/// Why a meter cannot be taken on, in words for the household.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The request itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The key does not open the meter's last telegram.
    #[error("the key does not open the last telegram of meter {id}: {reason}")]
    WrongKey {
        /// The meter.
        id: String,
        /// What was expected and not found.
        reason: String,
    },
    /// Keeping it has failed.
    #[error("it could not be kept: {0:#}")]
    Kept(#[from] anyhow::Error),
}

/// What became of a frame.
#[derive(Debug)]
pub(super) enum Taken {
    /// A reading for the store.
    Reading(Box<Incoming>),
    /// A telegram of a meter that is named, and why it gives no reading.
    Refused {
        /// The meter's name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A copy, a part of a message, or a stranger's telegram.
    Nothing,
}

/// What the store knows from before.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) counters: Vec<MessageCounter>,
    pub(super) fields: Vec<LastField>,
}

/// The hub of all receivers.
pub(super) struct Hub {
    decoder: Decoder,
    drivers: DriverSet,
    beliefs: Beliefs,
    replay: ReplayGuard,
    heard: HeardMeters,
    named: BTreeMap<Identification, Named>,
    /// Sealed keys by number.
    sealed: BTreeMap<String, String>,
    vault: Vault,
    folder: PathBuf,
    zone: TimeZone,
    changed: bool,
}

impl Hub {
    /// A hub with the configured meters and what the book in `folder` and the store know.
    ///
    /// # Errors
    /// The book or a key cannot be read.
    pub(super) fn open(
        folder: PathBuf,
        zone: TimeZone,
        configured: &[MeterConfig],
        drivers: DriverSet,
        known: &Known,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let mut hub = Self {
            decoder: Decoder::default(),
            drivers,
            beliefs: Beliefs::of_stored(&known.fields),
            replay: ReplayGuard::default(),
            heard: HeardMeters::default(),
            named: BTreeMap::new(),
            sealed: BTreeMap::new(),
            vault: Vault::open(&folder)?,
            folder,
            zone,
            changed: false,
        };
        for format in known_formats() {
            hub.decoder.formats.learn(&format);
        }
        let book = book::load(&hub.folder)?;
        hub.recall(book)?;
        for MessageCounter { address, value } in &known.counters {
            let octets = hex::decode(address).and_then(|octets| octets.try_into().ok());
            if let Some(octets) = octets {
                hub.replay.restore(DeviceAddress::from_link(octets), *value);
            }
        }
        for meter in configured
            .iter()
            .filter(|meter| meter.protocol == Protocol::Wmbus)
        {
            let id = meter.number().context("a wireless meter has a number")?;
            hub.named.insert(
                id,
                Named {
                    name: meter.name.clone(),
                    gas_kwh_per_m3: gas_kwh_per_m3(meter.calorific_value, meter.correction),
                    driver: meter.driver.clone(),
                    adopted: None,
                },
            );
            if let Some(name) = &meter.driver
                && hub.drivers.by_name(name).is_none()
            {
                tracing::error!(meter = meter.name, driver = name, "there is no such driver");
            }
            if let Some(text) = meter.key.as_ref().map(Secret::reveal).transpose()? {
                hub.set_key(id, &text)?;
            }
        }
        Ok(hub)
    }

    fn recall(&mut self, book: Book) -> anyhow::Result<()> {
        for (id, sealed) in book.keys {
            match self.vault.unseal(&id, &sealed) {
                Ok(key) => {
                    let number =
                        Identification::from_digits(&id).context("a number in the book")?;
                    self.set_key(number, &key)?;
                    self.sealed.insert(id, sealed);
                }
                Err(error) => tracing::error!(%error, "a key is lost; it must be entered again"),
            }
        }
        for (id, adopted) in book.adopted {
            let Some(number) = Identification::from_digits(&id) else {
                continue;
            };
            let named = Named {
                name: adopted.name.clone(),
                gas_kwh_per_m3: gas_kwh_per_m3(adopted.calorific_value, adopted.correction),
                driver: None,
                adopted: Some(adopted),
            };
            self.named.insert(number, named);
        }
        for format in &book.formats {
            if let Some(format) = hex::decode(format) {
                self.decoder.formats.learn(&format);
            }
        }
        for telegrams in book.heard.into_values() {
            for kept in telegrams {
                self.recall_telegram(kept);
            }
        }
        let _ = self.decoder.formats.take_changed();
        self.changed = false;
        Ok(())
    }

    fn recall_telegram(&mut self, kept: book::Kept) {
        let read = kept.read;
        let Some(telegram) = hex::decode(&kept.telegram) else {
            return;
        };
        let kept = Kept {
            at: kept.at,
            telegram,
            rssi_dbm: kept.rssi_dbm,
            receiver: kept.receiver,
            link_checked: true,
        };
        // Without keys: it is about who it is.
        let decoded = Decoder::default().decode(&kept.telegram, &[]);
        let Some(envelope) = decoded.envelope else {
            return;
        };
        let named = &self.named;
        let is_named = |id: Identification| named.contains_key(&id);
        let meter = self.heard.entry(envelope.meter, kept.at, is_named);
        meter.last = meter.last.max(kept.at);
        meter.rssi_dbm = kept.rssi_dbm;
        kept.receiver.clone_into(&mut meter.receiver);
        meter.encrypted = interpret::is_encrypted(&envelope);
        meter.mode = envelope.security.mode.name();
        if let Err(refusal) = &decoded.outcome {
            (meter.status, meter.reason) = (refusal.status(), Some(refusal.to_string()));
        }
        meter.newest = Some(kept.clone());
        if !read {
            meter.keep(kept);
        }
    }

    /// The meters that were taken on, as configurations.
    pub(super) fn adopted(&self) -> Vec<MeterConfig> {
        self.named
            .iter()
            .filter_map(|(id, named)| config_of(*id, named.adopted.as_ref()?))
            .collect()
    }

    /// Takes a frame that a receiver heard at `at`.
    pub(super) fn take(
        &mut self,
        frame: &RadioFrame,
        receiver: &str,
        at: Timestamp,
    ) -> Result<Taken, Refusal> {
        let stripped = frame.strip()?;
        let bytes = stripped.bytes.as_ref();
        if self.heard.is_copy(frame, bytes, receiver, at) {
            return Ok(Taken::Nothing);
        }
        let kept = Kept {
            at,
            telegram: bytes.to_vec(),
            rssi_dbm: frame.rssi_dbm,
            receiver: receiver.to_owned(),
            link_checked: stripped.format.is_some() || frame.rssi_dbm.is_some(),
        };
        let mode = frame.link_mode.map(wmbus::phy::LinkMode::name);
        self.read(&kept, mode, true)
    }

    /// Decodes a telegram and notes what it says about its meter.
    fn read(
        &mut self,
        kept: &Kept,
        link_mode: Option<&'static str>,
        is_new: bool,
    ) -> Result<Taken, Refusal> {
        let decoded = self.decode(kept);
        let envelope = decoded.envelope.ok_or(Refusal::Truncated {
            layer: "link layer",
        })?;
        let encrypted = interpret::is_encrypted(&envelope);
        let mut numbers = vec![
            envelope.meter.identification,
            envelope.sender.identification,
        ];
        numbers.extend(
            decoded
                .outcome
                .as_ref()
                .ok()
                .and_then(interpret::number_in_records),
        );
        let id = self.identify(&numbers);
        if is_new {
            self.heard.remember(&kept.telegram, id, kept.at);
        }
        let is_known = self.named.contains_key(&id);
        // A meter that sends in clear may say the same for ever; one that counts its messages
        // never does. What a stranger sends is kept and counted when it is taken on.
        if decoded.outcome.is_ok() && encrypted && is_known {
            self.replay
                .check(envelope.meter, &kept.telegram, &envelope.security)?;
        }
        let driver = self.driver(id, envelope.meter);
        let keys = self.decoder.keys.of(&numbers);
        let key = keys.first().map(wmbus::MeterKey::octets);
        let mut reading = interpret::reading(&decoded, &kept.telegram, driver.as_deref(), key);
        let serial = mbus::serial(envelope.meter);
        let doubts = match (&mut reading, &serial) {
            (Ok(reading), Some(serial)) => {
                let of = Judged {
                    serial: serial.as_str(),
                    device_type: envelope.meter.device_type,
                    driver: driver.as_deref(),
                    at: kept.at,
                    keep: is_known,
                };
                self.beliefs.judge(of, &mut reading.fields)
            }
            _ => Vec::new(),
        };
        if matches!(reading, Err(Refusal::Fragment { .. })) {
            return Ok(Taken::Nothing);
        }
        self.changed = true;
        let named = self.named.get(&id);
        let address = DeviceAddress {
            identification: id,
            ..envelope.meter
        };
        let is_named = |id: Identification| self.named.contains_key(&id);
        let meter = self.heard.entry(address, kept.at, is_named);
        if is_new {
            meter.last = kept.at;
            meter.telegrams += 1;
            meter.rssi_dbm = kept.rssi_dbm;
            kept.receiver.clone_into(&mut meter.receiver);
            meter.link_mode = link_mode;
            meter.newest = Some(kept.clone());
            if named.is_none() || reading.is_err() {
                meter.keep(kept.clone());
            }
        }
        meter.encrypted = encrypted;
        meter.mode = envelope.security.mode.name();
        let mut reading = match reading {
            Ok(reading) => reading,
            Err(refusal) => {
                (meter.status, meter.reason) = (refusal.status(), Some(refusal.to_string()));
                return Ok(named.map_or(Taken::Nothing, |named| Taken::Refused {
                    name: named.name.clone(),
                    reason: refusal.to_string(),
                }));
            }
        };
        let index_is_doubted = doubts.iter().any(|doubt| doubt.is_index);
        meter.status = if index_is_doubted {
            "implausible"
        } else {
            meter.index = reading.index.or(meter.index);
            "ok"
        };
        meter.reason = doubts.first().map(ToString::to_string);
        let Some(named) = named else {
            return Ok(Taken::Nothing);
        };
        if let Some(factor) = named.gas_kwh_per_m3
            && !index_is_doubted
        {
            reading.add_gas_energy(factor);
        }
        let telegram = Telegram {
            meter: serial.clone(),
            manufacturer: Some(envelope.meter.manufacturer.to_string()),
            time: None,
            values: reading.registers,
            check: interpret::check(&envelope, kept.link_checked),
            hints: Vec::new(),
            raw: kept.telegram.clone(),
            channel: None,
            indications: model::Indications::default(),
        };
        Ok(Taken::Reading(Box::new(Incoming {
            name: named.name.clone(),
            serial: serial.map_or_else(|| named.name.clone(), |serial| serial.to_string()),
            received_at: kept.at,
            port: kept.receiver.clone(),
            telegram,
            fields: reading.fields,
            doubts,
            counter: self
                .replay
                .highest(envelope.meter)
                .map(|value| MessageCounter {
                    address: hex::encode(&envelope.meter.to_link()),
                    value,
                }),
        })))
    }

    /// Decrypts a telegram, with the key that all meters of a model share where there is no other.
    fn decode(&mut self, kept: &Kept) -> Decoded {
        let days = self.days(kept.at);
        let decoded = self.decoder.decode(&kept.telegram, &days);
        let (Some(envelope), Err(Refusal::NoKey { .. })) = (&decoded.envelope, &decoded.outcome)
        else {
            return decoded;
        };
        let Some(driver) = self.driver(envelope.meter.identification, envelope.meter) else {
            return decoded;
        };
        if driver.default_keys().is_empty() {
            return decoded;
        }
        self.decoder.keys.set_fallback(driver.default_keys());
        let again = self.decoder.decode(&kept.telegram, &days);
        self.decoder.keys.set_fallback(&[]);
        if again.outcome.is_ok() {
            again
        } else {
            decoded
        }
    }

    /// The driver of a meter: the one it is pinned to, or the one for its address.
    fn driver(&mut self, id: Identification, address: DeviceAddress) -> Option<Arc<Driver>> {
        match self
            .named
            .get(&id)
            .and_then(|named| named.driver.as_deref())
        {
            Some(name) => self.drivers.by_name(name),
            None => self.drivers.by_address(address),
        }
    }

    /// By which of its numbers a meter is known: its own, that of its radio adapter, or one in its
    /// records.
    fn identify(&self, numbers: &[Identification]) -> Identification {
        let named = numbers.iter().find(|id| self.named.contains_key(*id));
        let first = numbers.first().copied().unwrap_or(Identification([0; 4]));
        named.copied().unwrap_or(first)
    }

    /// The days on which a telegram may have been sent.
    fn days(&self, at: Timestamp) -> Vec<jiff::civil::Date> {
        let today = self.zone.to_datetime(at).date();
        [today.yesterday().ok(), Some(today), today.tomorrow().ok()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The meters heard, the nearest first.
    pub(super) fn heard(&self) -> Vec<HeardMeter> {
        let mut heard: Vec<(&Heard, HeardMeter)> = self
            .heard
            .iter()
            .map(|(id, meter)| {
                let name = self.named.get(id).map(|named| named.name.as_str());
                (meter, meter.api(name))
            })
            .collect();
        heard.sort_by(|(a, one), (b, other)| (b.rssi_dbm, &one.id).cmp(&(a.rssi_dbm, &other.id)));
        heard.into_iter().map(|(_, api)| api).collect()
    }

    /// Takes a meter on; what it has sent so far is read.
    ///
    /// # Errors
    /// [`AdoptError`]; nothing is kept then.
    pub(super) fn adopt(
        &mut self,
        request: &AdoptMeter,
        taken_names: &[String],
    ) -> Result<(AdoptedMeter, MeterConfig, Vec<Incoming>), AdoptError> {
        let invalid = |text: &str| AdoptError::Invalid(text.to_owned());
        let id = Identification::from_digits(&request.id)
            .ok_or_else(|| invalid("id must be the eight digits on the meter"))?;
        let name = request.name.trim();
        if name.is_empty() || name.len() > 40 {
            return Err(invalid("a name has 1 to 40 characters"));
        }
        if self
            .named
            .get(&id)
            .is_some_and(|named| named.adopted.is_none())
        {
            return Err(invalid("this meter is configured already"));
        }
        let others = || self.named.iter().filter(|(other, _)| **other != id);
        if others().any(|(_, named)| named.name == name)
            || taken_names.iter().any(|taken| taken == name)
                && self.named.get(&id).is_none_or(|named| named.name != name)
        {
            return Err(invalid("another meter has this name"));
        }
        let medium = request
            .medium
            .or_else(|| self.medium_of(id))
            .ok_or_else(|| invalid("say what it measures: medium"))?;
        let factors = [request.calorific_value, request.correction];
        if factors
            .iter()
            .flatten()
            .any(|factor| *factor <= Decimal::ZERO)
        {
            return Err(invalid("calorific_value and correction are above 0"));
        }
        let key = match &request.key {
            Some(SecretText(key)) => self.try_key(id, key)?,
            None => self.without_key(id),
        };
        let adopted = book::Adopted {
            name: name.to_owned(),
            medium,
            calorific_value: request.calorific_value,
            correction: request.correction,
        };
        let config = config_of(id, &adopted).ok_or_else(|| invalid("it cannot be configured"))?;
        if let Some(SecretText(text)) = &request.key {
            self.keep_key(id, text)?;
        }
        self.named.insert(
            id,
            Named {
                name: name.to_owned(),
                gas_kwh_per_m3: gas_kwh_per_m3(request.calorific_value, request.correction),
                driver: None,
                adopted: Some(adopted),
            },
        );
        let incoming = self.read_again(id);
        self.save()?;
        let answer = AdoptedMeter {
            id: request.id.clone(),
            name: name.to_owned(),
            key,
            telegrams_read: incoming.len(),
        };
        Ok((answer, config, incoming))
    }

    /// Takes keys of meters, heard or not.
    ///
    /// # Errors
    /// They cannot be kept. A wrong one among them is no error: it is told.
    pub(super) fn take_keys(
        &mut self,
        keys: &[MeterKey],
    ) -> Result<(Vec<KeyResult>, Vec<Incoming>), AdoptError> {
        let mut results = Vec::with_capacity(keys.len());
        let mut incoming = Vec::new();
        for MeterKey { id, key } in keys {
            let number = Identification::from_digits(id)
                .ok_or_else(|| AdoptError::Invalid(format!("{id:?} is no number of a meter")))?;
            let check = match self.try_key(number, &key.0) {
                Ok(check) => {
                    self.keep_key(number, &key.0)?;
                    incoming.extend(self.read_again(number));
                    check
                }
                Err(AdoptError::WrongKey { .. }) => KeyCheck::Wrong,
                Err(other) => return Err(other),
            };
            results.push(KeyResult {
                id: id.clone(),
                check,
            });
        }
        self.save()?;
        Ok((results, incoming))
    }

    fn medium_of(&self, id: Identification) -> Option<Medium> {
        let device_type = self.heard.get(id)?.address.device_type;
        Some(match mbus::medium(device_type)? {
            model::Medium::Electricity => Medium::Electricity,
            model::Medium::Gas => Medium::Gas,
            model::Medium::Water => Medium::Water,
            model::Medium::Heat => Medium::Heat,
        })
    }

    /// What the last telegram says of a meter that is to be read without a key.
    fn without_key(&self, id: Identification) -> KeyCheck {
        match self.heard.get(id) {
            None => KeyCheck::Untried,
            Some(_) if self.decoder.keys.has(id) => KeyCheck::Right,
            Some(meter) if meter.encrypted => KeyCheck::Missing,
            Some(_) => KeyCheck::NotNeeded,
        }
    }

    /// Tries a key on the last telegram, without any trace.
    fn try_key(&self, id: Identification, text: &str) -> Result<KeyCheck, AdoptError> {
        let key = wmbus::MeterKey::from_hex(text).map_err(|_| {
            AdoptError::Invalid("a key has 32 hex digits (AES) or 16 (DES)".to_owned())
        })?;
        let Some(meter) = self.heard.get(id) else {
            return Ok(KeyCheck::Untried);
        };
        // The newest encrypted one: some meters send part of their telegrams in clear.
        let mut keys = KeyRing::default();
        keys.insert(id, key);
        let mut trial = Decoder::default();
        trial.keys = keys;
        trial.formats = self.decoder.formats.clone();
        for kept in meter.newest.iter().chain(meter.unread.iter().rev()) {
            let Decoded { envelope, outcome } = trial.decode(&kept.telegram, &self.days(kept.at));
            let sealed = envelope.is_some_and(|envelope| interpret::is_encrypted(&envelope));
            match outcome {
                Ok(_) if sealed => return Ok(KeyCheck::Right),
                Err(
                    refusal @ (Refusal::WrongKey { .. } | Refusal::AuthenticationFailed { .. }),
                ) => {
                    return Err(AdoptError::WrongKey {
                        id: id.to_string(),
                        reason: refusal.to_string(),
                    });
                }
                Err(refusal) if sealed && interpret::was_opened(&refusal) => {
                    return Ok(KeyCheck::Right);
                }
                _ => {}
            }
        }
        Ok(KeyCheck::Untried)
    }

    fn set_key(&mut self, id: Identification, text: &str) -> anyhow::Result<()> {
        let key = wmbus::MeterKey::from_hex(text).map_err(|_| {
            anyhow::anyhow!("meter {id}: a key has 32 hex digits (AES) or 16 (DES)")
        })?;
        self.decoder.keys.insert(id, key);
        Ok(())
    }

    fn keep_key(&mut self, id: Identification, text: &str) -> Result<(), AdoptError> {
        let sealed = self.vault.seal(&id.to_string(), text.trim())?;
        self.set_key(id, text)?;
        self.sealed.insert(id.to_string(), sealed);
        self.changed = true;
        Ok(())
    }

    /// Reads what a meter sent before it could be read.
    fn read_again(&mut self, id: Identification) -> Vec<Incoming> {
        let Some(meter) = self.heard.get_mut(id) else {
            return Vec::new();
        };
        let unread = std::mem::take(&mut meter.unread);
        let mut incoming = Vec::new();
        for kept in unread {
            match self.read(&kept, None, false) {
                Ok(Taken::Reading(reading)) => incoming.push(*reading),
                // A message that was used before is no reading later on either.
                Err(_) => {}
                Ok(_) => {
                    if let Some(meter) = self.heard.get_mut(id) {
                        meter.keep(kept);
                    }
                }
            }
        }
        incoming
    }

    /// Reads again what gave no reading before the start: there may be a new key or driver.
    pub(super) fn read_all_again(&mut self) -> Vec<Incoming> {
        let named: Vec<Identification> = self.named.keys().copied().collect();
        named
            .into_iter()
            .flat_map(|id| self.read_again(id))
            .collect()
    }

    /// Writes the book if something has changed.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn save_if_changed(&mut self) -> anyhow::Result<()> {
        if self.changed || self.decoder.formats.take_changed() {
            self.save()?;
        }
        Ok(())
    }

    fn save(&mut self) -> anyhow::Result<()> {
        let kept = |kept: &Kept, read| book::Kept {
            read,
            at: kept.at,
            telegram: hex::encode(&kept.telegram),
            rssi_dbm: kept.rssi_dbm,
            receiver: kept.receiver.clone(),
        };
        let telegrams = |meter: &Heard| -> Vec<book::Kept> {
            let unread = meter.unread.iter().rev().take(KEPT_IN_BOOK);
            let mut all: Vec<book::Kept> = unread.map(|it| kept(it, false)).collect();
            all.reverse();
            if let Some(newest) = meter.newest.as_ref().filter(|_| all.is_empty()) {
                all.push(kept(newest, true));
            }
            all
        };
        let book = Book {
            version: 0,
            adopted: self
                .named
                .iter()
                .filter_map(|(id, named)| Some((id.to_string(), named.adopted.clone()?)))
                .collect(),
            keys: self.sealed.clone(),
            formats: self.decoder.formats.iter().map(hex::encode).collect(),
            heard: self
                .heard
                .iter()
                .map(|(id, meter)| (id.to_string(), telegrams(meter)))
                .collect(),
        };
        book::save(&self.folder, &book)?;
        self.changed = false;
        Ok(())
    }
}

/// The configuration of a meter that was taken on. It is the home's of its medium where no other
/// is; the view decides that.
fn config_of(id: Identification, adopted: &book::Adopted) -> Option<MeterConfig> {
    let mut table = toml::Table::new();
    let mut put = |key: &str, value: String| drop(table.insert(key.to_owned(), value.into()));
    put("name", adopted.name.clone());
    put("protocol", Protocol::Wmbus.name().to_owned());
    put("id", id.to_string());
    for (key, factor) in [
        ("calorific_value", adopted.calorific_value),
        ("correction", adopted.correction),
    ] {
        if let Some(factor) = factor {
            put(key, factor.to_string());
        }
    }
    table.insert(
        "medium".to_owned(),
        toml::Value::try_from(adopted.medium).ok()?,
    );
    table.try_into().ok()
}

#[cfg(test)]
mod tests;
