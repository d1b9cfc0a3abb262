//! OTLP/JSON to protobuf.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::{
    batch::Signal,
    limits,
    wire::{
        Fault, Msg, WireError, put,
        schema::{Field, Kind, Label},
        varint,
    },
};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Reads one OTLP/JSON request and gives the same request as protobuf.
///
/// Keys that the schema does not have are ignored, `null` is an unset field. Stricter than the
/// wire where JSON has no say about order: a key that stands twice, or two members of one oneof,
/// are refused. Counts and further bounds are the walker's.
///
/// # Errors
/// [`Fault::Utf8`], [`Fault::Json`], [`Fault::JsonType`], [`Fault::JsonTwice`], [`Fault::Depth`],
/// [`Fault::Size`] where the protobuf form passes [`limits::REQUEST_BYTES`]. The offset is that of
/// the JSON text, in bytes, at or a little behind the mistake.
pub fn decode(signal: Signal, json: &[u8]) -> Result<Bytes, WireError> {
    let root = Msg::request(signal);
    let text = std::str::from_utf8(json).map_err(|error| WireError {
        fault: Fault::Utf8,
        message: root.name(),
        field: 0,
        offset: error.valid_up_to(),
    })?;
    let mut cx =
        Context { out: Vec::with_capacity(json.len() / 3), depth: 0, message: root, field: 0, fault: None };
    let mut reader = serde_json::Deserializer::from_str(text);
    match reader.deserialize_map(Object { cx: &mut cx, message: root }).and_then(|()| reader.end()) {
        Ok(()) => Ok(cx.out.into()),
        // The error's own words may quote the data: only its place and category are used.
        Err(error) => Err(WireError {
            fault: cx.fault.unwrap_or_else(|| fault(&error)),
            message: cx.message.name(),
            field: cx.field,
            offset: offset(text, error.line(), error.column()),
        }),
    }
}

fn fault(error: &serde_json::Error) -> Fault {
    match error.classify() {
        Category::Data => Fault::JsonType,
        _ if error.to_string().starts_with("recursion limit exceeded") => Fault::Depth,
        _ => Fault::Json,
    }
}

fn offset(text: &str, line: usize, column: usize) -> usize {
    let start = match line {
        0 | 1 => 0,
        _ => memchr::memchr_iter(b'\n', text.as_bytes()).nth(line - 2).map_or(0, |at| at + 1),
    };
    (start + column.saturating_sub(1)).min(text.len())
}

/// What all levels share: the output, and where the reader stands.
struct Context {
    out: Vec<u8>,
    depth: usize,
    message: Msg,
    field: u32,
    fault: Option<Fault>,
}

impl Context {
    fn fail<E: Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom("")
    }

    fn bounded<E: Error>(&mut self) -> Result<(), E> {
        // A number of one digit becomes eight bytes: the text's own bound is not enough.
        if self.out.len() > limits::REQUEST_BYTES { Err(self.fail(Fault::Size)) } else { Ok(()) }
    }
}

/// A message's fields, written into the output without tag and length.
struct Object<'c> {
    cx: &'c mut Context,
    message: Msg,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Object { cx, message } = self;
        if cx.depth >= limits::DEPTH {
            return Err(cx.fail(Fault::Depth));
        }
        cx.depth += 1;
        let (mut seen, mut member) = (0u32, false);
        loop {
            (cx.message, cx.field) = (message, 0);
            let Some(key) = map.next_key_seed(Key(message))? else { break };
            let Some(field) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            cx.field = field.number;
            let bit = 1 << field.number;
            if seen & bit != 0 {
                return Err(cx.fail(Fault::JsonTwice));
            }
            seen |= bit;
            let set = map.next_value_seed(Value { cx, field, slot: Slot::Field })?;
            if set && field.label == Label::Oneof {
                if member {
                    (cx.message, cx.field) = (message, field.number);
                    return Err(cx.fail(Fault::JsonTwice));
                }
                member = true;
            }
            cx.bounded()?;
        }
        cx.depth -= 1;
        Ok(())
    }
}

/// A key, looked up without a copy; `None` where the message has no such field.
struct Key(Msg);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.by_json_name(key))
    }
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Behind its key.
    Field,
    /// In the list of a repeated field.
    Element,
    /// In the list of a repeated number: no tag of its own.
    Packed,
}

/// One value; gives whether it set anything.
struct Value<'c> {
    cx: &'c mut Context,
    field: &'static Field,
    slot: Slot,
}

#[derive(Clone, Copy)]
enum Numeral {
    Whole(i128),
    Real(f64),
}

