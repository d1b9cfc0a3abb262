//! The strict walker: visits every field of every message, in wire order, and every duplicate.
//!
//! prost keeps the last of a repeated singular field; a reader that stops at the first hit would
//! miss what a backend then shows. The walker therefore has no notion of "the" value of a field:
//! it shows all of them. A key is always known before its value is visited, in whatever order
//! the two stand.

use super::{
    Fault, Msg, WireError,
    schema::Kind,
    varint::{self, LEN, VARINT},
};
use crate::{batch::Signal, limits};

/// Where a field stands.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    /// The message that holds the field.
    pub message: Msg,
    /// The message around that one (for an attribute: whose attribute it is).
    pub parent: Msg,
    /// The field's number in `message`.
    pub field: u32,
    /// The nearest attribute key above a value; `None` outside attributes.
    pub key: Option<&'a str>,
    /// How many messages are open around the field; 1 for the fields of the request itself.
    pub depth: u8,
    /// Offset of the field's tag.
    pub tag: usize,
    /// Offset behind the tag: of the length, or of the number.
    pub head: usize,
    /// Offset of the content.
    pub start: usize,
    /// Offset behind the content.
    pub end: usize,
}

/// A number of an attribute value or a body: telemetry writes phone and card numbers as these.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// `AnyValue.int_value`.
    Int(i64),
    /// `AnyValue.double_value`.
    Double(f64),
}

/// Whether to go into an attribute or a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Visit what is inside.
    Walk,
    /// Pass over it: it is being removed whole, or holds nothing of interest. Its inside is not checked.
    Skip,
}

