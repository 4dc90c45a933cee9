//! What the gateway knows, as devices of the Smart Energy profile get it: the tariff as prices, what
//! the utility asks for as events and messages, the meter as a mirror, the home's time.

use std::sync::Arc;

use anyhow::Context;
use han::zigbee::key_establishment::{Identity, Suite};
use han::zigbee::services::{
    Account, Importance, LoadEvent, LocalTime, Mirror, Notice, Price, Services, Tier,
};
use jiff::tz::{Dst, TimeZone};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Deserialize;
use wattle_api::{
    EmergencyCredit, GridEvent, GridEventKind, OptState, Prepay, PrepaySupply, State,
};
use wattle_billing::tariff::Tariff;
use wattle_billing::time::{self, Span};

use super::currency::currency_number;
use super::schedule::Schedule;
use crate::config::ZigbeeConfig;
use crate::hex;

/// 2000-01-01 UTC, seconds since 1970: where Zigbee's clock begins.
const EPOCH: i64 = 946_684_800;
/// Prices are told for so long, from midnight on.
const HORIZON: SignedDuration = SignedDuration::from_hours(48);
/// Tariffs with more prices than this have no tiers (Smart Energy 1.1, D.4.2.4.1).
pub(super) const TIERS: usize = 6;
/// Loads that may be shed: air conditioning, room and water heaters, pools, smart appliances,
/// irrigation, simple loads, cars.
const SHEDDABLE: u16 = 0b0100_1011_1111;

/// Seconds since 2000 UTC.
pub(super) fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().saturating_sub(EPOCH)).unwrap_or(0)
}

/// The gateway's certificate, as it stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    suite: u8,
    certificate: String,
    private_key: String,
    authority: String,
}

/// The identity that the configuration names, if it names one.
///
/// # Errors
/// It cannot be read, or its parts do not belong together.
pub(super) fn identity(config: &ZigbeeConfig) -> anyhow::Result<Option<Identity>> {
    const WHERE: &str = "zigbee.certificate";
    let Some(secret) = &config.certificate else {
        return Ok(None);
    };
    let text = secret.reveal().context(WHERE)?;
    // What stands in it is secret, so that no message repeats it.
    let parts: Certificate = serde_json::from_str(&text).map_err(|_| {
        anyhow::anyhow!(
            "{WHERE}: a JSON object with suite, certificate, private_key and authority is expected"
        )
    })?;
    let suite = match parts.suite {
        1 => Suite::One,
        2 => Suite::Two,
        other => anyhow::bail!("{WHERE}: there is no suite {other}, but 1 and 2"),
    };
    let octets = |name: &str, text: &str| {
        hex::decode(text).with_context(|| format!("{WHERE}: {name} is not hexadecimal"))
    };
    let identity = Identity::new(
        suite,
        &octets("certificate", &parts.certificate)?,
        &octets("private_key", &parts.private_key)?,
        &octets("authority", &parts.authority)?,
    );
    identity.context(WHERE).map(Some)
}

/// Random octets of the system.
pub(super) fn random(octets: &mut [u8]) -> bool {
    getrandom::fill(octets).is_ok()
}

/// Sets all that devices get.
pub(super) fn serve(
    services: &mut Services,
    state: &State,
    tariff: Option<&Arc<Tariff>>,
    schedule: &mut Schedule,
    zone: &TimeZone,
    grid: Option<&str>,
    now: Timestamp,
) {
    let utc = seconds(now);
    services.set_local_time(local_time(zone, now));
    services.set_mirror(mirror(state, grid));
    schedule.refresh(tariff, zone, now);
    let tiers = &schedule.tiers;
    let prices = tariff.map_or_else(Vec::new, |tariff| prices(tariff, zone, now, tiers));
    let currency = tariff.and_then(|tariff| tariff.currency.as_deref());
    let currency = currency_number(currency.unwrap_or_default());
    services.set_prices(currency, prices, utc);
    services.set_blocks(currency, schedule.blocks.clone());
    services.set_calendar(schedule.calendar.clone());
    services.set_account(state.prepay.as_ref().map(account));
    let events = state.grid_events.iter();
    services.set_events(events.clone().filter_map(load_event).collect(), utc);
    services.set_messages(events.filter_map(notice).collect(), utc);
}

