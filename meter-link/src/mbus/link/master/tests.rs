use super::super::slave::Slave;
use super::*;

/// Slaves on one line, in virtual time.
struct Bus {
    master: Master,
    slaves: Vec<Slave>,
    now: Instant,
    line: Line,
    outcomes: Vec<Outcome>,
    /// The converter sends back what it is given.
    echo: bool,
    /// Every n-th reply is damaged; 0 for none.
    damage_every: usize,
    replies: usize,
    requests: usize,
}

impl Bus {
    fn new(slaves: Vec<Slave>) -> Self {
        let master = Master::new(Config::default());
        Self {
            line: master.line(),
            master,
            slaves,
            now: Instant::now(),
            outcomes: Vec::new(),
            echo: false,
            damage_every: 0,
            replies: 0,
            requests: 0,
        }
    }

    /// Does a job and gives what came of it and how long it took.
    fn run(&mut self, job: Job) -> (Vec<Outcome>, Duration) {
        let start = self.now;
        self.master.start(job, self.now);
        loop {
            while let Some(step) = self.master.poll_step() {
                match step {
                    Step::SetLine(line) => self.line = line,
                    Step::Send(bytes) => self.carry(&bytes),
                }
            }
            while let Some(outcome) = self.master.poll_outcome() {
                self.outcomes.push(outcome);
            }
            let Some(due) = self.master.poll_timeout() else {
                break;
            };
            self.now = due;
            self.master.handle_timeout(due);
        }
        assert!(self.master.is_idle());
        (std::mem::take(&mut self.outcomes), self.now - start)
    }

    /// What several slaves send at once is what the line makes of it: a current flows when any of
    /// them draws it, so that zeros win.
    fn carry(&mut self, bytes: &[u8]) {
        self.requests += 1;
        if self.echo {
            self.master.handle_input(bytes, self.now);
        }
        let (request, _) = Frame::decode(bytes).expect("a master sends frames");
        let baud = self.line.baud;
        let mut line: Option<Vec<u8>> = None;
        for slave in self.slaves.iter_mut().filter(|slave| slave.baud == baud) {
            let Some(reply) = slave.hear(&request) else {
                continue;
            };
            line = Some(match line {
                None => reply,
                Some(other) => {
                    let length = other.len().max(reply.len());
                    let at = |bytes: &[u8], place| bytes.get(place).copied().unwrap_or(0xFF);
                    (0..length)
                        .map(|place| at(&other, place) & at(&reply, place))
                        .collect()
                }
            });
        }
        let Some(mut reply) = line else { return };
        self.replies += 1;
        if self.damage_every > 0 && self.replies.is_multiple_of(self.damage_every) {
            let middle = reply.len() / 2;
            reply[middle] ^= 0x10;
        }
        self.now += Duration::from_millis(40);
        let (first, second) = reply.split_at(reply.len() / 2);
        self.master.handle_input(first, self.now);
        self.master.handle_input(second, self.now);
    }
}

fn slave(address: u8, number: u32, version: u8, telegrams: u8) -> Slave {
    let mut bcd = [0; 4];
    let digits = format!("{number:08}");
    for (byte, pair) in bcd.iter_mut().rev().zip(digits.as_bytes().chunks(2)) {
        *byte = (pair[0] - b'0') << 4 | (pair[1] - b'0');
    }
    let secondary = SecondaryAddress {
        identification: bcd,
        manufacturer: [0x2D, 0x2C],
        version,
        device_type: 0x07,
    };
    let telegram = |place: u8| {
        let last = place + 1 == telegrams;
        let mut data = vec![CI_LONG_HEADER];
        data.extend(bcd);
        data.extend([0x2D, 0x2C, version, 0x07, place, 0, 0, 0]);
        data.extend([0x04, 0x13, place, 0, 0, 0]);
        data.extend((!last).then_some(0x1F));
        data
    };
    Slave::new(address, secondary, (0..telegrams).map(telegram).collect())
}

fn found(outcomes: &[Outcome]) -> Vec<(Option<u8>, Option<String>)> {
    let mut found: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Found { primary, secondary } => {
                let secondary = secondary.map(|address| Pattern::from(address).to_string());
                Some((*primary, secondary))
            }
            _ => None,
        })
        .collect();
    found.sort();
    found
}

