//! Every form of price document: what it must give, worked out by hand, and that no damage to it
//! can do more than have it refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use rust_decimal::Decimal;
use wattle_billing::bill::{self, Usage};
use wattle_billing::price::{self, Format, Wanted};
use wattle_billing::tariff::{LoadOptions, Tariff, parse};
use wattle_billing::time::Span;
use wattle_billing::toml_file::FileError;

const NORDPOOL: &str = r#"{"currency":"EUR","multiAreaEntries":[
 {"deliveryStart":"2026-03-01T00:00:00Z","deliveryEnd":"2026-03-01T01:00:00Z","entryPerArea":{"SE3":21.54,"SE4":30}},
 {"deliveryStart":"2026-03-01T01:00:00Z","deliveryEnd":"2026-03-01T02:00:00Z","entryPerArea":{"SE3":-1.5e0,"SE4":31}}],
 "blockPriceAggregates":[{"averagePricePerArea":{"SE3":{"average":52.47}}}]}"#;

const ENTSOE: &str = r#"<?xml version="1.0"?><Publication_MarketDocument xmlns="urn:x"><type>A44</type>
<TimeSeries><in_Domain.mRID>A</in_Domain.mRID><currency_Unit.name>EUR</currency_Unit.name><price_Measure_Unit.name>MWH</price_Measure_Unit.name><curveType>A03</curveType>
 <Period><timeInterval><start>2026-03-01T00:00Z</start><end>2026-03-01T03:00Z</end></timeInterval><resolution>PT60M</resolution>
 <Point><position>1</position><price.amount>10</price.amount></Point><Point><position>3</position><price.amount>-5.5</price.amount></Point></Period></TimeSeries>
<TimeSeries><in_Domain.mRID>A</in_Domain.mRID><currency_Unit.name>EUR</currency_Unit.name><curveType>A01</curveType>
 <Period><timeInterval><start>2026-03-01T01:00Z</start><end>2026-03-01T01:30Z</end></timeInterval><resolution>PT15M</resolution>
 <Point><position>1</position><price.amount>77</price.amount></Point><Point><position>2</position><price.amount>78</price.amount></Point></Period></TimeSeries>
</Publication_MarketDocument>"#;

const OCTOPUS: &str = r#"{"standard-unit-rates":{"count":2,"results":[
 {"value_exc_vat":20.5,"value_inc_vat":21.525,"valid_from":"2026-03-01T01:00:00Z","valid_to":null,"payment_method":null},
 {"value_exc_vat":-3,"value_inc_vat":-3.15,"valid_from":"2026-03-01T00:00:00Z","valid_to":"2026-03-01T01:00:00Z","payment_method":null}]},
 "standing-charges":{"results":[{"value_exc_vat":45,"value_inc_vat":47.25,"valid_from":"2026-01-01T00:00:00Z","valid_to":null,"payment_method":"DIRECT_DEBIT"}]}}"#;

const AWATTAR: &str = r#"{"object":"list","data":[{"start_timestamp":1772323200000,"end_timestamp":1772326800000,"marketprice":4.98,"unit":"Eur/MWh"},
 {"start_timestamp":1772326800000,"end_timestamp":1772330400000,"marketprice":-2.14,"unit":"Eur/MWh"}]}"#;

const TIBBER: &str = r#"{"data":{"viewer":{"homes":[{"currentSubscription":{"priceInfo":{"today":[
 {"total":1.5,"energy":1.1,"tax":0.4,"startsAt":"2026-03-01T01:00:00.000+01:00"},
 {"total":0.5,"energy":-0.1,"tax":0.6,"startsAt":"2026-03-01T02:00:00.000+01:00"}],"tomorrow":[]}}}]}}}"#;

const OPENADR3: &str = r#"{"objectType":"EVENT","programID":"p","payloadDescriptors":[{"payloadType":"PRICE","units":"MWH","currency":"EUR"},{"payloadType":"EXPORT_PRICE","units":"KWH","currency":"EUR"}],
 "intervalPeriod":{"start":"2026-03-01T00:00:00Z","duration":"PT30M"},
 "intervals":[{"id":0,"payloads":[{"type":"PRICE","values":[310]},{"type":"EXPORT_PRICE","values":[0.08]},{"type":"GHG","values":[180]}]},
 {"id":1,"payloads":[{"type":"PRICE","values":[-20]}]},
 {"id":2,"intervalPeriod":{"start":"2026-03-01T03:00:00Z"},"payloads":[{"type":"PRICE","values":[1]}]}]}"#;

