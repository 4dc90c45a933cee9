//! Services of the application layer: requests and answers (C12.18, clause 5.3; C12.21, clause 5;
//! C12.22, clause 5.3.2.4).

mod answer;
mod parse;
mod password;
mod request;
mod table_data;
#[cfg(test)]
mod tests;
mod timing;

pub use answer::{Identification, ResponseCode};
pub use password::{PASSWORD_LENGTH, Password};
pub use request::Request;
pub(crate) use table_data::framed;
pub use table_data::{TableDataError, checksum, table_data};
pub use timing::{Timing, baud};

/// Length of a user's name, blanks at its end included.
pub const USER_LENGTH: usize = 10;
