//! Any slices, any damage; ciphered frames; the session in virtual time.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::encode::{Ciphering, ciphered};
use super::*;
use crate::dlms::security::CipherError as E;
use crate::key::Key;
use crate::model::{Check, Medium, Telegram as Reading, Unit};
use crate::session::{Action, Line, Session};

const LINES: &str = "1-3:0.2.8(50)\r\n0-0:1.0.0(260101120000W)\r\n0-0:96.1.1(57534D30303031)\r\n\
    1-0:1.8.1(000123.456*kWh)\r\n1-0:1.7.0(00.420*kW)\r\n0-1:24.1.0(003)\r\n\
    0-1:96.1.0(57534D47)\r\n0-1:24.2.1(260101115500W)(00012.345*m3)\r\n0-1:24.4.0(1)\r\n";
const TITLE: SystemTitle = *b"WSM00001";

fn good() -> Vec<u8> {
    encode::telegram("WSM5SIMULATED", LINES)
}

fn read(slices: &[&[u8]]) -> Vec<Event> {
    let mut splitter = Splitter::new();
    let mut events = Vec::new();
    for slice in slices {
        let mut slice = *slice;
        while let Some(event) = splitter.pull(&mut slice) {
            events.push(event);
        }
    }
    while let Some(event) = splitter.finish() {
        events.push(event);
    }
    events
}

fn telegrams(bytes: &[u8]) -> Vec<Telegram> {
    let telegram = |event| match event {
        Event {
            message: Message::Telegram(telegram),
            ..
        } => Some(telegram),
        _ => None,
    };
    read(&[bytes]).into_iter().filter_map(telegram).collect()
}

fn faults(bytes: &[u8]) -> Vec<Fault> {
    let fault = |event| match event {
        Event {
            message: Message::Rejected(fault),
            ..
        } => Some(fault),
        _ => None,
    };
    read(&[bytes]).into_iter().filter_map(fault).collect()
}

fn frame(bytes: &[u8]) -> CipheredFrame {
    match read(&[bytes]).remove(0).message {
        Message::Ciphered(frame) => frame,
        other => panic!("{other:?}"),
    }
}

/// The same digits over and over.
fn key(digit: char) -> Key {
    Key::from_hex(&digit.to_string().repeat(32)).unwrap()
}

fn keys(encryption: Option<char>, authentication: Option<char>, no_auth: bool) -> Keys {
    let mut keys = Keys {
        no_auth,
        ..Keys::default()
    };
    if let Some(digit) = encryption {
        keys.encryption.insert(None, key(digit));
    }
    if let Some(digit) = authentication {
        keys.authentication.insert(None, key(digit));
    }
    keys
}

fn sealed(control: u8, counter: u32, plaintext: &[u8]) -> Vec<u8> {
    let (key, auth_key) = (key('a'), key('b'));
    ciphered(
        plaintext,
        &Ciphering {
            title: TITLE,
            in_frame: true,
            security_control: control,
            invocation_counter: counter,
            key: &key,
            auth_key: &auth_key,
        },
    )
    .unwrap()
}

