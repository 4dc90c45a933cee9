//! Wireless M-Bus (EN 13757-4) as gas, water and heat meters speak it, and OMS on top of it.

pub mod frame;
pub mod phy;
pub mod receiver;
