use super::*;
use crate::household::{INSTALLED, Kind};

fn dialogue(faults: Faults) -> Dialogue {
    Dialogue::new(Config {
        faults,
        ..Config::new(Curve::new(Kind::Constant { power_w: 360 }, 0))
    })
}

fn say(meter: &mut Dialogue, text: &[u8], now: Instant) -> Option<Answer> {
    let heard = text
        .iter()
        .map(|&byte| meter.hear(byte, now, INSTALLED + 36_000));
    heard.flatten().last()
}

#[test]
fn signs_on_changes_speed_reads_out_and_repeats() {
    let (mut meter, now) = (dialogue(Faults::default()), Instant::now());
    assert!(say(&mut meter, b"/?00000001!\r\n", now).is_none());
    let answer = say(&mut meter, b"/?0087654321!\r\n", now).unwrap();
    assert_eq!(answer.bytes, b"/WSM5SIM-C1\r\n");
    assert_eq!((answer.baud, meter.listens_at()), (300, 300));

    let answer = say(&mut meter, b"\x06050\r\n", now).unwrap();
    assert_eq!((answer.baud, meter.listens_at()), (9600, 9600));
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    assert!(text.contains("1.8.0(0000003.600*kWh)\r\n"), "{text}");
    assert!(text.contains("16.7.0(00.360*kW)\r\n"), "{text}");
    // The block check character is the exclusive or of all after STX, so that together with
    // it nothing is left.
    assert_eq!(answer.bytes.first(), Some(&STX));
    assert_eq!(answer.bytes[1..].iter().fold(0, |sum, b| sum ^ b), 0);

    let again = say(&mut meter, &[NAK], now).unwrap();
    assert_eq!(again.bytes, answer.bytes);
    assert!(again.readout.unwrap().repeated);
    let late = now + Duration::from_secs(60);
    assert!(meter.time_out(late, INSTALLED).is_none());
    assert_eq!(meter.listens_at(), 300);
}

#[test]
fn without_an_acknowledgement_it_reads_out_at_300() {
    let (mut meter, now) = (dialogue(Faults::default()), Instant::now());
    say(&mut meter, b"/?!\r\n", now).unwrap();
    assert!(meter.time_out(now, INSTALLED).is_none());
    let late = meter.waits_until().unwrap();
    assert_eq!(meter.time_out(late, INSTALLED).unwrap().baud, 300);
}

#[test]
fn faults_come_when_they_should() {
    let now = Instant::now();
    let mut meter = dialogue(Faults {
        wrong_bcc_every: 2,
        silent_every: 3,
        keeps_its_speed: true,
    });
    say(&mut meter, b"/?!\r\n", now).unwrap();
    let first = say(&mut meter, b"\x06050\r\n", now).unwrap();
    assert_eq!((first.baud, first.readout.unwrap().sound), (300, true));
    assert!(!say(&mut meter, &[NAK], now).unwrap().readout.unwrap().sound);
    say(&mut meter, b"/?!\r\n", now).unwrap();
    assert!(say(&mut meter, b"/?!\r\n", now).is_none());
    assert!(say(&mut meter, b"\x06050\r\n", now).is_none());
}
