//! Settings, compiled once: what the extraction and the detectors look things up in.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use crate::batch::TenantId;

use super::{
    fingerprint::{Domain, Fingerprint, Key},
    observation::{Excuse, TenantState},
    settings::{Allowance, Mapping, Settings},
};

/// The tenants that there are.
pub trait Directory: Send + Sync {
    /// The tenant with this slug or alias (lower-case), if there is one.
    fn named(&self, slug: &str) -> Option<TenantId>;
    /// What is known of a tenant.
    fn state(&self, tenant: TenantId) -> TenantState;
}

/// A directory that knows nothing: uuids are taken at their word.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDirectory;

impl Directory for NoDirectory {
    fn named(&self, _: &str) -> Option<TenantId> {
        None
    }

    fn state(&self, _: TenantId) -> TenantState {
        TenantState::Unverified
    }
}

/// The tenant that a text names: a uuid in any usual form, or a slug of the directory.
pub fn resolve(directory: &dyn Directory, text: &str) -> Option<TenantId> {
    let text = text.trim();
    if let Ok(uuid) = Uuid::try_parse(text) {
        return Some(TenantId(uuid));
    }
    if text.is_empty() || text.len() > crate::limits::OBJECT_ID_BYTES {
        return None;
    }
    match text.bytes().any(|b| b.is_ascii_uppercase()) {
        true => directory.named(&text.to_ascii_lowercase()),
        false => directory.named(text),
    }
}

/// What an attribute is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Tenant,
    Principal,
    Route,
    Path,
    Query,
    Method,
    Status,
    Object,
    Job,
    TransferFrom,
    TransferTo,
    Visibility,
}

/// The compiled mapping: a key's role, found in some ten nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Roles {
    /// Sorted by length and bytes.
    by_key: Vec<(Vec<u8>, Role)>,
    visibility: Vec<String>,
    // One bit for what length, first and last byte of a mapped key come to: most other keys fail it.
    sieve: [u64; 16],
}

impl Roles {
    fn new(mapping: &Mapping) -> Self {
        let mut by_key = Vec::new();
        for (role, keys) in [
            (Role::Principal, &mapping.principal),
            (Role::Route, &mapping.route),
            (Role::Path, &mapping.path),
            (Role::Query, &mapping.query),
            (Role::Method, &mapping.method),
            (Role::Status, &mapping.status),
            (Role::Object, &mapping.object),
            (Role::Job, &mapping.job),
            (Role::TransferFrom, &mapping.transfer_from),
            (Role::TransferTo, &mapping.transfer_to),
            (Role::Tenant, &mapping.tenant),
        ] {
            by_key.extend(keys.iter().map(|key| (key.clone().into_bytes(), role)));
        }
        // Stable, so that of a key with two roles the later one counts, and that is the tenant.
        by_key.reverse();
        by_key.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        by_key.dedup_by(|(b, _), (a, _)| a == b);
        let mut sieve = [0; 16];
        by_key.iter().for_each(|(key, _)| sieve[Self::bit(key) / 64] |= 1 << (Self::bit(key) % 64));
        Roles { by_key, visibility: mapping.visibility.clone(), sieve }
    }

    #[inline]
    fn bit(key: &[u8]) -> usize {
        let [first, last] = [key.first(), key.last()].map(|b| usize::from(b.copied().unwrap_or(0)));
        (key.len() * 37 + first * 11 + last * 101) % 1024
    }

    #[inline]
    fn sifted(&self, key: &[u8]) -> bool {
        let bit = Self::bit(key);
        self.sieve[bit / 64] >> (bit % 64) & 1 == 1
    }

    /// The role of a key, if it has one.
    #[inline]
    pub(crate) fn of(&self, key: &[u8]) -> Option<Role> {
        if self.sifted(key)
            && let Ok(at) =
                self.by_key.binary_search_by(|(k, _)| (k.len(), k.as_slice()).cmp(&(key.len(), key)))
        {
            return Some(self.by_key[at].1);
        }
        self.visibility.iter().any(|last| ends_with_part(key, last.as_bytes())).then_some(Role::Visibility)
    }
}

