//! Which bearer the relay goes over: the best that carries. Told the time; no interface is touched.

use std::time::{Duration, Instant};

/// How long the head-end may take to be reached over a bearer, where another one could be tried.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one that has failed is left alone, at first and at most.
const FIRST_REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);
/// How often a better one is looked at.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// A bearer, as far as the choice goes.
#[derive(Clone, Debug)]
struct Candidate {
    metered: bool,
    is_usable: bool,
    rests_until: Option<Instant>,
    rest: Duration,
}

/// The choice.
#[derive(Debug)]
pub(super) struct Selector {
    candidates: Vec<Candidate>,
    chosen: Option<usize>,
    /// When it was chosen, or when the link went down last.
    since: Option<Instant>,
    is_up: bool,
    probed: Option<Instant>,
    changes: u64,
}

impl Selector {
    /// A choice among so many, each of which costs money or does not; the first are preferred.
    pub(super) fn new(metered: impl IntoIterator<Item = bool>) -> Self {
        let candidate = |metered| Candidate {
            metered,
            is_usable: false,
            rests_until: None,
            rest: FIRST_REST,
        };
        Self {
            candidates: metered.into_iter().map(candidate).collect(),
            chosen: None,
            since: None,
            is_up: false,
            probed: None,
            changes: 0,
        }
    }

    /// The one to go over.
    pub(super) const fn chosen(&self) -> Option<usize> {
        self.chosen
    }

    /// How often one took the place of another.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// True when the head-end could not be reached over it lately.
    pub(super) fn rests(&self, place: usize, now: Instant) -> bool {
        let candidate = self.candidates.get(place);
        candidate.is_some_and(|candidate| candidate.rests(now))
    }

    /// Takes note of which interfaces could carry, and chooses.
    pub(super) fn see(&mut self, usable: &[bool], now: Instant) {
        for (candidate, usable) in self.candidates.iter_mut().zip(usable) {
            candidate.is_usable = *usable;
        }
        self.choose(now);
    }

    /// The link over a bearer carries, or does not any more.
    pub(super) fn link(&mut self, place: usize, is_up: bool, now: Instant) {
        if self.chosen != Some(place) {
            // Word of one that was left meanwhile.
            return;
        }
        if is_up && let Some(candidate) = self.candidates.get_mut(place) {
            (candidate.rests_until, candidate.rest) = (None, FIRST_REST);
        }
        if self.is_up != is_up {
            self.since = Some(now);
        }
        self.is_up = is_up;
    }

    /// A better one than the present that should be looked at now, if there is one.
    pub(super) fn next_probe(&mut self, now: Instant) -> Option<usize> {
        let chosen = self.chosen?;
        if self.probed.is_some_and(|at| now - at < PROBE_EVERY) {
            return None;
        }
        let better = self.order().take_while(|place| *place != chosen);
        let found = better.into_iter().find(|place| self.is_free(*place, now))?;
        self.probed = Some(now);
        Some(found)
    }

    /// The head-end was reached over a bearer beside the present one, or was not.
    pub(super) fn probed(&mut self, place: usize, reached: bool, now: Instant) {
        if !reached {
            self.rest(place, now);
        } else if self
            .candidates
            .get(place)
            .is_some_and(|found| found.is_usable)
        {
            self.go(Some(place), now);
        }
    }

    fn choose(&mut self, now: Instant) {
        let present = self.chosen.filter(|place| {
            let candidate = self.candidates.get(*place);
            candidate.is_some_and(|candidate| candidate.is_usable)
        });
        let Some(present) = present else {
            let next = self.best(now);
            return self.go(next, now);
        };
        let waited = self.since.is_some_and(|since| now - since >= PATIENCE);
        if self.is_up || !waited {
            return;
        }
        self.rest(present, now);
        // Where all have failed it waits on the best, which costs the least.
        let next = self.best(now);
        self.go(next, now);
    }

    /// The best that has not failed lately; where all have, the best.
    fn best(&self, now: Instant) -> Option<usize> {
        let free = self.order().find(|place| self.is_free(*place, now));
        let usable = |place: &usize| {
            let candidate = self.candidates.get(*place);
            candidate.is_some_and(|candidate| candidate.is_usable)
        };
        free.or_else(|| self.order().find(usable))
    }

    fn go(&mut self, place: Option<usize>, now: Instant) {
        if self.chosen.is_some() && place.is_some() && place != self.chosen {
            self.changes += 1;
        }
        (self.chosen, self.since, self.is_up) = (place, Some(now), false);
    }

