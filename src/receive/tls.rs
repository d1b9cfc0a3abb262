//! TLS and mTLS from PEM files, read again when they change. Open connections keep what they have.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use tokio::{net::TcpStream, task::AbortHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};

use super::{settings::Tls, subject};
use crate::limits;

/// The TLS configuration of a listener, kept up to date with its files.
#[derive(Debug)]
pub struct TlsFiles {
    current: Arc<ArcSwap<ServerConfig>>,
    watcher: AbortHandle,
}

impl Drop for TlsFiles {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl TlsFiles {
    /// Reads the files and starts to watch them. Needs a tokio runtime.
    ///
    /// # Errors
    /// Names the file, and what was expected in it.
    pub fn load(settings: &Tls) -> Result<Self, String> {
        let mut files = Files::read(settings)?;
        let current = Arc::new(ArcSwap::from_pointee(files.config()?));
        let (target, settings) = (Arc::clone(&current), settings.clone());
        let watcher = tokio::spawn(async move {
            let every = settings.reload_interval.max(std::time::Duration::from_millis(100));
            loop {
                tokio::time::sleep(every).await;
                let settings = settings.clone();
                let Ok(read) = tokio::task::spawn_blocking(move || Files::read(&settings)).await else {
                    return;
                };
                match read {
                    Ok(new) if new == files => {}
                    Ok(new) => {
                        match new.config() {
                            Ok(config) => {
                                target.store(Arc::new(config));
                                tracing::info!(cert_file = %new.cert.0.display(), "TLS files reloaded");
                            }
                            Err(error) => tracing::warn!(
                                error,
                                "TLS files changed but are not usable; the old ones stay"
                            ),
                        }
                        // Also when they are unusable: said once for each change.
                        files = new;
                    }
                    Err(error) => tracing::debug!(error, "TLS files cannot be read now; the old ones stay"),
                }
            }
        })
        .abort_handle();
        Ok(TlsFiles { current, watcher })
    }

    /// Shakes hands; returns the stream and who the client's certificate says it is.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<Arc<str>>)> {
        let stream = TlsAcceptor::from(self.current.load_full()).accept(stream).await?;
        let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let subject = leaf.map(|cert| Arc::from(subject::describe(cert)));
        Ok((stream, subject))
    }
}

/// The files' bytes: compared to see a change, however they were replaced.
#[derive(PartialEq)]
struct Files {
    cert: (PathBuf, Vec<u8>),
    key: (PathBuf, Vec<u8>),
    client_ca: Option<(PathBuf, Vec<u8>)>,
}

impl Files {
    fn read(settings: &Tls) -> Result<Self, String> {
        let read = |path: &PathBuf| Ok::<_, String>((path.clone(), read_bounded(path)?));
        Ok(Files {
            cert: read(&settings.cert_file)?,
            key: read(&settings.key_file)?,
            client_ca: settings.client_ca_file.as_ref().map(read).transpose()?,
        })
    }

    fn config(&self) -> Result<ServerConfig, String> {
        let chain = certificates(&self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key.1).map_err(|_| {
            format!("{}: expected a PEM private key (PKCS#8, PKCS#1 or SEC1)", self.key.0.display())
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS versions: {error}"))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for cert in certificates(file)? {
                    roots.add(cert).map_err(|error| format!("{}: {error}", file.0.display()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| format!("{}: {error}", file.0.display()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            format!("{} and {} do not belong together: {error}", self.cert.0.display(), self.key.0.display())
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certificates((path, bytes): &(PathBuf, Vec<u8>)) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>().ok();
    found
        .filter(|certs| !certs.is_empty())
        .ok_or_else(|| format!("{}: expected at least one PEM certificate", path.display()))
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(limits::TLS_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    if bytes.len() as u64 > limits::TLS_FILE_BYTES {
        return Err(format!("{}: over the limit of {} bytes", path.display(), limits::TLS_FILE_BYTES));
    }
    Ok(bytes)
}
