//! A receiver on loopback that answers as it is told, for tests: OTLP/gRPC and OTLP/HTTP, with TLS or without.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{io, net::TcpListener};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::wire::put;

/// How one request is answered.
#[derive(Clone)]
pub enum Answer {
    /// Taken.
    Ok,
    /// Taken, but for so many items.
    Partial(u64),
    /// A status of gRPC, with an encoded `google.rpc.Status`.
    Grpc(u32, Option<Vec<u8>>),
    /// A status of HTTP, with headers.
    Http(u16, &'static [(&'static str, &'static str)]),
    /// Nothing, for ever.
    Silence,
    /// Taken if the request is no larger, in bytes; else refused as too large.
    UpTo(usize),
    /// Taken if the request does not hold these bytes; else refused as bad data.
    Without(&'static [u8]),
}

/// One request that came.
#[derive(Clone)]
pub struct Came {
    pub path: String,
    pub headers: HeaderMap,
    /// The request, decompressed.
    pub body: Vec<u8>,
    pub at: Instant,
}

pub struct Receiver {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    last: Option<Answer>,
    came: Vec<Came>,
}

impl Receiver {
    /// A receiver that gives these answers, and then the last of them for ever.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), answers, None).await
    }

    pub async fn start_on(
        address: SocketAddr,
        answers: impl IntoIterator<Item = Answer>,
        tls: Option<rustls::ServerConfig>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { answers: answers.into_iter().collect(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, shared).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, shared).await;
                            }
                        }
                    }
                });
            }
        });
        Receiver { address, state }
    }

    pub fn came(&self) -> Vec<Came> {
        self.state.lock().unwrap().came.clone()
    }

    pub fn answer(&self, answer: Answer) {
        let mut state = self.state.lock().unwrap();
        state.answers.clear();
        state.last = Some(answer);
    }
}

async fn serve(
    stream: impl io::AsyncRead + io::AsyncWrite + Unpin + Send + 'static,
    state: Arc<Mutex<State>>,
) {
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn body(data: Vec<u8>, trailers: Option<HeaderMap>) -> Body {
    let frames = std::iter::once(Frame::data(Bytes::from(data))).chain(trailers.map(Frame::trailers));
    let frames: VecDeque<_> = frames.map(Ok).collect();
    BodyExt::boxed(Iter(frames))
}

/// Frames, one after the other.
struct Iter(VecDeque<Result<Frame<Bytes>, Infallible>>);

impl http_body::Body for Iter {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Body>, Infallible> {
    let at = Instant::now();
    let (head, incoming) = request.into_parts();
    let raw = incoming.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let grpc =
        head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let (encoding, raw) = match grpc {
        true => {
            assert_eq!(raw.len() - 5, u32::from_be_bytes(raw[1..5].try_into().unwrap()) as usize);
            assert_eq!(raw[0] == 1, head.headers.contains_key("grpc-encoding"));
            ("grpc-encoding", &raw[5..])
        }
        false => ("content-encoding", &raw[..]),
    };
    let encoding = head.headers.get(encoding).map(|value| value.to_str().unwrap().to_string());
    let data = match encoding.as_deref() {
        None => raw.to_vec(),
        Some("gzip") => {
            let mut out = Vec::new();
            flate2::read::GzDecoder::new(raw).read_to_end(&mut out).unwrap();
            out
        }
        Some("zstd") => zstd::stream::decode_all(raw).unwrap(),
        Some(other) => panic!("{other}"),
    };
    let told = {
        let mut state = state.lock().unwrap();
        state.came.push(Came {
            path: head.uri.path().to_string(),
            headers: head.headers,
            body: data.clone(),
            at,
        });
        let told = state.answers.pop_front().or_else(|| state.last.clone()).unwrap_or(Answer::Ok);
        state.last = Some(told.clone());
        told
    };
    let (too_large, bad) = if grpc {
        (Answer::Grpc(8, None), Answer::Grpc(3, None))
    } else {
        (Answer::Http(413, &[]), Answer::Http(400, &[]))
    };
    let told = match told {
        Answer::UpTo(max) if data.len() > max => too_large,
        Answer::Without(bytes) if data.windows(bytes.len()).any(|window| window == bytes) => bad,
        Answer::UpTo(_) | Answer::Without(_) => Answer::Ok,
        told => told,
    };
    Ok(match told {
        Answer::Silence => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Response::new(body(Vec::new(), None))
        }
        Answer::Http(status, headers) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(body(Vec::new(), None)).unwrap()
        }
        Answer::Grpc(code, details) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from(code));
            if let Some(details) = details {
                let details = STANDARD_NO_PAD.encode(details);
                let name = HeaderName::from_static("grpc-status-details-bin");
                trailers.insert(name, HeaderValue::try_from(details).unwrap());
            }
            grpc_response(Vec::new(), trailers)
        }
        Answer::Ok => taken(grpc, 0),
        Answer::Partial(rejected) => taken(grpc, rejected),
        Answer::UpTo(_) | Answer::Without(_) => unreachable!("decided above"),
    })
}

fn taken(grpc: bool, rejected: u64) -> Response<Body> {
    let mut message = Vec::new();
    if rejected > 0 {
        let mut partial = Vec::new();
        put::uint(&mut partial, 1, rejected);
        put::bytes(&mut partial, 2, b"too old");
        put::bytes(&mut message, 1, &partial);
    }
    if grpc {
        let mut frame = vec![0];
        frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
        frame.extend_from_slice(&message);
        return grpc_response(
            frame,
            HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), 0.into())]),
        );
    }
    Response::builder().header("content-type", "application/x-protobuf").body(body(message, None)).unwrap()
}

fn grpc_response(data: Vec<u8>, trailers: HeaderMap) -> Response<Body> {
    Response::builder().header("content-type", "application/grpc").body(body(data, Some(trailers))).unwrap()
}

/// Certificates made for a test: an authority, a server's for `localhost`, and a client's.
pub struct Certificates {
    pub directory: tempfile::TempDir,
    server: (rcgen::Certificate, rcgen::KeyPair),
    authority: rcgen::Certificate,
}

impl Certificates {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        let make = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec![name.to_string()]).unwrap();
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (server, client) = (make("localhost"), make("client"));
        let files = BTreeMap::from([
            ("ca.pem", authority.pem()),
            ("cert.pem", client.0.pem()),
            ("key.pem", client.1.serialize_pem()),
        ]);
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Certificates { directory, server, authority }
    }

    /// A server's side that asks for a client's certificate.
    pub fn server(&self) -> rustls::ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let key = rustls::pki_types::PrivateKeyDer::try_from(self.server.1.serialize_der()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![self.server.0.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}
