//! The listener and a meter that pushes, in virtual time.

use super::*;
use crate::dlms::apdu::{Ciphered, Ciphering, DataNotification};
use crate::dlms::data::Data;
use crate::dlms::hdlc::{self, Address, Control, LLC_RESPONSE};
use crate::dlms::mbus;
use crate::dlms::security::{Cipher, SecurityControl};
use crate::key::Key;
use crate::model::Unit;

const TITLE: [u8; 8] = *b"WSM00001";

fn key(digit: char) -> Key {
    Key::from_hex(&digit.to_string().repeat(32)).unwrap()
}

fn push(energy: u32) -> Vec<u8> {
    let unit = Data::Structure(vec![Data::Int8(0), Data::Enum(30)]);
    let body = Data::Array(vec![
        Data::Structure(vec![
            Data::OctetString(vec![0, 0, 96, 1, 0, 255]),
            Data::VisibleString(b"WSM0012345678".to_vec()),
        ]),
        Data::Structure(vec![
            Data::OctetString(vec![1, 1, 1, 8, 0, 255]),
            Data::Uint32(energy),
            unit,
        ]),
    ]);
    Apdu::DataNotification(DataNotification {
        invoke: 1,
        at: None,
        body,
    })
    .to_vec()
}

fn sealed(control: u8, counter: u32, plain: &[u8]) -> Vec<u8> {
    let (encryption, authentication) = (key('a'), key('b'));
    let cipher = Cipher {
        encryption: &encryption,
        authentication: &authentication,
    };
    let control = SecurityControl(control);
    let content = cipher.seal(control, TITLE, counter, plain).unwrap();
    Apdu::Ciphered(Ciphered {
        ciphering: Ciphering::GeneralGlo,
        system_title: TITLE.to_vec(),
        content: content.to_vec(),
    })
    .to_vec()
}

fn frame(apdu: &[u8]) -> Vec<u8> {
    let server = Address::server(1, None, None).unwrap();
    let information = [&LLC_RESPONSE[..], apdu].concat();
    let control = Control::Ui { poll: true };
    hdlc::encode(&Address::client(1), &server, control, false, &information).unwrap()
}

fn keys(encryption: char, authentication: Option<char>, no_auth: bool) -> Keys {
    let mut keys = Keys {
        no_auth,
        ..Keys::default()
    };
    keys.encryption.insert(None, key(encryption));
    if let Some(digit) = authentication {
        keys.authentication.insert(None, key(digit));
    }
    keys
}

fn listener(keys: Keys) -> Listener {
    Listener::new(Config {
        keys,
        ..Config::default()
    })
}

/// Hands bytes over in small slices, and then a silence.
fn hear(listener: &mut Listener, bytes: &[u8], now: &mut Instant) -> Vec<Action> {
    for part in bytes.chunks(11) {
        *now += Duration::from_millis(50);
        listener.handle_input(part, *now);
    }
    let deadline = listener.poll_timeout().unwrap();
    assert_eq!(deadline, *now + SILENCE);
    *now = deadline;
    listener.handle_timeout(*now);
    assert_eq!(listener.poll_timeout(), None);
    std::iter::from_fn(|| listener.poll_action()).collect()
}

fn reason(actions: &[Action]) -> &str {
    match actions {
        [Action::Rejected(rejected)] => &rejected.reason,
        other => panic!("{other:?}"),
    }
}

fn energy(actions: &[Action]) -> (String, Check) {
    let [Action::Telegram(telegram)] = actions else {
        panic!("{actions:?}");
    };
    let register = telegram.values.last().unwrap();
    // The meter numbers its one channel 1.
    assert_eq!(register.register, ObisCode::ACTIVE_ENERGY_IMPORT);
    assert_eq!(register.unit, Some(Unit::WattHour));
    let meter = telegram.meter.as_ref().map(MeterId::as_str);
    assert_eq!(meter, Some("WSM0012345678"));
    assert!(!telegram.raw.is_empty());
    let number = register.value.number().unwrap();
    (number.to_string(), telegram.check)
}

