//! Demand response and load control (annex D.2): events go to every device that controls loads,
//! are called off, and what devices make of them is kept.

use std::collections::BTreeMap;

use super::{Event, LOAD_CONTROL, Made, Pending, number_of, number32};
use crate::value::{Record, Value};

/// Events at once.
const EVENTS: usize = 16;
/// An event lasts a day at most (D.2.2.3.1.1.1).
const LONGEST_MIN: u16 = 1440;
const NO_SETPOINT: i16 = -0x8000;
const NO_ADJUSTMENT: i8 = -0x80;

/// What is asked of loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadEvent {
    /// What the caller knows it by; a changed event is another one for devices.
    pub key: String,
    /// Which loads, as a bitmap (D.2.2.3.1.1.1): bit 0 air conditioning and furnaces, 1 room
    /// heaters, 2 water heaters, 3 pool pumps, 4 smart appliances, 5 irrigation, 7 simple loads, 10
    /// charging of cars.
    pub classes: u16,
    /// When it begins, seconds since 2000 UTC.
    pub start: u32,
    /// How long it lasts, minutes; a day at most.
    pub minutes: u16,
    /// 1 to 6 are left to the user, the higher the more urgent; 7 an emergency.
    pub criticality: u8,
    /// Rooms are heated to, hundredths of a degree Celsius.
    pub heating_setpoint: Option<i16>,
    /// Rooms are cooled to, hundredths of a degree Celsius.
    pub cooling_setpoint: Option<i16>,
    /// So many per cent less load than usual: negative.
    pub average_load_percent: Option<i8>,
    /// The load may be on for so many per cent of the time.
    pub duty_cycle_percent: Option<u8>,
    /// Devices begin at random moments after the start, and end so after the end.
    pub randomised: bool,
}

/// How an event goes at a device (D.2.3.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventStatus {
    /// The device has it.
    Received,
    /// It takes part now.
    Started,
    /// It took part to the end.
    Completed,
    /// Its user does not take part.
    OptedOut,
    /// Its user takes part again.
    OptedIn,
    /// It was called off.
    Cancelled,
    /// A later one has taken its place.
    Superseded,
    /// It took part in a part of it.
    PartlyCompleted,
    /// It ended without the device.
    NotParticipated,
    /// The device refuses it: this number.
    Refused(u8),
}

