//! Observations of a batch of OTLP bytes that the walker has passed.

use crate::{
    batch::Signal,
    wire::view::{self, AnyValue, RawField},
};

use super::{
    extract::{Context, Group, Item, ItemReader, Value},
    observation::{Observation, SpanKind},
    rules::Rules,
};

/// Appends the observations of a request to `out`.
///
/// Takes the request as it came: the aliases that declare a tenant still in place, nothing
/// scrubbed, the whole of it or one tenant's part. A log record or a data point without a mapped
/// attribute costs the reading of its keys and makes no observation.
pub fn observe_batch(
    signal: Signal,
    bytes: &[u8],
    rules: &Rules,
    context: Context<'_>,
    out: &mut Vec<Observation>,
) {
    for group in view::groups(signal, bytes) {
        let mut reader = Group::new(rules, context, signal);
        for (key, value) in group.attributes() {
            value_of(value).into_iter().for_each(|value| reader.resource(key, value));
        }
        for scope in group.scopes() {
            reader.next_scope();
            for (key, value) in scope.attributes() {
                value_of(value).into_iter().for_each(|value| reader.scope(key, value));
            }
            reader.begin_items();
            for item in scope.items() {
                let mut reader = reader.item();
                item.attributes().fields().for_each(|field| attribute(&mut reader, rules, &field));
                if !reader.is_plain() {
                    out.extend(reader.finish(ids(&item)));
                }
            }
        }
    }
}

#[inline]
fn attribute<'a>(reader: &mut ItemReader<'a>, rules: &Rules, field: &RawField<'a>) {
    // As everybody writes it, the key is first and the value ends the pair: most keys have no
    // role, and their values are then never read. Any other order is read in full.
    let mut parts = field.message().fields();
    let (key, value) = match (parts.next(), parts.next()) {
        (Some(key), Some(value)) if (key.number, value.number, value.end) == (1, 2, field.end) => {
            let Some(role) = rules.roles.of(key.content()) else { return };
            return value_of(AnyValue::read(value.message()))
                .into_iter()
                .for_each(|value| reader.mapped(role, value));
        }
        _ => view::pair(field),
    };
    value_of(value).into_iter().for_each(|value| reader.attribute(key, value));
}

fn value_of(value: AnyValue<'_>) -> Option<Value<'_>> {
    match value {
        AnyValue::Str(text) => Some(Value::Text(text)),
        AnyValue::Int(number) => Some(Value::Integer(number)),
        _ => None,
    }
}

fn ids(item: &view::Item<'_>) -> Item {
    Item {
        time: item.time_unix_nano(),
        trace: id(item.trace_id()),
        span: id(item.span_id()),
        parent: id(item.parent_span_id()),
        kind: SpanKind::from_number(i64::try_from(item.span_kind()).unwrap_or(0)),
    }
}

fn id<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}
