//! `inventory`: which fields a stream has, what is found in them, and a policy to begin with.

use std::{
    fmt::Write,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
};

use serde_json::{Map, Value, json};

use super::{Code, Failure, config::ConfigArgs, redact::scrubber, say, show};
use crate::{
    limits,
    scrub::{Field, Inventory, Proposal},
};

/// The options of `portcullis inventory`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct InventoryArgs {
    /// Files with a record a line: OTLP/JSON requests, JSON objects, or text; without any, standard input
    #[arg(value_name = "FILE")]
    pub inputs: Vec<PathBuf>,
    /// Answer with one JSON object
    #[arg(long)]
    pub json: bool,
    /// Write the proposed configuration there, to be read and changed before use
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The configuration, of which the section `scrub` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Runs it.
///
/// # Errors
/// The configuration cannot be used, or a file cannot be read or written.
pub fn run(args: &InventoryArgs) -> Result<Code, Failure> {
    let scrubber = scrubber(&args.config)?;
    let mut inventory = Inventory::new(&scrubber);
    if args.inputs.is_empty() {
        read("stdin", io::stdin().lock(), &mut inventory)?;
    }
    for path in &args.inputs {
        let name = path.display().to_string();
        read(&name, File::open(path).map_err(|error| Failure::io(&name, &error))?, &mut inventory)?;
    }
    if let Some(path) = &args.policy {
        fs::write(path, policy(&inventory))
            .map_err(|error| Failure::io(&path.display().to_string(), &error))?;
        say(&format!("{}: a proposal; read it before you use it", path.display()));
    }
    show(&if args.json { as_json(&inventory) } else { as_text(&inventory) })?;
    Ok(Code::Ok)
}

fn read(name: &str, input: impl Read, inventory: &mut Inventory<'_>) -> Result<(), Failure> {
    let mut reader = BufReader::with_capacity(limits::REDACT_BUFFER_BYTES, input);
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let room = limits::REDACT_LINE_BYTES as u64 + 1;
        let got = reader.by_ref().take(room).read_until(b'\n', &mut line);
        if got.map_err(|error| Failure::io(name, &error))? == 0 {
            break;
        }
        if line.len() > limits::REDACT_LINE_BYTES {
            let bound = limits::REDACT_LINE_BYTES;
            return Err(Failure::failed(format!("{name}:{number}: longer than {bound} bytes")));
        }
        let text = String::from_utf8_lossy(&line);
        match serde_json::from_str::<Value>(text.trim()) {
            Ok(Value::Object(object)) => take(object, inventory),
            _ if text.trim().is_empty() => {}
            _ => {
                inventory.record("");
                inventory.add("", "body", "", text.trim_end());
            }
        }
    }
    Ok(())
}

