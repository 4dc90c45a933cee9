//! A household's ways through the display: the real program in a window, touched and read, with the
//! real daemon and the demonstration home behind it. Each ends with what the API says.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::panel::{self, Panel, Word, place};
use e2e::{eventually, household, utility};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use wattle_api::{OptState, RUN_ADVICE_PATH, RunAdvice};

const PATIENCE: Duration = Duration::from_secs(180);
/// Days that the home has been lived in: at least two washes lie in them that are decided by now.
const DAYS: u64 = 8;

/// The items of the rail: where their middles are.
const PRICES: (i32, i32) = (52, 234);
const APPLIANCES: (i32, i32) = (52, 325);
const MORE: (i32, i32) = (52, 416);
/// One hour later, on the screen of the prices.
const LATER: (i32, i32) = (752, 304);
/// The next of the utility's requests: one is under way that nobody may decline.
const NEXT_EVENT: (i32, i32) = (748, 52);
/// The key that ends a text.
const DONE: (i32, i32) = (724, 40);

/// The simulated meters of the demonstration home. They end when dropped.
struct Meters(Child);

impl Drop for Meters {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn meters(ports: &Path) -> anyhow::Result<Meters> {
    let mut child = Command::new(e2e::program("wattle-sim")?)
        .args(["household", "--dir"])
        .arg(ports)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().context("its output")?;
    let mut ready = String::new();
    BufReader::new(out).read_line(&mut ready)?;
    anyhow::ensure!(ready.contains("\"ready\":true"), "{ready}");
    Ok(Meters(child))
}

/// The demonstration home's own configuration, with wireless meters in the air and a utility.
fn config(folder: &Path, utility: &utility::Utility) -> anyhow::Result<String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/household");
    fs::copy(home.join("tariff.toml"), folder.join("tariff.toml"))?;
    let text = fs::read_to_string(home.join("wattle.toml"))?;
    let meters = text.find("[[meter]]").context("the home has meters")?;
    let ports = folder.join("ports").display().to_string();
    let own = text.get(meters..).context("its configuration")?;
    let sim = e2e::program("wattle-sim")?;
    Ok(format!(
        "{}\n[[receiver]]\nname = \"stick\"\nport = \"exec:{} air\"\n{}",
        own.replace("@PORTS@", &ports),
        sim.display(),
        utility.config(folder)
    ))
}

