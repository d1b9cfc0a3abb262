//! One log record, span or data point as JSON values, for as long as operations look at it.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value, json};

use super::{
    field::{Field, Root, Step},
    value::{is_carrier, measure},
};
use crate::limits;

/// A record: what its signal has of `body`, `attributes`, `severity_text`, `severity_number`,
/// `event_name`, `name`, `trace_id` and `span_id` (hexadecimal), beside its `resource` (attributes)
/// and its `scope` (`name`, `version`, `attributes`), which operations read and never write.
#[derive(Debug, Clone)]
pub struct Record {
    pub(super) item: Map<String, Value>,
    pub(super) around: Arc<Around>,
    pub(super) changed: Changed,
    /// Bytes that operations have added by parsing and copying.
    pub(super) grown: usize,
    /// What a record without a trace is sampled by.
    pub(super) seed: u64,
}

/// What records share.
#[derive(Debug, Clone, Default)]
pub(super) struct Around {
    pub resource: Value,
    pub scope: Value,
}

/// Which parts operations have written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Changed {
    pub body: bool,
    pub severity_text: bool,
    pub severity_number: bool,
    pub name: bool,
    /// Names, as they stand in the record.
    pub attributes: BTreeSet<String>,
}

impl Record {
    /// A record out of one JSON object that has all its parts.
    pub fn from_value(value: Value) -> Record {
        let mut item = if let Value::Object(members) = value { members } else { Map::new() };
        let resource = item.remove("resource").unwrap_or_default();
        let scope = item.remove("scope").unwrap_or_default();
        let seed = hash(Value::Object(item.clone()).to_string().as_bytes());
        Record::new(item, Arc::new(Around { resource, scope }), seed)
    }

    pub(super) fn new(item: Map<String, Value>, around: Arc<Around>, seed: u64) -> Record {
        Record { item, around, changed: Changed::default(), grown: 0, seed }
    }

    /// The record as one JSON object with all its parts.
    pub fn to_value(&self) -> Value {
        let mut value = self.item.clone();
        for (name, part) in [("resource", &self.around.resource), ("scope", &self.around.scope)] {
            if !part.is_null() {
                value.insert(name.to_owned(), part.clone());
            }
        }
        Value::Object(value)
    }

    /// Whether an operation has written anything.
    pub fn is_changed(&self) -> bool {
        self.changed != Changed::default()
    }

    pub(super) fn get(&self, field: &Field) -> Option<&Value> {
        let top = match field.root {
            Root::Resource => &self.around.resource,
            Root::ScopeName => self.around.scope.get("name")?,
            Root::ScopeVersion => self.around.scope.get("version")?,
            Root::ScopeAttributes => self.around.scope.get("attributes")?,
            root => self.item.get(member(root)?)?,
        };
        field.steps.iter().try_fold(top, |value, step| match step {
            Step::Key(name) => value.get(name.as_str()),
            Step::Index(index) => value.get(*index),
        })
    }

    fn get_mut(&mut self, field: &Field) -> Option<&mut Value> {
        let top = self.item.get_mut(member(field.root)?)?;
        field.steps.iter().try_fold(top, |value, step| match step {
            Step::Key(name) => value.get_mut(name.as_str()),
            Step::Index(index) => value.get_mut(*index),
        })
    }

    /// Gives a field a value; maps are made on the way, but nothing is put below what is not one.
    pub(super) fn set(&mut self, field: &Field, value: Value) -> bool {
        let Some(name) = member(field.root) else { return false };
        let Some(value) = fit(field.root, value) else { return false };
        if !self.reaches(field) {
            return false;
        }
        let mut slot = self.item.entry(name).or_insert(Value::Null);
        for step in &field.steps {
            if slot.is_null() {
                *slot = json!({});
            }
            slot = match (step, slot) {
                (Step::Key(name), Value::Object(members)) => {
                    members.entry(name.as_str()).or_insert(Value::Null)
                }
                (Step::Index(index), Value::Array(items)) => match items.get_mut(*index) {
                    Some(item) => item,
                    None => return false,
                },
                _ => return false,
            };
        }
        *slot = value;
        self.mark(field);
        true
    }

