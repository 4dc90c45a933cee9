//! The modem behind a cellular bearer, through ModemManager's D-Bus interface
//! (`org.freedesktop.ModemManager1`).
//!
//! It is asked how the modem is, and to connect to the configured access point when nobody else has.
//! Addresses and routes of the interface are the system's. Power saving (PSM, eDRX) is not part of that
//! interface; the network and the modem's own settings decide it.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;
use wattle_api::Modem;
use zbus::fdo::{ObjectManagerProxy, PropertiesProxy};
use zbus::names::InterfaceName;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, Proxy};

const SERVICE: &str = "org.freedesktop.ModemManager1";
const ROOT: &str = "/org/freedesktop/ModemManager1";
const MODEM: &str = "org.freedesktop.ModemManager1.Modem";
const NETWORK: &str = "org.freedesktop.ModemManager1.Modem.Modem3gpp";
const SIMPLE: &str = "org.freedesktop.ModemManager1.Modem.Simple";
const BEARER: &str = "org.freedesktop.ModemManager1.Bearer";
/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may take: registration is part of it.
const CONNECTING: Duration = Duration::from_secs(180);
/// `MM_MODEM_PORT_TYPE_NET`
const NET: u32 = 2;
/// Bearers of a modem that are looked at.
const BEARERS: usize = 8;
/// Characters of a name at most.
const LONGEST: usize = 60;

const LOCKED: i32 = 2;
const CONNECTED: i32 = 11;
/// `MMModemState`, from -1 on.
const STATES: [&str; 13] = [
    "failed",
    "unknown",
    "initializing",
    "locked",
    "disabled",
    "disabling",
    "enabling",
    "enabled",
    "searching",
    "registered",
    "disconnecting",
    "connecting",
    "connected",
];
/// States from which a connection may be asked for: disabled, enabled, registered.
const MAY_CONNECT: [i32; 3] = [3, 6, 8];
/// `MMModem3gppRegistrationState`
const REGISTRATIONS: [&str; 12] = [
    "idle",
    "home",
    "searching",
    "denied",
    "unknown",
    "roaming",
    "home_sms_only",
    "roaming_sms_only",
    "emergency_only",
    "home",
    "roaming",
    "emergency_only",
];
const DENIED: u32 = 3;
/// `MMModemAccessTechnology`, bit by bit.
const TECHNOLOGIES: [&str; 18] = [
    "pots",
    "gsm",
    "gsm_compact",
    "gprs",
    "edge",
    "umts",
    "hsdpa",
    "hsupa",
    "hspa",
    "hspa_plus",
    "1xrtt",
    "evdo_0",
    "evdo_a",
    "evdo_b",
    "lte",
    "5g",
    "lte_m",
    "nb_iot",
];

type Properties = HashMap<String, OwnedValue>;

/// A modem and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) modem: Modem,
    pub(super) trouble: Option<String>,
    /// It may be asked to connect.
    pub(super) may_connect: bool,
    path: String,
}

/// ModemManager.
pub(super) struct Manager(Connection);

impl Manager {
    /// The one of the system's bus.
    ///
    /// # Errors
    /// There is no bus.
    pub(super) async fn open() -> anyhow::Result<Self> {
        let connection = timeout(PATIENCE, Connection::system()).await;
        Ok(Self(
            connection.context("the system's bus does not answer")??,
        ))
    }

    /// The modem of an interface; where no modem names it, the only one.
    ///
    /// # Errors
    /// ModemManager does not answer, or no modem belongs to the interface.
    pub(super) async fn find(&self, interface: &str, apn: Option<&str>) -> anyhow::Result<Found> {
        let asked = self.look(interface, apn);
        let found = timeout(PATIENCE, asked).await;
        found.context("ModemManager does not answer")?
    }

    async fn look(&self, interface: &str, apn: Option<&str>) -> anyhow::Result<Found> {
        let manager = ObjectManagerProxy::new(&self.0, SERVICE, ROOT).await?;
        let objects = manager
            .get_managed_objects()
            .await
            .context("ModemManager does not answer; is it installed and started?")?;
        let mut modems = Vec::new();
        for (path, interfaces) in objects {
            let of = |name: &str| {
                let found = interfaces.iter().find(|(known, _)| known.as_str() == name);
                found.map(|(_, properties)| properties.clone())
            };
            let Some(modem) = of(MODEM) else { continue };
            let bearers = self.bearers(&modem).await;
            modems.push((path, modem, of(NETWORK).unwrap_or_default(), bearers));
        }
        let is_its = |modem: &Properties, bearers: &[Properties]| {
            let named =
                |bearer: &Properties| text(bearer, "Interface").as_deref() == Some(interface);
            ports(modem)
                .iter()
                .any(|(name, kind)| *kind == NET && name == interface)
                || bearers.iter().any(named)
        };
        let count = modems.len();
        let place = modems
            .iter()
            .position(|(_, modem, _, bearers)| is_its(modem, bearers))
            .or((count == 1).then_some(0));
        let chosen = place.and_then(|place| modems.into_iter().nth(place));
        let (path, modem, network, bearers) =
            chosen.with_context(|| format!("none of {count} modems belongs to {interface}"))?;
        Ok(found(&path, &modem, &network, &bearers, apn))
    }

