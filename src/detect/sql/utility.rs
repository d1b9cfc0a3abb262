//! One statement of a text: which of them the parser reads, and what the others do.

use std::sync::Arc;

use sqlparser::{
    ast::{Query, Statement},
    dialect::PostgreSqlDialect,
    parser::Parser,
    tokenizer::Token,
};

use super::{
    level::{Env, READ},
    policy::Command,
    shape::{Item, ItemKind, is},
    statement::{Reason, Verb},
    walk::{Act, Given, Name, Walk},
};
use crate::limits;

/// It could not be read.
pub(super) struct Unread;

/// Verbs that read or write no rows that a client sees.
const QUIET: [&str; 29] = [
    "alter",
    "analyze",
    "checkpoint",
    "close",
    "cluster",
    "comment",
    "create",
    "deallocate",
    "discard",
    "drop",
    "fetch",
    "grant",
    "import",
    "listen",
    "load",
    "lock",
    "move",
    "notify",
    "reassign",
    "refresh",
    "reindex",
    "release",
    "reset",
    "revoke",
    "savepoint",
    "security",
    "show",
    "unlisten",
    "vacuum",
];

impl Walk<'_> {
    /// Judges one statement.
    pub fn statement(&mut self, items: &[Item]) -> Result<Verb, Unread> {
        self.within(items, 0)
    }

    /// Judges what stands inside `depth` others: `EXPLAIN`, `PREPARE`, `DECLARE`, `CREATE TABLE AS`.
    fn within(&mut self, items: &[Item], depth: u8) -> Result<Verb, Unread> {
        if depth > 4 {
            return Err(Unread);
        }
        let text = self.text;
        let word = |n: usize, words: &[&str]| items.get(n).is_some_and(|item| is(text, item, words));
        let mark = |n: usize| items.get(n).map_or("", |item| &text[item.start..item.end]);
        let Some(first) = items.first() else { return Ok(Verb::Other) };
        if mark(0) == "("
            || is(text, first, &["select", "with", "values", "table", "insert", "update", "delete", "merge"])
        {
            return self.parsed(items);
        }
        let verb = text[first.start..first.end].to_ascii_lowercase();
        match verb.as_str() {
            "explain" => {
                let mut at = 1;
                if mark(1) == "(" {
                    at = 1 + after_bracket(text, &items[1..]).ok_or(Unread)?;
                }
                while word(at, &["analyze", "analyse", "verbose"]) {
                    at += 1;
                }
                self.within(&items[at..], depth + 1)
            }
            "prepare" if word(1, &["transaction"]) => self.act(Act::Commit),
            "prepare" => {
                let mut at = 2;
                if mark(2) == "(" {
                    at = 2 + after_bracket(text, &items[2..]).ok_or(Unread)?;
                }
                if word(at, &["as"]) { self.within(&items[at + 1..], depth + 1) } else { Err(Unread) }
            }
            "declare" => {
                let body = items.iter().position(|item| is(text, item, &["for"])).ok_or(Unread)?;
                self.within(&items[body + 1..], depth + 1)
            }
            "create" => {
                let makes = items.iter().take(6).any(|item| is(text, item, &["table", "materialized"]));
                let body = (1..items.len()).find(|&n| {
                    word(n - 1, &["as"])
                        && (word(n, &["select", "with", "values", "table"]) || mark(n) == "(")
                });
                match body {
                    Some(at) if makes => self.within(&items[at..], depth + 1).map(|_| Verb::Other),
                    _ => Ok(Verb::Other),
                }
            }
            "begin" | "start" => self.act(Act::Begin),
            "commit" | "end" => self.act(Act::Commit),
            "rollback" | "abort" if items.iter().any(|item| is(text, item, &["to"])) => Ok(Verb::Session),
            "rollback" | "abort" => self.act(Act::Rollback),
            "set" => {
                self.set_statement(items);
                Ok(Verb::Session)
            }
            "discard" if word(1, &["all"]) => self.act(Act::DiscardAll),
            "reset" if word(1, &["all"]) => self.act(Act::ResetAll),
            "reset" if word(1, &["session"]) => self.act(Act::Reset("session_authorization".into())),
            "reset" => match setting(text, &items[1..]) {
                Some((name, _)) => self.act(Act::Reset(name)),
                None => Err(Unread),
            },
            "truncate" => {
                self.truncated(&items[1 + usize::from(word(1, &["table"]))..]);
                Ok(Verb::Truncate)
            }
            "copy" if mark(1) == "(" => {
                let end = after_bracket(text, &items[1..]).ok_or(Unread)?;
                self.within(&items[2..end], depth + 1).map(|_| Verb::Copy)
            }
            "copy" => {
                self.touched(&items[1..], READ);
                Ok(Verb::Copy)
            }
            verb if QUIET.contains(&verb) => Ok(Verb::Other),
            _ => Err(Unread),
        }
    }

    fn act(&mut self, act: Act) -> Result<Verb, Unread> {
        self.noted.acts.push(act);
        Ok(Verb::Session)
    }

    /// By the parser.
    fn parsed(&mut self, items: &[Item]) -> Result<Verb, Unread> {
        let statement = parse(|sql| self.shape.sql(self.text, items, sql))?;
        let env = Env::default();
        Ok(match &statement {
            Statement::Query(query) => {
                let body = self.query(query, &env);
                self.missed(body.missing);
                verb_of(query)
            }
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) => {
                self.write(&statement, &env);
                verb(&statement)
            }
            _ => return Err(Unread),
        })
    }

    fn set_statement(&mut self, items: &[Item]) {
        let text = self.text;
        let word = |n: usize, words: &[&str]| items.get(n).is_some_and(|item| is(text, item, words));
        let given = |n: usize| match items.get(n).map(|item| (item.kind, item.slot)) {
            Some((ItemKind::Value(_), slot)) => Given::Slot(slot),
            _ => Given::Default,
        };
        let (local, session) = (word(1, &["local"]), word(1, &["session"]));
        let at = 1 + usize::from(local || session);
        let is_equal = |n: usize| items.get(n).is_some_and(|item| &text[item.start..item.end] == "=");
        let (name, value): (Arc<str>, usize) = if session && word(2, &["authorization"]) {
            ("session_authorization".into(), 3)
        } else if word(at, &["role"]) && !is_equal(at + 1) && !word(at + 1, &["to"]) {
            ("role".into(), at + 1)
        } else {
            let Some((name, gives)) = setting(text, &items[at..]) else { return };
            if !is_equal(at + gives) && !word(at + gives, &["to"]) {
                return;
            }
            (name, at + gives + 1)
        };
        let more = items.get(value + 1).is_some();
        let value = if more { Given::Unknown } else { given(value) };
        self.noted.acts.push(Act::Set { name: Name::Known(name), value, local });
    }

    /// `TRUNCATE a, b`.
    fn truncated(&mut self, items: &[Item]) {
        let text = self.text;
        for part in items.split(|item| &text[item.start..item.end] == ",") {
            self.touched(part, &[]);
        }
    }

    /// The whole of a table that items name first.
    fn touched(&mut self, items: &[Item], commands: &[Command]) {
        let text = self.text;
        let items = &items[usize::from(items.first().is_some_and(|item| is(text, item, &["only"])))..];
        let name = |item: &Item| -> Option<Arc<str>> {
            let of = &text[item.start..item.end];
            match item.kind {
                ItemKind::Word => Some(of.to_ascii_lowercase().into()),
                ItemKind::Quoted => Some(of.trim_matches('"').into()),
                _ => None,
            }
        };
        let Some(first) = items.first().and_then(name) else { return };
        let dotted = items.get(1).is_some_and(|item| &text[item.start..item.end] == ".");
        let (schema, table) = match items.get(2).filter(|_| dotted).and_then(name) {
            Some(table) => (Some(first), table),
            None => (None, first),
        };
        let alias = self.base(schema, Arc::clone(&table), table);
        if alias.open()
            && let Some(number) = alias.table()
        {
            let mut missing = self.missing(number, &alias.name, Reason::WholeTable, false, commands);
            missing.predicate = "".into();
            self.missed([missing]);
        }
    }
}