    /// Takes a field out.
    pub(super) fn remove(&mut self, field: &Field) -> Option<Value> {
        let removed = match field.steps.split_last() {
            None => self.item.remove(member(field.root)?),
            Some((last, above)) => {
                let above = Field { root: field.root, steps: above.to_vec() };
                match (self.get_mut(&above)?, last) {
                    (Value::Object(members), Step::Key(name)) => members.remove(name),
                    (Value::Array(items), Step::Index(index)) if *index < items.len() => {
                        Some(items.remove(*index))
                    }
                    _ => None,
                }
            }
        };
        if removed.is_some() {
            self.mark(field);
        }
        removed
    }

    /// Changes a field in its place; `change` gives `None` to leave it.
    pub(super) fn update(&mut self, field: &Field, change: impl FnOnce(&Value) -> Option<Value>) -> bool {
        let Some(slot) = self.get_mut(field) else { return false };
        let Some(value) = change(slot).and_then(|value| fit(field.root, value)) else { return false };
        *slot = value;
        self.mark(field);
        true
    }

    /// Whether a value may be put at a field: the record may grow by it, and it is not too deep.
    pub(super) fn allows(&mut self, field: &Field, value: &Value) -> bool {
        let left = limits::TRANSFORM_GROWTH_BYTES - self.grown;
        let (size, height) = measure(value, left);
        if size > left || height + field.steps.len() > limits::TRANSFORM_DEPTH {
            return false;
        }
        self.grown += size;
        true
    }

    /// Whether a value may be moved from one field to another without nesting too deep.
    pub(super) fn fits(&self, from: &Field, to: &Field, value: &Value) -> bool {
        (from.root == to.root && from.steps.len() == to.steps.len())
            || measure(value, usize::MAX).1 + to.steps.len() <= limits::TRANSFORM_DEPTH
    }

    /// The attributes, made where there are none.
    pub(super) fn attributes_mut(&mut self) -> Option<&mut Map<String, Value>> {
        let slot = self.item.entry("attributes").or_insert(Value::Null);
        if !slot.is_object() {
            *slot = json!({});
        }
        slot.as_object_mut()
    }

    /// Whether a path leads somewhere: maps can be made on the way, items of lists cannot.
    fn reaches(&self, field: &Field) -> bool {
        let mut value = member(field.root).and_then(|name| self.item.get(name));
        field.steps.iter().all(|step| {
            let (open, next) = match (step, value) {
                (Step::Key(_), None | Some(Value::Null)) => (true, None),
                (Step::Key(name), Some(holder @ Value::Object(members))) => {
                    (!is_carrier(holder), members.get(name))
                }
                (Step::Index(index), Some(Value::Array(items))) => (*index < items.len(), items.get(*index)),
                _ => (false, None),
            };
            value = next;
            open
        })
    }

    fn mark(&mut self, field: &Field) {
        match field.root {
            Root::Body => self.changed.body = true,
            Root::SeverityText => self.changed.severity_text = true,
            Root::SeverityNumber => self.changed.severity_number = true,
            Root::EventName | Root::Name => self.changed.name = true,
            Root::Attributes => {
                if let Some(name) = field.attribute() {
                    self.changed.attributes.insert(name.to_owned());
                }
            }
            _ => {}
        }
    }
}

fn member(root: Root) -> Option<&'static str> {
    Some(match root {
        Root::Body => "body",
        Root::Attributes => "attributes",
        Root::SeverityText => "severity_text",
        Root::SeverityNumber => "severity_number",
        Root::EventName => "event_name",
        Root::Name => "name",
        Root::TraceId => "trace_id",
        Root::SpanId => "span_id",
        Root::Resource | Root::ScopeName | Root::ScopeVersion | Root::ScopeAttributes => return None,
    })
}

/// A value as the protocol has it at a root: names are text, a severity number is 0 to 24.
fn fit(root: Root, value: Value) -> Option<Value> {
    match (root, value) {
        (Root::SeverityText | Root::EventName | Root::Name, Value::Bool(value)) => {
            Some(value.to_string().into())
        }
        (Root::SeverityText | Root::EventName | Root::Name, Value::Number(value)) => {
            Some(value.to_string().into())
        }
        (Root::SeverityText | Root::EventName | Root::Name, value) => value.is_string().then_some(value),
        (Root::SeverityNumber, value) => value.as_u64().is_some_and(|number| number <= 24).then_some(value),
        (_, value) => Some(value),
    }
}

/// A hash that is the same in every process: FNV-1a, and splitmix64's last step to spread it.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
