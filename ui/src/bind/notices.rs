//! What the gateway has noticed: MESSAGES, and the full-screen alarm.

use super::{View, grid_events, notice, phrase, rows};
use crate::format;
use crate::generated::{More, NoticeRow, Page, Phrase, Say, Severity};
use wattle_api as api;

/// How many there is room for, alone and below what the utility asks for.
const ROOM: usize = 4;
const ROOM_BELOW: usize = 3;

pub(super) fn bind(more: &More, view: &View) {
    let told = view.state.iter().flat_map(|state| &state.notices);
    let mut notices: Vec<&api::Notice> = told.collect();
    notices.sort_by_key(|notice| std::cmp::Reverse(notice.severity));
    let rows_of: Vec<NoticeRow> = notices.iter().map(|notice| row(view, notice)).collect();
    more.set_notices_line(
        rows_of
            .first()
            .map_or_else(Phrase::default, |row| row.text.clone()),
    );
    let alarm = notices
        .iter()
        .zip(&rows_of)
        .find(|(notice, _)| notice.severity == api::Severity::Alarm);
    more.set_alarmed(alarm.is_some());
    more.set_alarm(alarm.map(|(_, row)| row.clone()).unwrap_or_default());
    let room = if grid_events::any(view) {
        ROOM_BELOW
    } else {
        ROOM
    };
    let shown: Vec<NoticeRow> = rows_of.into_iter().take(room).collect();
    if let Some(model) = rows(&more.get_notices(), shown) {
        more.set_notices(model);
    }
}

fn row(view: &View, about: &api::Notice) -> NoticeRow {
    let name = about.meter.clone().unwrap_or_default();
    let prepaid = view
        .state
        .as_ref()
        .is_some_and(|state| state.prepay.is_some());
    NoticeRow {
        severity: match about.severity {
            api::Severity::Info => Severity::Info,
            api::Severity::Warning => Severity::Warning,
            api::Severity::Alarm => Severity::Alarm,
        },
        text: notice(about),
        key: format!("{:?} {name} {}", about.code, about.since).into(),
        about: name.into(),
        since: phrase(
            Say::Since,
            format::moment(about.since, &view.local(), view.language),
        ),
        page: match about.code {
            api::NoticeCode::NightFlow => Page::Supplies,
            api::NoticeCode::BaseLoadRisen | api::NoticeCode::ShortCycling => Page::Appliances,
            api::NoticeCode::CreditLow | api::NoticeCode::CreditUsedUp => Page::Money,
            // Of an account that is paid in advance there; what the utility switched stands above.
            api::NoticeCode::SupplyArmed if prepaid => Page::Money,
            api::NoticeCode::SupplyArmed
            | api::NoticeCode::SupplyOff
            | api::NoticeCode::SupplyAnnounced
            | api::NoticeCode::SupplyWrong
            | api::NoticeCode::Other => Page::Events,
            _ => Page::Network,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;

    #[test]
    fn a_notice_leads_where_something_can_be_done() {
        let text = include_str!("../../tests/fixtures/alarm.json");
        let view = View::of(serde_json::from_str(text).unwrap(), Language::English);
        let told = &view.state.as_ref().unwrap().notices;
        let rows: Vec<NoticeRow> = told.iter().map(|notice| row(&view, notice)).collect();
        let of = |code| rows.iter().find(|row| row.text.say == code).unwrap().page;
        assert_eq!(of(Say::NightFlow), Page::Supplies);
        assert_eq!(of(Say::CreditUsedUp), Page::Money);
        assert_eq!(of(Say::MeterSilent), Page::Network);
        assert!(rows.iter().all(|row| !row.key.is_empty()));
    }
}
