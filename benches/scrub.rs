//! Scrubbing of generated log lines and JSON lines: the fast path, RegexSet then regex, and one regex after the
//! other. All built-in rules by shape are in all three; the fast path also does key names and encodings.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis::scrub::{Scrubber, Settings};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// A small generator of numbers, so that every run sees the same lines.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// `count` lines of about 140 bytes as programs write them, `dirty` percent of them with one value to find.
fn lines(count: usize, dirty: u64) -> Vec<String> {
    let mut n = Numbers(0x9E37_79B9_7F4A_7C15);
    let line = |n: &mut Numbers| {
        let mut line = message(n);
        soil(&mut line, n, dirty);
        line
    };
    (0..count).map(|_| line(&mut n)).collect()
}

/// `count` JSON objects of about 600 bytes, one a line.
fn json_lines(count: usize, dirty: u64) -> Vec<String> {
    let mut n = Numbers(0x2545_F491_4F6C_DD1D);
    let object = |n: &mut Numbers| {
        let mut text = message(n);
        soil(&mut text, n, dirty);
        let (a, b, c) = (n.next(1 << 62), n.next(1 << 48), n.next(900));
        serde_json::json!({
            "timestamp": format!("2026-11-23T10:29:{:02}.{:09}Z", c % 60, a % 1_000_000_000),
            "severity": if c % 3 == 0 { "WARN" } else { "INFO" },
            "body": text,
            "trace_id": format!("{a:016x}{:016x}", a.wrapping_mul(b | 1)),
            "span_id": format!("{:016x}", a ^ b),
            "resource": {
                "service.name": "checkout", "service.version": format!("3.{}.{}", c % 40, c % 7),
                "k8s.namespace.name": "shop", "k8s.pod.name": format!("checkout-{:010x}-{:05x}", b & 0xFF_FFFF_FFFF, c),
            },
            "attributes": {
                "http.request.method": "GET", "url.path": format!("/orders/{}/lines", a % 1_000_000),
                "http.response.status_code": 200, "http.server.request.duration": a as f64 / 1e18,
                "tenant_id": format!("{:08x}-5a1e-4b6f-9c3d-{b:012x}", a & 0xFFFF_FFFF), "db.rows": c,
            },
        })
        .to_string()
    };
    (0..count).map(|_| object(&mut n)).collect()
}

/// What some program or other would say.
fn message(n: &mut Numbers) -> String {
    let (a, b, c) = (n.next(100_000), n.next(1 << 48), n.next(900));
    let (hour, minute, second) = (n.next(24), n.next(60), n.next(60));
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match n.next(12) {
        0 => format!(
            "2026-11-23T{time}.{b:06}Z INFO  [worker-{}] orders.Checkout - placed order {a} in {c}.{:03} ms status=200 trace={b:012x}",
            c % 16,
            a % 1000
        ),
        1 => format!(
            "Nov 23 {time} node-{} kernel: [{a}.{c:06}] blk_update_request: error, dev sda, sector {b} op 0x0:(READ) flags 0x80700",
            c % 9
        ),
        2 => format!(
            "2026-11-23 {time},{c:03} DEBUG session opened for service billing at /srv/app/releases/{a}/lib/job.rb:{c}:in perform, attempt {}",
            c % 7
        ),
        3 => format!(
            "{{\"level\":\"info\",\"msg\":\"cache refreshed\",\"keys\":{a},\"took_us\":{c},\"node\":\"cache-{}\",\"epoch\":1732357{b}}}",
            c % 9
        ),
        4 => format!(
            "Nov 23 {time} db-{} postgres[{a}]: [{c}-1] LOG:  checkpoint complete: wrote {a} buffers (2.1%); 0 WAL file(s) added, {c} removed",
            c % 4
        ),
        5 => format!(
            "I1123 {time}.{c:06}       1 scheduler.go:{c}] Successfully bound pod shop/checkout-{:010x}-{:05x} to node-{}",
            b & 0xFF_FFFF_FFFF,
            a,
            c % 9
        ),
        6 => format!(
            "2026-11-23 {time}.{c:03}  WARN {a} --- [nio-8080-exec-{}] o.h.engine.jdbc.spi.SqlExceptionHelper   : SQL Error: 0, SQLState: 40001",
            c % 9
        ),
        7 => format!(
            "\tat com.example.orders.pricing.DiscountCalculator$Rule.applyTo(DiscountCalculator.java:{c}) ~[orders-3.{}.1.jar!/:3.{}.1]",
            c % 40,
            c % 40
        ),
        8 => format!(
            "[{time}] worker({a}): job SendInvoiceReminders#{b} finished in {c}ms queue=mailers retries={} lag={}.{}s",
            c % 5,
            c % 60,
            a % 10
        ),
        9 => format!(
            "level=debug ts=2026-11-23T{time}.{c:03}Z caller=compact.go:{c} component=tsdb msg=\"write block\" mint={a} maxt={b} duration={c}.{a}ms"
        ),
        10 => format!(
            "Nov 23 {time} web-{} systemd[1]: Started Session {a} of user deploy (unit run-r{b:032x}.scope, {c} tasks, limit 4915).",
            c % 9
        ),
        _ => format!(
            "GET /api/v2/orders/{a}/items?page={}&per_page=50&sort=created_at 200 {c}ms (Views: {}.{}ms | ActiveRecord: {}.{}ms)",
            c % 40,
            c % 90,
            a % 10,
            c % 50,
            b % 10
        ),
    }
}

