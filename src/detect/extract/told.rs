//! What an item said, put together: its statement, cache key, channel, job, event and request as facts.

use crate::{batch::TenantId, limits};

use super::{
    super::{
        fact::{Access, CacheUse, Event, Fact, Place, Setting},
        few::Few,
        finding::shown_route,
        fingerprint::{Domain, Fingerprint},
        mapping::Role,
        observation::{Observation, Route},
        sql,
    },
    ids,
    item::Draft,
    keys, named, words,
};

impl Draft<'_, '_, '_> {
    /// The statement, what it does to its connection, and the tenants that it is about.
    pub(super) fn statement(&mut self) {
        let directory = self.group.context.directory;
        if let Some(owner) = self.said.namespace.and_then(|name| directory.place(name)) {
            self.facts.push(Fact::Tenant { tenant: owner, place: Place::Database });
        }
        let Some(text) = self.said.statement else { return };
        let statement = self.extractor.judge(self.group.rules, text);
        let parameters = &self.said.parameters;
        // Parameters of statements count from 1, those of the conventions from 0.
        let parameter =
            |n: u32| parameters.iter().find(|(number, _)| number + 1 == n as usize).map(|(_, text)| *text);
        for about in &statement.tenants {
            let text = match about {
                sql::TenantRef::Literal(text) => Some(&**text),
                sql::TenantRef::Parameter(n) => parameter(*n),
            };
            let tenant = text.and_then(|text| named(directory, self.group.usual, text));
            self.facts.extend(tenant.map(|tenant| Fact::Tenant { tenant, place: Place::Statement }));
        }
        let rules = self.group.rules;
        for change in &statement.context {
            let local = matches!(change, sql::Context::Set { local: true, .. });
            let setting = match change {
                sql::Context::Set { name, value, .. } if &**name == "search_path" => {
                    let path: Vec<&str> = match value {
                        sql::Worth::Literal(text) => text.split(',').map(str::trim).collect(),
                        sql::Worth::List(path) => path.iter().map(|schema| &**schema).collect(),
                        _ => Vec::new(),
                    };
                    path.iter()
                        .find_map(|schema| directory.place(schema))
                        .map_or(Setting::Shared, Setting::Path)
                }
                sql::Context::Set { name, value, .. } if rules.is_tenant_setting(name) => {
                    let text = match value {
                        sql::Worth::Literal(text) => Some(&**text),
                        sql::Worth::Parameter(n) => parameter(*n),
                        _ => None,
                    };
                    match text.map(|text| (text.is_empty(), named(directory, None, text))) {
                        Some((true, _)) => Setting::Reset,
                        Some((_, Some(tenant))) => Setting::Set(tenant),
                        _ => Setting::Opaque,
                    }
                }
                sql::Context::Reset { name } if rules.is_tenant_setting(name) => Setting::Reset,
                sql::Context::Reset { name } if &**name == "search_path" => Setting::Shared,
                sql::Context::ResetAll | sql::Context::DiscardAll => Setting::Reset,
                sql::Context::Begin => Setting::Begin,
                sql::Context::Commit => Setting::End,
                sql::Context::Rollback => Setting::Rollback,
                _ => continue,
            };
            if local {
                self.facts.push(Fact::Context(Setting::Local));
            }
            self.facts.push(Fact::Context(setting));
        }
        for owner in statement.schemas.iter().filter_map(|schema| directory.place(schema)) {
            self.facts.push(Fact::Tenant { tenant: owner, place: Place::Database });
        }
        self.said.approved |= rules.approved_statement(&statement);
        self.facts.push(Fact::Statement(statement));
    }

    pub(super) fn cache(&mut self) {
        let Some(text) = self.said.cache_key else { return };
        let (rules, directory) = (self.group.rules, self.group.context.directory);
        let parts = keys::parts(rules.key, directory, text);
        let usage = match (self.said.cache_hit, self.said.operation) {
            (_, Some(op))
                if ["set", "write", "store", "put", "fetch_miss", "setex", "add"]
                    .iter()
                    .any(|w| op.eq_ignore_ascii_case(w)) =>
            {
                CacheUse::Set
            }
            (Some(true), _) => CacheUse::Hit,
            _ => CacheUse::Miss,
        };
        self.facts.push(Fact::Cache {
            key: rules.key.of(Domain::CacheKey, text.as_bytes()),
            rest: rules.key.of(Domain::CacheKey, parts.rest.as_bytes()),
            shown: self.extractor.names.one(&parts.shown()),
            owner: parts.owner,
            shared: rules.shared_cache(text) || parts.shared,
            usage,
        });
    }

    pub(super) fn channel(&mut self) {
        let Some(text) = self.said.channel else { return };
        let (rules, directory) = (self.group.rules, self.group.context.directory);
        let parts = keys::parts(rules.key, directory, text);
        // A queue of jobs is everybody's.
        let queue = self.said.job.is_some() || self.said.arguments.is_some();
        if queue && parts.owner.is_none() {
            return;
        }
        self.facts.push(Fact::Channel {
            id: rules.key.of(Domain::Channel, text.as_bytes()),
            owner: parts.owner,
            single: parts
                .rest
                .split('/')
                .any(|part| part == ":id" || part.bytes().any(|byte| byte.is_ascii_digit())),
            shared: rules.shared_channel(text) || parts.shared,
        });
    }

    pub(super) fn job(&mut self) {
        let Some(class) = self.said.job else { return };
        let rules = self.group.rules;
        let arguments = self.said.arguments.filter(|text| text.len() <= limits::JSON_BODY_BYTES);
        let arguments = arguments.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        self.facts.push(Fact::Job {
            class: rules.key.of(Domain::Job, class.as_bytes()),
            arguments: arguments.is_some(),
        });
        if let Some(arguments) = arguments {
            self.argument("", &arguments, 0);
        }
    }

    fn argument(&mut self, key: &str, value: &serde_json::Value, depth: usize) {
        use serde_json::Value;
        if depth > limits::DEPTH || self.facts.len() >= limits::FACTS {
            return;
        }
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| self.argument(key, value, depth + 1)),
            Value::Array(list) => list.iter().for_each(|value| self.argument(key, value, depth + 1)),
            Value::String(text) => match self.extractor.known.of(&self.group.rules.roles, key) {
                Some(Role::Tenant | Role::Tenants) => {
                    let tenant = named(self.group.context.directory, self.group.usual, text);
                    self.facts.extend(tenant.map(|tenant| Fact::Tenant { tenant, place: Place::Argument }));
                }
                Some(Role::Principal) => self.principal(text),
                _ => {
                    // By position, under any name, or as `gid://app/Tenant/<uuid>`.
                    let tenant = ids::uuid_in(text).map(|(_, uuid)| TenantId(uuid));
                    match tenant.filter(|tenant| self.group.context.directory.lists(*tenant)) {
                        Some(tenant) => self.facts.push(Fact::Tenant { tenant, place: Place::Argument }),
                        None => {
                            let id = ids::object(self.group.rules.key, "", text);
                            self.facts.extend(id.map(|id| Fact::Object { id, access: Access::Filed }));
                        }
                    }
                }
            },
            _ => {}
        }
    }

    pub(super) fn edge(&mut self) {
        let (Some(status), Some(path)) = (self.said.edge, self.said.path) else { return };
        let hit = words::is_cache_hit(status);
        let path = self.group.rules.key.of(Domain::Path, ids::path_of(path).as_bytes());
        self.facts.push(Fact::Edge { path, hit });
    }

    pub(super) fn event(&mut self) {
        if let Some(to) = self.said.to {
            self.facts.push(Fact::Event(Event::Transferred { from: self.said.from, to }));
        }
        let Some(name) = self.said.event else { return };
        if let (Some(slug), Some(tenant)) = (self.said.renamed_to, self.said.tenants.first()) {
            self.group.context.directory.renamed(tenant, slug);
        }
        let says = |words: [&str; 2]| words.iter().all(|word| name.contains(word));
        if says(["deploy", ""]) || says(["release", ""]) {
            self.facts.push(Fact::Event(Event::Deployed));
        } else if says(["migration", "cut"])
            && let Some(tenant) = self.said.tenants.first()
        {
            let from_own = self.said.migrated_from.is_none_or(|tier| matches!(tier, "schema" | "database"));
            self.facts.push(Fact::Event(Event::CutOver { tenant, from_own }));
        }
    }

    /// The route and the objects that a request asks for.
    pub(super) fn request(&mut self, o: &mut Observation) {
        let rules = self.group.rules;
        let path = self.said.path.map(ids::path_of).unwrap_or_default();
        let mut found: Few<Fingerprint, 4> = Few::default();
        let mut number = None;
        let mut text = std::mem::take(&mut self.extractor.text);
        text.clear();
        match self.said.route {
            Some(route) => {
                text.push_str(route);
                let segments = path.split('/').rev().zip(route.split('/').rev());
                for (value, name) in segments.take(limits::DEPTH) {
                    if name.starts_with([':', '{', '<', '*', '[', '$']) {
                        ids::object(rules.key, route, value).into_iter().for_each(|id| found.add(id));
                        number = number.or(ids::number(value));
                    }
                }
            }
            None => {
                for value in path.split('/').filter(|value| !value.is_empty()).take(limits::DEPTH) {
                    text.push('/');
                    match ids::object(rules.key, "", value) {
                        Some(id) => {
                            found.add(id);
                            text.push_str(":id");
                        }
                        None if ids::number(value).is_some() => {
                            number = ids::number(value);
                            text.push_str(":id");
                        }
                        None => text.push_str(value),
                    }
                }
            }
        }
        if !text.is_empty() {
            o.public |= rules.public_route(&text);
            // A template is for people to read, but who knows what stands in it.
            let shown = shown_route(self.extractor.names.one(&text));
            o.route = Some(Route { id: rules.key.of(Domain::Route, text.as_bytes()), shown });
        }
        self.extractor.text = text;
        let route = self.said.route.unwrap_or_default();
        self.said
            .object
            .and_then(|id| ids::object(rules.key, route, id))
            .into_iter()
            .for_each(|id| found.add(id));
        for pair in self.said.query.unwrap_or_default().split('&').take(limits::DEPTH) {
            if let Some((key, value)) = pair.split_once('=')
                && key.to_ascii_lowercase().ends_with("id")
                && ids::uuid(value).is_some()
            {
                ids::object(rules.key, "", value).into_iter().for_each(|id| found.add(id));
            }
        }
        o.facts.extend(found.iter().map(|id| Fact::Object { id, access: Access::Asked }));
        o.facts.extend(number.map(Fact::Number));
    }
}
