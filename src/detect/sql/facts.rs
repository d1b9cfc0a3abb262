//! What a condition says of the rows that it holds for.
//!
//! A condition keeps a row only where it is true, not where it is null, so `facts(e)` are those that follow from `e`
//! being true, and `facts(NOT e)` those that follow from it being false.

use std::{ops::ControlFlow, ops::Range, sync::Arc};

use sqlparser::ast::{BinaryOperator, Expr, Query, SetExpr, UnaryOperator, Visit, Visitor};

use super::{
    level::{Col, Env, Level, Role},
    statement::Reason,
    values::{Slots, arguments, parts_of_row, rows},
    walk::{Walk, slot},
};

/// What holds where a condition is true.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// It is true for no row.
    pub never: bool,
    /// It is true whatever the row.
    pub always: bool,
    /// Aliases whose tenant is a value.
    pub bound: Vec<usize>,
    /// Aliases' columns that equal one another.
    pub pairs: Vec<(usize, Col, usize, Col)>,
    /// Aliases' columns that equal a value.
    pub keys: Vec<(usize, Arc<str>)>,
    /// Aliases' columns that are joined by a foreign key to a row around that is kept to a tenant.
    pub held: Vec<(usize, Arc<str>)>,
    /// Aliases that are not filled up with nulls.
    pub strict: Vec<usize>,
}

impl Facts {
    pub fn and(&mut self, other: Facts) {
        self.never |= other.never;
        self.always &= other.always;
        self.bound.extend(other.bound);
        self.pairs.extend(other.pairs);
        self.keys.extend(other.keys);
        self.held.extend(other.held);
        self.strict.extend(other.strict);
    }

    fn len(&self) -> usize {
        self.bound.len() + self.pairs.len() + self.keys.len() + self.held.len() + self.strict.len()
    }

    fn or(arms: Vec<Facts>) -> Facts {
        let mut arms = arms.into_iter().filter(|arm| !arm.never);
        let Some(mut all) = arms.next() else { return Facts { never: true, ..Facts::default() } };
        for arm in arms {
            all.always |= arm.always;
            all.bound.retain(|alias| arm.bound.contains(alias));
            all.pairs.retain(|pair| arm.pairs.contains(pair));
            all.keys.retain(|key| arm.keys.contains(key));
            all.held.retain(|key| arm.held.contains(key));
            all.strict.retain(|alias| arm.strict.contains(alias));
        }
        all
    }
}

/// One side of a comparison.
pub(super) enum Side {
    Here(usize, Col),
    Around(Col, bool),
    /// No column of a table has a part in it; its slots.
    Value(Slots),
    Query,
    Other,
}

/// Reads conditions of one level.
pub(super) struct Reader<'w, 'a, 'e> {
    pub walk: &'w mut Walk<'a>,
    pub level: &'e Level,
    pub env: &'e Env<'e>,
    /// The aliases of the subqueries that are looked at, the innermost last.
    pub inner: Vec<Range<usize>>,
    /// What went wrong.
    pub notes: Vec<(usize, Reason)>,
}

