//! Every route of the API in one table: who may use it, what goes in and what comes out.
//!
//! The guard of the network's side looks every request up here and turns away what it does not
//! find; the OpenAPI document is made of the same rows. So a route that is missing here cannot be
//! reached from the network, and one that is here is described. Switching the supply on again and
//! crediting the account are missing by intention: they belong to somebody in front of the display; so is
//! lending a meter's line, which is for commands on the gateway.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use wattle_api as api;
use wattle_api::Role;

use super::run_advice;
use super::{appliances, backup, bill, export, history, radio, records, usage};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allow {
    /// Whoever asks: it is how one comes in.
    Anyone,
    /// Every role.
    Everyone,
    /// Household and installer.
    Service,
    /// The household alone.
    Household,
}

impl Allow {
    /// True when a role may.
    pub(super) const fn admits(self, role: Role) -> bool {
        match self {
            Self::Anyone | Self::Everyone => true,
            Self::Service => matches!(role, Role::Household | Role::Installer),
            Self::Household => matches!(role, Role::Household),
        }
    }
}

type Of = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn inline<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

/// What goes in.
pub(super) enum Input {
    /// Nothing.
    Nothing,
    /// JSON.
    Json(Of),
    /// A text or a file of this media type.
    Media(&'static str),
}

/// What comes out.
pub(super) enum Output {
    /// Nothing but the status.
    Nothing,
    /// JSON.
    Json(Of),
    /// Something of this media type.
    Media(&'static str),
}

/// A route.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) allow: Allow,
    pub(super) summary: &'static str,
    /// What of the home whoever asks learns, for the privacy ledger.
    pub(super) learns: Option<&'static str>,
    pub(super) query: Option<Of>,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) success: u16,
    /// What else it may answer, beside 401, 403 and 429.
    pub(super) problems: &'static [u16],
}

const fn get(
    path: &'static str,
    allow: Allow,
    learns: &'static str,
    summary: &'static str,
    answer: Of,
) -> Operation {
    Operation {
        method: "GET",
        path,
        allow,
        summary,
        learns: if learns.is_empty() {
            None
        } else {
            Some(learns)
        },
        query: None,
        input: Input::Nothing,
        output: Output::Json(answer),
        success: 200,
        problems: &[],
    }
}

const fn act(
    method: &'static str,
    path: &'static str,
    allow: Allow,
    summary: &'static str,
    input: Input,
    output: Output,
) -> Operation {
    Operation {
        method,
        path,
        allow,
        summary,
        learns: None,
        query: None,
        success: if matches!(output, Output::Nothing) {
            204
        } else {
            200
        },
        input,
        output,
        problems: &[400, 404, 415, 422],
    }
}

impl Operation {
    const fn query(mut self, query: Of) -> Self {
        self.query = Some(query);
        self.problems = &[400, 404, 422];
        self
    }

    const fn may(mut self, problems: &'static [u16]) -> Self {
        self.problems = problems;
        self
    }

    const fn learns(mut self, what: &'static str) -> Self {
        self.learns = Some(what);
        self
    }

    const fn media(mut self, media: &'static str) -> Self {
        self.output = Output::Media(media);
        self
    }

    const fn created(mut self) -> Self {
        self.success = 201;
        self
    }
}

use Allow::{Anyone, Everyone, Household, Service};
use Input::{Json as Takes, Media as TakesMedia, Nothing as TakesNothing};
use Output::{Json as Gives, Nothing as GivesNothing};

const HISTORY: &str = "history of registers";

