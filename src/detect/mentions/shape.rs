//! What a name looks like, and what may be made of that without a dictionary.

use super::fold::Words;

/// An ordinary word is shorter than this, in bytes.
const ORDINARY: usize = 13;

/// What ends the name of a company.
const SUFFIXES: &[&str] = &[
    "ab",
    "ag",
    "aps",
    "as",
    "asa",
    "bv",
    "bvba",
    "co",
    "company",
    "corp",
    "corporation",
    "eg",
    "ev",
    "gbr",
    "gmbh",
    "group",
    "holding",
    "holdings",
    "inc",
    "incorporated",
    "kft",
    "kg",
    "kk",
    "labs",
    "limited",
    "llc",
    "llp",
    "lp",
    "ltd",
    "ltda",
    "media",
    "mbh",
    "nv",
    "oy",
    "oyj",
    "plc",
    "pte",
    "pty",
    "sa",
    "sarl",
    "sas",
    "se",
    "sl",
    "spa",
    "srl",
    "sro",
    "ug",
    "zoo",
];

/// How many letters there are.
pub(super) fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphabetic()).count()
}

/// Whether a folded text is an ordinary word by its looks: one short word of letters, perhaps with a number behind it.
pub(super) fn is_ordinary(text: &str) -> bool {
    let word = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - word.len();
    word.len() < ORDINARY && digits <= 4 && word.chars().all(char::is_alphabetic)
}

/// A folded name without the suffix of a company; `None` if it has none, or is nothing but one.
pub(super) fn stripped(name: &str) -> Option<&str> {
    let words: Vec<_> = Words::new(name.as_bytes()).collect();
    let is = |text: &str| SUFFIXES.contains(&text);
    let mut count = words.len();
    loop {
        let word = |back: usize| count.checked_sub(back).map(|i| &name[words[i].0..words[i].1]);
        let dotted = |n: usize| {
            let letters: Option<Vec<&str>> = (1..=n).rev().map(word).collect();
            letters.is_some_and(|letters| letters.iter().all(|l| l.len() == 1) && is(&letters.concat()))
        };
        count -= match word(1) {
            Some(last) if is(last) => 1,
            // "S.A.", "S.r.l."
            Some(_) if dotted(3) => 3,
            Some(_) if dotted(2) => 2,
            _ => break,
        };
    }
    (count > 0 && count < words.len()).then(|| &name[words[0].0..words[count - 1].1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: names of companies. Guarantee: the suffix goes, whatever its dots; a name that is a suffix stays.
    #[test]
    fn suffixes_are_told() {
        for (name, rest) in [
            ("walnut ferry ab", Some("walnut ferry")),
            ("signal, inc.", Some("signal")),
            ("kupfer gmbh & co. kg", Some("kupfer")),
            ("arena s.a.", Some("arena")),
            ("stella s.r.l.", Some("stella")),
            ("walnut ferry", None),
            ("media", None),
            ("media group", None),
            ("", None),
        ] {
            assert_eq!(stripped(name), rest, "{name}");
        }
    }

    /// Scenario: slugs and single names. Guarantee: short words of letters are ordinary, others not.
    #[test]
    fn ordinary_by_shape() {
        for word in ["main", "archive", "echo", "node1", "prod2024", "blåbær"] {
            assert!(is_ordinary(word), "{word}");
        }
        for word in ["walnut-ferry", "kupferhainbergwerk", "k7xq2m9", "batch20241"] {
            assert!(!is_ordinary(word), "{word}");
        }
    }
}
