//! The types of wattle's HTTP API, `/api/v1`: what the gateway says to the display, to the web
//! page and to scripts.
//!
//! Rules that hold for every type:
//!
//! - Energy, power, prices and money are exact decimals, written as JSON strings.
//! - Times are UTC (RFC 3339). The home's time zone is told once, in [`Gateway::time_zone`].
//! - Import is positive, export negative, unless a field says otherwise.
//! - What was not measured is absent, never 0. Everything measured says when it was.
//! - A client formats, by [`mod@format`], and translates; it computes neither energy nor money.

mod access;
mod appliances;
mod bearers;
mod bill;
mod devices;
pub mod format;
mod gauge;
mod grid_events;
mod history;
mod home_part;
mod line;
mod messages;
mod meter;
mod network;
mod powerline;
mod prepay;
mod price;
mod radio;
mod records;
mod run;
mod supply;
mod tariff;
mod usage;
mod zigbee;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use access::{
    Caller, Grant, IssuedToken, Login, NewToken, OpenPairing, PAIR_PATH, PAIRING_PATH, Pair,
    Pairing, Role, SESSION_PATH, TOKENS_PATH, USERS_PATH, User, WebAccess,
};
pub use appliances::{
    APPLIANCE_CORRECTIONS_PATH, APPLIANCE_CYCLES_PATH, APPLIANCE_DAYS_PATH, APPLIANCE_LABELS_PATH,
    APPLIANCE_LEARNT_PATH, APPLIANCES_PATH, Appliance, ApplianceCorrection, ApplianceCycle,
    ApplianceDay, ApplianceLabel, ApplianceNote, ApplianceShare, Appliances, Corrected, Guess,
    RunningLoad, UnnamedLoad,
};
pub use bearers::{BEARERS_PATH, Bearer, BearerBudget, BearerKind, BearerState, Modem};
pub use bill::{Bill, BillForecast, BillLine, BillToDate, Budget};
pub use devices::{DEVICES_PATH, Device, DeviceKind, DeviceVia, OUTLETS_PATH, Outlet, PluggedCar};
pub use gauge::{BlockGauge, DemandGauge};
pub use grid_events::{
    GRID_EVENT_CHOICE_PATH, GRID_EVENTS_PATH, GridEvent, GridEventChoice, GridEventKind,
    GridEventStep, OptState,
};
pub use history::{BandTotal, BandsPer, Day, Finding, Hour, Interval, MeterExchange, MonthTotal};
pub use home_part::{HomePart, HomePartKind};
pub use line::{BorrowLine, LINE_LENT, LINE_PATH};
pub use messages::{Importance, MESSAGE_CONFIRM_PATH, MESSAGES_PATH, Message, MessageConfirmation};
pub use meter::{Field, Medium, Meter, MeterTariff, Outage, Register};
pub use network::{FoundKind, FoundService, NETWORK_PATH, Network};
pub use powerline::{
    Adapter, AdapterAlarm, AdapterAlarmKind, POWERLINE_PATH, Powerline, PowerlineStatus, RateHour,
};
pub use prepay::{
    Credit, EmergencyCredit, PREPAY_CODE_PATH, PREPAY_CREDIT_PATH, PREPAY_EMERGENCY_PATH,
    PREPAY_PATH, PREPAY_SWITCH_ON_PATH, Prepay, PrepaySupply, TopUpCode, WaitingCode,
};
pub use price::{Band, Carbon, CleanHour, Price, PriceDay, Run, Slot, Window};
pub use radio::{
    ADOPT_PATH, AdoptMeter, AdoptedMeter, HEARD_PATH, HeardMeter, KEYS_PATH, KeyCheck, KeyResult,
    MeterKey, RECEIVERS_PATH, Receiver, SecretText,
};
pub use records::{
    CONSENTS_PATH, Consent, ConsentChange, Disclosure, LEDGER_PATH, LOGS_PATH, LogBook, LogCheck,
    LogEntry, LogPage, RecipientKind,
};
pub use run::{BestRun, RUN_ADVICE_PATH, RunAdvice};
pub use supply::{SUPPLY_ON_PATH, SUPPLY_PATH, SupplyState, SupplySwitch};
pub use tariff::{TARIFF_PATH, TARIFF_PREVIEW_PATH, TariffInfo, TariffPreview};
pub use usage::{USAGE_PATH, Usage, UsageBand, UsageBar, UsageSpan, YearBefore};
pub use zigbee::{
    ZIGBEE_JOIN_PATH, ZIGBEE_KEY_PATH, ZIGBEE_PATH, ZIGBEE_REPLACE_PATH, ZIGBEE_SURVEY_PATH,
    ZIGBEE_SWITCH_PATH, ZIGBEE_UPGRADE_PATH, Zigbee, ZigbeeChannel, ZigbeeChannels, ZigbeeComfort,
    ZigbeeDemand, ZigbeeDevice, ZigbeeFirmware, ZigbeeFirmwareFile, ZigbeeJoin, ZigbeeLink,
    ZigbeeLoad, ZigbeeMap, ZigbeeNetwork, ZigbeePrice, ZigbeeReplace, ZigbeeState, ZigbeeSwitch,
    ZigbeeUpgrade, ZigbeeUpgradeStage, ZigbeeUtility,
};

