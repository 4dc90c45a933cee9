//! The signature library: what was learnt from labelled homes, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::forest::Forest;

/// Format of the library that this version writes and reads.
pub const FORMAT: u32 = 1;

/// What was fitted for one kind.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Signature {
    /// Labelled cycles that it was fitted to.
    pub cycles: u32,
    /// Homes that they came from.
    pub homes: u32,
    /// Tells candidates of the kind from others.
    pub forest: Forest,
    /// How long a programme runs before its first and after its last heating, typically. s.
    pub before_s: f64,
    /// After its last heating. s.
    pub after_s: f64,
    /// What a programme draws while it does not heat, typically. W.
    pub idle_w: f64,
}

/// A file that the library was fitted to.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Source {
    /// Its name, without folder.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Rows read.
    pub rows: u64,
    /// Labelled cycles of each appliance.
    pub appliances: BTreeMap<String, u32>,
}

/// The signature library.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Library {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the program that fitted it.
    pub version: String,
    /// Seed of all chance in the fit.
    pub seed: u64,
    /// What it was fitted to.
    pub fitted_from: Vec<Source>,
    /// Attributions that the data ask for.
    pub notices: Vec<String>,
    /// What was fitted, by kind.
    pub kinds: BTreeMap<String, Signature>,
}
