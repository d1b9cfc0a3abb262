//! Protobuf to OTLP/JSON.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::{
    batch::Signal,
    limits,
    wire::{
        Fault, Msg, WireError,
        schema::{Field, Kind, Label},
        varint::{self, LEN},
    },
};

/// Appends the request `bytes`, which the walker has passed, to `out` as OTLP/JSON.
///
/// Fields stand in the order of the table, repeated ones gathered. What protobuf says of
/// duplicates holds: of a scalar the last counts, messages merge, of a oneof the last member
/// counts. Unknown fields are left out.
///
/// # Errors
/// As the walker, for bytes that it would refuse; `out` is then as it was.
pub fn encode(signal: Signal, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
    let root = Msg::request(signal);
    if bytes.len() > limits::RECORD_BYTES {
        return Err(WireError { fault: Fault::Size, message: root.name(), field: 0, offset: bytes.len() });
    }
    let before = out.len();
    let mut encoder = Encoder { buf: bytes, out, heads: Vec::new() };
    let whole = Range { start: 0, end: bytes.len() as u32 };
    let result = encoder.message(root, &[whole], 1);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

/// A stretch of the request.
#[derive(Clone, Copy)]
struct Range {
    start: u32,
    end: u32,
}

/// One field as it stands on the wire.
#[derive(Clone, Copy)]
struct Head {
    number: u32,
    wire: u8,
    at: Range,
}

struct Encoder<'a> {
    buf: &'a [u8],
    out: &'a mut Vec<u8>,
    /// The fields of all open messages, as a stack.
    heads: Vec<Head>,
}