fn urdb(extra: &str) -> String {
    let month = |night: usize| {
        format!(
            "[{}]",
            (0..24)
                .map(|h| if h < 12 {
                    night.to_string()
                } else {
                    "1".to_owned()
                })
                .collect::<Vec<_>>()
                .join(",")
        )
    };
    let year = format!("[{}]", vec![month(0); 12].join(","));
    format!(
        r#"{{"items":[{{"name":"R","energyratestructure":[[{{"max":10,"rate":0.1,"adj":0.01,"unit":"kWh"}},{{"rate":0.2}}],[{{"rate":0.3}}]],
        "energyweekdayschedule":{year},"energyweekendschedule":{year},"fixedchargefirstmeter":5,"fixedchargeunits":"$/month","mincharge":0{extra}}}]}}"#
    )
}

fn duis() -> String {
    let days: String = (1..=7)
        .map(|index| format!("<ReferencedDayName index=\"{index}\">1</ReferencedDayName>"))
        .collect();
    format!(
        r#"<sr:Request xmlns:sr="u"><Body><UpdateImportTariffPrimaryElement><ElecTariffElements><CurrencyUnits>GBP</CurrencyUnits><SwitchingTable>
<DayProfiles><DayProfile><DayName>1</DayName><ProfileSchedule><StartTime>06:00:00.00Z</StartTime><TOUTariffAction>1</TOUTariffAction></ProfileSchedule>
<ProfileSchedule><StartTime>20:00:00.00Z</StartTime><BlockTariffAction>2</BlockTariffAction></ProfileSchedule></DayProfile></DayProfiles>
<WeekProfiles><WeekProfile><WeekName>1</WeekName>{days}</WeekProfile></WeekProfiles>
<Seasons><Season><SeasonName>a</SeasonName><SeasonStartDate><Year><NonSpecifiedYear/></Year><Month><SpecifiedMonth>02</SpecifiedMonth></Month><DayOfMonth><SpecifiedDayOfMonth>01</SpecifiedDayOfMonth></DayOfMonth></SeasonStartDate><ReferencedWeekName>1</ReferencedWeekName></Season></Seasons></SwitchingTable>
<ThresholdMatrix><Thresholds index="2"><BlockThreshold index="1">500</BlockThreshold><BlockThreshold index="2">4294967295</BlockThreshold></Thresholds></ThresholdMatrix></ElecTariffElements>
<PriceElements><ElectricityPriceElements><StandingCharge>4731</StandingCharge><StandingChargeScale>-4</StandingChargeScale><PriceScale>-5</PriceScale>
<HybridTariff><BlockPrices index="2"><BlockPrice index="1">11040</BlockPrice><BlockPrice index="2">13370</BlockPrice></BlockPrices><TOUPrice index="1">15555</TOUPrice></HybridTariff>
</ElectricityPriceElements></PriceElements></UpdateImportTariffPrimaryElement></Body></sr:Request>"#
    )
}

const WHOLE: &str = r#"
version = 1
name = "All tables"
currency = "EUR"
zone = "Europe/Brussels"
day_starts = "06:00"
valid_from = "2026-01-01"
[bands.day]
tiers = [ { up_to = "1", rate = "0.30" }, { rate = "0.40" } ]
tier_period = "day"
[bands.night]
rate = "0.20"
[[season]]
name = "winter"
from = "11-01"
to = "03-31"
[[day_type]]
name = "holiday"
days = ["sun"]
dates = ["2026-05-18", "12-25"]
[[schedule]]
band = "night"
from = "22:00"
to = "06:00"
[[schedule]]
band = "day"
[[event]]
band = "night"
start = "2026-03-01T12:00:00+01:00"
end = "2026-03-01T13:00:00+01:00"
[[adder]]
id = "grid"
per_kwh = "0.05"
seasons = ["winter"]
[[standing]]
id = "fee"
amount = "12"
per = "year"
[[power]]
id = "p1"
kw = "3.45"
per_kw_day = "0.0908"
[[demand]]
id = "cap"
rate = "4"
minimum_kw = "2.5"
average_months = 12
[minimum]
amount = "100"
[export]
rate = "0.06"
[[tax]]
id = "vat"
rate = "0.21"
[[tax]]
id = "tax_on_tax"
rate = "0.5"
on = ["vat"]
"#;

