//! The gate's view of itself: own metrics, logs and traces, and the events they are made of.

pub mod metrics;
