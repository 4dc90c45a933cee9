//! How often a peer may ask: a bucket of tokens for each, refilled all the time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Requests at once.
const BURST: f64 = 600.0;
/// Requests a second in the long run.
const PER_S: f64 = 100.0;
/// How many peers are remembered.
const PEERS: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<String, Bucket>>);

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    /// Takes a token of a peer's bucket, if there is one.
    pub(super) fn take(&self, peer: &str) -> bool {
        let now = Instant::now();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= PEERS && !buckets.contains_key(peer) {
            let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at);
            if let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) {
                buckets.remove(&oldest);
            }
        }
        let bucket = buckets.entry(peer.to_owned()).or_insert(Bucket {
            left: BURST,
            at: now,
        });
        let since = now.duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + since * PER_S).min(BURST);
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_fine_and_then_it_is_a_hundred_a_second() {
        let rates = Rates::default();
        let taken = (0..1000).filter(|_| rates.take("a")).count();
        assert_eq!(taken, 600);
        assert!(rates.take("b"));
        tokio::time::advance(Duration::from_secs(2)).await;
        let taken = (0..1000).filter(|_| rates.take("a")).count();
        assert_eq!(taken, 200);
    }
}
