//! The USAGE screen: bars of a day, week, month or year.

use super::axis::Axis;
use super::{View, phrase, rows};
use crate::format::{self, MISSING};
use crate::generated::{AxisLine, Phrase, Say, Usage, UseBar};
use jiff::civil::Date;
use rust_decimal::Decimal;
use wattle_api as api;
use wattle_api::{Medium, UsageBar, UsageSpan};

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
    let spread = chart.as_ref().map_or_else(Phrase::default, Chart::spread);
    screen.set_spread(spread);
    let ends = chart.as_ref().and_then(Chart::ends);
    let place = |place: usize| i32::try_from(place).unwrap_or(-1);
    screen.set_lowest_bar(ends.map_or(-1, |(lowest, _)| place(lowest)));
    screen.set_highest_bar(ends.map_or(-1, |(_, highest)| place(highest)));
    let before = chart.as_ref().and_then(Chart::year_before);
    screen.set_year_before(before.unwrap_or_default());
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
        let drawn = usage
            .bars
            .iter()
            .filter_map(|bar| if in_money { bar.cost } else { amount(bar) });
        // What it cost a year before is not known: it is compared in energy alone.
        let then = usage.year_before.iter().filter(|_| !in_money);
        let then = then.flat_map(|then| then.amounts.iter().copied().flatten());
        let axis = Axis::of(drawn.chain(then));
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

    /// What a bar is drawn as.
    fn drawn(&self, bar: &UsageBar) -> Option<Decimal> {
        if self.in_money { bar.cost } else { amount(bar) }
    }

    /// Places of the lowest and the highest bar of those that are whole, where they differ.
    fn ends(&self) -> Option<(usize, usize)> {
        let whole = || {
            let bars = self.usage.bars.iter().enumerate();
            let whole = bars.filter(|(_, bar)| bar.complete);
            whole.filter_map(|(place, bar)| Some((self.drawn(bar)?, place)))
        };
        let (low, lowest) = whole().min_by_key(|(value, _)| *value)?;
        // Of equal ones the first.
        let (high, highest) = whole().rev().max_by_key(|(value, _)| *value)?;
        (low < high).then_some((lowest, highest))
    }

    /// Between what the whole bars are and their mean; until when was metered where there are none.
    fn spread(&self) -> Phrase {
        let usage = self.usage;
        let value = |place: usize| {
            let bar = usage.bars.get(place)?;
            let [shown, _] = self.two(amount(bar), bar.cost);
            shown
        };
        let ends = self.ends();
        let ends = ends.and_then(|(low, high)| value(low).zip(value(high)));
        let ends = ends.map(|(low, high)| (without_unit(low, &high), high));
        let mean = usage.average_kwh.or(usage.average_m3);
        let mean = mean.filter(|_| !self.in_money);
        match (ends, mean) {
            (Some((low, high)), Some(mean)) => Phrase {
                b: high.into(),
                c: self.quantity(mean).into(),
                ..phrase(Say::FromToMean, low)
            },
            (Some((low, high)), None) => Phrase {
                b: high.into(),
                ..phrase(Say::FromTo, low)
            },
            _ => usage.until.map_or_else(Phrase::default, |until| {
                let until = format::moment(until, &self.view.local(), self.view.language);
                phrase(Say::MeteredUntil, until)
            }),
        }
    }

    fn year_before(&self) -> Option<Phrase> {
        let then = self.usage.year_before.as_ref();
        let then = then.filter(|_| !self.in_money)?;
        Some(phrase(Say::YearBefore, self.quantity(then.total)))
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
        let then = self.usage.year_before.as_ref();
        let then = then.filter(|_| !self.in_money);
        let then = |place: usize| *then?.amounts.get(place)?;
        let bars = self.usage.bars.iter().enumerate();
        bars.map(|(place, bar)| self.bar(bar, then(place)))
            .collect()
    }

    fn bar(&self, bar: &UsageBar, then: Option<Decimal>) -> UseBar {
        let zero = self.axis.scale.zero();
        let height = |value: Decimal| (zero - self.axis.scale.place(value)).max(0.0);
        let start = bar.start.to_zoned(self.view.zone());
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
            height: self.drawn(bar).map_or(0.0, height),
            before: then.map_or(-1.0, height),
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
            then: then.map_or_else(Phrase::default, |then| {
                phrase(Say::YearBefore, self.quantity(then))
            }),
        }
    }
}

/// A value without its unit, where another one after it says the same unit.
fn without_unit(value: String, other: &str) -> String {
    let unit = |text: &str| text.rsplit_once('\u{a0}').map(|(_, unit)| unit.to_owned());
    match value.rsplit_once('\u{a0}') {
        Some((number, own)) if unit(other).as_deref() == Some(own) => number.to_owned(),
        _ => value,
    }
}

fn amount(bar: &UsageBar) -> Option<Decimal> {
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
        // A year before is told in energy alone.
        let energy = Chart::of(&view, &usage, false);
        assert_eq!(energy.year_before().unwrap().a, "10,4\u{a0}kWh");
        assert!(energy.bars()[7].before > 0.0 && energy.bars()[23].before > 0.0);
        assert!(money.year_before().is_none() && money.bars()[7].before < 0.0);
        assert_eq!(energy.ends(), Some((2, 12)));
        let spread = energy.spread();
        assert_eq!(spread.say, Say::FromToMean);
        assert_eq!(
            (spread.a.as_str(), spread.b.as_str()),
            ("0,20", "0,76\u{a0}kWh")
        );
        assert_eq!(money.spread().say, Say::FromTo);
    }
}
