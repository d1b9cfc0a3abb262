//! Every bound of the program, with its unit. Bounds that relate to each other are held to it
//! at compile time, at the foot of this page.

use std::time::Duration;

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

// config -----------------------------------------------------------------------------------

/// One configuration file, in bytes.
pub const CONFIG_BYTES: usize = 4 * MIB;
/// Nodes of one configuration file after its aliases are expanded.
pub const CONFIG_NODES: usize = 200_000;
/// Files given with `--config`.
pub const CONFIG_FILES: usize = 64;
/// Mistakes reported at once.
pub const CONFIG_ERRORS: usize = 32;
/// The value of one environment variable, in bytes.
pub const VARIABLE_BYTES: usize = 64 * 1024;
/// A file that holds one secret, in bytes.
pub const SECRET_BYTES: usize = 64 * 1024;

// receive ----------------------------------------------------------------------------------

/// Bytes of all requests in flight, compressed and decompressed together.
pub const IN_FLIGHT_BYTES: usize = 256 * MIB;
/// Connections open at once on one listener.
pub const CONNECTIONS: usize = 4096;
/// HTTP/2 streams open at once on one connection.
pub const STREAMS_PER_CONNECTION: u32 = 128;
/// Headers of one request (or one HTTP/1.1 head), in bytes.
pub const HEADER_BYTES: usize = 64 * 1024;
/// First reservation, and smallest step, for a body of unknown length, in bytes.
pub const BODY_STEP_BYTES: usize = 64 * 1024;
/// Read and thrown away after an early refusal, so that an HTTP/1.1 connection stays usable, in bytes.
pub const DISCARD_BYTES: usize = 8 * MIB;
/// Window of a zstd frame as a power of two (RFC 9659: 8 MiB).
pub const ZSTD_WINDOW_LOG: u32 = 23;
/// An error message in a reply, in bytes.
pub const REPLY_MESSAGE_BYTES: usize = 1024;
/// One line of NDJSON, in bytes.
pub const NDJSON_LINE_BYTES: usize = MIB;
/// Distinct services of one NDJSON request that get their own resource.
pub const NDJSON_SERVICES: usize = 1024;
/// A certificate, key or authority file, in bytes.
pub const TLS_FILE_BYTES: u64 = 4 * MIB as u64;
/// A request to the admin server, in bytes.
pub const ADMIN_REQUEST_BYTES: usize = MIB;

/// What one tenant may have of the in-flight bytes, as a divisor: half. One request alone may have all.
pub const TENANT_IN_FLIGHT_DIVISOR: usize = 2;
/// What a request counts for at least while it waits for a worker, in bytes: so that the queue is bounded in
/// requests, too.
pub const WORK_COST_BYTES: usize = 16 * 1024;

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
/// Issuers of tokens beside the main one.
pub const ISSUERS: usize = 64;
/// API keys in the configuration.
pub const API_KEYS: usize = 10_000;
/// Client certificates, or patterns of them, in the configuration.
pub const PEERS: usize = 10_000;
/// The subject of a client certificate as text, in bytes; a longer one is not looked at.
pub const PEER_SUBJECT_BYTES: usize = 1024;
/// Tenants that a token may list as allowed.
pub const ALLOWED_TENANTS: usize = 1024;
/// A catalogue file, in bytes.
pub const CATALOGUE_BYTES: u64 = 512 * MIB as u64;
/// A tenant's id or slug as declared, in bytes; longer ones are malformed.
pub const TENANT_TEXT_BYTES: usize = 128;
/// Tenants with a token bucket at once.
pub const ADMITTED_TENANTS: usize = 131_072;

/// Tenants whose limits are shared in one call to Redis.
pub const SHARED_TENANTS_AT_ONCE: usize = 256;
/// For how long a tenant that was throttled is refused without a look at its requests, at most, in nanoseconds.
pub const THROTTLE_TOLD_NANOS: u64 = 1_000_000_000;

