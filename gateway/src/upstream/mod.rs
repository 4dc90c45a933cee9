//! The relay upstream: readings go sealed to the utility's head-end, each counted once however often
//! links, brokers and the gateway fail.
//!
//! The writer puts rows into the [outbox](crate::store::Outbox) with their readings; the [`engine`]
//! makes sealed batches of them and keeps each row until the head-end's signed acknowledgement; a
//! [`link`] carries octets and is not trusted.

pub mod commands;
pub mod counter;
pub mod engine;
pub mod keys;
pub mod link;
mod relay;

pub use relay::{Settings, run};

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use wattle_relay::{Certificate, PublicKey};

use crate::config::{UpstreamConfig, wattle_link};
use crate::tls;
use engine::Rules;
use link::{Link, Mqtt};

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
    let (scheme, host, port) = wattle_link(&config.link).context("upstream.link")?;
    let tls = match (scheme, &config.certificate, &config.key) {
        ("mqtts", Some(certificate), Some(key)) => Some(tls::client_with_certificate(
            config.ca_file.as_deref(),
            certificate,
            key,
        )?),
        ("mqtts", ..) => Some(tls::client(config.ca_file.as_deref())?),
        _ => None,
    };
    Ok(Box::new(Mqtt {
        host: host.to_owned(),
        port,
        device: device.to_owned(),
        prefix: config.topic_prefix.clone(),
        tls,
    }))
}
