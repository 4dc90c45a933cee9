//! What the utility asks for: cards on top of MESSAGES.

use super::{View, messages, phrase, rows};
use crate::format;
use crate::generated::{CardAction, EventCard, More, Phrase, Say};
use jiff::Timestamp;
use rust_decimal::Decimal;
use wattle_api::{GridEvent, GridEventKind, GridEventStep, OptState};

pub(super) fn bind(more: &More, view: &View) {
    let cards = cards(view);
    if let Some(model) = rows(&more.get_events(), cards) {
        more.set_events(model);
    }
}

/// The supply that is off or can be switched on, messages that nobody has confirmed, what is asked
/// for, and messages that were read.
fn cards(view: &View) -> Vec<EventCard> {
    let events = view.state.iter().flat_map(|state| &state.grid_events);
    let mut cards: Vec<EventCard> = messages::supply(view).into_iter().collect();
    cards.extend(messages::cards(view, true));
    cards.extend(events.map(|event| card(view, event)));
    cards.extend(messages::cards(view, false));
    cards
}

/// Whether there is a card: what was noticed has less room then.
pub(super) fn any(view: &View) -> bool {
    !cards(view).is_empty()
}

fn card(view: &View, event: &GridEvent) -> EventCard {
    let level = level(view.now, event).map(|level| format::figures(level, view.language));
    let calm = event.steps.is_empty() && event.level.is_some_and(|level| level.is_zero());
    let what = match (event.kind, level) {
        // Level 0 says that all is normal.
        (GridEventKind::LoadShed, _) if calm => phrase(Say::GridAlert, String::new()),
        (GridEventKind::LoadShed, _) => phrase(Say::LoadShed, String::new()),
        (GridEventKind::ImportLimit, Some(kw)) => phrase(Say::ImportLimit, kw),
        (GridEventKind::ExportLimit, Some(kw)) => phrase(Say::ExportLimit, kw),
        (GridEventKind::GenerationLimit, Some(percent)) => phrase(Say::GenerationLimit, percent),
        (GridEventKind::Dispatch, _) => phrase(Say::Dispatch, String::new()),
        (GridEventKind::Alert, _) => phrase(Say::GridAlert, String::new()),
        _ => phrase(Say::GridOther, String::new()),
    };
    EventCard {
        id: event.id.clone().into(),
        what,
        name: event
            .text
            .clone()
            .or_else(|| event.name.clone())
            .unwrap_or_default()
            .into(),
        when: when(view, event.start, event.end),
        left: left(view.now, event),
        out: event.opt == OptState::Out,
        action: if event.may_opt_out {
            CardAction::Choose
        } else {
            CardAction::Nothing
        },
    }
}

/// From when, and until when if that is said.
pub(super) fn when(view: &View, start: Timestamp, end: Option<Timestamp>) -> Phrase {
    let moment = |at| format::moment(at, &view.local(), view.language);
    match end {
        Some(end) => Phrase {
            b: moment(end).into(),
            ..phrase(Say::FromTo, moment(start))
        },
        None => phrase(Say::FromOn, moment(start)),
    }
}

/// The level of the step under way; before the first one, that of the first.
fn level(now: Timestamp, event: &GridEvent) -> Option<Decimal> {
    let under_way =
        |step: &&GridEventStep| step.start <= now && step.end.is_none_or(|end| now < end);
    let step = event.steps.iter().find(under_way);
    step.map(|step| step.level).or(event.level)
}

/// How long until it begins, or until it ends once it has begun.
fn left(now: Timestamp, event: &GridEvent) -> Phrase {
    let minutes = |until: Timestamp| {
        let seconds = until.as_second().saturating_sub(now.as_second());
        (seconds.saturating_add(59)).div_euclid(60)
    };
    let (until, in_minutes, in_hours) = if event.start > now {
        (event.start, Say::BeginsInMin, Say::BeginsInH)
    } else {
        match event.end {
            Some(end) => (end, Say::EndsInMin, Say::EndsInH),
            None => return phrase(Say::UnderWay, String::new()),
        }
    };
    match minutes(until) {
        short @ ..120 => phrase(in_minutes, short.max(0).to_string()),
        long => phrase(in_hours, long.div_euclid(60).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;

    fn shown(now: &str, event: &str) -> EventCard {
        let text = include_str!("../../tests/fixtures/event.json");
        let mut view = View::of(serde_json::from_str(text).unwrap(), Language::English);
        view.now = now.parse().unwrap();
        card(&view, &serde_json::from_str(event).unwrap())
    }

    fn words(phrase: &Phrase) -> (Say, &str, &str) {
        (phrase.say, &phrase.a, &phrase.b)
    }

    const LIMIT: &str = r#"{"id": "sep2:1", "kind": "import_limit", "level": "4.2",
        "start": "2026-11-20T18:00:00Z", "end": "2026-11-20T22:00:00Z", "steps": [
            {"start": "2026-11-20T18:00:00Z", "end": "2026-11-20T19:00:00Z", "level": "4.2"},
            {"start": "2026-11-20T19:00:00Z", "end": "2026-11-20T22:00:00Z", "level": "3"}],
        "opt": "out", "may_opt_out": false}"#;

    #[test]
    fn a_limit_is_that_of_the_step_under_way() {
        let before = shown("2026-11-20T17:30:01Z", LIMIT);
        assert_eq!(words(&before.what), (Say::ImportLimit, "4.20", ""));
        assert_eq!(words(&before.when), (Say::FromTo, "18:00", "22:00"));
        assert_eq!(words(&before.left), (Say::BeginsInMin, "30", ""));
        assert!(before.out && before.action == CardAction::Nothing);
        let later = shown("2026-11-20T19:00:00Z", LIMIT);
        assert_eq!(words(&later.what), (Say::ImportLimit, "3.00", ""));
        assert_eq!(words(&later.left), (Say::EndsInH, "3", ""));
    }

    #[test]
    fn what_has_no_end_or_no_number_is_told_as_well() {
        let open = r#"{"id": "openadr:2", "kind": "alert", "start": "2026-11-19T06:05:00Z",
            "name": "short", "text": "Power fails tonight", "opt": "in", "may_opt_out": true}"#;
        let card = shown("2026-11-20T17:30:00Z", open);
        assert_eq!(words(&card.what), (Say::GridAlert, "", ""));
        assert_eq!(card.when.say, Say::FromOn);
        assert!(card.when.a.ends_with("06:05"), "{}", card.when.a);
        assert_eq!(words(&card.left), (Say::UnderWay, "", ""));
        assert_eq!(card.name, "Power fails tonight");
        assert!(!card.out && card.action == CardAction::Choose);
        let calm = open
            .replace("alert", "load_shed")
            .replace(r#""name""#, r#""level": "0", "name""#);
        assert_eq!(
            shown("2026-11-20T17:30:00Z", &calm).what.say,
            Say::GridAlert
        );
        let limit = open.replace("alert", "import_limit");
        assert_eq!(
            shown("2026-11-20T17:30:00Z", &limit).what.say,
            Say::GridOther
        );
    }
}
