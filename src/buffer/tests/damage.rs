//! Torn tails, flipped bits, forged records, full disks.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::buffer::{
    faulty::Fault,
    record::{HEADER_BYTES, Header},
};

/// A disk with ten records in three segments, and the segments in order.
fn written() -> (FaultyDisk, Vec<PathBuf>) {
    let disk = FaultyDisk::default();
    let mut model = Model::new(disk.clone(), 1, small());
    for n in 0..10 {
        model.append(n % 2, 900);
        model.write();
    }
    assert_eq!(model.accepted.len(), 10);
    let files = disk.files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "segment")).collect();
    (disk, files)
}

/// Opens and reads all. Each record must be as it was written.
fn read_all(disk: &FaultyDisk) -> (Vec<u64>, u64) {
    let (shared, _, _) = journal::prepare(Arc::new(disk.clone()), small(), &[READER.into()])
        .expect("damage never stops a start");
    let mut reader = journal::reader(&shared, READER).unwrap();
    let mut ids = Vec::new();
    while let Some(record) = reader.try_next() {
        let id = id_of(&record);
        let sent = batch(id, (id as usize - 1) % 2, 900);
        assert_eq!((record.batch.bytes, record.batch.tenant), (sent.bytes, sent.tenant));
        ids.push(id);
    }
    (ids, shared.stats().corrupt_records)
}

/// Scenario: the newest segment ends at any byte of its last record, or has noise there.
/// Guarantee: all before is read, nothing of it is, it counts as no damage, and the gate goes on.
#[test]
fn a_torn_tail_is_cut_off_at_any_byte() {
    let (disk, segments) = written();
    let newest = segments.last().unwrap();
    let whole = disk.content(newest);
    let record = HEADER_BYTES + 908;
    for lost in 1..=record {
        let torn = disk.copy();
        let mut data = whole.clone();
        if lost % 3 == 0 {
            // The length was durable, the content was not.
            data[whole.len() - lost..].fill(0);
        } else {
            data.truncate(whole.len() - lost);
        }
        torn.put(newest, data);
        assert_eq!(read_all(&torn), ((1..=9).collect(), 0), "{lost}");
        assert!(torn.content(newest).len() <= whole.len() - record);
    }
    let mut model = Model::new(disk, 2, small());
    model.append(0, 10);
    assert!(model.write() && model.accepted.len() == 1);
}

/// Scenario: one bit is flipped anywhere in a sealed segment. Guarantee: at most the record it lies in
/// is missing, it is counted and kept aside, and all others are read.
#[test]
fn a_flipped_bit_costs_one_record_at_most() {
    let (disk, segments) = written();
    let sealed = &segments[1];
    let whole = disk.content(sealed);
    for at in (0..whole.len()).step_by(3) {
        let flipped = disk.copy();
        let mut data = whole.clone();
        data[at] ^= 1 << (at % 8);
        flipped.put(sealed, data);
        let (ids, corrupt) = read_all(&flipped);
        let missing: Vec<u64> = (1..=10).filter(|id| !ids.contains(id)).collect();
        assert!(ids.is_sorted() && missing.len() <= 1, "{at}: {missing:?}");
        assert_eq!(corrupt, missing.len() as u64, "{at}");
        assert_eq!(missing.is_empty(), at < 64, "{at}: a flip in a record goes unseen");
        let kept = flipped.files().iter().filter(|p| p.starts_with("/data/corrupt")).count();
        assert_eq!(kept, missing.len(), "{at}");
    }
}

/// Scenario: both copies of a segment's head are destroyed. Guarantee: the gate starts, sets the file
/// aside, counts it, and reads the others.
#[test]
fn a_segment_without_a_head_is_set_aside() {
    let (disk, segments) = written();
    let mut data = disk.content(&segments[1]);
    data[..64].fill(0xAA);
    disk.put(&segments[1], data);
    let (ids, corrupt) = read_all(&disk);
    assert!(ids.contains(&1) && ids.contains(&10) && ids.len() < 10, "{ids:?}");
    assert_eq!(corrupt, 1);
    assert!(!disk.files().contains(&segments[1]));
}