#[test]
#[ignore = "two minutes of touching and reading: make test-journeys"]
fn a_household_at_its_display() -> anyhow::Result<()> {
    if let Some(why) = panel::missing() {
        println!("skipped: {why}");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let utility = utility::start(folder.path())?;
    let config = config(folder.path(), &utility)?;
    household::fill(&folder.path().join("state"), DAYS)?;
    let _meters = meters(&folder.path().join("ports"))?;
    let daemon = Daemon::start(folder.path(), &config)?;
    let settings = folder.path().join("display.json");
    let panel = Panel::open(folder.path(), &daemon.socket(), &settings)?;

    first_run(&panel, &settings)?;
    opts_out(&panel, &daemon)?;
    finds_the_cheapest_window(&panel, &daemon)?;
    renames_an_appliance(&panel, &daemon)?;
    adds_a_meter(&panel, &daemon)?;
    switches_the_language(&panel, &daemon, &settings)?;

    // The gateway goes away and comes back.
    daemon.stop()?;
    panel.find("Kein Gateway seit")?;
    let daemon = Daemon::start(folder.path(), &config)?;
    panel.until("the gateway is back", |words| {
        let lost = place(words, "Kein Gateway seit").is_some();
        (!lost && place(words, "pro Stunde").is_some()).then_some(())
    })?;
    eventually("what was asked for is known again", PATIENCE, || {
        Ok((opt(&daemon)? == Some(OptState::In)).then_some(()))
    })?;
    daemon.stop()
}

/// Five steps, the last of which keeps what was chosen.
fn first_run(panel: &Panel, settings: &Path) -> anyhow::Result<()> {
    for step in [
        "Which language",
        "Is this the right time",
        "These meters were found",
        "Keys and tariff are typed",
    ] {
        panel.find(step)?;
        anyhow::ensure!(!settings.exists(), "nothing is kept before the end");
        panel.tap_text("Next")?;
    }
    panel.find("What power costs")?;
    panel.tap_text("Start")?;
    eventually("the choices are kept", PATIENCE, || {
        Ok(settings.exists().then_some(()))
    })
}

fn opt(daemon: &Daemon) -> anyhow::Result<Option<OptState>> {
    let asked = daemon.state()?.grid_events;
    let shed = asked.iter().find(|event| event.id == "sep2:E1");
    Ok(shed.map(|event| event.opt))
}

fn opts_out(panel: &Panel, daemon: &Daemon) -> anyhow::Result<()> {
    assert_eq!(opt(daemon)?, Some(OptState::In));
    panel.tap(MORE.0, MORE.1)?;
    panel.tap_text("Messages")?;
    panel.find("Generate no more than")?;
    panel.tap(NEXT_EVENT.0, NEXT_EVENT.1)?;
    panel.tap_text("Not this time")?;
    eventually("the household's word has arrived", PATIENCE, || {
        Ok((opt(daemon)? == Some(OptState::Out)).then_some(()))
    })
}

/// When the washing machine is best started, as the API says it and as the screen does.
fn best_start(daemon: &Daemon, query: &str) -> anyhow::Result<String> {
    let path = format!("{RUN_ADVICE_PATH}{query}");
    let advice: Vec<RunAdvice> = serde_json::from_value(daemon.json(&path)?)?;
    let washing = advice
        .iter()
        .find(|advice| advice.appliance == "washing_machine")
        .with_context(|| format!("the washing machine was learnt: {advice:?}"))?;
    let Some(best) = &washing.best else {
        return Ok("not in time".to_owned());
    };
    let start = best.start.to_zoned(TimeZone::get("Europe/Berlin")?);
    Ok(start.strftime("%H:%M").to_string())
}

fn shows(words: &[Word], start: &str) -> bool {
    place(words, "Washing machine").is_some() && place(words, start).is_some()
}

fn finds_the_cheapest_window(panel: &Panel, daemon: &Daemon) -> anyhow::Result<()> {
    eventually("the washing machine was learnt", PATIENCE, || {
        Ok(best_start(daemon, "").ok())
    })?;
    panel.tap(PRICES.0, PRICES.1)?;
    panel.until("the best start", |words| {
        let start = best_start(daemon, "").ok()?;
        shows(words, &start).then_some(())
    })?;
    // It is to be done in the hour after the next one.
    panel.tap(LATER.0, LATER.1)?;
    panel.until("the best start that is over in time", |words| {
        let hour = Timestamp::now().as_second().div_euclid(3_600) + 2;
        let by = Timestamp::from_second(hour * 3_600).ok()?;
        let start = best_start(daemon, &format!("?finish_by={by}")).ok()?;
        shows(words, &start).then_some(())
    })
}

/// Where a key of the English keyboard stands: a gap of 8 and keys of 79.2.
fn key(letter: char) -> anyhow::Result<(i32, i32)> {
    let lines = ["1234567890", "qwertyuiop", "asdfghjkl-", " zxcvbnm.\u{8}"];
    let (line, column) = lines
        .iter()
        .zip(0..)
        .find_map(|(line, row)| {
            let column = line.chars().position(|key| key == letter)?;
            Some((row, column))
        })
        .context("no such key")?;
    let middle = |offset: i32, index: i32| offset + (792 * index + 396) / 10;
    // Between the letters of the last line and the key that erases there is none.
    let column = if letter == '\u{8}' {
        9
    } else {
        i32::try_from(column)?
    };
    Ok((middle(4, column), middle(80, line)))
}

/// Waits for the keyboard: what was touched is behind it.
fn keyboard(panel: &Panel, behind: &str) -> anyhow::Result<()> {
    panel.until("the keyboard", |words| {
        place(words, behind).is_none().then_some(())
    })
}

fn type_text(panel: &Panel, text: &str) -> anyhow::Result<()> {
    for letter in text.chars() {
        let (x, y) = key(letter)?;
        panel.tap(x, y)?;
    }
    Ok(())
}

fn renames_an_appliance(panel: &Panel, daemon: &Daemon) -> anyhow::Result<()> {
    panel.tap(APPLIANCES.0, APPLIANCES.1)?;
    panel.tap_text("Fridge")?;
    panel.tap_text("Rename")?;
    keyboard(panel, "Rename")?;
    type_text(panel, &"\u{8}".repeat("Fridge".len()))?;
    type_text(panel, "larder")?;
    panel.tap(DONE.0, DONE.1)?;
    eventually("the name has arrived", PATIENCE, || {
        let known = daemon.state()?.appliances;
        let label = known.and_then(|known| known.labels.get("fridge").cloned());
        Ok((label.as_deref() == Some("Larder")).then_some(()))
    })?;
    panel.find("Larder").map(drop)
}

fn adds_a_meter(panel: &Panel, daemon: &Daemon) -> anyhow::Result<()> {
    panel.tap(MORE.0, MORE.1)?;
    panel.tap_text("Home network")?;
    panel.tap_text("Add a meter")?;
    panel.tap_text("22222222")?;
    keyboard(panel, "22222222")?;
    type_text(panel, "tank")?;
    panel.tap(DONE.0, DONE.1)?;
    eventually("the meter is read", PATIENCE, || {
        let meters = daemon.state()?.meters;
        let mut new = meters.iter().filter(|meter| meter.name == "Tank");
        Ok(new.any(|meter| meter.received_at.is_some()).then_some(()))
    })
}

fn switches_the_language(panel: &Panel, daemon: &Daemon, settings: &Path) -> anyhow::Result<()> {
    panel.tap(MORE.0, MORE.1)?;
    panel.tap_text("Settings")?;
    panel.tap_text("Deutsch")?;
    panel.find("Helligkeit")?;
    anyhow::ensure!(fs::read_to_string(settings)?.contains("\"lang\":\"de\""));
    // The household takes its word back, in its own language.
    panel.tap(MORE.0, MORE.1)?;
    panel.tap_text("Meldungen")?;
    // The request that was shown last is still the one shown.
    panel.find("verbrauchen")?;
    panel.tap_text("Mitmachen")?;
    eventually("the household's word has arrived", PATIENCE, || {
        Ok((opt(daemon)? == Some(OptState::In)).then_some(()))
    })
}