/// What a household that pays in advance has.
fn account(prepay: &Prepay) -> Account {
    let (emergency, emergency_in_use) = match &prepay.emergency {
        EmergencyCredit::Offered { limit } => (Some(limit.amount), false),
        EmergencyCredit::Active { left } => (Some(left.amount), true),
        _ => (None, false),
    };
    Account {
        balance: prepay.balance.amount,
        at: seconds(prepay.until),
        low: prepay.low,
        emergency,
        emergency_in_use,
        exhausted: prepay.supply == PrepaySupply::Disabled,
        debt: prepay.debt.amount,
    }
}

/// The prices of today and tomorrow, as the tariff knows them, with their place among its tiers;
/// where those are not known, among themselves.
pub(super) fn prices(
    tariff: &Tariff,
    zone: &TimeZone,
    now: Timestamp,
    tiers: &[Decimal],
) -> Vec<Price> {
    let midnight = time::day_start(time::local_date(now, zone), zone).unwrap_or(now);
    let until = midnight.checked_add(HORIZON).unwrap_or(now);
    let Some(span) = Span::new(midnight, until) else {
        return Vec::new();
    };
    let mut found: Vec<(Timestamp, Timestamp, Decimal, String)> = Vec::new();
    for slot in tariff.slots(&span) {
        let Some(per_kwh) = tariff.per_kwh(slot.span.start) else {
            continue;
        };
        match found.last_mut() {
            Some((_, end, known, _)) if *end == slot.span.start && *known == per_kwh => {
                *end = slot.span.end;
            }
            _ => {
                let name = label(tariff, slot.band);
                found.push((slot.span.start, slot.span.end, per_kwh, name));
            }
        }
    }
    let mut distinct: Vec<Decimal> = found.iter().map(|(_, _, price, _)| *price).collect();
    distinct.sort();
    distinct.dedup();
    if distinct.iter().all(|price| tiers.contains(price)) {
        distinct = tiers.to_vec();
    }
    let tier = |per_kwh: Decimal| {
        let number = distinct.iter().position(|one| *one == per_kwh)? + 1;
        (distinct.len() <= TIERS).then_some(Tier {
            number: u8::try_from(number).ok()?,
            of: u8::try_from(distinct.len()).ok()?,
        })
    };
    let made = found
        .into_iter()
        .filter_map(|(start, end, per_kwh, label)| {
            let minutes = end.duration_since(start).as_mins();
            Some(Price {
                start: seconds(start),
                minutes: u16::try_from(minutes).ok().filter(|minutes| *minutes > 0)?,
                per_kwh,
                label,
                tier: tier(per_kwh),
            })
        });
    made.collect()
}

fn label(tariff: &Tariff, band: Option<usize>) -> String {
    let band = band.and_then(|band| tariff.bands.get(band));
    band.map_or_else(String::new, |band| band.label.clone())
}

/// Less load, as the utility asks for it and the household has not said no.
fn load_event(event: &GridEvent) -> Option<LoadEvent> {
    let is_wanted = event.opt == OptState::In;
    let criticality = match event.kind {
        GridEventKind::LoadShed => match event.level.and_then(|level| level.to_u8()) {
            Some(0) => return None,
            Some(1) => 2,
            Some(2) | None => 4,
            Some(_) => 7,
        },
        GridEventKind::ImportLimit => 4,
        _ => return None,
    };
    is_wanted.then(|| LoadEvent {
        key: event.id.clone(),
        classes: SHEDDABLE,
        start: seconds(event.start),
        minutes: minutes(event).unwrap_or(1440),
        criticality,
        heating_setpoint: None,
        cooling_setpoint: None,
        average_load_percent: None,
        duty_cycle_percent: None,
        // An emergency begins at once.
        randomised: criticality < 7,
    })
}

/// What the utility has to say to people.
fn notice(event: &GridEvent) -> Option<Notice> {
    let text = event.text.clone().or_else(|| {
        let is_alert = event.kind == GridEventKind::Alert;
        event.name.clone().filter(|_| is_alert)
    })?;
    Some(Notice {
        key: event.id.clone(),
        text,
        start: seconds(event.start),
        minutes: minutes(event),
        importance: match event.kind {
            GridEventKind::Alert => Importance::High,
            _ => Importance::Medium,
        },
        confirm: event.kind == GridEventKind::Alert,
    })
}

fn minutes(event: &GridEvent) -> Option<u16> {
    let length = event.end?.duration_since(event.start).as_mins();
    u16::try_from(length.max(1)).ok()
}