impl From<u8> for EventStatus {
    fn from(status: u8) -> Self {
        match status {
            0x01 => Self::Received,
            0x02 => Self::Started,
            0x03 => Self::Completed,
            0x04 => Self::OptedOut,
            0x05 => Self::OptedIn,
            0x06 => Self::Cancelled,
            0x07 => Self::Superseded,
            0x08 | 0x09 => Self::PartlyCompleted,
            0x0A => Self::NotParticipated,
            other => Self::Refused(other),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct LoadControl {
    events: BTreeMap<u32, LoadEvent>,
    /// Events that were called off, until they would have ended: devices still report of them.
    called_off: BTreeMap<u32, LoadEvent>,
    /// What each device was told and has not confirmed; those that have stay with tries used up.
    told: BTreeMap<(u64, u32), Option<Pending>>,
}

impl LoadControl {
    pub(super) fn set(&mut self, events: Vec<LoadEvent>, devices: &[u64], now: u32) -> Vec<Made> {
        let numbered = |event: LoadEvent| (number(&event), event);
        let open = events.into_iter().filter(|event| end(event) > now);
        let wanted: BTreeMap<u32, LoadEvent> = open.take(EVENTS).map(numbered).collect();
        let gone: Vec<(u32, LoadEvent)> = self
            .events
            .iter()
            .filter(|(id, event)| !wanted.contains_key(id) && end(event) > now)
            .map(|(id, event)| (*id, event.clone()))
            .collect();
        let were_several = self.events.len() > 1;
        self.events = wanted;
        let mut made = Vec::new();
        if self.events.is_empty() && were_several && gone.len() > 1 {
            let randomised = gone.iter().any(|(_, event)| event.randomised);
            let fields = Record::new().with("cancel_control", Value::Unsigned(randomised.into()));
            made.extend(devices.iter().map(|ieee| Made {
                ieee: *ieee,
                cluster: LOAD_CONTROL,
                command: 0x02,
                fields: fields.clone(),
            }));
        } else {
            for (id, event) in &gone {
                made.extend(devices.iter().map(|ieee| Made {
                    ieee: *ieee,
                    cluster: LOAD_CONTROL,
                    command: 0x01,
                    fields: cancel(*id, event),
                }));
            }
        }
        for (id, event) in gone {
            self.called_off.insert(id, event);
        }
        self.called_off.retain(|_, event| end(event) > now);
        let (events, called_off) = (&self.events, &self.called_off);
        self.told
            .retain(|(_, id), _| events.contains_key(id) || called_off.contains_key(id));
        made
    }

    pub(super) fn forget(&mut self, ieee: u64) {
        self.told.retain(|(of, _), _| *of != ieee);
    }

    pub(super) fn scheduled(&self, fields: &Record, now: u32) -> Vec<Record> {
        let from = number32(fields, "start_time").max(now);
        let most = match number32(fields, "number_of_events") {
            0 => EVENTS,
            most => usize::try_from(most).unwrap_or(EVENTS),
        };
        let mut later: Vec<_> = self
            .events
            .iter()
            .filter(|(_, event)| end(event) > from)
            .collect();
        later.sort_by_key(|(id, event)| (event.start, **id));
        later
            .into_iter()
            .take(most)
            .map(|(id, event)| message(*id, event))
            .collect()
    }

    pub(super) fn reported(&mut self, ieee: u64, fields: &Record) -> Option<Event> {
        let id = number32(fields, "issuer_event_id");
        let event = self.events.get(&id).or_else(|| self.called_off.get(&id))?;
        let key = event.key.clone();
        self.told.insert((ieee, id), None);
        let status = u8::try_from(number32(fields, "event_status")).unwrap_or(0xFF);
        Some(Event::EventStatus {
            ieee,
            key,
            status: status.into(),
            at: number32(fields, "event_status_time"),
        })
    }

    pub(super) fn pass(&mut self, devices: &[u64], now: u32) -> Vec<Made> {
        let mut made = Vec::new();
        for (id, event) in &self.events {
            if end(event) <= now {
                continue;
            }
            for ieee in devices {
                let is_due = match self.told.get_mut(&(*ieee, *id)) {
                    Some(Some(pending)) => pending.is_due(now),
                    Some(None) => false,
                    None => {
                        self.told.insert((*ieee, *id), Some(Pending::first(now)));
                        true
                    }
                };
                if is_due {
                    made.push(Made {
                        ieee: *ieee,
                        cluster: LOAD_CONTROL,
                        command: 0x00,
                        fields: message(*id, event),
                    });
                }
            }
        }
        made
    }
}

fn end(event: &LoadEvent) -> u32 {
    event
        .start
        .saturating_add(u32::from(event.minutes.min(LONGEST_MIN)) * 60)
}

fn number(event: &LoadEvent) -> u32 {
    let what = format!("{event:?}");
    number_of(&[event.key.as_bytes(), what.as_bytes()])
}

fn message(id: u32, event: &LoadEvent) -> Record {
    let setpoint = |value: Option<i16>| Value::Signed(value.unwrap_or(NO_SETPOINT).into());
    Record::new()
        .with("issuer_event_id", Value::Unsigned(id.into()))
        .with("device_class", Value::Unsigned(event.classes.into()))
        .with("utility_enrollment_group", Value::Unsigned(0))
        .with("start_time", Value::Unsigned(event.start.into()))
        .with(
            "duration_min",
            Value::Unsigned(event.minutes.min(LONGEST_MIN).into()),
        )
        .with(
            "criticality",
            Value::Unsigned(event.criticality.clamp(1, 9).into()),
        )
        .with("cooling_temperature_offset", Value::Unsigned(0xFF))
        .with("heating_temperature_offset", Value::Unsigned(0xFF))
        .with("cooling_setpoint", setpoint(event.cooling_setpoint))
        .with("heating_setpoint", setpoint(event.heating_setpoint))
        .with(
            "average_load_adjustment",
            Value::Signed(event.average_load_percent.unwrap_or(NO_ADJUSTMENT).into()),
        )
        .with(
            "duty_cycle",
            Value::Unsigned(event.duty_cycle_percent.unwrap_or(0xFF).into()),
        )
        // Bits 0 and 1: random start, random end.
        .with(
            "event_control",
            Value::Unsigned(if event.randomised { 3 } else { 0 }),
        )
}

fn cancel(id: u32, event: &LoadEvent) -> Record {
    Record::new()
        .with("issuer_event_id", Value::Unsigned(id.into()))
        .with("device_class", Value::Unsigned(event.classes.into()))
        .with("utility_enrollment_group", Value::Unsigned(0))
        // Bit 0: ends at random moments, as it began.
        .with("cancel_control", Value::Unsigned(event.randomised.into()))
        .with("effective_time", Value::Unsigned(0))
}
