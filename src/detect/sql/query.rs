//! Queries: `WITH`, set operations, and one `SELECT`.

use std::sync::Arc;

use sqlparser::ast::{
    Expr, GroupByExpr, Parens, Query, Select, SelectItem, SetExpr, TableAlias, TableWithJoins, Visit, With,
};

use super::{
    level::{Alias, Col, Columns, Env, Level, Role, fold},
    shows::Windows,
    solve,
    statement::{Missing, Reason},
    values::{Slots, constant},
    walk::{Cte, Walk, add},
};

/// What a query shows, and what it is missing. While something is missing, a column's `tenant` says that asking for
/// one tenant of it would put all of it right.
#[derive(Debug, Clone, Default)]
pub(super) struct Body {
    pub cols: Vec<Col>,
    /// `cols` are all columns, in order.
    pub whole: bool,
    pub missing: Vec<Missing>,
    /// Rows of tenants have a part in it.
    pub owned: bool,
}

impl Body {
    /// The columns under other names: `t(a, b)`.
    pub fn renamed(mut self, alias: Option<&TableAlias>) -> Body {
        let names = alias.map(|alias| alias.columns.as_slice()).unwrap_or_default();
        if self.whole {
            for (col, def) in self.cols.iter_mut().zip(names) {
                col.name = fold(&def.name).as_ref().into();
            }
        } else if !names.is_empty() {
            self.cols.clear();
        }
        self
    }

    pub fn alias(self, name: impl Into<Arc<str>>) -> Alias {
        let scoped = self.missing.is_empty() && self.owned;
        let alias = Alias::new(name, Columns::Made(self.cols, self.whole), Role::Query);
        Alias { scoped, pending: self.missing, ..alias }
    }

    /// Both arms of a set operation.
    fn beside(mut self, other: Body) -> Body {
        let positions = self.whole && other.whole;
        for (n, col) in self.cols.iter_mut().enumerate() {
            let same = match positions {
                true => other.cols.get(n),
                false => other.cols.iter().find(|c| c.name == col.name),
            };
            // An arm that is all right needs nothing, but what it shows there must be a tenant, too.
            col.tenant &= same.is_some_and(|same| same.tenant);
            col.loose |= same.is_some_and(|same| same.loose);
            if same.is_none_or(|same| same.origin != col.origin) {
                col.origin = None;
            }
            col.value = match (&col.value, same.and_then(|same| same.value.as_ref())) {
                (Some(these), Some(those)) => Some(these.iter().chain(&**those).copied().collect()),
                _ => None,
            };
        }
        self.whole = positions;
        other.missing.into_iter().for_each(|one| add(&mut self.missing, one));
        self.owned |= other.owned;
        self
    }
}

/// Whether some groups are made of others: `ROLLUP`, `CUBE`, `GROUPING SETS`.
fn rolled_up(by: &GroupByExpr) -> bool {
    let GroupByExpr::Expressions(by, modifiers) = by else { return false };
    let sets = |e: &Expr| matches!(e, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_));
    by.iter().any(sets) || !modifiers.is_empty()
}

/// The expression of an item of a `SELECT`.
pub(super) fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => Some(e),
        _ => None,
    }
}