impl Reader<'_, '_, '_> {
    /// The facts of `e`, or of `NOT e`.
    pub fn facts(&mut self, e: &Expr, not: bool) -> Facts {
        if !self.walk.budget.spend(1) {
            return Facts::default();
        }
        match e {
            Expr::Nested(e) => self.facts(e, not),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => self.facts(expr, !not),
            Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                self.chain(e, op, not)
            }
            Expr::BinaryOp { left, op, right } => self.comparison(left, op, right, not),
            Expr::IsTrue(e) if !not => self.facts(e, false),
            Expr::IsFalse(e) if !not => self.facts(e, true),
            Expr::IsNull(e) => self.null(e, not),
            Expr::IsNotNull(e) => self.null(e, !not),
            Expr::IsNotDistinctFrom(a, b) if !not => self.equal(a, b, false),
            Expr::IsDistinctFrom(a, b) if not => self.equal(a, b, false),
            Expr::In { expr, target, negated, .. } => self.among(expr, target, *negated != not),
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } if !not => {
                self.walk.array = true;
                let facts = match inside(right) {
                    Expr::Subquery(query) => self.in_query(left, query),
                    right => self.equal(left, right, true),
                };
                self.walk.array = false;
                facts
            }
            Expr::Exists { subquery, negated } if *negated == not => self.semi(subquery),
            e if !not && coalesced(self.walk, e).is_some() => match coalesced(self.walk, e) {
                Some(e) => self.facts(e, false),
                None => Facts::default(),
            },
            e => match self.walk.truth(e) {
                Some(truth) => Facts { never: truth == not, always: truth != not, ..Facts::default() },
                None => self.unread(e, if not { Reason::Negated } else { Reason::NotEquality }),
            },
        }
    }

    /// A chain of `AND` or `OR`, however long, without going deeper for each.
    fn chain(&mut self, e: &Expr, op: &BinaryOperator, not: bool) -> Facts {
        let mut terms = Vec::new();
        let mut at = e;
        while let Expr::BinaryOp { left, op: this, right } = at
            && this == op
        {
            terms.push(&**right);
            at = left;
        }
        terms.push(at);
        let arms: Vec<Facts> = terms.into_iter().rev().map(|term| self.facts(term, not)).collect();
        if (*op == BinaryOperator::And) != not {
            let mut all = Facts { always: true, ..Facts::default() };
            arms.into_iter().for_each(|arm| all.and(arm));
            return all;
        }
        let mut open: Vec<usize> =
            arms.iter().filter(|arm| !arm.never).flat_map(|arm| arm.bound.iter().copied()).collect();
        let always = arms.iter().any(|arm| arm.always);
        let all = self.or(arms);
        self.walk.budget.spend(open.len() * all.bound.len() / 8);
        open.retain(|alias| !all.bound.contains(alias));
        let reason = if always { Reason::AlwaysTrue } else { Reason::Or };
        self.notes.extend(open.into_iter().map(|alias| (alias, reason)));
        all
    }

    /// What follows from each of these. Looking for each fact of one among those of another has its price.
    pub fn or(&mut self, arms: Vec<Facts>) -> Facts {
        let first = arms.iter().find(|arm| !arm.never).map_or(0, Facts::len);
        let steps = arms.iter().map(|arm| 1 + first * arm.len() / 8).sum();
        if self.walk.budget.spend(steps) { Facts::or(arms) } else { Facts::default() }
    }

    fn comparison(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, not: bool) -> Facts {
        if let Some(truth) = self.walk.compared(left, op, right) {
            return Facts { never: truth == not, always: truth != not, ..Facts::default() };
        }
        // `(a = b) = true`
        if *op == BinaryOperator::Eq {
            for (e, with) in [(left, right), (right, left)] {
                if let (Some(truth), None) = (self.walk.truth(with), self.walk.truth(e))
                    && !matches!(inside(e), Expr::Identifier(_) | Expr::CompoundIdentifier(_))
                {
                    return self.facts(inside(e), truth == not);
                }
            }
        }
        match (op, not) {
            (BinaryOperator::Eq, false) | (BinaryOperator::NotEq, true) => self.equal(left, right, true),
            (BinaryOperator::Eq, true) | (BinaryOperator::NotEq, false) => {
                let mut facts = self.unread(left, Reason::Negated);
                facts.and(self.unread(right, Reason::Negated));
                self.strict(&mut facts, [left, right]);
                facts
            }
            _ => {
                let mut facts = self.unread(left, Reason::NotEquality);
                facts.and(self.unread(right, Reason::NotEquality));
                let compares = matches!(
                    op,
                    BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq
                );
                if compares {
                    self.strict(&mut facts, [left, right]);
                }
                facts
            }
        }
    }

    /// Columns that are compared are not null.
    fn strict(&mut self, facts: &mut Facts, sides: [&Expr; 2]) {
        for side in sides {
            if let Side::Here(alias, _) = self.side(side) {
                facts.strict.push(alias);
            }
        }
    }

    /// `a = b`; `strict` where a null on either side makes it untrue.
    pub fn equal(&mut self, a: &Expr, b: &Expr, strict: bool) -> Facts {
        if let (Some(a), Some(b)) = (parts_of_row(a), parts_of_row(b))
            && a.len() == b.len()
        {
            let mut all = Facts::default();
            a.into_iter().zip(b).for_each(|(a, b)| all.and(self.equal(a, b, strict)));
            return all;
        }
        let mut facts = Facts::default();
        match (self.side(a), self.side(b)) {
            (Side::Here(alias, col), Side::Value(slots)) | (Side::Value(slots), Side::Here(alias, col)) => {
                self.value(&mut facts, alias, col, &slots, strict)
            }
            (Side::Here(a, col), Side::Here(b, other)) if a == b => {
                if col.tenant && col == other {
                    self.notes.push((a, Reason::AlwaysTrue));
                }
            }
            (Side::Here(a, col), Side::Here(b, other)) => {
                if strict {
                    facts.strict.extend([a, b]);
                }
                facts.pairs.push((a, col, b, other));
            }
            (Side::Here(alias, col), Side::Around(outer, relied))
            | (Side::Around(outer, relied), Side::Here(alias, col)) => {
                let parent = self.walk.leads(&col, &outer);
                if relied && (col.tenant && outer.tenant || parent) {
                    facts.bound.push(alias);
                }
                if relied && self.walk.schema.joins(&col, &outer) {
                    facts.held.push((alias, Arc::clone(&col.name)));
                }
                if strict {
                    facts.strict.push(alias);
                }
            }
            (Side::Here(..), Side::Query) => {
                if let Expr::Subquery(query) = inside(b) {
                    return self.in_query(a, query);
                }
            }
            (Side::Query, Side::Here(..)) => {
                if let Expr::Subquery(query) = inside(a) {
                    return self.in_query(b, query);
                }
            }
            _ => {
                facts.and(self.unread(a, Reason::NotEquality));
                facts.and(self.unread(b, Reason::NotEquality));
            }
        }
        facts
    }

    /// A column that equals a value.
    pub fn value(&mut self, facts: &mut Facts, alias: usize, col: Col, slots: &[u32], strict: bool) {
        if strict {
            facts.strict.push(alias);
        }
        let told = self.level.aliases[alias].role == Role::Tenants && self.walk.names_tenant(&col);
        if col.tenant || told {
            facts.bound.push(alias);
            if col.tenant || *col.name == *"slug" {
                self.walk.tenants(slots);
            }
        }
        facts.keys.push((alias, col.name));
    }

    /// `e IS NULL`, or with `not` that it isn't. Rows without a tenant are nobody's.
    fn null(&mut self, e: &Expr, not: bool) -> Facts {
        let mut facts = Facts::default();
        match self.side(e) {
            Side::Here(alias, col) if !not => {
                if col.tenant && !col.loose {
                    facts.bound.push(alias);
                }
            }
            Side::Here(alias, col) => {
                facts.strict.push(alias);
                if col.tenant {
                    self.notes.push((alias, Reason::Negated));
                }
            }
            _ => return self.unread(e, Reason::NotEquality),
        }
        facts
    }

    /// A condition that says nothing; tenants' columns in it were not asked for as they should.
    pub fn unread(&mut self, e: &Expr, reason: Reason) -> Facts {
        let mut names = Names { reader: self, depth: 0, reason, seen: false };
        let _ = e.visit(&mut names);
        Facts::default()
    }

    pub fn side(&mut self, e: &Expr) -> Side {
        match inside(e) {
            Expr::Identifier(name) => self.named(std::slice::from_ref(name)),
            Expr::CompoundIdentifier(names) => self.named(names),
            Expr::Subquery(query) => match &*query.body {
                // `(SELECT current_setting(..))`: computed once, and a value.
                SetExpr::Select(select) if select.from.is_empty() && select.selection.is_none() => {
                    match select.projection.first().and_then(super::query::expression) {
                        Some(e) if select.projection.len() == 1 => match self.side(e) {
                            Side::Value(slots) => Side::Value(slots),
                            _ => Side::Other,
                        },
                        _ => Side::Other,
                    }
                }
                _ => Side::Query,
            },
            e => {
                let mut names = Names { reader: self, depth: 0, reason: Reason::NoPredicate, seen: false };
                let _ = e.visit(&mut names);
                if names.seen { Side::Other } else { Side::Value(slots(e).into()) }
            }
        }
    }

    fn named(&mut self, names: &[sqlparser::ast::Ident]) -> Side {
        // Without its table a name is looked for among the columns of each.
        if !self.walk.budget.spend(self.level.aliases.len() * if names.len() == 1 { 4 } else { 1 }) {
            return Side::Other;
        }
        if let Some((alias, col)) = self.level.lookup(self.walk.schema, names, &self.inner) {
            // What a list of values shows is a value, too.
            return match col.value {
                Some(slots) => Side::Value(slots),
                None => Side::Here(alias, col),
            };
        }
        match self.env.lookup(self.walk.schema, names) {
            Some((Col { value: Some(slots), .. }, _)) => Side::Value(slots),
            Some((col, relied)) => Side::Around(col, relied),
            None => Side::Other,
        }
    }
}

