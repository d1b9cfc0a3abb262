//! Scenario: any bytes, with whole and cut examples of all rules among them, at any place of a block. Guarantee:
//! no panic; the fast path finds what the plain regular expressions find, span for span; scrubbing twice
//! changes nothing.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis::scrub::{Scratch, Scrubber, Settings};

static RULES: LazyLock<(Scrubber, Vec<String>)> = LazyLock::new(|| {
    let settings = Settings::default();
    let packs = Scrubber::packs(&settings).expect("built-in packs");
    let rules = packs.iter().flat_map(|p| &p.rules).flat_map(|(r, _)| r.matches.iter().chain(&r.no_match));
    let keys = packs.iter().flat_map(|p| &p.keys).flat_map(|(r, _)| r.matches.iter().chain(&r.no_match));
    let examples = rules.chain(keys).cloned().collect();
    (Scrubber::new(&settings).expect("built-in packs"), examples)
});

/// Bytes as they are; `0xF8` to `0xFF`, no part of UTF-8, stand for a piece of the example that the next two
/// bytes choose, from where the third says, as long as the fourth says.
fn text(mut data: &[u8], examples: &[String]) -> Vec<u8> {
    let Some((&shift, rest)) = data.split_first() else { return Vec::new() };
    data = rest;
    let mut out = vec![b' '; usize::from(shift % 64)];
    while let Some((&byte, rest)) = data.split_first() {
        data = rest;
        match rest {
            &[low, high, from, len, ref rest @ ..] if byte >= 0xF8 => {
                let number = usize::from(u16::from_le_bytes([low, high])) % examples.len();
                let example = examples[number].as_bytes();
                let from = usize::from(from) % (example.len() + 1);
                let piece = &example[from..];
                out.extend_from_slice(&piece[..piece.len().min(usize::from(len))]);
                data = rest;
            }
            _ => out.push(byte),
        }
    }
    out
}

fuzz_target!(|data: &[u8]| {
    let (scrubber, examples) = &*RULES;
    let text = text(data, examples);
    let fast = scrubber.fast_spans(&mut Scratch::default(), &text);
    let slow = scrubber.oracle_spans(&text);
    assert!(fast == slow, "fast {fast:?}\nslow {slow:?}");
    let text = String::from_utf8_lossy(&text);
    let once = scrubber.scrub(&text).into_owned();
    assert!(scrubber.scrub(&once) == once, "a second time changes something");
});
