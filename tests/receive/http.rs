//! OTLP/HTTP and NDJSON through a real client and through hand-made bytes.

use std::time::Duration;

use crate::support::{Fake, Seen, gate, gzip, zstd};
use bytes::Bytes;
use portcullis::{
    batch::Signal,
    gateway::Format,
    receipt::{Accepted, Refusal},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const MIB: usize = 1 << 20;

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn only(mut seen: Vec<Seen>) -> Seen {
    assert_eq!(seen.len(), 1);
    seen.remove(0)
}

/// Scenario: every signal in both formats, every encoding, both HTTP versions. Guarantee: the same bytes reach
/// the gateway, the reply is 200 in the request's format, and the budget is whole again.
#[tokio::test]
async fn every_combination_is_taken() {
    let fake = Fake::new(64 * MIB);
    let gate = gate(&fake, |_| {}).await;
    let base = format!("http://{}", gate.http_address().unwrap());
    let h2c = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let plain = Bytes::from(vec![7u8; 100_000]);
    let formats = [
        ("application/x-protobuf", Format::Protobuf, ""),
        ("application/json; charset=utf-8", Format::Json, "{}"),
    ];
    for client in [client(), h2c] {
        for signal in Signal::ALL {
            for (media, format, empty) in formats {
                for (encoding, body) in
                    [("identity", plain.to_vec()), ("gzip", gzip(&plain)), ("zstd", zstd(&plain))]
                {
                    let request = client.post(format!("{base}/v1/{signal}")).header("content-type", media);
                    let response =
                        request.header("content-encoding", encoding).body(body).send().await.unwrap();
                    assert_eq!(response.status(), 200);
                    let media = media.split(';').next().unwrap();
                    assert_eq!(response.headers()["content-type"], media);
                    assert_eq!(response.text().await.unwrap(), empty);
                    let seen = only(fake.seen());
                    assert_eq!((seen.signal, seen.format), (signal, format));
                    assert!(seen.body == plain, "{encoding}");
                }
            }
        }
    }
    assert_eq!(fake.budget.used(), 0);
    assert!(*fake.peak.lock().unwrap() < 2 * MIB);
}

/// Scenario: NDJSON, and an empty body. Guarantee: both go through the gateway.
#[tokio::test]
async fn ndjson_and_an_empty_body_are_submitted() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |_| {}).await;
    let base = format!("http://{}", gate.http_address().unwrap());
    let post = |path: &str, media: &str, body: &'static str| {
        client().post(format!("{base}{path}")).header("content-type", media).body(body).send()
    };
    assert_eq!(post("/ingest/ndjson", "application/x-ndjson", "{\"a\":1}\n").await.unwrap().status(), 200);
    let seen = only(fake.seen());
    assert_eq!(
        (seen.signal, seen.format, seen.body.as_ref()),
        (Signal::Logs, Format::Ndjson, &b"{\"a\":1}\n"[..])
    );
    assert_eq!(post("/v1/traces", "application/x-protobuf", "").await.unwrap().status(), 200);
    assert!(only(fake.seen()).body.is_empty());
}

/// Scenario: a sender with a token, tenant headers and baggage. Guarantee: exactly these are passed on, and two
/// tokens are refused.
#[tokio::test]
async fn credentials_are_passed_on() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |_| {}).await;
    let url = format!("http://{}/v1/logs", gate.http_address().unwrap());
    let request =
        || client().post(&url).header("content-type", "application/json").header("authorization", "Bearer a");
    let send = request()
        .header("X-Scope-OrgID", "t1")
        .header("x-tenant-id", "t2")
        .header("x-tenant-id", "t3")
        .header("x-other", "no")
        .header("baggage", "a=1")
        .header("baggage", "b=2");
    assert_eq!(send.body("{}").send().await.unwrap().status(), 200);
    let seen = only(fake.seen());
    assert_eq!(seen.authorization.as_deref(), Some("Bearer a"));
    assert_eq!(seen.baggage.as_deref(), Some("a=1,b=2"));
    let names: Vec<_> = seen.tenant_headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(names, [("x-scope-orgid", "t1"), ("x-tenant-id", "t2"), ("x-tenant-id", "t3")]);
    assert_eq!(seen.peer_subject, None);
    let twice = request().header("authorization", "Bearer b").body("{}").send().await.unwrap();
    assert_eq!(twice.status(), 401);
    assert!(fake.seen().is_empty());
}

