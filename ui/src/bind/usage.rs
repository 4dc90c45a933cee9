//! The USAGE screen: bars of a day, week, month or year.

use super::axis::Axis;
use super::{View, phrase, rows};
use crate::format::{self, MISSING};
use crate::generated::{AxisLine, Phrase, Say, Usage, UseBar};
use jiff::civil::Date;
use rust_decimal::Decimal;
use wattle_api as api;
use wattle_api::{Medium, UsageSpan};

/// The spans in the order of the screen.
const SPANS: [UsageSpan; 4] = [
    UsageSpan::Day,
    UsageSpan::Week,
    UsageSpan::Month,
    UsageSpan::Year,
];

/// The media in the order of the screen, as far as the home has meters of them.
fn media(screen: &Usage) -> impl Iterator<Item = Medium> {
    let more = [
        (Medium::Gas, screen.get_has_gas()),
        (Medium::Water, screen.get_has_water()),
    ];
    let more = more.into_iter().filter(|(_, there)| *there);
    std::iter::once(Medium::Electricity).chain(more.map(|(medium, _)| medium))
}

/// What the screen is set to: the stretch, how many before the present one, and of what.
pub(crate) fn wanted(screen: &Usage) -> (UsageSpan, u16, Medium) {
    let span = usize::try_from(screen.get_span()).ok();
    let span = span.and_then(|span| SPANS.get(span)).copied();
    let fuel = usize::try_from(screen.get_fuel()).ok();
    let medium = fuel.and_then(|fuel| media(screen).nth(fuel));
    (
        span.unwrap_or_default(),
        u16::try_from(screen.get_back()).unwrap_or(0),
        medium.unwrap_or_default(),
    )
}

pub(super) fn bind(screen: &Usage, view: &View, in_money: bool) {
    let meters = || view.state.iter().flat_map(|state| &state.meters);
    let has = |medium| meters().any(|meter| meter.medium == medium);
    screen.set_has_gas(has(Medium::Gas));
    screen.set_has_water(has(Medium::Water));
    let price = view.state.as_ref().and_then(|state| state.price.as_ref());
    screen.set_currency(
        price
            .map(|price| format::sign(&price.currency))
            .unwrap_or_default()
            .into(),
    );
    let wanted = wanted(screen);
    let answer = view
        .answers
        .usage
        .as_ref()
        .filter(|usage| (usage.span, usage.back, usage.medium) == wanted);
    let chart = answer.map(|usage| Chart::of(view, usage, in_money));
    let bars = chart.as_ref().map_or_else(Vec::new, Chart::bars);
    let lines = chart.as_ref().map_or_else(Vec::new, Chart::lines);
    screen.set_has_bands(
        bars.iter()
            .any(|bar| bar.paid + bar.cheap + bar.normal + bar.dear > 0.0),
    );
    screen.set_title(answer.map_or_else(Phrase::default, |usage| title(view, usage)));
    let total = chart.as_ref().and_then(Chart::total);
    screen.set_total(total.unwrap_or_else(|| MISSING.to_owned()).into());
    let other = chart.as_ref().and_then(Chart::other);
    screen.set_other(other.unwrap_or_default().into());
    let average = chart.as_ref().and_then(Chart::average);
    screen.set_average(average.unwrap_or_default().into());
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

/// The bars of an answer in one of its quantities.
struct Chart<'a> {
    view: &'a View,
    usage: &'a api::Usage,
    /// In money; otherwise in kilowatt-hours or cubic metres.
    in_money: bool,
    axis: Axis,
}

impl<'a> Chart<'a> {
    fn of(view: &'a View, usage: &'a api::Usage, in_money: bool) -> Self {
        // What has no price is drawn in energy.
        let in_money = in_money && usage.cost.is_some();
        let axis = Axis::of(
            usage
                .bars
                .iter()
                .filter_map(|bar| if in_money { bar.cost } else { amount(bar) }),
        );
        Self {
            view,
            usage,
            in_money,
            axis,
        }
    }

    fn money(&self, amount: Option<Decimal>) -> Option<String> {
        let currency = self.usage.currency.as_deref()?;
        Some(format::money(amount?, currency, self.view.language))
    }

    fn quantity(&self, amount: Decimal) -> String {
        match self.usage.medium {
            Medium::Electricity | Medium::Heat => format::energy(amount, self.view.language),
            Medium::Gas => format::gas(amount, self.view.language),
            Medium::Water => format::water(amount, self.view.language),
        }
    }

