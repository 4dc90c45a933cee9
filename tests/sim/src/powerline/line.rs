//! The line between the adapters: who hears what.

use std::time::Instant;

use han::Value;
use han::homeplug::keys::NetworkKey;
use han::homeplug::{Fragment, Mme, MmeError, fields};

use super::mediaxtream;
use super::modem::{Modem, Peer};

/// What goes wrong on purpose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// So many of a hundred management messages are lost on the line.
    pub lose_percent: u8,
    /// Confirmations of keys say the opposite of what happened.
    pub lying_confirmations: bool,
    /// Adapters answer nothing at all.
    pub silent: bool,
    /// What they tell of their network comes in fragments.
    pub fragments: bool,
    /// They are of Broadcom's make and answer to its messages alone.
    pub broadcom: bool,
}

/// Adapters on one power line; the port of each has its index.
#[derive(Debug)]
pub struct PowerLine {
    modems: Vec<Modem>,
    faults: Faults,
    attenuation_db: u8,
    rate_mbit: u16,
    random: u64,
}

const SET_KEY_REQ: u16 = 0x6008;
const NW_INFO_REQ: u16 = 0xA038;
const PUSH_BUTTON_REQ: u16 = 0x8000;
const SOUND_IND: u16 = 0x6076;
/// CM_SLAC_PARAM to CM_ATTEN_PROFILE: between hosts, whatever their networks.
const SLAC: std::ops::RangeInclusive<u16> = 0x6064..=0x6087;

impl PowerLine {
    /// A line on which every adapter hears every other with this attenuation and these rates.
    #[must_use]
    pub const fn new(
        modems: Vec<Modem>,
        faults: Faults,
        attenuation_db: u8,
        rate_mbit: u16,
        seed: u64,
    ) -> Self {
        Self {
            modems,
            faults,
            attenuation_db,
            rate_mbit,
            random: seed | 1,
        }
    }

    /// The adapters.
    #[must_use]
    pub fn modems(&self) -> &[Modem] {
        &self.modems
    }

    /// Takes a frame that came into the port of that index and gives the frames that go out, each
    /// with the index of its port.
    pub fn handle(&mut self, port: usize, frame: &[u8], now: Instant) -> Vec<(usize, Vec<u8>)> {
        let mut out = Vec::new();
        let Some(modem) = self.modems.get_mut(port) else {
            return out;
        };
        if self.faults.silent || modem.is_silent(now) {
            return out;
        }
        if self.faults.broadcom
            && let Some(source) = mediaxtream::source(frame)
        {
            let of = &self.modems;
            return mediaxtream::answers(of, port, source, frame, self.rate_mbit);
        }
        match Mme::parse(frame) {
            Ok(_) if self.faults.broadcom => {}
            Ok(mme) => {
                modem.host = Some(mme.source);
                self.management(port, &mme, frame, now, &mut out);
            }
            Err(MmeError::OtherEthertype(_)) => {
                if let Some(source) = frame.get(6..12).and_then(|mac| mac.try_into().ok()) {
                    modem.host = Some(source);
                }
                self.ordinary(port, frame, now, &mut out);
            }
            Err(_) => {}
        }
        out
    }

    fn management(
        &mut self,
        port: usize,
        mme: &Mme<'_>,
        frame: &[u8],
        now: Instant,
        out: &mut Vec<(usize, Vec<u8>)>,
    ) {
        if SLAC.contains(&mme.mmtype.0) {
            self.slac(port, mme, frame, now, out);
            return;
        }
        let Some(modem) = self.modems.get(port) else {
            return;
        };
        if modem.is_addressed(mme.destination) {
            if mme.mmtype.0 == SET_KEY_REQ {
                self.set_key(port, mme, now, out);
            } else if mme.mmtype.0 == PUSH_BUTTON_REQ {
                out.push((port, modem.button_confirmation(mme)));
                self.press(port, now);
            } else if let Some(answer) = modem.answer(mme, &self.peers(port, now)) {
                let parts = if self.faults.fragments && mme.mmtype.0 == NW_INFO_REQ {
                    fragmented(&answer)
                } else {
                    vec![answer]
                };
                out.extend(parts.into_iter().map(|part| (port, part)));
            }
        } else if let Some(answer) = self.of_another(port, mme, now) {
            // What a station of the same network says comes back over the line.
            out.push((port, answer));
        }
    }

    fn of_another(&self, port: usize, mme: &Mme<'_>, now: Instant) -> Option<Vec<u8>> {
        let peers = self.peers(port, now);
        let peer = peers
            .iter()
            .find(|peer| peer.modem.mac == mme.destination)?;
        let index = self
            .modems
            .iter()
            .position(|modem| modem.mac == peer.modem.mac)?;
        peer.modem.answer(mme, &self.peers(index, now))
    }

