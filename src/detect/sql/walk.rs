//! The state of one walk through a statement.

use std::{ops::ControlFlow, sync::Arc};

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName,
    ObjectNamePart, Query, Value as Literal, Visit, Visitor,
};

use super::{
    budget::Budget,
    facts::{inside, slots},
    level::{Col, Env, fold},
    query::Body,
    schema::Schema,
    shape::{Shape, Value},
    statement::{Equality, Missing, TableRef},
};
use crate::limits;

/// Where a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TenantSlot {
    pub slot: u32,
    /// The text of an array: `'{a,b}'`.
    pub array: bool,
}

/// What a statement does to its session, with slots for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Set { name: Name, value: Given, local: bool },
    Reset(Arc<str>),
    ResetAll,
    DiscardAll,
    Begin,
    Commit,
    Rollback,
}

/// The name of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Known(Arc<str>),
    Slot(u32),
}

/// What a setting is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Slot(u32),
    Default,
    Unknown,
}

/// A query with a name.
pub(super) struct Cte {
    pub name: Arc<str>,
    pub body: Body,
    pub used: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub missing: Vec<Missing>,
    pub tenants: Vec<TenantSlot>,
    pub acts: Vec<Act>,
    pub tables: Vec<TableRef>,
    pub schemas: Vec<Arc<str>>,
    pub equalities: Vec<Equality>,
    /// Tables of tenants' rows are touched.
    pub owned: bool,
}

/// One walk.
pub(super) struct Walk<'a> {
    pub schema: &'a Schema,
    pub shape: &'a Shape,
    pub text: &'a str,
    pub noted: Noted,
    pub ctes: Vec<Cte>,
    /// The values that are read now are texts of arrays.
    pub array: bool,
    /// What it may still cost.
    pub budget: Budget,
}

/// The number of the slot that a value is.
pub(super) fn slot(e: &Expr) -> Option<u32> {
    let value = match e {
        Expr::Value(value) => &value.value,
        Expr::TypedString(typed) => &typed.value.value,
        Expr::Prefixed { value, .. } => return slot(value),
        _ => return None,
    };
    literal_slot(value)
}

fn literal_slot(value: &Literal) -> Option<u32> {
    match value {
        Literal::Number(number, _) => number.parse().ok(),
        Literal::SingleQuotedString(text) => text.parse().ok(),
        Literal::Placeholder(text) => text.strip_prefix('$')?.parse().ok(),
        _ => None,
    }
}

/// The parts of a name, as PostgreSQL takes them.
pub(super) fn parts(name: &ObjectName) -> Option<(Option<Arc<str>>, Arc<str>)> {
    let ident = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Some(Arc::<str>::from(fold(ident).as_ref())),
        ObjectNamePart::Function(_) => None,
    };
    match name.0.as_slice() {
        [table] => Some((None, ident(table)?)),
        [.., schema, table] => Some((Some(ident(schema)?), ident(table)?)),
        [] => None,
    }
}

/// Adds what is missing; what is said already is not said again.
pub(super) fn add(all: &mut Vec<Missing>, one: Missing) {
    let same = |m: &&mut Missing| {
        m.table == one.table && m.alias == one.alias && m.reason == one.reason && m.predicate == one.predicate
    };
    match all.iter_mut().find(same) {
        Some(there) => there.by_key &= one.by_key,
        None => all.push(one),
    }
}

impl<'a> Walk<'a> {
    pub fn new(schema: &'a Schema, shape: &'a Shape, text: &'a str) -> Self {
        Walk {
            schema,
            shape,
            text,
            noted: Noted::default(),
            ctes: Vec::new(),
            array: false,
            budget: Budget::default(),
        }
    }

    /// Notes a tenant that stands in a value.
    pub fn tenant(&mut self, value: &Expr) {
        self.tenants(&slots(value));
    }

    /// Notes tenants that stand in slots.
    pub fn tenants(&mut self, slots: &[u32]) {
        for &slot in slots {
            let found = TenantSlot { slot, array: self.array };
            if !self.noted.tenants.contains(&found) && self.noted.tenants.len() < limits::SQL_TENANTS {
                self.noted.tenants.push(found);
            }
        }
    }

    /// Notes a table.
    pub fn table_seen(&mut self, schema: Option<Arc<str>>, name: Arc<str>, owned: bool) {
        self.noted.owned |= owned;
        self.budget.spend(1 + self.noted.tables.len() + self.noted.schemas.len());
        if let Some(schema) = &schema
            && !self.noted.schemas.contains(schema)
        {
            self.noted.schemas.push(Arc::clone(schema));
        }
        let seen = TableRef { schema, name, owned };
        if !self.noted.tables.contains(&seen) {
            self.noted.tables.push(seen);
        }
    }

