//! Talking back to wireless meters (EN 13757-4, clause 11.5; OMS Specification Volume 2, clause 5):
//! installation (SND-IR and CNF-IR), access demand (ACC-DMD and ACK), requests and commands.
//!
//! A meter listens for a moment after it has sent, and says in its telegram whether it does. So
//! everything to be sent waits for the meter's next telegram and then has to leave within its
//! [window](response_window). [`Gateway`] keeps what waits; it is told telegrams and the time.
//!
//! Tried against a simulated meter only, in virtual time.

mod gateway;
mod message;
mod seal;

pub use gateway::{Command, Event, Gateway, Install, Transmission};
pub use message::{Access, Message, access, control, response_window};
pub use seal::seal_mode_7;
