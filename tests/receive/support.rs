//! A fake gateway that records what it was handed, and clients.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use portcullis::{
    batch::Signal,
    gateway::{Answer, Budget, Format, Intake, Permit, Submission},
    receipt::{Accepted, Outcome, Refusal},
    receive::{Receivers, Settings, settings},
};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// What the fake gateway saw of one submission.
pub struct Seen {
    pub signal: Signal,
    pub format: Format,
    pub body: Bytes,
    pub authorization: Option<String>,
    pub tenant_headers: Vec<(String, String)>,
    pub baggage: Option<String>,
    pub peer_subject: Option<String>,
}

pub struct Fake {
    pub budget: Budget,
    pub outcome: Mutex<Outcome>,
    pub delay: Mutex<Duration>,
    pub seen: Mutex<Vec<Seen>>,
    pub peak: Mutex<usize>,
}

impl Fake {
    pub fn new(budget: usize) -> Arc<Self> {
        Arc::new(Fake {
            budget: Budget::new(budget),
            outcome: Mutex::new(Ok(Accepted::default())),
            delay: Mutex::default(),
            seen: Mutex::default(),
            peak: Mutex::default(),
        })
    }

    pub fn answer(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap() = outcome;
    }

    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Intake for Fake {
    fn reserve(&self, bytes: usize) -> Result<Permit, Refusal> {
        let permit = self.budget.reserve(bytes)?;
        let mut peak = self.peak.lock().unwrap_or_else(PoisonError::into_inner);
        *peak = (*peak).max(self.budget.used());
        Ok(permit)
    }

    fn submit(&self, submission: Submission) -> Answer {
        let Submission { signal, format, body, credentials, permit } = submission;
        self.seen.lock().unwrap().push(Seen {
            signal,
            format,
            body,
            authorization: credentials.authorization,
            tenant_headers: credentials.tenant_headers,
            baggage: credentials.baggage,
            peer_subject: credentials.peer_subject,
        });
        let (outcome, delay) = (self.outcome.lock().unwrap().clone(), *self.delay.lock().unwrap());
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            drop(permit);
            outcome
        })
    }

    fn tenant_headers(&self) -> Arc<[String]> {
        ["x-scope-orgid".to_string(), "x-tenant-id".to_string()].into()
    }
}

/// A gate on free ports; `change` sets what the test is about.
pub async fn gate(fake: &Arc<Fake>, change: impl FnOnce(&mut Settings)) -> Receivers {
    let mut settings = Settings {
        grpc: Some(settings::Grpc { endpoint: ([127, 0, 0, 1], 0).into(), ..settings::Grpc::default() }),
        http: Some(settings::Http { endpoint: ([127, 0, 0, 1], 0).into(), ..settings::Http::default() }),
    };
    change(&mut settings);
    Receivers::start(&settings, fake.clone()).await.unwrap()
}

/// Sends and returns messages as they are.
#[derive(Clone, Copy, Default)]
pub struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = RawCodec;
    type Decoder = RawCodec;

    fn encoder(&mut self) -> Self {
        RawCodec
    }

    fn decoder(&mut self) -> Self {
        RawCodec
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(input.copy_to_bytes(input.remaining())))
    }
}

pub const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// One unary call through tonic's client.
pub async fn unary(
    channel: tonic::transport::Channel,
    path: &'static str,
    request: tonic::Request<Bytes>,
) -> Result<tonic::Response<Bytes>, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    client.unary(request, http::uri::PathAndQuery::from_static(path), RawCodec).await
}

pub async fn channel(address: std::net::SocketAddr) -> tonic::transport::Channel {
    tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

/// A gRPC message with its prefix.
pub fn framed(flag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![flag];
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

/// Posts any bytes as a gRPC body over HTTP/2, and returns the headers of the reply.
pub async fn post_grpc(
    address: std::net::SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> http::HeaderMap {
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let mut request =
        client.post(format!("http://{address}{path}")).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.body(body).send().await.unwrap();
    let mut headers = response.headers().clone();
    headers.insert("x-http-status", response.status().as_u16().into());
    headers
}
