//! The portable path: every rule's regular expression over every text. Slow and plain; the fast path is
//! held to it, span for span.

use regex_automata::{Input, meta::Cache};

use super::{
    Scrubber, keys,
    rule::Verdict,
    scan::{Find, Scratch, Source},
    verify::snap,
};

impl Scrubber {
    /// All finds of the fast path in one text, before overlaps are joined.
    pub(super) fn spans(&self, scratch: &mut Scratch, text: &[u8], key: &[u8]) -> Vec<Find> {
        scratch.clear();
        scratch.push(text, key);
        self.engine.scan_raw(scratch);
        let mut finds = scratch.finds.clone();
        finds.sort_unstable();
        finds.dedup();
        finds
    }

    /// The finds in one text by the portable path, without what is encoded: start, end and rule, in order.
    pub fn oracle_spans(&self, text: &[u8]) -> Vec<(usize, usize, String)> {
        thread_local!(static CACHES: std::cell::RefCell<(u64, Vec<Cache>)> = Default::default());
        CACHES.with_borrow_mut(|(engine, caches)| {
            if *engine != self.engine.number {
                *engine = self.engine.number;
                *caches = self.engine.rules.iter().map(|rule| rule.regex.create_cache()).collect();
            }
            self.oracle_with(caches, text)
        })
    }

    fn oracle_with(&self, caches: &mut [Cache], text: &[u8]) -> Vec<(usize, usize, String)> {
        let mut out = Vec::new();
        for (rule, cache) in self.engine.rules.iter().zip(caches) {
            let mut from = 0;
            while from < text.len() {
                let Some(found) = rule.regex.search_with(cache, &Input::new(text).range(from..text.len()))
                else {
                    break;
                };
                from = found.end();
                let (start, end) = rule.value(cache, text, found.start(), found.end());
                if keys::is_replaced(&text[start..end]) {
                    continue;
                }
                if rule.judge(text, start, end, b"") == Verdict::Accepted {
                    let (start, end) = snap(text, start, end);
                    out.push((start as usize, end as usize, rule.id.clone()));
                }
            }
        }
        for at in memchr::memchr3_iter(b':', b'=', b'>', text) {
            let Some(key) = self.engine.names.before(text, at) else { continue };
            let rule = &self.engine.keys[usize::from(key.rule)];
            if rule.attribute_only || (text[at] == b':' && at > 0 && text[at - 1].is_ascii_digit()) {
                continue;
            }
            let mut cache = rule.value.as_ref().map(|regex| regex.create_cache());
            match keys::value_after(rule, cache.as_mut(), &mut keys::Ahead::default(), text, key, at) {
                Some((start, end)) if rule.pairs => keys::pairs(rule, &text[start..end], |from, to| {
                    out.push((start + from, start + to, rule.id.clone()));
                }),
                Some((start, end)) => out.push((start, end, rule.id.clone())),
                None => {}
            }
        }
        out.sort();
        out.dedup();
        out
    }

    /// How many values are found in these texts, scanned as one arena. For measuring.
    pub fn count_finds(&self, texts: &[&str]) -> usize {
        thread_local!(static SCRATCH: std::cell::RefCell<Scratch> = Default::default());
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            for text in texts {
                scratch.push(text.as_bytes(), b"");
            }
            self.engine.scan(scratch);
            scratch.finds.len()
        })
    }

    /// All finds of the fast path in one text, without what is encoded, as [`Scrubber::oracle_spans`] gives them.
    pub fn fast_spans(&self, scratch: &mut Scratch, text: &[u8]) -> Vec<(usize, usize, String)> {
        scratch.clear();
        scratch.push(text, b"");
        self.engine.scan_flat(scratch);
        let name = |source: Source| self.engine.id(source).to_owned();
        let mut out: Vec<_> =
            scratch.finds.iter().map(|f| (f.start as usize, f.end as usize, name(f.source))).collect();
        out.sort();
        out.dedup();
        out
    }
}
