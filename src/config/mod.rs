//! The process's configuration: raw YAML becomes one compiled value, once, at the edge.

pub mod duration;
mod secret;

pub use secret::Secret;