/// Scenario: a tenant sends bytes that look like a record of another tenant, and the header before
/// them is damaged. Guarantee: they are not taken for a record, since the segment's salt is not known.
#[test]
fn a_record_inside_a_payload_is_no_record() {
    let forge = |salt: u32| {
        let inner = batch(1, 0, 700);
        let header = Header::of(&inner, 1, 7, 0, 5);
        let mut bytes = header.encode(salt).to_vec();
        bytes.extend_from_slice(&inner.bytes);
        bytes
    };
    let read_with = |salt_of: fn(u32) -> u32| {
        let (disk, segments) = written();
        let first: &Path = &segments[0];
        let mut data = disk.content(first);
        let salt = u32::from_le_bytes(*data[16..].first_chunk().unwrap());
        data[64] ^= 1;
        let at = 64 + HEADER_BYTES;
        let forged = forge(salt_of(salt));
        data[at..at + forged.len()].copy_from_slice(&forged);
        disk.put(first, data);
        let (shared, _, _) = journal::prepare(Arc::new(disk), small(), &[READER.into()]).unwrap();
        let mut reader = journal::reader(&shared, READER).unwrap();
        let ids: Vec<u64> = std::iter::from_fn(|| reader.try_next()).map(|r| r.sequence).collect();
        assert!(ids.ends_with(&[9, 10]), "{ids:?}");
        ids.contains(&1)
    };
    assert!(!read_with(|salt| salt.wrapping_add(1)));
    // It is the salt that keeps it out.
    assert!(read_with(|salt| salt));
}

/// Scenario: the disk is full to the last byte while records wait to be drained. Guarantee: appends are
/// refused retryably, reads and cursors go on by the reserve, and removal makes room again.
#[test]
fn a_full_disk_is_drained() {
    let disk = FaultyDisk::default();
    let mut model = Model::new(disk.clone(), 3, small());
    for n in 0..12 {
        model.append(n % 2, 900);
        model.write();
    }
    disk.set_room(Some(0));
    model.append(0, 900);
    model.write();
    assert_eq!((model.accepted.len(), model.refused.len()), (12, 1));
    while model.read() {}
    model.commit();
    let run = model.run.as_mut().unwrap();
    assert!(run.writer.keep(), "the cursor found no room");
    assert!(run.shared.stats().segments <= 1);
    model.append(0, 900);
    model.write();
    assert_eq!(model.accepted.len(), 13);
    model.finish();
}

/// Scenario: one tenant fills its share. Guarantee: it is throttled, others are not, and it is served
/// again when a destination has consumed its data, even where that lies in the segment in use.
#[test]
fn a_tenant_has_a_share_of_the_disk() {
    let settings = Settings { quota_bytes: 16_384, tenant_share: 0.2, ..small() };
    let mut model = Model::new(FaultyDisk::default(), 4, settings);
    for _ in 0..3 {
        model.append(0, 900);
        model.write();
    }
    model.append(0, 900);
    assert_eq!(model.refused.len(), 1);
    model.append(1, 900);
    model.write();
    assert_eq!(model.accepted.len(), 4);
    while model.read() {}
    model.commit();
    // Once makes the cursor durable, the refusal before has asked for room.
    model.run.as_mut().unwrap().writer.keep();
    model.append(0, 900);
    model.write();
    assert_eq!((model.accepted.len(), model.refused.len()), (5, 1));
    model.finish();
}

