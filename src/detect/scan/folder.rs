//! What a folder says beside its streams: the catalogue, what an operator knows, the database's schema.

use std::{
    collections::HashMap,
    path::Path,
    sync::{PoisonError, RwLock},
};

use serde::Deserialize;

use super::{
    super::{
        Allowance, Approval, Directory, Settings,
        mentions::{Mentions, Names},
        observation::TenantState,
    },
    given,
};
use crate::{batch::TenantId, identify, limits};

/// The tenants of a `tenants.json`.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    rows: Vec<TenantRow>,
    states: HashMap<TenantId, TenantState>,
    slugs: HashMap<String, TenantId>,
    schemas: HashMap<String, TenantId>,
    /// Slugs that tenants have got while the stream went on.
    renamed: RwLock<Vec<(String, TenantId)>>,
}

#[derive(Deserialize)]
struct Tenants {
    tenants: Vec<TenantRow>,
}

#[derive(Debug, Deserialize)]
struct TenantRow {
    id: TenantId,
    slug: Option<String>,
    #[serde(default)]
    former_slugs: Vec<String>,
    #[serde(alias = "name")]
    display_name: Option<String>,
    /// Left out: active.
    state: Option<String>,
    deleted_at: Option<String>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    canaries: Vec<String>,
    schema: Option<String>,
}

impl Catalogue {
    /// The tenants of a file; none where there is no file. `notes` is what people should know of it.
    pub(super) fn read(path: &Path, notes: &mut Vec<String>) -> Result<Self, String> {
        if !path.exists() {
            notes.push(format!(
                "note: no {}: the tenants are those that the telemetry names; their slugs, names, domains, canaries and \
                 states are not known, and what rests on them is not seen",
                path.display()
            ));
            return Ok(Catalogue::default());
        }
        let Tenants { tenants } = given::json(path)?;
        let mut catalogue = Catalogue::default();
        for (n, row) in tenants.into_iter().enumerate() {
            let mut note =
                |what: &str| notes.push(format!("warning: {}: tenants[{n}].{what}", path.display()));
            let state = match row.state.as_deref().unwrap_or("active") {
                "deleted" => {
                    let day = row.deleted_at.as_deref().map(identify::date_time);
                    if day == Some(None) {
                        note("deleted_at: no date and time with its zone; taken as deleted all along");
                    }
                    TenantState::Deleted(day.flatten())
                }
                "suspended" => TenantState::Suspended,
                "active" | "provisioning" | "migrating" | "frozen" => TenantState::Active,
                _ => {
                    note(
                        "state: none of active, provisioning, migrating, frozen, suspended, deleted; taken as active",
                    );
                    TenantState::Active
                }
            };
            catalogue.states.insert(row.id, state);
            let slugs = row.slug.iter().chain(&row.former_slugs).map(|slug| (slug.to_lowercase(), row.id));
            catalogue.slugs.extend(slugs);
            catalogue.schemas.extend(row.schema.iter().map(|schema| (schema.clone(), row.id)));
            catalogue.rows.push(row);
        }
        Ok(catalogue)
    }

    /// What the tenants go by.
    pub(super) fn mentions(&self) -> Mentions {
        let renamed = self.renamed.read().unwrap_or_else(PoisonError::into_inner);
        let later = renamed.iter().map(|(slug, tenant)| Names { slugs: vec![slug], ..Names::new(*tenant) });
        Mentions::build(self.names().chain(later), std::iter::empty::<&str>())
    }

    /// How many tenants have got a new slug by now.
    pub(super) fn count_renamed(&self) -> usize {
        self.renamed.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn names(&self) -> impl Iterator<Item = Names<'_>> {
        self.rows.iter().map(|row| Names {
            tenant: row.id,
            slugs: row.slug.iter().chain(&row.former_slugs).map(String::as_str).collect(),
            domains: row.domains.iter().map(String::as_str).collect(),
            name: row.display_name.as_deref(),
            canaries: row.canaries.iter().map(String::as_str).collect(),
        })
    }
}

impl Directory for Catalogue {
    fn named(&self, slug: &str) -> Option<TenantId> {
        self.slugs.get(slug).copied().or_else(|| {
            let renamed = self.renamed.read().unwrap_or_else(PoisonError::into_inner);
            renamed.iter().find(|(known, _)| known == slug).map(|(_, tenant)| *tenant)
        })
    }

