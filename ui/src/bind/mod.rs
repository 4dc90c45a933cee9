//! From the gateway's [`State`] to what the screens draw, in one function: [`bind`].
//!
//! Values are formatted and words are picked; nothing is computed. A property is set only when
//! what it shows differs, and models keep their rows, so that an unchanged state draws nothing.

mod appliances;
mod axis;
mod door;
mod first;
mod gauges;
mod grid_events;
mod messages;
mod money;
mod more;
mod notices;
mod prepay;
mod prices;
mod privacy;
mod runs;
mod strip;
mod tiles;
mod usage;
mod zigbee;

pub(crate) use prices::hatching;
pub(crate) use privacy::change as consent_change;
pub(crate) use runs::finish_by;
pub(crate) use usage::wanted;
pub(crate) use zigbee::join;

use crate::format::{self, Age, Language};
use crate::generated::{
    App, Choices, Door, First, Level, Money, More, Network, Now, Phrase, Prices, Say, Severity,
    Usage,
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use slint::{ComponentHandle, Model, ModelRc, VecModel};
use wattle_api as api;
use wattle_api::State;

/// How the display stands with the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Connected.
    Up,
    /// The connection was lost then; what is shown is the last that was known.
    Lost(Timestamp),
    /// Never connected since the display was started.
    Never,
}

/// Everything a picture depends on.
#[derive(Clone, Debug)]
pub struct View {
    /// The last state that came.
    pub state: Option<State>,
    /// The gateway's clock now. Ages are counted to here.
    pub now: Timestamp,
    /// The connection.
    pub link: Link,
    /// The household's language.
    pub language: Language,
    /// What was asked for besides the state.
    pub answers: Answers,
}

/// Answers of the gateway to what single screens ask for; `None` until one came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// The powerline networks.
    pub powerline: Option<Vec<api::Powerline>>,
    /// The Zigbee network.
    pub zigbee: Option<api::Zigbee>,
    /// What was used, in the stretch that was asked for.
    pub usage: Option<api::Usage>,
    /// This week of gas and the one before it, the earlier first; empty without a meter.
    pub gas_weeks: Vec<api::Usage>,
    /// The same of water.
    pub water_weeks: Vec<api::Usage>,
    /// The bill of the month so far.
    pub bill: Option<api::BillToDate>,
    /// When to run what can wait.
    pub runs: Option<Vec<api::RunAdvice>>,
    /// Wireless meters that are heard.
    pub heard: Option<Vec<api::HeardMeter>>,
    /// Who was told what, the last days.
    pub told: Option<Vec<api::Disclosure>>,
    /// Who may be told.
    pub consents: Option<Vec<api::Consent>>,
    /// What the utility writes.
    pub messages: Option<Vec<api::Message>>,
    /// Where the supply stands, where the utility may switch it.
    pub supply: Option<api::SupplySwitch>,
}

impl View {
    /// A state as it is at its own time, over a good connection.
    #[must_use]
    pub fn of(state: State, language: Language) -> Self {
        Self {
            now: state.at,
            state: Some(state),
            link: Link::Up,
            language,
            answers: Answers::default(),
        }
    }

    /// How old a value is, made worse by a connection that brings nothing new.
    fn freshness(&self, of: api::Freshness) -> api::Freshness {
        let (Link::Lost(_), Some(state)) = (self.link, &self.state) else {
            return of;
        };
        match self.now.as_second().saturating_sub(state.at.as_second()) {
            ..=15 => of,
            16..=300 if of == api::Freshness::Live => api::Freshness::Stale,
            16..=300 => of,
            _ => api::Freshness::Lost,
        }
    }

    fn age(&self, of: Timestamp) -> Phrase {
        match format::age(of, self.now) {
            Age::Fresh => Phrase::default(),
            Age::Seconds(count) => phrase(Say::SecondsAgo, count.to_string()),
            Age::Minutes(count) => phrase(Say::MinutesAgo, count.to_string()),
            Age::Hours(count) => phrase(Say::HoursAgo, count.to_string()),
            Age::Days(count) => phrase(Say::DaysAgo, count.to_string()),
        }
    }

    fn zone(&self) -> TimeZone {
        self.state
            .as_ref()
            .and_then(|state| TimeZone::get(&state.gateway.time_zone).ok())
            .unwrap_or(TimeZone::UTC)
    }

