//! Sockets for the sessions of this crate: the only input and output in it.

mod packet;
mod run;

pub use packet::{OpenError, PacketSocket};
pub use run::run;
