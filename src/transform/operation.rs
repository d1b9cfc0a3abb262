//! The operations: a closed set, none of which can fail. What has nothing to do with a record
//! leaves it as it is.

use serde_json::{Map, Value};

use super::{
    field::{Field, Root, Step},
    record::{Record, hash},
    settings::Type,
    value::{escape_names, escaped, has_reserved},
};
use crate::{limits, wire::Aliases};

/// A compiled operation.
#[derive(Debug, Clone)]
pub(super) enum Op {
    ParseJson { from: Field, into: Field },
    ParseKeyValue { from: Field, into: Field, delimiter: String, separator: String },
    Rename { from: Field, to: Field },
    Copy { from: Field, to: Field },
    Set { field: Field, value: Value },
    Remove(Vec<Field>),
    Coerce { field: Field, to: Type },
    Lowercase(Vec<Field>),
    KeepOnly(Vec<Field>),
    Drop,
    Sample { threshold: u64, all: bool, key: Option<Field> },
}

/// What becomes of the record after one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Drop,
    Sampled,
}

impl Op {
    pub fn run(&self, record: &mut Record, tenant_keys: &Aliases) -> Next {
        match self {
            Op::ParseJson { from, into } => parse_json(record, from, into, tenant_keys),
            Op::ParseKeyValue { from, into, delimiter, separator } => {
                let pairs = text(record, from).map(|text| key_values(text, delimiter, separator));
                if let Some(pairs) = pairs.filter(|pairs| !pairs.is_empty()) {
                    place(record, into, Value::Object(pairs), tenant_keys);
                }
            }
            Op::Rename { from, to } => rename(record, from, to),
            Op::Copy { from, to } => {
                if let Some(value) = record.get(from).cloned()
                    && record.allows(to, &value)
                {
                    record.set(to, value);
                }
            }
            Op::Set { field, value } => {
                if record.allows(field, value) {
                    record.set(field, value.clone());
                }
            }
            Op::Remove(fields) => fields.iter().for_each(|field| {
                record.remove(field);
            }),
            Op::Coerce { field, to } => {
                record.update(field, |value| coerce(value, *to));
            }
            Op::Lowercase(fields) => fields.iter().for_each(|field| {
                record.update(field, |value| {
                    let lower = value.as_str()?.to_lowercase();
                    (Some(lower.as_str()) != value.as_str()).then_some(Value::String(lower))
                });
            }),
            Op::KeepOnly(fields) => keep_only(record, fields, tenant_keys),
            Op::Drop => return Next::Drop,
            Op::Sample { threshold, all, key } => {
                if !all && draw(record, key.as_ref()) >= *threshold {
                    return Next::Sampled;
                }
            }
        }
        Next::Go
    }
}

fn text<'a>(record: &'a Record, field: &Field) -> Option<&'a str> {
    record.get(field)?.as_str().filter(|text| text.len() <= limits::TRANSFORM_PARSE_BYTES)
}

