//! Keeps the window at what the gateway says: at most two updates a second, and one a second when
//! nothing comes, so that ages go on. An update that changes no text draws nothing.

use crate::actions;
use crate::backlight::{self, Backlight};
use crate::bind::{self, Link, View};
use crate::client::{Mailbox, News, Question};
use crate::command::Command;
use crate::format::Language;
use crate::generated::{
    App, Appliances, Choices, First, Level, More, Nav, Network, Now, Page, Prices, Theme, Toast,
    Tokens, Usage, Words,
};
use crate::settings;
use crate::speech::Voice;
use jiff::{SignedDuration, Timestamp};
use slint::{ComponentHandle, Timer, TimerMode, Weak};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

const BETWEEN_UPDATES: Duration = Duration::from_millis(500);
/// How often a screen that is open asks again; that of the meters that are heard, sooner.
const ASK_AGAIN: Duration = Duration::from_secs(60);
const ASK_SOON: Duration = Duration::from_secs(5);
/// What the first run shows of the home's network.
const FOUND: &[Question] = &[Question::Heard, Question::Powerline, Question::Zigbee];
const TICK: Duration = Duration::from_secs(1);

/// Runs as long as it is kept.
pub struct Live {
    _ticks: Timer,
    _inner: Rc<Inner>,
}

/// What a window is connected to.
pub struct Around {
    /// What the gateway said last; its filler calls [`wake`] after each change.
    pub mailbox: Mailbox,
    /// Takes what single screens want to know; the answers come by the mailbox.
    pub questions: Sender<Question>,
    /// Takes what the household wants done.
    pub commands: Sender<Command>,
    /// The panel's backlight, where there is one.
    pub backlight: Option<Backlight>,
    /// The voice that reads out.
    pub voice: Voice,
}

struct Inner {
    app: Weak<App>,
    mailbox: Mailbox,
    questions: Sender<Question>,
    commands: Sender<Command>,
    backlight: Option<Backlight>,
    voice: RefCell<Voice>,
    level: Cell<Level>,
    alarmed: Cell<bool>,
    /// The last command that was told of, and how to take it back.
    done: Cell<u64>,
    undo: RefCell<Option<Command>>,
    asked: Cell<Option<Instant>>,
    language: Cell<Language>,
    last: Cell<Option<Instant>>,
    lost: Cell<Option<Timestamp>>,
    told: RefCell<Option<String>>,
    logged: RefCell<String>,
    soon: Timer,
}

impl Live {
    /// Connects a window to what is around it. `chosen` is called when the household has changed a
    /// setting, which holds by then.
    #[must_use]
    pub fn new(app: &App, around: Around, chosen: impl Fn(&App) + 'static) -> Self {
        let Around {
            mailbox,
            questions,
            commands,
            backlight,
            voice,
        } = around;
        actions::connect(app, &mailbox, &commands);
        let inner = Rc::new(Inner {
            app: app.as_weak(),
            mailbox,
            questions,
            commands,
            backlight,
            voice: RefCell::new(voice),
            level: Cell::new(Level::None),
            alarmed: Cell::new(false),
            done: Cell::new(0),
            undo: RefCell::new(None),
            asked: Cell::new(None),
            language: Cell::new(settings::language(app)),
            last: Cell::new(None),
            lost: Cell::new(None),
            told: RefCell::new(None),
            logged: RefCell::new(String::new()),
            soon: Timer::default(),
        });
        let on_news = Rc::downgrade(&inner);
        app.global::<Nav>().on_news(move || {
            if let Some(inner) = on_news.upgrade() {
                Inner::hurry(&inner);
            }
        });
        let on_open = Rc::downgrade(&inner);
        app.global::<Nav>().on_opened(move || {
            if let Some(inner) = on_open.upgrade() {
                inner.ask();
            }
        });
        let on_turn = Rc::downgrade(&inner);
        app.global::<First>().on_turned(move || {
            if let Some(inner) = on_turn.upgrade() {
                inner.ask();
            }
        });
        let on_ask = Rc::downgrade(&inner);
        app.global::<Usage>().on_asked(move || {
            if let Some(inner) = on_ask.upgrade() {
                inner.ask();
                inner.update();
            }
        });
        let on_finish = Rc::downgrade(&inner);
        app.global::<Prices>().on_finish_asked(move || {
            if let Some(inner) = on_finish.upgrade() {
                inner.ask();
                inner.update();
            }
        });
        let on_row = Rc::downgrade(&inner);
        app.global::<Appliances>().on_asked(move || {
            if let Some(inner) = on_row.upgrade() {
                inner.update();
            }
        });
        let on_undo = Rc::downgrade(&inner);
        app.global::<Toast>().on_undo(move || {
            if let Some(inner) = on_undo.upgrade() {
                inner.take_back();
            }
        });
        let on_sleep = Rc::downgrade(&inner);
        app.global::<Nav>().on_slept(move || {
            if let Some(inner) = on_sleep.upgrade() {
                inner.light();
            }
        });
        let on_speak = Rc::downgrade(&inner);
        app.global::<Nav>().on_speak(move || {
            if let Some(inner) = on_speak.upgrade() {
                inner.speak(true);
            }
        });
        let on_choice = Rc::downgrade(&inner);
        app.global::<Choices>().on_changed(move || {
            if let Some((inner, app)) = on_choice
                .upgrade()
                .and_then(|inner| inner.app.upgrade().map(|app| (inner, app)))
            {
                inner.follow_choice(&app);
                // Before the first run has ended nothing is kept: it begins anew after a restart.
                if !app.global::<First>().get_shown() {
                    chosen(&app);
                }
            }
        });
        let kept = app.as_weak();
        app.global::<First>().on_finished(move || {
            if let Some(app) = kept.upgrade() {
                app.global::<Choices>().invoke_changed();
            }
        });
        let ticks = Timer::default();
        let on_tick = Rc::downgrade(&inner);
        ticks.start(TimerMode::Repeated, TICK, move || {
            if let Some(inner) = on_tick.upgrade() {
                inner.ask_again();
                inner.update();
            }
        });
        inner.update();
        inner.light();
        Self {
            _ticks: ticks,
            _inner: inner,
        }
    }
}

