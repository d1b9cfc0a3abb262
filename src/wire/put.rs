//! Writing protobuf, field by field, for the few messages that the gate itself makes.

use super::varint::{self, FIXED64, LEN, VARINT};

/// Appends a tag.
#[inline]
pub fn tag(out: &mut Vec<u8>, field: u32, wire: u8) {
    varint::write(out, u64::from(field << 3 | u32::from(wire)));
}

/// Appends a length-delimited field: a string, bytes, or an encoded message.
pub fn bytes(out: &mut Vec<u8>, field: u32, content: &[u8]) {
    tag(out, field, LEN);
    varint::write(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends a varint field.
pub fn uint(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint::write(out, value);
}

/// Appends a fixed64 field.
pub fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a message field whose content `body` writes straight into `out`.
pub fn message<E>(
    out: &mut Vec<u8>,
    field: u32,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    tag(out, field, LEN);
    let start = out.len();
    // Most messages are shorter than 128 bytes: one byte is kept for the length, more are made on need.
    out.push(0);
    body(out)?;
    close(out, start);
    Ok(())
}

/// Writes the length of what follows the byte at `start`, moving it where the length needs more room.
pub fn close(out: &mut Vec<u8>, start: usize) {
    let length = (out.len() - start - 1) as u64;
    let width = varint::len(length);
    if width > 1 {
        let end = out.len();
        out.resize(end + width - 1, 0);
        out.copy_within(start + 1..end, start + width);
    }
    let mut rest = length;
    for i in 0..width {
        let more = if i + 1 < width { 0x80 } else { 0 };
        out[start + i] = (rest & 0x7f) as u8 | more;
        rest >>= 7;
    }
}

/// Appends a `KeyValue` field with a string value: field `field` of the enclosing message.
pub fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &str) {
    let any = 1 + varint::len(value.len() as u64) + value.len();
    let pair = 1 + varint::len(key.len() as u64) + key.len() + 1 + varint::len(any as u64) + any;
    tag(out, field, LEN);
    varint::write(out, pair as u64);
    bytes(out, 1, key.as_bytes());
    tag(out, 2, LEN);
    varint::write(out, any as u64);
    bytes(out, 1, value.as_bytes());
}

/// Appends a `KeyValue` field whose value is `true`: field `field` of the enclosing message.
pub fn flag(out: &mut Vec<u8>, field: u32, key: &str) {
    let pair = 1 + varint::len(key.len() as u64) + key.len() + 4;
    tag(out, field, LEN);
    varint::write(out, pair as u64);
    bytes(out, 1, key.as_bytes());
    // An `AnyValue` of two bytes: its field 2, a bool.
    tag(out, 2, LEN);
    out.push(2);
    uint(out, 2, 1);
}
