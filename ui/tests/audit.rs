//! Looks over every scene in every size and both text sizes, in English and German, and in every
//! language on the smallest screen, with the real
//! renderer's text widths: no text is cut off or lies on another, every box that can be touched is
//! large enough, on the screen, clear of the others and named. Contrasts are computed from the
//! tokens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::scenes::{Look, SCENES, stage};
use i_slint_backend_testing::{AccessibleRole, ElementHandle, ElementQuery};
use slint::{Color, ComponentHandle};
use ui::format::Language;
use ui::headless::Screen;
use ui::{App, Settings, Theme, Tokens};

/// Smallest side of what can be touched: 12.3 mm on a 7 inch panel of 800x480.
const TOUCH: f32 = 64.0;

/// Height of the smallest letters that can be read: capitals of 14 px type.
const CAPITALS: f32 = 14.0 * 0.727;

#[derive(Clone, Copy, Debug)]
struct Rect {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

impl Rect {
    fn of(element: &ElementHandle) -> Self {
        let (position, size) = (element.absolute_position(), element.size());
        Self {
            x: position.x,
            y: position.y,
            width: size.width,
            height: size.height,
        }
    }

    /// Whether they have more than a rounding in common.
    fn meets(self, other: Self) -> bool {
        let common = |from: f32, long: f32, other: f32, other_long: f32| {
            (from + long).min(other + other_long) - from.max(other)
        };
        common(self.x, self.width, other.x, other.width) > 0.5
            && common(self.y, self.height, other.y, other.height) > 0.5
    }

    fn inside(self, width: f32, height: f32) -> bool {
        self.x >= -0.1
            && self.y >= -0.1
            && self.x + self.width <= width + 0.1
            && self.y + self.height <= height + 0.1
    }