fn parse_json(record: &mut Record, from: &Field, into: &Field, tenant_keys: &Aliases) {
    let parsed = text(record, from)
        // Only what can be an object or a list is worth a parser's time.
        .filter(|text| matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[')))
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(mut value) = parsed {
        escape_names(&mut value);
        place(record, into, value, tenant_keys);
    }
}

/// Puts what was parsed where it goes. As attributes it never replaces one that was declared,
/// and never names a tenant.
fn place(record: &mut Record, into: &Field, value: Value, tenant_keys: &Aliases) {
    if !record.allows(into, &value) {
        return;
    }
    if !into.all_attributes() {
        record.set(into, value);
        return;
    }
    let Value::Object(members) = value else { return };
    let mut made = Vec::new();
    if let Some(attributes) = record.attributes_mut() {
        for (name, member) in members {
            if !name.is_empty() && tenant_keys.rank(&name).is_none() && !attributes.contains_key(&name) {
                made.push(name.clone());
                attributes.insert(name, member);
            }
        }
    }
    record.changed.attributes.extend(made);
}

fn rename(record: &mut Record, from: &Field, to: &Field) {
    // A field cannot be moved into itself, nor onto what it stands in.
    if from.root == to.root && (from.steps.starts_with(&to.steps) || to.steps.starts_with(&from.steps)) {
        return;
    }
    let Some(value) = record.get(from).cloned() else { return };
    if record.fits(from, to, &value) && record.set(to, value) {
        record.remove(from);
    }
}

fn coerce(value: &Value, to: Type) -> Option<Value> {
    let coerced = match (to, value) {
        (Type::Int, Value::String(text)) => Value::from(text.trim().parse::<i64>().ok()?),
        (Type::Int, Value::Bool(value)) => Value::from(i64::from(*value)),
        (Type::Int, Value::Number(number)) if number.is_f64() => {
            let value = number.as_f64()?.trunc();
            // Every double in this range, its upper end left out, is a 64-bit integer.
            let whole = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
            whole.then(|| Value::from(value as i64))?
        }
        (Type::Double, Value::String(text)) => {
            Value::from(text.trim().parse::<f64>().ok().filter(|value| value.is_finite())?)
        }
        (Type::Double, Value::Bool(value)) => Value::from(f64::from(u8::from(*value))),
        (Type::Double, Value::Number(number)) if !number.is_f64() => Value::from(number.as_f64()?),
        (Type::String, Value::Bool(value)) => Value::from(value.to_string()),
        (Type::String, Value::Number(number)) => Value::from(number.to_string()),
        (Type::String, Value::Array(_) | Value::Object(_)) if !has_reserved(value) => {
            Value::from(value.to_string())
        }
        (Type::Bool, Value::String(text)) => match text.trim() {
            text if text == "1" || text.eq_ignore_ascii_case("true") => Value::Bool(true),
            text if text == "0" || text.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ => return None,
        },
        (Type::Bool, Value::Number(number)) => match number.as_f64() {
            Some(1.0) => Value::Bool(true),
            Some(0.0) => Value::Bool(false),
            _ => return None,
        },
        _ => return None,
    };
    Some(coerced)
}

/// `key=value key2="two words"`: pairs; what has no separator is passed over, the last of a key counts.
fn key_values(text: &str, delimiter: &str, separator: &str) -> Map<String, Value> {
    let mut pairs = Map::new();
    let mut rest = text;
    while !rest.is_empty() && pairs.len() < limits::TRANSFORM_PAIRS {
        rest = if delimiter.is_empty() {
            rest.trim_start()
        } else {
            rest.strip_prefix(delimiter).unwrap_or(rest)
        };
        let end = |text: &str| match delimiter {
            "" => text.find(char::is_whitespace).unwrap_or(text.len()),
            _ => text.find(delimiter).unwrap_or(text.len()),
        };
        let token = &rest[..end(rest)];
        let Some(at) = token.find(separator) else {
            rest = &rest[token.len()..];
            // A delimiter that could not be passed would stand here for ever.
            if token.is_empty() && !delimiter.is_empty() {
                rest = rest.strip_prefix(delimiter).unwrap_or("");
            }
            continue;
        };
        let key = token[..at].trim();
        let tail = &rest[at + separator.len()..];
        let tail = if delimiter.is_empty() { tail } else { tail.trim_start() };
        let (value, after) = match quoted(tail) {
            Some(found) => found,
            None => {
                let value = &tail[..end(tail)];
                (value.trim_end().to_owned(), &tail[value.len()..])
            }
        };
        if !key.is_empty() {
            pairs.insert(escaped(key), Value::String(value));
        }
        rest = after;
    }
    pairs
}

/// `"..."` with `\"` and `\\` in it, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &inside[at + 1..])),
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\\') => value.push(escaped),
                'n' => value.push('\n'),
                't' => value.push('\t'),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

fn keep_only(record: &mut Record, fields: &[Field], tenant_keys: &Aliases) {
    if !fields.iter().any(Field::all_attributes) {
        let kept: Vec<&Field> = fields.iter().filter(|field| field.root == Root::Attributes).collect();
        let Some(attributes) = record.attributes_mut() else { return };
        let before = std::mem::take(attributes);
        let mut gone = Vec::new();
        for (name, value) in before {
            if tenant_keys.rank(&name).is_some() {
                attributes.insert(name, value);
                continue;
            }
            let below: Vec<&[Step]> = kept
                .iter()
                .filter(|field| field.attribute() == Some(name.as_str()))
                .map(|field| &field.steps[1..])
                .collect();
            let left = prune(&value, &below);
            if left.as_ref() != Some(&value) {
                gone.push(name.clone());
            }
            if let Some(left) = left {
                attributes.insert(name, left);
            }
        }
        record.changed.attributes.extend(gone);
    }
    let below: Vec<&[Step]> =
        fields.iter().filter(|field| field.root == Root::Body).map(|field| field.steps.as_slice()).collect();
    if let Some(body) = record.item.get("body") {
        let left = prune(body, &below);
        if left.as_ref() != Some(body) {
            record.changed.body = true;
            match left {
                Some(left) => record.item.insert("body".into(), left),
                None => record.item.remove("body"),
            };
        }
    }
}

/// What is left of a value when only some paths below it are kept.
fn prune(value: &Value, kept: &[&[Step]]) -> Option<Value> {
    if kept.iter().any(|steps| steps.is_empty()) {
        return Some(value.clone());
    }
    match value {
        Value::Object(members) if !super::value::is_carrier(value) => {
            let left: Map<String, Value> = members
                .iter()
                .filter_map(|(name, member)| {
                    let below = below(kept, |step| matches!(step, Step::Key(key) if key == name));
                    prune(member, &below).map(|left| (name.clone(), left))
                })
                .collect();
            (!left.is_empty()).then_some(Value::Object(left))
        }
        Value::Array(items) => {
            let left: Vec<Value> = items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| {
                    prune(item, &below(kept, |step| matches!(step, Step::Index(at) if *at == index)))
                })
                .collect();
            (!left.is_empty()).then_some(Value::Array(left))
        }
        _ => None,
    }
}

fn below<'a>(kept: &[&'a [Step]], is: impl Fn(&Step) -> bool) -> Vec<&'a [Step]> {
    kept.iter().filter(|steps| steps.first().is_some_and(&is)).map(|steps| &steps[1..]).collect()
}

