//! Boxes and names of what is on the screen, with Slint's testing backend.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{FIXTURES, fixture};
use i_slint_backend_testing::{AccessibleRole, ElementHandle, ElementQuery};
use slint::platform::{PointerEventButton, WindowEvent};
use slint::{ComponentHandle, LogicalPosition, LogicalSize};
use ui::bind::{self, View};
use ui::format::Language;
use ui::{App, Choices, First, Nav, Page, Settings, ThemeChoice, Usage};

#[derive(Clone, Copy, Debug, PartialEq)]
struct Box {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

fn place(element: &ElementHandle) -> Box {
    let (position, size) = (element.absolute_position(), element.size());
    Box {
        x: position.x,
        y: position.y,
        width: size.width,
        height: size.height,
    }
}

fn of_type(app: &App, name: &str) -> Vec<ElementHandle> {
    ElementQuery::from_root(app)
        .match_type_name(name.to_owned())
        .find_all()
}

/// Whether two boxes have more in common than a rounding.
fn overlap(a: Box, b: Box) -> bool {
    let common = |from: f32, long: f32, other: f32, other_long: f32| {
        (from + long).min(other + other_long) - from.max(other)
    };
    common(a.x, a.width, b.x, b.width) > 0.01 && common(a.y, a.height, b.y, b.height) > 0.01
}

#[test]
fn boxes_are_where_they_belong_and_say_what_they_are() {
    i_slint_backend_testing::init_no_event_loop();
    let language = Language::English;
    let app = ui::open(Settings {
        language,
        ..Settings::default()
    })
    .unwrap();
    app.show().unwrap();
    for (width, height) in [(800.0, 480.0), (819.2, 480.0), (1024.0, 600.0)] {
        app.window().set_size(LogicalSize::new(width, height));
        i_slint_backend_testing::mock_elapsed_time(std::time::Duration::from_millis(20));
        for name in FIXTURES {
            bind::bind(&app, &View::of(fixture(name), language));
            let screen = Box {
                x: 0.0,
                y: 0.0,
                width,
                height,
            };
            check_boxes(&app, screen, name);
        }
    }
    names(&app, language);
    rail(&app);
    more(&app);
    other_screens(&app, language);
    usage(&app, language);
    first_run(&app);
}

/// A tap on a bar says its value; another stretch is asked for.
fn usage(app: &App, language: Language) {
    app.global::<Nav>().set_page(Page::Usage);
    let mut view = View::of(fixture("normal"), language);
    view.answers = common::answers("normal");
    bind::bind(app, &view);
    let said = || label(app, "UseChart");
    assert!(said().starts_with("Total, 7.66 kWh"), "{}", said());
    let screen = app.global::<Usage>();
    screen.set_chosen(7);
    assert_eq!(said(), "07:00, 0.61 kWh, £0.15");
    let asked = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = asked.clone();
    screen.on_asked(move || count.set(count.get() + 1));
    touch(app, place(&button(app, "Earlier")));
    assert_eq!(
        (screen.get_back(), screen.get_chosen(), asked.get()),
        (1, -1, 1)
    );
    bind::bind(app, &view);
    assert_eq!(
        said(),
        "Total, –",
        "an answer about another day is not shown"
    );
    touch(app, place(&button(app, "Later")));
    bind::bind(app, &view);
    touch(app, place(&of_type(app, "UseChart")[0]));
    assert!(
        (8..=14).contains(&screen.get_chosen()),
        "{}",
        screen.get_chosen()
    );
    touch(app, place(&button(app, "Year")));
    assert_eq!(
        (screen.get_span(), screen.get_chosen(), asked.get()),
        (3, -1, 3)
    );
    screen.set_span(0);
}

/// Five steps that cover the screen, forth and back; the last one ends them.
fn first_run(app: &App) {
    let first = app.global::<First>();
    let ended = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = ended.clone();
    first.on_finished(move || count.set(count.get() + 1));
    first.set_step(0);
    first.set_shown(true);
    for step in 1..=4 {
        touch(app, place(&button(app, "Next")));
        assert_eq!((first.get_step(), ended.get()), (step, 0));
    }
    touch(app, place(&button(app, "Back")));
    assert_eq!(first.get_step(), 3);
    touch(app, place(&button(app, "Next")));
    touch(app, place(&button(app, "Start")));
    assert_eq!((first.get_shown(), ended.get()), (false, 1));
}

const SCREENS: [(Page, &str); 11] = [
    (Page::Events, "EventsScreen"),
    (Page::Privacy, "PrivacyScreen"),
    (Page::AddMeter, "AddMeterScreen"),
    (Page::Appliances, "AppliancesScreen"),
    (Page::Usage, "UsageScreen"),
    (Page::Money, "MoneyScreen"),
    (Page::Prices, "PricesScreen"),
    (Page::More, "MoreScreen"),
    (Page::Supplies, "SuppliesScreen"),
    (Page::Network, "NetworkScreen"),
    (Page::Settings, "SettingsScreen"),
];

/// Every box that can be touched is large enough, on the screen, clear of the others and named.
fn other_screens(app: &App, language: Language) {
    for (width, height) in [(800.0, 480.0), (819.2, 480.0), (1024.0, 600.0)] {
        app.window().set_size(LogicalSize::new(width, height));
        i_slint_backend_testing::mock_elapsed_time(std::time::Duration::from_millis(20));
        for (page, screen) in SCREENS {
            for name in FIXTURES {
                app.global::<Nav>().set_page(page);
                let mut view = View::of(fixture(name), language);
                view.answers = common::answers(name);
                bind::bind(app, &view);
                assert_eq!(of_type(app, screen).len(), 1, "{screen}");
                check_touch(app, width, height, &format!("{screen} {name}"));
            }
        }
    }
}

fn check_touch(app: &App, width: f32, height: f32, place_name: &str) {
    let areas: Vec<Box> = ElementQuery::from_root(app)
        .match_inherits("TouchArea")
        .find_all()
        .iter()
        .map(place)
        .collect();
    assert!(areas.len() >= 5, "{place_name}");
    if areas
        .iter()
        .any(|area| area.width >= width - 0.01 && area.height >= height - 0.01)
    {
        // An alarm lies over all; tests/audit.rs looks at what it shows.
        return;
    }
    for (index, area) in areas.iter().enumerate() {
        assert!(
            area.width >= 64.0 && area.height >= 64.0,
            "{place_name}: {area:?}"
        );
        assert!(
            area.x >= 0.0
                && area.y >= 0.0
                && area.x + area.width <= width + 0.01
                && area.y + area.height <= height + 0.01,
            "{place_name}: {area:?}"
        );
        for other in &areas[..index] {
            assert!(!overlap(*area, *other), "{place_name}: {area:?} {other:?}");
        }
    }
    for role in [AccessibleRole::Button, AccessibleRole::Tab] {
        for element in ElementQuery::from_root(app)
            .match_accessible_role(role)
            .find_all()
        {
            let label = element.accessible_label().unwrap_or_default();
            assert!(!label.is_empty(), "{place_name}: a nameless {role:?}");
        }
    }
}

fn button(app: &App, starts: &str) -> ElementHandle {
    ElementQuery::from_root(app)
        .match_accessible_role(AccessibleRole::Button)
        .find_all()
        .into_iter()
        .find(|button| {
            button
                .accessible_label()
                .is_some_and(|label| label.starts_with(starts))
        })
        .unwrap_or_else(|| panic!("no button {starts}"))
}

/// The menu leads to its screens, the rail leads back, and what is chosen is told.
fn more(app: &App) {
    let nav = app.global::<Nav>();
    let rail = |word: &str| {
        ElementQuery::from_root(app)
            .match_accessible_role(AccessibleRole::Tab)
            .find_all()
            .into_iter()
            .find(|tab| tab.accessible_label().as_deref() == Some(word))
            .unwrap()
    };
    for (word, page) in [
        ("Money", Page::Money),
        ("Gas & water", Page::Supplies),
        ("Home network", Page::Network),
        ("Settings", Page::Settings),
    ] {
        nav.set_page(Page::More);
        touch(app, place(&button(app, word)));
        assert_eq!(nav.get_page(), page);
        assert_eq!(rail("More").accessible_item_selected(), Some(true));
        touch(app, place(&rail("More")));
        assert_eq!(nav.get_page(), Page::More);
    }
    // A touch within a screen puts off the return to Now.
    nav.set_page(Page::Settings);
    i_slint_backend_testing::mock_elapsed_time(std::time::Duration::from_secs(45));
    let changed = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = changed.clone();
    let choices = app.global::<Choices>();
    choices.on_changed(move || count.set(count.get() + 1));
    for (word, wanted) in [("Deutsch", 1), ("125 %", 2), ("Light", 3), ("Automatic", 4)] {
        touch(app, place(&button(app, word)));
        assert_eq!(changed.get(), wanted);
        assert_eq!(button(app, word).accessible_checked(), Some(true));
    }
    assert_eq!(choices.get_theme(), ThemeChoice::Auto);
    assert!(choices.get_large_text() && ui::settings::language(app) == Language::German);
    i_slint_backend_testing::mock_elapsed_time(std::time::Duration::from_secs(45));
    assert_eq!(nav.get_page(), Page::Settings);

    // It takes effect at once, and outlives a restart.
    ui::settings::follow(app, 12).unwrap();
    assert_eq!(
        of_type(app, "SettingsScreen")[0]
            .accessible_label()
            .unwrap(),
        "Einstellungen"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.json");
    ui::settings::restore(app, &file).unwrap();
    ui::settings::save(app, &file).unwrap();
    ui::settings::choose(app, ThemeChoice::Dark, false, Language::English);
    ui::settings::follow(app, 12).unwrap();
    ui::settings::restore(app, &file).unwrap();
    assert_eq!(choices.get_theme(), ThemeChoice::Auto);
    assert!(choices.get_large_text() && ui::settings::language(app) == Language::German);
    std::fs::write(&file, "{").unwrap();
    assert!(ui::settings::restore(app, &file).is_err());
    ui::settings::choose(app, ThemeChoice::Dark, false, Language::English);
    ui::settings::follow(app, 12).unwrap();
}

fn check_boxes(app: &App, screen: Box, fixture: &str) {
    let tiles = of_type(app, "Tile");
    assert!(
        (2..=4).contains(&tiles.len()),
        "{fixture}: {} tiles",
        tiles.len()
    );
    let mut cards: Vec<(&str, Box)> = Vec::new();
    for kind in [
        "Hero",
        "Tile",
        "AdviceCard",
        "PriceStrip",
        "Item",
        "EdgeBar",
    ] {
        let found = of_type(app, kind);
        assert!(!found.is_empty(), "{fixture}: no {kind}");
        cards.extend(found.iter().map(|element| (kind, place(element))));
    }
    for (index, (kind, card)) in cards.iter().enumerate() {
        let inside = card.x >= 0.0
            && card.y >= 0.0
            && card.x + card.width <= screen.width + 0.01
            && card.y + card.height <= screen.height + 0.01;
        assert!(inside, "{fixture}: {kind} {card:?} leaves {screen:?}");
        for (other, beside) in &cards[..index] {
            assert!(
                !overlap(*card, *beside),
                "{fixture}: {kind} {card:?} on {other} {beside:?}"
            );
        }
    }
    for element in ElementQuery::from_root(app)
        .match_inherits("TouchArea")
        .find_all()
    {
        let touch = place(&element);
        assert!(
            touch.width >= 64.0 && touch.height >= 64.0,
            "{fixture}: touch area {touch:?}"
        );
    }
    if tiles.len() == 4 {
        let sizes: Vec<_> = tiles
            .iter()
            .map(|tile| (tile.size().width, tile.size().height))
            .collect();
        assert!(
            sizes.iter().all(|size| *size == sizes[0]),
            "{fixture}: tiles of {sizes:?}"
        );
    }
    // The ring is in the middle of its card, both ways.
    let (card, ring) = (
        place(&of_type(app, "Hero")[0]),
        place(&of_type(app, "Ring")[0]),
    );
    assert!(
        (ring.x - card.x - (card.width - ring.width) / 2.0).abs() < 0.6,
        "{ring:?} in {card:?}"
    );
    assert!(
        (ring.y - card.y - (card.height - ring.height) / 2.0).abs() < 0.6,
        "{ring:?} in {card:?}"
    );
}

fn label(app: &App, kind: &str) -> String {
    of_type(app, kind)[0]
        .accessible_label()
        .unwrap_or_default()
        .replace('\u{a0}', " ")
}

/// The sentences that a voice would speak.
fn names(app: &App, language: Language) {
    let mut said = Vec::new();
    for name in ["normal", "exporting", "stale", "lost", "pin_locked"] {
        bind::bind(app, &View::of(fixture(name), language));
        said.push(label(app, "Hero"));
    }
    assert_eq!(
        said,
        [
            "Using 1.42 kilowatts, Medium, £0.47 an hour",
            "Exporting 2.14 kilowatts, earns €0.17 an hour",
            "Using 1.42 kilowatts, Medium, £0.47 an hour, 2 min ago",
            "No data, last seen 17:04",
            "No data, meter wants its PIN",
        ]
    );
    bind::bind(app, &View::of(fixture("normal"), language));
    let tiles: Vec<_> = of_type(app, "Tile")
        .iter()
        .map(|tile| {
            tile.accessible_label()
                .unwrap_or_default()
                .replace('\u{a0}', " ")
        })
        .collect();
    assert_eq!(
        tiles,
        [
            "Today, £2.31, 7.84 kWh, ↓ 8% less",
            "Price now, 33.1p, until 18:00, then 34.2p",
            "Gas today, £1.04, 1.04 m³, 22 min ago",
            "Water today, 184 L, 3 min ago",
        ]
    );
    assert_eq!(
        label(app, "PriceStrip"),
        "Prices of the next 24 hours, max 34.2p, min 7.4p"
    );
}

/// A finger on the middle of a box.
fn touch(app: &App, at: Box) {
    let position = LogicalPosition::new(at.x + at.width / 2.0, at.y + at.height / 2.0);
    let button = PointerEventButton::Left;
    app.window()
        .dispatch_event(WindowEvent::PointerPressed { position, button });
    app.window()
        .dispatch_event(WindowEvent::PointerReleased { position, button });
}

/// Every item of the rail can be touched.
fn rail(app: &App) {
    for (word, page) in [
        ("Usage", Page::Usage),
        ("Prices", Page::Prices),
        ("Appliances", Page::Appliances),
        ("More", Page::More),
        ("Now", Page::Now),
    ] {
        let tab = ElementQuery::from_root(app)
            .match_accessible_role(AccessibleRole::Tab)
            .find_all()
            .into_iter()
            .find(|tab| tab.accessible_label().as_deref() == Some(word))
            .unwrap_or_else(|| panic!("no tab {word}"));
        touch(app, place(&tab));
        assert_eq!(app.global::<Nav>().get_page(), page);
        assert_eq!(tab.accessible_item_selected(), Some(true));
    }
    // Advice leads to the prices, and the screen returns to Now by itself.
    of_type(app, "AdviceCard")[0].invoke_accessible_default_action();
    assert_eq!(app.global::<Nav>().get_page(), Page::Prices);
    let pass = |seconds| {
        i_slint_backend_testing::mock_elapsed_time(std::time::Duration::from_secs(seconds));
    };
    pass(1);
    pass(61);
    let nav = app.global::<Nav>();
    assert_eq!((nav.get_page(), nav.get_asleep()), (Page::Now, false));
    // A minute later nobody is there; the first touch does nothing but wake it.
    pass(61);
    assert!(nav.get_asleep());
    assert_eq!(of_type(app, "AmbientScreen").len(), 1);
    touch(app, place(&of_type(app, "AdviceCard")[0]));
    assert_eq!((nav.get_page(), nav.get_asleep()), (Page::Now, false));
}
