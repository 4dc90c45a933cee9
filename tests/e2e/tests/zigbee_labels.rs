//! R5 and R12: what a plug draws is in the state that the display draws within two seconds, and
//! reaches the decoder as labels of its appliance, to the second: the daemon on the simulated Zigbee
//! stick, beside a meter of the whole home.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::zigbee::{OUI, PATIENCE, let_in, plug, stick};
use jiff::Timestamp;
use serde_json::Value;
use wattle_sim::household::{Curve as Household, Kind};
use wattle_sim::sml::{Config, SmlMeter};
use wattle_sim::zigbee::device::{Curve, Load};

const PLUG: u64 = OUI | 0x01;
/// The first step comes when the plug has been let in and told how to report.
const FROM_S: u32 = 15;
const STEP_S: u32 = 3;

#[test]
fn r5_and_r12_the_display_and_the_decoder_follow_the_load() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("stick");
    // No two steps draw the same, so that each is told from all others.
    let steps: Vec<(u32, u32)> = (0..8)
        .map(|step| (FROM_S + STEP_S * step, 300 + 170 * (step * 5 % 8)))
        .collect();
    let mut device = plug(PLUG, 0);
    device.load = Some(Load::new(Curve::Day(steps.clone())));
    let began = Timestamp::now();
    let stick = stick(&link, vec![device])?;
    let optical = folder.path().join("optical");
    let curve = Household::new(Kind::Constant { power_w: 900 }, 1);
    let _meter = SmlMeter::start(&optical, Config::new(curve))?;
    let config = format!(
        "[zigbee]\nport = {link:?}\n\
         [[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {optical:?}\n\
         [[meter]]\nname = \"washer\"\nprotocol = \"zigbee\"\nid = \"{PLUG:016x}\"\n\
         role = \"submeter\"\nappliance = \"washing_machine\"\n"
    );
    let daemon = Daemon::start(folder.path(), &config)?;
    let_in(&daemon)?;
    let over_ms = u64::from(FROM_S + STEP_S * 9) * 1000;
    let mut shown = BTreeMap::new();
    eventually("the day is over", PATIENCE, || {
        let state = daemon.state()?;
        let washer = state.meters.iter().find(|meter| meter.name == "washer");
        let mut registers = washer.into_iter().flat_map(|meter| &meter.registers);
        if let Some(power) = registers.find(|one| one.obis.starts_with("1-0:16.7.0")) {
            let now = Timestamp::now().as_millisecond();
            shown
                .entry(power.value.normalize().to_string())
                .or_insert(now);
        }
        Ok((stick.ncp().now_ms() > over_ms).then_some(()))
    })?;
    daemon.stop()?;
    let changed = |second: u32| began.as_millisecond() + i64::from(second) * 1000;
    let mut late = Vec::new();
    for (second, watts) in &steps {
        let at = shown.get(&watts.to_string());
        let at = at.with_context(|| format!("{watts} W in {shown:?}"))?;
        late.push(at - changed(*second));
    }
    late.sort_unstable();
    println!("the display's state follows after {late:?} ms");
    // One that is late on a machine with too much to do does not make the rest late.
    ensure!(
        late.get(late.len() / 2)
            .is_some_and(|median| *median <= 2000),
        "{late:?}"
    );

    // What the decoder has learnt is kept with the labels that it was given.
    let kept = std::fs::read(folder.path().join("state/appliances.json"))?;
    let kept: Value = serde_json::from_slice(&kept)?;
    let plugs = kept["decoder"]["plugs"].as_object().context("plugs")?;
    let labels: Vec<(i64, i64)> = plugs
        .values()
        .filter_map(|plug| plug["readings"].as_array())
        .flatten()
        .filter_map(|label| Some((label[0].as_i64()?, label[1].as_i64()?)))
        .collect();
    ensure!(!labels.is_empty(), "{kept}");
    let mut off = Vec::new();
    for (second, watts) in steps {
        let changed = changed(second);
        let told = labels.iter().find(|(_, mw)| *mw == i64::from(watts) * 1000);
        let (at, _) = told.with_context(|| format!("{watts} W in {labels:?}"))?;
        // A label holds for its whole second.
        let end = (at + 1) * 1000;
        off.push((end - 1000 - changed).max(changed - end).max(0));
    }
    off.sort_unstable();
    println!("labels are off by {off:?} ms");
    let median = off.get(off.len() / 2).copied().unwrap_or(i64::MAX);
    ensure!(median <= 1000, "{off:?}");
    Ok(())
}
