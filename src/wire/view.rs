//! Typed views over bytes that the walker has passed: no copy, no allocation, no failure.
//!
//! A view of bytes that nobody checked ends early instead of failing; run [`super::walk()`] first.
//! Where a singular field stands more than once a view follows proto3: the last scalar counts,
//! repeated fields and the parts of a split message are all seen.

use super::{
    Msg,
    schema::Kind,
    varint::{self, LEN},
    walk::fixed64,
};
use crate::batch::Signal;

/// One field of a message, as it stands in the request.
#[derive(Debug, Clone, Copy)]
pub struct RawField<'a> {
    buf: &'a [u8],
    /// Its number.
    pub number: u32,
    /// Its wire type.
    pub wire: u8,
    /// Offset of its tag.
    pub tag: usize,
    /// Offset behind its tag.
    pub head: usize,
    /// Offset of its content.
    pub start: usize,
    /// Offset behind its content.
    pub end: usize,
}

impl<'a> RawField<'a> {
    /// The field whose tag stands at `at`, in a message that ends at `end`; `None` where there is none.
    #[inline]
    pub fn read(buf: &'a [u8], at: usize, end: usize) -> Option<Self> {
        if at >= end {
            return None;
        }
        let (tag, head) = varint::tag(buf, at, end).ok()?;
        let (start, end) = varint::payload(buf, tag.wire, head, end).ok()?;
        Some(RawField { buf, number: tag.field, wire: tag.wire, tag: at, head, start, end })
    }

    /// The content of a length-delimited field; nothing for numbers.
    pub fn content(&self) -> &'a [u8] {
        if self.wire == LEN { &self.buf[self.start..self.end] } else { &[] }
    }

    /// The content as text; nothing where it is not.
    pub fn text(&self) -> &'a str {
        std::str::from_utf8(self.content()).unwrap_or_default()
    }

    /// The number of a varint, fixed32 or fixed64 field; 0 for others.
    pub fn number(&self) -> u64 {
        match self.wire {
            varint::VARINT => varint::read(self.buf, self.start, self.end).map_or(0, |(value, _)| value),
            varint::FIXED64 => fixed64(self.buf, self.start),
            varint::FIXED32 => self.buf[self.start..self.end]
                .iter()
                .rev()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
            _ => 0,
        }
    }

    /// The message that it holds.
    pub fn message(&self) -> Message<'a> {
        Message {
            buf: self.buf,
            start: self.start,
            end: if self.wire == LEN { self.end } else { self.start },
        }
    }

    /// The field whole, tag and all.
    pub fn whole(&self) -> &'a [u8] {
        &self.buf[self.tag..self.end]
    }
}

/// A message inside a request.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    buf: &'a [u8],
    /// Offset of its first field.
    pub start: usize,
    /// Offset behind its last field.
    pub end: usize,
}

impl<'a> Message<'a> {
    /// The request itself.
    pub fn root(buf: &'a [u8]) -> Self {
        Message { buf, start: 0, end: buf.len() }
    }

    /// The message at a known place of `buf`.
    pub fn at(buf: &'a [u8], start: usize, end: usize) -> Self {
        Message { buf, start, end }
    }

    /// Its fields in wire order.
    pub fn fields(self) -> Fields<'a> {
        Fields { buf: self.buf, at: self.start, end: self.end }
    }

    /// The fields of one number.
    pub fn all(self, number: u32) -> impl Iterator<Item = RawField<'a>> {
        self.fields().filter(move |field| field.number == number)
    }

    /// The last field of one number.
    pub fn last(self, number: u32) -> Option<RawField<'a>> {
        self.all(number).last()
    }
}

/// Iterates over the fields of a message.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    buf: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = RawField<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawField<'a>> {
        let field = RawField::read(self.buf, self.at, self.end);
        self.at = field.map_or(self.end, |field| field.end);
        field
    }
}

