//! Meters of the American standards: ANSI C12.18, C12.19, C12.21 and C12.22.
//!
//! - C12.18 is the optical port (type 2) with its packets and services, C12.21 the same over a
//!   modem, C12.22 the same services over a network;
//! - C12.19 says what the tables hold that all of them read.
//!
//! Sources: ANSI C12.18-2006, C12.19-1997 and -2008, C12.21-2006, C12.22-2008 (the twins of IEEE
//! 1701, 1377, 1702 and 1703), as far as public implementations and documents quote them. Left
//! out: the DES authentication of C12.21, which proves nothing today, the tables of gas meters,
//! and the registration services of C12.22.
//!
//! - [`packet`] and [`assembler`] make messages of octets, [`service`] requests and answers of
//!   messages, [`recording`] both of a recorded session;
//! - [`table`] decodes tables and [`interpret`] gives registers their OBIS codes;
//! - [`net`] is the network layer of C12.22.
//!
//! ```
//! use meter_link::c12::packet::{Element, Splitter};
//! use meter_link::c12::service::Request;
//!
//! // A request for table 23, as a reader sends it.
//! let octets = [0xEE, 0, 0, 0, 0, 3, 0x30, 0, 0x17, 0xE2, 0x78];
//! let mut splitter = Splitter::new();
//! let event = splitter.pull(&mut octets.as_slice()).ok_or("nothing")?;
//! let Element::Packet(packet, _) = event.element else {
//!     return Err("no packet");
//! };
//! assert_eq!(Request::parse(&packet.data), Some(Request::Read { table: 23 }));
//! # Ok::<(), &str>(())
//! ```

pub mod assembler;
pub mod client;
pub mod interpret;
pub mod link;
pub mod load_profile;
mod modem;
pub mod net;
pub mod packet;
pub mod reader;
pub mod recording;
pub mod service;
mod side;
pub mod table;
pub mod view;

pub use modem::Modem;
pub use side::Seconds;
