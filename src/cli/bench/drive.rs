//! The loop: a fixed number of requests on the wire, a new one as soon as one is answered.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use tonic::{
    client::GrpcService,
    transport::{Channel, Endpoint},
};

use super::Sent;
use crate::limits;

/// How long a loop waits after a refusal.
const PAUSE: Duration = Duration::from_millis(20);
/// Latencies that one loop keeps; later ones replace the oldest.
const LATENCIES: usize = 1 << 18;

/// What is sent, and how.
pub struct Load {
    /// Framed messages.
    frames: Vec<Bytes>,
    /// Bytes of each message.
    records: u64,
    uri: Uri,
    headers: HeaderMap,
    /// Each loop sends at this pace, whatever is answered; none: as soon as it has its answer.
    pace: Option<Duration>,
}

/// What one loop, or all of them, saw in the time that counts.
#[derive(Debug, Default)]
pub struct Seen {
    /// Requests that were taken.
    pub taken: u64,
    /// Bytes of their messages.
    pub bytes: u64,
    /// Records in them that were rejected.
    pub rejected: u64,
    /// Requests that were not taken, by what was said.
    pub refused: BTreeMap<String, u64>,
    /// Times to the acknowledgement, in microseconds.
    pub latencies: Vec<u32>,
}

impl Seen {
    /// Adds what another loop saw.
    pub fn add(&mut self, other: Seen) {
        self.taken += other.taken;
        self.bytes += other.bytes;
        self.rejected += other.rejected;
        other.refused.into_iter().for_each(|(why, count)| *self.refused.entry(why).or_default() += count);
        self.latencies.extend(other.latencies);
    }
}

