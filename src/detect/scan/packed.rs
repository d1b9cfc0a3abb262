//! What stands before the text of a recorded file.

/// The mark that some programs put before text in UTF-8.
pub(crate) const BOM: &[u8] = "\u{feff}".as_bytes();

/// How a file with these first bytes is packed, if it is: the name of the tool that unpacks it.
pub(crate) fn packed(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        _ => None,
    }
}
