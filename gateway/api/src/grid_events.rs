//! What the utility or the grid's operator asks of the home.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `GET` answers a list of [`GridEvent`], the next first; it is the one of the state.
pub const GRID_EVENTS_PATH: &str = "/api/v1/grid-events";
/// `POST` takes a [`GridEventChoice`] and answers the [`GridEvent`].
pub const GRID_EVENT_CHOICE_PATH: &str = "/api/v1/grid-events/choice";

/// Something that the utility or the grid's operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GridEvent {
    /// Where it comes from and its identifier there, `openadr:…`; it stays the same when the
    /// event is changed.
    pub id: String,
    /// What the sender calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is asked for.
    pub kind: GridEventKind,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends; absent when that is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// How much at its first step, in the unit of its kind; absent where the kind has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Decimal>,
    /// A message for the household.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Every step when the level changes during the event; empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<GridEventStep>,
    /// 0 is the most important; absent when the sender does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// Whether the household takes part.
    pub opt: OptState,
    /// Whether the household may choose.
    pub may_opt_out: bool,
}

/// A stretch of an event with one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GridEventStep {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends; absent when that is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// How much, in the unit of the event's kind.
    pub level: Decimal,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GridEventKind {
    /// Use less: level 0 normal, 1 moderate, 2 high, 3 emergency.
    LoadShed,
    /// Draw no more than so many kW.
    ImportLimit,
    /// Feed in no more than so many kW.
    ExportLimit,
    /// Generate no more than so many per cent of what is installed.
    GenerationLimit,
    /// Run storage or generation at a set point; its unit is the program's.
    Dispatch,
    /// A message without a number: a grid emergency, a power failure to come.
    Alert,
    /// Something else; its name or text says what.
    #[serde(other)]
    Other,
}

/// Whether the household takes part in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OptState {
    /// It does, as agreed with the utility.
    In,
    /// Somebody said no this time.
    Out,
}

/// The household's word on an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GridEventChoice {
    /// Which event.
    pub id: String,
    /// Whether it takes part.
    pub opt: OptState,
}