/// An attribute value or a log body.
#[derive(Debug, Clone, Copy)]
pub enum AnyValue<'a> {
    /// No value set.
    Empty,
    /// Text.
    Str(&'a str),
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list; see [`values`].
    Array(Message<'a>),
    /// A map; see [`pairs`].
    KvList(Message<'a>),
}

impl<'a> AnyValue<'a> {
    /// Reads an `AnyValue` message: the last member of its oneof.
    pub fn read(message: Message<'a>) -> Self {
        let Some(field) = message.fields().filter(|f| Msg::AnyValue.kind(f.number).0 != Kind::Unknown).last()
        else {
            return AnyValue::Empty;
        };
        match field.number {
            1 => AnyValue::Str(field.text()),
            2 => AnyValue::Bool(field.number() != 0),
            3 => AnyValue::Int(field.number() as i64),
            4 => AnyValue::Double(f64::from_bits(field.number())),
            5 => AnyValue::Array(field.message()),
            6 => AnyValue::KvList(field.message()),
            7 => AnyValue::Bytes(field.content()),
            _ => AnyValue::Empty,
        }
    }

    /// The bytes of a value that is one text, as nearly all are; nothing for any other way to write a value. The
    /// walker has seen that they are UTF-8, so that is not looked at again.
    #[inline]
    pub fn one_text(message: Message<'a>) -> Option<&'a [u8]> {
        let field = RawField::read(message.buf, message.start, message.end)?;
        ((field.number, field.wire, field.end) == (1, LEN, message.end)).then(|| field.content())
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&'a str> {
        if let AnyValue::Str(text) = self { Some(text) } else { None }
    }

    /// The integer, if it is one (or text that is one).
    pub fn as_int(&self) -> Option<i64> {
        match self {
            AnyValue::Int(value) => Some(*value),
            AnyValue::Str(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// The members of an `ArrayValue`.
pub fn values<'a>(array: Message<'a>) -> impl Iterator<Item = AnyValue<'a>> {
    array.all(1).map(|field| AnyValue::read(field.message()))
}

/// The members of a `KeyValueList`.
pub fn pairs<'a>(list: Message<'a>) -> impl Iterator<Item = (&'a str, AnyValue<'a>)> {
    list.all(1).map(|field| pair(&field))
}

/// The key and the value of a field that holds a `KeyValue`.
pub fn pair<'a>(field: &RawField<'a>) -> (&'a str, AnyValue<'a>) {
    let mut key = "";
    let mut value = AnyValue::Empty;
    for field in field.message().fields() {
        match field.number {
            1 => key = field.text(),
            2 => match (AnyValue::read(field.message()), value) {
                // A second, empty value message merges into the first: it changes nothing.
                (AnyValue::Empty, _) => {}
                (read, _) => value = read,
            },
            _ => {}
        }
    }
    (key, value)
}

/// The attributes in field `number` of a message.
fn attributes<'a>(message: Message<'a>, number: Option<u32>) -> Attributes<'a> {
    Attributes { fields: message.fields(), number: number.unwrap_or(0) }
}

/// Iterates over attributes: key and value.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    fields: Fields<'a>,
    number: u32,
}

impl<'a> Attributes<'a> {
    /// The fields that hold the pairs, for edits.
    pub fn fields(self) -> impl Iterator<Item = RawField<'a>> {
        self.fields.filter(move |field| field.number == self.number)
    }

    /// The value of the last attribute of that key.
    pub fn get(self, key: &str) -> Option<AnyValue<'a>> {
        self.filter(|(k, _)| *k == key).last().map(|(_, value)| value)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, AnyValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let number = self.number;
        self.fields.find(|field| field.number == number).map(|field| pair(&field))
    }
}

/// One `ResourceLogs`, `ResourceSpans` or `ResourceMetrics`.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// The signal of the request.
    pub signal: Signal,
    /// The field of the request that holds it.
    pub field: RawField<'a>,
}

