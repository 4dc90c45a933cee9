//! MQTT with a real mosquitto: its versions, the forms of discovery, commands, and a broker that
//! comes and goes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use e2e::broker::{Broker, Listener, Message};
use e2e::daemon::Daemon;
use e2e::eventually;
use serde_json::Value;
use wattle_sim::household::{Curve, Kind};
use wattle_sim::iec62056_21;

const PATIENCE: Duration = Duration::from_secs(30);

fn broker_config(port: u16, more: &str) -> String {
    format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n{more}")
}

fn asked_meter(link: &Path) -> String {
    format!(
        "[[meter]]\nname = \"house\"\nprotocol = \"iec62056-21\"\nport = {link:?}\nperiod_s = 3600\n"
    )
}

/// A meter that is asked, once an hour.
fn meter(link: &Path) -> anyhow::Result<iec62056_21::Meter> {
    let curve = Curve::new(Kind::Constant { power_w: 700 }, 1);
    Ok(iec62056_21::Meter::start(
        link,
        iec62056_21::Config::new(curve),
    )?)
}

fn signal(daemon: &Daemon, name: &str) -> anyhow::Result<()> {
    let status = Command::new("kill")
        .args([name, &daemon.pid().to_string()])
        .status()?;
    anyhow::ensure!(status.success(), "kill {name}: {status}");
    Ok(())
}

fn last(listener: &Listener, ending: &str) -> Option<Message> {
    listener.ending(ending).pop()
}

/// Stands before a broker and lets only MQTT 3.1.1 in, as brokers that know no other do: with
/// return code 1 (MQTT 3.1.1, 3.1.2.2), or by hanging up.
fn old_broker(behind: u16, answers: bool) -> anyhow::Result<u16> {
    let door = TcpListener::bind("127.0.0.1:0")?;
    let port = door.local_addr()?.port();
    std::thread::spawn(move || {
        for guest in door.incoming().map_while(Result::ok) {
            std::thread::spawn(move || let_in(guest, behind, answers));
        }
    });
    Ok(port)
}

fn let_in(mut guest: TcpStream, behind: u16, answers: bool) -> std::io::Result<()> {
    let mut connect = vec![0; 512];
    let length = guest.read(&mut connect)?;
    connect.truncate(length);
    // The protocol's level follows its name.
    let name = connect.windows(4).position(|window| window == b"MQTT");
    let level = name.and_then(|at| connect.get(at + 4)).copied();
    if level != Some(4) {
        if answers {
            guest.write_all(&[0x20, 0x02, 0x00, 0x01])?;
        }
        return Ok(());
    }
    let mut broker = TcpStream::connect(("127.0.0.1", behind))?;
    broker.write_all(&connect)?;
    let (mut from_broker, mut to_guest) = (broker.try_clone()?, guest.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut from_broker, &mut to_guest));
    std::io::copy(&mut guest, &mut broker).map(drop)
}

#[test]
fn version_5_and_3_1_1_with_a_broker_that_knows_no_other() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let answers = old_broker(broker.port(), true)?;
    let hangs_up = old_broker(broker.port(), false)?;
    for (port, version) in [
        (broker.port(), "5"),
        (answers, "3.1.1"),
        (hangs_up, "3.1.1"),
    ] {
        let place = folder.path().join(port.to_string());
        std::fs::create_dir(&place)?;
        let listener = broker.listen_as("mqttv5")?;
        let daemon = Daemon::start(&place, &broker_config(port, ""))?;
        eventually("the gateway is online", PATIENCE, || {
            let said = listener.ending("/status");
            Ok(said.into_iter().rfind(|said| said.payload == "online"))
        })?;
        let said = format!("version=\"{version}\"");
        assert!(daemon.log()?.contains(&said), "{}", daemon.log()?);
        daemon.stop()?;
        eventually("its goodbye", PATIENCE, || {
            Ok(last(&listener, "/status").filter(|said| said.payload == "offline"))
        })?;
    }
    Ok(())
}