/// Scenario: requests that are wrong in one way each. Guarantee: the specified status, with a Status body in
/// JSON or protobuf as the request is, and the gateway sees none of them.
#[tokio::test]
async fn wrong_requests_get_the_specified_answer() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |s| s.http.as_mut().unwrap().max_recv_bytes = 1000).await;
    let base = format!("http://{}", gate.http_address().unwrap());
    let json = "application/json";
    let proto = "application/x-protobuf";
    let bomb = vec![0u8; 200_000];
    for (method, path, media, encoding, body, status) in [
        ("POST", "/v1/nothing", json, "identity", vec![], 404),
        ("GET", "/v1/logs", json, "identity", vec![], 405),
        ("OPTIONS", "/v1/logs", json, "identity", vec![], 405),
        ("POST", "/v1/logs", "text/plain", "identity", vec![], 415),
        ("POST", "/v1/logs", proto, "br", vec![1], 415),
        ("POST", "/v1/logs", proto, "gzip, zstd", vec![1], 415),
        ("POST", "/v1/logs", proto, "identity", vec![0; 1001], 413),
        ("POST", "/v1/logs", proto, "gzip", gzip(&bomb), 413),
        ("POST", "/v1/logs", json, "zstd", zstd(&bomb), 413),
        ("POST", "/v1/logs", json, "gzip", b"not gzip".to_vec(), 400),
        ("POST", "/v1/logs", json, "zstd", b"not zstd".to_vec(), 400),
        ("POST", "/v1/logs", proto, "gzip", gzip(b"cut short")[..12].to_vec(), 400),
        ("POST", "/v1/logs", proto, "zstd", zstd(b"cut short")[..9].to_vec(), 400),
        ("POST", "/ingest/ndjson", proto, "identity", vec![], 415),
    ] {
        let request = client().request(method.parse().unwrap(), format!("{base}{path}"));
        let request = request.header("content-type", media).header("content-encoding", encoding);
        let response = request.body(body).send().await.unwrap();
        let what = format!("{method} {path} {media} {encoding}");
        assert_eq!(response.status(), status, "{what}");
        assert_eq!(response.headers().contains_key("allow"), status == 405, "{what}");
        assert!(!response.headers().contains_key("retry-after"), "{what}");
        let expected = if media == proto { proto } else { json };
        assert_eq!(response.headers()["content-type"], expected, "{what}");
        let body = response.bytes().await.unwrap();
        if expected == json {
            let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(status["code"].as_u64().unwrap() > 0 && !status["message"].as_str().unwrap().is_empty());
        } else {
            assert_eq!(body[0], 0x08, "field 1 of a Status");
        }
    }
    assert!(fake.seen().is_empty());
    assert_eq!(fake.budget.used(), 0);
}

/// Scenario: the gateway accepts in part, throttles, or is away. Guarantee: OTLP's words for each.
#[tokio::test]
async fn outcomes_become_replies() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |_| {}).await;
    let base = format!("http://{}", gate.http_address().unwrap());
    let post = |signal: Signal| {
        client()
            .post(format!("{base}/v1/{signal}"))
            .header("content-type", "application/json")
            .body("{}")
            .send()
    };
    fake.answer(Ok(Accepted { rejected: 3, message: "no tenant".into() }));
    for (signal, key) in [
        (Signal::Logs, "rejectedLogRecords"),
        (Signal::Traces, "rejectedSpans"),
        (Signal::Metrics, "rejectedDataPoints"),
    ] {
        let response = post(signal).await.unwrap();
        assert_eq!(response.status(), 200);
        let body: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(body["partialSuccess"][key], "3");
        assert_eq!(body["partialSuccess"]["errorMessage"], "no tenant");
    }
    let retry_after = Duration::from_secs(10);
    for (refusal, status) in [
        (Refusal::Throttled { message: "quota".into(), retry_after }, 429),
        (Refusal::Unavailable { message: "stopping".into(), retry_after }, 503),
    ] {
        fake.answer(Err(refusal));
        let response = post(Signal::Logs).await.unwrap();
        assert_eq!(response.status(), status);
        let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((10..=15).contains(&seconds), "{seconds}");
    }
    fake.answer(Err(Refusal::Unauthenticated("expired".into())));
    assert_eq!(post(Signal::Logs).await.unwrap().headers()["www-authenticate"], "Bearer");
}

/// Scenario: a full gate, then a free one, on one HTTP/1.1 connection. Guarantee: 503 without keeping the body,
/// and the connection serves the next request.
#[tokio::test]
async fn over_budget_is_refused_and_the_connection_lives() {
    let fake = Fake::new(10_000);
    let gate = gate(&fake, |_| {}).await;
    let mut stream = TcpStream::connect(gate.http_address().unwrap()).await.unwrap();
    for (length, status) in [(2_000_000, 503), (20_000, 503), (5_000, 200)] {
        let head = format!(
            "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; length]).await.unwrap();
        let mut reply = vec![0; 4096];
        let count = stream.read(&mut reply).await.unwrap();
        let text = String::from_utf8_lossy(&reply[..count]);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
    }
    assert_eq!(only(fake.seen()).body.len(), 5_000);
    assert!(*fake.peak.lock().unwrap() <= 10_000);
}

/// Scenario: a huge declared length. Guarantee: 413 before a byte of the body, with nothing reserved.
#[tokio::test]
async fn a_declared_giant_is_refused_unread() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |_| {}).await;
    let reply = raw(
        gate.http_address().unwrap(),
        b"POST /v1/logs HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n",
    )
    .await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    assert_eq!(*fake.peak.lock().unwrap(), 0);
}

