//! Simulated meters.