    fn rest(&mut self, place: usize, now: Instant) {
        if let Some(candidate) = self.candidates.get_mut(place) {
            candidate.rests_until = Some(now + candidate.rest);
            candidate.rest = (candidate.rest * 2).min(LONGEST_REST);
        }
    }

    fn is_free(&self, place: usize, now: Instant) -> bool {
        let candidate = self.candidates.get(place);
        candidate.is_some_and(|candidate| candidate.is_usable && !candidate.rests(now))
    }

    /// Places in the order of preference.
    fn order(&self) -> impl Iterator<Item = usize> {
        let places = |metered: bool| {
            let those = self.candidates.iter().enumerate();
            those.filter_map(move |(place, one)| (one.metered == metered).then_some(place))
        };
        let order: Vec<usize> = places(false).chain(places(true)).collect();
        order.into_iter()
    }
}

impl Candidate {
    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIM: usize = 0;
    const FIBRE: usize = 1;
    const WIFI: usize = 2;

    fn home() -> (Selector, Instant) {
        (Selector::new([true, false, false]), Instant::now())
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_costs_nothing_comes_first_and_the_file_s_order_next() {
        let (mut home, now) = home();
        assert_eq!(home.chosen(), None);
        home.see(&[true, false, false], now);
        assert_eq!(home.chosen(), Some(SIM));
        home.see(&[true, true, true], now + s(1));
        // Not before it was seen that the head-end is behind it.
        assert_eq!(home.chosen(), Some(SIM));
        assert_eq!(home.next_probe(now + s(1)), Some(FIBRE));
        assert_eq!(home.next_probe(now + s(2)), None);
        home.probed(FIBRE, true, now + s(2));
        assert_eq!(home.chosen(), Some(FIBRE));
        assert_eq!(home.next_probe(now + s(20)), None);
    }

    #[test]
    fn a_cable_that_is_pulled_is_left_at_once() {
        let (mut home, now) = home();
        home.see(&[true, true, true], now);
        home.link(FIBRE, true, now);
        home.see(&[true, false, true], now + s(1));
        assert_eq!((home.chosen(), home.changes()), (Some(WIFI), 1));
        home.see(&[false, false, false], now + s(2));
        assert_eq!(home.chosen(), None);
    }

    #[test]
    fn one_that_leads_nowhere_is_left_after_a_while_and_tried_again() {
        let (mut home, now) = home();
        let all = [true, true, false];
        home.see(&all, now);
        home.see(&all, now + s(19));
        assert_eq!(home.chosen(), Some(FIBRE));
        home.see(&all, now + s(20));
        assert_eq!(home.chosen(), Some(SIM));
        home.link(FIBRE, true, now + s(20));
        home.link(SIM, true, now + s(22));
        assert!(home.rests(FIBRE, now + s(49)));
        assert_eq!(home.next_probe(now + s(49)), None);
        assert_eq!(home.next_probe(now + s(50)), Some(FIBRE));
        home.probed(FIBRE, false, now + s(52));
        // Twice as long, and so on.
        assert_eq!(home.next_probe(now + s(111)), None);
        assert_eq!(home.next_probe(now + s(112)), Some(FIBRE));
        home.probed(FIBRE, true, now + s(112));
        assert_eq!(home.chosen(), Some(FIBRE));
    }

    #[test]
    fn a_link_that_is_lost_has_the_same_patience() {
        let (mut home, now) = home();
        let all = [true, true, false];
        home.see(&all, now);
        home.link(FIBRE, true, now + s(1));
        home.see(&all, now + s(3_600));
        home.link(FIBRE, false, now + s(3_600));
        home.see(&all, now + s(3_619));
        assert_eq!(home.chosen(), Some(FIBRE));
        home.see(&all, now + s(3_620));
        assert_eq!(home.chosen(), Some(SIM));
    }

    #[test]
    fn a_head_end_that_is_away_does_not_drive_it_to_the_dear_one_for_ever() {
        let (mut home, start) = home();
        let all = [true, true, false];
        let mut dear = 0;
        for second in 0..86_400 {
            let now = start + s(second);
            home.see(&all, now);
            if let Some(place) = home.next_probe(now) {
                home.probed(place, false, now);
            }
            dear += u32::from(home.chosen() == Some(SIM));
        }
        // It rests 15 minutes after 20 seconds.
        assert!(dear < 86_400 / 10, "{dear} s on the dear one");
        // One that is alone is never left.
        home.see(&[true, false, false], start + s(86_401));
        home.see(&[true, false, false], start + s(90_000));
        assert_eq!(home.chosen(), Some(SIM));
    }
}
