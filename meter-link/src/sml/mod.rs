//! Smart Message Language: what German household meters push through their optical port.
//!
//! Source: BSI TR-03109-1, annex IV, Smart Message Language 1.04 ("SML"): clause 6 the messages,
//! 6.3 the binary encoding, 8 the transport protocol version 1. Transport version 2 is not read:
//! no household meter sends it.
//!
//! From bytes to registers:
//!
//! 1. [`Deframer`] cuts telegrams out of a stream, checks the transport's CRC and says what it
//!    had to skip;
//! 2. [`File::parse`] reads the messages of one telegram and checks the CRC of each;
//! 3. [`Interpreter`] makes registers of a list: exact decimals, units, the corrections of
//!    [`crate::profile`], and a hint when the meter waits for its PIN.
//!
//! [`ListTelegram`] goes the other way and is what a simulated meter sends. [`Listener`] does all
//! of it behind the [`Session`](crate::session::Session) interface.
//!
//! ```
//! use meter_link::model::{ObisCode, Unit};
//! use meter_link::profile::QuirkSet;
//! use meter_link::sml::{Deframer, Entry, EntryValue, Event, File, Interpreter, ListTelegram};
//!
//! let sent = ListTelegram {
//!     server_id: b"\x0a\x01EMH\x00\x00\x12\xd6\x87".to_vec(),
//!     entries: vec![Entry {
//!         unit: Some(Unit::WattHour),
//!         scaler: Some(-1),
//!         ..Entry::new(ObisCode::ACTIVE_ENERGY_IMPORT, EntryValue::unsigned(54_301_577))
//!     }],
//!     ..ListTelegram::default()
//! };
//! let mut deframer = Deframer::new();
//! let bytes = sent.to_bytes();
//! let mut input = bytes.as_slice();
//! let Some(Event::Frame(frame)) = deframer.pull(&mut input) else { panic!() };
//! let quirks = QuirkSet::all();
//! let file = File::parse(&frame.content(), &quirks).map(|file| {
//!     let list = file.lists().next().cloned();
//!     list.map(|list| Interpreter::new(&list, &quirks).registers().0)
//! });
//! let registers = file?.unwrap_or_default();
//! assert_eq!(registers[0].value.number().map(|n| n.to_string()).as_deref(), Some("5430157.7"));
//! # Ok::<(), meter_link::sml::ParseError>(())
//! ```

mod encode;
mod interpret;
mod message;
mod parse;
mod session;
mod tlv;
mod transport;

pub use encode::{Dialect, Entry, EntryValue, ListTelegram, frame};
pub use interpret::{Interpreter, Omitted, ServerId};
pub use message::{
    Attention, Close, Column, File, GetListResponse, GetProcParameter, ListEntry, Message,
    MessageBody, Open, PeriodRow, PeriodValue, ProcParValue, ProfileList, ProfilePack, Scalar,
    Time, Tree, WireQuirks,
};
pub use session::Listener;
pub use tlv::{Element, ParseError, ParseErrorKind, Reader};
pub use transport::{Deframer, Event, Fault, Frame, MAX_FRAME, Skipped};
