//! Policies of row level security: the setting that they compare the tenant with.

use std::{ops::ControlFlow, sync::Arc};

use sqlparser::{
    ast::{BinaryOperator, Expr, Visit, Visitor},
    dialect::PostgreSqlDialect,
    parser::Parser,
};

use super::{facts::inside, level::fold};
use crate::limits;

/// Row level security of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rls {
    /// None.
    #[default]
    Off,
    /// For all but its owner.
    Enabled,
    /// For its owner, too.
    Forced,
}

/// What a policy of row level security may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// `SELECT`, and what reads besides.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`, and `ON CONFLICT DO UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
}

impl Command {
    /// All of them.
    pub const ALL: [Command; 4] = [Command::Select, Command::Insert, Command::Update, Command::Delete];

    /// Of a word, in letters of any size. `None` for `ALL`, and what is no command.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let words = ["select", "insert", "update", "delete"];
        words.iter().position(|w| w.eq_ignore_ascii_case(word)).map(|n| Self::ALL[n])
    }
}

/// A policy of row level security.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Its name.
    pub name: Arc<str>,
    /// The setting that `USING` compares the tenant column with, if it does that and no less.
    pub using: Option<Arc<str>>,
    /// The same of `WITH CHECK`; of `USING` where there is none.
    pub check: Option<Arc<str>>,
    /// `AS RESTRICTIVE`: it must hold besides others.
    pub restrictive: bool,
    /// The command that it is for; all where it names none.
    pub command: Option<Command>,
    /// What `USING` asks names the tenant, in each arm of an `OR`.
    pub keeps_old: bool,
    /// The same of `WITH CHECK`; of `USING` where there is none.
    pub keeps_new: bool,
}

impl Policy {
    /// Whether it keeps the rows of a command to a tenant.
    pub(super) fn keeps(&self, command: Command) -> bool {
        match command {
            Command::Select | Command::Delete => self.keeps_old,
            Command::Insert => self.keeps_new,
            Command::Update => self.keeps_old && self.keeps_new,
        }
    }
}

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

/// Whether what a policy asks names the tenant: one of these columns, or one of these settings; of an `OR` each arm.
pub(super) fn keeps(text: &str, columns: &[&str], settings: &[Arc<str>]) -> bool {
    let dialect = PostgreSqlDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(limits::SQL_DEPTH);
    let parsed = parser.try_with_sql(text).ok().and_then(|mut parser| parser.parse_expr().ok());
    // What cannot be read keeps nothing: it would be trusted blindly.
    parsed.is_some_and(|e| kept(&e, columns, settings))
}

fn kept(e: &Expr, columns: &[&str], settings: &[Arc<str>]) -> bool {
    match inside(e) {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            kept(left, columns, settings) || kept(right, columns, settings)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            kept(left, columns, settings) && kept(right, columns, settings)
        }
        e => {
            struct Names<'a>(&'a [&'a str]);
            impl Visitor for Names<'_> {
                type Break = ();

                fn pre_visit_expr(&mut self, e: &Expr) -> ControlFlow<()> {
                    let name = match e {
                        Expr::Identifier(name) => Some(name),
                        Expr::CompoundIdentifier(names) => names.last(),
                        _ => None,
                    };
                    match name.is_some_and(|name| self.0.contains(&&*fold(name))) {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                }
            }
            e.visit(&mut Names(columns)).is_break() || asked(e).is_some_and(|name| settings.contains(&name))
        }
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
