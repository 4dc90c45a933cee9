//! The session against a stick that is written down, in virtual time.

use super::*;

const NIB_LENGTH: u16 = 0x0113;

struct Peer {
    session: Session,
    now: Instant,
}

impl Peer {
    fn new() -> Self {
        let mut peer = Self {
            session: Session::default(),
            now: Instant::now(),
        };
        peer.session.start(peer.now);
        peer
    }

    /// A session with a stick of Z-Stack 3.x.0.
    fn ready() -> Self {
        let mut peer = Self::new();
        assert_eq!(peer.sent(), [0xEF, 0xFE, 0x01, 0x41, 0x00, 0x01, 0x41]);
        peer.says(FrameKind::Asynchronous, RESET_IND, &[0, 2, 1, 2, 7, 1]);
        assert_eq!(peer.sent(), [0xFE, 0x00, 0x21, 0x02, 0x23]);
        let version = [2, 1, 2, 7, 1, 0x1A, 0x24, 0x35, 0x01];
        peer.says(FrameKind::SynchronousResponse, VERSION, &version);
        let ready = Version {
            product: 1,
            release: [2, 7, 1],
            revision: 0x0135_241A,
        };
        assert_eq!(peer.session.poll_event(), Some(Event::Ready(ready)));
        peer
    }

    fn sent(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.session.poll_transmit())
            .flatten()
            .collect()
    }

    fn says(&mut self, kind: FrameKind, id: u16, payload: &[u8]) {
        let wire = encode(kind, id, payload.to_vec()).expect("it is short");
        self.session.handle_octets(&wire, self.now);
    }

    /// Time passes until the session wants to be called.
    fn wait(&mut self) {
        let due = self
            .session
            .poll_timeout()
            .expect("something is waited for");
        self.now = due;
        self.session.handle_timeout(due);
    }

    fn asks(&mut self, id: u16) -> Token {
        let token = self.session.request(id, vec![0x21, 0], self.now);
        token.expect("it is ready")
    }

    fn event(&mut self) -> Option<Event> {
        self.session.poll_event()
    }
}

#[test]
fn requests_go_one_after_the_other() {
    let mut peer = Peer::ready();
    let (first, second) = (peer.asks(NIB_LENGTH), peer.asks(NIB_LENGTH));
    assert_eq!(peer.sent().len(), 7);
    peer.says(FrameKind::Asynchronous, 0x05C0, &[9]);
    peer.says(FrameKind::SynchronousResponse, NIB_LENGTH, &[116, 0]);
    assert_eq!(peer.sent().len(), 7);
    peer.says(FrameKind::SynchronousResponse, NIB_LENGTH, &[0, 0]);
    let told: Vec<Event> = std::iter::from_fn(|| peer.event()).collect();
    let answer = |token, octets: &[u8]| Event::Answer {
        token,
        answer: Ok(octets.to_vec()),
    };
    let indication = Event::Indication {
        id: 0x05C0,
        payload: vec![9],
    };
    assert_eq!(
        told,
        [
            indication,
            answer(first, &[116, 0]),
            answer(second, &[0, 0])
        ]
    );
}

#[test]
fn a_request_is_repeated_only_once_no_late_answer_can_come() {
    let mut peer = Peer::ready();
    let token = peer.asks(NIB_LENGTH);
    let asked = peer.sent();
    peer.wait();
    assert_eq!(peer.sent(), [0xFE, 0x00, 0x21, 0x01, 0x20]);
    peer.says(FrameKind::SynchronousResponse, PING, &[0x59, 0x06]);
    assert_eq!(peer.sent(), asked);
    // An answer in time but damaged is no answer either.
    let mut damaged =
        encode(FrameKind::SynchronousResponse, NIB_LENGTH, vec![1, 0]).expect("it is short");
    damaged[4] ^= 0x80;
    peer.session.handle_octets(&damaged, peer.now);
    peer.wait();
    assert_eq!(peer.sent().len(), 5);
    // The answer was late: it is taken, and the ping's is nobody's.
    peer.says(FrameKind::SynchronousResponse, NIB_LENGTH, &[116, 0]);
    peer.says(FrameKind::SynchronousResponse, PING, &[0x59, 0x06]);
    let answer = Ok(vec![116, 0]);
    assert_eq!(peer.event(), Some(Event::Answer { token, answer }));
    assert_eq!((peer.event(), peer.sent()), (None, Vec::new()));
}

