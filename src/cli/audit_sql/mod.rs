//! `audit-sql`: which statements of a log don't keep to one tenant.

mod approvals;
mod database;
mod inputs;
mod report;
mod sarif;
mod shown;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::{Code, Failure, say, show};
use crate::{
    detect::sql::{Declared, Options, Owner, Schema},
    identify::from_yaml,
    limits,
};
use approvals::Approvals;
use inputs::{Format, Prefix};
use report::{Audit, Verdicts};

/// The options of `portcullis audit-sql`.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("of").required(true).args(["schema", "schema_from", "tables"]))]
pub struct AuditSqlArgs {
    /// Logs and lists of statements; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "pg_stat_statements")]
    pub inputs: Vec<PathBuf>,
    /// The format of the files
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// `log_line_prefix` of stderr logs, as SHOW log_line_prefix says it
    #[arg(long, value_name = "PREFIX", default_value = "%m [%p] ")]
    pub log_line_prefix: String,
    /// Judge the statements that this database counts (pg_stat_statements): postgres://user@host/database
    #[arg(long, value_name = "URL")]
    pub pg_stat_statements: Option<String>,
    /// The schema, as pg_dump --schema-only writes it
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// The schema of this database: postgres://user@host/database
    #[arg(long, value_name = "URL")]
    pub schema_from: Option<String>,
    /// A YAML list of tables with their tenant columns, in place of a schema
    #[arg(long, value_name = "FILE")]
    pub tables: Option<PathBuf>,
    /// A PEM file with the certificates that sign the databases' own; default: those of the system
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Names of tenant columns; where no table has a `tenant_id`, the one is taken that row level security asks for, or
    /// that most tables have
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "tenant_id")]
    pub tenant_column: Vec<String>,
    /// The table of the tenants themselves
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "tenants")]
    pub tenants_table: Vec<String>,
    /// How names of tenants' own schemas begin
    #[arg(long, value_name = "START", value_delimiter = ',', default_value = "tenant_")]
    pub tenant_schema: Vec<String>,
    /// How to report
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// A YAML list of statements that are approved: fingerprint, owner, reason, expires
    #[arg(long, value_name = "FILE")]
    pub approve: Option<PathBuf>,
    /// Statements over tables that row level security protects: trust it, or report them
    #[arg(long, value_enum, default_value_t = Rls::Report)]
    pub rls: Rls,
    /// Statements whose rows are chosen by primary key: allow them, or report them
    #[arg(long, value_enum, default_value_t = ByKey::Allow)]
    pub by_key: ByKey,
}

/// How to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// What to do with statements that row level security may scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Rls {
    /// They are no findings
    Trust,
    /// They are findings
    Report,
}

/// What to do with statements by primary key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ByKey {
    /// They are no findings
    Allow,
    /// They are findings
    Report,
}

/// Runs it: [`Code::Failed`] if there are findings.
///
/// # Errors
/// The schema, the approvals or an input cannot be read: [`Code::Usage`].
pub fn run(args: &AuditSqlArgs) -> Result<Code, Failure> {
    let prefix = Prefix::new(&args.log_line_prefix).map_err(Failure::usage)?;
    let approvals = match &args.approve {
        Some(path) => Approvals::parse(&path.display().to_string(), &whole(path)?)?,
        None => Approvals::default(),
    };
    let mut audit = Audit::new(Arc::new(schema(args)?));
    for path in &args.inputs {
        inputs::read(path, args.format, &prefix, &mut audit)?;
    }
    if let Some(url) = &args.pg_stat_statements {
        database::statements(url, args.ca_file.as_deref(), &mut audit)?;
    }
    let verdicts = Verdicts { approvals: &approvals, rls: args.rls, by_key: args.by_key };
    let report = audit.report(&verdicts);
    show(&match args.output {
        Output::Text => shown::text(&report),
        Output::Json => shown::json(&report),
        Output::Sarif => sarif::sarif(&report),
    })?;
    if args.output != Output::Text {
        say(&shown::summary(&report));
    }
    Ok(if report.findings.is_empty() { Code::Ok } else { Code::Failed })
}

/// A file as text, within bounds.
fn whole(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let failed = |error: std::io::Error| Failure::usage(format!("{name}: {error}"));
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > limits::AUDIT_SCHEMA_BYTES {
        return Err(Failure::usage(format!("{name}: larger than {} bytes", limits::AUDIT_SCHEMA_BYTES)));
    }
    fs::read_to_string(path).map_err(failed)
}

/// A list of tables.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    tables: Vec<TableEntry>,
}

/// A table of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableEntry {
    name: String,
    #[serde(default)]
    column: Option<String>,
    #[serde(default)]
    key: Vec<String>,
    /// For a table without a tenant column: the column that leads to its parent, and the parent.
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    parent: Option<String>,
}

/// Every tenant column must be one of some table: under a wrong name, all statements would pass.
fn tenant_columns(schema: Schema, of: &str, columns: &[String]) -> Result<Schema, Failure> {
    let missing = |column: &&String| !schema.tables().iter().any(|table| table.has(column));
    let learned =
        columns == ["tenant_id"] && schema.tables().iter().any(|table| table.owner == Owner::Column);
    match columns.iter().find(missing) {
        None => Ok(schema),
        Some(_) if learned => Ok(schema),
        Some(column) => Err(Failure::usage(format!(
            "--tenant-column {column}: none of the {} tables and views of {of} has such a column; expected the column \
             that says whose a row is, as the schema writes it",
            schema.tables().len()
        ))),
    }
}

fn schema(args: &AuditSqlArgs) -> Result<Schema, Failure> {
    let options = Options {
        tenant_columns: args.tenant_column.clone(),
        learn_column: args.tenant_column == ["tenant_id"],
        tenants_tables: args.tenants_table.clone(),
        tenant_schemas: args.tenant_schema.clone(),
        ..Options::default()
    };
    if let Some(url) = &args.schema_from {
        let schema = database::schema(url, args.ca_file.as_deref(), options)?;
        return tenant_columns(schema, "--schema-from", &args.tenant_column);
    }
    if let Some(path) = &args.schema {
        let name = path.display().to_string();
        let schema = Schema::from_dump(&whole(path)?, options);
        let schema = schema.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        return tenant_columns(schema, &name, &args.tenant_column);
    }
    let path = args.tables.as_deref().unwrap_or(Path::new(""));
    let failed = |error: String| Failure::usage(format!("{}: {error}", path.display()));
    let tables: Tables = from_yaml(&whole(path)?).map_err(failed)?;
    let mut declared = Vec::new();
    for table in tables.tables {
        if table.by.is_some() != table.parent.is_some() || (table.column.is_none() && table.by.is_none()) {
            let wanted = "expected `column`, or `by` and `parent` of a table without a tenant column";
            return Err(failed(format!("{}: {wanted}", table.name)));
        }
        declared.push(Declared {
            name: table.name,
            column: table.column,
            key: table.key,
            references: table.by.into_iter().zip(table.parent).collect(),
        });
    }
    Schema::declared(&declared, options).map_err(failed)
}
