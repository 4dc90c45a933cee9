//! The drivers that there are: built in, and added from files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::detect::Detect;
use super::driver::{Driver, Source};
use super::error::DriverError;
use super::file::TestEntry;
use crate::mbus::{DeviceAddress, FieldValue};
use crate::wmbus::{Decoder, KeyRing, MeterKey};

/// A driver that comes with the program; read when it is first needed.
pub(super) struct Builtin {
    pub(super) id: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) detect: &'static [&'static str],
    pub(super) source: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/mbus_drivers.rs"));

/// Drivers by name and by the meters that they are for.
#[derive(Clone, Debug, Default)]
pub struct DriverSet {
    builtin: bool,
    added: Vec<Arc<Driver>>,
    read: HashMap<&'static str, Arc<Driver>>,
    by_address: HashMap<DeviceAddress, Option<Arc<Driver>>>,
}

/// Meters whose driver is remembered.
const MAX_REMEMBERED: usize = 4096;

impl DriverSet {
    /// No driver at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The drivers that come with the program.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            builtin: true,
            ..Self::default()
        }
    }

    /// Adds a driver from the text of a file, once its own tests have passed. It takes the place
    /// of one with the same name.
    ///
    /// # Errors
    /// [`DriverError`]; the driver is not used then.
    pub fn add(&mut self, text: &str) -> Result<&Driver, DriverError> {
        let driver = Arc::new(Driver::parse(text)?);
        run_tests(&driver)?;
        self.added.retain(|known| known.id() != driver.id());
        self.added.push(driver);
        self.by_address.clear();
        self.added
            .last()
            .map(AsRef::as_ref)
            .ok_or_else(|| DriverError::Form("it was not kept".to_owned()))
    }

    /// The driver of a name or alias.
    pub fn by_name(&mut self, name: &str) -> Option<Arc<Driver>> {
        let is = |driver: &&Arc<Driver>| {
            driver.id() == name || driver.aliases().iter().any(|alias| alias == name)
        };
        if let Some(added) = self.added.iter().find(is) {
            return Some(Arc::clone(added));
        }
        let known = BUILTIN
            .iter()
            .find(|it| it.id == name || it.aliases.contains(&name));
        known.filter(|_| self.builtin).and_then(|it| self.load(it))
    }

    /// The driver for meters of an address; added ones come first.
    pub fn by_address(&mut self, address: DeviceAddress) -> Option<Arc<Driver>> {
        // Meters of one model share a driver: their number does not matter.
        let mut model = address;
        model.identification.0 = [0; 4];
        if let Some(known) = self.by_address.get(&model) {
            return known.clone();
        }
        let found = self.find(address);
        if self.by_address.len() >= MAX_REMEMBERED {
            self.by_address.clear();
        }
        self.by_address.insert(model, found.clone());
        found
    }

    /// Names of all drivers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let builtin = BUILTIN.iter().filter(|_| self.builtin).map(|it| it.id);
        self.added.iter().map(|it| it.id()).chain(builtin)
    }

    fn find(&mut self, address: DeviceAddress) -> Option<Arc<Driver>> {
        if let Some(added) = self.added.iter().find(|driver| driver.is_for(address)) {
            return Some(Arc::clone(added));
        }
        if !self.builtin {
            return None;
        }
        let is = |text: &str| Detect::read(text).is_ok_and(|detect| detect.is(address));
        let known = BUILTIN
            .iter()
            .find(|it| it.detect.iter().any(|text| is(text)))?;
        // A file with the name of a built-in driver replaces it, for its other meters as well.
        let replaced = self.added.iter().find(|driver| driver.id() == known.id);
        replaced.map(Arc::clone).or_else(|| self.load(known))
    }

    fn load(&mut self, known: &'static Builtin) -> Option<Arc<Driver>> {
        if let Some(driver) = self.read.get(known.id) {
            return Some(Arc::clone(driver));
        }
        let driver = Arc::new(Driver::parse(known.source).ok()?);
        self.read.insert(known.id, Arc::clone(&driver));
        Some(driver)
    }
}

/// The formats of compact frames that built-in drivers know.
pub fn known_formats() -> impl Iterator<Item = Vec<u8>> {
    KNOWN_FORMATS
        .iter()
        .filter_map(|format| crate::key::octets(format))
}

/// Runs the tests that a driver file carries.
fn run_tests(driver: &Driver) -> Result<(), DriverError> {
    for (index, test) in driver.tests.iter().enumerate() {
        run_test(driver, test).map_err(|reason| DriverError::Test {
            number: index + 1,
            reason,
        })?;
    }
    Ok(())
}

fn run_test(driver: &Driver, test: &TestEntry) -> Result<(), String> {
    let mut keys = KeyRing::default();
    if let Some(key) = &test.key {
        keys.insert_for_all(MeterKey::from_hex(key).map_err(|error| error.to_string())?);
    }
    let mut decoder = Decoder::new(keys);
    driver
        .compact_formats()
        .iter()
        .for_each(|it| decoder.formats.learn(it));
    let mut shown = BTreeMap::new();
    for telegram in test.prior.iter().chain([&test.telegram]) {
        let frame = crate::key::octets(telegram).ok_or("the telegram is no hex")?;
        let decoded = decoder.decode(&frame, &[]);
        let opened = decoded.outcome.map_err(|refusal| refusal.to_string())?;
        let envelope = decoded.envelope.ok_or("the telegram has no address")?;
        let mut records = opened.records();
        let read: Vec<_> = records.by_ref().map_while(Result::ok).collect();
        let reading = driver.read(&Source {
            records: &read,
            manufacturer_data: records.manufacturer_data().map(|data| data.bytes),
            payload: &opened.payload,
            frame: &frame,
            link_address: envelope.sender,
            status: envelope.status,
            key: None,
        });
        shown = reading
            .fields
            .into_iter()
            .map(|field| (field.name.to_string(), plain(&field.value)))
            .collect();
    }
    for (name, want) in &test.expect {
        let got = shown.get(name).map_or("nothing", String::as_str);
        if got != want {
            return Err(format!("{name} is {got} and should be {want}"));
        }
    }
    Ok(())
}

fn plain(value: &FieldValue) -> String {
    match value {
        FieldValue::Null => "null".to_owned(),
        FieldValue::Number(number) => number.normalize().to_string(),
        FieldValue::Text(text) => text.clone(),
        FieldValue::Date(date) => date.to_string(),
        FieldValue::Datetime { at, .. } => at.to_string(),
        FieldValue::Time(time) => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_driver_is_right() {
        let mut wrong = Vec::new();
        for builtin in BUILTIN {
            match Driver::parse(builtin.source) {
                Err(error) => wrong.push(format!("{}: {error}", builtin.id)),
                Ok(driver) => {
                    assert_eq!(driver.id(), builtin.id);
                    if let Err(error) = run_tests(&driver) {
                        wrong.push(format!("{}: {error}", builtin.id));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn names_and_meters_are_taken_once() {
        let mut names: Vec<&str> = BUILTIN
            .iter()
            .flat_map(|it| it.aliases.iter().chain([&it.id]))
            .copied()
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let mut meters: Vec<&str> = BUILTIN.iter().flat_map(|it| it.detect).copied().collect();
        meters.sort_unstable();
        let twice: Vec<_> = meters
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
