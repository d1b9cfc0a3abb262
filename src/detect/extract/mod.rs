//! From OTLP to observations: attributes with a role in, ids, facts and fingerprints out.
//!
//! One pass over the original bytes, before anything is scrubbed. Nothing of a value is kept but what an
//! [`Observation`] holds.

mod elsewhere;
mod ids;
mod item;
mod keys;
mod names;
mod told;
mod versions;
mod words;

use std::{collections::HashSet, hash::BuildHasher, sync::Arc};

use crate::{
    batch::{Signal, TenantId},
    limits,
    wire::{
        Msg,
        view::{self, AnyValue, RawField},
    },
};

use super::{
    fact::{Event, Fact},
    few::Few,
    finding::plain_name,
    mapping::{KnownRoles, Role},
    mentions::{self, Mentions},
    observation::{Observation, TenantState},
    rules::{Directory, Rules, resolve},
    sql,
};

/// What is known of a request before its items are looked at.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// When the gate took it, in nanoseconds since the epoch.
    pub at: u64,
    /// The tenant of the verified token.
    pub claimed: Option<TenantId>,
    /// The tenant that items without a declaration count as: from a header, or a batch of one tenant.
    pub fallback: Option<TenantId>,
    /// Tenants that the request's baggage declares.
    pub baggage: Option<TenantId>,
    /// The tenants that there are.
    pub directory: &'a dyn Directory,
    /// Their names and canaries.
    pub mentions: Option<&'a Mentions>,
}

/// What a worker keeps from request to request: look-ups that are the same for every record.
#[derive(Default)]
pub struct Extractor {
    known: KnownRoles,
    names: names::Names,
    /// Resources and scopes, by the hash of their bytes, that hold no canary of the index of this number: the same few
    /// stand in every request.
    clean: (u64, HashSet<u64>),
    hasher: foldhash::fast::RandomState,
    judge: Option<(u64, sql::Judge)>,
    scratch: mentions::Scratch,
    text: String,
    versions: versions::Versions,
}

impl std::fmt::Debug for Extractor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extractor").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl Extractor {
    fn judge(&mut self, rules: &Rules, text: &str) -> Arc<sql::Statement> {
        let number = rules.roles.number;
        self.judge.take_if(|(known, _)| *known != number);
        let new = || (number, sql::Judge::new(Arc::clone(&rules.schema)));
        self.judge.get_or_insert_with(new).1.judge(text)
    }
}

/// Appends the observations of a request to `out`.
///
/// Takes the request as it came and as the walker has passed it: the aliases that declare a tenant still in
/// place, nothing scrubbed. A log record or a data point that says nothing makes no observation.
pub fn observe_batch(
    signal: Signal,
    bytes: &[u8],
    rules: &Rules,
    context: Context<'_>,
    extractor: &mut Extractor,
    out: &mut Vec<Observation>,
) {
    if !rules.watches {
        return;
    }
    let mut group = Group::new(rules, context, signal);
    for resource in view::groups(signal, bytes) {
        group.begin(extractor);
        let mut version = None;
        for (key, value) in resource.attributes() {
            group.resource(extractor, key, value);
            if key == "service.version" {
                version = value.as_str();
            }
        }
        if version.is_some_and(|version| extractor.versions.is_new(&group.service, version)) {
            let mut o = Observation::new(context.at, signal);
            o.service = Arc::clone(&group.service);
            o.facts.push(Fact::Event(Event::Deployed));
            out.push(o);
        }
        group.around(extractor, Msg::ResourceLogs, &resource.field, b"resource");
        for scope in resource.scopes() {
            group.scope = Few::default();
            group.around(extractor, Msg::ScopeLogs, &scope.field, b"scope");
            for (key, value) in scope.attributes() {
                if extractor.known.of(&rules.roles, key) == Some(Role::Tenant) {
                    let named: Few<TenantId, 4> = group.tenants(value).collect();
                    named.iter().for_each(|tenant| group.scope.add(tenant));
                }
            }
            group.telling = group.says_something(group.scope.iter().chain(group.resource.iter()));
            for item in scope.items() {
                out.extend(item::read(&mut group, extractor, &item));
            }
        }
    }
}

/// What resource and scope say of the items below.
struct Group<'a> {
    rules: &'a Rules,
    context: Context<'a>,
    signal: Signal,
    service: Arc<str>,
    multi_tenant: bool,
    resource: Few<TenantId, 4>,
    scope: Few<TenantId, 4>,
    /// Resource and scope are worth a look by themselves.
    telling: bool,
    /// The trace of the last record whose tenant was handed on.
    last: [u8; 16],
    /// What was said around the items that come next.
    heard: Vec<Fact>,
    /// Where the metric stands whose points are read.
    metric: usize,
    /// The tenant that most items name, and how they write it.
    usual: Option<(TenantId, [u8; 36])>,
}

