//! Documents of others: what is read, what is written, and that both are the same readings.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use jiff::Timestamp;
use jiff::tz::Offset;
use proptest::prelude::*;
use wattle_billing::determinants::{SupplierCalendar, TariffCalendar, determine};
use wattle_billing::exchange::{ar2418, csv, green_button, influx};
use wattle_billing::readings::{
    Flow, Reading, ReadingQuality, Series, SeriesKind, SeriesReadings, SourceTime, read, write,
};

const LINES: &str = concat!(
    r#"{"record":"series","series":1,"meter":"1ISK 01/\"x\"","register":"0100010800FF.a,b","obis":"1-0:1.8.0","kind":"register","flow":"import","unit":"Wh","scaler":-4,"interval_s":900}"#,
    "\n",
    r#"{"record":"reading","series":1,"time":"2018-03-25T01:45:00+01:00","duration_s":0,"raw":52342100,"captured_at":"2018-03-25T01:44:59+01:00","status":"0","status_fnn":"0A"}"#,
    "\n",
    r#"{"record":"reading","series":1,"time":"2018-03-25T03:00:00+02:00","duration_s":0,"raw":52342101,"status":"3"}"#,
    "\n",
    r#"{"record":"series","series":2,"meter":"G","register":"0700030100FF.g","obis":"7-0:3.1.0","kind":"register","flow":null,"unit":"m3","scaler":-3}"#,
    "\n",
);

fn essence(all: &[SeriesReadings], status: bool) -> Vec<String> {
    let reading = |r: &Reading| {
        let status = r.status.as_ref().filter(|_| status);
        format!(
            "{} {} {} {:?} {:?}",
            r.time.at,
            r.duration_s,
            r.raw,
            r.cost_raw.filter(|_| status.is_none()),
            status
        )
    };
    let one = |s: &SeriesReadings| {
        let readings: Vec<String> = s.readings.iter().map(reading).collect();
        format!(
            "{:?} {} {} {:?} {}",
            s.series.meter,
            s.series.unit,
            s.series.scaler,
            s.series.flow,
            readings.join(";")
        )
    };
    all.iter().map(one).collect()
}

#[test]
fn a_gateways_document_comes_back_whole() {
    let all = read(LINES).unwrap();
    let document = ar2418::export(&all);
    assert!(
        document.contains("<obisCode>0100010800FF</obisCode>")
            && document.contains("<espi:kind>1</espi:kind>")
    );
    let back = ar2418::import(&document).unwrap();
    assert_eq!(essence(&back, true), essence(&all, true));
    assert_eq!(
        back[0].readings[0].captured_at,
        all[0].readings[0].captured_at
    );
    assert_eq!(
        (&back[0].series.register, &back[0].series.obis),
        (&all[0].series.register, &all[0].series.obis)
    );
    assert_eq!(ar2418::export(&back), document);
}

#[test]
fn tables_and_lines_for_other_programs() {
    let all = read(LINES).unwrap();
    let table = csv::export(&all);
    let mut rows = table.split("\r\n");
    assert_eq!(
        rows.next(),
        Some("meter,register,time,duration_s,value,unit,quality")
    );
    assert_eq!(
        rows.next(),
        Some(
            "\"1ISK 01/\"\"x\"\"\",\"0100010800FF.a,b\",2018-03-25T01:45:00+01:00,0,5234.2100,Wh,"
        )
    );
    let lines = influx::export(&all);
    assert!(lines.starts_with(
        "energy,flow=import,kind=register,meter=1ISK\\ 01/\"x\",register=0100010800FF.a\\,b,unit=Wh value=5234.2100,raw=52342100i,scaler=-4i,duration_s=0i 1521938700000000000\n"
    ), "{lines}");
}