#[test]
fn a_message_is_never_sent_twice() {
    let mut peer = Peer::ready();
    let token = peer.asks(0x0401);
    peer.sent();
    peer.wait();
    peer.sent();
    peer.says(FrameKind::SynchronousResponse, PING, &[0x59, 0x06]);
    let answer = Err(RequestError::Unanswered);
    assert_eq!(peer.event(), Some(Event::Answer { token, answer }));
    assert!(peer.sent().is_empty());
}

#[test]
fn an_unknown_command_is_told_as_such() {
    let mut peer = Peer::ready();
    let token = peer.asks(0x0F09);
    peer.says(FrameKind::SynchronousResponse, 0x0000, &[2, 0x2F, 0x09]);
    let answer = Err(RequestError::Unknown(2));
    assert_eq!(peer.event(), Some(Event::Answer { token, answer }));
}

#[test]
fn a_stick_that_says_nothing_is_lost_and_everyone_is_answered() {
    let mut peer = Peer::ready();
    let (first, second) = (peer.asks(NIB_LENGTH), peer.asks(0x0401));
    let asked_at = peer.now;
    for _ in 0..4 {
        peer.wait();
    }
    assert!(peer.now - asked_at <= Duration::from_secs(10));
    for token in [first, second] {
        let answer = Err(RequestError::Lost);
        assert_eq!(peer.event(), Some(Event::Answer { token, answer }));
    }
    assert_eq!(peer.event(), Some(Event::Lost(Failure::Silent)));
    assert_eq!(peer.session.poll_timeout(), None);
}

#[test]
fn an_idle_stick_is_pinged() {
    let mut peer = Peer::ready();
    peer.wait();
    assert_eq!(peer.sent(), [0xFE, 0x00, 0x21, 0x01, 0x20]);
    peer.says(FrameKind::SynchronousResponse, PING, &[0x59, 0x06]);
    assert_eq!(peer.event(), None);
}

#[test]
fn a_reset_is_asked_for_again_and_one_by_itself_ends_the_session() {
    let mut peer = Peer::new();
    for _ in 0..RESTARTS - 1 {
        peer.wait();
    }
    assert_eq!(peer.sent().len(), 7 * usize::from(RESTARTS));
    peer.wait();
    assert_eq!(peer.event(), Some(Event::Lost(Failure::NoReset)));

    let mut peer = Peer::ready();
    peer.says(FrameKind::Asynchronous, RESET_IND, &[2, 2, 1, 2, 7, 1]);
    assert_eq!(peer.event(), Some(Event::Lost(Failure::Restarted(2))));
    assert_eq!(
        peer.session.request(NIB_LENGTH, Vec::new(), peer.now),
        Err(NotTaken)
    );
}

#[test]
fn firmware_with_another_memory_is_refused_in_words() {
    let mut peer = Peer::new();
    peer.says(FrameKind::Asynchronous, RESET_IND, &[0, 2, 2, 2, 6, 3]);
    peer.says(FrameKind::SynchronousResponse, VERSION, &[2, 2, 2, 6, 3]);
    assert_eq!(peer.event(), Some(Event::Lost(Failure::Version(2))));
}

proptest::proptest! {
    #[test]
    fn any_octets_are_taken(octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
        let mut peer = Peer::ready();
        peer.asks(NIB_LENGTH);
        for part in octets.chunks(50) {
            peer.session.handle_octets(part, peer.now);
            if peer.session.poll_timeout().is_some() {
                peer.wait();
            }
        }
    }
}
