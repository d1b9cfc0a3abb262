//! Which attributes feed which part of an observation: lists of names, compiled to one look-up.

use std::{collections::HashMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::{config::Document, limits};

const DEFAULTS: &str = include_str!("../../rules/observations.yaml");

/// What an attribute is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Tenant,
    Claim,
    Principal,
    Session,
    Credential,
    Route,
    Path,
    Query,
    Method,
    Status,
    Object,
    Results,
    Exported,
    Tenants,
    Statement,
    Parameter,
    Connection,
    Namespace,
    DatabaseUser,
    CacheKey,
    CacheHit,
    Operation,
    Edge,
    Content,
    Channel,
    Job,
    JobArguments,
    File,
    Rows,
    Bytes,
    Error,
    Event,
    TransferFrom,
    TransferTo,
    RenamedTo,
    MigratedFrom,
    Visibility,
}

macro_rules! mapping {
    ($($(#[$doc:meta])* $field:ident => $role:ident,)*) => {
        /// Which attributes feed which part of an observation. A list given replaces the default one of
        /// `rules/observations.yaml`. A name may begin or end with `*`.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Mapping {
            $($(#[$doc])* pub $field: Vec<String>,)*
        }

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Defaults { $($field: Vec<String>,)* }

        impl From<Defaults> for Mapping {
            fn from(all: Defaults) -> Self { Mapping { $($field: all.$field,)* } }
        }

        impl Mapping {
            /// The lists with their roles. Of a name that stands in two, the later one counts.
            fn lists(&self) -> [(Role, &[String]); [$(Role::$role),*].len()] {
                [$((Role::$role, &self.$field)),*]
            }
        }
    };
}

mapping! {
    /// Attributes with the HTTP method.
    method => Method,
    /// Attributes with the HTTP status.
    status => Status,
    /// Attributes that name the person or account.
    principal => Principal,
    /// Attributes that name the session.
    session => Session,
    /// Attributes with the id of a token or an API key.
    credential => Credential,
    /// Attributes with the route template.
    route => Route,
    /// Attributes with a URL or its path.
    path => Path,
    /// Attributes with a URL's query.
    query => Query,
    /// Attributes with the id of the object that the item is about.
    object => Object,
    /// Attributes with tenants whose data was exported or reported.
    tenants => Tenants,
    /// Attributes with ids of objects that were given.
    results => Results,
    /// Attributes with ids of objects that were exported.
    exported => Exported,
    /// Attributes with SQL.
    statement => Statement,
    /// Attributes with parameters of a statement: a name that ends in `*`, for their numbers from 0.
    parameter => Parameter,
    /// Attributes that name the connection of a statement.
    connection => Connection,
    /// Attributes that name the database or schema.
    namespace => Namespace,
    /// Attributes that name the user of the database.
    database_user => DatabaseUser,
    /// Attributes with a cache's key.
    cache_key => CacheKey,
    /// Attributes that say whether the cache had it.
    cache_hit => CacheHit,
    /// Attributes that say what was done with the cache.
    operation => Operation,
    /// Attributes with what a shared HTTP cache says of its answer.
    edge => Edge,
    /// Attributes with a hash of what was sent.
    content => Content,
    /// Attributes that name a channel or a queue.
    channel => Channel,
    /// Attributes with the name of a background job.
    job => Job,
    /// Attributes with the arguments of a background job.
    job_arguments => JobArguments,
    /// Attributes with the key of a file in an object store.
    file => File,
    /// Attributes with numbers of rows.
    rows => Rows,
    /// Attributes with numbers of bytes.
    bytes => Bytes,
    /// Attributes that say what went wrong.
    error => Error,
    /// Attributes with the name of an event.
    event => Event,
    /// Attributes with the tenant that an object is moved from.
    transfer_from => TransferFrom,
    /// Attributes with the tenant that an object is moved to.
    transfer_to => TransferTo,
    /// Attributes with the slug that a tenant has from now on.
    renamed_to => RenamedTo,
    /// Attributes with the isolation tier that a tenant leaves.
    migrated_from => MigratedFrom,
    /// Attributes that say `public` of an object.
    visibility => Visibility,
    /// Attributes with the tenant of a token that the service checked.
    claim => Claim,
    /// Attributes that declare the tenant, as uuid or slug.
    tenant => Tenant,
}

impl Default for Mapping {
    fn default() -> Self {
        static PARSED: LazyLock<Mapping> = LazyLock::new(|| {
            let document =
                Document::parse("rules/observations.yaml", DEFAULTS, crate::config::Options::data());
            let lists = document.and_then(|document| document.decode::<Defaults>());
            lists.map(Mapping::from).unwrap_or_else(|error| panic!("rules/observations.yaml: {error}"))
        });
        PARSED.clone()
    }
}

/// The compiled mapping.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roles {
    exact: HashMap<Box<str>, Role, foldhash::fast::RandomState>,
    /// What stands before a `*`, and what behind one; both may be there.
    patterns: Vec<(Box<str>, Box<str>, Role)>,
    /// Told apart from every other set of roles in this process.
    pub(crate) number: u64,
}

impl Roles {
    /// Compiles the lists.
    ///
    /// # Errors
    /// A list is too long, or a name has more than one `*`; says which.
    pub(crate) fn new(mapping: &Mapping) -> Result<Self, String> {
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let mut roles =
            Roles { number: NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed), ..Roles::default() };
        for (role, names) in mapping.lists() {
            if names.len() > limits::MAPPED_NAMES {
                return Err(format!("detect.mapping: more than {} names in a list", limits::MAPPED_NAMES));
            }
            for name in names {
                match name.split_once('*') {
                    None => drop(roles.exact.insert(name.as_str().into(), role)),
                    Some((before, after)) if !after.contains('*') && name.len() > 1 => {
                        roles.patterns.push((before.into(), after.into(), role));
                    }
                    Some(_) => {
                        return Err(format!(
                            "detect.mapping: `{name}`: expected one `*` and something beside it"
                        ));
                    }
                }
            }
        }
        // What says how a name begins says more.
        roles.patterns.sort_by_key(|(before, _, _)| before.is_empty());
        Ok(roles)
    }

    /// The role of a key, if it has one: by its whole name first, then by the first pattern.
    pub(crate) fn of(&self, key: &str) -> Option<Role> {
        if let Some(role) = self.exact.get(key) {
            return Some(*role);
        }
        let fits = |(before, after, _): &&(Box<str>, Box<str>, Role)| {
            // A `*` at the end stands for something, else for anything.
            let least = before.len() + after.len() + usize::from(after.is_empty());
            key.len() >= least && key.starts_with(&**before) && key.ends_with(&**after)
        };
        self.patterns.iter().find(fits).map(|(_, _, role)| *role)
    }

    /// The number in the name of a parameter, from 0.
    pub(crate) fn number_of(&self, key: &str) -> Option<usize> {
        let digits = key.rsplit('.').next()?;
        digits.parse().ok()
    }
}

/// Roles of the keys that a worker has met: the same few stand in every record.
#[derive(Debug, Default)]
pub(crate) struct KnownRoles {
    known: HashMap<Box<[u8]>, Option<Role>, foldhash::fast::RandomState>,
    number: u64,
}

impl KnownRoles {
    /// The role of a key, as it stands in the request.
    #[inline]
    pub(crate) fn of(&mut self, roles: &Roles, key: impl AsRef<[u8]>) -> Option<Role> {
        let key = key.as_ref();
        if self.number != roles.number {
            self.known.clear();
            self.number = roles.number;
        }
        if let Some(role) = self.known.get(key) {
            return *role;
        }
        let role = std::str::from_utf8(key).ok().and_then(|key| roles.of(key));
        if key.len() <= limits::KNOWN_KEY_BYTES {
            if self.known.len() >= limits::KNOWN_KEYS {
                self.known.clear();
            }
            self.known.insert(key.into(), role);
        }
        role
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: the list that ships, and keys that it names, that it nearly names and that it does not.
    /// Guarantee: each has its role or none; a name in two lists has the later role.
    #[test]
    fn the_default_mapping_compiles_and_tells_keys_apart() {
        let roles = Roles::new(&Mapping::default()).unwrap();
        for (key, role) in [
            ("tenant.id", Some(Role::Tenant)),
            ("http.route", Some(Role::Route)),
            ("search.result_ids", Some(Role::Results)),
            ("export.tenant_ids", Some(Role::Tenants)),
            ("export.sample_ids", Some(Role::Exported)),
            ("export.document_ids", Some(Role::Exported)),
            ("report.document_ids", Some(Role::Exported)),
            ("document_ids", Some(Role::Results)),
            ("tenant_ids", Some(Role::Tenants)),
            ("report.tenant_ids", Some(Role::Tenants)),
            ("db.query.parameter.3", Some(Role::Parameter)),
            ("db.query.parameter.", None),
            ("playlist.visibility", Some(Role::Visibility)),
            ("result_idsx", None),
            ("", None),
        ] {
            assert_eq!(roles.of(key), role, "{key}");
        }
        let twice = Mapping { session: vec!["tenant_id".into()], ..Mapping::default() };
        assert_eq!(Roles::new(&twice).unwrap().of("tenant_id"), Some(Role::Tenant));
        let bad = Mapping { session: vec!["a*b*".into()], ..Mapping::default() };
        assert!(Roles::new(&bad).unwrap_err().contains("a*b*"));
    }
}
