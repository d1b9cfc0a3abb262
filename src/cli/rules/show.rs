//! `rules show`: all about one rule.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Code, ConfigArgs, Entry, Failure, candidates, packs, print, settings, unusable, written};
use crate::scrub::{
    Filter,
    catalogue::{Spec, catalogue},
    nearest,
};

/// The options of `portcullis rules show`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ShowArgs {
    /// The rule's id
    #[arg(value_name = "RULE")]
    pub id: String,
    /// Answer with one JSON object
    #[arg(long)]
    pub json: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

pub(super) fn run(args: &ShowArgs) -> Result<Code, Failure> {
    let settings = settings(&args.config)?;
    let packs = packs(&settings)?;
    let rules = catalogue(&packs, &settings).map_err(unusable)?;
    let Some(rule) = rules.iter().find(|rule| rule.id() == args.id) else {
        let near = nearest(rules.iter().map(Entry::id), &args.id);
        let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        return Err(Failure::usage(format!("there is no rule {}{hint}", args.id)));
    };
    let fields = fields(rule);
    print(&if args.json { format!("{fields}\n") } else { as_text(&fields) })?;
    Ok(Code::Ok)
}

/// What the pack says, and what the configuration makes of it.
fn fields(rule: &Entry<'_>) -> Value {
    let spec = match rule.spec {
        Spec::Shape(spec) => serde_json::to_value(spec),
        Spec::Key(spec) => serde_json::to_value(spec),
    };
    let mut fields = spec.unwrap_or_default();
    fields["action"] = json!(rule.action);
    fields["reason"] = json!(rule.reason);
    fields["off"] = json!(rule.off);
    fields["candidates"] = json!(candidates(rule));
    fields["file"] = json!(rule.file);
    fields["line"] = json!(rule.place.line);
    if let Some(Filter::Literals(list)) = &rule.filter {
        // Those in force: a pack need not name them.
        fields["literals"] = list.iter().map(|text| String::from_utf8_lossy(text)).collect();
    }
    fields
}

/// The fields in the order in which they are read.
const ORDER: [&str; 22] = [
    "description",
    "source",
    "type",
    "severity",
    "action",
    "reason",
    "candidates",
    "literals",
    "shape",
    "pattern",
    "names",
    "except",
    "value",
    "validator",
    "context",
    "unless",
    "not_near",
    "pairs",
    "whole_line",
    "attribute_only",
    "match",
    "no_match",
];

fn as_text(fields: &Value) -> String {
    let off = if fields["off"] == true { " (off)" } else { "" };
    let place = format!("{}:{}", written(&fields["file"]), fields["line"]);
    let mut out = format!("{}{off}, {place}\n", written(&fields["id"]));
    for name in ORDER {
        let shown = if name == "candidates" { "found by" } else { name };
        match &fields[name] {
            Value::Null | Value::Bool(false) => {}
            Value::String(text) if text.is_empty() => {}
            Value::Array(list) if list.is_empty() => {}
            // An example a line: they have spaces and commas of their own.
            Value::Array(list) if name.ends_with("match") => {
                for (at, example) in list.iter().enumerate() {
                    let _ = writeln!(out, "  {:<15} {example}", if at == 0 { shown } else { "" });
                }
            }
            Value::Array(list) => {
                let list: Vec<_> = list.iter().map(written).collect();
                let _ = writeln!(out, "  {shown:<15} {}", list.join(", "));
            }
            value => _ = writeln!(out, "  {shown:<15} {}", written(value)),
        }
    }
    out
}
