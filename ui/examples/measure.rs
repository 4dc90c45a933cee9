//! Measures what the display costs on this machine, drawing into memory:
//!
//! ```text
//! cargo run --release -p ui --example measure
//! ```
//!
//! The goals are those of an idle desktop core; a Raspberry Pi 4 is three to five times slower.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::answers;
use jiff::SignedDuration;
use slint::ComponentHandle;
use std::error::Error;
use std::time::{Duration, Instant};
use ui::bind::{self, View};
use ui::format::Language;
use ui::headless::{Drawn, Screen};
use ui::{App, Appliances, Nav, Page, Settings};

const ROUNDS: usize = 200;
/// How often every screen is visited.
const VISITS: usize = 100;
/// How long a display with new data every second is watched, s.
const WATCHED_S: u64 = 30;

const PAGES: [Page; 13] = [
    Page::Now,
    Page::Usage,
    Page::Prices,
    Page::Appliances,
    Page::Appliance,
    Page::More,
    Page::Money,
    Page::Supplies,
    Page::Network,
    Page::Events,
    Page::Privacy,
    Page::AddMeter,
    Page::Settings,
];

fn main() -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let recorded = include_str!("../tests/fixtures/normal.json");
    let language = Language::English;
    let mut view = View::of(serde_json::from_str(recorded)?, language);
    let screen = Screen::new()?;
    let app = ui::open(Settings {
        language,
        ..Settings::default()
    })?;
    bind::bind(&app, &view);
    screen.show(&app, 800, 480, 1.0)?;
    screen.draw().ok_or("no first frame")?;
    // The time from the program's start to main is not in Instant's reach: it is the loader's.
    row(
        "start to first frame, 800x480",
        &[begun.elapsed()],
        None,
        "<= 150 ms",
    );
    line("resident after the first frame", &resident(), "<= 35 MB");

    for (width, height) in [(800, 480), (1024, 600)] {
        screen.show(&app, width, height, 1.0)?;
        screen.draw();
        let mut times = Vec::new();
        let mut last = None;
        for _ in 0..ROUNDS {
            let started = Instant::now();
            last = screen.draw_whole();
            times.push(started.elapsed());
        }
        row(
            &format!("full repaint, {width}x{height}"),
            &times,
            last,
            "<= 5 ms",
        );
    }

    screen.show(&app, 800, 480, 1.0)?;
    screen.draw();
    let number = update(&screen, &app, &mut view, |view, round| {
        if let Some(power) = view.state.as_mut().and_then(|state| state.power.as_mut()) {
            power.watts = (1_000 + 10 * (round as i64 % 90)).into();
        }
    });
    row("the number changes", &number.0, number.1, "<= 2 ms, < 30 %");
    let all = update(&screen, &app, &mut view, |view, round| {
        let step = round as i64 % 90;
        if let Some(power) = view.state.as_mut().and_then(|state| state.power.as_mut()) {
            power.watts = (1_000 + 10 * step).into();
            power.permille = u16::try_from(300 + 3 * step).unwrap_or(0);
            if let Some(cost) = power.cost_per_hour.as_mut() {
                cost.amount = rust_decimal::Decimal::new(30 + step, 2);
            }
        }
    });
    row(
        "number, ring and cost change",
        &all.0,
        all.1,
        "<= 2 ms, < 30 %",
    );
    let tile = update(&screen, &app, &mut view, |view, round| {
        if let Some(water) = view.state.as_mut().and_then(|state| state.water.as_mut()) {
            water.volume_m3 = rust_decimal::Decimal::new(100 + round as i64 % 90, 3);
        }
    });
    row("a tile changes", &tile.0, tile.1, "<= 2 ms, < 30 %");

    let mut frames = 0;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        view.now += SignedDuration::from_millis(10);
        let started = Instant::now();
        bind::bind(&app, &view);
        frames += usize::from(screen.draw().is_some());
        times.push(started.elapsed());
    }
    row("nothing changes", &times, None, "");
    let counted = format!("frames of {ROUNDS} when nothing changes");
    line(&counted, &frames.to_string(), "0");
    visits(&screen, &app, &mut view);
    charts(&screen, &app, &mut view);
    idle(&screen, &app, &mut view);
    Ok(())
}

