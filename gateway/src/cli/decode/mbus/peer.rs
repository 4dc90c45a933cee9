//! `--format wmbusmeters`: the JSON that users of wmbusmeters have in their home automations.

use std::collections::HashMap;

use meter_link::mbus::{Field, FieldValue, Identification};
use rust_decimal::{Decimal, RoundingStrategy};

use super::json::Json;
use super::report::Report;

/// Fields of earlier telegrams, which stay until they are replaced.
#[derive(Default)]
pub(super) struct Merged {
    meters: HashMap<Identification, Vec<Field>>,
}

/// Meters whose fields are kept.
const MAX_METERS: usize = 4096;

impl Merged {
    /// Writes the object of a telegram that is ok.
    pub(super) fn write(&mut self, json: &mut Json, report: &Report<'_>, now: &str) {
        let (Some(id), Some(reading)) = (report.id, &report.reading) else {
            return;
        };
        if self.meters.len() >= MAX_METERS && !self.meters.contains_key(&id) {
            self.meters.clear();
        }
        let kept = self.meters.entry(id).or_default();
        for (place, field) in reading.fields.iter().enumerate() {
            // A meter's telegrams are alike: the field mostly stands where it stood.
            let same = |known: &Field| known.name == field.name;
            let place = match kept.get(place) {
                Some(known) if same(known) => Some(place),
                _ => kept.iter().position(same),
            };
            match place.and_then(|place| kept.get_mut(place)) {
                Some(known) => known.value.clone_from(&field.value),
                None => kept.push(field.clone()),
            }
        }
        json.open();
        text(json, "_", "telegram");
        text(json, "media", report.medium.as_deref().unwrap_or("unknown"));
        text(json, "meter", report.driver.as_deref().unwrap_or("auto"));
        json.name("name");
        match report.name.as_deref() {
            Some(name) => json.string(name),
            None => json.quoted(id),
        }
        json.name("id");
        json.quoted(id);
        let is_number = |field: &&Field| matches!(field.value, FieldValue::Number(_));
        for field in kept.iter().filter(is_number) {
            write_field(json, field);
        }
        for field in kept.iter().filter(|field| !is_number(field)) {
            write_field(json, field);
        }
        let received = report.reception.received_at.as_deref();
        text(json, "timestamp", received.unwrap_or(now));
        if let Some(rssi) = report.reception.rssi_dbm {
            json.name("rssi_dbm");
            json.bare(rssi);
        }
        json.close();
    }
}

fn text(json: &mut Json, name: &str, text: &str) {
    json.name(name);
    json.string(text);
}

fn write_field(json: &mut Json, field: &Field) {
    json.name(&field.name);
    match &field.value {
        FieldValue::Null => json.raw("null"),
        FieldValue::Number(number) => json.decimal(six_decimals(*number)),
        FieldValue::Text(text) => json.string(text),
        FieldValue::Date(date) => json.quoted(date),
        FieldValue::Datetime { at, seconds, .. } => {
            json.quoted(at.strftime(if *seconds { "%F %T" } else { "%F %H:%M" }));
        }
        FieldValue::Time(time) => json.quoted(time.strftime("%H:%M")),
    }
}

/// At most six decimals, half to even.
fn six_decimals(number: Decimal) -> Decimal {
    if number.scale() <= 6 {
        return number;
    }
    number.round_dp_with_strategy(6, RoundingStrategy::MidpointNearestEven)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_the_peer_prints_them() {
        for (given, want) in [
            ("123.529000", "123.529"),
            ("0.000", "0"),
            ("12000", "12000"),
            ("0.12345650", "0.123456"),
            ("0.1234575", "0.123458"),
        ] {
            let number: Decimal = given.parse().unwrap();
            let mut json = Json::default();
            json.decimal(six_decimals(number));
            assert_eq!(json.as_str(), want);
        }
    }
}