fn ends_with_part(key: &[u8], last: &[u8]) -> bool {
    key.strip_suffix(last).is_some_and(|rest| matches!(rest.last(), None | Some(b'.' | b'_')))
}

/// Everything compiled.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(crate) key: Key,
    pub(crate) roles: Roles,
    pub(crate) system_tenant: Option<TenantId>,
    pub(crate) deleted_grace: u64,
    services: HashSet<String>,
    jobs: HashSet<String>,
    public_routes: HashSet<String>,
    principals: HashMap<Fingerprint, Excuse>,
    senders: HashMap<TenantId, Excuse>,
}

impl Rules {
    /// Compiles settings.
    ///
    /// # Errors
    /// A tenant in `system_tenant` or `allow` is not a uuid; says where, not what.
    pub fn new(settings: &Settings, key: Key) -> Result<Self, String> {
        let (mut principals, mut senders) = (HashMap::new(), HashMap::new());
        for (n, allowance) in settings.allow.iter().enumerate() {
            let excuse = excuse(allowance, n)?;
            if let Some(principal) = &allowance.principal {
                principals.insert(key.of(Domain::Principal, principal.as_bytes()), excuse.clone());
            }
            if let Some(sender) = &allowance.sender_tenant {
                senders.insert(tenant(sender, || format!("detect.allow[{n}].sender_tenant"))?, excuse);
            }
        }
        let system_tenant = match &settings.system_tenant {
            Some(text) => Some(tenant(text, || "detect.system_tenant".to_owned())?),
            None => None,
        };
        Ok(Rules {
            key,
            roles: Roles::new(&settings.mapping),
            system_tenant,
            deleted_grace: nanos(settings.deleted_grace),
            services: settings.multi_tenant_services.iter().cloned().collect(),
            jobs: settings.multi_tenant_jobs.iter().cloned().collect(),
            public_routes: settings.public_routes.iter().cloned().collect(),
            principals,
            senders,
        })
    }

    /// The key of the fingerprints: a reload compiles new rules under the same one.
    pub fn key(&self) -> Key {
        self.key
    }

    pub(crate) fn multi_tenant_service(&self, name: &str) -> bool {
        self.services.contains(name)
    }

    pub(crate) fn multi_tenant_job(&self, name: &str) -> bool {
        !self.jobs.is_empty() && self.jobs.contains(name)
    }

    pub(crate) fn public_route(&self, template: &str) -> bool {
        !self.public_routes.is_empty() && self.public_routes.contains(template)
    }

    pub(crate) fn principal(&self, who: Fingerprint) -> Option<&Excuse> {
        self.principals.get(&who)
    }

    /// Whether the sender with a token of `claimed` may carry data of `other`.
    pub fn sender_may(&self, claimed: TenantId, other: TenantId) -> bool {
        self.is_system(claimed)
            || self.is_system(other)
            || self.senders.get(&claimed).is_some_and(|excuse| excuse.covers([other]))
    }

    /// Whether this is the platform's own tenant.
    pub fn is_system(&self, tenant: TenantId) -> bool {
        self.system_tenant == Some(tenant)
    }
}

/// A duration in nanoseconds.
pub(crate) fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn tenant(text: &str, place: impl Fn() -> String) -> Result<TenantId, String> {
    Uuid::try_parse(text.trim())
        .map(TenantId)
        .map_err(|_| format!("{}: expected a tenant's uuid; slugs do not count here", place()))
}

fn excuse(allowance: &Allowance, n: usize) -> Result<Excuse, String> {
    if allowance.principal.is_none() && allowance.sender_tenant.is_none() {
        return Err(format!("detect.allow[{n}]: expected `principal` or `sender_tenant`"));
    }
    if allowance.tenants.is_empty() {
        return Ok(Excuse::All);
    }
    let place = || format!("detect.allow[{n}].tenants");
    let tenants: Result<HashSet<_>, _> = allowance.tenants.iter().map(|text| tenant(text, place)).collect();
    Ok(Excuse::Among(Arc::new(tenants?)))
}