/// Traces whose tenants are remembered, at most and at least: [`INHERIT_SHARDS`] tables share them.
pub const INHERIT_TRACES: usize = 2_000_000;
/// The least of [`INHERIT_TRACES`].
pub const INHERIT_LEAST_TRACES: usize = 1024;
/// Tables that remember traces, each with its lock.
pub const INHERIT_SHARDS: usize = 16;
/// For how long a trace is remembered at most.
pub const INHERIT_REMEMBER: Duration = Duration::from_secs(3600);
/// For how long a request waits for a trace at most.
pub const INHERIT_WAIT: Duration = Duration::from_secs(5);
/// Requests that wait for a trace at once.
pub const INHERIT_WAITING: usize = 1024;
/// What requests that wait for a trace may have of the in-flight bytes, as a divisor: a quarter.
pub const INHERIT_WAITING_DIVISOR: usize = 4;
/// Traces that are waited for at once, by all requests together.
pub const INHERIT_AWAITED: usize = 65_536;
/// Traces, items without a tenant and rejected items of one request whose traces are looked at, each; in a request
/// with more nobody inherits.
pub const INHERIT_REQUEST_ITEMS: usize = 131_072;
/// Attributes of the gate's own that are removed from what comes in, beside [`TENANT_ALIASES`].
pub const OWN_ATTRIBUTES: usize = 3;

// transform --------------------------------------------------------------------------------

/// Transforms in one policy.
pub const TRANSFORMS: usize = 1024;
/// Operations of one transform.
pub const TRANSFORM_OPERATIONS: usize = 64;
/// Conditions of one selector, nested ones counted.
pub const TRANSFORM_CONDITIONS: usize = 256;
/// A compiled pattern of a selector, in bytes.
pub const TRANSFORM_PATTERN_BYTES: usize = MIB;
/// Steps of one field path below its root.
pub const TRANSFORM_STEPS: usize = 8;
/// What the operations may add to one record by parsing and copying, in bytes; past it they do nothing.
pub const TRANSFORM_GROWTH_BYTES: usize = MIB;
/// Nesting of a value that a transform makes, in levels of JSON (each is up to three protobuf messages).
pub const TRANSFORM_DEPTH: usize = 16;
/// Text that `parse_json` and `parse_key_value` take, in bytes; a longer one is left as it is.
pub const TRANSFORM_PARSE_BYTES: usize = MIB;
/// Pairs that one `parse_key_value` makes; the rest of the text is left out.
pub const TRANSFORM_PAIRS: usize = 1024;

// detect -----------------------------------------------------------------------------------

