//! Parts of the home that have submeters: solar modules, a battery, a car.

use std::collections::BTreeMap;

use jiff::Timestamp;
use meter_link::model::{ObisCode, Unit};
use rust_decimal::Decimal;
use wattle_api::{HomePart, HomePartKind};

use super::{MeterView, Meters};
use crate::config::Part;

impl Meters {
    /// Solar modules, battery and car. `openings` has registers at local midnight, by name of the meter;
    /// what was read before `midnight` tells nothing of today.
    pub(in crate::view) fn parts(
        &self,
        openings: Option<&BTreeMap<String, Decimal>>,
        midnight: Timestamp,
    ) -> Vec<HomePart> {
        let part = |meter: &MeterView| {
            let kind = match meter.part? {
                Part::Solar => HomePartKind::Solar,
                Part::Battery => HomePartKind::Battery,
                Part::Car => HomePartKind::Car,
            };
            let opening = openings.and_then(|openings| openings.get(&meter.api.name));
            let last = meter.part_energy().and_then(|key| meter.values.get(&key));
            let last = last.filter(|last| last.at >= midnight);
            let since = last
                .zip(opening)
                .map(|(last, opening)| last.value - *opening);
            let watts = meter.power_w().map(|(watts, _)| watts);
            Some(HomePart {
                kind,
                meter: meter.api.name.clone(),
                watts: watts.map(|watts| match kind {
                    HomePartKind::Solar => watts.abs(),
                    _ => watts,
                }),
                today_kwh: since
                    .map(|wh| (wh.max(Decimal::ZERO) / Decimal::ONE_THOUSAND).normalize()),
                received_at: meter.api.received_at?,
                freshness: meter.api.freshness?,
            })
        };
        self.0.iter().filter_map(part).collect()
    }
}

impl MeterView {
    /// The register that counts what a part of the home is told by: what solar modules made, in
    /// whichever direction they are metered; what a battery or car was charged with.
    pub(super) fn part_energy(&self) -> Option<(ObisCode, Unit)> {
        let key = |obis| (obis, Unit::WattHour);
        let value = |key| self.values.get(&key).map(|last| last.value);
        let (taken, given) = (
            key(ObisCode::ACTIVE_ENERGY_IMPORT),
            key(ObisCode::ACTIVE_ENERGY_EXPORT),
        );
        match self.part? {
            Part::Solar if value(given) > value(taken) => Some(given),
            _ => value(taken).map(|_| taken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{meters, stored};
    use super::*;
    use jiff::SignedDuration;
    use meter_link::model::Quality;

    use crate::store::StoredValue;

    #[test]
    fn solar_modules_are_told_whichever_way_they_are_metered() {
        let text = "[[meter]]\nname = \"roof\"\nprotocol = \"modbus\"\nport = \"/dev/p\"\n\
            role = \"submeter\"\npart = \"solar\"\n\
            [[meter]]\nname = \"cell\"\nprotocol = \"modbus\"\nport = \"/dev/p\"\n\
            role = \"submeter\"\npart = \"battery\"\n";
        let mut meters = meters(text);
        let value = |obis, unit, value: i64| StoredValue {
            obis,
            unit,
            value: Decimal::from(value),
            quality: Quality::Measured,
            status: None,
        };
        for (name, watts, import, export) in [("roof", -2140, 12, 9_000), ("cell", -800, 4_000, 0)]
        {
            let mut telegram = stored(name, [0; 6], 0);
            telegram.values = vec![
                value(ObisCode::ACTIVE_POWER_NET, Unit::Watt, watts),
                value(ObisCode::ACTIVE_ENERGY_IMPORT, Unit::WattHour, import),
                value(ObisCode::ACTIVE_ENERGY_EXPORT, Unit::WattHour, export),
            ];
            meters.take(&telegram);
        }
        meters.age(Timestamp::UNIX_EPOCH);
        let counted: Vec<ObisCode> = meters.counted().iter().map(|(_, key)| key.obis).collect();
        assert_eq!(
            counted,
            [
                ObisCode::ACTIVE_ENERGY_EXPORT,
                ObisCode::ACTIVE_ENERGY_IMPORT
            ]
        );
        let opening = |name: &str, wh| (name.to_owned(), Decimal::from(wh));
        let openings = BTreeMap::from([opening("roof", 700), opening("cell", 3_500)]);
        let at = |openings, midnight| {
            let parts = meters.parts(openings, midnight);
            let told = |part: &HomePart| (part.kind, part.watts, part.today_kwh);
            [told(&parts[0]), told(&parts[1])]
        };
        let exact = |text: &str| text.parse::<Decimal>().ok();
        let midnight = Timestamp::UNIX_EPOCH;
        assert_eq!(
            at(Some(&openings), midnight),
            [
                (HomePartKind::Solar, exact("2140"), exact("8.3")),
                (HomePartKind::Battery, exact("-800"), exact("0.5")),
            ]
        );
        // What was heard yesterday says nothing of today.
        let next = midnight + SignedDuration::from_hours(24);
        assert_eq!(at(Some(&openings), next)[0].2, None);
        assert_eq!(at(None, midnight)[1].2, None);
    }
}
