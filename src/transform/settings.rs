//! Transforms as they are written in YAML.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::batch::Signal;

/// The transforms, in the order in which they run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Settings(pub Vec<TransformSettings>);

/// One transform: what it picks, and what it does to it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransformSettings {
    /// Its name, unique; shown where something is dropped.
    pub name: String,
    /// The signal it is for; all where it is not given.
    #[serde(default)]
    pub signal: Option<Signal>,
    /// What it picks; everything where it is not given.
    #[serde(default, rename = "where")]
    pub selector: Selector,
    /// The operations, in order.
    #[serde(rename = "do")]
    pub operations: Vec<Operation>,
}

/// A condition on a record. All parts that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Ids or slugs of tenants: one, or a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<OneOrMany>,
    /// Values of `resource["service.name"]`: one, or a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<OneOrMany>,
    /// The field that `equals`, `in`, `matches` and `exists` look at, for example `attributes.http.route`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The field is this text, number or boolean. Numbers are equal by value (`1` is `1.0`), text is never a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    /// The field is one of these.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<Value>>,
    /// The field is text in which this regular expression is found. Classes (`\w`, `\d`, `\b`) and case are ASCII; use `^` and `$` to bind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// The field is there (true), or is not (false).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// This does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Selector>>,
    /// All of these hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<Selector>>,
    /// At least one of these holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<Selector>>,
}

/// One operation. Where a field is absent, or of a type that the operation has nothing to do with, nothing happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Reads the text of a field as JSON.
    ParseJson(ParseJson),
    /// Reads `key=value` pairs out of the text of a field.
    ParseKeyValue(ParseKeyValue),
    /// Moves a field; what stood there is replaced.
    Rename(FromTo),
    /// Copies a field; what stood there is replaced.
    Copy(FromTo),
    /// Gives a field a value.
    Set(Set),
    /// Removes one field or several.
    Remove(OneOrMany),
    /// Changes the type of a field.
    Coerce(Coerce),
    /// Writes the text of one field or several in lower case.
    Lowercase(OneOrMany),
    /// Removes every attribute, and everything in the body, but these fields; the tenant stays.
    KeepOnly(OneOrMany),
    /// Drops the record.
    Drop,
    /// Keeps a share of the records.
    Sample(Sample),
}

/// `parse_json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParseJson {
    /// The field with the text.
    #[serde(default = "body")]
    pub from: String,
    /// Where the result goes: in the place of the text where it is not given. With `attributes` its
    /// members become attributes, next to those that are there already, which stay.
    #[serde(default)]
    pub into: Option<String>,
}

/// `parse_key_value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParseKeyValue {
    /// The field with the text.
    #[serde(default = "body")]
    pub from: String,
    /// Where the pairs go; as in `parse_json`.
    #[serde(default = "attributes")]
    pub into: String,
    /// What stands between pairs; white space where it is empty.
    #[serde(default)]
    pub delimiter: String,
    /// What stands between key and value.
    #[serde(default = "equals")]
    pub separator: String,
}

/// A move or a copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromTo {
    /// The field it is now.
    pub from: String,
    /// The field it becomes.
    pub to: String,
}

/// `set`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The field.
    pub field: String,
    /// Its value: text, a number, a boolean, a list or a map.
    pub value: Value,
}

/// `coerce`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coerce {
    /// The field.
    pub field: String,
    /// Its new type.
    pub to: Type,
}

/// A type that `coerce` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// A 64-bit integer; a fraction is cut off.
    Int,
    /// A double.
    Double,
    /// Text; a list or a map becomes JSON.
    String,
    /// True or false, out of `true`, `false`, 1 and 0.
    Bool,
}

/// `sample`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The share that is kept, from 0 to 1.
    pub rate: f64,
    /// Records with the same value of this field share their fate. Where it is not given, or absent,
    /// the records of one trace do (by the trace id's random part, as OpenTelemetry samples traces),
    /// and a record of no trace stands for itself.
    #[serde(default)]
    pub key: Option<String>,
}

fn body() -> String {
    "body".into()
}

fn attributes() -> String {
    "attributes".into()
}

fn equals() -> String {
    "=".into()
}

/// One text, or a list of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut sequence: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = sequence.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "One text, or a list of them.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}
