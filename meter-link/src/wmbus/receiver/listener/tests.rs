use super::*;
use crate::wmbus::receiver::encode;
use crate::wmbus::receiver::{amb8465, im871a};

const FRAME: [u8; 11] = [
    0x0A, 0x44, 0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03, 0x78,
];

/// What a simulated receiver does with what it is told.
type Peer = fn(&[u8]) -> Vec<u8>;

/// A receiver and its host in virtual time.
struct Pair {
    host: Listener,
    peer: Peer,
    /// The speed at which the receiver listens.
    baud: u32,
    now: Instant,
    line: Line,
    conditions: Vec<Condition>,
    frames: usize,
    rejected: usize,
    reopened: Vec<String>,
    sent: Vec<Vec<u8>>,
}

impl Pair {
    fn new(config: Config, baud: u32, peer: Peer) -> Self {
        let mut host = Listener::new(config);
        let now = Instant::now();
        let line = host.line();
        host.restart(now);
        let mut pair = Self {
            host,
            peer,
            baud,
            now,
            line,
            conditions: Vec::new(),
            frames: 0,
            rejected: 0,
            reopened: Vec::new(),
            sent: Vec::new(),
        };
        pair.pump();
        pair
    }

    fn pump(&mut self) {
        while let Some(action) = self.host.poll_action() {
            match action {
                Action::Send(bytes) => {
                    let answer = if self.line.baud == self.baud {
                        (self.peer)(&bytes)
                    } else {
                        Vec::new()
                    };
                    self.sent.push(bytes);
                    // Answers come in two pieces.
                    let (first, second) = answer.split_at(answer.len() / 2);
                    self.host.handle_input(first, self.now);
                    self.host.handle_input(second, self.now);
                }
                Action::SetLine(line) => self.line = line,
                Action::Frame(_) => self.frames += 1,
                Action::Rejected(_) => self.rejected += 1,
                Action::Condition(condition) => self.conditions.push(condition),
                Action::Reopen(reason) => {
                    self.reopened.push(reason);
                    self.line = self.host.line();
                    self.host.restart(self.now);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.host.handle_input(bytes, self.now);
        self.pump();
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.host.poll_timeout().filter(|due| *due <= end) {
            assert!(due >= self.now, "time does not run backwards");
            self.now = due;
            self.host.handle_timeout(due);
            self.pump();
        }
        self.now = end;
    }
}

fn im871a(request: &[u8]) -> Vec<u8> {
    match request {
        [0xA5, 0x01, 0x0F, 0x00] => {
            encode::im871a::answer(1, 0x10, &[0x33, 0, 0x14, 0, 0x78, 0x56, 0x34, 0x12])
        }
        [0xA5, 0x01, 0x03, ..] => encode::im871a::answer(1, 0x04, &[0]),
        [0xA5, 0x01, 0x01, 0x00] => encode::im871a::answer(1, 0x02, &[]),
        [0xA5, 0x01, 0x07, 0x00] => encode::im871a::answer(1, 0x08, &[0]),
        _ => Vec::new(),
    }
}

fn amb8465(request: &[u8]) -> Vec<u8> {
    match request {
        [0xFF, 0x0A, 0x02, 0x00, 0x80, _] => {
            let parameters = [vec![0x00, 0x78], vec![1; 0x78]].concat();
            encode::amb8465::answer(0x0A, &parameters)
        }
        [0xFF, 0x0A, 0x02, 0x46, 0x01, _] => encode::amb8465::answer(0x0A, &[0x46, 1, 9]),
        [0xFF, number @ (0x04 | 0x05), ..] => encode::amb8465::answer(*number, &[0]),
        _ => Vec::new(),
    }
}

fn cul(request: &[u8]) -> Vec<u8> {
    match request {
        b"V\r\n" => b"V 1.67 nanoCUL868\r\n".to_vec(),
        b"brc\r\n" => b"CMODE\r\n".to_vec(),
        _ => Vec::new(),
    }
}

fn rc1180(request: &[u8]) -> Vec<u8> {
    match request {
        [0x00] => b">".to_vec(),
        b"0" => [vec![1; 256], b">".to_vec()].concat(),
        _ => Vec::new(),
    }
}

fn nobody(_: &[u8]) -> Vec<u8> {
    Vec::new()
}

#[test]
fn each_receiver_is_found_by_asking() {
    let peers: [(Kind, Peer, &str); 4] = [
        (Kind::Im871a, im871a, "iM871A firmware 1.4 number 12345678"),
        (Kind::Amb8465, amb8465, "AMB8465 number 01010101"),
        (Kind::Cul, cul, "CUL with culfw 1.67 nanoCUL868"),
        (Kind::Rc1180, rc1180, "RC1180 maker 0101 number 01010101"),
    ];
    for (kind, peer, identity) in peers {
        let mut pair = Pair::new(Config::default(), kind.line().baud, peer);
        pair.pass(Duration::from_secs(30));
        let identity = identity.to_owned();
        assert_eq!(pair.conditions, [Condition::Ready { identity, kind }]);
        assert_eq!(pair.rejected, 0);
    }
}

#[test]
fn a_receiver_that_answers_nothing_is_listened_to_and_asked_again() {
    let config = Config {
        kind: Some(Kind::Im871a),
        ..Config::default()
    };
    let mut pair = Pair::new(config, 57_600, nobody);
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.conditions, [Condition::Mute]);
    pair.hear(&encode::im871a::received(&FRAME, 100));
    assert_eq!(pair.frames, 1);
    pair.peer = im871a;
    pair.pass(Duration::from_secs(70));
    assert!(matches!(
        pair.conditions.last(),
        Some(Condition::Ready { .. })
    ));
}

#[test]
fn a_receiver_that_dies_is_opened_anew() {
    let mut pair = Pair::new(Config::default(), 57_600, im871a);
    pair.hear(&encode::im871a::received(&FRAME, 100));
    pair.peer = nobody;
    pair.pass(Duration::from_secs(310));
    assert_eq!(pair.reopened.len(), 1, "{:?}", pair.reopened);
}

#[test]
fn silence_is_told_and_the_receiver_reset_then_opened_anew() {
    let mut pair = Pair::new(Config::default(), 57_600, im871a);
    for _ in 0..10 {
        pair.hear(&encode::im871a::received(&FRAME, 100));
        pair.pass(Duration::from_secs(60));
    }
    pair.conditions.clear();
    pair.sent.clear();
    // Five times the longest pause is below ten minutes.
    pair.pass(Duration::from_secs(1_000));
    assert!(matches!(
        pair.conditions.as_slice(),
        [Condition::Silent { .. }, Condition::Ready { .. }]
    ));
    assert!(pair.sent.contains(&im871a::reset().send));
    assert!(pair.reopened.is_empty());
    pair.pass(Duration::from_secs(900));
    assert_eq!(pair.reopened.len(), 1);
    pair.hear(&encode::im871a::received(&FRAME, 100));
    assert_eq!(pair.conditions.last(), Some(&Condition::Hearing));
}

#[test]
fn a_pipeline_that_falls_silent_is_started_anew() {
    let config = Config {
        kind: Some(Kind::RtlWmbus),
        patience: Duration::from_secs(600),
        ..Config::default()
    };
    let mut pair = Pair::new(config, 115_200, nobody);
    pair.hear(b"T1;1;1;2026-11-22 18:19:19.0;102;90;1;0x0a44931578563412330378\n");
    pair.pass(Duration::from_secs(599));
    assert!(pair.reopened.is_empty());
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.reopened.len(), 1);
    assert!(pair.sent.is_empty());
}

#[test]
fn half_a_message_is_given_up() {
    let config = Config {
        kind: Some(Kind::Amb8465),
        ..Config::default()
    };
    let mut pair = Pair::new(config, 9_600, amb8465);
    let frame = encode::amb8465::received(&FRAME, 0x52);
    pair.hear(&frame[..8]);
    pair.pass(Duration::from_secs(3));
    assert_eq!((pair.frames, pair.rejected), (0, 1));
    pair.hear(&frame);
    assert_eq!(pair.frames, 1);
    assert_eq!(amb8465::dbm(0x52), -33);
}

#[test]
fn frames_can_be_sent_by_those_that_can() {
    let mut pair = Pair::new(Config::default(), 57_600, im871a);
    assert!(pair.host.transmit(&FRAME));
    pair.pump();
    let sent = pair.sent.last().unwrap();
    assert_eq!(sent[..5], [0xA5, 0x02, 0x01, 0x0A, 0x44]);
    let mut pair = Pair::new(
        Config {
            kind: Some(Kind::Hex),
            ..Config::default()
        },
        115_200,
        nobody,
    );
    assert!(!pair.host.transmit(&FRAME));
    pair.pump();
}
