//! Which tables hold tenants' rows.

use std::{collections::HashMap, sync::Arc};

use super::{
    column,
    level::Col,
    policy::{self, Command, Policy, Rls},
    view,
};

/// How a schema is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Names of tenant columns; of several that a table has, the first of this list counts.
    pub tenant_columns: Vec<String>,
    /// Where no table has such a column, find out which one it is (row level security, or a name such as `org_id` that
    /// most tables have).
    pub learn_column: bool,
    /// Tables of the tenants themselves, which are nobody's.
    pub tenants_tables: Vec<String>,
    /// How the names of tenants' own schemas begin: `tenant_acme.documents` has the shape of `public.documents`.
    pub tenant_schemas: Vec<String>,
    /// The schema of names without one.
    pub default_schema: String,
    /// Take a column `document_id` for a foreign key to the primary key of `documents` where no constraint says
    /// so: many products have none.
    pub keys_by_name: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            tenant_columns: vec!["tenant_id".into()],
            learn_column: false,
            tenants_tables: vec!["tenants".into()],
            tenant_schemas: vec!["tenant_".into()],
            default_schema: "public".into(),
            keys_by_name: false,
        }
    }
}

/// A table as a list gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// `name` or `schema.name`.
    pub name: String,
    /// Its tenant column.
    pub column: Option<String>,
    /// Its primary key; `id` where it isn't given.
    pub key: Vec<String>,
    /// Columns that lead to other tables, each with `name` or `schema.name`.
    pub references: Vec<(String, String)>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Columns of this table.
    pub columns: Vec<Arc<str>>,
    /// The number of the table that they lead to.
    pub parent: usize,
    /// Columns there, in the same order.
    pub parent_columns: Vec<Arc<str>>,
}

/// Whose rows a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    /// Nobody's.
    #[default]
    Nobody,
    /// Tenants', by [`Table::tenant`].
    Column,
    /// Tenants', by a foreign key to such a table that is never null.
    Parent,
    /// It is the list of tenants.
    Tenants,
    /// A view that shows tenants' rows without saying whose.
    Opaque,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Column {
    pub name: Arc<str>,
    pub not_null: bool,
    /// Its default reads a setting of the session.
    pub from_setting: bool,
}

/// A foreign key as it was found: columns, the table that they lead to, and columns there (none: its primary key).
pub(super) type ParentName = (Vec<Arc<str>>, (Arc<str>, Arc<str>), Vec<Arc<str>>);

/// A table or view.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `schema.name`, or `name` in the default schema.
    pub shown: Arc<str>,
    /// Whose rows it holds.
    pub owner: Owner,
    /// The tenant column; of the list of tenants its primary key.
    pub tenant: Option<Arc<str>>,
    /// Columns of the primary key.
    pub primary_key: Vec<Arc<str>>,
    /// Row level security.
    pub rls: Rls,
    /// Its policies.
    pub policies: Vec<Policy>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Columns that only their names make foreign keys: `document_id`. They tell of rows that are taken by key, not
    /// whose they are.
    pub(super) likely_keys: Vec<ForeignKey>,
    pub(super) columns: Vec<Column>,
    /// Whether `columns` are all of them.
    pub(super) whole: bool,
    /// Columns of unique constraints and indexes, with the constraint's name.
    pub(super) uniques: Vec<(Arc<str>, Vec<Arc<str>>)>,
    pub(super) parent_names: Vec<ParentName>,
    pub(super) inherits: Vec<(Arc<str>, Arc<str>)>,
    pub(super) view: bool,
}

impl Table {
    /// Whether it is known to have a column of this name.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| &*c.name == column)
    }

    pub(super) fn column_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.columns.iter().map(|column| &column.name)
    }

    /// Whether it holds tenants' rows.
    pub fn owned(&self) -> bool {
        matches!(self.owner, Owner::Column | Owner::Parent | Owner::Opaque)
    }

    /// Whether row level security keeps a command to a tenant: it is on, and of the policies for that command each
    /// permissive one names the tenant, or one that is restrictive does.
    pub fn protects(&self, command: Command) -> bool {
        let of = || self.policies.iter().filter(|p| p.command.is_none_or(|of| of == command));
        let mut permissive = of().filter(|policy| !policy.restrictive).peekable();
        let all = permissive.peek().is_some() && permissive.all(|policy| policy.keeps(command));
        self.rls != Rls::Off && (all || of().any(|policy| policy.restrictive && policy.keeps(command)))
    }

    /// Settings that permissive policies, or any restrictive one, compare the tenant with.
    pub fn settings(&self) -> impl Iterator<Item = &Arc<str>> {
        self.policies.iter().flat_map(|policy| [&policy.using, &policy.check]).flatten()
    }
}

