//! Scrubbing of generated log lines: the fast path, RegexSet then regex, and one regex after the other.

use std::fmt::Write;

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

/// `count` lines of about 140 bytes, `dirty` percent of them with one value to find.
fn lines(count: usize, dirty: u64) -> Vec<String> {
    let mut n = Numbers(0x9E37_79B9_7F4A_7C15);
    (0..count)
        .map(|_| {
            let mut line = format!(
                "2026-11-23T10:{:02}:{:02}.{:06}Z ",
                n.next(60),
                n.next(60),
                n.next(1_000_000)
            );
            let (a, b, c) = (n.next(100_000), n.next(1 << 48), n.next(900));
            // Writing to a String cannot fail.
            let _ = match n.next(4) {
                0 => write!(line, "INFO  [worker-{}] orders.Checkout - placed order {a} in {c}.{:03} ms status=200 trace={b:012x}", c % 16, a % 1000),
                1 => write!(line, "WARN  kernel: [{a}.{c:06}] blk_update_request: error, dev sda, sector {b} op 0x0:(READ) flags 0x80700"),
                2 => write!(line, "DEBUG session opened for service billing at /srv/app/releases/{a}/lib/job.rb:{c}:in perform, attempt {}", c % 7),
                _ => write!(line, "{{\"level\":\"info\",\"msg\":\"cache refreshed\",\"keys\":{a},\"took_us\":{c},\"node\":\"cache-{}\",\"epoch\":1732357{b}}}", c % 9),
            };
            if n.next(100) < dirty {
                let _ = match n.next(5) {
                    0 => write!(line, " user=jane.doe{a}@example.com"),
                    1 | 2 => write!(line, " client=203.0.{}.{}", c % 256, a % 256),
                    3 => write!(line, " card 4111 1111 1111 1111"),
                    _ => write!(line, " password=hunter{a}"),
                };
            }
            line
        })
        .collect()
}

fn bench(c: &mut Criterion) {
    let settings = Settings::default();
    let (Ok(scrubber), Ok(packs)) = (Scrubber::compile(&settings), Scrubber::packs(&settings)) else {
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
    for (name, dirty) in [("clean", 0), ("dirty_20_percent", 20)] {
        let lines = lines(20_000, dirty);
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
