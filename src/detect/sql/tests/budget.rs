//! What a statement may cost.

use std::time::{Duration, Instant};

use super::*;

/// A chain of named queries, each of which reads the one before it twice.
fn doubled(levels: usize, columns: &str) -> String {
    let level =
        |n: usize| format!(", c{} AS (SELECT {columns} FROM c{n} x JOIN c{n} y ON x.id = y.id)", n + 1);
    let chain: String = (0..levels).map(level).collect();
    format!("WITH c0 AS (SELECT * FROM documents){chain} SELECT * FROM c{levels}")
}

fn joined(tables: usize, on: (&str, &str), filter: &str) -> String {
    let join = |n: usize| format!(" JOIN documents d{n} ON d{n}.{} = d{}.{}", on.0, n - 1, on.1);
    let joins: String = (1..tables).map(join).collect();
    format!("SELECT * FROM documents d0{joins} {filter}")
}

/// Scenario: named queries that double the columns or the tables of the one before, in many levels. Guarantee: what
/// grows with the text is judged, what grows without bound is not; neither takes long.
#[test]
fn doubling_ends() {
    let start = Instant::now();
    assert_eq!(said(&judge().judge(&doubled(60, "x.*"))), "documents:no-predicate");
    assert_eq!(said(&judge().judge(&doubled(10, "*"))), "documents:no-predicate");
    assert_eq!(said(&judge().judge(&doubled(60, "*"))), "unread");
    // Hundreds of times more than it takes without optimisation.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Scenario: hundreds of joins, by keys and by tenants. Guarantee: judged, in time that grows with the text.
#[test]
fn many_joins_are_judged() {
    let start = Instant::now();
    let by_key = judge().judge(&joined(300, ("id", "author_id"), ""));
    assert!(matches!(&by_key.scope, Scope::Unscoped(missing) if missing.len() == 300));
    let open = judge().judge(&joined(300, ("tenant_id", "tenant_id"), ""));
    assert!(matches!(&open.scope, Scope::Unscoped(missing) if missing.len() == 300));
    let kept = joined(300, ("tenant_id", "tenant_id"), "WHERE d150.tenant_id = $1");
    assert_eq!(said(&judge().judge(&kept)), "ok");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Scenario: a statement that ends its budget, and one after it. Guarantee: the next is judged as ever.
#[test]
fn one_budget_is_one_statements() {
    let mut judge = judge();
    assert_eq!(said(&judge.judge(&doubled(60, "*"))), "unread");
    assert_eq!(said(&judge.judge("SELECT * FROM documents WHERE tenant_id = $1")), "ok");
    // Beside others in one text it ends them all: what was found of them is not told.
    let both = format!("SELECT * FROM documents; {}", doubled(60, "*"));
    assert_eq!(said(&judge.judge(&both)), "unread");
}