/// Scenario: slow and endless bodies, and a head that never ends. Guarantee: a retryable answer or a closed
/// connection within the configured time, and the budget is whole again.
#[tokio::test]
async fn the_slow_are_let_go() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |s| {
        let connection = &mut s.http.as_mut().unwrap().connection;
        connection.body_timeout = Duration::from_millis(200);
        connection.header_timeout = Duration::from_millis(200);
    })
    .await;
    let address = gate.http_address().unwrap();
    let head = "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for body in ["content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        let reply = raw(address, format!("{head}{body}").as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 503 ") && reply.contains("retry-after"), "{reply}");
    }
    for nothing in
        ["", "PO", "POST /v1/logs HTTP/1.1\r\nhost: x\r\nx-slow: aaaaaaaaaaaaaaa", "PRI * HTTP/2.0\r\n"]
    {
        let reply = raw(address, nothing.as_bytes()).await;
        assert!(!reply.contains(" 200 "), "{reply}");
    }
    let reply =
        raw(address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS to a plain port").await;
    assert!(!reply.contains(" 200 "), "{reply}");
    assert!(fake.seen().is_empty());
    assert_eq!(fake.budget.used(), 0);
}

/// Scenario: a browser's preflight and request, from a listed origin and another one, and with CORS off.
/// Guarantee: only the listed origin may read, and the preflight needs no credentials.
#[tokio::test]
async fn cors_is_for_listed_origins() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |s| {
        let cors = &mut s.http.as_mut().unwrap().cors;
        cors.allowed_origins = vec!["https://*.example.com".into()];
        cors.allowed_headers = vec!["x-tenant-id".into()];
    })
    .await;
    let url = format!("http://{}/v1/traces", gate.http_address().unwrap());
    for (origin, allowed) in [("https://app.example.com", true), ("https://evil.test", false)] {
        let preflight = client().request(::http::Method::OPTIONS, &url).header("origin", origin);
        let response = preflight.header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(response.status(), 204);
        let headers = response.headers();
        assert_eq!(headers.contains_key("access-control-allow-origin"), allowed);
        if allowed {
            assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("x-tenant-id"));
        }
        let post = client().post(&url).header("origin", origin).header("content-type", "application/json");
        let response = post.body("{}").send().await.unwrap();
        assert_eq!(response.headers().contains_key("access-control-allow-origin"), allowed);
    }
}

/// Scenario: a stop while a request waits for its receipt. Guarantee: it still gets its answer, new
/// connections are refused, and the stop reports that all ended.
#[tokio::test]
async fn a_stop_lets_open_requests_end() {
    let fake = Fake::new(MIB);
    *fake.delay.lock().unwrap() = Duration::from_millis(300);
    let gate = gate(&fake, |_| {}).await;
    let address = gate.http_address().unwrap();
    let post = client().post(format!("http://{address}/v1/logs")).header("content-type", "application/json");
    let open = tokio::spawn(post.body("{}").send());
    while fake.seen.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(gate.shutdown(Duration::from_secs(5)).await);
    assert_eq!(open.await.unwrap().unwrap().status(), 200);
    assert!(TcpStream::connect(address).await.is_err());
}

/// Sends bytes and reads until the other side closes.
async fn raw(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut reply = Vec::new();
    let reading = stream.read_to_end(&mut reply);
    tokio::time::timeout(Duration::from_secs(5), reading).await.expect("closed in time").ok();
    String::from_utf8_lossy(&reply).into_owned()
}

/// Scenario: more connections than allowed. Guarantee: the next one waits, and is served when a slot is free.
#[tokio::test]
async fn connections_over_the_limit_wait() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |s| s.http.as_mut().unwrap().connection.max = 1).await;
    let address = gate.http_address().unwrap();
    let first = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let post = client().post(format!("http://{address}/v1/logs")).header("content-type", "application/json");
    let mut second = tokio::spawn(post.body("{}").send());
    assert!(tokio::time::timeout(Duration::from_millis(150), &mut second).await.is_err());
    drop(first);
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
}

/// Scenario: chunked bytes that were never HTTP, or that break off. Guarantee: an error or a closed connection,
/// nothing submitted, nothing kept.
#[tokio::test]
async fn broken_chunks_are_not_data() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |_| {}).await;
    let address = gate.http_address().unwrap();
    let head = "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunks in ["zz\r\n{}\r\n0\r\n\r\n", "ffffffffffffffffff\r\n", "2\r\n{}XX"] {
        let reply = raw(address, format!("{head}{chunks}").as_bytes()).await;
        assert!(!reply.contains(" 200 "), "{reply}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}2\r\n{{}}\r\n").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.ok();
    assert!(!reply.contains(" 200 "), "{reply}");
    assert!(fake.seen().is_empty());
    assert_eq!(fake.budget.used(), 0);
}
