//! The shape of a text: its names and keywords, and slots where values stand.
//!
//! Lists of values (`IN (..)`, `ARRAY[..]`) and rows of `VALUES` become one of each; what was left out is remembered
//! with the slot that it shares, so that its values can still be read.

use std::hash::{BuildHasher, Hasher};

use super::{
    rewrite::{Instead, instead},
    tokens::{Kind, Token, Tokens, is_word_start},
};
use crate::limits;

/// What stands in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Str,
    Num,
    Null,
    Bool,
    /// A name where a value belongs: `SET search_path TO acme`.
    Bare,
    Param(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    Word,
    Quoted,
    Op,
    /// The name of a setting, as a string.
    Name,
    Value(Value),
}

/// A piece of the shape, as a range of bytes of the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub kind: ItemKind,
    pub start: usize,
    pub end: usize,
    /// Of a value: the number of its slot.
    pub slot: u32,
    /// In a row of `VALUES`, where what a value is makes no difference.
    pub row: bool,
}

/// A value of the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub value: Value,
    pub start: usize,
    pub end: usize,
}

/// Shapes of texts; its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub items: Vec<Item>,
    /// The value of each slot in the first row or at the first place of a list.
    pub slots: Vec<Slot>,
    /// Values of further rows and places, with the slot that each shares.
    pub extra: Vec<(u32, Slot)>,
    /// Not all of the statement is there: the text is longer than is looked at, or somebody cut it before.
    pub cut: bool,
    /// It may have been taken apart at the wrong places, by another database's rules of quoting.
    pub odd: bool,
    raw: Vec<Item>,
}

impl Shape {
    /// Reads a text.
    pub fn read(&mut self, text: &str) {
        self.items.clear();
        self.slots.clear();
        self.extra.clear();
        self.raw.clear();
        let mut end = text.len().min(limits::SQL_TEXT_BYTES);
        self.cut = end < text.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = &text[..end];
        let mut tokens = Tokens::new(text);
        let mut last = None;
        for token in tokens.by_ref() {
            last = Some(token);
            let (start, end) = (token.start, token.end);
            let kind = match token.kind {
                Kind::Word => self.word(text, start, end),
                Kind::Quoted => ItemKind::Quoted,
                Kind::Str => self.string(text, start, end),
                Kind::Num => ItemKind::Value(Value::Num),
                Kind::Param(number) => ItemKind::Value(Value::Param(number)),
                Kind::Op => ItemKind::Op,
            };
            self.push(text, Item { kind, start, end, slot: 0, row: false });
        }
        self.odd = tokens.odd();
        self.cut |= tokens.open() || last.is_some_and(|last| cut_off(text, last));
        self.settings(text);
        self.collapse(text);
    }

    /// A sign before a number is part of it; strings side by side are one.
    fn push(&mut self, text: &str, item: Item) {
        let count = self.raw.len();
        if let ItemKind::Value(Value::Num) = item.kind
            && count > 1
            && self.raw[count - 1].end == item.start
            && &text[self.raw[count - 1].start..item.start] == "-"
            && self.raw[count - 2].kind == ItemKind::Op
            && !matches!(text.as_bytes()[self.raw[count - 2].end - 1], b')' | b']')
        {
            self.raw[count - 1] = Item { start: self.raw[count - 1].start, ..item };
            return;
        }
        if let ItemKind::Value(Value::Str) = item.kind
            && let Some(last) = self.raw.last_mut()
            && last.kind == item.kind
        {
            last.end = item.end;
            return;
        }
        self.raw.push(item);
    }

