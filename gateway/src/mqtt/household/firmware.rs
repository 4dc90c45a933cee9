//! The firmware of a Zigbee device, which Home Assistant shows as an update.

use serde_json::json;
use wattle_api::{ZigbeeDevice, ZigbeeFirmware, ZigbeeUpgradeStage};

use super::super::thing::{Kind, Point, Thing, Topics, text};
use super::ZIGBEE_DEVICE;
use super::part::{Told, owned, part};

/// Where the device's firmware is told.
pub(super) fn path(firmware: &ZigbeeFirmware) -> String {
    format!("{ZIGBEE_DEVICE}{}", firmware.ieee)
}

/// What of it is told; nothing before the device has said what it runs.
pub(super) fn told(
    topics: &Topics,
    firmware: &ZigbeeFirmware,
    device: Option<&ZigbeeDevice>,
) -> Option<Told> {
    let installed = firmware.installed.as_ref()?;
    let point = Point {
        device_class: Some("firmware"),
        attributes: Some("firmware"),
        ..Point::new(Kind::Update("update"), "firmware", "Firmware")
    };
    let stage = firmware.stage;
    let percent = firmware
        .octets
        .zip(firmware.size)
        .filter(|(_, size)| stage == ZigbeeUpgradeStage::Fetching && *size > 0)
        .map(|(octets, size)| u64::from(octets) * 100 / u64::from(size));
    let idle = [ZigbeeUpgradeStage::Idle, ZigbeeUpgradeStage::Failed];
    let wanted = firmware.wanted.as_ref().or(firmware.newer.as_ref());
    let said = json!({
        "installed_version": installed,
        "latest_version": wanted.unwrap_or(installed),
        "in_progress": !idle.contains(&stage),
        "update_percentage": percent,
        "release_summary": firmware.reason,
        "stage": stage,
    });
    let model = device.and_then(|device| device.model.clone());
    let name = model.as_deref().unwrap_or(&firmware.ieee);
    let thing = Thing {
        manufacturer: device.and_then(|device| device.manufacturer.clone()),
        serial: Some(firmware.ieee.clone()),
        ..part(topics, &path(firmware), name, vec![point])
    };
    Some(Told {
        thing: Thing { model, ..thing },
        values: owned(vec![("firmware", text(installed))]),
        attributes: vec![("firmware", said)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_told_with_how_far_it_is() {
        let topics = Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        };
        let told = |stage: &str| {
            let text = format!(r#"{{"ieee":"00124b0000000003",{stage}}}"#);
            told(&topics, &serde_json::from_str(&text).unwrap(), None)
        };
        let said = |stage: &str| told(stage).unwrap().attributes.remove(0).1;
        let newer = said(r#""installed":"00000001","newer":"00000002","stage":"idle""#);
        assert_eq!(newer["latest_version"], "00000002");
        assert_eq!(newer["in_progress"], false);
        let half = r#""installed":"00000001","wanted":"00000002","stage":"fetching","octets":500,"size":1000"#;
        assert_eq!(said(half)["update_percentage"], 50);
        let none = said(r#""installed":"00000002","stage":"idle""#);
        assert_eq!(none["latest_version"], "00000002");
        assert!(told(r#""stage":"idle""#).is_none());
    }
}
