//! The verbs of the command line.

pub mod bench;
pub mod config;
pub mod demo;
