//! Events of load control at a device.

use han::{Record, Value};

use super::super::device::Sent;
use super::{EnergyServices, LOAD_CONTROL, RECEIVED, STARTED, SUPERSEDED, ToldEvent};

impl EnergyServices {
    pub(super) fn take_event(
        &mut self,
        fields: &Record,
        utc: u32,
        tsn: &mut dyn FnMut() -> u8,
    ) -> Vec<Sent> {
        let Some(classes) = self.classes else {
            return Vec::new();
        };
        let number = |name: &str| u32::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0);
        if number("device_class") & u32::from(classes) == 0 {
            return Vec::new();
        }
        let id = number("issuer_event_id");
        if self.events.iter().any(|event| event.id == id) {
            return self.status(id, RECEIVED, utc, tsn());
        }
        let start = match number("start_time") {
            0 => utc,
            start => start,
        };
        // Bit 0 of the event control lets each device begin at a time of its own (D.2.2.3.1.1.1).
        let delay = if number("event_control") & 1 == 1 {
            id % 60
        } else {
            0
        };
        let end = start.saturating_add(number("duration_min") * 60);
        if utc >= end {
            return self.status(id, 0xFB, utc, tsn());
        }
        let overlaps = |event: &&mut ToldEvent| {
            matches!(event.status, RECEIVED | STARTED) && event.start < end && start < event.end
        };
        let mut told = vec![(id, RECEIVED)];
        for event in self.events.iter_mut().filter(overlaps) {
            event.status = SUPERSEDED;
            told.push((event.id, SUPERSEDED));
        }
        self.events.push(ToldEvent {
            id,
            start: start.saturating_add(delay),
            end,
            status: RECEIVED,
            fields: fields.clone(),
        });
        let told = told.into_iter();
        told.flat_map(|(id, status)| self.status(id, status, utc, tsn()))
            .collect()
    }

    /// A status of an event, without a signature.
    pub(super) fn status(&self, event: u32, status: u8, utc: u32, tsn: u8) -> Vec<Sent> {
        let fields = Record::new()
            .with("issuer_event_id", Value::Unsigned(event.into()))
            .with("event_status", Value::Unsigned(status.into()))
            .with("event_status_time", Value::Unsigned(utc.into()))
            .with("criticality_level_applied", Value::Unsigned(1))
            .with("cooling_setpoint_applied", Value::Signed(-0x8000))
            .with("heating_setpoint_applied", Value::Signed(-0x8000))
            .with("average_load_adjustment_applied", Value::Signed(-0x80))
            .with("duty_cycle_applied", Value::Unsigned(0xFF))
            .with("event_control", Value::Unsigned(0))
            .with("signature_type", Value::Unsigned(0))
            .with("signature", Value::Octets(vec![0xFF; 42]));
        self.command(LOAD_CONTROL, 0x00, &fields, tsn)
    }
}
