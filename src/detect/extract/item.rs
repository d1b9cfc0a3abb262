//! One item: its attributes, its body and its events, role by role.

use std::sync::Arc;

use crate::{
    batch::{Signal, TenantId},
    limits,
    wire::{
        Msg,
        varint::LEN,
        view::{self, AnyValue, Item, RawField},
    },
};

use super::{
    super::{
        fact::{Access, Fact, Place},
        few::Few,
        finding::plain_name,
        fingerprint::Domain,
        mapping::Role,
        mentions::{self, Mention},
        observation::{Excuse, Failure, Method, Observation, SpanKind, TenantState},
    },
    Extractor, Group, ids, keys, listed, named, texts,
    words::{self, Fields, failure},
};

/// The observation of an item, if it says anything. Most log records say nothing: they are read once, field by
/// field, and what is only wanted of the others is looked for when it is known to be one of them.
pub(super) fn read(group: &mut Group<'_>, extractor: &mut Extractor, item: &Item<'_>) -> Option<Observation> {
    let facts = std::mem::take(&mut group.heard);
    let mut draft = Draft { group, extractor, said: Said::default(), facts };
    draft.around(item);
    let attributes = item.message.attributes_field();
    let (mut body, mut trace, mut events) = (None, &[][..], false);
    for field in item.field.message().fields() {
        match (item.message, field.number) {
            (_, number) if Some(number) == attributes => draft.pair(&field),
            (Msg::LogRecord, 5) => body = Some(field),
            (Msg::LogRecord, 9) | (Msg::Span, 1) => trace = field.content(),
            (Msg::LogRecord, 12) if !field.content().is_empty() => {
                draft.said.event = Some(field.text());
                draft.named(b"event", CANARIES, field.content());
            }
            (Msg::Span, 11) => {
                events = true;
                draft.elsewhere(item.message, &field, b"event", 0);
            }
            // What went wrong is told in people's words.
            (Msg::Span, 15) => {
                let message = field.message().last(2).map_or(&[][..], |text| text.content());
                draft.named(b"status", ALL, message);
            }
            (Msg::Span, 13) => draft.elsewhere(item.message, &field, b"link", 0),
            (message, _) if field.wire == LEN => draft.elsewhere(message, &field, b"name", 0),
            _ => {}
        }
    }
    if let Some(body) = body {
        match AnyValue::one_text(body.message()) {
            Some(text) if !text.starts_with(b"{") => draft.named(b"body", ALL, text),
            _ => draft.body(AnyValue::read(body.message())),
        }
    }
    if events {
        for (key, value) in item.events().flatten() {
            let role = draft.extractor.known.of(&draft.group.rules.roles, key);
            draft.failure(role, value);
            draft.mentions(key.as_bytes(), role, value, 0);
        }
    }
    draft.finish(item, id(trace))
}

/// Which mentions count in a text.
pub(super) type Wanted = fn(&Mention) -> bool;
pub(super) const ALL: Wanted = |_| true;
pub(super) const CANARIES: Wanted = |found| found.kind == mentions::Kind::Canary;
const IN_A_PATH: Wanted = |found| {
    matches!(found.kind, mentions::Kind::Canary | mentions::Kind::Id)
        || found.context == mentions::Context::Path
};

/// What an item said that is put together at its end.
#[derive(Default)]
pub(super) struct Said<'v> {
    pub tenants: Few<TenantId, 4>,
    pub claim: Option<TenantId>,
    pub excuse: Option<Excuse>,
    pub route: Option<&'v str>,
    pub path: Option<&'v str>,
    pub query: Option<&'v str>,
    pub method: Method,
    pub status: u16,
    pub public: bool,
    pub failure: Failure,
    pub object: Option<&'v str>,
    pub statement: Option<&'v str>,
    pub parameters: Vec<(usize, &'v str)>,
    pub namespace: Option<&'v str>,
    pub cache_key: Option<&'v str>,
    pub cache_hit: Option<bool>,
    pub operation: Option<&'v str>,
    pub edge: Option<&'v str>,
    pub channel: Option<&'v str>,
    pub job: Option<&'v str>,
    pub arguments: Option<&'v str>,
    pub event: Option<&'v str>,
    pub from: Option<TenantId>,
    pub to: Option<TenantId>,
    pub renamed_to: Option<&'v str>,
    pub migrated_from: Option<&'v str>,
    pub approved: bool,
}

pub(super) struct Draft<'d, 'g, 'v> {
    pub group: &'d mut Group<'g>,
    pub extractor: &'d mut Extractor,
    pub said: Said<'v>,
    pub facts: Vec<Fact>,
}

