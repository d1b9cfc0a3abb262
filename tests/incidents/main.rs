//! Leaks between tenants that happened in public, replayed as telemetry, each with the same traffic in good health.
//!
//! What a report says of a cause is taken from it; where it leaves the mechanism open, the one replayed is an
//! assumption, and said to be. No telemetry of those companies is in here.

mod database;
mod pooled;
mod product;
mod results;
mod shared;
mod stream;
