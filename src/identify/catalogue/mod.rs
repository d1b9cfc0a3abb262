//! The tenants that exist.

mod feed;
mod file;
mod limits;
mod postgres;
pub mod shown;
mod source;
#[cfg(test)]
mod tests;
mod url;

use std::{collections::BTreeMap, sync::Arc};

use foldhash::{HashMap, HashMapExt, HashSet};
use serde::{Deserialize, Serialize};

pub use file::{CatalogueError, Entry, load, parse};
pub use limits::Limits;
pub(crate) use postgres::{plain, tls};
pub use shown::shown;
pub use source::CatalogueSource;

use super::{Settings, normalise};
use crate::{batch::TenantId, limits as bounds};

/// How a tenant's data is kept apart in the product.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Rows of all tenants in the same tables, kept apart by the application.
    #[default]
    Shared,
    /// The same, kept apart by row level security of the database.
    Rls,
    /// A schema of its own.
    Schema,
    /// A database of its own.
    Database,
}

impl Isolation {
    /// The word of the catalogue file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Isolation::Shared => "shared",
            Isolation::Rls => "rls",
            Isolation::Schema => "schema",
            Isolation::Database => "database",
        }
    }
}

/// Where a tenant stands in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being set up: its telemetry is taken.
    Provisioning,
    /// In use.
    #[default]
    Active,
    /// Moving to another place: its telemetry is taken.
    Migrating,
    /// Read-only, for example under legal hold: its telemetry is taken, since reading makes telemetry.
    Frozen,
    /// Shut off: its telemetry is rejected.
    Suspended,
    /// Deleted: its telemetry is rejected, but for late data of the time before.
    Deleted,
}

impl State {
    /// The word of the catalogue file.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Provisioning => "provisioning",
            State::Active => "active",
            State::Migrating => "migrating",
            State::Frozen => "frozen",
            State::Suspended => "suspended",
            State::Deleted => "deleted",
        }
    }
}

/// One tenant.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its slug, lower-case.
    pub slug: Option<Arc<str>>,
    /// Its name for people.
    pub name: Option<Box<str>>,
    /// How its data is kept apart in the product.
    pub isolation: Isolation,
    /// Where it stands in its life.
    pub state: State,
    /// When it was deleted, in nanoseconds since 1970.
    pub deleted_at: Option<u64>,
    /// Its own quotas.
    pub limits: Option<Box<Limits>>,
    /// The destination that its data goes to.
    pub route: Option<Arc<str>>,
    /// Domains of its own, lower-case.
    pub domains: Box<[Box<str>]>,
    /// Texts that only its own data holds: seen under another tenant they are a leak.
    pub canaries: Box<[Box<str>]>,
    /// Principals that may write for it.
    pub allowed: Box<[Box<str>]>,
}

/// The tenants that exist: immutable, swapped whole.
#[derive(Debug, Default)]
pub struct Catalogue {
    tenants: Vec<Tenant>,
    ids: HashMap<TenantId, u32>,
    slugs: HashMap<Arc<str>, u32>,
    /// Names of destinations, each once.
    routes: Vec<Arc<str>>,
    /// Principals that may write for a tenant because the tenant says so.
    delegates: HashSet<Box<str>>,
    open: bool,
}

impl Catalogue {
    /// The catalogue of a gate that was given none: every well-formed uuid is a known, active tenant.
    pub fn open() -> Self {
        Catalogue { open: true, ..Catalogue::default() }
    }

    fn closed() -> Self {
        Catalogue { ids: HashMap::new(), ..Catalogue::default() }
    }

    /// Whether every well-formed uuid is a known tenant.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The number of tenants listed.
    pub fn len(&self) -> usize {
        self.tenants.len()
    }

    /// Whether no tenant is listed.
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// The tenant of an id, if it is listed. In an open catalogue none is.
    #[inline]
    pub fn get(&self, id: TenantId) -> Option<&Tenant> {
        self.ids.get(&id).map(|index| &self.tenants[*index as usize])
    }

    /// Whether any tenant lets this principal write for it.
    pub fn is_delegate(&self, principal: &str) -> bool {
        self.delegates.contains(principal)
    }

