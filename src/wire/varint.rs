//! Protobuf's primitives: varints, tags, wire types.
//! Source: the protocol buffers encoding specification, "Base 128 Varints".

use super::Fault;

/// A varint's payload.
pub const VARINT: u8 = 0;
/// Eight bytes, little endian.
pub const FIXED64: u8 = 1;
/// A length and as many bytes.
pub const LEN: u8 = 2;
/// Four bytes, little endian.
pub const FIXED32: u8 = 5;

/// Reads a varint at `at`, within `end`; gives it and the offset behind it.
///
/// # Errors
/// [`Fault::Truncated`] or [`Fault::Varint`].
#[inline(always)]
pub fn read(buf: &[u8], at: usize, end: usize) -> Result<(u64, usize), Fault> {
    match buf[..end].get(at) {
        Some(&byte) if byte < 0x80 => Ok((u64::from(byte), at + 1)),
        Some(_) => read_long(&buf[..end], at),
        None => Err(Fault::Truncated),
    }
}

fn read_long(buf: &[u8], at: usize) -> Result<(u64, usize), Fault> {
    let mut value = 0u64;
    for (i, &byte) in buf[at..].iter().take(10).enumerate() {
        // The tenth byte carries one bit: 9 x 7 = 63.
        if i == 9 && byte > 1 {
            return Err(Fault::Varint);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok((value, at + i + 1));
        }
    }
    Err(if buf.len() - at >= 10 { Fault::Varint } else { Fault::Truncated })
}

/// The number of bytes that `value` takes as a minimal varint.
#[inline]
pub const fn len(value: u64) -> usize {
    // One byte for each seven bits, at least one.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends `value` as a minimal varint.
#[inline]
pub fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// One field's head: its number and wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// 1 to 2^29 - 1.
    pub field: u32,
    /// One of the constants of this module.
    pub wire: u8,
}

/// Reads a tag at `at`, within `end`; gives it and the offset behind it.
///
/// # Errors
/// As [`read`], and [`Fault::FieldNumber`]; groups and reserved types are [`Fault::WireType`].
#[inline(always)]
pub fn tag(buf: &[u8], at: usize, end: usize) -> Result<(Tag, usize), Fault> {
    let (raw, next) = read(buf, at, end)?;
    if raw > u64::from(u32::MAX) || raw < 8 {
        return Err(Fault::FieldNumber);
    }
    let tag = Tag { field: (raw >> 3) as u32, wire: (raw & 7) as u8 };
    match tag.wire {
        VARINT | FIXED64 | LEN | FIXED32 => Ok((tag, next)),
        _ => Err(Fault::WireType),
    }
}

/// Where the payload behind a tag begins and ends: behind the length for [`LEN`].
///
/// # Errors
/// As [`read`], and [`Fault::Length`].
#[inline(always)]
pub fn payload(buf: &[u8], wire: u8, at: usize, end: usize) -> Result<(usize, usize), Fault> {
    match wire {
        LEN => {
            let (length, start) = read(buf, at, end)?;
            if length > (end - start) as u64 {
                return Err(Fault::Length);
            }
            Ok((start, start + length as usize))
        }
        VARINT => read(buf, at, end).map(|(_, next)| (at, next)),
        FIXED64 if end - at >= 8 => Ok((at, at + 8)),
        FIXED32 if end - at >= 4 => Ok((at, at + 4)),
        FIXED64 | FIXED32 => Err(Fault::Truncated),
        _ => Err(Fault::WireType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Scenario: any number. Guarantee: written minimal, read back, of the length that was said.
        #[test]
        fn varints_round_trip(value: u64) {
            let mut out = Vec::new();
            write(&mut out, value);
            prop_assert_eq!(out.len(), len(value));
            prop_assert_eq!(read(&out, 0, out.len()), Ok((value, out.len())));
            prop_assert_eq!(read(&out[..out.len() - 1], 0, out.len() - 1), Err(Fault::Truncated));
        }
    }

    /// Scenario: varints past 64 bits or ten bytes. Guarantee: refused, as prost refuses them.
    #[test]
    fn overlong_varints_are_refused() {
        for bytes in [vec![0xff; 10], [vec![0x80; 10], vec![1]].concat(), [vec![0xff; 9], vec![2]].concat()] {
            assert_eq!(read(&bytes, 0, bytes.len()), Err(Fault::Varint));
        }
        assert_eq!(read(&[vec![0xff; 9], vec![1]].concat(), 0, 10), Ok((u64::MAX, 10)));
    }
}
