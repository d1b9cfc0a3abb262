use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::{
    batch::{Batch, Clean},
    buffer::Reader,
};

const OLD: usize = 0;
const NEW: usize = 1;

fn tenant(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(0x1234_5678_9abc_4def_8000_0000_0000_0000 + n))
}

fn batch(tenant: TenantId, id: u64) -> Batch<Clean> {
    Batch::clean(Signal::Logs, tenant, 1, Bytes::copy_from_slice(&id.to_le_bytes()))
}

fn at(place: usize) -> impl Fn(Signal) -> Targets {
    move |_| [place].into_iter().collect()
}

/// A gate's way from the path to two destinations, without the rest of it.
struct Gate {
    journal: Journal,
    holds: Arc<Holds>,
    moves: Arc<Moves>,
    readers: [Reader; 2],
    /// Where the catalogue says that data goes.
    route: usize,
    /// What each destination was given, by tenant.
    given: [BTreeMap<TenantId, Vec<u64>>; 2],
}

impl Gate {
    async fn open(settings: &Settings, route: usize) -> Gate {
        let names = vec!["old".to_owned(), "new".to_owned()];
        let journal = Journal::open(settings.clone(), &names).unwrap();
        let holds = Arc::<Holds>::default();
        let moves = Moves::open(settings, names.clone(), journal.clone(), Arc::clone(&holds)).unwrap();
        moves.go_on().await;
        let readers = [0, 1].map(|place: usize| journal.reader(&names[place]).unwrap());
        Gate { journal, holds, moves, readers, route, given: Default::default() }
    }

