//! Codecs, sessions and drivers for utility meters.
//!
//! The order inside the crate is **model ← codec ← session ← driver**:
//!
//! - [`model`] says what a reading is: an OBIS code, an exact decimal, a unit, two clocks, and how
//!   the bytes it came from were checked.
//! - Codecs are pure functions between bytes and typed messages. Any bytes may be given to any of
//!   them; none panics, and none allocates more than a small multiple of its input.
//! - A [`session`] is told bytes and the time, and asked what to do. It never reads a clock, a
//!   port or a file, so hours of time-outs are tested in microseconds.
//! - A `driver` owns one port, pumps one session and knows no protocol. Drivers need the feature
//!   `driver`; everything else builds without an async runtime.

pub mod c12;
pub mod crc;
pub mod dlms;
#[cfg(feature = "driver")]
pub mod driver;
pub mod iec62056_21;
pub mod key;
pub mod line_search;
pub mod mbus;
pub mod modbus;
pub mod model;
pub mod osgp;
pub mod p1;
pub mod probe;
pub mod profile;
pub mod session;
pub mod sml;
pub mod tic;
mod window;
pub mod wmbus;
