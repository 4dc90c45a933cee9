//! Modbus meters: what their registers mean, as data, and exact numbers out of them.
//!
//! Source: Modbus Application Protocol Specification V1.1b3 (functions 03 and 04, exception codes).
//! What a meter has in which register stands in a [`RegisterMap`], one file per model in
//! `profile/modbus`. Frames, their CRC and the TCP header are the business of the crate
//! `tokio-modbus`, which the driver uses; nothing here does input or output. Only registers are
//! read, nothing is ever written.
//!
//! - [`RegisterMap`] is read from TOML and checked; [`RegisterMap::named`] are those that come
//!   with the program;
//! - [`RegisterMap::requests`] says what to ask for, [`RegisterMap::telegram`] what the answers
//!   mean;
//! - [`Kind::number`] makes an exact decimal of words, rounded to the meter's resolution.
//!
//! ```
//! use meter_link::modbus::{Answer, RegisterMap};
//!
//! let map = RegisterMap::named("sdm120").ok_or("no map")?;
//! let request = map.requests()[0];
//! let mut words = vec![0; usize::from(request.count)];
//! words[..2].copy_from_slice(&[0x4366, 0x3334]); // 230.2 V in Eastron's own example
//! let telegram = map.telegram(&[Answer { request, words }], None);
//! assert_eq!(telegram.values[0].value.number().map(|volts| volts.to_string()).as_deref(), Some("230.2"));
//! # Ok::<(), &str>(())
//! ```

mod kind;
mod map;
mod plan;

pub use kind::{Kind, WordOrder};
pub use map::{MapError, Point, RegisterMap, SerialNumber};
pub use plan::{Answer, Function, Request};

/// An exception code in words (specification, chapter 7).
#[must_use]
pub const fn exception(code: u8) -> &'static str {
    match code {
        1 => "the meter does not know this function (exception 1)",
        2 => "the meter has no such register (exception 2): is it another model?",
        3 => "the meter refuses the number of registers (exception 3)",
        4 => "the meter has failed (exception 4)",
        5 => "the meter has begun and is not done yet (exception 5)",
        6 => "the meter is busy (exception 6)",
        8 => "the meter's memory has failed its check (exception 8)",
        10 => "the gateway has no path to the meter (exception 10)",
        11 => "the meter behind the gateway does not answer (exception 11): check its unit number",
        _ => "the meter answers with an exception that the specification does not name",
    }
}