    fn local(&self) -> Zoned {
        self.now.to_zoned(self.zone())
    }
}

/// Shows `view` on the screens.
pub fn bind(app: &App, view: &View) {
    let now = app.global::<Now>();
    now.set_clock(format::clock(view.now, &view.zone()).into());
    let five_minutes = view.now.as_second().div_euclid(300).rem_euclid(4);
    now.set_five_minutes(i32::try_from(five_minutes).unwrap_or(0));
    bind_hero(&now, view);
    bind_advice(&now, view);
    let mut tiles = tiles::tiles(view);
    if app.global::<Choices>().get_simple() {
        tiles.truncate(2);
    }
    if let Some(model) = rows(&now.get_tiles(), tiles) {
        now.set_tiles(model);
    }
    strip::bind(&now, view);
    gauges::bind(&app.global::<Prices>(), view);
    prices::bind(&app.global::<Prices>(), view);
    runs::bind(&app.global::<Prices>(), view);
    more::bind(&app.global::<More>(), view);
    grid_events::bind(&app.global::<More>(), view);
    zigbee::bind(&app.global::<Network>(), view);
    door::bind(&app.global::<Door>(), view);
    first::bind(&app.global::<First>(), view);
    notices::bind(&app.global::<More>(), view);
    privacy::bind(&app.global::<More>(), view);
    prepay::bind(&app.global::<Money>(), view);
    let in_money = app.global::<Choices>().get_in_money();
    usage::bind(&app.global::<Usage>(), view, in_money);
    appliances::bind(app, view);
    money::bind(&app.global::<Money>(), view);
}

fn bind_hero(now: &Now, view: &View) {
    let Some(power) = view.state.as_ref().and_then(|state| state.power.as_ref()) else {
        now.set_power(format::MISSING.into());
        now.set_kilowatts(true);
        now.set_level(Level::None);
        now.set_permille(0);
        now.set_lost(false);
        now.set_cost(why_no_power(view));
        now.set_age(Phrase::default());
        return;
    };
    let shown = format::power(power.watts, view.language);
    let lost = view.freshness(power.freshness) == api::Freshness::Lost;
    now.set_power(shown.text.into());
    now.set_kilowatts(shown.kilowatts);
    now.set_level(match power.level {
        api::Level::Low => Level::Low,
        api::Level::Medium => Level::Medium,
        api::Level::High => Level::High,
        api::Level::Exporting => Level::Exporting,
    });
    now.set_permille(i32::from(power.permille.min(1_000)));
    now.set_lost(lost);
    if lost {
        let seen = format::moment(power.received_at, &view.local(), view.language);
        now.set_cost(phrase(Say::LastSeen, seen));
        now.set_age(Phrase::default());
        return;
    }
    now.set_cost(match &power.cost_per_hour {
        None => phrase(Say::NoTariff, String::new()),
        Some(cost) => {
            let earns = cost.amount.is_sign_negative() && !cost.amount.is_zero();
            let say = if earns { Say::EarnsAnHour } else { Say::AnHour };
            phrase(
                say,
                format::money(cost.amount.abs(), &cost.currency, view.language),
            )
        }
    });
    now.set_age(view.age(power.received_at));
}

/// The reason for the dash in the hero.
fn why_no_power(view: &View) -> Phrase {
    let Some(state) = &view.state else {
        return Phrase::default();
    };
    let say = state.notices.iter().find_map(|notice| match notice.code {
        api::NoticeCode::PinLocked => Some(Say::PinLocked),
        api::NoticeCode::PortLost => Some(Say::PortLost),
        api::NoticeCode::MeterSilent => Some(Say::MeterSilent),
        api::NoticeCode::MeterDamaged => Some(Say::MeterDamaged),
        _ => None,
    });
    let heard = state
        .meters
        .iter()
        .any(|meter| meter.medium == api::Medium::Electricity && meter.received_at.is_some());
    let otherwise = if heard { Say::NoPower } else { Say::NeverHeard };
    phrase(say.unwrap_or(otherwise), String::new())
}

