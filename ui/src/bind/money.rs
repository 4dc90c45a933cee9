//! The MONEY screen: the month so far by lines, and what it may come to.

use super::{View, phrase, rows};
use crate::format;
use crate::generated::{LineKind, Money, MoneyLine, Phrase, Say};
use rust_decimal::Decimal;
use wattle_api::{Bill, BillLine};

/// How many lines there is room for beside the sum.
const ROOM: usize = 7;

pub(super) fn bind(money: &Money, view: &View) {
    let told = view.answers.bill.as_ref();
    let bill = told.map(|told| &told.bill);
    let text = |amount: Decimal, bill: &Bill| format::money(amount, &bill.currency, view.language);
    let total = bill.and_then(|bill| Some(text(bill.total?, bill)));
    money.set_total(total.unwrap_or_default().into());
    money.set_none(phrase(Say::NoBill, String::new()));
    let (mut since, mut forecast, mut range, mut before) = Default::default();
    if let Some(told) = told {
        let start = format::date(told.from, view.language);
        since = Phrase {
            b: format::moment(told.until, &view.local(), view.language).into(),
            ..phrase(Say::SoFar, start)
        };
        if let Some(expected) = &told.forecast {
            forecast = phrase(Say::Forecast, text(expected.total, &told.bill));
            range = Phrase {
                b: text(expected.high, &told.bill).into(),
                ..phrase(Say::Between, text(expected.low, &told.bill))
            };
        }
        if let Some((bill, total)) = told
            .before
            .as_ref()
            .and_then(|bill| Some((bill, bill.total?)))
        {
            before = phrase(Say::Before, text(total, bill));
        }
    }
    bind_budget(money, view);
    money.set_since(since);
    money.set_forecast(forecast);
    money.set_range(range);
    money.set_before(before);
    let lines = bill.map_or_else(Vec::new, |bill| lines(view, bill));
    if let Some(model) = rows(&money.get_lines(), lines) {
        money.set_lines(model);
    }
}

fn bind_budget(money: &Money, view: &View) {
    let told = view.answers.bill.as_ref();
    let told = told.and_then(|told| Some((told.budget.as_ref()?, &told.bill.currency)));
    let (mut all, mut left) = Default::default();
    if let Some((budget, currency)) = told {
        let text = |amount: Decimal| format::money(amount, currency, view.language);
        all = phrase(Say::Budget, text(budget.amount));
        let is_over = budget.left < Decimal::ZERO;
        let say = if is_over {
            Say::BudgetOver
        } else {
            Say::BudgetLeft
        };
        left = phrase(say, text(budget.left.abs()));
    }
    money.set_budget(all);
    money.set_budget_left(left);
    let share = |permille: u16| f32::from(permille) / 1000.0;
    let budget = told.map(|(budget, _)| budget);
    money.set_budget_spent(budget.map_or(0.0, |budget| share(budget.spent_permille)));
    let forecast = budget.and_then(|budget| budget.forecast_permille);
    money.set_budget_forecast(forecast.map_or(-1.0, share));
}

/// The bill's lines in its own order; those there is no room for are counted, not left out unsaid.
fn lines(view: &View, bill: &Bill) -> Vec<MoneyLine> {
    let line = |line: &BillLine| MoneyLine {
        kind: kind(&line.kind),
        label: line
            .band
            .clone()
            .filter(|_| line.kind == "energy")
            .unwrap_or_else(|| line.label.clone())
            .into(),
        quantity: quantity(view, line),
        amount: format::money(line.amount, &bill.currency, view.language).into(),
    };
    let mut lines: Vec<MoneyLine> = bill.lines.iter().map(line).collect();
    if lines.len() > ROOM {
        let more = lines.len() - (ROOM - 1);
        lines.truncate(ROOM - 1);
        lines.push(MoneyLine {
            kind: LineKind::Rest,
            label: more.to_string().into(),
            ..MoneyLine::default()
        });
    }
    lines
}

/// How much of it, where that is an amount of energy.
fn quantity(view: &View, line: &BillLine) -> slint::SharedString {
    match line.unit.as_str() {
        "kWh" => format::energy(line.quantity, view.language).into(),
        _ => slint::SharedString::default(),
    }
}

fn kind(name: &str) -> LineKind {
    match name {
        "energy" => LineKind::Energy,
        "adder" => LineKind::Adder,
        "standing" => LineKind::Standing,
        "power" => LineKind::Power,
        "demand" => LineKind::Demand,
        "minimum" => LineKind::Minimum,
        "export" => LineKind::Export,
        "credit" => LineKind::Credit,
        _ => LineKind::Tax,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;

    #[test]
    fn lines_without_room_are_counted() {
        let state = include_str!("../../tests/fixtures/normal.json");
        let told = include_str!("../../tests/fixtures/bill-normal.json");
        let view = View::of(serde_json::from_str(state).unwrap(), Language::English);
        let told: wattle_api::BillToDate = serde_json::from_str(told).unwrap();
        let mut bill = told.bill;
        let shown = lines(&view, &bill);
        assert_eq!(shown.len(), bill.lines.len());
        assert_eq!(shown[0].label, "Night");
        let sum: Decimal = bill.lines.iter().map(|line| line.amount).sum();
        assert_eq!(Some(sum), bill.total, "the recorded parts add up");
        let one = bill.lines[0].clone();
        bill.lines = vec![one; 12];
        let shown = lines(&view, &bill);
        assert_eq!((shown.len(), shown[6].label.as_str()), (7, "6"));
    }
}
