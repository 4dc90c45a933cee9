use std::path::Path;

use meter_link::wmbus::frame::Crcs;

use super::*;

/// OMS Specification Volume 2, annex N.2.1: a gas meter, security mode 5, its key and its volume.
const GAS: &str = "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3";
const GAS_KEY: &str = "0102030405060708090A0B0C0D0E0F11";
/// A water meter (SEN 33225544) that sends in clear: 123.529 m³.
const WATER: &str = "1844AE4C4455223368077A55000000041389E20100023B0000";

fn frame(hex: &str, rssi_dbm: i16) -> RadioFrame {
    RadioFrame {
        bytes: crate::hex::decode(hex).unwrap(),
        crcs: Crcs::None,
        rssi_dbm: Some(rssi_dbm),
        rssi_raw: None,
        link_mode: None,
        stamp: None,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn hub(folder: &Path, config: &str) -> Hub {
    hub_with(folder, config, &Known::default())
}

fn hub_with(folder: &Path, config: &str, known: &Known) -> Hub {
    let config: crate::config::Config = toml::from_str(config).unwrap();
    Hub::open(
        folder.to_path_buf(),
        TimeZone::UTC,
        &config.meters,
        DriverSet::builtin(),
        known,
    )
    .unwrap()
}

fn adopt(id: &str, name: &str, key: Option<&str>) -> AdoptMeter {
    AdoptMeter {
        id: id.to_owned(),
        name: name.to_owned(),
        medium: None,
        key: key.map(|key| SecretText(key.to_owned())),
        calorific_value: None,
        correction: None,
    }
}

const WATER_METER: &str =
    "[[meter]]\nname = \"water\"\nmedium = \"water\"\nprotocol = \"wmbus\"\nid = \"33225544\"\n";

fn incoming(taken: Result<Taken, Refusal>) -> Incoming {
    match taken {
        Ok(Taken::Reading(incoming)) => *incoming,
        other => panic!("no reading: {other:?}"),
    }
}

#[test]
fn a_configured_meter_is_read_and_the_stronger_copy_wins() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(folder.path(), WATER_METER);
    let reading = incoming(hub.take(&frame(WATER, -80), "attic", at(0)));
    assert_eq!(
        (reading.name.as_str(), reading.serial.as_str()),
        ("water", "8SEN6833225544")
    );
    let value = &reading.telegram.values[0];
    assert_eq!(value.register.to_string(), "8-0:1.0.0*255");
    assert_eq!(value.value.number().unwrap().to_string(), "123.529");
    assert_eq!(reading.fields[0].name, "total_m3");
    assert!(reading.fields[0].is_index && !reading.fields[1].is_index);
    for (rssi, receiver) in [(-60, "cellar"), (-90, "garage")] {
        let taken = hub.take(&frame(WATER, rssi), receiver, at(1));
        assert!(matches!(taken, Ok(Taken::Nothing)));
    }
    let heard = hub.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        (heard[0].rssi_dbm, heard[0].receiver.as_str()),
        (Some(-60), "cellar")
    );
    assert_eq!(
        (heard[0].telegrams, heard[0].name.as_deref()),
        (1, Some("water"))
    );
    // The same bytes a minute later: the meter sends in clear and has nothing new to say.
    incoming(hub.take(&frame(WATER, -80), "attic", at(60)));
}

#[test]
fn strangers_are_listed_with_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(folder.path(), "");
    for telegram in [GAS, WATER] {
        let taken = hub.take(&frame(telegram, -70), "attic", at(0));
        assert!(matches!(taken, Ok(Taken::Nothing)), "{taken:?}");
    }
    let heard = hub.heard();
    assert_eq!(heard.len(), 2);
    let (gas, water) = (&heard[0], &heard[1]);
    assert_eq!(
        (gas.id.as_str(), gas.manufacturer.as_str()),
        ("12345678", "ELS")
    );
    assert_eq!((gas.encrypted, gas.security_mode.as_str()), (true, "5"));
    assert_eq!((gas.status.as_str(), gas.value), ("no_key", None));
    assert_eq!(water.value.unwrap().to_string(), "123.529");
    assert_eq!(
        (water.encrypted, water.unit.as_deref()),
        (false, Some("m3"))
    );
    assert!(hub.take(&frame("0A44AE", -70), "attic", at(1)).is_err());
}

