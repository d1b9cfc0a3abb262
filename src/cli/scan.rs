//! `scan`: detection over a recorded stream.

use std::path::PathBuf;

use super::{Code, Failure, say};
use crate::detect::scan;

/// The options of `portcullis scan`.
#[derive(Debug, Clone, clap::Args)]
pub struct ScanArgs {
    /// Folder with stream.ndjson, tenants.json and context.json
    pub directory: PathBuf,
    /// Where findings go, one JSON object a line
    #[arg(long, value_name = "FILE", default_value = "findings.ndjson")]
    pub findings: PathBuf,
}

/// Runs it.
///
/// # Errors
/// A file is missing or cannot be read or written.
pub fn run(args: &ScanArgs) -> Result<Code, Failure> {
    let summary = scan::run(&args.directory, &args.findings).map_err(Failure::failed)?;
    say(&format!(
        "{} requests, {} observations, {} findings, {} malformed lines",
        summary.requests, summary.observations, summary.findings, summary.malformed
    ));
    Ok(Code::Ok)
}
