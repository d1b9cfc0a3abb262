//! What travels the path: a signal, a tenant, and OTLP protobuf bytes that are
//! either [`Raw`] or [`Clean`].

use std::{fmt, marker::PhantomData, str::FromStr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One of the three OTLP signals.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// `ExportLogsServiceRequest`; items are log records.
    Logs,
    /// `ExportTraceServiceRequest`; items are spans.
    Traces,
    /// `ExportMetricsServiceRequest`; items are data points.
    Metrics,
}

impl Signal {
    /// All signals, in the order of their codes.
    pub const ALL: [Signal; 3] = [Signal::Logs, Signal::Traces, Signal::Metrics];

    /// The lower-case plural used in paths, labels and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Signal::Logs => "logs",
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
        }
    }

    /// What one item of this signal is called in the words of OTLP.
    pub const fn item(self) -> &'static str {
        match self {
            Signal::Logs => "log record",
            Signal::Traces => "span",
            Signal::Metrics => "data point",
        }
    }

    /// A stable one-byte code for durable records.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The signal of a durable code, if it is one.
    pub const fn from_code(code: u8) -> Option<Signal> {
        match code {
            0 => Some(Signal::Logs),
            1 => Some(Signal::Traces),
            2 => Some(Signal::Metrics),
            _ => None,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A tenant: one uuid, always shown lower-case and hyphenated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub Uuid);

impl TenantId {
    /// The tenant of data that has none, in observe mode only: the nil uuid.
    pub const NONE: TenantId = TenantId(Uuid::nil());

    /// The canonical text, without allocating.
    pub fn encode(self, buffer: &mut [u8; 36]) -> &str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0.as_hyphenated(), f)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TenantId {
    type Err = uuid::Error;

    /// Strict: only what [`Uuid`] itself parses. Aliased forms go through `identify::normalise`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(TenantId)
    }
}

/// Bytes as they came: may hold personal data.
#[derive(Debug, Clone, Copy)]
pub enum Raw {}

/// Bytes that `scrub` has been through. Only these reach a disk or a wire.
#[derive(Debug, Clone, Copy)]
pub enum Clean {}

/// One tenant's export request of one signal, as protobuf bytes.
pub struct Batch<State> {
    /// Which request the bytes are.
    pub signal: Signal,
    /// The one tenant whose data this is.
    pub tenant: TenantId,
    /// How many items (log records, spans, data points) the bytes hold.
    pub items: u32,
    /// The request: one of the `Export*ServiceRequest` messages.
    pub bytes: Bytes,
    state: PhantomData<State>,
}

impl Batch<Raw> {
    /// A batch that has not been scrubbed.
    pub fn raw(signal: Signal, tenant: TenantId, items: u32, bytes: Bytes) -> Self {
        Batch { signal, tenant, items, bytes, state: PhantomData }
    }
}

impl Batch<Clean> {
    /// A scrubbed batch. Called by `scrub` when it is done, and by `buffer` when it reads back
    /// what it was given; nothing else may call it.
    pub(crate) fn clean(signal: Signal, tenant: TenantId, items: u32, bytes: Bytes) -> Self {
        Batch { signal, tenant, items, bytes, state: PhantomData }
    }

    /// Some groups or items of this batch: what is cut out of clean bytes is clean.
    pub(crate) fn part(&self, items: u32, bytes: Bytes) -> Self {
        Batch { items, bytes, ..self.clone() }
    }
}

impl<State> Clone for Batch<State> {
    fn clone(&self) -> Self {
        Batch { bytes: self.bytes.clone(), state: PhantomData, ..*self }
    }
}

/// Never shows the bytes.
impl<State> fmt::Debug for Batch<State> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("signal", &self.signal)
            .field("tenant", &self.tenant)
            .field("items", &self.items)
            .field("len", &self.bytes.len())
            .finish()
    }
}