fn samples() -> Vec<(Format, String)> {
    vec![
        (Format::Nordpool, NORDPOOL.to_owned()),
        (Format::Entsoe, ENTSOE.to_owned()),
        (Format::Octopus, OCTOPUS.to_owned()),
        (Format::Awattar, AWATTAR.to_owned()),
        (Format::Tibber, TIBBER.to_owned()),
        (Format::Openadr3, OPENADR3.to_owned()),
        (Format::Urdb, urdb("")),
        (Format::Duis, duis()),
    ]
}

fn wrapped(format: Format, extra: &str, document: &str) -> Result<Tariff, String> {
    let toml = format!(
        "version = 1\nname = \"t\"\nzone = \"Europe/London\"\n[source]\nformat = \"{}\"\nfile = \"d\"\n{extra}",
        format.name()
    );
    let open = |_: &Path| -> Result<String, FileError> { Ok(document.to_owned()) };
    parse(&toml, Path::new("t.toml"), &LoadOptions::default(), &open)
        .map_err(|error| error.to_string())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn slots(tariff: &Tariff) -> Vec<(i64, i64, String)> {
    let origin = at("2026-03-01T00:00:00Z");
    let span = Span::new(origin, at("2026-03-01T04:00:00Z")).unwrap();
    let minute = |t: Timestamp| (t.as_second() - origin.as_second()) / 60;
    let row = |slot: &wattle_billing::tariff::PriceSlot| {
        (
            minute(slot.span.start),
            minute(slot.span.end),
            slot.base.normalize().to_string(),
        )
    };
    tariff.slots(&span).iter().map(row).collect()
}

#[test]
fn each_form_is_recognised() {
    for (format, text) in samples() {
        assert_eq!(price::detect(&text), Some(format));
    }
    assert_eq!(price::detect("{}"), None);
    assert_eq!(price::detect("<a/>"), None);
}

#[test]
fn slots_are_what_the_documents_say() {
    let rows = |format, extra: &str, text: &str| slots(&wrapped(format, extra, text).unwrap());
    let row = |start, end, base: &str| (start, end, base.to_owned());
    assert_eq!(
        rows(Format::Nordpool, "area = \"SE3\"", NORDPOOL),
        [row(0, 60, "0.02154"), row(60, 120, "-0.0015")]
    );
    let entsoe = rows(Format::Entsoe, "", ENTSOE);
    assert_eq!(
        entsoe.len(),
        12,
        "coarser periods are split at the finest resolution"
    );
    assert_eq!(
        entsoe[3..7],
        [
            row(45, 60, "0.01"),
            row(60, 75, "0.077"),
            row(75, 90, "0.078"),
            row(90, 105, "0.01")
        ]
    );
    assert_eq!(entsoe[8], row(120, 135, "-0.0055"));
    let octopus = rows(Format::Octopus, "vat = \"inclusive\"", OCTOPUS);
    assert_eq!(
        octopus.len(),
        8,
        "half-hours, the open end to the end of the span"
    );
    assert_eq!(
        octopus[1..3],
        [row(30, 60, "-0.0315"), row(60, 90, "0.21525")]
    );
    assert_eq!(
        rows(Format::Awattar, "", AWATTAR),
        [row(0, 60, "0.00498"), row(60, 120, "-0.00214")]
    );
    assert_eq!(
        rows(Format::Tibber, "price = \"energy\"", TIBBER),
        [row(0, 60, "1.1"), row(60, 120, "-0.1")]
    );
    assert_eq!(rows(Format::Tibber, "", TIBBER)[0], row(0, 60, "1.5"));
    assert_eq!(
        rows(Format::Openadr3, "", OPENADR3),
        [
            row(0, 30, "0.31"),
            row(30, 60, "-0.02"),
            row(180, 210, "0.001")
        ]
    );
    assert_eq!(rows(Format::Duis, "", &duis())[0], row(0, 15, "0.1104"));
    // Midnight in London is hour 0; noon would be the next period.
    assert_eq!(rows(Format::Urdb, "", &urdb(""))[0], row(0, 15, "0.11"));
}

#[test]
fn what_would_change_the_bill_unseen_is_refused_by_name() {
    for (format, extra, text, want) in [
        (Format::Nordpool, "", NORDPOOL.to_owned(), "several areas"),
        (Format::Nordpool, "area = \"NO1\"", NORDPOOL.to_owned(), "no area \"NO1\""),
        (Format::Entsoe, "", "<Acknowledgement_MarketDocument><Reason><code>999</code><text>No matching data</text></Reason></Acknowledgement_MarketDocument>".to_owned(), "No matching data"),
        (Format::Entsoe, "", ENTSOE.replace("<position>2<", "<position>9<"), "position"),
        (Format::Octopus, "", OCTOPUS.replace("\"2026-03-01T01:00:00Z\",\"payment_method\":null}]}", "null,\"payment_method\":null}]}"), "ambiguous_price"),
        (Format::Awattar, "", AWATTAR.replacen("Eur/MWh", "Eur/kWh", 1), "Eur/kWh"),
        (Format::Urdb, "", urdb(",\"coincidentratestructure\":[[{\"rate\":3}]]"), "coincidentratestructure"),
        (Format::Urdb, "", urdb("").replace("\"unit\":\"kWh\"", "\"unit\":\"kWh/kW\""), "kWh/kW"),
        (Format::Urdb, "", urdb("").replace("$/month", "$/fortnight"), "fortnight"),
        (Format::Duis, "", duis().replace("<TOUPrice index=\"1\">", "<TOUPrice index=\"4\">"), "TOUPrice 1"),
        (Format::Openadr3, "", OPENADR3.replace("\"MWH\"", "\"GJ\""), "GJ"),
        (Format::Openadr3, "currency = 3", OPENADR3.to_owned(), "unknown key"),
    ] {
        let error = wrapped(format, extra, &text).unwrap_err();
        assert!(error.contains(want), "{want}: {error}");
    }
}

/// Worked out by hand: 2026-03-01 is a Sunday in winter; the tariff day began at 06:00.
#[test]
fn a_bill_of_every_kind_of_line() {
    let tariff = parse(
        WHOLE,
        Path::new("t.toml"),
        &LoadOptions::default(),
        &|_| unreachable!(),
    )
    .unwrap();
    let usage = Usage::from_csv(
        "interval_start_utc,minutes,kwh_import,kwh_export\n\
         2026-03-01T09:00:00Z,60,3,0\n\
         2026-03-01T11:00:00Z,60,2,0.5\n\
         2026-03-01T21:00:00Z,60,1,0\n",
    )
    .unwrap();
    let bill = bill::bill(&tariff, &usage).unwrap();
    let lines: Vec<String> = bill
        .lines
        .iter()
        .map(|line| {
            let name = line.id.as_deref().or(line.band.as_deref()).unwrap_or("");
            format!(
                "{} {name} {} {} {}",
                line.kind.name(),
                line.tier.unwrap_or(0),
                line.quantity.normalize(),
                line.amount.normalize()
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "energy day 1 1 0.3",
            "energy day 2 2 0.8",
            "energy night 0 3 0.6",
            "adder grid 0 6 0.3",
            "standing fee 0 1 1",
            "power p1 0 3.45 0.31326",
            "demand cap 0 3 12",
            "minimum minimum 0 1 84.68674",
            "export export 0 0.5 -0.03",
            "tax vat 0 100 21",
            "tax tax_on_tax 0 21 10.5",
        ]
    );
    assert_eq!(bill.total, Some(Decimal::new(13_147, 2)));
    assert_eq!(
        bill.warnings.len(),
        2,
        "gaps, and a tier period that began before"
    );
    assert_eq!(bill::money(Decimal::new(-5, 3), "EUR"), "-0.01");
    assert_eq!(bill::money(Decimal::new(15, 1), "JPY"), "2");
}

#[test]
fn mistakes_in_a_tariff_file_are_named_with_their_line() {
    for (from, to, want) in [
        (
            "rate = \"0.20\"",
            "rate = 0.20",
            "t.toml:12: write 0.2 as a text",
        ),
        ("per_kwh =", "per_kwhh =", "did you mean \"per_kwh\"?"),
        (
            "band = \"night\"\nfrom",
            "band = \"nigth\"\nfrom",
            "t.toml:22: there is no band \"nigth\": did you mean \"night\"?",
        ),
        (
            "seasons = [\"winter\"]",
            "seasons = [\"witner\"]",
            "no season \"witner\"",
        ),
        (
            "from = \"22:00\"",
            "from = \"25:00\"",
            "\"25:00\" is not a time of day",
        ),
        (
            "zone = \"Europe/Brussels\"",
            "zone = \"Europe/Brusels\"",
            "Brusels",
        ),
        (
            "on = [\"vat\"]",
            "on = [\"vta\"]",
            "no kind of line or earlier tax",
        ),
        ("version = 1", "version = 2", "version 2 is not known"),
        ("up_to = \"1\", rate", "rate", "rising up_to"),
        ("rate = \"4\"", "label = \"x\"", "either rate or tiers"),
        ("id = \"tax_on_tax\"", "id = \"vat\"", "used twice"),
        ("currency = \"EUR\"", "currency = \"euro\"", "ISO 4217"),
    ] {
        assert!(WHOLE.contains(from), "{from}");
        let text = WHOLE.replacen(from, to, 1);
        let error = parse(
            &text,
            Path::new("t.toml"),
            &LoadOptions::default(),
            &|_| unreachable!(),
        )
        .unwrap_err();
        assert!(error.to_string().contains(want), "{want}: {error}");
    }
}

fn try_everything(format: Format, text: &str) {
    let _ = price::detect(text);
    let Ok((_, _)) = price::read(text, Some(format), &Wanted::plain(TimeZone::UTC)) else {
        return;
    };
    let Ok(tariff) = wrapped(format, "", text) else {
        return;
    };
    let usage =
        Usage::from_csv("interval_start_utc,minutes,kwh_import\n2026-03-01T00:10:00Z,100,3.3\n")
            .unwrap();
    if let Ok(bill) = bill::bill(&tariff, &usage) {
        let _ = bill::json(&tariff, &bill, &[45], 2);
        let _ = bill::table(&tariff, &bill, &[45], 2);
    }
}

#[test]
fn a_document_cut_anywhere_is_refused_or_read() {
    for (format, text) in samples() {
        for end in (0..text.len())
            .step_by(7)
            .filter(|end| text.is_char_boundary(*end))
        {
            try_everything(format, &text[..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_damaged_document_is_refused_or_read(which in 0_usize..8, at in any::<prop::sample::Index>(), with in "[0-9a-zA-Z<>{}\\[\\]\",:.e-]{0,4}", drop in 0_usize..5) {
        let (format, text) = samples().swap_remove(which);
        let start = at.index(text.len());
        let mut bytes = text.into_bytes();
        let end = (start + drop).min(bytes.len());
        bytes.splice(start..end, with.into_bytes());
        try_everything(format, &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_damaged_tariff_file_is_refused_or_read(at in any::<prop::sample::Index>(), with in "[0-9a-z\\[\\]\"=:.-]{0,4}", drop in 0_usize..5) {
        let start = at.index(WHOLE.len());
        let mut bytes = WHOLE.as_bytes().to_vec();
        let end = (start + drop).min(bytes.len());
        bytes.splice(start..end, with.into_bytes());
        let text = String::from_utf8_lossy(&bytes);
        let open = |_: &Path| -> Result<String, FileError> { Ok(NORDPOOL.to_owned()) };
        if let Ok(tariff) = parse(&text, Path::new("t.toml"), &LoadOptions::default(), &open) {
            let usage = Usage::from_csv("interval_start_utc,minutes,kwh_import\n2026-03-01T00:10:00Z,100,3.3\n").unwrap();
            let _ = bill::bill(&tariff, &usage);
        }
    }

    /// However use is spread, the energy lines hold all of it and the total is their sum.
    #[test]
    fn nothing_gets_lost_between_use_and_lines(kwh in prop::collection::vec(0_u32..5_000, 1..60), minutes in 1_i64..100) {
        let tariff = parse(WHOLE, Path::new("t.toml"), &LoadOptions::default(), &|_| unreachable!()).unwrap();
        let mut text = "interval_start_utc,minutes,kwh_import\n".to_owned();
        for (index, milli) in (0_i64..).zip(&kwh) {
            let start = Timestamp::from_second(1_772_323_200 + index * minutes * 60).unwrap();
            text.push_str(&format!("{start},{minutes},{}.{:03}\n", milli / 1000, milli % 1000));
        }
        let bill = bill::bill(&tariff, &Usage::from_csv(&text).unwrap()).unwrap();
        let energy: Decimal = bill.lines.iter().filter(|l| l.kind.name() == "energy").map(|l| l.quantity).sum();
        prop_assert_eq!(energy, Decimal::new(kwh.iter().map(|k| i64::from(*k)).sum(), 3));
        prop_assert_eq!(bill.total.unwrap(), bill.lines.iter().map(|l| l.amount).sum::<Decimal>());
        for line in &bill.lines {
            if let Some(rate) = line.rate {
                prop_assert_eq!((line.quantity * rate).round_dp(20), line.amount.round_dp(20));
            }
        }
    }
}
