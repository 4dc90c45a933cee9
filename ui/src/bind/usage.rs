//! The USAGE screen: bars of a day, week, month or year.

use super::axis::Axis;
use super::{View, phrase, rows};
use crate::format::{self, MISSING};
use crate::generated::{Phrase, Say, Usage, UseBar};
use jiff::civil::Date;
use rust_decimal::prelude::ToPrimitive;
use wattle_api as api;
use wattle_api::UsageSpan;

/// The spans in the order of the screen.
const SPANS: [UsageSpan; 4] = [
    UsageSpan::Day,
    UsageSpan::Week,
    UsageSpan::Month,
    UsageSpan::Year,
];

/// What the screen is set to: the stretch, and how many before the present one.
pub(crate) fn wanted(screen: &Usage) -> (UsageSpan, u16) {
    let span = usize::try_from(screen.get_span()).ok();
    let span = span.and_then(|span| SPANS.get(span)).copied();
    (
        span.unwrap_or_default(),
        u16::try_from(screen.get_back()).unwrap_or(0),
    )
}

pub(super) fn bind(screen: &Usage, view: &View) {
    let wanted = wanted(screen);
    let answer = view
        .answers
        .usage
        .as_ref()
        .filter(|usage| (usage.span, usage.back) == wanted);
    let bars = answer.map_or_else(Vec::new, |usage| bars(view, usage));
    let lines = answer.map_or_else(Vec::new, |usage| {
        axis(usage).lines(|value| match value.is_zero() {
            true => "0\u{a0}kWh".to_owned(),
            false => format::figures(value, view.language),
        })
    });
    screen.set_title(answer.map_or_else(Phrase::default, |usage| title(view, usage)));
    let energy = |kwh| format::energy(kwh, view.language);
    let total = answer.and_then(|usage| usage.import_kwh).map(energy);
    screen.set_total(total.unwrap_or_else(|| MISSING.to_owned()).into());
    let average = answer.and_then(|usage| usage.average_kwh).map(energy);
    screen.set_average(average.unwrap_or_default().into());
    screen.set_cost(
        answer
            .and_then(|usage| money(view, usage, usage.cost))
            .unwrap_or_default()
            .into(),
    );
    screen.set_until(
        answer
            .and_then(|usage| usage.until)
            .map_or_else(Phrase::default, |until| {
                let until = format::moment(until, &view.local(), view.language);
                phrase(Say::MeteredUntil, until)
            }),
    );
    screen.set_label_every(match wanted.0 {
        UsageSpan::Day => 6,
        UsageSpan::Week => 2,
        UsageSpan::Month => 7,
        UsageSpan::Year => 3,
    });
    if let Some(model) = rows(&screen.get_axis(), lines) {
        screen.set_axis(model);
    }
    if let Some(model) = rows(&screen.get_bars(), bars) {
        screen.set_bars(model);
    }
}

fn axis(usage: &api::Usage) -> Axis {
    Axis::of(usage.bars.iter().filter_map(|bar| bar.import_kwh))
}

fn money(view: &View, usage: &api::Usage, amount: Option<rust_decimal::Decimal>) -> Option<String> {
    Some(format::money(
        amount?,
        usage.currency.as_deref()?,
        view.language,
    ))
}

fn bars(view: &View, usage: &api::Usage) -> Vec<UseBar> {
    let axis = axis(usage);
    let zero = axis.scale.zero();
    let bar = |bar: &api::UsageBar| {
        let start = bar.start.to_zoned(view.zone());
        UseBar {
            known: bar.import_kwh.is_some(),
            complete: bar.complete,
            height: bar.import_kwh.map_or(0.0, |kwh| {
                (zero - axis.scale.place(kwh)).to_f32().unwrap_or(0.0)
            }),
            label: match usage.span {
                UsageSpan::Day => format::clock(bar.start, &view.zone()),
                UsageSpan::Week | UsageSpan::Month => format::date(start.date(), view.language),
                UsageSpan::Year => format::month(start.date(), view.language).to_owned(),
            }
            .into(),
            energy: bar
                .import_kwh
                .map(|kwh| format::energy(kwh, view.language))
                .unwrap_or_default()
                .into(),
            cost: money(view, usage, bar.cost).unwrap_or_default().into(),
        }
    };
    usage.bars.iter().map(bar).collect()
}

fn title(view: &View, usage: &api::Usage) -> Phrase {
    let text = |date: Date| format::date(date, view.language);
    match usage.span {
        UsageSpan::Day => phrase(Say::Plain, text(usage.from)),
        UsageSpan::Week | UsageSpan::Month => Phrase {
            b: text(usage.to).into(),
            ..phrase(Say::SinceDate, text(usage.from))
        },
        UsageSpan::Year => phrase(Say::Plain, usage.from.year().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;

    #[test]
    fn the_highest_bar_stays_below_the_axis_top() {
        let state = include_str!("../../tests/fixtures/normal.json");
        let usage = include_str!("../../tests/fixtures/usage-normal.json");
        let view = View::of(serde_json::from_str(state).unwrap(), Language::German);
        let usage: api::Usage = serde_json::from_str(usage).unwrap();
        let bars = bars(&view, &usage);
        assert_eq!(bars.len(), 24);
        assert!(bars.iter().all(|bar| (0.0..=1.0).contains(&bar.height)));
        assert_eq!(bars[7].label, "07:00");
        assert_eq!(bars[7].energy, "0,61\u{a0}kWh");
        assert!(!bars[23].known && bars[16].complete && !bars[17].complete);
        assert_eq!(title(&view, &usage).a, "20.11.");
    }
}
