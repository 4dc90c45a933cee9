//! `wattle han meter`: the utility's meter whose Zigbee network the stick joins, by the daemon's API.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use wattle_api::{ZIGBEE_PATH, Zigbee, ZigbeeState};

use crate::cli::service::radio::ask;
use crate::config;

/// Where the daemon is.
#[derive(Debug, Args)]
pub(super) struct MeterArgs {
    /// The configuration
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(args: &MeterArgs) -> ExitCode {
    let answer: anyhow::Result<Zigbee> = ask(&args.config, "GET", ZIGBEE_PATH, &());
    match answer {
        Ok(zigbee) => {
            crate::cli::print(words(&zigbee).as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("wattle han meter: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn words(zigbee: &Zigbee) -> String {
    let Some(utility) = &zigbee.utility else {
        return "the stick leads a network of its own; role = \"display\" in [zigbee] reads a \
                utility's meter\n"
            .to_owned();
    };
    let mut text = String::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{name:9} {value}");
        }
    };
    line("stick", utility.stick.clone());
    let state = match zigbee.state {
        ZigbeeState::Offline => "the stick cannot be reached",
        ZigbeeState::Foreign => "in a foreign network",
        ZigbeeState::Up => "the meter is read",
        _ => "not read yet",
    };
    line("state", Some(state.to_owned()));
    let reason = zigbee.reason.clone();
    line("because", reason.or_else(|| utility.obstacle.clone()));
    for network in &utility.networks {
        let open = if network.permits_joining {
            "lets devices in"
        } else {
            "closed"
        };
        let told = format!(
            "{} on channel {}, quality {}, {open}",
            network.extended_pan, network.channel, network.lqi
        );
        line("heard", Some(told));
    }
    line("meter", utility.serial.clone());
    line("site", utility.site.clone());
    let status = utility.status.filter(|status| *status != 0);
    line("status", status.map(|status| format!("{status:02x}")));
    line(
        "price",
        utility.price.as_ref().map(|price| {
            format!(
                "{} {} per kWh, {}",
                price.per_kwh, price.currency, price.label
            )
        }),
    );
    line(
        "clock",
        utility
            .clock_ahead_s
            .map(|ahead| format!("{ahead} s ahead")),
    );
    line("told", utility.last_heard.map(|at| at.to_string()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_way_stands_beside_what_the_utility_must_know() {
        let told = r#"{"state":"starting","reason":"none lets devices in","devices":[],
            "utility":{"stick":"000b57fffe123456","has_key":false,"networks":[
                {"extended_pan":"0013500100000042","channel":20,"permits_joining":false,"lqi":180}]}}"#;
        let zigbee: Zigbee = serde_json::from_str(told).unwrap();
        assert_eq!(
            words(&zigbee),
            "stick     000b57fffe123456\nstate     not read yet\n\
             because   none lets devices in\n\
             heard     0013500100000042 on channel 20, quality 180, closed\n"
        );
        let own = r#"{"state":"up","devices":[]}"#;
        assert!(words(&serde_json::from_str(own).unwrap()).contains("of its own"));
    }
}
