//! Bar charts as SVG: positions across in per cent, so that they fit any width without scaling
//! their texts.

use maud::{Markup, html};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// A bar.
pub(super) struct Bar {
    /// Its value; `None` is drawn as nothing known.
    pub(super) value: Option<Decimal>,
    /// Classes of its colour.
    pub(super) class: String,
    /// What it says.
    pub(super) title: String,
    /// Whether it is marked as the present one.
    pub(super) now: bool,
}

/// A chart of bars.
pub(super) struct Chart<'a> {
    /// What it shows, for those who cannot see it.
    pub(super) label: String,
    /// Its bars.
    pub(super) bars: Vec<Bar>,
    /// Labels below: one for each bar, or a few from one end to the other.
    pub(super) below: Vec<String>,
    /// How a value is written at the side.
    pub(super) side: &'a dyn Fn(Decimal) -> String,
    /// True for one that is not so high.
    pub(super) short: bool,
}

impl Chart<'_> {
    /// The chart.
    pub(super) fn markup(&self) -> Markup {
        let values = || self.bars.iter().filter_map(|bar| bar.value);
        let top = nice(values().max().unwrap_or_default());
        let lowest = values().min().unwrap_or_default();
        let bottom = if lowest < Decimal::ZERO {
            -nice(-lowest)
        } else {
            Decimal::ZERO
        };
        let range = top - bottom;
        let height = if self.short { 110.0 } else { 188.0 };
        let y = |value: Decimal| share(top - value, range) * height;
        let count = self.bars.len().max(1);
        let slot = 100.0 / count.to_f64().unwrap_or(1.0);
        let gap = if count > 14 { 0.16 } else { 0.24 };
        let middle = (top + bottom) / Decimal::TWO;
        let each = self.below.len() == self.bars.len();
        html! {
            div class=(if self.short { "chart short" } else { "chart" }) role="img" aria-label=(self.label) {
                div class="y" aria-hidden="true" {
                    @for value in [top, middle, bottom] { span { ((self.side)(value)) } }
                }
                div class="plot" {
                    svg aria-hidden="true" {
                        @for value in [top, middle, bottom] {
                            line class="gridline" x1="0%" x2="100%" y1=(place(y(value))) y2=(place(y(value))) {}
                        }
                        @for (index, bar) in self.bars.iter().enumerate() {
                            @let left = slot * (index.to_f64().unwrap_or(0.0) + gap / 2.0);
                            @let width = slot * (1.0 - gap);
                            @if let Some(value) = bar.value {
                                @let (from, to) = (y(value.max(Decimal::ZERO)), y(value.min(Decimal::ZERO)));
                                @let tall = (to - from).max(2.0);
                                rect class=(format!("bar {}", bar.class)) x=(percent(left)) width=(percent(width)) y=(place(to.min(from + tall) - tall)) height=(place(tall)) rx="2" {
                                    title { (bar.title) }
                                }
                                @if bar.now {
                                    rect class="now-mark" x=(percent(left)) width=(percent(width)) y=(place(to.min(from + tall) - tall)) height=(place(tall)) rx="2" {}
                                }
                            } @else {
                                rect class="bar none" x=(percent(left)) width=(percent(width)) y=(place(y(Decimal::ZERO) - 3.0)) height="3" {
                                    title { (bar.title) }
                                }
                            }
                        }
                    }
                }
                div class=(if each { "x each" } else { "x" }) aria-hidden="true" {
                    @for label in &self.below { span { (label) } }
                }
            }
        }
    }
}

fn percent(value: f64) -> String {
    format!("{value:.3}%")
}

fn place(value: f64) -> String {
    format!("{value:.1}")
}

/// What share of a whole something is, 0 to 1. For drawing only.
fn share(part: Decimal, whole: Decimal) -> f64 {
    part.checked_div(whole)
        .and_then(|share| share.to_f64())
        .unwrap_or(0.0)
}

/// The next round number that holds a value, so that the axis has short labels.
fn nice(value: Decimal) -> Decimal {
    if value <= Decimal::ZERO {
        return Decimal::ONE;
    }
    let mut step = Decimal::new(1, 3);
    while step < Decimal::from(1_000_000_000) {
        for factor in [1, 2, 4, 5, 6, 8] {
            let candidate = step * Decimal::from(factor);
            if candidate >= value {
                return candidate.normalize();
            }
        }
        step *= Decimal::TEN;
    }
    value
}

/// A line that is filled by so much of a whole.
pub(super) fn filled(part: Decimal, whole: Decimal, class: &str) -> Markup {
    let width = (share(part, whole) * 100.0).clamp(0.0, 100.0);
    html! {
        svg class="share" aria-hidden="true" { rect class=(class) x="0" y="0" width=(percent(width)) height="8" rx="4" {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, want) in [
            ("0", "1"),
            ("0.0003", "0.001"),
            ("0.27", "0.4"),
            ("0.41", "0.5"),
            ("1", "1"),
            ("1.1", "2"),
            ("37", "40"),
            ("63", "80"),
            ("81", "100"),
        ] {
            let value: Decimal = value.parse().unwrap();
            assert_eq!(nice(value).to_string(), want, "{value}");
        }
    }

    #[test]
    fn a_chart_without_values_is_drawn_all_the_same() {
        let chart = Chart {
            label: "nothing".to_owned(),
            bars: vec![Bar {
                value: None,
                class: String::new(),
                title: "not known".to_owned(),
                now: false,
            }],
            below: Vec::new(),
            side: &|value| value.to_string(),
            short: false,
        };
        assert!(chart.markup().into_string().contains("bar none"));
    }
}