#[test]
fn documents_that_are_refused() {
    for (text, want) in [
        ("<a/>", "not UsagePoints"),
        ("<UsagePoints><UsagePoint>", "ends inside"),
        ("<!DOCTYPE x><UsagePoints/>", "document type"),
        (
            "<UsagePoints><UsagePoint><MeterReading><IntervalBlock><IntervalReading><value>1</value></IntervalReading></IntervalBlock></MeterReading></UsagePoint></UsagePoints>",
            "targetTime",
        ),
        (
            "<UsagePoints><UsagePoint><MeterReading><IntervalBlock><IntervalReading><value>1.5</value><targetTime>2018-01-01T00:00:00Z</targetTime></IntervalReading></IntervalBlock></MeterReading></UsagePoint></UsagePoints>",
            "\"1.5\" is not an integer",
        ),
    ] {
        let error = ar2418::import(text).unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
    }
    assert!(
        green_button::import("<UsagePoints/>")
            .unwrap_err()
            .to_string()
            .contains("not feed")
    );
    assert!(green_button::import("<feed/>").unwrap().is_empty());
    let huge = SeriesReadings {
        series: read(LINES).unwrap()[0].series.clone(),
        readings: vec![Reading::new(
            1,
            SourceTime::utc(Timestamp::UNIX_EPOCH),
            0,
            i64::MAX,
        )],
    };
    assert!(
        green_button::export(&[huge])
            .unwrap_err()
            .to_string()
            .contains("48 bits")
    );
}

/// Two tariffs that switch at 06:00 and 21:00, an error register, one special day.
const CALENDAR: &str = "<UsagePoints><UsagePoint><AnalysisProfile>
<TariffStage><tariffNumber>1</tariffNumber><description>HT</description><obisCode>0100010801ff</obisCode></TariffStage>
<TariffStage><tariffNumber>2</tariffNumber><description>NT</description><obisCode>0100010802ff</obisCode></TariffStage>
<TariffStage><tariffNumber>9</tariffNumber><obisCode>010001083fff</obisCode></TariffStage>
<defaultTariffNumber>2</defaultTariffNumber><TariffChangeTrigger><TimeTrigger>
<DayProfile><dayId>1</dayId><DayTimeProfile><startTime><hour>6</hour></startTime><tariffNumber>1</tariffNumber></DayTimeProfile>
<DayTimeProfile><startTime><hour>21</hour></startTime><tariffNumber>2</tariffNumber></DayTimeProfile></DayProfile>
<SpecialDayProfile><specialDayDate><year>2018</year><month>3</month><day_of_month>26</day_of_month></specialDayDate><dayId>1</dayId></SpecialDayProfile>
</TimeTrigger></TariffChangeTrigger></AnalysisProfile></UsagePoint></UsagePoints>";

#[test]
fn differences_belong_to_the_tariff_of_the_first_reading() {
    let calendar = TariffCalendar::Supplier(SupplierCalendar::read(CALENDAR).unwrap());
    let time = |text: &str| SourceTime::parse(text).unwrap();
    let mut one = read(LINES).unwrap().swap_remove(0);
    one.readings = [
        ("2018-03-26T05:45:00+02:00", 100),
        ("2018-03-26T06:00:00+02:00", 107),
        ("2018-03-26T06:15:00+02:00", 120),
        ("2018-03-26T06:15:00+02:00", 120),
        ("2018-03-26T20:45:00+02:00", 150),
        ("2018-03-26T21:00:00+02:00", 151),
        ("2018-03-26T21:15:00+02:00", 160),
    ]
    .map(|(text, raw)| Reading::new(1, time(text), 0, raw))
    .to_vec();
    let found = determine(&calendar, &one, None);
    let tariffs: Vec<(String, i128)> = found.tariffs.clone().into_iter().collect();
    assert_eq!(
        tariffs,
        [
            ("1".to_owned(), 14),
            ("2".to_owned(), 16),
            ("9".to_owned(), 30)
        ]
    );
    assert_eq!((found.total, found.gaps, found.closed()), (60, 1, true));
    assert_eq!(calendar.label("1").as_deref(), Some("HT"));
    assert!(SupplierCalendar::read("<a/>").is_err());
}

