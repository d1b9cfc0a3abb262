//! What can be wrong with bytes that claim to be an OTLP request.

use std::fmt;

/// The kind of mistake; the words are the whole story, no value is ever part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bytes end inside a field.
    Truncated,
    /// A varint of more than ten bytes, or past 64 bits.
    Varint,
    /// Field number 0, or one past 2^29 - 1.
    FieldNumber,
    /// A wire type that the field does not have, or a group.
    WireType,
    /// A length that passes the end of its message.
    Length,
    /// A string that is not UTF-8.
    Utf8,
    /// Messages nested deeper than [`crate::limits::DEPTH`].
    Depth,
    /// A request larger than [`crate::limits::REQUEST_BYTES`], or than offsets can address.
    Size,
    /// JSON that is not JSON.
    Json,
    /// A JSON value of a type that the field does not have.
    JsonType,
    /// A JSON object that sets one field twice, or two members of one oneof.
    JsonTwice,
}

impl Fault {
    const fn words(self) -> &'static str {
        match self {
            Fault::Truncated => "the bytes end inside a field",
            Fault::Varint => "a varint is longer than 64 bits",
            Fault::FieldNumber => "a field number is out of range",
            Fault::WireType => "a field has a wrong wire type",
            Fault::Length => "a length passes the end of its message",
            Fault::Utf8 => "a string is not valid UTF-8",
            Fault::Depth => "messages are nested too deep",
            Fault::Size => "the request is too large",
            Fault::Json => "the text is not valid JSON",
            Fault::JsonType => "a JSON value has the wrong type",
            Fault::JsonTwice => "a JSON object sets a field twice",
        }
    }
}

/// A refusal to read a request: what is wrong, in which message and field, at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireError {
    /// What is wrong.
    pub fault: Fault,
    /// The message it is in, by its name in the protocol.
    pub message: &'static str,
    /// The field number, 0 where none was read.
    pub field: u32,
    /// The offset from the start of the request, in bytes.
    pub offset: usize,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.fault.words(), self.message)?;
        if self.field != 0 {
            write!(f, " field {}", self.field)?;
        }
        write!(f, " at byte {}", self.offset)
    }
}

impl std::error::Error for WireError {}