fn frames(outcomes: &[Outcome]) -> Vec<Frame> {
    match outcomes {
        [Outcome::Read { frames, .. }, Outcome::Done(_)] => frames.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_all_telegrams_of_a_slave() {
    for echo in [false, true] {
        let mut bus = Bus::new(vec![slave(5, 12_345_678, 1, 3), slave(6, 12_345_679, 1, 1)]);
        bus.echo = echo;
        for _ in 0..2 {
            let (outcomes, _) = bus.run(Job::Read(Target::Primary(5)));
            let frames = frames(&outcomes);
            assert_eq!(frames.len(), 3);
            for (place, frame) in (0u8..).zip(&frames) {
                let Frame::Long { data, address, .. } = frame else {
                    panic!("{frame:?}");
                };
                assert_eq!((*address, data[8]), (5, place));
            }
        }
        let pattern = "12345679".parse().unwrap();
        let (outcomes, _) = bus.run(Job::Read(Target::Secondary(pattern)));
        assert_eq!(frames(&outcomes).len(), 1);
    }
}

#[test]
fn a_damaged_reply_is_asked_for_again_and_none_is_lost_or_doubled() {
    for every in 2..7 {
        let mut bus = Bus::new(vec![slave(5, 12_345_678, 1, 6)]);
        bus.damage_every = every;
        let (outcomes, _) = bus.run(Job::Read(Target::Primary(5)));
        let frames = frames(&outcomes);
        let places: Vec<u8> = frames
            .iter()
            .map(|frame| match frame {
                Frame::Long { data, .. } => data[8],
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5], "every {every}");
    }
}

#[test]
fn who_is_not_there() {
    let mut bus = Bus::new(vec![slave(5, 12_345_678, 1, 1)]);
    let (outcomes, took) = bus.run(Job::Read(Target::Primary(9)));
    let job = Job::Read(Target::Primary(9));
    assert_eq!(outcomes, [Outcome::Failed(job, Failure::Silence)]);
    // One SND-NKE and three REQ-UD2.
    assert_eq!(bus.requests, 4);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn all_primary_addresses() {
    let mut bus = Bus::new(vec![
        slave(0, 1, 1, 1),
        slave(7, 2, 1, 1),
        slave(250, 3, 1, 1),
        slave(9, 4, 1, 1),
        slave(9, 5, 1, 1),
    ]);
    let (outcomes, _) = bus.run(Job::Scan(0..=250));
    assert_eq!(
        found(&outcomes),
        [
            (Some(0), Some("00000001-KAM-01-07".to_owned())),
            (Some(7), Some("00000002-KAM-01-07".to_owned())),
            (Some(250), Some("00000003-KAM-01-07".to_owned())),
        ]
    );
    assert!(outcomes.contains(&Outcome::Collision(Target::Primary(9))));
    assert!(matches!(outcomes.last(), Some(Outcome::Done(_))));
}

#[test]
fn a_search_with_collisions_finds_every_slave() {
    let numbers = [
        12_345_678, 12_345_679, 12_345_778, 22_345_678, 99_999_999, 0, 12_000_000,
    ];
    let mut slaves: Vec<Slave> = (1..)
        .zip(numbers)
        .map(|(address, number)| slave(address, number, 1, 1))
        .collect();
    // The same number from the same maker, another version.
    slaves.push(slave(20, 99_999_999, 2, 1));
    let mut bus = Bus::new(slaves);
    let (outcomes, _) = bus.run(Job::Search(Pattern::default()));
    let found = found(&outcomes);
    assert_eq!(found.len(), 8, "{found:?}");
    assert!(
        !outcomes
            .iter()
            .any(|outcome| matches!(outcome, Outcome::Collision(_)))
    );
    // Two that are the same in everything cannot be parted.
    let mut bus = Bus::new(vec![slave(1, 5, 1, 1), slave(2, 5, 1, 1)]);
    let narrow: Pattern = "00000005-KAM-01-07".parse().unwrap();
    let (outcomes, _) = bus.run(Job::Search(narrow));
    assert!(outcomes.contains(&Outcome::Collision(Target::Secondary(narrow))));
}

#[test]
fn addresses_and_speeds() {
    let mut bus = Bus::new(vec![slave(0, 12_345_678, 1, 1), slave(6, 2, 1, 1)]);
    let pattern: Pattern = "12345678".parse().unwrap();
    let target = Target::Secondary(pattern);
    let (outcomes, _) = bus.run(Job::SetAddress(target, 6));
    let taken = Failure::AddressTaken(6);
    assert_eq!(
        outcomes,
        [Outcome::Failed(Job::SetAddress(target, 6), taken)]
    );
    let (outcomes, _) = bus.run(Job::SetAddress(target, 8));
    assert_eq!(outcomes, [Outcome::Done(Job::SetAddress(target, 8))]);
    assert_eq!(bus.slaves[0].address, 8);

    let target = Target::Primary(8);
    let (outcomes, _) = bus.run(Job::SetSpeed(target, 300));
    assert_eq!(outcomes, [Outcome::Done(Job::SetSpeed(target, 300))]);
    assert_eq!(bus.line.baud, 300);
    let (outcomes, _) = bus.run(Job::Read(target));
    assert_eq!(frames(&outcomes).len(), 1);
    let (outcomes, _) = bus.run(Job::SetSpeed(target, 301));
    assert!(matches!(
        outcomes.as_slice(),
        [Outcome::Failed(_, Failure::Invalid(301))]
    ));
    let (outcomes, _) = bus.run(Job::SetSpeed(target, 9_600));
    assert_eq!(outcomes.len(), 1);
    let (outcomes, _) = bus.run(Job::Read(target));
    assert_eq!(frames(&outcomes).len(), 1);
}

#[test]
fn a_slave_that_repeats_itself_does_not_hold_the_line() {
    let mut stuck = slave(5, 12_345_678, 1, 2);
    stuck.telegrams.pop();
    let mut bus = Bus::new(vec![stuck]);
    let (outcomes, _) = bus.run(Job::Read(Target::Primary(5)));
    assert_eq!(frames(&outcomes).len(), 1);
}
