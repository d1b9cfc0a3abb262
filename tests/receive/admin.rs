//! Health pages through a real client.

use std::{sync::Arc, time::Duration};

use portcullis::{
    admin::{Answer, Ask, Handler, Readiness, serve_http},
    receive::listener,
};

/// Scenario: health is asked over HTTP while a part is away and after; other pages, and a body over the limit.
/// Guarantee: live always, ready with reasons, 404, 405, 413, and a clean stop.
#[tokio::test]
async fn health_pages_are_served() {
    let readiness = Readiness::new();
    readiness.not_ready("journal", "opening");
    let pages = readiness.clone();
    let handler: Handler = Arc::new(move |ask: Ask| {
        let answer = pages.answer(&ask).unwrap_or_else(Answer::not_found);
        Box::pin(async move { answer })
    });
    let socket = listener::bind("admin.endpoint", ([127, 0, 0, 1], 0).into()).await.unwrap();
    let server = serve_http(socket, handler).unwrap();
    let base = format!("http://{}", server.address());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |path: &str| client.get(format!("{base}{path}")).send();
    assert_eq!(get("/livez").await.unwrap().status(), 200);
    let away = get("/readyz").await.unwrap();
    assert_eq!(away.status(), 503);
    assert!(away.text().await.unwrap().contains("opening"));
    readiness.ready("journal");
    assert_eq!(get("/readyz").await.unwrap().status(), 200);
    assert_eq!(get("/other").await.unwrap().status(), 404);
    assert_eq!(client.post(format!("{base}/livez")).send().await.unwrap().status(), 405);
    let giant = client.post(format!("{base}/livez")).body(vec![0; (1 << 20) + 1]).send().await;
    assert!(giant.is_err() || giant.unwrap().status() == 413);
    drop(client);
    assert!(server.shutdown(Duration::from_secs(5)).await);
}

/// Scenario: an address that is taken. Guarantee: the error names the setting, the address and the way out.
#[tokio::test]
async fn a_taken_address_is_a_clear_error() {
    let first = listener::bind("first", ([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = first.local_addr().unwrap();
    let error = listener::bind("receivers.grpc.endpoint", address).await.unwrap_err().to_string();
    assert!(error.contains("receivers.grpc.endpoint") && error.contains(&address.to_string()), "{error}");
    assert!(error.contains("another program"), "{error}");
}
