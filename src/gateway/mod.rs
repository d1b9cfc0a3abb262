//! The path of one request, from its bytes to the answer its client gets.

mod api;
mod control;
mod counts;
pub mod gate;
mod gauges;
mod heirs;
mod holds;
mod impersonation;
pub mod moves;
pub mod path;
pub mod purge;
mod queue;
mod sender;
mod sharing;
mod way_out;
mod workers;

pub use gate::{Gate, Load};

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;

use crate::{
    batch::Signal,
    identify::in_flight::Use,
    receipt::{Outcome, Refusal},
};

/// How the body of a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/x-protobuf`, or a gRPC message.
    Protobuf,
    /// `application/json`: OTLP/JSON.
    Json,
    /// One JSON object a line: structured events, logs only.
    Ndjson,
}

/// What a request says of its sender. Never shown: no `Debug`.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The `authorization` header, whole.
    pub authorization: Option<String>,
    /// Headers that may name a tenant, lower-case name and value, in order of arrival
    /// (`x-scope-orgid`, `x-tenant-id`, ... as the configuration lists them).
    pub tenant_headers: Vec<(String, String)>,
    /// The W3C `baggage` header, whole.
    pub baggage: Option<String>,
    /// Subject of the verified client certificate (mTLS).
    pub peer_subject: Option<String>,
}

/// One decompressed request, with its share of the in-flight bytes.
pub struct Submission {
    /// Which endpoint it came to.
    pub signal: Signal,
    /// How `body` is written.
    pub format: Format,
    /// The decompressed body.
    pub body: Bytes,
    /// What it says of its sender.
    pub credentials: Credentials,
    /// Released when the answer is known.
    pub permit: Permit,
}

/// A boxed future, so that [`Intake`] is object safe.
pub type Answer = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What [`Intake::enter`] answers: where this request goes on, if that is another place.
pub type Entering<'a> = Pin<Box<dyn Future<Output = Result<Option<Arc<dyn Intake>>, Refusal>> + Send + 'a>>;

/// What a receiver hands requests to.
pub trait Intake: Send + Sync + 'static {
    /// Looks at who sends, before a body is read: who is not let in costs no more than this. The answer is the
    /// intake of this one request, which knows its sender; nothing where it is this one.
    fn enter<'a>(&'a self, _credentials: &'a Credentials) -> Entering<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Reserves `bytes` of the global in-flight budget, before a body is read.
    fn reserve(&self, bytes: usize) -> Result<Permit, Refusal>;
    /// Takes one request; the answer comes when its data is durable or refused.
    fn submit(&self, submission: Submission) -> Answer;
    /// Lower-case names of the headers that may name a tenant.
    fn tenant_headers(&self) -> Arc<[String]>;
}

/// A share of the in-flight bytes, given back on drop.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<std::sync::atomic::AtomicUsize>,
    bytes: usize,
    /// The tenant whose bytes they are, too.
    of: Option<Arc<Use>>,
}

/// The global budget of in-flight bytes.
#[derive(Debug, Clone)]
pub struct Budget {
    used: Arc<std::sync::atomic::AtomicUsize>,
    limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Budget { used: Arc::default(), limit }
    }

    /// Bytes reserved now.
    pub fn used(&self) -> usize {
        self.used.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The limit, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Reserves `bytes`, or says that the gate is full.
    pub fn reserve(&self, bytes: usize) -> Result<Permit, Refusal> {
        use std::sync::atomic::Ordering::{AcqRel, Relaxed};
        self.used
            .fetch_update(AcqRel, Relaxed, |used| used.checked_add(bytes).filter(|sum| *sum <= self.limit))
            .map_err(|_| Refusal::Unavailable {
                message: "too many bytes in flight; send again later".into(),
                retry_after: std::time::Duration::from_secs(1),
            })?;
        Ok(Permit { budget: Arc::clone(&self.used), bytes, of: None })
    }
}

impl Permit {
    /// Grows this share by `more` bytes of `budget` (decompression), or refuses. It is to be the intake that the
    /// share came from.
    pub fn grow(&mut self, budget_of: &dyn Intake, more: usize) -> Result<(), Refusal> {
        let mut extra = budget_of.reserve(more)?;
        self.bytes += std::mem::take(&mut extra.bytes);
        Ok(())
    }

    /// Gives back what is over `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(over) = self.bytes.checked_sub(bytes) {
            self.budget.fetch_sub(over, std::sync::atomic::Ordering::AcqRel);
            if let Some(of) = &self.of {
                of.give_back(over);
            }
            self.bytes = bytes;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}
