//! Every bound of the program, with its unit. Bounds that relate to each other are held to it
//! at compile time, at the foot of this page.

/// One mebibyte, in bytes.
pub const MIB: usize = 1 << 20;

// wire -------------------------------------------------------------------------------------

/// Nesting of protobuf messages or JSON values, in levels.
pub const DEPTH: usize = 64;
/// One request, on the wire and again after decompression, in bytes (OTLP 1.11: 64 MiB).
pub const REQUEST_BYTES: usize = 64 * MIB;
/// Items (log records, spans, data points) in one request.
pub const REQUEST_ITEMS: u32 = 4_000_000;
/// One response, in bytes.
pub const RESPONSE_BYTES: usize = 4 * MIB;

/// What splitting one request by tenant may write, in multiples of the request: each tenant's part
/// repeats the resource and the scope.
pub const SPLIT_GROWTH: usize = 4;
/// What splitting may write beyond [`SPLIT_GROWTH`], in bytes, so that small requests are never refused.
pub const SPLIT_SLACK: usize = MIB;
/// Attribute names that may hold a tenant.
pub const TENANT_ALIASES: usize = 64;

// receive ----------------------------------------------------------------------------------

/// Bytes of all requests in flight, compressed and decompressed together.
pub const IN_FLIGHT_BYTES: usize = 256 * MIB;
/// Connections open at once on one listener.
pub const CONNECTIONS: usize = 4096;
/// HTTP/2 streams open at once on one connection.
pub const STREAMS_PER_CONNECTION: u32 = 128;

// identify ---------------------------------------------------------------------------------

/// Tenants in a catalogue.
pub const TENANTS: usize = 1_000_000;
/// A token, in bytes.
pub const TOKEN_BYTES: usize = 16 * 1024;
/// A key set (JWKS), in bytes.
pub const JWKS_BYTES: usize = MIB;

// detect -----------------------------------------------------------------------------------

/// Candidate findings that wait for the rest of their traces, in each shard.
pub const PENDING_CANDIDATES: usize = 16_384;
/// Requests without a tenant that wait for one of their trace, in each shard.
pub const WAITING_REQUESTS: usize = 8192;
/// Objects that turned out to be public or handed over a moment ago, in each shard.
pub const CLEARED_OBJECTS: usize = 8192;
/// Incidents remembered, so that each is told once, in each shard.
pub const INCIDENTS: usize = 65_536;
/// Spans remembered of one trace.
pub const SPANS_PER_TRACE: usize = 256;
/// Batches of observations queued before a shard; past it the detectors shed.
pub const OBSERVATION_BATCHES: usize = 256;
/// Threads that run detectors.
pub const DETECTOR_SHARDS: usize = 16;
/// Tenants that may share an object before it counts as public.
pub const OBJECT_TENANTS: usize = 3;
/// A service's name as a finding shows it, in bytes.
pub const SERVICE_NAME_BYTES: usize = 64;
/// A value that is read as an id, in bytes.
pub const OBJECT_ID_BYTES: usize = 64;

// scrub ------------------------------------------------------------------------------------

/// Rules in all packs together.
pub const RULES: usize = 4096;
/// Nesting of encodings inside one string (JSON in a URL in JSON ...), in levels.
pub const NESTED_ENCODINGS: usize = 4;

// buffer -----------------------------------------------------------------------------------

/// One segment file, in bytes.
pub const SEGMENT_BYTES: u64 = 64 * MIB as u64;
/// One durable record, in bytes: the largest request, its growth by edits, and the header.
pub const RECORD_BYTES: usize = REQUEST_BYTES + 16 * MIB;
/// Tenants' lanes alive at once.
pub const LANES: usize = 16_384;

// telemetry --------------------------------------------------------------------------------

/// Distinct values of the `tenant_id` label on the gate's own metrics; past it, "other".
pub const TENANT_LABELS: usize = 10_000;

const _: () = assert!(RESPONSE_BYTES < REQUEST_BYTES);
const _: () = assert!(REQUEST_BYTES < RECORD_BYTES);
const _: () = assert!(REQUEST_BYTES * 2 <= IN_FLIGHT_BYTES);
