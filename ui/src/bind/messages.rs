//! What the utility writes, and the supply that it switched: cards on top of MESSAGES.

use super::grid_events::when;
use super::{View, phrase};
use crate::format;
use crate::generated::{CardAction, EventCard, Say};
use wattle_api::{Importance, Message, SupplyState};

/// Messages that somebody is to confirm, or the others; the most important first, then the newest.
pub(super) fn cards(view: &View, waiting: bool) -> Vec<EventCard> {
    let told = view.answers.messages.iter().flatten();
    let mut told: Vec<&Message> = told.filter(|message| waits(message) == waiting).collect();
    told.sort_by_key(|message| std::cmp::Reverse((message.importance, message.start)));
    told.into_iter()
        .map(|message| card(view, message))
        .collect()
}

fn waits(message: &Message) -> bool {
    message.confirm && message.confirmed_at.is_none()
}

fn card(view: &View, message: &Message) -> EventCard {
    let confirmed = message.confirmed_at.is_some();
    EventCard {
        id: message.id.clone().into(),
        what: phrase(
            match message.importance {
                Importance::High | Importance::Critical => Say::MessageNow,
                Importance::Low | Importance::Medium => Say::Message,
            },
            String::new(),
        ),
        name: message.text.clone().into(),
        when: when(view, message.start, message.end),
        left: phrase(
            if confirmed {
                Say::Confirmed
            } else {
                Say::Nothing
            },
            String::new(),
        ),
        out: false,
        action: if waits(message) {
            CardAction::Confirm
        } else {
            CardAction::Nothing
        },
    }
}

/// The supply, where it is not simply on.
pub(super) fn supply(view: &View) -> Option<EventCard> {
    let switch = view.answers.supply.as_ref()?;
    let say = match switch.state {
        SupplyState::On => return None,
        SupplyState::Announced => Say::SupplyAnnounced,
        SupplyState::Off => Say::SupplyOff,
        SupplyState::Armed => Say::SupplyArmed,
    };
    let at = switch.at;
    let at = at.map(|at| format::moment(at, &view.local(), view.language));
    Some(EventCard {
        what: phrase(say, String::new()),
        name: switch
            .wrong
            .clone()
            .unwrap_or_else(|| switch.text.clone())
            .into(),
        when: at.map_or_else(Default::default, |at| phrase(Say::FromOn, at)),
        action: if switch.state == SupplyState::Armed && !switch.moving {
            CardAction::SwitchOn
        } else {
            CardAction::Nothing
        },
        ..EventCard::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;
    use wattle_api::SupplySwitch;

    fn view() -> View {
        let text = include_str!("../../tests/fixtures/stale.json");
        let mut view = View::of(serde_json::from_str(text).unwrap(), Language::English);
        let told = include_str!("../../tests/fixtures/messages-stale.json");
        view.answers.messages = Some(serde_json::from_str(told).unwrap());
        view
    }

    #[test]
    fn what_waits_for_a_word_comes_first() {
        let view = view();
        let waiting = cards(&view, true);
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].action, CardAction::Confirm);
        assert_eq!(waiting[0].what.say, Say::MessageNow);
        let read = cards(&view, false);
        assert_eq!(read.len(), 1);
        assert_eq!(
            (read[0].action, read[0].left.say),
            (CardAction::Nothing, Say::Confirmed)
        );
    }

    #[test]
    fn the_supply_is_switched_on_only_when_it_may_be() {
        let mut view = view();
        let mut shown = |state, moving| {
            view.answers.supply = Some(SupplySwitch {
                state,
                at: None,
                text: "Call 0123".to_owned(),
                moving,
                wrong: None,
            });
            supply(&view).map(|card| (card.what.say, card.action))
        };
        assert_eq!(shown(SupplyState::On, false), None);
        let off = Some((Say::SupplyOff, CardAction::Nothing));
        assert_eq!(shown(SupplyState::Off, false), off);
        let armed = Some((Say::SupplyArmed, CardAction::SwitchOn));
        assert_eq!(shown(SupplyState::Armed, false), armed);
        let moving = Some((Say::SupplyArmed, CardAction::Nothing));
        assert_eq!(shown(SupplyState::Armed, true), moving);
    }
}
