//! A request until its end: split to size, sent, sent again, and where the receiver refuses what is in it
//! halved, so that one bad batch takes no other with it.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{Exporter, Failure, Sender, fit, size::Piece};
use crate::{
    batch::{Batch, Clean, Signal},
    export::{retry::Backoff, settings::Retry},
    limits, wire,
};

/// Items that a receiver will never take, and why.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The items, as a request of their own; nothing where the receiver only said how many they are.
    pub batch: Option<Batch<Clean>>,
    /// How many.
    pub items: u64,
    /// Why, of a closed set of words.
    pub reason: &'static str,
}

/// What became of a delivery.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Items that the receiver took.
    pub sent: u64,
    /// Those that it did not.
    pub refused: Vec<Refused>,
}

impl Delivered {
    fn took(&mut self, items: u64, rejected: u64) {
        self.sent += items - rejected;
        if rejected > 0 {
            self.refused.push(Refused { batch: None, items: rejected, reason: "partial" });
        }
    }

    fn refuse(&mut self, batch: Batch<Clean>, failure: Failure) {
        let items = u64::from(batch.items);
        self.refused.push(Refused { batch: Some(batch), items, reason: failure.reason() });
    }
}

/// Shares rejected items out over the batches that were sent together. Whose they are the receiver does not
/// say: the sum is right.
fn share(mut rejected: u64, batches: &[Batch<Clean>], outcomes: &mut [Delivered]) {
    for (batch, outcome) in batches.iter().zip(outcomes) {
        let items = u64::from(batch.items);
        let share = rejected.min(items);
        rejected -= share;
        outcome.took(items, share);
    }
}

/// What a delivery needs.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Where to.
    pub exporter: Arc<Exporter>,
    /// The destination's name, for metrics.
    pub destination: Arc<str>,
    /// What is done about failures.
    pub retry: Retry,
    /// The largest request, in bytes.
    pub max_request_bytes: usize,
}

impl Delivery {
    /// Delivers batches of one signal, together; each has its outcome. A request that is refused for what
    /// is in it is halved until the batch that is to blame stands alone. Ends when every item is taken or
    /// refused for good; drop it to stop.
    pub async fn deliver(
        &self,
        signal: Signal,
        slug: Option<&str>,
        batches: &[Batch<Clean>],
    ) -> Vec<Delivered> {
        let mut outcomes: Vec<Delivered> = batches.iter().map(|_| Delivered::default()).collect();
        let mut ranges: Vec<Range<usize>> = std::iter::once(0..batches.len()).collect();
        while let Some(range) = ranges.pop() {
            let (together, outcomes) = (&batches[range.clone()], &mut outcomes[range.clone()]);
            if let ([batch], [outcome]) = (together, &mut *outcomes) {
                *outcome = self.one(slug, batch).await;
                continue;
            }
            let Some(first) = together.first() else { continue };
            let joined = wire::join(together.iter().map(|batch| &batch.bytes));
            match self.attempts(signal, Sender { id: first.tenant, slug }, &joined).await {
                Ok(rejected) => share(rejected, together, outcomes),
                Err(failure) if failure.is_of_the_data() => {
                    let middle = range.start + range.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                }
                Err(failure) => {
                    for (batch, outcome) in together.iter().zip(outcomes) {
                        outcome.refuse(batch.clone(), failure);
                    }
                }
            }
        }
        outcomes
    }

    /// Delivers one batch, in pieces where it is larger than the limit, or than the receiver takes.
    async fn one(&self, slug: Option<&str>, batch: &Batch<Clean>) -> Delivered {
        let sender = Sender { id: batch.tenant, slug };
        let mut delivered = Delivered::default();
        let mut pieces: VecDeque<Piece> =
            fit(batch.signal, &batch.bytes, batch.items, self.max_request_bytes).into();
        while let Some(piece) = pieces.pop_front() {
            let failure = match self.attempts(batch.signal, sender, &piece.bytes).await {
                Ok(rejected) => {
                    let rejected = rejected.min(u64::from(piece.items));
                    delivered.took(u64::from(piece.items), rejected);
                    continue;
                }
                Err(failure) => failure,
            };
            if failure == Failure::TooLarge && piece.bytes.len() > limits::EXPORT_SMALLEST_BYTES {
                let halves = fit(batch.signal, &piece.bytes, piece.items, piece.bytes.len() / 2 + 1);
                if halves.len() > 1 {
                    halves.into_iter().rev().for_each(|half| pieces.push_front(half));
                    continue;
                }
            }
            delivered.refuse(batch.part(piece.items, piece.bytes), failure);
        }
        delivered
    }

    /// Sends one request until it is taken, or refused for good. The number is of the items rejected.
    async fn attempts(&self, signal: Signal, sender: Sender<'_>, request: &Bytes) -> Result<u64, Failure> {
        let mut backoff = Backoff::new(&self.retry);
        loop {
            let sent = match self.exporter.encode(request).await {
                Ok(encoded) => self.exporter.send(signal, Some(sender), &encoded).await,
                Err(failure) => Err(failure),
            };
            let failure = match sent {
                Ok(partial) => {
                    self.succeeded(signal, partial.rejected, partial.warned);
                    return Ok(partial.rejected);
                }
                Err(failure) => failure,
            };
            let pause = match failure {
                Failure::Retryable { after, .. } => backoff.pause(after),
                _ => None,
            };
            self.failed(signal, failure, pause.is_some());
            match (pause, failure) {
                (Some(pause), _) => tokio::time::sleep(pause).await,
                (None, Failure::Retryable { .. }) => {
                    return Err(Failure::Permanent { reason: "retries_exhausted" });
                }
                (None, failure) => return Err(failure),
            }
        }
    }

    fn succeeded(&self, signal: Signal, rejected: u64, warned: bool) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let destination = self.destination.to_string();
        metrics::gauge!("portcullis_exporter_last_success_timestamp_seconds", "destination" => destination)
            .set(now.as_secs_f64());
        if rejected > 0 || warned {
            let destination = &*self.destination;
            tracing::warn!(
                destination,
                signal = signal.as_str(),
                rejected,
                "the receiver took a request in part"
            );
        }
    }

    fn failed(&self, signal: Signal, failure: Failure, again: bool) {
        let reason = failure.reason();
        let destination = self.destination.to_string();
        metrics::counter!("portcullis_exporter_send_failed_total",
            "destination" => destination, "reason" => reason)
        .increment(1);
        let destination = &*self.destination;
        tracing::debug!(destination, signal = signal.as_str(), reason, again, "a request failed");
    }
}