    /// The process is gone; what it had acknowledged is on the disk.
    async fn killed(self, settings: &Settings) -> Gate {
        let (route, given) = (self.route, self.given.clone());
        drop(self);
        // The drain's task may hold the last handle of a held tenant's journal for a moment.
        for _ in 0..200 {
            if crate::buffer::disk::Disk::lock(
                &crate::buffer::disk::RealDisk,
                &settings.directory.join("lock"),
                false,
            )
            .is_ok()
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Gate { given, ..Gate::open(settings, route).await }
    }

    async fn send(&self, tenant: TenantId, id: u64) {
        self.holds
            .append(&self.journal, &batch(tenant, id), 1, &Default::default(), None)
            .await
            .wait()
            .await
            .unwrap();
    }

    /// The destinations take all that they can have now.
    fn deliver(&mut self) {
        for place in [OLD, NEW] {
            let (moves, route) = (Arc::clone(&self.moves), self.route);
            let wanted = |header: &crate::buffer::Header| {
                let targets = moves.targets(header.sequence, header.signal, header.tenant);
                targets.unwrap_or_else(|| at(route)(header.signal)).has(place)
            };
            while let Some(record) = self.readers[place].try_next_matching(wanted) {
                let id = u64::from_le_bytes(*record.batch.bytes.first_chunk().unwrap());
                self.given[place].entry(record.batch.tenant).or_default().push(id);
                self.readers[place].done(record.sequence);
            }
        }
    }

    async fn drained(&mut self, tenant: TenantId) {
        for _ in 0..1000 {
            if self.moves.get(tenant).await.is_some_and(|moving| moving.held == Held::No) {
                return self.deliver();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("not drained");
    }

    /// Without what came twice.
    fn once(&self, place: usize, tenant: TenantId) -> Vec<u64> {
        let mut ids = self.given[place].get(&tenant).cloned().unwrap_or_default();
        ids.dedup();
        ids
    }
}

fn settings(directory: &Path) -> Settings {
    Settings {
        directory: directory.to_owned(),
        segment_bytes: 4096,
        quota_bytes: 1 << 20,
        cursor_interval: Duration::from_millis(1),
        ..Settings::default()
    }
}

/// Scenario: a tenant moves by all steps while it sends, another stays, and the destinations read early or late.
/// Guarantee: what came before goes to the old one, during dual-write to both, after the cut-over to the new one;
/// each in order; the other tenant notices nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_puts_everything_where_it_belongs() {
    for early in [true, false] {
        let here = tempfile::tempdir().unwrap();
        let mut gate = Gate::open(&settings(here.path()), OLD).await;
        let (moving, staying) = (tenant(1), tenant(2));
        let mut next = 0..;
        let mut send = async |gate: &mut Gate| {
            for id in next.by_ref().take(3) {
                gate.send(moving, id).await;
                gate.send(staying, id).await;
            }
            if early {
                gate.deliver();
            }
        };
        send(&mut gate).await;
        gate.moves.start(moving, vec!["new".into()], at(OLD)).await.unwrap();
        send(&mut gate).await;
        gate.moves.freeze(moving).await.unwrap();
        send(&mut gate).await;
        assert!(gate.moves.held_bytes(moving) > 0);
        gate.moves.cut_over(moving).await.unwrap();
        send(&mut gate).await;
        gate.moves.unfreeze(moving).await.unwrap();
        send(&mut gate).await;
        gate.drained(moving).await;
        send(&mut gate).await;
        gate.deliver();
        assert_eq!(gate.once(OLD, moving), [0, 1, 2, 3, 4, 5]);
        assert_eq!(gate.once(NEW, moving), (3..18).collect::<Vec<_>>());
        assert_eq!(gate.once(OLD, staying), (0..18).collect::<Vec<_>>());
        assert_eq!(gate.once(NEW, staying), [0u64; 0]);
        let early_finish = gate.moves.finish(moving, at(OLD)).await.unwrap_err();
        assert!(early_finish.to_string().contains("routes and catalogue still lead"), "{early_finish}");
        gate.route = NEW;
        tokio::time::sleep(Duration::from_millis(50)).await;
        gate.moves.finish(moving, at(NEW)).await.unwrap();
        assert!(
            gate.moves.list().await.is_empty()
                && gate.moves.targets(u64::MAX, Signal::Logs, moving).is_none()
        );
    }
}

/// Scenario: the same, and the process is gone after every step, at times with nothing delivered. Guarantee: the
/// step is in force again, and nothing is lost or in the wrong place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_survives_the_end_of_the_process_at_any_step() {
    let here = tempfile::tempdir().unwrap();
    let settings = settings(here.path());
    let moving = tenant(1);
    let mut gate = Gate::open(&settings, OLD).await;
    let mut next = 0;
    for step in ["", "start", "freeze", "cut-over", "unfreeze", ""] {
        match step {
            "start" => drop(gate.moves.start(moving, vec!["new".into()], at(OLD)).await.unwrap()),
            "freeze" => drop(gate.moves.freeze(moving).await.unwrap()),
            "cut-over" => drop(gate.moves.cut_over(moving).await.unwrap()),
            "unfreeze" => drop(gate.moves.unfreeze(moving).await.unwrap()),
            _ => {}
        }
        for _ in 0..4 {
            gate.send(moving, next).await;
            next += 1;
        }
        gate = gate.killed(&settings).await;
        if step == "unfreeze" {
            gate.drained(moving).await;
        }
    }
    gate.deliver();
    let set = |place: usize| {
        gate.given[place][&moving].iter().copied().collect::<std::collections::BTreeSet<u64>>()
    };
    assert_eq!(set(OLD), (0..8).collect());
    assert_eq!(set(NEW), (4..24).collect());
    assert!(!here.path().join(HELD).join(moving.to_string()).exists());
}

/// Scenario: steps out of order, unknown places, a move given up. Guarantee: refused, saying what to do; after the
/// abort all goes to the old one again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_out_of_order_are_refused() {
    let here = tempfile::tempdir().unwrap();
    let mut gate = Gate::open(&settings(here.path()), OLD).await;
    let (moving, moves) = (tenant(1), Arc::clone(&gate.moves));
    assert_eq!(moves.freeze(moving).await, Err(NotMoved::NoMove));
    let start =
        async |to: &[&str]| moves.start(moving, to.iter().map(ToString::to_string).collect(), at(OLD)).await;
    assert!(start(&["nowhere"]).await.unwrap_err().to_string().contains("expected some of old, new"));
    assert!(start(&["old"]).await.unwrap_err().to_string().contains("there already"));
    assert!(start(&[]).await.unwrap_err().to_string().contains("empty"));
    start(&["new"]).await.unwrap();
    assert!(matches!(start(&["new"]).await, Err(NotMoved::NotNow(_))));
    assert!(matches!(moves.unfreeze(moving).await, Err(NotMoved::NotNow(_))));
    assert!(matches!(moves.finish(moving, at(OLD)).await, Err(NotMoved::NotNow(_))));
    gate.send(moving, 1).await;
    moves.abort(moving).await.unwrap();
    assert!(matches!(moves.cut_over(moving).await, Err(NotMoved::NotNow(_))));
    gate.send(moving, 2).await;
    gate.deliver();
    assert_eq!((gate.once(OLD, moving), gate.once(NEW, moving)), (vec![1, 2], vec![1]));
}

/// Scenario: a move in the file names a destination that is gone from the configuration. Guarantee: the gate does not
/// start, and says which.
#[tokio::test]
async fn a_destination_that_a_move_needs_is_missed() {
    let here = tempfile::tempdir().unwrap();
    let settings = settings(here.path());
    let gate = Gate::open(&settings, OLD).await;
    gate.moves.start(tenant(1), vec!["new".into()], at(OLD)).await.unwrap();
    let (journal, holds) = (gate.journal.clone(), Arc::clone(&gate.holds));
    let opened = Moves::open(&settings, vec!["old".into()], journal, holds);
    assert!(opened.err().unwrap().contains("`new`, which is not configured"));
}