/// Candidate findings that wait for the rest of their traces.
pub const PENDING_CANDIDATES: usize = 16_384;
/// Objects that turned out to be public or handed over a moment ago.
pub const CLEARED_OBJECTS: usize = 8192;
/// Incidents remembered, so that each is told once.
pub const INCIDENTS: usize = 65_536;
/// Incidents that go on over a restart: the latest.
pub const INCIDENTS_SAVED: usize = 4096;
/// The file of incidents that go on, in bytes.
pub const INCIDENTS_BYTES: usize = 64 * MIB;
/// Classes and services whose openings are counted, for storms.
pub const STORMS: usize = 4096;
/// In which time incidents of one class and service are counted, in nanoseconds.
pub const STORM_NANOS: u64 = 3600 * 1_000_000_000;
/// The largest `detect.storm`.
pub const STORM: usize = 1000;
/// Findings that are over and still listed.
pub const CLOSED_FINDINGS: usize = 1000;
/// Findings made elsewhere, and orders, that wait for the detectors' thread.
pub const DETECT_ERRANDS: usize = 4096;
/// Suppressions in the configuration, and as many made through the admin API.
pub const SUPPRESSIONS: usize = 1000;
/// One text of a suppression, in bytes.
pub const SUPPRESSION_TEXT_BYTES: usize = 1024;
/// How far ahead a suppression may end, in nanoseconds: a year, a leap year too.
pub const SUPPRESSION_NANOS: u64 = 366 * 24 * 3600 * 1_000_000_000;
/// The file of suppressions, in bytes.
pub const SUPPRESSIONS_BYTES: usize = 16 * MIB;
/// The largest queue of a webhook, in findings.
pub const WEBHOOK_QUEUE: usize = 65_536;
/// Alerts in one request to an Alertmanager.
pub const WEBHOOK_ALERTS: usize = 64;
/// Alerts that an Alertmanager is reminded of.
pub const WEBHOOK_OPEN: usize = 10_000;
/// How often it is, in seconds; an alert that it is not reminded of in five times that ends there.
pub const WEBHOOK_REMIND_SECONDS: u64 = 60;
/// How long a stop waits for what a webhook still has to send, in seconds.
pub const WEBHOOK_STOP_SECONDS: u64 = 5;
/// A route as a finding shows it, in bytes.
pub const ROUTE_BYTES: usize = 512;
/// Parts of a route that a finding shows.
pub const ROUTE_PARTS: usize = 32;
/// One part of a route as a finding shows it, in bytes.
pub const ROUTE_PART_BYTES: usize = 48;
/// Spans remembered of one trace.
pub const SPANS_PER_TRACE: usize = 256;
/// Batches of observations queued before the detectors; past it they shed.
pub const OBSERVATION_BATCHES: usize = 256;
/// How far behind its arrival an item's time may lie to count, in nanoseconds.
pub const LATE_NANOS: u64 = 300_000_000_000;
/// How many times as long what depends on the order of spans waits for late ones.
pub const ORDER_PATIENCE: u64 = 4;
/// How long after a call was given up on a connection answers there that do not fit count, in nanoseconds.
pub const CANCELLED_NANOS: u64 = 60_000_000_000;
/// How long after a tenant left its place that may still be used, in nanoseconds.
pub const CUT_OVER_NANOS: u64 = 60_000_000_000;
/// How long it is remembered that a tenant left its place, in nanoseconds.
pub const LEFT_NANOS: u64 = 30 * 24 * 3600 * 1_000_000_000;
/// Other tenants' objects that one principal takes before it counts as a slow theft.
pub const TAKEN_OBJECTS: usize = 4;
/// And over how long, in nanoseconds.
pub const TAKEN_NANOS: u64 = 20 * 60 * 1_000_000_000;
/// Facts of one observation.
pub const FACTS: usize = 64;
/// Ids that are read of one list.
pub const LISTED_IDS: usize = 32;
/// Parameters of one statement that are read.
pub const STATEMENT_PARAMETERS: usize = 32;
/// A body or a job's arguments that are read as JSON, in bytes.
pub const JSON_BODY_BYTES: usize = 16 * 1024;
/// The shortest text in which names and canaries are looked for, in bytes.
pub const MENTION_BYTES: usize = 4;
/// What of a message is looked at to tell how something failed, in characters.
pub const FAILURE_CHARS: usize = 256;
/// Names in one list of the mapping.
pub const MAPPED_NAMES: usize = 256;
/// Versions of one service that are remembered.
pub const SERVICE_VERSIONS: usize = 8;
/// Services whose versions a worker remembers.
pub const VERSIONED_SERVICES: usize = 1024;
/// New slugs of tenants that a recorded stream tells of.
pub const RENAMED: usize = 10_000;
/// Entries of one detector that are kept over a restart.
pub const SNAPSHOT_ENTRIES: usize = 10_000;
/// The file of what detectors have learned, in bytes.
pub const SNAPSHOT_BYTES: usize = 64 * MIB;
/// How often that file is written.
pub const SNAPSHOT_INTERVAL: std::time::Duration = std::time::Duration::from_secs(300);
/// How old that file may be to be taken up.
pub const SNAPSHOT_AGE: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
/// What stands before the request in a line of a recorded stream, in bytes.
pub const SCAN_HEAD_BYTES: usize = 4096;
/// Files of OTLP/JSON in one scan.
pub const SCAN_FILES: usize = 10_000;
/// What stands beside scanned files (tenants, what is known), in bytes a file.
pub const SCAN_BESIDE_BYTES: u64 = 256 * MIB as u64;
/// One line of a scanned file, in bytes.
pub const SCAN_LINE_BYTES: u64 = 64 * MIB as u64;
/// A database's schema, in bytes.
pub const SCHEMA_BYTES: usize = 64 * MIB;
/// Tenants that may share an object before it counts as public.
pub const OBJECT_TENANTS: usize = 3;
/// A service's name as a finding shows it, in bytes.
pub const SERVICE_NAME_BYTES: usize = 64;
/// A value that is read as an id, in bytes.
pub const OBJECT_ID_BYTES: usize = 64;
/// Names of tenants that are looked for in texts.
pub const MENTION_PATTERNS: usize = 8_000_000;
/// One name of a tenant that is looked for, a canary included, in bytes.
pub const MENTION_NAME_BYTES: usize = 256;
/// Letters and digits of a canary, at least: a shorter one comes up by chance.
pub const CANARY_LETTERS: usize = 8;
/// Mentions that one text is looked through for.
pub const MENTIONS: usize = 256;
/// Encodings inside each other that are looked into for mentions, in levels.
pub const MENTION_ENCODINGS: usize = 2;
/// What of one encoded text is looked into for mentions, in bytes.
pub const MENTION_ENCODED_BYTES: usize = 256 * 1024;

