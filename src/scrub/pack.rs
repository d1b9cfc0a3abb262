//! Rule packs: YAML files, read with positions so that a mistake is shown where it stands.

use std::{collections::HashMap, fmt};

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, classes::Shape, validate::Validator};
use crate::limits;

/// How bad it is when a value of this kind gets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Hardly.
    Low,
    /// Somewhat.
    Medium,
    /// Very.
    High,
    /// An incident.
    Critical,
}

/// A rule that finds a value by its shape.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// A name, unique over all packs.
    pub id: String,
    /// What it finds, upper-case: `EMAIL`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Where its form is written down: a standard, or whose documentation.
    #[serde(default)]
    pub source: String,
    /// How bad a leak is.
    pub severity: Severity,
    /// The regular expression (ASCII classes); a group `value` narrows what is replaced.
    pub pattern: String,
    /// The necessary shape, where there is no literal to look for.
    #[serde(default)]
    pub shape: Option<Shape>,
    /// Literals (any case) one of which starts every match; taken from the pattern when left out.
    #[serde(default)]
    pub literals: Vec<String>,
    /// A further check of what matched.
    #[serde(default)]
    pub validator: Option<Validator>,
    /// Words one of which must stand before the match, or in its key.
    #[serde(default)]
    pub context: Vec<String>,
    /// Words that must not stand right before the match.
    #[serde(default)]
    pub unless: Vec<String>,
    /// Words that must stand nowhere near before the match.
    #[serde(default)]
    pub not_near: Vec<String>,
    /// What happens to a find.
    #[serde(default)]
    pub action: Action,
    /// Why its finds may stay as they are: for the action `keep`.
    #[serde(default)]
    pub reason: String,
    /// Whether it takes the place of the rule of the same id in a pack before.
    #[serde(default, rename = "override")]
    pub overrides: bool,
    /// Texts in which it finds something.
    #[serde(rename = "match")]
    pub matches: Vec<String>,
    /// Texts in which it finds nothing.
    pub no_match: Vec<String>,
}

/// A rule that knows a value by the name of its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// A name, unique over all packs.
    pub id: String,
    /// What it finds, upper-case.
    #[serde(rename = "type")]
    pub kind: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Where its form is written down: a standard, or whose documentation.
    #[serde(default)]
    pub source: String,
    /// How bad a leak is.
    pub severity: Severity,
    /// Names, as snake_case words. Matches the last words of a key, however they are written;
    /// with `=` in front, the whole last segment.
    pub names: Vec<String>,
    /// Names that end like one of `names` and are none.
    #[serde(default)]
    pub except: Vec<String>,
    /// The value is a list of `name=value`, divided by `;`: each value that the validator takes is found.
    #[serde(default)]
    pub pairs: bool,
    /// What the value must look like inside a text; any value when left out. A group `value` narrows what
    /// is replaced.
    #[serde(default)]
    pub value: Option<String>,
    /// A further check of the value.
    #[serde(default)]
    pub validator: Option<Validator>,
    /// Whether an unquoted value goes on to the end of its line (headers).
    #[serde(default)]
    pub whole_line: bool,
    /// Only an attribute's own key counts, never `key=value` inside a text.
    #[serde(default)]
    pub attribute_only: bool,
    /// What happens to a find.
    #[serde(default)]
    pub action: Action,
    /// Why its finds may stay as they are: for the action `keep`.
    #[serde(default)]
    pub reason: String,
    /// Whether it takes the place of the rule of the same id in a pack before.
    #[serde(default, rename = "override")]
    pub overrides: bool,
    /// Texts in which it finds something.
    #[serde(default, rename = "match")]
    pub matches: Vec<String>,
    /// Texts in which it finds nothing.
    #[serde(default)]
    pub no_match: Vec<String>,
}

/// A pack that has been read.
#[derive(Debug, Clone, Default)]
pub struct Pack {
    /// Where it came from.
    pub file: String,
    /// Its rules, with their lines.
    pub rules: Vec<(RuleSpec, Place)>,
    /// Its key rules, with their lines.
    pub keys: Vec<(KeySpec, Place)>,
}

/// A place in a file: line and column, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

/// A pack that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackError {
    /// The file.
    pub file: String,
    /// Where in it.
    pub line: usize,
    /// Where in the line.
    pub column: usize,
    /// Which rule, when known.
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.text())
    }
}

impl std::error::Error for PackError {}

impl PackError {
    pub(super) fn new(file: &str, place: Place, rule: Option<&str>, message: impl Into<String>) -> Self {
        PackError {
            file: file.into(),
            line: place.line,
            column: place.column,
            rule: rule.map(Into::into),
            message: message.into(),
            hint: None,
        }
    }