impl Walk<'_> {
    /// Judges a query.
    pub fn query(&mut self, query: &Query, env: &Env<'_>) -> Body {
        if !self.budget.spend(1) {
            return Body::default();
        }
        let first = self.ctes.len();
        if let Some(with) = &query.with {
            self.with(with, env);
        }
        let body = self.set(&query.body, env);
        self.nested(&query.order_by, env, &[]);
        self.nested(&query.limit_clause, env, &[]);
        for cte in self.ctes.split_off(first) {
            if !cte.used {
                self.missed(cte.body.missing);
            }
        }
        body
    }

    /// Names the queries of a `WITH`.
    pub fn with(&mut self, with: &With, env: &Env<'_>) {
        for cte in &with.cte_tables {
            let name: Arc<str> = fold(&cte.alias.name).as_ref().into();
            let body = match (&*cte.query.body, with.recursive && cte.query.with.is_none()) {
                (SetExpr::SetOperation { left, right, .. }, true) => {
                    let start = self.set(left, env).renamed(Some(&cte.alias));
                    // What the second arm reads of itself keeps to what the first began with, step by step.
                    let known = Body { missing: Vec::new(), ..start.clone() };
                    let open = !start.missing.is_empty();
                    // The second arm may show other values.
                    let mut known = known;
                    known.cols.iter_mut().for_each(|col| col.value = None);
                    let known = if open { Body { cols: Vec::new(), owned: false, ..known } } else { known };
                    self.ctes.push(Cte { name: Arc::clone(&name), body: known, used: true });
                    let step = self.set(right, env).renamed(Some(&cte.alias));
                    self.ctes.pop();
                    start.beside(step)
                }
                _ => self.query(&cte.query, env).renamed(Some(&cte.alias)),
            };
            self.ctes.push(Cte { name, body, used: false });
        }
    }

    fn set(&mut self, body: &SetExpr, env: &Env<'_>) -> Body {
        match body {
            SetExpr::Select(select) => self.select(select, env),
            SetExpr::Query(query) => self.query(query, env),
            SetExpr::SetOperation { .. } => {
                // However many arms, without going deeper for each.
                let mut arms = Vec::new();
                let mut at = body;
                while let SetExpr::SetOperation { left, right, .. } = at {
                    arms.push(&**right);
                    at = left;
                }
                let first = self.set(at, env);
                arms.into_iter().rev().fold(first, |all, arm| {
                    let arm = self.set(arm, env);
                    self.budget.spend(all.cols.len() + all.missing.len() * (1 + arm.missing.len()));
                    if !all.whole || !arm.whole {
                        self.budget.spend(all.cols.len() * arm.cols.len());
                    }
                    all.beside(arm)
                })
            }
            SetExpr::Values(values) => {
                self.nested(values, env, &[]);
                let columns = values.rows.first().map_or(0, |row| row.content.len());
                let col = |n: usize| {
                    let of = |row: &Parens<Vec<Expr>>| row.content.get(n - 1).and_then(constant);
                    let slots: Option<Vec<Slots>> = values.rows.iter().map(of).collect();
                    let value = slots.map(|slots| slots.iter().flat_map(|of| of.iter().copied()).collect());
                    Col { name: format!("column{n}").into(), value, ..Col::default() }
                };
                self.budget.spend(columns * values.rows.len());
                Body { cols: (1..=columns).map(col).collect(), whole: true, ..Body::default() }
            }
            SetExpr::Table(table) => {
                let mut level = Level::default();
                let schema = table.schema_name.as_ref().map(|name| Arc::<str>::from(fold(name).as_ref()));
                if let Some(name) =
                    table.table_name.as_ref().map(|name| Arc::<str>::from(fold(name).as_ref()))
                {
                    let alias = self.table(schema, Arc::clone(&name), name);
                    level.aliases.push(alias);
                }
                self.solve(&mut level);
                self.shows(&level, &[])
            }
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => self.write(statement, env),
        }
    }

    fn select(&mut self, select: &Select, env: &Env<'_>) -> Body {
        let mut level = Level::default();
        let mut lateral = Vec::new();
        let mut handled = Vec::new();
        for table in &select.from {
            self.from(table, &mut level, env, &mut lateral, &mut handled);
        }
        if let Some(filter) = &select.selection {
            self.semis(filter, &mut level);
        }
        let from: Vec<&TableWithJoins> = select.from.iter().collect();
        self.conditions(&mut level, &from, select.selection.as_ref(), env);
        self.solve(&mut level);
        if !lateral.is_empty() {
            for (n, query, alias) in lateral {
                let body = {
                    let around = Env { level: Some(&level), up: Some(env) };
                    self.query(query, &around).renamed(alias)
                };
                let name = Arc::clone(&level.aliases[n].name);
                level.aliases[n] = body.alias(name);
            }
            self.conditions(&mut level, &from, select.selection.as_ref(), env);
            self.solve(&mut level);
        }
        let tenants = self.noted.tenants.len();
        self.nested(select, &Env { level: Some(&level), up: Some(env) }, &handled);
        if self.noted.tenants.len() > tenants {
            let open: Vec<usize> = (0..level.aliases.len()).filter(|n| level.aliases[*n].open()).collect();
            level.notes.extend(open.into_iter().map(|n| (n, Reason::Subquery)));
        }
        let mut body = self.shows(&level, &select.projection);
        let mut windows = Windows { level: &level, walk: self, windows: &select.named_window, across: false };
        let _ = select.projection.visit(&mut windows);
        if rolled_up(&select.group_by) {
            // A row in which the tenant is null is the sum over all.
            body.cols.iter_mut().for_each(|col| col.loose = true);
        }
        if windows.across && !body.missing.is_empty() {
            // What a window computed over all tenants is not put right afterwards.
            body.cols.iter_mut().for_each(|col| col.tenant = false);
        }
        body
    }

    /// Marks the aliases of a level, and notes what its conditions compare.
    pub fn solve(&mut self, level: &mut Level) {
        let scoped = solve::scoped(level, self.schema, &self.budget);
        let pinned = solve::pinned(level, self.schema, &scoped, &self.budget);
        for (n, alias) in level.aliases.iter_mut().enumerate() {
            alias.scoped = scoped[n];
            alias.pinned = pinned[n];
        }
        let keys = level.filter.keys.iter().chain(level.joins.iter().flat_map(|join| &join.facts.keys));
        let keys: Vec<(usize, Arc<str>)> = keys.cloned().collect();
        for (n, column) in keys {
            let table = level.aliases[n].table().map(|table| Arc::clone(&self.schema.table(table).shown));
            self.equality(table.as_deref().unwrap_or(""), &column);
        }
    }
}
