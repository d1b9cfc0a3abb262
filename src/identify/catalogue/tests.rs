use std::io::Write;

use crate::identify::CatalogueSettings;

use super::*;

const TWO: &str = "\
# two tenants
tenants:
  - id: '{7F0C8E0A-52A4-4C3D-9D0E-0B6C1C5F7A11}'
    slug: Acme
    former_slugs: [acme-inc]
    name: Acme Inc.
    isolation: schema
    limits: { items_per_second: 100, bytes_per_second: 1000000, series: 5000 }
    route: own
    allowed: [agent@platform]
  - id: 11111111-2222-4333-8444-555555555555
    state: deleted
    deleted_at: 2026-01-31T00:00:00Z
";

fn id(text: &str) -> TenantId {
    text.parse().unwrap()
}

/// Scenario: a file with all keys. Guarantee: every one is read, ids and slugs lead to the tenant in any case.
#[test]
fn a_file_is_read_whole() {
    let catalogue = parse("tenants.yaml", TWO).unwrap();
    assert_eq!((catalogue.len(), catalogue.is_open()), (2, false));
    let acme = catalogue.get(id("7f0c8e0a-52a4-4c3d-9d0e-0b6c1c5f7a11")).unwrap();
    assert_eq!(acme.slug.as_deref(), Some("acme"));
    assert_eq!(acme.isolation, Isolation::Schema);
    assert_eq!(acme.limits.as_ref().unwrap().series, Some(5000));
    assert_eq!(acme.route.as_deref(), Some("own"));
    assert_eq!(&*acme.allowed[0], "agent@platform");
    for slug in ["acme", "ACME", "Acme-Inc"] {
        assert_eq!(catalogue.by_slug(slug), Some(acme.id), "{slug}");
        assert_eq!(normalise::normalise(slug, &catalogue), Ok(acme.id));
    }
    let gone = catalogue.get(id("11111111-2222-4333-8444-555555555555")).unwrap();
    assert_eq!((gone.state, gone.deleted_at), (State::Deleted, Some(1_769_817_600_000_000_000)));
    assert!(catalogue.get(id("99999999-2222-4333-8444-555555555555")).is_none());
}

/// Scenario: the same in JSON. Guarantee: it is read as well.
#[test]
fn json_is_read_as_well() {
    let text = r#"[{"id": "7f0c8e0a52a44c3d9d0e0b6c1c5f7a11", "slug": "acme", "limits": {"series": 3}}]"#;
    let catalogue = parse("tenants.json", text).unwrap();
    assert_eq!(catalogue.by_slug("acme"), Some(id("7f0c8e0a-52a4-4c3d-9d0e-0b6c1c5f7a11")));
}

/// Scenario: each thing that can be wrong. Guarantee: refused at its line and column, with what is expected.
#[test]
fn what_is_wrong_is_said_at_its_place() {
    const ID: &str = "7f0c8e0a-52a4-4c3d-9d0e-0b6c1c5f7a11";
    const OTHER: &str = "11111111-2222-4333-8444-555555555555";
    for (text, place, words) in [
        (String::new(), "1:1", "expected `tenants:`"),
        ("tenant: []".into(), "1:1", "expected `tenants:`"),
        ("tenants: 5".into(), "1:10", "expected `tenants:`"),
        ("tenants:\n- slug: acme".into(), "2:3", "missing field `id`"),
        ("tenants:\n- id: 42".into(), "2:3", "expected a uuid"),
        ("tenants:\n- id: 00000000-0000-0000-0000-000000000000".into(), "2:3", "nil"),
        (format!("tenants:\n- id: {ID}\n  sluug: x"), "3:3", "unknown field `sluug`"),
        (format!("tenants:\n- id: {ID}\n  state: zombie"), "3:10", "unknown variant"),
        (format!("tenants:\n- id: {ID}\n  limits: {{series: many}}"), "3:20", "invalid type"),
        (format!("tenants:\n- id: {ID}\n  limits: {{series: -1}}"), "3:20", "invalid value"),
        (format!("tenants:\n- id: {ID}\n  limits: {{items_per_second: 0}}"), "2:3", "never let anything"),
        (format!("tenants:\n- id: {ID}\n  deleted_at: yesterday"), "2:3", "RFC 3339"),
        (format!("tenants:\n- id: {ID}\n- id: {{{ID}}}"), "3:7", "in quotes"),
        (format!("tenants:\n- id: {ID}\n- id: '{{{ID}}}'"), "3:3", "stands twice"),
        (format!("tenants:\n- id: {ID}\n  id: {OTHER}"), "3:3", "duplicate field `id`"),
        (
            format!("tenants:\n- {{id: {ID}, slug: a}}\n- {{id: {OTHER}, slug: A}}"),
            "3:3",
            "slug: stands twice",
        ),
        (format!("tenants:\n- {{id: {ID}, slug: {OTHER}}}"), "2:3", "looks like a uuid"),
        (
            format!("tenants:\n- {{id: {ID}, former_slugs: [x]}}\n- {{id: {OTHER}, former_slugs: [x]}}"),
            "3:3",
            "same slug",
        ),
        (format!("tenants:\n- &a {{id: {ID}}}\n- *a"), "3:3", "alias"),
        (format!("tenants:\n- id: {ID}\nmore: 1"), "3:1", "unknown key"),
        ("tenants: [".into(), "", ""),
        ("tenants:\n- id: \"un".into(), "", ""),
    ] {
        let error = parse("t.yaml", &text).expect_err(&text).to_string();
        assert!(error.starts_with("t.yaml:"), "{error}");
        assert!(error.starts_with(&format!("t.yaml:{place}")), "{error}\n{text}");
        assert!(error.contains(words), "{error}\n{text}");
    }
}

