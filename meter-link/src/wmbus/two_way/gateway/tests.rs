use super::super::message::long_address;
use super::*;
use crate::mbus::{DeviceType, Manufacturer};

fn address(maker: &str, number: &str, device_type: u8) -> DeviceAddress {
    DeviceAddress {
        manufacturer: Manufacturer::from_letters(maker).unwrap(),
        identification: Identification::from_digits(number).unwrap(),
        version: 1,
        device_type: DeviceType(device_type),
    }
}

/// A meter that listens only in its window, and only to what is meant for it.
struct Meter {
    address: DeviceAddress,
    mode: LinkMode,
    access_number: u8,
    /// The installation was confirmed.
    installed: bool,
    /// Its demand was acknowledged.
    acknowledged: bool,
    /// The frame count bit of the last request and the answer to it.
    last: Option<(bool, Vec<u8>)>,
    told: Vec<Vec<u8>>,
    asked: Vec<u8>,
    /// The exchange was ended.
    ended: u32,
}

impl Meter {
    fn new(mode: LinkMode) -> Self {
        Self {
            address: address("SIM", "12345678", 0x07),
            mode,
            access_number: 0,
            installed: false,
            acknowledged: false,
            last: None,
            told: Vec::new(),
            asked: Vec::new(),
            ended: 0,
        }
    }

    /// A telegram that says whether it listens: bits B and A of the configuration field.
    fn send(&mut self, control: u8, listens: bool) -> Vec<u8> {
        self.access_number = self.access_number.wrapping_add(1);
        self.frame(control, listens)
    }

    fn frame(&self, control: u8, listens: bool) -> Vec<u8> {
        let mut frame = vec![0, control];
        frame.extend(self.address.to_link());
        let access = if listens { 0x80 } else { 0x00 };
        frame.extend([0x7A, self.access_number, 0, 0, access]);
        frame.extend([0x04, 0x13, self.access_number, 0, 0, 0]);
        frame[0] = u8::try_from(frame.len() - 1).unwrap();
        frame
    }

    /// Hears a frame that began so long after its own; its answer.
    fn hear(&mut self, transmission: &Transmission, fast: bool) -> Option<Vec<u8>> {
        let window = response_window(self.mode, fast).expect("a mode with an answer");
        assert_eq!(transmission.delay, window);
        let frame = &transmission.frame;
        assert_eq!(usize::from(frame[0]), frame.len() - 1);
        let meant = frame
            .get(11..19)
            .is_some_and(|to| to == long_address(self.address));
        if !meant {
            return None;
        }
        if frame[10] == 0x80 {
            assert_eq!(frame[19], self.access_number);
        }
        let (request, fcb) = (frame[1] & !control::FCB, frame[1] & control::FCB != 0);
        match request {
            control::CNF_IR => self.installed = true,
            control::ACK => self.acknowledged = true,
            control::SND_NKE => {
                self.ended += 1;
                self.last = None;
            }
            control::REQ_UD1 | control::REQ_UD2 | control::SND_UD => {
                if let Some((last, answer)) = &self.last
                    && *last == fcb
                {
                    // The answer was lost: the same once more.
                    return Some(answer.clone());
                }
                let answer = if request == control::SND_UD {
                    self.told.push(frame[10..].to_vec());
                    self.send(control::ACK, true)
                } else {
                    self.asked.push(request);
                    self.send(control::RSP_UD, true)
                };
                self.last = Some((fcb, answer.clone()));
                return Some(answer);
            }
            other => panic!("{other:02X}"),
        }
        None
    }
}

/// Plays an exchange that begins with a telegram of the meter. `lose` says which of the meter's
/// answers are lost on the air.
fn exchange(
    gateway: &mut Gateway,
    meter: &mut Meter,
    first: Vec<u8>,
    now: &mut Instant,
    mut lose: impl FnMut() -> bool,
) -> Vec<Event> {
    let mut on_the_air = Some(first);
    while let Some(frame) = on_the_air.take() {
        gateway.handle_frame(&frame, meter.mode, *now);
        while let Some(transmission) = gateway.poll_transmit() {
            *now += *transmission.delay.start();
            let answer = meter.hear(&transmission, false);
            on_the_air = answer.filter(|_| !lose());
        }
    }
    while let Some(due) = gateway.poll_timeout() {
        *now = due;
        gateway.handle_timeout(due);
    }
    std::iter::from_fn(|| gateway.poll_event()).collect()
}

fn gateway() -> Gateway {
    Gateway::new(address("WTL", "00000001", 0x31))
}