impl Encoder<'_> {
    /// One message, whose fields stand in `parts`.
    fn message(&mut self, message: Msg, parts: &[Range], depth: usize) -> Result<(), WireError> {
        if depth > limits::DEPTH {
            let offset = parts.first().map_or(0, |part| part.start as usize);
            return Err(WireError { fault: Fault::Depth, message: message.name(), field: 0, offset });
        }
        let base = self.heads.len();
        for part in parts {
            self.read(message, *part)?;
        }
        if message.fields().iter().any(|field| field.label == Label::Oneof) {
            self.choose(message, base);
        }
        // Mostly in order already, which the sort sees in one pass. Stable: duplicates stay in wire order.
        self.heads[base..].sort_by_key(|head| head.number);
        self.out.push(b'{');
        let (mut from, end) = (base, self.heads.len());
        for field in message.fields() {
            let run = self.heads[from..end].iter().take_while(|head| head.number == field.number).count();
            if run > 0 {
                if from > base {
                    self.out.push(b',');
                }
                self.out.push(b'"');
                self.out.extend_from_slice(field.json.as_bytes());
                self.out.extend_from_slice(b"\":");
                self.field(message, field, from, from + run, depth)?;
                from += run;
            }
        }
        self.out.push(b'}');
        self.heads.truncate(base);
        Ok(())
    }

    /// Pushes the known fields of one part.
    fn read(&mut self, message: Msg, part: Range) -> Result<(), WireError> {
        let end = part.end as usize;
        let mut at = part.start as usize;
        while at < end {
            let fail = |fault, field| WireError { fault, message: message.name(), field, offset: at };
            let (tag, head) = varint::tag(self.buf, at, end).map_err(|fault| fail(fault, 0))?;
            let (from, to) =
                varint::payload(self.buf, tag.wire, head, end).map_err(|f| fail(f, tag.field))?;
            let (kind, many) = message.kind(tag.field);
            if kind != Kind::Unknown {
                if tag.wire != kind.wire() && !(many && kind.packable() && tag.wire == LEN) {
                    return Err(fail(Fault::WireType, tag.field));
                }
                let at = Range { start: from as u32, end: to as u32 };
                self.heads.push(Head { number: tag.field, wire: tag.wire, at });
            }
            at = to;
        }
        Ok(())
    }

    /// Of the members of a oneof keeps the last, and what merges with it: its run without another between.
    fn choose(&mut self, message: Msg, base: usize) {
        let member =
            |head: &Head| message.fields().iter().any(|f| f.number == head.number && f.label == Label::Oneof);
        let mut kept: Option<(u32, usize)> = None;
        let mut others = false;
        for (i, head) in self.heads[base..].iter().enumerate() {
            if member(head) && kept.is_none_or(|(number, _)| number != head.number) {
                others |= kept.is_some();
                kept = Some((head.number, i));
            }
        }
        if let (true, Some((number, first))) = (others, kept) {
            let mut write = base;
            for read in base..self.heads.len() {
                let head = self.heads[read];
                if !member(&head) || (head.number == number && read - base >= first) {
                    self.heads[write] = head;
                    write += 1;
                }
            }
            self.heads.truncate(write);
        }
    }

    /// One field, which stands at the heads `[from, to)`.
    fn field(
        &mut self,
        message: Msg,
        field: &Field,
        from: usize,
        to: usize,
        depth: usize,
    ) -> Result<(), WireError> {
        if field.label != Label::Many {
            return match field.kind {
                Kind::Message(child) if to - from > 1 => {
                    let parts: Vec<Range> = self.heads[from..to].iter().map(|head| head.at).collect();
                    self.message(child, &parts, depth + 1)
                }
                _ => self.value(message, field, self.heads[to - 1].at, depth),
            };
        }
        self.out.push(b'[');
        let mut comma = false;
        for i in from..to {
            let Head { wire, at, .. } = self.heads[i];
            let packed = wire == LEN && field.kind.packable();
            let mut next = at.start;
            while next < at.end || (!packed && next == at.start) {
                if comma {
                    self.out.push(b',');
                }
                comma = true;
                let end = if packed { self.element(message, field, next, at.end)? } else { at.end };
                self.value(message, field, Range { start: next, end }, depth)?;
                if !packed {
                    break;
                }
                next = end;
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// The end of the packed number at `at`.
    fn element(&self, message: Msg, field: &Field, at: u32, end: u32) -> Result<u32, WireError> {
        varint::payload(self.buf, field.kind.wire(), at as usize, end as usize)
            .map(|(_, next)| next as u32)
            .map_err(|fault| refuse(message, field, fault, at))
    }

    fn value(&mut self, message: Msg, field: &Field, at: Range, depth: usize) -> Result<(), WireError> {
        let content = &self.buf[at.start as usize..at.end as usize];
        let varint = || varint::read(content, 0, content.len()).map_or(0, |(value, _)| value);
        match field.kind {
            Kind::Message(child) => return self.message(child, &[at], depth + 1),
            Kind::Str => {
                let text = std::str::from_utf8(content)
                    .map_err(|_| refuse(message, field, Fault::Utf8, at.start))?;
                self.json(text);
            }
            Kind::Bytes => {
                self.out.push(b'"');
                let start = self.out.len();
                let length = content.len().div_ceil(3) * 4;
                self.out.resize(start + length, 0);
                let written = STANDARD.encode_slice(content, &mut self.out[start..]).unwrap_or(0);
                self.out.truncate(start + written);
                self.out.push(b'"');
            }
            Kind::Id => {
                self.out.push(b'"');
                for byte in content {
                    const DIGITS: &[u8; 16] = b"0123456789abcdef";
                    self.out.push(DIGITS[usize::from(byte >> 4)]);
                    self.out.push(DIGITS[usize::from(byte & 15)]);
                }
                self.out.push(b'"');
            }
            Kind::Bool => self.json(&(varint() != 0)),
            Kind::Enum | Kind::Int32 => self.json(&(varint() as i32)),
            Kind::Uint32 => self.json(&(varint() as u32)),
            Kind::Sint32 => {
                let value = varint() as u32;
                self.json(&((value >> 1) as i32 ^ -((value & 1) as i32)));
            }
            Kind::Int64 => self.quoted(varint() as i64),
            Kind::Uint64 => self.quoted(varint()),
            Kind::Fixed32 => self.json(&u32::from_le_bytes(array(content))),
            Kind::Fixed64 => self.quoted(u64::from_le_bytes(array(content))),
            Kind::Sfixed64 => self.quoted(i64::from_le_bytes(array(content))),
            Kind::Double => match f64::from_le_bytes(array(content)) {
                value if value.is_nan() => self.out.extend_from_slice(b"\"NaN\""),
                f64::INFINITY => self.out.extend_from_slice(b"\"Infinity\""),
                f64::NEG_INFINITY => self.out.extend_from_slice(b"\"-Infinity\""),
                value => self.json(&value),
            },
            // The table holds no such field.
            Kind::Unknown => self.out.extend_from_slice(b"null"),
        }
        Ok(())
    }

    /// A value as serde_json writes it; writing into memory cannot fail.
    fn json<T: Serialize + ?Sized>(&mut self, value: &T) {
        let _ = serde_json::to_writer(&mut *self.out, value);
    }

    fn quoted(&mut self, value: impl std::fmt::Display) {
        let _ = write!(self.out, "\"{value}\"");
    }
}

fn refuse(message: Msg, field: &Field, fault: Fault, offset: u32) -> WireError {
    WireError { fault, message: message.name(), field: field.number, offset: offset as usize }
}

/// The bytes of a fixed-width number; their count follows from the wire type.
fn array<const N: usize>(content: &[u8]) -> [u8; N] {
    content.try_into().unwrap_or([0; N])
}