// detect/sql -------------------------------------------------------------------------------

/// What is looked at of a statement's text, in bytes; a longer one is not judged.
pub const SQL_TEXT_BYTES: usize = 256 * 1024;
/// Names, marks and values of a statement after its lists are made one, at most, for it to be parsed. Chains of
/// operators are as deep as they are long, so this bounds the stack, too.
pub const SQL_ITEMS: usize = 4096;
/// Brackets and subqueries inside one another, in levels.
pub const SQL_DEPTH: usize = 50;
/// Names, columns and conditions that are looked at to judge one statement, each as often as it is; one that needs
/// more is not judged. Some 20 milliseconds.
pub const SQL_STEPS: usize = 500_000;
/// Columns that one query may show for the statement to be judged; PostgreSQL's own bound is a tenth of it.
pub const SQL_COLUMNS: usize = 16 * 1024;
/// Tenants and settings of a text for it to be remembered.
pub const SQL_VALUES_KEPT: usize = 8;
/// Texts remembered with what was said of them, in each of two generations.
pub const SQL_TEXTS: usize = 8192;
/// Shapes of texts remembered, in each of two generations.
pub const SQL_SHAPES: usize = 4096;
/// A normalised text, in bytes; longer ones are cut.
pub const SQL_NORMALIZED_BYTES: usize = 4096;
/// Tenants that one statement may name.
pub const SQL_TENANTS: usize = 256;
/// A tenant or the value of a setting in a statement, in bytes; longer ones are cut.
pub const SQL_TENANT_BYTES: usize = TENANT_TEXT_BYTES;
/// The name of a setting, in bytes.
pub const SQL_SETTING_BYTES: usize = 128;
/// A quoted name of a statement that is shown, in bytes; PostgreSQL's own bound. What is longer is no name.
pub const SQL_NAME_BYTES: usize = 63;
/// Columns that one statement is remembered to compare with values.
pub const SQL_EQUALITIES: usize = 32;

// audit-sql --------------------------------------------------------------------------------

/// Statements kept apart in a report, by fingerprint; of further ones only the number is told.
pub const AUDIT_STATEMENTS: usize = 100_000;
/// Statements that were not judged, shown in a report.
pub const AUDIT_UNREAD: usize = 1000;
/// A line of a log, a record of CSV, or a statement of many lines, in bytes; what is longer is cut.
pub const AUDIT_RECORD_BYTES: usize = 8 * MIB;
/// An OTLP request in a file, in bytes.
pub const AUDIT_REQUEST_BYTES: usize = 64 * MIB;
/// A schema, or a list of tables or approvals, in bytes.
pub const AUDIT_SCHEMA_BYTES: u64 = 64 * MIB as u64;

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
pub const SCAN_WORK_FACTOR: usize = 8;
/// How often a text in which values were replaced is looked at again, at most.
pub const SCRUB_AGAIN: usize = 3;
/// Attribute keys whose meaning one worker remembers.
pub const KNOWN_KEYS: usize = 4096;
/// The longest attribute key that is remembered, in bytes.
pub const KNOWN_KEY_BYTES: usize = 128;
/// Fields (service and path) that one inventory tells apart, and services.
pub const INVENTORY_FIELDS: usize = 10_000;
/// The name of a field or service in an inventory, in bytes.
pub const INVENTORY_NAME_BYTES: usize = 200;
/// Templates of texts that are remembered of one field.
pub const INVENTORY_TEMPLATES: usize = 512;
/// What of one text is looked at to tell whether a person wrote it, in bytes.
pub const INVENTORY_TEXT_BYTES: usize = 4096;
/// Nesting of a record in an inventory, in levels.
pub const INVENTORY_DEPTH: usize = 16;
/// Fields (service and key) in which one worker looks for what people wrote.
pub const CONTENT_WATCHED: usize = 4096;
/// Fields that are known to hold what people write, in one process.
pub const CONTENT_FIELDS: usize = 1024;
/// Fields (service and key) of which one worker counts how many texts are clean.
pub const FIELDS_COUNTED: usize = 16_384;
/// Fields of one batch that are told of because personal data stood in them; sentences likewise.
pub const FIELDS_TOLD: usize = 64;
/// Tenants that have a salt of their own for pseudonyms: files in one directory.
pub const SALTS: usize = 1_000_000;
/// Tenants' pseudonym keys that one worker remembers.
pub const TENANT_KEYS: usize = 1024;