/// Tells the window, from any thread, that there is news. Does nothing once the window is gone.
pub fn wake(app: &Weak<App>) {
    // An event loop that has ended takes no more calls: there is nobody left to tell.
    let _ = app.upgrade_in_event_loop(|app| app.global::<Nav>().invoke_news());
}

impl Inner {
    /// Updates now, or as soon as half a second has passed since the last time.
    fn hurry(this: &Rc<Self>) {
        let passed = this
            .last
            .get()
            .map_or(BETWEEN_UPDATES, |last| last.elapsed());
        if passed >= BETWEEN_UPDATES {
            this.update();
        } else if !this.soon.running() {
            let later = Rc::downgrade(this);
            this.soon
                .start(TimerMode::SingleShot, BETWEEN_UPDATES - passed, move || {
                    if let Some(inner) = later.upgrade() {
                        inner.update();
                    }
                });
        }
    }

    /// Asks for what the open screen shows besides the state.
    fn ask(&self) {
        let Some(app) = self.app.upgrade() else {
            return;
        };
        let (span, back, medium) = bind::wanted(&app.global::<Usage>());
        let questions: &[Question] = match app.global::<Nav>().get_page() {
            _ if app.global::<First>().get_shown() => FOUND,
            Page::Usage => &[Question::Usage(span, back, medium)],
            Page::Money => &[Question::Bill],
            Page::More => &[Question::Bill, Question::Powerline],
            Page::Network => &[Question::Powerline, Question::Zigbee],
            Page::Prices => {
                let by = bind::finish_by(&app.global::<Prices>(), clock(&self.mailbox.read()));
                &[Question::Runs(by), Question::Bill]
            }
            Page::Supplies => &[Question::Supplies],
            Page::AddMeter => &[Question::Heard],
            Page::Privacy => &[Question::Told, Question::Consents],
            Page::Events => &[Question::Messages],
            _ => return,
        };
        self.asked.set(Some(Instant::now()));
        for question in questions {
            // The thread that answers ends only with the program.
            let _ = self.questions.send(*question);
        }
    }

    fn ask_again(&self) {
        let soon = self.app.upgrade().is_some_and(|app| {
            let page = app.global::<Nav>().get_page();
            let joining = app.global::<Network>().get_joining();
            page == Page::AddMeter || app.global::<First>().get_shown() || !joining.is_empty()
        });
        let pause = if soon { ASK_SOON } else { ASK_AGAIN };
        if self.asked.get().is_some_and(|at| at.elapsed() >= pause) {
            self.asked.set(None);
            self.ask();
        }
    }

