//! Text in base64 or hexadecimal: what was encoded is looked into as if it stood there plainly.

use std::ops::Range;

/// Runs of letters and digits shorter than this are words.
pub(super) const RUN: u32 = 12;

/// The letters, digits and marks of both alphabets around place `at`.
pub(super) fn token(text: &[u8], at: usize) -> Range<usize> {
    let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'_' | b'-');
    let start = text[..at].iter().rposition(|b| !part(b)).map_or(0, |before| before + 1);
    start..at + text[at..].iter().take_while(|b| part(b)).count()
}

/// Where the encoded text of a token stands, its padding included; what it means is added to `out`. None if
/// it means nothing that a person could read.
pub(super) fn decode(text: &[u8], token: Range<usize>, out: &mut Vec<u8>) -> Option<(usize, usize)> {
    let Range { start, end: stop } = token;
    let token = &text[start..stop];
    let mark = out.len();
    if let Some(skipped) = hex(token, out) {
        return Some((start + skipped, stop));
    }
    out.truncate(mark);
    let padding = text[stop..].iter().take(2).take_while(|b| **b == b'=').count();
    if base64(token, out) {
        return Some((start, stop + padding));
    }
    out.truncate(mark);
    None
}

/// A byte of a text that people read.
fn readable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')
}

/// Decodes pairs of hexadecimal digits, behind `x` or `0x` too; how much stands before them.
fn hex(token: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let skipped = match token {
        [b'0', b'x' | b'X', ..] => 2,
        [b'x' | b'X', ..] => 1,
        _ => 0,
    };
    let digits = &token[skipped..];
    let nibble = |b: u8| (b as char).to_digit(16).map(|n| n as u8);
    if digits.len() < RUN as usize || digits.len() % 2 == 1 {
        return None;
    }
    for pair in digits.chunks_exact(2) {
        let byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        if !readable(byte) {
            return None;
        }
        out.push(byte);
    }
    Some(skipped)
}

/// Decodes base64 of either alphabet, unpadded. Stops at the first group that nobody could read.
fn base64(token: &[u8], out: &mut Vec<u8>) -> bool {
    if token.len() < RUN as usize || token.len() % 4 == 1 {
        return false;
    }
    for group in token.chunks(4) {
        let mut bits = 0u32;
        for byte in group {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                _ => 63,
            };
            bits = bits << 6 | u32::from(six);
        }
        bits <<= 6 * (4 - group.len() as u32);
        let bytes = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
        let bytes = &bytes[..group.len() * 6 / 8];
        if !bytes.iter().all(|b| readable(*b) || *b >= 0x80) {
            return false;
        }
        out.extend_from_slice(bytes);
    }
    // Letters beyond ASCII are text only where they are whole.
    out.len() > 6 && std::str::from_utf8(&out[out.len().saturating_sub(token.len() * 3 / 4)..]).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(&str, String)> {
        let bytes = text.as_bytes();
        let mut out = Vec::new();
        let mut run = 0;
        let end = (0..=bytes.len()).find(|at| {
            let word = bytes.get(*at).is_some_and(u8::is_ascii_alphanumeric);
            let ends = !word && run >= RUN;
            run = if word { run + 1 } else { 0 };
            ends
        })?;
        let (start, stop) = decode(bytes, token(bytes, end), &mut out)?;
        Some((&text[start..stop], String::from_utf8(out).unwrap()))
    }

    /// Scenario: encoded texts in lines, and things that look like them. Guarantee: read, and their place told;
    /// ids, hashes and names are left.
    #[test]
    fn only_readable_text_is_decoded() {
        for (line, token, plain) in [
            ("card_b64=MzQ2ODE4NjEwNTgxMDMz trace=1", "MzQ2ODE4NjEwNTgxMDMz", "346818610581033"),
            ("{\"b64\":\"MTY3LTcwLTUzMjI=\"}", "MTY3LTcwLTUzMjI=", "167-70-5322"),
            ("'\\x3339362d37352d37313537'", "3339362d37352d37313537", "396-75-7157"),
            ("p=0x6a616e65406578616d706c652e636f6d", "6a616e65406578616d706c652e636f6d", "jane@example.com"),
        ] {
            assert_eq!(read(line), Some((token, plain.to_owned())), "{line}");
        }
        for line in [
            "trace_id=15a5ba1199d2c6afc5068d31d4f21a81",
            "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "pod=checkout-5zqphp88cf-dsdbp",
            "org.example.configuration.Loader",
            "/usr/share/zoneinfo/posixrules",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
