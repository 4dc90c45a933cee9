//! Lines that several meters share: one arbiter per port, whoever reads from it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use meter_link::driver::{Bus, ParsePlaceError};
use meter_link::session::Line;

use crate::config::{MeterConfig, Protocol, mbus_line};

/// Silence between two turns on a line that meters share.
const GAP: Duration = Duration::from_millis(100);
/// The same on a wired M-Bus; the master itself waits until the line is idle.
const MBUS_GAP: Duration = Duration::from_millis(20);

/// The arbiters of all lines. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Buses {
    known: Arc<Mutex<HashMap<PathBuf, Arc<Bus>>>>,
    /// Ports that more than one meter names, with the line of those that bring none of their own.
    shared: Arc<HashMap<PathBuf, Option<Line>>>,
}

impl Buses {
    /// The lines of these meters.
    #[must_use]
    pub fn new(meters: &[MeterConfig]) -> Self {
        let mut shared = HashMap::new();
        for meter in meters {
            let here = meters.iter().filter(|other| other.port == meter.port);
            if here.clone().count() > 1 {
                let modbus = here.filter(|other| other.protocol == Protocol::Modbus);
                let line = modbus.map(MeterConfig::bus_line).next();
                shared.insert(meter.port.clone(), line);
            }
        }
        Self {
            known: Arc::default(),
            shared: Arc::new(shared),
        }
    }

    /// The line of a meter, with its silence between two turns.
    ///
    /// # Errors
    /// The port names no place.
    pub fn of(&self, meter: &MeterConfig) -> Result<Arc<Bus>, ParsePlaceError> {
        let place = meter.port.to_string_lossy().parse()?;
        let (line, gap) = match meter.protocol {
            Protocol::Mbus => (mbus_line(meter.mbus_master().baud), MBUS_GAP),
            _ => {
                let others = self.shared.get(&meter.port).copied().flatten();
                (others.unwrap_or_else(|| meter.bus_line()), GAP)
            }
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Bus::new(place, line, meter.head_power, gap));
        Ok(Arc::clone(
            known.entry(meter.port.clone()).or_insert_with(fresh),
        ))
    }

    /// Closes the line of a port, if it is open; whoever needs it next opens it again.
    pub async fn close(&self, port: &Path) {
        let bus = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(port).cloned()
        };
        if let Some(bus) = bus {
            bus.close().await;
        }
    }

    /// The line of a DLMS meter that shares it; `None` for one that has its port for itself.
    ///
    /// # Errors
    /// The port names no place.
    pub fn shared(&self, meter: &MeterConfig) -> Result<Option<Arc<Bus>>, ParsePlaceError> {
        let is_shared = self.shared.contains_key(&meter.port);
        (is_shared && meter.protocol == Protocol::Dlms)
            .then(|| self.of(meter))
            .transpose()
    }
}
