//! The relay upstream: readings go sealed to the utility's head-end, each counted once however often
//! links, brokers and the gateway fail.
//!
//! The writer puts rows into the [outbox](crate::store::Outbox) with their readings; the [`engine`]
//! makes sealed batches of them and keeps each row until the head-end's signed acknowledgement; a
//! [`link`] carries octets and is not trusted.

mod commands;
pub mod counter;
pub mod engine;
pub mod keys;
pub mod link;
mod relay;
mod services;
mod time;
mod tuning;

pub use relay::{Settings, run};
pub use services::Reach;
pub(crate) use time::ClockState;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use wattle_relay::{Certificate, PublicKey};

use crate::config::{UpstreamConfig, UpstreamLink};
use crate::tls::{self, reason::Asked};
use engine::Rules;
use link::{Https, Link, Mqtt, Nats, Route};

/// The device's name at the head-end.
#[must_use]
pub fn device(config: &UpstreamConfig, gateway: &str) -> String {
    config
        .device
        .clone()
        .unwrap_or_else(|| format!("wattle-{gateway}"))
}

/// What the configuration says, with its certificates read.
///
/// # Errors
/// A certificate cannot be read or used.
pub fn rules(config: &UpstreamConfig, gateway: &str, state_dir: &Path) -> anyhow::Result<Rules> {
    let recipient = keys(&config.recipient).context("upstream.recipient")?;
    let commanders = config.commanders.as_deref().map(keys);
    Ok(Rules {
        device: device(config, gateway),
        folder: state_dir.join("upstream"),
        recipient: recipient
            .into_iter()
            .next()
            .context("upstream.recipient holds no certificate")?,
        trusted: keys(&config.trust).context("upstream.trust")?,
        commanders: commanders
            .transpose()
            .context("upstream.commanders")?
            .unwrap_or_default(),
        every: Duration::from_secs(config.every_s.into()),
        rows: config.rows.into(),
        resend: Duration::from_secs(config.resend_s.into()),
        rotate_days: config.rotate_days,
    })
}

fn keys(path: &Path) -> anyhow::Result<Vec<PublicKey>> {
    let name = || path.display().to_string();
    let octets = std::fs::read(path).with_context(name)?;
    let certificates = Certificate::read_all(&octets).with_context(name)?;
    Ok(wattle_relay::cose::keys_of(&certificates))
}

/// The link of the configuration.
///
/// # Errors
/// Its certificates cannot be used.
fn link(config: &UpstreamConfig, device: &str) -> anyhow::Result<Box<dyn Link>> {
    let address: UpstreamLink = config
        .link
        .parse()
        .map_err(anyhow::Error::msg)
        .context("upstream.link")?;
    let asked = Asked::default();
    let ca_file = config.ca_file.as_deref();
    let tls = match (&config.certificate, &config.key) {
        _ if !address.is_tls() => None,
        (Some(certificate), Some(key)) => {
            Some(tls::client_with_certificate(ca_file, certificate, key)?)
        }
        _ => Some(tls::client_that_watches(ca_file, &asked)?),
    };
    let route = Route {
        device: device.to_owned(),
        prefix: config.topic_prefix.clone(),
        tls,
        asked,
    };
    Ok(match address {
        UpstreamLink::Mqtt { host, port, .. } => Box::new(Mqtt { host, port, route }),
        UpstreamLink::Https(base) => Box::new(Https { base, route }),
        UpstreamLink::Nats { servers, .. } => Box::new(Nats { servers, route }),
    })
}