#[test]
fn plain_pushes_over_both_frames() {
    let mut now = Instant::now();
    let mut listener = listener(Keys::default());
    for round in 1..4 {
        let actions = hear(&mut listener, &frame(&push(round)), &mut now);
        assert_eq!(energy(&actions), (round.to_string(), Check::Crc));
    }
    // After the port was opened again, another meter may hang on it.
    listener.restart(now);
    let bytes = mbus::encode(&push(9), 0xFF, [1, 0x67]);
    let actions = hear(&mut listener, &bytes, &mut now);
    assert_eq!(energy(&actions), ("9".to_owned(), Check::Checksum));
}

#[test]
fn ciphered_pushes() {
    let mut now = Instant::now();
    let mut listener = listener(keys('a', Some('b'), false));
    let first = frame(&sealed(0x30, 7, &push(1)));
    let actions = hear(&mut listener, &first, &mut now);
    assert_eq!(energy(&actions), ("1".to_owned(), Check::Tag));
    let again = hear(&mut listener, &first, &mut now);
    assert!(reason(&again).contains("does not rise"));
    let plain = hear(&mut listener, &frame(&push(5)), &mut now);
    assert!(reason(&plain).contains("not ciphered"));
    let bytes = mbus::encode(&sealed(0x30, 8, &push(2)), 0xFF, [1, 0x67]);
    listener.restart(now);
    let actions = hear(&mut listener, &bytes, &mut now);
    assert_eq!(energy(&actions).0, "2");
}

#[test]
fn what_is_refused_and_why() {
    let message = |control| frame(&sealed(control, 7, &push(1)));
    for (control, keys, part) in [
        (0x30, Keys::default(), "no key"),
        (0x30, keys('a', None, false), "no authentication key"),
        (0x30, keys('a', Some('c'), false), "tag does not verify"),
        (0x30, keys('c', None, true), "no message"),
        (0x20, keys('a', Some('b'), false), "not authenticated"),
    ] {
        let mut now = Instant::now();
        let actions = hear(&mut listener(keys), &message(control), &mut now);
        assert!(reason(&actions).contains(part), "{actions:?}");
    }
    for control in [0x20, 0x30] {
        let mut now = Instant::now();
        let mut listener = listener(keys('a', None, true));
        let actions = hear(&mut listener, &message(control), &mut now);
        // Told by its check: no tag was seen.
        assert_eq!(energy(&actions), ("1".to_owned(), Check::Crc));
    }
}

#[test]
fn a_damaged_frame_costs_itself_and_parity_is_found() {
    let mut now = Instant::now();
    let mut listener = listener(Keys::default());
    let mut spoiled = frame(&push(1));
    spoiled[40] ^= 8;
    for _ in 0..2 {
        let actions = hear(&mut listener, &spoiled, &mut now);
        assert!(reason(&actions).contains("check sequence"));
    }
    assert_eq!(
        energy(&hear(&mut listener, &frame(&push(2)), &mut now)).0,
        "2"
    );
    assert_eq!(listener.line().parity, Parity::Even);
    let garbage = [0xA3, 0x51, 0xFF, 0x00, 0x13];
    let mut last = Vec::new();
    for _ in 0..3 {
        last = hear(&mut listener, &garbage, &mut now);
    }
    assert!(matches!(last[..], [_, Action::SetLine(line)] if line.parity == Parity::None));
    assert_eq!(
        energy(&hear(&mut listener, &frame(&push(3)), &mut now)).0,
        "3"
    );
}

#[test]
fn a_list_that_nobody_knows() {
    let mut now = Instant::now();
    let mut listener = listener(Keys::default());
    let body = Data::Structure(vec![Data::Uint32(549)]);
    let unknown = Apdu::DataNotification(DataNotification {
        invoke: 1,
        at: None,
        body,
    });
    let unknown = frame(&unknown.to_vec());
    assert!(reason(&hear(&mut listener, &unknown, &mut now)).contains("profile"));
    hear(&mut listener, &frame(&push(1)), &mut now);
    assert_eq!(hear(&mut listener, &unknown, &mut now), []);
}

#[test]
fn noise_without_an_end_is_told() {
    let mut now = Instant::now();
    let mut listener = listener(Keys::default());
    hear(&mut listener, &frame(&push(1)), &mut now);
    let mut told = 0;
    for _ in 0..3000 {
        listener.handle_input(&[0x55; 10], now);
        told += std::iter::from_fn(|| listener.poll_action()).count();
    }
    assert!((3..=12).contains(&told), "{told}");
}
