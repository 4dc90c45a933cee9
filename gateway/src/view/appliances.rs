//! What is left of the day's cost when the appliances have theirs.

use rust_decimal::Decimal;
use wattle_api::{Appliances, Money, Today};

/// Tells what the other part of the day cost, where that is known.
pub(super) fn with_other_cost(mut appliances: Appliances, today: Option<&Today>) -> Appliances {
    let Some(day) = &mut appliances.today else {
        return appliances;
    };
    let cost = today.and_then(|today| today.cost.as_ref());
    let parts: Option<Decimal> = day
        .appliances
        .iter()
        .map(|share| share.cost.as_ref())
        .chain([day.always_on_cost.as_ref()])
        .map(|part| part.map(|part| part.amount))
        .sum();
    day.other_cost = cost.zip(parts).and_then(|(cost, parts)| {
        let amount = cost.amount - parts;
        (amount >= Decimal::ZERO).then(|| Money {
            amount,
            currency: cost.currency.clone(),
        })
    });
    appliances
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(cost: &str, always_on: Option<&str>) -> Option<String> {
        let money = |amount: &str| serde_json::json!({"amount": amount, "currency": "EUR"});
        let mut day = serde_json::json!({
            "date": "2026-11-20", "import_kwh": "5", "unnamed_kwh": "1", "rest_kwh": "3",
            "always_on_kwh": "2", "other_kwh": "2",
            "appliances": [{"name": "kettle", "kwh": "1", "kwh_low": "0.9", "kwh_high": "1.1",
                "cost": money("0.30"), "cycles": 3}],
        });
        if let Some(amount) = always_on {
            day["always_on_cost"] = money(amount);
        }
        let today = serde_json::json!({"import_kwh": "5", "cost": money(cost),
            "since": "2026-11-20T00:00:00Z", "received_at": "2026-11-20T17:30:00Z", "freshness": "live"});
        let appliances = Appliances {
            today: serde_json::from_value(day).unwrap(),
            ..Appliances::default()
        };
        let today: Today = serde_json::from_value(today).unwrap();
        let told = with_other_cost(appliances, Some(&today)).today.unwrap();
        told.other_cost.map(|cost| cost.amount.to_string())
    }

    #[test]
    fn the_parts_cost_what_the_day_cost() {
        assert_eq!(other("1.50", Some("0.60")).as_deref(), Some("0.60"));
        assert_eq!(other("0.50", Some("0.60")), None, "more than the day");
        assert_eq!(other("1.50", None), None, "a part has no price");
    }
}