/// An expression without what does not change which rows it holds for.
pub(super) fn inside(mut e: &Expr) -> &Expr {
    loop {
        e = match e {
            Expr::Nested(e) => e,
            Expr::Cast { expr, .. } => expr,
            Expr::Collate { expr, .. } => expr,
            e => return e,
        };
    }
}

/// Looks for names of columns.
struct Names<'r, 'w, 'a, 'e> {
    reader: &'r mut Reader<'w, 'a, 'e>,
    depth: usize,
    reason: Reason,
    seen: bool,
}

impl Visitor for Names<'_, '_, '_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.seen = true;
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let side = match e {
            Expr::Identifier(name) => self.reader.named(std::slice::from_ref(name)),
            Expr::CompoundIdentifier(names) => self.reader.named(names),
            Expr::Function(function) => {
                self.seen |= rows(function);
                return ControlFlow::Continue(());
            }
            _ => return ControlFlow::Continue(()),
        };
        if let Side::Value(_) = side {
            return ControlFlow::Continue(());
        }
        self.seen = true;
        if let Side::Here(alias, col) = side
            && col.tenant
            && self.reason != Reason::NoPredicate
        {
            self.reader.notes.push((alias, self.reason));
        }
        ControlFlow::Continue(())
    }
}

/// The condition of `coalesce(condition, false)`.
fn coalesced<'e>(walk: &Walk<'_>, e: &'e Expr) -> Option<&'e Expr> {
    match arguments(inside(e), "coalesce")?.as_slice() {
        [e, otherwise] if walk.truth(otherwise) == Some(false) => Some(e),
        _ => None,
    }
}

/// Numbers of slots of a value: of itself, or of each element of an array.
pub(super) fn slots(e: &Expr) -> Vec<u32> {
    match inside(e) {
        Expr::Array(array) => array.elem.iter().flat_map(slots).collect(),
        Expr::Tuple(parts) => parts.iter().flat_map(slots).collect(),
        e => slot(e).into_iter().collect(),
    }
}
