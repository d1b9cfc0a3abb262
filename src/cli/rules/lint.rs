//! `rules lint`: what is wrong with rule packs, or hardly meant.

use std::{fmt::Write, path::PathBuf};

use serde_json::{Value, json};

use super::{Code, ConfigArgs, Failure, print, read, settings};
use crate::scrub::{
    Scrubber, Settings,
    lint::{Level, Lint, lint},
    pack,
};

/// The options of `portcullis rules lint`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LintArgs {
    /// Rule packs; without any, those that the configuration names
    #[arg(value_name = "PACK")]
    pub packs: Vec<PathBuf>,
    /// End with code 1 if there is a warning, too
    #[arg(long)]
    pub deny_warnings: bool,
    /// Answer with JSON
    #[arg(long)]
    pub json: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

pub(super) fn run(args: &LintArgs) -> Result<Code, Failure> {
    let found = found(args)?;
    print(&if args.json { as_json(&found) } else { as_text(&found) })?;
    let bad = if args.deny_warnings { Level::Warning } else { Level::Error };
    Ok(if found.iter().any(|lint| lint.level >= bad) { Code::Failed } else { Code::Ok })
}

fn found(args: &LintArgs) -> Result<Vec<Lint>, Failure> {
    let (packs, settings) = if args.packs.is_empty() {
        let settings = settings(&args.config)?;
        (Scrubber::packs(&settings), settings)
    } else {
        let texts = args.packs.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        let packs = texts.iter().map(|(file, text)| pack::read(file, text)).collect();
        (packs, Settings::default())
    };
    Ok(match packs {
        Ok(packs) => lint(&packs, &settings),
        Err(problem) => vec![Lint { level: Level::Error, problem }],
    })
}

fn as_json(found: &[Lint]) -> String {
    let all = found.iter().map(|Lint { level, problem }| {
        json!({
            "level": level.as_str(), "file": problem.file, "line": problem.line, "column": problem.column,
            "rule": problem.rule, "message": problem.message, "hint": problem.hint,
        })
    });
    format!("{}\n", Value::from_iter(all))
}

fn as_text(found: &[Lint]) -> String {
    let mut out = String::new();
    for lint in found {
        let _ = writeln!(out, "{lint}");
    }
    let count = |level: Level| found.iter().filter(|lint| lint.level == level).count();
    let counts = [Level::Error, Level::Warning, Level::Note].map(|level| {
        let (count, name) = (count(level), level.as_str());
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    });
    let _ = writeln!(out, "{}", counts.join(", "));
    out
}
