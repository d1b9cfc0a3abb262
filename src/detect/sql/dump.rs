//! A schema from the text of `pg_dump --schema-only`, or any script that creates tables.
//!
//! Read by pieces, not by grammar: a column's type, however odd, is passed over.

use std::sync::Arc;

use super::{
    policy::{Command, Rls},
    schema::{Column, Options, RawPolicy, Schema, SchemaBuilder},
    tokens::{Kind, Token, Tokens},
    view::View,
};

type Name = (Arc<str>, Arc<str>);

impl Schema {
    /// Reads the text of a dump. What it doesn't know it passes over.
    ///
    /// # Errors
    /// There is no table in it.
    pub fn from_dump(text: &str, options: Options) -> Result<Self, String> {
        let text = without_data(text);
        let mut builder = SchemaBuilder::new(options);
        let tokens: Vec<Token> = Tokens::new(&text).collect();
        for statement in tokens.split(|token| &text[token.start..token.end] == ";") {
            let mut cursor = Cursor { text: &text, tokens: statement, at: 0 };
            let _ = builder.statement(&mut cursor);
        }
        if builder.tables.is_empty() {
            return Err("no CREATE TABLE in it; expected the text of pg_dump --schema-only".into());
        }
        Ok(builder.finish())
    }
}

/// A dump without psql's own commands and the rows of `COPY .. FROM stdin`.
fn without_data(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut data = false;
    for line in text.split_inclusive('\n') {
        if data {
            data = line.trim_end() != "\\.";
        } else if !line.starts_with('\\') {
            let start = line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("copy "));
            data = start && line.trim_end().to_ascii_lowercase().ends_with("from stdin;");
            if !data {
                out.push_str(line);
            }
        }
    }
    out
}

/// Goes through the pieces of a statement.
struct Cursor<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn of(&self, n: usize) -> &'a str {
        self.tokens.get(n).map_or("", |token| &self.text[token.start..token.end])
    }

    fn is(&self, word: &str) -> bool {
        self.of(self.at).eq_ignore_ascii_case(word)
    }

    /// Passes words that stand here, one after the other, or none of them.
    fn eat(&mut self, words: &[&str]) -> bool {
        let all = words.iter().enumerate().all(|(n, word)| self.of(self.at + n).eq_ignore_ascii_case(word));
        if all {
            self.at += words.len();
        }
        all
    }

    fn any(&mut self, words: &[&str]) {
        while words.iter().any(|word| self.eat(&[word])) {}
    }

    fn ident(&mut self) -> Option<Arc<str>> {
        let token = self.tokens.get(self.at)?;
        let of = self.of(self.at);
        let name = match token.kind {
            Kind::Word => of.to_ascii_lowercase(),
            Kind::Quoted => of.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\""),
            _ => return None,
        };
        self.at += 1;
        Some(name.into())
    }

    fn name(&mut self, default: &str) -> Option<Name> {
        let first = self.ident()?;
        if self.eat(&["."]) { Some((first, self.ident()?)) } else { Some((default.into(), first)) }
    }

    /// What an opening bracket here encloses; goes behind it.
    fn bracket(&mut self) -> Option<Cursor<'a>> {
        if self.of(self.at) != "(" {
            return None;
        }
        let start = self.at + 1;
        let mut depth = 0usize;
        while self.at < self.tokens.len() {
            match self.of(self.at) {
                "(" => depth += 1,
                ")" => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                let tokens = &self.tokens[start..self.at - 1];
                return Some(Cursor { text: self.text, tokens, at: 0 });
            }
        }
        None
    }

    /// Parts between commas outside of brackets.
    fn parts(&self) -> Vec<Cursor<'a>> {
        let mut depth = 0usize;
        let split = self.tokens[self.at.min(self.tokens.len())..].split(|token| {
            match &self.text[token.start..token.end] {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && &self.text[token.start..token.end] == ","
        });
        split.map(|tokens| Cursor { text: self.text, tokens, at: 0 }).collect()
    }

    fn names(&mut self) -> Option<Vec<Arc<str>>> {
        self.bracket()?.parts().iter_mut().map(|part| part.ident()).collect()
    }

    /// Whether words stand somewhere from here on.
    fn has(&self, words: &[&str]) -> bool {
        self.find(words).is_some()
    }

    fn find(&self, words: &[&str]) -> Option<usize> {
        (self.at..self.tokens.len())
            .find(|&at| words.iter().enumerate().all(|(n, word)| self.of(at + n).eq_ignore_ascii_case(word)))
    }

    /// The text of the rest.
    fn rest(&self) -> &'a str {
        match (self.tokens.get(self.at), self.tokens.last()) {
            (Some(first), Some(last)) => &self.text[first.start..last.end],
            _ => "",
        }
    }
}

