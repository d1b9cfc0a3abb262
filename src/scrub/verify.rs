//! From a candidate to a find: the rule's own automaton where the filters say that it may match, then its
//! validator and what stands around.

use regex_automata::{Anchored, Input, meta::Cache};

use super::{
    classes::Shape,
    keys,
    rule::{Filter, Rule, Verdict},
    scan::{Find, Source, Text},
    validate::{self, Validator},
};
use crate::limits;

/// The parts of a scratch that verification needs.
pub(super) struct Parts<'a> {
    pub arena: &'a [u8],
    pub texts: &'a [Text],
    pub keys: &'a [u8],
    pub finds: &'a mut Vec<Find>,
    pub caches: &'a mut [Option<Cache>],
    pub from: &'a mut [u32],
    pub work: &'a mut [(u32, u32)],
    pub looked_at: &'a mut u64,
}

/// A closer look at a shape's hit at `at` of the arena, for one rule: false if no match that would count has its
/// last hit there. The hit is [`Shape::plausible`], but for cards, of which that is asked here if need be. What
/// stands between texts is part of no shape.
#[inline]
pub(super) fn may_match(rule: &Rule, shape: Shape, arena: &[u8], at: usize) -> bool {
    match (shape, rule.validator) {
        (Shape::Card, Some(Validator::Card)) => validate::may_end_card(arena, at),
        (Shape::Card, _) => shape.plausible(arena, at),
        (Shape::Ipv6, Some(Validator::Ipv6)) => validate::may_hold_ipv6(arena, at),
        // A value that is the whole match is these digits, what stands before them, and the check letter.
        (Shape::Lettered, Some(validator @ (Validator::Dni | Validator::Nric))) if rule.group.is_none() => {
            let seven = arena[..at].iter().rev().take(8).take_while(|b| b.is_ascii_digit()).count() == 7;
            let first = at.saturating_sub(8);
            let joined = seven && arena.get(first).is_some_and(|b| !b.is_ascii_alphanumeric());
            let end = at + 1 + usize::from(arena[at] == b'-');
            joined || validator.check(&arena[first..end])
        }
        _ => true,
    }
}

/// Lets a rule loose on one candidate: a literal at `at`, or a shape's hit there.
#[inline(never)]
pub(super) fn candidate(rule: &Rule, number: u16, t: usize, at: usize, literal: bool, parts: &mut Parts<'_>) {
    let index = usize::from(number);
    let text = parts.texts[t];
    let from = parts.from[index].max(text.start);
    if (at as u32) < from || at as u32 > text.end || (parts.from[index] > text.end) {
        return;
    }
    let (low, high) = match rule.filter {
        _ if literal => (at, at + rule.longest),
        Filter::Shape(shape) => (at.saturating_sub(shape.before()), at + rule.longest),
        _ => return,
    };
    let (low, high) = (low.max(from as usize), high.min(text.end as usize));
    if low >= high {
        return;
    }
    let work = &mut parts.work[index];
    if work.0 != t as u32 {
        *work = (t as u32, 0);
    }
    work.1 = work.1.saturating_add((high - low) as u32);
    let budget = (text.end - text.start) as usize * limits::SCAN_WORK_FACTOR + 4096;
    if work.1 as usize > budget {
        linear(rule, number, t, parts);
        parts.from[index] = text.end + 1;
        return;
    }
    *parts.looked_at += (high - low) as u64;
    let haystack = &parts.arena[text.start as usize..text.end as usize];
    let base = text.start as usize;
    let mut low = low - base;
    loop {
        let cache = parts.caches[index].get_or_insert_with(|| rule.regex.create_cache());
        let input = Input::new(haystack).range(low..high - base);
        let found = if literal {
            let input = input.anchored(Anchored::Yes);
            rule.regex.search_half_with(cache, &input).map(|half| (low, half.offset()))
        } else {
            rule.regex.search_with(cache, &input).map(|m| (m.start(), m.end())).filter(|m| m.0 + base <= at)
        };
        let Some((start, end)) = found else { return };
        parts.from[index] = (base + end) as u32;
        accept(rule, number, t, start, end, parts);
        // A match before the one that this hit belongs to: its own hit was not plausible.
        if literal || base + end >= at || end >= high - base {
            return;
        }
        low = end;
    }
}

/// A match of the pattern: judged, and kept if it counts.
fn accept(rule: &Rule, number: u16, t: usize, start: usize, end: usize, parts: &mut Parts<'_>) {
    let text = parts.texts[t];
    let haystack = &parts.arena[text.start as usize..text.end as usize];
    let cache = parts.caches[usize::from(number)].get_or_insert_with(|| rule.regex.create_cache());
    let (start, end) = rule.value(cache, haystack, start, end);
    if keys::is_replaced(&haystack[start..end]) {
        return;
    }
    let key = &parts.keys[text.key.0 as usize..text.key.1 as usize];
    if rule.judge(haystack, start, end, key) == Verdict::Accepted {
        let (start, end) = snap(haystack, start, end);
        parts.finds.push(Find { text: t as u32, start, end, source: Source::Rule(number) });
    }
}

/// The portable path: the regular expression over the rest of the text.
pub(super) fn linear(rule: &Rule, number: u16, t: usize, parts: &mut Parts<'_>) {
    let text = parts.texts[t];
    let haystack = &parts.arena[text.start as usize..text.end as usize];
    let index = usize::from(number);
    let mut from = parts.from[index].saturating_sub(text.start) as usize;
    *parts.looked_at += haystack.len().saturating_sub(from) as u64;
    while from < haystack.len() {
        let cache = parts.caches[index].get_or_insert_with(|| rule.regex.create_cache());
        let input = Input::new(haystack).range(from..haystack.len());
        let Some(found) = rule.regex.search_with(cache, &input) else { break };
        from = found.end();
        accept(rule, number, t, found.start(), found.end(), parts);
    }
}

/// Widens a span to whole characters.
pub(super) fn snap(text: &[u8], mut start: usize, mut end: usize) -> (u32, u32) {
    let inside = |at: usize| text.get(at).is_some_and(|b| b & 0xC0 == 0x80);
    for _ in 0..3 {
        start -= usize::from(start > 0 && inside(start));
        end += usize::from(inside(end));
    }
    (start as u32, end as u32)
}
