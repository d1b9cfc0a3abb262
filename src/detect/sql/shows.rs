//! What a level shows to the query around it, and what it is missing.

use std::{ops::ControlFlow, sync::Arc};

use sqlparser::ast::{
    Expr, Ident, NamedWindowDefinition, NamedWindowExpr, SelectItem, SelectItemQualifiedWildcardKind,
    Visitor, WindowSpec, WindowType,
};

use super::{
    facts::inside,
    level::{Alias, Col, Level, Role, fold},
    policy::Command,
    query::Body,
    schema::Owner,
    shown::name_shown,
    solve::Links,
    statement::{Missing, Reason},
    values::constant,
    walk::{self, Walk, add},
};
use crate::limits;

impl Walk<'_> {
    /// What a level shows, and what it is missing.
    pub fn shows(&mut self, level: &Level, projection: &[SelectItem]) -> Body {
        let mut body = Body { whole: true, ..Body::default() };
        let open = |alias: &Alias| alias.open();
        let reasons = if level.aliases.iter().any(open) { self.reasons(level) } else { Vec::new() };
        for (n, alias) in level.aliases.iter().enumerate().filter(|(_, alias)| !alias.hidden) {
            body.owned |= alias.role == Role::Owned || alias.scoped || !alias.pending.is_empty();
            if !alias.open() {
                continue;
            }
            if !self.budget.spend((1 + alias.pending.len()) * (1 + body.missing.len())) {
                return Body::default();
            }
            match (alias.table(), alias.role) {
                (Some(table), Role::Owned) => {
                    let one = self.missing(table, &alias.name, reasons[n], alias.pinned, alias.commands);
                    add(&mut body.missing, one);
                }
                _ => alias.pending.iter().for_each(|one| add(&mut body.missing, one.clone())),
            }
        }
        // The alias of each column.
        let mut of: Vec<usize> = Vec::new();
        let mut show = |body: &mut Body, n: usize, col: Col, name: Option<Arc<str>>| {
            if body.cols.len() >= limits::SQL_COLUMNS {
                self.budget.end();
                return;
            }
            of.resize(body.cols.len(), 0);
            of.push(n);
            self.budget.spend(1);
            let alias = &level.aliases[n];
            let loose = !alias.scoped && (col.loose || alias.role == Role::Tenants);
            body.cols.push(Col { name: name.unwrap_or(col.name.clone()), loose, ..col });
        };
        let seen = || {
            let room = level.aliases.iter().enumerate().filter(|(_, alias)| !alias.hidden);
            room.take_while(|_| !self.budget.spent())
        };
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
                    match level.lookup(self.schema, parts, &[]) {
                        Some((n, col)) => show(&mut body, n, col, name),
                        None => {
                            let name = name.unwrap_or_else(|| "?column?".into());
                            body.cols.push(Col { name, value: constant(e), ..Col::default() });
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
        of.resize(body.cols.len(), 0);
        if !body.missing.is_empty() {
            let mut asked = vec![false; level.aliases.len()];
            body.cols.iter().zip(&of).filter(|(col, _)| col.tenant).for_each(|(_, n)| asked[*n] = true);
            let covers = Links::new(level, self.schema, &self.budget).covers(&asked);
            body.cols.iter_mut().zip(&of).for_each(|(col, n)| col.tenant &= covers[*n]);
        }
        body
    }

    /// Why each alias that is open is not scoped: the first reason in their order.
    fn reasons(&self, level: &Level) -> Vec<Reason> {
        let mut reasons = vec![Reason::NoPredicate; level.aliases.len()];
        let seen = |alias: &Alias| alias.scoped && !alias.hidden && alias.role != Role::Plain;
        let hidden = |alias: &Alias| alias.scoped && alias.hidden;
        let otherwise = [
            (level.aliases.iter().any(hidden), Reason::Subquery),
            (level.aliases.iter().any(seen), Reason::OtherTable),
        ];
        let otherwise = otherwise.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).min();
        let beyond = Links::beyond_joins(level, self.schema, &self.budget).follow(None);
        self.budget.spend(level.aliases.len() + level.notes.len());
        for (n, reason) in reasons.iter_mut().enumerate() {
            let beyond = beyond[n].then_some(Reason::OuterJoin);
            *reason = otherwise.into_iter().chain(beyond).fold(*reason, Reason::min);
            if self.opaque(level, n) {
                *reason = Reason::WholeTable;
            }
        }
        for (n, reason) in &level.notes {
            reasons[*n] = reasons[*n].min(*reason);
        }
        reasons
    }

    fn opaque(&self, level: &Level, alias: usize) -> bool {
        let table = level.aliases[alias].table();
        table.is_some_and(|table| self.schema.table(table).owner == Owner::Opaque)
    }

    /// What is missing of a table with which a statement does this. Nothing protects from what is no command.
    pub fn missing(
        &self,
        table: usize,
        alias: &Arc<str>,
        reason: Reason,
        by_key: bool,
        commands: &[Command],
    ) -> Missing {
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
            rls: !commands.is_empty() && commands.iter().all(|command| table.protects(*command)),
        }
    }
}

/// Looks for windows that are not kept apart by tenant.
pub(super) struct Windows<'w, 'a, 'l> {
    pub level: &'l Level,
    pub walk: &'w Walk<'a>,
    /// Those that have a name.
    pub windows: &'l [NamedWindowDefinition],
    pub across: bool,
}

impl Windows<'_, '_, '_> {
    /// Whether a window keeps tenants apart; `depth` others are made from it.
    fn apart(&self, spec: &WindowSpec, depth: usize) -> bool {
        let by_tenant = spec.partition_by.iter().any(|by| {
            let parts = match inside(by) {
                Expr::Identifier(name) => std::slice::from_ref(name),
                Expr::CompoundIdentifier(names) => names,
                _ => &[],
            };
            self.level.lookup(self.walk.schema, parts, &[]).is_some_and(|(_, col)| col.tenant)
        });
        by_tenant || spec.window_name.as_ref().is_some_and(|name| self.named(name, depth))
    }

    /// The same of one of the `WINDOW` clause.
    fn named(&self, name: &Ident, depth: usize) -> bool {
        let of = self.windows.iter().find(|of| fold(&of.0) == fold(name));
        match of.map(|of| &of.1) {
            Some(NamedWindowExpr::WindowSpec(spec)) if depth < 8 => self.apart(spec, depth + 1),
            Some(NamedWindowExpr::NamedWindow(name)) if depth < 8 => self.named(name, depth + 1),
            _ => false,
        }
    }
}

impl Visitor for Windows<'_, '_, '_> {
    type Break = ();

    fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = e
            && let Some(over) = &function.over
        {
            let apart = match over {
                WindowType::WindowSpec(spec) => self.apart(spec, 0),
                WindowType::NamedWindow(name) => self.named(name, 0),
            };
            self.across |= !apart;
        }
        ControlFlow::Continue(())
    }
}
