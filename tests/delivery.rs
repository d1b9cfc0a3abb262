//! Whose is it? Random traffic of many tenants, with all that senders do wrong, from the bytes of a request to what a
//! destination is given, against the rules as the documentation has them.

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use portcullis::{
    batch::{Signal, TenantId},
    buffer::{Journal, Settings},
    config::{Document, Options},
    gateway::{
        Format,
        path::{self, Request, Scratch},
    },
    identify::{
        Admission, Algorithm, Claims, Reject, State,
        catalogue::{self, Entry},
        factory::{self, Signer},
    },
    policy::Policy,
    receipt,
};
use proptest::prelude::*;
use prost::Message;

/// The tenants: slug, state. The last two are in no catalogue.
const TENANTS: [(&str, Option<State>); 8] = [
    ("acme", Some(State::Active)),
    ("bravo", Some(State::Active)),
    ("charlie", Some(State::Frozen)),
    ("delta", Some(State::Provisioning)),
    ("echo", Some(State::Suspended)),
    ("foxtrot", Some(State::Deleted)),
    ("golf", None),
    ("hotel", None),
];
const ALIASES: [&str; 6] = ["tenant_id", "tenant.id", "tenantId", "org_id", "TENANT_ID", "account_id"];
/// When foxtrot was deleted, in seconds since 1970, and for how long after its late data is taken.
const DELETED_AT: u64 = 1_700_000_000;
const GRACE: u64 = 3600;
const NOW: u64 = 1_800_000_000;
const ID: &str = "bed.id";

/// What a place says of the tenant.
#[derive(Debug, Clone)]
enum Said {
    /// A tenant, in one of the forms that it may be written in.
    Tenant(usize, usize),
    /// Nobody's name.
    Nonsense,
}

/// Some places, each with the name that it is said under.
type Names = Vec<(usize, Said)>;

#[derive(Debug, Clone)]
struct Sent {
    /// The tenant of a verified token, and those that it may write for beside.
    claim: Option<(usize, Vec<usize>)>,
    header: Option<Said>,
    groups: Vec<(Names, Vec<(Names, u64)>)>,
}

fn id(tenant: usize) -> TenantId {
    factory::tenant_id(TENANTS[tenant].0)
}

/// The text of what is said.
fn text(said: &Said) -> String {
    let Said::Tenant(tenant, form) = said else { return "no tenant of ours".into() };
    let uuid = id(*tenant).0;
    match form {
        0 => uuid.hyphenated().to_string(),
        1 => uuid.hyphenated().to_string().to_uppercase(),
        2 => uuid.simple().to_string(),
        3 => uuid.braced().to_string(),
        4 => uuid.urn().to_string(),
        5 => format!("  {uuid} "),
        // A slug, as long as there is one.
        _ if TENANTS[*tenant].1.is_some() => TENANTS[*tenant].0.to_uppercase(),
        _ => uuid.to_string(),
    }
}

/// The tenants that some places name, in the order of precedence, each once; whether one names nobody.
fn named(names: &[(usize, Said)]) -> (Vec<usize>, bool) {
    // `tenant_id` and `TENANT_ID` are one name: what comes first counts.
    let rank = |alias: usize| if ALIASES[alias] == "TENANT_ID" { 0 } else { alias };
    let mut sorted: Vec<_> = names.iter().collect();
    sorted.sort_by_key(|(alias, _)| rank(*alias));
    let mut tenants = Vec::new();
    let mut nonsense = false;
    for (_, said) in sorted {
        match said {
            Said::Tenant(tenant, _) if !tenants.contains(tenant) => tenants.push(*tenant),
            Said::Tenant(..) => {}
            Said::Nonsense => nonsense = true,
        }
    }
    (tenants, nonsense)
}

