//! `wattle han firmware`: the firmware of Zigbee devices, by the daemon's API.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use wattle_api::{
    ZIGBEE_PATH, ZIGBEE_UPGRADE_PATH, Zigbee, ZigbeeFirmware, ZigbeeUpgrade, ZigbeeUpgradeStage,
};

use crate::cli::service::radio::ask;
use crate::config;

/// Which device, and what it is to get.
#[derive(Debug, Args)]
pub(super) struct FirmwareArgs {
    /// The device's address, 16 hex digits; all are listed where it is left out
    ieee: Option<String>,
    /// The version, eight hex digits; the newest where it is left out
    #[arg(long, requires = "ieee")]
    version: Option<String>,
    /// The version may be older than what the device runs
    #[arg(long, requires = "version")]
    downgrade: bool,
    /// The device is to get nothing any more
    #[arg(long, requires = "ieee", conflicts_with = "version")]
    cancel: bool,
    /// The configuration
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(args: &FirmwareArgs) -> ExitCode {
    let answer: anyhow::Result<Zigbee> = match &args.ieee {
        None => ask(&args.config, "GET", ZIGBEE_PATH, &()),
        Some(ieee) => {
            let request = ZigbeeUpgrade {
                ieee: ieee.clone(),
                version: args.version.clone(),
                downgrade: args.downgrade,
                cancel: args.cancel,
            };
            ask(&args.config, "POST", ZIGBEE_UPGRADE_PATH, &request)
        }
    };
    match answer {
        Ok(zigbee) => {
            crate::cli::print(table(&zigbee).as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("wattle han firmware: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn table(zigbee: &Zigbee) -> String {
    let mut table = format!(
        "{:16}  {:8}  {:8}  {:20}  {}\n",
        "DEVICE", "RUNS", "NEWER", "STAGE", "MODEL"
    );
    for one in &zigbee.firmware {
        let device = zigbee.devices.iter().find(|device| device.ieee == one.ieee);
        let model = device.and_then(|device| device.model.as_deref());
        let line = format!(
            "{:16}  {:8}  {:8}  {:20}  {}",
            one.ieee,
            one.installed.as_deref().unwrap_or("?"),
            one.newer.as_deref().unwrap_or_default(),
            stage(one),
            model.unwrap_or_default()
        );
        table.push_str(line.trim_end());
        table.push('\n');
    }
    for file in &zigbee.firmware_files {
        let version = file.version.as_deref().unwrap_or_default();
        let problem = file.problem.as_deref().unwrap_or_default();
        let line = format!("{}  {version}  {problem}", file.file);
        // Writing to a text cannot fail.
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

fn stage(one: &ZigbeeFirmware) -> String {
    match (one.stage, one.octets, one.size) {
        (ZigbeeUpgradeStage::Fetching, Some(octets), Some(size)) if size > 0 => {
            let percent = u64::from(octets) * 100 / u64::from(size);
            format!("fetches, {percent} %")
        }
        (ZigbeeUpgradeStage::Idle, ..) => String::new(),
        (ZigbeeUpgradeStage::Waiting, ..) => "waits".to_owned(),
        (ZigbeeUpgradeStage::Called, ..) => "called".to_owned(),
        (ZigbeeUpgradeStage::Installing, ..) => "installs".to_owned(),
        _ => one.reason.clone().unwrap_or_else(|| "failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_files_are_listed() {
        let network = r#"{"state":"up","devices":[],
            "firmware":[{"ieee":"00124b0000000003","installed":"00000001","newer":"00000002",
                "stage":"fetching","octets":960,"size":1920}],
            "firmware_files":[{"file":"plug.ota","version":"00000002"},
                {"file":"cut.ota","problem":"it ends too early"}]}"#;
        let listed = table(&serde_json::from_str(network).unwrap());
        let lines: Vec<&str> = listed.lines().collect();
        assert!(lines[1].starts_with("00124b0000000003  00000001  00000002  fetches, 50 %"));
        assert_eq!(
            lines[2..],
            ["plug.ota  00000002", "cut.ota    it ends too early"]
        );
    }
}
