//! What is wrong, in words.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use meter_link::model::{Hint, Quality};
use meter_link::profile::mbus::Implausible;
use wattle_api::{Freshness, Notice, NoticeCode, Severity};

use super::alarms;
use super::meters::Meters;
use crate::bus::Event;
use crate::store::{Doubt, StoredTelegram};

/// A meter that was never heard is given this long after the start.
const FIRST_WORD: SignedDuration = SignedDuration::from_secs(60);
/// Likewise a radio meter, of which some send a few times a day.
const FIRST_RADIO_WORD: SignedDuration = SignedDuration::from_hours(24);

/// Everything that is wrong at present.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    lost_ports: BTreeMap<String, (String, Timestamp)>,
    locked: BTreeMap<String, Timestamp>,
    receivers: BTreeMap<String, (String, Timestamp)>,
    fallen: BTreeMap<String, (String, Timestamp)>,
    alarms: BTreeMap<String, (Severity, String, Timestamp)>,
    doubted: BTreeMap<String, (Doubt, Timestamp)>,
    rejections: BTreeMap<String, (String, u32)>,
    broker: Option<(String, Timestamp)>,
    store: Option<Timestamp>,
    told: BTreeMap<String, Vec<Notice>>,
    began: Option<Timestamp>,
}

impl Troubles {
    pub(super) fn take(&mut self, event: &Event, now: Timestamp) {
        match event {
            Event::Stored(telegram) => {
                self.rejections.remove(&telegram.name);
                self.heed(telegram, now);
                let index = telegram.doubts.iter().find(|doubt| doubt.is_index);
                if let Some(doubt) = index {
                    let known = self.doubted.entry(telegram.name.clone());
                    known.or_insert_with(|| (doubt.clone(), now));
                    return;
                }
                self.doubted.remove(&telegram.name);
                match telegram
                    .values
                    .iter()
                    .find(|value| value.quality == Quality::Suspect)
                {
                    Some(value) => {
                        let fell = (
                            format!("{} fell to {} {}", value.obis, value.value, value.unit),
                            now,
                        );
                        self.fallen.entry(telegram.name.clone()).or_insert(fell);
                    }
                    None => drop(self.fallen.remove(&telegram.name)),
                }
            }
            Event::Port {
                name,
                lost: Some(reason),
            } => {
                self.lost_ports
                    .entry(name.clone())
                    .or_insert((reason.clone(), now));
            }
            Event::Port { name, lost: None } => drop(self.lost_ports.remove(name)),
            Event::Appliances(_) | Event::Prepay(_) | Event::ReadNow(_) => {}
            Event::Rejected { name, reason } => {
                let seen = self.rejections.entry(name.clone()).or_default();
                *seen = (reason.clone(), seen.1.saturating_add(1));
            }
            Event::Hints { name, hints } => {
                if hints.contains(&Hint::PinLocked) {
                    self.locked.entry(name.clone()).or_insert(now);
                } else {
                    self.locked.remove(name);
                }
            }
            Event::Receiver {
                name,
                trouble: Some(trouble),
            } => {
                let known = self.receivers.entry(name.clone());
                let known = known.or_insert_with(|| (trouble.clone(), now));
                known.0.clone_from(trouble);
            }
            Event::Receiver {
                name,
                trouble: None,
            } => drop(self.receivers.remove(name)),
            Event::Adopted(_) | Event::CutOff { .. } => {}
            Event::Broker(Some(reason)) => {
                self.broker.get_or_insert((reason.clone(), now));
            }
            Event::Broker(None) => self.broker = None,
            Event::Notices { source, notices } => {
                self.told.insert(source.clone(), notices.clone());
            }
            Event::StoreWorks(true) => self.store = None,
            Event::StoreWorks(false) => {
                self.store.get_or_insert(now);
            }
        }
    }

    /// Takes what a meter says of itself. It is told since when it says the same.
    fn heed(&mut self, telegram: &StoredTelegram, now: Timestamp) {
        match alarms::told(&telegram.fields) {
            Some((_, text)) if text.is_empty() => drop(self.alarms.remove(&telegram.name)),
            Some((severity, text)) => {
                let known = self.alarms.get(&telegram.name);
                if known.is_none_or(|(_, before, _)| *before != text) {
                    let name = telegram.name.clone();
                    self.alarms.insert(name, (severity, text, now));
                }
            }
            None => {}
        }
    }

