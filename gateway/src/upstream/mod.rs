//! The relay upstream: readings go sealed to the utility's head-end.

pub mod counter;
