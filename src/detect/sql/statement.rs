//! What is said of a statement.

use std::{fmt, ops::Deref, sync::Arc};

/// A tenant that a statement names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TenantRef {
    /// As the text has it, without quotes; at most [`crate::limits::SQL_TENANT_BYTES`]. Never to be shown.
    Literal(Box<str>),
    /// A parameter, from 1: `$n` by its number, others (`?`, `%s`, `:name`) by their place among the parameters.
    Parameter(u32),
}

/// What a setting is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worth {
    /// As the text has it, without quotes. Never to be shown.
    Literal(Box<str>),
    /// A parameter, numbered as in [`TenantRef::Parameter`].
    Parameter(u32),
    /// Several, as of `search_path`.
    List(Vec<Box<str>>),
    /// `DEFAULT`, or `NONE` of a role.
    Default,
    /// Computed by the database.
    Unknown,
}

/// What a statement does to its session. In the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// `SET`, `set_config(..)`. A role is the setting `role`, a session's user `session_authorization`.
    Set {
        /// In small letters.
        name: Arc<str>,
        /// What to.
        value: Worth,
        /// Until the transaction ends.
        local: bool,
    },
    /// `RESET name`.
    Reset {
        /// In small letters.
        name: Arc<str>,
    },
    /// `RESET ALL`.
    ResetAll,
    /// `DISCARD ALL`.
    DiscardAll,
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`, `PREPARE TRANSACTION`.
    Commit,
    /// `ROLLBACK`, `ABORT`; not to a savepoint.
    Rollback,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `SELECT`, `VALUES`, `TABLE`.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `TRUNCATE`.
    Truncate,
    /// `COPY` of a table or a query.
    Copy,
    /// A setting, or an end of a transaction.
    Session,
    /// Anything else.
    Other,
}

impl Verb {
    /// As a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Select => "select",
            Verb::Insert => "insert",
            Verb::Update => "update",
            Verb::Delete => "delete",
            Verb::Merge => "merge",
            Verb::Truncate => "truncate",
            Verb::Copy => "copy",
            Verb::Session => "session",
            Verb::Other => "other",
        }
    }
}

/// Why a table is not kept to one tenant. Of several that hold, the first in this order is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// `TRUNCATE`, `COPY`, or a view that cannot be kept to a tenant.
    WholeTable,
    /// A row is written without its tenant, or with what is no tenant.
    Insert,
    /// `ON CONFLICT DO UPDATE` may meet another tenant's row.
    OnConflict,
    /// The predicate always holds: `OR 1 = 1`, `tenant_id = tenant_id`.
    AlwaysTrue,
    /// An arm of an `OR` leaves the tenant open.
    Or,
    /// The predicate stands in the `ON` of an outer join that keeps this table's rows anyway.
    OuterJoin,
    /// The predicate says which tenant it is not.
    Negated,
    /// The tenant column is compared otherwise than by equality with a value.
    NotEquality,
    /// A tenant is asked for in a subquery alone.
    Subquery,
    /// A tenant is asked for of another table, to which this one is not tied.
    OtherTable,
    /// Nothing asks for a tenant.
    NoPredicate,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 11] = [
        Reason::WholeTable,
        Reason::Insert,
        Reason::OnConflict,
        Reason::AlwaysTrue,
        Reason::Or,
        Reason::OuterJoin,
        Reason::Negated,
        Reason::NotEquality,
        Reason::Subquery,
        Reason::OtherTable,
        Reason::NoPredicate,
    ];

    /// As a word, for rules and reports. It does not change between versions.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::WholeTable => "whole-table",
            Reason::Insert => "insert",
            Reason::OnConflict => "on-conflict",
            Reason::AlwaysTrue => "always-true",
            Reason::Or => "or",
            Reason::OuterJoin => "outer-join",
            Reason::Negated => "negated",
            Reason::NotEquality => "not-equality",
            Reason::Subquery => "subquery",
            Reason::OtherTable => "other-table",
            Reason::NoPredicate => "no-predicate",
        }
    }

    /// As a sentence.
    pub fn message(self) -> &'static str {
        match self {
            Reason::WholeTable => "the whole table is read or written",
            Reason::Insert => "a row is written without the tenant it belongs to",
            Reason::OnConflict => "ON CONFLICT DO UPDATE may change another tenant's row",
            Reason::AlwaysTrue => "the predicate on the tenant always holds",
            Reason::Or => "an arm of an OR leaves the tenant open",
            Reason::OuterJoin => {
                "the predicate stands in the ON of an outer join that keeps the table's rows anyway"
            }
            Reason::Negated => "the predicate says which tenant it is not",
            Reason::NotEquality => "the tenant column is compared otherwise than by equality with a value",
            Reason::Subquery => "the tenant is asked for in a subquery alone",
            Reason::OtherTable => "the tenant is asked for of another table, to which this one is not tied",
            Reason::NoPredicate => "nothing asks for a tenant",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A table of a statement that is not kept to one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// `schema.name`, or `name` in the default schema.
    pub table: Arc<str>,
    /// The name that it has in the statement.
    pub alias: Arc<str>,
    /// Why not.
    pub reason: Reason,
    /// What is missing: `"documents"."tenant_id" = ?`. Empty where no predicate would help.
    pub predicate: Arc<str>,
    /// Its rows are chosen by their primary key (a table without a tenant column: also by its foreign key), by a
    /// value, or over a foreign key by a row that is kept to one tenant.
    pub by_key: bool,
    /// Row level security keeps what is done with it to a tenant, as far as its policies are read.
    pub rls: bool,
}

/// Whether a statement keeps to one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// It touches no rows of tenants.
    NotOwned,
    /// Each table of tenants is kept to a tenant.
    Scoped,
    /// These are not. Never empty.
    Unscoped(Vec<Missing>),
    /// It could not be read; it is not judged.
    Unparsed,
}

/// A table that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRef {
    /// As qualified in the text.
    pub schema: Option<Arc<str>>,
    /// In small letters, unless quoted.
    pub name: Arc<str>,
    /// It holds tenants' rows.
    pub owned: bool,
}

/// A column that is compared with a value by equality, where the whole `WHERE` (or `ON`) asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equality {
    /// As in [`Missing::table`]; empty where it could not be told.
    pub table: Arc<str>,
    /// The column.
    pub column: Arc<str>,
}

/// What is the same for all texts of one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shaped {
    /// Of the normalised text. It does not change between versions of one lexer.
    pub fingerprint: u64,
    /// The text without values, comments and white space; safe to show. At most
    /// [`crate::limits::SQL_NORMALIZED_BYTES`]; of a text that could not be read, names are `_`.
    pub normalized: Arc<str>,
    /// Of the first statement that isn't about the session.
    pub verb: Verb,
    /// Whether it keeps to one tenant.
    pub scope: Scope,
    /// It is unscoped, and each [`Missing`] is [`Missing::by_key`].
    pub by_primary_key: bool,
    /// It is unscoped, and row level security protects each table that is missing a predicate: a setting of the
    /// session may keep it to a tenant.
    pub rls: bool,
    /// The settings that policies of those tables read.
    pub rls_settings: Vec<Arc<str>>,
    /// Qualifiers of tables.
    pub schemas: Vec<Arc<str>>,
    /// Tables and views.
    pub tables: Vec<TableRef>,
    /// Columns compared with values.
    pub equalities: Vec<Equality>,
}

/// What is said of one text. What does not depend on its values is behind `Deref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub(super) shaped: Arc<Shaped>,
    /// The tenants that it names, each once, in the order of the text; at most [`crate::limits::SQL_TENANTS`].
    pub tenants: Vec<TenantRef>,
    /// What it does to the session.
    pub context: Vec<Context>,
}

impl Deref for Statement {
    type Target = Shaped;

    fn deref(&self) -> &Shaped {
        &self.shaped
    }
}
