//! Where data comes in: OTLP over gRPC and HTTP, and NDJSON.
//!
//! A body stays raw bytes. Its share of the in-flight budget is reserved before it is read, its size is held
//! to the limit on the wire and again while it is decompressed, and the reply says only what
//! [`Intake`] answered: nothing is acknowledged here.

mod body;
mod cors;
mod door;
mod grpc;
mod http;
pub mod listener;
pub mod ndjson;
pub mod reply;
pub mod settings;
pub mod status;
mod subject;
pub mod tls;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

pub use self::settings::Settings;
use self::{
    grpc::Grpc,
    http::Http,
    listener::{Handler, Peer, Server},
    tls::TlsFiles,
};
use crate::gateway::Intake;

/// The running receivers.
#[derive(Debug)]
pub struct Receivers {
    grpc: Option<Server>,
    http: Option<Server>,
    serving: Arc<AtomicBool>,
}

impl Receivers {
    /// Binds every configured address first, then serves. Needs a tokio runtime.
    ///
    /// # Errors
    /// A setting out of its bounds, an unusable TLS file, or an address that cannot be listened on;
    /// in each case nothing is left running.
    pub async fn start(settings: &Settings, intake: Arc<dyn Intake>) -> io::Result<Self> {
        settings.validate().map_err(invalid)?;
        let serving = Arc::new(AtomicBool::new(true));
        let grpc = match &settings.grpc {
            None => None,
            Some(grpc) => Some((
                listener::bind("receivers.grpc.endpoint", grpc.endpoint).await?,
                load(grpc.tls.as_ref(), "receivers.grpc.tls")?,
            )),
        };
        let http = match &settings.http {
            None => None,
            Some(http) => Some((
                listener::bind("receivers.http.endpoint", http.endpoint).await?,
                load(http.tls.as_ref(), "receivers.http.tls")?,
            )),
        };
        let mut receivers = Receivers { grpc: None, http: None, serving: Arc::clone(&serving) };
        if let (Some((socket, tls)), Some(settings)) = (grpc, &settings.grpc) {
            let service = Arc::new(Grpc {
                intake: Arc::clone(&intake),
                max_recv_bytes: settings.max_recv_bytes,
                body_timeout: settings.connection.body_timeout,
                serving,
            });
            let handler: Handler =
                Arc::new(move |request, peer: Peer| Box::pin(Arc::clone(&service).handle(request, peer)));
            receivers.grpc = Some(listener::start(socket, tls, settings.connection.clone(), handler)?);
        }
        if let (Some((socket, tls)), Some(settings)) = (http, &settings.http) {
            let service = Arc::new(Http {
                intake,
                max_recv_bytes: settings.max_recv_bytes,
                body_timeout: settings.connection.body_timeout,
                cors: settings.cors.clone(),
            });
            let handler: Handler =
                Arc::new(move |request, peer: Peer| Box::pin(Arc::clone(&service).handle(request, peer)));
            receivers.http = Some(listener::start(socket, tls, settings.connection.clone(), handler)?);
        }
        Ok(receivers)
    }

    /// Where gRPC listens, with the real port.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(Server::address)
    }

    /// Where HTTP listens, with the real port.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(Server::address)
    }

    /// The gRPC health service answers NOT_SERVING from here on; requests are still served.
    pub fn unready(&self) {
        self.serving.store(false, Relaxed);
    }

    /// Stops accepting and waits for the open requests until `deadline`; whether all ended in time.
    pub async fn shutdown(self, deadline: Duration) -> bool {
        self.unready();
        let stop = |server: Option<Server>| async move {
            match server {
                Some(server) => server.shutdown(deadline).await,
                None => true,
            }
        };
        let (grpc, http) = tokio::join!(stop(self.grpc), stop(self.http));
        grpc && http
    }
}

fn load(tls: Option<&settings::Tls>, at: &str) -> io::Result<Option<Arc<TlsFiles>>> {
    let loaded = tls.map(TlsFiles::load).transpose();
    Ok(loaded.map_err(|error| invalid(format!("{at}: {error}")))?.map(Arc::new))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