#[test]
fn taking_on_tries_the_key_at_once_and_reads_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(folder.path(), WATER_METER);
    assert!(hub.take(&frame(GAS, -70), "attic", at(0)).is_ok());
    let wrong = adopt("12345678", "gas", Some("FF020304050607080900010203040506"));
    let error = hub.adopt(&wrong, &[]).unwrap_err();
    assert!(matches!(error, AdoptError::WrongKey { .. }), "{error}");
    assert!(!error.to_string().contains("FF0203"));
    assert_eq!(hub.adopted().len(), 0);
    for (request, taken) in [
        (adopt("12345678", "", Some(GAS_KEY)), vec![]),
        (adopt("1234", "gas", Some(GAS_KEY)), vec![]),
        (adopt("12345678", "water", Some(GAS_KEY)), vec![]),
        (
            adopt("12345678", "grid", Some(GAS_KEY)),
            vec!["grid".to_owned()],
        ),
        (adopt("12345678", "gas", Some("12")), vec![]),
        (adopt("33225544", "tap", None), vec![]),
        // Nobody has said what it is.
        (adopt("99999999", "what", None), vec![]),
    ] {
        let refused = hub.adopt(&request, &taken);
        assert!(
            matches!(refused, Err(AdoptError::Invalid(_))),
            "{request:?}"
        );
    }
    let mut request = adopt("12345678", "gas", Some(GAS_KEY));
    request.calorific_value = Some("11.2".parse().unwrap());
    request.correction = Some("0.95".parse().unwrap());
    let (adopted, config, readings) = hub.adopt(&request, &[]).unwrap();
    assert_eq!((adopted.key, adopted.telegrams_read), (KeyCheck::Right, 1));
    assert_eq!((config.medium, config.name.as_str()), (Medium::Gas, "gas"));
    let reading = &readings[0];
    assert_eq!(reading.received_at, at(0));
    // Annex N.2.1: 28504.27 m³.
    let volume = reading.telegram.values[0].value.number().unwrap();
    assert_eq!(volume.to_string(), "28504.27");
    let energy = reading
        .fields
        .iter()
        .find(|field| field.name == "total_energy_kwh");
    assert_eq!(energy.unwrap().value.as_deref(), Some("303285.433"));

    // After a restart all of it is still known, and the key nowhere in clear.
    drop(hub);
    let book = std::fs::read_to_string(book::path(folder.path())).unwrap();
    assert!(!book.to_lowercase().contains(&GAS_KEY.to_lowercase()));
    let mut hub = self::hub(folder.path(), WATER_METER);
    assert_eq!(hub.adopted()[0].name, "gas");
    assert!(hub.read_all_again().is_empty(), "nothing is read twice");
    let mut later = frame(GAS, -70);
    later.bytes[11] = 0x2B;
    // Another access number changes the initial vector, so that this key no longer opens it.
    assert!(matches!(
        hub.take(&later, "attic", at(60)),
        Ok(Taken::Refused { .. })
    ));
}

#[test]
fn keys_come_before_and_after_their_meters() {
    let folder = tempfile::tempdir().unwrap();
    let gas =
        "[[meter]]\nname = \"gas\"\nmedium = \"gas\"\nprotocol = \"wmbus\"\nid = \"12345678\"\n";
    let mut hub = hub(folder.path(), gas);
    let taken = hub.take(&frame(GAS, -70), "attic", at(0));
    assert!(matches!(taken, Ok(Taken::Refused { .. })), "{taken:?}");
    let key = |id: &str, key: &str| MeterKey {
        id: id.to_owned(),
        key: SecretText(key.to_owned()),
    };
    let (results, readings) = hub
        .take_keys(&[
            key("12345678", &GAS_KEY.replace("11", "12")),
            key("12345678", GAS_KEY),
            key("87654321", GAS_KEY),
        ])
        .unwrap();
    let checks: Vec<KeyCheck> = results.iter().map(|result| result.check).collect();
    assert_eq!(
        checks,
        [KeyCheck::Wrong, KeyCheck::Right, KeyCheck::Untried]
    );
    assert_eq!(readings.len(), 1);
    assert_eq!(hub.heard()[0].status, "ok");
}

#[test]
fn what_was_heard_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut hub = hub(folder.path(), "");
        assert!(hub.take(&frame(GAS, -70), "attic", at(0)).is_ok());
        hub.save_if_changed().unwrap();
    }
    let mut hub = hub(folder.path(), "");
    assert_eq!(hub.heard()[0].id, "12345678");
    let (adopted, _, readings) = hub
        .adopt(&adopt("12345678", "gas", Some(GAS_KEY)), &[])
        .unwrap();
    assert_eq!((adopted.key, readings.len()), (KeyCheck::Right, 1));
}

/// A Kamstrup water meter in mode 10 (wmbusmeters issue 1667), its key and its message counter.
const COUNTED: &str = "4544372C060382533C168C20807A8010FF2A1001DC2E0D00CF1A85672E138D6C0AF61338403FDEB528AB264E2C61E41B06073550AA296AE9815C8A7A9868EC6C624CFBBCECB3";
const COUNTED_KEY: &str = "BF902DD6DFADAFE83E4AE6832B5FA14C";
const COUNTER: u32 = 0x000D_2EDC;

