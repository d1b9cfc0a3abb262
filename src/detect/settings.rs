//! What an operator says of detection.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

pub use super::mapping::Mapping;
pub use super::sinks::settings::{WebhookFormat, WebhookSettings};
pub use super::suppress::Suppression;
use super::{finding::RUNBOOK, sql};
use crate::limits;

/// Detection of one tenant's data under another. The mapping and who is excused follow a reload;
/// detectors, sizes, times and the findings file need a restart.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Detectors that run. Default: all.
    pub detectors: Vec<DetectorName>,
    /// Traces remembered. Default 20000.
    pub trace_capacity: usize,
    /// How long a trace is remembered. Default 60s.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub trace_expiry: Duration,
    /// Observations that wait for the rest of their trace. Default 50000.
    pub waiting_capacity: usize,
    /// Objects whose owner is remembered. Default 200000.
    pub object_capacity: usize,
    /// Sessions, keys, principals, connections, cache entries and the like remembered, of each kind. Default 100000.
    pub entity_capacity: usize,
    /// How long an unused object, session or the like is remembered. Default 24h.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub object_expiry: Duration,
    /// How long a candidate waits for the rest of its trace, which may excuse it. Default 5s.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub settle: Duration,
    /// How long an incident must rest before it is over; eight times that for what people do over hours. What
    /// comes later is told again. Default 15m.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub quiet: Duration,
    /// Between two tellings of one incident that grows, at least. Default 5m.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub update_interval: Duration,
    /// Incidents of one class and service within an hour that are told one by one; further ones are told as one.
    /// 0 tells each. Default 20.
    pub storm: usize,
    /// How long after its deletion data of a tenant may still come, by event time. Default 15m.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub deleted_grace: Duration,
    /// How long a service is watched before a tenant that it carries work to for the first time is told.
    /// Default 1h.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub edge_learning: Duration,
    /// The tenant of the platform itself (uuid): it may act for every tenant. Default: none.
    pub system_tenant: Option<String>,
    /// Values of `service.name` that serve many tenants at once (gateways, admin consoles). Default: none.
    pub multi_tenant_services: Vec<String>,
    /// Jobs (values of the mapped job attributes) that may touch every tenant, deleted ones too. Default: none.
    pub multi_tenant_jobs: Vec<String>,
    /// Route templates whose objects are public. Default: none.
    pub public_routes: Vec<String>,
    /// The output of `pg_dump --schema-only` of the product's database: which tables are tenants', and their
    /// row level security. Default: none, and statements are judged by their literals alone.
    pub schema: Option<PathBuf>,
    /// Columns that name a row's tenant. Where no table of `schema` has one, the column is taken that row level
    /// security asks for, or one such as `org_id` that most tables have. Default: `tenant_id`.
    pub tenant_columns: Vec<String>,
    /// Settings of a database session that name its tenant, besides those that the policies of `schema` ask for.
    /// Default: `app.current_tenant_id`, `app.current_tenant`, `app.tenant_id`.
    pub tenant_settings: Vec<String>,
    /// What keys of caches begin with that are everybody's. Default: none.
    pub shared_caches: Vec<String>,
    /// Channels that are everybody's; a name may end with `*`. Default: none.
    pub shared_channels: Vec<String>,
    /// Users of the database that may read every tenant's rows: backups, migrations. Default: none.
    pub database_users: Vec<String>,
    /// Domains of the platform under which tenants have hosts (`shop.example` of `acme.shop.example`). Default: none.
    pub platform_domains: Vec<String>,
    /// Statements that may leave the tenant out. Default: none.
    pub approved_statements: Vec<Approval>,
    /// Who may cross tenants: support staff, partners, consultants. Default: none.
    pub allow: Vec<Allowance>,
    /// Which attributes feed which part of an observation.
    pub mapping: Mapping,
    /// Where findings are written.
    pub findings: FindingsFile,
    /// Where findings are sent, too. Default: nowhere. A change needs a restart.
    pub webhook: Option<WebhookSettings>,
    /// Findings that are counted and not told. Followed on reload.
    pub suppressions: Vec<Suppression>,
    /// Where the runbook is, for links from findings and alerts. Default: `docs/runbook.md`.
    pub runbook_url: String,
}

