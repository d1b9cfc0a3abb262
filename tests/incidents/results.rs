//! Connectors, exports, jobs and numbers that can be guessed: what comes back is another tenant's.

use portcullis::detect::Severity;

use crate::product::{A, B, C, D, job, object, person, quiet, session, told, usual};
use crate::stream::Stream;

/// A search and an export of B through a connector, with objects and tenants of these.
fn connector(found: &str, exported: [&str; 2]) -> Stream {
    let mut stream = usual();
    stream.request(2000, "mcp-server", B).http("/mcp/search", "", 200).who(&person(B, 0), &session(B, 0));
    let results = [object(B, 1), object(found, 2), object(found, 3)];
    stream.span("mcp-server").ids("search.result_ids", &results);
    stream.request(2100, "mcp-server", B).http("/mcp/export", "", 200).who(&person(B, 0), &session(B, 0));
    stream.span("mcp-server").ids("export.task_ids", &[object(B, 4), object(exported[1], 5)]);
    stream
}

/// Scenario: Asana, found on 4 June 2025 (notice to customers about its MCP server, which was taken down): a connector
/// that was a month old could answer with other organisations' tasks and projects. How it lost the organisation is
/// not said; replayed are a search and an export without it.
/// Guarantee: the search and the export are told, critical, each with the tenant that asked and the one whose it was.
#[test]
fn a_connector_loses_its_tenant() {
    told(
        &connector(A, [B, C]),
        &[
            ("search_foreign_documents", B, Some(A), Severity::Critical),
            ("export_mixed_tenants", B, Some(C), Severity::Critical),
        ],
    );
}

/// Scenario: the same search and export with one's own. Guarantee: nothing is told.
#[test]
fn a_connector_keeps_its_tenant() {
    quiet(&connector(B, [B, B]));
}

/// One of D's people reads forty receipts by number.
fn receipts(number: impl Fn(u64) -> u64) -> Stream {
    let mut stream = usual();
    for n in 0..40 {
        let item =
            stream.request(2700 + n * 6, "web-api", D).http("/receipts/:id", &number(n).to_string(), 200);
        item.who(&person(D, 2), &session(D, 2));
    }
    stream
}

/// Scenario: First American, May 2019 (New York's Department of Financial Services, charges of July 2020): documents
/// were numbered one after the other and given to anybody who counted on. Guarantee: the one who counts is told once,
/// with its tenant.
#[test]
fn numbers_are_counted_through() {
    told(&receipts(|n| 500_000 + n), &[("resource_enumeration", D, None, Severity::Medium)]);
}

/// Scenario: the same person reads as many of its own, whose numbers lie apart. Guarantee: nothing is told.
#[test]
fn numbers_are_ones_own() {
    quiet(&receipts(|n| 500_000 + (n * 7919) % 400_000));
}

/// Five jobs are enqueued for B, the third runs for `third`.
fn sync(third: &str) -> Stream {
    let mut stream = usual();
    for (n, tenant) in [B, B, third, B, B].into_iter().enumerate() {
        job(&mut stream, 1600 + n as u64 * 20, B, tenant);
    }
    stream
}

/// Scenario: Vanta, found on 26 May 2025 (statement to customers and press): after a change of code, data of less than
/// a fifth of the integrations was shown to other customers. How is not said; replayed is a job that runs with another
/// tenant than it was enqueued with. Guarantee: the job is told once, as high, with both tenants.
#[test]
fn a_job_runs_for_another_tenant() {
    told(&sync(A), &[("job_tenant_context", A, Some(B), Severity::High)]);
}

/// Scenario: the same jobs, each for the tenant that it was enqueued for. Guarantee: nothing is told.
#[test]
fn a_job_runs_for_its_tenant() {
    quiet(&sync(B));
}
