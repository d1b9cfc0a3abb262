//! The tables of a `FROM`, how they are joined, and what joins and subqueries say of them.

use std::{ops::ControlFlow, ops::Range, sync::Arc};

use sqlparser::ast::{
    Expr, GroupByExpr, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select, SetExpr, TableAlias,
    TableFactor, TableWithJoins, Visit, Visitor,
};

use super::{
    facts::{Facts, Reader, inside},
    level::{Alias, Col, Columns, Env, Joined, Keeps, Level, Merged, READ, Role, fold},
    query::{Body, expression},
    schema::Owner,
    statement::Reason,
    values::{Slots, constant, unpacks},
    walk::{self, Walk},
};

/// Conditions of inner joins.
pub(super) fn conditions(from: &[TableWithJoins]) -> impl Iterator<Item = &Expr> {
    from.iter().flat_map(|t| &t.joins).filter_map(|join| match parts(&join.join_operator) {
        Some((Keeps::Neither, Some(JoinConstraint::On(e)))) => Some(e),
        _ => None,
    })
}

/// Which rows a join keeps, and its condition. `None` for joins that PostgreSQL hasn't.
fn parts(join: &JoinOperator) -> Option<(Keeps, Option<&JoinConstraint>)> {
    Some(match join {
        JoinOperator::Join(c) | JoinOperator::Inner(c) | JoinOperator::CrossJoin(c) => {
            (Keeps::Neither, Some(c))
        }
        JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (Keeps::Left, Some(c)),
        JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (Keeps::Right, Some(c)),
        JoinOperator::FullOuter(c) => (Keeps::Both, Some(c)),
        _ => return None,
    })
}