// buffer -----------------------------------------------------------------------------------

/// One segment file, in bytes.
pub const SEGMENT_BYTES: u64 = 64 * MIB as u64;
/// One durable record, in bytes: the largest request, its growth by edits, and the header.
pub const RECORD_BYTES: usize = REQUEST_BYTES + 16 * MIB;
/// Tenants' lanes alive at once.
pub const LANES: usize = 16_384;
/// What one lane may send before the next has its turn, in bytes.
pub const LANE_QUANTUM_BYTES: usize = MIB / 4;
/// Space held back so that a full disk can still be drained, in bytes.
pub const DISK_RESERVE_BYTES: usize = MIB;
/// Data of rejected batches in one answer of the admin API, in bytes as they are kept.
pub const ADMIN_BATCHES_BYTES: usize = 4 * MIB;
/// Tenants that move at once.
pub const MOVES: usize = 1024;
/// Tenants whose data is held at once; each has a journal of its own.
pub const HELD_TENANTS: usize = 32;
/// Records handed to one reader and not yet committed.
pub const OUTSTANDING_RECORDS: usize = 65_536;
/// Damaged records kept aside for a person to look at, in bytes.
pub const CORRUPT_KEPT_BYTES: u64 = 64 * MIB as u64;
/// Attempts to read one place of a disk, at least, before it is taken as damaged.
pub const READ_ATTEMPTS: u32 = 5;
/// How long a place of a disk is tried, at least, before it is taken as damaged.
pub const READ_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// Groups (tenant, reason, signal) that a listing of the quarantine tells apart.
pub const QUARANTINE_GROUPS: usize = 100_000;
/// Keys of the quarantine that were in use before.
pub const QUARANTINE_PREVIOUS_KEYS: usize = 16;
/// Batches that `portcullis quarantine show` prints at once.
pub const QUARANTINE_SHOWN: usize = 10_000;
/// Rejected batches waiting to be written to the quarantine.
pub const QUARANTINE_QUEUE: usize = 256;
/// Bytes of rejected batches waiting to be written to the quarantine.
pub const QUARANTINE_QUEUE_BYTES: usize = 32 * MIB;

// usage ------------------------------------------------------------------------------------

/// How often what has passed is counted.
pub const USAGE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Rows (tenant, signal, tier) of one day; what is past it counts for the nil tenant.
pub const USAGE_ROWS: usize = 100_000;
/// Days that are still counted at once; of one that is past it, everything counts for the nil tenant.
pub const USAGE_OPEN_DAYS: usize = 64;
/// Records that a reader was given and that are not counted yet, remembered for each reader.
pub const USAGE_FATES: usize = 1 << 20;
/// Ranges of sequences that were passed and not seen, remembered.
pub const USAGE_GAPS: usize = 4096;
/// One file of usage, in bytes.
pub const USAGE_FILE_BYTES: u64 = 512 * MIB as u64;
/// Space held back so that usage can be written on a full disk, in bytes, at least.
pub const USAGE_RESERVE_BYTES: usize = MIB / 4;

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
/// Audit lines that wait for their file.
pub const AUDIT_QUEUE: usize = 4096;
/// The audit file, in bytes, before it is rotated; as much again is kept of the one before.
pub const AUDIT_FILE_BYTES: u64 = 16 * MIB as u64;
/// Who writes for whom (principal, tenant, signal) as the audit tells them apart.
pub const AUDITED_PAIRS: usize = 4096;
/// Lines that one warning or error call site may write in [`LOG_WINDOW_SECONDS`].
pub const LOG_LINES_PER_CALL_SITE: u32 = 10;
/// The window of [`LOG_LINES_PER_CALL_SITE`], in seconds.
pub const LOG_WINDOW_SECONDS: u64 = 10;
/// Counters that one worker caches, in (metric, signal, tenant) entries.
pub const CACHED_COUNTERS: usize = 4096;

