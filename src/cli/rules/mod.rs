//! The verbs about rules: `test`, `rules list`, `rules show`, `rules lint`.

mod lint;
mod list;
mod show;
pub mod test;

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use super::{Code, Failure, config::ConfigArgs, show as print};
use crate::{
    config::{Config, Environment, read_text},
    limits,
    scrub::{Filter, Pack, PackError, Scrubber, Settings, catalogue::Entry, pack},
};

/// What `portcullis rules` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// The rules in force, one a line
    List(list::ListArgs),
    /// All about one rule
    Show(show::ShowArgs),
    /// What is wrong with rule packs, or hardly meant
    Lint(lint::LintArgs),
}

/// Runs it.
///
/// # Errors
/// The configuration or a pack cannot be used, or there is no such rule.
pub fn run(verb: &Verb) -> Result<Code, Failure> {
    match verb {
        Verb::List(args) => list::run(args),
        Verb::Show(args) => show::run(args),
        Verb::Lint(args) => lint::run(args),
    }
}

/// The section `scrub` of the configuration.
fn settings(args: &ConfigArgs) -> Result<Settings, Failure> {
    let config: Config = args.load(Environment::Process)?.decode()?;
    Ok(config.scrub)
}

/// The packs that settings name.
fn packs(settings: &Settings) -> Result<Vec<Pack>, Failure> {
    Scrubber::packs(settings).map_err(unusable)
}

/// The text of a pack, and how messages call it.
fn read(path: &Path) -> Result<(String, String), Failure> {
    Ok((path.display().to_string(), read_text(path, limits::PACK_BYTES)?))
}

fn unusable(error: PackError) -> Failure {
    Failure::usage(error.to_string())
}

/// How a value is written in a pack, on one line.
fn written(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        Ok(Value::Object(object)) => {
            let pairs = object.iter().map(|(name, value)| format!("{name}: {}", written(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// How a rule's candidates are found.
fn candidates(rule: &Entry<'_>) -> &'static str {
    match &rule.filter {
        Some(Filter::Literals(_)) => "literals",
        Some(Filter::Shape(_)) => "shape",
        Some(Filter::None) => "none",
        None => "key",
    }
}
