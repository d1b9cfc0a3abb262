//! The journal against a model, on a disk that fails at every call, and on the real one.

mod damage;
mod erase;
mod model;
mod real;
mod sweep;
mod usage;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use uuid::Uuid;

use super::{
    Settings,
    faulty::{Dice, FaultyDisk},
    journal,
    reader::{Reader, Record},
    state::Shared,
    writer::Writer,
};
use crate::{
    batch::{Batch, Clean, Signal, TenantId},
    receipt::{self, Refusal},
};

fn tenant(n: usize) -> TenantId {
    // No run of zeros, that could stand anywhere.
    TenantId(Uuid::from_u128(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C834 ^ n as u128))
}

/// A batch that can be told from all others by its bytes.
fn batch(id: u64, tenant_no: usize, len: usize) -> Batch<Clean> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend((0..len).map(|n| (id as usize * 31 + n) as u8));
    Batch::clean(Signal::ALL[id as usize % 3], tenant(tenant_no), id as u32, Bytes::from(bytes))
}

fn id_of(record: &Record) -> u64 {
    u64::from_le_bytes(*record.batch.bytes.first_chunk().unwrap())
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), Refusal>>>>;

/// The settings of a small journal.
fn small() -> Settings {
    Settings {
        directory: "/data".into(),
        segment_bytes: 4096,
        quota_bytes: 1 << 20,
        tenant_share: 1.0,
        group_commit_bytes: 2000,
        ..Settings::default()
    }
}

const READER: &str = "backend";

/// One run of the gate, stepped by hand.
struct Run {
    shared: Arc<Shared>,
    writer: Writer,
    reader: Reader,
    /// Sequence and id last read, in this run.
    last_sequence: u64,
    last_of_tenant: BTreeMap<TenantId, u64>,
}

/// A gate and what is to be expected of it.
struct Model {
    disk: FaultyDisk,
    dice: Dice,
    settings: Settings,
    run: Option<Run>,
    /// By id: whose, how long.
    offered: BTreeMap<u64, (usize, usize)>,
    waiting: Vec<(u64, Waiting)>,
    accepted: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    delivered: BTreeSet<u64>,
    /// Delivered and committed: need not come again.
    next_id: u64,
}

impl Model {
    fn new(disk: FaultyDisk, seed: u64, settings: Settings) -> Model {
        let mut model = Model {
            disk,
            dice: Dice(seed),
            settings,
            run: None,
            offered: BTreeMap::new(),
            waiting: Vec::new(),
            accepted: BTreeSet::new(),
            refused: BTreeSet::new(),
            delivered: BTreeSet::new(),
            next_id: 1,
        };
        model.open();
        model
    }

    /// Starts a gate; where the disk fails it, the machine is started again.
    fn open(&mut self) {
        for _ in 0..10 {
            let disk: Arc<FaultyDisk> = Arc::new(self.disk.clone());
            if let Ok((shared, next, _)) = journal::prepare(disk, self.settings.clone(), &[READER.into()]) {
                let writer = Writer::new(Arc::clone(&shared), next);
                let reader = journal::reader(&shared, READER).unwrap();
                let last_of_tenant = BTreeMap::new();
                self.run = Some(Run { shared, writer, reader, last_sequence: 0, last_of_tenant });
                return;
            }
            self.disk.crash(&mut self.dice);
        }
        panic!("the journal does not open");
    }

    /// Power is lost, and comes again.
    fn crash(&mut self) {
        self.run = None;
        self.settle();
        assert!(self.waiting.is_empty(), "a receipt outlived its gate");
        self.disk.crash(&mut self.dice);
        self.open();
    }

    fn append(&mut self, tenant_no: usize, len: usize) {
        let id = self.next_id;
        self.next_id += 1;
        let (receipt, ticket) = receipt::pair();
        self.offered.insert(id, (tenant_no, len));
        self.waiting.push((id, Box::pin(ticket.wait())));
        let run = self.run.as_ref().unwrap();
        journal::append(&run.shared, batch(id, tenant_no, len), 7, receipt);
        self.settle();
    }

    /// Looks which receipts are resolved.
    fn settle(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let (accepted, refused) = (&mut self.accepted, &mut self.refused);
        self.waiting.retain_mut(|(id, ticket)| match ticket.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => !accepted.insert(*id),
            Poll::Ready(Err(refusal)) => {
                assert!(refusal.retryable(), "{refusal:?}");
                !refused.insert(*id)
            }
        });
    }

    fn write(&mut self) -> bool {
        let more = self.run.as_mut().unwrap().writer.write_next();
        self.settle();
        more
    }

    /// Reads one record and holds it against what was offered.
    fn read(&mut self) -> bool {
        let run = self.run.as_mut().unwrap();
        let Some(record) = run.reader.try_next() else { return false };
        let id = id_of(&record);
        let (tenant_no, len) = *self.offered.get(&id).expect("a record that nobody sent");
        let sent = batch(id, tenant_no, len);
        assert_eq!(record.batch.bytes, sent.bytes);
        assert_eq!((record.batch.tenant, record.batch.signal), (sent.tenant, sent.signal));
        assert_eq!((record.batch.items, record.epoch), (sent.items, 7));
        assert!(record.sequence > run.last_sequence, "the order of sequences");
        run.last_sequence = record.sequence;
        let last = run.last_of_tenant.insert(record.batch.tenant, id);
        assert!(last.is_none_or(|last| last < id), "the order within a tenant");
        self.delivered.insert(id);
        true
    }

    /// All that was read is done with.
    fn commit(&mut self) {
        let run = self.run.as_mut().unwrap();
        run.reader.commit(run.last_sequence);
    }

    /// The disk is well again: whatever was accepted must come out.
    fn finish(&mut self) {
        self.disk.heal();
        self.disk.set_room(None);
        if self.disk.dead() {
            self.crash();
        }
        while self.write() {}
        self.crash();
        while self.read() {}
        let missing: Vec<_> = self.accepted.difference(&self.delivered).collect();
        assert!(missing.is_empty(), "accepted and never delivered: {missing:?}");
        // And the gate is fit for more.
        self.append(0, 10);
        while self.write() {}
        assert!(self.accepted.contains(&(self.next_id - 1)), "a healthy disk is refused");
        while self.read() {}
        assert!(self.delivered.contains(&(self.next_id - 1)));
        self.commit();
        let run = self.run.as_mut().unwrap();
        assert!(run.writer.keep());
        // Committed durably is never seen again.
        self.crash();
        let before = self.run.as_mut().unwrap().reader.try_next();
        assert!(before.is_none(), "came again after its cursor was durable");
    }
}

const WAIT: Duration = Duration::from_secs(20);
