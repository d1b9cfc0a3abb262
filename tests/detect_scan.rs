//! The offline scan. With `PORTCULLIS_SCAN=<dir>` and `PORTCULLIS_FINDINGS=<file>` it runs over a
//! recorded stream of one's own, which is how the detectors are measured.

use std::path::PathBuf;

use portcullis::detect::scan;

/// Scenario: a folder given by the environment. Guarantee: it is scanned, and its sizes are shown.
#[test]
fn a_stream_of_ones_own() {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let (Some(dir), Some(out)) = (path("PORTCULLIS_SCAN"), path("PORTCULLIS_FINDINGS")) else { return };
    println!("{:?}", scan::run(&dir, &out).unwrap());
}