impl Value<'_> {
    /// Whether one value is awaited here, not a list.
    fn single(&self) -> bool {
        self.slot != Slot::Field || self.field.label != Label::Many
    }

    /// Whether a default value may stay unwritten: proto3 cannot tell it from an absent one. Doubles
    /// can be `optional`, members of a oneof and elements always count.
    fn implicit(&self) -> bool {
        self.slot == Slot::Field && self.field.label == Label::One && self.field.kind != Kind::Double
    }

    fn wrong<E: Error>(self) -> Result<bool, E> {
        Err(self.cx.fail(Fault::JsonType))
    }

    fn varint(&mut self, value: u64) {
        if value == 0 && self.implicit() {
            return;
        }
        self.tag();
        varint::write(&mut self.cx.out, value);
    }

    fn fixed(&mut self, bytes: &[u8]) {
        if self.implicit() && bytes.iter().all(|&byte| byte == 0) {
            return;
        }
        self.tag();
        self.cx.out.extend_from_slice(bytes);
    }

    fn tag(&mut self) {
        if self.slot != Slot::Packed {
            put::tag(&mut self.cx.out, self.field.number, self.field.kind.wire());
        }
    }

    fn number<E: Error>(mut self, numeral: Numeral) -> Result<bool, E> {
        if !self.single() {
            return self.wrong();
        }
        if self.field.kind == Kind::Double {
            let value = match numeral {
                Numeral::Whole(value) => value as f64,
                Numeral::Real(value) => value,
            };
            self.fixed(&value.to_le_bytes());
            return Ok(true);
        }
        let whole = match numeral {
            Numeral::Whole(value) => value,
            // 1.0 and 1e3 are whole numbers too; a cast of what is out of range saturates.
            Numeral::Real(value) if value.fract() == 0.0 => value as i128,
            Numeral::Real(_) => return self.wrong(),
        };
        if self.whole(whole).is_none() { self.wrong() } else { Ok(true) }
    }

    /// Writes a whole number, if it is in the range of the field.
    fn whole(&mut self, value: i128) -> Option<()> {
        match self.field.kind {
            Kind::Int32 | Kind::Enum => self.varint(i64::from(i32::try_from(value).ok()?) as u64),
            Kind::Sint32 => {
                let value = i32::try_from(value).ok()?;
                self.varint(u64::from(((value << 1) ^ (value >> 31)) as u32));
            }
            Kind::Uint32 => self.varint(u32::try_from(value).ok()?.into()),
            Kind::Int64 => self.varint(i64::try_from(value).ok()? as u64),
            Kind::Uint64 => self.varint(u64::try_from(value).ok()?),
            Kind::Fixed32 => self.fixed(&u32::try_from(value).ok()?.to_le_bytes()),
            Kind::Fixed64 => self.fixed(&u64::try_from(value).ok()?.to_le_bytes()),
            Kind::Sfixed64 => self.fixed(&i64::try_from(value).ok()?.to_le_bytes()),
            _ => return None,
        }
        Some(())
    }

    /// A number in quotes.
    fn numeral(&self, text: &str) -> Option<Numeral> {
        if let Ok(value) = text.parse::<i128>() {
            return Some(Numeral::Whole(value));
        }
        let double = self.field.kind == Kind::Double;
        let value = match text {
            "NaN" if double => f64::NAN,
            "Infinity" if double => f64::INFINITY,
            "-Infinity" if double => f64::NEG_INFINITY,
            // The parser also knows "inf" and "nan": those are not JSON's.
            _ if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
                text.parse().ok().filter(|value: &f64| value.is_finite())?
            }
            _ => return None,
        };
        Some(Numeral::Real(value))
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the field's type")
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        match (self.slot, self.field.kind) {
            (Slot::Field, _) => Ok(false),
            // An empty value keeps its place in an array.
            (Slot::Element, Kind::Message(Msg::AnyValue)) => {
                put::bytes(&mut self.cx.out, self.field.number, &[]);
                Ok(true)
            }
            _ => self.wrong(),
        }
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<bool, E> {
        if !self.single() || self.field.kind != Kind::Bool {
            return self.wrong();
        }
        self.varint(value.into());
        Ok(true)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
        self.number(Numeral::Whole(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<bool, E> {
        self.number(Numeral::Whole(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<bool, E> {
        self.number(Numeral::Real(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        if !self.single() {
            return self.wrong();
        }
        let (number, implicit) = (self.field.number, self.implicit());
        match self.field.kind {
            Kind::Str | Kind::Bytes | Kind::Id if text.is_empty() && implicit => return Ok(true),
            Kind::Str => put::bytes(&mut self.cx.out, number, text.as_bytes()),
            Kind::Bytes | Kind::Id => {
                let id = self.field.kind == Kind::Id;
                let read = put::message(&mut self.cx.out, number, |out| {
                    if id { hex(text, out) } else { base64(text, out) }.ok_or(())
                });
                if read.is_err() {
                    return self.wrong();
                }
            }
            _ => {
                return match self.numeral(text) {
                    Some(numeral) => self.number(numeral),
                    None => self.wrong(),
                };
            }
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let Value { cx, field, .. } = self;
        if self.slot != Slot::Field || field.label != Label::Many {
            return Err(cx.fail(Fault::JsonType));
        }
        if !field.kind.packable() {
            let message = cx.message;
            while seq.next_element_seed(Value { cx, field, slot: Slot::Element })?.is_some() {
                (cx.message, cx.field) = (message, field.number);
                cx.bounded()?;
            }
            return Ok(true);
        }
        let before = cx.out.len();
        put::tag(&mut cx.out, field.number, varint::LEN);
        let start = cx.out.len();
        cx.out.push(0);
        while seq.next_element_seed(Value { cx, field, slot: Slot::Packed })?.is_some() {
            cx.bounded()?;
        }
        if cx.out.len() == start + 1 {
            cx.out.truncate(before);
        } else {
            put::close(&mut cx.out, start);
        }
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        let single = self.single();
        let Value { cx, field, .. } = self;
        let Kind::Message(message) = field.kind else { return Err(cx.fail(Fault::JsonType)) };
        if !single {
            return Err(cx.fail(Fault::JsonType));
        }
        put::tag(&mut cx.out, field.number, varint::LEN);
        let start = cx.out.len();
        cx.out.push(0);
        Object { cx, message }.visit_map(map)?;
        put::close(&mut cx.out, start);
        Ok(true)
    }
}

fn hex(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    for &[high, low] in pairs {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        out.push((digit(high)? << 4 | digit(low)?) as u8);
    }
    rest.is_empty().then_some(())
}

fn base64(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let engine = if text.bytes().any(|b| matches!(b, b'-' | b'_')) { &URL_SAFE } else { &STANDARD };
    engine.decode_vec(text, out).ok()
}