    fn covers(self, width: f32, height: f32) -> bool {
        self.width >= width - 0.1 && self.height >= height - 0.1
    }
}

fn of_type(app: &App, name: &str) -> Vec<ElementHandle> {
    ElementQuery::from_root(app)
        .match_type_name(name.to_owned())
        .find_all()
}

/// What lies above the last box that covers all: an overlay hides what is under it.
fn uncovered(all: Vec<Rect>, width: f32, height: f32) -> Vec<Rect> {
    let last = all.iter().rposition(|area| area.covers(width, height));
    match last {
        // The ambient screen is one large box and nothing else.
        Some(last) if last + 1 == all.len() => vec![all[last]],
        Some(last) => all[last + 1..].to_vec(),
        None => all,
    }
}

#[test]
fn every_scene_can_be_read_and_touched() {
    let screen = Screen::new().unwrap();
    let app = ui::open(Settings::default()).unwrap();
    let mut faults = Vec::new();
    let (mut looked, mut labels, mut touched) = (0, 0, 0);
    for scene in SCENES {
        for (width, height, scale) in [(800, 480, 1.0), (1024, 600, 1.0), (1024, 600, 1.25)] {
            screen.show(&app, width, height, scale).unwrap();
            let (wide, tall) = (width as f32 / scale, height as f32 / scale);
            for (code, language) in Language::ALL {
                // The smallest screen is where words of other languages have least room.
                let tongue = matches!(language, Language::English | Language::German);
                if !tongue && width != 800 {
                    continue;
                }
                for large_text in [false, true] {
                    let look = Look {
                        theme: Theme::Dark,
                        large_text,
                        language,
                    };
                    stage(&app, scene, look);
                    let place = format!(
                        "{} {width}x{height}/{scale} {code} {}",
                        scene.name,
                        if large_text { 125 } else { 100 }
                    );
                    let overlaid = of_type(&app, "KeyboardScreen").len()
                        + of_type(&app, "KeypadScreen").len()
                        + of_type(&app, "AlarmScreen").len()
                        + of_type(&app, "PairingScreen").len()
                        + of_type(&app, "FirstScreen").len()
                        + of_type(&app, "AmbientScreen").len()
                        + of_type(&app, "ToastBar").len();
                    labels += check_labels(&app, (wide, tall), overlaid > 0, &place, &mut faults);
                    touched += check_touch(&app, (wide, tall), &place, &mut faults);
                    looked += 1;
                }
            }
        }
    }
    assert!(
        labels > looked * 3 && touched > looked,
        "{labels} {touched} {looked}"
    );
    faults.sort();
    faults.dedup();
    assert!(
        faults.is_empty(),
        "{} faults in {looked} pictures:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Lines of text: none is cut off, leaves the screen or lies on another. Returns how many.
fn check_labels(
    app: &App,
    (wide, tall): (f32, f32),
    overlaid: bool,
    place: &str,
    faults: &mut Vec<String>,
) -> usize {
    let mut labels = of_type(app, "Label");
    labels.extend(of_type(app, "LegendEntry"));
    let mut drawn: Vec<Rect> = Vec::new();
    for label in &labels {
        let extents = label
            .query_descendants()
            .match_type_name("Extent")
            .find_all();
        let text = Rect::of(extents.first().expect("a label says where its letters are"));
        if text.width < 1.0 {
            continue;
        }
        if text.height < CAPITALS - 0.05 {
            let (x, y, size) = (text.x, text.y, text.height / 0.727);
            faults.push(format!("{place}: letters of {size:.1} px at {x:.0},{y:.0}"));
        }
        // A legend's entry is its text after the mark.
        let own = Rect::of(label);
        let room = own.x + own.width - text.x.max(own.x);
        if text.width > room + 1.0 {
            let (x, y, width) = (text.x, text.y, text.width);
            faults.push(format!(
                "{place}: cut off at {x:.0},{y:.0}: {width:.0} px in {room:.0}"
            ));
        }
        if !text.inside(wide, tall) {
            faults.push(format!("{place}: {text:?} leaves the screen"));
        }
        drawn.push(text);
    }
    if !overlaid {
        for (index, one) in drawn.iter().enumerate() {
            for other in &drawn[..index] {
                if one.meets(*other) {
                    faults.push(format!("{place}: {one:?} on {other:?}"));
                }
            }
        }
    }
    labels.len()
}

fn check_touch(
    app: &App,
    (wide, tall): (f32, f32),
    place: &str,
    faults: &mut Vec<String>,
) -> usize {
    let areas: Vec<Rect> = ElementQuery::from_root(app)
        .match_inherits("TouchArea")
        .find_all()
        .iter()
        .map(Rect::of)
        .collect();
    let mut areas = uncovered(areas, wide, tall);
    // A toast lies over the foot of its screen for a moment.
    let toast = of_type(app, "ToastBar").first().map(Rect::of);
    areas.retain(|area| toast.is_none_or(|toast| !area.meets(toast)));
    for (index, area) in areas.iter().enumerate() {
        if area.width < TOUCH - 0.01 || area.height < TOUCH - 0.01 {
            faults.push(format!("{place}: {area:?} is too small for a finger"));
        }
        if !area.inside(wide, tall) {
            faults.push(format!("{place}: {area:?} leaves the screen"));
        }
        for other in &areas[..index] {
            if area.meets(*other) {
                faults.push(format!("{place}: {area:?} on {other:?}"));
            }
        }
    }
    for role in [
        AccessibleRole::Button,
        AccessibleRole::Tab,
        AccessibleRole::Switch,
        AccessibleRole::Main,
    ] {
        let of_role = ElementQuery::from_root(app).match_accessible_role(role);
        for element in of_role.find_all() {
            if element.accessible_label().unwrap_or_default().is_empty() {
                faults.push(format!(
                    "{place}: a nameless {role:?} at {:?}",
                    Rect::of(&element)
                ));
            }
        }
    }
    // Each box that is touched belongs to something with a role: as many of the one as of the other.
    let named: usize = [
        AccessibleRole::Button,
        AccessibleRole::Tab,
        AccessibleRole::Switch,
    ]
    .map(|role| {
        ElementQuery::from_root(app)
            .match_accessible_role(role)
            .find_all()
            .len()
    })
    .iter()
    .sum();
    // Charts are touched as a whole; the bars' values stand in the readout.
    if named + 1 < areas.len() {
        faults.push(format!(
            "{place}: {} boxes to touch, {named} names",
            areas.len()
        ));
    }
    areas.len()
}

/// Relative luminance (WCAG 2.2).
fn luminance(color: Color) -> f64 {
    let linear = |channel: u8| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.04045 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(color.red()) + 0.7152 * linear(color.green()) + 0.0722 * linear(color.blue())
}

fn contrast(one: Color, other: Color) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn colours_are_told_apart() {
    i_slint_backend_testing::init_no_event_loop();
    let app = App::new().unwrap();
    let tokens = app.global::<Tokens>();
    let black = Color::from_rgb_u8(0, 0, 0);
    assert!((contrast(Color::from_rgb_u8(255, 255, 255), black) - 21.0).abs() < 0.01);
    for theme in [Theme::Dark, Theme::Light, Theme::Night] {
        for colour_safe in [false, true] {
            tokens.set_theme(theme);
            tokens.set_colour_safe(colour_safe);
            for ground in [tokens.get_background(), tokens.get_card()] {
                for text in [tokens.get_ink(), tokens.get_ink2()] {
                    let ratio = contrast(text, ground);
                    assert!(
                        ratio >= 4.5,
                        "{theme:?}: {text:?} on {ground:?}: {ratio:.1}"
                    );
                }
            }
            for shape in [
                tokens.get_low(),
                tokens.get_medium(),
                tokens.get_high(),
                tokens.get_exporting(),
                tokens.get_outline(),
            ] {
                let ratio = contrast(shape, tokens.get_card());
                assert!(
                    ratio >= 3.0,
                    "{theme:?} {colour_safe}: {shape:?}: {ratio:.2}"
                );
                if theme == Theme::Dark && shape != tokens.get_outline() && !colour_safe {
                    assert!(
                        ratio >= 4.5,
                        "words are written in it: {shape:?}: {ratio:.2}"
                    );
                }
            }
        }
    }
}
