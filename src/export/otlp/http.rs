//! OTLP/HTTP with protobuf.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Url, redirect::Policy};

use super::{
    USER_AGENT,
    answer::{self, Failure, Partial},
    read,
};
use crate::{
    batch::Signal,
    export::settings::{Destination, Tls},
    limits,
};

use std::time::Duration;

pub(super) struct Http {
    client: Client,
    /// By the code of the signal.
    urls: [Url; 3],
}

impl Http {
    pub fn new(destination: &Destination) -> Result<Self, String> {
        let parse = |text: &str| {
            Url::parse(text).map_err(|_| "endpoint: expected a URL as http://host:4318".to_string())
        };
        let base = parse(&destination.endpoint)?;
        let url = |signal: Signal| match destination.endpoints.get(&signal) {
            Some(own) => parse(own),
            None => {
                let mut url = base.clone();
                let path = format!("{}/v1/{}", url.path().trim_end_matches('/'), signal.as_str());
                url.set_path(&path);
                Ok(url)
            }
        };
        let urls = [url(Signal::Logs)?, url(Signal::Traces)?, url(Signal::Metrics)?];
        let mut client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .connect_timeout(destination.timeout)
            .tcp_keepalive(Duration::from_secs(60))
            .pool_max_idle_per_host(destination.in_flight);
        client = secured(client, &destination.tls)?;
        let client = client.build().map_err(|error| format!("tls: {error}"))?;
        Ok(Http { client, urls })
    }

    pub async fn send(
        &self,
        signal: Signal,
        headers: HeaderMap,
        encoding: Option<&'static str>,
        body: Bytes,
    ) -> Result<Partial, Failure> {
        let mut headers = headers;
        headers.insert("content-type", HeaderValue::from_static("application/x-protobuf"));
        if let Some(encoding) = encoding {
            headers.insert("content-encoding", HeaderValue::from_static(encoding));
        }
        let url = self.urls[usize::from(signal.code())].clone();
        let mut response = self
            .client
            .post(url)
            .headers(headers)
            .body(body)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(answer::http_status(status, response.headers()));
        }
        let protobuf = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-protobuf"));
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Failure::retryable("connection_lost"))? {
            // It was taken; what is said beyond any sense is not read.
            if body.len() + chunk.len() > limits::RESPONSE_BYTES {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(if protobuf { answer::partial(&body) } else { Partial::default() })
    }
}

/// A client that trusts and shows the certificates of the settings.
pub(crate) fn secured(mut client: ClientBuilder, tls: &Tls) -> Result<ClientBuilder, String> {
    if let Some(file) = &tls.ca_file {
        let authorities = Certificate::from_pem_bundle(&read(file)?)
            .ok()
            .filter(|list| !list.is_empty())
            .ok_or_else(|| format!("tls: {}: expected certificates in PEM", file.display()))?;
        client = client.tls_certs_only(authorities);
    }
    if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
        let mut pem = read(cert)?;
        pem.push(b'\n');
        pem.extend(read(key)?);
        let identity = Identity::from_pem(&pem)
            .map_err(|_| "tls: cert_file and key_file: expected a certificate and its key in PEM")?;
        client = client.identity(identity);
    }
    Ok(client)
}

fn failure(error: &reqwest::Error) -> Failure {
    Failure::retryable(if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else {
        "connection_lost"
    })
}
