//! Prepayment: credit, emergency, debts, friendly hours; no penny is made or lost.

use super::*;

fn d(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn terms() -> Terms {
    Terms {
        emergency_threshold: d("1"),
        emergency_limit: d("5"),
        low_credit: d("2"),
        disablement: d("0"),
        friendly: vec![FriendlyHours {
            days: vec![Weekday::Saturday, Weekday::Sunday],
            from: Time::constant(16, 0, 0, 0),
            to: Time::constant(10, 0, 0, 0),
        }],
        zone: TimeZone::UTC,
        debts: vec![
            Debt {
                owed: d("30"),
                recovery: Recovery::Share(d("0.7")),
            },
            Debt {
                owed: d("3"),
                recovery: Recovery::PerDay(d("0.5")),
            },
        ],
        weekly_cap: Some(d("10")),
    }
}

// 2026-03-03 is a Tuesday, the 7th a Saturday.
const NOON: &str = "2026-03-03T12:00:00Z";

#[test]
fn from_credit_to_emergency_to_off_and_back() {
    let mut account = Account::new(terms(), d("3"));
    let now = at(NOON);
    assert_eq!(account.used(d("1"), now).unwrap(), [Event::LowCredit]);
    assert_eq!(
        account.activate_emergency(now),
        Err(PrepayError::NoEmergency)
    );
    assert_eq!(
        account.used(d("1.5"), now).unwrap(),
        [Event::EmergencyAvailable]
    );
    assert_eq!(
        account.activate_emergency(now).unwrap(),
        [Event::EmergencyActivated]
    );
    assert_eq!(account.used(d("2.5"), now).unwrap(), []);
    assert_eq!(
        (account.balance(), account.emergency_left()),
        (d("0"), Some(d("3.0")))
    );
    assert_eq!(account.used(d("3"), now).unwrap(), [Event::Disable]);
    assert_eq!(account.switch_on(), Err(PrepayError::NotArmed));
    // 20: 14 would go to the debt, 10 may; 5 repay emergency credit.
    let events = account.top_up(d("20"), now).unwrap();
    assert_eq!(
        events,
        [
            Event::ToppedUp {
                credit: d("5.0"),
                debt: d("10"),
                emergency: d("5.0")
            },
            Event::Arm
        ]
    );
    assert_eq!(
        (account.supply(), account.balance(), account.debt()),
        (Supply::Armed, d("5"), d("23"))
    );
    assert_eq!(account.switch_on(), Ok(Event::Enable));
}

#[test]
fn the_supply_stays_in_friendly_hours() {
    let mut account = Account::new(terms(), d("0.2"));
    let events = account.used(d("1"), at("2026-03-07T17:00:00Z")).unwrap();
    assert!(events.contains(&Event::Friendly) && !events.contains(&Event::Disable));
    assert_eq!(account.at(at("2026-03-08T09:59:59Z")).unwrap(), []);
    assert_eq!(
        account.at(at("2026-03-08T10:00:00Z")).unwrap(),
        [Event::Disable]
    );
    // Monday morning belongs to the hours that began on Sunday.
    let mut account = Account::new(terms(), d("0.2"));
    assert!(
        !account
            .used(d("1"), at("2026-03-09T09:00:00Z"))
            .unwrap()
            .contains(&Event::Disable)
    );
}

#[test]
fn debts_by_day_end_when_they_are_paid() {
    let mut account = Account::new(terms(), d("100"));
    account.at(at(NOON)).unwrap();
    account.at(at("2026-03-20T12:00:00Z")).unwrap();
    assert_eq!((account.balance(), account.debt()), (d("97"), d("30")));
}

#[test]
fn codes_are_checked_before_they_are_sent() {
    let mut account = Account::new(terms(), d("1"));
    let good = "0000 0000 0799 2739 8713";
    assert_eq!(
        account.enter_code(good),
        Ok("00000000079927398713".to_owned())
    );
    assert_eq!(account.enter_code(good), Err(PrepayError::Used));
    assert_eq!(account.enter_code("123"), Err(PrepayError::Digits));
    assert_eq!(account.top_up(d("0"), at(NOON)), Err(PrepayError::Amount));
}

proptest::proptest! {
    /// Money is neither made nor lost: what was paid in is what was used, owed less, or left.
    #[test]
    fn every_penny_is_accounted_for(steps in proptest::collection::vec((0_i64..3, 1_i64..900, 0_i64..200_000), 1..60)) {
        let mut account = Account::new(terms(), d("10"));
        let mut now = at(NOON);
        account.at(now).unwrap();
        let (mut paid, mut used, debt) = (Decimal::ZERO, Decimal::ZERO, account.debt());
        for (what, cents, later) in steps {
            now = now.checked_add(jiff::SignedDuration::from_secs(later)).unwrap();
            let amount = Decimal::new(cents, 2);
            match what {
                0 => { account.top_up(amount, now).unwrap(); paid += amount; }
                1 => { let _ = account.activate_emergency(now); }
                _ => { account.used(amount, now).unwrap(); used += amount; }
            }
            let emergency = account.emergency_used.unwrap_or_default();
            proptest::prop_assert_eq!(d("10") + paid - used - (debt - account.debt()), account.balance() - emergency);
        }
    }
}

#[test]
fn what_is_kept_goes_on_as_if_nothing_had_been() {
    let mut whole = Account::new(terms(), d("6"));
    let mut cut = whole.clone();
    let steps = [
        "2026-03-03T12:00:00Z",
        "2026-03-04T12:00:00Z",
        "2026-03-05T12:00:00Z",
    ];
    for step in steps {
        let events = whole.used(d("2.5"), at(step)).unwrap();
        let text = serde_json::to_string(&cut.snapshot()).unwrap();
        cut = Account::resume(terms(), serde_json::from_str(&text).unwrap());
        assert_eq!(cut.used(d("2.5"), at(step)).unwrap(), events);
        assert_eq!(cut.snapshot(), whole.snapshot());
    }
    // What is owed is kept; a debt that the terms do not know any more is not.
    let mut fewer = terms();
    fewer.debts.truncate(1);
    assert_eq!(Account::resume(fewer, whole.snapshot()).debt(), d("30"));
}