    pub(super) fn pin_locked(&self) -> bool {
        !self.locked.is_empty()
    }

    /// The notices that hold at `now`, the worst first.
    pub(super) fn notices(&mut self, meters: &Meters, now: Timestamp) -> Vec<Notice> {
        let began = *self.began.get_or_insert(now);
        let mut found = Vec::new();
        let mut note = |severity, code, meter: Option<&String>, text: String, since| {
            found.push(Notice {
                severity,
                code,
                meter: meter.cloned(),
                text,
                since,
            });
        };
        if let Some(since) = self.store {
            let text =
                "readings cannot be saved: is the disk full or the card worn out?".to_owned();
            note(Severity::Alarm, NoticeCode::StoreFailed, None, text, since);
        }
        for meter in meters.iter() {
            let name = &meter.api.name;
            if meter.is_cut_off {
                // That the stick is lost is told once, and not for every plug behind it.
                continue;
            }
            let through = meter.through.as_ref();
            if let Some(through) = through {
                // What ails the meter that reports for it is told of that one.
                let reports = meters
                    .named(through)
                    .is_some_and(|meter| meter.api.freshness == Some(Freshness::Live));
                if !reports || self.lost_ports.contains_key(through) {
                    continue;
                }
            }
            if let Some((reason, since)) = self.lost_ports.get(name) {
                let text = format!("{name}: {} cannot be read: {reason}", meter.api.port);
                note(
                    Severity::Warning,
                    NoticeCode::PortLost,
                    Some(name),
                    text,
                    *since,
                );
                continue;
            }
            let silent = match meter.api.freshness {
                Some(freshness) => freshness != Freshness::Live,
                None if meter.is_radio() => now.duration_since(began) > FIRST_RADIO_WORD,
                None => now.duration_since(began) > FIRST_WORD,
            };
            if !silent {
                continue;
            }
            let since = meter.api.received_at.unwrap_or(began);
            match self.rejections.get(name) {
                Some((reason, count)) if *count >= 3 => {
                    let text = format!("{name}: messages arrive damaged: {reason}");
                    note(
                        Severity::Warning,
                        NoticeCode::MeterDamaged,
                        Some(name),
                        text,
                        since,
                    );
                }
                _ => {
                    let text = match through {
                        None if meter.is_radio() => {
                            format!("{name}: nothing was heard; is a receiver near enough?")
                        }
                        None if meter.is_plug() => {
                            format!("{name}: nothing was heard; is the plug still in its socket?")
                        }
                        None => format!(
                            "{name}: nothing was heard; check that the reading head sits straight"
                        ),
                        Some(through) => {
                            format!("{name}: {through} reports nothing of this meter any more")
                        }
                    };
                    note(
                        Severity::Warning,
                        NoticeCode::MeterSilent,
                        Some(name),
                        text,
                        since,
                    );
                }
            }
        }
        for (name, (what, since)) in &self.fallen {
            let text =
                format!("{name}: register {what} and is not counted until it passes its old value");
            note(
                Severity::Warning,
                NoticeCode::RegisterFell,
                Some(name),
                text,
                *since,
            );
        }
        for (name, (severity, text, since)) in &self.alarms {
            let text = format!("{name}: the meter says: {text}");
            note(*severity, NoticeCode::MeterAlarm, Some(name), text, *since);
        }
        for (name, (doubt, since)) in &self.doubted {
            let text = format!("{name}: {doubt}; it is not counted");
            let code = match doubt.reason {
                Implausible::Fell => NoticeCode::RegisterFell,
                _ => NoticeCode::ValueDoubted,
            };
            note(Severity::Warning, code, Some(name), text, *since);
        }
        for (name, since) in &self.locked {
            let text = format!("{name}: {}", Hint::PinLocked.advice());
            note(
                Severity::Info,
                NoticeCode::PinLocked,
                Some(name),
                text,
                *since,
            );
        }
        for (name, (trouble, since)) in &self.receivers {
            let text = format!("receiver {name}: {trouble}");
            let code = NoticeCode::ReceiverSilent;
            note(Severity::Warning, code, Some(name), text, *since);
        }
        if let Some((reason, since)) = &self.broker {
            note(
                Severity::Warning,
                NoticeCode::BrokerLost,
                None,
                format!("MQTT: {reason}"),
                *since,
            );
        }
        found.extend(self.told.values().flatten().cloned());
        found.sort_by_key(|notice| std::cmp::Reverse(notice.severity));
        found
    }
}
