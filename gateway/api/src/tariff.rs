//! The tariff as it is put in force from the web page.

use jiff::civil;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Money;

/// `GET` answers [`TariffInfo`]; `PUT` of a tariff file as `text/plain` puts it in force; `DELETE`
/// goes back to the configured one.
pub const TARIFF_PATH: &str = "/api/v1/tariff";
/// `POST` of a tariff file as `text/plain` answers [`TariffPreview`].
pub const TARIFF_PREVIEW_PATH: &str = "/api/v1/tariff/preview";

/// The tariff in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TariffInfo {
    /// Its name; absent without one, or while its prices have not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// ISO 4217 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// True for one that was uploaded, false for the configured one.
    pub uploaded: bool,
}

/// What a tariff would have made of the last seven days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TariffPreview {
    /// Its name.
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    /// First local date.
    pub from: civil::Date,
    /// Last local date.
    pub to: civil::Date,
    /// What was metered in those days, in kWh; absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_kwh: Option<Decimal>,
    /// What they would have cost; absent when nothing was metered, or some of it has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// What they cost with the tariff in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present_cost: Option<Money>,
}
