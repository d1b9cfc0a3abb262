//! The way out: clean batches to where people look at them.

pub mod console;
pub mod otlp;
pub mod prometheus;
pub mod pump;
pub mod retry;
pub mod route;
pub mod settings;
