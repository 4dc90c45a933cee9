//! What the household and scripts are told of the supply.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wattle_api::{Notice, NoticeCode, Severity, SupplyState, SupplySwitch};
use wattle_relay::disconnect::State;

use super::kept::Kept;

/// Where the supply stands.
pub(super) fn told(kept: &Kept) -> SupplySwitch {
    let (state, at) = match &kept.supply.state {
        State::On => (SupplyState::On, None),
        State::Announced { at_s, .. } => {
            (SupplyState::Announced, Timestamp::from_second(*at_s).ok())
        }
        State::Off => (SupplyState::Off, None),
        State::Armed => (SupplyState::Armed, None),
    };
    SupplySwitch {
        state,
        at,
        text: if state == SupplyState::On {
            String::new()
        } else {
            kept.text.clone()
        },
        moving: kept.moving.is_some(),
        wrong: kept.wrong.clone(),
    }
}

/// What the household must know.
pub(super) fn notices(kept: &Kept, zone: &TimeZone, now: Timestamp) -> Vec<Notice> {
    let text = &kept.text;
    let state = match &kept.supply.state {
        State::On => None,
        State::Announced { at_s, .. } => {
            let at = Timestamp::from_second(*at_s).unwrap_or(now).to_zoned(zone.clone());
            let said = format!("The supply will be switched off at {}. {text}", at.strftime("%H:%M:%S"));
            Some((Severity::Alarm, NoticeCode::SupplyAnnounced, said))
        }
        State::Off => {
            let said = format!("The utility has switched the supply off. {text}");
            Some((Severity::Alarm, NoticeCode::SupplyOff, said))
        }
        State::Armed => Some((
            Severity::Warning,
            NoticeCode::SupplyArmed,
            "the supply can be switched on again: make sure that nothing dangerous is on, then do it \
             with `wattle supply on` or at the meter"
                .to_owned(),
        )),
    };
    let wrong = kept.wrong.as_ref().map(|wrong| {
        let said = format!("Switching the supply went wrong: {wrong}. Call the utility.");
        (Severity::Alarm, NoticeCode::SupplyWrong, said)
    });
    let notice = |(severity, code, text)| Notice {
        severity,
        code,
        meter: None,
        text,
        since: now,
    };
    state.into_iter().chain(wrong).map(notice).collect()
}
