//! What a device asks of its own accord, and how it says it.

use han::zigbee::zcl::write::{cluster, read_attributes};
use han::zigbee::zcl::{Direction, write_command};
use han::{Record, Value};

use super::super::device::{Aps, Sent};
use super::{
    CALENDAR, EnergyServices, KEY_ESTABLISHMENT, LOAD_CONTROL, MESSAGING, METERING, PREPAYMENT,
    PRICE, TIME,
};

impl EnergyServices {
    pub(super) fn ask(&self, tsn: &mut dyn FnMut() -> u8) -> Vec<Sent> {
        let mut sent = Vec::new();
        if self.wants_prices {
            let now = Record::new().with("command_options", Value::Unsigned(1));
            sent.extend(self.command(PRICE, 0x00, &now, tsn()));
            let all = from_now();
            sent.extend(self.command(PRICE, 0x01, &all, tsn()));
            sent.extend(self.command(MESSAGING, 0x00, &Record::new(), tsn()));
            let none = Record::new();
            let period = from_now().with("tariff_type", Value::Unsigned(0));
            sent.extend(self.command(PRICE, 0x03, &period, tsn()));
            let tariff = none
                .with("earliest_start_time", Value::Unsigned(0))
                .with("min_issuer_event_id", Value::Unsigned(0xFFFF_FFFF))
                .with("number_of_commands", Value::Unsigned(0))
                .with("tariff_type", Value::Unsigned(0));
            sent.extend(self.command(PRICE, 0x06, &tariff, tsn()));
            sent.push(self.read(
                PREPAYMENT,
                &[0x0000, 0x0001, 0x0002, 0x0003, 0x0004, 0x0502, 0x0503],
                tsn(),
            ));
            sent.push(self.read(METERING, &[0x0000, 0x0301, 0x0302, 0x0400], tsn()));
        } else {
            sent.extend(self.command(LOAD_CONTROL, 0x01, &from_now(), tsn()));
        }
        sent.push(self.read(
            TIME,
            &[0x0000, 0x0002, 0x0003, 0x0004, 0x0005, 0x0007],
            tsn(),
        ));
        sent
    }

    /// What is in a calendar: its days, its week, and the days that are unlike others.
    pub(super) fn ask_calendar(&self, told: &Record, tsn: &mut dyn FnMut() -> u8) -> Vec<Sent> {
        let number = |name| Value::Unsigned(told.number(name).unwrap_or(0));
        let whose = Record::new()
            .with("provider_id", number("provider_id"))
            .with("issuer_calendar_id", number("issuer_calendar_id"));
        let days = whose
            .clone()
            .with("start_day_id", Value::Unsigned(1))
            .with("number_of_days", Value::Unsigned(0));
        let weeks = whose
            .clone()
            .with("start_week_id", Value::Unsigned(1))
            .with("number_of_weeks", Value::Unsigned(0));
        let specials = whose
            .with("start_time", Value::Unsigned(0))
            .with("number_of_events", Value::Unsigned(0))
            .with("calendar_type", Value::Unsigned(0));
        let asked = [(0x01, days), (0x02, weeks), (0x04, specials)];
        let asked = asked.iter();
        asked
            .flat_map(|(command, fields)| self.command(CALENDAR, *command, fields, tsn()))
            .collect()
    }

    pub(super) fn command(&self, id: u16, number: u8, fields: &Record, tsn: u8) -> Vec<Sent> {
        let direction = Direction::ClientToServer;
        let payload = write_command(id, direction, number, fields);
        let sent = payload.map(|payload| Sent {
            after_ms: 20,
            aps: self.place(id),
            payload: cluster(tsn, direction, number, true, &payload),
        });
        sent.into_iter().collect()
    }

    pub(super) fn read(&self, id: u16, attributes: &[u16], tsn: u8) -> Sent {
        Sent {
            after_ms: 20,
            aps: self.place(id),
            payload: read_attributes(tsn, attributes),
        }
    }

    fn place(&self, cluster: u16) -> Aps {
        Aps {
            profile: 0x0109,
            cluster,
            src_endpoint: 1,
            dst_endpoint: 2,
            secured: self.link_key.is_some() && cluster != KEY_ESTABLISHMENT,
        }
    }
}

fn from_now() -> Record {
    Record::new()
        .with("start_time", Value::Unsigned(0))
        .with("number_of_events", Value::Unsigned(0))
}
