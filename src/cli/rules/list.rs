//! `rules list`: the rules in force, one a line.

use serde_json::json;

use super::{Code, ConfigArgs, Entry, Failure, candidates, packs, print, settings, unusable, written};
use crate::scrub::{catalogue::catalogue, nearest};

/// The options of `portcullis rules list`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ListArgs {
    /// Only rules that find this type, EMAIL for example
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Answer with JSON
    #[arg(long)]
    pub json: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

pub(super) fn run(args: &ListArgs) -> Result<Code, Failure> {
    let settings = settings(&args.config)?;
    let packs = packs(&settings)?;
    let mut rules = catalogue(&packs, &settings).map_err(unusable)?;
    if let Some(kind) = &args.kind {
        let kind = kind.to_ascii_uppercase();
        if !rules.iter().any(|rule| rule.kind() == kind) {
            let near = nearest(rules.iter().map(Entry::kind), &kind);
            let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            return Err(Failure::usage(format!("no rule finds the type {kind}{hint}")));
        }
        rules.retain(|rule| rule.kind() == kind);
    }
    print(&if args.json { as_json(&rules) } else { as_text(&rules) })?;
    Ok(Code::Ok)
}

fn as_json(rules: &[Entry<'_>]) -> String {
    let all = rules.iter().map(|rule| {
        json!({
            "id": rule.id(), "type": rule.kind(), "severity": rule.severity(), "action": rule.action, "reason": rule.reason,
            "off": rule.off, "candidates": candidates(rule), "file": rule.file, "line": rule.place.line,
        })
    });
    format!("{}\n", serde_json::Value::from_iter(all))
}

fn as_text(rules: &[Entry<'_>]) -> String {
    let mut rows = vec![["RULE", "TYPE", "SEVERITY", "ACTION", "FOUND BY", "PLACE"].map(str::to_owned)];
    for rule in rules {
        let action = if rule.off { "(off)".into() } else { written(&rule.action) };
        let place = format!("{}:{}", rule.file, rule.place.line);
        let (id, kind, severity) = (rule.id().to_owned(), rule.kind().to_owned(), written(&rule.severity()));
        rows.push([id, kind, severity, action, candidates(rule).into(), place]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}
