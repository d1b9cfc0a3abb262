//! The scrape endpoint: ingested OTLP metrics of all tenants, kept in memory and rendered on
//! demand, beside the gate's own.
//!
//! - [`Store`] takes scrubbed batches from the workers and holds each tenant's series apart: the
//!   label `tenant_id` is written from the holder, never from the data, so a series cannot be
//!   shown under another tenant.
//! - Names follow the OpenTelemetry to Prometheus rules. **Deviation:** `tenant_id` is part of
//!   every series' identity *including* `target_info`, because two tenants may run services of
//!   one `job` and `instance`. Join with `on (tenant_id, job, instance)`.
//! - `job` and `instance` come from the data: a scraping Prometheus needs `honor_labels: true`.
//! - Deltas become cumulative here, with state bounded by the series limits. Exponential
//!   histograms are kept with their scale and shown as explicit buckets in text formats; a
//!   protobuf format would show them natively from the same state.
//! - [`Store::samples`] is the seam for remote write: a snapshot of all samples. A series that an
//!   earlier snapshot had and a later one has not (expired, no recorded value, tenant deleted) is
//!   the one to end with a stale marker; on a scrape, Prometheus does that itself.
//! - The type of a family is one for all tenants: the first to send it decides, and another type
//!   under the same name is dropped and counted until no series of the first is left.

mod exponential;
mod family;
mod label;
mod merge;
mod name;
mod negotiate;
mod render;
mod server;
mod settings;
mod store;
mod tenant;
mod value;

#[cfg(test)]
mod tests;

pub use label::decode as decode_labels;
pub use merge::{Scrape, page, scrape};
pub use negotiate::{Escaping, Format, Kind as FormatKind, accepts_gzip, negotiate};
pub use render::Sample;
pub use server::serve;
pub use settings::Settings;
pub use store::{Store, Tally};
pub use tenant::Rejection;
