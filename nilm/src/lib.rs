//! Load disaggregation: which appliances used the energy that the meter counted.
//!
//! The crate is pure and deterministic: it takes timestamped power and returns appliance cycles
//! with their energy and confidence. It knows no async runtime, no database and no file.
//!
//! Nothing of it is written yet, and the gateway shows no appliances until it is.
