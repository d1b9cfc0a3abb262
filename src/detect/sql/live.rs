//! A schema from a database that runs.

use std::sync::Arc;

use tokio_postgres::{Client, Error, Row};

use super::{
    policy::{Command, Rls},
    schema::{Column, Options, RawPolicy, Schema, SchemaBuilder},
    view::View,
};

/// Tables and their columns; nothing of the system's own.
const COLUMNS: &str = "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relrowsecurity, \
     c.relforcerowsecurity, a.attname::text, a.attnotnull, pg_get_expr(d.adbin, d.adrelid) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
     WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
     ORDER BY c.oid, a.attnum";

/// Keys: primary, unique, foreign.
const KEYS: &str = "SELECT n.nspname::text, c.relname::text, k.conname::text, k.contype::text, \
     ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, at) \
           JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.at), \
     fn.nspname::text, f.relname::text, \
     ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, at) \
           JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.at) \
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace \
     WHERE k.contype IN ('p', 'u', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

/// Unique indexes over plain columns and all rows.
const INDEXES: &str = "SELECT n.nspname::text, c.relname::text, i.relname::text, \
     ARRAY(SELECT a.attname::text FROM unnest(x.indkey::int2[]) WITH ORDINALITY u(num, at) \
           JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.num \
           WHERE u.at <= x.indnkeyatts ORDER BY u.at) \
     FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     JOIN pg_class i ON i.oid = x.indexrelid \
     WHERE x.indisunique AND x.indpred IS NULL AND x.indexprs IS NULL \
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

const POLICIES: &str = "SELECT schemaname::text, tablename::text, policyname::text, permissive::text, qual, with_check, cmd::text \
     FROM pg_policies ORDER BY 1, 2, 3";

const VIEWS: &str = "SELECT n.nspname::text, c.relname::text, pg_get_viewdef(c.oid) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('v', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY c.oid";

type Name = (Arc<str>, Arc<str>);

fn name(row: &Row, at: usize) -> Result<Name, Error> {
    Ok((row.try_get::<_, &str>(at)?.into(), row.try_get::<_, &str>(at + 1)?.into()))
}

fn names(row: &Row, at: usize) -> Result<Vec<Arc<str>>, Error> {
    Ok(row.try_get::<_, Vec<&str>>(at)?.into_iter().map(Arc::from).collect())
}

impl Schema {
    /// Reads the catalogues of the database that `client` is connected to.
    ///
    /// # Errors
    /// A catalogue cannot be read.
    pub async fn from_database(client: &Client, options: Options) -> Result<Self, Error> {
        let mut builder = SchemaBuilder::new(options);
        for row in client.query(COLUMNS, &[]).await? {
            let (schema, table) = name(&row, 0)?;
            let table = builder.table(&schema, &table);
            table.whole = true;
            table.rls = match (row.try_get(3)?, row.try_get(4)?) {
                (false, _) => Rls::Off,
                (true, false) => Rls::Enabled,
                (true, true) => Rls::Forced,
            };
            let default: Option<&str> = row.try_get(7)?;
            table.columns.push(Column {
                name: row.try_get::<_, &str>(5)?.into(),
                not_null: row.try_get(6)?,
                from_setting: default.is_some_and(|default| default.contains("current_setting(")),
            });
        }
        for row in client.query(KEYS, &[]).await? {
            let (schema, table) = name(&row, 0)?;
            let (constraint, kind): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
            let columns = names(&row, 4)?;
            let table = builder.table(&schema, &table);
            match kind {
                "f" => table.parent_names.push((columns, name(&row, 5)?, names(&row, 7)?)),
                _ => {
                    if kind == "p" {
                        table.primary_key = columns.clone();
                    }
                    table.uniques.push((constraint.into(), columns));
                }
            }
        }
        for row in client.query(INDEXES, &[]).await? {
            let (schema, table) = name(&row, 0)?;
            let index = row.try_get::<_, &str>(2)?.into();
            builder.table(&schema, &table).uniques.push((index, names(&row, 3)?));
        }
        for row in client.query(POLICIES, &[]).await? {
            builder.raw_policy(RawPolicy {
                table: name(&row, 0)?,
                name: row.try_get::<_, &str>(2)?.into(),
                restrictive: row.try_get::<_, &str>(3)? == "RESTRICTIVE",
                using: row.try_get(4)?,
                check: row.try_get(5)?,
                command: Command::parse(row.try_get::<_, &str>(6)?),
            });
        }
        for row in client.query(VIEWS, &[]).await? {
            let (schema, name) = name(&row, 0)?;
            let query: String = row.try_get(2)?;
            let query = query.trim().trim_end_matches(';').to_owned();
            builder.view(View { schema, name, columns: Vec::new(), query });
        }
        Ok(builder.finish())
    }
}
