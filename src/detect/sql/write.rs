//! Statements that write: `INSERT`, `UPDATE`, `DELETE`, `MERGE`.

use std::sync::Arc;

use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, DoUpdate, Expr, FromTable, Insert, Merge,
    MergeAction, MergeClauseKind, MergeInsertKind, MergeUpdateKind, OnConflictAction, OnInsert, Query,
    SelectItem, SetExpr, Statement, TableObject, TableWithJoins, Update, UpdateTableFromKind,
};

use super::{
    facts::{Facts, Reader, inside},
    level::{Alias, Columns, Env, Joined, Keeps, Level, Role, fold},
    policy::Command,
    query::{Body, expression},
    schema::{Owner, Table},
    statement::Reason,
    walk::{Walk, parts},
};

impl Walk<'_> {
    /// Judges a statement that writes; what it returns is a body without anything missing.
    pub fn write(&mut self, statement: &Statement, env: &Env<'_>) -> Body {
        match statement {
            Statement::Insert(insert) => self.insert(insert, env),
            Statement::Update(update) => self.update(update, env),
            Statement::Delete(delete) => self.delete(delete, env),
            Statement::Merge(merge) => self.merge_into(merge, env),
            _ => Body::default(),
        }
    }

    fn update(&mut self, update: &Update, env: &Env<'_>) -> Body {
        let mut from = vec![&update.table];
        if let Some(UpdateTableFromKind::BeforeSet(more) | UpdateTableFromKind::AfterSet(more)) = &update.from
        {
            from.extend(more);
        }
        let (mut level, handled) = self.changed(&from, update.selection.as_ref(), &[Command::Update], env);
        if let Some(target) = level.aliases.first_mut() {
            let moved = self.assigned(target, &update.assignments);
            // A row that comes to a tenant must be asked for by the one that it comes from.
            target.pinned &= !moved;
        }
        self.nested(update, &Env { level: Some(&level), up: Some(env) }, &handled);
        self.returned(&level, update.returning.as_deref())
    }

    fn delete(&mut self, delete: &Delete, env: &Env<'_>) -> Body {
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let from: Vec<&TableWithJoins> = tables.iter().chain(delete.using.iter().flatten()).collect();
        let (level, handled) = self.changed(&from, delete.selection.as_ref(), &[Command::Delete], env);
        self.nested(delete, &Env { level: Some(&level), up: Some(env) }, &handled);
        self.returned(&level, delete.returning.as_deref())
    }

    /// The tables of an `UPDATE` or `DELETE`; the first is the one that is changed.
    fn changed(
        &mut self,
        from: &[&TableWithJoins],
        filter: Option<&Expr>,
        commands: &'static [Command],
        env: &Env<'_>,
    ) -> (Level, Vec<*const Query>) {
        let (mut level, mut lateral, mut handled) = (Level::default(), Vec::new(), Vec::new());
        for table in from {
            self.from(table, &mut level, env, &mut lateral, &mut handled);
        }
        level.aliases.iter_mut().take(1).for_each(|target| target.commands = commands);
        for (n, query, alias) in lateral {
            let around = Env { level: Some(&level), up: Some(env) };
            let body = self.query(query, &around).renamed(alias);
            let name = Arc::clone(&level.aliases[n].name);
            level.aliases[n] = body.alias(name);
        }
        if let Some(filter) = filter {
            self.semis(filter, &mut level);
        }
        self.conditions(&mut level, from, filter, env);
        self.solve(&mut level);
        (level, handled)
    }

    /// Tenants that are given to a column. Whether there is one.
    fn assigned(&mut self, target: &Alias, assignments: &[Assignment]) -> bool {
        let mut any = false;
        for assignment in assignments {
            let AssignmentTarget::ColumnName(name) = &assignment.target else { continue };
            let column = parts(name).map(|(_, column)| column);
            let tenant =
                column.and_then(|column| target.column(self.schema, &column)).is_some_and(|c| c.tenant);
            if tenant && target.role == Role::Owned {
                any = true;
                self.tenant(&assignment.value);
            }
        }
        any
    }

    fn returned(&mut self, level: &Level, returning: Option<&[SelectItem]>) -> Body {
        let mut body = self.shows(level, returning.unwrap_or_default());
        self.missed(std::mem::take(&mut body.missing));
        body
    }

    fn insert(&mut self, insert: &Insert, env: &Env<'_>) -> Body {
        let TableObject::TableName(name) = &insert.table else { return Body::default() };
        let Some((schema, table)) = parts(name) else { return Body::default() };
        let shown = match &insert.table_alias {
            Some(alias) => fold(&alias.alias).as_ref().into(),
            None => Arc::clone(&table),
        };
        let target = self.base(schema, table, shown);
        let columns: Vec<Arc<str>> = insert.columns.iter().filter_map(parts).map(|(_, name)| name).collect();
        let mut handled: Vec<*const Query> = Vec::new();
        let mut source = Body::default();
        if let Some(query) = &insert.source {
            handled.push(&**query);
            source = self.query(query, env);
        }
        let incomplete = !source.missing.is_empty();
        self.missed(std::mem::take(&mut source.missing));

        let (name, own) = (Arc::clone(&target.name), target.own);
        let number = target.table().filter(|_| target.role == Role::Owned);
        let mut level = Level { aliases: vec![target], ..Level::default() };
        if let Some(number) = number {
            let table = self.schema.table(number);
            let written = self.written(table, &columns, insert.source.as_deref(), &source);
            if let Err(by_key) = written
                && !own
                && !(incomplete && table.owner == Owner::Column)
            {
                let missing = self.missing(number, &name, Reason::Insert, by_key, &[Command::Insert]);
                self.missed([missing]);
            }
            // What is given for the row, under a name of its own.
            let columns = level.aliases[0].all(self.schema).0;
            let excluded = Alias::new("excluded", Columns::Made(columns, false), Role::Query);
            level.aliases.push(Alias { scoped: true, ..excluded });
            if let Some(OnInsert::OnConflict(conflict)) = &insert.on
                && let OnConflictAction::DoUpdate(update) = &conflict.action
            {
                let target = conflict.conflict_target.as_ref();
                if let Err(by_key) = self.met(table, target, update, &mut level, env)
                    && !own
                {
                    let missing = self.missing(number, &name, Reason::OnConflict, by_key, &[Command::Update]);
                    self.missed([missing]);
                }
                self.assigned(&level.aliases[0].clone(), &update.assignments);
            }
        }
        self.nested(insert, &Env { level: Some(&level), up: Some(env) }, &handled);
        // Its own rows come back.
        level.aliases.truncate(1);
        level.aliases[0].scoped = true;
        level.filter = Facts::default();
        self.returned(&level, insert.returning.as_deref())
    }

    /// Whether the rows of an `INSERT` say whose they are; if not, whether their parent is given.
    fn written(
        &mut self,
        table: &Table,
        columns: &[Arc<str>],
        source: Option<&Query>,
        body: &Body,
    ) -> Result<(), bool> {
        let position = |column: &Arc<str>| match columns {
            [] => table.columns.iter().position(|c| c.name == *column),
            columns => columns.iter().position(|c| c == column),
        };
        if table.owner == Owner::Parent {
            let parents = || table.foreign_keys.iter().filter(|key| self.schema.table(key.parent).owned());
            let tied = parents().any(|key| {
                body.owned
                    && key.columns.iter().zip(&key.parent_columns).all(|(from, to)| {
                        let col = position(from).and_then(|n| body.cols.get(n));
                        col.is_some_and(|col| col.origin == Some((key.parent, Arc::clone(to))))
                    })
            });
            let given = parents().any(|key| key.columns.iter().all(|column| position(column).is_some()));
            return if tied { Ok(()) } else { Err(given) };
        }
        let Some(column) = table.tenant.as_ref().filter(|_| table.owner == Owner::Column) else {
            return Err(false);
        };
        let by_default = table.columns.iter().any(|c| c.name == *column && c.from_setting);
        let otherwise = if by_default { Ok(()) } else { Err(false) };
        let Some(query) = source else { return otherwise };
        match position(column) {
            Some(n) if self.gives(&query.body, n, body, by_default) => Ok(()),
            Some(_) => Err(false),
            // All columns, in an order that isn't known.
            None if columns.is_empty() && !table.whole => Ok(()),
            None => otherwise,
        }
    }

    /// Whether the column of that number is a tenant in each row.
    fn gives(&mut self, rows: &SetExpr, n: usize, body: &Body, by_default: bool) -> bool {
        match rows {
            SetExpr::Values(values) => values.rows.iter().all(|row| match row.content.get(n).map(inside) {
                Some(Expr::Identifier(name)) if fold(name) == "default" => by_default,
                Some(value) => {
                    self.tenant(value);
                    true
                }
                // Fewer values than columns: the rest is by default.
                None => by_default,
            }),
            SetExpr::Query(query) => self.gives(&query.body, n, body, by_default),
            SetExpr::SetOperation { left, right, .. } => {
                self.gives(left, n, body, by_default) && self.gives(right, n, body, by_default)
            }
            SetExpr::Select(select) => {
                if let Some(slots) = body.cols.get(n).and_then(|col| col.value.as_ref()) {
                    self.tenants(slots);
                    return true;
                }
                if body.cols.get(n).is_some_and(|col| col.tenant && !col.loose) || !body.whole {
                    return true;
                }
                let plain = select.projection.iter().all(|item| expression(item).is_some());
                match select.projection.get(n).and_then(expression).map(inside) {
                    Some(value) if plain => {
                        let value_alone = !matches!(value, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                        if value_alone {
                            self.tenant(value);
                        }
                        value_alone
                    }
                    _ => false,
                }
            }
            _ => body.cols.get(n).is_none_or(|col| col.tenant && !col.loose),
        }
    }

    /// Whether the row that `ON CONFLICT DO UPDATE` meets is of the same tenant; if not, whether its parent is given. A
    /// primary key will not do: it may be another tenant's row that has it.
    fn met(
        &mut self,
        table: &Table,
        target: Option<&ConflictTarget>,
        update: &DoUpdate,
        level: &mut Level,
        env: &Env<'_>,
    ) -> Result<(), bool> {
        let columns: Vec<Arc<str>> = match target {
            Some(ConflictTarget::Columns { columns, .. }) => {
                columns.iter().map(|column| fold(column).as_ref().into()).collect()
            }
            Some(ConflictTarget::OnConstraint(name)) => {
                let name = parts(name).map(|(_, name)| name);
                let unique = table.uniques.iter().find(|(unique, _)| Some(unique) == name.as_ref());
                unique.map(|(_, columns)| columns.clone()).unwrap_or_default()
            }
            None => Vec::new(),
        };
        if table.owner == Owner::Column && columns.iter().any(|column| Some(column) == table.tenant.as_ref())
        {
            return Ok(());
        }
        if let Some(filter) = &update.selection {
            let mut reader = Reader { walk: self, level, env, inner: Vec::new(), notes: Vec::new() };
            level.filter = reader.facts(filter, false);
            if super::solve::scoped(level, self.schema, &self.budget)[0] {
                return Ok(());
            }
        }
        let by_parent = table.owner == Owner::Parent
            && table.foreign_keys.iter().any(|key| key.columns.iter().all(|column| columns.contains(column)));
        Err(by_parent)
    }

    fn merge_into(&mut self, merge: &Merge, env: &Env<'_>) -> Body {
        let table = |relation: &sqlparser::ast::TableFactor| TableWithJoins {
            relation: relation.clone(),
            joins: vec![],
        };
        let (target, source) = (table(&merge.table), table(&merge.source));
        let (mut level, mut lateral, mut handled) = (Level::default(), Vec::new(), Vec::new());
        self.from(&target, &mut level, env, &mut lateral, &mut handled);
        level.aliases.iter_mut().take(1).for_each(|target| target.commands = &Command::ALL);
        let middle = level.aliases.len();
        self.from(&source, &mut level, env, &mut lateral, &mut handled);
        // The copies above have been judged; in the statement itself they stand at other places.
        let mut places = vec![];
        for factor in [&merge.table, &merge.source] {
            if let sqlparser::ast::TableFactor::Derived { subquery, .. } = factor {
                places.push(&raw const **subquery);
            }
        }
        let end = level.aliases.len();
        let on = |walk: &mut Self, level: &mut Level, e: &Expr| {
            let mut reader = Reader { walk, level, env, inner: Vec::new(), notes: Vec::new() };
            let facts = reader.facts(e, false);
            let notes = reader.notes;
            level.notes.extend(notes);
            facts
        };
        let facts = on(self, &mut level, &merge.on);
        let kept = |clause: &sqlparser::ast::MergeClause| {
            matches!(clause.clause_kind, MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget)
        };
        let keeps = if merge.clauses.iter().any(kept) { Keeps::Right } else { Keeps::Neither };
        level.joins.push(Joined { left: 0..middle, right: middle..end, keeps, facts });
        self.solve(&mut level);
        for clause in &merge.clauses {
            let changes = matches!(clause.action, MergeAction::Update(_) | MergeAction::Delete { .. });
            if clause.clause_kind == MergeClauseKind::NotMatchedBySource && changes {
                // Of the rows that the condition does not hold for.
                let mut apart = Level { aliases: vec![level.aliases[0].clone()], ..Level::default() };
                apart.aliases[0].scoped = false;
                if let Some(predicate) = &clause.predicate {
                    apart.filter = on(self, &mut apart, predicate);
                }
                self.solve(&mut apart);
                let body = self.shows(&apart, &[]);
                self.missed(body.missing);
            }
            match &clause.action {
                MergeAction::Update(update) => {
                    if let MergeUpdateKind::Set(assignments) = &update.kind {
                        self.assigned(&level.aliases[0], assignments);
                    }
                }
                MergeAction::Insert(insert) => {
                    let columns: Vec<Arc<str>> =
                        insert.columns.iter().filter_map(parts).map(|p| p.1).collect();
                    self.merge_insert(&level.aliases[0].clone(), &columns, &insert.kind);
                }
                _ => {}
            }
        }
        self.nested(merge, &Env { level: Some(&level), up: Some(env) }, &places);
        self.returned(&level, None)
    }

    fn merge_insert(&mut self, target: &Alias, columns: &[Arc<str>], kind: &MergeInsertKind) {
        let Some(number) = target.table().filter(|_| target.role == Role::Owned && !target.own) else {
            return;
        };
        let table = self.schema.table(number);
        let position = |column: &Arc<str>| match columns {
            [] => table.columns.iter().position(|c| c.name == *column),
            columns => columns.iter().position(|c| c == column),
        };
        let (ok, by_key) = match (&table.owner, &table.tenant) {
            (Owner::Column, Some(column)) => {
                let n = position(column);
                if let (Some(n), MergeInsertKind::Values(values)) = (n, kind) {
                    let values = values.rows.iter().filter_map(|row| row.content.get(n));
                    values.for_each(|value| self.tenant(value));
                }
                let by_default = table.columns.iter().any(|c| c.name == *column && c.from_setting);
                (n.is_some() || by_default || (columns.is_empty() && !table.whole), false)
            }
            _ => (
                false,
                table.foreign_keys.iter().any(|key| key.columns.iter().all(|c| position(c).is_some())),
            ),
        };
        if !ok {
            let missing = self.missing(number, &target.name, Reason::Insert, by_key, &[Command::Insert]);
            self.missed([missing]);
        }
    }
}
