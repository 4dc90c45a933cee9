//! The relay upstream: readings go sealed to the utility's head-end, each counted once however often
//! links, brokers and the gateway fail.
//!
//! The writer puts rows into the [outbox](crate::store::Outbox) with their readings; the [`engine`]
//! makes sealed batches of them and keeps each row until the head-end's signed acknowledgement; a
//! [`link`] carries octets and is not trusted.

mod carrier;
mod commands;
pub mod counter;
pub mod engine;
mod est;
mod identity;
pub mod keys;
mod limit;
pub mod link;
mod relay;
pub mod rules;
mod services;
mod time;
mod tuning;

pub use limit::Settings as LimitSettings;
pub use relay::{Settings, run};
pub use services::Reach;
pub(crate) use time::ClockState;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use wattle_relay::Certificate;

use crate::bearer::Way;
use crate::config::{SealForm, UpstreamConfig, UpstreamLink};
use crate::tls::{self, reason::Asked};
use identity::Identity;
use link::{Https, Link, Mqtt, Nats, Route};
use rules::{Cms, Rules};

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
    let recipient = certificates(&config.recipient).context("upstream.recipient")?;
    let recipient = recipient.into_iter().next();
    let recipient = recipient.context("upstream.recipient holds no certificate")?;
    let trusted = certificates(&config.trust).context("upstream.trust")?;
    let commanders = config.commanders.as_deref().map(certificates).transpose();
    let commanders = commanders
        .context("upstream.commanders")?
        .unwrap_or_default();
    let keys = |of: &[Certificate]| wattle_relay::cose::keys_of(of);
    Ok(Rules {
        device: device(config, gateway),
        folder: state_dir.join("upstream"),
        trusted: keys(&trusted),
        commanders: keys(&commanders),
        cms: (config.seal == SealForm::Cms).then(|| Cms {
            recipient: recipient.clone(),
            signers: trusted.into_iter().chain(commanders).collect(),
        }),
        recipient: recipient.public().clone(),
        every: Duration::from_secs(config.every_s.into()),
        rows: config.rows.into(),
        resend: Duration::from_secs(config.resend_s.into()),
        rotate_days: config.rotate_days,
    })
}

fn certificates(path: &Path) -> anyhow::Result<Vec<Certificate>> {
    let name = || path.display().to_string();
    let octets = std::fs::read(path).with_context(name)?;
    Certificate::read_all(&octets).with_context(name)
}

/// The link of the configuration, over a bearer where one was chosen, and by
/// what the authority has issued.
///
/// # Errors
/// Its certificates cannot be used.
fn link(
    config: &UpstreamConfig,
    device: &str,
    way: Option<&Way>,
    identity: Option<&Identity>,
) -> anyhow::Result<Box<dyn Link>> {
    let address: UpstreamLink = config
        .link
        .parse()
        .map_err(anyhow::Error::msg)
        .context("upstream.link")?;
    let asked = Asked::default();
    let ca_file = config.ca_file.as_deref();
    let tls = match (&config.certificate, &config.key) {
        _ if !address.is_tls() => None,
        _ if identity.is_some() => identity
            .map(|identity| {
                let (chain, key) = identity.for_tls();
                tls::client_that_shows(ca_file, chain, key)
            })
            .transpose()?,
        (Some(certificate), Some(key)) => {
            Some(tls::client_with_certificate(ca_file, certificate, key)?)
        }
        _ => Some(tls::client_that_watches(ca_file, &asked)?),
    };
    let route = Route {
        device: device.to_owned(),
        prefix: config.topic_prefix.clone(),
        way: way.cloned(),
        tls,
        asked,
    };
    Ok(match address {
        UpstreamLink::Mqtt { host, port, .. } => Box::new(Mqtt { host, port, route }),
        UpstreamLink::Https(base) => Box::new(Https { base, route }),
        UpstreamLink::Nats {
            servers,
            tls: is_tls,
        } => Box::new(Nats {
            servers,
            roots: Arc::new(if is_tls && way.is_some() {
                tls::roots(ca_file)?
            } else {
                rustls::RootCertStore::empty()
            }),
            route,
        }),
    })
}
