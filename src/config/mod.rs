//! The process's configuration: raw YAML becomes one compiled value, once, at the edge.
//!
//! [`Document`] is the files and the command line as one value that remembers its places;
//! a stage's `Settings` is decoded from it, and every mistake says file, line and column.

mod decode;
mod document;
pub mod duration;
mod error;
mod interpolate;
mod node;
mod print;
mod reference;
mod secret;
mod settings;
pub mod watch;
mod whole;
mod yaml;

pub use document::{Document, Options, read_text};
pub use error::{ConfigError, ConfigErrors, Place, nearest};
pub use interpolate::Environment;
pub use print::{hash, print_config, to_yaml};
pub use reference::{reference_markdown, schema};
pub use secret::Secret;
pub use settings::{Config, Process};
pub use whole::write_whole;

#[cfg(test)]
mod tests;
