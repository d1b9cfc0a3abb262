//! What detectors see of a span, a log record or a data point: ids and keyed fingerprints, taken
//! from the original values before scrubbing. No value of the data is in it, the service's name
//! and the trace's ids apart.

use std::{collections::HashSet, sync::Arc};

use crate::batch::{Signal, TenantId};

use super::{fact::Fact, few::Few, fingerprint::Fingerprint};

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

/// How an operation went, where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Failure {
    /// It did not fail, or does not say.
    #[default]
    None,
    /// The caller gave up on it: cancelled, timed out, aborted.
    Cancelled,
    /// The answer did not fit the question: protocol and type errors of a client library.
    Mismatched,
    /// Anything else.
    Other,
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
    /// The route template.
    pub route: Option<Arc<str>>,
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
    /// Tenants that resource, scope, item or baggage declare, as far as they can be told; nearest first.
    pub declared: Few<TenantId, 4>,
    /// The tenant that the item's own declaration names, without those around it.
    pub own: Option<TenantId>,
    /// The tenant the item counts as: its own, or the one of its trace.
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
    pub route: Option<Route>,
    /// The route is declared public, or the item says that its object is.
    pub public: bool,
    /// What was done.
    pub method: Method,
    /// The HTTP status; 0 for none.
    pub status: u16,
    /// How it failed.
    pub failure: Failure,
    /// What excuses these principals (or this job), and with them the trace.
    pub excuse: Option<Excuse>,
    /// All that else was said.
    pub facts: Vec<Fact>,
}

/// A route template with its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// To compare.
    pub id: Fingerprint,
    /// To show: a template, without values.
    pub shown: Arc<str>,
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
            own: None,
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
            failure: Failure::None,
            excuse: None,
            facts: Vec::new(),
        }
    }

    /// What a finding repeats of it.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            at: self.at,
            time: self.time,
            service: Arc::clone(&self.service),
            route: self.route.as_ref().map(|route| Arc::clone(&route.shown)),
            trace: self.trace,
            principal: self.principals().next(),
        }
    }

    /// The persons or accounts that did it.
    pub fn principals(&self) -> impl Iterator<Item = Fingerprint> + '_ {
        self.facts.iter().filter_map(|fact| match fact {
            Fact::Principal(who) => Some(*who),
            _ => None,
        })
    }

    /// The database connection that it used.
    pub fn connection(&self) -> Option<Fingerprint> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Connection(id) => Some(*id),
            _ => None,
        })
    }

    /// Whether it belongs to a trace.
    pub fn has_trace(&self) -> bool {
        self.trace != [0; 16]
    }

    /// Whether the answer was a success.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status) || self.status == 304
    }

    /// Whether the answer was "not yours" or "not there".
    pub fn denied(&self) -> bool {
        matches!(self.status, 403 | 404)
    }

    /// Whether resource, item, claim and the rest name more than one tenant.
    pub fn disputed(&self) -> bool {
        self.tenant.is_some_and(|tenant| self.declared.iter().any(|declared| declared != tenant))
    }

    /// Whether these tenants may meet here.
    pub fn excuses(&self, tenants: impl IntoIterator<Item = TenantId>) -> bool {
        self.excuse.as_ref().is_some_and(|excuse| excuse.covers(tenants))
    }
}
