//! The quarantine under a key.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    seal::Keys,
    tests::{batch, ids},
    *,
};
use crate::{
    batch::Signal,
    buffer::{
        faulty::{Dice, Fault, FaultyDisk},
        record::Header,
    },
};

fn key(dir: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn with(current: Option<&PathBuf>, previous: &[&PathBuf]) -> QuarantineSettings {
    QuarantineSettings {
        key_file: current.cloned(),
        previous_key_files: previous.iter().map(|path| (*path).clone()).collect(),
        ..QuarantineSettings::default()
    }
}

fn store(disk: &FaultyDisk, quarantine: QuarantineSettings) -> Store {
    let settings = Settings { directory: "/data".into(), quarantine, ..Settings::default() };
    Store::open_on(Arc::new(disk.clone()), &settings).unwrap()
}

fn text(disk: &FaultyDisk) -> Vec<u8> {
    disk.files().iter().flat_map(|path| disk.content(path)).collect()
}

fn said(text: &'static str, id: u32) -> Batch<Clean> {
    Batch::clean(Signal::Logs, TenantId(uuid::Uuid::from_u128(7)), id, Bytes::from_static(text.as_bytes()))
}

const SECRET: &str = "\x0a\x1bwhat a person said to us once";

/// Scenario: items of a time without a key, of an old key and of a new one; then the new key alone, no key, a
/// purge without a key. Guarantee: no text on the disk but the first; all read with both keys; what cannot be read
/// is listed, counted by reason and kept by a replay.
#[test]
fn keys_come_and_change() {
    let (here, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
    let old = key(here.path(), "old", &[7; 32]);
    let new = key(here.path(), "new", format!("{}\n", "0aF3".repeat(16)).as_bytes());
    store(&disk, with(None, &[])).append(&[(&batch(1, 7, 40), Reason::Other, 1)]).unwrap();
    store(&disk, with(Some(&old), &[])).append(&[(&said(SECRET, 2), Reason::Other, 1)]).unwrap();
    store(&disk, with(Some(&new), &[&old])).append(&[(&said(SECRET, 3), Reason::Other, 1)]).unwrap();
    assert!(!text(&disk).windows(8).any(|part| SECRET.as_bytes().windows(8).any(|said| said == part)));

    let both = store(&disk, with(Some(&new), &[&old]));
    assert_eq!(ids(&both, Filter::default()), [1, 2, 3]);
    let item = both.iter(Filter::default()).unwrap().nth(1).unwrap().unwrap();
    assert_eq!(item.batch.bytes, SECRET);

    let mut newest = store(&disk, with(Some(&new), &[]));
    let done = newest.replay(Filter::default(), |item| item.batch.items == 3).unwrap();
    assert_eq!((done.sent, done.kept, done.unread.batches()), (1, 1, 1));
    assert_eq!(done.unread.reasons().collect::<Vec<_>>(), [(Unreadable::OtherKey, 1)]);

    let mut keyless = store(&disk, with(None, &[]));
    let mut items = keyless.iter(Filter::default()).unwrap();
    assert_eq!(items.by_ref().map(|item| item.unwrap().batch.items).collect::<Vec<_>>(), [1]);
    assert_eq!(items.unread().reasons().collect::<Vec<_>>(), [(Unreadable::NoKey, 1)]);
    let groups = keyless.list().unwrap();
    assert_eq!(groups.iter().map(|group| (group.batches, group.items)).collect::<Vec<_>>(), [(2, 3)]);
    assert_eq!(keyless.count(Filter::default()).unwrap(), 3);
    // What stays is moved as it is, and opens still.
    let plain = keyless.iter(Filter::default()).unwrap().next().unwrap().unwrap().id;
    assert_eq!(keyless.remove(&[plain]).unwrap(), 1);
    assert_eq!(ids(&store(&disk, with(Some(&old), &[])), Filter::default()), [2]);
}

/// Scenario: key files that are empty, short, long, no hex, missing. Guarantee: each is refused with its path and
/// what is expected; nothing of their content is said.
#[test]
fn a_bad_key_file_is_named() {
    let here = tempfile::tempdir().unwrap();
    for content in ["", "hunter2hunter2", &"zq".repeat(32), &"ab".repeat(40), &"ab".repeat(100)] {
        let path = key(here.path(), "key", content.as_bytes());
        let error = check_keys(&with(None, &[&path])).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("64 hex digits"), "{error}");
        assert!(content.is_empty() || !error.contains(content), "{error}");
    }
    let error = check_keys(&with(Some(&here.path().join("none")), &[])).unwrap_err().to_string();
    assert!(error.contains("none") && error.contains("quarantine's key"), "{error}");
}

/// Scenario: sealed puts with a fault at each call of the disk, then a loss of power. Guarantee: what was kept
/// opens as it was; no text is on the disk.
#[test]
fn a_fault_at_any_call_keeps_what_was_sealed() {
    let here = tempfile::tempdir().unwrap();
    let path = key(here.path(), "key", &[9; 32]);
    let run = |at: u64, fault: Fault| {
        let disk = FaultyDisk::default();
        disk.fail_in(at, fault);
        let mut kept = Vec::new();
        let quarantine = with(Some(&path), &[]);
        let settings = Settings { directory: "/data".into(), quarantine, ..Settings::default() };
        if let Ok(mut gate) = Store::open_on(Arc::new(disk.clone()), &settings) {
            for id in 1..=4 {
                if gate.append(&[(&said(SECRET, id), Reason::Other, 1)]).is_ok() {
                    kept.push(id);
                }
            }
        }
        let calls = disk.calls();
        disk.crash(&mut Dice(at));
        let store = store(&disk, with(Some(&path), &[]));
        let mut items = store.iter(Filter::default()).unwrap();
        let found: Vec<_> = items.by_ref().map(Result::unwrap).collect();
        assert_eq!(items.unread(), Unread::default(), "{at} {fault:?}");
        assert!(found.iter().all(|item| item.batch.bytes == SECRET));
        assert!(kept.iter().all(|id| found.iter().any(|item| item.batch.items == *id)), "{at} {fault:?}");
        assert!(!text(&disk).windows(12).any(|part| part == b"a person sai"));
        calls
    };
    let calls = run(u64::MAX / 2, Fault::Error);
    for at in 0..calls {
        for fault in Fault::ALL {
            run(at, fault);
        }
    }
}

proptest! {
    /// Scenario: any payload sealed; then any byte of it changed, or any one fact of its header. Guarantee: it opens
    /// as it was; changed, it never opens as sealed data; no panic on any bytes.
    #[test]
    fn what_is_sealed_opens_or_is_refused(
        payload in prop::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, flip in 1u8..,
        fact in 0usize..7, noise in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let here = tempfile::tempdir().unwrap();
        let keys = Keys::load(&with(Some(&key(here.path(), "key", &[3; 32])), &[])).unwrap();
        let batch = Batch::clean(Signal::Logs, TenantId(uuid::Uuid::from_u128(5)), 4, Bytes::from(payload.clone()));
        let mut header = Header::of(&batch, 11, 2, 3, 1_700_000_000);
        let sealed = keys.seal(&mut header, &payload).unwrap().unwrap();
        prop_assert!(header.holds(&sealed));
        prop_assert_eq!(keys.open(&header, sealed.clone().into()), Ok(payload.clone().into()));
        prop_assert_ne!(keys.seal(&mut header.clone(), &payload).unwrap().unwrap(), sealed.clone());

        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= flip;
        let opened = keys.open(&header, changed.clone().into());
        // Without its magic it is taken for what it then is: plain, and no request.
        prop_assert!(opened.is_err() || (changed[..4] != sealed[..4] && opened == Ok(changed.into())));

        let mut other = header;
        match fact {
            0 => other.sequence += 1,
            1 => other.tenant = TenantId(uuid::Uuid::from_u128(6)),
            2 => other.signal = Signal::Traces,
            3 => other.reason += 1,
            4 => other.items += 1,
            5 => other.epoch += 1,
            _ => other.time_unix_nano += 1,
        }
        prop_assert_eq!(keys.open(&other, sealed.into()), Err(Unreadable::Changed));
        let _ = keys.open(&header, [b"PCQ1".as_slice(), &noise].concat().into());
    }
}
