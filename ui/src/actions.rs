//! From a touch to a command: connects what the screens ask for with the gateway.

use std::rc::Rc;
use std::sync::mpsc::Sender;

use jiff::{SignedDuration, Timestamp};
use slint::ComponentHandle;
use wattle_api::{
    AdoptMeter, ApplianceCorrection, GridEventChoice, MessageConfirmation, OptState, SecretText,
};

use crate::bind;
use crate::client::Mailbox;
use crate::command::{Command, Done};
use crate::generated::{
    App, Appliances, Ask, AskFor, Door, First, Money, More, Nav, Network, Page, Phrase, Say, Toast,
};
use crate::typing;

/// The longest name that can be typed.
const LONGEST: usize = 32;

/// Connects the callbacks that need no gateway.
pub(crate) fn prepare(app: &App) {
    app.global::<Ask>()
        .on_pressed(|text, key| typing::press(&text, &key, LONGEST).into());
    app.global::<Ask>()
        .on_digit(|text, key| typing::press(&text, &key, typing::CODE).into());
    app.global::<Ask>()
        .on_group(|text| typing::grouped(&text).into());
}

/// Connects the callbacks that become commands.
pub(crate) fn connect(app: &App, mailbox: &Mailbox, commands: &Sender<Command>) {
    let send: Rc<dyn Fn(Command)> = {
        let commands = commands.clone();
        Rc::new(move |command| {
            // The thread that carries them out ends only with the program.
            let _ = commands.send(command);
        })
    };
    appliances(app, &send);
    let to = send.clone();
    app.global::<Money>()
        .on_activate_emergency(move || to(Command::Emergency));
    let to = send.clone();
    app.global::<Money>()
        .on_switch_on(move || to(Command::SwitchOn));
    let to = send.clone();
    app.global::<More>().on_opt(move |id, take_part| {
        let opt = if take_part {
            OptState::In
        } else {
            OptState::Out
        };
        let id = id.to_string();
        to(Command::Opt(GridEventChoice { id, opt }));
    });
    let to = send.clone();
    app.global::<More>().on_confirm(move |id| {
        let id = id.to_string();
        to(Command::Confirm(MessageConfirmation { id }));
    });
    let to = send.clone();
    app.global::<More>()
        .on_switch_on(move || to(Command::SupplyOn));
    let to = send.clone();
    app.global::<Network>()
        .on_let_in(move |open| to(Command::Join(bind::join(open))));
    let to = send.clone();
    app.global::<Door>().on_open(move || to(Command::Pair));
    let to = send.clone();
    app.global::<More>().on_consent(move |kind, allowed| {
        to(Command::Consent(bind::consent_change(kind, allowed)));
    });
    let (weak, mailbox, send) = (app.as_weak(), mailbox.clone(), send.clone());
    app.global::<Ask>().on_answered(move |what, subject, text| {
        let slot = weak
            .upgrade()
            .map(|app| app.global::<Appliances>().get_slot());
        match what {
            AskFor::Label => send(Command::Label {
                name: subject.to_string(),
                label: Some(text.trim().to_owned()),
                before: label(&mailbox, &subject),
            }),
            AskFor::LoadName => {
                if let Some(slot) = slot.and_then(|slot| usize::try_from(slot).ok()) {
                    send(Command::Name {
                        slot,
                        appliance: typing::appliance_name(&text),
                        label: Some(text.trim().to_owned()),
                    });
                }
            }
            AskFor::MeterName => send(Command::Adopt(AdoptMeter {
                id: subject.to_string(),
                name: text.trim().to_owned(),
                medium: None,
                key: None,
                calorific_value: None,
                correction: None,
            })),
            AskFor::TopUp => send(Command::TopUp(SecretText(text.to_string()))),
            AskFor::Nothing => {}
        }
        let first = weak
            .upgrade()
            .is_some_and(|app| app.global::<First>().get_shown());
        if let Some(app) = weak
            .upgrade()
            .filter(|_| what == AskFor::MeterName && !first)
        {
            app.global::<Nav>().set_page(Page::Network);
        }
        if let Some(app) = weak.upgrade().filter(|_| what == AskFor::LoadName) {
            app.global::<Appliances>().set_slot(0);
            app.global::<Nav>().set_page(Page::Appliances);
        }
    });
}

fn appliances(app: &App, send: &Rc<dyn Fn(Command)>) {
    let screen = app.global::<Appliances>();
    let (weak, to) = (app.as_weak(), send.clone());
    screen.on_reject(move |start| {
        let Some(app) = weak.upgrade() else { return };
        let at = start
            .parse::<Timestamp>()
            .and_then(|start| start.checked_add(SignedDuration::from_secs(1)));
        if let Ok(at) = at {
            let appliance = app.global::<Appliances>().get_chosen().to_string();
            to(Command::Correct(ApplianceCorrection::Reject {
                appliance,
                at,
            }));
        }
    });
    let (weak, to) = (app.as_weak(), send.clone());
    screen.on_merge(move |into| {
        let Some(app) = weak.upgrade() else { return };
        let appliance = app.global::<Appliances>().get_chosen().to_string();
        to(Command::Correct(ApplianceCorrection::Merge {
            appliance,
            into: into.to_string(),
        }));
        app.global::<Nav>().set_page(Page::Appliances);
    });
    let (weak, to) = (app.as_weak(), send.clone());
    screen.on_name_load(move |name| {
        let Some(app) = weak.upgrade() else { return };
        let screen = app.global::<Appliances>();
        if let Ok(slot) = usize::try_from(screen.get_slot()) {
            to(Command::Name {
                slot,
                appliance: name.to_string(),
                label: None,
            });
        }
        screen.set_slot(0);
        app.global::<Nav>().set_page(Page::Appliances);
    });
}

/// What the household calls an appliance until now.
fn label(mailbox: &Mailbox, name: &str) -> Option<String> {
    let (state, _) = mailbox.read().state?;
    state.appliances?.labels.get(name).cloned()
}

/// Shows what came of a command.
pub(crate) fn tell(app: &App, done: &Done) {
    // What shows by itself is not told of.
    if done.outcome.is_ok() && matches!(done.command, Command::Pair | Command::Join(_)) {
        return;
    }
    let toast = app.global::<Toast>();
    let say = |say, text: &str| Phrase {
        say,
        a: text.into(),
        ..Phrase::default()
    };
    toast.set_words(match (&done.outcome, &done.command) {
        (Err(reason), _) => say(Say::NotDone, reason),
        (Ok(_), Command::Undo(_)) => say(Say::TakenBack, ""),
        (Ok(_), Command::Opt(choice)) if choice.opt == OptState::Out => say(Say::OptedOut, ""),
        (Ok(_), Command::Opt(_)) => say(Say::OptedIn, ""),
        (Ok(_), Command::TopUp(_)) => say(Say::CodeSent, ""),
        (Ok(_), Command::Emergency) => say(Say::EmergencyOn, ""),
        (Ok(_), Command::SwitchOn | Command::SupplyOn) => say(Say::SwitchedOn, ""),
        (Ok(_), Command::Confirm(_)) => say(Say::Confirmed, ""),
        (Ok(_), Command::Adopt(meter)) => say(Say::MeterTakenOn, &meter.name),
        (Ok(_), _) => say(Say::Saved, ""),
    });
    toast.set_can_undo(matches!(done.outcome, Ok(Some(_))));
    toast.set_serial(i32::try_from(done.serial % 1_000_000).unwrap_or(0));
    toast.set_shown(true);
}
