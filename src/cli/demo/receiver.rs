//! The receiving end: OTLP over HTTP, decoded by the official classes, counted and searched.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::KeyValue,
    resource::v1::Resource,
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    look::{self, Search},
    sample::{self, Shown},
};
use crate::{batch::Signal, detect, limits};

/// What has arrived.
#[derive(Debug, Clone, Default)]
pub struct Arrived {
    /// Items of the company, by signal and tenant; findings that the gate reports are not among them.
    pub items: BTreeMap<(Signal, String), u64>,
    /// Log records that tell of findings.
    pub findings: u64,
    /// Requests.
    pub requests: u64,
    /// Requests that could not be read.
    pub unreadable: u64,
    /// Planted values that got through, by their number.
    pub planted: BTreeSet<usize>,
    /// Where: kind and signal, never the value.
    pub planted_where: BTreeSet<String>,
    /// The sample records, by their number.
    pub samples: BTreeMap<i64, Shown>,
}

impl Arrived {
    /// Items of the company, of all signals and tenants.
    pub fn total(&self) -> u64 {
        self.items.values().sum()
    }

    /// Items of one signal.
    pub fn of(&self, signal: Signal) -> u64 {
        self.items.iter().filter(|((of, _), _)| *of == signal).map(|(_, count)| count).sum()
    }

    fn count(&mut self, signal: Signal, resource: Option<&Resource>, own: &[KeyValue], items: u64) {
        let tenant = tenant(own).or_else(|| tenant(resource.map_or(&[], |resource| &resource.attributes)));
        *self.items.entry((signal, tenant.unwrap_or_default())).or_default() += items;
    }

    fn take(&mut self, signal: Signal, body: &[u8], search: &Search) -> Result<(), prost::DecodeError> {
        let mut hits = BTreeSet::new();
        search.bytes(body, &mut |hit| hits.extend([hit]));
        let mut see = |text: &str| search.text(text, &mut |hit| hits.extend([hit]));
        match signal {
            Signal::Logs => {
                let request = ExportLogsServiceRequest::decode(body)?;
                look::logs(&request, &mut see);
                self.logs(&request);
            }
            Signal::Traces => {
                let request = ExportTraceServiceRequest::decode(body)?;
                look::traces(&request, &mut see);
                self.traces(&request);
            }
            Signal::Metrics => {
                let mut request = ExportMetricsServiceRequest::decode(body)?;
                for group in std::mem::take(&mut request.resource_metrics) {
                    let resource = group.resource.clone();
                    let one = ExportMetricsServiceRequest { resource_metrics: vec![group] };
                    let points = look::metrics(&one, &mut see);
                    self.count(signal, resource.as_ref(), &[], points);
                }
            }
        }
        self.planted_where.extend(hits.iter().map(|hit| format!("{} in {signal}", search.kind(*hit))));
        self.planted.extend(hits);
        Ok(())
    }

    fn logs(&mut self, request: &ExportLogsServiceRequest) {
        for group in &request.resource_logs {
            for record in group.scope_logs.iter().flat_map(|scope| &scope.log_records) {
                if record.event_name == detect::record::EVENT_NAME {
                    self.findings += 1;
                    continue;
                }
                self.count(Signal::Logs, group.resource.as_ref(), &record.attributes, 1);
                if let Some(number) = sample::number(&record.attributes) {
                    self.samples.insert(number, Shown::log(record));
                }
            }
        }
    }

    fn traces(&mut self, request: &ExportTraceServiceRequest) {
        for group in &request.resource_spans {
            for span in group.scope_spans.iter().flat_map(|scope| &scope.spans) {
                self.count(Signal::Traces, group.resource.as_ref(), &span.attributes, 1);
                if let Some(number) = sample::number(&span.attributes) {
                    self.samples.insert(number, Shown::span(span));
                }
            }
        }
    }
}

fn tenant(attributes: &[KeyValue]) -> Option<String> {
    let named = attributes.iter().find(|attribute| attribute.key == "tenant_id")?;
    Some(look::shown(named.value.as_ref()))
}

/// A receiving end that listens.
pub struct Receiver {
    /// Where.
    pub address: SocketAddr,
    arrived: Arc<Mutex<Arrived>>,
    server: JoinHandle<()>,
}

impl Receiver {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// There is none.
    pub async fn start(search: Search) -> Result<Receiver, String> {
        let wrong = |error: std::io::Error| format!("the receiving end cannot listen: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let (search, arrived) = (Arc::new(search), Arc::<Mutex<Arrived>>::default());
        let state = Arc::clone(&arrived);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (search, state) = (Arc::clone(&search), Arc::clone(&state));
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let (search, state) = (Arc::clone(&search), Arc::clone(&state));
                        async move { Ok::<_, Infallible>(answer(request, &search, &state).await) }
                    });
                    let connection = auto::Builder::new(TokioExecutor::new());
                    // A connection that breaks is the sender's to open again.
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Receiver { address, arrived, server })
    }

    /// What has arrived by now.
    pub fn arrived(&self) -> Arrived {
        locked(&self.arrived).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn locked(arrived: &Mutex<Arrived>) -> MutexGuard<'_, Arrived> {
    arrived.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    request: Request<Incoming>,
    search: &Search,
    arrived: &Mutex<Arrived>,
) -> Response<Full<Bytes>> {
    let status = take(request, search, arrived).await;
    if status != StatusCode::OK {
        locked(arrived).unreadable += 1;
    }
    // An empty message: everything was taken.
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static("application/x-protobuf");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

async fn take(request: Request<Incoming>, search: &Search, arrived: &Mutex<Arrived>) -> StatusCode {
    let signal = match request.uri().path() {
        "/v1/logs" => Signal::Logs,
        "/v1/traces" => Signal::Traces,
        "/v1/metrics" => Signal::Metrics,
        _ => return StatusCode::NOT_FOUND,
    };
    let gzip = request.headers().get(header::CONTENT_ENCODING).is_some_and(|value| value == "gzip");
    let Ok(body) = Limited::new(request.into_body(), limits::REQUEST_BYTES).collect().await else {
        return StatusCode::BAD_REQUEST;
    };
    let mut body = body.to_bytes().to_vec();
    if gzip {
        let mut plain = Vec::new();
        let bound = limits::REQUEST_BYTES as u64;
        if flate2::read::GzDecoder::new(&body[..]).take(bound).read_to_end(&mut plain).is_err() {
            return StatusCode::BAD_REQUEST;
        }
        body = plain;
    }
    let mut arrived = locked(arrived);
    arrived.requests += 1;
    match arrived.take(signal, &body, search) {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}
