//! What becomes of the places that the filters leave: literals, separators behind keys, runs.

use regex_automata::meta::Cache;

use super::{Find, Scratch, Source, text_at};
use crate::{
    limits,
    scrub::{
        Engine,
        classes::{Run, Shape, Streams},
        keys, opaque, unfold,
        verify::{candidate, may_match},
    },
};

impl Engine {
    /// Literals that stand in the blocks at `base`. Not inlined, as others here: loops over many places need all
    /// registers.
    #[inline(never)]
    pub(super) fn literals_at(&self, scratch: &mut Scratch, streams: &mut Streams, base: usize, text: usize) {
        let places = &mut streams.hits.literals;
        let here = &scratch.arena[base..];
        places.keep(|at| self.literals.may(here[at..at + 8].first_chunk().copied().unwrap_or_default()));
        for at in places.iter() {
            let at = base + at;
            let t = text_at(&scratch.texts, text, at);
            let mut parts = scratch.parts();
            let rest = &parts.arena[at..parts.texts[t].end.max(at as u32) as usize];
            let mut spelled = false;
            self.literals.at(rest, |number| match self.rules.get(usize::from(number)) {
                Some(rule) => candidate(rule, number, t, at, true, &mut parts),
                None => spelled = unfold::spelled(rest).next().is_some(),
            });
            if spelled && scratch.encoded.last() != Some(&(t as u32)) {
                scratch.encoded.push(t as u32);
            }
        }
    }

    /// Telling keys that end in the blocks at `base`, and their values.
    #[inline(never)]
    pub(super) fn separators_at(
        &self,
        scratch: &mut Scratch,
        streams: &mut Streams,
        base: usize,
        text: usize,
    ) {
        let places = &mut streams.hits.separators;
        let arena = &scratch.arena[..];
        let strangers = &mut *scratch.strangers;
        places.keep(|at| {
            arena[..base + at].last_chunk().is_none_or(|before| strangers.may_end(&self.names, before))
        });
        for at in places.iter() {
            let at = base + at;
            let t = text_at(&scratch.texts, text, at);
            let place = scratch.texts[t];
            let all = &scratch.arena[place.start as usize..place.end as usize];
            let Some(at) = at.checked_sub(place.start as usize).filter(|at| *at < all.len()) else {
                continue;
            };
            if scratch.ahead.0 != t as u32 {
                scratch.ahead = (t as u32, Default::default());
            }
            self.keyed(all, at, &mut scratch.caches, &mut scratch.ahead.1, |start, end, rule| {
                scratch.finds.push(Find { text: t as u32, start, end, source: Source::Key(rule) });
            });
        }
    }

    /// Shapes that have hits in the blocks at `base`.
    #[inline(never)]
    pub(super) fn shapes_at(&self, scratch: &mut Scratch, streams: &mut Streams, base: usize, text: usize) {
        let hits = &mut streams.hits;
        let mut present = hits.present & self.shapes;
        while present != 0 {
            let number = present.trailing_zeros() as usize;
            present &= present - 1;
            let (shape, places) = (Shape::ALL[number], &mut hits.shapes[number]);
            // What is no card is told faster by its validator.
            if shape != Shape::Card {
                places.keep(|at| shape.plausible(&scratch.arena, base + at));
            }
            for number in &self.by_shape[number] {
                let rule = &self.rules[usize::from(*number)];
                for at in places.iter().map(|at| base + at) {
                    if may_match(rule, shape, &scratch.arena, at) {
                        let t = text_at(&scratch.texts, text, at);
                        candidate(rule, *number, t, at, false, &mut scratch.parts());
                    }
                }
            }
        }
    }

