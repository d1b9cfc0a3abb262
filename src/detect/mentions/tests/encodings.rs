//! Canaries however they are written.

use base64::prelude::*;
use proptest::prelude::*;

use super::*;

/// Whether the canary of tenant `n` is found in a text, once.
fn has(text: &str, n: u128) -> bool {
    let all = found(&some(), text);
    all.len() == 1 && all[0].0 == n && all[0].1 == Kind::Canary && all[0].2 == Strength::Certain
}

fn percent(text: &str, all: bool) -> String {
    let set = percent_encoding::NON_ALPHANUMERIC;
    if all {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    } else {
        percent_encoding::utf8_percent_encode(text, set).to_string()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Scenario: canaries in other cases, with other separators, escaped for URLs, JSON and HTML. Guarantee: each is
/// found, once.
#[test]
fn a_canary_is_found_however_it_is_written() {
    for (canary, n) in [(TOKEN, 1), (PHRASE, 2), ("hook.4471@tripwire.example", 4)] {
        for text in [
            canary.to_owned(),
            canary.to_uppercase(),
            canary.replace(' ', "+"),
            percent(canary, false),
            percent(canary, true),
            percent(&percent(canary, false), false),
            percent(&percent(canary, true), false),
            canary.replace(' ', "%20"),
            canary.replace(' ', "\\u0020").replace('-', "\\u002d"),
            canary.chars().map(|c| format!("\\u{:04x}", c as u32)).collect(),
            canary.chars().map(|c| format!("&#{};", c as u32)).collect(),
            hex(canary.as_bytes()),
            hex(canary.as_bytes()).to_uppercase(),
            hex(canary.to_uppercase().as_bytes()),
            canary.bytes().map(|byte| format!("\\x{byte:02x}")).collect(),
        ] {
            for whole in [text.clone(), format!("note=\"{text}\";"), format!("{{\"a\":\"x\\n{text}\\n\"}}")] {
                assert!(has(&whole, n), "{whole}: {:?}", found(&some(), &whole));
            }
        }
    }
}

/// Scenario: the words of a phrase apart by something else, or by nothing. Guarantee: found; but not with other
/// words between them, or more of the number.
#[test]
fn a_phrase_is_found_with_other_separators() {
    for text in [
        "tawny-birch-meadow-100042",
        "tawny_birch_meadow_100042",
        "TawnyBirchMeadow100042",
        "tawnyBirch-meadow 100042",
        "Tawny  Birch\tMeadow, 100042",
        "Tawny\u{a0}Birch\u{2009}Meadow\u{3000}100042",
        "/files/tawny.birch.meadow.100042.pdf",
        "tAWNY / birch / MEADOW / 100042",
    ] {
        assert!(has(text, 2), "{text}");
    }
    for text in [
        "tawny birch meadow",
        "tawny birch meadow 1000421",
        "tawny birch or meadow 100042",
        "xtawny birch meadow 100042",
    ] {
        assert_eq!(found(&some(), text), [], "{text}");
    }
}

/// Scenario: encodings inside each other. Guarantee: found two deep.
#[test]
fn nested_encodings_are_looked_into() {
    for (canary, n) in [(TOKEN, 1), (PHRASE, 2)] {
        let json = format!("{{\"note\":\"{}\"}}", percent(canary, true));
        let twice = BASE64_STANDARD.encode(BASE64_STANDARD.encode(format!("the note {canary} of it")));
        for text in [
            BASE64_STANDARD.encode(&json),
            percent(&BASE64_STANDARD.encode(canary), true),
            BASE64_STANDARD.encode(canary).replace('/', "\\/"),
            hex(BASE64_URL_SAFE.encode(canary).as_bytes()),
            twice,
        ] {
            assert!(has(&text, n), "{text}");
        }
    }
}

/// Scenario: a canary's encoding after a path, in a cut text, in a cookie. Guarantee: found.
#[test]
fn an_encoded_canary_needs_no_clean_start() {
    for shift in 0..4 {
        let path = "/v1/files/".to_owned() + &"x".repeat(shift) + "/";
        assert!(has(&format!("GET {path}{} 200", BASE64_URL_SAFE_NO_PAD.encode(TOKEN)), 1), "{shift}");
        let cut = &BASE64_STANDARD.encode(format!("something before {TOKEN} and after"))[shift..];
        assert!(has(cut, 1), "{cut}");
        let beside = format!(
            "é{}é{}€",
            BASE64_STANDARD_NO_PAD.encode(&path[shift..]),
            BASE64_STANDARD_NO_PAD.encode(TOKEN)
        );
        assert!(has(&beside, 1), "{beside}");
        let hex = hex(format!("something before {TOKEN} and after").as_bytes());
        assert!(has(&hex[shift..], 1), "{shift}");
    }
}

proptest! {
    /// Scenario: a canary at any place of any bytes, in base64 of both alphabets, with and without padding, and in
    /// hexadecimal. Guarantee: found, with a place inside the encoding.
    #[test]
    fn encoded_anywhere(
        before in proptest::collection::vec(any::<u8>(), 0..40),
        after in proptest::collection::vec(any::<u8>(), 0..40),
        upper in any::<bool>(),
        phrase in any::<bool>(),
    ) {
        let (canary, n) = if phrase { (PHRASE, 2) } else { (TOKEN, 1) };
        let canary = if upper { canary.to_uppercase() } else { canary.to_owned() };
        let bytes = [&before, canary.as_bytes(), &after].concat();
        for text in [
            BASE64_STANDARD.encode(&bytes),
            BASE64_STANDARD_NO_PAD.encode(&bytes),
            BASE64_URL_SAFE.encode(&bytes),
            BASE64_URL_SAFE_NO_PAD.encode(&bytes),
            hex(&bytes),
        ] {
            let whole = format!("payload: {text}, end");
            let mentions = found(&some(), &whole);
            prop_assert!(mentions.iter().any(|m| m.0 == n && m.1 == Kind::Canary && text.contains(m.4)), "{whole}");
        }
    }
}
