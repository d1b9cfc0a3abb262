//! A document to a type, and serde's words to ours: with a place, a hint, and no values.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::{
    ConfigError, ConfigErrors, Document,
    error::nearest,
    interpolate::as_text,
    node::{Data, Node, dotted, push_step, steps},
};
use crate::limits;

/// Decodes what is at `pointer`. After a mistake the part that holds it is left out and the
/// rest is tried again, so that several mistakes are told at once.
pub(super) fn decode<T: DeserializeOwned>(
    document: &Document,
    root: &Node,
    pointer: &str,
) -> Result<T, ConfigErrors> {
    let mut value = match root.nearest(pointer) {
        (node, true) if !node.is_null() => node.to_value(),
        // Nothing there: an empty list where the type is one, an empty map else.
        _ => match T::deserialize(Value::Array(Vec::new())) {
            Ok(empty) if T::deserialize(Value::Object(serde_json::Map::new())).is_err() => return Ok(empty),
            _ => Value::Object(serde_json::Map::new()),
        },
    };
    let mut errors: Vec<ConfigError> = Vec::new();
    let mut left_out = false;
    // Every round changes or removes one node, so the tree bounds the rounds; the limit is for
    // files that are wrong from end to end.
    for _ in 0..limits::CONFIG_NODES {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(decoded) if errors.is_empty() => return Ok(decoded),
            Ok(_) => break,
            Err(error) => error,
        };
        let message = error.inner().to_string();
        let (relative, absolute) = pointers(pointer, error.path(), &message, &value);
        let (node, exact) = root.nearest(&absolute);
        if exact && message.starts_with("invalid type") {
            if let Some(text) = as_text(node).filter(|text| value.pointer(&relative) != Some(text)) {
                // A reference took the type of its value, and a string was expected after all.
                if let Some(slot) = value.pointer_mut(&relative) {
                    *slot = text;
                    continue;
                }
            }
            // `section:` with nothing under it is a section that sets nothing.
            if node.is_null() && remove(&mut value, &relative) {
                continue;
            }
        }
        if exact && matches!(&node.data, Data::Text(text) if text.unresolved) {
            left_out = true;
            if remove(&mut value, &relative) {
                continue;
            }
        }
        // A part that was left out may be missed: that is a mistake only of ours.
        let missed =
            message.starts_with("missing field") || message.ends_with("expected map with a single key");
        let follows = missed && (left_out || !errors.is_empty());
        if !follows || errors.is_empty() {
            errors.push(describe(document, root, &absolute, &message, value.pointer(&relative)));
        }
        if follows || errors.len() >= limits::CONFIG_ERRORS || !remove(&mut value, &relative) {
            break;
        }
    }
    if errors.is_empty() {
        errors.push(document.error(pointer, "cannot be decoded"));
    }
    Err(ConfigErrors(errors))
}

/// The pointers of a mistake: within the decoded part, and within the document.
fn pointers(base: &str, path: &serde_path_to_error::Path, message: &str, value: &Value) -> (String, String) {
    let mut relative = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => push_step(&mut relative, &index.to_string()),
            Segment::Map { key } => push_step(&mut relative, key),
            // `{variant: {...}}` is one more level of the file; a variant alone is not.
            Segment::Enum { variant } => {
                if value.pointer(&relative).and_then(|at| at.get(variant)).is_some() {
                    push_step(&mut relative, variant);
                }
            }
            Segment::Unknown => {}
        }
    }
    // The path of an unknown field may end above it.
    if let Some(name) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
        && steps(&relative).last().as_deref() != Some(name)
    {
        push_step(&mut relative, name);
    }
    let absolute = format!("{base}{relative}");
    (relative, absolute)
}

fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    let last = last.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(members)) => members.remove(&last).is_some(),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            // Only the last item can go, or the places of the others would shift.
            Ok(index) if index + 1 == items.len() => items.pop().is_some(),
            _ => false,
        },
        _ => false,
    }
}

fn describe(
    document: &Document,
    root: &Node,
    pointer: &str,
    message: &str,
    found: Option<&Value>,
) -> ConfigError {
    let error = ConfigError::new("").of(dotted(steps(pointer)));
    let mut error = ConfigError { place: document.place(pointer), ..error };
    let candidates = backticked(message.split_once(", expected ").map_or("", |(_, rest)| rest));
    if message.starts_with("unknown field") {
        error.place = document.key_place(pointer);
        error.message = "unknown field".into();
        let name = steps(pointer).last().unwrap_or_default();
        error.hint = Some(match nearest(&name, candidates.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None if candidates.is_empty() => "nothing is expected here".into(),
            None => format!("expected {}", one_of(&candidates)),
        });
    } else if message.starts_with("unknown variant") {
        error.message = format!("expected {}", one_of(&candidates));
        let written = match found {
            Some(Value::String(text)) => Some(text.as_str()),
            Some(Value::Object(members)) if members.len() == 1 => members.keys().next().map(String::as_str),
            _ => backticked(message).first().copied(),
        };
        if let Some(near) = written.and_then(|written| nearest(written, candidates.iter().copied())) {
            error.hint = Some(format!("did you mean {near:?}?"));
        }
    } else if let Some(name) = message.strip_prefix("missing field ") {
        error.message = format!("missing field {}", name.replace('`', "\""));
        error.place = document.key_place(pointer);
    } else if ["invalid type", "invalid value", "invalid length"].iter().any(|kind| message.starts_with(kind))
    {
        let expected = message.rsplit_once(", expected ").map_or("something else", |(_, rest)| rest);
        let expected = plainly(expected);
        error.message = match found {
            Some(value) if message.starts_with("invalid type") => {
                format!("expected {expected}, found {}", kind(value))
            }
            _ => format!("expected {expected}"),
        };
        if expected == "true or false"
            && let Some(Value::String(text)) = found
            && matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off")
        {
            error.hint = Some("write true or false; in YAML 1.2 yes, no, on and off are text".into());
        }
    } else {
        error.message =
            if repeats(root, pointer, found, message) { "not a valid value".into() } else { message.into() };
    }
    error
}

/// Whether a message that a type made itself repeats the value that it was given.
fn repeats(root: &Node, pointer: &str, found: Option<&Value>, message: &str) -> bool {
    fn any(value: &Value, message: &str) -> bool {
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => {
                let text = number.to_string();
                text.len() > 2 && message.contains(&text)
            }
            Value::String(text) => text.len() > 1 && message.contains(text.as_str()),
            Value::Array(items) => items.iter().any(|item| any(item, message)),
            Value::Object(members) => members.values().any(|member| any(member, message)),
        }
    }
    match found {
        Some(value) => any(value, message),
        None => any(&root.nearest(pointer).0.to_value(), message),
    }
}

fn backticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".into(),
        [name] => format!("{name:?}"),
        _ => format!("one of {}", names.join(", ")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// What serde calls a type, in the words of the file.
fn plainly(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" => "a whole number from 0 to 4294967295".into(),
        "u64" | "usize" => "a whole number, 0 or more".into(),
        "a nonzero u16" | "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => {
            "a whole number, 1 or more".into()
        }
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" | "string" | "path string" | "str" => "text".into(),
        "a sequence" => "a list".into(),
        "a map" | "map" => "a map".into(),
        other if other.starts_with("struct ") => "a map".into(),
        other if other.starts_with("enum ") || other.starts_with("internally tagged enum") => {
            "a name or a map".into()
        }
        other if other.starts_with("tuple ") => "a list".into(),
        other => other.replace('`', "\""),
    }
}