impl Walk<'_> {
    /// Adds a table and what is joined to it.
    pub fn from<'q>(
        &mut self,
        table: &'q TableWithJoins,
        level: &mut Level,
        env: &Env<'_>,
        lateral: &mut Vec<(usize, &'q Query, Option<&'q TableAlias>)>,
        handled: &mut Vec<*const Query>,
    ) {
        self.factor(&table.relation, level, env, lateral, handled);
        for join in &table.joins {
            self.factor(&join.relation, level, env, lateral, handled);
        }
    }

    fn factor<'q>(
        &mut self,
        factor: &'q TableFactor,
        level: &mut Level,
        env: &Env<'_>,
        lateral: &mut Vec<(usize, &'q Query, Option<&'q TableAlias>)>,
        handled: &mut Vec<*const Query>,
    ) {
        let named = |alias: &Option<TableAlias>| -> Arc<str> {
            alias.as_ref().map_or("".into(), |alias| fold(&alias.name).as_ref().into())
        };
        let plain = |name: Arc<str>| Alias::new(name, Columns::Made(Vec::new(), false), Role::Plain);
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let Some((schema, table)) = walk::parts(name) else {
                    return level.aliases.push(plain("".into()));
                };
                let shown = if alias.is_some() { named(alias) } else { Arc::clone(&table) };
                let mut made = self.table(schema, table, shown);
                if let Some(alias) = alias.as_ref().filter(|alias| !alias.columns.is_empty()) {
                    let (cols, whole) = made.all(self.schema);
                    let table = made.table();
                    let body = Body { cols, whole, ..Body::default() }.renamed(Some(alias));
                    made.columns = Columns::Made(body.cols, body.whole);
                    if let (Some(table), Role::Owned) = (table, made.role) {
                        made.pending =
                            vec![self.missing(table, &made.name, Reason::NoPredicate, false, READ)];
                        made.role = Role::Query;
                    }
                }
                level.aliases.push(made);
            }
            TableFactor::Derived { lateral: is, subquery, alias, .. } => {
                handled.push(&**subquery);
                if *is {
                    lateral.push((level.aliases.len(), subquery, alias.as_ref()));
                    level.aliases.push(plain(named(alias)));
                } else {
                    let body = self.query(subquery, env).renamed(alias.as_ref());
                    level.aliases.push(body.alias(named(alias)));
                }
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.from(table_with_joins, level, env, lateral, handled);
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                // Its tables are seen under the one name alone.
                let mut inner = Level::default();
                self.from(table_with_joins, &mut inner, env, lateral, handled);
                self.conditions(&mut inner, &[&**table_with_joins], None, env);
                self.solve(&mut inner);
                level.aliases.push(self.shows(&inner, &[]).alias(named(alias)));
            }
            TableFactor::Table { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
                if unpacks(factor)
                    && let Some(given) = constant(factor) =>
            {
                self.given(alias, given, level)
            }
            TableFactor::Table { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::JsonTable { alias, .. }
            | TableFactor::XmlTable { alias, .. } => level.aliases.push(plain(named(alias))),
            _ => level.aliases.push(plain("".into())),
        }
    }

    /// A function of values: `unnest($1) AS t(a)`. Its columns are values.
    fn given(&self, alias: &Option<TableAlias>, given: Slots, level: &mut Level) {
        let name: Arc<str> = alias.as_ref().map_or("".into(), |alias| fold(&alias.name).as_ref().into());
        let columns = alias.iter().flat_map(|alias| &alias.columns);
        let names = columns.map(|column| fold(&column.name).as_ref().into()).chain([Arc::clone(&name)]);
        let cols =
            names.map(|name| Col { name, value: Some(Arc::clone(&given)), ..Col::default() }).collect();
        let made = Alias::new(name, Columns::Made(cols, false), Role::Plain);
        level.aliases.push(Alias { given: Some(given), ..made });
    }

    /// A table or named query.
    pub fn table(&mut self, schema: Option<Arc<str>>, name: Arc<str>, alias: Arc<str>) -> Alias {
        if schema.is_none()
            && let Some(cte) = self.ctes.iter_mut().rev().find(|cte| cte.name == name)
        {
            cte.used = true;
            // Named again and again, one query of many columns becomes very many.
            if !self.budget.spend(1 + cte.body.cols.len() + cte.body.missing.len()) {
                return Alias::new(alias, Columns::Made(Vec::new(), false), Role::Plain);
            }
            return cte.body.clone().alias(alias);
        }
        self.base(schema, name, alias)
    }

    /// A table of the schema.
    pub fn base(&mut self, schema: Option<Arc<str>>, name: Arc<str>, alias: Arc<str>) -> Alias {
        let Some((number, own)) = self.schema.find(schema.as_deref(), &name) else {
            self.table_seen(schema, name, false);
            return Alias::new(alias, Columns::Made(Vec::new(), false), Role::Plain);
        };
        let table = self.schema.table(number);
        self.table_seen(schema, name, table.owned());
        let role = match table.owner {
            Owner::Tenants => Role::Tenants,
            _ if table.owned() => Role::Owned,
            _ => Role::Plain,
        };
        // A tenant's own schema holds that tenant's rows.
        let own = own && role == Role::Owned;
        Alias { scoped: own, own, ..Alias::new(alias, Columns::Table(number), role) }
    }

    /// Prepares subqueries of a condition: their tables become hidden aliases.
    pub fn semis(&mut self, filter: &Expr, level: &mut Level) {
        struct Simple<'w, 'a, 'l> {
            walk: &'w mut Walk<'a>,
            level: &'l mut Level,
            /// Of each query around: whether it is read as a join.
            open: Vec<bool>,
        }
        impl Visitor for Simple<'_, '_, '_> {
            type Break = ();

            fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
                let mut read = false;
                if self.open.last().copied().unwrap_or(true)
                    && let SetExpr::Select(select) = &*query.body
                    && let Some(tables) = simple(query, select)
                {
                    read = true;
                    let start = self.level.aliases.len();
                    for (name, alias) in tables {
                        let Some((schema, table)) = walk::parts(name) else { continue };
                        let shown = alias.map_or(Arc::clone(&table), |a| fold(&a.name).as_ref().into());
                        // Looked at again when the subquery is judged: a use here is none.
                        self.walk.budget.spend(self.walk.ctes.len());
                        let used: Vec<bool> = self.walk.ctes.iter().map(|cte| cte.used).collect();
                        let made = self.walk.table(schema, table, shown);
                        self.walk.ctes.iter_mut().zip(used).for_each(|(cte, used)| cte.used = used);
                        self.level.aliases.push(Alias { hidden: true, ..made });
                    }
                    self.level.semis.push((query, start..self.level.aliases.len()));
                }
                self.open.push(read);
                ControlFlow::Continue(())
            }

            fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
                self.open.pop();
                ControlFlow::Continue(())
            }
        }
        let _ = filter.visit(&mut Simple { walk: self, level, open: Vec::new() });
    }

    /// Reads the conditions of a level anew.
    pub fn conditions(
        &mut self,
        level: &mut Level,
        from: &[&TableWithJoins],
        filter: Option<&Expr>,
        env: &Env<'_>,
    ) {
        level.joins.clear();
        level.merged.clear();
        level.notes.clear();
        let mut at = 0;
        for table in from {
            at = self.joins(level, table, at, env);
        }
        if let Some(filter) = filter {
            let mut reader = Reader { walk: self, level, env, inner: Vec::new(), notes: Vec::new() };
            let facts = reader.facts(filter, false);
            let notes = reader.notes;
            level.notes.extend(notes);
            level.filter = facts;
        }
    }

    /// Reads the conditions of joins; `at` is the number of the first alias. Gives the number after the last.
    fn joins(&mut self, level: &mut Level, table: &TableWithJoins, at: usize, env: &Env<'_>) -> usize {
        let mut end = self.side(level, &table.relation, at, env);
        for join in &table.joins {
            let middle = end;
            end = self.side(level, &join.relation, middle, env);
            let Some((keeps, constraint)) = parts(&join.join_operator) else { continue };
            let (left, right) = (at..middle, middle..end);
            let mut facts = Default::default();
            match constraint {
                Some(JoinConstraint::On(on)) => {
                    let mut reader = Reader { walk: self, level, env, inner: Vec::new(), notes: Vec::new() };
                    facts = reader.facts(on, false);
                    let notes = reader.notes;
                    level.notes.extend(notes);
                }
                Some(JoinConstraint::Using(names) | JoinConstraint::UsingAlias(names, _)) => {
                    for name in names.iter().filter_map(walk::parts).map(|(_, name)| name) {
                        self.merge(level, &name, &left, &right, keeps, &mut facts);
                    }
                }
                Some(JoinConstraint::Natural) => {
                    let names: Vec<Arc<str>> = level.aliases[right.clone()]
                        .iter()
                        .flat_map(|alias| alias.all(self.schema).0)
                        .map(|col| col.name)
                        .collect();
                    for name in names {
                        self.merge(level, &name, &left, &right, keeps, &mut facts);
                    }
                }
                Some(JoinConstraint::None) | None => {}
            }
            level.joins.push(Joined { left, right, keeps, facts });
        }
        end
    }

    fn side(&mut self, level: &mut Level, factor: &TableFactor, at: usize, env: &Env<'_>) -> usize {
        match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.joins(level, table_with_joins, at, env)
            }
            _ => at + 1,
        }
    }

    /// One column of `USING`.
    fn merge(
        &self,
        level: &mut Level,
        name: &Arc<str>,
        left: &Range<usize>,
        right: &Range<usize>,
        keeps: Keeps,
        facts: &mut Facts,
    ) {
        if !self.budget.spend(4 * (left.len() + right.len())) {
            return;
        }
        let find = |mut range: Range<usize>| {
            range.find_map(|n| Some((n, level.aliases[n].column(self.schema, name)?)))
        };
        if let (Some((a, col)), Some((b, other))) = (find(left.clone()), find(right.clone())) {
            facts.strict.extend([a, b]);
            facts.pairs.push((a, col, b, other));
            level.merged.push(Merged { name: Arc::clone(name), keeps });
        }
    }
}

