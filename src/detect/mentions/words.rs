//! The way through a text, word by word.

use uuid::Uuid;

use super::{
    Context, Kind, Mention, Mentions, Scratch, Strength,
    fold::{Letters, Words, end, first, gap, is_word},
    table::Pattern,
};
use crate::{batch::TenantId, limits, scrub::unfold};

/// What may stand between two words of one name, in bytes.
const GAP: usize = 5;
/// The length of a uuid with hyphens, in bytes.
const ID: usize = 36;
/// Words shorter than this are no id's first group.
const LONG: usize = 8;
/// Words shorter than this are no part of anything encoded that is worth a look.
const TOKEN: usize = 11;

impl Mentions {
    /// Looks through one text, at `depth` encodings inside another; adds to the hits.
    pub(super) fn look(&self, text: &[u8], depth: usize, scratch: &mut Scratch) {
        let mark = scratch.hits.len();
        let mut words = Words::new(text);
        let mut looked_into = 0;
        while let Some((start, end)) = words.next() {
            // A word behind an escaped line break: `\nwalnut-ferry`.
            let broken = start > 0 && text[start - 1] == b'\\' && matches!(text[start], b'n' | b'r' | b't');
            let named = self.first.has(first(text, start, end));
            if !(named || broken || end - start >= LONG) {
                continue;
            }
            let mut hit = None;
            // Of a uuid with hyphens only the beginning is a word; 32 digits may be anything.
            let mut whole = 0;
            if end - start >= LONG {
                if let Some((from, to, id)) = uuid(text, start, end) {
                    hit = self.id(text, from, to, id);
                    whole = if to - from == ID { to } else { 0 };
                }
                if whole == 0 && end - start >= TOKEN && start >= looked_into {
                    looked_into = self.token(text, (start, end), looked_into, depth, scratch);
                }
            }
            if named {
                hit = hit.or_else(|| self.name(text, start, end));
            }
            if broken {
                hit = hit.or_else(|| self.name(text, start + 1, end));
            }
            words.at = words.at.max(whole);
            if let Some(hit) = hit {
                words.at = hit.end;
                scratch.hits.push(hit);
            }
            if scratch.hits.len() >= limits::MENTIONS {
                return;
            }
        }
        let mut escapes = memchr::memchr3_iter(b'%', b'\\', b'&', text);
        if depth < limits::MENTION_ENCODINGS && escapes.any(|at| unfold::may_start(&text[at..])) {
            self.escaped(text, mark, depth, scratch);
        }
    }

    /// The tenant of an id.
    fn id(&self, text: &[u8], start: usize, end: usize, id: Uuid) -> Option<Mention> {
        let tenant = self.tenants[self.ids.get(TenantId(id), &self.tenants)? as usize];
        if goes_on(text, start, end) {
            return None;
        }
        let context = self.context(text, start, end).unwrap_or(Context::Bare);
        Some(Mention { tenant, kind: Kind::Id, strength: Strength::Certain, start, end, context })
    }

    /// The longest name that begins with the word at `start`.
    fn name(&self, text: &[u8], start: usize, mut to: usize) -> Option<Mention> {
        let (mut from, mut best) = (start, None);
        let mut letters = Letters::default();
        loop {
            letters.add(&text[from..to]);
            let hash = letters.finish();
            if from == start && !self.second.has(hash) {
                return None;
            }
            let Some(entry) = self.table.get(hash) else { break };
            if let Some(number) = entry.pattern {
                best = self.checked(number, text, start, to).or(best);
            }
            if !entry.longer {
                break;
            }
            from = to;
            while from - to <= GAP && gap(text, from) > 0 {
                from += gap(text, from);
            }
            if from - to > GAP || !is_word(text, from) {
                break;
            }
            to = end(text, from);
        }
        best
    }

    /// The first of the patterns with the same letters whose rule agrees.
    fn checked(&self, number: u32, text: &[u8], start: usize, end: usize) -> Option<Mention> {
        self.alike(number).find_map(|pattern| {
            let (context, strength) = self.check(pattern, text, start, end)?;
            let tenant = self.tenants[pattern.tenant as usize];
            Some(Mention { tenant, kind: pattern.kind, strength, start, end, context })
        })
    }

    /// The canary that stands at the beginning of bytes, whatever stands behind it; and where it ends.
    pub(super) fn canary(&self, bytes: &[u8]) -> Option<(TenantId, usize)> {
        let (mut letters, mut best) = (Letters::default(), None);
        let (mut at, mut between, mut count) = (0, 0, 0);
        while at < bytes.len() && count <= self.longest_canary {
            match gap(bytes, at) {
                0 => {
                    letters.add(&bytes[at..=at]);
                    (at, between, count) = (at + 1, 0, count + 1);
                    if count < limits::CANARY_LETTERS {
                        continue;
                    }
                    let number = self.table.get(letters.finish()).and_then(|entry| entry.pattern);
                    let canaries = number.into_iter().flat_map(|number| self.alike(number));
                    for canary in canaries.filter(|p| p.kind == Kind::Canary) {
                        if self.same_letters(canary, &bytes[..at]) {
                            best = Some((self.tenants[canary.tenant as usize], at));
                        }
                    }
                }
                len => (at, between) = (at + len, between + len),
            }
            if between > GAP {
                break;
            }
        }
        best
    }

    /// The patterns with the same letters, from the first on.
    fn alike(&self, number: u32) -> impl Iterator<Item = &Pattern> {
        let from = &self.patterns[number as usize..];
        let last = from.iter().position(|pattern| pattern.last).unwrap_or_default();
        from[..=last].iter()
    }
}

/// The uuid whose first group ends the word at `start..end`, with one mark between all groups, or that is the word;
/// and its place.
fn uuid(text: &[u8], start: usize, end: usize) -> Option<(usize, usize, Uuid)> {
    match text.get(end) {
        Some(&mark @ (b'-' | b'_')) => {
            let from = end - 8;
            let mut written: [u8; ID] = text.get(from..from + ID)?.try_into().ok()?;
            if [8, 13, 18, 23].iter().any(|at| written[*at] != mark) {
                return None;
            }
            [8, 13, 18, 23].iter().for_each(|at| written[*at] = b'-');
            Some((from, from + ID, Uuid::try_parse_ascii(&written).ok()?))
        }
        _ if end - start == 32 => Some((start, end, Uuid::try_parse_ascii(&text[start..end]).ok()?)),
        _ => None,
    }
}

/// Whether a uuid is part of a longer run of hexadecimal digits, or of groups of them: what is joined to it is such a
/// group, and no word.
fn goes_on(text: &[u8], start: usize, end: usize) -> bool {
    if (start > 0 && text[start - 1].is_ascii_hexdigit()) || text.get(end).is_some_and(u8::is_ascii_hexdigit)
    {
        return true;
    }
    let group = |run: &mut dyn Iterator<Item = &u8>| {
        let (mut len, mut digit) = (0, false);
        for byte in run.take_while(|byte| byte.is_ascii_alphanumeric()).take(64) {
            if !byte.is_ascii_hexdigit() {
                return false;
            }
            len += 1;
            digit |= byte.is_ascii_digit();
        }
        len >= 4 && digit
    };
    let joined = |byte: Option<&u8>| matches!(byte, Some(b'-' | b'_'));
    (start > 0 && joined(text.get(start - 1)) && group(&mut text[..start - 1].iter().rev()))
        || (joined(text.get(end)) && group(&mut text[end + 1..].iter()))
}
