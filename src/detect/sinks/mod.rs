//! Where findings go beside the file, the log records and the counter.

pub mod alerts;
pub mod settings;
pub mod signature;
pub mod webhook;
