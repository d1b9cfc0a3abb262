//! What people wrote, told from what programs wrote: no pattern says so, but two habits do. People's sentences
//! have small words in them (articles, pronouns, prepositions), where programs leave them out; and they are
//! seldom the same twice, where a program's messages are a few templates over and over.
//!
//! It sees sentences in languages that are written with spaces and whose small words are listed here, and
//! texts in scripts without spaces. It doesn't see names, single words, or answers of a few words.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, Hash, Hasher},
    sync::LazyLock,
};

use crate::limits;

/// Words of English, German, French, Spanish, Portuguese, Italian and Dutch that sentences can't do without.
const SMALL: &[&str] = &[
    "a", "about", "an", "and", "are", "at", "but", "can", "for", "have", "how", "if", "is", "it", "of", "on",
    "or", "please", "so", "that", "the", "there", "they", "this", "to", "was", "what", "when", "which",
    "with", "would", "aber", "auf", "das", "dass", "dem", "den", "der", "die", "ein", "eine", "es", "habe",
    "hat", "ist", "mit", "nicht", "oder", "sind", "und", "von", "wie", "zu", "au", "avec", "ce", "dans",
    "de", "des", "du", "elle", "en", "est", "et", "il", "la", "le", "les", "ne", "pas", "pour", "que", "qui",
    "sur", "un", "une", "con", "del", "el", "esta", "las", "los", "me", "no", "para", "pero", "por", "se",
    "su", "una", "y", "com", "da", "do", "e", "em", "mas", "na", "os", "che", "di", "gli", "ho", "non",
    "per", "sono", "een", "het", "ik", "maar", "met", "niet", "op", "te", "van", "voor", "zijn",
];

/// Words that say who speaks or who is spoken to: programs hardly ever use them.
const PERSONS: &[&str] = &[
    "i", "i'm", "i've", "i'd", "i'll", "me", "my", "mine", "we", "our", "us", "you", "your", "he", "she",
    "his", "her", "ich", "mein", "meine", "mir", "mich", "wir", "uns", "sie", "ihr", "je", "j'ai", "mon",
    "ma", "mes", "nous", "vous", "votre", "yo", "mi", "mis", "nosotros", "usted", "eu", "meu", "minha",
    "você", "io", "mio", "mia", "noi", "ik", "mijn", "wij", "jij", "u",
];

const IS_SMALL: u8 = 1;
const IS_PERSON: u8 = 2;

/// Both lists.
static WHICH: LazyLock<HashMap<&str, u8, foldhash::fast::FixedState>> = LazyLock::new(|| {
    let mut which = HashMap::default();
    SMALL.iter().for_each(|word| *which.entry(*word).or_default() |= IS_SMALL);
    PERSONS.iter().for_each(|word| *which.entry(*word).or_default() |= IS_PERSON);
    which
});

/// The longest word of both, in bytes, and some more.
const LONGEST: usize = 12;
/// Words that are looked at in one text.
const WORDS: usize = 200;
/// The shortest text that can be prose, in bytes.
const SHORTEST: usize = 20;
/// Bytes of a text that a glance takes in.
const GLANCE: usize = 128;

/// What a text reads like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prose {
    /// Not as if a person had written it.
    No,
    /// As if one had; with a fingerprint of its small words in their order.
    Yes(u64),
}

/// A glance: whether a text can be prose at all. Five words have four spaces between them.
#[inline]
pub(super) fn may_be(text: &str) -> bool {
    let start = &text.as_bytes()[..text.len().min(GLANCE)];
    text.len() >= SHORTEST
        && (start.iter().filter(|byte| **byte == b' ').count() >= 4
            || start.iter().filter(|byte| !byte.is_ascii()).count() >= SHORTEST)
}

