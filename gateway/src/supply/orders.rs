//! Orders for the relay of a meter, from who may switch it to who owns its port.

use std::sync::Arc;
use std::time::Duration;

use meter_link::dlms::client::job::{RelayCommand, RelayReport};
use tokio::sync::{Mutex, mpsc, oneshot};

/// How long a relay may take, with the time of a reading that is under way.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is to be done with a relay, and whom to tell.
pub struct Order {
    /// What is to be done.
    pub command: RelayCommand,
    reply: oneshot::Sender<Result<RelayReport, String>>,
}

impl Order {
    /// True while somebody waits for it. What nobody waits for any more is not to be done.
    #[must_use]
    pub fn stands(&self) -> bool {
        !self.reply.is_closed()
    }

    /// Waits until nobody waits for it any more.
    pub async fn given_up(&mut self) {
        self.reply.closed().await;
    }

    /// Says how it went.
    pub fn tell(self, told: Result<RelayReport, String>) {
        // Who asked may have given up, and will look at the relay then.
        let _ = self.reply.send(told);
    }
}

/// The orders for one meter's relay, one at a time.
#[derive(Clone)]
pub struct Orders {
    meter: String,
    sender: mpsc::Sender<Order>,
    receiver: Arc<Mutex<mpsc::Receiver<Order>>>,
}

impl Orders {
    /// Orders for this meter.
    #[must_use]
    pub fn new(meter: String) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        Self {
            meter,
            sender,
            receiver: Arc::new(Mutex::new(receiver)),
        }
    }

    /// Has a relay switched, or looked at, and read back.
    ///
    /// # Errors
    /// It was not done, or nobody knows.
    pub(super) async fn ask(&self, command: RelayCommand) -> Result<RelayReport, String> {
        let (reply, told) = oneshot::channel();
        let asked = async {
            let sent = self.sender.send(Order { command, reply }).await;
            sent.map_err(|_| "nobody reads the meter".to_owned())?;
            told.await
                .unwrap_or_else(|_| Err("the reading of the meter broke off".to_owned()))
        };
        let asked = tokio::time::timeout(PATIENCE, asked).await;
        asked.unwrap_or_else(|_| Err("the meter does not answer".to_owned()))
    }

    /// The next order for a meter; waits for ever for those that have none. Waiting may be given up.
    pub async fn next(&self, meter: &str) -> Order {
        if meter != self.meter {
            return std::future::pending().await;
        }
        loop {
            match self.receiver.lock().await.recv().await {
                Some(order) if order.stands() => return order,
                Some(_) => {}
                None => return std::future::pending().await,
            }
        }
    }
}
