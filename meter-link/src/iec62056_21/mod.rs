//! IEC 62056-21 (formerly IEC 1107): meters read out as text through the optical head.
//!
//! Source: IEC 62056-21:2002, clause 6 (protocol modes A to E), 6.3 (messages), 6.5 (data sets
//! and programming commands), annex A and B (timing). Partial blocks that end in EOT occur in
//! programming mode only: no readout of a household meter uses them. Of mode E, the readout in
//! ASCII is here, and the opening of HDLC ([`Purpose::Hdlc`]).
//!
//! - [`Splitter`] cuts readouts, command frames and answers out of a stream and checks them;
//! - [`ReadoutReader`] holds the conversation of modes A to C, and listens in mode D;
//! - [`programming`] reads and writes single data sets behind a password, and load profiles;
//! - [`Agreement`] is what reader and meter agree on after the identification;
//! - [`encode`] makes what a meter or a reader sends.
//!
//! ```
//! use meter_link::iec62056_21::{Event, Identification, Message, Mode, Splitter, encode};
//!
//! let ident = Identification::parse(b"/ISk5MT174-0001\r\n").ok_or("no identification")?;
//! assert_eq!((ident.mode, ident.baud()), (Mode::C, Some(9600)));
//! let mut bytes = ident.to_line();
//! bytes.extend(encode::data_block("1-0:1.8.0*255(0008048.375*kWh)\r\n!\r\n"));
//! let mut splitter = Splitter::new();
//! let mut input = bytes.as_slice();
//! let Some(Event { message: Message::Readout(readout), .. }) = splitter.pull(&mut input) else {
//!     return Err("no readout");
//! };
//! assert_eq!(readout.sets[0].groups[0].unit.as_deref(), Some("kWh"));
//! # Ok::<(), &str>(())
//! ```

pub mod encode;
mod identification;
mod interpret;
pub mod programming;
mod session;
mod sets;
mod sign_on;
mod splitter;

pub use identification::{Identification, Mode};
pub use interpret::{quantity, register, telegram};
pub use session::{Config, ReadoutReader};
pub use sets::{DataSet, Group};
pub use sign_on::{Agreement, Purpose, Terms, step_down};
pub use splitter::{BlockCheck, Event, Fault, MAX_MESSAGE, Message, Readout, Rejection, Splitter};
