//! The tables of one `FROM`, and what a column's name means there.

use std::{borrow::Cow, ops::Range, sync::Arc};

use sqlparser::ast::{Ident, Query};

use super::{
    facts::Facts,
    policy::Command,
    schema::{Owner, Schema},
    statement::{Missing, Reason},
    values::Slots,
};

/// A name as PostgreSQL takes it.
pub(super) fn fold(ident: &Ident) -> Cow<'_, str> {
    match ident.quote_style {
        None if ident.value.bytes().any(|b| b.is_ascii_uppercase()) => {
            ident.value.to_ascii_lowercase().into()
        }
        _ => ident.value.as_str().into(),
    }
}

/// A column as a table or a query shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Col {
    pub name: Arc<str>,
    /// The table's column that it is, unchanged.
    pub origin: Option<(usize, Arc<str>)>,
    /// To ask for one tenant of it keeps the whole of what shows it to that tenant.
    pub tenant: bool,
    /// It says nothing of whose a row is by itself: of the list of tenants, of whom none was chosen, or null in rows
    /// that stand for all of them.
    pub loose: bool,
    /// In each row it is one of the values of these slots.
    pub value: Option<Slots>,
}

#[derive(Debug, Clone)]
pub(super) enum Columns {
    /// Those of a table of the schema.
    Table(usize),
    /// Of a query, and whether that is all of them.
    Made(Vec<Col>, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A table of tenants' rows.
    Owned,
    /// The list of tenants.
    Tenants,
    /// A query.
    Query,
    /// Anything else.
    Plain,
}

/// A table, or what stands for one, in a `FROM`.
#[derive(Debug, Clone)]
pub(super) struct Alias {
    pub name: Arc<str>,
    pub columns: Columns,
    pub role: Role,
    /// It keeps to one tenant.
    pub scoped: bool,
    /// Its rows are chosen by key.
    pub pinned: bool,
    /// Of a query: what would be missing if nobody asked it for a tenant.
    pub pending: Vec<Missing>,
    /// It is a table of a tenant's own schema.
    pub own: bool,
    /// It stands in a subquery of the `WHERE`, and is seen from there alone.
    pub hidden: bool,
    /// Of a function of values: what each of its columns is made of.
    pub given: Option<Slots>,
    /// What is done with its rows.
    pub commands: &'static [Command],
}

/// Rows are read.
pub(super) const READ: &[Command] = &[Command::Select];

impl Alias {
    pub fn new(name: impl Into<Arc<str>>, columns: Columns, role: Role) -> Self {
        Alias {
            name: name.into(),
            columns,
            role,
            scoped: false,
            pinned: false,
            pending: Vec::new(),
            own: false,
            hidden: false,
            given: None,
            commands: READ,
        }
    }

    /// Whether its rows are somebody's, so that it must be kept to one tenant.
    pub fn open(&self) -> bool {
        !self.hidden && !self.scoped && (self.role == Role::Owned || !self.pending.is_empty())
    }

    /// The table of the schema that it is.
    pub fn table(&self) -> Option<usize> {
        match self.columns {
            Columns::Table(table) => Some(table),
            Columns::Made(..) => None,
        }
    }

    fn whole(&self, schema: &Schema) -> bool {
        match &self.columns {
            Columns::Table(n) => schema.table(*n).whole,
            Columns::Made(_, whole) => *whole,
        }
    }

    /// A column that it surely has.
    pub fn column(&self, schema: &Schema, name: &str) -> Option<Col> {
        match &self.columns {
            Columns::Table(number) => {
                let table = schema.table(*number);
                // Where a row lies is known of each table.
                let has = table.has(name)
                    || (name == "ctid" && !table.view)
                    || table.primary_key.iter().any(|key| **key == *name)
                    || table.tenant.as_deref() == Some(name);
                has.then(|| self.of_table(schema, *number, name))
            }
            Columns::Made(columns, _) => columns.iter().find(|c| *c.name == *name).cloned(),
        }
    }

    /// A column of that name, whether it is known or not.
    fn any_column(&self, schema: &Schema, name: &str) -> Col {
        self.column(schema, name).unwrap_or_else(|| match self.columns {
            Columns::Table(number) => self.of_table(schema, number, name),
            Columns::Made(..) => Col { name: name.into(), value: self.given.clone(), ..Col::default() },
        })
    }

    fn of_table(&self, schema: &Schema, number: usize, name: &str) -> Col {
        let col = table_column(schema, number, name);
        // The table of a tenant's own schema has the shape of another, not its rows.
        if self.own { Col { origin: None, ..col } } else { col }
    }

