//! What an operator says of detection.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// Detection of one tenant's data under another. The mapping and who is excused follow a reload;
/// detectors, sizes, times and the findings file need a restart.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Detectors that run. Default: all.
    pub detectors: Vec<DetectorName>,
    /// Threads that run detectors, each with its own state. Default 1, at most 16.
    pub shards: usize,
    /// Spans' traces remembered by a shard, in traces. Default 20000.
    pub trace_capacity: usize,
    /// How long a trace is remembered. Default 60s.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub trace_expiry: Duration,
    /// Objects whose owner a shard remembers, in objects. Default 200000.
    pub object_capacity: usize,
    /// How long an unused object is remembered. Default 24h.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub object_expiry: Duration,
    /// How long a candidate waits for the rest of its trace, which may excuse it. Default 5s.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub settle: Duration,
    /// How long an incident must rest before it is told again. Default 1h.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub quiet: Duration,
    /// How long after its deletion data of a tenant may still come, by event time. Default 15m.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub deleted_grace: Duration,
    /// The tenant of the platform itself (uuid): it may act for every tenant. Default: none.
    pub system_tenant: Option<String>,
    /// Values of `service.name` that serve many tenants at once (gateways, admin consoles). Default: none.
    pub multi_tenant_services: Vec<String>,
    /// Jobs (values of the mapped job attributes) that may touch every tenant, deleted ones too. Default: none.
    pub multi_tenant_jobs: Vec<String>,
    /// Route templates whose objects are public. Default: none.
    pub public_routes: Vec<String>,
    /// Who may cross tenants: support staff, partners, consultants. Default: none.
    pub allow: Vec<Allowance>,
    /// Which attributes feed which part of an observation.
    pub mapping: Mapping,
    /// Where findings are written.
    pub findings: FindingsFile,
}

/// A detector, by the class of its findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetectorName {
    /// Verified claim against declared tenant; on metrics `metric_tenant_mismatch`.
    TokenTenantMismatch,
    /// Synchronous calls of a trace that go from one tenant to another.
    TraceTenantCrossing,
    /// Objects of one tenant given to, or asked for by, another (`cross_tenant_read`, `cross_tenant_attempt`).
    CrossTenantRead,
    /// Unknown, suspended and deleted tenants.
    DeletedTenantActive,
}

impl DetectorName {
    /// Every detector.
    pub const ALL: [DetectorName; 4] = [
        DetectorName::TokenTenantMismatch,
        DetectorName::TraceTenantCrossing,
        DetectorName::CrossTenantRead,
        DetectorName::DeletedTenantActive,
    ];

    /// The name, as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            DetectorName::TokenTenantMismatch => "token_tenant_mismatch",
            DetectorName::TraceTenantCrossing => "trace_tenant_crossing",
            DetectorName::CrossTenantRead => "cross_tenant_read",
            DetectorName::DeletedTenantActive => "deleted_tenant_active",
        }
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

/// Which attributes feed which part of an observation. A list given replaces the default one.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Attributes that declare the tenant, as uuid or slug.
    pub tenant: Vec<String>,
    /// Attributes that name the person, account or session.
    pub principal: Vec<String>,
    /// Attributes with the route template.
    pub route: Vec<String>,
    /// Attributes with a URL or its path.
    pub path: Vec<String>,
    /// Attributes with a URL's query.
    pub query: Vec<String>,
    /// Attributes with the HTTP method.
    pub method: Vec<String>,
    /// Attributes with the HTTP status.
    pub status: Vec<String>,
    /// Attributes with the id of the object that the item is about.
    pub object: Vec<String>,
    /// Attributes with the name of a background job.
    pub job: Vec<String>,
    /// Attributes with the tenant that an object is moved from.
    pub transfer_from: Vec<String>,
    /// Attributes with the tenant that an object is moved to.
    pub transfer_to: Vec<String>,
    /// Attributes (whole key, or its last part after a dot) that say `public` of an object.
    pub visibility: Vec<String>,
}

/// The findings file: JSON lines, appended; when full it becomes `<file>.1`.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FindingsFile {
    /// Where; a bare name stands in the data directory. Default: `findings.ndjson`.
    pub file: PathBuf,
    /// Size at which it is rotated, in bytes. Default 67108864.
    pub max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            detectors: DetectorName::ALL.to_vec(),
            shards: 1,
            trace_capacity: 20_000,
            trace_expiry: Duration::from_secs(60),
            object_capacity: 200_000,
            object_expiry: Duration::from_secs(24 * 3600),
            settle: Duration::from_secs(5),
            quiet: Duration::from_secs(3600),
            deleted_grace: Duration::from_secs(15 * 60),
            system_tenant: None,
            multi_tenant_services: Vec::new(),
            multi_tenant_jobs: Vec::new(),
            public_routes: Vec::new(),
            allow: Vec::new(),
            mapping: Mapping::default(),
            findings: FindingsFile::default(),
        }
    }
}

impl Default for Mapping {
    fn default() -> Self {
        let list = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        Mapping {
            tenant: list(&[
                "tenant_id",
                "tenant.id",
                "tenantId",
                "tenant",
                "tenant_uuid",
                "tenant.slug",
                "org_id",
                "organization.id",
                "account_id",
                "x-tenant-id",
                "x-scope-orgid",
                "http.request.header.x-tenant-id",
                "http.request.header.x-scope-orgid",
                "baggage.tenant_id",
            ]),
            principal: list(&["enduser.id", "user.id", "session.id", "enduser.pseudo.id"]),
            route: list(&["http.route"]),
            path: list(&["url.path", "url.full", "http.target", "http.url"]),
            query: list(&["url.query"]),
            method: list(&["http.request.method", "http.method"]),
            status: list(&["http.response.status_code", "http.status_code"]),
            object: list(&["resource.id"]),
            job: list(&["job.class", "job.name", "messaging.sidekiq.job_class", "code.namespace"]),
            transfer_from: list(&["transfer.from_tenant_id"]),
            transfer_to: list(&["transfer.to_tenant_id"]),
            visibility: list(&["visibility"]),
        }
    }
}

impl Default for FindingsFile {
    fn default() -> Self {
        FindingsFile { file: PathBuf::from("findings.ndjson"), max_bytes: 64 << 20 }
    }
}