/// Scenario: a slug was one tenant's and is another's now. Guarantee: it leads to its owner of today.
#[test]
fn a_former_slug_yields_to_its_present_owner() {
    let text = "[{id: 7f0c8e0a-52a4-4c3d-9d0e-0b6c1c5f7a11, slug: new, former_slugs: [acme]}, \
                 {id: 11111111-2222-4333-8444-555555555555, slug: acme}]";
    let catalogue = parse("t", text).unwrap();
    assert_eq!(catalogue.by_slug("acme"), Some(id("11111111-2222-4333-8444-555555555555")));
}

/// Scenario: the file is changed, spoiled, mended and replaced. Guarantee: each change is seen once; a
/// spoiled file is an error, said once, and never an empty catalogue.
#[test]
fn a_changed_file_is_seen_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tenants.yaml");
    let write = |text: &str| std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    write(TWO);
    let mut source = CatalogueSource::new(
        &CatalogueSettings { file: Some(path.clone()), ..CatalogueSettings::default() },
        directory.path(),
        Default::default(),
    )
    .unwrap();
    assert_eq!(source.load().unwrap().len(), 2);
    assert!(source.poll().is_none());

    write("tenants: [{");
    assert!(source.poll().unwrap().is_err());
    assert!(source.poll().is_none());

    write("tenants: []");
    assert_eq!(source.poll().unwrap().unwrap().len(), 0);

    let next = directory.path().join("next.yaml");
    std::fs::write(&next, TWO).unwrap();
    std::fs::rename(&next, &path).unwrap();
    assert_eq!(source.poll().unwrap().unwrap().len(), 2);

    std::fs::remove_file(&path).unwrap();
    assert!(source.poll().unwrap().unwrap_err().to_string().contains("cannot be read"));
    assert!(source.poll().is_none());
}

/// Scenario: no file. Guarantee: every well-formed uuid is known, and nothing is ever reloaded.
#[test]
fn without_a_file_the_catalogue_is_open() {
    let mut source =
        CatalogueSource::new(&CatalogueSettings::default(), std::path::Path::new("."), Default::default())
            .unwrap();
    assert!(source.load().unwrap().is_open());
    assert!(source.poll().is_none());
}

/// Scenario: many tenants. Guarantee: loaded in time in proportion; `--ignored` loads 100,000.
fn load_many(count: usize) -> std::time::Duration {
    let text = crate::identify::factory::catalogue_of(count);
    let start = std::time::Instant::now();
    let catalogue = parse("many.yaml", &text).unwrap();
    let took = start.elapsed();
    assert_eq!(catalogue.len(), count);
    assert!(catalogue.by_slug(&format!("tenant-{}", count - 1)).is_some());
    took
}

/// Scenario: a thousand tenants. Guarantee: all are found.
#[test]
fn a_thousand_tenants_load() {
    load_many(1_000);
}

/// Scenario: 100,000 tenants, optimised build. Guarantee: under a second.
#[test]
#[ignore = "a measurement of the optimised build"]
fn a_hundred_thousand_tenants_load_in_a_second() {
    let took = load_many(100_000);
    eprintln!("100,000 tenants: {took:?}");
    assert!(cfg!(debug_assertions) || took.as_secs_f64() < 1.0);
}