    fn word(&self, text: &str, start: usize, end: usize) -> ItemKind {
        let word = &text[start..end];
        let value = if word.eq_ignore_ascii_case("null") {
            Value::Null
        } else if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") {
            Value::Bool
        } else {
            return ItemKind::Word;
        };
        match self.raw.last() {
            Some(last) if last.kind == ItemKind::Word && is(text, last, &["is", "not", "set"]) => {
                ItemKind::Word
            }
            _ => ItemKind::Value(value),
        }
    }

    /// A string, which may be the name of a setting.
    fn string(&self, text: &str, start: usize, end: usize) -> ItemKind {
        let name = text[start..end].strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or("");
        if let [.., function, bracket] = self.raw.as_slice()
            && &text[bracket.start..bracket.end] == "("
            && is(text, function, &["set_config", "current_setting"])
            && name.len() <= limits::SQL_SETTING_BYTES
            && name.as_bytes().first().is_some_and(|&b| is_word_start(b))
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        {
            return ItemKind::Name;
        }
        ItemKind::Value(Value::Str)
    }

    /// What `SET` gives is a value, also where it is a name.
    fn settings(&mut self, text: &str) {
        let mut at = 0;
        while at < self.raw.len() {
            let rest = &mut self.raw[at..];
            let length =
                rest.iter().position(|item| &text[item.start..item.end] == ";").unwrap_or(rest.len());
            let value = value_of_set(text, &rest[..length]);
            for item in &mut rest[value.unwrap_or(length)..length] {
                let named = matches!(item.kind, ItemKind::Word | ItemKind::Quoted);
                if named && !is(text, item, &["default", "none"]) {
                    item.kind = ItemKind::Value(Value::Bare);
                }
            }
            at += length + 1;
        }
    }

    fn emit(&mut self, mut item: Item) {
        if let ItemKind::Value(value) = item.kind {
            item.slot = self.slots.len() as u32;
            self.slots.push(Slot { value, start: item.start, end: item.end });
        }
        self.items.push(item);
    }

    fn collapse(&mut self, text: &str) {
        let raw = std::mem::take(&mut self.raw);
        let of = |item: &Item| &text[item.start..item.end];
        let mut at = 0;
        // An unclosed bracket is looked for once: the text is broken.
        let mut broken = false;
        while at < raw.len() {
            let item = raw[at];
            let before = at.checked_sub(1).map(|n| &raw[n]);
            let list = item.kind == ItemKind::Op
                && match of(&item) {
                    "(" => before.is_some_and(|b| is(text, b, &["in"])),
                    "[" => before.is_some_and(|b| is(text, b, &["array"])),
                    "=" => before.is_some_and(|_| raw.first().is_some_and(|f| is(text, f, &["set"]))),
                    _ => false,
                }
                || (item.kind == ItemKind::Word
                    && is(text, &item, &["to"])
                    && raw.first().is_some_and(|f| is(text, f, &["set"])));
            let rows =
                (item.kind == ItemKind::Word && is(text, &item, &["values"])) || (list && of(&item) == "(");
            self.emit(item);
            at += 1;
            if rows && !broken && raw.get(at).is_some_and(|next| of(next) == "(") {
                (at, broken) = self.rows(text, &raw, at);
            } else if list {
                at = self.list(text, &raw, at);
            }
        }
        self.raw = raw;
        // A mark at an end changes nothing: the statement is the same without it.
        let ends = |item: &Item| &text[item.start..item.end] == ";";
        while self.items.last().is_some_and(ends) {
            self.items.pop();
        }
        let leading = self.items.iter().take_while(|item| ends(item)).count();
        self.items.drain(..leading);
    }

    /// `value, value, ..`: one of them stays.
    fn list(&mut self, text: &str, raw: &[Item], at: usize) -> usize {
        let value = |n: usize| match raw.get(n).map(|item| item.kind) {
            Some(ItemKind::Value(value)) => Some(Slot { value, start: raw[n].start, end: raw[n].end }),
            _ => None,
        };
        let mut end = at;
        while value(end).is_some() && raw.get(end + 1).is_some_and(|c| &text[c.start..c.end] == ",") {
            end += 2;
        }
        let closed = raw.get(end + 1).is_none_or(|c| matches!(&text[c.start..c.end], ")" | "]" | ";"));
        if value(end).is_none() || !closed {
            return at;
        }
        self.emit(Item { row: end > at, ..raw[at] });
        let slot = self.slots.len() as u32 - 1;
        self.extra.extend((at + 2..=end).step_by(2).filter_map(|n| Some((slot, value(n)?))));
        end + 1
    }

    /// `(..), (..), ..`: of rows that are alike but for their values, one after the other, one stays.
    /// Where they end, and whether a bracket is open there.
    fn rows(&mut self, text: &str, raw: &[Item], mut at: usize) -> (usize, bool) {
        let of = |item: &Item| &text[item.start..item.end];
        let mut kept: Option<(&[Item], u32)> = None;
        loop {
            let Some(length) = bracket(text, &raw[at..]) else { return (at, true) };
            let row = &raw[at..at + length];
            match kept {
                Some((first, slot)) if alike(text, first, row) => {
                    let values = row.iter().filter_map(|item| match item.kind {
                        ItemKind::Value(value) => Some(Slot { value, start: item.start, end: item.end }),
                        _ => None,
                    });
                    self.extra.extend(values.enumerate().map(|(n, value)| (slot + n as u32, value)));
                    // The comma before it.
                    self.items.pop();
                }
                _ => {
                    kept = Some((row, self.slots.len() as u32));
                    row.iter().for_each(|item| self.emit(Item { row: true, ..*item }));
                }
            }
            at += length;
            let more = raw.get(at).is_some_and(|item| of(item) == ",")
                && raw.get(at + 1).is_some_and(|item| of(item) == "(");
            if !more {
                return (at, false);
            }
            self.emit(raw[at]);
            at += 1;
        }
    }

    /// Gives memory back that a long text took.
    pub fn rest(&mut self) {
        if self.raw.capacity() > limits::SQL_ITEMS {
            *self = Shape::default();
        }
    }

    /// A hash of the shape: equal for texts that are judged alike.
    pub fn key(&self, text: &str, seed: &impl BuildHasher) -> u64 {
        let mut hash = seed.build_hasher();
        for (n, item) in self.items.iter().enumerate() {
            let bytes = &text.as_bytes()[item.start..item.end];
            match item.kind {
                ItemKind::Word => {
                    for chunk in bytes.chunks(64) {
                        let mut folded = [0u8; 64];
                        let folded = &mut folded[..chunk.len()];
                        folded.copy_from_slice(chunk);
                        folded.make_ascii_lowercase();
                        hash.write(folded);
                    }
                    hash.write_u8(1);
                }
                ItemKind::Quoted | ItemKind::Op | ItemKind::Name => {
                    hash.write(bytes);
                    hash.write_u8(2);
                }
                ItemKind::Value(_) if item.row => hash.write_u8(3),
                ItemKind::Value(value) => hash.write_u8(match value {
                    Value::Null => 4,
                    Value::Bool => 5 + u8::from(bytes[0] | 0x20 == b't'),
                    Value::Bare => 7,
                    Value::Param(_) => 8,
                    Value::Str | Value::Num => {
                        let outcome = self.outcome(text, n).map_or(0, |equal| 1 + u8::from(equal));
                        10 + 2 * outcome + u8::from(value == Value::Str)
                    }
                }),
            }
        }
        hash.write_u8(u8::from(self.cut) | u8::from(self.odd) << 1);
        hash.finish()
    }

    /// Of a number or string that another is compared with (`1 = 0`): whether they are equal.
    fn outcome(&self, text: &str, at: usize) -> Option<bool> {
        let [left, op] = self.items.get(at.checked_sub(2)?..at)? else { return None };
        let compared = matches!(&text[op.start..op.end], "=" | "<>" | "!=");
        (compared && left.kind == self.items[at].kind)
            .then(|| text[left.start..left.end] == text[self.items[at].start..self.items[at].end])
    }

    /// Items as SQL for the parser: each value as the number of its slot.
    pub fn sql(&self, text: &str, items: &[Item], out: &mut String) {
        let mut before: Option<&Item> = None;
        let mut at = 0;
        while let Some(mut item) = items.get(at) {
            let rewritten = instead(text, items, at);
            at += rewritten.map_or(1, |(_, count)| count);
            match rewritten {
                Some((Instead::Text(words), _)) => {
                    out.push(' ');
                    out.push_str(words);
                    // The next item follows on what was left out.
                    before = Some(item);
                    continue;
                }
                Some((Instead::Item(n), _)) => item = &items[n],
                None => {}
            }
            let of = &text[item.start..item.end];
            // Children of a table change nothing for us, and the parser has no word for leaving them out.
            let only = item.kind == ItemKind::Word
                && of.eq_ignore_ascii_case("only")
                && before.is_some_and(|b| is(text, b, &["from", "join", "update", "into", "using", "table"]));
            if only {
                continue;
            }
            if before.is_some() {
                out.push(' ');
            }
            let number = item.slot;
            match item.kind {
                // `TABLE t` as a whole statement, which the parser doesn't know.
                ItemKind::Word if before.is_none() && of.eq_ignore_ascii_case("table") => {
                    out.push_str("SELECT * FROM");
                }
                ItemKind::Word | ItemKind::Quoted | ItemKind::Op | ItemKind::Name => out.push_str(of),
                ItemKind::Value(Value::Str) => out.push_str(&format!("'{number}'")),
                ItemKind::Value(Value::Param(_)) if before.is_some_and(|b| is(text, b, &TYPES)) => {
                    out.push_str(&format!("'{number}'"));
                }
                ItemKind::Value(Value::Param(_) | Value::Bare) => out.push_str(&format!("${number}")),
                ItemKind::Value(Value::Null | Value::Bool) if !item.row => out.push_str(of),
                ItemKind::Value(_) => out.push_str(&number.to_string()),
            }
            before = Some(item);
        }
    }
}

