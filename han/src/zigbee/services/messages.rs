//! Messages for people (annex D.5), with confirmation.

use std::collections::{BTreeMap, BTreeSet};

use super::{Event, MESSAGING, Made, number_of, number32};
use crate::value::{Record, Value};

/// Messages at once.
const MESSAGES: usize = 8;
/// As much text as fits a message that is not fragmented, octets.
const TEXT: usize = 56;

/// How important a message is (D.5.2.3.1.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Importance {
    /// Nothing depends on it.
    #[default]
    Low,
    /// Worth reading.
    Medium,
    /// To be read now.
    High,
    /// Somebody may be in danger.
    Critical,
}

/// A message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What the caller knows it by.
    pub key: String,
    /// The text; what is longer than a message holds ends in "…".
    pub text: String,
    /// From when it is shown, seconds since 2000 UTC.
    pub start: u32,
    /// For how long, minutes; `None` until it is taken back.
    pub minutes: Option<u16>,
    /// How important it is.
    pub importance: Importance,
    /// Somebody is to confirm that it was read.
    pub confirm: bool,
}

#[derive(Debug, Default)]
pub(super) struct Messages {
    messages: BTreeMap<u32, Notice>,
    /// Which display has which message: people confirm when they have read it, so that it is said
    /// once alone.
    told: BTreeSet<(u64, u32)>,
}

impl Messages {
    pub(super) fn set(&mut self, messages: Vec<Notice>, displays: &[u64], now: u32) -> Vec<Made> {
        let numbered = |notice: Notice| {
            let what = format!("{notice:?}");
            (number_of(&[what.as_bytes()]), notice)
        };
        let open = messages.into_iter().filter(|notice| end(notice) > now);
        let wanted: BTreeMap<u32, Notice> = open.take(MESSAGES).map(numbered).collect();
        let gone = self
            .messages
            .iter()
            .filter(|(id, notice)| !wanted.contains_key(id) && end(notice) > now);
        let mut made = Vec::new();
        for (id, _) in gone {
            made.extend(displays.iter().map(|ieee| {
                Made {
                    ieee: *ieee,
                    cluster: MESSAGING,
                    command: 0x01,
                    fields: Record::new()
                        .with("message_id", Value::Unsigned((*id).into()))
                        .with("message_control", Value::Unsigned(0)),
                }
            }));
        }
        self.messages = wanted;
        let messages = &self.messages;
        self.told.retain(|(_, id)| messages.contains_key(id));
        made
    }

    pub(super) fn forget(&mut self, ieee: u64) {
        self.told.retain(|(of, _)| *of != ieee);
    }

    /// The message that has begun last.
    pub(super) fn last(&self, now: u32) -> Option<Record> {
        let begun = |(_, notice): &(&u32, &Notice)| notice.start <= now && end(notice) > now;
        let last = self.messages.iter().filter(begun);
        let (id, notice) = last.max_by_key(|(id, notice)| (notice.start, **id))?;
        Some(message(*id, notice))
    }

    pub(super) fn confirmed(&self, ieee: u64, fields: &Record) -> Option<Event> {
        let id = number32(fields, "message_id");
        let notice = self.messages.get(&id)?;
        Some(Event::MessageConfirmed {
            ieee,
            key: notice.key.clone(),
            at: number32(fields, "confirmation_time"),
        })
    }

    pub(super) fn pass(&mut self, displays: &[u64], now: u32) -> Vec<Made> {
        let mut made = Vec::new();
        for (id, notice) in &self.messages {
            if end(notice) <= now {
                continue;
            }
            for ieee in displays {
                if !self.told.insert((*ieee, *id)) {
                    continue;
                }
                made.push(Made {
                    ieee: *ieee,
                    cluster: MESSAGING,
                    command: 0x00,
                    fields: message(*id, notice),
                });
            }
        }
        made
    }
}

fn end(notice: &Notice) -> u32 {
    notice.minutes.map_or(u32::MAX, |minutes| {
        notice.start.saturating_add(u32::from(minutes) * 60)
    })
}

fn message(id: u32, notice: &Notice) -> Record {
    let importance = match notice.importance {
        Importance::Low => 0,
        Importance::Medium => 1,
        Importance::High => 2,
        Importance::Critical => 3,
    };
    let control = importance << 2 | if notice.confirm { 0x80 } else { 0 };
    let text = if notice.text.len() > TEXT {
        format!("{}…", super::prices::cut(&notice.text, TEXT - 3))
    } else {
        notice.text.clone()
    };
    Record::new()
        .with("message_id", Value::Unsigned(id.into()))
        .with("message_control", Value::Unsigned(control))
        .with("start_time", Value::Unsigned(notice.start.into()))
        .with(
            "duration_min",
            Value::Unsigned(notice.minutes.unwrap_or(0xFFFF).into()),
        )
        .with("message", Value::Text(text))
}
