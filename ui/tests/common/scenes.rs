//! Every screen and state that is drawn: for the pictures that are kept, the gallery and the audit.

use slint::ComponentHandle;
use ui::bind::{self, Link, View};
use ui::format::Language;
use ui::{
    App, Appliances, Ask, AskFor, Choices, Door, First, More, Nav, Page, Theme, Toast, Tokens,
    Usage,
};

use super::{answers, fixture};

/// A picture's subject.
pub(crate) struct Scene {
    /// Its name, and that of its picture.
    pub(crate) name: &'static str,
    /// The screen.
    pub(crate) page: Page,
    /// The recorded state.
    pub(crate) state: &'static str,
    /// What else is as it is.
    pub(crate) set: fn(&App),
}

const fn scene(name: &'static str, page: Page, state: &'static str) -> Scene {
    Scene {
        name,
        page,
        state,
        set: |_| {},
    }
}

const fn with(name: &'static str, page: Page, state: &'static str, set: fn(&App)) -> Scene {
    Scene {
        name,
        page,
        state,
        set,
    }
}

/// All of them.
pub(crate) const SCENES: &[Scene] = &[
    scene("now-normal", Page::Now, "normal"),
    scene("now-zero", Page::Now, "zero"),
    scene("now-absent", Page::Now, "absent"),
    scene("now-stale", Page::Now, "stale"),
    scene("now-exporting", Page::Now, "exporting"),
    scene("now-solar", Page::Now, "solar"),
    scene("now-large", Page::Now, "large"),
    scene("now-negative_price", Page::Now, "negative_price"),
    scene("now-cheapest_now", Page::Now, "cheapest_now"),
    scene("now-no_tariff", Page::Now, "no_tariff"),
    scene("now-lost", Page::Now, "lost"),
    scene("now-pin_locked", Page::Now, "pin_locked"),
    scene("now-no_power", Page::Now, "no_power"),
    scene("now-prices_unknown", Page::Now, "prices_unknown"),
    with("now-colour_safe", Page::Now, "normal", |app| {
        app.global::<Choices>().set_colour_safe(true);
        app.global::<Tokens>().set_colour_safe(true);
    }),
    with("now-simple", Page::Now, "normal", |app| {
        app.global::<Choices>().set_simple(true);
    }),
    with("ambient", Page::Now, "normal", |app| {
        app.global::<Nav>().set_asleep(true);
    }),
    with("ambient-lost", Page::Now, "lost", |app| {
        app.global::<Nav>().set_asleep(true);
    }),
    scene("usage-normal", Page::Usage, "normal"),
    scene("usage-absent", Page::Usage, "absent"),
    with("usage-money", Page::Usage, "normal", |app| {
        app.global::<Choices>().set_in_money(true);
        app.global::<Usage>().set_chosen(7);
    }),
    scene("prices-normal", Page::Prices, "normal"),
    scene("prices-negative_price", Page::Prices, "negative_price"),
    scene("prices-prices_unknown", Page::Prices, "prices_unknown"),
    scene("prices-no_tariff", Page::Prices, "no_tariff"),
    scene("prices-tiers", Page::Prices, "tiers"),
    scene("appliances-normal", Page::Appliances, "normal"),
    scene("appliances-absent", Page::Appliances, "absent"),
    with("appliances-saved", Page::Appliances, "normal", |app| {
        let toast = app.global::<Toast>();
        toast.set_words(ui::Phrase {
            say: ui::Say::Saved,
            ..ui::Phrase::default()
        });
        toast.set_can_undo(true);
        toast.set_shown(true);
    }),
    with("appliance-kettle", Page::Appliance, "normal", |app| {
        app.global::<Appliances>().set_chosen("kettle".into());
    }),
    with("appliance-merging", Page::Appliance, "normal", |app| {
        app.global::<Appliances>()
            .set_chosen("washing_machine".into());
        app.global::<Appliances>().set_merging(true);
    }),
    with("appliance-always-on", Page::Appliance, "normal", |app| {
        app.global::<Appliances>().set_chosen("~always-on".into());
    }),
    with("appliance-other", Page::Appliance, "normal", |app| {
        app.global::<Appliances>().set_chosen("~other".into());
    }),
    with("appliance-what", Page::Appliance, "normal", |app| {
        app.global::<Appliances>().set_chosen("~other".into());
        app.global::<Appliances>().set_slot(1);
    }),
    with("keyboard", Page::Appliance, "normal", |app| {
        app.global::<Appliances>().set_chosen("kettle".into());
        app.global::<Ask>().set_text("Blue kettle".into());
        app.global::<Ask>().set_what(AskFor::Label);
    }),
    with("keyboard-empty", Page::Network, "normal", |app| {
        app.global::<Ask>().set_what(AskFor::MeterName);
    }),
    scene("more-normal", Page::More, "normal"),
    scene("more-absent", Page::More, "absent"),
    scene("money-normal", Page::Money, "normal"),
    scene("money-absent", Page::Money, "absent"),
    scene("supplies-normal", Page::Supplies, "normal"),
    with("supplies-leak", Page::Supplies, "alarm", |app| {
        let seen = app.global::<More>().get_alarm().key;
        app.global::<More>().set_seen(seen);
    }),
    scene("supplies-stale", Page::Supplies, "stale"),
    scene("supplies-absent", Page::Supplies, "absent"),
    scene("network-normal", Page::Network, "normal"),
    scene("network-absent", Page::Network, "absent"),
    scene("money-prepay", Page::Money, "prepay"),
    with("keypad", Page::Money, "prepay", |app| {
        app.global::<Ask>().set_text("123456789012".into());
        app.global::<Ask>().set_what(AskFor::TopUp);
    }),
    with("events-normal", Page::Events, "alarm", |app| {
        let seen = app.global::<More>().get_alarm().key;
        app.global::<More>().set_seen(seen);
    }),
    scene("events-asked", Page::Events, "event"),
    scene("events-first", Page::Events, "two_events"),
    with("events-second", Page::Events, "two_events", |app| {
        app.global::<More>().set_event(1);
    }),
    scene("events-message", Page::Events, "stale"),
    with("events-read", Page::Events, "stale", |app| {
        app.global::<More>().set_event(1);
    }),
    scene("events-armed", Page::Events, "cheapest_now"),
    scene("events-absent", Page::Events, "absent"),
    scene("alarm", Page::Now, "alarm"),
    scene("privacy-normal", Page::Privacy, "normal"),
    scene("privacy-absent", Page::Privacy, "absent"),
    scene("add-meter-normal", Page::AddMeter, "normal"),
    scene("add-meter-absent", Page::AddMeter, "absent"),
    scene("settings-normal", Page::Settings, "normal"),
    with("settings-use", Page::Settings, "normal", |app| {
        app.global::<Choices>().set_part(1);
    }),
    with("settings-about", Page::Settings, "pairing", |app| {
        app.global::<Choices>().set_part(2);
    }),
    with("pairing", Page::Settings, "pairing", |app| {
        app.global::<Door>().set_shown(true);
    }),
    with("pairing-closed", Page::Settings, "normal", |app| {
        app.global::<Door>().set_shown(true);
    }),
    with("network-joining", Page::Network, "joining", |_| {}),
    with("first-language", Page::Now, "pairing", |app| {
        first(app, 0);
    }),
    with("first-time", Page::Now, "pairing", |app| {
        first(app, 1);
    }),
    with("first-meters", Page::Now, "normal", |app| {
        first(app, 2);
    }),
    with("first-meters-none", Page::Now, "absent", |app| {
        first(app, 2);
    }),
    with("first-phone", Page::Now, "pairing", |app| {
        first(app, 3);
    }),
    with("first-tariff", Page::Now, "pairing", |app| {
        first(app, 4);
    }),
    with("first-tariff-none", Page::Now, "absent", |app| {
        first(app, 4);
    }),
];

