//! Cuts off attributes past a tenant's limits as OpenTelemetry's SDKs do: attributes past a number are dropped and
//! counted in `dropped_attributes_count`, texts past a length are cut short.
//!
//! Log records, spans, span events and span links have limits. Data points keep their attributes, since without one
//! two series become the same, and so do resources.

use bytes::Bytes;

use super::{
    Edits, Msg, WireError, put, splice,
    view::{self, Message, RawField},
};
use crate::batch::Signal;

/// What was cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Attributes that were dropped.
    pub dropped: u64,
    /// Texts and bytes values that were cut short.
    pub shortened: u64,
}

/// Cuts a request that the walker has passed: `most` attributes of an item, `longest` bytes of a text; `None` is no
/// limit. A request with nothing over is passed on without a copy.
///
/// # Errors
/// As [`splice`].
pub fn cut(
    signal: Signal,
    bytes: &Bytes,
    most: Option<u32>,
    longest: Option<u32>,
    edits: &mut Edits,
) -> Result<(Bytes, Cuts), WireError> {
    if signal == Signal::Metrics {
        return Ok((bytes.clone(), Cuts::default()));
    }
    edits.clear();
    let size = |limit: Option<u32>| limit.map_or(usize::MAX, |limit| limit as usize);
    let mut cutter = Cutter { most: size(most), longest: size(longest), edits, cuts: Cuts::default() };
    for item in view::groups(signal, bytes).flat_map(|group| group.items()) {
        cutter.holder(item.message, item.field.message(), ITEM_FIELDS);
        if item.message == Msg::Span {
            for field in item.field.message().fields() {
                match field.number {
                    11 => cutter.holder(Msg::Event, field.message(), ITEM_FIELDS + 1),
                    13 => cutter.holder(Msg::Link, field.message(), ITEM_FIELDS + 1),
                    _ => {}
                }
            }
        }
    }
    let cuts = cutter.cuts;
    Ok((splice(bytes, edits)?, cuts))
}

/// How deep the fields of a log record or span stand: in the request, its group, its scope group.
const ITEM_FIELDS: u8 = 4;

struct Cutter<'e> {
    most: usize,
    longest: usize,
    edits: &'e mut Edits,
    cuts: Cuts,
}

impl Cutter<'_> {
    /// A message with attributes, whose fields have `depth`.
    fn holder(&mut self, kind: Msg, message: Message<'_>, depth: u8) {
        let Some(attributes) = kind.attributes_field() else { return };
        // The next number in all four.
        let count = attributes + 1;
        let (mut seen, mut dropped, mut before) = (0, 0, 0);
        for field in message.fields() {
            if field.number == count {
                before = field.number();
            } else if field.number == attributes {
                seen += 1;
                if seen > self.most {
                    self.edits.remove(field.tag, field.end, depth);
                    dropped += 1;
                } else if field.end - field.start > self.longest {
                    self.pair(&field, depth + 1);
                }
            }
        }
        if dropped == 0 {
            return;
        }
        self.cuts.dropped += dropped;
        for field in message.all(count) {
            self.edits.remove(field.tag, field.end, depth);
        }
        let total = before.saturating_add(dropped).min(u64::from(u32::MAX));
        self.edits.insert(message.end, depth, |out| put::uint(out, count, total));
    }

    /// A `KeyValue` whose fields have `depth`.
    fn pair(&mut self, pair: &RawField<'_>, depth: u8) {
        for value in pair.message().all(2) {
            self.value(&value, depth + 1);
        }
    }

    /// An `AnyValue` whose fields have `depth`; lists and maps are gone through.
    fn value(&mut self, value: &RawField<'_>, depth: u8) {
        for field in value.message().fields() {
            let content = field.content();
            if content.len() <= self.longest {
                continue;
            }
            match field.number {
                1 => self.shorten(&field, whole_characters(content, self.longest), depth),
                7 => self.shorten(&field, self.longest, depth),
                5 => field.message().all(1).for_each(|value| self.value(&value, depth + 2)),
                6 => field.message().all(1).for_each(|member| self.pair(&member, depth + 2)),
                _ => {}
            }
        }
    }

    fn shorten(&mut self, field: &RawField<'_>, length: usize, depth: u8) {
        self.cuts.shortened += 1;
        self.edits.set(field.head, field.end, depth, &field.content()[..length]);
    }
}

/// The most of `text`, up to `length` bytes, that does not end inside a character.
fn whole_characters(text: &[u8], length: usize) -> usize {
    let inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (0..=length).rev().find(|at| !inside(*at)).unwrap_or(0)
}

#[cfg(test)]
#[path = "cut_tests.rs"]
mod tests;
