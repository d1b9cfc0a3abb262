//! Settings, compiled once: what the extraction and the detectors look things up in.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use crate::batch::TenantId;

use super::{
    fingerprint::{Domain, Fingerprint, Key},
    mapping::Roles,
    observation::{Excuse, TenantState},
    settings::{Allowance, Approval, Settings},
    sql,
};

/// The tenants that there are.
pub trait Directory: Send + Sync {
    /// The tenant with this slug or alias (lower-case), if there is one.
    fn named(&self, slug: &str) -> Option<TenantId>;
    /// What is known of a tenant.
    fn state(&self, tenant: TenantId) -> TenantState;

    /// Hears that a tenant has a new slug. Whose catalogue follows by itself needs no telling.
    fn renamed(&self, _tenant: TenantId, _slug: &str) {}

    /// Whether the tenant is one of those that there are, whatever its state.
    fn lists(&self, tenant: TenantId) -> bool {
        !matches!(self.state(tenant), TenantState::Unknown | TenantState::Unverified)
    }

    /// The tenant whose own schema or database has this name: its slug, with other words around it.
    fn place(&self, name: &str) -> Option<TenantId> {
        place_by_slug(self, name)
    }
}

/// The tenant whose slug stands behind a usual prefix, or among other words, in the name of a schema or database.
pub(crate) fn place_by_slug<D: Directory + ?Sized>(directory: &D, name: &str) -> Option<TenantId> {
    let name = name.trim_matches('"');
    let slug = PLACES.iter().find_map(|prefix| name.strip_prefix(prefix)).filter(|slug| !slug.is_empty());
    let told =
        slug.and_then(|slug| directory.named(slug).or_else(|| directory.named(&slug.replace('_', "-"))));
    told.or_else(|| within(directory, name))
}

/// The tenant whose slug of several words stands among the words of a name (`app_walnut_ferry_prod`), the longest
/// first. A slug of one word may be anybody's word.
fn within<D: Directory + ?Sized>(directory: &D, name: &str) -> Option<TenantId> {
    const WORDS: usize = 8;
    let is_gap = |c: char| matches!(c, '-' | '_' | '.');
    if name.len() > crate::limits::MENTION_NAME_BYTES || !name.contains(is_gap) {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(is_gap).filter(|word| !word.is_empty()).take(WORDS).collect();
    (2..=words.len())
        .rev()
        .flat_map(|len| words.windows(len))
        .find_map(|words| directory.named(&words.join("-")))
}

/// What stands before a tenant's slug in the name of its schema or database; the longest first.
const PLACES: [&str; 8] =
    ["tenant_db_", "tenant_schema_", "tenant_", "tenant-", "customer_", "schema_", "org_", "db_"];

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

/// Everything compiled.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(crate) key: Key,
    pub(crate) roles: Roles,
    pub(crate) system_tenant: Option<TenantId>,
    pub(crate) deleted_grace: u64,
    /// There is a detector at all.
    pub(crate) watches: bool,
    services: HashSet<String>,
    jobs: HashSet<String>,
    public_routes: HashSet<String>,
    tenant_settings: Vec<String>,
    shared_caches: Vec<String>,
    shared_channels: Vec<String>,
    database_users: HashSet<String>,
    approvals: Vec<Approval>,
    pub(crate) schema: Arc<sql::Schema>,
    principals: HashMap<Fingerprint, Excuse>,
    senders: HashMap<TenantId, Excuse>,
}

impl Rules {
    /// Compiles settings.
    ///
    /// # Errors
    /// A tenant in `system_tenant` or `allow` is not a uuid; says where, not what.
    pub fn new(settings: &Settings, key: Key) -> Result<Self, String> {
        settings.check_telling(key)?;
        for (n, approval) in settings.approved_statements.iter().enumerate() {
            approval.check().map_err(|error| format!("detect.approved_statements[{n}]{error}"))?;
        }
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
        let schema = settings.read_schema()?;
        let mut tenant_settings = settings.tenant_settings.clone();
        tenant_settings
            .extend(schema.tables().iter().flat_map(|table| table.settings()).map(|name| name.to_string()));
        tenant_settings.sort_unstable();
        tenant_settings.dedup();
        Ok(Rules {
            key,
            roles: Roles::new(&settings.mapping)?,
            system_tenant,
            deleted_grace: nanos(settings.deleted_grace),
            watches: !settings.detectors.is_empty(),
            services: settings.multi_tenant_services.iter().cloned().collect(),
            jobs: settings.multi_tenant_jobs.iter().cloned().collect(),
            public_routes: settings.public_routes.iter().cloned().collect(),
            tenant_settings,
            shared_caches: settings.shared_caches.clone(),
            shared_channels: settings.shared_channels.clone(),
            database_users: settings.database_users.iter().cloned().collect(),
            approvals: settings.approved_statements.clone(),
            schema: Arc::new(schema),
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

    /// Whether this setting of a session names its tenant.
    pub(crate) fn is_tenant_setting(&self, name: &str) -> bool {
        self.tenant_settings.iter().any(|setting| setting.eq_ignore_ascii_case(name))
    }

    pub(crate) fn shared_cache(&self, key: &str) -> bool {
        self.shared_caches.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    pub(crate) fn shared_channel(&self, name: &str) -> bool {
        self.shared_channels.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == pattern,
        })
    }

    pub(crate) fn approved_user(&self, user: &str) -> bool {
        self.database_users.contains(user)
    }

    /// Whether somebody approved of this statement.
    pub(crate) fn approved_statement(&self, statement: &sql::Statement) -> bool {
        self.approvals.iter().any(|approval| approval.fits(statement))
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
