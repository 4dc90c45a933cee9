//! `wattle han powerline` and `wattle han slac`: the powerline network at an Ethernet port.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ::han::Value;
use ::han::driver::{PacketSocket, run};
use ::han::homeplug::avln::{Join, JoinEvent, Network, Role, Station, Survey, SurveyEvent};
use ::han::homeplug::keys::{
    NetworkKey, SecurityLevel, network_identifier, network_membership_key,
};
use ::han::homeplug::mediaxtream::{self, Adapter, Discovery};
use ::han::homeplug::push_button::{PushButton, PushButtonEvent};
use ::han::homeplug::slac::{Ev, EvConfig, EvEvent, Evse, EvseConfig, EvseEvent, Match};
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};

use crate::cli::decode::output::{Object, hex};

const PROTOCOL: &str = "homeplug";

/// Where the adapter is.
#[derive(Args, Debug)]
pub(super) struct PowerlineArgs {
    /// The Ethernet interface to which the adapter is connected
    #[arg(long, value_name = "IF")]
    interface: String,

    /// Join the network of this password first; '-' reads it from standard input
    #[arg(long, value_name = "PASSWORD|-")]
    join: Option<String>,

    /// Press the adapter's button first: press that of another within two minutes
    #[arg(long, conflicts_with = "join")]
    push_button: bool,
}

/// A side of SLAC.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Side {
    /// The charging station.
    Evse,
    /// The car.
    Ev,
}

/// What to be, and where.
#[derive(Args, Debug)]
pub(super) struct SlacArgs {
    /// The side to play
    #[arg(value_enum)]
    side: Side,

    /// The Ethernet interface to which the adapter is connected
    #[arg(long, value_name = "IF")]
    interface: String,

    /// End after so many matches
    #[arg(long, default_value_t = 1, value_name = "N")]
    matches: u32,

    /// A station that hears the car more weakly than this is not the one at its cable, dB
    #[arg(long, default_value_t = 40, value_name = "DB")]
    limit: u8,

    /// Give up after so many seconds
    #[arg(long, default_value_t = 60, value_name = "S")]
    timeout: u64,
}

/// Lists the adapters of the network, after joining one where that is asked for.
pub(super) fn powerline(args: &PowerlineArgs) -> anyhow::Result<(Object, bool)> {
    let password = args.join.as_deref().map(super::typed).transpose();
    let password = password.context("cannot read standard input")?;
    runtime()?.block_on(async {
        let socket = PacketSocket::open(&args.interface)?;
        if let Some(password) = password {
            let key = network_membership_key(&password);
            let mut join = Join::new(socket.mac(), key, random()?, Instant::now());
            let came = run(&socket, &mut join, ControlFlow::Break).await?;
            return Ok(joined(came));
        }
        if args.push_button {
            let mut button = PushButton::new(socket.mac(), Instant::now());
            let came = run(&socket, &mut button, |event| match event {
                PushButtonEvent::Pressed => {
                    eprintln!("wattle: pressed; now the button of the other adapter");
                    ControlFlow::Continue(())
                }
                other => ControlFlow::Break(other),
            });
            return Ok(pushed(came.await?));
        }
        let mut survey = Survey::new(socket.mac(), Instant::now());
        let found = run(&socket, &mut survey, ControlFlow::Break).await?;
        if found == SurveyEvent::Nothing {
            let socket = PacketSocket::open_type(&args.interface, mediaxtream::ETHERTYPE)?;
            let mut discovery = Discovery::new(socket.mac(), Instant::now());
            let adapters = run(&socket, &mut discovery, ControlFlow::Break).await?;
            if !adapters.is_empty() {
                return Ok((of_broadcom(&adapters), true));
            }
        }
        Ok(surveyed(found))
    })
}

fn pushed(came: PushButtonEvent) -> (Object, bool) {
    let failed = |status, reason| (Object::failed(PROTOCOL, status, reason), false);
    match came {
        PushButtonEvent::Joined(network) => {
            let mut object = listed(&network);
            object.set("event", "joined");
            (object, true)
        }
        PushButtonEvent::Pressed | PushButtonEvent::Nobody => failed(
            "alone",
            "no button of another adapter was pressed within two minutes",
        ),
        PushButtonEvent::Refused => failed(
            "refused",
            "the adapter does not take part in joining by button; join by password",
        ),
        PushButtonEvent::NoAdapter => failed("no_adapter", "no adapter answers"),
    }
}

/// Adapters that have no HomePlug messages of their own.
fn of_broadcom(adapters: &[Adapter]) -> Object {
    let mut object = Object::message(PROTOCOL);
    object.set("event", "mediaxtream");
    let stations = adapters.iter().map(|adapter| {
        let rates = adapter.rates.iter().map(|(mac, tx, rx)| {
            json!({ "mac": Value::Mac(*mac).to_string(), "tx_mbit": tx, "rx_mbit": rx })
        });
        json!({
            "mac": Value::Mac(adapter.mac).to_string(),
            "is_local": adapter.side == mediaxtream::Side::Ethernet,
            "name": adapter.name,
            "rates": rates.collect::<Json>(),
        })
    });
    object.set("stations", stations.collect::<Json>());
    object
}