prop_compose! {
    fn any_series()(
        number in 1_u64..9,
        meter in prop::option::of("[A-Za-z0-9 /%&<\"ä]{1,12}"),
        register in "[A-Za-z0-9:./ <&]{1,16}",
        export in any::<bool>(),
        scaler in -6_i32..4,
        rows in prop::collection::vec((1_500_000_000_i64..1_800_000_000, 0_i64..90_000, -1_000_000_i64..1_000_000_000, prop::option::of(0_i64..9_999), 0_usize..5), 0..30),
    ) -> SeriesReadings {
        let reading = |(second, duration, raw, cost, quality): &(i64, i64, i64, Option<i64>, usize)| Reading {
            cost_raw: *cost,
            quality: [None, Some(ReadingQuality::Actual), Some(ReadingQuality::Estimated), Some(ReadingQuality::Edited), Some(ReadingQuality::Suspect)][*quality],
            ..Reading::new(number, SourceTime { at: Timestamp::from_second(*second).unwrap(), offset: Some(Offset::constant(1)) }, *duration, *raw)
        };
        SeriesReadings {
            series: Series {
                series: number,
                meter,
                register: register.trim().to_owned() + "r",
                obis: Some(if export { "1-0:2.29.0" } else { "1-0:1.29.0" }.to_owned()),
                kind: SeriesKind::Interval,
                flow: Some(if export { Flow::Export } else { Flow::Import }),
                unit: "Wh".to_owned(),
                scaler,
                interval_s: Some(900),
            },
            readings: rows.iter().map(reading).collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_readings_come_back_from_a_feed(one in any_series()) {
        let feed = green_button::export(std::slice::from_ref(&one)).unwrap();
        prop_assert_eq!(&feed, &green_button::export(std::slice::from_ref(&one)).unwrap());
        let back = green_button::import(&feed).unwrap();
        let mut want = one.clone();
        want.series.meter = Some(one.series.meter.clone().unwrap_or_else(|| "unknown".to_owned()));
        prop_assert_eq!(essence(&back, false), essence(&[want], false));
        prop_assert_eq!(&back[0].series.register, &one.series.register);
        for (a, b) in back[0].readings.iter().zip(&one.readings) {
            prop_assert_eq!(a.quality, b.quality);
        }
    }

    #[test]
    fn any_readings_come_back_from_a_gateway_document(one in any_series()) {
        let mut one = one;
        for reading in &mut one.readings {
            reading.cost_raw = None;
        }
        one.series.meter = one.series.meter.map(|meter| meter.trim().to_owned()).filter(|meter| !meter.is_empty());
        let back = ar2418::import(&ar2418::export(std::slice::from_ref(&one))).unwrap();
        prop_assert_eq!(essence(&back, true), essence(&[one.clone()], true));
        prop_assert_eq!(write(&read(&write(&back)).unwrap()), write(&back));
    }

    #[test]
    fn damaged_documents_are_refused_or_read(place in any::<prop::sample::Index>(), with in "[0-9a-zA-Z<>/\"=:&;-]{0,4}", drop in 0_usize..6) {
        let all = read(LINES).unwrap();
        for text in [ar2418::export(&all), green_button::export(&all).unwrap(), CALENDAR.to_owned(), LINES.to_owned()] {
            let start = place.index(text.len());
            let mut bytes = text.into_bytes();
            let end = (start + drop).min(bytes.len());
            bytes.splice(start..end, with.clone().into_bytes());
            let text = String::from_utf8_lossy(&bytes);
            let _ = (ar2418::import(&text), green_button::import(&text), SupplierCalendar::read(&text));
            if let Ok(all) = read(&text) {
                let _ = (csv::export(&all), influx::export(&all), ar2418::export(&all), green_button::export(&all));
            }
        }
    }
}
