//! What detectors see of a span, a log record or a data point: ids and keyed fingerprints, taken
//! from the original values before scrubbing. No value of the data is in it, the service's name
//! and the trace's ids apart.

use std::{collections::HashSet, sync::Arc};

use crate::batch::{Signal, TenantId};

use super::{few::Few, fingerprint::Fingerprint};

/// A trace's 16 bytes; all zero means none.
pub type TraceId = [u8; 16];
/// A span's 8 bytes; all zero means none.
pub type SpanId = [u8; 8];

/// OTLP's `SpanKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpanKind {
    /// Not a span, or not said.
    #[default]
    Unspecified,
    /// Inside a process.
    Internal,
    /// The server's side of a synchronous call.
    Server,
    /// The caller's side of a synchronous call.
    Client,
    /// Hands a message over.
    Producer,
    /// Takes a message up.
    Consumer,
}

impl SpanKind {
    /// The kind of an OTLP number.
    pub fn from_number(number: i64) -> Self {
        match number {
            1 => SpanKind::Internal,
            2 => SpanKind::Server,
            3 => SpanKind::Client,
            4 => SpanKind::Producer,
            5 => SpanKind::Consumer,
            _ => SpanKind::Unspecified,
        }
    }
}

/// What the catalogue says of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TenantState {
    /// There is no catalogue to ask, or no tenant.
    #[default]
    Unverified,
    /// May be active (migrating counts).
    Active,
    /// Suspended.
    Suspended,
    /// Soft-deleted, with the time in nanoseconds where known.
    Deleted(Option<u64>),
    /// Not in the catalogue.
    Unknown,
}

/// What excuses a principal, or a whole trace, from crossing tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excuse {
    /// May cross these tenants.
    Among(Arc<HashSet<TenantId>>),
    /// May cross any.
    All,
}

impl Excuse {
    /// Whether every one of `tenants` is excused.
    pub fn covers(&self, tenants: impl IntoIterator<Item = TenantId>) -> bool {
        match self {
            Excuse::All => true,
            Excuse::Among(set) => tenants.into_iter().all(|tenant| set.contains(&tenant)),
        }
    }
}

/// What a request did to its object, by HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// GET, HEAD, OPTIONS, or not said.
    #[default]
    Read,
    /// Anything else.
    Write,
}

/// An explicit move of an object from one tenant to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The owner before, where said.
    pub from: Option<TenantId>,
    /// The owner after.
    pub to: TenantId,
}

/// What a finding repeats of an observation.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// When the gate saw it, in nanoseconds.
    pub at: u64,
    /// When it happened, in nanoseconds.
    pub time: u64,
    /// `service.name`.
    pub service: Arc<str>,
    /// The trace; zero for none.
    pub trace: TraceId,
    /// Who did it.
    pub principal: Option<Fingerprint>,
}

/// One item as detectors see it.
#[derive(Debug, Clone)]
pub struct Observation {
    /// When the gate saw it, in nanoseconds since the epoch.
    pub at: u64,
    /// When it happened, in nanoseconds since the epoch (`at` where the item does not say).
    pub time: u64,
    /// What it is.
    pub signal: Signal,
    /// The tenant of the sender's verified token.
    pub claimed: Option<TenantId>,
    /// Tenants that resource, scope, item or baggage declare, as far as they can be told.
    pub declared: Few<TenantId, 4>,
    /// The tenant the item counts as.
    pub tenant: Option<TenantId>,
    /// What the catalogue says of `tenant`.
    pub state: TenantState,
    /// `service.name`.
    pub service: Arc<str>,
    /// The service is declared multi-tenant, so what it does says nothing.
    pub multi_tenant: bool,
    /// The trace; zero for none.
    pub trace: TraceId,
    /// The span; zero for none.
    pub span: SpanId,
    /// Its parent; zero for none.
    pub parent: SpanId,
    /// The span's kind.
    pub kind: SpanKind,
    /// The route template, or one made from the path.
    pub route: Option<Fingerprint>,
    /// The route is declared public, or the item says that its object is.
    pub public: bool,
    /// What was done.
    pub method: Method,
    /// The HTTP status; 0 for none.
    pub status: u16,
    /// Who did it: person, account or session.
    pub principals: Few<Fingerprint, 3>,
    /// What excuses these principals (or this job), and with them the trace.
    pub excuse: Option<Excuse>,
    /// Objects named by path, query or attribute.
    pub objects: Few<Fingerprint, 4>,
    /// The objects change hands.
    pub transfer: Option<Transfer>,
}

impl Observation {
    /// An observation of which nothing but the time is known.
    pub fn new(at: u64, signal: Signal) -> Self {
        Observation {
            at,
            time: at,
            signal,
            claimed: None,
            declared: Few::default(),
            tenant: None,
            state: TenantState::Unverified,
            service: Arc::from(""),
            multi_tenant: false,
            trace: [0; 16],
            span: [0; 8],
            parent: [0; 8],
            kind: SpanKind::Unspecified,
            route: None,
            public: false,
            method: Method::Read,
            status: 0,
            principals: Few::default(),
            excuse: None,
            objects: Few::default(),
            transfer: None,
        }
    }

    /// What a finding repeats of it.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            at: self.at,
            time: self.time,
            service: Arc::clone(&self.service),
            trace: self.trace,
            principal: self.principals.first(),
        }
    }

    /// Whether it belongs to a trace.
    pub fn has_trace(&self) -> bool {
        self.trace != [0; 16]
    }

    /// Whether the answer was a success.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the answer was "not yours" or "not there".
    pub fn denied(&self) -> bool {
        matches!(self.status, 403 | 404)
    }
}
