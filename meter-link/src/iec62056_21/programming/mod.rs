//! Programming mode: single data sets read and written behind a password, and load profiles
//! (clauses 6.4.3.3 and 6.5; R5, R6 and P.01 as meters of the German VDEW specification 2.1 have
//! them).
//!
//! Left out: passwords that are computed from the operand of `P0` by a maker's secret algorithm.
//! What the operand was is told, and what to answer may be given as a P2 password.

mod frame;
mod profile;
mod session;

pub use profile::{Profile, ProfileRow};
pub use session::{Access, Outcome, Password, Programming, Refusal, Task};
