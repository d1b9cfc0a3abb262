//! The database: a setting that outlives its transaction, a predicate that is lost in a thread.

use portcullis::detect::Severity;

use crate::product::{A, B, TENANTS, person, policy, quiet, session, told, usual};
use crate::stream::{Kind, Stream};

/// Both tenants read on one pooled connection. B's tenant is set for the transaction (`own`), or not at all.
fn pooled_setting(local: bool, own: bool) -> Stream {
    let mut stream = usual();
    policy(&mut stream, 1500, A, "pg-pool-3", local);
    if own {
        policy(&mut stream, 1507, B, "pg-pool-3", true);
    } else {
        stream.request(1507, "documents-api", B).http("/documents", "", 200);
        stream.span("documents-api").sql("pg-pool-3", "SELECT id, title FROM documents ORDER BY title", &[]);
    }
    stream
}

/// Scenario: row level security behind PgBouncer in transaction mode: its manual ("Features", SQL feature map for
/// pooling modes) says that `SET` is not for that mode, and it has been the pitfall of that pair in public write-ups
/// for years; the tenant set by one request is still set when the connection is handed to the next. Guarantee: the
/// connection that is still another tenant's is told once, as critical, with both tenants.
#[test]
fn a_setting_outlives_its_transaction() {
    let stream = pooled_setting(false, false);
    told(&stream, &[("connection_context_bleed", B, Some(A), Severity::Critical)]);
}

/// Scenario: the same connection for the same tenants, each set with `SET LOCAL` inside a transaction; or A's left
/// over, but B sets its own before it reads. Guarantee: nothing is told.
#[test]
fn a_setting_ends_with_its_transaction() {
    quiet(&pooled_setting(true, true));
    quiet(&pooled_setting(false, true));
}

/// Reports that are made in threads of a pool, one for each tenant, and the one of B with this statement.
fn report_in_a_thread(statement: &str, parameters: &[&str]) -> Stream {
    let mut stream = usual();
    let healthy =
        "SELECT id, payer_email, amount FROM invoices WHERE tenant_id = $1 AND state = 'overdue-73'";
    for (n, second) in (300..2400).step_by(60).enumerate() {
        let tenant = TENANTS[n % 4];
        stream
            .request(second, "reports", tenant)
            .http("/reports/overdue", "", 200)
            .who(&person(tenant, 0), &session(tenant, 0));
        stream.span("reports").sql("pg-reports-1", healthy, &[tenant]);
    }
    for second in [2400, 2430, 2460] {
        stream
            .request(second, "reports", B)
            .http("/reports/overdue", "", 200)
            .who(&person(B, 1), &session(B, 1));
        stream.span("reports").kind(Kind::Client).sql("pg-reports-2", statement, parameters);
    }
    stream
}

/// Scenario: activerecord-multi-tenant, August 2024 (issue 255, "Tenant is not preserved in threads"): the tenant is
/// kept for a thread, a new one or one of a pool has none, and its statements lose the tenant's condition without a
/// word. Guarantee: the statement is told once, as high, with the tenant that ran it, and without its values.
#[test]
fn a_statement_loses_its_predicate_in_a_thread() {
    let statement = "SELECT id, payer_email, amount FROM invoices WHERE state = 'overdue-73'";
    let findings = told(&report_in_a_thread(statement, &[]), &[("unscoped_query", B, None, Severity::High)]);
    let shown = findings[0]["evidence"]["statement"].as_str().expect("the statement is shown");
    assert!(shown.contains("invoices") && !shown.contains("overdue-73"), "{shown}");
}

/// Scenario: the same report in a thread that was given the tenant. Guarantee: nothing is told.
#[test]
fn a_statement_keeps_its_predicate_in_a_thread() {
    let statement =
        "SELECT id, payer_email, amount FROM invoices WHERE tenant_id = $1 AND state = 'overdue-73'";
    quiet(&report_in_a_thread(statement, &[B]));
}

/// Scenario: a report in a thread that does have a tenant, but the last request's: the other way in which a context
/// kept for a thread goes wrong. Guarantee: the statement is told with the tenant that it asks for.
#[test]
fn a_statement_has_the_last_tenant_of_its_thread() {
    let statement =
        "SELECT id, payer_email, amount FROM invoices WHERE tenant_id = $1 AND state = 'overdue-73'";
    told(&report_in_a_thread(statement, &[A]), &[("unscoped_query", B, Some(A), Severity::High)]);
}