impl<'v> Draft<'_, '_, 'v> {
    /// An attribute. As everybody writes it, the key is first and the value ends the pair; any other order is
    /// read in full.
    fn pair(&mut self, field: &RawField<'v>) {
        let mut parts = field.message().fields();
        if let (Some(key), Some(value)) = (parts.next(), parts.next())
            && (key.number, value.number, value.end) == (1, 2, field.end)
        {
            let key = key.content();
            let role = self.extractor.known.of(&self.group.rules.roles, key);
            return match (role, AnyValue::one_text(value.message())) {
                (None, Some(text)) => self.named(key, ALL, text),
                _ => self.value(role, key, AnyValue::read(value.message())),
            };
        }
        let (key, value) = view::pair(field);
        self.attribute(key.as_bytes(), value);
    }

    fn attribute(&mut self, key: &'v [u8], value: AnyValue<'v>) {
        let role = self.extractor.known.of(&self.group.rules.roles, key);
        self.value(role, key, value);
    }

    fn value(&mut self, role: Option<Role>, key: &'v [u8], value: AnyValue<'v>) {
        if let Some(role) = role {
            self.mapped(role, key, value);
        }
        self.mentions(key, role, value, 0);
    }

    fn mapped(&mut self, role: Role, key: &'v [u8], value: AnyValue<'v>) {
        let name = || std::str::from_utf8(key).unwrap_or_default();
        let rules = self.group.rules;
        match (role, value) {
            (Role::Tenant, value) => {
                let named: Few<TenantId, 4> = self.group.tenants(value).collect();
                named.iter().for_each(|tenant| self.said.tenants.add(tenant));
            }
            (Role::Claim, value) => self.said.claim = self.group.tenants(value).next().or(self.said.claim),
            (Role::Principal, AnyValue::Str(text)) => self.principal(text),
            (Role::Session, AnyValue::Str(text)) if !words::is_placeholder(text) => {
                self.facts.push(Fact::Session(rules.key.of(Domain::Session, text.as_bytes())));
            }
            (Role::Credential, AnyValue::Str(text)) if !words::is_placeholder(text) => {
                self.facts.push(Fact::Credential(rules.key.of(Domain::Credential, text.as_bytes())));
            }
            (Role::Route, AnyValue::Str(text)) => self.said.route = Some(text),
            (Role::Path, AnyValue::Str(text)) => {
                self.said.path.get_or_insert(text);
            }
            (Role::Query, AnyValue::Str(text)) => self.said.query = Some(text),
            (Role::Method, AnyValue::Str(text)) => {
                let read = matches!(text, "GET" | "HEAD" | "OPTIONS");
                self.said.method = if read { Method::Read } else { Method::Write };
            }
            (Role::Status, AnyValue::Int(status)) => self.said.status = u16::try_from(status).unwrap_or(0),
            (Role::Status, AnyValue::Str(status)) => self.said.status = status.parse().unwrap_or(0),
            (Role::Object, AnyValue::Str(text)) => self.said.object = Some(text),
            (Role::Results, value) => {
                let searched = ["search", "hit", "query", "result"].iter().any(|word| name().contains(word));
                self.objects(value, if searched { Access::Found } else { Access::Listed });
            }
            (Role::Exported, value) => self.objects(value, Access::Exported),
            (Role::Tenants, value) => {
                for text in listed(value) {
                    if let Some(tenant) = named(self.group.context.directory, self.group.usual, text) {
                        self.facts.push(Fact::Tenant { tenant, place: Place::Exported });
                    }
                }
            }
            (Role::Statement, AnyValue::Str(text)) => self.said.statement = Some(text),
            (Role::Parameter, AnyValue::Str(text)) => {
                if let Some(number) = rules.roles.number_of(name())
                    && self.said.parameters.len() < limits::STATEMENT_PARAMETERS
                {
                    self.said.parameters.push((number, text));
                }
            }
            (Role::Connection, AnyValue::Str(text)) if !text.is_empty() => {
                self.facts.push(Fact::Connection(rules.key.of(Domain::Connection, text.as_bytes())));
            }
            (Role::Connection, AnyValue::Int(number)) => {
                let text = number.to_string();
                self.facts.push(Fact::Connection(rules.key.of(Domain::Connection, text.as_bytes())));
            }
            (Role::Principal, AnyValue::Int(number)) => self.principal(&number.to_string()),
            (Role::Namespace, AnyValue::Str(text)) => self.said.namespace = Some(text),
            (Role::DatabaseUser, AnyValue::Str(text)) => {
                self.said.approved |= rules.approved_user(text);
            }
            (Role::CacheKey, AnyValue::Str(text)) => self.said.cache_key = Some(text),
            (Role::CacheHit, AnyValue::Bool(hit)) => self.said.cache_hit = Some(hit),
            (Role::CacheHit, AnyValue::Str(hit)) => {
                self.said.cache_hit =
                    Some(hit.eq_ignore_ascii_case("true") || hit.eq_ignore_ascii_case("hit"));
            }
            (Role::Operation, AnyValue::Str(text)) => self.said.operation = Some(text),
            (Role::Edge, value) => self.said.edge = texts(value).next().or(self.said.edge),
            (Role::Content, value) => {
                let hash = texts(value).next().filter(|text| text.len() >= 8);
                let hash = hash.map(|text| Fact::Content(rules.key.of(Domain::Content, text.as_bytes())));
                self.facts.extend(hash);
            }
            (Role::Channel, AnyValue::Str(text)) => self.said.channel = Some(text),
            (Role::Job, AnyValue::Str(text)) => {
                self.said.job = Some(text);
                if rules.multi_tenant_job(text) {
                    self.said.excuse = Some(Excuse::All);
                }
            }
            (Role::JobArguments, AnyValue::Str(text)) => self.said.arguments = Some(text),
            (Role::File, AnyValue::Str(text)) => {
                let parts = keys::parts(rules.key, self.group.context.directory, text);
                if let Some(tenant) = parts.owner {
                    self.facts.push(Fact::Tenant { tenant, place: Place::File });
                    let filed = parts.objects.iter().map(|id| Fact::Object { id, access: Access::Filed });
                    self.facts.extend(filed);
                }
            }
            (Role::Rows, AnyValue::Int(n)) => self.facts.push(Fact::Rows(n.unsigned_abs())),
            (Role::Bytes, AnyValue::Int(n)) => self.facts.push(Fact::Bytes(n.unsigned_abs())),
            (Role::Error, value) => self.failure(Some(role), value),
            (Role::Event, AnyValue::Str(text)) => self.said.event = Some(text),
            (Role::TransferFrom, value) => self.said.from = self.group.tenants(value).next(),
            (Role::TransferTo, value) => self.said.to = self.group.tenants(value).next(),
            (Role::RenamedTo, AnyValue::Str(text)) => self.said.renamed_to = Some(text),
            (Role::MigratedFrom, AnyValue::Str(text)) => self.said.migrated_from = Some(text),
            (Role::Visibility, AnyValue::Str(text)) => {
                self.said.public |= text.eq_ignore_ascii_case("public")
            }
            _ => {}
        }
    }

