//! What a level shows to the query around it, and what it is missing.

use std::{ops::ControlFlow, sync::Arc};

use sqlparser::ast::{Expr, SelectItem, SelectItemQualifiedWildcardKind, Visitor, WindowType};

use super::{
    facts::inside,
    level::{Col, Level, Role, fold},
    query::Body,
    schema::{Owner, Rls},
    shown::name_shown,
    solve,
    statement::{Missing, Reason},
    walk::{self, Walk},
};

impl Walk<'_> {
    /// What a level shows, and what it is missing.
    pub fn shows(&mut self, level: &Level, projection: &[SelectItem]) -> Body {
        let mut body = Body { whole: true, ..Body::default() };
        for (n, alias) in level.aliases.iter().enumerate().filter(|(_, alias)| !alias.hidden) {
            body.owned |= alias.role == Role::Owned || alias.scoped || !alias.pending.is_empty();
            if !alias.open() {
                continue;
            }
            match (alias.table(), alias.role) {
                (Some(table), Role::Owned) => {
                    let reason = self.reason(level, n);
                    body.missing.push(self.missing(table, &alias.name, reason, alias.pinned));
                }
                _ => body.missing.extend(alias.pending.iter().cloned()),
            }
        }
        let mut covers: Vec<Option<bool>> = vec![None; level.aliases.len()];
        let mut show = |body: &mut Body, n: usize, col: Col, name: Option<Arc<str>>| {
            let mut tenant = col.tenant;
            if tenant && !body.missing.is_empty() {
                tenant = *covers[n].get_or_insert_with(|| {
                    let then = solve::scoped(level, self.schema, Some(n));
                    level.aliases.iter().zip(&then).all(|(alias, then)| *then || !alias.open())
                });
            }
            body.cols.push(Col { name: name.unwrap_or(col.name), tenant, ..col });
        };
        let seen = || level.aliases.iter().enumerate().filter(|(_, alias)| !alias.hidden);
        if projection.is_empty() {
            for (n, alias) in seen() {
                let (cols, whole) = alias.all(self.schema);
                body.whole &= whole;
                cols.into_iter().for_each(|col| show(&mut body, n, col, None));
            }
        }
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => {
                    let name = match item {
                        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias).as_ref().into()),
                        _ => None,
                    };
                    let parts = match inside(e) {
                        Expr::Identifier(name) => std::slice::from_ref(name),
                        Expr::CompoundIdentifier(names) => names,
                        _ => &[],
                    };
                    match level.lookup(self.schema, parts, None) {
                        Some((n, col)) => show(&mut body, n, col, name),
                        None => {
                            let name = name.unwrap_or_else(|| "?column?".into());
                            body.cols.push(Col { name, origin: None, tenant: false });
                        }
                    }
                }
                SelectItem::Wildcard(_) => {
                    for (n, alias) in seen() {
                        let (cols, whole) = alias.all(self.schema);
                        body.whole &= whole;
                        cols.into_iter().for_each(|col| show(&mut body, n, col, None));
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let name = walk::parts(name).map(|(_, name)| name);
                    match seen().find(|(_, alias)| Some(&alias.name) == name.as_ref()) {
                        Some((n, alias)) => {
                            let (cols, whole) = alias.all(self.schema);
                            body.whole &= whole;
                            cols.into_iter().for_each(|col| show(&mut body, n, col, None));
                        }
                        None => body.whole = false,
                    }
                }
                _ => body.whole = false,
            }
        }
        body
    }

    /// Why an alias is not scoped: the first reason in their order.
    pub fn reason(&self, level: &Level, alias: usize) -> Reason {
        if self.opaque(level, alias) {
            return Reason::WholeTable;
        }
        let mut reasons: Vec<Reason> =
            level.notes.iter().filter(|(n, _)| *n == alias).map(|(_, reason)| *reason).collect();
        if solve::beyond_join(level, self.schema, alias) {
            reasons.push(Reason::OuterJoin);
        }
        if level.aliases.iter().any(|other| other.scoped && !other.hidden && other.role != Role::Plain) {
            reasons.push(Reason::OtherTable);
        }
        if level.aliases.iter().any(|other| other.scoped && other.hidden) {
            reasons.push(Reason::Subquery);
        }
        reasons.into_iter().min().unwrap_or(Reason::NoPredicate)
    }

    fn opaque(&self, level: &Level, alias: usize) -> bool {
        let table = level.aliases[alias].table();
        table.is_some_and(|table| self.schema.table(table).owner == Owner::Opaque)
    }

    /// What is missing of a table.
    pub fn missing(&self, table: usize, alias: &Arc<str>, reason: Reason, by_key: bool) -> Missing {
        let table = self.schema.table(table);
        // An alias is the statement's own; a name of the schema is no value.
        let shown = if **alias == *table.name { alias } else { name_shown(alias) };
        let predicate =
            match (&table.tenant, table.foreign_keys.iter().find(|k| self.schema.table(k.parent).owned())) {
                (Some(column), _) if table.owner == Owner::Column => {
                    format!("\"{shown}\".\"{column}\" = ?")
                }
                (_, Some(key)) if table.owner == Owner::Parent => {
                    let parent = self.schema.table(key.parent);
                    let (from, to) = (&key.columns[0], &key.parent_columns[0]);
                    format!("\"{shown}\".\"{from}\" = \"{}\".\"{to}\" of a tenant", parent.name)
                }
                _ => String::new(),
            };
        Missing {
            table: Arc::clone(&table.shown),
            alias: shown.into(),
            reason,
            predicate: predicate.into(),
            by_key,
            rls: table.rls != Rls::Off,
        }
    }
}

/// Looks for windows that are not kept apart by tenant.
pub(super) struct Windows<'w, 'a, 'l> {
    pub level: &'l Level,
    pub walk: &'w Walk<'a>,
    pub across: bool,
}

impl Visitor for Windows<'_, '_, '_> {
    type Break = ();

    fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = e
            && let Some(over) = &function.over
        {
            let apart = match over {
                WindowType::WindowSpec(spec) => spec.partition_by.iter().any(|by| {
                    let parts = match inside(by) {
                        Expr::Identifier(name) => std::slice::from_ref(name),
                        Expr::CompoundIdentifier(names) => names,
                        _ => &[],
                    };
                    self.level.lookup(self.walk.schema, parts, None).is_some_and(|(_, col)| col.tenant)
                }),
                WindowType::NamedWindow(_) => false,
            };
            self.across |= !apart;
        }
        ControlFlow::Continue(())
    }
}
