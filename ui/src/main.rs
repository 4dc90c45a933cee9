//! `wattle-display`: the in-premises display.

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use slint::ComponentHandle;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use ui::backlight::{self, Backlight};
use ui::bind::{self, View};
use ui::command;
use ui::format::Language;
use ui::headless::{self, Screen};
use ui::live::{self, Around, Live};
use ui::speech::Voice;
use ui::watchdog::Watchdog;
use ui::{First, Nav, Page, ThemeChoice, client, settings};

/// The display of a wattle gateway.
///
/// Shows what the home uses now, what it costs and when power will be cheaper. It reads the
/// gateway's socket and keeps nothing but what is chosen on its screen.
#[derive(Parser)]
#[command(name = "wattle-display", version, after_help = AFTER_HELP)]
struct Arguments {
    /// The gateway's socket
    #[arg(long, value_name = "PATH", env = "WATTLE_SOCKET", default_value = client::DEFAULT_SOCKET)]
    socket: PathBuf,

    /// Colours; `auto` is night in the hours set on the screen (22:00 to 06:00), dark otherwise
    #[arg(long, value_enum, default_value_t = Colours::Dark)]
    theme: Colours,

    /// Size of the texts, in per cent
    #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = ["100", "125"])]
    text: String,

    /// Language: en, de, fr, nl or es
    #[arg(long, default_value = "en", value_parser = language)]
    lang: Language,

    /// Window or picture size in pixels of the panel
    #[arg(long, value_name = "WxH", default_value = "800x480", value_parser = size)]
    size: (u32, u32),

    /// Pixels of the panel to one of the design: 1.25 for a 7 inch panel of 1024x600
    #[arg(long, value_name = "FACTOR", value_parser = scale)]
    scale: Option<f32>,

    /// Keep what is chosen on the screen in FILE; it then goes before the options above
    #[arg(long, value_name = "FILE", env = "WATTLE_DISPLAY_SETTINGS")]
    settings: Option<PathBuf>,

    /// Draw one picture into FILE (PNG) and end; needs no screen
    #[arg(long, value_name = "FILE")]
    screenshot: Option<PathBuf>,

    /// With --screenshot: draw a state from FILE, as `GET /api/v1/state` answers it
    #[arg(long, value_name = "FILE", requires = "screenshot")]
    state: Option<PathBuf>,

    /// With --screenshot: the screen to draw
    #[arg(long, value_enum, default_value_t = Shown::Now, requires = "screenshot")]
    page: Shown,

    /// With --screenshot: what the clock shows, such as 2026-11-20T18:30:00Z [default: the state's]
    #[arg(long, value_name = "TIME", requires = "screenshot")]
    at: Option<Timestamp>,
}

const AFTER_HELP: &str = "\
Examples:
  wattle-display                                  on a desk or on the device's panel
  wattle-display --size 1024x600 --scale 1.25     as on a 7 inch panel of 1024x600
  wattle-display --screenshot now.png             a picture of the running gateway
  wattle-display --screenshot now.png --state state.json --theme light --lang de

A state to draw:
  curl --unix-socket /run/wattle/api.sock http://wattle/api/v1/state > state.json

Environment: WAYLAND_DISPLAY or DISPLAY choose a window on a desk; without them the panel is drawn
on directly, where this program was built with the feature `kms`. SLINT_KMS_ROTATION=90 turns it.";

#[derive(Clone, Copy, ValueEnum)]
enum Shown {
    Now,
    Usage,
    Prices,
    Appliances,
    More,
    Money,
    Supplies,
    Network,
    Settings,
    Events,
    Privacy,
    AddMeter,
}

impl From<Shown> for Page {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Now => Self::Now,
            Shown::Usage => Self::Usage,
            Shown::Money => Self::Money,
            Shown::Prices => Self::Prices,
            Shown::Appliances => Self::Appliances,
            Shown::More => Self::More,
            Shown::Supplies => Self::Supplies,
            Shown::Network => Self::Network,
            Shown::Settings => Self::Settings,
            Shown::Events => Self::Events,
            Shown::Privacy => Self::Privacy,
            Shown::AddMeter => Self::AddMeter,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Colours {
    Dark,
    Light,
    Night,
    Auto,
}

impl From<Colours> for ThemeChoice {
    fn from(colours: Colours) -> Self {
        match colours {
            Colours::Dark => Self::Dark,
            Colours::Light => Self::Light,
            Colours::Night => Self::Night,
            Colours::Auto => Self::Auto,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.screenshot {
        Some(file) => screenshot(&arguments, file),
        None => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wattle-display: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    /// A window with what is chosen in force.
    fn open(&self) -> Result<ui::App, slint::PlatformError> {
        let app = ui::App::new()?;
        settings::choose(&app, self.theme.into(), self.text == "125", self.lang);
        if let Some(file) = &self.settings
            && let Err(error) = settings::restore(&app, file)
        {
            eprintln!("wattle-display: {}: {error}; not used", file.display());
        }
        ui::prepare(&app);
        settings::follow(&app, jiff::Zoned::now().hour())?;
        Ok(app)
    }
}

fn screenshot(arguments: &Arguments, file: &Path) -> Result<()> {
    let state = match &arguments.state {
        Some(path) => read_state(path)?,
        None => client::read_one(&arguments.socket).with_context(|| {
            format!(
                "no state from {}; is the gateway running? A recorded one is drawn with --state",
                arguments.socket.display()
            )
        })?,
    };
    let screen = Screen::new()?;
    let app = arguments.open()?;
    let mut view = View::of(state, settings::language(&app));
    if let Some(at) = arguments.at {
        view.now = at;
    }
    app.global::<Nav>().set_page(arguments.page.into());
    if arguments.state.is_none() {
        view.answers = client::answers(&arguments.socket);
    }
    let (width, height) = arguments.size;
    bind::bind(&app, &view);
    screen.show(&app, width, height, arguments.scale.unwrap_or(1.0))?;
    screen.draw();
    headless::write_png(&screen.picture(), file)
        .with_context(|| format!("cannot write {}", file.display()))
}

fn read_state(path: &Path) -> Result<wattle_api::State> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is not a state as GET {} answers it",
            path.display(),
            wattle_api::STATE_PATH
        )
    })
}

