//! A month of a generated home, already in the store when the daemon starts: what it finds is the same over
//! the API that the display reads and at a real mosquitto, and adds up to the meter's register.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::past::{fill, incoming, value};
use gateway::store::Plan;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use meter_link::model::{ObisCode, Unit};
use rust_decimal::Decimal;
use wattle_api::{APPLIANCE_DAYS_PATH, APPLIANCES_PATH, ApplianceDay, Appliances};

const DAYS: i64 = 30;
const PATIENCE: Duration = Duration::from_secs(300);

/// W in a minute of the series: a base, a fridge, a kettle and a shower. Synthetic.
fn watts(minute: i64) -> i64 {
    let day = minute % 1440;
    let fridge = i64::from(minute % 60 < 20) * 90;
    let kettle = [434, 722, 1017, 1168]
        .iter()
        .any(|start| (*start..start + 3).contains(&day));
    let shower = (450..456).contains(&day);
    150 + fridge + i64::from(kettle) * 2200 + i64::from(shower) * 8500
}

/// Fills the store up to now; returns what the register gained in kWh.
fn lived_in(folder: &Path, start: Timestamp) -> anyhow::Result<Decimal> {
    // Watt-minutes; the register has tenths of a watt-hour.
    let mut energy = 60_000_000;
    let first = energy / 6;
    let mut last = first;
    let told = (0..DAYS * 1440).map(|minute| {
        last = energy / 6;
        energy += watts(minute);
        let values = vec![
            value(
                ObisCode::ACTIVE_ENERGY_IMPORT,
                Unit::WattHour,
                Decimal::new(last, 1),
            ),
            value(ObisCode::ACTIVE_POWER_NET, Unit::Watt, watts(minute).into()),
        ];
        let at = start + SignedDuration::from_mins(minute);
        Ok(incoming("house", "1SIM0000000001", at, values))
    });
    fill(folder, Plan::default(), told)?;
    Ok(Decimal::new(last - first, 4))
}

#[test]
fn a_month_is_the_same_over_the_api_and_mqtt_and_adds_up_to_the_register() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let zone = TimeZone::get("Europe/Berlin")?;
    let now = Timestamp::now();
    let start = Timestamp::from_second((now.as_second() - DAYS * 86_400).div_euclid(3600) * 3600)?;
    let register = lived_in(&folder.path().join("state"), start)?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let tariff = "version = 1\nname = \"Flat\"\ncurrency = \"EUR\"\n[bands.all]\nrate = \"0.30\"\n[[schedule]]\nband = \"all\"\n";
    std::fs::write(folder.path().join("tariff.toml"), tariff)?;
    let config = format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n[tariff]\nfile = \"tariff.toml\"\n\
         [appliances]\nowned = [\"kettle\", \"fridge\", \"shower\"]\n\
         [[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {:?}\n",
        broker.port(),
        folder.path().join("no-port"),
    );
    let daemon = Daemon::start(folder.path(), &config)?;
    // What came last waits for what follows it; all else is decided.
    let end = start + SignedDuration::from_mins(DAYS * 1440 - 130);
    let told = eventually("the month is decided", PATIENCE, || {
        let told: Appliances = serde_json::from_value(daemon.json(APPLIANCES_PATH)?)?;
        Ok(Some(told).filter(|told| told.decided_until >= Some(end)))
    })?;

    let (from, to) = (zone.to_datetime(start).date(), zone.to_datetime(now).date());
    let path = format!(
        "{APPLIANCE_DAYS_PATH}?from={from}&to={}",
        to.checked_add(1.day())?
    );
    let days: Vec<ApplianceDay> = serde_json::from_value(daemon.json(&path)?)?;
    let import: Decimal = days.iter().map(|day| day.import_kwh).sum();
    let off = (import / register - Decimal::ONE).abs();
    assert!(off < Decimal::new(1, 3), "{import} kWh of {register} kWh");
    let mut by_name: BTreeMap<&str, Decimal> = BTreeMap::new();
    for day in &days {
        let parts: Decimal = day.appliances.iter().map(|share| share.kwh).sum();
        assert_eq!(
            parts + day.unnamed_kwh + day.rest_kwh,
            day.import_kwh,
            "{}",
            day.date
        );
        for share in &day.appliances {
            let cost = share.cost.as_ref().context("a cost")?;
            let expected = share.kwh * Decimal::new(3, 1);
            assert!(
                (cost.amount - expected).abs() < Decimal::new(1, 3),
                "{cost:?} of {expected}"
            );
            *by_name.entry(&share.name).or_default() += share.kwh;
        }
    }
    for name in ["kettle", "fridge", "shower"] {
        let one = told.appliances.iter().find(|one| one.name == name);
        let one = one.with_context(|| format!("no {name} was found"))?;
        let of_days = by_name.get(name).copied().unwrap_or_default();
        let off = (of_days - one.total_kwh).abs();
        assert!(
            off <= Decimal::new(1, 2),
            "{name}: {of_days} kWh by day, {} in all",
            one.total_kwh
        );
        let ending = format!("/appliance/{name}/state");
        let said = eventually("it is at the broker", PATIENCE, || {
            let states = listener.ending(&ending);
            let last = states.last().map(e2e::broker::Message::json).transpose()?;
            let kwh = last.and_then(|said| said["energy_kwh"].to_string().parse::<Decimal>().ok());
            Ok(kwh.filter(|kwh| *kwh == one.total_kwh.round_dp(3)))
        })?;
        assert!(said > Decimal::ZERO);
    }
    daemon.stop()
}