    async fn bearers(&self, modem: &Properties) -> Vec<Properties> {
        let paths: Vec<OwnedObjectPath> = value(modem, "Bearers").unwrap_or_default();
        let mut all = Vec::new();
        for path in paths.into_iter().take(BEARERS) {
            // One that has gone meanwhile is none.
            if let Ok(properties) = self.properties(path.as_ref(), BEARER).await {
                all.push(properties);
            }
        }
        all
    }

    async fn properties(
        &self,
        path: ObjectPath<'_>,
        interface: &'static str,
    ) -> anyhow::Result<Properties> {
        let of = PropertiesProxy::new(&self.0, SERVICE, path).await?;
        Ok(of
            .get_all(InterfaceName::from_static_str(interface)?)
            .await?)
    }

    /// Asks for a connection to an access point.
    ///
    /// # Errors
    /// There will be none, and why.
    pub(super) async fn connect(&self, found: &Found, apn: &str) -> anyhow::Result<()> {
        let simple = Proxy::new(&self.0, SERVICE, found.path.as_str(), SIMPLE).await?;
        let wanted = HashMap::from([("apn", Value::from(apn))]);
        let asked = simple.call::<_, _, OwnedObjectPath>("Connect", &wanted);
        timeout(CONNECTING, asked)
            .await
            .context("the modem does not connect in time")??;
        Ok(())
    }
}

fn found(
    path: &OwnedObjectPath,
    modem: &Properties,
    network: &Properties,
    bearers: &[Properties],
    apn: Option<&str>,
) -> Found {
    let state: i32 = value(modem, "State").unwrap_or(0);
    let registration: u32 = value(network, "RegistrationState").unwrap_or(4);
    let technologies: u32 = value(modem, "AccessTechnologies").unwrap_or(0);
    let signal: Option<(u32, bool)> = value(modem, "SignalQuality");
    let connected = bearers
        .iter()
        .find(|bearer| value(bearer, "Connected") == Some(true));
    let settings: Option<Properties> = connected.and_then(|bearer| value(bearer, "Properties"));
    let in_use = settings.and_then(|settings| text(&settings, "apn"));
    let bits = TECHNOLOGIES.iter().enumerate();
    let named = |place: usize| technologies >> place & 1 == 1;
    let maker = text(modem, "Manufacturer").unwrap_or_default();
    let model = text(modem, "Model").unwrap_or_default();
    let trouble = trouble(modem, state, registration, apn, in_use.as_deref());
    Found {
        modem: Modem {
            model: format!("{maker} {model}").trim().to_owned(),
            state: word(i64::from(state) + 1, &STATES),
            registration: word(registration.into(), &REGISTRATIONS),
            operator: text(network, "OperatorName").filter(|name| !name.is_empty()),
            technologies: bits
                .filter(|(place, _)| named(*place))
                .map(|(_, name)| (*name).to_owned())
                .collect(),
            signal_percent: signal.map(|(percent, _)| percent.min(100)),
            apn: in_use,
        },
        may_connect: trouble.is_none() && MAY_CONNECT.contains(&state),
        trouble,
        path: path.to_string(),
    }
}

/// The word of a number, where it has one.
fn word(number: i64, words: &[&str]) -> String {
    let place = usize::try_from(number).ok();
    let word = place.and_then(|place| words.get(place));
    word.map_or("unknown", |word| *word).to_owned()
}

fn trouble(
    modem: &Properties,
    state: i32,
    registration: u32,
    apn: Option<&str>,
    in_use: Option<&str>,
) -> Option<String> {
    // `MMModemStateFailedReason`
    let failed: u32 = value(modem, "StateFailedReason").unwrap_or(0);
    match (state, failed) {
        (-1, 2) => return Some("there is no SIM in the modem".to_owned()),
        (-1, 3) => return Some("the SIM does not answer; is it the right way round?".to_owned()),
        (-1, _) => return Some("the modem has failed; take it out and put it in again".to_owned()),
        (LOCKED, _) => {
            return Some(
                "the SIM is locked: give its PIN to NetworkManager, or `mmcli --sim=0 --pin=…`"
                    .to_owned(),
            );
        }
        _ => {}
    }
    if registration == DENIED {
        return Some("the network does not take this SIM; ask its operator".to_owned());
    }
    match (apn, in_use) {
        (Some(wanted), Some(used)) if state == CONNECTED && wanted != used => Some(format!(
            "it is connected to the access point {used}, not to {wanted}"
        )),
        _ => None,
    }
}

fn ports(modem: &Properties) -> Vec<(String, u32)> {
    value(modem, "Ports").unwrap_or_default()
}

fn value<T>(properties: &Properties, name: &str) -> Option<T>
where
    T: TryFrom<OwnedValue>,
{
    let value = properties.get(name)?.try_clone().ok()?;
    T::try_from(value).ok()
}

/// A text that may be shown.
fn text(properties: &Properties, name: &str) -> Option<String> {
    let text: String = value(properties, name)?;
    let shown = text.chars().filter(|character| !character.is_control());
    Some(shown.take(LONGEST).collect())
}
