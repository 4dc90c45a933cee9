//! `wattle pair` and `wattle user`: who may use the web page and the API on the network.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use wattle_api::{
    Grant, IssuedToken, NewToken, OpenPairing, PAIRING_PATH, Pairing, Role, STATE_PATH, State,
    TOKENS_PATH, USERS_PATH, User,
};

use super::service::radio::ask;
use crate::config;

/// Let somebody in: show a code for the web page
///
/// The code is good once and for ten minutes. Whoever enters it chooses a name and a password.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  wattle pair\n  wattle pair installer")]
pub(super) struct PairArgs {
    /// What the new user may do
    #[arg(value_enum, default_value = "household")]
    role: RoleName,
    /// The configuration
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    /// Everything
    Household,
    /// Meters, keys, devices and logs; neither usage nor bills
    Installer,
    /// /metrics and /health; for tokens
    Metrics,
}

impl RoleName {
    const fn role(self) -> Role {
        match self {
            Self::Household => Role::Household,
            Self::Installer => Role::Installer,
            Self::Metrics => Role::Metrics,
        }
    }
}

/// Users of the web page, and tokens of programs
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  wattle user list
  wattle user remove anna
  wattle user token prometheus metrics
  wattle user revoke 0123456789abcdef")]
pub(super) struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
    /// The configuration
    #[arg(long, short, global = true, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// List users, sessions and tokens
    List,
    /// Remove a user with all its sessions and tokens
    Remove {
        /// The user's name
        name: String,
    },
    /// Make a token for a program; it is shown this once
    Token {
        /// What it is for
        label: String,
        /// What may be done with it
        #[arg(value_enum)]
        role: RoleName,
        /// Days until it ends by itself
        #[arg(long, default_value_t = 365)]
        days: u16,
    },
    /// Take a session or token back
    Revoke {
        /// Its identifier, as `list` shows it
        id: String,
    },
}

/// Runs `wattle pair`.
pub(super) fn pair(args: &PairArgs) -> ExitCode {
    super::ended(show_code(args))
}

fn show_code(args: &PairArgs) -> anyhow::Result<()> {
    let asked = OpenPairing {
        role: args.role.role(),
    };
    let pairing: Pairing = ask(&args.config, "POST", PAIRING_PATH, &asked)?;
    let state: State = ask(&args.config, "GET", STATE_PATH, &())?;
    let web = state.web.unwrap_or_default();
    let mut text = format!(
        "Code: {}   (good once, until {}, for a {} user)\n",
        pairing.code.0,
        pairing.expires_at,
        pairing.role.name()
    );
    for url in &web.urls {
        writeln!(text, "Page: {url}setup")?;
    }
    if web.urls.is_empty() {
        text.push_str("The web page is off: set [http] listen in the configuration.\n");
    }
    if let Some(fingerprint) = &web.fingerprint {
        writeln!(text, "Certificate, SHA-256: {fingerprint}")?;
    }
    super::print(text.as_bytes());
    Ok(())
}

/// Runs `wattle user`.
pub(super) fn user(args: &UserArgs) -> ExitCode {
    super::ended(user_command(args))
}

fn user_command(args: &UserArgs) -> anyhow::Result<()> {
    let config = &args.config;
    match &args.command {
        UserCommand::List => {
            let users: Vec<User> = ask(config, "GET", USERS_PATH, &())?;
            let grants: Vec<Grant> = ask(config, "GET", TOKENS_PATH, &())?;
            super::print(listed(&users, &grants).as_bytes());
        }
        UserCommand::Remove { name } => {
            let path = format!("{USERS_PATH}/{}", encoded(name));
            ask::<()>(config, "DELETE", &path, &())?;
        }
        UserCommand::Token { label, role, days } => {
            let asked = NewToken {
                label: label.clone(),
                role: role.role(),
                days: *days,
            };
            let issued: IssuedToken = ask(config, "POST", TOKENS_PATH, &asked)?;
            super::print(format!("{}\n", issued.token.0).as_bytes());
        }
        UserCommand::Revoke { id } => {
            ask::<()>(
                config,
                "DELETE",
                &format!("{TOKENS_PATH}/{}", encoded(id)),
                &(),
            )?;
        }
    }
    Ok(())
}

fn listed(users: &[User], grants: &[Grant]) -> String {
    let mut text = String::new();
    for user in users {
        let _ = writeln!(
            text,
            "{}  ({}, since {})",
            user.name,
            user.role.name(),
            user.made_at
        );
    }
    for grant in grants {
        let kind = if grant.session { "session" } else { "token" };
        let _ = writeln!(
            text,
            "{}  {kind} {:?} of {}, {}, used {}, ends {}",
            grant.id,
            grant.label,
            grant.user,
            grant.role.name(),
            grant.used_at,
            grant.expires_at
        );
    }
    text
}

/// A part of a path (RFC 3986, 2.1).
fn encoded(text: &str) -> String {
    let octet = |octet: u8| {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            char::from(octet).to_string()
        } else {
            format!("%{octet:02X}")
        }
    };
    text.bytes().map(octet).collect()
}