/// What is told of a walk; every method has a default that does nothing.
pub trait Visitor {
    /// A message begins. `at` is the field that holds it.
    #[inline(always)]
    fn enter(&mut self, _message: Msg, _at: &Leaf<'_>) -> Flow {
        Flow::Walk
    }
    /// A message that was entered ends; `end` is the offset behind it, `depth` that of its fields.
    #[inline(always)]
    fn leave(&mut self, _message: Msg, _end: usize, _depth: u8) {}
    /// A `KeyValue` begins: told once for each key it holds, before its value is visited.
    /// `at` is the field that holds the pair; `at.message` is whose attribute it is.
    #[inline(always)]
    fn attribute(&mut self, _key: &str, _at: &Leaf<'_>) -> Flow {
        Flow::Walk
    }
    /// A string field.
    #[inline(always)]
    fn string(&mut self, _text: &str, _at: &Leaf<'_>) {}
    /// A bytes field; ids are told apart by the schema's [`Kind::Id`].
    #[inline(always)]
    fn bytes(&mut self, _bytes: &[u8], _at: &Leaf<'_>) {}
    /// A number in an `AnyValue`.
    #[inline(always)]
    fn number(&mut self, _number: Number, _at: &Leaf<'_>) {}
    /// A field that the schema does not have.
    #[inline(always)]
    fn unknown(&mut self, _at: &Leaf<'_>) {}
}

/// A visitor that wants nothing: the walk only checks.
impl Visitor for () {}

/// What a walk counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Log records, spans or data points.
    pub items: u32,
    /// Fields that the schema does not have.
    pub unknown: u32,
}

/// Walks one export request.
///
/// # Errors
/// The first thing that is wrong with the bytes; the visitor has seen all that stands before it.
pub fn walk<V: Visitor>(signal: Signal, buf: &[u8], visitor: &mut V) -> Result<Stats, WireError> {
    let root = Msg::request(signal);
    if buf.len() > limits::RECORD_BYTES {
        return Err(WireError { fault: Fault::Size, message: root.name(), field: 0, offset: buf.len() });
    }
    let mut walker = Walker { buf, visitor, stats: Stats::default() };
    walker.message(root, root, 0, buf.len(), 1, None)?;
    Ok(walker.stats)
}

struct Walker<'a, 'v, V> {
    buf: &'a [u8],
    visitor: &'v mut V,
    stats: Stats,
}

impl<'a, V: Visitor> Walker<'a, '_, V> {
    fn message(
        &mut self,
        message: Msg,
        parent: Msg,
        start: usize,
        end: usize,
        depth: u8,
        key: Option<&'a str>,
    ) -> Result<(), WireError> {
        let buf = self.buf;
        let mut at = start;
        while at < end {
            let fail = |fault, field| WireError { fault, message: message.name(), field, offset: at };
            let (tag, head) = varint::tag(buf, at, end).map_err(|fault| fail(fault, 0))?;
            let (from, to) =
                varint::payload(buf, tag.wire, head, end).map_err(|fault| fail(fault, tag.field))?;
            let leaf =
                Leaf { message, parent, field: tag.field, key, depth, tag: at, head, start: from, end: to };
            let (kind, many) = message.kind(tag.field);
            if tag.wire == LEN {
                match kind {
                    Kind::Str => {
                        let text =
                            std::str::from_utf8(&buf[from..to]).map_err(|_| fail(Fault::Utf8, tag.field))?;
                        self.visitor.string(text, &leaf);
                    }
                    Kind::Message(child) => self.child(child, &leaf)?,
                    Kind::Bytes | Kind::Id => self.visitor.bytes(&buf[from..to], &leaf),
                    Kind::Unknown => {
                        self.stats.unknown += 1;
                        self.visitor.unknown(&leaf);
                    }
                    _ if many => packed(buf, kind, from, to).map_err(|fault| fail(fault, tag.field))?,
                    _ => return Err(fail(Fault::WireType, tag.field)),
                }
            } else if kind == Kind::Unknown {
                self.stats.unknown += 1;
                self.visitor.unknown(&leaf);
            } else if tag.wire != kind.wire() {
                return Err(fail(Fault::WireType, tag.field));
            } else if message == Msg::AnyValue {
                match kind {
                    Kind::Int64 => {
                        // The payload was read once to find its end; a second read cannot fail.
                        let (value, _) = varint::read(buf, from, to).map_err(|f| fail(f, tag.field))?;
                        self.visitor.number(Number::Int(value as i64), &leaf);
                    }
                    Kind::Double => {
                        self.visitor.number(Number::Double(f64::from_bits(fixed64(buf, from))), &leaf);
                    }
                    _ => {}
                }
            }
            at = to;
        }
        Ok(())
    }

    fn child(&mut self, child: Msg, at: &Leaf<'a>) -> Result<(), WireError> {
        if usize::from(at.depth) >= limits::DEPTH {
            return Err(WireError {
                fault: Fault::Depth,
                message: child.name(),
                field: at.field,
                offset: at.tag,
            });
        }
        if child == Msg::KeyValue {
            return self.attribute(at);
        }
        if child.is_item() {
            self.stats.items += 1;
            if self.stats.items > limits::REQUEST_ITEMS {
                return Err(WireError {
                    fault: Fault::Size,
                    message: child.name(),
                    field: at.field,
                    offset: at.tag,
                });
            }
        }
        if self.visitor.enter(child, at) == Flow::Walk {
            self.message(child, at.message, at.start, at.end, at.depth + 1, at.key)?;
            self.visitor.leave(child, at.end, at.depth + 1);
        }
        Ok(())
    }

    /// The two fields of a pair as nearly all are written: one key, then one value, nothing else. It is
    /// then read once; any other pair is looked through for its keys first.
    #[inline(always)]
    fn plain(&self, at: &Leaf<'a>) -> Option<(Leaf<'a>, Leaf<'a>)> {
        const KEY: u8 = 1 << 3 | LEN;
        const VALUE: u8 = 2 << 3 | LEN;
        let buf = &self.buf[..at.end];
        if *buf.get(at.start)? != KEY {
            return None;
        }
        let head = at.start + 1;
        let (start, end) = varint::payload(buf, LEN, head, at.end).ok()?;
        if *buf.get(end)? != VALUE {
            return None;
        }
        let (from, to) = varint::payload(buf, LEN, end + 1, at.end).ok()?;
        if to != at.end {
            return None;
        }
        let key = Leaf {
            message: Msg::KeyValue,
            parent: at.message,
            field: 1,
            key: Some(std::str::from_utf8(&buf[start..end]).ok()?),
            depth: at.depth + 1,
            tag: at.start,
            head,
            start,
            end,
        };
        Some((key, Leaf { field: 2, tag: end, head: end + 1, start: from, end: to, ..key }))
    }

    fn attribute(&mut self, at: &Leaf<'a>) -> Result<(), WireError> {
        if let Some((key, value)) = self.plain(at) {
            if self.visitor.attribute(key.key.unwrap_or_default(), at) == Flow::Walk {
                self.visitor.string(key.key.unwrap_or_default(), &key);
                self.child(Msg::AnyValue, &value)?;
            }
            return Ok(());
        }
        let buf = self.buf;
        let mut key = "";
        let mut flow = Flow::Walk;
        let mut seen = false;
        let mut pos = at.start;
        while pos < at.end {
            let fail = |fault, field| WireError { fault, message: Msg::KeyValue.name(), field, offset: pos };
            let (tag, head) = varint::tag(buf, pos, at.end).map_err(|fault| fail(fault, 0))?;
            let (from, to) =
                varint::payload(buf, tag.wire, head, at.end).map_err(|fault| fail(fault, tag.field))?;
            if tag.field == 1 {
                if tag.wire != LEN {
                    return Err(fail(Fault::WireType, 1));
                }
                key = std::str::from_utf8(&buf[from..to]).map_err(|_| fail(Fault::Utf8, 1))?;
                seen = true;
                if self.visitor.attribute(key, at) == Flow::Skip {
                    flow = Flow::Skip;
                }
            }
            pos = to;
        }
        // A pair with no key has the empty one, as proto3 says.
        if !seen && self.visitor.attribute("", at) == Flow::Skip {
            flow = Flow::Skip;
        }
        if flow == Flow::Walk {
            self.message(Msg::KeyValue, at.message, at.start, at.end, at.depth + 1, Some(key))?;
        }
        Ok(())
    }
}

#[inline(always)]
pub(super) fn fixed64(buf: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&buf[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// Checks packed numbers.
fn packed(buf: &[u8], kind: Kind, mut at: usize, end: usize) -> Result<(), Fault> {
    match kind.wire() {
        VARINT => {
            while at < end {
                at = varint::read(buf, at, end)?.1;
            }
            Ok(())
        }
        varint::FIXED64 if (end - at).is_multiple_of(8) => Ok(()),
        varint::FIXED32 if (end - at).is_multiple_of(4) => Ok(()),
        _ => Err(Fault::Truncated),
    }
}