/// Plays a side of SLAC and prints each match as it is made.
pub(super) fn slac(args: &SlacArgs, mut print: impl FnMut(&Object)) -> anyhow::Result<bool> {
    let limit = Duration::from_secs(args.timeout);
    runtime()?.block_on(async {
        let socket = PacketSocket::open(&args.interface)?;
        let playing = async {
            match args.side {
                Side::Evse => station(&socket, args, &mut print).await,
                Side::Ev => car(&socket, args, &mut print).await,
            }
        };
        match tokio::time::timeout(limit, playing).await {
            Ok(ended) => ended,
            Err(_) => anyhow::bail!("not matched within {} s", args.timeout),
        }
    })
}

async fn station(
    socket: &PacketSocket,
    args: &SlacArgs,
    print: &mut impl FnMut(&Object),
) -> anyhow::Result<bool> {
    let key = NetworkKey::new(random()?);
    let nid = network_identifier(&key, SecurityLevel::SimpleConnect);
    // Identifiers begin with the country; this one says that there is none.
    let id = [0; 17];
    let mac = socket.mac();
    let mut evse = Evse::new(EvseConfig { mac, id, nid, key });
    let mut matches = 0;
    run(socket, &mut evse, |event| {
        match event {
            EvseEvent::Matched(made) => {
                print(&matched(&made));
                matches += 1;
            }
            EvseEvent::Failed { car, failure } => {
                let mut object = Object::failed(PROTOCOL, "no_match", &failure.to_string());
                object.set("peer", Value::Mac(car).to_string());
                print(&object);
            }
        }
        if matches < args.matches {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(true)
        }
    })
    .await
    .map_err(Into::into)
}

async fn car(
    socket: &PacketSocket,
    args: &SlacArgs,
    print: &mut impl FnMut(&Object),
) -> anyhow::Result<bool> {
    let mut matches = 0;
    while matches < args.matches {
        let config = EvConfig {
            mac: socket.mac(),
            id: [0; 17],
            limit_db: args.limit,
        };
        let mut ev = Ev::new(config, random()?, random()?, Instant::now());
        match run(socket, &mut ev, ControlFlow::Break).await? {
            EvEvent::Matched(made) => {
                print(&matched(&made));
                matches += 1;
            }
            EvEvent::Failed(failure) => {
                print(&Object::failed(PROTOCOL, "no_match", &failure.to_string()));
            }
        }
    }
    Ok(true)
}

/// A match, without the key that both sides now have.
fn matched(made: &Match) -> Object {
    let mut object = Object::message(PROTOCOL);
    object.set("event", "matched");
    object.set("peer", Value::Mac(made.peer).to_string());
    object.set("peer_id", hex(&made.peer_id));
    object.set("run_id", hex(&made.run_id));
    object.set("nid", hex(&made.nid));
    object.set("attenuation_db", made.attenuation_db);
    object
}

fn surveyed(found: SurveyEvent) -> (Object, bool) {
    match found {
        SurveyEvent::Found {
            network: Some(network),
            ..
        } => (listed(&network), true),
        SurveyEvent::Found {
            adapters,
            network: None,
        } => {
            let reason = "the adapter is in no network";
            let mut object = Object::failed(PROTOCOL, "no_network", reason);
            object.set(
                "stations",
                adapters.iter().map(station_of).collect::<Json>(),
            );
            (object, false)
        }
        _ => {
            let reason = "nothing answers: no adapter is connected, or it is one that says nothing \
                          about itself (G.hn adapters do not speak HomePlug)";
            (Object::failed(PROTOCOL, "no_adapter", reason), false)
        }
    }
}

fn joined(came: JoinEvent) -> (Object, bool) {
    match came {
        JoinEvent::Joined(network) => {
            let mut object = listed(&network);
            object.set("event", "joined");
            (object, true)
        }
        JoinEvent::Alone(network) => {
            let reason = "the adapter is alone under this password: it is not the network's, or no \
                          other adapter is in reach";
            let mut object = Object::failed(PROTOCOL, "alone", reason);
            object.set("nid", hex(&network.nid));
            (object, false)
        }
        JoinEvent::Refused => {
            let reason = "the adapter did not take the key and stays in its network";
            (Object::failed(PROTOCOL, "refused", reason), false)
        }
        _ => {
            let reason = "no adapter answers at this interface";
            (Object::failed(PROTOCOL, "no_adapter", reason), false)
        }
    }
}

fn listed(network: &Network) -> Object {
    let mut object = Object::message(PROTOCOL);
    object.set("nid", hex(&network.nid));
    object.set("snid", network.snid);
    object.set(
        "role",
        match network.role {
            Role::Station => "station".to_owned(),
            Role::ProxyCoordinator => "proxy_coordinator".to_owned(),
            Role::Coordinator => "coordinator".to_owned(),
            Role::Unknown(code) => format!("unknown ({code})"),
        },
    );
    object.set("coordinator", Value::Mac(network.coordinator).to_string());
    let stations = network.stations.iter().map(station_of);
    object.set("stations", stations.collect::<Json>());
    object
}

fn station_of(station: &Station) -> Json {
    json!({
        "mac": Value::Mac(station.mac).to_string(),
        "tei": station.tei,
        "local": station.is_local,
        "bridged_mac": station.bridged_mac.map(|mac| Value::Mac(mac).to_string()),
        "tx_rate": station.tx_mbit,
        "rx_rate": station.rx_mbit,
        "version": station.version,
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.context("cannot start the runtime")
}

/// Octets from the system's random numbers.
fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(octets)
}
