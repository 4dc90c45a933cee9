//! Lines that several meters share: one arbiter per port, whoever reads from it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use meter_link::driver::{Bus, ParsePlaceError};

use crate::config::{MeterConfig, Protocol, mbus_line};

/// The arbiters of all lines. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Buses(Arc<Mutex<HashMap<PathBuf, Arc<Bus>>>>);

impl Buses {
    /// The line of a meter, with the silence between two turns.
    ///
    /// # Errors
    /// The port names no place.
    pub fn of(&self, meter: &MeterConfig, gap: Duration) -> Result<Arc<Bus>, ParsePlaceError> {
        let place = meter.port.to_string_lossy().parse()?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = match meter.protocol {
            Protocol::Mbus => mbus_line(meter.mbus_master().baud),
            _ => meter.bus_line(),
        };
        let fresh = || Arc::new(Bus::new(place, line, meter.head_power, gap));
        Ok(Arc::clone(
            known.entry(meter.port.clone()).or_insert_with(fresh),
        ))
    }
}
