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

// scrub ------------------------------------------------------------------------------------

/// Rules in all packs together.
pub const RULES: usize = 4096;
/// Nesting of encodings inside one string (JSON in a URL in JSON ...), in levels.
pub const NESTED_ENCODINGS: usize = 4;
/// One rule pack, in bytes.
pub const PACK_BYTES: usize = 4 * MIB;
/// The longest match of one pattern, in bytes: a rule's repetitions are all bounded.
pub const MATCH_BYTES: usize = 16 * 1024;
/// The longest key name inside a text, in bytes.
pub const KEY_NAME_BYTES: usize = 64;
/// The longest value after a telling key inside a text, in bytes.
pub const KEYED_VALUE_BYTES: usize = 4096;
/// Work of one rule on one text before the linear path takes over: bytes looked at for each byte of the text.
pub const SCAN_WORK_FACTOR: usize = 32;
/// Tenants' pseudonym keys that one worker remembers.
pub const TENANT_KEYS: usize = 1024;

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