/// The tables of a database.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    tables: Vec<Table>,
    by_name: HashMap<Arc<str>, Vec<usize>>,
    pub(super) options: Options,
}

impl Schema {
    /// Of a list of tables.
    ///
    /// # Errors
    /// A table leads to one that isn't in the list.
    pub fn declared(tables: &[Declared], options: Options) -> Result<Self, String> {
        let mut builder = SchemaBuilder::new(options);
        for declared in tables {
            let name = builder.qualified(&declared.name);
            let table = builder.table(&name.0, &name.1);
            let texts =
                |list: &[String]| list.iter().map(|c| Arc::from(c.as_str())).collect::<Vec<Arc<str>>>();
            table.primary_key =
                if declared.key.is_empty() { vec!["id".into()] } else { texts(&declared.key) };
            table.tenant = declared.column.as_deref().map(Arc::from);
            let column = |name: &str, not_null| Column { name: name.into(), not_null, from_setting: false };
            table.columns.extend(declared.column.iter().map(|c| column(c, true)));
            for (from, to) in &declared.references {
                let to = to.rsplit_once('.').map_or((builder.options.default_schema.as_str(), &**to), |p| p);
                let to = (Arc::from(to.0), Arc::from(to.1));
                let table = builder.tables.iter_mut().find(|t| (&t.schema, &t.name) == (&name.0, &name.1));
                let Some(table) = table else { continue };
                table.columns.push(column(from, true));
                table.parent_names.push((vec![from.as_str().into()], to, Vec::new()));
            }
        }
        for table in &builder.tables {
            for (_, to, _) in &table.parent_names {
                if !builder.tables.iter().any(|t| (&t.schema, &t.name) == (&to.0, &to.1)) {
                    return Err(format!(
                        "{}: leads to {}.{}, which is not in the list",
                        table.name, to.0, to.1
                    ));
                }
            }
        }
        Ok(builder.finish())
    }

    /// Whether two columns are the ends of a foreign key, or the key of one and the same row.
    pub(super) fn joins(&self, a: &Col, b: &Col) -> bool {
        let leads = |a: &Col, b: &Col| {
            let (Some((child, from)), Some((parent, to))) = (&a.origin, &b.origin) else { return false };
            let table = self.table(*child);
            let mut keys = table.foreign_keys.iter().chain(&table.likely_keys);
            keys.any(|key| {
                key.parent == *parent
                    && key.columns.iter().zip(&key.parent_columns).any(|(a, b)| a == from && b == to)
            })
        };
        leads(a, b) || leads(b, a) || self.same_row(a, b).is_some()
    }

    /// Whether two columns are one of the key of a table: the place in that key, and how many columns it has.
    pub(super) fn same_row(&self, a: &Col, b: &Col) -> Option<(usize, usize)> {
        let (table, column) = a.origin.as_ref().filter(|_| a.origin == b.origin)?;
        if &**column == "ctid" {
            return Some((0, 1));
        }
        let key = &self.table(*table).primary_key;
        Some((key.iter().position(|c| c == column)?, key.len()))
    }

    /// All tables and views.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    pub(super) fn own_view(&mut self, schema: &str, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.view && *table.schema == *schema && *table.name == *name)
    }

    pub(super) fn table(&self, number: usize) -> &Table {
        &self.tables[number]
    }

    /// The table of a name, and whether it is one of a tenant's own schema.
    pub(super) fn find(&self, schema: Option<&str>, name: &str) -> Option<(usize, bool)> {
        let found = self.by_name.get(name)?;
        let of = |schema: &str| found.iter().copied().find(|&n| &*self.tables[n].schema == schema);
        let default = self.options.default_schema.as_str();
        match schema {
            Some(schema) => {
                let tenants = self.options.tenant_schemas.iter().any(|start| {
                    schema.len() > start.len() && !start.is_empty() && schema.starts_with(start.as_str())
                });
                match of(schema) {
                    Some(n) => Some((n, tenants)),
                    None if tenants => of(default).map(|n| (n, true)),
                    None => None,
                }
            }
            // Which of several is meant depends on the session: the default one, else one that is owned.
            None => of(default)
                .or_else(|| found.iter().copied().find(|&n| self.tables[n].owned()))
                .or_else(|| found.first().copied())
                .map(|n| (n, false)),
        }
    }
}

