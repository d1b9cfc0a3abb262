//! The verbs of the command line.

pub mod config;
pub mod demo;