    /// Presses the button of an adapter. The second one that is pressed takes the key of the first.
    pub fn press(&mut self, port: usize, now: Instant) {
        let other = self
            .modems
            .iter()
            .enumerate()
            .find(|(index, modem)| *index != port && modem.is_pressed(now))
            .map(|(index, modem)| (index, modem.key.clone()));
        let Some(modem) = self.modems.get_mut(port) else {
            return;
        };
        modem.pressed = Some(now);
        if let Some((index, key)) = other {
            modem.take_key(key, now);
            modem.pressed = None;
            if let Some(first) = self.modems.get_mut(index) {
                first.pressed = None;
            }
        }
    }

    fn set_key(
        &mut self,
        port: usize,
        mme: &Mme<'_>,
        now: Instant,
        out: &mut Vec<(usize, Vec<u8>)>,
    ) {
        let Ok(Some(request)) = fields(mme) else {
            return;
        };
        let key = match request.field("new_key") {
            Some(Value::Octets(key)) => <[u8; 16]>::try_from(key.as_slice()).ok(),
            _ => None,
        };
        let (Some(modem), Some(key)) = (self.modems.get_mut(port), key) else {
            return;
        };
        let result = u8::from(!self.faults.lying_confirmations);
        if let Some(confirmation) = modem.key_confirmation(mme, result) {
            out.push((port, confirmation));
        }
        modem.take_key(NetworkKey::new(key), now);
    }

    fn slac(
        &mut self,
        port: usize,
        mme: &Mme<'_>,
        frame: &[u8],
        now: Instant,
        out: &mut Vec<(usize, Vec<u8>)>,
    ) {
        for other in 0..self.modems.len() {
            let is_up = self
                .modems
                .get(other)
                .is_some_and(|modem| !modem.is_silent(now));
            if other == port || !is_up || self.is_lost() {
                continue;
            }
            out.push((other, frame.to_vec()));
            if mme.mmtype.0 == SOUND_IND {
                let modem = self.modems.get(other);
                let profile = modem
                    .and_then(|modem| modem.attenuation_profile(mme.source, self.attenuation_db));
                out.extend(profile.map(|profile| (other, profile)));
            }
        }
    }

    fn ordinary(
        &mut self,
        port: usize,
        frame: &[u8],
        now: Instant,
        out: &mut Vec<(usize, Vec<u8>)>,
    ) {
        let Some(from) = self.modems.get(port) else {
            return;
        };
        let others = self.modems.iter().enumerate();
        let same = others.filter(|(index, modem)| {
            *index != port && modem.key == from.key && !modem.is_silent(now)
        });
        out.extend(same.map(|(index, _)| (index, frame.to_vec())));
    }

    fn peers(&self, port: usize, now: Instant) -> Vec<Peer<'_>> {
        let Some(own) = self.modems.get(port) else {
            return Vec::new();
        };
        let others = self
            .modems
            .iter()
            .filter(|modem| modem.mac != own.mac && modem.key == own.key && !modem.is_silent(now));
        let rate_mbit = self.rate_mbit;
        others.map(|modem| Peer { modem, rate_mbit }).collect()
    }

    /// Marsaglia's xorshift: the same losses for the same seed.
    fn is_lost(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100 < u64::from(self.faults.lose_percent)
    }
}