#[test]
fn truncations_and_flipped_bits_never_change_a_value() {
    let good = good();
    let truth = telegrams(&good).remove(0).entries;
    let end = good.len() - 2;
    for length in 0..end {
        assert!(telegrams(&good[..length]).is_empty(), "{length}");
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut damaged = good.clone();
            damaged[at] ^= 1 << bit;
            // Only damage to the CRC's own digits may pass for a telegram without one.
            for telegram in telegrams(&damaged) {
                assert_eq!(telegram.entries, truth, "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn a_damaged_telegram_costs_itself_only() {
    let good = good();
    for lost in 0..good.len() {
        let mut stream = good.clone();
        stream.extend([&good[..lost], &good[lost + 1..]].concat());
        stream.extend(&good);
        let found = telegrams(&stream);
        assert!(found.len() >= 2, "without byte {lost}: {}", found.len());
    }
    assert_eq!(faults(&[&good[..40], &good].concat()), [Fault::Truncated]);
    let wrong = String::from_utf8(good.clone())
        .unwrap()
        .replace("123.456", "123.457");
    assert!(matches!(faults(wrong.as_bytes())[..], [Fault::Crc { .. }]));
}

#[test]
fn checks_as_they_come() {
    let telegram = |check: &str| format!("/WSM5X\r\n\r\n1-0:1.8.0(000026*Wh)\r\n!{check}\r\n");
    let covered = telegram("");
    let crc = crate::crc::arc(covered.trim_end().as_bytes());
    for check in [
        format!("{crc:04X}"),
        format!("{crc:04x}"),
        format!("{crc:X}"),
    ] {
        let found = telegrams(telegram(&check).as_bytes());
        assert_eq!(found.len(), 1, "{check}");
        assert_eq!(found[0].check, LineCheck::Crc);
    }
    let other = telegrams((telegram("") + "  25818685\r\nDE03\r\n").as_bytes());
    assert_eq!(other[0].check, LineCheck::Absent);
    assert!(faults((telegram("") + "  25818685\r\nDE03\r\n").as_bytes()).is_empty());
    assert!(matches!(
        faults(telegram("F").as_bytes())[..],
        [Fault::Crc { .. }]
    ));
}

#[test]
fn what_follows_a_telegram_without_a_check_in_slices() {
    // Found by fuzzing: text and then noise, cut between the two or not.
    let bare = encode::telegram_without_crc("WSM5X", "1-0:1.8.0(1*Wh)\r\n");
    let stream = [bare.as_slice(), b"DE03 \xC3\xC3 text\r\n", &bare].concat();
    let whole = read(&[&stream]);
    assert_eq!(whole.len(), 3);
    for cut in 0..stream.len() {
        assert_eq!(
            read(&[&stream[..cut], &stream[cut..]]),
            whole,
            "cut at {cut}"
        );
    }
}

/// Found by fuzzing: the longest identification, cut in front of its line end.
#[test]
fn the_longest_identification_in_slices() {
    for length in 94..=98 {
        let name = format!("WSM5{}", "X".repeat(length - 4));
        let stream = encode::telegram(&name, "1-0:1.8.0(1*Wh)\r\n");
        let whole = read(&[&stream]);
        let is_telegram = matches!(whole[0].message, Message::Telegram(_));
        assert_eq!(is_telegram, length <= 96);
        for cut in 0..stream.len() {
            let (first, second) = stream.split_at(cut);
            assert_eq!(read(&[first, second]), whole, "{length}, cut at {cut}");
        }
    }
}

#[test]
fn who_may_open_a_frame() {
    let plain = good();
    let a = Some('a');
    let b = Some('b');
    type Case = (u8, Option<char>, Option<char>, bool, Result<Verdict, E>);
    let tag = "the tag does not verify";
    let text = "the plaintext is no telegram with a right CRC";
    let cases: [Case; 17] = [
        (0x30, None, None, false, Err(E::NoKey)),
        (0x30, a, None, false, Err(E::NoAuthKey)),
        (0x30, a, b, false, Ok(Verdict::Authenticated)),
        (0x30, a, Some('c'), false, Err(E::WrongKey(tag))),
        (0x30, Some('c'), b, false, Err(E::WrongKey(tag))),
        (0x30, a, None, true, Ok(Verdict::Unauthenticated)),
        (0x30, Some('c'), None, true, Err(E::WrongKey(text))),
        (0x30, a, b, true, Ok(Verdict::Authenticated)),
        (0x30, a, Some('c'), true, Ok(Verdict::Unauthenticated)),
        (0x10, a, None, false, Err(E::NoAuthKey)),
        (0x10, a, b, false, Ok(Verdict::Authenticated)),
        (0x10, a, None, true, Ok(Verdict::Unauthenticated)),
        (0x20, a, b, false, Err(E::Unauthenticated)),
        (0x20, a, None, true, Ok(Verdict::Unauthenticated)),
        (0x20, Some('c'), None, true, Err(E::WrongKey(text))),
        (0x00, None, None, false, Ok(Verdict::None)),
        (0x00, a, b, false, Err(E::NotCiphered)),
    ];
    for (control, encryption, authentication, no_auth, want) in cases {
        let frame = frame(&sealed(control, 7, &plain));
        let opened = frame.open(&keys(encryption, authentication, no_auth));
        if let Ok(opened) = &opened {
            assert_eq!(opened.plaintext, plain);
            assert_eq!(opened.wrong_tag, authentication == Some('c'));
        }
        let got = opened.map(|opened| opened.verdict);
        let want = want.map_err(OpenError::from);
        assert_eq!(
            got, want,
            "{control:02x} {encryption:?} {authentication:?} {no_auth}"
        );
    }
}

#[test]
fn a_frame_without_a_title() {
    let (key, auth_key) = (key('a'), key('b'));
    let with = Ciphering {
        title: TITLE,
        in_frame: false,
        security_control: 0x30,
        invocation_counter: 1,
        key: &key,
        auth_key: &auth_key,
    };
    let frame = frame(&ciphered(&good(), &with).unwrap());
    let mut keys = keys(None, Some('b'), false);
    keys.encryption.insert(Some(TITLE), key.clone());
    assert_eq!(frame.open(&keys).unwrap_err(), E::NoTitle.into());
    keys.system_title = Some(TITLE);
    assert_eq!(frame.open(&keys).unwrap().verdict, Verdict::Authenticated);
    keys.system_title = Some(*b"OTHER000");
    assert_eq!(frame.open(&keys).unwrap_err(), E::NoKey.into());
}

#[test]
fn keys_are_not_shown() {
    let keys = keys(Some('a'), Some('b'), false);
    let shown = format!(
        "{keys:?} {:?}",
        Listener::new(Line::eight_none(9600), keys.clone())
    );
    assert!(!shown.contains("aaaa") && !shown.contains("170"), "{shown}");
}

#[test]
fn lost_bytes_of_a_frame_cost_one_frame() {
    let frames: Vec<Vec<u8>> = (1..=3)
        .map(|counter| sealed(0x30, counter, &good()))
        .collect();
    let keys = keys(Some('a'), Some('b'), false);
    let opened = |stream: &[u8]| {
        let events = read(&[stream]).into_iter();
        let open = |event: Event| match event.message {
            Message::Ciphered(frame) => frame.open(&keys).ok(),
            _ => None,
        };
        events.filter_map(open).count()
    };
    for lost in 1..frames[1].len() {
        let damaged = [&frames[1][..lost], &frames[1][lost + 1..]].concat();
        let stream = [frames[0].as_slice(), &damaged, &frames[2]].concat();
        assert_eq!(opened(&stream), 2, "without byte {lost}");
    }
    for at in 0..frames[0].len() {
        let mut damaged = frames[0].clone();
        damaged[at] ^= 4;
        assert_eq!(opened(&damaged), 0, "byte {at}");
    }
}

fn heard(listener: &mut Listener, bytes: &[u8], now: Instant) -> (Vec<Reading>, Vec<String>) {
    listener.handle_input(bytes, now);
    let (mut readings, mut rejected) = (Vec::new(), Vec::new());
    while let Some(action) = listener.poll_action() {
        match action {
            Action::Telegram(reading) => readings.push(*reading),
            Action::Rejected(stretch) => rejected.push(stretch.reason),
            other => panic!("{other:?}"),
        }
    }
    (readings, rejected)
}

#[test]
fn channels_are_meters_of_their_own() {
    let mut listener = Listener::default();
    let start = Instant::now();
    let (readings, rejected) = heard(&mut listener, &good(), start);
    assert!(rejected.is_empty());
    let [own, gas] = readings.as_slice() else {
        panic!("{readings:?}");
    };
    assert_eq!(own.meter.as_ref().unwrap().as_str(), "WSM0001");
    assert_eq!((own.channel, own.check), (None, Check::Crc));
    let energy = own
        .values
        .iter()
        .find(|v| v.register.to_string() == "1-0:1.8.1*255")
        .unwrap();
    assert_eq!(energy.value.number().unwrap().to_string(), "123456");
    assert_eq!(energy.unit, Some(Unit::WattHour));
    let of_channel = |[medium, channel, ..]: [u8; 6]| medium == 0 && channel != 0;
    assert!(!own.values.iter().any(|value| of_channel(value.register.0)));
    assert_eq!(gas.meter.as_ref().unwrap().as_str(), "WSMG");
    let channel = gas.channel.unwrap();
    assert_eq!(
        (channel.number, channel.medium, channel.place),
        (1, Medium::Gas, 1)
    );
    let volume = gas
        .values
        .iter()
        .find(|v| v.register.to_string() == "7-0:3.0.0*255")
        .unwrap();
    assert_eq!(volume.value.number().unwrap().to_string(), "12.345");
    assert_eq!(volume.unit, Some(Unit::CubicMetre));
    assert!(volume.captured_at.is_some());

    // The same again is not told again, before nine seconds are over.
    let count = |listener: &mut Listener, bytes: &[u8], s| {
        heard(listener, bytes, start + Duration::from_secs(s))
            .0
            .len()
    };
    assert_eq!(count(&mut listener, &good(), 1), 1);
    assert_eq!(count(&mut listener, &good(), 10), 2);
    let later = LINES.replace("00012.345", "00012.346");
    assert_eq!(
        count(
            &mut listener,
            &encode::telegram("WSM5SIMULATED", &later),
            62
        ),
        2
    );
}

#[test]
fn a_meter_that_was_taken_away_is_not_counted() {
    let lines = "0-1:24.1.0(003)\r\n0-1:96.1.0()\r\n0-1:24.2.1(700101010000W)(00000000)\r\n\
        0-2:24.1.0(003)\r\n0-2:96.1.0(5732)\r\n0-2:24.2.1(260101120000W)(00001.500*m3)\r\n\
        0-3:24.1.0(004)\r\n0-3:24.2.1(260101120000W)(001.250*GJ)\r\n";
    let telegram = telegrams(&encode::telegram("WSM5X", lines)).remove(0);
    let found = readings(&telegram, false);
    let shown: Vec<String> = found
        .iter()
        .skip(1)
        .map(|reading| {
            let channel = reading.channel.unwrap();
            let value = &reading.values[reading.values.len() - 1];
            let number = value.value.number().unwrap();
            let name = channel.medium.name();
            format!("{name} {} {} {number}", channel.place, value.register)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "gas 1 7-0:3.0.0*255 1.500",
            "heat 1 6-0:1.0.0*255 1250000000"
        ]
    );
}

#[test]
fn silence_ends_what_has_begun() {
    let mut listener = Listener::default();
    let start = Instant::now();
    // A byte like the start of a frame, and a telegram behind it.
    let noise = [0xDB, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0x82, 0x20, 0, 0x30];
    assert_eq!(
        heard(&mut listener, &noise, start),
        (Vec::new(), Vec::new())
    );
    let deadline = listener.poll_timeout().unwrap();
    listener.handle_timeout(deadline);
    assert_eq!(heard(&mut listener, &[], deadline).1.len(), 1);
    assert_eq!(listener.poll_timeout(), None);
    assert_eq!(heard(&mut listener, &good(), deadline).0.len(), 2);
}

#[test]
fn what_the_session_does_not_believe() {
    let start = Instant::now();
    let mut listener = Listener::default();
    let bare = encode::telegram_without_crc("WSM5SIMULATED", LINES);
    assert_eq!(heard(&mut listener, &bare, start).0.len(), 2);
    assert_eq!(heard(&mut listener, &good(), start).0.len(), 1);
    assert_eq!(heard(&mut listener, &bare, start).1.len(), 1);

    let mut listener = Listener::new(Line::eight_none(115_200), keys(Some('a'), Some('b'), false));
    let second = sealed(0x30, 2, &good());
    let (readings, _) = heard(&mut listener, &second, start);
    assert_eq!((readings[0].check, &readings[0].raw), (Check::Tag, &second));
    for replayed in [second, sealed(0x30, 1, &good()), good()] {
        let (readings, rejected) = heard(&mut listener, &replayed, start);
        assert_eq!((readings.len(), rejected.len()), (0, 1));
    }
}

/// A meter that pushes every so often at its own line, in virtual time. At another speed it is
/// heard as so much noise, at its speed with eight bits with its parity in the highest.
fn listen(
    listener: &mut Listener,
    meter: Line,
    telegram: &[u8],
    period: Duration,
) -> (Duration, Vec<String>) {
    let start = Instant::now();
    let mut line = listener.line();
    let mut rejected = Vec::new();
    listener.restart(start);
    let mut now = start;
    loop {
        assert!(now - start < Duration::from_secs(180), "{rejected:?}");
        now += period;
        while listener.poll_timeout().is_some_and(|due| due <= now) {
            let due = listener.poll_timeout().unwrap();
            listener.handle_timeout(due);
            while let Some(action) = listener.poll_action() {
                match action {
                    Action::SetLine(wanted) => line = wanted,
                    Action::Rejected(stretch) => rejected.push(stretch.reason),
                    other => panic!("{other:?}"),
                }
            }
        }
        for chunk in telegram.chunks(32) {
            let heard = |byte: &u8| match (line.baud == meter.baud, line.data_bits) {
                (false, _) => byte.wrapping_mul(181) | 0x80,
                (true, 8) if meter.data_bits == 7 => {
                    byte | (u8::from(byte.count_ones() % 2 == 1) << 7)
                }
                // The kernel puts a zero in place of a character whose parity is wrong.
                (true, 7) if meter.data_bits == 8 && byte.count_ones() % 2 == 1 => 0,
                (true, _) => *byte,
            };
            let heard: Vec<u8> = chunk.iter().map(heard).collect();
            listener.handle_input(&heard, now);
            while let Some(action) = listener.poll_action() {
                match action {
                    Action::SetLine(wanted) => line = wanted,
                    Action::Rejected(stretch) => rejected.push(stretch.reason),
                    Action::Telegram(_) => return (now - start, rejected),
                    other => panic!("a listener only listens: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn speed_and_framing_are_found() {
    let plain = encode::telegram("WSM5SIMULATED", &LINES.repeat(4));
    let old = encode::telegram_without_crc("WSM5SIMULATED", &LINES.repeat(2));
    for (line, telegram, period, within) in [
        (Line::eight_none(115_200), &plain, 1, 1),
        (Line::eight_none(115_200), &plain, 10, 10),
        (Line::seven_even(9_600), &old, 10, 40),
        (Line::eight_none(9_600), &plain, 10, 60),
        (Line::seven_even(115_200), &old, 10, 60),
    ] {
        let mut listener = Listener::searching(Keys::default());
        let period = Duration::from_secs(period);
        let (took, rejected) = listen(&mut listener, line, telegram, period);
        assert_eq!(listener.line(), line);
        assert!(
            took <= Duration::from_secs(within),
            "{line}: {took:?} {rejected:?}"
        );
    }
}

#[test]
fn the_wrong_framing_is_told_in_words() {
    let mut listener = Listener::searching(Keys::default());
    let old = encode::telegram_without_crc("WSM5SIMULATED", &LINES.repeat(2));
    let line = Line::seven_even(115_200);
    let (_, rejected) = listen(&mut listener, line, &old, Duration::from_secs(10));
    let told =
        "this is text with seven data bits and even parity (7E1); listening at 115200 7E1 now";
    assert!(rejected.iter().any(|reason| reason == told), "{rejected:?}");
}

#[test]
fn a_ciphered_meter_is_no_noise() {
    let frame = sealed(
        0x30,
        7,
        &encode::telegram("WSM5SIMULATED", &LINES.repeat(8)),
    );
    let mut listener = Listener::searching(keys(Some('a'), Some('b'), false));
    let line = Line::eight_none(115_200);
    let (took, rejected) = listen(&mut listener, line, &frame, Duration::from_secs(10));
    assert_eq!((took.as_secs(), rejected.len()), (10, 0));
}

#[test]
fn tariff_power_failures_and_sags_are_told() {
    // The lines of DSMR 5.0.2, 6.12.
    let lines = "0-0:96.14.0(0002)\r\n0-0:96.7.21(00004)\r\n0-0:96.7.9(00002)\r\n\
        1-0:99.97.0(2)(0-0:96.7.19)(101208152415W)(0000000240*s)(101208151004W)(0000000301*s)\r\n\
        1-0:32.32.0(00002)\r\n1-0:52.32.0(00001)\r\n1-0:32.36.0(00000)\r\n0-0:96.13.0(00003)\r\n";
    let telegram = telegrams(&encode::telegram("WSM5X", lines)).remove(0);
    let reading = readings(&telegram, false).remove(0);
    let told = &reading.indications;
    assert_eq!(told.tariff.as_ref().unwrap().number, Some(2));
    let outages: Vec<String> = told
        .outages
        .iter()
        .map(|outage| format!("{} {}", outage.ended_at, outage.seconds))
        .collect();
    assert_eq!(
        outages,
        ["2010-12-08T15:24:15 240", "2010-12-08T15:10:04 301"]
    );
    let counts: Vec<String> = reading
        .values
        .iter()
        .filter(|value| value.unit == Some(Unit::Unitless))
        .map(|value| format!("{}={}", value.register, value.value.number().unwrap()))
        .collect();
    assert_eq!(
        counts,
        [
            "0-0:96.7.21*255=4",
            "0-0:96.7.9*255=2",
            "1-0:32.32.0*255=2",
            "1-0:52.32.0*255=1",
            "1-0:32.36.0*255=0"
        ]
    );
}

proptest! {
    #[test]
    fn any_bytes_in_any_slices(
        bytes in proptest::collection::vec(
            prop_oneof![
                4 => any::<u8>(),
                4 => proptest::sample::select(b"/!()\r\n*0123WSMab".to_vec()),
                1 => Just(0xDB),
            ],
            0..600,
        ),
        cut in 0..600usize,
    ) {
        let whole = read(&[&bytes]);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        prop_assert_eq!(&whole, &read(&[first, second]));
        let told: u64 = whole.iter().map(|event| event.length).sum();
        prop_assert!(told <= bytes.len() as u64);
        for event in whole {
            match event.message {
                Message::Telegram(telegram) => drop(readings(&telegram, false)),
                Message::Ciphered(frame) => drop(frame.open(&keys(Some('a'), None, true))),
                Message::Rejected(_) => {}
            }
        }
    }

    #[test]
    fn telegrams_between_noise_in_slices(
        noise in proptest::collection::vec(any::<u8>(), 0..80),
        step in 1..64usize,
        old in any::<bool>(),
    ) {
        let telegram = if old { encode::telegram_without_crc("WSM5X", LINES) } else { good() };
        let frame = sealed(0x30, 9, &good());
        let stream = [telegram.as_slice(), &frame, &noise, b"\r\n", &telegram, &frame].concat();
        let slices: Vec<&[u8]> = stream.chunks(step).collect();
        let events = read(&slices);
        prop_assert_eq!(&events, &read(&[&stream]));
    }

    #[test]
    fn any_text_between_the_brackets(line in "[0-9.:()*A-Zkmh-]{0,80}") {
        let bytes = encode::telegram("WSM5X", &format!("1-0:1.8.0(1*Wh)\r\n0-0:98.1.0{line}\r\n"));
        for telegram in telegrams(&bytes) {
            let values = telegram.entries.iter().map(|entry| 1 + entry.rows.len()).sum::<usize>();
            prop_assert!(values <= bytes.len());
            drop(readings(&telegram, false));
        }
    }
}
