//! The kinds of findings: one vocabulary for findings, metrics, alerts and docs.

use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($($(#[$doc:meta])* $class:ident = $name:literal, signals $signals:literal, section $section:literal, look $look:literal;)*) => {
        /// The kind of a finding; the names are those of metrics, alerts and docs. In the order in which
        /// they explain a trace: of several seen in one trace the first is told, the rest stand beside it.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Class {
            $($(#[$doc])* $class,)*
        }

        impl Class {
            /// Every class.
            pub const ALL: &'static [Class] = &[$(Class::$class),*];

            /// The name in findings, metrics and alerts.
            pub const fn as_str(self) -> &'static str {
                match self { $(Class::$class => $name,)* }
            }

            /// The signals behind it, as `docs/leaks.md` counts them.
            pub const fn signals(self) -> &'static str {
                match self { $(Class::$class => $signals,)* }
            }

            /// The section of the runbook.
            pub const fn section(self) -> &'static str {
                match self { $(Class::$class => $section,)* }
            }

            /// What to look at first.
            pub const fn look(self) -> &'static str {
                match self { $(Class::$class => $look,)* }
            }
        }
    };
}

classes! {
    /// A tenant's canary stands in another tenant's data.
    CanaryLeak = "canary_leak", signals "S15", section "leak-canary",
        look "the record of that trace holds a text that only the other tenant's data has: find the query or cache it came from";
    /// The verified claim is of another tenant than the data declares.
    TokenTenantMismatch = "token_tenant_mismatch", signals "S1", section "leak-certain",
        look "the sender's token against the tenant that its resource, items or baggage declare";
    /// The same, on metrics.
    MetricTenantMismatch = "metric_tenant_mismatch", signals "S1", section "leak-certain",
        look "the sender's token against the tenant label of its data points";
    /// The tenant of a database connection is another's: left over, or mixed up after a cancelled call.
    ConnectionContextBleed = "connection_context_bleed", signals "S8, S13", section "leak-connection",
        look "who used that connection before, and why its tenant was not reset";
    /// A cache gave one tenant what another one's request had put there.
    CacheTenantLeak = "cache_tenant_leak", signals "S9, S10, S11", section "leak-cache",
        look "the code that builds that cache key, and what made it a shared answer";
    /// A job ran for another tenant than it was made for, for none, or for a deleted one.
    JobTenantContext = "job_tenant_context", signals "S12", section "leak-job",
        look "the arguments of that job against the request that enqueued it";
    /// A message went to, or was read from, another tenant's channel.
    ChannelTenantLeak = "channel_tenant_leak", signals "S11", section "leak-channel",
        look "how that channel's name is made and who may subscribe to it";
    /// An export holds several tenants' data.
    ExportMixedTenants = "export_mixed_tenants", signals "S4, S14", section "leak-export",
        look "the query behind that export; call the file back if it was delivered";
    /// A search gave other tenants' documents.
    SearchForeignDocuments = "search_foreign_documents", signals "S4", section "leak-export",
        look "the tenant filter of that search and the index it ran on";
    /// Data was written to, or read from, a place that the tenant has left.
    MigrationMisroute = "migration_misroute", signals "S12", section "leak-routing",
        look "the routing table's entry for that tenant, and caches of it in that service";
    /// One principal took other tenants' objects over a long time.
    SlowExfiltration = "slow_exfiltration", signals "S4", section "leak-exfiltration",
        look "all that this principal read, and how it came to know those ids";
    /// One tenant was given another tenant's object.
    CrossTenantRead = "cross_tenant_read", signals "S4", section "leak-read",
        look "the authorisation of that route: the object was found without the tenant";
    /// A session or a token was used under two tenants.
    CredentialSharedAcrossTenants = "credential_shared_across_tenants", signals "S3", section "leak-credential",
        look "where that session or key was issued, and whether it was copied or mixed up";
    /// A statement reads or changes rows of all tenants, or of another one.
    UnscopedQuery = "unscoped_query", signals "S6, S7", section "leak-query",
        look "the statement's missing predicate and the code that lost it";
    /// A synchronous call inside a trace goes from one tenant to another.
    TraceTenantCrossing = "trace_tenant_crossing", signals "S2", section "leak-certain",
        look "the call in that trace where the tenant changes";
    /// One tenant's name stands in another tenant's data.
    TenantMention = "tenant_mention", signals "S17", section "leak-mention",
        look "the message in that trace: whose data was being worked on when it was written";
    /// A principal asked for very many objects, most of them refused, or one number after the other.
    ResourceEnumeration = "resource_enumeration", signals "S5", section "leak-enumeration",
        look "that principal's requests on that route; block it if it is not a known crawler";
    /// One tenant asked for another tenant's object and was refused.
    CrossTenantAttempt = "cross_tenant_attempt", signals "S4", section "leak-read",
        look "how that principal came to know another tenant's id";
    /// An unknown, suspended or deleted tenant is active.
    DeletedTenantActive = "deleted_tenant_active", signals "S16", section "leak-certain",
        look "which sender still works for that tenant, and when it was shut off";
    /// A service is stuck on one tenant.
    TenantContextStuck = "tenant_context_stuck", signals "S20", section "leak-stuck",
        look "the request context of that service: other tenants' principals act under this one";
    /// A field that was clean starts to carry personal data.
    PiiSurge = "pii_surge", signals "S19", section "leak-personal",
        look "the last deploy of that service, and what it writes into that field";
    /// Far more rows or bytes than this tenant usually takes.
    UnusualVolume = "unusual_volume", signals "S14", section "leak-volume",
        look "who took that much and where it went; month ends look the same";
    /// Tenants meet in a place where they never did.
    NewTenantEdge = "new_tenant_edge", signals "S18", section "leak-edge",
        look "whether that service is meant to carry one tenant's work to another";
    /// People's sentences stand in a field where no rule expects them.
    UserContent = "user_content", signals "", section "user-content",
        look "that field of that service: people's words stand in it";
}

impl Class {
    /// How long an incident of this class must rest before it is told again, as a multiple of the setting:
    /// what one person does goes on for hours with breaks.
    pub(crate) const fn rest(self) -> u64 {
        match self {
            Class::SlowExfiltration | Class::CrossTenantRead | Class::CrossTenantAttempt => 8,
            Class::CredentialSharedAcrossTenants | Class::ResourceEnumeration | Class::PiiSurge => 8,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: all classes. Guarantee: each name stands once and is what serde writes.
    #[test]
    fn names_are_unique_and_serde_agrees() {
        let mut names: Vec<_> = Class::ALL.iter().map(|class| class.as_str()).collect();
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Class::ALL.len());
    }
}