/// A policy as it was found.
#[derive(Debug)]
pub(super) struct RawPolicy {
    pub table: (Arc<str>, Arc<str>),
    pub name: Arc<str>,
    pub using: Option<String>,
    pub check: Option<String>,
    pub restrictive: bool,
    pub command: Option<Command>,
}

/// Collects tables.
#[derive(Debug)]
pub struct SchemaBuilder {
    pub(super) options: Options,
    pub(super) tables: Vec<Table>,
    index: HashMap<(Arc<str>, Arc<str>), usize>,
    policies: Vec<RawPolicy>,
    views: Vec<view::View>,
}

impl SchemaBuilder {
    /// None yet.
    pub fn new(options: Options) -> Self {
        SchemaBuilder {
            options,
            tables: Vec::new(),
            index: HashMap::new(),
            policies: Vec::new(),
            views: Vec::new(),
        }
    }

    pub(super) fn qualified(&self, name: &str) -> (Arc<str>, Arc<str>) {
        let (schema, name) = name.rsplit_once('.').unwrap_or((&self.options.default_schema, name));
        (schema.into(), name.into())
    }

    /// The table of a name, made where there is none.
    pub(super) fn table(&mut self, schema: &Arc<str>, name: &Arc<str>) -> &mut Table {
        let number = *self.index.entry((Arc::clone(schema), Arc::clone(name))).or_insert_with(|| {
            let shown = if **schema == *self.options.default_schema {
                Arc::clone(name)
            } else {
                format!("{schema}.{name}").into()
            };
            let (schema, name) = (Arc::clone(schema), Arc::clone(name));
            self.tables.push(Table { schema, name, shown, ..Table::default() });
            self.tables.len() - 1
        });
        &mut self.tables[number]
    }

    pub(super) fn raw_policy(&mut self, policy: RawPolicy) {
        self.policies.push(policy);
    }

    /// What policies ask for, each with its table.
    pub(super) fn policies_with_tables(&self) -> impl Iterator<Item = (&Table, &str)> {
        self.policies.iter().filter_map(|policy| {
            Some((&self.tables[*self.index.get(&policy.table)?], policy.using.as_deref()?))
        })
    }

    pub(super) fn view(&mut self, view: view::View) {
        self.table(&view.schema, &view.name).view = true;
        self.views.push(view);
    }

    /// Foreign keys that only the names of columns tell of.
    fn keys_by_name(&self) -> Vec<(usize, Arc<str>, usize)> {
        let mut found = Vec::new();
        for (n, table) in self.tables.iter().enumerate() {
            for column in &table.columns {
                let known = table.parent_names.iter().any(|(columns, ..)| columns.contains(&column.name));
                let Some(stem) = column.name.strip_suffix("_id").filter(|stem| !stem.is_empty() && !known)
                else {
                    continue;
                };
                let plural = [format!("{stem}s"), format!("{stem}es"), stem.to_owned()];
                let plural = stem.strip_suffix('y').map(|y| format!("{y}ies")).into_iter().chain(plural);
                let parent = plural
                    .filter_map(|name| self.index.get(&(Arc::clone(&table.schema), name.into())))
                    .find(|parent| **parent != n && self.tables[**parent].primary_key.len() == 1);
                found.extend(parent.map(|parent| (n, Arc::clone(&column.name), *parent)));
            }
        }
        found
    }

