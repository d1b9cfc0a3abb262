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
/// Keys in use from all sources together.
pub const TOKEN_KEYS: usize = 256;
/// Keys tried for a token that names none.
pub const TOKEN_KEYS_TRIED: usize = 8;
/// Verified tokens remembered.
pub const TOKEN_CACHE: usize = 16_384;
/// Key ids remembered as not in the key set.
pub const ABSENT_KEYS: usize = 1024;
/// Tenants that a token may list as allowed.
pub const ALLOWED_TENANTS: usize = 1024;
/// A catalogue file, in bytes.
pub const CATALOGUE_BYTES: u64 = 512 * MIB as u64;
/// A tenant's id or slug as declared, in bytes; longer ones are malformed.
pub const TENANT_TEXT_BYTES: usize = 128;
/// Tenants with a token bucket at once.
pub const ADMITTED_TENANTS: usize = 131_072;

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

// export -----------------------------------------------------------------------------------

/// Destinations.
pub const DESTINATIONS: usize = 64;
/// What one exporter holds of records that it has not sent, in bytes, beside the requests on the wire.
pub const EXPORT_PENDING_BYTES: usize = 16 * MIB;
/// Requests of one exporter on the wire at once, at most.
pub const EXPORT_IN_FLIGHT: usize = 64;
/// Requests that one exporter puts together at once (one for each signal, and tenant where they are kept apart).
pub const EXPORT_GROUPS: usize = 1024;
/// Records in one exported request.
pub const EXPORT_RECORDS: usize = 4096;
/// Down to what a request is cut in halves because its receiver says that it is too large, in bytes.
pub const EXPORT_SMALLEST_BYTES: usize = 64 * 1024;
/// From what size on a request is compressed on a thread of its own, in bytes.
pub const ASIDE_BYTES: usize = 32 * 1024;
/// How long a receiver may ask to be left alone, in seconds; a longer wish is cut to this.
pub const RETRY_AFTER_SECONDS: u64 = 3600;

// telemetry --------------------------------------------------------------------------------

/// Distinct values of the `tenant_id` label on the gate's own metrics; past it, "other".
pub const TENANT_LABELS: usize = 10_000;

const _: () = assert!(RESPONSE_BYTES < REQUEST_BYTES);
const _: () = assert!(REQUEST_BYTES < RECORD_BYTES);
const _: () = assert!(REQUEST_BYTES * 2 <= IN_FLIGHT_BYTES);