// prometheus -------------------------------------------------------------------------------

/// Series of one tenant on the scrape endpoint, by default.
pub const PROMETHEUS_TENANT_SERIES: usize = 10_000;
/// Series of all tenants on the scrape endpoint, by default.
pub const PROMETHEUS_SERIES: usize = 1_000_000;
/// Labels of one series, by default.
pub const PROMETHEUS_LABELS: usize = 64;
/// Name of a label, in bytes, by default.
pub const PROMETHEUS_LABEL_NAME_BYTES: usize = 256;
/// Value of a label, in bytes, by default.
pub const PROMETHEUS_LABEL_VALUE_BYTES: usize = 2048;
/// Name of a metric, in bytes.
pub const PROMETHEUS_NAME_BYTES: usize = 512;
/// Help text of a metric, in bytes; longer text is cut.
pub const PROMETHEUS_HELP_BYTES: usize = 1024;
/// Buckets of one explicit histogram, or quantiles of one summary.
pub const PROMETHEUS_BUCKETS: usize = 512;
/// Buckets on either side of zero that an exponential histogram keeps.
pub const PROMETHEUS_EXPONENTIAL_STATE: usize = 160;
/// Connections open at once on the scrape endpoint.
pub const PROMETHEUS_CONNECTIONS: usize = 64;
/// Scrapes rendered at once; further ones wait.
pub const PROMETHEUS_SCRAPES: usize = 2;
/// Time to send a request's head, or to take an answer, on the scrape endpoint, in seconds.
pub const PROMETHEUS_TIMEOUT_SECONDS: u64 = 30;
/// Buckets that an exponential histogram is shown with, by default.
pub const PROMETHEUS_EXPONENTIAL_BUCKETS: usize = 32;

// Command line

/// Longest line that `redact` takes, in bytes.
pub const REDACT_LINE_BYTES: usize = 64 * MIB;
/// Longest private key that `redact` takes as one, in bytes.
pub const REDACT_BLOCK_BYTES: usize = 64 * 1024;
/// Bytes that `redact` reads and writes at once.
pub const REDACT_BUFFER_BYTES: usize = 256 * 1024;
/// Window of a zstd frame that `redact` reads, as a power of two (128 MiB, what `zstd -d` takes unasked).
pub const REDACT_ZSTD_WINDOW_LOG: u32 = 27;
/// Longest text that `explain` takes, in bytes.
pub const EXPLAIN_BYTES: usize = MIB;

const _: () = assert!(MENTION_PATTERNS * MENTION_NAME_BYTES <= u32::MAX as usize);
const _: () = assert!(TRANSFORM_DEPTH * 3 + 10 < DEPTH);
const _: () = assert!(INHERIT_LEAST_TRACES >= INHERIT_SHARDS * 2 && INHERIT_LEAST_TRACES <= INHERIT_TRACES);
const _: () = assert!(TENANT_ALIASES + OWN_ATTRIBUTES <= u8::MAX as usize);
const _: () = assert!(RESPONSE_BYTES < REQUEST_BYTES);
const _: () = assert!(REQUEST_BYTES < RECORD_BYTES);
const _: () = assert!(RECORD_BYTES < u32::MAX as usize);
const _: () = assert!(PROMETHEUS_TENANT_SERIES <= PROMETHEUS_SERIES);
const _: () = assert!(PROMETHEUS_EXPONENTIAL_BUCKETS <= PROMETHEUS_EXPONENTIAL_STATE);
const _: () = assert!(REQUEST_BYTES * 2 <= IN_FLIGHT_BYTES);
const _: () = assert!(1usize << ZSTD_WINDOW_LOG <= REQUEST_BYTES);
const _: () = assert!(NDJSON_LINE_BYTES <= REQUEST_BYTES && DISCARD_BYTES <= REQUEST_BYTES);