    /// What the bars are drawn in, and the other.
    fn two(&self, quantity: Option<Decimal>, cost: Option<Decimal>) -> [Option<String>; 2] {
        let (quantity, cost) = (quantity.map(|it| self.quantity(it)), self.money(cost));
        if self.in_money {
            [cost, quantity]
        } else {
            [quantity, cost]
        }
    }

    fn sums(&self) -> [Option<String>; 2] {
        let usage = self.usage;
        self.two(usage.import_kwh.or(usage.volume_m3), usage.cost)
    }

    fn total(&self) -> Option<String> {
        let [total, _] = self.sums();
        total
    }

    fn other(&self) -> Option<String> {
        let [_, other] = self.sums();
        other
    }

    /// The mean of a whole bar, where bars are drawn in a quantity.
    fn average(&self) -> Option<String> {
        let average = self.usage.average_kwh.or(self.usage.average_m3);
        average
            .filter(|_| !self.in_money)
            .map(|average| self.quantity(average))
    }

    fn lines(&self) -> Vec<AxisLine> {
        let unit = match self.usage.medium {
            Medium::Electricity | Medium::Heat => "kWh",
            Medium::Gas | Medium::Water => "m³",
        };
        self.axis
            .lines(|value| match (value.is_zero(), self.in_money) {
                (true, true) => self.money(Some(value)).unwrap_or_default(),
                (true, false) => format!("0\u{a0}{unit}"),
                _ => format::figures(value, self.view.language),
            })
    }

    fn bars(&self) -> Vec<UseBar> {
        self.usage.bars.iter().map(|bar| self.bar(bar)).collect()
    }

    fn bar(&self, bar: &api::UsageBar) -> UseBar {
        let zero = self.axis.scale.zero();
        let height = |value: Decimal| (zero - self.axis.scale.place(value)).max(0.0);
        let start = bar.start.to_zoned(self.view.zone());
        let drawn = if self.in_money { bar.cost } else { amount(bar) };
        let part = |band: api::Band| {
            let part = bar.bands.iter().find(|part| part.band == band);
            part.map_or(0.0, |part| {
                height(if self.in_money {
                    part.cost
                } else {
                    part.import_kwh
                })
            })
        };
        let [shown, other] = self
            .two(amount(bar), bar.cost)
            .map(Option::unwrap_or_default);
        UseBar {
            known: amount(bar).is_some(),
            complete: bar.complete,
            height: drawn.map_or(0.0, height),
            paid: part(api::Band::PaidToUse),
            cheap: part(api::Band::Cheap),
            normal: part(api::Band::Normal),
            dear: part(api::Band::Dear),
            label: match self.usage.span {
                UsageSpan::Day => format::clock(bar.start, &self.view.zone()),
                UsageSpan::Week | UsageSpan::Month => {
                    format::date(start.date(), self.view.language)
                }
                UsageSpan::Year => format::month(start.date(), self.view.language).to_owned(),
            }
            .into(),
            amount: shown.into(),
            other: other.into(),
        }
    }
}

fn amount(bar: &api::UsageBar) -> Option<Decimal> {
    bar.import_kwh.or(bar.volume_m3)
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
        let bars = Chart::of(&view, &usage, false).bars();
        assert_eq!(bars.len(), 24);
        assert!(bars.iter().all(|bar| (0.0..=1.0).contains(&bar.height)));
        assert_eq!(bars[7].label, "07:00");
        assert_eq!(bars[7].amount, "0,61\u{a0}kWh");
        assert!(!bars[23].known && bars[16].complete && !bars[17].complete);
        assert_eq!(title(&view, &usage).a, "20.11.");
        // The parts of a bar are as high as the bar, in energy and in money.
        for in_money in [false, true] {
            let bars = Chart::of(&view, &usage, in_money).bars();
            for bar in bars.iter().filter(|bar| bar.known) {
                let parts = bar.paid + bar.cheap + bar.normal + bar.dear;
                assert!((parts - bar.height).abs() < 0.001, "{bar:?}");
            }
        }
        let money = Chart::of(&view, &usage, true);
        assert_eq!(money.total().as_deref(), Some("1,70\u{a0}£"));
        assert_eq!(money.bars()[7].other, "0,61\u{a0}kWh");
    }
}