/// An OTLP request or a record of its own.
fn take(mut object: Map<String, Value>, inventory: &mut Inventory<'_>) {
    // A recorded stream wraps each request.
    if let Some(Value::Object(request)) = object.remove("request") {
        object = request;
    }
    let trees = [
        ("resourceLogs", "scopeLogs", "logRecords"),
        ("resourceSpans", "scopeSpans", "spans"),
        ("resourceMetrics", "scopeMetrics", "metrics"),
    ];
    let mut otlp = false;
    for (resources, scopes, items) in trees {
        for resource in list(object.get(resources)) {
            otlp = true;
            let attributes = list(resource.pointer("/resource/attributes"));
            let service = attributes.iter().find(|pair| pair["key"] == "service.name");
            let service = service.and_then(|pair| pair.pointer("/value/stringValue")).and_then(Value::as_str);
            let service = service.unwrap_or_default().to_owned();
            pairs(&service, "resource", attributes, inventory);
            for item in list(resource.get(scopes)).iter().flat_map(|scope| list(scope.get(items))) {
                inventory.record(&service);
                walk(&service, "", "", item, inventory, 0);
            }
        }
    }
    if !otlp {
        let name =
            ["service.name", "service_name", "service"].iter().find_map(|key| object.get(*key)?.as_str());
        let service = name.unwrap_or_default().to_owned();
        inventory.record(&service);
        walk(&service, "", "", &Value::Object(object), inventory, 0);
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Attributes as OTLP has them: a list of keys and values.
fn pairs(service: &str, path: &str, attributes: &[Value], inventory: &mut Inventory<'_>) {
    for pair in attributes {
        let key = pair["key"].as_str().unwrap_or_default();
        walk(service, &join(path, key), key, &pair["value"], inventory, 1);
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Every text and number of a value, under its path. OTLP's own wrappers are no part of a path, nor are places in
/// a list.
fn walk(service: &str, path: &str, key: &str, value: &Value, inventory: &mut Inventory<'_>, depth: usize) {
    const WRAPPERS: [&str; 8] = [
        "stringValue",
        "intValue",
        "doubleValue",
        "boolValue",
        "arrayValue",
        "kvlistValue",
        "bytesValue",
        "values",
    ];
    match value {
        _ if depth > limits::INVENTORY_DEPTH => {}
        Value::Null | Value::Bool(_) => {}
        Value::String(text) => inventory.add(service, path, key, text),
        Value::Number(number) => inventory.add(service, path, key, &number.to_string()),
        Value::Array(items)
            if items.iter().all(|item| item.get("key").is_some() && item.get("value").is_some()) =>
        {
            pairs(service, path, items, inventory);
        }
        Value::Array(items) => {
            items.iter().for_each(|item| walk(service, path, key, item, inventory, depth + 1));
        }
        Value::Object(members) => {
            for (name, member) in members {
                if OWN.contains(&name.as_str()) {
                    continue;
                }
                if WRAPPERS.contains(&name.as_str()) {
                    walk(service, path, key, member, inventory, depth + 1);
                } else {
                    walk(service, &join(path, name), name, member, inventory, depth + 1);
                }
            }
        }
    }
}

/// What OTLP says of an item itself: times, ids and numbers of kinds.
const OWN: [&str; 12] = [
    "timeUnixNano",
    "observedTimeUnixNano",
    "startTimeUnixNano",
    "endTimeUnixNano",
    "traceId",
    "spanId",
    "parentSpanId",
    "flags",
    "kind",
    "severityNumber",
    "aggregationTemporality",
    "droppedAttributesCount",
];

fn percent(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { (part as f64 * 1000.0 / all as f64).round() / 10.0 }
}

fn found(field: &Field) -> String {
    let mut types: Vec<_> = field.types.iter().collect();
    types.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), *kind));
    let each = types.iter().map(|(kind, count)| format!("{kind} {}%", percent(**count, field.values)));
    each.collect::<Vec<_>>().join(", ")
}

fn as_text(inventory: &Inventory<'_>) -> String {
    let mut out = String::new();
    let mut last = None;
    let width = inventory.fields.keys().map(|(_, path)| path.chars().count()).max().unwrap_or(0).clamp(5, 48);
    for ((service, path), field) in &inventory.fields {
        if last != Some(service) {
            last = Some(service);
            let records = inventory.records.get(service).copied().unwrap_or(0);
            let name = if service.is_empty() { "(no service)" } else { service };
            let _ = writeln!(out, "{}{name}: {records} records", if out.is_empty() { "" } else { "\n" });
            let _ = writeln!(
                out,
                "  {:<8} {:<width$} {:>9} {:>6}  found",
                "proposal", "field", "values", "prose"
            );
        }
        let prose = format!("{:.0}%", field.habit.prose() * 100.0);
        let proposal = field.proposal().as_str();
        let line = format!("  {proposal:<8} {path:<width$} {:>9} {prose:>6}  {}", field.values, found(field));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if inventory.left_out > 0 {
        let _ = writeln!(out, "\n{} values of further fields were left out", inventory.left_out);
    }
    if out.is_empty() {
        out.push_str("no records\n");
    }
    out
}

fn as_json(inventory: &Inventory<'_>) -> String {
    let fields = inventory.fields.iter().map(|((service, path), field)| {
        json!({
            "service": service, "field": path, "values": field.values, "types": field.types, "whole": field.whole,
            "prose": field.habit.prose(), "proposal": field.proposal().as_str(),
        })
    });
    let fields: Vec<_> = fields.collect();
    let all = json!({ "records": inventory.records, "fields": fields, "left_out": inventory.left_out });
    format!("{all:#}\n")
}

/// A configuration that does what is proposed.
fn policy(inventory: &Inventory<'_>) -> String {
    let mut keys = Vec::new();
    let mut bodies = Vec::new();
    for ((service, path), field) in &inventory.fields {
        match (field.proposal(), path.strip_prefix("attributes.")) {
            (Proposal::Content | Proposal::Drop, Some(key)) => keys.push(key.to_ascii_lowercase()),
            (Proposal::Content, None) => bodies.push(format!("{path} of {}", json!(service))),
            _ => {}
        }
    }
    keys.sort();
    keys.dedup();
    let mut out =
        String::from("# Proposed by `portcullis inventory` from what it saw. Read it before you use it.\n");
    for body in &bodies {
        let _ = writeln!(
            out,
            "# People seem to write in {body}: move it to an attribute and name that below, or drop it."
        );
    }
    if keys.is_empty() {
        out.push_str("# Nothing to do beyond the built-in rules.\n");
    } else {
        out.push_str("# Attributes that people fill, or that hold nothing but personal data or secrets: they go as a whole,\n");
        out.push_str("# after detection has seen them.\n");
        let _ = writeln!(out, "scrub:\n  content: drop\n  content_keys:");
        keys.iter().for_each(|key| _ = writeln!(out, "    - {}", json!(key)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config,
        scrub::{Scrubber, Settings},
    };

    fn lines() -> String {
        let mut out = String::new();
        let nouns = [
            "order", "invoice", "parcel", "refund", "chair", "lamp", "table", "coat", "book", "phone",
            "card", "box",
        ];
        for (i, noun) in nouns.iter().enumerate() {
            let record = json!({
                "body": { "stringValue": format!("GET /orders/{i} 200 from 203.0.113.{i}") },
                "attributes": [
                    { "key": "chat.message", "value": { "stringValue": format!("Where is the {noun} that I have asked you for?") } },
                    { "key": "user.mail", "value": { "stringValue": format!("jane{i}@example.com") } },
                    { "key": "http.route", "value": { "stringValue": "/orders/:id" } },
                ],
            });
            let resource =
                json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] });
            let request = json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [record] }] }] });
            out.push_str(&format!("{request}\n"));
        }
        out + "{\"service\":\"cron\",\"msg\":\"done\",\"took_ms\":4}\nplain line of 203.0.113.9\n"
    }

    /// Scenario: OTLP, JSON and text lines. Guarantee: every field is there with what is found in it and what to do;
    /// no value is shown; the proposed configuration is one.
    #[test]
    fn fields_are_told_and_values_are_not() {
        let scrubber = Scrubber::new(&Settings::default()).unwrap();
        let mut inventory = Inventory::new(&scrubber);
        read("test", lines().as_bytes(), &mut inventory).unwrap();
        let proposal =
            |service: &str, path: &str| inventory.fields[&(service.into(), path.into())].proposal();
        assert_eq!(proposal("shop", "attributes.chat.message"), Proposal::Content);
        assert_eq!(proposal("shop", "attributes.user.mail"), Proposal::Drop);
        assert_eq!(proposal("shop", "attributes.http.route"), Proposal::Allow);
        assert_eq!(proposal("shop", "body"), Proposal::Redact);
        assert_eq!(proposal("cron", "took_ms"), Proposal::Allow);
        assert_eq!(proposal("", "body"), Proposal::Redact);
        let shown = as_text(&inventory) + &as_json(&inventory) + &policy(&inventory);
        assert!(!shown.contains("jane") && !shown.contains("203.0"), "{shown}");
        let policy = policy(&inventory);
        assert!(policy.contains("chat.message") && policy.contains("user.mail"), "{policy}");
        let document = config::Document::parse("policy.yaml", &policy, config::Options::default()).unwrap();
        let read: Result<config::Config, _> = document.decode();
        assert!(read.is_ok(), "{policy}");
    }
}
