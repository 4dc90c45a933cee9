//! `wattle read` and `wattle meter profile` with a simulated meter of IEC 62056-21 in its programming
//! mode, and one telegram of a meter that pushes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::Context;
use wattle_sim::household::{Curve, Kind};
use wattle_sim::iec62056_21::{Config, Meter, programming};
use wattle_sim::sml;

fn config(folder: &Path, meter: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join("wattle.toml");
    let state = folder.join("state");
    let text = format!("[gateway]\nstate_dir = {state:?}\n[[meter]]\nname = \"old\"\n{meter}");
    std::fs::write(&path, text)?;
    Ok(path)
}

fn wattle(words: &[&str], config: &Path) -> anyhow::Result<Output> {
    let mut command = Command::new(e2e::program("wattle")?);
    Ok(command.args(words).arg("--config").arg(config).output()?)
}

fn text(output: &Output) -> anyhow::Result<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{errors}");
    Ok(String::from_utf8(output.stdout.clone())?)
}

fn now() -> anyhow::Result<u64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(now.as_secs())
}

#[test]
fn data_sets_and_the_load_profile() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("ir0");
    let mut load = Curve::new(Kind::Home { pv: true }, 4);
    let _meter = Meter::start(
        &link,
        Config {
            password: Some("73914682".to_owned()),
            speed: '6',
            ..Config::new(load.clone())
        },
    )?;
    let password = folder.path().join("password");
    std::fs::write(&password, "73914682\n")?;
    let meter = |more: &str| {
        format!(
            "protocol = \"iec62056-21\"\nport = {link:?}\n[meter.programming]\npassword = \"file:{}\"\n{more}",
            password.display()
        )
    };
    let blocks = config(folder.path(), &meter(""))?;
    let read = wattle(&["read", "old", "32.7.0", "R5:0.0.0", "R1:9.9.9"], &blocks)?;
    assert_eq!(
        text(&read)?,
        "1-0:32.7.0*255 230.4 V\n1-0:0.0.0*255 87654321\n"
    );
    let refused = String::from_utf8(read.stderr)?;
    assert!(
        refused.contains("9.9.9: the meter refuses: ER06"),
        "{refused}"
    );

    // The quarter of an hour may end between the reading and here.
    let truth = |load: &mut Curve, unix_s: u64| -> anyhow::Result<Vec<String>> {
        let rows = programming::profile(load, unix_s);
        rows.iter()
            .map(|row| {
                let at = jiff::Timestamp::from_second(i64::try_from(row.end_unix_s)?)?;
                let at = at.strftime("%Y-%m-%dT%H:%M:%S+00:00");
                Ok(format!("{at},0,{},{}", row.import_w, row.export_w))
            })
            .collect()
    };
    let before = truth(&mut load, now()?)?;
    let profile = text(&wattle(&["meter", "profile", "old"], &blocks)?)?;
    let after = truth(&mut load, now()?)?;
    let (head, rows) = profile.split_once('\n').context("a head")?;
    assert_eq!(head, "time,status,1-0:1.5.0*255 W,1-0:2.5.0*255 W");
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!(rows.len(), usize::try_from(programming::PROFILE_ROWS)?);
    assert!(rows == before || rows == after, "{rows:?}");

    // In one piece, and from a time on.
    let whole = config(folder.path(), &meter("whole_profile = true\n"))?;
    let last_day = after.get(96).and_then(|row| row.split_once(','));
    let (since, _) = last_day.context("a row")?;
    let part = text(&wattle(
        &["meter", "profile", "old", "--since", since],
        &whole,
    )?)?;
    let part: Vec<&str> = part.lines().skip(1).collect();
    assert!(
        part.len() >= 96
            && after.ends_with(&part.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "{part:?}"
    );

    std::fs::write(&password, "wrong\n")?;
    let refused = wattle(&["meter", "profile", "old"], &whole)?;
    let words = String::from_utf8(refused.stderr)?;
    assert!(
        !refused.status.success() && !words.contains("wrong"),
        "{words}"
    );
    assert!(words.contains("is the password right?"), "{words}");
    Ok(())
}

#[test]
fn one_telegram_of_a_meter_that_pushes() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("sml0");
    let load = Curve::new(Kind::Constant { power_w: 420 }, 1);
    let _meter = sml::SmlMeter::start(&link, sml::Config::new(load))?;
    let config = config(
        folder.path(),
        &format!("protocol = \"sml\"\nport = {link:?}\n"),
    )?;
    let read = wattle(&["read", "old", "1-0:16.7.0"], &config)?;
    assert_eq!(text(&read)?, "1-0:16.7.0*255 420 W\n");
    Ok(())
}
