//! The prepayment account, to be looked at: nothing of it can be changed over MQTT.

use wattle_api::{EmergencyCredit, Money, Prepay, PrepaySupply};

use super::super::thing::{Kind, Point, Topics, text};
use super::part::{Told, moment, or_null, owned, part, sensor};

const EMERGENCY: &[&str] = &["none", "offered", "active"];
const SUPPLY: &[&str] = &["enabled", "disabled", "armed"];

pub(super) fn told(topics: &Topics, account: &Prepay) -> Told {
    let money = |key: &str, name: &str| Point {
        device_class: Some("monetary"),
        state_class: Some("total"),
        precision: Some(2),
        ..sensor(key, name, Some(&account.balance.currency))
    };
    let word = |key: &str, name: &str, options: &'static [&'static str]| Point {
        device_class: Some("enum"),
        options,
        ..sensor(key, name, None)
    };
    let binary = |key: &str, name: &str, class: Option<&'static str>| Point {
        device_class: class,
        ..Point::new(Kind::Binary, key, name)
    };
    let points = vec![
        money("balance", "Credit"),
        binary("low", "Credit is low", Some("problem")),
        word("emergency", "Emergency credit", EMERGENCY),
        money("emergency_left", "Emergency credit left"),
        word("supply", "Supply", SUPPLY),
        money("debt", "Debt"),
        binary("friendly", "Friendly hours", None),
        moment("until", "Settled until"),
    ];
    let exact = |money: &Money| money.amount.normalize().to_string();
    let on = |is_on: bool| text(if is_on { "ON" } else { "OFF" });
    let (emergency, left) = match &account.emergency {
        EmergencyCredit::None => (Some("none"), None),
        EmergencyCredit::Offered { limit } => (Some("offered"), Some(exact(limit))),
        EmergencyCredit::Active { left } => (Some("active"), Some(exact(left))),
        _ => (None, None),
    };
    let supply = match account.supply {
        PrepaySupply::Enabled => Some("enabled"),
        PrepaySupply::Disabled => Some("disabled"),
        PrepaySupply::Armed => Some("armed"),
        _ => None,
    };
    let values = vec![
        ("balance", exact(&account.balance)),
        ("low", on(account.low)),
        ("emergency", or_null(emergency.map(text))),
        ("emergency_left", or_null(left)),
        ("supply", or_null(supply.map(text))),
        ("debt", exact(&account.debt)),
        ("friendly", on(account.friendly)),
        ("until", text(&account.until.to_string())),
    ];
    Told {
        thing: part(topics, "prepay", "Prepayment", points),
        values: owned(values),
        attributes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn an_account_in_emergency_credit() {
        let topics = Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        };
        let pounds = |pence| Money {
            amount: Decimal::new(pence, 2),
            currency: "GBP".to_owned(),
        };
        let account = Prepay {
            balance: pounds(-310),
            low: true,
            emergency: EmergencyCredit::Active { left: pounds(190) },
            supply: PrepaySupply::Enabled,
            debt: pounds(4_000),
            friendly: false,
            until: "2026-11-23T18:00:00Z".parse().unwrap(),
            waits_for_prices: false,
            codes: Vec::new(),
        };
        let told = told(&topics, &account);
        let value = |key: &str| {
            let found = told.values.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("balance"), Some("-3.1"));
        assert_eq!(value("low"), Some("\"ON\""));
        assert_eq!(value("emergency"), Some("\"active\""));
        assert_eq!(value("emergency_left"), Some("1.9"));
        assert_eq!(value("supply"), Some("\"enabled\""));
        // Every point has its value: none is left without one in Home Assistant.
        for point in &told.thing.points {
            assert!(value(&point.key).is_some(), "{}", point.key);
        }
        // Codes are worth money and stay here.
        assert!(!told.values.iter().any(|(key, _)| key.contains("code")));
    }
}
