//! Load disaggregation: which appliances used the energy that the meter counted.
//!
//! The crate is pure and deterministic: it takes timestamped power and returns, for each row and
//! once for all, what each appliance took in it. It knows no async runtime, no database and no
//! file. Power is in watts or whole milliwatts, import is positive, times are unix seconds UTC.
//!
//! 1. [`ingest`] learns the meter's period and finds gaps; [`floor`] follows what is always on.
//! 2. [`segment`] makes levels and steps of the power, with a threshold that follows the noise.
//! 3. [`pulse`] pairs rises with falls by a beam of hypotheses.
//! 4. [`candidate`] describes pulses and groups of plateaus in numbers that are the same at any
//!    rate; [`habits`] knows at which power the home's loads come back, [`dictionary`] clusters
//!    what is left over.
//! 5. [`prior`] and [`grammar`] judge a candidate by physics, the [`forest`]s of the [`library`]
//!    by labelled homes, [`personal`] by what plugs and people taught.
//! 6. [`engine`] decides each row when its delay is over; parts and rest add up, exactly.
//! 7. [`tally`] adds up rows and [`cycles`]; [`fit`] makes a library of homes with sub-meters.
//!
//! ```
//! use std::sync::Arc;
//! use nilm::engine::{Disaggregator, Settings};
//! use nilm::ingest::Sample;
//! use nilm::library::Library;
//!
//! let mut home = Disaggregator::new(Arc::new(Library::default()), Settings::default());
//! let mut rows = Vec::new();
//! home.push(&Sample { ts: 0, power_mw: Some(250_000), valid: true, ..Sample::default() }, &mut rows);
//! home.finish(&mut rows);
//! assert_eq!(rows[0].rest_mw(), Some(250_000));
//! ```

pub mod candidate;
pub mod correction;
pub mod cycles;
pub mod dictionary;
pub mod engine;
pub mod fit;
pub mod floor;
pub mod forest;
pub mod grammar;
pub mod habits;
pub mod ingest;
pub mod kind;
pub mod library;
pub mod personal;
pub mod prior;
pub mod pulse;
pub mod segment;
pub mod tally;
