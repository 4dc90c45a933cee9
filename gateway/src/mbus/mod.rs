//! What wireless and wired meters on M-Bus have in common once their telegrams are opened.

mod beliefs;
mod reading;

pub(crate) use beliefs::Beliefs;
pub(crate) use reading::Reading;
