//! What becomes of the places that the filters leave: literals, separators behind keys, runs.

use regex_automata::meta::Cache;

use super::{Find, Scratch, Source, text_at};
use crate::{
    limits,
    scrub::{
        Engine,
        classes::{Run, Shape, Streams},
        keys, opaque, unfold,
        verify::candidate,
    },
};

impl Engine {
    /// Literals that stand in the blocks at `base`. Not inlined, as others here: loops over many places need all
    /// registers.
    #[inline(never)]
    pub(super) fn literals_at(&self, scratch: &mut Scratch, streams: &mut Streams, base: usize, text: usize) {
        let places = &mut streams.hits.literals;
        let here = &scratch.arena[base..];
        let four = |at: usize| here[at..at + 4].first_chunk().copied().unwrap_or_default();
        let eight = |at: usize| here[at..at + 8].first_chunk().copied().unwrap_or_default();
        places.keep(|at| self.literals.may(four(at)));
        places.keep(|at| self.literals.likely(eight(at)));
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

    /// A run of letters and digits has ended before place `at` of the arena: a random token's tail, a number
    /// that is a whole run, or something encoded.
    #[inline(never)]
    pub(super) fn run(
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
