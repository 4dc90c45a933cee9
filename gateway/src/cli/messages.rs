//! `wattle messages`: what the utility writes to the household, and that it was read.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use wattle_api::{MESSAGE_CONFIRM_PATH, MESSAGES_PATH, Message, MessageConfirmation};

use super::service::radio::ask;
use crate::config;

/// Messages of the utility, and confirming them
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  wattle messages\n  wattle messages confirm relay:m-12")]
pub(super) struct MessagesArgs {
    #[command(subcommand)]
    command: Option<MessagesCommand>,
    /// The configuration
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE", global = true)]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum MessagesCommand {
    /// Say that one was read; its sender is told where it asks
    Confirm {
        /// Its name, as `wattle messages` prints it
        id: String,
    },
}

pub(super) fn run(args: &MessagesArgs) -> ExitCode {
    match told(args) {
        Ok(messages) => {
            for message in &messages {
                println!("{}", words(message));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("wattle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn told(args: &MessagesArgs) -> anyhow::Result<Vec<Message>> {
    match &args.command {
        None => ask(&args.config, "GET", MESSAGES_PATH, &()),
        Some(MessagesCommand::Confirm { id }) => {
            let read = MessageConfirmation { id: id.clone() };
            ask(&args.config, "POST", MESSAGE_CONFIRM_PATH, &read).map(|message| vec![message])
        }
    }
}

fn words(message: &Message) -> String {
    let state = match (message.confirm, message.confirmed_at) {
        (_, Some(at)) => format!(", confirmed at {at}"),
        (true, None) => ", to be confirmed".to_owned(),
        (false, None) => String::new(),
    };
    let until = message.end.map(|end| format!(" to {end}"));
    format!(
        "{} from {}{}{state}\n{}",
        message.id,
        message.start,
        until.unwrap_or_default(),
        message.text
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use wattle_api::Importance;

    use super::*;

    #[test]
    fn a_message_is_told_with_what_is_to_be_done() {
        let mut message = Message {
            id: "relay:a".to_owned(),
            text: "Water is cut.".to_owned(),
            importance: Importance::Low,
            start: Timestamp::UNIX_EPOCH,
            end: None,
            confirm: true,
            confirmed_at: None,
        };
        let from = "relay:a from 1970-01-01T00:00:00Z";
        assert_eq!(
            words(&message),
            format!("{from}, to be confirmed\nWater is cut.")
        );
        message.confirm = false;
        assert_eq!(words(&message), format!("{from}\nWater is cut."));
        (message.end, message.confirmed_at) = (Some(Timestamp::MIN), Some(Timestamp::UNIX_EPOCH));
        assert!(words(&message).contains("Z to -"), "{}", words(&message));
        assert!(words(&message).contains("confirmed at 1970-01-01T00:00:00Z\n"));
    }
}