#[test]
fn a_counter_goes_with_its_reading_and_refuses_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, COUNTED_KEY).unwrap();
    let config = format!(
        "[[meter]]\nname = \"tap\"\nmedium = \"water\"\nprotocol = \"wmbus\"\nid = \"53820306\"\nkey = \"file:{}\"\n",
        file.display()
    );
    let mut hub = hub(folder.path(), &config);
    let reading = incoming(hub.take(&frame(COUNTED, -70), "attic", at(0)));
    let counter = reading.counter.unwrap();
    assert_eq!(counter.value, COUNTER);
    drop(hub);
    // The reading was never stored: its telegram is taken again. It was: it is a recording.
    for (value, is_replay) in [(COUNTER - 1, false), (COUNTER, true), (COUNTER + 9, true)] {
        let address = counter.address.clone();
        let known = Known {
            counters: vec![MessageCounter { address, value }],
            fields: Vec::new(),
        };
        let mut hub = hub_with(folder.path(), &config, &known);
        let taken = hub.take(&frame(COUNTED, -70), "attic", at(60));
        let refused = matches!(taken, Err(Refusal::Replay { .. }));
        assert_eq!(refused, is_replay, "{taken:?}");
    }
}

#[test]
fn what_a_stranger_with_a_known_key_sent_is_read_once_it_is_taken_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(folder.path(), "");
    let key = MeterKey {
        id: "53820306".to_owned(),
        key: SecretText(COUNTED_KEY.to_owned()),
    };
    hub.take_keys(&[key]).unwrap();
    let taken = hub.take(&frame(COUNTED, -70), "attic", at(0));
    assert!(matches!(taken, Ok(Taken::Nothing)), "{taken:?}");
    let (_, _, readings) = hub.adopt(&adopt("53820306", "tap", None), &[]).unwrap();
    assert_eq!(readings.len(), 1);
    let again = hub.take(&frame(COUNTED, -70), "attic", at(60));
    assert!(matches!(again, Err(Refusal::Duplicate)), "{again:?}");
}

#[test]
fn limits_hold_over_a_restart() {
    const DRIVER: &str = "schema = 1\nid = \"mine\"\ndetect = [\"SEN,68,07\"]\n[[field]]\nname = \"total_m3\"\nselect = { quantity = \"volume\" }\n[plausible]\ntotal_m3 = { monotonic = true }\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), DRIVER).unwrap();
    let config: crate::config::Config =
        toml::from_str(&WATER_METER.replace("id =", "driver = \"mine\"\nid =")).unwrap();
    for (stored, is_believed) in [("123.528", true), ("123.530", false)] {
        let field = crate::store::Field {
            name: "total_m3".to_owned(),
            value: Some(stored.to_owned()),
            is_number: true,
            is_index: true,
        };
        let known = Known {
            counters: Vec::new(),
            fields: vec![LastField {
                serial: "8SEN6833225544".to_owned(),
                name: Some("water".to_owned()),
                manufacturer: None,
                field,
                received_at: at(0),
            }],
        };
        let drivers = crate::drivers::all(folder.path());
        let state = folder.path().join("state");
        let mut hub = Hub::open(state, TimeZone::UTC, &config.meters, drivers, &known).unwrap();
        let taken = incoming(hub.take(&frame(WATER, -80), "attic", at(60)));
        assert_eq!(taken.doubts.is_empty(), is_believed, "{:?}", taken.doubts);
    }
}

#[test]
fn a_leap_is_kept_and_told_and_not_believed() {
    /// 1,123.529 m³.
    const LEAPT: &str = "1844AE4C4455223368077A550000000413C9241100023B0000";
    /// 123.530 m³.
    const NEXT: &str = "1844AE4C4455223368077A55000000041389E20100023B0100";
    let folder = tempfile::tempdir().unwrap();
    let mut hub = hub(folder.path(), WATER_METER);
    let names = |taken: &Incoming| -> Vec<String> {
        taken
            .fields
            .iter()
            .map(|field| field.name.clone())
            .collect()
    };
    let first = incoming(hub.take(&frame(WATER, -80), "attic", at(0)));
    assert!(names(&first).contains(&"total_m3".to_owned()) && first.doubts.is_empty());
    let leapt = incoming(hub.take(&frame(LEAPT, -80), "attic", at(3_600)));
    let [doubt] = leapt.doubts.as_slice() else {
        panic!("{:?}", leapt.doubts);
    };
    assert!(doubt.is_index);
    assert_eq!(
        doubt.to_string(),
        "total_m3 1123.529 is not believed: it grew more than is believed"
    );
    // The telegram goes to the store all the same, with what else it says.
    assert!(!leapt.telegram.values.is_empty());
    assert!(!names(&leapt).contains(&"total_m3".to_owned()) && !leapt.fields.is_empty());
    let heard = &hub.heard()[0];
    assert_eq!(heard.status, "implausible");
    assert_eq!(heard.reason, Some(doubt.to_string()));
    assert_eq!(heard.value, Some("123.529".parse().unwrap()));
    let next = incoming(hub.take(&frame(NEXT, -80), "attic", at(3_660)));
    assert!(next.doubts.is_empty());
    assert_eq!(hub.heard()[0].status, "ok");
}
