//! The client of DLMS/COSEM meters: associations, services, and what a gateway does with them.
//!
//! Source: IEC 62056-5-3:2017, clauses 5 (security), 6 (services) and 7 (connections); the Green
//! Book (edition 10) of the DLMS User Association.
//!
//! - [`Client`] opens an association, asks, and closes it. It is told bytes and the time like any
//!   [session](crate::session), and never reads a clock, a port or a file;
//! - [`job`]s are what is done in one: reading registers and profiles, the clock, the relay;
//! - [`Runner`] runs jobs and makes up for what is lost on the way;
//! - [`Reader`] is the session that reads a meter again and again;
//! - [`Once`] is the session that does some jobs a single time;
//! - [`CounterStore`] is where invocation counters outlive the process.

mod association;
mod block_sender;
mod blocks;
mod carrier;
mod config;
mod counter;
mod error;
mod exchange;
mod hls;
pub mod job;
mod names;
mod once;
mod protection;
mod reader;
mod runner;
mod sign_on;

pub use association::{Busy, Client, ClientEvent, Random};
pub use config::{
    CarrierConfig, CipheringConfig, ClientAuthentication, ClientConfig, Envelope, HdlcConfig,
    INVOCATION_COUNTER, Opening, PUBLIC_CLIENT, Password, Referencing, Signing, WrapperConfig,
    default_conformance,
};
pub(crate) use counter::Counter;
pub use counter::{CounterError, CounterStore, MemoryCounters};
pub use error::ClientError;
pub use exchange::{Answer, MAX_VALUE, Request};
pub use once::{JobMaker, Once};
pub use reader::{Reader, ReaderConfig};
pub use runner::{Runner, RunnerEvent, WallClock};
