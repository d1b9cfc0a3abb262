//! What `audit-sql` asks a database for: its schema, and the statements that it counts.

use std::path::Path;

use futures_util::StreamExt;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{super::Failure, inputs::Entry, report::Audit};
use crate::{
    detect::sql::{Options, Schema},
    identify::{PostgresSettings, catalogue},
};

const STATEMENTS: &str = "SELECT s.query, s.calls, coalesce(r.rolname::text, '') \
     FROM pg_stat_statements s LEFT JOIN pg_roles r ON r.oid = s.userid \
     WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     ORDER BY s.calls DESC, s.queryid";

/// Reads the schema.
///
/// # Errors
/// The database cannot be reached or read.
pub(super) fn schema(url: &str, ca_file: Option<&Path>, options: Options) -> Result<Schema, Failure> {
    with(url, ca_file, "--schema-from", async |client| {
        let schema = Schema::from_database(client, options).await;
        schema.map_err(|error| catalogue::plain(&error))
    })
}

/// Judges what pg_stat_statements counts for this database.
///
/// # Errors
/// The database cannot be reached or read.
pub(super) fn statements(url: &str, ca_file: Option<&Path>, audit: &mut Audit) -> Result<(), Failure> {
    audit.file("pg_stat_statements");
    with(url, ca_file, "--pg-stat-statements", async |client| {
        let said = |error: tokio_postgres::Error| catalogue::plain(&error);
        let rows = client.query_raw(STATEMENTS, std::iter::empty::<&str>()).await.map_err(said)?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.next().await {
            let row = row.map_err(said)?;
            // Another role's statements are not shown to everybody.
            let Some(text) = row.try_get::<_, Option<&str>>(0).map_err(said)? else { continue };
            let calls: i64 = row.try_get(1).map_err(said)?;
            audit.entry(&Entry {
                text,
                count: u64::try_from(calls).unwrap_or(0),
                user: row.try_get(2).map_err(said)?,
                ..Entry::default()
            });
        }
        Ok(())
    })
}

/// Connects, reads and closes. The session is read-only.
fn with<T>(
    url: &str,
    ca_file: Option<&Path>,
    option: &str,
    read: impl AsyncFnOnce(&Client) -> Result<T, String>,
) -> Result<T, Failure> {
    let failed = |error: String| Failure::usage(format!("{option}: {error}"));
    // The parser's own message may repeat parts of the URL.
    let mut config: Config = url.parse().map_err(|_| {
        failed("not a connection string; expected postgresql://user:password@host/database".into())
    })?;
    if config.get_application_name().is_none() {
        config.application_name("portcullis");
    }
    let settings = PostgresSettings { ca_file: ca_file.map(Into::into), ..PostgresSettings::default() };
    let tls = MakeRustlsConnect::new(catalogue::tls(&settings).map_err(failed)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    runtime.block_on(async {
        let said = |error: tokio_postgres::Error| failed(catalogue::plain(&error));
        let (client, connection) = config.connect(tls).await.map_err(said)?;
        let task = tokio::spawn(connection);
        client.batch_execute("SET default_transaction_read_only = on").await.map_err(said)?;
        let result = read(&client).await.map_err(failed);
        drop(client);
        let _ = task.await;
        result
    })
}