    /// The tenant that has, or had, this slug; in any case.
    pub fn by_slug(&self, slug: &str) -> Option<TenantId> {
        if self.slugs.is_empty() {
            return None;
        }
        let index = match self.slugs.get(slug) {
            Some(index) => index,
            None => self.slugs.get(slug.to_lowercase().as_str())?,
        };
        Some(self.tenants[*index as usize].id)
    }

    /// The slugs that tenants had before, in order.
    pub fn former_slugs(&self) -> BTreeMap<TenantId, Vec<&str>> {
        let mut former = BTreeMap::<TenantId, Vec<&str>>::new();
        for (slug, index) in &self.slugs {
            let tenant = &self.tenants[*index as usize];
            if tenant.slug.as_ref() != Some(slug) {
                former.entry(tenant.id).or_default().push(slug);
            }
        }
        former.values_mut().for_each(|slugs| slugs.sort_unstable());
        former
    }

    /// All tenants, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.iter()
    }

    /// The names of destinations that tenants have for their own, each once.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| &**route)
    }

    /// The quotas of a tenant: its own, or else those of its isolation tier, or else those of all.
    pub fn limits<'a>(&'a self, id: TenantId, settings: &'a Settings) -> &'a Limits {
        let Some(tenant) = self.get(id) else { return &settings.default_limits };
        let tier = || settings.tier_limits.get(&tenant.isolation);
        tenant.limits.as_deref().or_else(tier).unwrap_or(&settings.default_limits)
    }

    fn add(&mut self, tenant: Tenant) -> Result<u32, String> {
        let index = self.tenants.len() as u32;
        if self.tenants.len() >= bounds::TENANTS {
            return Err(format!("more than {} tenants", bounds::TENANTS));
        }
        if let Some(first) = self.ids.insert(tenant.id, index) {
            return Err(format!("id: stands twice; it is tenant {} of the list already", first + 1));
        }
        if let Some(slug) = &tenant.slug {
            check_slug(slug)?;
            if let Some(first) = self.slugs.insert(Arc::clone(slug), index) {
                return Err(format!("slug: stands twice; tenant {} of the list has it already", first + 1));
            }
        }
        for principal in &tenant.allowed {
            if !self.delegates.contains(principal) {
                self.delegates.insert(principal.clone());
            }
        }
        self.tenants.push(tenant);
        Ok(index)
    }

    /// Adds a slug that a tenant had. One that another tenant has now is that tenant's.
    fn add_former(&mut self, slug: &str, index: u32) -> Result<(), String> {
        let slug = slug.trim().to_lowercase();
        check_slug(&slug).map_err(|message| format!("former_slugs: {message}"))?;
        match self.slugs.get(slug.as_str()) {
            None => {
                self.slugs.insert(slug.into(), index);
                Ok(())
            }
            Some(owner) if self.tenants[*owner as usize].slug.as_deref() == Some(&slug) => Ok(()),
            Some(owner) if *owner == index => Ok(()),
            Some(owner) => Err(format!("former_slugs: tenant {} of the list had the same slug", owner + 1)),
        }
    }

    fn route(&mut self, name: &str) -> Result<Arc<str>, String> {
        if let Some(route) = self.routes.iter().find(|route| ***route == *name) {
            return Ok(Arc::clone(route));
        }
        if self.routes.len() >= bounds::DESTINATIONS {
            return Err(format!("route: more than {} destinations", bounds::DESTINATIONS));
        }
        let route: Arc<str> = name.into();
        self.routes.push(Arc::clone(&route));
        Ok(route)
    }

    fn shrink(&mut self) {
        self.tenants.shrink_to_fit();
        self.ids.shrink_to_fit();
        self.slugs.shrink_to_fit();
        self.delegates.shrink_to_fit();
    }
}

fn check_slug(slug: &str) -> Result<(), String> {
    if slug.is_empty() || slug.len() > bounds::TENANT_TEXT_BYTES {
        return Err(format!("slug: expected 1 to {} bytes", bounds::TENANT_TEXT_BYTES));
    }
    if normalise::uuid(slug).is_some() {
        return Err("slug: looks like a uuid; it would be taken for a tenant's id".into());
    }
    Ok(())
}
