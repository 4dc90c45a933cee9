//! The Homie 5 tree of a running daemon, read by an independent parser of the convention, `homie5`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use e2e::broker::{Broker, Listener};
use e2e::daemon::Daemon;
use e2e::eventually;
use homie5::device_description::{HomieDeviceDescription, HomiePropertyDescription};
use homie5::{Homie5Message, HomieDeviceStatus, HomieValue, parse_mqtt_message};
use wattle_sim::household::{Curve, Kind};
use wattle_sim::iec62056_21;

const PATIENCE: Duration = Duration::from_secs(30);

/// The tree as a controller builds it up, message by message, with every rule it finds broken.
#[derive(Default)]
struct Controller {
    states: BTreeMap<String, HomieDeviceStatus>,
    descriptions: BTreeMap<String, HomieDeviceDescription>,
    values: BTreeMap<(String, String, String), String>,
    broken: Vec<String>,
}

impl Controller {
    fn hear(listener: &Listener) -> Self {
        let mut tree = Self::default();
        for message in listener.beginning("homie/5/") {
            match parse_mqtt_message(&message.topic, message.payload.as_bytes()) {
                Ok(said) => tree.take(said),
                Err(error) => tree.broken.push(format!("{}: {error:?}", message.topic)),
            }
        }
        tree
    }

    fn take(&mut self, said: Homie5Message) {
        match said {
            Homie5Message::DeviceState { device, state } => {
                self.states.insert(device.device_id().to_string(), state);
            }
            Homie5Message::DeviceDescription {
                device,
                description,
                issues,
            } => {
                let id = device.device_id().to_string();
                for issue in issues {
                    self.broken.push(format!("{id}: {issue:?}"));
                }
                // "This value may only change when the device $state is either init,
                // disconnected, or lost", and then with a higher version.
                if let Some(before) = self.descriptions.get(&id)
                    && before.version >= description.version
                    && *before != description
                {
                    self.broken.push(format!("{id}: the version is not higher"));
                }
                if self.states.get(&id) == Some(&HomieDeviceStatus::Ready) {
                    self.broken.push(format!("{id}: described while ready"));
                }
                self.descriptions.insert(id, description);
            }
            Homie5Message::PropertyValue { property, value } => {
                let place = (
                    property.device_id().to_string(),
                    property.node_id().to_string(),
                    property.prop_id().to_string(),
                );
                self.values.insert(place, value);
            }
            _ => {}
        }
    }

    fn property(&self, place: &(String, String, String)) -> Option<&HomiePropertyDescription> {
        let (device, node, property) = place;
        let nodes = &self.descriptions.get(device)?.nodes;
        let (_, node) = nodes.iter().find(|(id, _)| id.as_str() == node)?;
        let mut properties = node.properties.iter();
        let (_, found) = properties.find(|(id, _)| id.as_str() == property)?;
        Some(found)
    }

    /// Everything that does not fit together at the end.
    fn faults(&self) -> Vec<String> {
        let mut faults = self.broken.clone();
        for (place, value) in &self.values {
            match self.property(place).map(|it| HomieValue::parse(value, it)) {
                None => faults.push(format!("{place:?} is not described")),
                Some(Err(error)) => faults.push(format!("{place:?} {value:?}: {error:?}")),
                Some(Ok(_)) => {}
            }
        }
        let roots: Vec<&String> = self
            .descriptions
            .iter()
            .filter(|(_, description)| description.root.is_none())
            .map(|(id, _)| id)
            .collect();
        let [root] = roots[..] else {
            faults.push(format!("roots: {roots:?}"));
            return faults;
        };
        let mut children: Vec<&str> = self
            .descriptions
            .get(root)
            .into_iter()
            .flat_map(|root| root.children.iter().map(homie5::HomieID::as_str))
            .collect();
        children.sort_unstable();
        let others = self.descriptions.keys().filter(|id| *id != root);
        let others: Vec<&str> = others.map(String::as_str).collect();
        if children != others {
            faults.push(format!("children {children:?}, devices {others:?}"));
        }
        for (id, description) in &self.descriptions {
            if id != root && description.root.as_ref().map(homie5::HomieID::as_str) != Some(root) {
                faults.push(format!("{id}: its root is {:?}", description.root));
            }
        }
        faults
    }
}

#[test]
fn an_independent_parser_accepts_the_tree() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let link = folder.path().join("optical0");
    let curve = Curve::new(Kind::Constant { power_w: 700 }, 1);
    let meter = iec62056_21::Meter::start(&link, iec62056_21::Config::new(curve))?;
    std::fs::write(
        folder.path().join("tariff.toml"),
        "version = 1\nname = \"Flat\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n\
         [bands.all]\nlabel = \"All\"\nrate = \"0.30\"\n[[schedule]]\nband = \"all\"\n",
    )?;
    let config = format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {}\nmodes = [\"homie\"]\ncommands = [\"read\"]\n\
         [tariff]\nfile = \"tariff.toml\"\n\
         [[meter]]\nname = \"house\"\nprotocol = \"iec62056-21\"\nport = {link:?}\nperiod_s = 5\n",
        broker.port()
    );
    let mut daemon = Daemon::start(folder.path(), &config)?;
    let ready = || {
        let tree = Controller::hear(&listener);
        let all = tree
            .states
            .values()
            .all(|state| *state == HomieDeviceStatus::Ready);
        // The gateway, its price, its usage, and the meter.
        (all && tree.states.len() >= 4).then_some(tree)
    };
    let tree = eventually("all devices are ready", PATIENCE, || Ok(ready()))?;
    assert_eq!(tree.faults(), Vec::<String>::new());
    let import = tree
        .values
        .iter()
        .find(|((_, node, property), _)| node == "meter" && property == "energy-import-kwh");
    let import: f64 = import.context("the meter's register")?.1.parse()?;
    assert!(import > 0.0);

    // A settable property: the meter is read at once.
    let (device, ..) = tree
        .values
        .keys()
        .find(|(_, node, _)| node == "meter")
        .context("the meter")?;
    broker.publish(&format!("homie/5/{device}/meter/read/set"), "press")?;
    eventually("the press is answered", PATIENCE, || {
        let answers = listener.ending("/result");
        Ok(answers
            .into_iter()
            .find(|said| said.payload.contains("\"ok\":true")))
    })?;

    // The last will is on the root; a meter that is silent is lost, and comes back.
    daemon.kill_and_restart()?;
    eventually("all devices are ready again", PATIENCE, || {
        let lost = listener.ending("/$state");
        let lost = lost.iter().any(|said| said.payload == "lost");
        Ok(ready().filter(|_| lost))
    })?;
    meter.handle().unplug()?;
    let silent = |want: HomieDeviceStatus| {
        let tree = Controller::hear(&listener);
        (tree.states.get(device) == Some(&want)).then_some(tree)
    };
    eventually("the silent meter is lost", PATIENCE, || {
        Ok(silent(HomieDeviceStatus::Lost))
    })?;
    meter.handle().plug()?;
    let tree = eventually("it is ready again", PATIENCE, || {
        Ok(silent(HomieDeviceStatus::Ready))
    })?;
    assert_eq!(tree.faults(), Vec::<String>::new());
    daemon.stop()?;
    let tree = eventually("the goodbye", PATIENCE, || {
        let tree = Controller::hear(&listener);
        let gone = |state: &HomieDeviceStatus| *state == HomieDeviceStatus::Disconnected;
        Ok(tree.states.values().all(gone).then_some(tree))
    })?;
    assert!(tree.states.len() >= 4);
    Ok(())
}