    /// All columns that are known.
    pub fn all(&self, schema: &Schema) -> (Vec<Col>, bool) {
        match &self.columns {
            Columns::Table(number) => {
                let table = schema.table(*number);
                let known = table.columns.iter().map(|c| &c.name);
                let keys = table.primary_key.iter().chain(&table.tenant).filter(|name| !table.has(name));
                (known.chain(keys).map(|name| self.of_table(schema, *number, name)).collect(), table.whole)
            }
            Columns::Made(columns, whole) => (columns.clone(), *whole),
        }
    }
}

fn table_column(schema: &Schema, number: usize, name: &str) -> Col {
    let table = schema.table(number);
    let tenant =
        matches!(table.owner, Owner::Column | Owner::Tenants) && table.tenant.as_deref() == Some(name);
    Col { name: name.into(), origin: Some((number, name.into())), tenant, ..Col::default() }
}

/// Which rows a join keeps that its condition does not hold for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    Neither,
    Left,
    Right,
    Both,
}

/// A join, with what its condition says.
#[derive(Debug, Clone)]
pub(super) struct Joined {
    pub left: Range<usize>,
    pub right: Range<usize>,
    pub keeps: Keeps,
    pub facts: Facts,
}

/// A column that `USING` or `NATURAL` made one.
#[derive(Debug, Clone)]
pub(super) struct Merged {
    pub name: Arc<str>,
    pub keeps: Keeps,
}

/// One `FROM` with its `WHERE`.
#[derive(Debug, Clone, Default)]
pub(super) struct Level {
    pub aliases: Vec<Alias>,
    pub joins: Vec<Joined>,
    pub merged: Vec<Merged>,
    /// What the `WHERE` says.
    pub filter: Facts,
    /// What went wrong with an alias.
    pub notes: Vec<(usize, Reason)>,
    /// Subqueries of the `WHERE` whose tables are among the aliases.
    pub semis: Vec<(*const Query, Range<usize>)>,
}

/// What stands around a query.
#[derive(Clone, Copy, Default)]
pub(super) struct Env<'a> {
    pub level: Option<&'a Level>,
    pub up: Option<&'a Env<'a>>,
}

impl Level {
    /// Finds a column among the aliases, first among those of the subqueries that are looked at, from the innermost.
    pub fn lookup(&self, schema: &Schema, parts: &[Ident], inner: &[Range<usize>]) -> Option<(usize, Col)> {
        let within = |range: &Range<usize>| self.among(schema, parts, |n, _| range.contains(&n));
        if let Some(found) = inner.iter().rev().find_map(within) {
            return Some(found);
        }
        self.among(schema, parts, |_, alias| !alias.hidden)
    }

    fn among(
        &self,
        schema: &Schema,
        parts: &[Ident],
        seen: impl Fn(usize, &Alias) -> bool,
    ) -> Option<(usize, Col)> {
        let aliases = || self.aliases.iter().enumerate().filter(|(n, alias)| seen(*n, alias));
        match parts {
            [.., table, column] => {
                let table = fold(table);
                let (n, alias) = aliases().find(|(_, alias)| *alias.name == *table)?;
                Some((n, alias.any_column(schema, &fold(column))))
            }
            [column] => {
                let column = fold(column);
                let mut sure = aliases().filter_map(|(n, a)| Some((n, a.column(schema, &column)?)));
                if let Some(first) = sure.next() {
                    let Some(second) = sure.next() else { return Some(first) };
                    drop(sure);
                    // Only what a join made one may be named without its table.
                    let merged = self.merged.iter().find(|m| *m.name == *column)?;
                    return Some(if merged.keeps == Keeps::Right { second } else { first });
                }
                drop(sure);
                let mut all = aliases();
                match (all.next(), all.next()) {
                    (Some((n, alias)), None) if !alias.whole(schema) => {
                        Some((n, alias.any_column(schema, &column)))
                    }
                    _ => None,
                }
            }
            [] => None,
        }
    }
}

impl Env<'_> {
    /// Finds a column in the queries around, and whether its tenant can be relied on.
    pub fn lookup(&self, schema: &Schema, parts: &[Ident]) -> Option<(Col, bool)> {
        let mut env = Some(self);
        while let Some(this) = env {
            if let Some(level) = this.level
                && let Some((n, col)) = level.lookup(schema, parts, &[])
            {
                let alias = &level.aliases[n];
                // Rows of the tenants' own tables are kept to a tenant, or told of where they stand.
                let relied = match alias.role {
                    Role::Owned | Role::Query => true,
                    Role::Tenants | Role::Plain => alias.scoped,
                };
                return Some((col, relied));
            }
            env = this.up;
        }
        None
    }
}
