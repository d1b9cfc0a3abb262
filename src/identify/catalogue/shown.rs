//! A tenant as people and programs are shown it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Catalogue, Tenant};
use crate::{
    batch::TenantId,
    identify::{Settings, rfc3339_text},
};

/// A tenant, with the limits that hold for it; `former` is [`Catalogue::former_slugs`].
pub fn shown(
    tenant: &Tenant,
    former: &BTreeMap<TenantId, Vec<&str>>,
    catalogue: &Catalogue,
    settings: &Settings,
) -> Value {
    let limits = limits(tenant.id, catalogue, settings);
    json!({
        "id": tenant.id.to_string(), "slug": tenant.slug.as_deref(), "former_slugs": former.get(&tenant.id),
        "name": tenant.name, "domains": tenant.domains, "isolation": tenant.isolation, "state": tenant.state,
        "deleted_at": tenant.deleted_at.map(rfc3339_text), "limits": limits, "route": tenant.route.as_deref(),
        // Texts that must be seen nowhere else are not shown, either.
        "canaries": tenant.canaries.len(), "allowed": tenant.allowed,
    })
}

/// The limits that hold for a tenant, without those that are none.
pub fn limits(tenant: TenantId, catalogue: &Catalogue, settings: &Settings) -> Value {
    let mut limits = serde_json::to_value(catalogue.limits(tenant, settings)).unwrap_or_default();
    if let Some(limits) = limits.as_object_mut() {
        limits.retain(|_, limit| !limit.is_null());
    }
    limits
}