/// The resource groups of a request.
pub fn groups(signal: Signal, buf: &[u8]) -> impl Iterator<Item = Group<'_>> {
    Message::root(buf).all(1).map(move |field| Group { signal, field })
}

impl<'a> Group<'a> {
    /// The resource's attributes, of every part of a split resource.
    pub fn attributes(self) -> impl Iterator<Item = (&'a str, AnyValue<'a>)> {
        self.field.message().all(1).flat_map(|field| attributes(field.message(), Some(1)))
    }

    /// The value of the last resource attribute of that key.
    pub fn attribute(self, key: &str) -> Option<AnyValue<'a>> {
        self.attributes().filter(|(k, _)| *k == key).last().map(|(_, value)| value)
    }

    /// The scope groups.
    pub fn scopes(self) -> impl Iterator<Item = Scope<'a>> {
        self.field.message().all(2).map(move |field| Scope { signal: self.signal, field })
    }

    /// All items of all scopes, in wire order.
    pub fn items(self) -> impl Iterator<Item = Item<'a>> {
        self.scopes().flat_map(Scope::items)
    }
}

/// One `ScopeLogs`, `ScopeSpans` or `ScopeMetrics`.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    signal: Signal,
    /// The field of the group that holds it.
    pub field: RawField<'a>,
}

impl<'a> Scope<'a> {
    /// The instrumentation scope's name.
    pub fn name(self) -> &'a str {
        self.field.message().all(1).filter_map(|f| f.message().last(1)).last().map_or("", |f| f.text())
    }

    /// The instrumentation scope's attributes.
    pub fn attributes(self) -> impl Iterator<Item = (&'a str, AnyValue<'a>)> {
        self.field.message().all(1).flat_map(|field| attributes(field.message(), Some(3)))
    }

    /// Its items, in wire order.
    pub fn items(self) -> Items<'a> {
        Items { scope: self, fields: self.field.message().fields(), metric: None, data: None }
    }
}

/// Iterates over the items of a scope; for metrics through every metric and its data.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    scope: Scope<'a>,
    fields: Fields<'a>,
    metric: Option<(RawField<'a>, Fields<'a>)>,
    data: Option<(Msg, RawField<'a>, Fields<'a>)>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let scope = self.scope;
        if scope.signal != Signal::Metrics {
            let field = self.fields.find(|field| field.number == 2)?;
            let message = if scope.signal == Signal::Logs { Msg::LogRecord } else { Msg::Span };
            return Some(Item { scope, message, metric: None, data: None, field });
        }
        loop {
            if let Some((point, data, points)) = &mut self.data {
                if let Some(field) = points.find(|field| field.number == 1) {
                    let metric = self.metric.as_ref().map(|(metric, _)| *metric);
                    return Some(Item { scope, message: *point, metric, data: Some(*data), field });
                }
                self.data = None;
            }
            if let Some((_, fields)) = &mut self.metric {
                let found = fields.find_map(|field| data_message(field.number).map(|msg| (msg, field)));
                if let Some((data, field)) = found {
                    self.data = point_message(data).map(|point| (point, field, field.message().fields()));
                    continue;
                }
                self.metric = None;
            }
            let field = self.fields.find(|field| field.number == 2)?;
            self.metric = Some((field, field.message().fields()));
        }
    }
}

/// The message in a `Metric`'s oneof field of that number.
pub fn data_message(number: u32) -> Option<Msg> {
    match Msg::Metric.kind(number).0 {
        Kind::Message(Msg::KeyValue) => None,
        Kind::Message(data) => Some(data),
        _ => None,
    }
}

fn point_message(data: Msg) -> Option<Msg> {
    if let Kind::Message(point) = data.kind(1).0 { Some(point) } else { None }
}

/// A log record, a span or a data point.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The scope group it stands in.
    pub scope: Scope<'a>,
    /// What it is.
    pub message: Msg,
    /// The metric around a data point.
    pub metric: Option<RawField<'a>>,
    /// The metric's gauge, sum, histogram or summary around a data point.
    pub data: Option<RawField<'a>>,
    /// The field that holds it.
    pub field: RawField<'a>,
}

