//! The scan of many texts as one arena: filters say where something may be, [`super::verify`] whether it is.

mod hits;

use regex_automata::meta::Cache;

use super::{
    Action, Engine,
    block::{BLOCKS, Planes},
    classes::{Run, Shape, Streams},
    keys, opaque,
    unfold::Unfolded,
    verify::{Parts, linear},
};
use crate::limits;

/// The number that stands for no rule but for numbers in words.
pub(super) const SPELLED: u16 = u16::MAX;
/// Stands between texts in the arena; never part of UTF-8.
const SEPARATOR: u8 = 0xFF;
/// Behind the last text, so that a block can be read whole.
const PADDING: usize = 64 + 72;

/// What one worker needs to scan; owned by it, reused from batch to batch.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) arena: Vec<u8>,
    pub(super) texts: Vec<Text>,
    keys: Vec<u8>,
    pub(super) finds: Vec<Find>,
    /// Finds that change nothing.
    pub(super) apart: Vec<Find>,
    caches: Vec<Option<Cache>>,
    /// Whose caches these are.
    engine: u64,
    strangers: Box<keys::Strangers>,
    /// The text it is of, and what is known of it.
    ahead: (u32, keys::Ahead),
    /// For each rule: no new match before this place of the arena.
    from: Vec<u32>,
    /// For each rule: the text last worked on, and the bytes looked at in it.
    work: Vec<(u32, u32)>,
    /// Texts that hold something encoded.
    encoded: Vec<u32>,
    unfolded: Unfolded,
    /// Texts in base64 and the like: where they stand. What they mean is in `meant`.
    opaque: Vec<(u32, u32, u32)>,
    meant: Option<Box<Scratch>>,
    /// The place of the arena up to which that was looked for.
    looked_into: u32,
    look: Option<Box<Look>>,
    pub(super) nested: Option<Box<Scratch>>,
    pub(super) workspace: super::batch::Workspace,
    pub(super) tenant_keys: super::pseudonym::KeyCache,
    /// Bytes that rules' automata were let loose on, in all scans: work, not time.
    pub(super) looked_at: u64,
}

/// What the blocks of the arena look like, some at a time.
#[derive(Debug, Default)]
struct Look {
    planes: Planes,
    streams: Streams,
}

/// One text in the arena.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub start: u32,
    pub end: u32,
    pub key: (u32, u32),
}

/// Which rule found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Source {
    Rule(u16),
    Key(u16),
    /// Habit: a sentence in a field that people write in.
    Prose,
}

/// A found value: a span of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Find {
    pub text: u32,
    pub start: u32,
    pub end: u32,
    pub source: Source,
}

impl Scratch {
    /// Shares what is known of the fields that people write in with other workers.
    pub fn share(&mut self, fields: &std::sync::Arc<super::ContentFields>) {
        self.workspace.watch.shared = Some(std::sync::Arc::clone(fields));
    }