    /// Runs of letters and digits that end in the blocks at `base`: hardly any is more than that.
    #[inline(never)]
    pub(super) fn runs_at(
        &self,
        scratch: &mut Scratch,
        streams: &Streams,
        base: usize,
        text: usize,
        depth: usize,
    ) {
        let Streams { hits, letters, .. } = streams;
        let decodes = depth < limits::NESTED_ENCODINGS;
        for at in hits.runs.iter() {
            let arena = &scratch.arena[..];
            let run = letters.run(at, arena, base);
            let end = base + at;
            let start = end - run.len;
            let value = &arena[start..end];
            let joined = start.checked_sub(1).is_some_and(|i| matches!(arena[i], b'_' | b'-'));
            let random = run.upper & run.lower & run.digit & joined;
            let hex = run.digit & decodes && opaque::may_be_hex(value);
            let base64 = run.upper & decodes & !hex
                && match letters.token(at) {
                    Some(len) if !opaque::may_be_base64(&arena[end - len..end]) => {
                        // As if all of it had been looked for.
                        if end - len >= scratch.looked_into as usize {
                            scratch.looked_into = end as u32;
                        }
                        false
                    }
                    _ => true,
                };
            if random | hex | base64 | self.runs.may_fit(value) {
                self.run(scratch, text, end, run, depth, || letters.token(at));
            }
        }
    }

    /// A run of letters and digits has ended before place `at` of the arena: a random token's tail, a number
    /// that is a whole run, or something encoded.
    #[inline(never)]
    fn run(
        &self,
        scratch: &mut Scratch,
        text: usize,
        at: usize,
        run: Run,
        depth: usize,
        token: impl FnOnce() -> Option<usize>,
    ) {
        let start = at - run.len;
        if run.upper && run.lower && run.digit && Shape::Token.plausible(&scratch.arena, at) {
            let t = text_at(&scratch.texts, text, at);
            for number in &self.by_shape[Shape::Token as usize] {
                let rule = &self.rules[usize::from(*number)];
                candidate(rule, *number, t, at, false, &mut scratch.parts());
            }
        }
        let mut parts = scratch.parts();
        self.runs.fit(&parts.arena[start..at], |number| {
            let t = text_at(parts.texts, text, at);
            let rule = &self.rules[usize::from(number)];
            let fits = (rule.shortest..=rule.longest).contains(&run.len);
            // The value is all of the run, unless the pattern says what of it is.
            let value = &parts.arena[start..at];
            let counts = || rule.group.is_some() || rule.validator.is_none_or(|v| v.check(value));
            if fits && counts() {
                candidate(rule, number, t, start, true, &mut parts);
            }
        });
        if depth < limits::NESTED_ENCODINGS {
            let hex = run.digit && opaque::like_hex(&scratch.arena[start..at]);
            if hex || run.upper {
                let t = text_at(&scratch.texts, text, at);
                let at = at - scratch.texts[t].start as usize;
                if !(hex && scratch.look_into_hex(t, at, run)) && run.upper {
                    scratch.look_into_base64(t, at, token());
                }
            }
        }
    }

    /// A telling key before the separator at `at`.
    #[inline(never)]
    fn keyed(
        &self,
        text: &[u8],
        at: usize,
        caches: &mut [Option<Cache>],
        ahead: &mut keys::Ahead,
        mut found: impl FnMut(u32, u32, u16),
    ) {
        let Some(key) = self.names.before(text, at) else { return };
        let number = key.rule;
        let rule = &self.keys[usize::from(number)];
        if rule.attribute_only {
            return;
        }
        let cache = rule.value.as_ref().map(|regex| {
            caches[self.rules.len() + usize::from(number)].get_or_insert_with(|| regex.create_cache())
        });
        match keys::value_after(rule, cache, ahead, text, key, at) {
            Some((start, end)) if rule.pairs => keys::pairs(rule, &text[start..end], |from, to| {
                found((start + from) as u32, (start + to) as u32, number);
            }),
            Some((start, end)) => found(start as u32, end as u32, number),
            None => {}
        }
    }
}

/// Texts of which something encoded stands in the blocks at `base`.
#[inline(never)]
pub(super) fn encoded_at(scratch: &mut Scratch, streams: &mut Streams, base: usize, text: usize) {
    let places = &mut streams.hits.encoded;
    let arena = &scratch.arena[base..];
    places.keep(|at| unfold::may_start(&arena[at..at + 8]));
    let mut t = text;
    for at in places.iter().map(|at| base + at) {
        t = text_at(&scratch.texts, t, at);
        if scratch.encoded.last() != Some(&(t as u32)) && at < scratch.texts[t].end as usize {
            scratch.encoded.push(t as u32);
        }
    }
}
