//! What is used again without being cleaned: connections, a request's environment, a thread's context, buffers.

use portcullis::detect::Severity;

use crate::product::{A, B, C, CANARY_OF_B, D, object, person, quiet, session, told, usual};
use crate::stream::Stream;

const PROTOCOL: &str = "redis.exceptions.InvalidResponse: Protocol Error";

/// A's call is cancelled on `first`; then B's is made on `second` and ends with this `error`, and B's next answer on it
/// holds `given`.
fn cancelled_call(first: &str, second: &str, error: &str, given: &[String]) -> Stream {
    let mut stream = usual();
    let (connection, profile) = ("db.client.connection.id", "/conversations");
    stream.request(2000, "chat-api", A).http(profile, "", 499).who(&person(A, 0), &session(A, 0));
    stream
        .span("chat-api")
        .private(connection, first)
        .error("asyncio.CancelledError")
        .text("db.system.name", "redis");
    stream.request(2003, "chat-api", B).http(profile, "", 500).who(&person(B, 1), &session(B, 1));
    stream.span("chat-api").private(connection, second).error(error);
    stream.request(2012, "chat-api", B).http(profile, "", 200).who(&person(B, 1), &session(B, 1));
    stream.span("chat-api").private(connection, second).ids("response.conversation_ids", given);
    stream
}

/// Scenario: ChatGPT, 20 March 2023 (OpenAI, "March 20 ChatGPT outage"; redis-py issue 2624): a cancelled call left its
/// answer unread on a pooled Redis connection, so that every later caller there was given the answer before its own,
/// titles of other people's chats among them. Guarantee: the mixed-up connection is told with both tenants, and so is
/// the other tenant's content that is given, which is critical.
#[test]
fn a_cancelled_call_puts_a_connection_off_by_one() {
    for error in [PROTOCOL, "TypeError"] {
        told(
            &cancelled_call("redis-chat-7", "redis-chat-7", error, &[object(A, 1), object(A, 2)]),
            &[
                ("connection_context_bleed", B, Some(A), Severity::High),
                ("cross_tenant_read", B, Some(A), Severity::Critical),
            ],
        );
    }
}

/// Scenario: the same cancelled call, after which the client closes the connection; the next caller has a new one, on
/// which the server once answers with an error of protocol. Guarantee: nothing is told.
#[test]
fn a_cancelled_call_closes_its_connection() {
    quiet(&cancelled_call("redis-chat-7", "redis-chat-8", PROTOCOL, &[object(B, 1), object(B, 2)]));
}

/// Bob's request, after Ann's, with this session and this answer.
fn shared_environment(session_of_bob: &str, status: u16) -> Stream {
    let mut stream = usual();
    for second in [2100, 2104] {
        stream.request(second, "web-api", A).http("/dashboard", "", 200).who(&person(A, 0), &session(A, 0));
    }
    for second in [2105, 2111, 2118] {
        stream
            .request(second, "web-api", B)
            .http("/dashboard", "", status)
            .who(&person(B, 1), session_of_bob);
    }
    stream
}

/// Scenario: GitHub, March 2021 ("How we found and fixed a rare race condition in our session handling"): a background
/// thread shared the environment of a request that was used again for the next one, and a session's cookie went to
/// another person's browser. Guarantee: the session that is used under two tenants is told once, with both.
#[test]
fn a_session_goes_to_another_persons_browser() {
    let stream = shared_environment(&session(A, 0), 200);
    told(&stream, &[("credential_shared_across_tenants", B, Some(A), Severity::High)]);
}

/// Scenario: the same requests, each with its own session; or with the other's, where all sessions were revoked and
/// it is refused. Guarantee: nothing is told.
#[test]
fn sessions_stay_with_their_people() {
    quiet(&shared_environment(&session(B, 1), 200));
    quiet(&shared_environment(&session(A, 0), 401));
}

/// Requests to a service in which each person's tenant is what `seen` makes of it.
fn context_of_a_thread(seen: impl Fn(&'static str) -> &'static str) -> Stream {
    let mut stream = usual();
    // Before, everybody is seen at home.
    for (n, second) in (600..2400).step_by(20).enumerate() {
        let tenant = [A, B, C, D][n % 4];
        let who = person(tenant, n as u64 / 4);
        stream.request(second, "account-api", tenant).http("/usage", "", 200).private("enduser.id", who);
    }
    for (n, second) in (2500..2740).step_by(10).enumerate() {
        let tenant = [A, B, C, D][n % 4];
        let who = person(tenant, n as u64 / 4);
        stream
            .request(second, "account-api", seen(tenant))
            .http("/usage", "", 200)
            .private("enduser.id", who);
    }
    stream
}

/// Scenario: Rails, February 2022 (CVE-2022-23633, "Possible exposure of information vulnerability in Action Pack"):
/// where a response's body was not closed, a thread's state was not reset for the next request, and what the code had
/// kept there of the last one was still in force. Here that is the tenant, for everybody who comes after. Guarantee: the service that is stuck on one
/// tenant is told once, as high.
#[test]
fn a_threads_context_outlives_its_request() {
    told(&context_of_a_thread(|_| A), &[("tenant_context_stuck", A, None, Severity::High)]);
}

/// Scenario: the same requests with the context reset after each. Guarantee: nothing is told.
#[test]
fn a_threads_context_is_reset() {
    quiet(&context_of_a_thread(|tenant| tenant));
}

/// Series of A and B from one process; what A's token sends has these labels beside its own.
fn pooled_buffers(labels: [(&str, &str); 2]) -> Stream {
    let mut stream = usual();
    for second in (1800..2000).step_by(10) {
        stream.metric(second, "ingester", A).text("series", "queue_depth").text("tenant.id", A);
        stream.metric(second, "ingester", B).text("tenant.id", B).private("customer_ref", CANARY_OF_B);
    }
    for (second, (key, value)) in [1900, 1950].into_iter().zip(labels) {
        stream.metric(second + 5, "ingester", A).text("series", "queue_depth").text(key, value);
    }
    stream
}

/// Scenario: Grafana Cloud, July and August 2025 ("Grafana Cloud Metrics memory corruption issue resolved"; Mimir pull
/// request 12266): strings that were not copied pointed into buffers which a pool gave to the next request, so that
/// parts of one customer's series could stand in another's. Guarantee: a label with the other tenant's id is told,
/// and a text that only that tenant has is critical.
#[test]
fn labels_point_into_pooled_buffers() {
    let stream = pooled_buffers([("tenant.id", B), ("customer_ref", CANARY_OF_B)]);
    told(
        &stream,
        &[
            ("metric_tenant_mismatch", A, Some(B), Severity::High),
            ("canary_leak", A, Some(B), Severity::Critical),
        ],
    );
}

/// Scenario: the same series, each label a copy of its own tenant's. Guarantee: nothing is told.
#[test]
fn labels_are_copied() {
    quiet(&pooled_buffers([("tenant.id", A), ("customer_ref", "cnry-of-nobody-in-the-list")]));
}
