use super::*;
use crate::profile::dlms::profiles;

fn name(code: [u8; 6]) -> Data {
    Data::OctetString(code.to_vec())
}

fn told(body: &Data, title: Option<SystemTitle>) -> Vec<String> {
    let reading = read(body, title, profiles());
    let entries = reading.entries.iter();
    entries
        .map(|entry| {
            let unit = entry
                .unit
                .map(|unit| format!(" {unit}"))
                .unwrap_or_default();
            let value = match &entry.content {
                Content::Number(number) => number.to_string(),
                Content::Octets(octets) => String::from_utf8_lossy(octets).into_owned(),
            };
            format!("{} {value}{unit}", entry.register)
        })
        .collect()
}

#[test]
fn names_values_and_scalers_in_one_list() {
    // The flat form of Austrian meters.
    let unit = |scaler, unit| Data::Structure(vec![Data::Int8(scaler), Data::Enum(unit)]);
    let body = Data::Structure(vec![
        name([0, 0, 1, 0, 0, 255]),
        Data::OctetString(vec![7, 0xE6, 11, 12, 6, 16, 54, 0, 0, 0xFF, 0xC4, 0]),
        name([1, 0, 32, 7, 0, 255]),
        Data::Uint16(2292),
        unit(-1, 35),
        name([1, 0, 1, 8, 0, 255]),
        Data::Uint32(12),
        unit(3, 30),
        Data::Structure(vec![
            name([0, 0, 96, 1, 0, 255]),
            Data::OctetString(b"1WSM0012345678".to_vec()),
        ]),
    ]);
    let told = told(&body, None);
    assert_eq!(
        told[1..3],
        ["1-0:32.7.0*255 229.2 V", "1-0:1.8.0*255 12000 Wh"]
    );
    let reading = read(&body, None, profiles());
    assert_eq!(reading.meter_id.as_deref(), Some("1WSM0012345678"));
    let time = reading.time.unwrap().iso();
    assert_eq!(time.as_deref(), Some("2022-11-12T16:54:00+01:00"));
}

#[test]
fn a_positional_list_needs_its_profile() {
    let octets = |text: &str| Data::OctetString(text.as_bytes().to_vec());
    let mut elements = vec![
        octets("KFM_001"),
        octets("6970631401234567"),
        octets("MA304H3E"),
    ];
    elements.extend([549u32, 0, 0, 105, 1200, 1300, 1400, 2301, 2302, 2303].map(Data::Uint32));
    let body = Data::Structure(elements);
    assert!(read(&body, None, &[]).entries.is_empty());
    let told = told(&body, None);
    assert_eq!(told[2], "1-0:1.7.0*255 549 W");
    assert_eq!(told[6], "1-0:31.7.0*255 1.200 A");
    assert_eq!(told[9], "1-0:32.7.0*255 230.1 V");
    let reading = read(&body, None, profiles());
    assert_eq!(reading.meter_id.as_deref(), Some("6970631401234567"));
    assert_eq!(reading.entries[2].profile.as_deref(), Some("kaifa-no-3p"));
}

#[test]
fn names_without_scalers() {
    let body = Data::Structure(vec![
        Data::VisibleString(b"Kamstrup_V0001".to_vec()),
        name([1, 1, 0, 0, 5, 255]),
        Data::VisibleString(b"5706567274389702".to_vec()),
        name([1, 1, 1, 8, 0, 255]),
        Data::Uint32(1234),
        name([1, 1, 31, 7, 0, 255]),
        Data::Uint32(107),
    ]);
    let told = told(&body, None);
    assert_eq!(
        told[1..],
        ["1-1:1.8.0*255 12340 Wh", "1-1:31.7.0*255 1.07 A"]
    );
    let bare = read(&body, None, &[]);
    assert_eq!(bare.entries[1].content, Content::Number(1234.into()));
    assert_eq!((bare.entries[1].unit, bare.entries[1].scaler), (None, None));
}

#[test]
fn a_list_of_capture_objects_names_its_neighbours() {
    let object = |class, code, attribute| {
        let class = Data::Uint16(class);
        Data::Structure(vec![
            class,
            name(code),
            Data::Int8(attribute),
            Data::Uint16(0),
        ])
    };
    let body = Data::Structure(vec![
        Data::Array(vec![
            object(40, [0, 8, 25, 9, 0, 255], 2),
            object(8, [0, 0, 1, 0, 0, 255], 2),
            object(3, [1, 0, 1, 8, 0, 255], 2),
        ]),
        Data::OctetString(vec![7, 0xE6, 11, 12, 6, 16, 54, 0, 0, 0xFF, 0xC4, 0]),
        Data::Uint32(77),
    ]);
    let reading = read(&body, None, &[]);
    assert_eq!(reading.entries.len(), 2);
    assert_eq!(reading.entries[1].register, ObisCode::ACTIVE_ENERGY_IMPORT);
    assert_eq!(reading.entries[1].content, Content::Number(77.into()));
    assert!(reading.time.is_some());
    // The same objects alone are no values.
    let alone = Data::Structure(vec![body.elements().unwrap()[0].clone()]);
    assert!(read(&alone, None, &[]).entries.is_empty());
}

#[test]
fn floats_are_scaled_exactly() {
    let body = Data::Structure(vec![
        name([1, 0, 32, 7, 0, 255]),
        Data::Float32(2301.5f32.to_bits()),
        Data::Structure(vec![Data::Int8(-1), Data::Enum(35)]),
    ]);
    assert_eq!(told(&body, None), ["1-0:32.7.0*255 230.15 V"]);
}
