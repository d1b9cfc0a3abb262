//! The judge: a schema, and what it said before.

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hasher},
    sync::Arc,
};

use foldhash::quality::RandomState;
use sqlparser::keywords::ALL_KEYWORDS;

use super::{
    cache::Cache,
    schema::Schema,
    shape::{Shape, Slot, Value},
    statement::{Context, Scope, Shaped, Statement, TenantRef, Verb, Worth},
    walk::{Act, Given, Name, TenantSlot, Walk},
};
use crate::limits;

/// What was found out about a shape.
#[derive(Debug)]
struct Template {
    shaped: Arc<Shaped>,
    tenants: Vec<TenantSlot>,
    acts: Vec<Act>,
}

/// Judges statements against a schema, and remembers what it judged: a bounded number of texts, and of shapes that
/// texts share. One for each thread.
#[derive(Debug)]
pub struct Judge {
    schema: Arc<Schema>,
    texts: Cache<Arc<Statement>>,
    shapes: Cache<Arc<Template>>,
    seed: RandomState,
    shape: Shape,
    parsed: u64,
}

impl Judge {
    /// Remembers nothing yet.
    pub fn new(schema: Arc<Schema>) -> Self {
        Judge {
            schema,
            texts: Cache::new(limits::SQL_TEXTS),
            shapes: Cache::new(limits::SQL_SHAPES),
            seed: RandomState::default(),
            shape: Shape::default(),
            parsed: 0,
        }
    }

    /// The schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Texts and shapes that it remembers.
    pub fn entries(&self) -> usize {
        self.texts.len() + self.shapes.len()
    }

    /// How many shapes it had to parse.
    pub fn parsed(&self) -> u64 {
        self.parsed
    }

    /// What is said of a text: of all its statements together, if it holds several. A text that was judged a moment
    /// ago costs a hash of it and allocates nothing.
    pub fn judge(&mut self, text: &str) -> Arc<Statement> {
        let mut hash = self.seed.build_hasher();
        hash.write(text.as_bytes());
        let key = hash.finish();
        if let Some(statement) = self.texts.get(key) {
            return statement;
        }
        self.shape.read(text);
        let shape = self.shape.key(text, &self.seed);
        let template = match self.shapes.get(shape) {
            Some(template) => template,
            None => {
                self.parsed += 1;
                let template = Arc::new(template(&self.schema, &self.shape, text));
                self.shapes.put(shape, Arc::clone(&template));
                template
            }
        };
        let statement = Arc::new(Statement {
            shaped: Arc::clone(&template.shaped),
            tenants: tenants(&self.shape, text, &template.tenants),
            context: template.acts.iter().map(|act| context(&self.shape, text, act)).collect(),
        });
        self.shape.rest();
        // One that holds many values is read from its shape each time, so that memory stays bounded.
        if statement.tenants.len() + statement.context.len() <= limits::SQL_VALUES_KEPT {
            self.texts.put(key, Arc::clone(&statement));
        }
        statement
    }
}

/// Judges a shape that was not seen before.
fn template(schema: &Schema, shape: &Shape, text: &str) -> Template {
    let mut walk = Walk::new(schema, shape, text);
    let mut verb = None;
    let mut unread = shape.cut || shape.items.len() > limits::SQL_ITEMS;
    if !unread {
        for items in shape.items.split(|item| &text[item.start..item.end] == ";") {
            match walk.statement(items) {
                Ok(Verb::Session | Verb::Other) if verb.is_some() || items.is_empty() => {}
                Ok(of) if verb.is_none_or(|verb| verb == Verb::Session) => verb = Some(of),
                Ok(_) => {}
                Err(_) => unread = true,
            }
        }
    }
    // What a walk found that did not come to its end means nothing.
    let spent = walk.budget.spent();
    unread |= spent;
    let noted = walk.noted;
    let known = |name: &str| {
        let upper = name.to_ascii_uppercase();
        ALL_KEYWORDS.binary_search(&upper.as_str()).is_ok() || schema.find(None, name).is_some()
    };
    // A text that isn't understood may have been taken apart at the wrong places: its names are not shown. What is
    // not shown has no part in the fingerprint either: values could be guessed by it.
    let hidden = unread || shape.odd;
    let mut normalized = shape.normalized(text, hidden.then_some(&known as &dyn Fn(&str) -> bool));
    let fingerprint = fnv(normalized.as_bytes());
    let scope = match noted.missing.is_empty() {
        // Part of it is known to be unscoped, whatever the rest is.
        _ if spent => Scope::Unparsed,
        false => Scope::Unscoped(noted.missing),
        true if unread => Scope::Unparsed,
        true if noted.owned => Scope::Scoped,
        true => Scope::NotOwned,
    };
    if normalized.len() > limits::SQL_NORMALIZED_BYTES {
        let mut end = limits::SQL_NORMALIZED_BYTES;
        while !normalized.is_char_boundary(end) {
            end -= 1;
        }
        normalized.truncate(end);
    }
    let missing = match &scope {
        Scope::Unscoped(missing) => missing.as_slice(),
        _ => &[],
    };
    let mut rls_settings: Vec<Arc<str>> = Vec::new();
    let named: HashSet<&str> = missing.iter().map(|m| &*m.table).collect();
    for table in schema.tables().iter().filter(|table| named.contains(&*table.shown)) {
        for setting in table.settings() {
            if !rls_settings.contains(setting) {
                rls_settings.push(Arc::clone(setting));
            }
        }
    }
    let shaped = Shaped {
        fingerprint,
        normalized: normalized.into(),
        verb: verb.unwrap_or(Verb::Other),
        by_primary_key: !missing.is_empty() && missing.iter().all(|m| m.by_key),
        rls: !missing.is_empty() && missing.iter().all(|m| m.rls),
        rls_settings,
        scope,
        schemas: noted.schemas,
        tables: noted.tables,
        equalities: noted.equalities,
    };
    Template { shaped: Arc::new(shaped), tenants: noted.tenants, acts: noted.acts }
}

