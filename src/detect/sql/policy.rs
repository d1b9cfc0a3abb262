//! Policies of row level security: the setting that they compare the tenant with.

use std::{ops::ControlFlow, sync::Arc};

use sqlparser::{
    ast::{BinaryOperator, Expr, Visit, Visitor},
    dialect::PostgreSqlDialect,
    parser::Parser,
};

use super::{facts::inside, level::fold};
use crate::limits;

/// The setting that an expression compares a column with: `tenant_id = current_setting('app.tenant')::uuid`, alone or
/// with further conditions.
pub(super) fn setting(text: &str, column: &str) -> Option<Arc<str>> {
    let dialect = PostgreSqlDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(limits::SQL_DEPTH);
    let e = parser.try_with_sql(text).ok()?.parse_expr().ok()?;
    compared(&e, column)
}

fn compared(e: &Expr, column: &str) -> Option<Arc<str>> {
    match inside(e) {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            compared(left, column).or_else(|| compared(right, column))
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let is = |e: &Expr| match inside(e) {
                Expr::Identifier(name) => fold(name) == column,
                Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| fold(name) == column),
                _ => false,
            };
            match (is(left), is(right)) {
                (true, false) => asked(right),
                (false, true) => asked(left),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The setting that an expression reads.
fn asked(e: &Expr) -> Option<Arc<str>> {
    struct Asked(Option<Arc<str>>);
    impl Visitor for Asked {
        type Break = ();

        fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
            use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments, Value};
            let Expr::Function(function) = e else { return ControlFlow::Continue(()) };
            let FunctionArguments::List(list) = &function.args else { return ControlFlow::Continue(()) };
            let named =
                super::walk::parts(&function.name).is_some_and(|(_, name)| *name == *"current_setting");
            if let (true, Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(e)))) = (named, list.args.first())
                && let Expr::Value(value) = inside(e)
                && let Value::SingleQuotedString(name) = &value.value
            {
                self.0 = Some(name.to_ascii_lowercase().into());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    let mut asked = Asked(None);
    let _ = e.visit(&mut asked);
    asked.0
}