    pub(super) fn principal(&mut self, text: &str) {
        if words::is_placeholder(text) {
            return;
        }
        let who = self.group.rules.key.of(Domain::Principal, text.as_bytes());
        self.facts.push(Fact::Principal(who));
        if let Some(excuse) = self.group.rules.principal(who) {
            self.said.excuse.get_or_insert_with(|| excuse.clone());
        }
    }

    fn objects(&mut self, value: AnyValue<'_>, access: Access) {
        for text in listed(value) {
            let id = ids::object(self.group.rules.key, "", text);
            self.facts.extend(id.map(|id| Fact::Object { id, access }));
        }
    }

    /// A body that is a map, or a JSON object as text, counts like attributes.
    fn body(&mut self, body: AnyValue<'v>) {
        match body {
            AnyValue::KvList(list) => {
                view::pairs(list).for_each(|(key, value)| self.attribute(key.as_bytes(), value))
            }
            AnyValue::Str(text) => {
                if text.starts_with('{') && text.len() <= limits::JSON_BODY_BYTES {
                    self.json_body(text);
                }
                self.mentions(b"body", None, body, 0);
            }
            AnyValue::Array(_) | AnyValue::Bytes(_) => self.mentions(b"body", None, body, 0),
            _ => {}
        }
    }

    fn json_body(&mut self, text: &'v str) {
        let Ok(Fields(fields)) = serde_json::from_str::<Fields<'v>>(text) else { return };
        for (key, value) in fields {
            let Some(role) = self.extractor.known.of(&self.group.rules.roles, key) else { continue };
            match role {
                // What a span says better.
                Role::Path | Role::Route | Role::Query | Role::Error => {}
                _ => self.mapped(role, key.as_bytes(), value),
            }
        }
    }

    /// How it failed, by the words of client libraries.
    fn failure(&mut self, role: Option<Role>, value: AnyValue<'_>) {
        if let (Some(Role::Error), AnyValue::Str(text)) = (role, value) {
            let failure = failure(text);
            if self.said.failure == Failure::None || failure != Failure::Other {
                self.said.failure = failure;
            }
        }
    }

