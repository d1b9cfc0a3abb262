//! The wire against prost.
fn main() {}