fn first(app: &App, step: i32) {
    app.global::<First>().set_step(step);
    app.global::<First>().set_shown(true);
}

/// How a scene is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// The colours.
    pub(crate) theme: Theme,
    /// Whether texts are drawn at 125 %.
    pub(crate) large_text: bool,
    /// The language.
    pub(crate) language: Language,
}

/// Puts a scene on the screen. The window's size is to be set before.
pub(crate) fn stage(app: &App, scene: &Scene, look: Look) {
    let choices = app.global::<Choices>();
    let index = Language::ALL
        .iter()
        .position(|(_, one)| *one == look.language);
    choices.set_language(i32::try_from(index.unwrap_or(0)).unwrap());
    choices.set_large_text(look.large_text);
    choices.set_simple(false);
    choices.set_speaks(false);
    choices.set_colour_safe(false);
    app.global::<Tokens>().set_colour_safe(false);
    let text_scale = if look.large_text { 1.25 } else { 1.0 };
    ui::apply(
        app,
        ui::Settings {
            theme: look.theme,
            text_scale,
            language: look.language,
        },
    )
    .unwrap();
    app.global::<Ask>().set_what(AskFor::Nothing);
    app.global::<Ask>().set_text("".into());
    app.global::<Toast>().set_shown(false);
    let nav = app.global::<Nav>();
    nav.set_asleep(false);
    let appliances = app.global::<Appliances>();
    appliances.set_chosen("".into());
    appliances.set_slot(0);
    appliances.set_merging(false);
    nav.set_page(scene.page);
    app.global::<More>().set_seen("".into());
    app.global::<Door>().set_shown(false);
    app.global::<First>().set_shown(false);
    choices.set_part(0);
    app.global::<More>().set_event(0);
    choices.set_in_money(false);
    app.global::<Usage>().set_chosen(-1);
    let mut view = View::of(fixture(scene.state), look.language);
    view.answers = answers(scene.state);
    if scene.state == "lost" && look.large_text {
        // The connection may be gone as well.
        view.link = Link::Lost(view.now);
    }
    bind::bind(app, &view);
    // Some scenes look at what is shown, others change what is to be.
    (scene.set)(app);
    bind::bind(app, &view);
}
