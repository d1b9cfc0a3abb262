//! What both protocols do with a request: who sent it, and how it is counted.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, header};
use metrics::{counter, histogram};

use super::{listener::Peer, reply::Failure};
use crate::{
    batch::Signal,
    gateway::{Credentials, Intake},
    receipt::Refusal,
};

/// Which receiver a request came to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    fn as_str(self) -> &'static str {
        match self {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http",
        }
    }
}

/// What a request says of its sender.
///
/// Two `authorization` headers are refused: what one part of a system reads from the first, another
/// would read from the second.
pub(crate) fn credentials(
    headers: &HeaderMap,
    peer: &Peer,
    intake: &Arc<dyn Intake>,
) -> Result<Credentials, Failure> {
    let mut tokens = headers.get_all(header::AUTHORIZATION).iter();
    let token = tokens.next();
    if tokens.next().is_some() {
        return Err(Refusal::Unauthenticated("more than one authorization header; send one".into()).into());
    }
    let authorization = match token.map(|value| value.to_str()) {
        None => None,
        Some(Ok(text)) => Some(text.to_owned()),
        Some(Err(_)) => {
            return Err(Refusal::Unauthenticated("the authorization header is not ASCII text".into()).into());
        }
    };
    let names = intake.tenant_headers();
    let tenant_headers = headers
        .iter()
        .filter(|(name, _)| names.iter().any(|wanted| wanted == name.as_str()))
        // Not UTF-8 is no tenant either way: it stays present, and fails as malformed.
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let mut baggage: Option<String> = None;
    for value in headers.get_all("baggage").iter().filter_map(|value| value.to_str().ok()) {
        let all = baggage.get_or_insert_default();
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(value);
    }
    let peer_subject = peer.subject.as_deref().map(str::to_owned);
    Ok(Credentials { authorization, tenant_headers, baggage, peer_subject })
}

/// The intake of one request, now that it is known who sends it.
pub(crate) async fn enter(
    intake: &Arc<dyn Intake>,
    credentials: &Credentials,
) -> Result<Arc<dyn Intake>, Refusal> {
    Ok(intake.enter(credentials).await?.unwrap_or_else(|| Arc::clone(intake)))
}

/// Counts one request, whatever becomes of it.
pub(crate) struct Meter {
    signal: Signal,
    protocol: Protocol,
    began: Instant,
}

impl Meter {
    pub fn start(signal: Signal, protocol: Protocol) -> Self {
        Meter { signal, protocol, began: Instant::now() }
    }

    /// Bytes of a body as they came over the wire.
    pub fn received(&self, bytes: usize) {
        counter!("portcullis_received_bytes_total", "signal" => self.signal.as_str(), "protocol" => self.protocol.as_str())
            .increment(bytes as u64);
    }

    /// The reply is ready.
    pub fn done<T>(self, result: &Result<T, Failure>) {
        let (signal, protocol) = (self.signal.as_str(), self.protocol.as_str());
        histogram!("portcullis_request_duration_seconds", "signal" => signal, "protocol" => protocol)
            .record(self.began.elapsed().as_secs_f64());
        if let Err(failure) = result {
            counter!("portcullis_refused_requests_total", "signal" => signal, "protocol" => protocol, "reason" => failure.reason)
                .increment(1);
        }
    }
}
