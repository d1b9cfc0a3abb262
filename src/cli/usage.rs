//! `usage`: what tenants used, as the gate counted it.

use super::{Code, Failure, config::ConfigArgs, show};
use crate::{
    batch::TenantId,
    config::{Config, Environment},
    identify::normalise,
    usage::{self, Day, Report},
};

/// How it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people.
    #[default]
    Text,
    /// A list with one object for each day.
    Json,
    /// One line for each tenant, signal and isolation tier; sums over destinations.
    Csv,
}

/// The options of `portcullis usage`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct UsageArgs {
    /// The day, of UTC: YYYY-MM-DD, or `all` that are kept. Without it: today
    #[arg(long, value_name = "DAY", value_parser = days)]
    pub day: Option<Days>,
    /// Only this tenant (uuid); the nil uuid is what no known tenant sent
    #[arg(long, value_name = "TENANT", value_parser = tenant)]
    pub tenant: Option<TenantId>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The configuration, of which the section `buffer` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Which days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Days {
    /// All that are kept.
    All,
    /// One.
    One(Day),
}

fn days(text: &str) -> Result<Days, String> {
    match text {
        "all" => Ok(Days::All),
        day => day.parse().map(Days::One).map_err(|error| format!("{error}, or all")),
    }
}

fn tenant(text: &str) -> Result<TenantId, String> {
    let id = normalise::uuid(text).or_else(|| text.parse().ok());
    id.ok_or_else(|| "expected a uuid".into())
}

/// Runs it.
///
/// # Errors
/// The configuration cannot be used, or a file of usage cannot be read.
pub fn run(args: &UsageArgs) -> Result<Code, Failure> {
    let config: Config = args.config.load(Environment::Process)?.decode()?;
    let day = match args.day {
        Some(Days::All) => None,
        Some(Days::One(day)) => Some(day),
        None => Some(Day::today()),
    };
    let directory = config.buffer.directory;
    let reports = usage::read(&directory, day, args.tenant)
        .map_err(|error| Failure::failed(format!("usage in {}: {error}", directory.display())))?;
    show(&written(&reports, args.format))?;
    Ok(Code::Ok)
}

fn written(reports: &[Report], format: Format) -> String {
    match format {
        Format::Text => reports.iter().map(Report::text).collect::<Vec<_>>().join("\n"),
        Format::Json => serde_json::to_string_pretty(reports).unwrap_or_default() + "\n",
        Format::Csv => {
            let mut text = Report::csv_head();
            reports.iter().for_each(|report| report.csv_rows(&mut text));
            text
        }
    }
}