/// Every route.
#[rustfmt::skip]
pub(super) static TABLE: &[Operation] = &[
    get(api::STATE_PATH, Service, "live state", "Everything of the moment", of::<api::State>),
    get(api::EVENTS_PATH, Service, "live state, followed", "Server-sent events: each event `state` is a whole State", of::<api::State>).media("text/event-stream").may(&[503]),
    get(api::METERS_PATH, Service, "meters and their registers", "Every meter", of::<Vec<api::Meter>>),
    get(api::HEALTH_PATH, Everyone, "", "Health, part by part", of::<api::Health>).may(&[503]),
    get(history::READINGS, Household, HISTORY, "Readings of a register, page by page", of::<history::Readings>).query(inline::<history::After>),
    get(history::INTERVALS, Household, HISTORY, "Quarter-hours of a register", of::<Vec<api::Interval>>).query(inline::<history::Span>),
    get(history::DAYS, Household, HISTORY, "Days of a register", of::<Vec<api::Day>>).query(inline::<history::Dates>),
    get(history::HOURS, Household, HISTORY, "Hours of a register", of::<Vec<api::Hour>>).query(inline::<history::Span>),
    get(history::BANDS, Household, HISTORY, "Days or months of an energy register by the bands of the tariff", of::<Vec<api::BandTotal>>).query(inline::<history::BandDates>),
    get(history::FINDINGS, Household, HISTORY, "What validation found of a register", of::<Vec<api::Finding>>).query(inline::<history::Span>),
    get(history::EXCHANGES, Household, HISTORY, "Meters that took the place of others", of::<Vec<api::MeterExchange>>),
    get(history::MONTHS, Household, HISTORY, "Months of a register", of::<Vec<api::MonthTotal>>).query(inline::<history::Dates>),
    get(api::BILL_PATH, Household, "bill", "The bill of a period", of::<api::BillToDate>).query(inline::<bill::Period>),
    get(api::USAGE_PATH, Household, "usage", "What was used in a day, week, month or year", of::<api::Usage>).query(inline::<usage::Which>),
    get(api::POWERLINE_PATH, Service, "home network", "The powerline", of::<Vec<api::Powerline>>),
    get(api::DEVICES_PATH, Household, "home network", "Every device of the home, whatever carries it", of::<Vec<api::Device>>),
    get(api::OUTLETS_PATH, Household, "home network", "Charging outlets, the cars at them and what these may draw", of::<Vec<api::Outlet>>),
    get(api::MESSAGES_PATH, Household, "", "Messages of the utility that are in force or to come", of::<Vec<api::Message>>),
    act("POST", api::MESSAGE_CONFIRM_PATH, Household, "Say that a message was read; its sender is told where it asks", Takes(of::<api::MessageConfirmation>), Gives(of::<api::Message>)),
    get(api::NETWORK_PATH, Service, "home network", "What is in the home's network", of::<api::Network>),
    get(api::BEARERS_PATH, Service, "", "The ways out of the house that the relay may take", of::<Vec<api::Bearer>>),
    get(api::HEARD_PATH, Service, "radio meters in reach", "Meters that the receivers hear", of::<Vec<api::HeardMeter>>).query(inline::<radio::Search>),
    get(api::RECEIVERS_PATH, Service, "", "The receivers", of::<Vec<api::Receiver>>).may(&[404]),
    act("POST", api::ADOPT_PATH, Service, "Take a meter on; its key is tried at once and is never told again", Takes(of::<api::AdoptMeter>), Gives(of::<api::AdoptedMeter>)).may(&[400, 404, 415, 422, 503]),
    act("POST", api::KEYS_PATH, Service, "Keys of meters; each is tried at once and is never told again", Takes(of::<Vec<api::MeterKey>>), Gives(of::<Vec<api::KeyResult>>)).may(&[400, 404, 415, 422, 503]),
    get(api::APPLIANCES_PATH, Household, "appliances", "What used the power", of::<api::Appliances>),
    get(api::RUN_ADVICE_PATH, Household, "appliances", "When to run what can wait", of::<Vec<api::RunAdvice>>).query(inline::<run_advice::Until>),
    get(api::APPLIANCE_DAYS_PATH, Household, "appliances", "Appliances by day", of::<Vec<api::ApplianceDay>>).query(inline::<appliances::Period>),
    get(api::APPLIANCE_CYCLES_PATH, Household, "appliances", "Cycles of appliances", of::<Vec<api::ApplianceCycle>>).query(inline::<appliances::Period>),
    get(api::APPLIANCE_CORRECTIONS_PATH, Household, "appliances", "Corrections in force", of::<Vec<api::Corrected>>),
    act("POST", api::APPLIANCE_CORRECTIONS_PATH, Household, "Correct what was taken for an appliance", Takes(of::<api::ApplianceCorrection>), Gives(of::<api::Corrected>)).created(),
    act("DELETE", "/api/v1/appliances/corrections/{id}", Household, "Take a correction back", TakesNothing, GivesNothing),
    act("PUT", "/api/v1/appliances/labels/{name}", Household, "Call an appliance something else", Takes(of::<api::ApplianceLabel>), GivesNothing),
    act("DELETE", "/api/v1/appliances/labels/{name}", Household, "Give an appliance its own name back", TakesNothing, GivesNothing),
    get(api::APPLIANCE_LEARNT_PATH, Household, "appliances", "All that was learnt of the home, JSON of no fixed form", of::<serde_json::Value>).may(&[404]),
    act("DELETE", "/api/v1/appliances/learnt/{name}", Household, "Forget an appliance", TakesNothing, GivesNothing),
    get(api::PREPAY_PATH, Household, "prepayment account", "The prepayment account", of::<api::Prepay>).may(&[404, 503]),
    act("POST", api::PREPAY_CODE_PATH, Household, "Take a top-up code", Takes(of::<api::TopUpCode>), Gives(of::<api::Prepay>)).may(&[400, 404, 409, 415, 422, 503]),
    act("POST", api::PREPAY_EMERGENCY_PATH, Household, "Take the emergency credit", TakesNothing, Gives(of::<api::Prepay>)).may(&[404, 409, 503]),
    get(api::ZIGBEE_PATH, Household, "Zigbee devices", "The Zigbee network and its devices", of::<api::Zigbee>),
    act("POST", api::ZIGBEE_JOIN_PATH, Service, "Let Zigbee devices in; an install code is never told again", Takes(of::<api::ZigbeeJoin>), Gives(of::<api::Zigbee>)).may(&[400, 409, 415, 422]).learns("Zigbee devices"),
    act("POST", api::ZIGBEE_SWITCH_PATH, Household, "Switch a Zigbee device", Takes(of::<api::ZigbeeSwitch>), Gives(of::<api::Zigbee>)).may(&[400, 409, 415, 422]).learns("Zigbee devices"),
    act("POST", api::ZIGBEE_SURVEY_PATH, Service, "Measure how busy the Zigbee channels are, and ask who hears whom", TakesNothing, Gives(of::<api::Zigbee>)).may(&[409]).learns("Zigbee devices"),
    act("POST", api::ZIGBEE_KEY_PATH, Service, "Exchange the key of the Zigbee network", TakesNothing, Gives(of::<api::Zigbee>)).may(&[409]).learns("Zigbee devices"),
    act("POST", api::ZIGBEE_UPGRADE_PATH, Service, "Let a Zigbee device have new firmware", Takes(of::<api::ZigbeeUpgrade>), Gives(of::<api::Zigbee>)).may(&[400, 409, 415, 422]).learns("Zigbee devices"),
    act("POST", api::ZIGBEE_REPLACE_PATH, Service, "Give up a foreign Zigbee network on the stick", Takes(of::<api::ZigbeeReplace>), Gives(of::<api::Zigbee>)).may(&[400, 409, 415, 422]).learns("Zigbee devices"),
    get(api::GRID_EVENTS_PATH, Household, "requests of the utility", "What the utility asks of the home", of::<Vec<api::GridEvent>>),
    act("POST", api::GRID_EVENT_CHOICE_PATH, Household, "The household's word on a request of the utility", Takes(of::<api::GridEventChoice>), Gives(of::<api::GridEvent>)).may(&[400, 404, 409, 415, 422]),
    act("POST", api::SESSION_PATH, Anyone, "Log in; sets the cookie of a session", Takes(of::<api::Login>), Gives(of::<api::Caller>)),
    get(api::SESSION_PATH, Everyone, "", "Who is asking", of::<api::Caller>),
    act("DELETE", api::SESSION_PATH, Everyone, "End the session", TakesNothing, GivesNothing),
    act("POST", api::PAIR_PATH, Anyone, "Make a user with the code that the display shows; sets the cookie of a session", Takes(of::<api::Pair>), Gives(of::<api::Caller>)),
    act("POST", api::PAIRING_PATH, Household, "Open a pairing", Takes(of::<api::OpenPairing>), Gives(of::<api::Pairing>)),
    act("DELETE", api::PAIRING_PATH, Household, "Take a pairing back", TakesNothing, GivesNothing),
    get(api::USERS_PATH, Household, "", "Every user", of::<Vec<api::User>>),
    act("DELETE", "/api/v1/users/{name}", Household, "Remove a user with all its tokens", TakesNothing, GivesNothing),
    get(api::TOKENS_PATH, Service, "", "Sessions and tokens: one's own, for the household all", of::<Vec<api::Grant>>),
    act("POST", api::TOKENS_PATH, Service, "Make a token; it is told this once", Takes(of::<api::NewToken>), Gives(of::<api::IssuedToken>)).created(),
    act("DELETE", "/api/v1/tokens/{id}", Service, "Take a session or token back", TakesNothing, GivesNothing),
    get(api::LEDGER_PATH, Household, "privacy ledger", "Who got what, day by day", of::<Vec<api::Disclosure>>).query(inline::<records::Days>),
    get(api::CONSENTS_PATH, Household, "", "What the household allows", of::<Vec<api::Consent>>),
    act("PUT", api::CONSENTS_PATH, Household, "Allow or forbid a kind of recipient", Takes(of::<api::ConsentChange>), Gives(of::<Vec<api::Consent>>)),
    get(backup::EXPORT_ALL, Household, "everything", "All data of the home, a gzipped tar of CSV and JSON", of::<()>).media("application/gzip").may(&[500]),
    act("POST", backup::ERASE, Household, "Erase all that was measured and learnt; the daemon restarts. Says what remains", Takes(of::<backup::Erase>), Gives(of::<backup::Erased>)),
    get("/api/v1/logs/{book}", Service, "log books", "A log book, the newest entry first; the consumer book is the household's alone", of::<api::LogPage>).query(inline::<records::Before>),
    get("/api/v1/logs/{book}/check", Service, "", "Whether a log book's chain holds", of::<api::LogCheck>).may(&[400, 404]),
    get(api::TARIFF_PATH, Household, "", "The tariff in force", of::<api::TariffInfo>),
    act("PUT", api::TARIFF_PATH, Household, "Put a tariff in the place of the configured one", TakesMedia("text/plain"), Gives(of::<api::TariffInfo>)),
    act("DELETE", api::TARIFF_PATH, Household, "Go back to the configured tariff", TakesNothing, GivesNothing),
    act("POST", api::TARIFF_PREVIEW_PATH, Household, "What the last seven days would have cost", TakesMedia("text/plain"), Gives(of::<api::TariffPreview>)).learns("bill"),
    get(export::EXPORT, Household, "quarter-hours, exported", "Quarter-hours as a document of others", of::<()>).query(inline::<export::Asked>).media("*/*"),
    get(backup::BACKUP, Household, "everything, as a backup", "A backup: a gzipped tar of the database and a manifest, without keys and users", of::<()>).media("application/gzip").may(&[500]),
    act("POST", backup::RESTORE, Household, "Put a backup in the place of the present data; the daemon restarts", TakesMedia("application/gzip"), GivesNothing),
    get("/api/v1/openapi.json", Everyone, "", "This document", of::<serde_json::Value>),
    get("/metrics", Everyone, "registers, for monitoring", "Figures in Prometheus' text form", of::<()>).media("text/plain; version=0.0.4"),
    get("/health", Everyone, "", "Health, in one word", of::<api::Health>).may(&[503]),
];

/// The row of a request.
pub(super) fn find(method: &str, path: &str) -> Option<&'static Operation> {
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE
        .iter()
        .find(|row| row.method == method && row.path == path)
}