    /// Notes what is missing for good.
    pub fn missed(&mut self, missing: impl IntoIterator<Item = Missing>) {
        for one in missing {
            if !self.budget.spend(1 + self.noted.missing.len()) {
                return;
            }
            add(&mut self.noted.missing, one);
        }
    }

    pub fn equality(&mut self, table: &str, column: &Arc<str>) {
        let new = Equality { table: table.into(), column: Arc::clone(column) };
        if !self.noted.equalities.contains(&new) && self.noted.equalities.len() < limits::SQL_EQUALITIES {
            self.noted.equalities.push(new);
        }
    }

    /// Whether an expression is `TRUE` or `FALSE`.
    pub fn truth(&self, e: &Expr) -> Option<bool> {
        match inside(e) {
            Expr::Value(value) => match value.value {
                Literal::Boolean(truth) => Some(truth),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a comparison of two constants holds: `1 = 0`.
    pub fn compared(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<bool> {
        let constant = |e: &Expr| {
            let Expr::Value(value) = e else { return None };
            let slot = self.shape.slots.get(literal_slot(&value.value)? as usize)?;
            matches!(slot.value, Value::Num | Value::Str)
                .then(|| (slot.value, &self.text[slot.start..slot.end]))
        };
        let (left, right) = (constant(left)?, constant(right)?);
        match op {
            _ if left.0 != right.0 => None,
            BinaryOperator::Eq => Some(left.1 == right.1),
            BinaryOperator::NotEq => Some(left.1 != right.1),
            _ => None,
        }
    }

    /// Whether a column of the list of tenants tells which one: its key, or one that is unique.
    pub fn names_tenant(&self, col: &Col) -> bool {
        let Some((table, column)) = &col.origin else { return false };
        let table = self.schema.table(*table);
        if table.columns.is_empty() {
            return true;
        }
        let alone = |columns: &[Arc<str>]| matches!(columns, [only] if only == column);
        alone(&table.primary_key) || table.uniques.iter().any(|(_, columns)| alone(columns))
    }

    /// Whether a column is a foreign key that leads to another, alone.
    pub fn leads(&self, child: &Col, parent: &Col) -> bool {
        let (Some((child, from)), Some((parent, to))) = (&child.origin, &parent.origin) else { return false };
        self.schema.table(*child).foreign_keys.iter().any(|key| {
            key.parent == *parent
                && key.columns.iter().eq(std::iter::once(from))
                && key.parent_columns.iter().eq(std::iter::once(to))
        })
    }

    /// Judges the queries that stand in expressions.
    pub fn nested(&mut self, of: &impl Visit, env: &Env<'_>, handled: &[*const Query]) {
        let _ = of.visit(&mut Nested { walk: self, env, depth: 0, handled });
    }
}

/// Finds queries in expressions, and calls of `set_config`.
struct Nested<'w, 'a, 'e> {
    walk: &'w mut Walk<'a>,
    env: &'e Env<'e>,
    depth: usize,
    handled: &'e [*const Query],
}

impl Visitor for Nested<'_, '_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth == 0 && !self.handled.iter().any(|of| std::ptr::eq(*of, query)) {
            let body = self.walk.query(query, self.env);
            self.walk.missed(body.missing);
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
        if let (0, Expr::Function(function)) = (self.depth, e) {
            self.walk.set_config(function);
        }
        ControlFlow::Continue(())
    }
}

impl Walk<'_> {
    /// `set_config(name, value, is_local)`.
    fn set_config(&mut self, function: &Function) {
        let FunctionArguments::List(list) = &function.args else { return };
        let named = parts(&function.name).is_some_and(|(schema, name)| {
            *name == *"set_config" && schema.is_none_or(|schema| *schema == *"pg_catalog")
        });
        let arguments: Vec<&Expr> = list
            .args
            .iter()
            .filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(inside(e)),
                _ => None,
            })
            .collect();
        let ([name, value, local], true) = (arguments.as_slice(), named) else { return };
        let name = match (slot(name), name) {
            (Some(slot), _) => Name::Slot(slot),
            (None, Expr::Value(value)) => match &value.value {
                Literal::SingleQuotedString(name) => Name::Known(name.to_ascii_lowercase().into()),
                _ => return,
            },
            _ => return,
        };
        let value = slot(value).map_or(Given::Unknown, Given::Slot);
        // Where it isn't known it is taken for the shorter one.
        let local = self.truth(local) != Some(false);
        self.noted.acts.push(Act::Set { name, value, local });
    }
}