impl<'a> Item<'a> {
    fn message(&self) -> Message<'a> {
        self.field.message()
    }

    /// Its own attributes.
    pub fn attributes(&self) -> Attributes<'a> {
        attributes(self.message(), self.message.attributes_field())
    }

    fn id(&self, log: u32, span: u32) -> &'a [u8] {
        let number = match self.message {
            Msg::LogRecord => log,
            Msg::Span => span,
            _ => return &[],
        };
        self.message().last(number).map_or(&[], |field| field.content())
    }

    /// Trace id of a log record or a span: 16 bytes, or none.
    pub fn trace_id(&self) -> &'a [u8] {
        self.id(9, 1)
    }

    /// Span id of a log record or a span: 8 bytes, or none.
    pub fn span_id(&self) -> &'a [u8] {
        self.id(10, 2)
    }

    /// The parent of a span: 8 bytes, or none.
    pub fn parent_span_id(&self) -> &'a [u8] {
        self.id(0, 4)
    }

    /// The W3C `tracestate` of a span, every duplicate of it.
    pub fn trace_states(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let span = (self.message == Msg::Span).then(|| self.message());
        span.into_iter().flat_map(|span| span.all(3)).map(|field| field.text())
    }

    /// The W3C `tracestate` of all that a span is linked to.
    pub fn link_trace_states(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let span = (self.message == Msg::Span).then(|| self.message());
        let links = span.into_iter().flat_map(|span| span.all(13));
        links.flat_map(|link| link.message().all(3)).map(|field| field.text())
    }

    /// When it happened, in nanoseconds since 1970: a log's time (or when it was observed), a span's
    /// end, a data point's time; 0 where it does not say.
    pub fn time_unix_nano(&self) -> u64 {
        let last = |number| self.message().last(number).map_or(0, |field| field.number());
        match self.message {
            Msg::LogRecord => match last(1) {
                0 => last(11),
                time => time,
            },
            Msg::Span => match last(8) {
                0 => last(7),
                time => time,
            },
            _ => last(3),
        }
    }

    /// A span's name, a log's event name, or the metric's name.
    pub fn name(&self) -> &'a str {
        let (message, number) = match (self.message, self.metric) {
            (Msg::Span, _) => (self.message(), 5),
            (Msg::LogRecord, _) => (self.message(), 12),
            (_, Some(metric)) => (metric.message(), 1),
            (_, None) => return "",
        };
        message.last(number).map_or("", |field| field.text())
    }

    /// A log's body.
    pub fn body(&self) -> AnyValue<'a> {
        if self.message != Msg::LogRecord {
            return AnyValue::Empty;
        }
        self.message().last(5).map_or(AnyValue::Empty, |field| AnyValue::read(field.message()))
    }

    /// The attributes of a span's events, one list an event.
    pub fn events(&self) -> impl Iterator<Item = Attributes<'a>> + use<'a> {
        let span = (self.message == Msg::Span).then(|| self.message());
        let events = span.into_iter().flat_map(|span| span.all(11));
        events.map(|event| attributes(event.message(), Some(3)))
    }

    /// A span's kind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub fn span_kind(&self) -> u64 {
        if self.message == Msg::Span { self.message().last(6).map_or(0, |f| f.number()) } else { 0 }
    }

    /// A span's status code: 0 unset, 1 ok, 2 error.
    pub fn status_code(&self) -> u64 {
        if self.message != Msg::Span {
            return 0;
        }
        self.message().all(15).filter_map(|f| f.message().last(3)).last().map_or(0, |f| f.number())
    }

    /// A log's severity number, 0 to 24.
    pub fn severity_number(&self) -> u64 {
        if self.message == Msg::LogRecord { self.message().last(2).map_or(0, |f| f.number()) } else { 0 }
    }
}
