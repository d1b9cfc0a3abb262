//! Whether a SQL statement keeps to one tenant's rows.
//!
//! ```text
//! text -> tokens -> shape (values become slots) -> cache by shape -> parser -> query, write: facts -> solve -> Statement
//! ```
//!
//! A [`Schema`] says which tables hold tenants' rows and how: a tenant column, or a foreign key to a table that has
//! one. A [`Judge`] reads texts against it. What it says of a text holds no value of it, except for the tenants that
//! it names ([`TenantRef::Literal`]) and the settings that it makes ([`Context`]); those are for comparing, never for
//! showing.
//!
//! The rules, and their limits, are those of `docs/audit-sql.md`.

mod budget;
mod cache;
mod column;
mod dump;
mod facts;
mod from;
mod level;
mod live;
mod members;
mod policy;
mod query;
mod rewrite;
mod schema;
mod shape;
mod shown;
mod shows;
mod solve;
mod statement;
mod tokens;
mod utility;
mod values;
mod view;
mod walk;
mod write;

mod judge;

#[cfg(test)]
mod tests;

pub use judge::Judge;
pub use policy::{Command, Policy, Rls};
pub use schema::{Declared, ForeignKey, Options, Owner, Schema, SchemaBuilder, Table};
pub use statement::{
    Context, Equality, Missing, Reason, Scope, Shaped, Statement, TableRef, TenantRef, Verb, Worth,
};
