use proptest::prelude::*;

use super::*;

fn scrubber() -> &'static Scrubber {
    static ONE: std::sync::LazyLock<Scrubber> =
        std::sync::LazyLock::new(|| Scrubber::new(&Settings::default()).unwrap_or_else(|e| panic!("{e}")));
    &ONE
}

/// Scenario: every rule's own examples. Guarantee: what should be found is, what should not is not.
#[test]
fn every_rule_keeps_its_own_examples() {
    let packs = Scrubber::packs(&Settings::default()).unwrap();
    let report = run_examples(&packs).unwrap_or_else(|e| panic!("{e}"));
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    assert!(report.rules >= 50 && report.examples >= 150, "{} {}", report.rules, report.examples);
    assert_eq!(scrubber().slow_rules().count(), 0);
}

/// Every example of every rule, as raw material for texts that almost or truly match.
fn examples() -> Vec<String> {
    let packs = Scrubber::packs(&Settings::default()).unwrap();
    let mut out = Vec::new();
    for pack in &packs {
        pack.rules.iter().for_each(|(r, _)| out.extend(r.matches.iter().chain(&r.no_match).cloned()));
        pack.keys.iter().for_each(|(r, _)| out.extend(r.matches.iter().chain(&r.no_match).cloned()));
    }
    out.push("2026-11-23T10:29:28.123456789Z 550e8400-e29b-41d4-a716-446655440000".into());
    out
}

