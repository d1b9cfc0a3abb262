//! `test`: runs the examples of rules, as a test runner does.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use super::{Code, ConfigArgs, Failure, Pack, pack, print, read, settings, unusable};
use crate::scrub::{ExampleFailure, run_examples};

/// The options of `portcullis test`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TestArgs {
    /// Rule packs to test, alone and together; without any, those that the configuration names
    #[arg(value_name = "PACK")]
    pub packs: Vec<PathBuf>,
    /// Say only what failed
    #[arg(long, short)]
    pub quiet: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Runs it.
///
/// # Errors
/// The configuration or a pack cannot be used.
pub fn run(args: &TestArgs) -> Result<Code, Failure> {
    let packs = packs(args)?;
    let report = run_examples(&packs).map_err(unusable)?;
    let mut failures: BTreeMap<(&str, &str), Vec<&ExampleFailure>> = BTreeMap::new();
    for failure in &report.failures {
        failures.entry((&failure.file, &failure.rule)).or_default().push(failure);
    }
    let mut text = String::new();
    for pack in &packs {
        let rules = pack.rules.iter().map(|(rule, _)| (&rule.id, rule.matches.len() + rule.no_match.len()));
        let keys = pack.keys.iter().map(|(rule, _)| (&rule.id, rule.matches.len() + rule.no_match.len()));
        for (id, examples) in rules.chain(keys) {
            match failures.get(&(pack.file.as_str(), id.as_str())) {
                Some(failed) => {
                    let _ = writeln!(text, "FAILED  {id}");
                    failed.iter().for_each(|failure| {
                        _ = writeln!(text, "        {}:{}: {}", failure.file, failure.line, failure.said())
                    });
                }
                None if args.quiet => {}
                None if examples == 0 => _ = writeln!(text, "ok      {id} (no examples)"),
                None => _ = writeln!(text, "ok      {id} ({examples} examples)"),
            }
        }
    }
    let failed = failures.len();
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let _ = writeln!(
        text,
        "\n{verdict}: {} rules, {} examples; {failed} rules failed in {} examples",
        report.rules,
        report.examples,
        report.failures.len()
    );
    print(&text)?;
    Ok(if failed == 0 { Code::Ok } else { Code::Failed })
}

fn packs(args: &TestArgs) -> Result<Vec<Pack>, Failure> {
    if args.packs.is_empty() {
        return super::packs(&settings(&args.config)?);
    }
    let one = |path: &PathBuf| {
        let (file, text) = read(path)?;
        pack::read(&file, &text).map_err(unusable)
    };
    let mut packs: Vec<Pack> = args.packs.iter().map(one).collect::<Result<_, _>>()?;
    // A pack is tested without the one that it overrides rules of.
    let _ = pack::apply_overrides(&mut packs);
    Ok(packs)
}
