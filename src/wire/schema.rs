//! The schema of `ExportLogsServiceRequest`, `ExportTraceServiceRequest` and
//! `ExportMetricsServiceRequest` (opentelemetry-proto 1.10) as one constant table.
//!
//! The walker, the views, the splitter and both directions of JSON read this table and nothing
//! else. A test holds it to the protocol's own file descriptors, so a field that the protocol
//! gains is a failing test and never a blind spot.

use super::varint;
use crate::batch::Signal;

/// How a field is encoded, and what it means to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not in the protocol: counted and dropped.
    Unknown,
    /// A message of the table.
    Message(Msg),
    /// UTF-8 text.
    Str,
    /// Opaque bytes; base64 in JSON.
    Bytes,
    /// A trace or span id; hexadecimal in JSON.
    Id,
    /// A boolean varint.
    Bool,
    /// An enumeration: a varint, an integer in JSON.
    Enum,
    /// A 32-bit signed varint.
    Int32,
    /// A 64-bit signed varint.
    Int64,
    /// A 32-bit unsigned varint.
    Uint32,
    /// A 64-bit unsigned varint.
    Uint64,
    /// A 32-bit zigzag varint.
    Sint32,
    /// Four bytes.
    Fixed32,
    /// Eight bytes, unsigned.
    Fixed64,
    /// Eight bytes, signed.
    Sfixed64,
    /// Eight bytes, IEEE 754.
    Double,
}

impl Kind {
    /// The wire type of one value.
    pub const fn wire(self) -> u8 {
        match self {
            Kind::Message(_) | Kind::Str | Kind::Bytes | Kind::Id | Kind::Unknown => varint::LEN,
            Kind::Bool
            | Kind::Enum
            | Kind::Int32
            | Kind::Int64
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32 => varint::VARINT,
            Kind::Fixed32 => varint::FIXED32,
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => varint::FIXED64,
        }
    }

    /// Whether repeated values may stand packed in one length-delimited field.
    pub const fn packable(self) -> bool {
        self.wire() != varint::LEN
    }
}

/// How often a field stands in its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// At most once; on the wire the last one counts, messages merge.
    One,
    /// Any number of times.
    Many,
    /// A member of the message's oneof.
    Oneof,
}

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its number, 1 to 16.
    pub number: u32,
    /// Its name in JSON (lowerCamelCase).
    pub json: &'static str,
    /// Its encoding.
    pub kind: Kind,
    /// Its count.
    pub label: Label,
}

const fn one(number: u32, json: &'static str, kind: Kind) -> Field {
    Field { number, json, kind, label: Label::One }
}
const fn many(number: u32, json: &'static str, kind: Kind) -> Field {
    Field { number, json, kind, label: Label::Many }
}
const fn member(number: u32, json: &'static str, kind: Kind) -> Field {
    Field { number, json, kind, label: Label::Oneof }
}

/// The largest field number of the table.
pub const MAX_FIELD: usize = 16;

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident $full:literal [$($field:expr),* $(,)?])*) => {
        /// A message of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Msg { $($(#[$doc])* #[doc = concat!("`opentelemetry.proto.", $full, "`")] $name,)* }

        impl Msg {
            /// Every message, in the order of the table.
            pub const ALL: &'static [Msg] = &[$(Msg::$name),*];

            /// Its fields, by number.
            pub const fn fields(self) -> &'static [Field] {
                match self { $(Msg::$name => { const F: &[Field] = &[$($field),*]; F })* }
            }

            /// Its name in the protocol, behind `opentelemetry.proto.`.
            pub const fn full_name(self) -> &'static str {
                match self { $(Msg::$name => $full),* }
            }

            /// Its short name.
            pub const fn name(self) -> &'static str {
                match self { $(Msg::$name => stringify!($name)),* }
            }
        }
    };
}

use Kind::*;