/// Scenario: two readers, one of which is slow, then no longer configured. Guarantee: segments wait for
/// the slow one, and go when it is forgotten; with no reader at all they go when closed.
#[test]
fn a_reader_that_is_gone_holds_nothing() {
    let disk: Arc<FaultyDisk> = Arc::default();
    let open = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| (*n).to_string()).collect();
        let (shared, next, _) = journal::prepare(disk.clone(), small(), &names).unwrap();
        (Writer::new(Arc::clone(&shared), next), shared)
    };
    let (mut writer, shared) = open(&["fast", "slow"]);
    for id in 1..=20 {
        journal::append(&shared, batch(id, 0, 900), 7, receipt::pair().0);
        writer.write_next();
    }
    let mut fast = journal::reader(&shared, "fast").unwrap();
    while let Some(record) = fast.try_next() {
        fast.done(record.sequence);
    }
    writer.keep();
    let stats = shared.stats();
    assert_eq!(stats.segments, 5);
    assert_eq!(stats.readers[0].unread_bytes, 0);
    assert_eq!(stats.readers[0].oldest_unix_nano, None);
    assert!(stats.readers[1].unread_bytes > 18_000 && stats.readers[1].oldest_unix_nano.is_some());
    drop((writer, shared, fast));
    let (mut writer, shared) = open(&["fast"]);
    writer.keep();
    assert_eq!(shared.stats().segments, 0);
    journal::append(&shared, batch(21, 0, 900), 7, receipt::pair().0);
    writer.write_next();
    let mut fast = journal::reader(&shared, "fast").unwrap();
    assert_eq!(fast.try_next().map(|r| id_of(&r)), Some(21));
    drop((writer, shared, fast));
    let (mut writer, shared) = open(&[]);
    writer.keep();
    assert_eq!(shared.stats().segments, 0);
}

/// Scenario: a place of the disk fails each read; then the patience is over. Guarantee: nothing is passed
/// over before, one sector is after, it is counted, and the rest is read.
#[test]
fn an_unreadable_place_is_passed_over_in_the_end() {
    let (disk, _) = written();
    let (shared, _, _) = journal::prepare(Arc::new(disk.clone()), small(), &[READER.into()]).unwrap();
    let mut reader = journal::reader(&shared, READER).unwrap();
    assert_eq!(reader.try_next().map(|r| id_of(&r)), Some(1));
    let mut fail = |times: u32, patience| {
        reader.patience = patience;
        for _ in 0..times {
            disk.fail_in(0, Fault::Error);
            assert!(reader.try_next().is_none());
        }
        (reader.position, shared.stats().corrupt_records)
    };
    assert_eq!(fail(100, Duration::from_secs(60)), (1, 0));
    assert_eq!(fail(1, Duration::ZERO), (1, 1));
    let rest: Vec<u64> = std::iter::from_fn(|| reader.try_next()).map(|r| id_of(&r)).collect();
    assert_eq!(rest, (5..=10).collect::<Vec<_>>());
}

/// Scenario: the cursor is damaged. Guarantee: the gate starts, counts it, and reads from the oldest.
#[test]
fn a_damaged_cursor_reads_again() {
    let (disk, _) = written();
    disk.put(Path::new("/data/journal/backend.cursor"), vec![1; 20]);
    assert_eq!(read_all(&disk), ((1..=10).collect(), 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Scenario: any bytes of the files are changed, put in, cut out. Guarantee: the gate starts, reads to
    /// the end without a panic, and what it reads is what was written.
    #[test]
    fn arbitrary_damage_invents_nothing(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..200,
             prop::collection::vec(any::<u8>(), 0..200)),
            1..6,
        ),
    ) {
        let (disk, _) = written();
        disk.put(Path::new("/data/journal/backend.cursor"), Vec::new());
        for (file, at, cut, put) in edits {
            let files = disk.files();
            let path = file.get(&files);
            let mut data = disk.content(path);
            let from = at.index(data.len() + 1);
            let to = (from + cut).min(data.len());
            data.splice(from..to, put);
            disk.put(path, data);
        }
        // Each record read is compared with what was written there.
        let (ids, _) = read_all(&disk);
        prop_assert!(ids.is_sorted() && ids.len() <= 10);
    }
}