#[test]
fn a_meter_is_read_at_once_when_that_is_allowed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let link = folder.path().join("optical0");
    let _meter = meter(&link)?;
    let config = broker_config(broker.port(), "commands = [\"read\"]\n") + &asked_meter(&link);
    let daemon = Daemon::start(folder.path(), &config)?;
    let button = eventually("the button is announced", PATIENCE, || {
        Ok(last(&listener, "_read/config"))
    })?;
    let button = button.json()?;
    let set = button["cmd_t"].as_str().context("cmd_t")?;
    let press = button["pl_prs"].as_str().context("pl_prs")?;
    let states = || listener.meter_states().into_iter();
    let before = eventually("it is read", PATIENCE, || Ok(states().last()))?;
    broker.publish(set, press)?;
    eventually("it is read again, long before its hour", PATIENCE, || {
        Ok(states()
            .last()
            .filter(|said| said.payload != before.payload))
    })?;
    let answer = last(&listener, "/result").context("an answer")?.json()?;
    assert_eq!(
        (&answer["command"], &answer["ok"]),
        (&"read".into(), &true.into())
    );
    broker.publish(set, r#"{"command":"disconnect","id":"a"}"#)?;
    let refused = eventually("an unknown command is refused", PATIENCE, || {
        let answer = last(&listener, "/result").context("an answer")?.json()?;
        Ok((answer["id"] == "a").then_some(answer))
    })?;
    assert_eq!(refused["ok"], false);
    daemon.stop()
}

/// The newest payload of every discovery topic; empty ones are gone.
fn discovered(listener: &Listener) -> anyhow::Result<Vec<(String, Value)>> {
    let mut newest = std::collections::BTreeMap::new();
    for said in listener.ending("/config") {
        newest.insert(said.topic.clone(), said);
    }
    let left = newest.into_values().filter(|said| !said.payload.is_empty());
    left.map(|said| Ok((said.topic.clone(), said.json()?)))
        .collect()
}

#[test]
fn another_form_of_discovery_leaves_nothing_of_the_first() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let link = folder.path().join("optical0");
    let _meter = meter(&link)?;
    let single = broker_config(broker.port(), "") + &asked_meter(&link);
    let daemon = Daemon::start(folder.path(), &single)?;
    let listener = broker.listen()?;
    let unique_ids = |found: &[(String, Value)]| -> Vec<String> {
        let of = |config: &Value| config["uniq_id"].as_str().map(str::to_owned);
        let mut ids: Vec<String> = found
            .iter()
            .flat_map(|(_, config)| match config["cmps"].as_object() {
                Some(components) => components.values().filter_map(of).collect(),
                None => of(config).into_iter().collect::<Vec<_>>(),
            })
            .collect();
        ids.sort();
        ids
    };
    let first = eventually("the meter is announced", PATIENCE, || {
        let found = discovered(&listener)?;
        Ok(found
            .iter()
            .any(|(topic, _)| topic.contains("_1_8_0/"))
            .then_some(found))
    })?;
    daemon.reload(
        &(broker_config(broker.port(), "discovery = \"device\"\n") + &asked_meter(&link)),
    )?;
    let second = eventually("only devices are left", PATIENCE, || {
        let found = discovered(&listener)?;
        let all = found.iter().all(|(topic, _)| topic.contains("/device/"));
        let now = unique_ids(&found);
        // There may be more by now, such as what was used today.
        let same = unique_ids(&first).iter().all(|id| now.contains(id));
        Ok((all && same).then_some(found))
    })?;
    assert!(second.len() < first.len());
    daemon.stop()
}

#[test]
fn events_outlive_a_broker_that_is_away() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let port = broker.port();
    let link = folder.path().join("optical0");
    let meter = meter(&link)?;
    let config = broker_config(port, "") + &asked_meter(&link).replace("3600", "5");
    let daemon = Daemon::start(folder.path(), &config)?;
    eventually("the meter is read", PATIENCE, || {
        Ok(daemon
            .state()?
            .meters
            .first()
            .filter(|meter| meter.telegrams > 0)
            .map(drop))
    })?;
    drop(broker);
    eventually("the broker is missed", PATIENCE, || {
        let missed =
            |notice: &wattle_api::Notice| notice.code == wattle_api::NoticeCode::BrokerLost;
        Ok(daemon.state()?.notices.iter().any(missed).then_some(()))
    })?;
    meter.handle().unplug()?;
    eventually("the port is missed", PATIENCE, || {
        let missed = |notice: &wattle_api::Notice| notice.code == wattle_api::NoticeCode::PortLost;
        Ok(daemon.state()?.notices.iter().any(missed).then_some(()))
    })?;
    // It waits until somebody listens.
    signal(&daemon, "-STOP")?;
    let broker = Broker::start_at(folder.path(), port, "allow_anonymous true\n")?;
    let listener = broker.listen()?;
    eventually("somebody listens", PATIENCE, || {
        broker.publish("test/heard", "yes")?;
        Ok(last(&listener, "test/heard"))
    })?;
    signal(&daemon, "-CONT")?;
    eventually("what happened meanwhile is told", PATIENCE, || {
        let events = listener.ending("/event");
        let told = |code: &str| {
            events.iter().any(|event| {
                event.json().is_ok_and(|event| {
                    event["event_type"] == "notice_raised" && event["code"] == code
                })
            })
        };
        Ok(told("port_lost").then_some(()))
    })?;
    daemon.stop()
}
