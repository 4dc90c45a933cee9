//! One telegram of a meter, whichever way it sends them.

use std::time::Duration;

use anyhow::Context;
use meter_link::driver::{self, Place, PortEvent};
use meter_link::model::{ObisCode, RegisterValue};
use meter_link::session::Session;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Service;
use crate::collect;
use crate::config::MeterConfig;

/// The longest that a telegram is waited for: a meter that is asked may be slow or try again, one that
/// pushes may do so once a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// A meter of which one telegram is read.
pub(super) struct Telegram(pub(super) MeterConfig);

impl Service for Telegram {
    fn read(&self, registers: &[String]) -> anyhow::Result<Vec<RegisterValue>> {
        one(&self.0, collect::session(&self.0)?.as_mut(), registers)
    }
}

/// One telegram of a session, and of it these registers, or all.
pub(super) fn one(
    meter: &MeterConfig,
    session: &mut dyn Session,
    registers: &[String],
) -> anyhow::Result<Vec<RegisterValue>> {
    let wanted = registers.iter().map(|text| text.parse::<ObisCode>());
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut values = runtime.block_on(telegram(meter, session))?;
    values.retain(|value| wanted.is_empty() || wanted.contains(&value.register));
    Ok(values)
}

async fn telegram(
    meter: &MeterConfig,
    session: &mut dyn Session,
) -> anyhow::Result<Vec<RegisterValue>> {
    let (events, mut from_driver) = mpsc::channel(32);
    let port: Place = meter.port.to_string_lossy().parse()?;
    let stop = CancellationToken::new();
    let drive = driver::run_at(&port, meter.head_power, session, events, stop);
    let mut rejected = None;
    let listen = async {
        while let Some(event) = from_driver.recv().await {
            match event {
                PortEvent::Lost { reason, .. } => anyhow::bail!("{port}: {reason}"),
                PortEvent::Rejected(found) => rejected = Some(found.reason),
                PortEvent::Telegram(telegram) => return Ok(telegram.values),
                _ => {}
            }
        }
        anyhow::bail!("the port was closed")
    };
    let heard = async {
        tokio::select! {
            biased;
            heard = listen => heard,
            () = drive => anyhow::bail!("the port was closed"),
        }
    };
    match tokio::time::timeout(PATIENCE, heard).await {
        Ok(heard) => heard,
        Err(_) => {
            let reason = rejected.unwrap_or_else(|| "nothing was heard".to_owned());
            Err(anyhow::anyhow!(reason))
                .with_context(|| format!("no telegram came within {} s", PATIENCE.as_secs()))
        }
    }
}
