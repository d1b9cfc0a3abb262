//! The effective configuration as people may see it, and its hash.

use saphyr::{Scalar, Yaml, YamlEmitter};
use serde::Serialize;
use serde_json::Value;

use super::ConfigError;

/// What stands in the place of a secret.
pub const REDACTED: &str = "****";

/// The effective configuration as YAML. Every [`super::Secret`] shows `****`; so does any other
/// text whose key says that it is one, and the user part of a URL.
///
/// # Errors
/// The configuration does not serialize, which is a mistake of its type.
pub fn print_config<T: Serialize>(config: &T) -> Result<String, ConfigError> {
    Ok(to_yaml(&redacted(config)?))
}

/// SHA-256 of the printed configuration's canonical JSON, as 64 hex digits. Secrets have no part
/// in it: a public hash over a short secret would let it be guessed.
///
/// # Errors
/// As [`print_config`].
pub fn hash<T: Serialize>(config: &T) -> Result<String, ConfigError> {
    let mut text = String::new();
    canonical(&redacted(config)?, &mut text);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    Ok(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Any JSON value as YAML, in block style.
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    let mut emitter = YamlEmitter::new(&mut text);
    // Writing to a string does not fail; an empty text would only show less.
    let _ = emitter.dump(&yaml(value));
    let body = text.strip_prefix("---\n").unwrap_or(&text);
    format!("{}\n", body.trim_end_matches('\n'))
}

fn redacted<T: Serialize>(config: &T) -> Result<Value, ConfigError> {
    let mut value = serde_json::to_value(config)
        .map_err(|_| ConfigError::new("the configuration cannot be written as JSON"))?;
    redact(&mut value, false);
    Ok(value)
}

fn redact(value: &mut Value, secret: bool) {
    match value {
        Value::String(text) if secret && !text.is_empty() => *text = REDACTED.into(),
        Value::String(text) => {
            if let Some(clean) = without_user(text) {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, secret)),
        Value::Object(members) => {
            for (name, member) in members {
                redact(member, is_secret(name));
            }
        }
        _ => {}
    }
}

/// Whether a key says that its value is a secret. A file or a header that only names one is not.
fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 8] =
        ["password", "passwd", "secret", "api_key", "apikey", "authorization", "private_key", "cookie"];
    let name = name.to_ascii_lowercase().replace('-', "_");
    !name.ends_with("_file")
        && !name.ends_with("_header")
        && (WORDS.iter().any(|word| name.contains(word)) || name == "token" || name.ends_with("_token"))
}

/// `scheme://user:password@host` without its user part.
fn without_user(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    Some(format!("{scheme}://{REDACTED}@{}", &rest[at + 1..]))
}

fn yaml(value: &Value) -> Yaml<'_> {
    match value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(value) => Yaml::Value(Scalar::Boolean(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Yaml::Value(Scalar::Integer(integer)),
            // Unquoted text: the reader sees the number, with all its digits.
            None => Yaml::Representation(number.to_string().into(), saphyr::ScalarStyle::Plain, None),
        },
        Value::String(text) => Yaml::Value(Scalar::String(text.as_str().into())),
        Value::Array(items) => Yaml::Sequence(items.iter().map(yaml).collect()),
        Value::Object(members) => Yaml::Mapping(
            members
                .iter()
                .map(|(name, member)| (Yaml::Value(Scalar::String(name.as_str().into())), yaml(member)))
                .collect(),
        ),
    }
}

/// JSON with sorted keys and no spaces.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut names: Vec<_> = members.keys().collect();
            names.sort_unstable();
            out.push('{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                canonical(&members[name], out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
