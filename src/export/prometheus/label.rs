//! Labels: attributes as escaped, sorted `name="value"` text.

use std::collections::BTreeMap;

use base64::Engine as _;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};

use super::{family::Kind, name, settings::Settings};

/// The label that only the gate writes.
pub const TENANT: &str = "tenant_id";

/// More labels, or longer ones, than the settings allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch;

/// Labels on their way to a series: sorted, collisions joined.
#[derive(Debug, Clone, Default)]
pub struct Labels(BTreeMap<String, String>);

/// What a resource becomes.
#[derive(Debug, Default)]
pub struct Target {
    /// `job` and `instance`, for every series.
    pub identity: Labels,
    /// The labels of `target_info`; empty if there is nothing to say.
    pub info: Labels,
}

impl Labels {
    /// Sets a label; an empty value is no label.
    pub fn set(&mut self, name: &str, value: String) {
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Adds attributes. Keys that become one label have their values joined by `;`, in the order
    /// of the keys. Names that the gate or the format uses get the prefix `exported_`.
    fn add(&mut self, prefix: &str, attributes: &[KeyValue], taken: &[&str]) {
        let mut sorted: Vec<&KeyValue> = attributes.iter().collect();
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        let mut own: BTreeMap<String, String> = BTreeMap::new();
        for attribute in sorted {
            let mut label = name::label(&format!("{prefix}{}", attribute.key));
            if label == TENANT || label.is_empty() {
                continue;
            }
            if taken.contains(&label.as_str()) || self.0.contains_key(&label) {
                label.insert_str(0, "exported_");
            }
            let value = attribute.value.as_ref().map(text).unwrap_or_default();
            if value.is_empty() {
                continue;
            }
            own.entry(label).and_modify(|v| *v = format!("{v};{value}")).or_insert(value);
        }
        for (label, value) in own {
            self.0.entry(label).or_insert(value);
        }
    }

    /// Adds a data point's attributes.
    pub fn add_point(&mut self, attributes: &[KeyValue], kind: Kind) {
        let taken: &[&str] = match kind {
            Kind::Histogram => &["job", "instance", "le"],
            Kind::Summary => &["job", "instance", "quantile"],
            _ => &["job", "instance"],
        };
        self.add("", attributes, taken);
    }

    /// Adds `otel_scope_*`.
    pub fn add_scope(&mut self, scope: Option<&InstrumentationScope>, schema_url: &str) {
        self.set("otel_scope_schema_url", schema_url.to_owned());
        if let Some(scope) = scope {
            self.set("otel_scope_name", scope.name.clone());
            self.set("otel_scope_version", scope.version.clone());
            let reserved = ["otel_scope_name", "otel_scope_version", "otel_scope_schema_url"];
            self.add("otel_scope_", &scope.attributes, &reserved);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `a="1",b="2"`, escaped.
    ///
    /// # Errors
    /// [`TooMuch`], by the settings' limits.
    pub fn encode(&self, settings: &Settings) -> Result<Box<str>, TooMuch> {
        if self.0.len() > settings.labels {
            return Err(TooMuch);
        }
        let mut out = String::new();
        for (label, value) in &self.0 {
            if label.len() > settings.label_name_bytes || value.len() > settings.label_value_bytes {
                return Err(TooMuch);
            }
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(label);
            out.push_str("=\"");
            escape(&mut out, value);
            out.push('"');
        }
        Ok(out.into())
    }
}

/// A resource as `job`, `instance` and `target_info`.
pub fn target(attributes: &[KeyValue]) -> Target {
    let get = |key: &str| {
        attributes.iter().find(|a| a.key == key).and_then(|a| a.value.as_ref()).map(text).unwrap_or_default()
    };
    let (namespace, service) = (get("service.namespace"), get("service.name"));
    let job = match (namespace.is_empty(), service.is_empty()) {
        (_, true) => String::new(),
        (true, false) => service,
        (false, false) => format!("{namespace}/{service}"),
    };
    let mut identity = Labels::default();
    identity.set("job", job);
    identity.set("instance", get("service.instance.id"));
    let mut info = Labels::default();
    if !identity.is_empty() {
        let rest: Vec<KeyValue> = attributes
            .iter()
            .filter(|a| !matches!(&*a.key, "service.name" | "service.namespace" | "service.instance.id"))
            .cloned()
            .collect();
        info.add("", &rest, &["job", "instance"]);
    }
    Target { identity, info }
}

/// Escapes a label's value.
pub fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// The pairs of an encoded label text, unescaped: for exporters that need them apart.
pub fn decode(mut encoded: &str) -> Vec<(&str, String)> {
    let mut pairs = Vec::new();
    while let Some((label, rest)) = encoded.split_once("=\"") {
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c)) => value.push(c),
                    None => {}
                },
                c => value.push(c),
            }
        }
        pairs.push((label, value));
        encoded = rest[end..].trim_start_matches(',');
    }
    pairs
}

/// An attribute's value as a label's: lists and maps as JSON, bytes as base64.
fn text(value: &AnyValue) -> String {
    match &value.value {
        None => String::new(),
        Some(Value::StringValue(s)) => s.clone(),
        Some(Value::BoolValue(b)) => b.to_string(),
        Some(Value::IntValue(i)) => i.to_string(),
        Some(Value::DoubleValue(d)) => d.to_string(),
        Some(Value::BytesValue(b)) => base64::engine::general_purpose::STANDARD.encode(b),
        Some(_) => json(value).to_string(),
    }
}

fn json(value: &AnyValue) -> serde_json::Value {
    use serde_json::Value as Json;
    match &value.value {
        None => Json::Null,
        Some(Value::StringValue(s)) => Json::from(s.as_str()),
        Some(Value::BoolValue(b)) => Json::from(*b),
        Some(Value::IntValue(i)) => Json::from(*i),
        Some(Value::DoubleValue(d)) => Json::from(*d),
        Some(Value::ArrayValue(list)) => list.values.iter().map(json).collect(),
        Some(Value::KvlistValue(map)) => Json::Object(
            map.values
                .iter()
                .map(|kv| (kv.key.clone(), kv.value.as_ref().map_or(Json::Null, json)))
                .collect(),
        ),
        Some(Value::BytesValue(b)) => Json::from(base64::engine::general_purpose::STANDARD.encode(b)),
        // An index into a string table, which metrics requests do not have.
        Some(_) => Json::Null,
    }
}
