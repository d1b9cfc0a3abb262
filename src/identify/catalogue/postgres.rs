//! The catalogue from a PostgreSQL query: asked again on a timer, and at once when a channel is notified.

use std::{future::poll_fn, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use futures_util::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    task::AbortHandle,
};
use tokio_postgres::{AsyncMessage, Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{config::Secret, identify::settings::PostgresSettings, limits};

/// A database, and what it said last.
pub(super) struct Database {
    config: Config,
    tls: MakeRustlsConnect,
    query: String,
    channel: Option<String>,
    open: Option<Open>,
    notified: Arc<Notify>,
    /// Of the last answer.
    digest: Option<[u8; 32]>,
}

/// A connection that is up; its task ends with it.
struct Open {
    client: Client,
    task: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Database {
    pub fn new(settings: &PostgresSettings) -> Result<Self, String> {
        let given = (!settings.url.is_empty()).then_some(&settings.url);
        let url = Secret::resolve(given, settings.url_file.as_deref())
            .map_err(|error| format!("postgres.url: {error}"))?
            .ok_or("postgres.url: missing; expected postgresql://user:password@host/database")?;
        // The parser's own message may repeat parts of the URL.
        let mut config: Config = url.expose().parse().map_err(|_| {
            "postgres.url: not a connection string; expected postgresql://user:password@host/database"
                .to_owned()
        })?;
        if config.get_application_name().is_none() {
            config.application_name("portcullis");
        }
        if settings.query.trim().is_empty() {
            return Err("postgres.query: empty; expected a SELECT with a column `id`".into());
        }
        let query = settings.query.trim().trim_end_matches(';');
        Ok(Database {
            config,
            tls: MakeRustlsConnect::new(tls(settings)?),
            query: format!(
                "SELECT row_to_json(tenant)::text FROM ({query}) AS tenant LIMIT {}",
                limits::TENANTS + 1
            ),
            channel: settings.notify.clone(),
            open: None,
            notified: Arc::default(),
            digest: None,
        })
    }

    pub async fn fetch(&mut self) -> Result<Option<String>, String> {
        let read = self.read().await;
        if read.is_err() {
            // Whatever is wrong with it: the next try has a new one.
            self.open = None;
        }
        let text = read?;
        let mut sum = [0; 32];
        sum.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        let new = self.digest != Some(sum);
        self.digest = Some(sum);
        Ok(new.then_some(text))
    }

    /// Waits for a time, or for a notification.
    pub async fn wait(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, self.notified.notified()).await;
    }

    async fn read(&mut self) -> Result<String, String> {
        let open = match self.open.take().filter(|open| !open.client.is_closed()) {
            Some(open) => open,
            None => self.connect().await?,
        };
        let open = self.open.insert(open);
        let said = |error: tokio_postgres::Error| format!("the query of tenants: {}", plain(&error));
        // Row by row: all of them at once would take several times the memory.
        let rows = open.client.query_raw(&self.query, std::iter::empty::<&str>()).await.map_err(said)?;
        let mut rows = std::pin::pin!(rows);
        let mut text = String::from("[");
        while let Some(row) = rows.next().await {
            let row = entry(row.map_err(said)?.try_get(0).map_err(said)?)?;
            if (text.len() + row.len()) as u64 > limits::CATALOGUE_BYTES {
                return Err(format!("the query of tenants: more than {} bytes", limits::CATALOGUE_BYTES));
            }
            text.push_str(if text.len() > 1 { ",\n" } else { "\n" });
            text.push_str(&row);
        }
        text.push_str("\n]\n");
        Ok(text)
    }

    async fn connect(&self) -> Result<Open, String> {
        let said = |error: tokio_postgres::Error| format!("PostgreSQL: {}", plain(&error));
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(said)?;
        let task = tokio::spawn(drive(connection, Arc::clone(&self.notified)));
        let open = Open { client, task: task.abort_handle() };
        open.client.batch_execute("SET default_transaction_read_only = on").await.map_err(said)?;
        if let Some(channel) = &self.channel {
            let channel = channel.replace('"', "\"\"");
            open.client.batch_execute(&format!("LISTEN \"{channel}\"")).await.map_err(said)?;
        }
        Ok(open)
    }
}

/// Runs a connection; a notification, or its end, ends the wait.
async fn drive<S, T>(mut connection: Connection<S, T>, notified: Arc<Notify>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notification(_))) => notified.notify_one(),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break,
        }
    }
    notified.notify_one();
}

/// A row as an entry of the catalogue: columns that are null are left out.
fn entry(row: &str) -> Result<String, String> {
    let mut row: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(row).map_err(|_| "the query of tenants: a row is no JSON object".to_owned())?;
    row.retain(|_, value| !value.is_null());
    serde_json::to_string(&row).map_err(|error| error.to_string())
}

/// What an error says, with its cause, and nothing of the data: the server's details and hints may repeat values, and
/// so may its messages about them (classes 22 and 23).
pub(crate) fn plain(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) if db.code().code().starts_with("22") || db.code().code().starts_with("23") => {
            format!("a value that the query cannot take (SQLSTATE {})", db.code().code())
        }
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

pub(crate) fn tls(settings: &PostgresSettings) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_file {
        Some(file) => {
            let named =
                |error: &dyn std::fmt::Display| format!("postgres.ca_file: {}: {error}", file.display());
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| named(&error))? {
                roots.add(certificate.map_err(|error| named(&error))?).map_err(|error| named(&error))?;
            }
            if roots.is_empty() {
                return Err(named(&"no certificate in it; expected PEM"));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