    /// Forgets the texts, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.arena.clear();
        self.texts.clear();
        self.keys.clear();
        self.finds.clear();
        self.apart.clear();
        self.tenant_keys.next_round();
        self.encoded.clear();
        self.opaque.clear();
        self.looked_into = 0;
    }

    /// Adds a text that stands under `key`; returns its number.
    pub(super) fn push(&mut self, text: &[u8], key: &[u8]) -> u32 {
        self.push_with(key, |arena| arena.extend_from_slice(text))
    }

    /// [`Scratch::push`] of what `write` adds to the arena.
    pub(super) fn push_with(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> u32 {
        let number = self.texts.len() as u32;
        let start = self.arena.len() as u32;
        let key_start = self.keys.len() as u32;
        write(&mut self.arena);
        self.keys.extend_from_slice(key);
        self.texts.push(Text {
            start,
            end: self.arena.len() as u32,
            key: (key_start, self.keys.len() as u32),
        });
        self.arena.push(SEPARATOR);
        number
    }

    /// Text `number`.
    pub(super) fn text(&self, number: u32) -> &[u8] {
        let text = self.texts[number as usize];
        &self.arena[text.start as usize..text.end as usize]
    }

    /// Decodes the run before place `at` of text `t`, if it is text in hexadecimal.
    fn look_into_hex(&mut self, t: usize, at: usize, run: Run) -> bool {
        let text = self.texts[t];
        let whole = &self.arena[text.start as usize..text.end as usize];
        let start = at - run.len;
        let meant = self.meant.get_or_insert_default();
        let mut skipped = None;
        meant.push_with(b"", |out| skipped = opaque::hex(&whole[start..at], out));
        match skipped {
            Some(skipped) => self.opaque.push((t as u32, (start + skipped) as u32, at as u32)),
            None => meant.pop(),
        }
        skipped.is_some()
    }

    /// Decodes the run before place `at` of text `t` and all that it is joined to, if it is text in base64; hardly
    /// any such text has twelve letters and digits in a row that are all lower case. `joined` is how long the run
    /// is with what is joined to it before, unless that is long.
    fn look_into_base64(&mut self, t: usize, at: usize, joined: Option<usize>) {
        let text = self.texts[t];
        let whole = &self.arena[text.start as usize..text.end as usize];
        let looked = self.looked_into.saturating_sub(text.start) as usize;
        let start = match joined {
            Some(len) => at - len,
            None => {
                whole[looked..at].iter().rposition(|b| !opaque::is_part(*b)).map_or(0, |i| looked + i + 1)
            }
        };
        // Every run inside one token would lead to the same token again.
        if start < looked {
            return;
        }
        self.looked_into = text.start + at as u32;
        if !opaque::like_base64(&whole[start..at]) {
            return;
        }
        let end = at + whole[at..].iter().take_while(|b| opaque::is_part(**b)).count();
        self.looked_at += (end - start) as u64;
        let meant = self.meant.get_or_insert_default();
        let mut is = false;
        meant.push_with(b"", |out| is = opaque::base64(&whole[start..end], out));
        if is {
            let padding = whole[end..].iter().take(2).take_while(|b| **b == b'=').count();
            self.opaque.push((t as u32, start as u32, (end + padding) as u32));
        } else {
            meant.pop();
        }
    }

    /// What is encoded in a text: its place and its meaning.
    #[cfg(test)]
    pub(super) fn encoded_in(&mut self, text: &str) -> impl Iterator<Item = (usize, usize, String)> {
        self.clear();
        self.push(text.as_bytes(), b"");
        let mut run = 0;
        for (at, byte) in text.bytes().chain([b' ']).enumerate() {
            let word = byte.is_ascii_alphanumeric();
            if !word && run >= opaque::RUN {
                let run = Run::plain(text.as_bytes(), at);
                let hex = run.digit && opaque::like_hex(&text.as_bytes()[at - run.len..at]);
                if !(hex && self.look_into_hex(0, at, run)) && run.upper {
                    self.look_into_base64(0, at, None);
                }
            }
            run = if word { run + 1 } else { 0 };
        }
        let meant = self.meant.take().unwrap_or_default();
        let mut number = 0..;
        std::mem::take(&mut self.opaque).into_iter().map(move |(_, start, end)| {
            let text = meant.text(number.next().unwrap_or_default());
            (start as usize, end as usize, String::from_utf8_lossy(text).into_owned())
        })
    }

    /// What verification needs of it.
    fn parts(&mut self) -> Parts<'_> {
        Parts {
            arena: &self.arena,
            texts: &self.texts,
            keys: &self.keys,
            finds: &mut self.finds,
            caches: &mut self.caches,
            from: &mut self.from,
            work: &mut self.work,
            looked_at: &mut self.looked_at,
        }
    }

    /// Takes back the text that was just pushed.
    fn pop(&mut self) {
        if let Some(text) = self.texts.pop() {
            self.arena.truncate(text.start as usize);
        }
    }

    /// The key that text `number` stands under.
    pub(super) fn key_of(&self, number: u32) -> &[u8] {
        let (start, end) = self.texts[number as usize].key;
        &self.keys[start as usize..end as usize]
    }
}

impl Engine {
    /// Scans all texts that were pushed; `scratch.finds` are then in order of text and place, not
    /// overlapping.
    pub(super) fn scan(&self, scratch: &mut Scratch) {
        self.scan_at(scratch, 0);
        self.set_apart(scratch);
        settle(&mut scratch.finds, |source| self.action(source));
    }

    /// [`Engine::scan`] without joining overlaps, and without what is encoded.
    pub(super) fn scan_flat(&self, scratch: &mut Scratch) {
        self.scan_at(scratch, limits::NESTED_ENCODINGS);
    }

    /// [`Engine::scan`] without joining overlaps.
    pub(super) fn scan_raw(&self, scratch: &mut Scratch) {
        self.scan_at(scratch, 0);
    }