/// What may stand between `CREATE` and `TABLE` or `VIEW`.
const KINDS: [&str; 9] =
    ["or", "replace", "global", "local", "temp", "temporary", "unlogged", "foreign", "recursive"];

impl SchemaBuilder {
    fn statement(&mut self, c: &mut Cursor<'_>) -> Option<()> {
        let default = self.options.default_schema.clone();
        if c.eat(&["alter", "table"]) || c.eat(&["alter", "foreign", "table"]) {
            c.eat(&["if", "exists"]);
            c.eat(&["only"]);
            let name = c.name(&default)?;
            for mut part in c.parts() {
                self.alter(&name, &mut part);
            }
            return Some(());
        }
        if !c.eat(&["create"]) {
            return None;
        }
        c.any(&KINDS);
        if c.eat(&["table"]) {
            c.eat(&["if", "not", "exists"]);
            let name = c.name(&default)?;
            return self.created(&name, c);
        }
        if c.eat(&["unique", "index"]) {
            let on = c.find(&["on"])?;
            let index = c.ident();
            c.at = on + 1;
            c.eat(&["only"]);
            let name = c.name(&default)?;
            if c.eat(&["using"]) {
                c.at += 1;
            }
            let columns = c.names()?;
            if !c.has(&["where"]) {
                self.table(&name.0, &name.1).uniques.push((index?, columns));
            }
            return Some(());
        }
        if c.eat(&["policy"]) {
            return self.policy(c);
        }
        if c.eat(&["view"]) || c.eat(&["materialized", "view"]) {
            c.eat(&["if", "not", "exists"]);
            let (schema, name) = c.name(&default)?;
            let columns = c.names().unwrap_or_default();
            c.at = c.find(&["as"])? + 1;
            let end = [
                &["with", "data"][..],
                &["with", "no", "data"],
                &["with", "check"],
                &["with", "local"],
                &["with", "cascaded"],
            ];
            let end = end.iter().filter_map(|words| c.find(words)).min().unwrap_or(c.tokens.len());
            let query = Cursor { text: c.text, tokens: &c.tokens[..end], at: c.at }.rest().to_owned();
            self.view(View { schema, name, columns, query });
        }
        Some(())
    }

    fn created(&mut self, name: &Name, c: &mut Cursor<'_>) -> Option<()> {
        let default = self.options.default_schema.clone();
        let parent = c.eat(&["partition", "of"]).then(|| c.name(&default)).flatten();
        let inside = c.bracket();
        let inherits = match c.find(&["inherits"]) {
            Some(at) => {
                c.at = at + 1;
                c.bracket()?.parts().iter_mut().filter_map(|part| part.name(&default)).collect()
            }
            None => Vec::new(),
        };
        // `CREATE TABLE .. AS` names no columns that could be read here.
        if inside.is_none() && parent.is_none() {
            return None;
        }
        let partition = parent.is_some();
        let table = self.table(&name.0, &name.1);
        table.whole = true;
        table.inherits.extend(parent.into_iter().chain(inherits));
        for mut part in inside.iter().flat_map(Cursor::parts) {
            if !self.constraint(name, &mut part) && !partition {
                self.column(name, &mut part);
            }
        }
        Some(())
    }

    fn column(&mut self, name: &Name, c: &mut Cursor<'_>) -> Option<()> {
        if c.is("like") && c.tokens.len() > 1 {
            return None;
        }
        let column = c.ident()?;
        let default = self.options.default_schema.clone();
        let key = c.has(&["primary", "key"]);
        let references = c.find(&["references"]);
        let unique = c.has(&["unique"]);
        let new = Column {
            name: Arc::clone(&column),
            not_null: key || c.has(&["not", "null"]),
            from_setting: c.has(&["default"]) && c.has(&["current_setting"]),
        };
        let table = self.table(&name.0, &name.1);
        if !table.has(&column) {
            table.columns.push(new);
        }
        if key {
            table.primary_key = vec![Arc::clone(&column)];
            table.uniques.push((format!("{}_pkey", name.1).into(), vec![Arc::clone(&column)]));
        }
        if unique {
            table.uniques.push((format!("{}_{column}_key", name.1).into(), vec![Arc::clone(&column)]));
        }
        if let Some(at) = references {
            c.at = at + 1;
            let parent = c.name(&default)?;
            let columns = c.names().unwrap_or_default();
            table.parent_names.push((vec![column], parent, columns));
        }
        Some(())
    }

