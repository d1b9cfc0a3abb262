//! What a transform picks: conditions on a record, read from the bytes or from values alike.

use std::cell::OnceCell;

use regex::bytes::Regex;
use serde_json::Value;

use super::field::{Field, Root, Step};
use super::record::Record;
use crate::wire::view::{self, AnyValue, Group, Item, Scope};

/// Whose batch it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// The canonical id of the tenant; empty where there is none (observe mode).
    pub tenant_id: &'a str,
    /// The tenant's slug, where the catalogue knows it.
    pub slug: Option<&'a str>,
}

/// A compiled selector.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Tenant(Vec<String>),
    OneOf(Field, Vec<Value>),
    Matches(Field, Regex),
    Exists(Field),
}

/// A field's value, as far as a condition looks at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Str(&'a str),
    /// Bytes, a list, or a map: it is there, and equals nothing.
    Other,
}

/// Where conditions read fields.
pub(super) trait Source {
    fn scalar(&self, field: &Field) -> Option<Scalar<'_>>;
}

impl Condition {
    pub fn holds(&self, source: &impl Source, context: &Context<'_>) -> bool {
        match self {
            Condition::All(parts) => parts.iter().all(|part| part.holds(source, context)),
            Condition::Any(parts) => parts.iter().any(|part| part.holds(source, context)),
            Condition::Not(part) => !part.holds(source, context),
            Condition::Tenant(names) => names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(context.tenant_id) || context.slug == Some(name)),
            Condition::OneOf(field, values) => match source.scalar(field) {
                Some(found) => values.iter().any(|value| equal(found, value)),
                None => false,
            },
            Condition::Matches(field, pattern) => {
                matches!(source.scalar(field), Some(Scalar::Str(text)) if pattern.is_match(text.as_bytes()))
            }
            Condition::Exists(field) => source.scalar(field).is_some(),
        }
    }
}

fn equal(found: Scalar<'_>, value: &Value) -> bool {
    match (found, value) {
        (Scalar::Null, Value::Null) => true,
        (Scalar::Bool(found), Value::Bool(value)) => found == *value,
        (Scalar::Str(found), Value::String(value)) => found == value,
        (Scalar::Int(found), Value::Number(number)) => match number.as_i64() {
            Some(value) => found == value,
            // Only a double without a fraction, small enough to be exact, can be an integer.
            None => number.as_f64().is_some_and(|value| value.abs() < 9e15 && found as f64 == value),
        },
        (Scalar::Double(found), Value::Number(number)) => number.as_f64() == Some(found),
        _ => false,
    }
}

impl Source for Record {
    fn scalar(&self, field: &Field) -> Option<Scalar<'_>> {
        Some(match self.get(field)? {
            Value::Null => Scalar::Null,
            Value::Bool(value) => Scalar::Bool(*value),
            Value::String(text) => Scalar::Str(text),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Scalar::Int(integer),
                None => Scalar::Double(number.as_f64()?),
            },
            Value::Array(_) | Value::Object(_) => Scalar::Other,
        })
    }
}

/// A record that is still bytes.
pub(super) struct Bytes<'a> {
    group: Group<'a>,
    scope: Scope<'a>,
    item: Item<'a>,
    /// Trace and span id, made when a condition asks for one.
    ids: OnceCell<[String; 2]>,
}

impl Source for Bytes<'_> {
    fn scalar(&self, field: &Field) -> Option<Scalar<'_>> {
        let (value, steps) = match field.root {
            Root::Body => (body(&self.item)?, field.steps.as_slice()),
            Root::Attributes => return self.named(field, |name| self.item.attributes().get(name)),
            Root::Resource => return self.named(field, |name| self.group.attribute(name)),
            Root::ScopeAttributes => {
                return self.named(field, |name| {
                    self.scope.attributes().filter(|(key, _)| *key == name).last().map(|(_, value)| value)
                });
            }
            Root::ScopeName => return filled(self.scope.name()),
            Root::ScopeVersion => return filled(scope_version(&self.scope)),
            Root::SeverityText => return filled(severity_text(&self.item)),
            Root::SeverityNumber => {
                return match self.item.severity_number() {
                    0 => None,
                    number => Some(Scalar::Int(number as i64)),
                };
            }
            Root::EventName if self.item.message == crate::wire::Msg::LogRecord => {
                return filled(self.item.name());
            }
            Root::Name if self.item.message != crate::wire::Msg::LogRecord => {
                return filled(self.item.name());
            }
            Root::EventName | Root::Name => return None,
            Root::TraceId => return filled(&self.ids()[0]),
            Root::SpanId => return filled(&self.ids()[1]),
        };
        below(value, steps)
    }
}

impl<'a> Bytes<'a> {
    pub fn new(group: Group<'a>, scope: Scope<'a>, item: Item<'a>) -> Self {
        Bytes { group, scope, item, ids: OnceCell::new() }
    }

    fn ids(&self) -> &[String; 2] {
        self.ids.get_or_init(|| [hex(self.item.trace_id()), hex(self.item.span_id())])
    }

    fn named(&self, field: &Field, get: impl Fn(&str) -> Option<AnyValue<'a>>) -> Option<Scalar<'a>> {
        match field.steps.split_first() {
            Some((Step::Key(name), rest)) => below(get(name)?, rest),
            _ => Some(Scalar::Other),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn filled(text: &str) -> Option<Scalar<'_>> {
    (!text.is_empty()).then_some(Scalar::Str(text))
}

fn body<'a>(item: &Item<'a>) -> Option<AnyValue<'a>> {
    item.field.message().last(5).filter(|_| item.message == crate::wire::Msg::LogRecord)?;
    Some(item.body())
}

pub(super) fn severity_text<'a>(item: &Item<'a>) -> &'a str {
    if item.message != crate::wire::Msg::LogRecord {
        return "";
    }
    item.field.message().last(3).map_or("", |field| field.text())
}

pub(super) fn scope_version<'a>(scope: &Scope<'a>) -> &'a str {
    scope
        .field
        .message()
        .all(1)
        .filter_map(|field| field.message().last(2))
        .last()
        .map_or("", |field| field.text())
}

fn below<'a>(value: AnyValue<'a>, steps: &[Step]) -> Option<Scalar<'a>> {
    let value = steps.iter().try_fold(value, |value, step| match (value, step) {
        (AnyValue::KvList(list), Step::Key(name)) => {
            view::pairs(list).filter(|(key, _)| key == name).last().map(|(_, value)| value)
        }
        (AnyValue::Array(list), Step::Index(index)) => view::values(list).nth(*index),
        _ => None,
    })?;
    Some(match value {
        AnyValue::Empty => Scalar::Null,
        AnyValue::Str(text) => Scalar::Str(text),
        AnyValue::Bool(value) => Scalar::Bool(value),
        AnyValue::Int(value) => Scalar::Int(value),
        AnyValue::Double(value) if value.is_finite() => Scalar::Double(value),
        AnyValue::Double(_) | AnyValue::Bytes(_) | AnyValue::Array(_) | AnyValue::KvList(_) => Scalar::Other,
    })
}