/// What is wrong comes before what is advised.
fn bind_advice(now: &Now, view: &View) {
    let wrong = view
        .state
        .iter()
        .flat_map(|state| &state.notices)
        .filter(|notice| notice.severity >= api::Severity::Warning);
    let lost = match view.link {
        Link::Up => None,
        Link::Never => Some(phrase(Say::GatewayWanted, String::new())),
        Link::Lost(since) => {
            let since = format::moment(since, &view.local(), view.language);
            Some(phrase(Say::GatewayLost, since))
        }
    };
    let mut dots: Vec<Severity> = wrong
        .clone()
        .map(|notice| match notice.severity {
            api::Severity::Alarm => Severity::Alarm,
            _ => Severity::Warning,
        })
        .collect();
    if lost.is_some() {
        dots.insert(0, Severity::Warning);
    }
    dots.sort_by_key(|severity| *severity != Severity::Alarm);
    dots.truncate(5);
    now.set_wrong(!dots.is_empty());
    if let Some(model) = rows(&now.get_dots(), dots) {
        now.set_dots(model);
    }
    let first = wrong.max_by_key(|notice| notice.severity).map(notice);
    now.set_advice(lost.or(first).unwrap_or_else(|| advice(view)));
}

fn notice(notice: &api::Notice) -> Phrase {
    let say = match notice.code {
        api::NoticeCode::PortLost => Say::PortLost,
        api::NoticeCode::MeterSilent => Say::MeterSilent,
        api::NoticeCode::MeterDamaged => Say::MeterDamaged,
        api::NoticeCode::PinLocked => Say::PinLocked,
        api::NoticeCode::RegisterFell => Say::RegisterFell,
        api::NoticeCode::BrokerLost => Say::BrokerLost,
        api::NoticeCode::StoreFailed => Say::StoreFailed,
        api::NoticeCode::NightFlow => Say::NightFlow,
        api::NoticeCode::BaseLoadRisen => Say::BaseLoad,
        api::NoticeCode::ShortCycling => Say::ShortCycling,
        api::NoticeCode::CreditLow => Say::CreditLow,
        api::NoticeCode::CreditUsedUp => Say::CreditUsedUp,
        api::NoticeCode::SupplyArmed => Say::SupplyArmed,
        api::NoticeCode::AdapterGone => Say::AdapterGone,
        api::NoticeCode::AdapterSlow => Say::AdapterSlow,
        api::NoticeCode::PowerlineLost => Say::PowerlineLost,
        api::NoticeCode::ReceiverSilent => Say::ReceiverSilent,
        api::NoticeCode::DeviceMissed => Say::DeviceMissed,
        _ => return phrase(Say::OtherNotice, notice.text.clone()),
    };
    phrase(say, String::new())
}

fn advice(view: &View) -> Phrase {
    let Some(state) = &view.state else {
        return Phrase::default();
    };
    let zone = view.zone();
    match &state.advice {
        Some(api::Advice::CheaperLater { window, currency }) => Phrase {
            say: Say::CheaperLater,
            a: format::clock(window.start, &zone).into(),
            b: format::clock(window.end, &zone).into(),
            c: format::unit_price(window.per_kwh, currency, view.language).into(),
        },
        Some(api::Advice::CheapestNow { until }) => {
            phrase(Say::CheapestNow, format::clock(*until, &zone))
        }
        Some(api::Advice::FlatPrice) => phrase(Say::FlatPrice, String::new()),
        Some(api::Advice::UseOwnPower) => phrase(Say::UseOwnPower, String::new()),
        Some(api::Advice::EnterPin) => phrase(Say::EnterPin, String::new()),
        Some(_) => phrase(Say::UnknownAdvice, String::new()),
        None if state.price.is_none() => phrase(Say::NoTariffAdvice, String::new()),
        None => phrase(Say::NoAdvice, String::new()),
    }
}

fn phrase(say: Say, a: String) -> Phrase {
    Phrase {
        say,
        a: a.into(),
        ..Phrase::default()
    }
}

/// Writes the rows that differ into a model. Returns a new model when there is none to write to,
/// as at the start.
fn rows<T: Clone + PartialEq + 'static>(model: &ModelRc<T>, new: Vec<T>) -> Option<ModelRc<T>> {
    let Some(old) = model.as_any().downcast_ref::<VecModel<T>>() else {
        return Some(ModelRc::new(VecModel::from(new)));
    };
    while old.row_count() > new.len() {
        old.remove(old.row_count() - 1);
    }
    for (index, row) in new.into_iter().enumerate() {
        match old.row_data(index) {
            None => old.push(row),
            Some(shown) if shown != row => old.set_row_data(index, row),
            Some(_) => {}
        }
    }
    None
}
