//! The index, made from names.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Kind, Mentions, Names, Skipped, domains,
    fold::{Letters, Words, first},
    shape,
    table::{Bits, Entry, Form, Ids, Pattern, Table},
};
use crate::limits;

/// A name needs as many letters.
const LETTERS: usize = 4;
/// What may stand between the words of a phrase where it is encoded, beside spaces.
const SEPARATORS: [&[u8]; 4] = [b"-", b"_", b"", b"+"];

/// The six bytes at the end of `bits`, their case aside.
#[inline]
pub(super) fn head(bits: u64) -> u64 {
    bits & 0xFFFF_FFFF_FFFF | 0x2020_2020_2020
}

/// The first three of them.
#[inline]
pub(super) fn begin(bits: u64) -> u64 {
    head(bits) >> 24
}

#[derive(Default)]
struct Builder {
    texts: Vec<u8>,
    patterns: Vec<(u64, Pattern)>,
    /// Hashes of beginnings that end where a word ends.
    beginnings: Vec<u64>,
    firsts: Vec<u64>,
    skipped: Skipped,
    platform: Vec<Box<[u8]>>,
}

pub(super) fn build<'a>(names: &mut dyn Iterator<Item = Names<'a>>, platform: Vec<&str>) -> Mentions {
    let domain = |text: &str| text.trim().trim_matches('.').to_ascii_lowercase();
    let platform = platform.into_iter().map(|text| format!(".{}", domain(text)).into_bytes().into());
    let mut builder = Builder { platform: platform.collect(), ..Builder::default() };
    let mut tenants = Vec::new();
    for names in names {
        let number = tenants.len() as u32;
        tenants.push(names.tenant);
        for slug in &names.slugs {
            builder.name(slug, Kind::Slug, number);
        }
        for text in &names.domains {
            let text = domain(text);
            let platforms = || builder.platform.iter().any(|platform| platform[1..] == *text.as_bytes());
            match domains::is_common(&text) || platforms() {
                true => builder.skipped.common_domains += 1,
                false => builder.add(&text, Kind::Domain, Form::Full, number),
            }
        }
        if let Some(name) = names.name {
            builder.name(name, Kind::Name, number);
        }
        for canary in &names.canaries {
            builder.canary(canary, number);
        }
    }
    tenants.shrink_to_fit();
    builder.finish(tenants)
}

impl Builder {
    /// A slug or a name, and the name without its company suffix.
    fn name(&mut self, text: &str, kind: Kind, tenant: u32) {
        let text = text.trim().to_ascii_lowercase();
        let form = |text: &str, form: Form| if shape::is_ordinary(text) { Form::Ordinary } else { form };
        match shape::stripped(&text).filter(|_| kind == Kind::Name) {
            Some(rest) => {
                self.add(&text, kind, Form::Suffixed, tenant);
                // The name counts already, if it is too short without its suffix.
                if shape::letters(rest) >= LETTERS {
                    self.add(rest, kind, form(rest, Form::Stripped), tenant);
                }
            }
            None => self.add(&text, kind, form(&text, Form::Full), tenant),
        }
    }

    fn canary(&mut self, text: &str, tenant: u32) {
        let text = text.to_ascii_lowercase();
        let letters: usize = Words::new(text.as_bytes()).map(|(start, end)| end - start).sum();
        if letters < limits::CANARY_LETTERS || text.len() > limits::MENTION_NAME_BYTES {
            self.skipped.unfit_canaries += 1;
        } else {
            self.push(&text, Kind::Canary, Form::Full, tenant);
        }
    }

    fn add(&mut self, text: &str, kind: Kind, form: Form, tenant: u32) {
        if shape::letters(text) < LETTERS {
            self.skipped.short += 1;
        } else if text.len() > limits::MENTION_NAME_BYTES {
            self.skipped.long += 1;
        } else {
            self.push(text, kind, form, tenant);
        }
    }

    /// Adds a pattern from its first word to its last.
    fn push(&mut self, text: &str, kind: Kind, form: Form, tenant: u32) {
        if self.patterns.len() >= limits::MENTION_PATTERNS {
            self.skipped.too_many += 1;
            return;
        }
        let text = text.as_bytes();
        let (mut letters, mut whole) = (Letters::default(), None::<(usize, usize)>);
        // The first letters as they stand, and with nothing between the words.
        let mut head = Vec::new();
        for (start, end) in Words::new(text) {
            match whole {
                None => self.firsts.push(first(text, start, end)),
                Some(_) => self.beginnings.push(letters.finish()),
            }
            whole = Some((whole.map_or(start, |(first, _)| first), end));
            letters.add(&text[start..end]);
            if kind == Kind::Canary && head.len() < 4 {
                head.extend_from_slice(&text[start..end]);
                self.firsts.push(first(&head, 0, head.len()));
            }
        }
        let Some((start, end)) = whole else { return };
        let at = self.texts.len() as u32;
        self.texts.extend_from_slice(&text[start..end]);
        let pattern = Pattern { at, tenant, len: (end - start) as u16, kind, form, last: false };
        self.patterns.push((letters.finish(), pattern));
    }