messages! {
    ExportLogsServiceRequest "collector.logs.v1.ExportLogsServiceRequest" [
        many(1, "resourceLogs", Message(Msg::ResourceLogs)),
    ]
    ExportTraceServiceRequest "collector.trace.v1.ExportTraceServiceRequest" [
        many(1, "resourceSpans", Message(Msg::ResourceSpans)),
    ]
    ExportMetricsServiceRequest "collector.metrics.v1.ExportMetricsServiceRequest" [
        many(1, "resourceMetrics", Message(Msg::ResourceMetrics)),
    ]
    ResourceLogs "logs.v1.ResourceLogs" [
        one(1, "resource", Message(Msg::Resource)),
        many(2, "scopeLogs", Message(Msg::ScopeLogs)),
        one(3, "schemaUrl", Str),
    ]
    ResourceSpans "trace.v1.ResourceSpans" [
        one(1, "resource", Message(Msg::Resource)),
        many(2, "scopeSpans", Message(Msg::ScopeSpans)),
        one(3, "schemaUrl", Str),
    ]
    ResourceMetrics "metrics.v1.ResourceMetrics" [
        one(1, "resource", Message(Msg::Resource)),
        many(2, "scopeMetrics", Message(Msg::ScopeMetrics)),
        one(3, "schemaUrl", Str),
    ]
    Resource "resource.v1.Resource" [
        many(1, "attributes", Message(Msg::KeyValue)),
        one(2, "droppedAttributesCount", Uint32),
        many(3, "entityRefs", Message(Msg::EntityRef)),
    ]
    EntityRef "common.v1.EntityRef" [
        one(1, "schemaUrl", Str),
        one(2, "type", Str),
        many(3, "idKeys", Str),
        many(4, "descriptionKeys", Str),
    ]
    InstrumentationScope "common.v1.InstrumentationScope" [
        one(1, "name", Str),
        one(2, "version", Str),
        many(3, "attributes", Message(Msg::KeyValue)),
        one(4, "droppedAttributesCount", Uint32),
    ]
    KeyValue "common.v1.KeyValue" [
        one(1, "key", Str),
        one(2, "value", Message(Msg::AnyValue)),
        one(3, "keyStrindex", Int32),
    ]
    AnyValue "common.v1.AnyValue" [
        member(1, "stringValue", Str),
        member(2, "boolValue", Bool),
        member(3, "intValue", Int64),
        member(4, "doubleValue", Double),
        member(5, "arrayValue", Message(Msg::ArrayValue)),
        member(6, "kvlistValue", Message(Msg::KeyValueList)),
        member(7, "bytesValue", Bytes),
        member(8, "stringValueStrindex", Int32),
    ]
    ArrayValue "common.v1.ArrayValue" [many(1, "values", Message(Msg::AnyValue))]
    KeyValueList "common.v1.KeyValueList" [many(1, "values", Message(Msg::KeyValue))]
    ScopeLogs "logs.v1.ScopeLogs" [
        one(1, "scope", Message(Msg::InstrumentationScope)),
        many(2, "logRecords", Message(Msg::LogRecord)),
        one(3, "schemaUrl", Str),
    ]
    LogRecord "logs.v1.LogRecord" [
        one(1, "timeUnixNano", Fixed64),
        one(2, "severityNumber", Enum),
        one(3, "severityText", Str),
        one(5, "body", Message(Msg::AnyValue)),
        many(6, "attributes", Message(Msg::KeyValue)),
        one(7, "droppedAttributesCount", Uint32),
        one(8, "flags", Fixed32),
        one(9, "traceId", Id),
        one(10, "spanId", Id),
        one(11, "observedTimeUnixNano", Fixed64),
        one(12, "eventName", Str),
    ]
    ScopeSpans "trace.v1.ScopeSpans" [
        one(1, "scope", Message(Msg::InstrumentationScope)),
        many(2, "spans", Message(Msg::Span)),
        one(3, "schemaUrl", Str),
    ]
    Span "trace.v1.Span" [
        one(1, "traceId", Id),
        one(2, "spanId", Id),
        one(3, "traceState", Str),
        one(4, "parentSpanId", Id),
        one(5, "name", Str),
        one(6, "kind", Enum),
        one(7, "startTimeUnixNano", Fixed64),
        one(8, "endTimeUnixNano", Fixed64),
        many(9, "attributes", Message(Msg::KeyValue)),
        one(10, "droppedAttributesCount", Uint32),
        many(11, "events", Message(Msg::Event)),
        one(12, "droppedEventsCount", Uint32),
        many(13, "links", Message(Msg::Link)),
        one(14, "droppedLinksCount", Uint32),
        one(15, "status", Message(Msg::Status)),
        one(16, "flags", Fixed32),
    ]
    Event "trace.v1.Span.Event" [
        one(1, "timeUnixNano", Fixed64),
        one(2, "name", Str),
        many(3, "attributes", Message(Msg::KeyValue)),
        one(4, "droppedAttributesCount", Uint32),
    ]
    Link "trace.v1.Span.Link" [
        one(1, "traceId", Id),
        one(2, "spanId", Id),
        one(3, "traceState", Str),
        many(4, "attributes", Message(Msg::KeyValue)),
        one(5, "droppedAttributesCount", Uint32),
        one(6, "flags", Fixed32),
    ]
    Status "trace.v1.Status" [
        one(2, "message", Str),
        one(3, "code", Enum),
    ]
    ScopeMetrics "metrics.v1.ScopeMetrics" [
        one(1, "scope", Message(Msg::InstrumentationScope)),
        many(2, "metrics", Message(Msg::Metric)),
        one(3, "schemaUrl", Str),
    ]
    Metric "metrics.v1.Metric" [
        one(1, "name", Str),
        one(2, "description", Str),
        one(3, "unit", Str),
        member(5, "gauge", Message(Msg::Gauge)),
        member(7, "sum", Message(Msg::Sum)),
        member(9, "histogram", Message(Msg::Histogram)),
        member(10, "exponentialHistogram", Message(Msg::ExponentialHistogram)),
        member(11, "summary", Message(Msg::Summary)),
        many(12, "metadata", Message(Msg::KeyValue)),
    ]
    Gauge "metrics.v1.Gauge" [many(1, "dataPoints", Message(Msg::NumberDataPoint))]
    Sum "metrics.v1.Sum" [
        many(1, "dataPoints", Message(Msg::NumberDataPoint)),
        one(2, "aggregationTemporality", Enum),
        one(3, "isMonotonic", Bool),
    ]
    Histogram "metrics.v1.Histogram" [
        many(1, "dataPoints", Message(Msg::HistogramDataPoint)),
        one(2, "aggregationTemporality", Enum),
    ]
    ExponentialHistogram "metrics.v1.ExponentialHistogram" [
        many(1, "dataPoints", Message(Msg::ExponentialHistogramDataPoint)),
        one(2, "aggregationTemporality", Enum),
    ]
    Summary "metrics.v1.Summary" [many(1, "dataPoints", Message(Msg::SummaryDataPoint))]
    NumberDataPoint "metrics.v1.NumberDataPoint" [
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        member(4, "asDouble", Double),
        many(5, "exemplars", Message(Msg::Exemplar)),
        member(6, "asInt", Sfixed64),
        many(7, "attributes", Message(Msg::KeyValue)),
        one(8, "flags", Uint32),
    ]
    HistogramDataPoint "metrics.v1.HistogramDataPoint" [
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        many(6, "bucketCounts", Fixed64),
        many(7, "explicitBounds", Double),
        many(8, "exemplars", Message(Msg::Exemplar)),
        many(9, "attributes", Message(Msg::KeyValue)),
        one(10, "flags", Uint32),
        one(11, "min", Double),
        one(12, "max", Double),
    ]
    ExponentialHistogramDataPoint "metrics.v1.ExponentialHistogramDataPoint" [
        many(1, "attributes", Message(Msg::KeyValue)),
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        one(6, "scale", Sint32),
        one(7, "zeroCount", Fixed64),
        one(8, "positive", Message(Msg::Buckets)),
        one(9, "negative", Message(Msg::Buckets)),
        one(10, "flags", Uint32),
        many(11, "exemplars", Message(Msg::Exemplar)),
        one(12, "min", Double),
        one(13, "max", Double),
        one(14, "zeroThreshold", Double),
    ]
    Buckets "metrics.v1.ExponentialHistogramDataPoint.Buckets" [
        one(1, "offset", Sint32),
        many(2, "bucketCounts", Uint64),
    ]
    SummaryDataPoint "metrics.v1.SummaryDataPoint" [
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        many(6, "quantileValues", Message(Msg::ValueAtQuantile)),
        many(7, "attributes", Message(Msg::KeyValue)),
        one(8, "flags", Uint32),
    ]
    ValueAtQuantile "metrics.v1.SummaryDataPoint.ValueAtQuantile" [
        one(1, "quantile", Double),
        one(2, "value", Double),
    ]
    Exemplar "metrics.v1.Exemplar" [
        one(2, "timeUnixNano", Fixed64),
        member(3, "asDouble", Double),
        one(4, "spanId", Id),
        one(5, "traceId", Id),
        member(6, "asInt", Sfixed64),
        many(7, "filteredAttributes", Message(Msg::KeyValue)),
    ]
}