/// A message in two frames, the second first. Only the last may be filled up, so that the first
/// is no shorter than a frame has to be.
fn fragmented(frame: &[u8]) -> Vec<Vec<u8>> {
    let Ok(mme) = Mme::parse(frame) else {
        return vec![frame.to_vec()];
    };
    let at = mme.payload.len().min(40);
    let (first, second) = mme.payload.split_at(at);
    let part = |index: u8, oui, payload| {
        let fragment = Some(Fragment {
            index,
            count: 1,
            sequence: 0x42,
        });
        Mme {
            fragment,
            oui,
            payload,
            ..mme.clone()
        }
        .to_frame()
    };
    vec![part(1, None, second), part(0, mme.oui, first)]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use han::homeplug::Session;
    use han::homeplug::avln::{Join, JoinEvent, Survey, SurveyEvent};
    use han::homeplug::keys::network_membership_key;
    use han::homeplug::mediaxtream::{Discovery, Side};
    use han::homeplug::push_button::{PushButton, PushButtonEvent};

    use super::*;

    const HOSTS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];

    fn line(passwords: [&str; 2], faults: Faults) -> PowerLine {
        let modems = passwords.iter().zip(1..).map(|(password, tei)| {
            Modem::new([4, 0, 0, 0, 0, tei], network_membership_key(password), tei)
        });
        PowerLine::new(modems.collect(), faults, 20, 90, 7)
    }

    /// Runs a session of the first host to its first event.
    fn run<S: Session>(
        line: &mut PowerLine,
        session: &mut S,
        mut now: Instant,
    ) -> Option<S::Event> {
        loop {
            while let Some(frame) = session.poll_transmit() {
                for (port, frame) in line.handle(0, &frame, now) {
                    if port == 0 {
                        session.handle_frame(&frame, now);
                    }
                }
            }
            if let Some(event) = session.poll_event() {
                return Some(event);
            }
            now = session.poll_timeout()?.max(now + Duration::from_micros(1));
            session.handle_timeout(now);
        }
    }

    #[test]
    fn a_survey_lists_both_adapters() {
        let now = Instant::now();
        let mut line = line(["same word", "same word"], Faults::default());
        line.handle(1, &[&[0xFF; 6][..], &HOSTS[1], &[0x08, 0x00]].concat(), now);
        let found = run(&mut line, &mut Survey::new(HOSTS[0], now), now);
        let Some(SurveyEvent::Found { adapters, network }) = found else {
            panic!("adapters answer");
        };
        assert_eq!(adapters.len(), 2);
        assert!(adapters.iter().all(|station| station.version.is_some()));
        let bridged = network.and_then(|network| network.stations.get(1)?.bridged_mac);
        assert_eq!(bridged, Some(HOSTS[1]));
    }

    #[test]
    fn adapters_of_broadcoms_make_answer_to_its_messages_alone() {
        let now = Instant::now();
        let faults = Faults {
            broadcom: true,
            ..Faults::default()
        };
        let mut line = line(["same word", "same word"], faults);
        let found = run(&mut line, &mut Survey::new(HOSTS[0], now), now);
        assert_eq!(found, Some(SurveyEvent::Nothing));
        let found = run(&mut line, &mut Discovery::new(HOSTS[0], now), now).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].side, found[1].side), (Side::Ethernet, Side::Line));
        assert_eq!(found[0].rates, [(found[1].mac, 90, 90)]);
    }

    #[test]
    fn two_pressed_buttons_make_a_network() {
        for other_first in [true, false] {
            let now = Instant::now();
            let mut line = line(["one word", "another word"], Faults::default());
            if other_first {
                line.press(1, now);
            }
            let mut button = PushButton::new(HOSTS[0], now);
            let pressed = run(&mut line, &mut button, now);
            assert_eq!(pressed, Some(PushButtonEvent::Pressed));
            let later = now + Duration::from_secs(60);
            if !other_first {
                line.press(1, later);
            }
            let joined = run(&mut line, &mut button, later);
            let Some(PushButtonEvent::Joined(network)) = joined else {
                panic!("{joined:?}");
            };
            assert_eq!(network.stations.len(), 2);
            assert_eq!(line.modems()[0].key, line.modems()[1].key);
        }
    }

    #[test]
    fn a_button_pressed_alone_makes_none() {
        let now = Instant::now();
        let mut line = line(["one word", "another word"], Faults::default());
        // A button that was pressed too long ago does not count.
        line.press(1, now);
        let later = now + Duration::from_secs(130);
        let mut button = PushButton::new(HOSTS[0], later);
        assert_eq!(
            run(&mut line, &mut button, later),
            Some(PushButtonEvent::Pressed)
        );
        assert_eq!(
            run(&mut line, &mut button, later),
            Some(PushButtonEvent::Nobody)
        );
        let mut silent = self::line(
            ["a", "b"],
            Faults {
                silent: true,
                ..Faults::default()
            },
        );
        let mut button = PushButton::new(HOSTS[0], now);
        assert_eq!(
            run(&mut silent, &mut button, now),
            Some(PushButtonEvent::NoAdapter)
        );
    }

    #[test]
    fn frames_pass_only_under_one_key() {
        let now = Instant::now();
        let mut line = line(
            ["one word", "another word"],
            Faults {
                lying_confirmations: true,
                ..Faults::default()
            },
        );
        let ping = [&[0xFF; 6][..], &HOSTS[0], &[0x08, 0x00, 1, 2, 3]].concat();
        assert_eq!(line.handle(0, &ping, now), []);
        let key = network_membership_key("another word");
        let joined = run(&mut line, &mut Join::new(HOSTS[0], key, [1; 4], now), now);
        assert!(matches!(joined, Some(JoinEvent::Joined(_))));
        let later = now + Duration::from_secs(60);
        assert_eq!(line.handle(0, &ping, later), [(1, ping.clone())]);
        let key = network_membership_key("a wrong word");
        let alone = run(
            &mut line,
            &mut Join::new(HOSTS[0], key, [1; 4], later),
            later,
        );
        assert!(matches!(alone, Some(JoinEvent::Alone(_))));
    }
}
