//! Scenario: any text, with whole and cut names and canaries of tenants in it, plain and encoded. Guarantee: no panic;
//! places are boundaries of characters, in order; what stands there is of that tenant; what is found does not depend on
//! the memory of scans before; a canary that stands alone at the end is always found.
#![no_main]

use std::sync::LazyLock;

use base64::prelude::*;
use libfuzzer_sys::fuzz_target;
use portcullis::{
    batch::TenantId,
    detect::mentions::{Context, Kind, Mention, Mentions, Names, Scratch},
};

/// What tenants are known by; the tenant's number is the place in the list.
const TEXTS: [(Kind, &str); 14] = [
    (Kind::Slug, "walnut-ferry"),
    (Kind::Slug, "walnut-ferry-two"),
    (Kind::Slug, "signal"),
    (Kind::Slug, "k7xq2m9"),
    (Kind::Domain, "acme.example"),
    (Kind::Domain, "shop.acme.example"),
    (Kind::Domain, "a-b.example"),
    (Kind::Name, "Walnut Ferry AB"),
    (Kind::Name, "Küsten & Söhne GmbH"),
    (Kind::Name, "Signal Inc."),
    (Kind::Canary, "cnry-4b17d02fa96c4e83b5d1"),
    (Kind::Canary, "Tawny Birch Meadow 100042"),
    (Kind::Canary, "hook.4471@tripwire.example"),
    (Kind::Canary, "größe-über-tausend-99"),
];

fn tenant(number: usize) -> TenantId {
    format!("1b4e28ba-2fa1-4d3c-883f-{:012x}", number + 1).parse().expect("a uuid")
}

static MENTIONS: LazyLock<Mentions> = LazyLock::new(|| {
    let names = TEXTS.iter().enumerate().map(|(number, (kind, text))| {
        let mut names = Names::new(tenant(number));
        match kind {
            Kind::Slug => names.slugs.push(text),
            Kind::Domain => names.domains.push(text),
            Kind::Name => names.name = Some(text),
            _ => names.canaries.push(text),
        }
        names
    });
    Mentions::build(names, ["app.example"])
});

/// Bytes as they are; `0xF8` to `0xFF`, no part of UTF-8, stand for a piece of the text that the next byte chooses, from
/// where the second says, as long as the third says, encoded as the fourth says.
fn text(mut data: &[u8]) -> String {
    let mut out = Vec::new();
    while let Some((&byte, rest)) = data.split_first() {
        data = rest;
        match rest {
            &[which, from, len, how, ref rest @ ..] if byte >= 0xF8 => {
                let id = tenant(usize::from(which) % TEXTS.len()).to_string();
                let text = if which >= 0xE0 { &id } else { TEXTS[usize::from(which) % TEXTS.len()].1 };
                let piece = &text.as_bytes()[usize::from(from) % 2 * (usize::from(from) % text.len())..];
                let piece = &piece[..piece.len().min(usize::from(len))];
                let each = |f: fn(u8) -> String| piece.iter().map(|byte| f(*byte)).collect::<String>();
                out.extend(match how % 8 {
                    0 => BASE64_STANDARD.encode(piece).into_bytes(),
                    1 => BASE64_URL_SAFE_NO_PAD.encode(piece).into_bytes(),
                    2 => each(|byte| format!("{byte:02x}")).into_bytes(),
                    3 => each(|byte| format!("%{byte:02X}")).into_bytes(),
                    4 => each(|byte| format!("\\u{byte:04x}")).into_bytes(),
                    5 => piece.to_ascii_uppercase(),
                    _ => piece.to_vec(),
                });
                data = rest;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn scan(text: &str, scratch: &mut Scratch) -> Vec<Mention> {
    let mut all = Vec::new();
    MENTIONS.scan(text.as_bytes(), scratch, &mut |mention| all.push(mention));
    all
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    let mut scratch = Scratch::default();
    let all = scan(&text, &mut scratch);
    let mut last = 0;
    for m in &all {
        assert!(m.start < m.end && m.start >= last, "{m:?}");
        last = m.start;
        let there = &text[m.start..m.end];
        let number = (0..TEXTS.len()).find(|number| tenant(*number) == m.tenant).expect("a tenant of the index");
        match (m.kind, m.context) {
            (_, Context::Encoded) => {}
            (Kind::Id, _) => assert!(letters(there) == letters(&m.tenant.to_string()), "{there}"),
            (kind, _) => {
                assert!(kind == TEXTS[number].0, "{m:?}");
                assert!(letters(TEXTS[number].1).starts_with(&letters(there)), "{there}");
            }
        }
    }
    assert!(scan(&text, &mut scratch) == all, "the scratch memory counts");
    if all.len() < 200 {
        let more = format!("{text} \ncnry-4b17d02fa96c4e83b5d1");
        let found = scan(&more, &mut scratch);
        assert!(found.iter().any(|m| m.kind == Kind::Canary && m.end == more.len()), "{more:?}");
    }
});
