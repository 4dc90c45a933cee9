//! The clock of a meter (IEC 62056-6-2, 4.5.1: class 8): how far it is off, and setting it.

use jiff::tz::Offset;
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

use super::{Job, JobError, Outcome, Scene, Step, attribute, get, results};
use crate::dlms::apdu::{DataAccessResult, GetResult};
use crate::dlms::client::exchange::{Answer, Request};
use crate::dlms::data::{ClockStatus, Data, DateTime};
use crate::model::{MeterTime, ObisCode};

const CLOCK_CLASS: u16 = 8;
/// `0-0:1.0.0*255`: the clock.
const CLOCK: ObisCode = ObisCode([0, 0, 1, 0, 0, 255]);

/// When a clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockPolicy {
    /// Never: it is read only.
    Read,
    /// When it is off by more than `tolerance`, but not by more than `limit`: what is further off
    /// was set wrong on purpose, or our own clock is.
    Keep {
        /// Up to here it is left alone.
        tolerance: SignedDuration,
        /// Beyond this it is left alone, too.
        limit: SignedDuration,
    },
    /// In any case.
    Set,
}

/// A clock, and what was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReport {
    /// As read first.
    pub read: DateTime,
    /// How far the meter is ahead; negative when behind; whole seconds.
    pub ahead_s: i64,
    /// True when it was set.
    pub set: bool,
    /// How far it is ahead since it was set, as read back.
    pub ahead_after_s: Option<i64>,
}

/// Reads a clock and sets it where the policy says so.
#[derive(Debug)]
pub struct ClockJob {
    policy: ClockPolicy,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Start,
    Reading,
    Setting(ClockReport),
    ReadingBack(ClockReport),
}

impl ClockJob {
    /// A job for the meter's clock.
    ///
    /// A clock that tells no deviation from UTC is taken to show UTC.
    #[must_use]
    pub const fn new(policy: ClockPolicy) -> Self {
        Self {
            policy,
            state: State::Start,
        }
    }

    fn judge(&mut self, report: ClockReport, now: Timestamp) -> Step {
        let off = SignedDuration::from_secs(report.ahead_s.saturating_abs());
        let set = match self.policy {
            ClockPolicy::Read => false,
            ClockPolicy::Set => true,
            ClockPolicy::Keep { tolerance, limit } => {
                if off > limit {
                    return Step::Failed(JobError::ClockTooFar(report.ahead_s));
                }
                off > tolerance
            }
        };
        if !set {
            return Step::Done(Outcome::Clock(report));
        }
        self.state = State::Setting(report);
        let value = Data::OctetString(as_the_meter(report.read, now).0.to_vec());
        let descriptor = attribute(CLOCK_CLASS, CLOCK, 2);
        Step::Ask(Request::Set(vec![(descriptor.into(), value)]))
    }
}

impl Job for ClockJob {
    fn step(&mut self, answer: Option<Answer>, scene: &Scene) -> Step {
        match self.state {
            State::Start => {
                self.state = State::Reading;
                get([attribute(CLOCK_CLASS, CLOCK, 2)])
            }
            State::Reading => match time(answer) {
                Ok(read) => {
                    let report = ClockReport {
                        read,
                        ahead_s: ahead(read, scene.now).unwrap_or(i64::MAX),
                        set: false,
                        ahead_after_s: None,
                    };
                    self.judge(report, scene.now)
                }
                Err(error) => Step::Failed(error),
            },
            State::Setting(mut report) => {
                if let Some(Answer::Set(results)) = &answer
                    && let Some(result) = results.first()
                    && *result != DataAccessResult::Success
                {
                    return Step::Failed(JobError::Access {
                        object: CLOCK,
                        attribute: 2,
                        result: *result,
                    });
                }
                report.set = true;
                self.state = State::ReadingBack(report);
                get([attribute(CLOCK_CLASS, CLOCK, 2)])
            }
            State::ReadingBack(mut report) => match time(answer) {
                Ok(read) => {
                    report.ahead_after_s = ahead(read, scene.now);
                    Step::Done(Outcome::Clock(report))
                }
                Err(error) => Step::Failed(error),
            },
        }
    }
}

