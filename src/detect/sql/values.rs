//! What is a value: an expression in which no column and no query has a part.

use std::{ops::ControlFlow, sync::Arc};

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, TableFactor, Visit, Visitor,
};

use super::{facts::inside, walk::slot};

/// The slots of a value, or of the values that a column shows.
pub(super) type Slots = Arc<[u32]>;

/// The slots of all values in it, if there is nothing else in it.
pub(super) fn constant(of: &impl Visit) -> Option<Slots> {
    struct Constant(Vec<u32>);
    impl Visitor for Constant {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
            match e {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => return ControlFlow::Break(()),
                Expr::Function(function) if rows(function) => return ControlFlow::Break(()),
                e => self.0.extend(slot(e)),
            }
            ControlFlow::Continue(())
        }
    }
    let mut found = Constant(Vec::new());
    of.visit(&mut found).is_continue().then(|| found.0.into())
}

/// Whether a function in a `FROM` gives what its arguments hold, and nothing besides: `unnest($1)`.
pub(super) fn unpacks(factor: &TableFactor) -> bool {
    let name = match factor {
        TableFactor::UNNEST { .. } => return true,
        TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => name,
        _ => return false,
    };
    super::walk::parts(name).is_some_and(|(_, name)| {
        let json = name.strip_prefix("jsonb_").or_else(|| name.strip_prefix("json_"));
        let of_json =
            ["array_elements", "array_elements_text", "populate_recordset", "to_recordset", "to_record"];
        matches!(&*name, "unnest" | "string_to_table") || json.is_some_and(|rest| of_json.contains(&rest))
    })
}

/// Whether a function looks at rows or makes some: `count(*)`, `f(t.*)`, over a window, `generate_series(1, 9)`.
pub(super) fn rows(function: &Function) -> bool {
    let star = |arg: &FunctionArg| {
        let (FunctionArg::Unnamed(of)
        | FunctionArg::Named { arg: of, .. }
        | FunctionArg::ExprNamed { arg: of, .. }) = arg;
        !matches!(of, FunctionArgExpr::Expr(_))
    };
    let stars = matches!(&function.args, FunctionArguments::List(list) if list.args.iter().any(star));
    let makes = super::walk::parts(&function.name).is_some_and(|(_, name)| *name == *"generate_series");
    stars || makes || function.over.is_some()
}

/// The arguments of a function of that name, if they are plain.
pub(super) fn arguments<'e>(e: &'e Expr, name: &str) -> Option<Vec<&'e Expr>> {
    let Expr::Function(function) = e else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    let named =
        super::walk::parts(&function.name).is_some_and(|(schema, of)| schema.is_none() && *of == *name);
    let plain = |arg: &'e FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
        _ => None,
    };
    if named && function.over.is_none() { list.args.iter().map(plain).collect() } else { None }
}

/// The parts of a row: `(a, b)`, `ROW(a, b)`.
pub(super) fn parts_of_row(e: &Expr) -> Option<Vec<&Expr>> {
    match inside(e) {
        Expr::Tuple(parts) => Some(parts.iter().collect()),
        e => arguments(e, "row"),
    }
}
