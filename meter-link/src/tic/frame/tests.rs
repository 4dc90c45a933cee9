use proptest::prelude::*;

use super::*;
use crate::tic::{StatusRegister, Tariff, encode, telegram};

fn read(bytes: &[u8]) -> Vec<Event> {
    let mut splitter = Splitter::new();
    let mut input = bytes;
    let mut events = Vec::new();
    while let Some(event) = splitter.pull(&mut input) {
        events.push(event);
    }
    while let Some(event) = splitter.finish() {
        events.push(event);
    }
    events
}

fn standard() -> Vec<u8> {
    let mut frame = encode::Frame::new(Mode::Standard);
    frame
        .group("ADSC", "061234567890")
        .timed("DATE", "E260815073000", "")
        .group("LTARF", "   HP  ROUGE    ")
        .group("EAST", "012345678")
        .group("EASF06", "000345678")
        .group("SINSTS", "01500")
        .timed("SMAXSN", "E260815060102", "03450")
        .group("STGE", "0B021400")
        .group("RELAIS", "003")
        .group("NTARF", "06");
    frame.to_bytes()
}

fn historic() -> Vec<u8> {
    let mut frame = encode::Frame::new(Mode::Historic);
    frame
        .group("ADCO", "021234567890")
        .group("OPTARIF", "BBR(")
        .group("BBRHCJB", "001234567")
        .group("PTEC", "HCJW")
        .group("DEMAIN", "ROUG")
        .group("IINST1", "003")
        .group("PAPP", "00750");
    frame.to_bytes()
}

/// Numbers by OBIS code.
fn numbers(frame: &Frame) -> Vec<(String, String)> {
    let values = telegram(frame).values.into_iter();
    let number = |value: &crate::model::RegisterValue| value.value.number().map(|n| n.to_string());
    values
        .filter_map(|value| Some((value.register.to_string(), number(&value)?)))
        .collect()
}

/// What may be believed of a frame, beside texts.
fn facts(event: &Event) -> Vec<String> {
    let Ok(frame) = &event.found else {
        return Vec::new();
    };
    let mut facts: Vec<String> = numbers(frame).iter().map(|n| format!("{n:?}")).collect();
    let told = telegram(frame);
    facts.extend(told.meter.map(|id| format!("meter {id}")));
    let tariff = Tariff::of(frame);
    facts.extend(
        tariff
            .color_today
            .map(|color| format!("today {}", color.name())),
    );
    facts.extend(
        tariff
            .color_tomorrow
            .map(|color| format!("tomorrow {}", color.name())),
    );
    facts.extend(tariff.index.map(|index| format!("index {index}")));
    let status = frame.value("STGE").and_then(StatusRegister::parse);
    facts.extend(status.map(|status| format!("{status:?}")));
    facts
}

#[test]
fn a_frame_of_each_mode() {
    let events = read(&[standard(), historic()].concat());
    let [one, two] = events.as_slice() else {
        panic!("{events:?}")
    };
    let (one, two) = (one.found.as_ref().unwrap(), two.found.as_ref().unwrap());
    assert_eq!((one.mode, one.extent), (Mode::Standard, Extent::Complete));
    assert_eq!((two.mode, two.extent), (Mode::Historic, Extent::Complete));
    let pair = |code: &str, number: &str| (code.to_owned(), number.to_owned());
    assert_eq!(
        numbers(one),
        [
            pair("1-0:1.8.0*255", "12345678"),
            pair("1-0:1.8.6*255", "345678"),
            pair("1-0:9.7.0*255", "1500"),
        ]
    );
    assert_eq!(
        numbers(two),
        [
            pair("1-0:1.8.1*255", "1234567"),
            pair("1-0:31.7.0*255", "3"),
            pair("1-0:9.7.0*255", "750"),
        ]
    );
    let tariff = Tariff::of(one);
    assert_eq!(
        (tariff.current.as_deref(), tariff.index),
        (Some("HP ROUGE"), Some(6))
    );
    let tomorrow = Tariff::of(two)
        .color_tomorrow
        .map(crate::model::DayColor::name);
    assert_eq!(tomorrow, Some("red"));
    assert_eq!(one.value("LTARF"), Some("   HP  ROUGE    "));
    assert!(telegram(one).time.is_some() && telegram(two).time.is_none());
}

