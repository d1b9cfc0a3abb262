//! From OTLP to observations: attributes with a role in, ids and fingerprints out.
//!
//! The caller walks resource, scope and item in whatever form it has them and hands over
//! attributes; nothing of them is kept but what an [`Observation`] holds.

use std::sync::Arc;

use crate::{
    batch::{Signal, TenantId},
    limits,
};

use super::{
    few::Few,
    fingerprint::{Domain, Fingerprint},
    observation::{Excuse, Method, Observation, SpanKind, TenantState, Transfer},
    rules::{Directory, Role, Rules, resolve},
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
}

/// An attribute's value, as far as observations need it.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A string.
    Text(&'a str),
    /// An integer.
    Integer(i64),
}

/// The ids and the time of an item.
#[derive(Debug, Clone, Copy, Default)]
pub struct Item {
    /// Event time in nanoseconds; 0 for unknown.
    pub time: u64,
    /// Trace id.
    pub trace: [u8; 16],
    /// Span id.
    pub span: [u8; 8],
    /// Parent span id.
    pub parent: [u8; 8],
    /// OTLP's span kind.
    pub kind: SpanKind,
}

/// Reads one `Resource*` group: first its resource's attributes, then scopes and items.
pub struct Group<'a> {
    rules: &'a Rules,
    context: Context<'a>,
    signal: Signal,
    service: Arc<str>,
    multi_tenant: bool,
    resource: Few<TenantId, 4>,
    scope: Few<TenantId, 4>,
    telling: bool,
    /// The tenant that most items name, and how they write it.
    usual: Option<(TenantId, [u8; 36])>,
}

impl<'a> Group<'a> {
    /// A group of a request.
    pub fn new(rules: &'a Rules, context: Context<'a>, signal: Signal) -> Self {
        let resource = context.baggage.into_iter().collect();
        let (service, scope) = (Arc::from(""), Few::default());
        let usual = context.claimed.or(context.fallback).map(|tenant| {
            let mut text = [0; 36];
            tenant.encode(&mut text);
            (tenant, text)
        });
        Group { rules, context, signal, service, multi_tenant: false, resource, scope, telling: true, usual }
    }

    /// An attribute of the resource.
    pub fn resource(&mut self, key: &str, value: Value<'_>) {
        match (key, value) {
            ("service.name", Value::Text(name)) => {
                self.multi_tenant = self.rules.multi_tenant_service(name);
                self.service = Arc::from(super::finding::shown_service(name));
            }
            (_, Value::Text(text)) if self.rules.roles.of(key.as_bytes()) == Some(Role::Tenant) => {
                resolve(self.context.directory, text)
                    .into_iter()
                    .for_each(|tenant| self.resource.add(tenant));
            }
            _ => {}
        }
    }

    /// A new scope begins.
    pub fn next_scope(&mut self) {
        self.scope = Few::default();
    }

    /// An attribute of the scope.
    pub fn scope(&mut self, key: &str, value: Value<'_>) {
        if let (Some(Role::Tenant), Value::Text(text)) = (self.rules.roles.of(key.as_bytes()), value) {
            resolve(self.context.directory, text).into_iter().for_each(|tenant| self.scope.add(tenant));
        }
    }

    /// The attributes of resource and scope are read: items follow.
    pub fn begin_items(&mut self) {
        self.telling = self.says_something(self.scope.iter().chain(self.resource.iter()));
    }

    /// An item begins.
    pub fn item(&self) -> ItemReader<'_> {
        ItemReader {
            group: self,
            o: None,
            tenants: Few::default(),
            principals: Few::default(),
            parts: Parts::default(),
        }
    }

    fn blank(&self) -> Observation {
        let mut o = Observation::new(self.context.at, self.signal);
        o.claimed = self.context.claimed;
        o.service = Arc::clone(&self.service);
        o.multi_tenant = self.multi_tenant;
        o
    }

    // Whether these declarations, nearest first, are worth a detector's look by themselves.
    fn says_something(&self, mut declared: impl Iterator<Item = TenantId>) -> bool {
        let Context { claimed, fallback, directory, .. } = self.context;
        let first = declared.next();
        let quiet = |tenant| matches!(directory.state(tenant), TenantState::Active | TenantState::Unverified);
        claimed.is_some_and(|claimed| first.into_iter().chain(declared).any(|tenant| tenant != claimed))
            || !claimed.or(first).or(fallback).is_none_or(quiet)
    }
}

