//! The configuration's JSON Schema, and its reference page, both made from the types.

use std::fmt::Write;

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// The deepest section of the reference; a type that holds itself ends there.
const DEPTH: usize = 6;

/// The JSON Schema (2020-12) of a configuration type.
pub fn schema<T: JsonSchema>() -> Value {
    schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}

/// A Markdown page with one table a section: key, type, default, description.
pub fn reference_markdown(schema: &Value) -> String {
    let mut page = Page { root: schema, text: String::new(), open: Vec::new() };
    page.text.push_str(
        "# Configuration reference\n\nMade from the types by `portcullis schema --markdown`; do not edit.\n",
    );
    if let Some(about) = text_of(schema, "description") {
        let _ = write!(page.text, "\n{about}\n");
    }
    page.section("", schema, 2);
    page.text
}

struct Page<'a> {
    root: &'a Value,
    text: String,
    /// The references that are being followed.
    open: Vec<String>,
}

impl<'a> Page<'a> {
    fn resolve(&self, schema: &'a Value) -> (&'a Value, Option<&'a str>) {
        let mut schema = schema;
        let mut name = None;
        for _ in 0..DEPTH {
            // An optional type is `anyOf: [it, null]`; a commented reference is `allOf: [it]`.
            let single = ["anyOf", "allOf", "oneOf"].iter().find_map(|word| {
                let mut some =
                    schema.get(*word)?.as_array()?.iter().filter(|s| text_of(s, "type") != Some("null"));
                some.next().filter(|_| some.next().is_none())
            });
            let target = schema.get("$ref").and_then(Value::as_str);
            match (target, single) {
                (Some(target), _) => {
                    match target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                        Some(found) => (schema, name) = (found, Some(target)),
                        None => break,
                    }
                }
                (None, Some(inner)) => schema = inner,
                (None, None) => break,
            }
        }
        (schema, name)
    }

    fn section(&mut self, path: &str, schema: &'a Value, level: usize) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map_or_else(Vec::new, |names| names.iter().filter_map(Value::as_str).collect());
        self.table(properties, &required);
        for (name, property) in properties {
            let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.below(&below, property, level);
        }
    }

    fn table(&mut self, properties: &'a Map<String, Value>, required: &[&str]) {
        if properties.is_empty() {
            return;
        }
        self.text.push_str("\n| key | type | default | description |\n|---|---|---|---|\n");
        for (name, property) in properties {
            let kind = self.kind(property, 0);
            let default = match property.get("default") {
                Some(Value::Object(_)) => String::new(),
                Some(Value::Array(items)) if !items.is_empty() && items.iter().any(Value::is_object) => {
                    String::new()
                }
                Some(Value::Null) => "none".into(),
                Some(value) => format!("`{value}`"),
                None if required.contains(&name.as_str()) => "required".into(),
                None => String::new(),
            };
            let about = text_of(property, "description")
                .or_else(|| text_of(self.resolve(property).0, "description"))
                .unwrap_or_default();
            let row = [format!("`{name}`"), kind, default, about.to_owned()].map(|cell| cell_of(&cell));
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
    }

    /// The sections of what a property holds.
    fn below(&mut self, path: &str, property: &'a Value, level: usize) {
        let (schema, name) = self.resolve(property);
        if level > DEPTH {
            return;
        }
        if let Some(name) = name {
            if self.open.iter().any(|open| open == name) {
                return;
            }
            self.open.push(name.to_owned());
        }
        if schema.get("properties").is_some() {
            self.heading(path, schema, level);
            self.section(path, schema, level + 1);
        } else if let Some(items) = schema.get("items") {
            self.below(&format!("{path}[]"), items, level);
        } else if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            self.below(&format!("{path}.<name>"), values, level);
        } else if let Some(variants) =
            schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array)
            && variants.iter().any(|variant| self.resolve(variant).0.get("properties").is_some())
        {
            self.heading(path, schema, level);
            self.text.push_str("\nOne of:\n");
            for variant in variants {
                let (variant, _) = self.resolve(variant);
                if let Some(about) = text_of(variant, "description") {
                    let _ = write!(self.text, "\n{about}\n");
                }
                match variant.get("properties") {
                    Some(_) => self.section(path, variant, level + 1),
                    None => {
                        let kind = self.kind(variant, 0);
                        let _ = write!(self.text, "\n- {kind}\n");
                    }
                }
            }
        }
        if name.is_some() {
            self.open.pop();
        }
    }

    fn heading(&mut self, path: &str, schema: &Value, level: usize) {
        let _ = write!(self.text, "\n{} `{path}`\n", "#".repeat(level.min(DEPTH)));
        if let Some(about) = text_of(schema, "description") {
            let _ = write!(self.text, "\n{about}\n");
        }
    }

    fn kind(&self, property: &'a Value, depth: usize) -> String {
        let (schema, _) = self.resolve(property);
        if depth > DEPTH {
            return "any".into();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.iter().map(|value| format!("`{}`", plain(value))).collect::<Vec<_>>().join(", ");
        }
        if let Some(value) = schema.get("const") {
            return format!("`{}`", plain(value));
        }
        if let Some(variants) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array)
        {
            let mut kinds: Vec<String> =
                variants.iter().map(|variant| self.kind(variant, depth + 1)).collect();
            kinds.dedup();
            return kinds.join(", ");
        }
        let one = |name: &str| match name {
            "integer" => "integer".to_owned(),
            "array" => match schema.get("items") {
                Some(items) => format!("list of {}", self.kind(items, depth + 1)),
                None => "list".into(),
            },
            "object" => match schema.get("additionalProperties").filter(|values| values.is_object()) {
                Some(values) => format!("map of {}", self.kind(values, depth + 1)),
                None => "map".into(),
            },
            other => other.to_owned(),
        };
        match schema.get("type") {
            Some(Value::String(name)) => one(name),
            Some(Value::Array(names)) => {
                let names: Vec<String> =
                    names.iter().filter_map(Value::as_str).filter(|name| *name != "null").map(one).collect();
                names.join(" or ")
            }
            _ => "any".into(),
        }
    }
}

fn text_of<'a>(schema: &'a Value, name: &str) -> Option<&'a str> {
    schema.get(name).and_then(Value::as_str)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn cell_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