/// Visits every screen again and again: how long a change of the page takes, and whether memory
/// grows.
fn visits(screen: &Screen, app: &App, view: &mut View) {
    view.answers = answers("normal");
    app.global::<Appliances>().set_chosen("kettle".into());
    let mut times = Vec::new();
    for round in 0..=VISITS {
        for page in PAGES {
            let started = Instant::now();
            app.global::<Nav>().set_page(page);
            bind::bind(app, view);
            screen.draw();
            times.push(started.elapsed());
        }
        if round == 0 {
            line("resident after every screen once", &resident(), "<= 35 MB");
            times.clear();
        }
    }
    row("page change, all screens", &times, None, "<= 12 ms");
    let visited = format!("resident after every screen {VISITS} times more");
    line(&visited, &resident(), "no growth");
}

/// Rebuilds the charts of USAGE and PRICES with other values each time.
fn charts(screen: &Screen, app: &App, view: &mut View) {
    app.global::<Nav>().set_page(Page::Usage);
    bind::bind(app, view);
    screen.draw();
    let usage = update(screen, app, view, |view, round| {
        for bar in view
            .answers
            .usage
            .iter_mut()
            .flat_map(|usage| &mut usage.bars)
        {
            let kwh = rust_decimal::Decimal::new(100 + (round as i64 * 37) % 900, 3);
            bar.import_kwh = Some(kwh);
            bar.cost = Some(kwh);
            for band in &mut bar.bands {
                (band.import_kwh, band.cost) = (kwh, kwh);
            }
        }
    });
    row("chart rebuild, a day's usage", &usage.0, usage.1, "<= 4 ms");
    app.global::<Nav>().set_page(Page::Prices);
    bind::bind(app, view);
    screen.draw();
    let prices = update(screen, app, view, |view, round| {
        let price = view.state.as_mut().and_then(|state| state.price.as_mut());
        let slots = price.into_iter().flat_map(|price| &mut price.days);
        for (hour, slot) in slots.flat_map(|day| &mut day.slots).enumerate() {
            slot.per_kwh = rust_decimal::Decimal::new(50 + ((round + hour) as i64 * 31) % 250, 3);
        }
    });
    row(
        "chart rebuild, two days' prices",
        &prices.0,
        prices.1,
        "<= 4 ms",
    );
}

/// A new value every second, for half a minute: the share of a core that takes.
fn idle(screen: &Screen, app: &App, view: &mut View) {
    app.global::<Nav>().set_page(Page::Now);
    bind::bind(app, view);
    screen.draw();
    let before = processor_s();
    let begun = Instant::now();
    for second in 1..=WATCHED_S {
        if let Some(power) = view.state.as_mut().and_then(|state| state.power.as_mut()) {
            power.watts = (1_000 + 10 * (second as i64 % 90)).into();
        }
        view.now += SignedDuration::from_secs(1);
        bind::bind(app, view);
        screen.draw();
        let next = Duration::from_secs(second);
        std::thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    let share = (processor_s() - before) / begun.elapsed().as_secs_f64() * 100.0;
    line(
        "processor at a new value a second",
        &format!("{share:.2} %"),
        "< 0.5 %",
    );
    line("resident at the end", &resident(), "<= 35 MB");
}

/// Time on a processor so far, s: nanoseconds are what the scheduler counts.
fn processor_s() -> f64 {
    let said = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = said
        .split(' ')
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}

fn line(name: &str, measured: &str, goal: &str) {
    println!("{name:<44} {measured:>30} {goal:>16}");
}

fn update(
    screen: &Screen,
    app: &App,
    view: &mut View,
    change: impl Fn(&mut View, usize),
) -> (Vec<Duration>, Option<Drawn>) {
    let mut times = Vec::new();
    let mut last = None;
    for round in 0..ROUNDS {
        change(view, round);
        let started = Instant::now();
        bind::bind(app, view);
        last = screen.draw().or(last);
        times.push(started.elapsed());
    }
    (times, last)
}

/// Prints the median and the 95th percentile of some times.
fn row(name: &str, times: &[Duration], drawn: Option<Drawn>, goal: &str) {
    let mut sorted = times.to_vec();
    sorted.sort();
    let at =
        |share: usize| sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)));
    let milliseconds = |share| at(share).map_or(0.0, Duration::as_secs_f64) * 1_000.0;
    let dirty = drawn.map_or(String::new(), |drawn| {
        format!(" {:5.1} %", drawn.dirty as f64 * 100.0 / drawn.all as f64)
    });
    let measured = if times.len() == 1 {
        format!("{:.2} ms", milliseconds(50))
    } else {
        format!(
            "{:.2} (p95 {:.2}) ms{dirty}",
            milliseconds(50),
            milliseconds(95)
        )
    };
    println!("{name:<44} {measured:>30} {goal:>16}");
}

/// Memory of this process, as the kernel counts it.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
}
