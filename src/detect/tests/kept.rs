use std::sync::atomic::AtomicU64 as Clocked;

use super::{
    super::{FindingsFile, stream::*},
    *,
};

/// Scenario: an engine learns for five hours and stops; a second one on the same directory sees a surge of personal data
/// after a deploy; a third does on a damaged snapshot. Guarantee: the second tells it by what the first had learned; the
/// third starts cold, tells nothing, and the damaged file is set aside.
#[test]
fn what_was_learned_is_kept_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("detect.snapshot");
    let now = Arc::new(Clocked::new(START));
    let run = |observations: Vec<Observation>, name: &str| {
        let file = dir.path().join(name);
        let findings = FindingsFile { file: file.clone(), max_bytes: 1 << 20, ..FindingsFile::default() };
        let settings = Settings { findings, ..Settings::default() };
        let clock = Arc::clone(&now);
        let hooks = Hooks {
            clock: Arc::new(move || clock.load(Relaxed)),
            snapshot: Some(path.clone()),
            ..Hooks::default()
        };
        let engine = Engine::start(&settings, &rules(), &hooks).unwrap();
        now.store(observations.last().unwrap().at, Relaxed);
        for batch in observations.chunks(100) {
            while engine.submit(batch.to_vec()) > 0 {
                std::thread::yield_now();
            }
        }
        engine.stop();
        std::fs::read_to_string(file).unwrap_or_default()
    };
    let fact = |clean: u32, n: u64| super::super::fact::Fact::Personal {
        field: "payload".into(),
        clean,
        found: 1,
        values: [n as u32 * 7 + 1, 0, 0, 0],
        sentences: [0; 4],
    };
    let mut learned: Vec<Observation> = (0..900).map(|n| item(n * 20 * SECOND, n % 20).o).collect();
    learned.push(item(5 * HOUR, 1).fact(fact(500, 0)).o);
    assert_eq!(run(learned, "first"), "");
    assert!(path.exists());
    let kept = std::fs::read(&path).unwrap();
    let surge = || {
        let after = (0..20).map(|n| item(6 * HOUR + MINUTE + n * SECOND, n % 20).fact(fact(0, n)).o);
        std::iter::once(deploy(6 * HOUR, "web-api").o).chain(after).collect::<Vec<_>>()
    };
    let told = run(surge(), "second");
    assert_eq!(told.lines().filter(|line| line.contains("pii_surge")).count(), 1, "{told}");
    std::fs::write(&path, &kept[..kept.len() - 1]).unwrap();
    assert_eq!(run(surge(), "third"), "");
    assert_eq!(std::fs::read(dir.path().join("detect.snapshot.aside")).unwrap().len(), kept.len() - 1);
}

/// Scenario: people of ten tenants are known, and the data of one tenant is destroyed. Guarantee: what is kept of
/// detection does not name it from that moment on, and names the others still.
#[test]
fn a_tenant_that_is_destroyed_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("detect.snapshot");
    let findings = FindingsFile { file: dir.path().join("findings"), ..FindingsFile::default() };
    let settings = Settings { findings, ..Settings::default() };
    let now = Arc::new(Clocked::new(START));
    let clock = Arc::clone(&now);
    let hooks = Hooks {
        clock: Arc::new(move || clock.load(Relaxed)),
        snapshot: Some(path.clone()),
        ..Hooks::default()
    };
    let named = |n: u64| std::fs::read_to_string(&path).unwrap().contains(&tenant(n).to_string());
    let engine = Engine::start(&settings, &rules(), &hooks).unwrap();
    let people = (0..500).map(|n| item(n * SECOND, n % 10).by(n % 50).on(1, 200).o).collect();
    now.store(START + HOUR, Relaxed);
    assert_eq!(engine.submit(people), 0);
    engine.stop();
    assert!(named(3) && named(4));
    let engine = Engine::start(&settings, &rules(), &hooks).unwrap();
    engine.forget(tenant(3)).unwrap();
    assert!(!named(3) && named(4));
    engine.stop();
    assert!(!named(3));
}
