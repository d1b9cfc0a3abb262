//! The receivers from outside: real clients and hostile bytes against a gateway that records.

mod admin;
mod grpc;
mod http;
mod support;
mod tls;
