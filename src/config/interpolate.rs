//! `${env:NAME}` and `${env:NAME:-default}` in strings, after parsing; `$$` is a `$`.
//!
//! A value can never change the structure of the file: it stays inside its scalar, and a line
//! break in it is refused. An unquoted scalar that is one reference and nothing else takes the
//! type that its value has in YAML (`8080` is a number). The default is for a variable that is
//! not set; one that is set to nothing is nothing.

use serde_json::Value;

use super::{
    ConfigError,
    node::{Node, Text, dotted},
    yaml,
};
use crate::limits;

/// Where the values of references come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Environment {
    /// From the environment of the process.
    #[default]
    Process,
    /// From nowhere: references are checked and stay as they are (`--no-environment`).
    Unresolved,
    /// `$` is only a character: for files that others write, such as rule packs.
    Off,
    /// From a table, for tests.
    Table(&'static [(&'static str, &'static str)]),
}

impl Environment {
    fn get(self, name: &str) -> Result<Option<String>, String> {
        match self {
            Environment::Process => match std::env::var(name) {
                Ok(value) => Ok(Some(value)),
                Err(std::env::VarError::NotPresent) => Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err(format!("the environment variable {name} is not valid UTF-8"))
                }
            },
            Environment::Table(table) => {
                Ok(table.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
            }
            Environment::Unresolved | Environment::Off => Ok(None),
        }
    }
}

/// Resolves every string of a tree; returns all mistakes.
pub(super) fn interpolate(root: &mut Node, environment: Environment) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    if environment == Environment::Off {
        return errors;
    }
    root.each_text(&mut Vec::new(), &mut |path, place, text| {
        if let Err(message) = resolve(text, environment)
            && errors.len() < limits::CONFIG_ERRORS
        {
            errors.push(ConfigError::new(message).at(place.clone()).of(dotted(path)));
        }
    });
    errors
}

fn resolve(node: &mut Text, environment: Environment) -> Result<(), String> {
    if !node.text.contains('$') {
        return Ok(());
    }
    let parts = split(&node.text)?;
    if environment == Environment::Unresolved
        && parts.iter().any(|part| matches!(part, Part::Reference { .. }))
    {
        node.unresolved = true;
        return Ok(());
    }
    let whole = matches!(parts.as_slice(), [Part::Reference { .. }]);
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Reference { name, default } => text.push_str(&value(name, default, environment)?),
        }
    }
    if whole && node.plain {
        node.typed = yaml::resolve(&text).filter(|value| value.is_number() || value.is_boolean());
    }
    node.text = text;
    Ok(())
}

fn value(name: &str, default: Option<&str>, environment: Environment) -> Result<String, String> {
    let Some(value) = environment.get(name)? else {
        return default.map(str::to_owned).ok_or_else(|| {
            format!("the environment variable {name} is not set; set it, or give a default with ${{env:{name}:-default}}")
        });
    };
    if value.len() > limits::VARIABLE_BYTES {
        return Err(format!(
            "the environment variable {name} is longer than {} bytes",
            limits::VARIABLE_BYTES
        ));
    }
    if value.contains(['\n', '\r', '\0']) {
        return Err(format!(
            "the environment variable {name} holds a line break; use a file for such a value"
        ));
    }
    Ok(value)
}

enum Part<'a> {
    Literal(&'a str),
    Reference { name: &'a str, default: Option<&'a str> },
}

fn split(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        if !before.is_empty() {
            parts.push(Part::Literal(before));
        }
        if let Some(tail) = after.strip_prefix("$$") {
            parts.push(Part::Literal("$"));
            rest = tail;
        } else if let Some(tail) = after.strip_prefix("${") {
            let (inside, tail) =
                tail.split_once('}').ok_or("a reference with no end: expected ${env:NAME}")?;
            parts.push(reference(inside)?);
            rest = tail;
        } else {
            parts.push(Part::Literal("$"));
            rest = &after[1..];
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest));
    }
    Ok(parts)
}

fn reference(inside: &str) -> Result<Part<'_>, String> {
    const EXPECTED: &str = "expected ${env:NAME} or ${env:NAME:-default}; a $ itself is written $$";
    let body = inside.strip_prefix("env:").ok_or(EXPECTED)?;
    let (name, default) = match body.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (body, None),
    };
    let valid = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if valid { Ok(Part::Reference { name, default }) } else { Err(EXPECTED.to_owned()) }
}

/// Whether two values are the same but for the type that a reference took on.
pub(super) fn as_text(node: &Node) -> Option<Value> {
    match &node.data {
        super::node::Data::Text(text) if text.typed.is_some() => Some(Value::String(text.text.clone())),
        _ => None,
    }
}
