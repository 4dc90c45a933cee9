//! What a new state costs: nothing when no text differs, and a part of the screen otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{FIXTURES, fixture};
use jiff::SignedDuration;
use ui::Settings;
use ui::bind::{self, Link, View};
use ui::format::Language;
use ui::headless::{Drawn, Screen};

fn share(drawn: Option<Drawn>) -> f64 {
    drawn.map_or(0.0, |drawn| drawn.dirty as f64 / drawn.all as f64)
}

#[test]
fn only_what_changed_is_drawn() {
    let screen = Screen::new().unwrap();
    let language = Language::English;
    let app = ui::open(Settings {
        language,
        ..Settings::default()
    })
    .unwrap();
    let mut view = View::of(fixture("normal"), language);
    bind::bind(&app, &view);
    screen.show(&app, 800, 480, 1.0).unwrap();
    assert_eq!(share(screen.draw()), 1.0);

    // The same state, and the same figures a little later.
    for _ in 0..3 {
        view.now += SignedDuration::from_secs(2);
        view.state.as_mut().unwrap().at = view.now;
        view.state
            .as_mut()
            .unwrap()
            .power
            .as_mut()
            .unwrap()
            .received_at = view.now;
        bind::bind(&app, &view);
        assert_eq!(screen.draw(), None, "no text differs, so no frame is drawn");
    }

    // A third figure that is not shown.
    view.state.as_mut().unwrap().power.as_mut().unwrap().watts = "1424".parse().unwrap();
    bind::bind(&app, &view);
    assert_eq!(screen.draw(), None, "1423 W and 1424 W are both 1.42 kW");

    // Number, ring and cost together: what comes with most telegrams.
    let power = view.state.as_mut().unwrap().power.as_mut().unwrap();
    power.watts = "1612".parse().unwrap();
    power.permille = 470;
    power.cost_per_hour.as_mut().unwrap().amount = "0.53".parse().unwrap();
    bind::bind(&app, &view);
    let dirty = share(screen.draw());
    assert!(
        dirty > 0.0 && dirty < 0.30,
        "a new power draws {dirty} of the screen"
    );

    // One tile.
    view.state
        .as_mut()
        .unwrap()
        .water
        .as_mut()
        .unwrap()
        .volume_m3 = "0.191".parse().unwrap();
    bind::bind(&app, &view);
    let dirty = share(screen.draw());
    assert!(
        dirty > 0.0 && dirty < 0.08,
        "a tile draws {dirty} of the screen"
    );

    // A lost connection keeps the last values and lets them grow old.
    view.link = Link::Lost(view.now);
    view.now += SignedDuration::from_secs(400);
    bind::bind(&app, &view);
    assert!(share(screen.draw()) > 0.0);
    assert_eq!(screen.draw(), None);

    // From any state to any other and back.
    for name in FIXTURES {
        bind::bind(&app, &View::of(fixture(name), language));
        screen.draw();
        bind::bind(&app, &View::of(fixture(name), language));
        assert_eq!(screen.draw(), None, "{name} twice");
    }
}
