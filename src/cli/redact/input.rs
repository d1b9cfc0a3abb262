//! What `redact` reads: text as it is, or packed with gzip or zstd, which its first bytes tell.

use std::{
    cell::Cell,
    io::{self, BufReader, Cursor, Read},
};

use crate::limits;

/// How an input is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// It is text.
    None,
    Gzip,
    Zstd,
}

impl Packing {
    /// The name, for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Packing::None => "text",
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }

    /// How `head` starts, or nothing if that takes more bytes to tell.
    fn of(head: &[u8]) -> Option<Packing> {
        match *head {
            [0x1f, 0x8b, ..] => Some(Packing::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
            // A zstd frame that is there to be skipped; text follows in others.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstd),
            [] | [0x1f] | [0x28] | [0x28, 0xb5] | [0x28, 0xb5, 0x2f] => None,
            [0x50..=0x5f] | [0x50..=0x5f, 0x2a] | [0x50..=0x5f, 0x2a, 0x4d] => None,
            _ => Some(Packing::None),
        }
    }
}

/// What is read of an input.
pub(super) type Text<'i> = BufReader<Box<dyn Read + 'i>>;

/// An input as text, and how it was packed.
pub(super) fn open<'i>(mut input: impl Read + 'i) -> io::Result<(Packing, Text<'i>)> {
    // Byte for byte, so that a line that somebody types is not waited for once more.
    let mut head = Vec::with_capacity(4);
    let packing = loop {
        if let Some(packing) = Packing::of(&head) {
            break packing;
        }
        if input.by_ref().take(1).read_to_end(&mut head)? == 0 {
            break Packing::None;
        }
    };
    let whole = Cursor::new(head).chain(input);
    let packed = |whole| BufReader::with_capacity(limits::REDACT_BUFFER_BYTES, whole);
    let text: Box<dyn Read + 'i> = match packing {
        Packing::None => Box::new(whole),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed(whole))),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed(whole))?;
            // A frame's header can ask for any window; this bounds what it makes us allocate.
            decoder.window_log_max(limits::REDACT_ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    };
    Ok((packing, BufReader::with_capacity(limits::REDACT_BUFFER_BYTES, text)))
}

/// Counts the bytes that are read.
pub(super) struct Counted<'c, R> {
    pub input: R,
    pub bytes: &'c Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes.set(self.bytes.get() + count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> (Packing, io::Result<String>) {
        let (packing, mut text) = open(bytes).unwrap();
        let mut out = Vec::new();
        let result = text.read_to_end(&mut out).map(|_| String::from_utf8(out).unwrap());
        (packing, result)
    }

    /// Scenario: text that begins as a packed file does, for some bytes. Guarantee: it comes through whole.
    #[test]
    fn text_is_not_mistaken() {
        for text in ["", "(", "(\u{35}", "P*", "P*M", "P*M!", "\u{1f}", "\u{1f}x\n", "plain\n"] {
            let (packing, out) = read(text.as_bytes());
            assert_eq!((packing, out.unwrap().as_str()), (Packing::None, text));
        }
    }

    /// Scenario: several members, several frames, a frame to skip first. Guarantee: all of the text, in order.
    #[test]
    fn several_members_are_one_text() {
        let members = [gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat();
        assert_eq!(read(&members).1.unwrap(), "one\ntwo\n");
        let skipped = b"\x5a\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        let frames = [skipped.clone(), zstd(b"one\n"), skipped, zstd(b"two\n")].concat();
        let (packing, text) = read(&frames);
        assert_eq!((packing, text.unwrap().as_str()), (Packing::Zstd, "one\ntwo\n"));
    }

    /// Scenario: packed text that ends early, at every place. Guarantee: an error; never a shorter text that
    /// looks whole.
    #[test]
    fn what_is_cut_short_is_an_error() {
        for whole in [gzip(b"some text, and more of it\n"), zstd(b"some text, and more of it\n")] {
            for end in 4..whole.len() {
                assert!(read(&whole[..end]).1.is_err(), "{end} of {}", whole.len());
            }
            let two = [&whole[..], &whole[..]].concat();
            for end in whole.len() + 1..two.len() {
                assert!(read(&two[..end]).1.is_err(), "{end} of {}", two.len());
            }
        }
    }

    /// Scenario: a zstd frame that asks for a window of 256 MiB. Guarantee: refused.
    #[test]
    fn a_window_is_bounded() {
        // The magic number, a descriptor without anything, the window's exponent 18 (2^28), an empty last block.
        assert!(read(b"\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00").1.is_err());
        assert_eq!(read(b"\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00").1.unwrap(), "");
    }
}
