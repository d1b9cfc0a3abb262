//! The wire, held to prost and to the protocol's own descriptors.

mod canary;
mod json;
mod make;
mod oracle;
