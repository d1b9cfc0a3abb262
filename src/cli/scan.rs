//! `scan`: detection over a recorded stream.

use std::path::PathBuf;

use super::{Code, Failure, config::ConfigArgs, say};
use crate::{
    config::{Config, Environment},
    detect::scan,
};

/// The options of `portcullis scan`.
#[derive(Debug, Clone, clap::Args)]
pub struct ScanArgs {
    /// Folder with stream.ndjson or files of OTLP/JSON; tenants.json, context.json and schema.sql may stand beside
    pub directory: PathBuf,
    /// Whose `detect` section counts (mapping, who may cross tenants, ...)
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where findings go, one JSON object a line
    #[arg(long, value_name = "FILE", default_value = "findings.ndjson")]
    pub findings: PathBuf,
}

/// Runs it.
///
/// # Errors
/// A file is missing or cannot be read or written.
pub fn run(args: &ScanArgs) -> Result<Code, Failure> {
    let config: Config = args.config.load(Environment::Process)?.decode()?;
    let summary = scan::run(&args.directory, &args.findings, &config.detect).map_err(Failure::failed)?;
    say(&format!(
        "{} requests, {} items, {} observations, {} findings, {} suppressed, {} malformed lines",
        summary.requests,
        summary.items,
        summary.observations,
        summary.findings,
        summary.suppressed,
        summary.malformed
    ));
    Ok(Code::Ok)
}
