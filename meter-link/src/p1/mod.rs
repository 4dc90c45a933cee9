//! P1: the customer port of meters in the Netherlands, Belgium, Luxembourg, Sweden, Hungary,
//! Lithuania, Ireland and Austria, and the push telegrams of D0 meters of the same form.
//!
//! Sources: DSMR P1 companion standard 2.2 to 5.0.2 (Netbeheer Nederland), chapters 5 and 6;
//! eMUCS-P1 1.7.1 (Fluvius); the description of the P1 port of Luxembourg's Smarty meters, with
//! general-glo-ciphering of the Green Book (clause 9.2.7.2) around the telegram. The lines are
//! data sets of IEC 62056-21, clause 6.5. Left out: compression (bit 7 of the security control).
//!
//! - [`Splitter`] cuts telegrams and ciphered frames out of a stream and checks telegrams;
//! - [`Telegram`] is a telegram whose check is right, its lines as [`Entry`];
//! - [`CipheredFrame::open`] takes a telegram out of its cipher;
//! - [`Listener`] is the session: it listens to a meter that pushes;
//! - [`encode`] makes what a meter sends.
//!
//! ```
//! use meter_link::p1::{Event, Message, Splitter, encode};
//!
//! let bytes = encode::telegram("WSM5SIMULATED", "1-0:1.8.1(000123.456*kWh)\r\n");
//! let mut splitter = Splitter::new();
//! let mut input = bytes.as_slice();
//! let Some(Event { message: Message::Telegram(telegram), .. }) = splitter.pull(&mut input) else {
//!     return Err("no telegram");
//! };
//! assert_eq!(telegram.entries[0].obis, "1-0:1.8.1*255");
//! assert_eq!(telegram.entries[0].value, "123.456");
//! # Ok::<(), &str>(())
//! ```

mod cipher;
pub mod encode;
mod lines;
mod registers;
mod session;
mod splitter;
mod telegram;

pub use cipher::{
    CipheredFrame, KeyChain, Keys, OpenError, Opened, SystemTitle, Verdict, parse_title,
};
pub use lines::{Entry, WallTime};
pub use registers::readings;
pub use session::{Listener, SILENCE};
pub use splitter::{Event, Fault, MAX_MESSAGE, Message, Splitter};
pub use telegram::{Channel, LineCheck, Telegram};

#[cfg(test)]
mod tests;
