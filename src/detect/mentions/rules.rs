//! What must stand around a name so that it counts.

use super::{
    Context, Kind, Mentions, Strength,
    fold::{Words, ends_word, is_word},
    table::{Form, Pattern},
};

/// What may stand before a slug that names a schema, a database or a namespace.
const PREFIXES: [&[u8]; 6] = [b"tenant_", b"tenant-", b"db_", b"schema_", b"db-", b"schema-"];

impl Mentions {
    /// Whether a pattern, whose letters stand at `start..end`, is meant there; and how.
    pub(super) fn check(
        &self,
        pattern: &Pattern,
        text: &[u8],
        start: usize,
        end: usize,
    ) -> Option<(Context, Strength)> {
        let context = |text| self.context(text, start, end);
        match pattern.kind {
            Kind::Canary => self
                .same_letters(pattern, &text[start..end])
                .then(|| (context(text).unwrap_or(Context::Bare), Strength::Certain)),
            Kind::Id => None,
            Kind::Domain => (self.same(pattern, &text[start..end])
                && !(ends_word(text, start) || matches!(before(text, start), Some(b'-' | b'_')))
                && ends_domain(text, end))
            .then(|| (context(text).unwrap_or(Context::Bare), Strength::Strong)),
            Kind::Slug => self.slug(pattern, text, start, end),
            Kind::Name => self.full_name(pattern, text, start, end),
        }
    }

    fn slug(&self, pattern: &Pattern, text: &[u8], start: usize, end: usize) -> Option<(Context, Strength)> {
        let ordinary = pattern.form == Form::Ordinary;
        let written = &text[start..end];
        if !self.same(pattern, written) && !self.same_but_underscores(pattern, written) {
            return None;
        }
        if let Some(prefix) = prefix(text, start) {
            // What follows may be a table of the schema.
            let whole = !is_word(text, end) && !matches!(text.get(end), Some(b'-' | b'_'));
            // `db_main` and `schema_archive` are anybody's.
            let telling = !ordinary || prefix.starts_with(b"tenant");
            let strength = if ordinary { Strength::Weak } else { Strength::Strong };
            return (whole && telling).then_some((Context::Prefixed, strength));
        }
        if !self.same(pattern, written) || !begins(text, start) {
            return None;
        }
        if !ends(text, end) {
            let strength = if ordinary { Strength::Weak } else { Strength::Strong };
            return self.is_host(text, end).then_some((Context::Host, strength));
        }
        match self.context(text, start, end) {
            None => (!ordinary).then_some((Context::Bare, Strength::Strong)),
            Some(context) => Some((context, if ordinary { told(context) } else { Strength::Strong })),
        }
    }

    fn full_name(
        &self,
        pattern: &Pattern,
        text: &[u8],
        start: usize,
        end: usize,
    ) -> Option<(Context, Strength)> {
        let written = &text[start..end];
        if !begins(text, start) || !ends(text, end) || !self.same_name(pattern, written) {
            return None;
        }
        let context = self.context(text, start, end);
        let capitals = capitals(written);
        let by_itself = match pattern.form {
            Form::Ordinary => None,
            Form::Suffixed => capitals.filter(|count| *count > 0).map(|_| Strength::Strong),
            Form::Full => {
                let one = Words::new(self.text(pattern)).nth(1).is_none();
                capitals.filter(|count| *count > 1 || one).map(|_| Strength::Strong)
            }
            Form::Stripped => capitals.filter(|count| *count > 1).map(|_| Strength::Weak),
        };
        match context {
            None => by_itself.map(|strength| (Context::Bare, strength)),
            Some(context) => Some((context, told(context).max(by_itself.unwrap_or(Strength::Weak)))),
        }
    }

    fn same(&self, pattern: &Pattern, written: &[u8]) -> bool {
        self.text(pattern).eq_ignore_ascii_case(written)
    }

    /// Whether the text is the pattern's with an underscore for every hyphen.
    fn same_but_underscores(&self, pattern: &Pattern, written: &[u8]) -> bool {
        let text = self.text(pattern);
        text.len() == written.len()
            && text
                .iter()
                .zip(written)
                .all(|(a, b)| a.eq_ignore_ascii_case(b) || matches!((a, b), (b'-', b'_')))
    }

    /// Whether the letters and digits are the pattern's, whatever stands between them.
    pub(super) fn same_letters(&self, pattern: &Pattern, written: &[u8]) -> bool {
        letters(self.text(pattern)).eq(letters(written))
    }

    /// Whether the text is the pattern's, words apart by spaces and commas or as in the pattern.
    fn same_name(&self, pattern: &Pattern, written: &[u8]) -> bool {
        if self.same(pattern, written) {
            return true;
        }
        let mut last = None;
        let spaced = Words::new(written).all(|(start, end)| {
            let gap = last.replace(end).map_or(&b" "[..], |last| &written[last..start]);
            gap.contains(&b' ') || gap == b"+" || gap == "\u{a0}".as_bytes()
        });
        spaced && self.same_letters(pattern, written)
    }
}

/// The strength of an ordinary word in its context.
fn told(context: Context) -> Strength {
    match context {
        Context::Keyed | Context::Path | Context::Host => Strength::Strong,
        _ => Strength::Weak,
    }
}

fn letters(text: &[u8]) -> impl Iterator<Item = u8> {
    Words::new(text).flat_map(|(start, end)| text[start..end].iter().map(u8::to_ascii_lowercase))
}

/// How many words begin with a capital; none if a longer word doesn't.
fn capitals(written: &[u8]) -> Option<usize> {
    let mut count = 0;
    for (start, end) in Words::new(written) {
        let first = written[start..end].utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
        match first {
            Some(first) if first.is_uppercase() => count += 1,
            Some(first) if first.is_lowercase() && end - start > 3 => return None,
            _ => {}
        }
    }
    Some(count)
}

fn before(text: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).map(|at| text[at])
}

/// Whether a slug or name may begin here: not inside a longer word.
fn begins(text: &[u8], start: usize) -> bool {
    let escaped = start > 1 && text[start - 2] == b'\\' && matches!(text[start - 1], b'n' | b'r' | b't');
    escaped || !(ends_word(text, start) || matches!(before(text, start), Some(b'-' | b'_' | b'.')))
}

/// Whether a slug or name may end here. A stop that ends a sentence is none of a longer word.
fn ends(text: &[u8], end: usize) -> bool {
    match text.get(end) {
        Some(b'-' | b'_') => false,
        Some(b'.') => !is_word(text, end + 1) && !matches!(text.get(end + 1), Some(b'-' | b'_')),
        _ => !is_word(text, end),
    }
}

/// Whether a domain may end here, and is not the name before an `@`.
pub(super) fn ends_domain(text: &[u8], end: usize) -> bool {
    ends(text, end) && text.get(end) != Some(&b'@')
}

/// What before a slug says that it names a schema or a database.
fn prefix(text: &[u8], start: usize) -> Option<&'static [u8]> {
    let prefix = PREFIXES.into_iter().find(|prefix| {
        start >= prefix.len() && text[start - prefix.len()..start].eq_ignore_ascii_case(prefix)
    })?;
    (!ends_word(text, start - prefix.len())).then_some(prefix)
}