#[derive(Default)]
struct Parts<'v> {
    route: Option<&'v str>,
    path: Option<&'v str>,
    query: Option<&'v str>,
    from: Option<TenantId>,
    to: Option<TenantId>,
    object: Option<Fingerprint>,
}

/// Reads one item.
pub struct ItemReader<'g> {
    group: &'g Group<'g>,
    o: Option<Box<Observation>>,
    tenants: Few<TenantId, 4>,
    principals: Few<Fingerprint, 3>,
    parts: Parts<'g>,
}

impl<'g> ItemReader<'g> {
    /// An attribute of the item.
    #[inline]
    pub fn attribute(&mut self, key: &str, value: Value<'g>) {
        if let Some(role) = self.group.rules.roles.of(key.as_bytes()) {
            self.mapped(role, value);
        }
    }

    /// An attribute of the item with that role.
    pub(crate) fn mapped(&mut self, role: Role, value: Value<'g>) {
        let (group, rules) = (self.group, self.group.rules);
        let directory = group.context.directory;
        match (role, value) {
            (Role::Tenant, Value::Text(text)) => {
                let named = match group.usual {
                    Some((tenant, usual)) if usual == text.as_bytes() => Some(tenant),
                    _ => resolve(directory, text),
                };
                named.into_iter().for_each(|tenant| self.tenants.add(tenant));
            }
            (Role::Principal, Value::Text(text)) => {
                let who = rules.key.of(Domain::Principal, text.as_bytes());
                self.principals.add(who);
                if let Some(excuse) = rules.principal(who) {
                    self.observation().excuse.get_or_insert_with(|| excuse.clone());
                }
            }
            (Role::Job, Value::Text(text)) if rules.multi_tenant_job(text) => {
                self.observation().excuse = Some(Excuse::All);
            }
            (Role::Object, Value::Text(text)) => {
                if let Some(id) = object(rules, None, text) {
                    self.parts.object = Some(id);
                }
            }
            (Role::TransferFrom, Value::Text(text)) => self.parts.from = resolve(directory, text),
            (Role::TransferTo, Value::Text(text)) => self.parts.to = resolve(directory, text),
            // What follows tells of requests, and those are spans.
            _ if group.signal != Signal::Traces => {}
            (Role::Status, Value::Integer(number)) => {
                self.observation().status = u16::try_from(number).unwrap_or(0);
            }
            (Role::Status, Value::Text(text)) => self.observation().status = text.parse().unwrap_or(0),
            (Role::Method, Value::Text(text)) => {
                let read = matches!(text, "GET" | "HEAD" | "OPTIONS");
                self.observation().method = if read { Method::Read } else { Method::Write };
            }
            (Role::Visibility, Value::Text(text)) => {
                self.observation().public |= text.eq_ignore_ascii_case("public");
            }
            (Role::Route, Value::Text(text)) => self.parts.route = Some(text),
            (Role::Query, Value::Text(text)) => self.parts.query = Some(text),
            (Role::Path, Value::Text(text)) => {
                self.parts.path.get_or_insert(text);
            }
            (_, Value::Integer(_)) | (Role::Job, Value::Text(_)) => {}
        }
    }

    fn observation(&mut self) -> &mut Observation {
        self.o.get_or_insert_with(|| Box::new(self.group.blank()))
    }

    /// Whether the item says nothing, so that its ids need not be read.
    pub fn is_plain(&self) -> bool {
        let group = self.group;
        group.signal != Signal::Traces
            && self.o.is_none()
            && self.parts.to.is_none()
            && !group.telling
            && (self.tenants.is_empty() || !group.says_something(self.tenants.iter()))
    }

