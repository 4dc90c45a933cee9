//! The bus: facts for everyone who wants to know them.
//!
//! Facts go over one broadcast channel. Who falls behind is told that it missed some and reads
//! the present state instead; nobody is held up by a slow listener.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::store::StoredTelegram;

/// How many facts a listener may be behind.
const DEPTH: usize = 512;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A telegram has been committed to the store.
    Stored(Arc<StoredTelegram>),
    /// A meter's port was opened (`None`), or cannot be opened or was lost (the reason).
    Port {
        /// Name of the meter in the configuration.
        name: String,
        /// What the system said.
        lost: Option<String>,
    },
    /// The radio stick behind which a meter is was lost: what the meter told is of the past.
    CutOff {
        /// Name of the meter in the configuration.
        name: String,
    },
    /// Input of a meter that failed its check.
    Rejected {
        /// Name of the meter in the configuration.
        name: String,
        /// The rule that was broken.
        reason: String,
    },
    /// What a meter's telegrams say beside their values.
    Hints {
        /// Name of the meter in the configuration.
        name: String,
        /// All that hold now.
        hints: Vec<meter_link::model::Hint>,
    },
    /// A receiver's state has changed.
    Receiver {
        /// Name of the receiver in the configuration.
        name: String,
        /// What is wrong with it; `None` when nothing is.
        trouble: Option<String>,
    },
    /// A meter was taken on while running.
    Adopted(Arc<crate::config::MeterConfig>),
    /// The MQTT broker was reached (`None`) or lost (the reason).
    Broker(Option<String>),
    /// All that a part of the daemon has to say to the household.
    Notices {
        /// Which part, and of what: `powerline eth0`, `anomalies`.
        source: String,
        /// What holds now; none when all is well.
        notices: Vec<wattle_api::Notice>,
    },
    /// What used the power, after it has changed.
    Appliances(Arc<wattle_api::Appliances>),
    /// The prepayment account, after it has changed.
    Prepay(Arc<wattle_api::Prepay>),
    /// A meter that answers when asked is to be read at once.
    ReadNow(String),
    /// The store takes telegrams, or does not.
    StoreWorks(bool),
}

/// The bus. Clones are the same bus.
#[derive(Clone, Debug)]
pub struct Bus(broadcast::Sender<Event>);

impl Default for Bus {
    fn default() -> Self {
        Self(broadcast::Sender::new(DEPTH))
    }
}

impl Bus {
    /// Tells everyone who listens.
    pub fn send(&self, event: Event) {
        // The only error is that nobody listens, which is nobody's loss.
        let _ = self.0.send(event);
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