fn run(arguments: &Arguments) -> Result<()> {
    choose_backend(arguments)?;
    let app = arguments
        .open()
        .context("cannot open a window; `--screenshot FILE` draws a picture without one")?;
    let (width, height) = arguments.size;
    app.window()
        .set_size(slint::PhysicalSize::new(width, height));
    // A display that has kept nothing yet is new here.
    let new = arguments
        .settings
        .as_ref()
        .is_some_and(|file| !file.exists());
    app.global::<First>().set_shown(new);
    let weak = app.as_weak();
    let mailbox = client::start(arguments.socket.clone(), move || live::wake(&weak))
        .context("cannot start reading the gateway")?;
    let weak = app.as_weak();
    let questions = client::answer(arguments.socket.clone(), mailbox.clone(), move || {
        live::wake(&weak);
    })
    .context("cannot start asking the gateway")?;
    let file = arguments.settings.clone();
    let weak = app.as_weak();
    let commands = command::carry_out(arguments.socket.clone(), mailbox.clone(), move || {
        live::wake(&weak);
    })
    .context("cannot start telling the gateway")?;
    let around = Around {
        mailbox,
        questions,
        commands,
        backlight: Backlight::find(Path::new(backlight::SYSTEM)),
        voice: Voice::find(),
    };
    let live = Live::new(&app, around, move |app| {
        if let Some(file) = &file
            && let Err(error) = settings::save(app, file)
        {
            eprintln!("wattle-display: {}: {error}", file.display());
        }
    });
    let themes = follow_the_clock(&app);
    let watchdog = Watchdog::start();
    app.run().context("the window failed")?;
    drop((live, themes, watchdog));
    Ok(())
}

/// Looks at the clock once a minute: night comes by itself where that is chosen.
fn follow_the_clock(app: &ui::App) -> slint::Timer {
    let timer = slint::Timer::default();
    let weak = app.as_weak();
    let minute = std::time::Duration::from_secs(60);
    timer.start(slint::TimerMode::Repeated, minute, move || {
        if let Some(app) = weak.upgrade() {
            let choice = app.global::<ui::Choices>().get_theme();
            let night = settings::Night::chosen(&app);
            let theme = settings::theme(choice, night, jiff::Zoned::now().hour());
            let tokens = app.global::<ui::Tokens>();
            if tokens.get_theme() != theme {
                tokens.set_theme(theme);
                // By night the panel is dimmer, too.
                app.global::<Nav>().invoke_slept();
            }
        }
    });
    timer
}

/// Picks a window on a desk or the panel itself, or says what else there is.
fn choose_backend(arguments: &Arguments) -> Result<()> {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let backend = if set("SLINT_BACKEND") {
        None
    } else if set("WAYLAND_DISPLAY") || set("WAYLAND_SOCKET") || set("DISPLAY") {
        Some("winit-software")
    } else if cfg!(feature = "kms") && has_panel() {
        Some("linuxkms-software")
    } else {
        bail!(
            "there is no screen to draw on.\n\
             - On a desk, start it inside a Wayland or X11 session.\n\
             - On a device with a panel, use a build with the feature `kms`{}.\n\
             - For a picture: wattle-display --screenshot now.png\n\
             - For the figures: curl --unix-socket {} http://wattle{}",
            if cfg!(feature = "kms") {
                " (this is one, but /dev/dri has no card)"
            } else {
                ""
            },
            arguments.socket.display(),
            wattle_api::STATE_PATH,
        );
    };
    // Slint reads both settings from the environment, which a running program cannot change
    // safely: the program starts itself once more.
    let mut again = std::process::Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1));
    let mut changed = false;
    if let Some(backend) = backend {
        again.env("SLINT_BACKEND", backend);
        changed = true;
    }
    if let Some(scale) = arguments.scale.filter(|_| !set("SLINT_SCALE_FACTOR")) {
        again.env("SLINT_SCALE_FACTOR", scale.to_string());
        changed = true;
    }
    if changed {
        return Err(std::os::unix::process::CommandExt::exec(&mut again))
            .context("cannot start again with a backend chosen");
    }
    Ok(())
}

fn has_panel() -> bool {
    std::fs::read_dir("/dev/dri").is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("card"))
    })
}

fn language(text: &str) -> Result<Language, String> {
    Language::ALL
        .iter()
        .find(|(code, _)| *code == text)
        .map(|(_, language)| *language)
        .ok_or_else(|| {
            let codes: Vec<&str> = Language::ALL.iter().map(|(code, _)| *code).collect();
            format!("not one of {}", codes.join(", "))
        })
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let range = 320..=4_096;
    text.split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .filter(|(width, height)| range.contains(width) && range.contains(height))
        .ok_or_else(|| "not a size such as 800x480".to_owned())
}

fn scale(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|scale| (0.5..=4.0).contains(scale))
        .ok_or_else(|| "not a factor from 0.5 to 4".to_owned())
}