    /// The observation, if the item says anything.
    pub fn finish(mut self, item: Item) -> Option<Observation> {
        if self.is_plain() {
            return None;
        }
        self.observation();
        let (group, context) = (self.group, self.group.context);
        let mut o = *self.o?;
        o.time = if item.time == 0 { context.at } else { item.time };
        (o.trace, o.span, o.parent, o.kind) = (item.trace, item.span, item.parent, item.kind);
        o.principals = self.principals;
        o.declared = self.tenants.iter().chain(group.scope.iter()).chain(group.resource.iter()).collect();
        o.tenant = o.claimed.or(o.declared.first()).or(context.fallback);
        o.state = o.tenant.map_or(TenantState::Unverified, |tenant| context.directory.state(tenant));
        if let (Some(to), Some(id)) = (self.parts.to, self.parts.object) {
            o.transfer = Some(Transfer { from: self.parts.from, to });
            o.objects.add(id);
        }
        if item.kind == SpanKind::Server {
            name_objects(group.rules, &self.parts, &mut o);
        }
        Some(o)
    }
}

fn name_objects(rules: &Rules, parts: &Parts<'_>, o: &mut Observation) {
    let path = parts.path.map(path_of).unwrap_or_default();
    let mut made = String::new();
    let route = match parts.route {
        Some(route) => {
            let segments = path.split('/').rev().zip(route.split('/').rev());
            for (value, name) in segments.take(limits::DEPTH) {
                if name.starts_with([':', '{', '<', '*', '[']) {
                    object(rules, Some(route), value).into_iter().for_each(|id| o.objects.add(id));
                }
            }
            route
        }
        None if !path.is_empty() => {
            for value in path.split('/').filter(|value| !value.is_empty()).take(limits::DEPTH) {
                made.push('/');
                match object(rules, None, value) {
                    Some(id) => {
                        o.objects.add(id);
                        made.push_str(":id");
                    }
                    None => made.push_str(value),
                }
            }
            made.as_str()
        }
        None => return,
    };
    parts.object.into_iter().for_each(|id| o.objects.add(id));
    o.public |= rules.public_route(route);
    o.route = Some(rules.key.of(Domain::Route, route.as_bytes()));
    for pair in parts.query.unwrap_or_default().split('&').take(limits::DEPTH) {
        if let Some((key, value)) = pair.split_once('=')
            && key.to_ascii_lowercase().ends_with("id")
            && is_uuid(value)
        {
            object(rules, None, value).into_iter().for_each(|id| o.objects.add(id));
        }
    }
}

// The path of a path or a whole URL, without query and fragment.
fn path_of(text: &str) -> &str {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match text.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => text,
    }
}

/// The fingerprint of an id that can be told apart across tenants: a uuid anywhere; another long
/// opaque id within its route; never a small number or a word.
fn object(rules: &Rules, route: Option<&str>, text: &str) -> Option<Fingerprint> {
    if let Some(uuid) = parse_uuid(text) {
        return Some(rules.key.of(Domain::Object, uuid.as_bytes()));
    }
    if text.len() > limits::OBJECT_ID_BYTES || !is_opaque(text) {
        return None;
    }
    let scoped = [route.unwrap_or_default(), "\0", text].concat();
    Some(rules.key.of(Domain::Object, scoped.as_bytes()))
}

fn parse_uuid(text: &str) -> Option<uuid::Uuid> {
    matches!(text.len(), 32 | 36).then(|| uuid::Uuid::try_parse(text).ok()).flatten()
}

fn is_uuid(text: &str) -> bool {
    parse_uuid(text).is_some()
}

// Object ids, ULIDs, nano ids, snowflakes: long, plain, and with digits among the letters.
fn is_opaque(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    plain && text.len() >= 16 && digits >= 4 && !text.contains("--")
}
