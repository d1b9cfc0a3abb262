//! What a statement costs: known as a text, known as a shape, and new.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::detect::sql::{Judge, Options, Schema};

const DUMP: &str = include_str!("../src/detect/sql/tests/schema.sql");

/// As an ORM writes it, about 300 bytes.
const TEXT: &str = "SELECT \"documents\".*, \"members\".\"email\" FROM \"documents\" INNER JOIN \"members\" ON \
    \"members\".\"id\" = \"documents\".\"author_id\" AND \"members\".\"tenant_id\" = \"documents\".\"tenant_id\" \
    WHERE \"documents\".\"tenant_id\" = $1 AND \"documents\".\"visibility\" IN ($2, $3) \
    ORDER BY \"documents\".\"created_at\" DESC LIMIT $4 OFFSET $5";

fn sql(c: &mut Criterion) {
    let schema = Arc::new(Schema::from_dump(DUMP, Options::default()).expect("own schema"));
    let mut judge = Judge::new(Arc::clone(&schema));
    c.bench_function("sql/text known", |b| b.iter(|| black_box(judge.judge(black_box(TEXT)))));
    let mut number = 0u64;
    c.bench_function("sql/shape known", |b| {
        b.iter(|| {
            number += 1;
            let text = format!(
                "SELECT id, title FROM documents WHERE tenant_id = '{number}' AND title = 'x' LIMIT 20"
            );
            black_box(judge.judge(&text))
        })
    });
    let mut number = 0u64;
    c.bench_function("sql/new", |b| {
        b.iter(|| {
            number += 1;
            let text = format!("{TEXT} -- \n AS x{number}").replace("-- \n AS", "FOR UPDATE OF");
            black_box(judge.judge(&text))
        })
    });
}

criterion_group!(benches, sql);
criterion_main!(benches);