/// The first `bytes` of a text, less what would be half a character.
pub(super) fn start(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether a text reads as if a person had written it.
pub fn is_prose(text: &str) -> bool {
    read(text) != Prose::No
}

/// Reads a text.
pub(super) fn read(text: &str) -> Prose {
    let text = start(text, limits::INVENTORY_TEXT_BYTES);
    let mut order = foldhash::fast::FixedState::default().build_hasher();
    // Scripts without spaces: letters enough, none of them Latin, are no identifier.
    if !text.is_ascii() {
        let dense = text
            .chars()
            .filter(|c| matches!(*c as u32, 0xE00..=0xEFF | 0x3040..=0x30FF | 0x3400..=0x9FFF))
            .count();
        if dense >= 12 && dense * 2 > text.chars().count() {
            text.hash(&mut order);
            return Prose::Yes(order.finish());
        }
    }
    let (mut all, mut plain, mut small, mut persons) = (0usize, 0usize, 0usize, 0usize);
    let mut buffer = [0; 4 * LONGEST];
    for word in text.split_whitespace().take(WORDS) {
        all += 1;
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let mut letters = word.chars();
        let first = letters.next().is_some_and(char::is_alphabetic);
        if !first || !letters.all(|c| c.is_lowercase() || matches!(c, '\'' | '\u{2019}' | '-')) {
            continue;
        }
        plain += 1;
        if word.len() > LONGEST {
            continue;
        }
        let word = if word.bytes().all(|b| b.is_ascii_lowercase()) { word } else { lower(word, &mut buffer) };
        if let Some(which) = WHICH.get(word) {
            small += usize::from(which & IS_SMALL != 0);
            persons += usize::from(which & IS_PERSON != 0);
            word.hash(&mut order);
        }
    }
    // Three words of four are plain ones; one of four is small, or one of eight and somebody speaks.
    let is = all >= 5
        && plain * 4 >= all * 3
        && ((small + persons) * 4 >= all || (persons > 0 && (small + persons) * 8 >= all));
    if is { Prose::Yes(order.finish()) } else { Prose::No }
}

/// A short word in lower case and with plain apostrophes, in `buffer`.
fn lower<'b>(word: &str, buffer: &'b mut [u8; 4 * LONGEST]) -> &'b str {
    let mut len = 0;
    for c in word.chars().flat_map(char::to_lowercase) {
        let c = if c == '\u{2019}' { '\'' } else { c };
        if len + c.len_utf8() > buffer.len() {
            break;
        }
        len += c.encode_utf8(&mut buffer[len..]).len();
    }
    std::str::from_utf8(&buffer[..len]).unwrap_or_default()
}

/// What one field of one service holds, in bounded memory: how much of it is prose, and whether its texts are a
/// few templates over and over.
#[derive(Debug, Clone, Default)]
pub struct Habit {
    texts: u64,
    prose: u64,
    templates: HashSet<u64, foldhash::fast::FixedState>,
}

impl Habit {
    /// Takes a text into account.
    pub fn add(&mut self, text: &str) {
        self.texts += 1;
        self.prose += u64::from(is_prose(text));
        if self.templates.len() < limits::INVENTORY_TEMPLATES {
            self.templates.insert(template(text));
        }
    }

    /// The share of texts that read like prose, 0 to 1.
    pub fn prose(&self) -> f64 {
        if self.texts == 0 { 0.0 } else { self.prose as f64 / self.texts as f64 }
    }

    /// Whether people fill this field: a third of its texts is prose, and half of them (as far as was counted)
    /// are unlike each other.
    pub fn is_content(&self) -> bool {
        let counted = self.texts.min(limits::INVENTORY_TEMPLATES as u64);
        self.texts >= 10 && self.prose * 3 >= self.texts && self.templates.len() as u64 * 2 >= counted
    }
}

/// A text's words without those that change from one event to the next: with digits, quotes or odd marks in them.
fn template(text: &str) -> u64 {
    let mut state = foldhash::fast::FixedState::default().build_hasher();
    for word in text.split_whitespace().take(WORDS) {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        if word.chars().all(char::is_alphabetic) { word.hash(&mut state) } else { 0u8.hash(&mut state) }
    }
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: sentences of people and messages of programs. Guarantee: they are told apart.
    #[test]
    fn people_and_programs_are_told_apart() {
        for text in [
            "Hi, I would like to return the shoes that I bought last week, they are too small for my son.",
            "could you please tell me when my order will arrive?",
            "Ich habe mein Passwort vergessen und komme nicht mehr in mein Konto.",
            "Bonjour, je ne trouve pas ma facture du mois dernier dans mon espace client.",
            "The doctor said that it was nothing to worry about, but I am still not sure.",
            "\u{6211}\u{60f3}\u{77e5}\u{9053}\u{6211}\u{7684}\u{8ba2}\u{5355}\u{4ec0}\u{4e48}\u{65f6}\u{5019}\u{80fd}\u{9001}\u{5230}",
        ] {
            assert!(is_prose(text), "{text}");
        }
        for text in [
            "Failed to connect to 10.0.0.4:5432 after 3 attempts: connection refused",
            "GET /api/v2/orders/31/items 200 12ms",
            "checkpoint complete: wrote 33 buffers (2.1%); 0 WAL file(s) added, 1 removed",
            "user login succeeded",
            "level=info msg=\"cache refreshed\" keys=12",
            "Started Session 12 of user deploy.",
            "pod checkout scheduled on node seven after preemption check",
        ] {
            assert!(!is_prose(text), "{text}");
        }
    }

    /// Scenario: one field with a template over and over, one with what people wrote. Guarantee: only the second
    /// is content, even if the template reads like prose.
    #[test]
    fn a_template_is_no_content() {
        let (mut program, mut people) = (Habit::default(), Habit::default());
        let nouns = [
            "order", "invoice", "parcel", "refund", "chair", "lamp", "table", "coat", "book", "phone",
            "card", "box",
        ];
        for (i, noun) in nouns.iter().enumerate() {
            program.add(&format!("We have sent the mail to you for order {i}, it is on its way"));
            people.add(&format!(
                "Hello, where is the {noun} that I have asked you for, it was {noun} number {i}"
            ));
        }
        assert!(program.prose() > 0.9 && !program.is_content());
        assert!(people.is_content());
    }
}
