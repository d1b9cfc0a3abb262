//! The work of one batch on one core, without sockets and disks: a thousand log records of about 370 bytes
//! go through the stages one by one, and through all of them.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis::{
    batch::{Batch, Signal, TenantId},
    cli::bench::batches,
    detect::{self, Context, Extractor, Key, NoDirectory, Observation, Rules},
    identify::{self, factory},
    scrub::{self, MasterKey, Scratch, Scrubber, Tally},
    wire::{self, Aliases, Survey},
};

const RECORDS: usize = 1000;

/// What a worker owns, and the policy that batches are held against.
struct Worker {
    tenant: TenantId,
    aliases: Aliases,
    survey: Survey,
    rules: Rules,
    extractor: Extractor,
    observations: Vec<Observation>,
    scrubber: Scrubber,
    scratch: Scratch,
    master: MasterKey,
    tally: Tally,
}

impl Worker {
    fn new(tenant: TenantId) -> Self {
        Worker {
            tenant,
            aliases: Aliases::new(&identify::Settings::default().aliases),
            survey: Survey::default(),
            rules: Rules::new(&detect::Settings::default(), Key::new([7; 16])).expect("default settings"),
            extractor: Extractor::default(),
            observations: Vec::new(),
            scrubber: Scrubber::new(&scrub::Settings::default()).expect("the built-in packs"),
            scratch: Scratch::default(),
            master: MasterKey::new(&[7; 32], 1).expect("a key of 32 bytes"),
            tally: Tally::default(),
        }
    }

    fn survey(&mut self, batch: &Bytes) {
        wire::survey(Signal::Logs, batch, &self.aliases, &mut self.survey).expect("a good batch");
    }

    fn observe(&mut self, batch: &Bytes, at: u64) {
        self.observations.clear();
        let context = Context {
            at,
            claimed: Some(self.tenant),
            fallback: None,
            baggage: None,
            directory: &NoDirectory,
            mentions: None,
        };
        detect::observe_batch(
            Signal::Logs,
            batch,
            &self.rules,
            context,
            &mut self.extractor,
            &mut self.observations,
        );
    }

    fn scrub(&mut self, batch: &Bytes) -> Bytes {
        let batch = Batch::raw(Signal::Logs, self.tenant, RECORDS as u32, batch.clone());
        let clean = self.scrubber.scrub_batch(&mut self.scratch, batch, &self.master, &mut self.tally);
        clean.expect("a good batch").bytes
    }
}

fn path(criterion: &mut Criterion) {
    let lines = match std::env::var_os("CORPUS") {
        Some(file) => batches::corpus(file.as_ref()).expect("the file that CORPUS names"),
        None => batches::generated(),
    };
    let tenant = factory::tenant_id("bench-1");
    let batches = batches::encode(&lines, 8, RECORDS, &[tenant.to_string()]);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    let batches: Arc<[Bytes]> = batches.into();
    let mut group = criterion.benchmark_group("path");
    group.throughput(Throughput::Elements(RECORDS as u64));
    let mut stage = |name: &str, run: &mut dyn FnMut(&mut Worker, &Bytes)| {
        let (mut worker, mut turn) = (Worker::new(tenant), 0);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                turn += 1;
                run(&mut worker, &batches[turn % batches.len()]);
            });
        });
    };
    stage("survey", &mut |worker, batch| worker.survey(batch));
    stage("observe", &mut |worker, batch| worker.observe(batch, now));
    stage("scrub", &mut |worker, batch| drop(worker.scrub(batch)));
    stage("whole", &mut |worker, batch| {
        worker.survey(batch);
        worker.observe(batch, now);
        drop(worker.scrub(batch));
    });
    group.finish();
}

criterion_group!(benches, path);
criterion_main!(benches);
