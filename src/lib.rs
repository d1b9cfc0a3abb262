//! Portcullis: the gate in front of a multi-tenant company's telemetry.
//!
//! The modules stand in the order in which data meets them:
//!
//! ```text
//! receive -> identify -> transform -> detect -> scrub -> buffer -> export
//! ```
//!
//! A batch is immutable OTLP bytes plus a list of edits; it travels one fixed
//! path ([`gateway`]), and only the policy it is held against changes.
#![deny(unsafe_code)]

pub mod batch;
pub mod limits;
pub mod receipt;

pub mod config;
pub mod policy;

pub mod wire;

pub mod receive;

pub mod identify;

pub mod transform;

pub mod detect;

pub mod scrub;

pub mod buffer;

pub mod export;

pub mod usage;

pub mod gateway;
pub mod telemetry;

pub mod admin;
pub mod cli;