/// The rules of docs/quickstart-otlp.md and docs/tenancy.md: whose an item is, or whose it says and why not.
fn expected(
    sent: &Sent,
    group: &Names,
    item: &Names,
    seconds: u64,
) -> Result<usize, (Option<usize>, Reject)> {
    let header: Names = sent.header.iter().map(|said| (0, said.clone())).collect();
    let (item, group, header) = (named(item), named(group), named(&header));
    let chosen = match &sent.claim {
        // A verified token decides; the most particular declaration, where the token may write for that, too.
        Some((claim, allowed)) => {
            let first = item.0.iter().chain(&group.0).chain(&header.0).next();
            *first.filter(|tenant| allowed.contains(tenant)).unwrap_or(claim)
        }
        // Without one a header, then the item, then the resource.
        None => {
            let mut chosen = None;
            for (tenants, _) in [&header, &item, &group] {
                match tenants.as_slice() {
                    [] => continue,
                    [one] => chosen = Some(*one),
                    _ => return Err((None, Reject::TenantMismatch)),
                }
                break;
            }
            match chosen {
                Some(chosen) => chosen,
                None if header.1 || item.1 || group.1 => return Err((None, Reject::MalformedTenant)),
                None => return Err((None, Reject::MissingTenant)),
            }
        }
    };
    let no = |reject| Err((Some(chosen), reject));
    match TENANTS[chosen].1 {
        None => no(Reject::UnknownTenant),
        Some(State::Suspended) => no(Reject::SuspendedTenant),
        Some(State::Deleted) if seconds > DELETED_AT + GRACE => no(Reject::DeletedTenant),
        Some(_) => Ok(chosen),
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn attributes(names: &Names) -> Vec<KeyValue> {
    names.iter().map(|(alias, said)| attribute(ALIASES[*alias], Value::StringValue(text(said)))).collect()
}

/// The request, its items numbered from `first` on.
fn request(sent: &Sent, mut first: i64) -> ExportLogsServiceRequest {
    let mut record = |(names, seconds): &(Names, u64)| {
        let mut own = attributes(names);
        own.push(attribute(ID, Value::IntValue(first)));
        first += 1;
        LogRecord { time_unix_nano: seconds * 1_000_000_000, attributes: own, ..LogRecord::default() }
    };
    let resource_logs = sent.groups.iter().map(|(names, items)| ResourceLogs {
        resource: Some(Resource { attributes: attributes(names), ..Resource::default() }),
        scope_logs: vec![ScopeLogs {
            log_records: items.iter().map(&mut record).collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
}

struct Bed {
    policy: Policy,
    signer: Signer,
    runtime: tokio::runtime::Runtime,
    _here: tempfile::TempDir,
}

/// The policy is compiled once: every case is held against the same.
fn bed() -> &'static Bed {
    static BED: OnceLock<Bed> = OnceLock::new();
    BED.get_or_init(|| {
        let here = tempfile::tempdir().unwrap();
        let signer = Signer::new(Algorithm::ES256, "bed");
        std::fs::write(here.path().join("keys.json"), factory::jwks(&[&signer])).unwrap();
        let directory = here.path().display();
        let text = format!(
            "buffer: {{ directory: {directory} }}\n\
             identity: {{ mode: enforce, deleted_grace: {GRACE}s, token: {{ jwks_file: {directory}/keys.json }} }}\n"
        );
        let document = Document::parse("bed", &text, Options::data()).unwrap();
        let listed = TENANTS.iter().filter_map(|(slug, state)| {
            let mut entry: Entry = factory::tenant(slug);
            entry.state = (*state)?;
            if entry.state == State::Deleted {
                entry.deleted_at = Some(portcullis::identify::rfc3339_text(DELETED_AT * 1_000_000_000));
            }
            Some(entry)
        });
        let listed: Vec<Entry> = listed.collect();
        let catalogue = catalogue::parse("bed", &factory::catalogue(&listed)).unwrap();
        let policy = Policy::compile(&document, catalogue, None).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Bed { policy, signer, runtime, _here: here }
    })
}

fn claims(bed: &Bed, sent: &Sent) -> Option<std::sync::Arc<Claims>> {
    let (claim, allowed) = sent.claim.as_ref()?;
    let allowed: Vec<String> = allowed.iter().map(|tenant| id(*tenant).to_string()).collect();
    let claims = serde_json::json!({
        "tid": id(*claim).to_string(), "sub": "sender", "exp": factory::now() + 600, "allowed_tenants": allowed,
    });
    let token = format!("Bearer {}", bed.signer.sign(&claims));
    let verifier = bed.policy.verifier.as_ref().unwrap();
    bed.runtime.block_on(verifier.authenticate(Some(&token))).unwrap()
}

/// What became of the items: how many of each tenant, and of those that have none.
#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    delivered_and_held: BTreeMap<TenantId, u64>,
    rejected: BTreeMap<(TenantId, &'static str), u64>,
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![8 => (0..TENANTS.len(), 0..7usize).prop_map(|(t, f)| Said::Tenant(t, f)), 1 => Just(Said::Nonsense)]
}

fn names(most: usize) -> impl Strategy<Value = Names> {
    // Mostly none or one; at times names that contradict each other.
    prop::collection::vec((0..ALIASES.len(), said()), 0..=most).prop_map(|mut names| {
        // One name stands once at a place: what of two is read is the protocol's question, not the tenant's.
        let mut seen = Vec::new();
        names.retain(|(alias, _)| {
            let name = ALIASES[*alias].to_lowercase();
            let new = !seen.contains(&name);
            seen.push(name);
            new
        });
        names
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    let time = prop_oneof![
        Just(0),
        Just(DELETED_AT - 10),
        Just(DELETED_AT + GRACE - 1),
        Just(DELETED_AT + GRACE + 2)
    ];
    let group = (names(2), prop::collection::vec((names(2), time), 1..5));
    let claim =
        prop::option::weighted(0.4, (0..TENANTS.len(), prop::collection::vec(0..TENANTS.len(), 0..3)));
    (claim, prop::option::weighted(0.2, said()), prop::collection::vec(group, 1..4))
        .prop_map(|(claim, header, groups)| Sent { claim, header, groups })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Scenario: requests of many tenants with names in all forms, under all aliases, at all places, with tokens that
    /// say otherwise, names that contradict each other, nonsense, and nothing at all; some is delivered, the rest is
    /// held. Guarantee: every item that a destination is given sits under exactly the tenant that the rules say, with
    /// that tenant's id alone on it; for each tenant, what was accepted is what was delivered and what is held, and all
    /// else was rejected for the reason that the rules say.
    #[test]
    fn every_item_is_where_the_rules_say(all in prop::collection::vec(sent(), 1..6), read in 0usize..8) {
        let bed = bed();
        let here = tempfile::tempdir().unwrap();
        let settings = Settings { directory: here.path().to_owned(), ..Settings::default() };
        let journal = Journal::open(settings, &["backend".into()]).unwrap();
        let mut scratch = Scratch::default();
        let admission = Admission::new();
        let traces = std::sync::Arc::new(portcullis::identify::traces::Traces::new(1 << 20));
        let (mut right, mut found) = (Account::default(), Account::default());
        let mut owners: Vec<Option<TenantId>> = Vec::new();
        for sent in &all {
            let first = owners.len() as i64;
            for (group, items) in &sent.groups {
                for (item, time) in items {
                    let seconds = if *time == 0 { NOW } else { *time };
                    match expected(sent, group, item, seconds) {
                        Ok(tenant) => {
                            owners.push(Some(id(tenant)));
                            *right.delivered_and_held.entry(id(tenant)).or_default() += 1;
                        }
                        Err((tenant, reject)) => {
                            owners.push(None);
                            let tenant = tenant.map_or(TenantId::NONE, id);
                            *right.rejected.entry((tenant, reject.as_str())).or_default() += 1;
                        }
                    }
                }
            }
            let claims = claims(bed, sent);
            let headers: Vec<(String, String)> =
                sent.header.iter().map(|said| ("x-tenant-id".to_owned(), text(said))).collect();
            let request = Request {
                signal: Signal::Logs,
                format: Format::Protobuf,
                body: request(sent, first).encode_to_vec().into(),
                claims: claims.as_deref(),
                headers: &headers,
                baggage: None,
                entered: None,
                traces: &traces,
                may_wait: false,
                now: NOW * 1_000_000_000,
            };
            let looked = path::run(&bed.policy, &admission, &mut scratch, request, |_| {}).unwrap();
            let path::Looked::Done(done) = looked else { panic!("it waits, though nobody inherits") };
            for part in done.accepted {
                let (receipt, ticket) = receipt::pair();
                journal.append(part.batch, bed.policy.epoch, receipt);
                prop_assert!(ticket.wait_blocking().is_ok());
            }
            for part in done.rejected {
                let reason = part.reject.unwrap().as_str();
                *found.rejected.entry((part.batch.tenant, reason)).or_default() += u64::from(part.received);
            }
        }
        // Some of it is delivered; the rest is held, and delivered after a restart.
        let mut given: Vec<i64> = Vec::new();
        let mut take = |reader: &mut portcullis::buffer::Reader, most: usize| {
            for _ in 0..most {
                let Some(record) = reader.next(Duration::from_millis(1)) else { return Ok(()) };
                let request = ExportLogsServiceRequest::decode(record.batch.bytes.clone()).unwrap();
                for group in &request.resource_logs {
                    let resource = group.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
                    for item in group.scope_logs.iter().flat_map(|scope| &scope.log_records) {
                        let text = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
                            Value::StringValue(text) => Some(text.clone()),
                            _ => None,
                        };
                        let named: Vec<String> = resource
                            .iter()
                            .chain(&item.attributes)
                            .filter(|pair| ALIASES.iter().any(|alias| alias.eq_ignore_ascii_case(&pair.key)))
                            .map(|pair| text(pair).unwrap_or_default())
                            .collect();
                        let number = item.attributes.iter().find_map(|pair| {
                            match (pair.key == ID).then_some(pair.value.as_ref()?.value.as_ref()?)? {
                                Value::IntValue(number) => Some(*number),
                                _ => None,
                            }
                        });
                        let number = number.unwrap();
                        prop_assert_eq!(owners[number as usize], Some(record.batch.tenant));
                        prop_assert_eq!(named, [record.batch.tenant.to_string()]);
                        *found.delivered_and_held.entry(record.batch.tenant).or_default() += 1;
                        given.push(number);
                    }
                }
                reader.done(record.sequence);
            }
            Ok(())
        };
        let mut reader = journal.reader("backend").unwrap();
        take(&mut reader, read)?;
        drop(reader);
        prop_assert!(journal.close(Duration::from_secs(10)));
        drop(journal);
        let settings = Settings { directory: here.path().to_owned(), ..Settings::default() };
        let journal = Journal::open(settings, &["backend".into()]).unwrap();
        let mut reader = journal.reader("backend").unwrap();
        take(&mut reader, usize::MAX)?;
        given.sort_unstable();
        let owed: Vec<i64> = (0..).zip(&owners).filter(|(_, owner)| owner.is_some()).map(|(n, _)| n).collect();
        prop_assert_eq!(given, owed);
        prop_assert_eq!(found, right);
    }
}