/// A detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetectorName {
    /// S1: verified claim against declared tenant; on metrics `metric_tenant_mismatch`.
    TokenTenantMismatch,
    /// S2: synchronous calls of a trace that go from one tenant to another.
    TraceTenantCrossing,
    /// S3: sessions and keys under two tenants.
    Credentials,
    /// S4: objects of one tenant given to, asked for, found or exported by another.
    CrossTenantRead,
    /// S6, S7: statements without the tenant's condition, or with another tenant's.
    Statements,
    /// S8, S13: connections with another tenant's context, or mixed up after a cancelled call.
    Connections,
    /// S9, S10: shared HTTP caches that answer with another tenant's content.
    SharedCaches,
    /// S11: cache entries of another tenant, or without one.
    Caches,
    /// S11: channels of another tenant.
    Channels,
    /// S12: jobs for another tenant, for none, or for a deleted one.
    Jobs,
    /// S12: places that a tenant has left.
    Routing,
    /// S15, S17: canaries and names of other tenants.
    Mentions,
    /// S16: unknown, suspended and deleted tenants.
    DeletedTenantActive,
    /// S5: principals that ask for very many objects, or one number after the other.
    ResourceEnumeration,
    /// S14: far more rows or bytes than a tenant usually takes.
    UnusualVolume,
    /// S18: work that a service carries to another tenant for the first time.
    NewTenantEdge,
    /// S19: fields that start to carry personal data.
    PiiSurge,
    /// S20: services that are stuck on one tenant.
    TenantContextStuck,
    /// S9, S10: caches that hit far oftener after a deploy.
    HitRate,
}

impl DetectorName {
    /// Every detector.
    pub const ALL: [DetectorName; 19] = [
        DetectorName::TokenTenantMismatch,
        DetectorName::TraceTenantCrossing,
        DetectorName::Credentials,
        DetectorName::CrossTenantRead,
        DetectorName::Statements,
        DetectorName::Connections,
        DetectorName::SharedCaches,
        DetectorName::Caches,
        DetectorName::Channels,
        DetectorName::Jobs,
        DetectorName::Routing,
        DetectorName::Mentions,
        DetectorName::DeletedTenantActive,
        DetectorName::ResourceEnumeration,
        DetectorName::UnusualVolume,
        DetectorName::NewTenantEdge,
        DetectorName::PiiSurge,
        DetectorName::TenantContextStuck,
        DetectorName::HitRate,
    ];

    /// The name, as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            DetectorName::TokenTenantMismatch => "token_tenant_mismatch",
            DetectorName::TraceTenantCrossing => "trace_tenant_crossing",
            DetectorName::Credentials => "credentials",
            DetectorName::CrossTenantRead => "cross_tenant_read",
            DetectorName::Statements => "statements",
            DetectorName::Connections => "connections",
            DetectorName::SharedCaches => "shared_caches",
            DetectorName::Caches => "caches",
            DetectorName::Channels => "channels",
            DetectorName::Jobs => "jobs",
            DetectorName::Routing => "routing",
            DetectorName::Mentions => "mentions",
            DetectorName::DeletedTenantActive => "deleted_tenant_active",
            DetectorName::ResourceEnumeration => "resource_enumeration",
            DetectorName::UnusualVolume => "unusual_volume",
            DetectorName::NewTenantEdge => "new_tenant_edge",
            DetectorName::PiiSurge => "pii_surge",
            DetectorName::TenantContextStuck => "tenant_context_stuck",
            DetectorName::HitRate => "hit_rate",
        }
    }
}

/// A statement that may leave the tenant out. All that is given must fit.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Approval {
    /// The statement's fingerprint, 16 hexadecimal digits, as a finding or `audit-sql` says it. Default: any.
    pub fingerprint: Option<String>,
    /// A table that it reads. Default: any.
    pub table: Option<String>,
    /// A column that it compares with a value. Default: any.
    pub column: Option<String>,
    /// Why it may.
    pub reason: String,
    /// Who said so.
    pub owner: String,
}

impl Approval {
    /// Whether it can be about any statement.
    ///
    /// # Errors
    /// It names nothing, or what is no fingerprint; says which key.
    pub fn check(&self) -> Result<(), String> {
        let print = |text: &String| text.len() == 16 && u64::from_str_radix(text, 16).is_ok();
        match (&self.fingerprint, &self.table) {
            (None, None) => {
                Err(": expected `fingerprint` or `table`: which statements may leave the tenant out".into())
            }
            (Some(text), _) if !print(text) => {
                Err(".fingerprint: expected 16 hexadecimal digits, as `audit-sql` shows them".into())
            }
            _ => Ok(()),
        }
    }

