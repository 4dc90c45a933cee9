//! What the utility and the grid's operator say: events, prices and controls.
//!
//! - [`openadr3`] reads the objects of OpenADR 3;
//! - [`sep2`] reads the documents of IEEE 2030.5.

pub mod openadr3;
pub mod sep2;