/// The tables of a subquery that can be read as a join: plain tables, inner joins, rows as they are.
fn simple<'q>(query: &'q Query, select: &'q Select) -> Option<Vec<(&'q ObjectName, Option<&'q TableAlias>)>> {
    let mut tables = Vec::new();
    let mut factor = |factor: &'q TableFactor| match factor {
        TableFactor::Table { name, alias, args: None, .. }
            if alias.as_ref().is_none_or(|alias| alias.columns.is_empty()) =>
        {
            tables.push((name, alias.as_ref()));
            true
        }
        _ => false,
    };
    let inner = |join: &Join| {
        matches!(
            parts(&join.join_operator),
            Some((Keeps::Neither, Some(JoinConstraint::On(_) | JoinConstraint::None)))
        )
    };
    let joined = select.from.iter().all(|table| {
        factor(&table.relation) && table.joins.iter().all(|join| inner(join) && factor(&join.relation))
    });
    // An aggregate has a row, whether there are any or not.
    let groups = !matches!(&select.group_by, GroupByExpr::Expressions(by, modifiers) if by.is_empty() && modifiers.is_empty());
    let aggregate = groups
        || select.having.is_some()
        || select.projection.iter().filter_map(expression).any(|e| {
            !matches!(inside(e), Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_))
        });
    (joined && !aggregate && query.with.is_none()).then_some(tables)
}
