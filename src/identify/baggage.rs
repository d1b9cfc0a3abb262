//! The tenant in a W3C `baggage` header (<https://www.w3.org/TR/baggage/>). It is passed on by every service
//! that a request went through, so it proves nothing: detection holds it against the verified tenant, nothing
//! is admitted by it.

use percent_encoding::percent_decode_str;

use super::{Catalogue, normalise};
use crate::{batch::TenantId, wire::Aliases};

/// The first member whose key is an alias and whose value names a tenant.
pub fn tenant(header: &str, aliases: &Aliases, catalogue: &Catalogue) -> Option<TenantId> {
    header.split(',').find_map(|member| {
        let (key, value) = member.split(';').next()?.split_once('=')?;
        aliases.rank(key.trim())?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        normalise(&value, catalogue).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190b8a2-7c1e-7d3a-9f00-5a6b7c8d9e0f";

    /// Scenario: headers as libraries and people write them. Guarantee: a tenant under any alias is read, with
    /// its escapes undone and its properties left out; anything else is nobody's.
    #[test]
    fn the_tenant_is_read_from_baggage() {
        let aliases = Aliases::new(["tenant_id", "tenant.id"]);
        let catalogue = Catalogue::default();
        let read = |header: &str| tenant(header, &aliases, &catalogue).map(|tenant| tenant.to_string());
        for header in [
            format!("tenant_id={ID}"),
            format!("user=a, Tenant.Id = {} ;propagate;ttl=3", ID.to_uppercase()),
            format!("tenant_id=,tenant_id=%7B{ID}%7D"),
        ] {
            assert_eq!(read(&header).as_deref(), Some(ID), "{header}");
        }
        for header in ["", ",;=", "tenant_id", "tenant_id=%FF%FE", "tenant_id=acme", &format!("trace={ID}")] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
