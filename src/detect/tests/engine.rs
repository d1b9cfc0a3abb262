//! Threads, file and callback.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::{
    detect::{Engine, FindingsFile, Hooks, file::FindingsLog},
    limits,
};

fn settings(dir: &std::path::Path) -> Settings {
    let findings = FindingsFile {
        file: dir.join("deep/findings.ndjson"),
        max_bytes: 1 << 20,
        ..FindingsFile::default()
    };
    Settings { findings, ..Settings::default() }
}

fn incidents() -> Vec<Observation> {
    let mut deleted = span(9, 1, 0, SpanKind::Consumer, Some(5));
    deleted.state = TenantState::Deleted(None);
    vec![
        claimed(span(1, 1, 0, SpanKind::Server, Some(2)), 1),
        span(2, 1, 0, SpanKind::Server, Some(1)),
        span(2, 2, 1, SpanKind::Client, Some(3)),
        request(3, 1, 9, 200),
        request(4, 1, 9, 200),
        request(5, 2, 9, 200),
        request(6, 3, 9, 404),
        deleted,
    ]
}

/// Scenario: one incident of each class, then a stop. Guarantee:
/// each is in the file, as JSON, and with the callback, once.
#[test]
fn every_incident_reaches_file_and_callback() {
    {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path());
        let rules = Arc::new(Rules::new(&settings, key()).unwrap());
        let records = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&records);
        let now = Arc::new(AtomicU64::new(START));
        let clock = {
            let now = Arc::clone(&now);
            Arc::new(move || now.load(Ordering::Relaxed))
        };
        let on_finding = Arc::new(move |_: &Finding, record: bytes::Bytes| {
            assert!(!record.is_empty());
            *counted.lock().unwrap() += 1;
        });
        let engine =
            Engine::start(&settings, &rules, &Hooks { on_finding, clock, ..Hooks::default() }).unwrap();
        for o in incidents() {
            assert_eq!(engine.submit(vec![o]), 0);
        }
        engine.stop();
        let text = std::fs::read_to_string(&settings.findings.file).unwrap();
        let mut classes: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["class"].as_str().unwrap().to_owned()
            })
            .collect();
        classes.sort();
        let all = [
            "cross_tenant_attempt",
            "cross_tenant_read",
            "deleted_tenant_active",
            "token_tenant_mismatch",
            "trace_tenant_crossing",
        ];
        assert_eq!(classes, all);
        assert_eq!(*records.lock().unwrap(), 5);
    }
}

/// Scenario: the callback hangs while batches keep coming. Guarantee: submit does not block; what
/// does not fit is shed and said.
#[test]
fn a_stuck_shard_sheds_and_never_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    let rules = Arc::new(Rules::new(&settings, key()).unwrap());
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap();
    let waiting = Arc::clone(&gate);
    let on_finding = Arc::new(move |_: &Finding, _| drop(waiting.lock()));
    // A clock far ahead: the first finding is told, and waits, at once.
    let clock = Arc::new(|| START + 3600 * SECOND);
    let engine = Engine::start(&settings, &rules, &Hooks { on_finding, clock, ..Hooks::default() }).unwrap();
    let offered = limits::OBSERVATION_BATCHES * 3;
    let shed: usize = (0..offered).map(|_| engine.submit(incidents())).sum();
    assert!(shed >= (limits::OBSERVATION_BATCHES - 2) * incidents().len(), "{shed}");
    drop(held);
    engine.stop();
}

/// Scenario: findings past the file's size. Guarantee: it is rotated, whole lines only, and at
/// most two files of that size are there.
#[test]
fn the_findings_file_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("findings.ndjson");
    let mut log =
        FindingsLog::new(FindingsFile { file: file.clone(), max_bytes: 2000, ..FindingsFile::default() });
    let finding =
        told(&Settings::default(), [claimed(span(1, 1, 0, SpanKind::Server, Some(2)), 1)]).remove(0);
    for _ in 0..50 {
        log.append(&finding).unwrap();
    }
    for file in [file.clone(), dir.path().join("findings.ndjson.1")] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.len() <= 2000 && text.ends_with('\n'));
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}
