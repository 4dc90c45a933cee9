//! A link and a meter in virtual time, on a line that loses and damages.

use proptest::prelude::*;

use super::super::{FLAG, LLC_RESPONSE};
use super::*;

/// The server's side by clause 6.4.4: windows, segments, and an answer of its own to each APDU
/// (the APDU backwards).
struct Meter {
    splitter: Splitter,
    own: Parameters,
    agreed: Parameters,
    connected: bool,
    send: u8,
    receive: u8,
    incoming: Vec<u8>,
    outgoing: VecDeque<Vec<u8>>,
    heard: Vec<Vec<u8>>,
    /// Polls to be answered with "nothing yet" before an answer.
    slow: u8,
    waiting: u8,
}

impl Meter {
    fn new(own: Parameters, slow: u8) -> Self {
        Self {
            splitter: Splitter::new(),
            own,
            agreed: own,
            connected: false,
            send: 0,
            receive: 0,
            incoming: Vec::new(),
            outgoing: VecDeque::new(),
            heard: Vec::new(),
            slow,
            waiting: 0,
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut input = bytes;
        let mut answers = Vec::new();
        while let Some(piece) = self.splitter.pull(&mut input) {
            let Some(bytes) = piece.frame() else { continue };
            let frame = Frame::parse(bytes).unwrap();
            if frame.fcs_ok() {
                self.frame(&frame, &mut answers);
            }
        }
        answers
    }

    fn say(&self, control: Control, segmented: bool, information: &[u8]) -> Vec<u8> {
        let server = Address::server(1, Some(17), None).unwrap();
        encode(
            &Address::client(1),
            &server,
            control,
            segmented,
            information,
        )
        .unwrap()
    }

    fn frame(&mut self, frame: &Frame<'_>, answers: &mut Vec<Vec<u8>>) {
        match frame.control() {
            Control::Snrm { .. } => {
                let peer = Parameters::from_information(frame.information()).unwrap();
                self.agreed = self.own.agreed(peer);
                (self.send, self.receive, self.connected) = (0, 0, true);
                self.outgoing.clear();
                self.incoming.clear();
                let own = self.own.to_information();
                answers.push(self.say(Control::Ua { poll: true }, false, &own));
            }
            Control::Disc { .. } => {
                self.connected = false;
                answers.push(self.say(Control::Ua { poll: true }, false, &[]));
            }
            _ if !self.connected => answers.push(self.say(Control::Dm { poll: true }, false, &[])),
            Control::Information {
                send,
                receive,
                poll,
            } => {
                self.acknowledged(receive);
                if send == self.receive {
                    self.receive = (send + 1) & 7;
                    self.incoming.extend(frame.information());
                    if !frame.segmented() {
                        let apdu = std::mem::take(&mut self.incoming);
                        let apdu = apdu.strip_prefix(&LLC_COMMAND).unwrap().to_vec();
                        let back: Vec<u8> = apdu.iter().rev().copied().collect();
                        self.heard.push(apdu);
                        let size = usize::from(self.agreed.max_info_transmit);
                        let answer = [&LLC_RESPONSE, &back[..]].concat();
                        self.outgoing = answer.chunks(size).map(<[u8]>::to_vec).collect();
                        self.waiting = self.slow;
                    }
                }
                if poll {
                    self.turn(answers);
                }
            }
            Control::ReceiveReady { receive, poll } => {
                self.acknowledged(receive);
                if poll {
                    self.turn(answers);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn acknowledged(&mut self, receive: u8) {
        let count = usize::from(receive.wrapping_sub(self.send) & 7);
        assert!(count <= self.outgoing.len());
        self.outgoing.drain(..count);
        self.send = receive;
    }

    fn turn(&mut self, answers: &mut Vec<Vec<u8>>) {
        let count = usize::from(self.agreed.window_transmit).min(self.outgoing.len());
        if count == 0 || self.waiting > 0 {
            self.waiting = self.waiting.saturating_sub(1);
            let receive = self.receive;
            let ready = Control::ReceiveReady {
                receive,
                poll: true,
            };
            return answers.push(self.say(ready, false, &[]));
        }
        for index in 0..count {
            let control = Control::Information {
                send: (self.send + u8::try_from(index).unwrap()) & 7,
                receive: self.receive,
                poll: index + 1 == count,
            };
            let segmented = index + 1 < self.outgoing.len();
            answers.push(self.say(control, segmented, &self.outgoing[index]));
        }
    }
}

/// What happens to the frames of both sides, in turn.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Passes,
    Lost,
    Damaged,
    Noisy,
}

fn transfer(
    apdus: &[Vec<u8>],
    client: Parameters,
    meter: Parameters,
    fates: &[Fate],
    slow: u8,
) -> (Vec<Vec<u8>>, Option<Disconnected>, Meter, Duration) {
    let server = Address::server(1, Some(17), None).unwrap();
    let mut link = Link::new(LinkConfig {
        parameters: client,
        repeats: 40,
        ..LinkConfig::new(Address::client(1), server)
    });
    let mut meter = Meter::new(meter, slow);
    let mut fates = fates.iter().copied().cycle();
    let mut fate = |mut frame: Vec<u8>| match fates.next().unwrap_or(Fate::Passes) {
        Fate::Passes => frame,
        Fate::Lost => Vec::new(),
        Fate::Damaged => {
            let middle = frame.len() / 2;
            frame[middle] ^= 0x55;
            frame
        }
        Fate::Noisy => [&[0x12, FLAG, 0xA5], &frame[..]].concat(),
    };
    let start = Instant::now();
    let mut now = start;
    let (mut todo, mut answers) = (apdus.iter(), Vec::new());
    link.connect(now);
    for _ in 0..200_000 {
        while let Some(frame) = link.poll_transmit() {
            for answer in meter.hear(&fate(frame)) {
                now += Duration::from_millis(1);
                link.handle_input(&fate(answer), now);
            }
        }
        let ready = match link.poll_event() {
            None => false,
            Some(LinkEvent::Connected(_)) => true,
            Some(LinkEvent::Apdu(apdu)) => {
                answers.push(apdu);
                true
            }
            Some(LinkEvent::Disconnected(reason)) => {
                return (answers, Some(reason), meter, now - start);
            }
            Some(LinkEvent::Unnumbered(_)) => panic!("nothing was pushed"),
        };
        if ready {
            match todo.next() {
                Some(apdu) => link.send(apdu, now).unwrap(),
                None => link.disconnect(now),
            }
        } else if link.transmit.is_empty() {
            now = link.poll_timeout().unwrap();
            link.handle_timeout(now);
        }
    }
    (answers, None, meter, now - start)
}

fn parameters(size: u16, window: u8) -> Parameters {
    Parameters {
        max_info_transmit: size,
        max_info_receive: size,
        window_transmit: window,
        window_receive: window,
    }
}

#[test]
fn a_quiet_line() {
    let apdus = vec![vec![7; 1], (0..=255).collect(), vec![9; 2000]];
    for window in [1, 2, 7] {
        let client = parameters(128, window);
        let (answers, end, meter, took) =
            transfer(&apdus, client, parameters(64, window), &[Fate::Passes], 0);
        assert_eq!(end, Some(Disconnected::Asked));
        assert_eq!(meter.heard, apdus);
        assert_eq!(answers[1], (0..=255).rev().collect::<Vec<u8>>());
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[test]
fn a_meter_that_needs_time_is_polled() {
    let apdus = vec![vec![7; 300]];
    let (answers, end, ..) = transfer(
        &apdus,
        parameters(128, 1),
        parameters(128, 1),
        &[Fate::Passes],
        20,
    );
    assert_eq!((answers.len(), end), (1, Some(Disconnected::Asked)));
}

#[test]
fn a_dead_line_ends() {
    let (answers, end, _, took) = transfer(
        &[],
        Parameters::default(),
        Parameters::default(),
        &[Fate::Lost],
        0,
    );
    assert_eq!((answers.len(), end), (0, Some(Disconnected::NoAnswer)));
    assert!(took < Duration::from_secs(180));
}

#[test]
fn an_unanswered_disconnect_ends_soon() {
    let server = Address::server(1, None, None).unwrap();
    let mut link = Link::new(LinkConfig::new(Address::client(16), server));
    let start = Instant::now();
    link.connect(start);
    link.disconnect(start);
    let mut now = start;
    while let Some(due) = link.poll_timeout() {
        now = due;
        link.handle_timeout(now);
    }
    assert_eq!(
        link.poll_event(),
        Some(LinkEvent::Disconnected(Disconnected::Asked))
    );
    assert!(now - start < Duration::from_secs(3));
}

/// The first frame of each window is lost for ever, and the meter says so at once each time.
#[test]
fn a_meter_that_never_gets_it_all_is_given_up() {
    use Fate::{Lost, Passes};
    let fates = [Passes, Passes]
        .into_iter()
        .chain([Lost, Passes, Passes].repeat(2_000));
    let (answers, end, ..) = transfer(
        &[vec![7; 200]],
        parameters(128, 2),
        parameters(128, 2),
        &fates.collect::<Vec<_>>(),
        0,
    );
    assert_eq!((answers.len(), end), (0, Some(Disconnected::NoAnswer)));
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Passes),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Damaged),
        1 => Just(Fate::Noisy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is lost or damaged: what is delivered is whole, once, in order.
    #[test]
    fn a_bad_line(
        lengths in proptest::collection::vec(1usize..1500, 1..6),
        fates in proptest::collection::vec(any_fate(), 5..60),
        (client_size, meter_size) in (16u16..400, 16u16..400),
        (client_window, meter_window) in (1u8..=7, 1u8..=7),
        slow in 0u8..3,
    ) {
        prop_assume!(fates.iter().any(|fate| matches!(fate, Fate::Passes)));
        let mut value = 0u8;
        let apdus: Vec<Vec<u8>> = lengths
            .iter()
            .map(|&length| (0..length).map(|_| { value = value.wrapping_add(1); value }).collect())
            .collect();
        let (answers, end, meter, _) = transfer(
            &apdus,
            parameters(client_size, client_window),
            parameters(meter_size, meter_window),
            &fates,
            slow,
        );
        prop_assert!(end.is_some());
        prop_assert_eq!(&meter.heard[..], &apdus[..meter.heard.len()]);
        for (answer, apdu) in answers.iter().zip(&apdus) {
            prop_assert!(answer.iter().rev().eq(apdu));
        }
        if end == Some(Disconnected::Asked) {
            prop_assert_eq!(answers.len(), apdus.len());
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(0u8.., 0..300)) {
        let server = Address::server(1, None, None).unwrap();
        let mut link = Link::new(LinkConfig::new(Address::client(16), server));
        let now = Instant::now();
        link.connect(now);
        link.handle_input(&bytes, now);
        link.handle_timeout(now + Duration::from_secs(9));
    }
}