/// One row of the look-up table.
type Row = [(Kind, bool); MAX_FIELD + 1];

const TABLE: [Row; Msg::ALL.len()] = {
    let mut table = [[(Kind::Unknown, false); MAX_FIELD + 1]; Msg::ALL.len()];
    let mut m = 0;
    while m < Msg::ALL.len() {
        let fields = Msg::ALL[m].fields();
        let mut f = 0;
        while f < fields.len() {
            table[m][fields[f].number as usize] = (fields[f].kind, matches!(fields[f].label, Label::Many));
            f += 1;
        }
        m += 1;
    }
    table
};

impl Msg {
    /// The request message of a signal.
    pub const fn request(signal: Signal) -> Msg {
        match signal {
            Signal::Logs => Msg::ExportLogsServiceRequest,
            Signal::Traces => Msg::ExportTraceServiceRequest,
            Signal::Metrics => Msg::ExportMetricsServiceRequest,
        }
    }

    /// The kind of field `number`, and whether it is repeated.
    #[inline(always)]
    pub fn kind(self, number: u32) -> (Kind, bool) {
        static ROWS: [Row; Msg::ALL.len()] = TABLE;
        ROWS[self as usize].get(number as usize).copied().unwrap_or((Kind::Unknown, false))
    }

    /// The field of that name in JSON.
    pub fn by_json_name(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.json == name)
    }

    /// Whether this is what the protocol counts: a log record, a span, a data point.
    #[inline(always)]
    pub const fn is_item(self) -> bool {
        matches!(
            self,
            Msg::LogRecord
                | Msg::Span
                | Msg::NumberDataPoint
                | Msg::HistogramDataPoint
                | Msg::ExponentialHistogramDataPoint
                | Msg::SummaryDataPoint
        )
    }

    /// Whether this is the top-level group of one resource.
    pub const fn is_group(self) -> bool {
        matches!(self, Msg::ResourceLogs | Msg::ResourceSpans | Msg::ResourceMetrics)
    }

    /// Whether this is the group of one scope.
    pub const fn is_scope(self) -> bool {
        matches!(self, Msg::ScopeLogs | Msg::ScopeSpans | Msg::ScopeMetrics)
    }

    /// Whether messages of this kind stand between the request and its items.
    pub const fn is_envelope(self) -> bool {
        self.is_group()
            || self.is_scope()
            || matches!(
                self,
                Msg::Metric
                    | Msg::Gauge
                    | Msg::Sum
                    | Msg::Histogram
                    | Msg::ExponentialHistogram
                    | Msg::Summary
            )
    }

    /// The number of the `attributes` field, for messages that have one.
    pub const fn attributes_field(self) -> Option<u32> {
        match self {
            Msg::Resource | Msg::ExponentialHistogramDataPoint => Some(1),
            Msg::InstrumentationScope | Msg::Event => Some(3),
            Msg::Link => Some(4),
            Msg::LogRecord => Some(6),
            Msg::NumberDataPoint | Msg::SummaryDataPoint => Some(7),
            Msg::Span | Msg::HistogramDataPoint => Some(9),
            _ => None,
        }
    }
}
