//! Text in base64 or hexadecimal: what was encoded is looked into as if it stood there plainly.

/// Runs of letters and digits shorter than this are words.
pub(crate) const RUN: usize = 12;

/// Whether this is a letter, a digit or a mark of base64 in either alphabet.
pub(crate) fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Whether what begins so could be text in base64: a glance at its first [`RUN`] letters.
#[inline]
pub(crate) fn like_base64(token: &[u8]) -> bool {
    let Some(head) = token.first_chunk::<RUN>() else { return false };
    let mut text = [0; RUN / 4 * 3];
    for (group, bytes) in head.as_chunks::<4>().0.iter().zip(text.as_chunks_mut::<3>().0) {
        if group_of_base64(group, bytes).is_none() {
            return false;
        }
    }
    std::str::from_utf8(&text).map_or_else(|e| e.error_len().is_none(), |_| true)
}

/// Whether what begins so could be text in hexadecimal: a glance at its first [`RUN`] digits.
#[inline]
pub(crate) fn like_hex(run: &[u8]) -> bool {
    let digits = &run[prefix(run)..];
    let Some(head) = digits.first_chunk::<RUN>() else {
        return digits.chunks_exact(2).all(|pair| byte_of_hex(pair).is_some_and(readable));
    };
    // All of them are looked at: where the first one fails can't be foreseen.
    let mut all = true;
    for [high, low] in head.as_chunks::<2>().0 {
        let (high, low) = (NIBBLE[usize::from(*high)], NIBBLE[usize::from(*low)]);
        all &= ((high | low) < 16) & readable(high << 4 | low);
    }
    all
}

/// A glance before [`like_hex`], which says no wherever this does: at the first three bytes.
#[inline]
pub(crate) fn may_be_hex(run: &[u8]) -> bool {
    let Some(head) = run[prefix(run)..].first_chunk::<6>() else { return true };
    let nibble = |i: usize| NIBBLE[usize::from(head[i])];
    let byte = |i: usize| ((nibble(i) | nibble(i + 1)) < 16) & readable(nibble(i) << 4 | nibble(i + 1));
    byte(0) & byte(2) & byte(4)
}

/// Adds to `out` what a run of hexadecimal digits means, if people could read it; tells how much of the run
/// stands before the digits.
pub(crate) fn hex(run: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let skipped = prefix(run);
    let digits = &run[skipped..];
    if digits.len() < RUN || digits.len() % 2 == 1 {
        return None;
    }
    for pair in digits.chunks_exact(2) {
        out.push(byte_of_hex(pair).filter(|byte| readable(*byte))?);
    }
    Some(skipped)
}

/// How much of a run of hexadecimal digits only says what it is: `x` or `0x`.
fn prefix(run: &[u8]) -> usize {
    match run {
        [b'0', b'x' | b'X', ..] => 2,
        [b'x' | b'X', ..] => 1,
        _ => 0,
    }
}

/// What a hexadecimal digit stands for; 16 and more for others.
pub(crate) static NIBBLE: [u8; 256] = {
    let mut nibble = [0xF0; 256];
    let mut byte = 0;
    while byte < 256 {
        if let Some(value) = (byte as u8 as char).to_digit(16) {
            nibble[byte] = value as u8;
        }
        byte += 1;
    }
    nibble
};

#[inline]
fn byte_of_hex(pair: &[u8]) -> Option<u8> {
    let nibble = |b: u8| (b as char).to_digit(16).map(|n| n as u8);
    Some(nibble(pair[0])? << 4 | nibble(pair[1])?)
}

/// A byte of a text that people read.
fn readable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')
}

/// Adds to `out` what a token of base64, unpadded, means; false at the first group that nobody could read.
pub(crate) fn base64(token: &[u8], out: &mut Vec<u8>) -> bool {
    let mark = out.len();
    if token.len() < RUN || token.len() % 4 == 1 {
        return false;
    }
    for group in token.chunks(4) {
        let mut bytes = [0; 3];
        let Some(len) = group_of_base64(group, &mut bytes) else { return false };
        out.extend_from_slice(&bytes[..len]);
    }
    // Letters beyond ASCII are text only where they are whole.
    std::str::from_utf8(&out[mark..]).is_ok()
}

