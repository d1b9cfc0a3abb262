//! The thread, the file, the board, and a restart.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use serde_json::{Value, json};

use super::*;
use crate::{
    detect::{
        Engine, FindingsFile, Hooks, Rules, Settings, Suppression,
        board::{Board, Listed, Wanted},
        settings::FindingsFormat,
    },
    identify::rfc3339_text,
};

/// An engine whose time is set by hand.
struct Bed {
    dir: tempfile::TempDir,
    now: Arc<AtomicU64>,
    records: Arc<Mutex<Vec<Status>>>,
    settings: Settings,
}

impl Bed {
    fn new() -> Bed {
        let dir = tempfile::tempdir().unwrap();
        let findings = FindingsFile { file: dir.path().join("findings.ndjson"), ..FindingsFile::default() };
        let settings = Settings { findings, ..Settings::default() };
        Bed { dir, now: Arc::new(AtomicU64::new(START)), records: Arc::default(), settings }
    }

    fn start(&self) -> Engine {
        let (now, records) = (Arc::clone(&self.now), Arc::clone(&self.records));
        let on_finding = Arc::new(move |finding: &Finding, _| records.lock().unwrap().push(finding.status));
        let clock = Arc::new(move || now.load(Relaxed));
        let rules = Arc::new(Rules::new(&self.settings, key()).unwrap());
        Engine::start(&self.settings, &rules, &Hooks { on_finding, clock, ..Hooks::default() }).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.settings.findings.file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until the file has so many lines.
    fn until(&self, count: usize) -> Vec<Value> {
        for _ in 0..400 {
            let lines = self.lines();
            if lines.len() >= count {
                return lines;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("{count} lines never came: {:?}", self.lines());
    }
}

fn listed(board: &Board, wanted: Wanted) -> Vec<Value> {
    board.list(&Wanted { limit: 10, ..wanted })["findings"].as_array().unwrap().clone()
}

fn content(service: &str, acts: u128) -> Finding {
    Finding::user_content(START, tenant(acts), service, "note")
}

/// Scenario: a finding is told, the gate is started again, its time passes. Guarantee: it is told once as open and once
/// as closed, in the file and as records; in between it is listed as open, also after the start; then as closed.
#[test]
fn a_finding_lives_through_a_restart() {
    let bed = Bed::new();
    let engine = bed.start();
    engine.tell(&content("web-api", 1));
    bed.until(1);
    let all = Wanted::default();
    assert_eq!(listed(engine.board(), all)[0]["status"], "open");
    engine.stop();
    assert_eq!(bed.lines().len(), 1, "a stop is no end");

    let engine = bed.start();
    let open = listed(engine.board(), all);
    assert_eq!((open.len(), &open[0]["id"]), (1, &bed.lines()[0]["id"]));
    bed.now.store(START + 20 * MINUTE, Relaxed);
    let lines = bed.until(2);
    assert_eq!((&lines[1]["status"], &lines[1]["id"]), (&json!("closed"), &lines[0]["id"]));
    let closed = Wanted { status: Some(Listed::Closed), ..all };
    assert_eq!(listed(engine.board(), closed).len(), 1);
    assert!(listed(engine.board(), Wanted { status: Some(Listed::Open), ..all }).is_empty());
    engine.stop();
    assert_eq!(*bed.records.lock().unwrap(), [Status::Open, Status::Closed]);
    assert_eq!(std::fs::read_to_string(bed.dir.path().join("findings.ndjson.open")).unwrap(), "");
}

/// Scenario: a finding is suppressed, then the suppression is taken away and it grows; another is told and then
/// suppressed. Guarantee: the first is not told while it is suppressed and is listed as such, then it is told as open;
/// the second is told as closed when it is next heard of.
#[test]
fn suppressions_hold_back_and_let_go() {
    let mut bed = Bed::new();
    let rule = |service: &str| Suppression {
        service: Some(service.into()),
        owner: "o".into(),
        reason: "r".into(),
        until: rfc3339_text(START + 24 * 3600 * SECOND),
        ..Suppression::default()
    };
    bed.settings.suppressions = vec![rule("quiet")];
    let engine = bed.start();
    engine.tell(&content("quiet", 1));
    engine.tell(&content("loud", 2));
    bed.until(1);
    let held = Wanted { status: Some(Listed::Suppressed), ..Wanted::default() };
    let of = |wanted| listed(engine.board(), wanted);
    for _ in 0..200 {
        if !of(held).is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    assert_eq!(
        (of(held)[0]["service"].clone(), of(held)[0]["status"].clone()),
        (json!("quiet"), json!("suppressed"))
    );
    engine.follow(&Settings { suppressions: vec![rule("loud")], ..Settings::default() });
    bed.now.store(START + 10 * MINUTE, Relaxed);
    engine.tell(&content("quiet", 3));
    engine.tell(&content("loud", 3));
    let lines = bed.until(3);
    let said: Vec<_> = lines.iter().map(|line| (&line["service"], &line["status"])).collect();
    let json = |a, b| (json!(a), json!(b));
    let wanted = [json("loud", "open"), json("quiet", "open"), json("loud", "closed")];
    assert_eq!(said, wanted.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    engine.stop();

    // Over a restart: what was held back is new when nothing holds it back any more; what was told ends when it is.
    bed.settings.suppressions = vec![rule("quiet")];
    let engine = bed.start();
    let lines = bed.until(4);
    assert_eq!((&lines[3]["service"], &lines[3]["status"]), (&json!("quiet"), &json!("closed")));
    engine.tell(&content("loud", 4));
    let lines = bed.until(5);
    assert_eq!((&lines[4]["service"], &lines[4]["status"]), (&json!("loud"), &json!("open")));
    engine.stop();
}

/// Scenario: findings of three tenants; one asks with its own token; one is destroyed. Guarantee: who asks for itself
/// sees what it did, without the other's id, objects and statement; of who is destroyed nothing is left, in no file.
#[test]
fn a_tenant_sees_its_own_and_the_dead_leave_nothing() {
    let board = Board::new("docs/runbook.md");
    let mut ours = whole();
    ours.tenants.add(tenant(4));
    board.note(&ours, false).unwrap();
    board.note(&Finding { id: 2, tenant: tenant(2), other: Some(tenant(1)), ..whole() }, false).unwrap();
    let own = Wanted { own: Some(tenant(1)), ..Wanted::default() };
    let seen = listed(&board, own);
    assert_eq!(seen.len(), 1);
    let text = seen[0].to_string();
    let hidden =
        [tenant(2).to_string(), tenant(4).to_string(), "orders WHERE".into(), "resource_id\":\"".into()];
    assert!(hidden.iter().all(|other| !text.contains(other)), "{text}");
    assert!(text.contains(&tenant(1).to_string()));
    let both = Wanted { tenant: Some(tenant(1)), ..Wanted::default() };
    assert_eq!(listed(&board, both).len(), 2);
    let class = Wanted { class: Some(Class::UserContent), ..both };
    assert!(listed(&board, class).is_empty());

    let bed = Bed::new();
    let engine = bed.start();
    (1..=3).for_each(|acts| engine.tell(&content(&format!("s{acts}"), acts)));
    bed.until(3);
    assert_eq!(engine.forget(tenant(2)).unwrap(), 1);
    engine.stop();
    for file in std::fs::read_dir(bed.dir.path()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains(&tenant(2).to_string()), "{text}");
    }
    assert_eq!(bed.lines().len(), 2);
}

/// Scenario: the file is to be in OCSF. Guarantee: each line is.
#[test]
fn the_file_may_be_ocsf() {
    let mut bed = Bed::new();
    bed.settings.findings.format = FindingsFormat::Ocsf;
    let engine = bed.start();
    engine.tell(&content("web-api", 1));
    let lines = bed.until(1);
    engine.stop();
    assert_eq!((&lines[0]["class_uid"], &lines[0]["type_uid"]), (&json!(2004), &json!(200_401)));
}
