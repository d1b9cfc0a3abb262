//! The quarantine on the faulty disk and on the real one.

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::{
    batch::Signal,
    buffer::faulty::{Dice, Fault, FaultyDisk},
};

pub(super) fn batch(id: u32, tenant: u128, len: usize) -> Batch<Clean> {
    let tenant = TenantId(Uuid::from_u128(tenant));
    Batch::clean(Signal::Logs, tenant, id, Bytes::from(vec![id as u8; len]))
}

pub(super) fn settings(max_bytes: u64) -> Settings {
    let quarantine = QuarantineSettings { max_bytes, ..QuarantineSettings::default() };
    Settings { directory: "/data".into(), quarantine, ..Settings::default() }
}

pub(super) fn store(disk: &FaultyDisk, max_bytes: u64) -> Store {
    Store::open_on(Arc::new(disk.clone()), &settings(max_bytes)).unwrap()
}

pub(super) fn ids(store: &Store, filter: Filter) -> Vec<u32> {
    store.iter(filter).unwrap().map(|item| item.unwrap().batch.items).collect()
}

/// Scenario: items of two tenants and reasons; another process lists, purges and replays while the
/// gate goes on putting. Guarantee: groups add up, only what was meant goes, the gate's next put is kept.
#[test]
fn list_purge_and_replay_beside_a_gate() {
    let disk = FaultyDisk::default();
    let mut gate = store(&disk, 1 << 20);
    let mut command = store(&disk, 1 << 20);
    for id in 1..=6 {
        let reason = if id % 2 == 0 { Reason::UnknownTenant } else { Reason::MissingTenant };
        gate.append(&[(&batch(id, u128::from(id % 3), 100), reason, 1)]).unwrap();
    }
    let groups = command.list().unwrap();
    assert_eq!(groups.iter().map(|g| g.items).sum::<u64>(), 21);
    assert_eq!(groups.len(), 6);
    let unknown = Filter { reason: Some(Reason::UnknownTenant), ..Filter::default() };
    assert_eq!(command.purge(&unknown).unwrap(), 3);
    assert_eq!(ids(&gate, Filter::default()), [1, 3, 5]);
    gate.append(&[(&batch(7, 1, 100), Reason::Other, 1)]).unwrap();
    let mut seen = Vec::new();
    let done = command.replay(Filter::default(), |item| {
        seen.push(item.batch.items);
        item.batch.items != 3
    });
    let done = done.unwrap();
    assert_eq!((done.sent, done.kept), (3, 1));
    assert_eq!(seen, [1, 3, 5, 7]);
    assert_eq!(ids(&command, Filter::default()), [3]);
    gate.append(&[(&batch(8, 1, 100), Reason::Other, 1)]).unwrap();
    assert_eq!(ids(&command, Filter::default()), [3, 8]);
}

/// Scenario: more than fits, and items past their age. Guarantee: the oldest go, the newest stay, the
/// size stays within its bound.
#[test]
fn size_and_age_are_bounded() {
    let disk = FaultyDisk::default();
    let mut store = store(&disk, 100_000);
    for id in 0..500 {
        store.append(&[(&batch(id, 1, 1000), Reason::Other, 1)]).unwrap();
        let held: usize = disk.files().iter().map(|p| disk.content(p).len()).sum();
        assert!(held <= 100_000, "{held}");
    }
    let left = ids(&store, Filter::default());
    assert!(left.len() > 50 && left.last() == Some(&499), "{left:?}");
    assert!(left.windows(2).all(|w| w[0] + 1 == w[1]));
    store.max_age = Duration::ZERO;
    store.tidy().unwrap();
    assert_eq!(ids(&store, Filter::default()), Vec::<u32>::new());
}

/// Scenario: put, purge one, put, with a fault at each call of the disk, then a loss of power.
/// Guarantee: what was kept and not purged is there, what was durably purged is not, nothing is invented.
#[test]
fn a_fault_at_any_call_keeps_what_was_kept() {
    let run = |at: u64, fault: Fault| {
        let disk = FaultyDisk::default();
        disk.fail_in(at, fault);
        let mut kept = Vec::new();
        let mut purged = false;
        if let Ok(mut store) = Store::open_on(Arc::new(disk.clone()), &settings(1 << 20)) {
            for id in 1..=4 {
                if store.append(&[(&batch(id, u128::from(id), 2000), Reason::Other, 1)]).is_ok() {
                    kept.push(id);
                }
            }
            let second = Filter { tenant: Some(TenantId(Uuid::from_u128(2))), ..Filter::default() };
            purged = store.purge(&second).is_ok();
            if store.append(&[(&batch(5, 5, 2000), Reason::Other, 1)]).is_ok() {
                kept.push(5);
            }
        }
        let calls = disk.calls();
        disk.crash(&mut Dice(at));
        let found = ids(&store(&disk, 1 << 20), Filter::default());
        assert!(kept.iter().all(|id| *id == 2 || found.contains(id)), "{at} {fault:?} {kept:?} {found:?}");
        assert!(!(purged && found.contains(&2)), "{at} {fault:?}: came back");
        assert!(found.iter().all(|id| (1..=5).contains(id)));
        calls
    };
    let calls = run(u64::MAX / 2, Fault::Error);
    assert!(calls > 30);
    for at in 0..calls {
        for fault in Fault::ALL {
            run(at, fault);
        }
    }
}

/// Scenario: the gate's side with its thread, on the real disk. Guarantee: what was put is there when
/// its ticket says so, and all of it after close.
#[test]
fn a_put_is_kept_when_closed() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { directory: dir.path().to_owned(), ..Settings::default() };
    let quarantine = Quarantine::open(&settings).unwrap();
    for id in 1..=20 {
        let ticket = quarantine.put(batch(id, 1, 100), Reason::DeletedTenant, 3);
        if id % 10 == 0 {
            assert_eq!(ticket.wait_blocking(), Ok(()));
            assert!(ids(&Store::open(&settings).unwrap(), Filter::default()).contains(&id));
        }
    }
    quarantine.close();
    let store = Store::open(&settings).unwrap();
    assert_eq!(ids(&store, Filter::default()), (1..=20).collect::<Vec<_>>());
    let groups = store.list().unwrap();
    assert_eq!((groups.len(), groups[0].reason, groups[0].batches), (1, Reason::DeletedTenant, 20));
}
