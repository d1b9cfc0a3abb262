//! What is said of statements, by example.

mod budget;
mod rls;
mod scopes;
mod shown;
mod texts;
mod writes;

use std::sync::{Arc, LazyLock};

use super::*;

/// Tables of a small product, as pg_dump writes them.
fn schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        Arc::new(Schema::from_dump(include_str!("schema.sql"), Options::default()).unwrap())
    });
    Arc::clone(&SCHEMA)
}

fn judge() -> Judge {
    Judge::new(schema())
}

/// In short: `ok`, `none` (no rows of tenants), `unread`, or `table:reason` for each table, with `!` by key.
fn said(statement: &Statement) -> String {
    match &statement.scope {
        Scope::NotOwned => "none".into(),
        Scope::Scoped => "ok".into(),
        Scope::Unparsed => "unread".into(),
        Scope::Unscoped(missing) => missing
            .iter()
            .map(|m| format!("{}:{}{}", m.alias, m.reason, if m.by_key { "!" } else { "" }))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// Scenario: a dump with functions, data, views, partitions, policies. Guarantee: who owns what, by what column, and
/// what protects it.
#[test]
fn a_dump_says_who_owns_what() {
    let schema = schema();
    let table = |name: &str| {
        let (n, _) = schema.find(None, name).unwrap_or_else(|| panic!("{name}"));
        schema.table(n)
    };
    let owners = [
        ("tenants", Owner::Tenants),
        ("members", Owner::Column),
        ("documents", Owner::Column),
        ("invoices_1", Owner::Column),
        ("folder_items", Owner::Parent),
        ("item_tags", Owner::Parent),
        ("countries", Owner::Nobody),
        ("Orders", Owner::Column),
        ("events", Owner::Column),
        ("public_documents", Owner::Opaque),
        ("recent_documents", Owner::Column),
        ("my_documents", Owner::Nobody),
    ];
    for (name, owner) in owners {
        assert_eq!(table(name).owner, owner, "{name}");
    }
    assert!(schema.find(None, "never").is_none());
    let documents = table("documents");
    assert_eq!((documents.rls, documents.policies.len()), (Rls::Forced, 1));
    assert_eq!(documents.policies[0].using.as_deref(), Some("app.tenant_id"));
    assert_eq!(documents.policies[0].check.as_deref(), Some("app.tenant_id"));
    let notes = table("notes");
    assert_eq!((notes.rls, notes.policies[0].restrictive), (Rls::Enabled, true));
    assert_eq!(notes.policies[0].using.as_deref(), Some("app.tenant_id"));
    assert_eq!(table("folders").policies[0].using, None, "an arm of an OR leaves it open");
    assert_eq!(notes.foreign_keys[0].parent_columns, [Arc::<str>::from("id")]);
    assert_eq!(&*table("events").shown, "audit.events");
    assert_eq!(&*table("recent_documents").tenant.clone().unwrap(), "tenant_id");
}

/// Scenario: a list of tables instead of a dump. Guarantee: it is judged by; what leads nowhere is an error.
#[test]
fn a_list_of_tables_will_do() {
    let declared = |name: &str, column: Option<&str>, references: &[(&str, &str)]| Declared {
        name: name.into(),
        column: column.map(Into::into),
        key: Vec::new(),
        references: references.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect(),
    };
    let tables = [
        declared("playlists", Some("org_id"), &[]),
        declared("playlist_items", None, &[("playlist_id", "playlists")]),
    ];
    let schema = Schema::declared(&tables, Options::default()).unwrap();
    let mut judge = Judge::new(Arc::new(schema));
    let mut said = |text: &str| super::tests::said(&judge.judge(text));
    assert_eq!(said("SELECT * FROM playlists WHERE org_id = $1"), "ok");
    assert_eq!(said("SELECT * FROM playlists WHERE id = $1"), "playlists:no-predicate!");
    assert_eq!(said("SELECT * FROM playlist_items WHERE playlist_id = $1"), "playlist_items:no-predicate!");
    assert_eq!(
        said("SELECT i.* FROM playlist_items i JOIN playlists p ON p.id = i.playlist_id WHERE p.org_id = $1"),
        "ok"
    );
    let lost = [declared("playlist_items", None, &[("playlist_id", "playlists")])];
    assert!(Schema::declared(&lost, Options::default()).unwrap_err().contains("playlists"));
}
