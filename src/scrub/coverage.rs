//! Whether the literals that a rule declares stand at the start of all that its pattern can match. A match that
//! starts with none of them would be missed, and nobody would know.

use regex_automata::{Anchored, hybrid::dfa::DFA, nfa::thompson, util::start};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition, literal::Extractor};

/// How many bytes a class may have, and how many starts there may be in all, before the rest of the pattern is
/// left out of the question: first a few, and if that does not tell, more.
const EXPANSIONS: [(usize, usize); 2] = [(16, 256), (256, 8192)];

/// How a match can start (in lower case) that starts with none of `literals`; nothing if there is no such match,
/// or if that can't be told.
pub(super) fn uncovered(hir: &Hir, literals: &[Vec<u8>]) -> Option<Vec<u8>> {
    let hir = folded(hir);
    let longest = literals.iter().map(Vec::len).max().unwrap_or(0);
    for (class, total) in EXPANSIONS {
        let starts = Extractor::new()
            .limit_class(class)
            .limit_total(total)
            .limit_repeat(longest)
            .limit_literal_len(longest)
            .extract(&hir);
        // Too many to say: more room may help.
        let Some(starts) = starts.literals() else { continue };
        let mut unsure = false;
        for found in starts {
            let bytes = found.as_bytes().to_ascii_lowercase();
            if literals.iter().any(|literal| bytes.starts_with(literal)) {
                continue;
            }
            let goes_on = !found.is_exact() && literals.iter().any(|literal| literal.starts_with(&bytes));
            if goes_on {
                unsure = true;
            } else if is_possible(&hir, &bytes) {
                return Some(bytes);
            }
        }
        if !unsure {
            return None;
        }
    }
    None
}

/// The pattern for texts in lower case.
fn folded(hir: &Hir) -> Hir {
    let all = |list: &[Hir]| list.iter().map(folded).collect();
    match hir.kind() {
        HirKind::Literal(literal) => Hir::literal(literal.0.to_ascii_lowercase()),
        HirKind::Class(Class::Bytes(class)) => {
            let mut class = class.clone();
            class.case_fold_simple();
            class.difference(&ClassBytes::new([ClassBytesRange::new(b'A', b'Z')]));
            Hir::class(Class::Bytes(class))
        }
        HirKind::Repetition(repetition) => {
            let sub = Box::new(folded(&repetition.sub));
            Hir::repetition(Repetition { sub, ..repetition.clone() })
        }
        HirKind::Capture(capture) => folded(&capture.sub),
        HirKind::Concat(list) => Hir::concat(all(list)),
        HirKind::Alternation(list) => Hir::alternation(all(list)),
        _ => hir.clone(),
    }
}

/// Whether a match can really start so: the literals of a pattern are taken without its boundaries, which may
/// speak against some of them.
fn is_possible(hir: &Hir, bytes: &[u8]) -> bool {
    let nfa = thompson::Compiler::new().configure(thompson::Config::new().utf8(false)).build_from_hir(hir);
    let config = DFA::config().skip_cache_capacity_check(true);
    let Some(dfa) = nfa.ok().and_then(|nfa| DFA::builder().configure(config).build_from_nfa(nfa).ok()) else {
        return false;
    };
    let mut cache = dfa.create_cache();
    [None, Some(b'a'), Some(b' '), Some(b'\n')].into_iter().any(|before| {
        let config = start::Config::new().anchored(Anchored::Yes).look_behind(before);
        let Ok(first) = dfa.start_state(&mut cache, &config) else { return false };
        let last = bytes.iter().try_fold(first, |state, byte| {
            dfa.next_state(&mut cache, state, *byte).ok().filter(|state| !state.is_dead())
        });
        last.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::rule::parse;

    /// Scenario: patterns and declared literals, good, bad and hard to tell. Guarantee: a start that is missed is
    /// found, whatever its case; what can't be told is not complained of.
    #[test]
    fn starts_that_are_missed_are_found() {
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            (r"\btok_[a-z]{8}", &["tok_"], None),
            (r"\bTOK_[a-z]{8}", &["tok_"], None),
            (r"(?i)secret(?:key|word)", &["secretkey", "secretword"], None),
            (r"(?:tok|key)_\d{8}", &["tok_"], Some("key_")),
            (r"(?:tok_)?key_\d{8}", &["tok_"], Some("key_")),
            // The literal goes on where the pattern has a choice.
            (r"tok[_-]\d{8}", &["tok_"], Some("tok-")),
            (r"ab[0-9]x\d{8}", &["ab1", "ab2"], Some("ab0")),
            (r"abc\d{0,3}", &["abc1"], Some("abc0")),
            (r"tok[_-]?\d{8}", &["tok"], None),
            (r"[a-z]{3}_\d{8}", &["abc_"], Some("aa")),
            // A boundary takes the start away that would be missed.
            (r"tok\b[_a-]x{3,9}", &["tok-x"], None),
            (r"(?i:x)[^a]{20}yz", &["x"], None),
            (r"[^\n]{0,40}@x", &["abc"], Some("\0")),
        ];
        for (pattern, literals, expected) in cases {
            let (hir, _) = parse(pattern).unwrap();
            let literals: Vec<_> = literals.iter().map(|text| text.as_bytes().to_vec()).collect();
            let found = uncovered(&hir, &literals).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(found.as_deref(), *expected, "{pattern}");
        }
    }
}
