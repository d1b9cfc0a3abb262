//! `explain`: what the rules find in a text, and why. Values are shown only when asked for.

use std::{
    fmt::Write,
    io::{self, Read},
};

use serde_json::json;

use super::{Code, Failure, config::ConfigArgs, redact::scrubber, show};
use crate::{limits, scrub::Explanation};

/// The options of `portcullis explain`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ExplainArgs {
    /// The text; without it, standard input (which leaves no trace in the shell's history)
    pub text: Vec<String>,
    /// The key that the text stands under, as an attribute's value does
    #[arg(long, default_value = "")]
    pub key: String,
    /// Show the values themselves, and the text as it would leave
    #[arg(long)]
    pub show_values: bool,
    /// Answer with one JSON object
    #[arg(long)]
    pub json: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Runs it.
///
/// # Errors
/// The configuration cannot be used, or the text cannot be read.
pub fn run(args: &ExplainArgs) -> Result<Code, Failure> {
    let text = text(args)?;
    let explanation = scrubber(&args.config)?.explain(&text, &args.key);
    show(&if args.json { as_json(&explanation, &text, args) } else { as_text(&explanation, &text, args) })?;
    Ok(Code::Ok)
}

fn text(args: &ExplainArgs) -> Result<String, Failure> {
    let mut text = args.text.join(" ");
    if args.text.is_empty() {
        let mut bytes = Vec::new();
        io::stdin()
            .lock()
            .take(limits::EXPLAIN_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::io("stdin", &error))?;
        text = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
    }
    if text.len() > limits::EXPLAIN_BYTES {
        return Err(Failure::usage(format!("the text is longer than {} bytes", limits::EXPLAIN_BYTES)));
    }
    Ok(text)
}

/// The bytes from `start` to `end`, if they are text of their own.
fn value(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or("(within a character)")
}

fn as_text(explanation: &Explanation, text: &str, args: &ExplainArgs) -> String {
    let mut out = String::new();
    for find in &explanation.findings {
        let mut why = if find.by_key { "its key tells" } else { "its shape tells" }.to_owned();
        if let Some(validator) = &find.validator {
            let _ = write!(why, ", the validator {validator} says yes");
        }
        if let Some(word) = &find.word {
            let _ = write!(why, ", the word `{word}` is near");
        }
        let severity = format!("{:?}", find.severity).to_lowercase();
        let _ = write!(
            out,
            "found   {} by rule {} at bytes {}..{}: {why}; severity {severity}, action {}",
            find.kind,
            find.rule,
            find.start,
            find.end,
            find.action.as_str()
        );
        if args.show_values {
            let _ = write!(out, ": {:?}", value(text, find.start, find.end));
        }
        out.push('\n');
    }
    for miss in &explanation.near_misses {
        let _ =
            write!(out, "passed  rule {} at bytes {}..{}: {}", miss.rule, miss.start, miss.end, miss.reason);
        if args.show_values {
            let _ = write!(out, ": {:?}", value(text, miss.start, miss.end));
        }
        out.push('\n');
    }
    if explanation.findings.is_empty() {
        out.push_str("nothing is found\n");
    }
    if args.show_values {
        let _ = writeln!(out, "leaves  {:?}", explanation.scrubbed);
    }
    out
}

fn as_json(explanation: &Explanation, text: &str, args: &ExplainArgs) -> String {
    let shown = |start, end| args.show_values.then(|| value(text, start, end));
    let mut findings = Vec::new();
    for find in &explanation.findings {
        let severity = format!("{:?}", find.severity).to_lowercase();
        findings.push(json!({
            "rule": find.rule, "type": find.kind, "severity": severity, "action": find.action.as_str(),
            "start": find.start, "end": find.end, "by_key": find.by_key, "validator": find.validator,
            "word": find.word, "value": shown(find.start, find.end),
        }));
    }
    let mut misses = Vec::new();
    for miss in &explanation.near_misses {
        misses.push(json!({
            "rule": miss.rule, "start": miss.start, "end": miss.end, "reason": miss.reason,
            "value": shown(miss.start, miss.end),
        }));
    }
    let scrubbed = args.show_values.then_some(&explanation.scrubbed);
    format!("{}\n", json!({ "findings": findings, "near_misses": misses, "scrubbed": scrubbed }))
}