    fn follow_choice(&self, app: &App) {
        if let Err(error) = settings::follow(app, jiff::Zoned::now().hour()) {
            eprintln!("wattle-display: {error}");
        }
        self.language.set(settings::language(app));
        self.light();
        if !app.global::<Choices>().get_speaks() {
            self.voice.borrow_mut().hush();
        }
        self.update();
    }

    /// Sets the backlight to what the theme and the household want.
    fn light(&self) {
        let (Some(app), Some(backlight)) = (self.app.upgrade(), &self.backlight) else {
            return;
        };
        let night = app.global::<Tokens>().get_theme() == Theme::Night;
        let alarmed = alarmed(&app);
        let asleep = app.global::<Nav>().get_asleep();
        let choice = app.global::<Choices>().get_brightness();
        if let Err(error) = backlight.set(backlight::percent(choice, night, asleep, alarmed)) {
            self.log(&format!("the backlight: {error}"));
        }
    }

    /// Says what the hero says: because somebody touched it, or because the level has changed.
    fn speak(&self, asked: bool) {
        let Some(app) = self.app.upgrade() else {
            return;
        };
        let level = app.global::<Now>().get_level();
        let changed = self.level.replace(level) != level;
        let silent = !app.global::<Choices>().get_speaks() || app.global::<Nav>().get_asleep();
        if silent || !(asked || changed) {
            return;
        }
        let sentence = app.global::<Words>().get_spoken_hero();
        let (language, now) = (self.language.get(), Instant::now());
        let mut voice = self.voice.borrow_mut();
        if asked {
            voice.say(&sentence, language, now);
        } else {
            voice.mention(&sentence, language, now);
        }
    }

    fn take_back(&self) {
        if let Some(command) = self.undo.take() {
            let _ = self.commands.send(command);
        }
    }

    /// Writes to the log what has not just been written.
    fn log(&self, trouble: &str) {
        let mut told = self.logged.borrow_mut();
        if *told != trouble {
            eprintln!("wattle-display: {trouble}");
            trouble.clone_into(&mut told);
        }
    }

    fn update(&self) {
        let Some(app) = self.app.upgrade() else {
            return;
        };
        self.last.set(Some(Instant::now()));
        let news = self.mailbox.read();
        self.tell(&news);
        if let Some(done) = news
            .done
            .as_ref()
            .filter(|done| done.serial != self.done.get())
        {
            self.done.set(done.serial);
            self.undo.replace(done.outcome.clone().ok().flatten());
            actions::tell(&app, done);
            self.asked.set(None);
            self.ask();
        }
        let now = clock(&news);
        let link = match (news.connected, &news.state) {
            (true, _) => Link::Up,
            (false, None) => Link::Never,
            (false, Some(_)) => Link::Lost(self.lost.get().unwrap_or(now)),
        };
        self.lost.set(match link {
            Link::Lost(since) => Some(since),
            Link::Up | Link::Never => None,
        });
        let state = news.state.map(|(state, _)| state);
        bind::bind(
            &app,
            &View {
                state,
                now,
                link,
                language: self.language.get(),
                answers: news.answers,
            },
        );
        // An alarm is to be seen from the next room, and when it is over the night is dark again.
        if self.alarmed.replace(alarmed(&app)) != alarmed(&app) {
            self.light();
        }
        self.speak(false);
    }

    /// Writes what is wrong with the connection to the log, once for each new reason.
    fn tell(&self, news: &News) {
        let mut told = self.told.borrow_mut();
        if *told != news.trouble {
            if let Some(trouble) = &news.trouble {
                eprintln!("wattle-display: no gateway: {trouble}; trying again");
            } else {
                eprintln!("wattle-display: connected to the gateway");
            }
            told.clone_from(&news.trouble);
        }
    }
}

/// Whether an alarm fills the screen that nobody has seen yet.
fn alarmed(app: &App) -> bool {
    let more = app.global::<More>();
    more.get_alarmed() && more.get_seen() != more.get_alarm().key
}

/// The gateway's clock: its last time, carried on by a clock that is never set.
fn clock(news: &News) -> Timestamp {
    let Some((state, arrived)) = &news.state else {
        return Timestamp::now();
    };
    SignedDuration::try_from(arrived.elapsed())
        .ok()
        .and_then(|elapsed| state.at.checked_add(elapsed).ok())
        .unwrap_or(state.at)
}