    /// Whether it is about this statement.
    pub fn fits(&self, statement: &sql::Statement) -> bool {
        let print = |text: &String| u64::from_str_radix(text, 16) == Ok(statement.fingerprint);
        self.fingerprint.as_ref().is_none_or(print)
            && self.table.as_ref().is_none_or(|table| statement.tables.iter().any(|t| *t.name == **table))
            && self
                .column
                .as_ref()
                .is_none_or(|column| statement.equalities.iter().any(|equality| *equality.column == **column))
    }
}

/// One who may cross tenants.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Allowance {
    /// A value of the mapped principal attributes (`enduser.id`, ...). Default: none.
    pub principal: Option<String>,
    /// The tenant (uuid) of a sender whose token may carry data of `tenants`. Default: none.
    pub sender_tenant: Option<String>,
    /// The tenants (uuids) that may be crossed; empty means every tenant. Default: empty.
    pub tenants: Vec<String>,
}

/// The findings file: JSON lines, appended; when full it becomes `<file>.1`.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FindingsFile {
    /// Where; a bare name stands in the data directory. Default: `findings.ndjson`.
    pub file: PathBuf,
    /// Size at which it is rotated, in bytes. Default 67108864.
    pub max_bytes: u64,
    /// How a finding is written. Default: `native`.
    pub format: FindingsFormat,
}

/// How a finding is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FindingsFormat {
    /// As `docs/findings.md` has it.
    #[default]
    Native,
    /// As an OCSF Detection Finding.
    Ocsf,
}

impl Settings {
    /// Looks for mistakes in what is told, and how.
    ///
    /// # Errors
    /// Which key is wrong, and what is expected.
    pub(crate) fn check_telling(&self, key: super::Key) -> Result<(), String> {
        if self.storm > limits::STORM {
            return Err(format!("detect.storm: expected at most {}", limits::STORM));
        }
        if self.runbook_url.is_empty() || self.runbook_url.contains(['#', '\n', ' ']) {
            return Err(
                "detect.runbook_url: expected an address without a `#`, such as https://wiki/runbook".into(),
            );
        }
        self.webhook.as_ref().map_or(Ok(()), WebhookSettings::check)?;
        super::suppress::check(&self.suppressions, key)
    }

    /// Reads the schema, if one is given.
    ///
    /// # Errors
    /// The file cannot be read or is too large; says which.
    pub(crate) fn read_schema(&self) -> Result<sql::Schema, String> {
        let options = sql::Options {
            tenant_columns: self.tenant_columns.clone(),
            learn_column: true,
            keys_by_name: true,
            ..sql::Options::default()
        };
        let Some(path) = &self.schema else { return sql::Schema::declared(&[], options) };
        let place = |error: String| format!("detect.schema: {}: {error}", path.display());
        let text =
            crate::config::read_text(path, limits::SCHEMA_BYTES).map_err(|error| place(error.to_string()))?;
        sql::Schema::from_dump(&text, options).map_err(place)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            detectors: DetectorName::ALL.to_vec(),
            trace_capacity: 20_000,
            trace_expiry: Duration::from_secs(60),
            waiting_capacity: 50_000,
            object_capacity: 200_000,
            entity_capacity: 100_000,
            object_expiry: Duration::from_secs(24 * 3600),
            settle: Duration::from_secs(5),
            quiet: Duration::from_secs(15 * 60),
            update_interval: Duration::from_secs(5 * 60),
            storm: 20,
            deleted_grace: Duration::from_secs(15 * 60),
            edge_learning: Duration::from_secs(3600),
            system_tenant: None,
            multi_tenant_services: Vec::new(),
            multi_tenant_jobs: Vec::new(),
            public_routes: Vec::new(),
            schema: None,
            tenant_columns: vec!["tenant_id".to_owned()],
            tenant_settings: ["app.current_tenant_id", "app.current_tenant", "app.tenant_id"]
                .map(str::to_owned)
                .to_vec(),
            shared_caches: Vec::new(),
            shared_channels: Vec::new(),
            database_users: Vec::new(),
            platform_domains: Vec::new(),
            approved_statements: Vec::new(),
            allow: Vec::new(),
            mapping: Mapping::default(),
            findings: FindingsFile::default(),
            webhook: None,
            suppressions: Vec::new(),
            runbook_url: RUNBOOK.to_owned(),
        }
    }
}

impl Default for FindingsFile {
    fn default() -> Self {
        FindingsFile {
            file: PathBuf::from("findings.ndjson"),
            max_bytes: 64 << 20,
            format: FindingsFormat::Native,
        }
    }
}