impl<'a> Group<'a> {
    fn new(rules: &'a Rules, context: Context<'a>, signal: Signal) -> Self {
        let usual = context.claimed.or(context.fallback).map(|tenant| {
            let mut text = [0; 36];
            tenant.encode(&mut text);
            (tenant, text)
        });
        let (service, none) = (Arc::from(""), Few::default());
        Group {
            rules,
            context,
            signal,
            service,
            multi_tenant: false,
            resource: none,
            scope: none,
            telling: true,
            last: [0; 16],
            heard: Vec::new(),
            metric: 0,
            usual,
        }
    }

    fn begin(&mut self, extractor: &mut Extractor) {
        self.service = extractor.names.one("");
        self.multi_tenant = false;
        self.resource = self.context.baggage.into_iter().collect();
        self.heard.clear();
    }

    /// Looks for canaries in what stands before the items of a group; the groups of all signals have one shape.
    fn around(&mut self, extractor: &mut Extractor, group: Msg, field: &RawField<'_>, place: &[u8]) {
        let Some(mentions) = self.context.mentions.filter(|mentions| !mentions.is_empty()) else { return };
        if extractor.clean.0 != mentions.number() || extractor.clean.1.len() >= limits::KNOWN_KEYS {
            extractor.clean = (mentions.number(), HashSet::new());
        }
        for field in field.message().all(1) {
            let hash = extractor.hasher.hash_one(field.content());
            if extractor.clean.1.contains(&hash) {
                continue;
            }
            let facts = std::mem::take(&mut self.heard);
            let mut draft = item::Draft { group: self, extractor, said: item::Said::default(), facts };
            draft.elsewhere(group, &field, place, 0);
            let facts = draft.facts;
            self.heard = facts;
            if self.heard.is_empty() {
                extractor.clean.1.insert(hash);
            }
        }
    }

    fn resource(&mut self, extractor: &mut Extractor, key: &str, value: AnyValue<'_>) {
        match value {
            AnyValue::Str(name) if key == "service.name" => {
                self.multi_tenant = self.rules.multi_tenant_service(name);
                self.service = extractor.names.one(plain_name(name));
            }
            _ if extractor.known.of(&self.rules.roles, key) == Some(Role::Tenant) => {
                let named: Few<TenantId, 4> = self.tenants(value).collect();
                named.iter().for_each(|tenant| self.resource.add(tenant));
            }
            _ => {}
        }
    }

    /// The tenants that a value names: a text, or a list of them.
    fn tenants<'v>(&self, value: AnyValue<'v>) -> impl Iterator<Item = TenantId> + use<'v, 'a> {
        let (directory, usual) = (self.context.directory, self.usual);
        texts(value).filter_map(move |text| named(directory, usual, text))
    }

    /// Whether these declarations, nearest first, are worth a detector's look by themselves.
    fn says_something(&self, mut declared: impl Iterator<Item = TenantId>) -> bool {
        let Context { claimed, fallback, directory, .. } = self.context;
        let first = declared.next();
        let quiet = |tenant| matches!(directory.state(tenant), TenantState::Active | TenantState::Unverified);
        let usual = claimed.or(first);
        declared.chain(first).any(|tenant| Some(tenant) != usual) || !usual.or(fallback).is_none_or(quiet)
    }
}

/// The texts of a value: itself, or those of a list (as headers are recorded).
fn texts(value: AnyValue<'_>) -> impl Iterator<Item = &str> {
    let (one, many) = match value {
        AnyValue::Str(text) => (Some(text), None),
        AnyValue::Array(list) => (None, Some(list)),
        _ => (None, None),
    };
    let many = many.into_iter().flat_map(view::values).filter_map(|value| value.as_str());
    one.into_iter().chain(many).take(limits::LISTED_IDS)
}

/// The texts of a list that may also be written as one text: `a,b` or `["a","b"]`.
fn listed(value: AnyValue<'_>) -> impl Iterator<Item = &str> {
    let marks = |c: char| matches!(c, ',' | ';' | '[' | ']' | '{' | '}' | '"' | '\'' | ' ');
    texts(value)
        .flat_map(move |text| text.split(marks))
        .filter(|text| !text.is_empty())
        .take(limits::LISTED_IDS)
}

fn named(directory: &dyn Directory, usual: Option<(TenantId, [u8; 36])>, text: &str) -> Option<TenantId> {
    match usual {
        Some((tenant, usual)) if usual == text.as_bytes() => Some(tenant),
        _ => resolve(directory, text),
    }
}