/// As a port hears it that was set to eight bits without parity.
#[test]
fn parity_left_in_the_characters_is_checked_and_taken_off() {
    let parity = |byte: &u8| byte | u8::from(byte.count_ones() % 2 == 1) << 7;
    for whole in [standard(), historic()] {
        let heard: Vec<u8> = whole.iter().map(parity).collect();
        assert_ne!(heard, whole);
        let (plain, eight) = (read(&whole), read(&heard));
        let groups = |events: &[Event]| {
            events
                .iter()
                .flat_map(|e| e.found.clone().unwrap().groups)
                .collect::<Vec<_>>()
        };
        assert_eq!(groups(&plain), groups(&eight));

        // With it, no flipped bit inside a group goes unseen.
        let all = groups(&plain);
        for (at, bit) in (2..heard.len() - 2).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = heard.clone();
            bytes[at] ^= 1 << bit;
            for event in read(&bytes) {
                let intact = event.found.into_iter().flat_map(|frame| frame.groups);
                for group in intact.filter(|group| group.fields.is_ok()) {
                    assert!(all.contains(&group), "{group:?} by bit {bit} of byte {at}");
                }
            }
        }
    }
}

#[test]
fn a_short_frame_warns_of_an_overload() {
    let mut short = encode::Frame::new(Mode::Historic);
    short
        .group("ADIR2", "034")
        .group("ADCO", "021234567890")
        .group("IINST1", "004")
        .group("IINST2", "034")
        .group("IINST3", "001");
    let events = read(&[historic(), short.to_bytes(), historic()].concat());
    let frames: Vec<&Frame> = events
        .iter()
        .filter_map(|e| e.found.as_ref().ok())
        .collect();
    let short: Vec<bool> = frames.iter().map(|f| f.is_overload_warning()).collect();
    assert_eq!(short, [false, true, false]);
    let Some(warning) = frames.get(1) else {
        panic!()
    };
    assert_eq!(numbers(warning).len(), 3);
}

#[test]
fn damage_stays_in_its_group() {
    let mut bytes = standard();
    let at = bytes.windows(9).position(|w| w == b"012345678").unwrap();
    bytes[at] = b'1';
    let events = read(&bytes);
    let Some(Ok(frame)) = events.first().map(|event| &event.found) else {
        panic!()
    };
    assert_eq!((frame.damaged(), frame.value("EAST")), (1, None));
    assert_eq!(frame.value("EASF06"), Some("000345678"));
    let bad = frame.groups.iter().find(|group| group.fields.is_err());
    assert_eq!(bad.map(|group| &*group.label), Some("EAST"));
}

#[test]
fn a_group_of_the_other_mode_is_damaged() {
    let mut bytes = standard();
    bytes.pop();
    bytes.extend(encode::group(Mode::Historic, &["PAPP", "00750"]));
    bytes.push(ETX);
    let events = read(&bytes);
    let Some(Ok(frame)) = events.first().map(|event| &event.found) else {
        panic!()
    };
    assert_eq!(frame.mode, Mode::Standard);
    let last = frame.groups.last().map(|group| group.fields.clone());
    assert_eq!(last, Some(Err(Damage::Separator)));
}

#[test]
fn truncation_at_every_length() {
    for whole in [standard(), historic()] {
        let all = read(&whole).first().map(facts).unwrap_or_default();
        for length in 0..whole.len() {
            let head = read(&whole[..length]);
            let tail = read(&whole[length..]);
            for event in head.iter().chain(&tail) {
                if let Ok(frame) = &event.found {
                    assert!(length == 0 || frame.extent == Extent::Partial);
                    assert_eq!(frame.damaged(), 0, "only whole groups");
                }
                for fact in facts(event) {
                    assert!(all.contains(&fact), "{fact} of {length} bytes");
                }
            }
        }
    }
}