    fn scan_at(&self, scratch: &mut Scratch, depth: usize) {
        let total = self.rules.len() + self.keys.len();
        if scratch.engine != self.number {
            scratch.engine = self.number;
            *scratch.strangers = Default::default();
            scratch.caches.clear();
            scratch.caches.resize_with(total, || None);
        }
        scratch.ahead.0 = u32::MAX;
        scratch.from.clear();
        scratch.from.resize(self.rules.len(), 0);
        scratch.work.clear();
        scratch.work.resize(self.rules.len(), (u32::MAX, 0));
        let len = scratch.arena.len();
        scratch.arena.resize(len + PADDING, SEPARATOR);

        let mut look = scratch.look.take().unwrap_or_default();
        let Look { planes, streams } = &mut *look;
        streams.clear();
        let mut text = 0usize;
        for base in (0..len).step_by(64 * BLOCKS) {
            while text + 1 < scratch.texts.len() && scratch.texts[text].end < base as u32 {
                text += 1;
            }
            let blocks = (len - base).div_ceil(64).min(BLOCKS);
            planes.look(&scratch.arena[base..], &self.literals, blocks);
            streams.next(planes);
            self.literals_at(scratch, streams, base, text);
            self.separators_at(scratch, streams, base, text);
            self.shapes_at(scratch, streams, base, text);
            self.runs_at(scratch, streams, base, text, depth);
            hits::encoded_at(scratch, streams, base, text);
        }
        scratch.look = Some(look);
        self.unfiltered(scratch);
        scratch.arena.truncate(len);
        if depth < limits::NESTED_ENCODINGS && !scratch.encoded.is_empty() {
            self.nested(scratch, depth);
        }
        if !scratch.opaque.is_empty() {
            self.opaque(scratch, depth);
        }
    }

    /// What was in base64 and the like is scanned as what it means; a find takes all of its encoding.
    fn opaque(&self, scratch: &mut Scratch, depth: usize) {
        let Some(mut meant) = scratch.meant.take() else { return };
        self.scan_at(&mut meant, depth + 1);
        for find in &meant.finds {
            // What is kept is the value, not whatever else stands in the same encoding.
            if self.action(find.source) != Action::Keep {
                let (text, start, end) = scratch.opaque[find.text as usize];
                scratch.finds.push(Find { text, start, end, source: find.source });
            }
        }
        scratch.looked_at += std::mem::take(&mut meant.looked_at);
        meant.clear();
        scratch.meant = Some(meant);
        scratch.opaque.clear();
    }

    /// Rules without a filter go over every text.
    fn unfiltered(&self, scratch: &mut Scratch) {
        for number in &self.unfiltered {
            for t in 0..scratch.texts.len() {
                let rule = &self.rules[usize::from(*number)];
                linear(rule, *number, t, &mut scratch.parts());
            }
        }
    }

    /// Texts with something encoded in them are scanned again as what they mean.
    fn nested(&self, scratch: &mut Scratch, depth: usize) {
        let mut inner = scratch.nested.take().unwrap_or_default();
        scratch.encoded.sort_unstable();
        scratch.encoded.dedup();
        for &number in &scratch.encoded {
            let text = scratch.texts[number as usize];
            let all = &scratch.arena[text.start as usize..text.end as usize];
            if !scratch.unfolded.unfold(all) {
                continue;
            }
            inner.clear();
            inner.push(&scratch.unfolded.text, scratch.key_of(number));
            self.scan_at(&mut inner, depth + 1);
            for find in &inner.finds {
                let (start, end) = scratch.unfolded.origin(find.start, find.end);
                scratch.finds.push(Find { text: number, start, end, source: find.source });
            }
        }
        scratch.looked_at += std::mem::take(&mut inner.looked_at);
        scratch.nested = Some(inner);
    }
}

/// The text that holds place `at` (its separator included), searched from `text` on.
#[inline]
fn text_at(texts: &[Text], mut text: usize, at: usize) -> usize {
    while text + 1 < texts.len() && (texts[text].end as usize) < at {
        text += 1;
    }
    text
}

/// Orders finds and joins those that overlap: the union, under the strongest action.
pub(super) fn settle(finds: &mut Vec<Find>, action: impl Fn(Source) -> Action) {
    if finds.len() < 2 {
        return;
    }
    finds
        .sort_unstable_by(|a, b| (a.text, a.start, b.end, a.source).cmp(&(b.text, b.start, a.end, b.source)));
    let mut kept = 0;
    for i in 1..finds.len() {
        let next = finds[i];
        let last = &mut finds[kept];
        if last.text == next.text && next.start < last.end {
            last.end = last.end.max(next.end);
            if action(next.source).index() > action(last.source).index() {
                last.source = next.source;
            }
        } else {
            kept += 1;
            finds[kept] = next;
        }
    }
    finds.truncate(kept + 1);
}

const _: () = assert!(Shape::COUNT == Shape::ALL.len());