impl Load {
    /// Frames messages of `records` records or spans each, for `endpoint` (`host:port` or a URL).
    ///
    /// # Errors
    /// The endpoint is no URL, or a message is too long for a frame.
    pub fn new(
        endpoint: &str,
        signal: Sent,
        messages: &[Bytes],
        records: u64,
        headers: HeaderMap,
    ) -> Result<Load, String> {
        let path = match signal {
            Sent::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Sent::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        };
        let url = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
        let wrong = || "--endpoint: expected host:port, for example 127.0.0.1:4317".to_owned();
        let mut parts = url.parse::<Uri>().map_err(|_| wrong())?.into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static(path));
        let uri = Uri::from_parts(parts).map_err(|_| wrong())?;
        let frame = |message: &Bytes| {
            let length = u32::try_from(message.len()).map_err(|_| "a batch is too long".to_owned())?;
            let mut frame = BytesMut::with_capacity(5 + message.len());
            frame.extend_from_slice(&[0]);
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(message);
            Ok::<_, String>(frame.freeze())
        };
        let frames = messages.iter().map(frame).collect::<Result<_, _>>()?;
        Ok(Load { frames, records, uri, headers, pace: None })
    }

    /// Sends `per_second` requests, by `loops` loops. A time to the acknowledgement then counts from when the
    /// request was due, so that an answer that comes late delays no clock.
    pub fn paced(self, per_second: f64, loops: usize) -> Load {
        Load { pace: Some(Duration::from_secs_f64(loops as f64 / per_second)), ..self }
    }

    /// Opens `connections` and keeps `in_flight` requests on the wire; what is answered between
    /// `warm_up` and `warm_up + length` counts. `begin` is called when counting begins.
    ///
    /// # Errors
    /// A connection cannot be opened.
    pub async fn run(
        self,
        connections: usize,
        in_flight: usize,
        warm_up: Duration,
        length: Duration,
        begin: impl FnOnce(),
    ) -> Result<Seen, String> {
        let load = Arc::new(self);
        let mut channels = Vec::new();
        for _ in 0..connections.max(1) {
            let endpoint = Endpoint::from(load.uri.clone())
                .tcp_nodelay(true)
                .connect_timeout(Duration::from_secs(5))
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(4 << 20);
            let channel = endpoint.connect().await;
            channels.push(channel.map_err(|error| format!("no connection to {}: {error}", load.uri))?);
        }
        let start = Instant::now();
        let (from, until) = (start + warm_up, start + warm_up + length);
        let loops: Vec<_> = (0..in_flight.max(1))
            .map(|number| {
                let (load, channel) = (Arc::clone(&load), channels[number % channels.len()].clone());
                // Loops are due one after the other.
                let due = load.pace.map(|pace| start + pace.mul_f64(number as f64 / in_flight as f64));
                tokio::spawn(async move { load.drive(channel, number, due, from, until).await })
            })
            .collect();
        tokio::time::sleep_until(from.into()).await;
        begin();
        let mut seen = Seen::default();
        for one in loops {
            seen.add(one.await.map_err(|_| "a loop broke off")?);
        }
        Ok(seen)
    }

    async fn drive(
        &self,
        mut channel: Channel,
        number: usize,
        mut due: Option<Instant>,
        from: Instant,
        until: Instant,
    ) -> Seen {
        let mut seen = Seen::default();
        // Loops begin at different batches, so that they do not send the same at the same time.
        let mut turn = number;
        loop {
            let frame = &self.frames[turn % self.frames.len()];
            turn += 1;
            let began = due.unwrap_or_else(Instant::now);
            due = due.and_then(|due| Some(due + self.pace?));
            tokio::time::sleep_until(began.into()).await;
            if began >= until || Instant::now() >= until {
                return seen;
            }
            let answer = self.send(&mut channel, frame.clone()).await;
            let now = Instant::now();
            let counts = now >= from && now < until;
            match answer {
                Ok(rejected) if counts => {
                    let place = (seen.taken as usize) % LATENCIES;
                    let micros = u32::try_from((now - began).as_micros()).unwrap_or(u32::MAX);
                    match seen.latencies.get_mut(place) {
                        Some(old) => *old = micros,
                        None => seen.latencies.push(micros),
                    }
                    seen.taken += 1;
                    seen.bytes += frame.len() as u64 - 5;
                    seen.rejected += rejected.min(self.records);
                }
                Ok(_) => {}
                Err(why) => {
                    if counts {
                        *seen.refused.entry(why).or_default() += 1;
                    }
                    if self.pace.is_none() {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    /// Sends one frame; answers how many of its records were rejected.
    async fn send(&self, channel: &mut Channel, frame: Bytes) -> Result<u64, String> {
        let mut request = Request::new(tonic::body::Body::new(Full::new(frame)));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        let lost = |_| "connection".to_owned();
        std::future::poll_fn(|context| GrpcService::poll_ready(channel, context)).await.map_err(lost)?;
        let (head, body) = GrpcService::call(channel, request).await.map_err(lost)?.into_parts();
        refusal(&head.headers)?;
        let body = Limited::new(body, limits::RESPONSE_BYTES).collect().await;
        let body = body.map_err(|_| "connection".to_owned())?;
        match body.trailers() {
            Some(trailers) => refusal(trailers)?,
            None if head.headers.contains_key("grpc-status") => {}
            None => return Err("no status".into()),
        }
        let body = body.to_bytes();
        let message = body.get(5..).unwrap_or_default();
        // The answers to all signals have one shape.
        let response = ExportLogsServiceResponse::decode(message).unwrap_or_default();
        let partial = response.partial_success.map_or(0, |partial| partial.rejected_log_records);
        Ok(u64::try_from(partial).unwrap_or(0))
    }
}

/// An error of gRPC in headers or trailers, by its code.
fn refusal(headers: &HeaderMap) -> Result<(), String> {
    match headers.get("grpc-status").map(HeaderValue::as_bytes) {
        None | Some(b"0") => Ok(()),
        Some(code) => Err(format!("grpc-status {}", String::from_utf8_lossy(&code[..code.len().min(3)]))),
    }
}