/// What a letter of either alphabet stands for. A table: branches can't foresee random letters.
pub(crate) static SIX: [u8; 256] = {
    let mut six = [63; 256];
    let mut byte = 0;
    while byte < 256 {
        six[byte] = match byte as u8 {
            upper @ b'A'..=b'Z' => upper - b'A',
            lower @ b'a'..=b'z' => lower - b'a' + 26,
            digit @ b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            _ => 63,
        };
        byte += 1;
    }
    six
};

/// A glance before [`like_base64`], which says no wherever this does: the first eight letters, as six bytes in one
/// number. Without branches, as words look no different from random letters.
#[inline]
pub(crate) fn may_be_base64(token: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080 << 16;
    let Some(head) = token.first_chunk::<8>() else { return true };
    let x = head.iter().fold(0, |x, byte| x << 6 | u64::from(SIX[usize::from(*byte)])) << 16;
    // The bytes below 0x20, but for those from 8 to 15.
    let control = !(x | x << 1 | x << 2) & (x << 3 | !(x << 4)) & HIGH;
    // UTF-8: bytes that go on with a letter stand behind one that begins one, and there must be one.
    let (begins, goes_on, ascii) = (x & x << 1 & HIGH, x & !(x << 1) & HIGH, !x & HIGH);
    let torn = begins >> 8 & HIGH & !goes_on | (1 << 63 | ascii >> 8) & goes_on;
    control | torn == 0
}

/// One group of up to four letters; how many bytes it means, if a person could read them.
#[inline]
fn group_of_base64(group: &[u8], out: &mut [u8; 3]) -> Option<usize> {
    let mut bits = 0u32;
    for byte in group {
        let six = SIX[usize::from(*byte)];
        bits = bits << 6 | u32::from(six);
    }
    bits <<= 6 * (4 - group.len() as u32);
    *out = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
    let len = group.len() * 6 / 8;
    out[..len].iter().all(|b| readable(*b) || *b >= 0x80).then_some(len)
}

#[cfg(test)]
mod tests {
    use base64::prelude::*;
    use proptest::prelude::*;

    use super::{super::scan::Scratch, *};

    proptest! {
        /// Scenario: texts as base64 and hexadecimal, and what is neither. Guarantee: the glances deny none.
        #[test]
        fn glances_deny_nothing_that_is_decoded(text in "[ -~\\t\\r\\né-ü€-₿😀]{9,20}", noise in "[A-Za-z0-9+/_-]{12}") {
            let token = BASE64_STANDARD_NO_PAD.encode(&text);
            prop_assert!(may_be_base64(token.as_bytes()));
            prop_assert!(may_be_base64(noise.as_bytes()) || !like_base64(noise.as_bytes()));
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            for run in [hex.clone(), format!("0x{hex}"), noise] {
                prop_assert!(may_be_hex(run.as_bytes()) || !like_hex(run.as_bytes()));
            }
        }
    }

    /// Scenario: encoded texts in lines, and things that look like them. Guarantee: read, and their place told;
    /// ids, hashes and names are left.
    #[test]
    fn only_readable_text_is_decoded() {
        for (line, token, plain) in [
            ("card_b64=MzcxNDQ5NjM1Mzk4NDMx trace=1", "MzcxNDQ5NjM1Mzk4NDMx", "371449635398431"),
            ("{\"b64\":\"MjE5LTA5LTk5OTk=\"}", "MjE5LTA5LTk5OTk=", "219-09-9999"),
            ("'\\x3231392d30392d39393939'", "3231392d30392d39393939", "219-09-9999"),
            ("p=0x6a616e65406578616d706c652e636f6d", "6a616e65406578616d706c652e636f6d", "jane@example.com"),
        ] {
            let mut scratch = Scratch::default();
            let (start, end, meant) = scratch.encoded_in(line).next().unwrap();
            assert_eq!((&line[start..end], meant), (token, plain.to_owned()), "{line}");
        }
        for line in [
            "trace_id=9c03e7411bd86fa250e98d07c1f4aa36",
            "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "pod=checkout-7d9kq2xv4m-w8zrt",
            "org.example.configuration.Loader",
            "/usr/share/zoneinfo/posixrules",
        ] {
            assert_eq!(Scratch::default().encoded_in(line).next(), None, "{line}");
        }
    }
}
