//! TIC (télé-information client): what French meters push through their customer port.
//!
//! Source: Enedis-NOI-CPT_54E, "Sorties de télé-information client des appareils de comptage
//! Linky utilisés en généralisation par Enedis": its chapters on the line, the frames and the
//! labels of the historic and of the standard mode.
//! Left out: the interruption of a historic frame for Euridis is taken for its end, and groups
//! whose label is not in [`label`]'s table are passed on as text only.
//!
//! Lines are 7E1 at 1,200 baud (historic, fields parted by blanks) or 9,600 baud (standard, by
//! HT). A frame is STX … ETX, a group in it LF label, time if any, value, checksum CR.
//!
//! - [`Splitter`] cuts frames out of a stream and checks each group;
//! - [`telegram`] makes registers of a frame, [`Tariff`], [`StatusRegister`], [`Relays`] and
//!   [`day_profile`] decode what is no number;
//! - [`Listener`] does it behind the [`Session`](crate::session::Session) interface and finds the
//!   speed of the line by itself;
//! - [`encode`] makes what a meter sends.
//!
//! **How far the checksum reaches.** It is the low six bits of a sum. Bit 6 of a character is not
//! in it, so one flipped bit may turn `0` into `p` unseen, unless the parity is still in the
//! characters (recordings made with eight data bits), where it is checked. What comes of it is never another digit, and a field that is not all digits gives no
//! number: no single flipped bit gives a wrong number. Damage to several bits passes one
//! time in 64; only parity and plausibility guard against that.
//!
//! ```
//! use meter_link::tic::{Mode, Splitter, encode, telegram};
//!
//! let mut frame = encode::Frame::new(Mode::Standard);
//! frame.group("ADSC", "012345678901").group("EAST", "000123456").timed("DATE", "E260701120000", "");
//! let bytes = frame.to_bytes();
//! let mut input = bytes.as_slice();
//! let event = Splitter::new().pull(&mut input).ok_or("no frame")?;
//! let frame = event.found.map_err(|_| "damaged")?;
//! let telegram = telegram(&frame);
//! assert_eq!(telegram.meter.map(|id| id.to_string()).as_deref(), Some("012345678901"));
//! assert_eq!(telegram.values[0].value.number().map(|n| n.to_string()).as_deref(), Some("123456"));
//! # Ok::<(), &str>(())
//! ```

pub mod encode;
mod frame;
mod group;
mod interpret;
mod labels;
mod registers;
mod session;

pub use frame::{Event, Extent, Frame, MAX_FRAME, Noise, Splitter};
pub use group::{Damage, Fields, Group, Mode, checksum};
pub use interpret::telegram;
pub use labels::{Label, label};
pub use registers::{DaySwitch, Horodate, Relays, Season, StatusRegister, Tariff, day_profile};
pub use session::{Config, Listener};