    /// A constraint of a table. Whether it was one.
    fn constraint(&mut self, name: &Name, c: &mut Cursor<'_>) -> bool {
        let default = self.options.default_schema.clone();
        let given = if c.eat(&["constraint"]) { c.ident() } else { None };
        if c.eat(&["primary", "key"]) {
            if let Some(columns) = c.names() {
                let table = self.table(&name.0, &name.1);
                table
                    .uniques
                    .push((given.unwrap_or_else(|| format!("{}_pkey", name.1).into()), columns.clone()));
                table.primary_key = columns;
            }
            return true;
        }
        if c.is("unique") {
            c.at += 1;
            c.eat(&["nulls", "not", "distinct"]);
            if let Some(columns) = c.names() {
                let table = self.table(&name.0, &name.1);
                let made = || format!("{}_{}_key", name.1, columns.join("_")).into();
                let given = given.unwrap_or_else(made);
                table.uniques.push((given, columns));
            }
            return true;
        }
        if c.eat(&["foreign", "key"]) {
            let columns = c.names();
            if let (Some(columns), true) = (columns, c.eat(&["references"]))
                && let Some(parent) = c.name(&default)
            {
                let parent_columns = c.names().unwrap_or_default();
                self.table(&name.0, &name.1).parent_names.push((columns, parent, parent_columns));
            }
            return true;
        }
        given.is_some() || (["check", "exclude"].iter().any(|word| c.is(word)) && c.tokens.len() > c.at + 1)
    }

    fn alter(&mut self, name: &Name, c: &mut Cursor<'_>) -> Option<()> {
        let default = self.options.default_schema.clone();
        if c.eat(&["enable", "row"]) {
            let table = self.table(&name.0, &name.1);
            if table.rls == Rls::Off {
                table.rls = Rls::Enabled;
            }
        } else if c.eat(&["force", "row"]) {
            self.table(&name.0, &name.1).rls = Rls::Forced;
        } else if c.eat(&["disable", "row"]) {
            self.table(&name.0, &name.1).rls = Rls::Off;
        } else if c.eat(&["attach", "partition"]) {
            // Its foreign keys and columns are its own in a dump.
            let (schema, partition) = c.name(&default)?;
            self.table(&schema, &partition).inherits.push(name.clone());
        } else if c.eat(&["alter"]) {
            c.eat(&["column"]);
            let column = c.ident()?;
            let setting = c.has(&["set", "default"]) && c.has(&["current_setting"]);
            let not_null = c.has(&["set", "not", "null"]);
            let table = self.table(&name.0, &name.1);
            let column = table.columns.iter_mut().find(|known| known.name == column)?;
            column.from_setting |= setting;
            column.not_null |= not_null;
        } else if c.eat(&["add"]) {
            if !self.constraint(name, c) {
                c.eat(&["column"]);
                c.eat(&["if", "not", "exists"]);
                self.column(name, c);
            }
        } else if c.eat(&["drop", "column"]) {
            c.eat(&["if", "exists"]);
            let column = c.ident()?;
            self.table(&name.0, &name.1).columns.retain(|known| known.name != column);
        }
        Some(())
    }

    fn policy(&mut self, c: &mut Cursor<'_>) -> Option<()> {
        let default = self.options.default_schema.clone();
        let policy = c.ident()?;
        if !c.eat(&["on"]) {
            return None;
        }
        let table = c.name(&default)?;
        let restrictive = c.has(&["as", "restrictive"]);
        let expression = |words: &[&str]| {
            let at = c.find(words)? + words.len();
            Some(Cursor { at, ..*c }.bracket()?.rest().to_owned())
        };
        let (using, check) = (expression(&["using"]), expression(&["with", "check"]));
        // The first FOR stands before both; expressions may have their own.
        let command = c.find(&["for"]).and_then(|at| Command::parse(c.of(at + 1)));
        self.raw_policy(RawPolicy { table, name: policy, using, check, restrictive, command });
        Some(())
    }
}
