//! From readings to money: what a household's energy costs, and whether its readings can be
//! believed.
//!
//! Everything here is a function of what it is given: no clock, no network, no database, no
//! threads. The daemon and the command line bring documents, readings and the time.
//!
//! - [`price`] reads the price documents of markets, suppliers and meters, each in one file
//!   behind one trait, and gives prices in half-open UTC slots or a switching table.
//! - [`tariff`] puts such a document, or the tables of a tariff file, together with grid fees,
//!   standing charges and taxes into one [`tariff::Tariff`].
//! - [`bill`] applies a tariff to metered use: lines, total, cheapest windows.
//! - [`readings`] are lines that all commands about readings exchange; [`exchange`] reads and
//!   writes the documents of others.
//! - [`grid`] reads what the utility and the grid's operator say.
//! - [`vee`] says what is wrong with readings and estimates what is missing; [`determinants`] adds
//!   them up by tariff register.
//! - [`forecast`] says what load to expect, [`anomaly`] what is unusual.
//!
//! Rules for all of it: money, energy and prices are exact decimals; instants are UTC, local
//! times only where a rule is local; what is not known is absent and never 0 or a guess.

pub mod anomaly;
pub mod bill;
pub mod csv;
pub mod determinants;
pub mod exact;
pub mod exchange;
pub mod forecast;
pub mod gauge;
pub mod grid;
pub mod prepay;
pub mod price;
pub mod quarters;
pub mod readings;
pub mod tariff;
pub mod time;
pub mod toml_file;
pub mod vee;
pub mod window;
pub mod xml;