/// Adds one value to find to `dirty` percent of all texts.
fn soil(text: &mut String, n: &mut Numbers, dirty: u64) {
    if n.next(100) < dirty {
        let (a, c) = (n.next(100_000), n.next(900));
        text.push_str(&match n.next(5) {
            0 => format!(" user=jane.doe{a}@example.com"),
            1 | 2 => format!(" client=203.0.{}.{}", c % 256, a % 256),
            3 => " card 4111 1111 1111 1111".to_owned(),
            _ => format!(" password=hunter{a}"),
        });
    }
}

/// Lines of 20 kB that nearly match, over and over.
fn hostile_lines() -> Vec<String> {
    let seeds = [
        "eyJaaaa-",
        "1.1.",
        "4-",
        "::",
        "@a.",
        "password=",
        "://a:",
        "-----BEGIN ",
        "QUJDREVGR0hJSktM",
        "12345678a",
    ];
    seeds.iter().map(|seed| seed.repeat(20_000 / seed.len())).collect()
}

fn bench(c: &mut Criterion) {
    let settings = Settings::default();
    let (Ok(scrubber), Ok(packs)) = (Scrubber::new(&settings), Scrubber::packs(&settings)) else {
        return;
    };
    let patterns: Vec<String> =
        packs.iter().flat_map(|p| &p.rules).map(|(rule, _)| rule.pattern.clone()).collect();
    let each: Vec<Regex> =
        patterns.iter().filter_map(|p| RegexBuilder::new(p).unicode(false).build().ok()).collect();
    let set: Option<RegexSet> = RegexSetBuilder::new(&patterns)
        .unicode(false)
        .size_limit(1 << 28)
        .dfa_size_limit(1 << 26)
        .build()
        .ok();
    let corpora = [
        ("lines_clean", lines(20_000, 0)),
        ("lines_dirty_20_percent", lines(20_000, 20)),
        ("json_clean", json_lines(5_000, 0)),
        ("json_dirty_20_percent", json_lines(5_000, 20)),
        ("hostile", hostile_lines()),
    ];
    for (name, lines) in corpora {
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut group = c.benchmark_group(format!("scrub/{name}"));
        group.throughput(Throughput::Bytes(lines.iter().map(|l| l.len() as u64).sum()));
        group.sample_size(10);
        group.bench_function("fast", |b| {
            b.iter(|| texts.chunks(1000).map(|batch| scrubber.count_finds(batch)).sum::<usize>());
        });
        if let Some(set) = &set {
            group.bench_function("regex_set_then_regex", |b| {
                b.iter(|| {
                    texts
                        .iter()
                        .map(|t| {
                            set.matches(t.as_bytes())
                                .iter()
                                .map(|i| each[i].find_iter(t.as_bytes()).count())
                                .sum::<usize>()
                        })
                        .sum::<usize>()
                });
            });
        }
        if name == "hostile" {
            group.finish();
            continue;
        }
        group.bench_function("regex_after_regex", |b| {
            b.iter(|| {
                texts
                    .iter()
                    .map(|t| each.iter().map(|r| r.find_iter(t.as_bytes()).count()).sum::<usize>())
                    .sum::<usize>()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