/// Texts made of whole and cut examples with joints between them.
fn texts() -> impl Strategy<Value = String> {
    let piece =
        (prop::sample::select(examples()), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let part = prop_oneof![
        3 => piece.prop_map(|(text, a, b)| {
            let chars: Vec<char> = text.chars().collect();
            if chars.is_empty() { return text; }
            let (a, b) = (a.index(chars.len()), b.index(chars.len() + 1));
            if a < b { chars[a..b].iter().collect() } else { text }
        }),
        1 => "[0-9A-Fa-f:.@+ =\"-]{0,24}",
        1 => "\\PC{0,8}",
    ];
    prop::collection::vec((part, "[ ,;\"='\\n-]{0,2}"), 0..6)
        .prop_map(|parts| parts.into_iter().map(|(a, b)| a + &b).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Scenario: near and true matches, cut and joined. Guarantee: the fast path finds what the plain
    /// regular expressions find, span for span.
    #[test]
    fn the_fast_path_is_the_oracle(text in texts()) {
        let fast = scrubber().fast_spans(&mut Scratch::default(), text.as_bytes());
        prop_assert_eq!(fast, scrubber().oracle_spans(text.as_bytes()));
    }

    /// Scenario: the same texts alone and as one of many. Guarantee: neighbours change nothing.
    #[test]
    fn a_text_is_found_the_same_among_others(many in prop::collection::vec(texts(), 1..6)) {
        let mut alone = Scratch::default();
        let mut together = Scratch::default();
        together.clear();
        for text in &many {
            together.push(text.as_bytes(), b"");
        }
        scrubber().engine.scan(&mut together);
        for (number, text) in many.iter().enumerate() {
            alone.clear();
            alone.push(text.as_bytes(), b"");
            scrubber().engine.scan(&mut alone);
            let of = |s: &Scratch, n: u32| -> Vec<_> {
                s.finds.iter().filter(|f| f.text == n).map(|f| (f.start, f.end, f.source)).collect()
            };
            prop_assert_eq!(of(&alone, 0), of(&together, number as u32));
        }
    }

    /// Scenario: scrubbing twice. Guarantee: the second time finds nothing to change.
    #[test]
    fn scrubbing_is_idempotent(text in texts()) {
        let once = scrubber().scrub(&text).into_owned();
        let twice = scrubber().scrub(&once).into_owned();
        prop_assert_eq!(twice, once);
    }

    /// Scenario: scrubbing twice under a tenant's key, every rule making pseudonyms. Guarantee: a token is
    /// not taken for a value.
    #[test]
    fn pseudonyms_are_idempotent(text in texts()) {
        static ALL: std::sync::LazyLock<Scrubber> = std::sync::LazyLock::new(|| {
            let packs = Scrubber::packs(&Settings::default()).unwrap();
            let ids = packs.iter().flat_map(|pack| {
                pack.rules.iter().map(|(r, _)| &r.id).chain(pack.keys.iter().map(|(r, _)| &r.id))
            });
            let actions = ids.map(|id| (id.clone(), Action::Pseudonym)).collect();
            let settings = Settings { actions, ..Settings::default() };
            Scrubber::from_packs(&packs, &settings).unwrap_or_else(|e| panic!("{e}"))
        });
        let master = MasterKey::new(&[7; 32], 1).unwrap();
        let tenant = Tenant { master: &master, id: crate::batch::TenantId(uuid::Uuid::from_u128(1)) };
        let mut scratch = Scratch::default();
        let once = ALL.scrub_with(&mut scratch, &text, "", Some(tenant), None).into_owned();
        let twice = ALL.scrub_with(&mut scratch, &once, "", Some(tenant), None).into_owned();
        prop_assert_eq!(twice, once);
    }

    /// Scenario: any bytes. Guarantee: no panic, and spans lie inside.
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut scratch = Scratch::default();
        for find in scrubber().spans(&mut scratch, &bytes, b"") {
            prop_assert!(find.start < find.end && find.end as usize <= bytes.len());
        }
    }
}

/// Scenario: lines made to set a scanner's work on fire. Guarantee: work grows as the line does.
#[test]
fn hostile_lines_cost_linear_work() {
    for seed in [
        "eyJaaaa-",
        "eyJaaaaaaaaa.",
        "1.1.",
        "+1",
        "4-",
        "::",
        "@a.",
        "password=",
        "://a:",
        "-----BEGIN ",
        "GB82 ",
        "mysql ",
        "abcdefghijkl-",
        "QUJDREVGR0hJSktM",
        "ab12cd34ef56_Ab",
        "12345678a",
        "-----BEGIN PRIVATE KEY-----",
        "cookie=a1b2c3d4e5f6=",
        "secret token ",
        "\"national_id\":{\"a\":",
    ] {
        let work = |n: usize| {
            let mut scratch = Scratch::default();
            let text = seed.repeat(n / seed.len());
            scrubber().spans(&mut scratch, text.as_bytes(), b"");
            scratch.looked_at
        };
        let (small, large) = (work(10_000).max(100_000), work(100_000));
        assert!(large <= 20 * small, "{seed}: {small} then {large}");
        assert!(large < 100_000 * 40 * 4, "{seed}: {large}");
    }
}

/// Scenario: numbers in words, joined in several ways, and words that only count something. Guarantee: the
/// first are found as if they stood in digits, and replaced whole; the others stay.
#[test]
fn numbers_in_words_are_found() {
    for (text, clean) in [
        (
            "card four one one one, one one one one, one one one one, one one one one please",
            "card [CREDIT_CARD] please",
        ),
        (
            "\u{1b}[36mip=\u{1b}[0m203.0.113.9\u{1b}[0m \u{1b}[1;31m\u{1b}[Kjane\u{1b}[m\u{1b}[K@mailbox.test\u{1b}[0m",
            "\u{1b}[36mip=\u{1b}[0m[IP_ADDRESS]\u{1b}[0m \u{1b}[1;31m\u{1b}[K[EMAIL]\u{1b}[0m",
        ),
        (r"\u001b[31m4111111111111111\u001b[0m", r"\u001b[31m[CREDIT_CARD]\u001b[0m"),
        ("\u{1b}[31mready\u{1b}[0m \u{1b}[", "\u{1b}[31mready\u{1b}[0m \u{1b}["),
        ("my SSN: two-one-nine-zero-nine-nine-nine-nine-nine thanks", "my SSN: [US_SSN] thanks"),
    ] {
        assert_eq!(scrubber().scrub(text), clean, "{text}");
    }
    for text in [
        "one two three four five",
        "stage one, two and three of seven done",
        "one one one one one one one one",
    ] {
        assert_eq!(scrubber().scrub(text), text);
    }
}
