//! The view: the one [`State`] that the display and every other client of the API see.
//!
//! It is put together here and nowhere else, from what the bus tells and what the store holds,
//! and handed on through a watch channel.

mod alarms;
mod appliances;
pub(crate) mod figures;
mod meters;
mod notices;

use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::Decimal;
use tokio::sync::{broadcast::error::RecvError, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use wattle_api::{
    Advice, Freshness, Gateway, HomePart, Level, Medium, Money, Month, Power, Price, State, Supply,
    Today,
};

use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::config::MeterConfig;
use crate::prices;
use crate::store::{Reader, StoreError};
use crate::supervisor::Pulse;
use crate::tariff::{self, Tariff};
use figures::Figures;
use meters::Meters;
use notices::Troubles;

/// Shortest time between two states: at most two a second.
const PACE: Duration = Duration::from_millis(500);

/// What the view is made from.
#[derive(Clone)]
pub struct Sources {
    /// Says what happens.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
    /// The home's time zone.
    pub zone: TimeZone,
    /// The configured meters.
    pub meters: Vec<MeterConfig>,
    /// The tariff of the moment.
    pub tariff: prices::Current,
    /// What the utility asks for.
    pub grid: crate::grid::Board,
    /// The gateway as the API names it.
    pub gateway: Gateway,
}

/// An empty state, before anything is known.
#[must_use]
pub fn empty(sources: &Sources) -> State {
    View::new(sources.clone()).state()
}

/// Keeps `out` at the present state until told to stop.
///
/// # Errors
/// The store cannot be read.
pub async fn run(
    sources: Sources,
    reader: Reader,
    out: watch::Sender<Arc<State>>,
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut events = sources.bus.listen();
    let mut view = View::new(sources);
    let mut reader = Some(reader);
    view.recall(&mut reader).await?;
    let mut tick = tokio::time::interval(PACE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beaten = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            event = events.recv() => match event {
                Ok(event) => view.take(&event),
                Err(RecvError::Lagged(_)) => view.recall(&mut reader).await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            _ = tick.tick() => {
                view.follow_tariff();
                if view.wants_figures() {
                    view.recall_figures(&mut reader).await?;
                }
                let state = view.state();
                out.send_if_modified(|old| {
                    let changed = differs(old, &state);
                    if changed {
                        *old = Arc::new(state);
                    }
                    changed
                });
                if beaten.elapsed() >= Duration::from_secs(1) {
                    beaten = Instant::now();
                    pulse.beat();
                }
            }
        }
    }
}

/// True when more than the clock has changed.
fn differs(old: &State, new: &State) -> bool {
    old.power != new.power
        || old.today != new.today
        || old.price != new.price
        || old.meters != new.meters
        || old.notices != new.notices
        || old.advice != new.advice
        || old.month != new.month
        || old.gas != new.gas
        || old.water != new.water
        || old.parts != new.parts
        || old.appliances != new.appliances
        || old.grid_events != new.grid_events
        || old.prepay != new.prepay
}

struct View {
    sources: Sources,
    meters: Meters,
    troubles: Troubles,
    figures: Option<Figures>,
    figures_stale: bool,
    price: Option<(i64, Price)>,
    appliances: Option<Arc<wattle_api::Appliances>>,
    prepay: Option<Arc<wattle_api::Prepay>>,
}

impl View {
    fn new(sources: Sources) -> Self {
        let meters = Meters::new(&sources.meters);
        Self {
            sources,
            meters,
            troubles: Troubles::default(),
            figures: None,
            figures_stale: true,
            price: None,
            appliances: None,
            prepay: None,
        }
    }

    fn take(&mut self, event: &Event) {
        let now = self.sources.clock.now();
        self.troubles.take(event, now);
        match event {
            Event::Stored(telegram) => {
                self.figures_stale |= telegram.closed_interval || self.meters.is_new(telegram);
                self.meters.take(telegram);
            }
            Event::Appliances(appliances) => self.appliances = Some(Arc::clone(appliances)),
            Event::Prepay(prepay) => self.prepay = Some(Arc::clone(prepay)),
            Event::Rejected { name, .. } => self.meters.rejected(name),
            Event::CutOff { name } => self.meters.cut_off(name),
            Event::Adopted(meter) => {
                self.meters.adopt(meter);
                self.figures_stale = true;
            }
            _ => {}
        }
    }

    /// Other prices make other figures.
    fn follow_tariff(&mut self) {
        if self.sources.tariff.has_changed().unwrap_or(false) {
            self.sources.tariff.mark_unchanged();
            self.price = None;
            self.figures_stale = true;
        }
    }

    fn tariff(&self) -> Option<Arc<Tariff>> {
        self.sources.tariff.borrow().clone()
    }

    fn wants_figures(&self) -> bool {
        let today = self
            .sources
            .zone
            .to_datetime(self.sources.clock.now())
            .date();
        self.figures_stale
            || self
                .figures
                .as_ref()
                .is_none_or(|figures| figures.date != today)
    }

    /// Takes everything from the store: at the start, and after events were missed.
    async fn recall(&mut self, reader: &mut Option<Reader>) -> anyhow::Result<()> {
        let last = blocking(reader, Reader::last_readings).await?;
        for reading in &last {
            self.meters.recall(reading);
        }
        let fields = blocking(reader, Reader::last_fields).await?;
        for field in &fields {
            self.meters.recall_field(field);
        }
        let told = blocking(reader, Reader::last_indications).await?;
        for (name, indications) in &told {
            self.meters.recall_indications(name, indications);
        }
        self.figures_stale = true;
        Ok(())
    }

    async fn recall_figures(&mut self, reader: &mut Option<Reader>) -> anyhow::Result<()> {
        let now = self.sources.clock.now();
        let (zone, tariff) = (self.sources.zone.clone(), self.tariff());
        let serial = self.meters.grid().and_then(|meter| meter.api.id.clone());
        let others = self.meters.counted();
        let load = move |reader: &Reader| {
            figures::load(
                reader,
                serial.as_deref(),
                &others,
                &zone,
                tariff.as_deref(),
                now,
            )
        };
        self.figures = Some(blocking(reader, load).await?);
        self.figures_stale = false;
        Ok(())
    }

    fn state(&mut self) -> State {
        let at = self.sources.clock.now();
        self.meters.age(at);
        let price = self.price_at(at);
        let power = self.power(price.as_ref());
        let today = self.today(at);
        let notices = self.troubles.notices(&self.meters, at);
        let appliances = self
            .appliances
            .as_deref()
            .cloned()
            .map(|found| appliances::with_other_cost(found, today.as_ref()));
        State {
            at,
            gateway: self.sources.gateway.clone(),
            advice: advice(power.as_ref(), price.as_ref(), &self.troubles, at),
            power,
            month: self.month(),
            today,
            price,
            gas: self.supply(Medium::Gas, at),
            water: self.supply(Medium::Water, at),
            parts: self.parts(at),
            appliances,
            web: None,
            prepay: self.prepay.as_deref().cloned(),
            grid_events: self.sources.grid.events(at),
            meters: self.meters.api(),
            notices,
        }
    }

    /// Prices change on full minutes at the most.
    fn price_at(&mut self, at: Timestamp) -> Option<Price> {
        let tariff = self.tariff()?;
        let minute = at.as_second().div_euclid(60);
        if self
            .price
            .as_ref()
            .is_none_or(|(known, _)| *known != minute)
        {
            let on_the_minute = Timestamp::from_second(minute * 60).unwrap_or(at);
            self.price = Some((
                minute,
                tariff::price(&tariff, on_the_minute, &self.sources.zone),
            ));
        }
        self.price.as_ref().map(|(_, price)| price.clone())
    }

    fn power(&self, price: Option<&Price>) -> Option<Power> {
        let meter = self.meters.grid()?;
        let (watts, received_at) = meter.power_w()?;
        let full_scale = self
            .figures
            .as_ref()
            .map_or(figures::LEAST_SCALE_W, |figures| figures.scale_w);
        let permille =
            (watts.abs() * Decimal::ONE_THOUSAND / full_scale).min(Decimal::ONE_THOUSAND);
        let permille = u16::try_from(permille.round().mantissa()).unwrap_or(1000);
        let level = match permille {
            _ if watts < Decimal::ZERO => Level::Exporting,
            0..=333 => Level::Low,
            334..=666 => Level::Medium,
            _ => Level::High,
        };
        let per_kwh = price
            .and_then(|price| price.now.as_ref())
            .map(|slot| slot.per_kwh);
        let cost_per_hour = per_kwh
            .filter(|_| watts >= Decimal::ZERO)
            .and_then(|per_kwh| (watts / Decimal::ONE_THOUSAND).checked_mul(per_kwh))
            .map(|amount| self.money(amount));
        let freshness = meter.freshness(received_at, self.sources.clock.now());
        Some(Power {
            watts,
            level,
            permille,
            cost_per_hour,
            received_at,
            freshness,
        })
    }

    fn today(&self, at: Timestamp) -> Option<Today> {
        let figures = self.figures.as_ref()?;
        let meter = self.meters.grid()?;
        let import = figures.import.as_ref()?;
        let (last, received_at) = meter.sum(&import.registers)?;
        let date = |at| self.sources.zone.to_datetime(at).date();
        if date(received_at) != date(at) || figures.date != date(at) {
            return None;
        }
        let open = (last - import.open_since).max(Decimal::ZERO);
        let tariff = self.tariff();
        let cost = tariff.zip(import.today_cost).and_then(|(tariff, closed)| {
            let quarter = Timestamp::from_second(crate::store::quarter_start(received_at)).ok()?;
            Some(self.money(closed + open / figures::WH_PER_KWH * tariff.per_kwh(quarter)?))
        });
        let export_kwh = figures.export.as_ref().and_then(|export| {
            let (last, _) = meter.sum(&export.registers)?;
            Some(
                (export.today + (last - export.open_since).max(Decimal::ZERO))
                    / figures::WH_PER_KWH,
            )
        });
        Some(Today {
            import_kwh: (import.today + open) / figures::WH_PER_KWH,
            export_kwh,
            cost,
            change_percent: import.change_percent,
            since: import.today_since,
            received_at,
            freshness: meter.freshness(received_at, at),
        })
    }

    fn month(&self) -> Option<Month> {
        let figures = self.figures.as_ref()?;
        let import = figures.import.as_ref()?;
        let (last, received_at) = self.meters.grid()?.sum(&import.registers)?;
        let open = (last - import.open_since).max(Decimal::ZERO);
        let quarter = Timestamp::from_second(crate::store::quarter_start(received_at)).ok()?;
        let cost = self
            .tariff()
            .zip(import.month_cost)
            .and_then(|(tariff, closed)| {
                Some(self.money(closed + open / figures::WH_PER_KWH * tariff.per_kwh(quarter)?))
            });
        Some(Month {
            import_kwh: (import.month + open) / figures::WH_PER_KWH,
            cost,
            since: import.month_since,
        })
    }

    fn supply(&self, medium: Medium, at: Timestamp) -> Option<Supply> {
        let meter = self.meters.of(medium)?;
        let opening = self.figures.as_ref()?.openings.get(&meter.api.name)?;
        let (last, received_at) = meter.volume_m3()?;
        let date = |at| self.sources.zone.to_datetime(at).date();
        if date(received_at) != date(at) {
            return None;
        }
        let freshness = meter.freshness(received_at, at);
        let volume_m3 = (last - *opening).max(Decimal::ZERO);
        Some(Supply {
            volume_m3,
            energy_kwh: meter.gas_kwh(volume_m3),
            cost: None,
            received_at,
            freshness,
        })
    }

    fn parts(&self, at: Timestamp) -> Vec<HomePart> {
        let date = self.sources.zone.to_datetime(at).date();
        let figures = self.figures.as_ref().filter(|figures| figures.date == date);
        let midnight = wattle_billing::time::day_start(date, &self.sources.zone);
        self.meters.parts(
            figures.map(|figures| &figures.openings),
            midnight.unwrap_or(at),
        )
    }

    fn money(&self, amount: Decimal) -> Money {
        let currency = self
            .tariff()
            .and_then(|tariff| tariff.currency.clone())
            .unwrap_or_default();
        Money {
            amount: amount.normalize(),
            currency,
        }
    }
}

fn advice(
    power: Option<&Power>,
    price: Option<&Price>,
    troubles: &Troubles,
    at: Timestamp,
) -> Option<Advice> {
    if troubles.pin_locked() {
        return Some(Advice::EnterPin);
    }
    let fresh = |power: &&Power| power.freshness != Freshness::Lost;
    if power
        .filter(fresh)
        .is_some_and(|power| power.level == Level::Exporting)
    {
        return Some(Advice::UseOwnPower);
    }
    let price = price?;
    let now = price.now.as_ref()?;
    if price.next.is_none() {
        return Some(Advice::FlatPrice);
    }
    match &price.cheapest {
        Some(window) if window.per_kwh < now.per_kwh && window.start > at => {
            Some(Advice::CheaperLater {
                window: window.clone(),
                currency: price.currency.clone(),
            })
        }
        Some(_) => Some(Advice::CheapestNow { until: now.end }),
        None => Some(Advice::FlatPrice),
    }
}

/// Runs a query on a thread for blocking work, lending it the reader.
async fn blocking<T: Send + 'static>(
    slot: &mut Option<Reader>,
    query: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
) -> anyhow::Result<T> {
    let reader = slot
        .take()
        .ok_or_else(|| anyhow::anyhow!("the reader was lost with an earlier query"))?;
    let (reader, result) = tokio::task::spawn_blocking(move || {
        let result = query(&reader);
        (reader, result)
    })
    .await?;
    *slot = Some(reader);
    Ok(result?)
}
