//! What the household tells the gateway from the screen, and what comes of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use serde::Serialize;
use serde_json::Value;
use wattle_api::{
    ADOPT_PATH, APPLIANCE_CORRECTIONS_PATH, APPLIANCE_LABELS_PATH, AdoptMeter, ApplianceCorrection,
    ApplianceLabel, CONSENTS_PATH, ConsentChange, Corrected, GRID_EVENT_CHOICE_PATH,
    GridEventChoice, MESSAGE_CONFIRM_PATH, MessageConfirmation, OpenPairing, OptState,
    PAIRING_PATH, PREPAY_CODE_PATH, PREPAY_EMERGENCY_PATH, PREPAY_SWITCH_ON_PATH, Role,
    SUPPLY_ON_PATH, SecretText, TopUpCode, ZIGBEE_JOIN_PATH, ZigbeeJoin,
};

use crate::client::Mailbox;
use crate::http::{self, invalid};

/// Something that the gateway is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Take a word about an appliance.
    Correct(ApplianceCorrection),
    /// Say what a load without a name is; and what the household calls that, if not by its kind.
    Name {
        /// The load's slot, from 1.
        slot: usize,
        /// The appliance.
        appliance: String,
        /// Its label.
        label: Option<String>,
    },
    /// Take the word with this number back.
    Undo(u64),
    /// Call an appliance something else, or by its own name again; and what it was called before.
    Label {
        /// The appliance.
        name: String,
        /// Its new label.
        label: Option<String>,
        /// Its label until now.
        before: Option<String>,
    },
    /// Take a wireless meter on.
    Adopt(AdoptMeter),
    /// Take the code of a top-up, 20 digits.
    TopUp(SecretText),
    /// Use emergency credit.
    Emergency,
    /// Switch the supply on.
    SwitchOn,
    /// Take part in an event of the utility, or not this time.
    Opt(GridEventChoice),
    /// A message of the utility was read.
    Confirm(MessageConfirmation),
    /// The person at the home switches on what the utility had switched off.
    SupplyOn,
    /// Let a kind of recipient be told, or not any more.
    Consent(ConsentChange),
    /// Let Zigbee devices in, or not any more.
    Join(ZigbeeJoin),
    /// Open a pairing for somebody of the household.
    Pair,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// Counts commands, so that two of the same outcome are told apart.
    pub serial: u64,
    /// What was to be done.
    pub command: Command,
    /// How to take it back, if that is possible; or why it was not done, in words.
    pub outcome: Result<Option<Command>, String>,
}

/// Starts carrying out commands at `socket`, one after the other; what came of each is put into
/// `mailbox`, and then `arrived` is called on the thread that carries them out.
///
/// # Errors
/// When no thread can be started.
pub fn carry_out(
    socket: PathBuf,
    mailbox: Mailbox,
    arrived: impl Fn() + Send + 'static,
) -> io::Result<mpsc::Sender<Command>> {
    let (sender, commands) = mpsc::channel::<Command>();
    thread::Builder::new()
        .name("commands".into())
        .spawn(move || {
            for (serial, command) in (1..).zip(commands) {
                let outcome = send(&socket, &command).map_err(|error| error.to_string());
                mailbox.write(|news| {
                    news.done = Some(Done {
                        serial,
                        command,
                        outcome,
                    });
                });
                arrived();
            }
        })?;
    Ok(sender)
}

/// Carries one command out; the command that takes it back.
fn send(socket: &Path, command: &Command) -> io::Result<Option<Command>> {
    let (method, path, body) = request(command)?;
    let answer = http::exchange(socket, method, &path, body.as_deref())?;
    if !(200..300).contains(&answer.status) {
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let reason = said.get("error").and_then(Value::as_str);
        return Err(io::Error::other(
            reason.map_or_else(|| format!("error {}", answer.status), str::to_owned),
        ));
    }
    Ok(match command {
        Command::Correct(_) | Command::Name { .. } => {
            let made: Corrected = serde_json::from_slice(&answer.body)
                .map_err(|error| invalid(format!("not understood: {error}")))?;
            if let Command::Name {
                appliance,
                label: Some(label),
                ..
            } = command
            {
                let name = appliance.clone();
                let (label, before) = (Some(label.clone()), None);
                send(
                    socket,
                    &Command::Label {
                        name,
                        label,
                        before,
                    },
                )?;
            }
            Some(Command::Undo(made.id))
        }
        Command::Label {
            name,
            label,
            before,
        } => Some(Command::Label {
            name: name.clone(),
            label: before.clone(),
            before: label.clone(),
        }),
        Command::Consent(said) => Some(Command::Consent(ConsentChange {
            allowed: !said.allowed,
            ..said.clone()
        })),
        Command::Opt(choice) => Some(Command::Opt(GridEventChoice {
            id: choice.id.clone(),
            opt: match choice.opt {
                OptState::In => OptState::Out,
                OptState::Out => OptState::In,
            },
        })),
        Command::Undo(_)
        | Command::Adopt(_)
        | Command::Join(_)
        | Command::Pair
        | Command::TopUp(_)
        | Command::Emergency
        | Command::SwitchOn
        | Command::Confirm(_)
        | Command::SupplyOn => None,
    })
}

fn request(command: &Command) -> io::Result<(&'static str, String, Option<String>)> {
    fn json(body: &impl Serialize) -> io::Result<Option<String>> {
        Ok(Some(serde_json::to_string(body)?))
    }
    Ok(match command {
        Command::Correct(said) => ("POST", APPLIANCE_CORRECTIONS_PATH.to_owned(), json(said)?),
        Command::Name {
            slot, appliance, ..
        } => {
            let (slot, appliance) = (*slot, appliance.clone());
            (
                "POST",
                APPLIANCE_CORRECTIONS_PATH.to_owned(),
                json(&ApplianceCorrection::Name { slot, appliance })?,
            )
        }
        Command::Undo(id) => ("DELETE", format!("{APPLIANCE_CORRECTIONS_PATH}/{id}"), None),
        Command::Label { name, label, .. } => {
            let path = format!("{APPLIANCE_LABELS_PATH}/{name}");
            match label {
                Some(label) => {
                    let label = label.clone();
                    ("PUT", path, json(&ApplianceLabel { label })?)
                }
                None => ("DELETE", path, None),
            }
        }
        Command::TopUp(code) => {
            let code = code.0.clone();
            (
                "POST",
                PREPAY_CODE_PATH.to_owned(),
                json(&TopUpCode { code })?,
            )
        }
        Command::Emergency => ("POST", PREPAY_EMERGENCY_PATH.to_owned(), None),
        Command::SwitchOn => ("POST", PREPAY_SWITCH_ON_PATH.to_owned(), None),
        Command::Confirm(read) => ("POST", MESSAGE_CONFIRM_PATH.to_owned(), json(read)?),
        Command::SupplyOn => ("POST", SUPPLY_ON_PATH.to_owned(), None),
        Command::Opt(choice) => ("POST", GRID_EVENT_CHOICE_PATH.to_owned(), json(choice)?),
        Command::Consent(said) => ("PUT", CONSENTS_PATH.to_owned(), json(said)?),
        Command::Join(join) => ("POST", ZIGBEE_JOIN_PATH.to_owned(), json(join)?),
        Command::Pair => {
            let role = Role::Household;
            (
                "POST",
                PAIRING_PATH.to_owned(),
                json(&OpenPairing { role })?,
            )
        }
        Command::Adopt(meter) => ("POST", ADOPT_PATH.to_owned(), json(meter)?),
    })
}
