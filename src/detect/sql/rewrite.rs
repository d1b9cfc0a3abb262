//! PostgreSQL that the parser does not know, in words that it does. Only what makes no difference to whose rows are
//! read or written is changed, and only for the parser: what is shown is the text itself.

use super::shape::{Item, ItemKind, is};

/// What stands in place of some items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instead {
    Text(&'static str),
    /// One of the items, by its number.
    Item(usize),
}

/// Columns of a `SEARCH` or `CYCLE`, with the commas between them.
const MOST_COLUMNS: usize = 32;

/// What to put for the items from `n` on, and how many they are. `None`: the item stays.
pub(super) fn instead(text: &str, items: &[Item], n: usize) -> Option<(Instead, usize)> {
    if items[n].kind != ItemKind::Word {
        return None;
    }
    let word = |at: usize, words: &[&str]| items.get(at).is_some_and(|item| is(text, item, words));
    let phrase = |at: usize, words: &[&str]| words.iter().enumerate().all(|(k, w)| word(at + k, &[*w]));
    let mark = |at: usize| items.get(at).map_or("", |item| &text[item.start..item.end]);
    let put = |text, count| Some((Instead::Text(text), count));
    let of = &text[items[n].start..items[n].end];
    let starts = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(of));
    if !starts(&[
        "for",
        "isnull",
        "notnull",
        "symmetric",
        "exclude",
        "distinct",
        "current",
        "search",
        "cycle",
        "operator",
    ]) {
        return None;
    }
    if phrase(n, &["for", "no", "key", "update"]) {
        return put("FOR UPDATE", 4);
    }
    if phrase(n, &["for", "key", "share"]) {
        return put("FOR SHARE", 3);
    }
    let before = n.checked_sub(1).map(|n| &items[n]);
    if word(n, &["isnull", "notnull"]) && before.is_some_and(|b| operand(text, b)) && mark(n + 1) != "(" {
        return put(if word(n, &["isnull"]) { "IS NULL" } else { "IS NOT NULL" }, 1);
    }
    if word(n, &["symmetric"]) && before.is_some_and(|b| is(text, b, &["between"])) {
        return put("", 1);
    }
    if word(n, &["exclude"]) {
        // The end of a window's frame.
        let length = match () {
            _ if phrase(n + 1, &["current", "row"]) || phrase(n + 1, &["no", "others"]) => 3,
            _ if word(n + 1, &["group", "ties"]) => 2,
            _ => return None,
        };
        return if mark(n + length) == ")" { put("", length) } else { None };
    }
    if n > 1 && word(n, &["distinct"]) && phrase(n - 2, &["group", "by"]) {
        return put("", 1);
    }
    // The row under a cursor: as if by its address. Whose rows the cursor reads is asked where it is declared.
    if n > 0 && phrase(n - 1, &["where", "current", "of"]) && items.len() > n + 2 {
        return put("ctid = cursor_row()", 3);
    }
    // Behind a recursive query in brackets: `SEARCH .. FIRST BY columns SET column`, `CYCLE columns SET .. USING column`.
    let set_from = |from: usize| {
        let columns = |at: &usize| mark(*at) == "," || (items.get(*at).is_some() && !word(*at, &["set"]));
        let length = (from..items.len()).take_while(columns).take(MOST_COLUMNS).count();
        word(from + length, &["set"]).then_some(from + length)
    };
    let behind = mark_before(text, before) == ")" || (n > 2 && word(n - 2, &["set"]));
    if behind && word(n, &["search"]) && word(n + 1, &["depth", "breadth"]) && phrase(n + 2, &["first", "by"])
    {
        let set = set_from(n + 4)?;
        return put("", set + 2 - n);
    }
    if behind && word(n, &["cycle"]) {
        let set = set_from(n + 1)?;
        let using = (set..items.len().min(set + 8)).find(|at| word(*at, &["using"]))?;
        return put("", using + 2 - n);
    }
    let qualified = phrase(n, &["operator"]) && mark(n + 1) == "(" && word(n + 2, &["pg_catalog"]);
    if qualified && mark(n + 3) == "." && mark(n + 5) == ")" {
        return Some((Instead::Item(n + 4), 6));
    }
    None
}

fn mark_before<'t>(text: &'t str, before: Option<&Item>) -> &'t str {
    before.map_or("", |before| &text[before.start..before.end])
}

/// Whether an item ends an operand, so that `ISNULL` behind it is an operator.
fn operand(text: &str, item: &Item) -> bool {
    const OTHERS: [&str; 11] =
        ["select", "where", "and", "or", "not", "by", "on", "having", "as", "when", "distinct"];
    match item.kind {
        ItemKind::Op => matches!(&text[item.start..item.end], ")" | "]"),
        ItemKind::Word => !is(text, item, &OTHERS),
        _ => true,
    }
}
