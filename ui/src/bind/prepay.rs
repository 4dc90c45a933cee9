//! An account that is paid in advance, on the MONEY screen.

use super::{View, phrase};
use crate::format;
use crate::generated::{Money, Phrase, Say, SupplyState};
use wattle_api::{EmergencyCredit, PrepaySupply};

pub(super) fn bind(money: &Money, view: &View) {
    let account = view.state.as_ref().and_then(|state| state.prepay.as_ref());
    money.set_prepay(account.is_some());
    let Some(account) = account else {
        return;
    };
    let text = |of: &wattle_api::Money| format::money(of.amount, &of.currency, view.language);
    money.set_balance(text(&account.balance).into());
    money.set_low(account.low);
    money.set_emergency_offered(matches!(account.emergency, EmergencyCredit::Offered { .. }));
    money.set_emergency(match &account.emergency {
        EmergencyCredit::Offered { limit } => phrase(Say::EmergencyOffered, text(limit)),
        EmergencyCredit::Active { left } => phrase(Say::EmergencyLeft, text(left)),
        _ => phrase(Say::EmergencyNone, String::new()),
    });
    money.set_debt(if account.debt.amount.is_zero() {
        phrase(Say::NoDebt, String::new())
    } else {
        phrase(Say::Debt, text(&account.debt))
    });
    money.set_supply(match account.supply {
        PrepaySupply::Disabled => SupplyState::Off,
        PrepaySupply::Armed => SupplyState::Armed,
        _ => SupplyState::On,
    });
    money.set_friendly(if account.friendly {
        phrase(Say::Friendly, String::new())
    } else {
        Phrase::default()
    });
    let until = format::moment(account.until, &view.local(), view.language);
    let say = if account.waits_for_prices {
        Say::WaitsForPrice
    } else {
        Say::UsedUntil
    };
    money.set_counted(phrase(say, until));
    money.set_codes(match account.codes.last() {
        None => phrase(Say::NoDebt, String::new()),
        Some(last) => Phrase {
            b: last.ends_with.clone().into(),
            ..phrase(Say::CodesWait, account.codes.len().to_string())
        },
    });
}
