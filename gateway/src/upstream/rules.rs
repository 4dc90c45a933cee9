//! How the relay works, as the configuration says.

use std::path::PathBuf;
use std::time::Duration;

use wattle_relay::{Certificate, PublicKey};

/// How the relay works.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The device's name.
    pub device: String,
    /// State folder, for counters.
    pub folder: PathBuf,
    /// The head-end's key, for keys of epochs.
    pub recipient: PublicKey,
    /// Whose acknowledgements count.
    pub trusted: Vec<PublicKey>,
    /// Who may command.
    pub commanders: Vec<PublicKey>,
    /// Messages have the form of CMS, in both directions; of COSE when left out.
    pub cms: Option<Cms>,
    /// How long rows wait for others.
    pub every: Duration,
    /// Rows of a batch at most.
    pub rows: usize,
    /// When what was not acknowledged is sent again.
    pub resend: Duration,
    /// Days after which a key is replaced.
    pub rotate_days: u8,
}

/// What messages in the form of CMS need.
#[derive(Clone, Debug)]
pub struct Cms {
    /// For whom they are sealed.
    pub recipient: Certificate,
    /// Who may sign what comes down, in whatever part.
    pub signers: Vec<Certificate>,
}
