//! What a folder says beside its streams: the catalogue, what an operator knows, the database's schema.

use std::{
    collections::HashMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use serde::Deserialize;

use super::{
    super::{
        Allowance, Approval, Directory, Settings,
        mentions::{Mentions, Names},
        observation::TenantState,
    },
    fault,
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
    state: String,
    deleted_at: Option<String>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    canaries: Vec<String>,
    schema: Option<String>,
}

impl Catalogue {
    /// The tenants of a file; none where there is no file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        if !path.exists() {
            return Ok(Catalogue::default());
        }
        let Tenants { tenants } = json(path, TENANTS)?;
        let mut catalogue = Catalogue::default();
        for row in tenants {
            let state = match row.state.as_str() {
                "deleted" => TenantState::Deleted(row.deleted_at.as_deref().and_then(identify::date_time)),
                "suspended" => TenantState::Suspended,
                _ => TenantState::Active,
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
pub(super) fn settings(dir: &Path, base: &Settings) -> Result<Settings, String> {
    let path = dir.join("context.json");
    let operator: Operator = if path.exists() { json(&path, CONTEXT)? } else { Operator::default() };
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
    }
    Ok(settings)
}

/// The streams of a folder, in order: `stream.ndjson`, or every file of OTLP/JSON.
pub(super) fn files(from: &Path) -> Result<Vec<PathBuf>, String> {
    if from.is_file() {
        return Ok(vec![from.to_owned()]);
    }
    let stream = from.join("stream.ndjson");
    if stream.exists() {
        return Ok(vec![stream]);
    }
    let entries = std::fs::read_dir(from).map_err(|error| fault(from, "read", &error))?;
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let known = ["tenants.json", "context.json"].contains(&name);
        !known && [".json", ".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending))
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(named).collect();
    files.sort();
    match files.len() {
        0 => Err(format!(
            "{}: expected stream.ndjson, or files of OTLP/JSON (.json, .jsonl, .ndjson)",
            from.display()
        )),
        1..=limits::SCAN_FILES => Ok(files),
        _ => Err(format!("{}: more than {} files", from.display(), limits::SCAN_FILES)),
    }
}

const TENANTS: &str = r#"{"tenants": [{"id": "<uuid>", "slug": .., "state": "active"}, ..]}"#;
const CONTEXT: &str = "an object of what is known, such as staff_users, public_routes, system_jobs";

fn json<T: serde::de::DeserializeOwned>(path: &Path, expected: &str) -> Result<T, String> {
    let file = File::open(path).map_err(|error| fault(path, "read", &error))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|error| {
        format!("{}:{}:{}: expected {expected}", path.display(), error.line(), error.column())
    })
}
