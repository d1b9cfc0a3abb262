//! The index against something slow and plain.

use std::sync::LazyLock;

use proptest::prelude::*;
use regex::Regex;

use super::*;

const DOMAINS: [(&str, u128); 4] =
    [("acme.example", 1), ("shop.acme.example", 2), ("walnut.shared.example", 3), ("a-b.example", 4)];
const SLUGS: [(&str, u128); 4] =
    [("walnut-ferry", 5), ("walnut-ferry-two", 6), ("k7xq2m9", 7), ("ferry-hill", 8)];
const CANARIES: [(&str, u128); 2] = [("cnry-00aa11bb", 9), ("tawny birch 4471", 10)];

fn index() -> Mentions {
    let names = |n| Names::new(id(n));
    let domains = DOMAINS.map(|(text, n)| Names { domains: vec![text], ..names(n) });
    let slugs = SLUGS.map(|(text, n)| Names { slugs: vec![text], ..names(n) });
    let canaries = CANARIES.map(|(text, n)| Names { canaries: vec![text], ..names(n) });
    Mentions::build(domains.into_iter().chain(slugs).chain(canaries), [])
}

/// A place, whose, and which kind.
type Found = (usize, usize, u128, Kind);

/// One regular expression a name, with what must stand before and after it.
static PATTERNS: LazyLock<Vec<(Regex, u128, Kind)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    let mut add = |pattern: String, n, kind| all.push((Regex::new(&pattern).unwrap(), n, kind));
    for (domain, n) in DOMAINS {
        let name = regex::escape(domain);
        add(
            format!(r"(?i)(?:^|[^\pL\pN_-])(?<n>{name})(?:$|[^\pL\pN_.@-]|\.$|\.[^\pL\pN_-])"),
            n,
            Kind::Domain,
        );
    }
    for (slug, n) in SLUGS {
        let name = regex::escape(slug);
        add(
            format!(r"(?i)(?:^|[^\pL\pN_.-])(?<n>{name})(?:$|[^\pL\pN_.-]|\.$|\.[^\pL\pN_-])"),
            n,
            Kind::Slug,
        );
        let under = name.replace(r"\-", "[_-]");
        add(
            format!(r"(?i)(?:^|[^\pL\pN])(?:tenant|db|schema)[_-](?<n>{under})(?:$|[^\pL\pN_-])"),
            n,
            Kind::Slug,
        );
    }
    for (canary, n) in CANARIES {
        let words: Vec<&str> = canary.split([' ', '-']).collect();
        let name = words.join(r"[^\pL\pN]{0,5}");
        add(format!(r"(?i)(?:^|[^\pL\pN])(?<n>{name})(?:$|[^\pL\pN])"), n, Kind::Canary);
    }
    all
});

/// What the regular expressions find; of what overlaps, the first and longest.
fn plain(text: &str) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    for (regex, n, kind) in &*PATTERNS {
        let mut at = 0;
        while let Some(captures) = regex.captures_at(text, at) {
            let name = captures.name("n").unwrap();
            all.push((name.start(), name.end(), *n, *kind));
            at = name.start() + 1;
        }
    }
    all.sort_by_key(|(start, end, ..)| (*start, std::cmp::Reverse(*end)));
    all.dedup();
    let mut kept: Vec<Found> = Vec::new();
    for found in all {
        if kept.last().is_none_or(|last| last.1 <= found.0) {
            kept.push(found);
        }
    }
    kept
}

fn fast(mentions: &Mentions, text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    mentions.scan(text.as_bytes(), &mut Scratch::default(), &mut |m| {
        all.push((m.start, m.end, m.tenant.0.as_u128() - id(0).0.as_u128(), m.kind));
    });
    all
}

fn piece() -> impl Strategy<Value = String> {
    let names = DOMAINS.iter().chain(&SLUGS).chain(&CANARIES).map(|(text, _)| (*text).to_owned());
    let parts = ["walnut", "ferry", "acme", "example", "tawny", "birch", "4471", "cnry", "two", "shop"];
    let marks =
        [" ", "-", "_", ".", "@", "/", ",", ":", "tenant_", "db_", "é", "—", "x", "2", "\u{a0}", ". "];
    prop_oneof![
        3 => proptest::sample::select(names.collect::<Vec<_>>()),
        1 => proptest::sample::select(parts.map(str::to_owned).to_vec()),
        4 => proptest::sample::select(marks.map(str::to_owned).to_vec()),
    ]
}

proptest! {
    /// Scenario: texts put together from names, their parts and marks, in mixed case. Guarantee: the index finds what
    /// one regular expression a name finds.
    #[test]
    fn agrees_with_regular_expressions(pieces in proptest::collection::vec((piece(), any::<bool>()), 0..12)) {
        let text: String = pieces
            .iter()
            .map(|(piece, upper)| if *upper { piece.to_uppercase() } else { piece.clone() })
            .collect();
        prop_assert_eq!(fast(&index(), &text), plain(&text), "{}", text);
    }

    /// Scenario: any text, with names and escapes in it. Guarantee: no panic; places are boundaries of characters, in
    /// order.
    #[test]
    fn any_text_is_survived(
        pieces in proptest::collection::vec(
            prop_oneof![piece(), any::<String>(), "[%\\\\&][0-9a-fux#;]{0,4}", "[A-Za-z0-9+/_=-]{8,40}"],
            0..10,
        ),
    ) {
        let text = pieces.concat();
        let mut last = 0;
        some().scan(text.as_bytes(), &mut Scratch::default(), &mut |m| {
            assert!(m.start < m.end && text.is_char_boundary(m.start) && text.is_char_boundary(m.end));
            assert!(m.start >= last);
            last = m.start;
        });
    }
}
