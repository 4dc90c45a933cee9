//! Devices that are not heard any more: the household is told which.

use std::collections::BTreeMap;
use std::time::Instant;

use han::zigbee::devices::{Device, Home};
use jiff::Timestamp;
use wattle_api::{Notice, NoticeCode, Severity};

use super::plugs::Plugs;

/// So many are named at most.
const NAMED: usize = 8;

/// What is missed, and since when.
#[derive(Debug, Default)]
pub(super) struct Missed {
    devices: BTreeMap<u64, (String, Timestamp)>,
    looked: Option<i64>,
}

impl Missed {
    /// Looks once a minute who is missed; true when that has changed. Plugs that are meters are
    /// missed as those.
    pub(super) fn look(&mut self, home: &Home, plugs: &Plugs, now: Timestamp) -> bool {
        let minute = now.as_second() / 60;
        if self.looked.replace(minute) == Some(minute) {
            return false;
        }
        let instant = Instant::now();
        let devices = home.devices().filter(|one| !plugs.is_meter(one.ieee));
        let missed: BTreeMap<u64, (String, Timestamp)> = devices
            .filter_map(|device| {
                let since = now - device.missed_for(instant)?;
                Some((device.ieee, (name(device), since)))
            })
            .collect();
        let has_changed = !missed.keys().eq(self.devices.keys());
        if has_changed {
            self.devices = missed;
        }
        has_changed
    }

    /// What the household is told.
    pub(super) fn notices(&self) -> Vec<Notice> {
        let told = self.devices.values().take(NAMED);
        told.map(|(name, since)| Notice {
            severity: Severity::Warning,
            code: NoticeCode::DeviceMissed,
            meter: None,
            text: format!(
                "The Zigbee device {name} is not heard any more: is it plugged in, and its battery full?"
            ),
            since: *since,
        })
        .collect()
    }
}

/// What a device calls itself, and its address.
fn name(device: &Device) -> String {
    let names = [&device.names.manufacturer, &device.names.model];
    let mut name = String::new();
    for one in names.into_iter().flatten() {
        name.push_str(one);
        name.push(' ');
    }
    format!("{name}({:016x})", device.ieee)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_named_as_a_household_can_look_for() {
        let missed = |number: u64| (number, (format!("({number:016x})"), Timestamp::UNIX_EPOCH));
        let missed = Missed {
            devices: (1..=20).map(missed).collect(),
            looked: None,
        };
        let told = missed.notices();
        assert_eq!(told.len(), NAMED);
        assert!(told[0].text.contains("(0000000000000001)"));
        assert!(Missed::default().notices().is_empty());
    }
}