/// FNV-1a: the same in every version.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// All values that share a slot.
fn values(shape: &Shape, slot: u32) -> impl Iterator<Item = Slot> {
    let first = shape.slots.get(slot as usize).copied();
    let more = shape.extra.iter().filter(move |(of, _)| *of == slot).map(|(_, value)| *value);
    first.into_iter().chain(more)
}

fn tenants(shape: &Shape, text: &str, found: &[TenantSlot]) -> Vec<TenantRef> {
    let mut tenants: Vec<TenantRef> = Vec::new();
    let mut add = |tenant: TenantRef| {
        if tenants.len() < limits::SQL_TENANTS && !tenants.contains(&tenant) {
            tenants.push(tenant);
        }
    };
    for found in found {
        for slot in values(shape, found.slot) {
            match slot.value {
                Value::Param(number) => add(TenantRef::Parameter(number)),
                Value::Null | Value::Bool => {}
                Value::Str | Value::Num | Value::Bare => {
                    let value = unquoted(&text[slot.start..slot.end], slot.value);
                    match value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                        Some(list) if found.array => {
                            let each = list.split(',').map(|value| value.trim().trim_matches('"'));
                            each.filter(|value| !value.is_empty())
                                .for_each(|v| add(TenantRef::Literal(short(v))));
                        }
                        _ => add(TenantRef::Literal(short(&value))),
                    }
                }
            }
        }
    }
    tenants
}

fn context(shape: &Shape, text: &str, act: &Act) -> Context {
    match act {
        Act::Set { name, value, local } => {
            let literal = |slot: Slot| short(&unquoted(&text[slot.start..slot.end], slot.value));
            let name = match name {
                Name::Known(name) => Arc::clone(name),
                Name::Slot(slot) => match shape.slots.get(*slot as usize) {
                    Some(slot) if !matches!(slot.value, Value::Param(_)) => {
                        literal(*slot).to_lowercase().into()
                    }
                    _ => "".into(),
                },
            };
            let value = match value {
                Given::Default => Worth::Default,
                Given::Unknown => Worth::Unknown,
                Given::Slot(slot) => {
                    let mut all: Vec<Slot> = values(shape, *slot).take(limits::SQL_TENANTS).collect();
                    match (all.len(), all.pop().map(|slot| (slot, slot.value))) {
                        (1, Some((_, Value::Param(number)))) => Worth::Parameter(number),
                        (1, Some((_, Value::Null))) => Worth::Default,
                        (1, Some((slot, _))) => Worth::Literal(literal(slot)),
                        _ => {
                            Worth::List(values(shape, *slot).take(limits::SQL_TENANTS).map(literal).collect())
                        }
                    }
                }
            };
            Context::Set { name, value, local: *local }
        }
        Act::Reset(name) => Context::Reset { name: Arc::clone(name) },
        Act::ResetAll => Context::ResetAll,
        Act::DiscardAll => Context::DiscardAll,
        Act::Begin => Context::Begin,
        Act::Commit => Context::Commit,
        Act::Rollback => Context::Rollback,
    }
}

/// At most as long as a tenant's name may be.
fn short(value: &str) -> Box<str> {
    let mut end = value.len().min(limits::SQL_TENANT_BYTES);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].into()
}

/// A value without its quotes.
fn unquoted(text: &str, value: Value) -> String {
    if value == Value::Bare {
        return match text.strip_prefix('"') {
            Some(rest) => rest.trim_end_matches('"').replace("\"\"", "\""),
            None => text.to_ascii_lowercase(),
        };
    }
    if let Some(rest) = text.strip_prefix('$') {
        let tag = rest.find('$').map_or(0, |n| n + 2);
        return text.get(tag..text.len().saturating_sub(tag)).unwrap_or("").into();
    }
    let Some(quote) = text.find('\'') else { return text.into() };
    let inner = &text[quote + 1..];
    let inner = inner.strip_suffix('\'').unwrap_or(inner).replace("''", "'");
    match text.starts_with(['e', 'E']) {
        true => inner.replace("\\'", "'").replace("\\\\", "\\"),
        false => inner,
    }
}