fn mirror(state: &State, grid: Option<&str>) -> Mirror {
    let meter = state
        .meters
        .iter()
        .find(|meter| Some(meter.name.as_str()) == grid);
    let energy = |obis: &str| {
        let registers = &meter?.registers;
        let found = registers
            .iter()
            .find(|one| one.obis.starts_with(obis) && one.quality == "measured")?;
        let wh = match found.unit.as_str() {
            "Wh" => found.value,
            "kWh" => found.value.checked_mul(Decimal::ONE_THOUSAND)?,
            _ => return None,
        };
        wh.trunc().to_u64()
    };
    Mirror {
        import_wh: energy("1-0:1.8.0*"),
        export_wh: energy("1-0:2.8.0*"),
        power_w: state
            .power
            .as_ref()
            .filter(|power| power.freshness == wattle_api::Freshness::Live)
            .and_then(|power| power.watts.round().to_i32()),
    }
}

/// The zone's rules around an instant.
fn local_time(zone: &TimeZone, now: Timestamp) -> LocalTime {
    let info = zone.to_offset_info(now);
    let offset = |at: Timestamp| zone.to_offset(at).seconds();
    let is_summer = |at: Timestamp| zone.to_offset_info(at).dst() == Dst::Yes;
    let mut later = zone.following(now);
    let (start, end) = if info.dst() == Dst::Yes {
        // The change itself is the last one before the next second.
        let next = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
        let start = zone.preceding(next).next().map(|one| one.timestamp());
        (start, later.next().map(|one| one.timestamp()))
    } else {
        let start = later
            .next()
            .map(|one| one.timestamp())
            .filter(|at| is_summer(*at));
        (start, later.next().map(|one| one.timestamp()))
    };
    let (Some(start), Some(end)) = (start, end) else {
        return LocalTime {
            offset_s: offset(now),
            ..LocalTime::default()
        };
    };
    LocalTime {
        offset_s: offset(end),
        summer_start: seconds(start),
        summer_end: seconds(end),
        summer_shift_s: offset(start) - offset(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn r15_the_rules_of_summer_time_hold_around_both_changes() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let summer = (
            seconds(at("2026-03-29T01:00:00Z")),
            seconds(at("2026-10-25T01:00:00Z")),
        );
        for now in [
            "2026-01-15T12:00:00Z",
            "2026-03-29T00:59:59Z",
            "2026-03-29T01:00:00Z",
            "2026-10-25T00:59:59Z",
        ] {
            let local = local_time(&zone, at(now));
            assert_eq!(
                (local.offset_s, local.summer_shift_s),
                (3600, 3600),
                "{now}"
            );
            assert_eq!((local.summer_start, local.summer_end), summer, "{now}");
        }
        let after = local_time(&zone, at("2026-10-25T01:00:00Z"));
        assert_eq!(after.summer_start, seconds(at("2027-03-28T01:00:00Z")));
        let none = local_time(
            &TimeZone::get("Asia/Kolkata").unwrap(),
            at("2026-06-01T00:00:00Z"),
        );
        assert_eq!(
            (none.offset_s, none.summer_start, none.summer_end),
            (19_800, 0, 0)
        );
    }

    #[test]
    fn r9_a_day_of_a_tariff_is_told_in_its_bands_also_on_the_days_of_the_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tariff.toml");
        std::fs::write(
            &file,
            "version = 1\nname = \"Tag und Nacht\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n\
             [bands.night]\nlabel = \"Nacht\"\nrate = \"0.25\"\n\
             [bands.day]\nlabel = \"Tag\"\nrate = \"0.35\"\n\
             [[schedule]]\nband = \"day\"\nfrom = \"06:00\"\nto = \"22:00\"\n\
             [[schedule]]\nband = \"night\"\n",
        )
        .unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let tariff = crate::tariff::load(&file, &zone).unwrap();
        let told = prices(&tariff, &zone, at("2026-03-28T23:30:00Z"), &[]);
        let minutes: Vec<u16> = told.iter().map(|price| price.minutes).collect();
        // The night of the change has an hour less: 00:00 to 06:00 are five hours.
        assert_eq!(minutes.get(..3), Some(&[300, 960, 480][..]));
        let numbers: Vec<_> = told
            .iter()
            .map(|price| (price.label.as_str(), price.tier.unwrap().number))
            .collect();
        assert_eq!(numbers.get(..2), Some(&[("Nacht", 1), ("Tag", 2)][..]));
        let told = prices(&tariff, &zone, at("2026-10-25T08:00:00Z"), &[]);
        assert_eq!(told[0].minutes, 420);
    }
}