    fn text(&self, pattern: &Pattern) -> &[u8] {
        &self.texts[pattern.at as usize..][..usize::from(pattern.len)]
    }

    fn finish(mut self, tenants: Vec<crate::batch::TenantId>) -> Mentions {
        let mut all = std::mem::take(&mut self.patterns);
        all.sort_unstable_by(|(a, p), (b, q)| {
            a.cmp(b)
                .then_with(|| self.text(p).cmp(self.text(q)))
                .then_with(|| (p.kind, p.form, p.tenant).cmp(&(q.kind, q.form, q.tenant)))
        });
        let mut patterns = Vec::with_capacity(all.len());
        let mut keys = Vec::new();
        for group in all.chunk_by(|(a, _), (b, _)| a == b) {
            let from = patterns.len();
            self.settle(group, &mut patterns);
            if let Some(last) = patterns[from..].last_mut() {
                last.last = true;
                keys.push((group[0].0, from as u32));
            }
        }
        drop(all);
        patterns.shrink_to_fit();
        self.texts.shrink_to_fit();

        self.beginnings.sort_unstable();
        self.beginnings.dedup();
        let mut table = Table::new(keys.len() + self.beginnings.len());
        let mut second = Bits::new(keys.len() + self.beginnings.len(), 8, 23);
        for &(hash, number) in &keys {
            let longer = self.beginnings.binary_search(&hash).is_ok();
            table.insert(hash, Entry { pattern: Some(number), longer });
            second.insert(hash);
        }
        for &hash in &self.beginnings {
            if keys.binary_search_by_key(&hash, |key| key.0).is_err() {
                table.insert(hash, Entry { pattern: None, longer: true });
                second.insert(hash);
            }
        }
        self.firsts.sort_unstable();
        self.firsts.dedup();
        let first = Bits::of(&self.firsts, 8, 18);
        let heads = self.heads(&patterns);
        let mut begins = heads.iter().map(|head| begin(*head)).collect::<Vec<_>>();
        begins.dedup();
        let (begins, heads) = (Bits::of(&begins, 16, 17), Bits::of(&heads, 16, 23));
        let canaries = patterns.iter().filter(|p| p.kind == Kind::Canary);
        let longest_canary = canaries.map(|p| usize::from(p.len)).max().unwrap_or_default();
        let Builder { texts, skipped, platform, .. } = self;
        let ids = Ids::new(&tenants);
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Mentions {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            tenants,
            ids,
            texts,
            patterns,
            table,
            first,
            second,
            begins,
            heads,
            longest_canary,
            platform,
            skipped,
        }
    }

    /// Of patterns with the same letters, those that say something.
    fn settle(&mut self, group: &[(u64, Pattern)], out: &mut Vec<Pattern>) {
        let canaries = || group.iter().map(|(_, p)| p).filter(|p| p.kind == Kind::Canary);
        if let Some(canary) = canaries().next() {
            if group.iter().any(|(_, p)| p.tenant != canary.tenant) {
                self.skipped.ambiguous_canaries += canaries().count();
            } else if group.iter().any(|(_, p)| p.kind != Kind::Canary) {
                // It is the tenant's own name.
                self.skipped.unfit_canaries += canaries().count();
            } else {
                out.push(*canary);
            }
        }
        let mut ambiguous = 0;
        for same in group.chunk_by(|(_, p), (_, q)| self.text(p) == self.text(q)) {
            let mut names = same.iter().map(|(_, p)| p).filter(|p| p.kind != Kind::Canary);
            let Some(name) = names.next() else { continue };
            let others = names.clone().count();
            match names.all(|other| other.tenant == name.tenant) {
                true => out.push(*name),
                false => ambiguous += others + 1,
            }
        }
        self.skipped.ambiguous += ambiguous;
    }

    /// How canaries begin where they are encoded, at any of the three places that base64 gives a byte.
    fn heads(&self, patterns: &[Pattern]) -> Vec<u64> {
        let mut found = Vec::new();
        for canary in patterns.iter().filter(|p| p.kind == Kind::Canary) {
            let text = self.text(canary);
            let mut push = |text: &[u8]| {
                let window = |six: &[u8]| head(six.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)));
                found.extend(text.windows(6).take(3).map(window));
            };
            push(text);
            // Of a longer first word the rest doesn't matter.
            if text.iter().take(8).any(|byte| *byte == b' ') {
                let words: Vec<&[u8]> = Words::new(text).map(|(start, end)| &text[start..end]).collect();
                SEPARATORS.iter().for_each(|separator| push(&words.join(*separator)));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
