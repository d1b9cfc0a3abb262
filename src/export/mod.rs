//! export

pub mod prometheus;