    fn renamed(&self, tenant: TenantId, slug: &str) {
        let slug = slug.to_lowercase();
        let mut renamed = self.renamed.write().unwrap_or_else(PoisonError::into_inner);
        let known = self.slugs.contains_key(&slug) || renamed.iter().any(|(known, _)| *known == slug);
        if !known
            && self.lists(tenant)
            && slug.len() <= limits::MENTION_NAME_BYTES
            && renamed.len() < limits::RENAMED
        {
            renamed.push((slug, tenant));
        }
    }

    fn state(&self, tenant: TenantId) -> TenantState {
        match self.states.get(&tenant) {
            Some(state) => *state,
            None if self.states.is_empty() => TenantState::Unverified,
            None => TenantState::Unknown,
        }
    }

    fn place(&self, name: &str) -> Option<TenantId> {
        let name = name.trim_matches('"');
        self.schemas.get(name).copied().or_else(|| super::super::rules::place_by_slug(self, name))
    }
}

/// What a `context.json` says.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Operator {
    operator_tenant_id: Option<String>,
    staff_users: Vec<String>,
    cross_tenant_services: Vec<String>,
    service_accounts: Vec<Account>,
    multi_tenant_users: Vec<Account>,
    system_jobs: Vec<String>,
    deleted_tenant_jobs: Vec<String>,
    migrations: Vec<Migration>,
    public_routes: Vec<String>,
    shared_cache_prefixes: Vec<String>,
    shared_channels: Vec<String>,
    unscoped_query_allowlist: Vec<Allowed>,
    backup_db_users: Vec<String>,
    rls_setting: Option<String>,
    tenant_attributes: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Account {
    id: String,
    #[serde(default)]
    home_tenant_id: Option<String>,
    #[serde(default)]
    tenants: Vec<String>,
}

#[derive(Deserialize)]
struct Migration {
    verify_job: Option<String>,
}

#[derive(Deserialize)]
struct Allowed {
    table: Option<String>,
    #[serde(rename = "where")]
    column: Option<String>,
}

/// The settings with what the folder adds to them.
pub(super) fn settings(dir: &Path, base: &Settings, notes: &mut Vec<String>) -> Result<Settings, String> {
    let path = dir.join("context.json");
    let operator: Operator = match path.exists() {
        true => given::json(&path)?,
        false => {
            notes.push(format!(
                "note: no {}: nothing but the configuration says who and what may cross tenants (staff, public routes, \
                 jobs, shared caches); what is meant so may be told as a finding",
                path.display()
            ));
            Operator::default()
        }
    };
    let staff = operator.staff_users.into_iter().map(|id| (id, None, Vec::new()));
    let accounts = operator.service_accounts.into_iter().chain(operator.multi_tenant_users);
    let accounts = accounts.map(|account| (account.id, account.home_tenant_id, account.tenants));
    let mut settings = base.clone();
    settings.allow.extend(staff.chain(accounts).map(|(id, sender_tenant, tenants)| Allowance {
        principal: Some(id),
        sender_tenant,
        tenants,
    }));
    settings.system_tenant = operator.operator_tenant_id.or(settings.system_tenant);
    settings.multi_tenant_services.extend(operator.cross_tenant_services);
    settings.multi_tenant_jobs.extend(operator.system_jobs);
    settings.multi_tenant_jobs.extend(operator.deleted_tenant_jobs);
    settings
        .multi_tenant_jobs
        .extend(operator.migrations.into_iter().filter_map(|migration| migration.verify_job));
    settings.public_routes.extend(operator.public_routes);
    settings.shared_caches.extend(operator.shared_cache_prefixes);
    settings.shared_channels.extend(operator.shared_channels);
    settings.database_users.extend(operator.backup_db_users);
    settings.tenant_settings.extend(operator.rls_setting);
    settings.approved_statements.extend(
        operator.unscoped_query_allowlist.into_iter().map(|allowed| Approval {
            table: allowed.table,
            column: allowed.column,
            ..Approval::default()
        }),
    );
    for attribute in operator.tenant_attributes.into_values() {
        if !settings.mapping.tenant.contains(&attribute) {
            settings.mapping.tenant.push(attribute);
        }
    }
    let schema = dir.join("schema.sql");
    if settings.schema.is_none() && schema.exists() {
        settings.schema = Some(schema);
    } else if settings.schema.is_none() {
        notes.push(format!(
            "note: no {} and no detect.schema: which tables are tenants' is not known; of statements only those that name \
             another tenant are found",
            schema.display()
        ));
    }
    Ok(settings)
}
