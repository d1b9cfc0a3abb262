//! A product of four tenants: its catalogue, its database, an hour of its usual traffic, and the verdict on what is
//! found in it.

use std::fs;

use portcullis::detect::{Settings, Severity, scan};
use serde_json::{Value, json};

use crate::stream::Stream;

pub const A: &str = "0b7c1c1e-58f6-4a51-9d0c-0e6f0a4e1a01";
pub const B: &str = "0b7c1c1e-58f6-4a51-9d0c-0e6f0a4e1b02";
pub const C: &str = "0b7c1c1e-58f6-4a51-9d0c-0e6f0a4e1c03";
pub const D: &str = "0b7c1c1e-58f6-4a51-9d0c-0e6f0a4e1d04";
pub const TENANTS: [&str; 4] = [A, B, C, D];
/// A text that stands in B's data alone.
pub const CANARY_OF_B: &str = "cnry-7d1f0a93c2e84b5516ad";

/// A program of the product's pages, named by its content as bundlers do.
const ASSET: &str = "app-3f9a8b7c6d5e4f3a.js";

/// The traffic of an hour, in seconds; what a test adds happens within.
pub const HOUR: u64 = 3600;
/// A request comes every nine seconds.
const EVERY: u64 = 9;

const SCHEMA: &str = "
CREATE TABLE public.projects (id uuid NOT NULL, tenant_id uuid NOT NULL, title text);
CREATE TABLE public.invoices (id bigint NOT NULL, tenant_id uuid NOT NULL, payer_email text, amount integer, state text);
CREATE TABLE public.documents (id bigint NOT NULL, tenant_id uuid NOT NULL, title text);
CREATE TABLE public.countries (code text NOT NULL, name text);
ALTER TABLE ONLY public.projects ADD CONSTRAINT projects_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.invoices ADD CONSTRAINT invoices_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.documents ADD CONSTRAINT documents_pkey PRIMARY KEY (id);
ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE ONLY public.documents FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON public.documents USING ((tenant_id = (current_setting('app.current_tenant_id'::text))::uuid));
";

/// The `n`th project (or whatever has an id of its own) of a tenant.
pub fn object(tenant: &str, n: u64) -> String {
    format!("6f9619ff-8b86-4d{}-b42d-00cf4fc9{n:04x}", &tenant[tenant.len() - 2..])
}

/// The `n`th person of a tenant: three of them.
pub fn person(tenant: &str, n: u64) -> String {
    format!("person-{}@{}.example", n % 3, &tenant[tenant.len() - 4..])
}

/// That person's session.
pub fn session(tenant: &str, n: u64) -> String {
    format!("sess-{}-{}-4f1c8e02", &tenant[tenant.len() - 4..], n % 3)
}

/// An hour of four tenants at work: projects through cache and database, statements under row level security,
/// invoices by number, thumbnails, searches, exports, jobs, a CDN, metrics.
pub fn usual() -> Stream {
    let mut stream = Stream::default();
    for n in 0..HOUR / EVERY {
        let (at, tenant, turn) = (n * EVERY, TENANTS[n as usize % 4], n / 4);
        let (who, session) = (person(tenant, turn), session(tenant, turn));
        let project = object(tenant, turn % 6);
        stream.request(at, "web-api", tenant).http("/projects/:id", &project, 200).who(&who, &session);
        let key = format!("t:{tenant}:project:{project}");
        stream
            .span("web-api")
            .cache(&key, turn >= 6)
            .private("db.client.connection.id", format!("redis-conn-{}", n % 5));
        if turn < 6 {
            let statement = "SELECT id, title FROM projects WHERE tenant_id = $1 AND id = $2";
            stream.span("web-api").sql(&format!("pg-conn-{}", n % 5), statement, &[tenant, &project]);
            stream.span("web-api").cache_set(&key);
        }
        stream.metric(at + 1, "ingester", tenant).text("series", "http_requests_total").text("pod", "api-1");
        match n % 9 {
            0 => {
                stream.request(at + 2, "cdn", tenant).http(
                    "/invoices/:id",
                    &object(tenant, 40 + turn % 4),
                    200,
                );
                stream.span("cdn").text("http.response.header.x-cache", "MISS");
            }
            1 => {
                stream.request(at + 2, "cdn", tenant).http("/assets/:id", ASSET, 200).text("x-cache", "HIT");
            }
            2 => {
                let found = [object(tenant, turn % 6), object(tenant, (turn + 1) % 6)];
                stream.request(at + 2, "mcp-server", tenant).http("/mcp/search", "", 200).who(&who, &session);
                stream.span("mcp-server").ids("search.result_ids", &found);
            }
            3 => job(&mut stream, at + 2, tenant, tenant),
            4 => {
                let camera = object(tenant, 80 + turn % 3);
                stream.request(at + 2, "thumbnails", tenant).http("/cameras/:id/thumbnail", &camera, 200);
                stream.span("thumbnails").cache(&format!("t:{tenant}:thumbnail:{camera}"), true);
            }
            5 => policy(&mut stream, at + 2, tenant, "pg-conn-6", true),
            _ => {
                let number = (1000 + (n * 7919) % 90_000).to_string();
                stream
                    .request(at + 2, "web-api", tenant)
                    .http("/receipts/:id", &number, 200)
                    .who(&who, &session);
            }
        }
    }
    stream
}