/// The name of a setting at the front, in small letters, and how many items it takes.
fn setting(text: &str, items: &[Item]) -> Option<(Arc<str>, usize)> {
    let named = |n: usize| items.get(n).is_some_and(|i| matches!(i.kind, ItemKind::Word | ItemKind::Quoted));
    let mut end = usize::from(named(0));
    while end > 0 && items.get(end).is_some_and(|item| &text[item.start..item.end] == ".") && named(end + 1) {
        end += 2;
    }
    let name: String = items[..end].iter().map(|item| &text[item.start..item.end]).collect();
    (end > 0).then(|| (name.replace('"', "").to_ascii_lowercase().into(), end))
}

/// Parses one statement that `write` puts down.
pub(super) fn parse(write: impl FnOnce(&mut String)) -> Result<Statement, Unread> {
    let mut sql = String::new();
    write(&mut sql);
    let dialect = PostgreSqlDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(limits::SQL_DEPTH);
    let mut parser = parser.try_with_sql(&sql).map_err(|_| Unread)?;
    let statement = parser.parse_statement().map_err(|_| Unread)?;
    match parser.peek_token_ref().token {
        Token::EOF => Ok(statement),
        _ => Err(Unread),
    }
}

fn verb(statement: &Statement) -> Verb {
    match statement {
        Statement::Insert(_) => Verb::Insert,
        Statement::Update(_) => Verb::Update,
        Statement::Delete(_) => Verb::Delete,
        Statement::Merge(_) => Verb::Merge,
        _ => Verb::Other,
    }
}

fn verb_of(query: &Query) -> Verb {
    use sqlparser::ast::SetExpr;
    match &*query.body {
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => verb(statement),
        _ => Verb::Select,
    }
}

/// Where what an opening bracket at the front encloses ends.
fn after_bracket(text: &str, items: &[Item]) -> Option<usize> {
    let mut depth = 0usize;
    for (n, item) in items.iter().enumerate() {
        match &text[item.start..item.end] {
            "(" => depth += 1,
            ")" if depth == 1 => return Some(n + 1),
            ")" => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}
