//! The prepayment account, in the words of SMETS2.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Money;

/// `GET` answers [`Prepay`]; 404 where the home does not pay in advance.
pub const PREPAY_PATH: &str = "/api/v1/prepay";
/// `POST` a [`TopUpCode`]: it waits for the supplier. Answers [`Prepay`], as all below.
pub const PREPAY_CODE_PATH: &str = "/api/v1/prepay/code";
/// `POST` without a body: activates emergency credit.
pub const PREPAY_EMERGENCY_PATH: &str = "/api/v1/prepay/emergency";
/// `POST` without a body: the person at the display asks for the supply, once it is armed.
pub const PREPAY_SWITCH_ON_PATH: &str = "/api/v1/prepay/switch-on";
/// `POST` a [`Credit`]: what the supplier has confirmed. For the installer, never for the household.
pub const PREPAY_CREDIT_PATH: &str = "/api/v1/prepay/credit";

/// The account as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Prepay {
    /// Credit, emergency credit not included; below zero only by what was used while the supply could
    /// not be cut.
    pub balance: Money,
    /// True at or below the supplier's threshold for telling the household.
    pub low: bool,
    /// Emergency credit.
    pub emergency: EmergencyCredit,
    /// The supply.
    pub supply: PrepaySupply,
    /// What is owed in all and recovered bit by bit.
    pub debt: Money,
    /// True in the hours in which the supply is not cut, whatever the balance.
    pub friendly: bool,
    /// Up to when use is taken off the balance.
    pub until: Timestamp,
    /// True when use since then has no published price and waits for one.
    pub waits_for_prices: bool,
    /// Top-up codes that were typed and wait for the supplier, the oldest first.
    pub codes: Vec<WaitingCode>,
}

/// Emergency credit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "state")]
#[non_exhaustive]
pub enum EmergencyCredit {
    /// Not to be had at this balance.
    None,
    /// May be activated.
    Offered {
        /// How much there is.
        limit: Money,
    },
    /// In use.
    Active {
        /// What is left of it.
        left: Money,
    },
    /// A state of a newer gateway.
    #[serde(other)]
    Other,
}

/// The supply of a home that pays in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PrepaySupply {
    /// On.
    Enabled,
    /// Off for want of credit.
    Disabled,
    /// May be switched on by the person at the display.
    Armed,
    /// A state of a newer gateway.
    #[serde(other)]
    Other,
}

/// A code that waits. Only its end is told: the whole of it is worth money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WaitingCode {
    /// Its last four digits.
    pub ends_with: String,
    /// When it was typed.
    pub entered_at: Timestamp,
}

/// A top-up code as it was typed; blanks and dashes do not matter.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TopUpCode {
    /// 20 digits.
    pub code: String,
}

/// Money that the supplier has confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Credit {
    /// In the tariff's currency, above zero.
    pub amount: Decimal,
    /// Last four digits of the code that it is for, if it is for one: that code waits no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_with: Option<String>,
}