/// Types that are written before their text.
const TYPES: [&str; 6] = ["interval", "date", "time", "timestamp", "timestamptz", "timetz"];

/// Whether a text ends in dots, which those write who cut it.
fn cut_off(text: &str, last: Token) -> bool {
    let end = &text[..last.end];
    last.kind != Kind::Str && last.kind != Kind::Quoted && (end.ends_with("...") || end.ends_with('…'))
}

/// Whether an item is one of these keywords, given in small letters.
pub(super) fn is(text: &str, item: &Item, words: &[&str]) -> bool {
    let of = &text[item.start..item.end];
    item.kind == ItemKind::Word && words.iter().any(|word| word.eq_ignore_ascii_case(of))
}

/// Where the value begins that a statement sets, if it is a `SET` that gives one.
fn value_of_set(text: &str, items: &[Item]) -> Option<usize> {
    let word = |n: usize, words: &[&str]| items.get(n).is_some_and(|item| is(text, item, words));
    if !word(0, &["set"]) {
        return None;
    }
    let mut at = 1;
    if word(1, &["session"]) && word(2, &["authorization"]) {
        return Some(3);
    }
    if word(1, &["session", "local"]) {
        at = 2;
    }
    if word(at, &["role"])
        && !items.get(at + 1).is_some_and(|item| matches!(&text[item.start..item.end], "="))
    {
        return Some(at + 1);
    }
    let named = |n: usize| items.get(n).is_some_and(|i| matches!(i.kind, ItemKind::Word | ItemKind::Quoted));
    if !named(at) {
        return None;
    }
    at += 1;
    while items.get(at).is_some_and(|item| &text[item.start..item.end] == ".") && named(at + 1) {
        at += 2;
    }
    let gives = word(at, &["to"]) || items.get(at).is_some_and(|item| &text[item.start..item.end] == "=");
    gives.then_some(at + 1)
}

/// The length of what an opening bracket at the front encloses, with both brackets.
fn bracket(text: &str, items: &[Item]) -> Option<usize> {
    let mut depth = 0usize;
    for (n, item) in items.iter().enumerate() {
        match &text[item.start..item.end] {
            "(" => depth += 1,
            ")" => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(n + 1);
        }
    }
    None
}

/// Whether two rows differ in their values alone.
fn alike(text: &str, a: &[Item], b: &[Item]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| match (a.kind, b.kind) {
            (ItemKind::Value(_), ItemKind::Value(_)) => true,
            (ItemKind::Word, ItemKind::Word) => {
                text[a.start..a.end].eq_ignore_ascii_case(&text[b.start..b.end])
            }
            _ => a.kind == b.kind && text[a.start..a.end] == text[b.start..b.end],
        })
}
