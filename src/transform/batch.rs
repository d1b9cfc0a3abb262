//! Transforms on a whole request: records that none picks are never decoded, and keep their bytes.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    Transforms, Verdict,
    compile::slot,
    record::{Around, Record, hash},
    selector::{Bytes as RawItem, Context, hex, scope_version, severity_text},
    value::{escaped, from_any, nested, write_any, write_pair},
};
use crate::{
    batch::Signal,
    limits,
    wire::{
        Edits, Fault, Msg, WireError, put, splice,
        view::{self, Group, Item, RawField, Scope},
    },
};

/// Memory of one worker, used from batch to batch.
#[derive(Default)]
pub struct Scratch {
    edits: Edits,
    item: Vec<u8>,
}

/// What became of a request.
#[derive(Debug)]
pub struct Transformed {
    /// The request as it goes on. Where nothing was changed these are the very bytes that came;
    /// they are empty where nothing is left.
    pub bytes: Bytes,
    /// Items that were changed.
    pub changed: u32,
    /// Items that `drop` took out.
    pub dropped: u32,
    /// Items that `sample` left out.
    pub sampled: u32,
    /// Which transform took out how many, by name.
    pub by_transform: Vec<(Arc<str>, u32)>,
}

impl Transforms {
    /// Runs the transforms of a signal over a request that the walker has passed.
    ///
    /// # Errors
    /// [`Fault::Size`] where the result would be larger than [`limits::RECORD_BYTES`].
    pub fn apply_batch(
        &self,
        signal: Signal,
        bytes: Bytes,
        context: &Context<'_>,
        scratch: &mut Scratch,
    ) -> Result<Transformed, WireError> {
        let untouched =
            |bytes| Transformed { bytes, changed: 0, dropped: 0, sampled: 0, by_transform: Vec::new() };
        if self.is_empty(signal) {
            return Ok(untouched(bytes));
        }
        scratch.edits.clear();
        let mut run = Run {
            transforms: self,
            signal,
            context,
            scratch,
            result: untouched(Bytes::new()),
            taken: vec![0; self.list.len()],
            written: bytes.len(),
        };
        for group in view::groups(signal, &bytes) {
            run.group(group)?;
        }
        let Run { mut result, taken, .. } = run;
        result.bytes = splice(&bytes, &mut scratch.edits)?;
        result.by_transform = taken
            .into_iter()
            .enumerate()
            .filter(|(_, taken)| *taken > 0)
            .map(|(at, taken)| (Arc::from(self.list[at].name.as_str()), taken))
            .collect();
        Ok(result)
    }
}

struct Run<'a, 'b> {
    transforms: &'a Transforms,
    signal: Signal,
    context: &'a Context<'b>,
    scratch: &'a mut Scratch,
    result: Transformed,
    taken: Vec<u32>,
    /// Bytes of the result, at most (a little more where items grew by another length).
    written: usize,
}

/// What is known of an envelope while its items pass.
#[derive(Default, Clone, Copy)]
struct Tally {
    kept: u32,
    gone: u32,
}

impl Tally {
    fn add(&mut self, kept: bool) {
        if kept { self.kept += 1 } else { self.gone += 1 }
    }

    /// Whether the envelope is empty because of us.
    fn emptied(self) -> bool {
        self.kept == 0 && self.gone > 0
    }
}