/// A number from 0 to 2^56 - 1 that decides: below the threshold is kept.
fn draw(record: &Record, key: Option<&Field>) -> u64 {
    const MASK: u64 = (1 << 56) - 1;
    if let Some(value) = key.and_then(|key| record.get(key)).filter(|value| !value.is_null()) {
        return match value {
            Value::String(text) => hash(text.as_bytes()) & MASK,
            other => hash(other.to_string().as_bytes()) & MASK,
        };
    }
    // A trace id's last seven bytes are its random part (W3C Trace Context, level 2).
    let random = record
        .item
        .get("trace_id")
        .and_then(Value::as_str)
        .and_then(|id| id.get(id.len().checked_sub(14)?..))
        .and_then(|tail| u64::from_str_radix(tail, 16).ok());
    match random {
        // OpenTelemetry keeps the upper end of the range: then services that sample by it agree.
        Some(random) => MASK - random,
        None => record.seed & MASK,
    }
}

/// The threshold of a rate.
pub(super) fn threshold(rate: f64) -> u64 {
    (rate.clamp(0.0, 1.0) * (1u64 << 56) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Scenario: pairs as log lines have them. Guarantee: quotes, other separators, noise.
    #[test]
    fn pairs_are_read() {
        let read = |text, delimiter, separator| Value::Object(key_values(text, delimiter, separator));
        assert_eq!(
            read("GET user=1  msg=\"two \\\"words\\\"\" bad= =x", "", "="),
            json!({"user": "1", "msg": "two \"words\"", "bad": ""})
        );
        assert_eq!(read("a: 1;; b:2 ;c", ";", ":"), json!({"a": "1", "b": "2"}));
        assert_eq!(read(";;;;", ";", ":"), json!({}));
        assert_eq!(read("a=\"open", "", "="), json!({"a": "\"open"}));
    }

    /// Scenario: values of every type to every type. Guarantee: as said, or not at all.
    #[test]
    fn types_are_coerced() {
        for (value, to, expected) in [
            (json!("42"), Type::Int, Some(json!(42))),
            (json!("9007199254740993"), Type::Int, Some(json!(9_007_199_254_740_993_i64))),
            (json!(1e300), Type::Int, None),
            (json!(-2.9), Type::Int, Some(json!(-2))),
            (json!("4 2"), Type::Int, None),
            (json!("1e3"), Type::Double, Some(json!(1000.0))),
            (json!("NaN"), Type::Double, None),
            (json!(1), Type::Double, Some(json!(1.0))),
            (json!(true), Type::String, Some(json!("true"))),
            (json!({"a": [1]}), Type::String, Some(json!("{\"a\":[1]}"))),
            (json!({"\0any": "AA=="}), Type::String, None),
            (json!("TRUE"), Type::Bool, Some(json!(true))),
            (json!(0), Type::Bool, Some(json!(false))),
            (json!("yes"), Type::Bool, None),
            (json!([1]), Type::Int, None),
        ] {
            assert_eq!(coerce(&value, to), expected, "{value} {to:?}");
        }
    }
}
