//! What tells that a word is a tenant's name: the key or the word before it, its place in a path or in a host's name.

use super::{
    Context, Mentions,
    fold::{ends_word, is_word},
    rules::ends_domain,
};

/// Words and keys after which a tenant is named.
const TELLING: [&str; 7] =
    ["tenant", "workspace", "org", "organization", "organisation", "account", "customer"];
/// What a key may say of the tenant that it names.
const NAMED_BY: [&str; 6] = ["id", "slug", "name", "key", "code", "ref"];
/// The longest key that is looked at, in bytes.
const KEY: usize = 64;

impl Mentions {
    /// What tells that `start..end` is a tenant's name, if something does.
    pub(super) fn context(&self, text: &[u8], start: usize, end: usize) -> Option<Context> {
        if self.is_host(text, end) {
            return Some(Context::Host);
        }
        let mut left = &text[..start];
        let mut quoted = false;
        if let [head @ .., quote @ (b'"' | b'\'' | b'`')] = left {
            let escaped = head.strip_suffix(b"\\");
            let right = if escaped.is_some() { text[end..].strip_prefix(b"\\")? } else { &text[end..] };
            if right.first() != Some(quote) {
                return None;
            }
            (left, quoted) = (escaped.unwrap_or(head), true);
        } else if !ends_value(text, end) {
            return None;
        }
        let spaced = left.ends_with(b" ");
        let head = trim(left, 2);
        match head {
            [.., b'=', b'>'] => telling_key(unquoted(&head[..head.len() - 2])).then_some(Context::Keyed),
            [key @ .., b'='] => telling_key(unquoted(key)).then_some(Context::Keyed),
            [key @ .., b':'] => {
                let context = if quoted || !spaced { Context::Keyed } else { Context::Told };
                telling_key(unquoted(key)).then_some(context)
            }
            [path @ .., b'/'] if !quoted && !spaced => {
                let segment = trailing(path, |byte| byte.is_ascii_alphabetic());
                let after = &path[..path.len() - segment.len()];
                (after.ends_with(b"/") && telling_segment(segment)).then_some(Context::Path)
            }
            _ if spaced && left.len() - head.len() == 1 => {
                let word = trailing(head, |byte| byte.is_ascii_alphabetic());
                let whole = !ends_word(head, head.len() - word.len());
                let context = if quoted { Context::Keyed } else { Context::Told };
                (whole && telling(word)).then_some(context)
            }
            _ => None,
        }
    }

    /// Whether a domain of the platform follows, and ends there.
    pub(super) fn is_host(&self, text: &[u8], end: usize) -> bool {
        let rest = &text[end..];
        rest.first() == Some(&b'.')
            && self.platform.iter().any(|domain| {
                rest.get(..domain.len()).is_some_and(|head| head.eq_ignore_ascii_case(domain))
                    && ends_domain(text, end + domain.len())
            })
    }
}

/// Whether an unquoted value ends here.
fn ends_value(text: &[u8], end: usize) -> bool {
    match text.get(end) {
        Some(b':' | b'.') => !is_word(text, end + 1),
        Some(b'=' | b'@' | b'-' | b'_' | b'(') => false,
        _ => !is_word(text, end),
    }
}

/// Without up to `count` spaces at the end.
fn trim(mut text: &[u8], count: usize) -> &[u8] {
    for _ in 0..count {
        text = text.strip_suffix(b" ").unwrap_or(text);
    }
    text
}

/// A key without a space after it, and without its closing quote.
fn unquoted(key: &[u8]) -> &[u8] {
    let key = trim(key, 1);
    match key {
        [key @ .., b'"' | b'\'' | b'`' | b']'] => key.strip_suffix(b"\\").unwrap_or(key),
        _ => key,
    }
}

/// The bytes at the end that are of a kind, [`KEY`] at most.
fn trailing(text: &[u8], is: impl Fn(&u8) -> bool) -> &[u8] {
    let len = text.iter().rev().take(KEY).take_while(|byte| is(byte)).count();
    &text[text.len() - len..]
}

/// Whether the key at the end of a text names a tenant: `tenant`, `tenant_id`, `x-org-slug`, `accountName`, `slug`.
fn telling_key(text: &[u8]) -> bool {
    let key = trailing(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let (rest, last) = last_part(key);
    telling(last)
        || last.eq_ignore_ascii_case(b"slug")
        || (NAMED_BY.iter().any(|name| last.eq_ignore_ascii_case(name.as_bytes()))
            && telling(last_part(rest).1))
}

/// The last word of a key, and what stands before it: words are apart by marks or by a capital.
fn last_part(key: &[u8]) -> (&[u8], &[u8]) {
    let marks = key.iter().rev().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
    let key = &key[..key.len() - marks];
    let mut start = key.len();
    while start > 0 && key[start - 1].is_ascii_alphanumeric() {
        start -= 1;
        if key[start].is_ascii_uppercase() && start > 0 && key[start - 1].is_ascii_lowercase() {
            break;
        }
    }
    key.split_at(start)
}

fn telling(word: &[u8]) -> bool {
    TELLING.iter().any(|telling| word.eq_ignore_ascii_case(telling.as_bytes()))
}

/// `/t/`, `/tenants/`, `/org/` and the like; but `/account/` and `/customer/` are one's own, with pages below them.
fn telling_segment(segment: &[u8]) -> bool {
    let own = [&b"account"[..], b"customer"].iter().any(|own| segment.eq_ignore_ascii_case(own));
    segment.eq_ignore_ascii_case(b"t")
        || (telling(segment) && !own)
        || segment.split_last().is_some_and(|(s, rest)| s.eq_ignore_ascii_case(&b's') && telling(rest))
}
