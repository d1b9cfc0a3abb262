//! Ids in paths, queries and keys: what can be told apart across tenants.

use crate::{detect::fingerprint::Key, limits};

use super::super::fingerprint::{Domain, Fingerprint};

/// The path of a path or a whole URL, without query and fragment.
pub(super) fn path_of(text: &str) -> &str {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match text.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => text,
    }
}

/// The fingerprint of an id that can be told apart across tenants: a uuid anywhere; another long
/// opaque id within its `space` (a route, a key's shape); never a small number or a word.
pub(super) fn object(key: Key, space: &str, text: &str) -> Option<Fingerprint> {
    let (whole, text) = (text, stem(text));
    if let Some(uuid) = uuid(text) {
        return Some(key.of(Domain::Object, uuid.as_bytes()));
    }
    if text.len() > limits::OBJECT_ID_BYTES || !is_opaque(text) || is_program(&whole[text.len()..]) {
        return None;
    }
    let scoped = [space, "\0", text].concat();
    Some(key.of(Domain::Object, scoped.as_bytes()))
}

/// A small number.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The uuid that a text is, in any of its forms.
pub(super) fn uuid(text: &str) -> Option<uuid::Uuid> {
    matches!(text.len(), 32 | 36 | 38 | 45).then(|| uuid::Uuid::try_parse(text).ok()).flatten()
}

/// The first uuid with hyphens inside a text, and where it begins: one that is no part of a longer run of letters and
/// digits.
pub(super) fn uuid_in(text: &str) -> Option<(usize, uuid::Uuid)> {
    let bytes = text.as_bytes();
    let is = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    memchr::memchr_iter(b'-', bytes).find_map(|hyphen| {
        let start = hyphen.checked_sub(8)?;
        let written = text.get(start..start + 36)?;
        if is(start.checked_sub(1)) || is(Some(start + 36)) {
            return None;
        }
        Some((start, uuid::Uuid::try_parse(written).ok()?))
    })
}

/// A file's name without its ending.
pub(super) fn stem(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((stem, ending)) if (1..=5).contains(&ending.len()) && !stem.is_empty() => stem,
        _ => text,
    }
}

// Programs, styles and fonts: everybody's, and their names end in a hash of their content.
fn is_program(ending: &str) -> bool {
    const ENDINGS: [&str; 9] = [".js", ".mjs", ".css", ".map", ".wasm", ".woff", ".woff2", ".ttf", ".ico"];
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

// Object ids, ULIDs, nano ids, snowflakes: long, plain, and with digits among the letters.
fn is_opaque(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    plain && text.len() >= 16 && digits >= 4 && !text.contains("--")
}

/// Whether a part of a path or a key is a word that may be shown: letters, and a few digits at most.
pub(super) fn is_word(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    plain && text.len() <= 32 && digits <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: ids as paths and keys have them, and what is none. Guarantee: long ids are told apart,
    /// numbers, words and a program's hashed name are not; a uuid is the same in every form, and with a file's ending.
    #[test]
    fn ids_are_told_from_words_and_numbers() {
        let key = Key::new([3; 16]);
        let id = |text: &str| object(key, "/r", text);
        let uuid = "0190b8a2-7c1e-7d3a-9f00-5a6b7c8d9e0f";
        assert_eq!(id(uuid), id(&uuid.to_uppercase()));
        assert_eq!(id(uuid), id(&format!("{uuid}.flac")));
        assert_eq!(object(key, "/a", uuid), object(key, "/b", uuid));
        assert!(id("01ARZ3NDEKTSV4RRFFQ69G5FAV").is_some());
        assert_ne!(
            object(key, "/a", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            object(key, "/b", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
        );
        for none in ["12345", "recordings", "audio-recordings-index", ""] {
            assert_eq!(id(none), None, "{none}");
        }
        let (asset, picture) = ("app-3f9a8b7c6d5e4f3a.js", "cam-3f9a8b7c6d5e4f3a.jpg");
        assert_eq!((id(asset), id(&format!("{uuid}.js")), id(picture).is_some()), (None, id(uuid), true));
        assert_eq!((number("123"), number("12a"), number("")), (Some(123), None, None));
        assert_eq!(path_of("https://h.example/a/b?c=d#e"), "/a/b");
    }
}
