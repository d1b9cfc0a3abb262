//! YAML (and so JSON) read as it comes, value by value, each error at its place: a catalogue of
//! 100,000 tenants never stands in memory as a tree.

use std::{borrow::Cow, fmt};

use saphyr::Scalar;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

/// What is wrong, and where: line and column from 1; 0 where the place is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlError {
    pub message: String,
    pub line: usize,
    pub column: usize,
}

impl YamlError {
    pub fn at(place: Marker, message: impl fmt::Display) -> Self {
        YamlError { message: message.to_string(), line: place.line(), column: place.col() + 1 }
    }

    /// The same error, at `place` if it has none yet.
    fn or_at(self, place: Marker) -> Self {
        if self.line == 0 { YamlError::at(place, self.message) } else { self }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for YamlError {}

impl de::Error for YamlError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        YamlError { message: message.to_string(), line: 0, column: 0 }
    }
}

/// Reads one document, event by event.
pub(super) struct Reader<'i> {
    parser: Parser<'i, StrInput<'i>>,
    next: Option<(Event<'i>, Span)>,
    /// Where the last event that was taken began.
    place: Marker,
}

impl<'i> Reader<'i> {
    /// A reader before the first value of a document.
    pub fn new(text: &'i str) -> Result<Self, YamlError> {
        let mut reader =
            Reader { parser: Parser::new_from_str(text), next: None, place: Marker::new(0, 1, 0) };
        while matches!(reader.peek()?, Event::StreamStart | Event::DocumentStart(_)) {
            reader.take()?;
        }
        Ok(reader)
    }

    /// The next event.
    pub fn peek(&mut self) -> Result<&Event<'i>, YamlError> {
        if self.next.is_none() {
            self.next = Some(self.pull()?);
        }
        Ok(self.next.as_ref().map_or(&Event::StreamEnd, |(event, _)| event))
    }

    /// Where the next event begins.
    pub fn place(&mut self) -> Result<Marker, YamlError> {
        self.peek()?;
        Ok(self.next.as_ref().map_or(self.place, |(_, span)| span.start))
    }

    /// The next event, taken.
    pub fn take(&mut self) -> Result<Event<'i>, YamlError> {
        let (event, span) = match self.next.take() {
            Some(next) => next,
            None => self.pull()?,
        };
        self.place = span.start;
        if let Event::Alias(_) = event {
            return Err(YamlError::at(
                span.start,
                "an alias (*name) is not supported here; write the value out",
            ));
        }
        Ok(event)
    }

    /// Reads one value.
    pub fn value<'de, T: de::Deserialize<'de>>(&mut self) -> Result<T, YamlError> {
        T::deserialize(&mut *self).map_err(|error| error.or_at(self.place))
    }

    fn pull(&mut self) -> Result<(Event<'i>, Span), YamlError> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(YamlError::at(*error.marker(), error.info())),
            None => Ok((Event::StreamEnd, Span::empty(self.place))),
        }
    }

    fn text(&mut self, expected: &str) -> Result<Cow<'i, str>, YamlError> {
        match self.take()? {
            Event::Scalar(text, style, _, tag) if !is_null(&text, style, tag.as_ref()) => Ok(text),
            _ => Err(YamlError::at(self.place, format_args!("expected {expected}"))),
        }
    }
}

fn is_null(text: &str, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> bool {
    style == ScalarStyle::Plain && tag.is_none() && matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

impl<'de> Deserializer<'de> for &mut Reader<'_> {
    type Error = YamlError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        match self.take()? {
            Event::Scalar(text, style, _, tag) => {
                match Scalar::parse_from_cow_and_metadata(text, style, tag.as_ref()) {
                    Some(Scalar::Null) => visitor.visit_unit(),
                    Some(Scalar::Boolean(value)) => visitor.visit_bool(value),
                    Some(Scalar::Integer(value)) => visitor.visit_i64(value),
                    Some(Scalar::FloatingPoint(value)) => visitor.visit_f64(value.into_inner()),
                    Some(Scalar::String(text)) => visitor.visit_str(&text),
                    None => Err(YamlError::at(self.place, "the value does not fit its tag")),
                }
            }
            Event::SequenceStart(..) => visitor.visit_seq(Items(self)),
            Event::MappingStart(..) => {
                let place = self.place;
                let mut ended = false;
                let value = visitor.visit_map(Entries { reader: self, ended: &mut ended });
                // What a whole mapping lacks is said of its beginning.
                value.map_err(|error| if ended { error.or_at(place) } else { error })
            }
            _ => Err(YamlError::at(self.place, "expected a value")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        match self.peek()? {
            Event::Scalar(text, style, _, tag) if is_null(text, *style, tag.as_ref()) => {
                self.take()?;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    // A text is what stands there, even where it would also be a number or a boolean.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        visitor.visit_str(&self.text("a text; put braces and brackets in quotes")?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        visitor.visit_str(&self.text("a key")?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, YamlError> {
        let text = self.text("a word")?;
        let word: de::value::StrDeserializer<'_, YamlError> = (*text).into_deserializer();
        visitor.visit_enum(word)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct ignored_any
    }
}

struct Items<'r, 'i>(&'r mut Reader<'i>);

impl<'de> de::SeqAccess<'de> for Items<'_, '_> {
    type Error = YamlError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, YamlError> {
        if matches!(self.0.peek()?, Event::SequenceEnd) {
            self.0.take()?;
            return Ok(None);
        }
        seed.deserialize(&mut *self.0).map(Some)
    }
}

struct Entries<'r, 'i> {
    reader: &'r mut Reader<'i>,
    ended: &'r mut bool,
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_> {
    type Error = YamlError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, YamlError> {
        if matches!(self.reader.peek()?, Event::MappingEnd) {
            self.reader.take()?;
            *self.ended = true;
            return Ok(None);
        }
        let key = seed.deserialize(&mut *self.reader);
        key.map(Some).map_err(|error| error.or_at(self.reader.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, YamlError> {
        let value = seed.deserialize(&mut *self.reader);
        value.map_err(|error| error.or_at(self.reader.place))
    }
}

/// Reads a whole text as one value.
///
/// # Errors
/// What is wrong, with its line and column.
pub(crate) fn from_yaml<T: de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Reader::new(text).and_then(|mut reader| reader.value()).map_err(|error| error.to_string())
}