/// Where the types below are served. `GET` answers one [`State`].
pub const STATE_PATH: &str = "/api/v1/state";
/// Server-sent events: each event `state` carries one whole [`State`] as JSON. The first comes at
/// once, then one whenever something changed, at most two a second.
pub const EVENTS_PATH: &str = "/api/v1/events";
/// `GET` answers a list of [`Meter`].
pub const METERS_PATH: &str = "/api/v1/meters";
/// `GET` answers [`BillToDate`] for `from` and `to`, local dates, both included; the present month
/// when they are left out.
pub const BILL_PATH: &str = "/api/v1/bill";
/// `GET` answers [`Health`].
pub const HEALTH_PATH: &str = "/api/v1/health";

/// Everything the NOW screen shows, at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct State {
    /// The gateway's clock when this was put together. Ages are counted from here.
    pub at: Timestamp,
    /// The gateway itself.
    pub gateway: Gateway,
    /// Power at the grid connection; absent when no meter sends power, with
    /// [`State::notices`] saying why where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// Electricity since midnight, local time; absent until a register has been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub today: Option<Today>,
    /// The price of electricity; absent when no tariff is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Gas since midnight; absent without a gas meter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas: Option<Supply>,
    /// Water since midnight; absent without a water meter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub water: Option<Supply>,
    /// Electricity since the first of the month; absent until a register has been read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<Month>,
    /// One piece of advice, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
    /// Solar modules, battery and car, where they have submeters; in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<HomePart>,
    /// What used the power; absent without an electricity meter at the grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appliances: Option<Appliances>,
    /// The prepayment account; absent where the home does not pay in advance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepay: Option<Prepay>,
    /// What the utility or the grid's operator asks for and is not over, the next first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grid_events: Vec<GridEvent>,
    /// How the gateway is reached over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<WebAccess>,
    /// Every meter that is configured or was heard.
    pub meters: Vec<Meter>,
    /// What is wrong or wants attention; the most important first.
    pub notices: Vec<Notice>,
}

/// The gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gateway {
    /// Six lower-case hex digits, made once and kept.
    pub id: String,
    /// Version of the software.
    pub version: String,
    /// IANA name of the home's time zone.
    pub time_zone: String,
    /// When the daemon was started.
    pub started_at: Timestamp,
}

/// How old a value is, judged by how often its meter usually reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// As recent as it should be.
    Live,
    /// Older than 15 seconds and older than three reporting periods: the value is the last known
    /// one and its age belongs beside it.
    Stale,
    /// Older than five minutes: no longer a statement about now.
    Lost,
}

/// How much, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Below a third of full scale.
    Low,
    /// From one third to two thirds.
    Medium,
    /// Above two thirds.
    High,
    /// The home feeds into the grid.
    Exporting,
}

/// Power at the grid connection point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Power {
    /// Watts; negative while exporting.
    pub watts: Decimal,
    /// In one word.
    pub level: Level,
    /// Share of full scale in thousandths, 0 to 1000, of the magnitude. Full scale is the 95th
    /// percentile of the last 30 days' quarter-hour means, at least 3 kW.
    pub permille: u16,
    /// What an hour at this power costs at the price now; negative when export earns. Absent
    /// without a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_per_hour: Option<Money>,
    /// When the telegram came.
    pub received_at: Timestamp,
    /// How old that is.
    pub freshness: Freshness,
}

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Money {
    /// In the currency's major unit, unrounded.
    pub amount: Decimal,
    /// ISO 4217 code.
    pub currency: String,
}

