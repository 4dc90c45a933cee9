//! Lending a meter's line to a command on the gateway.

use serde::{Deserialize, Serialize};

/// `POST` a [`BorrowLine`] over the gateway's own socket: once those who read there have let go, the answer
/// begins with [`LINE_LENT`] and a line feed, and goes on for as long as the line is lent. Closing the connection
/// gives it back.
pub const LINE_PATH: &str = "/api/v1/line";

/// The first line of the answer.
pub const LINE_LENT: &str = "lent";

/// Which line is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BorrowLine {
    /// A meter that is read over it, by its name in the configuration.
    pub meter: String,
}
