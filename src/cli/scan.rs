//! `scan`: detection over a recorded stream.

use std::path::PathBuf;

use super::{Code, Failure, config::ConfigArgs, say};
use crate::{
    config::{Config, Environment},
    detect::scan::{self, NotScanned},
};

/// The options of `portcullis scan`.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Exit codes: 0 it was read, whatever was found (each finding is a line of the findings file), 1 reading or \
                        writing broke off, 2 wrong usage, or nothing in a file that is not empty could be read."
)]
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
/// What it was given is missing, cannot be read or is none of the kind: [`Code::Usage`]. The work broke off:
/// [`Code::Failed`].
pub fn run(args: &ScanArgs) -> Result<Code, Failure> {
    let config: Config = args.config.load(Environment::Process)?.decode()?;
    let summary = scan::run(&args.directory, &args.findings, &config.detect);
    let summary = summary.map_err(|why| match why {
        NotScanned::Given(text) => Failure::usage(text),
        NotScanned::Work(text) => Failure::failed(text),
    })?;
    for note in &summary.notes {
        say(note);
    }
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
