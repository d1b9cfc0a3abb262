//! Scenario: any text, and SQL in pieces; the same with each of its literals replaced by another. Guarantee: no panic and
//! no deep stack; the same is said again, from the cache or anew; the normalised text holds no literal that was put in.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use portcullis::detect::sql::{Judge, Options, Schema};

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let dump = include_str!("../../src/detect/sql/tests/schema.sql");
    Arc::new(Schema::from_dump(dump, Options::default()).expect("own schema"))
});

/// Pieces that a byte past ASCII stands for.
const PIECES: [&str; 64] = [
    " SELECT ", " * ", " FROM ", " WHERE ", " AND ", " OR ", " NOT ", " IN (", "(", ")", ", ", " = ", " <> ", " JOIN ",
    " LEFT JOIN ", " ON ", " USING (", " UNION ALL ", " WITH ", " AS (", " INSERT INTO ", " VALUES (", " UPDATE ", " SET ",
    " DELETE FROM ", " ON CONFLICT ", " DO UPDATE SET ", " EXISTS (SELECT 1 FROM ", "documents", " d ", "notes", " n ",
    "folder_items", "tenants", "tenant_id", "d.tenant_id", "n.document_id", "id", "::uuid", " IS NULL ", " GROUP BY ",
    " ORDER BY ", " LIMIT ", ";", " = ANY(", "ARRAY[", "]", " CASE WHEN ", " THEN ", " END ", "$1", "?", "'zqzq'", "1234567",
    " true ", " null ", " LATERAL (", "set_config('app.x', ", " COPY ", " TRUNCATE ", " MERGE INTO ", " RETURNING ",
    " WHEN MATCHED THEN ", " RECURSIVE ",
];

fuzz_target!(|data: &[u8]| {
    let mut text = String::new();
    for &byte in data {
        match byte {
            0x80.. => text.push_str(PIECES[usize::from(byte) % PIECES.len()]),
            byte => text.push(char::from(byte)),
        }
    }
    let mut judge = Judge::new(Arc::clone(&SCHEMA));
    let first = judge.judge(&text);
    assert_eq!(*judge.judge(&text), *first, "the cache says something else");
    // The same shape with other values comes from the other cache.
    let other = text.replace("'zqzq'", "'qzqz'");
    let again = judge.judge(&other);
    assert_eq!(*Judge::new(Arc::clone(&SCHEMA)).judge(&other), *again, "a shape says something else");
    // A schema of any text, too.
    let _ = Schema::from_dump(&text, Options::default());
});
