//! Looking for tenants' names and canaries in log lines: with 200 tenants and with 100,000, in text without a mention,
//! with ids and encodings, and with mentions. Says how long the index takes and what it holds.

use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis::{
    batch::TenantId,
    detect::mentions::{Mentions, Names, Scratch},
};

/// A small generator of numbers, so that every run sees the same lines.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn id(&mut self) -> uuid::Uuid {
        let bits = u128::from(self.next(u64::MAX)) << 64 | u128::from(self.next(u64::MAX));
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

/// Words that names are made of; a third of them stand in the lines, too.
const WORDS: [&str; 48] = [
    "walnut",
    "ferry",
    "signal",
    "archive",
    "main",
    "record",
    "studio",
    "echo",
    "harbor",
    "maple",
    "granite",
    "silver",
    "orchid",
    "meadow",
    "falcon",
    "cobalt",
    "amber",
    "willow",
    "north",
    "summit",
    "river",
    "stone",
    "cedar",
    "lumen",
    "order",
    "session",
    "worker",
    "cache",
    "block",
    "index",
    "user",
    "node",
    "event",
    "queue",
    "report",
    "batch",
    "kernel",
    "checkout",
    "page",
    "invoice",
    "service",
    "default",
    "status",
    "component",
    "release",
    "buffer",
    "thread",
    "orders",
];

/// What one tenant is known by, owned.
struct Tenant {
    id: uuid::Uuid,
    slugs: Vec<String>,
    domains: Vec<String>,
    name: String,
    canaries: Vec<String>,
}

fn tenants(count: usize) -> Vec<Tenant> {
    let mut n = Numbers(0x9E37_79B9_7F4A_7C15);
    let word = |n: &mut Numbers| {
        let word = WORDS[n.next(48) as usize];
        let letters: String = (0..2 + n.next(4)).map(|_| (b'a' + n.next(26) as u8) as char).collect();
        // Of every five words one is made up: so many tenants don't share 48 words.
        if n.next(5) == 0 { format!("{letters}{word}") } else { word.to_owned() }
    };
    let one = |i: usize| {
        let (a, b, c) = (word(&mut n), word(&mut n), word(&mut n));
        let slug = match i % 10 {
            0 => a.clone(),
            1..5 => format!("{a}-{b}"),
            _ => format!("{a}-{b}-{c}"),
        };
        let title = |word: &str| word[..1].to_uppercase() + &word[1..];
        Tenant {
            id: n.id(),
            domains: vec![format!("{slug}.example"), format!("{a}{b}{i}.test")],
            slugs: if i.is_multiple_of(4) { vec![slug, format!("{c}-{a}")] } else { vec![slug] },
            name: format!("{} {} {}", title(&a), title(&b), ["AB", "GmbH", "Inc", "Ltd"][i % 4]),
            canaries: vec![
                format!("cnry-{:016x}{:04x}", n.next(u64::MAX), n.next(65_536)),
                format!("{} {} {} {:06}", title(&c), title(&a), title(&b), n.next(1_000_000)),
            ],
        }
    };
    (0..count).map(one).collect()
}

fn index(tenants: &[Tenant]) -> Mentions {
    Mentions::build(
        tenants.iter().map(|tenant| Names {
            tenant: TenantId(tenant.id),
            slugs: tenant.slugs.iter().map(String::as_str).collect(),
            domains: tenant.domains.iter().map(String::as_str).collect(),
            name: Some(&tenant.name),
            canaries: tenant.canaries.iter().map(String::as_str).collect(),
        }),
        ["app.example"],
    )
}

/// What programs say: prose, levels, class names, paths.
fn words(n: &mut Numbers) -> String {
    let (a, c) = (n.next(100_000), n.next(900));
    match n.next(6) {
        0 => format!(
            "2026-11-23T10:29:{:02}.{a:06}Z INFO  [worker-{}] orders.Checkout - placed order {a} in {c} ms status=200",
            c % 60,
            c % 16
        ),
        1 => format!(
            "DEBUG session opened for service billing at /srv/app/releases/{a}/lib/job.rb:{c}:in perform, attempt {}",
            c % 7
        ),
        2 => format!(
            "2026-11-23 10:11:12.{c:03}  WARN {a} --- [nio-8080-exec-{}] o.h.engine.jdbc.spi.SqlExceptionHelper   : SQL Error: 0, SQLState: 40001",
            c % 9
        ),
        3 => format!(
            "GET /api/v2/orders/{a}/items?page={}&per_page=50&sort=created_at 200 {c}ms (Views: {}.{}ms | ActiveRecord: 1.2ms)",
            c % 40,
            c % 90,
            a % 10
        ),
        4 => format!(
            "level=debug ts=2026-11-23T10:11:12.{c:03}Z caller=compact.go:{c} component=tsdb msg=\"write block\" mint={a} duration={c}.{a}ms"
        ),
        _ => format!(
            "Nov 23 10:11:12 db-{} postgres[{a}]: [{c}-1] LOG:  checkpoint complete: wrote {a} buffers (2.1%); 0 WAL file(s) added, {c} removed",
            c % 4
        ),
    }
}

/// The same with ids, escapes or base64.
fn with(kind: &str, n: &mut Numbers) -> String {
    let (a, b) = (n.next(u64::MAX), n.next(u64::MAX));
    let text = words(n);
    match kind {
        "hex_ids" => format!("{text} trace_id={a:016x}{b:016x} span_id={a:016x}"),
        "uuids" => format!("{text} request={} user={}", n.id(), n.id()),
        "escapes" => format!("{text} next=https%3A%2F%2Fshop.test%2Forders%3Fid%3D{a}%26x%3D{b}"),
        _ => format!("{text} cursor=eyJpZCI6{}0 etag=W/\"{a:x}\"", format!("MTIz{b:x}").repeat(3)),
    }
}

/// The most memory that this process ever held, in MiB, as Linux says.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() / 1024
}

fn bench(c: &mut Criterion) {
    for count in [200, 100_000] {
        let all = tenants(count);
        let (start, before) = (Instant::now(), peak());
        let mentions = index(&all);
        println!(
            "mentions/{count}: built in {} ms, {} patterns, {:.1} MiB, at most {} MiB more while it was made, {:?}",
            start.elapsed().as_millis(),
            mentions.patterns(),
            mentions.memory() as f64 / (1 << 20) as f64,
            peak() - before,
            mentions.skipped()
        );
        let mut n = Numbers(0x2545_F491_4F6C_DD1D);
        let plain: Vec<String> = (0..20_000).map(|_| words(&mut n)).collect();
        let mut spoken = |i: usize, line: &String| match i % 5 {
            0 => format!("{line} for {}", all[n.next(count as u64) as usize].slugs[0]),
            _ => line.clone(),
        };
        let mentioned: Vec<String> = plain.iter().enumerate().map(|(i, line)| spoken(i, line)).collect();
        let mut group = c.benchmark_group(format!("mentions/{count}"));
        group.sample_size(10);
        let mut corpora = vec![("words", plain), ("mentioned_20_percent", mentioned)];
        for kind in ["hex_ids", "uuids", "escapes", "base64"] {
            corpora.push((kind, (0..20_000).map(|_| with(kind, &mut n)).collect()));
        }
        for (name, lines) in &corpora {
            group.throughput(Throughput::Bytes(lines.iter().map(|line| line.len() as u64).sum()));
            let mut scratch = Scratch::default();
            group.bench_function(*name, |b| {
                b.iter(|| {
                    let mut count = 0;
                    lines
                        .iter()
                        .for_each(|line| mentions.scan(line.as_bytes(), &mut scratch, &mut |_| count += 1));
                    count
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