/// A job that is enqueued for one tenant, and runs for one.
pub fn job(stream: &mut Stream, at: u64, made_for: &str, runs_for: &str) {
    let arguments = |tenant: &str| json!({"tenant_id": tenant, "connector": "vendor-1"}).to_string();
    stream.request(at, "web-api", made_for).http("/integrations/sync", "", 202);
    stream.span("web-api").kind(crate::stream::Kind::Producer).text("job.class", "IntegrationSync");
    let run = stream.span("sync-worker").kind(crate::stream::Kind::Consumer);
    run.tenant(runs_for).text("job.class", "IntegrationSync").private("job.args", arguments(runs_for));
}

/// A read under row level security on a pooled connection. The tenant is set for the transaction alone (`local`), or
/// for as long as the connection lives.
pub fn policy(stream: &mut Stream, at: u64, tenant: &str, connection: &str, local: bool) {
    stream.request(at, "documents-api", tenant).http("/documents", "", 200);
    let set = format!("SET {}app.current_tenant_id = '{tenant}'", if local { "LOCAL " } else { "" });
    for statement in ["BEGIN", &set, "SELECT id, title FROM documents ORDER BY title", "COMMIT"] {
        stream.span("documents-api").sql(connection, statement, &[]);
    }
}

/// What is expected to be found: class, the tenant that acted, the one whose data it was, and how bad at least.
pub type Expected<'a> = (&'a str, &'a str, Option<&'a str>, Severity);

/// The findings of a stream. Nothing raw is in them.
pub fn found(stream: &Stream) -> Vec<Value> {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: String| fs::write(dir.path().join(name), text).expect(name);
    let row = |id: &str, slug: &str, canaries: Value| json!({"id": id, "slug": slug, "state": "active", "canaries": canaries});
    let tenants = [
        row(A, "alder-works", json!([])),
        row(B, "birch-labs", json!([CANARY_OF_B])),
        row(C, "cedar-mill", json!([])),
        row(D, "dogwood-inc", json!([])),
    ];
    write("tenants.json", json!({ "tenants": tenants }).to_string());
    write(
        "context.json",
        json!({"staff_users": ["support"], "rls_setting": "app.current_tenant_id"}).to_string(),
    );
    write("schema.sql", SCHEMA.to_owned());
    stream.write(&dir.path().join("stream.ndjson"));
    let out = dir.path().join("findings.ndjson");
    let summary = scan::run(dir.path(), &out, &Settings::default()).expect("the folder is scanned");
    assert_eq!(summary.malformed, 0);
    assert!(stream.requests() >= 300 && summary.observations >= 300, "{summary:?}");
    let text = fs::read_to_string(out).expect("findings");
    let raw = stream.raw();
    assert!(raw.len() > 20, "nothing to look for");
    for value in raw.into_iter().chain([CANARY_OF_B, "@", "sess-"]) {
        assert!(!text.contains(value), "a raw value is in a finding");
    }
    text.lines().map(|line| serde_json::from_str(line).expect("a finding is JSON")).collect()
}

/// Exactly this is told of the stream, each once, and as bad as expected.
pub fn told(stream: &Stream, expected: &[Expected<'_>]) -> Vec<Value> {
    let findings = found(stream);
    let of = |f: &Value| {
        let text = |key: &str| f[key].as_str().unwrap_or_default().to_owned();
        (text("class"), text("tenant_id"), text("other_tenant_id"))
    };
    let mut told: Vec<_> = findings.iter().map(of).collect();
    let mut wanted: Vec<_> = expected
        .iter()
        .map(|(class, tenant, other, _)| {
            (class.to_string(), tenant.to_string(), other.unwrap_or_default().to_owned())
        })
        .collect();
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted, "{findings:#?}");
    for (class, tenant, _, least) in expected {
        let same = |f: &&Value| f["class"] == *class && f["tenant_id"] == *tenant;
        let finding = findings.iter().find(same).expect("compared above");
        let severity: Severity = serde_json::from_value(finding["severity"].clone()).expect("a severity");
        assert!(severity >= *least, "{finding:#}");
    }
    findings
}

/// Nothing at all is told of the stream.
pub fn quiet(stream: &Stream) {
    let findings = found(stream);
    assert!(findings.is_empty(), "{findings:#?}");
}
