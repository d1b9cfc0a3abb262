//! A statement as people may see it: its names and keywords, and `?` where a value stands.
//!
//! Some databases write strings in double quotes, so a quoted name is shown only where it can be no value: it must be
//! a plain word, at a place where names stand.

use super::shape::{Item, ItemKind, Shape, Value, is};
use crate::limits;

/// The words before which an opening bracket gets a space.
const SPACED: [&str; 24] = [
    "all",
    "and",
    "any",
    "as",
    "by",
    "else",
    "exists",
    "from",
    "in",
    "into",
    "join",
    "not",
    "on",
    "or",
    "over",
    "returning",
    "select",
    "set",
    "some",
    "then",
    "using",
    "values",
    "when",
    "where",
];

/// Words after which a value stands.
const BEFORE_VALUE: [&str; 13] = [
    "between", "binary", "else", "escape", "glob", "ilike", "like", "limit", "offset", "regexp", "rlike",
    "similar", "then",
];

/// What is shown in place of a quoted name that may be a value.
pub(super) const HIDDEN: &str = "\"?\"";

/// Whether a name, without its quotes, is a plain word.
pub(super) fn plain(name: &str) -> bool {
    name.len() <= limits::SQL_NAME_BYTES
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
}

/// A name as it may be shown in a message: itself where it is a plain word.
pub(super) fn name_shown(name: &str) -> &str {
    if plain(name) { name } else { "?" }
}

/// A quoted name without its quotes, if it is quoted the same way at both ends.
fn within(quoted: &str) -> Option<&str> {
    ['"', '`'].iter().find_map(|quote| quoted.strip_prefix(*quote)?.strip_suffix(*quote))
}

/// Follows a text from item to item, and knows where values stand.
#[derive(Default)]
struct Places {
    /// For each open bracket: whether it holds a list of values.
    brackets: Vec<bool>,
    /// How deep the `VALUES` stands whose rows these are.
    rows: Option<usize>,
    /// A `BETWEEN` whose `AND` is still to come.
    between: bool,
    /// The last item was a quoted name that may be a value.
    last: bool,
}

impl Places {
    /// Whether a quoted name at `n` may be a value; to be asked of each item, in order.
    fn value(&mut self, text: &str, items: &[Item], n: usize) -> bool {
        let item = &items[n];
        let of = |n: usize| items.get(n).map_or("", |item| &text[item.start..item.end]);
        let before = n.checked_sub(1).map(|n| &items[n]);
        match (item.kind, of(n)) {
            (ItemKind::Op, "(") => {
                let depth = self.brackets.len();
                let list = before.is_some_and(|b| is(text, b, &["in", "values", "value", "row"]))
                    || self.brackets.last().copied().unwrap_or(false)
                    || (self.rows == Some(depth) && before_is(text, before, ","));
                let query =
                    items.get(n + 1).is_some_and(|next| is(text, next, &["select", "with", "table", "from"]));
                self.brackets.push(list && !query);
            }
            (ItemKind::Op, ")") => {
                self.brackets.pop();
                self.rows = self.rows.filter(|depth| *depth <= self.brackets.len());
            }
            (ItemKind::Word, _) if is(text, item, &["values"]) => self.rows = Some(self.brackets.len()),
            (ItemKind::Word, _) if self.rows == Some(self.brackets.len()) => self.rows = None,
            _ => {}
        }
        self.between |= item.kind == ItemKind::Word && is(text, item, &["between"]);
        let last = std::mem::take(&mut self.last);
        let bound = before.is_some_and(|b| is(text, b, &["and"])) && std::mem::take(&mut self.between);
        if item.kind != ItemKind::Quoted || of(n + 1) == "." {
            return false;
        }
        let after = match before {
            Some(before) if before.kind == ItemKind::Op => !matches!(
                &text[before.start..before.end],
                "." | "," | "(" | ")" | "[" | "]" | ";" | "::" | ":="
            ),
            // Strings side by side are one; so is one with its character set before it: `_utf8"..."`.
            Some(before) if before.kind == ItemKind::Quoted => last,
            Some(before) if before.kind == ItemKind::Word => {
                of(n - 1).starts_with('_') || is(text, before, &BEFORE_VALUE)
            }
            _ => false,
        };
        let listed = self.brackets.last().copied().unwrap_or(false);
        self.last = !before_is(text, before, ".") && (after || bound || listed);
        self.last
    }
}

fn before_is(text: &str, before: Option<&Item>, mark: &str) -> bool {
    before.is_some_and(|before| &text[before.start..before.end] == mark)
}

impl Shape {
    /// Items for people: names and keywords in small letters, `?` for each value, one space or none between them.
    /// `known` says which words are shown of a text that was not understood; nothing past
    /// [`limits::SQL_NORMALIZED_BYTES`] is looked at of such a text.
    pub fn normalized(&self, text: &str, known: Option<&dyn Fn(&str) -> bool>) -> String {
        let mut out = String::new();
        let mut places = Places::default();
        let shown = |name: &str| known.is_none_or(|known| known(name));
        for (n, item) in self.items.iter().enumerate() {
            if known.is_some() && out.len() > limits::SQL_NORMALIZED_BYTES {
                break;
            }
            let of = &text[item.start..item.end];
            let before = n.checked_sub(1).map(|n| &self.items[n]);
            let after = self.items.get(n + 1);
            if before.is_some_and(|before| spaced(text, before, item)) {
                out.push(' ');
            }
            let value = places.value(text, &self.items, n);
            let lone = || {
                before.is_some_and(|b| is(text, b, &["where", "and", "or", "not", "on", "having"]))
                    || after.is_some_and(|a| is(text, a, &["and", "or"]))
            };
            match item.kind {
                ItemKind::Op => out.push_str(of),
                ItemKind::Word if shown(of) => out.extend(of.chars().map(|c| c.to_ascii_lowercase())),
                ItemKind::Name if shown(of) => out.push_str(of),
                ItemKind::Quoted => match within(of) {
                    Some(name) if !value && plain(name) && shown(name) => out.push_str(of),
                    _ => out.push_str(HIDDEN),
                },
                ItemKind::Word | ItemKind::Name => out.push('_'),
                ItemKind::Value(Value::Bool) if !item.row && lone() => {
                    out.extend(of.chars().map(|c| c.to_ascii_lowercase()));
                }
                ItemKind::Value(_) => out.push('?'),
            }
        }
        out
    }
}

fn spaced(text: &str, before: &Item, item: &Item) -> bool {
    let (last, this) = (&text[before.start..before.end], &text[item.start..item.end]);
    let op = |item: &Item| item.kind == ItemKind::Op;
    if op(item) {
        match this {
            "." | "," | ";" | ")" | "[" | "]" | "::" => return false,
            "(" => {
                return match before.kind {
                    ItemKind::Word => is(text, before, &SPACED),
                    ItemKind::Op => !matches!(last, "(" | "["),
                    _ => false,
                };
            }
            _ => {}
        }
    }
    !(op(before) && matches!(last, "." | "(" | "[" | "::"))
}
