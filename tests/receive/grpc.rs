//! OTLP/gRPC through tonic's client and through hand-made frames.

use std::time::Duration;

use crate::support::{Fake, LOGS, RawCodec, channel, framed, gate, gzip, post_grpc, unary, zstd};
use bytes::Bytes;
use portcullis::{
    batch::Signal,
    receipt::{Accepted, Refusal},
};
use tonic::{Code, Request};

const MIB: usize = 1 << 20;

/// Scenario: tonic's client exports every signal, small, empty and larger than the flow-control windows.
/// Guarantee: the same bytes reach the gateway; full success is an empty message; the budget is whole again.
#[tokio::test]
async fn every_signal_is_taken() {
    let fake = Fake::new(64 * MIB);
    let gate = gate(&fake, |_| {}).await;
    let channel = channel(gate.grpc_address().unwrap()).await;
    let paths = [
        (Signal::Logs, LOGS),
        (Signal::Traces, "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
        (Signal::Metrics, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"),
    ];
    for (signal, path) in paths {
        for size in [0, 10, 3 * MIB] {
            let body = Bytes::from(vec![9u8; size]);
            let mut request = Request::new(body.clone());
            request.metadata_mut().insert("authorization", "Bearer a".parse().unwrap());
            request.metadata_mut().insert("x-tenant-id", "t".parse().unwrap());
            let response = unary(channel.clone(), path, request).await.unwrap();
            assert!(response.get_ref().is_empty());
            let seen = fake.seen().remove(0);
            assert_eq!((seen.signal, seen.body == body), (signal, true));
            assert_eq!(seen.authorization.as_deref(), Some("Bearer a"));
            assert_eq!(seen.tenant_headers, [("x-tenant-id".to_string(), "t".to_string())]);
        }
    }
    assert_eq!(fake.budget.used(), 0);
}

/// Scenario: partial success, throttling, and permanent refusals. Guarantee: a client sees OTLP's codes, and
/// RetryInfo exactly where it may try again.
#[tokio::test]
async fn outcomes_become_statuses() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |_| {}).await;
    let channel = channel(gate.grpc_address().unwrap()).await;
    let call = || unary(channel.clone(), LOGS, Request::new(Bytes::from_static(b"x")));
    fake.answer(Ok(Accepted { rejected: 2, message: "no tenant".into() }));
    assert_eq!(call().await.unwrap().into_inner(), &b"\x0a\x0d\x08\x02\x12\x09no tenant"[..]);
    let retry_after = Duration::from_secs(1);
    for (refusal, code, retry) in [
        (Refusal::Throttled { message: "50% é".into(), retry_after }, Code::ResourceExhausted, true),
        (Refusal::Unavailable { message: "50% é".into(), retry_after }, Code::Unavailable, true),
        (Refusal::TooLarge("50% é".into()), Code::ResourceExhausted, false),
        (Refusal::BadData("50% é".into()), Code::InvalidArgument, false),
        (Refusal::PermissionDenied("50% é".into()), Code::PermissionDenied, false),
    ] {
        fake.answer(Err(refusal));
        let status = call().await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, "50% é"));
        let has_retry = status.details().windows(9).any(|w| w == b"RetryInfo");
        assert_eq!(has_retry, retry);
    }
    // The budget is empty: refused by the announced length, and the connection lives.
    let big = unary(channel.clone(), LOGS, Request::new(Bytes::from(vec![0; 2 * MIB]))).await.unwrap_err();
    assert_eq!(big.code(), Code::Unavailable);
    fake.answer(Ok(Accepted::default()));
    call().await.unwrap();
}

/// Scenario: a client's deadline passes first; a method that is not there; the health service.
/// Guarantee: DEADLINE_EXCEEDED, UNIMPLEMENTED, and SERVING until the gate is made unready.
#[tokio::test]
async fn deadlines_methods_and_health() {
    let fake = Fake::new(MIB);
    *fake.delay.lock().unwrap() = Duration::from_secs(30);
    let gate = gate(&fake, |_| {}).await;
    let address = gate.grpc_address().unwrap();
    let late = post_grpc(address, LOGS, &[("grpc-timeout", "50m")], framed(0, b"x")).await;
    assert_eq!(late["grpc-status"], "4");
    let bad = post_grpc(address, LOGS, &[("grpc-timeout", "soon")], framed(0, b"x")).await;
    assert_eq!(bad["grpc-status"], "13");
    let channel = channel(address).await;
    let call =
        |path, body: &'static [u8]| unary(channel.clone(), path, Request::new(Bytes::from_static(body)));
    assert_eq!(call("/no.Such/Method", b"").await.unwrap_err().code(), Code::Unimplemented);
    let health = "/grpc.health.v1.Health/Check";
    assert_eq!(call(health, b"").await.unwrap().into_inner(), &b"\x08\x01"[..]);
    assert_eq!(call(health, b"\x0a\x03foo").await.unwrap_err().code(), Code::NotFound);
    gate.unready();
    assert_eq!(call(health, b"").await.unwrap().into_inner(), &b"\x08\x02"[..]);
}

