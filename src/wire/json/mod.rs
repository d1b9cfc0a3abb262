//! OTLP/JSON to protobuf and back, by the schema table.
//!
//! OTLP/JSON is the JSON mapping of proto3 with four differences: trace and span ids are
//! hexadecimal, enumerations are integers, keys are lowerCamelCase only, and unknown keys are
//! ignored. Neither direction builds a tree: each reads its input once and writes one buffer.
//! Source: the OTLP specification, "JSON Protobuf Encoding"; the proto3 JSON mapping.

mod decode;
mod encode;

pub use decode::decode;
pub use encode::encode;
