//! Sockets for the sessions of this crate: the only input and output in it.

mod packet;
mod run;
mod stick;

pub use packet::{OpenError, PacketSocket};
pub use run::run;
pub use stick::Stick;