    /// All but the place.
    pub(super) fn text(&self) -> String {
        let rule = self.rule.as_ref().map(|rule| format!("rule {rule}: ")).unwrap_or_default();
        let hint = self.hint.as_ref().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
        format!("{rule}{}{hint}", self.message)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads one pack; `file` is only for messages.
///
/// # Errors
/// The text is not YAML, or a rule in it is not well formed.
pub fn read(file: &str, text: &str) -> Result<Pack, PackError> {
    if text.len() > limits::PACK_BYTES {
        return Err(PackError::new(file, Place::default(), None, "the pack is too large"));
    }
    let documents = MarkedYaml::load_from_str(text).map_err(|e| {
        let place = Place { line: e.marker().line(), column: e.marker().col() + 1 };
        PackError::new(file, place, None, format!("not YAML: {}", e.info()))
    })?;
    let mut pack = Pack { file: file.into(), ..Pack::default() };
    let Some(document) = documents.first() else { return Ok(pack) };
    let YamlData::Mapping(sections) = &document.data else {
        return Err(PackError::new(
            file,
            place(document),
            None,
            "expected a mapping with `rules:` and `keys:`",
        ));
    };
    for (name, body) in sections {
        let name_text = scalar_text(name);
        let items = match (&name_text[..], &body.data) {
            ("rules" | "keys", YamlData::Sequence(items)) => items,
            ("rules" | "keys", _) => return Err(PackError::new(file, place(body), None, "expected a list")),
            _ => {
                return Err(PackError::new(file, place(name), None, "unknown section")
                    .hint("a pack has `rules:` and `keys:`"));
            }
        };
        for item in items {
            if name_text == "rules" {
                pack.rules.push(decode(file, item)?);
            } else {
                pack.keys.push(decode(file, item)?);
            }
        }
    }
    if pack.rules.len() + pack.keys.len() > limits::RULES {
        return Err(PackError::new(file, Place { line: 1, column: 1 }, None, "too many rules"));
    }
    Ok(pack)
}

/// Takes out of packs the rules that later ones override. What is left over: errors for rules that override
/// nothing.
pub fn apply_overrides(packs: &mut [Pack]) -> Vec<PackError> {
    let mut errors = Vec::new();
    for number in 0..packs.len() {
        let (before, rest) = packs.split_at_mut(number);
        let pack = &rest[0];
        let rules = pack.rules.iter().filter(|(rule, _)| rule.overrides).map(|(rule, at)| (&rule.id, at));
        let keys = pack.keys.iter().filter(|(rule, _)| rule.overrides).map(|(rule, at)| (&rule.id, at));
        for (id, at) in rules.chain(keys) {
            let mut found = false;
            for earlier in before.iter_mut() {
                let len = earlier.rules.len() + earlier.keys.len();
                earlier.rules.retain(|(rule, _)| rule.id != *id);
                earlier.keys.retain(|(rule, _)| rule.id != *id);
                found |= earlier.rules.len() + earlier.keys.len() < len;
            }
            if !found {
                let message = "it overrides a rule that no pack before has";
                errors.push(
                    PackError::new(&pack.file, *at, Some(id), message)
                        .hint("`portcullis rules list` shows all ids; leave out `override` for a new rule"),
                );
            }
        }
    }
    errors
}

fn decode<T: serde::de::DeserializeOwned>(
    file: &str,
    item: &MarkedYaml<'_>,
) -> Result<(T, Place), PackError> {
    let mut places = HashMap::new();
    let value = to_json(item, &mut String::new(), &mut places, 0);
    let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
    serde_path_to_error::deserialize(value).map(|spec| (spec, place(item))).map_err(|e| {
        let path = e.path().to_string();
        let at = places.get(&path).copied().unwrap_or_else(|| place(item));
        let message = if path == "." { e.inner().to_string() } else { format!("{path}: {}", e.inner()) };
        PackError::new(file, at, id.as_deref(), message)
    })
}

fn place(node: &MarkedYaml<'_>) -> Place {
    Place { line: node.span.start.line(), column: node.span.start.col() + 1 }
}

fn scalar_text(node: &MarkedYaml<'_>) -> String {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => text.to_string(),
        YamlData::Representation(text, ..) => text.to_string(),
        YamlData::Value(Scalar::Integer(n)) => n.to_string(),
        YamlData::Value(Scalar::Boolean(b)) => b.to_string(),
        _ => String::new(),
    }
}

fn to_json(
    node: &MarkedYaml<'_>,
    path: &mut String,
    places: &mut HashMap<String, Place>,
    depth: usize,
) -> Value {
    places.insert(path.clone(), place(node));
    if depth > limits::DEPTH {
        return Value::Null;
    }
    let len = path.len();
    match &node.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::Boolean(b)) => Value::Bool(*b),
        YamlData::Value(Scalar::Integer(n)) => Value::from(*n),
        YamlData::Value(Scalar::FloatingPoint(x)) => Value::from(x.into_inner()),
        YamlData::Value(Scalar::String(_)) | YamlData::Representation(..) => Value::from(scalar_text(node)),
        YamlData::Sequence(items) => {
            let mut list = Vec::new();
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                list.push(to_json(item, path, places, depth + 1));
                path.truncate(len);
            }
            Value::from(list)
        }
        YamlData::Mapping(map) => {
            let mut object = serde_json::Map::new();
            for (key, item) in map {
                let key = scalar_text(key);
                if len > 0 {
                    path.push('.');
                }
                path.push_str(&key);
                object.insert(key, to_json(item, path, places, depth + 1));
                path.truncate(len);
            }
            Value::from(object)
        }
        _ => Value::Null,
    }
}