    /// The schema: who owns what follows from columns and foreign keys.
    pub fn finish(mut self) -> Schema {
        self.inherit();
        let known = |table: &Table| self.options.tenant_columns.iter().any(|column| table.has(column));
        if self.options.learn_column && !self.tables.iter().any(known) {
            self.options.tenant_columns.extend(column::learned(&self).map(|column| column.to_string()));
        }
        for (n, column, parent) in self.keys_by_name() {
            let of = &self.tables[parent];
            if self.options.keys_by_name {
                let name = (Arc::clone(&of.schema), Arc::clone(&of.name));
                self.tables[n].parent_names.push((vec![column], name, Vec::new()));
            } else {
                let parent_columns = of.primary_key.clone();
                self.tables[n].likely_keys.push(ForeignKey { columns: vec![column], parent, parent_columns });
            }
        }
        for n in 0..self.tables.len() {
            let table = &self.tables[n];
            let mut keys = Vec::new();
            for (columns, parent, parent_columns) in &table.parent_names {
                let Some(&parent) = self.index.get(parent) else { continue };
                let parent_columns = match parent_columns.is_empty() {
                    true => self.tables[parent].primary_key.clone(),
                    false => parent_columns.clone(),
                };
                if parent_columns.len() == columns.len() {
                    keys.push(ForeignKey { columns: columns.clone(), parent, parent_columns });
                }
            }
            let table = &mut self.tables[n];
            table.foreign_keys = keys;
            if self.options.tenants_tables.iter().any(|t| **t == *table.name || **t == *table.shown) {
                table.owner = Owner::Tenants;
                table.tenant = table.primary_key.first().cloned().or_else(|| Some("id".into()));
                continue;
            }
            let named = self.options.tenant_columns.iter().find(|c| table.has(c));
            if table.tenant.is_none() {
                table.tenant = named.map(|column| Arc::from(column.as_str()));
            }
            if table.tenant.is_some() {
                table.owner = Owner::Column;
            }
        }
        self.children();
        let (mut settings, mut texts) = (Vec::new(), Vec::new());
        for raw in std::mem::take(&mut self.policies) {
            let Some(&n) = self.index.get(&raw.table) else { continue };
            let table = &mut self.tables[n];
            let column = table.tenant.clone().unwrap_or_default();
            let setting =
                |text: &Option<String>| text.as_deref().and_then(|text| policy::setting(text, &column));
            let (using, check) = (setting(&raw.using), setting(&raw.check));
            let check = if raw.check.is_none() { using.clone() } else { check };
            settings.extend(using.iter().chain(&check).cloned());
            let RawPolicy { name, restrictive, command, .. } = raw;
            let policy = Policy { name, using, check, restrictive, command, ..Policy::default() };
            table.policies.push(policy);
            texts.push((n, table.policies.len() - 1, raw.using, raw.check));
        }
        // What else names a tenant is known when all settings are that a tenant column is compared with.
        for (n, policy, using, check) in texts {
            let table = &mut self.tables[n];
            let own = table.tenant.as_deref();
            let columns =
                self.options.tenant_columns.iter().map(String::as_str).chain(own).collect::<Vec<_>>();
            let keeps =
                |text: Option<&String>| text.is_some_and(|text| policy::keeps(text, &columns, &settings));
            let (old, new) = (keeps(using.as_ref()), keeps(check.as_ref().or(using.as_ref())));
            (table.policies[policy].keeps_old, table.policies[policy].keeps_new) = (old, new);
        }
        let mut by_name: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        for (n, table) in self.tables.iter().enumerate() {
            by_name.entry(Arc::clone(&table.name)).or_default().push(n);
        }
        let mut schema = Schema { tables: self.tables, by_name, options: self.options };
        view::settle(&mut schema, &self.views);
        schema
    }

    /// Tables that are owned through a parent: of theirs, of those, and so on.
    fn children(&mut self) {
        loop {
            let owned: Vec<bool> = self.tables.iter().map(Table::owned).collect();
            let mut more = false;
            for table in self.tables.iter_mut().filter(|t| t.owner == Owner::Nobody && !t.view) {
                let surely = |column: &Arc<str>| {
                    table.primary_key.contains(column)
                        || table.columns.iter().any(|c| c.name == *column && c.not_null)
                };
                let led = |key: &ForeignKey| owned[key.parent] && key.columns.iter().all(surely);
                if table.foreign_keys.iter().any(led) {
                    table.owner = Owner::Parent;
                    more = true;
                }
            }
            if !more {
                return;
            }
        }
    }

    /// Columns of parents come to the tables that inherit them.
    fn inherit(&mut self) {
        for n in 0..self.tables.len() {
            for parent in self.tables[n].inherits.clone() {
                let Some(&parent) = self.index.get(&parent) else { continue };
                let columns = self.tables[parent].columns.clone();
                let table = &mut self.tables[n];
                let new = columns.into_iter().filter(|c| !table.has(&c.name)).collect::<Vec<_>>();
                table.columns.extend(new);
            }
        }
    }
}