fn time(answer: Option<Answer>) -> Result<DateTime, JobError> {
    match results(answer)?.into_iter().next() {
        Some(GetResult::Data(data)) => data.date_time().ok_or(JobError::Content {
            object: CLOCK,
            attribute: 2,
            rule: "a date and time of twelve octets",
        }),
        Some(GetResult::Error(result)) => Err(JobError::Access {
            object: CLOCK,
            attribute: 2,
            result,
        }),
        None => Err(JobError::Content {
            object: CLOCK,
            attribute: 2,
            rule: "a value",
        }),
    }
}

/// How far a clock is ahead, in seconds; `None` when it shows no time.
fn ahead(read: DateTime, now: Timestamp) -> Option<i64> {
    let at = match read.meter_time()? {
        MeterTime::Utc(at) => at,
        MeterTime::Wall { at, .. } => Offset::UTC.to_timestamp(at).ok()?,
        MeterTime::SecondsIndex(_) => return None,
    };
    // The meter shows whole seconds that have begun.
    Some(at.as_second().saturating_sub(whole_second(now).as_second()))
}

/// An instant in the meter's own time: its deviation and its summer time flag stay as they are.
fn as_the_meter(read: DateTime, now: Timestamp) -> DateTime {
    let deviation = read.deviation();
    let seconds = deviation.map_or(0, |minutes| -60 * i32::from(minutes));
    let offset = Offset::from_seconds(seconds).unwrap_or(Offset::UTC);
    let now = whole_second(now);
    let summer = match read.status().summer() {
        Some(true) => ClockStatus::SUMMER,
        _ => 0,
    };
    DateTime::new(offset.to_datetime(now), deviation, ClockStatus(summer))
}

/// The second that has begun.
fn whole_second(at: Timestamp) -> Timestamp {
    let begun = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Floor);
    at.round(begun).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(now: &str) -> Scene {
        Scene {
            now: now.parse().unwrap(),
            secured: true,
        }
    }

    fn shows(octets: [u8; 12]) -> Option<Answer> {
        let value = Data::OctetString(octets.to_vec());
        Some(Answer::Get(vec![GetResult::Data(value)]))
    }

    /// A summer clock two hours ahead of UTC, ninety seconds late.
    const LATE: [u8; 12] = [7, 0xEA, 7, 1, 3, 13, 58, 30, 0, 0xFF, 0x88, 0x80];

    #[test]
    fn a_late_clock_is_set_in_its_own_time() {
        let now = scene("2026-07-01T12:00:00.9Z");
        let mut job = ClockJob::new(ClockPolicy::Keep {
            tolerance: SignedDuration::from_secs(10),
            limit: SignedDuration::from_secs(600),
        });
        assert!(matches!(job.step(None, &now), Step::Ask(_)));
        let Step::Ask(Request::Set(items)) = job.step(shows(LATE), &now) else {
            panic!("it is not set");
        };
        let set = items[0].1.date_time().unwrap();
        assert_eq!(set.iso().as_deref(), Some("2026-07-01T14:00:00+02:00"));
        assert_eq!(set.status(), ClockStatus(0x80));
        let success = Some(Answer::Set(vec![DataAccessResult::Success]));
        assert!(matches!(job.step(success, &now), Step::Ask(_)));
        let Step::Done(Outcome::Clock(report)) = job.step(shows(set.0), &now) else {
            panic!("it is not done");
        };
        assert_eq!((report.ahead_s, report.ahead_after_s), (-90, Some(0)));
    }

    #[test]
    fn a_clock_far_off_is_left_alone() {
        let now = scene("2026-07-01T13:00:00Z");
        for (policy, far) in [
            (ClockPolicy::Read, false),
            (
                ClockPolicy::Keep {
                    tolerance: SignedDuration::from_secs(10),
                    limit: SignedDuration::from_secs(600),
                },
                true,
            ),
        ] {
            let mut job = ClockJob::new(policy);
            job.step(None, &now);
            let step = job.step(shows(LATE), &now);
            assert_eq!(step == Step::Failed(JobError::ClockTooFar(-3_690)), far);
        }
    }
}