/// Electricity since local midnight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Today {
    /// Import in kWh.
    pub import_kwh: Decimal,
    /// Export in kWh; absent when the meter has no export register.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_kwh: Option<Decimal>,
    /// Energy at its price in each quarter-hour, without standing charges, taxes included.
    /// Absent without a tariff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// Change of import against the mean of the same weekday up to the same time of day in the
    /// last four weeks, in per cent, rounded; absent until there is such a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_percent: Option<i32>,
    /// From when the figures are complete: local midnight, or later when nothing was read then.
    pub since: Timestamp,
    /// When the register was read last.
    pub received_at: Timestamp,
    /// How old that is.
    pub freshness: Freshness,
}

/// Electricity since the first of the local month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Month {
    /// Import in kWh.
    pub import_kwh: Decimal,
    /// Cost of the energy, taxes included, without standing charges; absent without a tariff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// From when the figures are complete.
    pub since: Timestamp,
}

/// Gas or water since local midnight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Supply {
    /// Volume in cubic metres.
    pub volume_m3: Decimal,
    /// Gas: the energy of it in kWh, by calorific value and correction factor; absent where they
    /// are not configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_kwh: Option<Decimal>,
    /// Cost; absent without a tariff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// When the register was read last.
    pub received_at: Timestamp,
    /// How old that is.
    pub freshness: Freshness,
}

/// One piece of advice, to be said in the household's language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Advice {
    /// Energy will be cheaper later: wait if it can wait.
    CheaperLater {
        /// When the cheapest stretch begins and ends, and its mean price.
        window: Window,
        /// ISO 4217 code of its price.
        currency: String,
    },
    /// It does not get cheaper within the known prices.
    CheapestNow {
        /// Until when.
        until: Timestamp,
    },
    /// The price is the same all day.
    FlatPrice,
    /// The home feeds into the grid: a good time to use energy.
    UseOwnPower,
    /// Meter's PIN has not been entered.
    EnterPin,
    /// Advice of a newer gateway that this client does not know.
    #[serde(other)]
    Other,
}

/// What is wrong, or wants attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, for translation and for scripts.
    pub code: NoticeCode,
    /// The meter it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    /// An English sentence that says what happened and what to do.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
}

/// How bad a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something does not work as it should.
    Warning,
    /// Act now.
    Alarm,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeCode {
    /// A meter's port cannot be opened.
    PortLost,
    /// A meter has not been heard for long.
    MeterSilent,
    /// A meter's messages fail their checks.
    MeterDamaged,
    /// A meter shows only the reduced data set until its PIN is entered.
    PinLocked,
    /// A register fell; its new value is not counted.
    RegisterFell,
    /// A meter says that something is wrong: a leak, a low battery.
    MeterAlarm,
    /// A meter's index leapt or fell beyond what is believed; it is not counted.
    ValueDoubted,
    /// The MQTT broker cannot be reached.
    BrokerLost,
    /// A radio receiver hears nothing or does not answer.
    ReceiverSilent,
    /// The utility's event server cannot be asked.
    UtilityLost,
    /// The store cannot be written.
    StoreFailed,
    /// No powerline adapter answers, or its interface cannot be used.
    PowerlineLost,
    /// A powerline adapter is not seen any more.
    AdapterGone,
    /// A powerline adapter's rate has fallen far below what it was.
    AdapterSlow,
    /// A device of the home area network has not been heard for long.
    DeviceMissed,
    /// Water ran all night, several nights in a row.
    NightFlow,
    /// What is drawn all night has risen.
    BaseLoadRisen,
    /// A heat pump starts too often.
    ShortCycling,
    /// The credit of a prepayment account is low.
    CreditLow,
    /// It is used up and the supply is to be cut.
    CreditUsedUp,
    /// The supply may be switched on again by the person at the display.
    SupplyArmed,
    /// The utility will switch the supply off; its text says when, why, and whom to call.
    SupplyAnnounced,
    /// The utility has switched the supply off.
    SupplyOff,
    /// The relay of the supply does not stand where it should.
    SupplyWrong,
    /// Something that a newer gateway knows of; its text says what.
    #[serde(other)]
    Other,
}

/// The daemon's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// True when every part answered within its time.
    pub ok: bool,
    /// Part by part.
    pub parts: Vec<Part>,
}

/// One part of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Part {
    /// Its name.
    pub name: String,
    /// True when it answered within its time.
    pub ok: bool,
    /// How often it was restarted.
    pub restarts: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_gateway_says_does_not_break_an_older_client() {
        let advice: Advice = serde_json::from_str(r#"{"kind":"dance","where":"kitchen"}"#).unwrap();
        assert_eq!(advice, Advice::Other);
        let code: NoticeCode = serde_json::from_str(r#""flood""#).unwrap();
        assert_eq!(code, NoticeCode::Other);
    }
}