/// Every single flipped bit, with what the checksum does not see (bits 6 and 7) among them.
#[test]
fn one_flipped_bit_gives_nothing_wrong() {
    for whole in [standard(), historic()] {
        let all = read(&whole).first().map(facts).unwrap_or_default();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                for fact in read(&bytes).iter().flat_map(facts) {
                    assert!(all.contains(&fact), "{fact} by bit {bit} of byte {at}");
                }
            }
        }
    }
}

/// Of two changes in one group, the checksum lets some 1 in 64 through, and no more.
#[test]
fn the_checksum_is_six_bits() {
    let group = encode::group(Mode::Standard, &["EAST", "012345678"]);
    let (mut passed, mut tried) = (0u32, 0u32);
    for (one, two) in (6..14).flat_map(|one| (one + 1..15).map(move |two| (one, two))) {
        for (x, y) in (b'0'..=b'9').flat_map(|x| (b'0'..=b'9').map(move |y| (x, y))) {
            let mut bytes = group.clone();
            if bytes[one] != x && bytes[two] != y {
                bytes[one] = x;
                bytes[two] = y;
                tried += 1;
                let events = read(&bytes);
                let Some(Ok(frame)) = events.first().map(|event| &event.found) else {
                    panic!()
                };
                passed += u32::from(frame.damaged() == 0);
            }
        }
    }
    assert!(
        passed > 0,
        "a sum does not see that one digit rose and another fell"
    );
    assert!(passed < tried / 8, "{passed} of {tried}");
}

#[test]
fn memory_is_bounded() {
    let mut bytes = vec![STX];
    bytes.extend(std::iter::repeat_n(b'A', 3 * MAX_FRAME));
    let events = read(&bytes);
    let lengths: Vec<u64> = events.iter().map(|event| event.length).collect();
    assert_eq!(lengths, [bytes.len() as u64], "noise is one stretch");

    let endless = historic().repeat(200);
    let endless: Vec<u8> = endless
        .into_iter()
        .filter(|b| *b != STX && *b != ETX)
        .collect();
    for event in read(&endless) {
        assert!(event.found.is_ok_and(|frame| frame.raw.len() <= MAX_FRAME));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_accounted_for_in_order(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let mut end = 0;
        for event in read(&bytes) {
            prop_assert!(event.offset >= end && event.length > 0);
            end = event.offset + event.length;
            if let Ok(frame) = event.found {
                prop_assert_eq!(frame.raw.len() as u64, event.length);
            }
        }
        prop_assert!(end <= bytes.len() as u64);
    }

    #[test]
    fn slices_make_no_difference(
        garbage in proptest::collection::vec(any::<u8>(), 0..64),
        cut in 0usize..400,
    ) {
        let bytes = [standard(), garbage, historic()].concat();
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let mut splitter = Splitter::new();
        let mut events = Vec::new();
        for mut slice in [first, second] {
            while let Some(event) = splitter.pull(&mut slice) {
                events.push(event);
            }
        }
        while let Some(event) = splitter.finish() {
            events.push(event);
        }
        prop_assert_eq!(events, read(&bytes));
    }

    #[test]
    fn what_is_encoded_comes_back(
        label in "[A-Z][A-Z0-9+-]{1,8}",
        value in "[!-~][ -~]{0,30}",
        historic in any::<bool>(),
    ) {
        let mode = if historic { Mode::Historic } else { Mode::Standard };
        let mut frame = encode::Frame::new(mode);
        frame.group(&label, &value);
        let events = read(&frame.to_bytes());
        let [Event { found: Ok(frame), .. }] = events.as_slice() else {
            return Err(TestCaseError::fail("no frame"));
        };
        prop_assert_eq!((frame.mode, frame.value(&label)), (mode, Some(&*value)));
    }
}
