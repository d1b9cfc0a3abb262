//! A small HTTP server for pages: health, `/metrics`, `/-/reload`.

use std::{future::Future, io, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::{
    limits,
    receive::{
        listener::{self, Server},
        reply::ReplyBody,
        settings::Connection,
    },
};

/// One request to a page, read whole.
#[derive(Clone, Default)]
pub struct Ask {
    /// GET, POST, ...
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The query, without `?`; empty if there is none.
    pub query: String,
    /// All headers (`accept`, `accept-encoding`, ...).
    pub headers: HeaderMap,
    /// The body, at most [`limits::ADMIN_REQUEST_BYTES`].
    pub body: Bytes,
}

/// What a page answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Headers, `content-type` among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A body of this content type.
    pub fn new(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(content_type) {
            headers.insert(header::CONTENT_TYPE, value);
        }
        Answer { status, headers, body: body.into() }
    }

    /// Plain text.
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Answer::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// JSON.
    pub fn json(status: StatusCode, value: &serde_json::Value) -> Self {
        Answer::new(status, "application/json", value.to_string())
    }

    /// 404.
    pub fn not_found() -> Self {
        Answer::text(StatusCode::NOT_FOUND, "no such page\n")
    }

    /// 405, with what is allowed.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let mut answer = Answer::text(StatusCode::METHOD_NOT_ALLOWED, format!("expected {allow}\n"));
        answer.headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        answer
    }
}

/// A boxed future of an answer.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What serves the pages of a listener.
pub type Handler = Arc<dyn Fn(Ask) -> Answering + Send + Sync>;

/// Connections to a page server open at once.
const PAGE_CONNECTIONS: usize = 256;

/// Serves pages on a bound listener (see [`listener::bind`]) until the server is shut down.
///
/// # Errors
/// The listener has no local address.
pub fn serve_http(listener: TcpListener, handler: Handler) -> io::Result<Server> {
    let bounds = Connection { max: PAGE_CONNECTIONS, max_age: Duration::ZERO, ..Connection::default() };
    let body_timeout = bounds.body_timeout;
    let serve: listener::Handler = Arc::new(move |request, _| {
        let handler = Arc::clone(&handler);
        Box::pin(async move {
            let reading = tokio::time::timeout(body_timeout, read(request)).await;
            let answer = match reading {
                Ok(Ok(ask)) => handler(ask).await,
                Ok(Err(())) => {
                    Answer::text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large or broke off\n")
                }
                Err(_) => Answer::text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n"),
            };
            let mut response = Response::new(ReplyBody::new(answer.body));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            response
        })
    });
    listener::start(listener, None, bounds, serve)
}

async fn read(request: Request<Incoming>) -> Result<Ask, ()> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, limits::ADMIN_REQUEST_BYTES).collect().await.map_err(|_| ())?.to_bytes();
    Ok(Ask {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
    })
}
