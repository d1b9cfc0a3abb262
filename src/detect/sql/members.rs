//! Conditions over lists and subqueries: `IN`, `= ANY`, `EXISTS`.

use sqlparser::ast::{Expr, InTarget, Query, SetExpr};

use super::{
    facts::{Facts, Reader, Side},
    query::expression,
    statement::Reason,
    values::parts_of_row,
};

impl Reader<'_, '_, '_> {
    pub fn among(&mut self, e: &Expr, target: &InTarget, not: bool) -> Facts {
        match target {
            _ if not => self.unread(e, Reason::Negated),
            InTarget::List(list) => {
                let arms: Vec<Facts> = list.iter().map(|value| self.equal(e, value, true)).collect();
                self.or(arms)
            }
            InTarget::Subquery(query) => self.in_query(e, query),
            InTarget::Unnest(array) => {
                self.walk.array = true;
                let facts = self.equal(e, array, true);
                self.walk.array = false;
                facts
            }
            InTarget::Table { .. } => self.unread(e, Reason::NotEquality),
        }
    }

    /// `e IN (query)`, and `e = (query)`, which says no less.
    pub fn in_query(&mut self, e: &Expr, query: &Query) -> Facts {
        if let SetExpr::Values(values) = &*query.body {
            let rows = values.rows.iter().map(|row| row.content.iter().collect::<Vec<_>>());
            let arms: Vec<Facts> = rows.map(|row| self.row(e, &row)).collect();
            return self.or(arms);
        }
        let outputs: Vec<&Expr> = match &*query.body {
            SetExpr::Select(select) => select.projection.iter().filter_map(expression).collect(),
            _ => Vec::new(),
        };
        if let SetExpr::Select(select) = &*query.body
            && select.from.is_empty()
            && select.projection.len() == outputs.len()
        {
            // One row of values: `IN (SELECT $1)`.
            return self.row(e, &outputs);
        }
        let mut facts = self.semi(query);
        let inner = self.level.semis.iter().find(|(of, _)| std::ptr::eq(*of, query)).map(|(_, r)| r.clone());
        let given = parts_of_row(e).unwrap_or_else(|| vec![e]);
        if let Some(inner) = inner
            && given.len() == outputs.len()
        {
            for (given, output) in given.into_iter().zip(outputs) {
                // Names of the one side mean nothing on the other.
                let left = self.side(given);
                self.inner.push(inner.clone());
                let right = self.side(output);
                self.inner.pop();
                match (left, right) {
                    (Side::Here(a, col), Side::Here(b, other)) if a != b => {
                        facts.strict.push(a);
                        facts.pairs.push((a, col, b, other));
                    }
                    (Side::Here(a, col), Side::Value(slots)) => self.value(&mut facts, a, col, &slots, true),
                    _ => {}
                }
            }
        }
        if let Side::Here(alias, col) = self.side(e)
            && col.tenant
        {
            self.notes.push((alias, Reason::Subquery));
        }
        facts
    }

    /// `e = (row)`.
    fn row(&mut self, e: &Expr, row: &[&Expr]) -> Facts {
        let mut all = Facts::default();
        match (parts_of_row(e), row) {
            (Some(parts), row) if parts.len() == row.len() => {
                parts.into_iter().zip(row).for_each(|(part, value)| all.and(self.equal(part, value, true)));
            }
            (None, [value]) => all.and(self.equal(e, value, true)),
            _ => {}
        }
        all
    }

    /// A subquery that must have a row, read as a join with its tables.
    pub fn semi(&mut self, query: &Query) -> Facts {
        let Some((_, range)) = self.level.semis.iter().find(|(of, _)| std::ptr::eq(*of, query)) else {
            return Facts::default();
        };
        let SetExpr::Select(select) = &*query.body else { return Facts::default() };
        self.inner.push(range.clone());
        let mut facts = Facts::default();
        let notes = self.notes.len();
        for condition in super::from::conditions(&select.from).chain(&select.selection) {
            facts.and(self.facts(condition, false));
        }
        self.notes.truncate(notes);
        self.inner.pop();
        facts
    }
}