/// Scenario: compressed messages, right and wrong. Guarantee: the right ones arrive whole; each wrong one gets
/// its code, nothing reaches the gateway, and no bomb takes more than the limit and one step.
#[tokio::test]
async fn frames_and_compression_are_held_to_the_rules() {
    let fake = Fake::new(16 * MIB);
    let gate = gate(&fake, |s| s.grpc.as_mut().unwrap().max_recv_bytes = MIB).await;
    let address = gate.grpc_address().unwrap();
    let plain = vec![5u8; 200_000];
    for (encoding, flag, body) in [
        ("gzip", 1, gzip(&plain)),
        ("zstd", 1, zstd(&plain)),
        ("gzip", 0, plain.clone()),
        ("identity", 0, plain.clone()),
    ] {
        let headers = post_grpc(address, LOGS, &[("grpc-encoding", encoding)], framed(flag, &body)).await;
        assert!(!headers.contains_key("grpc-status"), "the status of a success comes as a trailer");
        assert_eq!(headers["grpc-accept-encoding"], "identity,gzip,zstd");
        assert!(fake.seen().remove(0).body == plain);
    }
    let bomb = vec![0u8; 40 * MIB];
    let mut two = framed(0, b"a");
    two.extend(framed(0, b"b"));
    let mut huge = framed(0, b"");
    huge[1..5].fill(0xff);
    for (what, encoding, body, code) in [
        ("gzip bomb", "gzip", framed(1, &gzip(&bomb)), "8"),
        ("zstd bomb", "zstd", framed(1, &zstd(&bomb)), "8"),
        ("too large on the wire", "identity", framed(0, &bomb[..MIB + 1]), "8"),
        ("huge length", "identity", huge, "8"),
        ("flag without encoding", "identity", framed(1, b"x"), "13"),
        ("unknown flag", "identity", framed(2, b"x"), "13"),
        ("unknown encoding", "snappy", framed(1, b"x"), "12"),
        ("not gzip", "gzip", framed(1, b"nope"), "3"),
        ("not zstd", "zstd", framed(1, b"nope"), "3"),
        ("two messages", "identity", two, "13"),
        ("no message", "identity", vec![], "13"),
        ("half a prefix", "identity", vec![0, 0], "13"),
        ("half a message", "identity", framed(0, b"whole")[..7].to_vec(), "13"),
    ] {
        let headers = post_grpc(address, LOGS, &[("grpc-encoding", encoding)], body).await;
        assert_eq!(headers["grpc-status"], code, "{what}");
        assert_eq!(headers["x-http-status"], "200", "{what}");
    }
    assert!(fake.seen().is_empty());
    assert_eq!(fake.budget.used(), 0);
    assert!(*fake.peak.lock().unwrap() <= 2 * MIB, "{}", fake.peak.lock().unwrap());
}

/// Scenario: what is not gRPC comes to the gRPC port. Guarantee: a plain HTTP answer that says so.
#[tokio::test]
async fn other_protocols_are_told() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |_| {}).await;
    let url = format!("http://{}{LOGS}", gate.grpc_address().unwrap());
    let h1 = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(h1.post(&url).body("x").send().await.unwrap().status(), 505);
    let h2 = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    assert_eq!(h2.get(&url).send().await.unwrap().status(), 405);
    assert_eq!(h2.post(&url).header("content-type", "application/json").send().await.unwrap().status(), 415);
}

/// Scenario: a connection outlives its age while requests come. Guarantee: it is told to go away, and the
/// client's next requests succeed on a new one.
#[tokio::test]
async fn an_old_connection_goes_away_gently() {
    let fake = Fake::new(MIB);
    let gate = gate(&fake, |s| {
        let connection = &mut s.grpc.as_mut().unwrap().connection;
        connection.max_age = Duration::from_millis(100);
        connection.header_timeout = Duration::from_millis(100);
    })
    .await;
    let channel = channel(gate.grpc_address().unwrap()).await;
    for _ in 0..10 {
        unary(channel.clone(), LOGS, Request::new(Bytes::from_static(b"x"))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(fake.seen().len(), 10);
}

/// Scenario: a client sends its message and never ends the stream. Guarantee: a retryable status within the
/// configured time, and its reservation is given back.
#[tokio::test]
async fn a_stalled_stream_is_let_go() {
    use tonic::codegen::tokio_stream::{self, StreamExt};
    let fake = Fake::new(MIB);
    let gate =
        gate(&fake, |s| s.grpc.as_mut().unwrap().connection.body_timeout = Duration::from_millis(100)).await;
    let mut client = tonic::client::Grpc::new(channel(gate.grpc_address().unwrap()).await);
    client.ready().await.unwrap();
    let stream = tokio_stream::once(Bytes::from_static(b"whole")).chain(tokio_stream::pending());
    let path = http::uri::PathAndQuery::from_static(LOGS);
    let status = client.client_streaming(Request::new(stream), path, RawCodec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(fake.seen().is_empty());
    assert_eq!((fake.budget.used(), *fake.peak.lock().unwrap()), (0, 5));
}