/// Answers each request with the next of `answers`, the last one over and over; counts those that had the tag.
async fn serve(
    listener: tokio::net::TcpListener,
    answers: Vec<&'static str>,
    tagged: Arc<std::sync::atomic::AtomicU32>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut asked = 0;
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { break };
            head.push(byte);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let known = head.contains("if-none-match: \"1\"");
        tagged.fetch_add(u32::from(known), std::sync::atomic::Ordering::Relaxed);
        let body = answers[asked.min(answers.len() - 1)];
        asked += 1;
        let answer = match body {
            "304" => "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned(),
            "500" => "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
            _ => format!(
                "HTTP/1.1 200 OK\r\netag: \"1\"\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        };
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

/// Scenario: a URL answers, says that nothing has changed, fails, answers with another catalogue, then with none; a
/// second gate starts while it is away, a third without anything kept. Guarantee: each change is seen once and rings;
/// the tag is sent; what was kept is used, and its age told; without it there is an error.
#[test]
fn a_catalogue_comes_from_a_url() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let directory = tempfile::tempdir().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = Some(format!("http://{}/tenants", listener.local_addr().unwrap()));
    let tagged = Arc::default();
    let one = "[{id: 11111111-2222-4333-8444-555555555555}]";
    let server =
        runtime.spawn(serve(listener, vec![TWO, "304", "500", one, "[{", "304"], Arc::clone(&tagged)));
    let settings = CatalogueSettings {
        url,
        refresh: std::time::Duration::from_millis(100),
        timeout: std::time::Duration::from_secs(2),
        ..CatalogueSettings::default()
    };
    let bell = Arc::new(tokio::sync::Notify::new());
    let mut source = CatalogueSource::new(&settings, directory.path(), Arc::clone(&bell)).unwrap();
    assert_eq!(source.load().unwrap().len(), 2);
    let next = |source: &mut CatalogueSource| {
        let rings = tokio::time::timeout(std::time::Duration::from_secs(10), async {
            while !source.has_changed() {
                bell.notified().await;
            }
        });
        runtime.block_on(rings).unwrap();
        source.poll().unwrap()
    };
    assert_eq!(next(&mut source).unwrap().len(), 1);
    assert!(next(&mut source).unwrap_err().to_string().starts_with("the URL:"));
    assert!(source.poll().is_none());
    assert!(tagged.load(std::sync::atomic::Ordering::Relaxed) >= 2);
    server.abort();
    drop(source);

    let mut source = CatalogueSource::new(&settings, directory.path(), Arc::default()).unwrap();
    assert_eq!(source.load().unwrap().len(), 1, "the last good one was kept");
    assert!(source.age_seconds() < 60.0);
    let empty = tempfile::tempdir().unwrap();
    let error = CatalogueSource::new(&settings, empty.path(), Arc::default()).unwrap().load().unwrap_err();
    assert!(error.to_string().contains("no catalogue was kept from before"), "{error}");
}

/// Scenario: two sources at once, a URL that is none, a database without a query. Guarantee: an error that says so,
/// without the password.
#[test]
fn sources_that_cannot_be_used_are_refused() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _inside = runtime.enter();
    let refuse = |text: &str| {
        let catalogue: CatalogueSettings = serde_json::from_str(text).unwrap();
        let settings = crate::identify::Settings { catalogue: catalogue.clone(), ..Default::default() };
        let directory = tempfile::tempdir().unwrap();
        settings.check().err().unwrap_or_else(|| {
            CatalogueSource::new(&catalogue, directory.path(), Default::default()).unwrap_err().to_string()
        })
    };
    assert!(refuse(r#"{"file": "a", "url": "http://b"}"#).contains("expected one of file, url, postgres"));
    assert!(refuse(r#"{"url": "ftp://b"}"#).contains("https://"));
    assert!(refuse(r#"{"postgres": {"url": "postgresql://a:hush@b/c"}}"#).contains("postgres.query: empty"));
    let error = refuse(r#"{"postgres": {"url": "postgresql://a:hush@b:port/c", "query": "SELECT 1"}}"#);
    assert!(error.contains("not a connection string") && !error.contains("hush"), "{error}");
    assert!(refuse(r#"{"postgres": {"query": "SELECT 1"}}"#).contains("postgres.url: missing"));
}

/// Scenario: limits for all, for a tier, and a tenant's own. Guarantee: the nearest hold, whole; a limit of 0 is refused
/// wherever it stands.
#[test]
fn the_nearest_limits_hold() {
    let text = "[{id: 11111111-2222-4333-8444-555555555551, isolation: database, limits: {series: 7}}, \
                 {id: 11111111-2222-4333-8444-555555555552, isolation: database}, \
                 {id: 11111111-2222-4333-8444-555555555553}]";
    let catalogue = parse("t", text).unwrap();
    let limits = |items, series| Limits { items_per_second: items, series, ..Limits::default() };
    let mut settings = Settings { default_limits: limits(Some(10), None), ..Settings::default() };
    settings.tier_limits.insert(Isolation::Database, limits(Some(1000), Some(99)));
    let of =
        |last: char| catalogue.limits(id(&format!("11111111-2222-4333-8444-55555555555{last}")), &settings);
    assert_eq!(*of('1'), limits(None, Some(7)));
    assert_eq!(*of('2'), limits(Some(1000), Some(99)));
    assert_eq!((of('3'), of('4')), (&settings.default_limits, &settings.default_limits));
    assert!(settings.check().is_ok());
    settings.tier_limits.insert(Isolation::Rls, limits(Some(0), None));
    assert!(settings.check().unwrap_err().starts_with("identity.tier_limits.rls: items: 0"));
}
