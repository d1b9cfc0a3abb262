//! The listener behind `/metrics`.

use std::{
    convert::Infallible,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time,
};

use super::{Scrape, Store, scrape};
use crate::limits;

/// How often silent series are looked for.
const EXPIRY_ROUND: Duration = Duration::from_secs(10);
/// How long to wait after a failed accept (no file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(limits::PROMETHEUS_TIMEOUT_SECONDS);

struct Endpoint {
    own: PrometheusHandle,
    store: Arc<Store>,
    rendering: Semaphore,
}

/// Answers scrapes on `listener` until `stop` is ready, and expires silent series. `own` is the
/// handle of [`crate::telemetry::metrics::install`]. Connections that are open at the end are
/// closed.
pub async fn serve(
    listener: TcpListener,
    own: PrometheusHandle,
    store: Arc<Store>,
    stop: impl Future<Output = ()>,
) {
    let endpoint = Arc::new(Endpoint { own, store, rendering: Semaphore::new(limits::PROMETHEUS_SCRAPES) });
    let mut connections = JoinSet::new();
    let mut round = time::interval(EXPIRY_ROUND);
    let mut stop = std::pin::pin!(stop);
    loop {
        let full = connections.len() >= limits::PROMETHEUS_CONNECTIONS;
        tokio::select! {
            () = &mut stop => return,
            _ = connections.join_next(), if !connections.is_empty() => {}
            _ = round.tick() => {
                let store = Arc::clone(&endpoint.store);
                // A join error is a panic, which the runtime has reported.
                let _ = tokio::task::spawn_blocking(move || store.expire(unix_nanos())).await;
            }
            accepted = listener.accept(), if !full => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&endpoint)));
                }
                Err(error) => {
                    tracing::warn!(error = %error.kind(), "accept failed on the Prometheus endpoint");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, endpoint: Arc<Endpoint>) {
    let service = service_fn(|request: Request<Incoming>| {
        let endpoint = Arc::clone(&endpoint);
        async move {
            Ok::<_, Infallible>(
                endpoint.answer(request.method(), request.uri().path(), request.headers()).await,
            )
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(TIMEOUT);
    // A scraper that hangs up or is slow is its own trouble.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

impl Endpoint {
    async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        if path != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "not here; metrics are at /metrics\n");
        }
        if method != Method::GET && method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD only\n");
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let Ok(Ok(_permit)) = time::timeout(TIMEOUT, self.rendering.acquire()).await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at once\n");
        };
        let (own, store) = (self.own.clone(), Arc::clone(&self.store));
        let accept = joined(headers, &header::ACCEPT);
        let encoding = joined(headers, &header::ACCEPT_ENCODING);
        let rendered = tokio::task::spawn_blocking(move || {
            scrape(&own.render(), &store, accept.as_deref(), encoding.as_deref())
        });
        match rendered.await {
            Ok(Scrape { content_type, content_encoding, body }) => {
                let mut response = Response::new(Full::new(body));
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
                headers.insert(header::VARY, header::HeaderValue::from_static("accept, accept-encoding"));
                if let Some(encoding) = content_encoding {
                    headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static(encoding));
                }
                response
            }
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "rendering failed; the log says why\n"),
        }
    }
}

/// All values of a header as one list.
fn joined(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn unix_nanos() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::oneshot,
    };

    use super::*;
    use crate::export::prometheus::Settings;

    async fn ask(address: std::net::SocketAddr, head: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{head}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..at].to_vec()).unwrap().to_ascii_lowercase(), answer[at + 4..].to_vec())
    }

    /// Scenario: scrapes, plain and compressed, wrong paths and methods, a stop. Guarantee: the
    /// right format and status each time, and the listener ends.
    #[tokio::test]
    async fn scrapes_over_http() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let recorder = crate::telemetry::metrics::builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || metrics::gauge!("portcullis_journal_bytes").set(7.0));
        let (stop, stopped) = oneshot::channel::<()>();
        let store = Arc::new(Store::new(&Settings::default()));
        let served = tokio::spawn(serve(listener, recorder.handle(), store, async {
            let _ = stopped.await;
        }));

        let (head, body) = ask(address, "GET /metrics HTTP/1.1").await;
        assert!(head.starts_with("http/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
        assert_eq!(body, b"# TYPE portcullis_journal_bytes gauge\nportcullis_journal_bytes 7\n");

        let request = "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip";
        let (head, body) = ask(address, request).await;
        assert!(head.contains("content-encoding: gzip") && head.contains("openmetrics-text"), "{head}");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        assert!(text.ends_with("# EOF\n"), "{text}");

        assert!(ask(address, "GET / HTTP/1.1").await.0.starts_with("http/1.1 404"));
        assert!(ask(address, "POST /metrics HTTP/1.1").await.0.starts_with("http/1.1 405"));
        stop.send(()).unwrap();
        time::timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
    }
}
