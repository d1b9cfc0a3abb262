//! OTLP/JSON to protobuf and back, by the schema table.