impl Run<'_, '_> {
    fn group(&mut self, group: Group<'_>) -> Result<(), WireError> {
        let mut around = None;
        let mut of_group = Tally::default();
        for scope in group.scopes() {
            let mut of_scope = Tally::default();
            let mut of_metric: Option<(RawField<'_>, Tally)> = None;
            around = around.map(|around: Arc<Around>| {
                // The resource stays, the scope is another one.
                Arc::new(Around { resource: around.resource.clone(), scope: scope_value(&scope) })
            });
            for item in scope.items() {
                let kept = self.item(group, scope, &item, &mut around)?;
                of_scope.add(kept);
                of_group.add(kept);
                if let Some(metric) = item.metric {
                    match &mut of_metric {
                        Some((field, tally)) if field.tag == metric.tag => tally.add(kept),
                        _ => {
                            self.close_metric(of_metric.take());
                            let mut tally = Tally::default();
                            tally.add(kept);
                            of_metric = Some((metric, tally));
                        }
                    }
                }
            }
            self.close_metric(of_metric);
            if of_scope.emptied() {
                self.scratch.edits.remove(scope.field.tag, scope.field.end, 2);
            }
        }
        if of_group.emptied() {
            self.scratch.edits.remove(group.field.tag, group.field.end, 1);
        }
        Ok(())
    }

    /// A metric whose points are all gone goes too.
    fn close_metric(&mut self, metric: Option<(RawField<'_>, Tally)>) {
        if let Some((field, tally)) = metric
            && tally.emptied()
        {
            self.scratch.edits.remove(field.tag, field.end, 3);
        }
    }

    /// Runs the transforms over one item; says whether it stays.
    fn item(
        &mut self,
        group: Group<'_>,
        scope: Scope<'_>,
        item: &Item<'_>,
        around: &mut Option<Arc<Around>>,
    ) -> Result<bool, WireError> {
        let picks = &self.transforms.by_signal[usize::from(slot(self.signal))];
        let raw = RawItem::new(group, scope, *item);
        let first = picks.iter().position(|at| self.transforms.list[*at].condition.holds(&raw, self.context));
        let Some(first) = first else { return Ok(true) };
        let depth = if self.signal == Signal::Metrics { 5 } else { 3 };
        let around = around.get_or_insert_with(|| {
            let resource = group.attributes().map(|(key, value)| (escaped(key), from_any(value))).collect();
            Arc::new(Around { resource: Value::Object(resource), scope: scope_value(&scope) })
        });
        let mut record = read(item, Arc::clone(around));
        let (verdict, at) = self.transforms.run(&picks[first..], true, &mut record, self.context);
        match verdict {
            Verdict::Keep => {
                if record.is_changed() {
                    self.rewrite(item, &record, depth)?;
                }
                return Ok(true);
            }
            Verdict::Drop(_) => self.result.dropped += 1,
            Verdict::Sampled(_) => self.result.sampled += 1,
        }
        if let Some(taken) = at.and_then(|at| self.taken.get_mut(at)) {
            *taken += 1;
        }
        self.scratch.edits.remove(item.field.tag, item.field.end, depth);
        Ok(false)
    }

    fn rewrite(&mut self, item: &Item<'_>, record: &Record, depth: u8) -> Result<(), WireError> {
        let content = &mut self.scratch.item;
        content.clear();
        write(content, item, record);
        if content.as_slice() == item.field.content() {
            return Ok(());
        }
        self.written += content.len().saturating_sub(item.field.content().len());
        if self.written > limits::RECORD_BYTES {
            return Err(WireError {
                fault: Fault::Size,
                message: "transform",
                field: 0,
                offset: item.field.tag,
            });
        }
        let edits = &mut self.scratch.edits;
        edits.insert(item.field.tag, depth, |out| put::bytes(out, item.field.number, content));
        edits.remove(item.field.tag, item.field.end, depth);
        self.result.changed += 1;
        Ok(())
    }
}

fn scope_value(scope: &Scope<'_>) -> Value {
    let mut value = Map::new();
    for (name, text) in [("name", scope.name()), ("version", scope_version(scope))] {
        if !text.is_empty() {
            value.insert(name.into(), text.into());
        }
    }
    let attributes: Map<String, Value> =
        scope.attributes().map(|(key, value)| (escaped(key), from_any(value))).collect();
    value.insert("attributes".into(), Value::Object(attributes));
    Value::Object(value)
}

/// One item as values.
pub(super) fn read(item: &Item<'_>, around: Arc<Around>) -> Record {
    let mut value = Map::new();
    let attributes: Map<String, Value> =
        item.attributes().map(|(key, value)| (escaped(key), from_any(value))).collect();
    value.insert("attributes".into(), Value::Object(attributes));
    let log = item.message == Msg::LogRecord;
    if log && item.field.message().last(5).is_some() {
        value.insert("body".into(), from_any(item.body()));
    }
    for (name, text) in [
        (if log { "event_name" } else { "name" }, item.name().to_owned()),
        ("severity_text", severity_text(item).to_owned()),
        ("trace_id", hex(item.trace_id())),
        ("span_id", hex(item.span_id())),
    ] {
        if !text.is_empty() {
            value.insert(name.into(), text.into());
        }
    }
    if item.severity_number() > 0 {
        value.insert("severity_number".into(), (item.severity_number() as i64).into());
    }
    Record::new(value, around, hash(item.field.content()))
}

/// The field numbers of a message that operations can write, beside its attributes.
struct Numbers {
    body: u32,
    severity_number: u32,
    severity_text: u32,
    name: u32,
}

const fn numbers(message: Msg) -> Numbers {
    match message {
        Msg::LogRecord => Numbers { body: 5, severity_number: 2, severity_text: 3, name: 12 },
        Msg::Span => Numbers { body: 0, severity_number: 0, severity_text: 0, name: 5 },
        // 0 is no field: a point's name is its metric's.
        _ => Numbers { body: 0, severity_number: 0, severity_text: 0, name: 0 },
    }
}

/// Writes the content of an item: fields that operations wrote from the record, all others as they stand.
fn write(out: &mut Vec<u8>, item: &Item<'_>, record: &Record) {
    let numbers = numbers(item.message);
    let attributes_field = item.message.attributes_field().unwrap_or(0);
    let changed = &record.changed;
    let mut pending: Vec<&str> = changed.attributes.iter().map(String::as_str).collect();
    for field in item.field.message().fields() {
        let number = field.number;
        let gone = (number == numbers.body && changed.body)
            || (number == numbers.severity_number && changed.severity_number)
            || (number == numbers.severity_text && changed.severity_text)
            || (number == numbers.name && changed.name);
        if gone {
            continue;
        }
        if number == attributes_field && !changed.attributes.is_empty() {
            let key = escaped(view::pair(&field).0);
            if changed.attributes.contains(&key) {
                // The first of a name is where the new value stands; others of the name go.
                if let Some(at) = pending.iter().position(|name| *name == key) {
                    let name = pending.remove(at);
                    write_attribute(out, number, name, record);
                }
                continue;
            }
        }
        out.extend_from_slice(field.whole());
    }
    for name in pending {
        write_attribute(out, attributes_field, name, record);
    }
    let part = |name: &str| record.item.get(name);
    if numbers.severity_number > 0
        && changed.severity_number
        && let Some(number) = part("severity_number").and_then(Value::as_u64)
    {
        put::uint(out, numbers.severity_number, number);
    }
    let name = if item.message == Msg::LogRecord { "event_name" } else { "name" };
    for (number, changed, name) in
        [(numbers.severity_text, changed.severity_text, "severity_text"), (numbers.name, changed.name, name)]
    {
        if number > 0
            && changed
            && let Some(text) = part(name).and_then(Value::as_str)
        {
            put::bytes(out, number, text.as_bytes());
        }
    }
    if numbers.body > 0
        && changed.body
        && let Some(body) = part("body")
    {
        nested(out, numbers.body, |out| write_any(out, body));
    }
}

fn write_attribute(out: &mut Vec<u8>, number: u32, name: &str, record: &Record) {
    if number > 0
        && let Some(value) = record.item.get("attributes").and_then(|attributes| attributes.get(name))
    {
        nested(out, number, |out| write_pair(out, name, value));
    }
}