#[test]
fn an_installation_is_confirmed_to_those_who_may() {
    let mut now = Instant::now();
    for (install, confirmed) in [
        (Install::Nobody, false),
        (Install::AnyoneUntil(now + Duration::from_secs(60)), true),
        (Install::AnyoneUntil(now), false),
        (
            Install::These(vec![Identification::from_digits("12345678").unwrap()]),
            true,
        ),
        (
            Install::These(vec![Identification::from_digits("12345679").unwrap()]),
            false,
        ),
    ] {
        let (mut gateway, mut meter) = (gateway(), Meter::new(LinkMode::T2));
        gateway.set_install(install.clone());
        let first = meter.send(control::SND_IR, true);
        let events = exchange(&mut gateway, &mut meter, first, &mut now, || false);
        assert_eq!(meter.installed, confirmed, "{install:?}");
        assert_eq!(events == [Event::Installed(meter.address)], confirmed);
    }
}

#[test]
fn a_demand_is_acknowledged_and_the_meter_is_asked() {
    let mut now = Instant::now();
    let (mut gateway, mut meter) = (gateway(), Meter::new(LinkMode::C2));
    let first = meter.send(control::ACC_DMD, true);
    let events = exchange(&mut gateway, &mut meter, first, &mut now, || false);
    assert!(meter.acknowledged);
    assert_eq!(events, [Event::Demanded(meter.address)]);
    let first = meter.send(control::SND_NR, true);
    let events = exchange(&mut gateway, &mut meter, first, &mut now, || false);
    assert_eq!(meter.asked, [control::REQ_UD1]);
    assert!(
        matches!(events.as_slice(), [Event::Answered { .. }]),
        "{events:?}"
    );
    assert_eq!(meter.ended, 1);
}

#[test]
fn what_waits_is_sent_when_the_meter_listens_in_one_go() {
    let mut now = Instant::now();
    let (mut gateway, mut meter) = (gateway(), Meter::new(LinkMode::S2));
    let body = [
        &[0x5B][..],
        &long_address(meter.address),
        &[2, 0, 0, 0, 0x01, 0xFD, 0x1A, 0x00],
    ]
    .concat();
    let id = meter.address.identification;
    assert!(gateway.command(id, Command::Read));
    assert!(gateway.command(id, Command::Send(body.clone())));
    // It does not listen after this one, and another meter is none of ours.
    let first = meter.send(control::SND_NR, false);
    assert!(exchange(&mut gateway, &mut meter, first, &mut now, || false).is_empty());
    let first = meter.send(control::ACC_NR, true);
    let events = exchange(&mut gateway, &mut meter, first, &mut now, || false);
    let told = Event::Acknowledged {
        meter: meter.address,
        command: Command::Send(body.clone()),
    };
    let [Event::Answered { command, .. }, second] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!((command, second), (&Command::Read, &told));
    assert_eq!(
        (meter.asked.len(), meter.told.as_slice()),
        (1, [body].as_slice())
    );
    assert_eq!(meter.ended, 1);
}

#[test]
fn a_lost_answer_is_asked_for_again_and_the_meter_acts_once() {
    let mut now = Instant::now();
    let (mut gateway, mut meter) = (gateway(), Meter::new(LinkMode::T2));
    assert!(gateway.command(meter.address.identification, Command::Read));
    let first = meter.send(control::SND_NR, true);
    assert!(exchange(&mut gateway, &mut meter, first, &mut now, || true).is_empty());
    assert_eq!(meter.asked.len(), 1);
    let first = meter.frame(control::SND_NR, true);
    let events = exchange(&mut gateway, &mut meter, first, &mut now, || false);
    assert!(
        matches!(events.as_slice(), [Event::Answered { .. }]),
        "{events:?}"
    );
    assert_eq!(meter.asked.len(), 1, "it was asked once");
}

#[test]
fn a_meter_that_never_answers_is_given_up() {
    let mut now = Instant::now();
    let (mut gateway, mut meter) = (gateway(), Meter::new(LinkMode::T2));
    let id = meter.address.identification;
    assert!(gateway.command(id, Command::Read));
    let mut events = Vec::new();
    for _ in 0..3 {
        let first = meter.frame(control::SND_NR, true);
        events.extend(exchange(&mut gateway, &mut meter, first, &mut now, || true));
    }
    let command = Command::Read;
    assert_eq!(events, [Event::Unanswered { meter: id, command }]);
    assert_eq!(gateway.poll_timeout(), None);
}

#[test]
fn nothing_is_sent_to_who_only_sends() {
    let mut now = Instant::now();
    let (mut gateway, mut meter) = (gateway(), Meter::new(LinkMode::T1));
    assert!(gateway.command(meter.address.identification, Command::Read));
    gateway.set_install(Install::AnyoneUntil(now + Duration::from_secs(60)));
    for control in [control::SND_NR, control::SND_IR, control::ACC_DMD] {
        let first = meter.send(control, true);
        assert!(exchange(&mut gateway, &mut meter, first, &mut now, || false).is_empty());
    }
    for bytes in [&[][..], &[0x44], &[0x0A, 0x44, 1, 2, 3, 4, 5, 6, 7, 8]] {
        gateway.handle_frame(bytes, LinkMode::T2, now);
    }
}