    /// Looks for other tenants' names and canaries in one text.
    pub(super) fn named(&mut self, key: &[u8], wanted: Wanted, text: &[u8]) {
        let Some(mentions) = self.group.context.mentions else { return };
        if text.len() < limits::MENTION_BYTES {
            return;
        }
        let (tenants, facts) = (&self.said.tenants, &mut self.facts);
        let names = &mut self.extractor.names;
        let mut field = None;
        mentions.scan(text, &mut self.extractor.scratch, &mut |found| {
            if !wanted(&found) || tenants.first() == Some(found.tenant) {
                return;
            }
            let said = |fact: &Fact| {
                matches!(fact, Fact::Mention { tenant, kind, .. } if (*tenant, *kind) == (found.tenant, found.kind))
            };
            if facts.len() < limits::FACTS && !facts.iter().any(said) {
                let key = || plain_name(std::str::from_utf8(key).unwrap_or_default());
                let field = field.get_or_insert_with(|| names.one(key())).clone();
                let (tenant, kind, strength) = (found.tenant, found.kind, found.strength);
                facts.push(Fact::Mention { tenant, kind, strength, field });
            }
        });
    }

    /// Looks for them in a value, wherever people or programs may have put them.
    fn mentions(&mut self, key: &[u8], role: Option<Role>, value: AnyValue<'_>, depth: usize) {
        if self.group.context.mentions.is_none() {
            return;
        }
        match value {
            AnyValue::Str(text) if role != Some(Role::Tenant) => {
                // Where a tenant belongs it is looked at elsewhere; a canary belongs nowhere but with its owner.
                let wanted = match role {
                    None | Some(Role::Error) => ALL,
                    Some(Role::Path) => IN_A_PATH,
                    Some(_) => CANARIES,
                };
                self.named(key, wanted, text.as_bytes());
            }
            AnyValue::Bytes(bytes) => self.named(key, CANARIES, bytes),
            AnyValue::Array(list) if depth < limits::DEPTH => {
                view::values(list).for_each(|value| self.mentions(key, role, value, depth + 1));
            }
            AnyValue::KvList(list) if depth < limits::DEPTH => {
                view::pairs(list)
                    .for_each(|(key, value)| self.mentions(key.as_bytes(), role, value, depth + 1));
            }
            _ => {}
        }
    }

    fn finish(mut self, item: &Item<'_>, trace: [u8; 16]) -> Option<Observation> {
        self.statement();
        self.cache();
        self.channel();
        self.job();
        self.edge();
        self.event();
        let signal = self.group.signal;
        let group = &mut *self.group;
        // Who sends without a token may say in a header whose it is.
        let header = group.context.fallback.filter(|_| group.context.claimed.is_none());
        let declared = || self.said.tenants.iter().chain(group.scope.iter()).chain(group.resource.iter());
        // A trace whose tenant is not known otherwise has it from any record that declares one by itself.
        let teaches = group.context.claimed.is_none()
            && trace != [0; 16]
            && trace != group.last
            && !self.said.tenants.is_empty();
        let own = &self.said.tenants;
        self.facts.retain(|fact| !matches!(fact, Fact::Mention { tenant, .. } if own.contains(*tenant)));
        let heard = self.facts.iter().any(|fact| !matches!(fact, Fact::Principal(_) | Fact::Session(_)));
        let says = heard
            || (if self.said.tenants.is_empty() { group.telling } else { group.says_something(declared()) })
            || self.said.claim.or(header).is_some_and(|claim| declared().any(|tenant| tenant != claim))
            || self.said.claim.is_some_and(|claim| group.context.claimed.is_some_and(|token| token != claim));
        let header = header.filter(|header| declared().any(|tenant| tenant != *header));
        if signal != Signal::Traces && !says && !teaches {
            return None;
        }
        let context = group.context;
        let mut o = Observation::new(context.at, signal);
        o.claimed = context.claimed;
        o.declared = declared().collect();
        o.own = self.said.tenants.first();
        group.last = trace;
        o.service = Arc::clone(&group.service);
        o.multi_tenant = group.multi_tenant;
        o.time = match item.time_unix_nano() {
            0 => context.at,
            time => time,
        };
        o.trace = trace;
        (o.span, o.parent) = (id(item.span_id()), id(item.parent_span_id()));
        o.kind = SpanKind::from_number(i64::try_from(item.span_kind()).unwrap_or(0));
        o.tenant = o.claimed.or(o.declared.first()).or(context.fallback);
        o.state = o.tenant.map_or(TenantState::Unverified, |tenant| context.directory.state(tenant));
        (o.method, o.status, o.public) = (self.said.method, self.said.status, self.said.public);
        o.failure = match self.said.failure {
            Failure::None if item.status_code() == 2 => Failure::Other,
            failure => failure,
        };
        o.excuse = self.said.excuse.take();
        if let Some(tenant) = self.said.claim.or(header) {
            self.facts.push(Fact::Tenant { tenant, place: Place::Claim });
        }
        if self.said.approved {
            self.facts.push(Fact::Approved);
        }
        o.facts = std::mem::take(&mut self.facts);
        if o.kind == SpanKind::Server
            || self.said.edge.is_some()
            || o.facts.iter().any(|f| matches!(f, Fact::Event(_)))
        {
            self.request(&mut o);
        }
        Some(o)
    }
}

fn id<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}
