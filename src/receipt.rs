//! The end-to-end acknowledgement: what a client is told, and when.
//!
//! A [`Receipt`] travels with a batch to the disk; the client's request holds the [`Ticket`].
//! A receipt that is dropped unresolved is a refusal: it fails closed.

use std::time::Duration;

use tokio::sync::oneshot;

/// Why a whole request was not taken. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes are not a valid request: HTTP 400, gRPC INVALID_ARGUMENT.
    BadData(String),
    /// No valid credentials: HTTP 401, gRPC UNAUTHENTICATED.
    Unauthenticated(String),
    /// Valid credentials that do not allow this: HTTP 403, gRPC PERMISSION_DENIED.
    PermissionDenied(String),
    /// Larger than a limit: HTTP 413, gRPC RESOURCE_EXHAUSTED without RetryInfo.
    TooLarge(String),
    /// A quota or a queue is full now: HTTP 429 with Retry-After, gRPC RESOURCE_EXHAUSTED with RetryInfo.
    Throttled {
        /// What was full, in words for the client's log.
        message: String,
        /// When to try again (jitter is added where the reply is made).
        retry_after: Duration,
    },
    /// Something that the gate needs is away, or it is stopping: HTTP 503 with Retry-After,
    /// gRPC UNAVAILABLE with RetryInfo.
    Unavailable {
        /// What is away, in words for the client's log.
        message: String,
        /// When to try again (jitter is added where the reply is made).
        retry_after: Duration,
    },
}

impl Refusal {
    /// The closed set of reasons, as a metric label.
    pub const fn reason(&self) -> &'static str {
        match self {
            Refusal::BadData(_) => "bad_data",
            Refusal::Unauthenticated(_) => "unauthenticated",
            Refusal::PermissionDenied(_) => "permission_denied",
            Refusal::TooLarge(_) => "too_large",
            Refusal::Throttled { .. } => "throttled",
            Refusal::Unavailable { .. } => "unavailable",
        }
    }

    /// Whether a client may send the same request again.
    pub const fn retryable(&self) -> bool {
        matches!(self, Refusal::Throttled { .. } | Refusal::Unavailable { .. })
    }

    /// The words for the client's log; never a value from the data.
    pub fn message(&self) -> &str {
        match self {
            Refusal::BadData(m)
            | Refusal::Unauthenticated(m)
            | Refusal::PermissionDenied(m)
            | Refusal::TooLarge(m)
            | Refusal::Throttled { message: m, .. }
            | Refusal::Unavailable { message: m, .. } => m,
        }
    }
}

/// What a client is told of a request that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Items refused for good (OTLP partial success); the rest is durable.
    pub rejected: u64,
    /// English words about `rejected`, or a warning where it is 0; empty means none.
    pub message: String,
}

/// The answer to one request.
pub type Outcome = Result<Accepted, Refusal>;

/// The half that travels with the data. Resolve it, or the client is refused.
#[derive(Debug)]
pub struct Receipt(Option<oneshot::Sender<Result<(), Refusal>>>);

/// The half that the client's request waits on.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<(), Refusal>>);

/// A receipt and its ticket.
pub fn pair() -> (Receipt, Ticket) {
    let (tx, rx) = oneshot::channel();
    (Receipt(Some(tx)), Ticket(rx))
}

impl Receipt {
    /// The data is durable or delivered.
    pub fn accept(mut self) {
        self.resolve(Ok(()));
    }

    /// The data was not kept.
    pub fn refuse(mut self, refusal: Refusal) {
        self.resolve(Err(refusal));
    }

    fn resolve(&mut self, result: Result<(), Refusal>) {
        if let Some(tx) = self.0.take() {
            // The client may be gone; the data is safe all the same.
            let _ = tx.send(result);
        }
    }
}

impl Ticket {
    /// Waits for the receipt. A dropped receipt is [`Refusal::Unavailable`].
    pub async fn wait(self) -> Result<(), Refusal> {
        self.0.await.unwrap_or_else(|_| Err(lost()))
    }

    /// The same for a plain thread.
    pub fn wait_blocking(self) -> Result<(), Refusal> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(lost()))
    }
}

fn lost() -> Refusal {
    Refusal::Unavailable {
        message: "the batch was dropped before it was durable; send it again".into(),
        retry_after: Duration::from_secs(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: the holder of a receipt dies. Guarantee: the client is refused, retryably.
    #[test]
    fn a_dropped_receipt_is_a_retryable_refusal() {
        let (receipt, ticket) = pair();
        drop(receipt);
        assert!(ticket.wait_blocking().unwrap_err().retryable());
    }

    /// Scenario: the data is durable. Guarantee: the client hears OK.
    #[test]
    fn an_accepted_receipt_is_an_ok() {
        let (receipt, ticket) = pair();
        receipt.accept();
        assert_eq!(ticket.wait_blocking(), Ok(()));
    }
}
