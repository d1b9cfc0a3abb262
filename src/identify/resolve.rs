//! The decision: which tenant is this item's? Pure, and the one place where it is made.
//!
//! A verified claim decides. Without one a header decides, without one an attribute: the item's before
//! its scope's before its resource's; without any what a span's trace carries along. Who declares another tenant than the one that decided is reported.

use super::{
    Catalogue, Claims, Mode, OnMismatch, Settings,
    catalogue::{State, Tenant},
    normalise::{Malformed, normalise},
};
use crate::batch::TenantId;

/// Why an item is rejected for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reject {
    /// Nothing names a tenant.
    MissingTenant,
    /// What names the tenant is neither a uuid nor a known slug.
    MalformedTenant,
    /// The catalogue does not list the tenant.
    UnknownTenant,
    /// The tenant is deleted, and the item is of the time after.
    DeletedTenant,
    /// The tenant is suspended.
    SuspendedTenant,
    /// Two different tenants are named, and nothing verified decides between them, or policy says to reject.
    TenantMismatch,
}

impl Reject {
    /// All reasons.
    pub const ALL: [Reject; 6] = [
        Reject::MissingTenant,
        Reject::MalformedTenant,
        Reject::UnknownTenant,
        Reject::DeletedTenant,
        Reject::SuspendedTenant,
        Reject::TenantMismatch,
    ];

    /// The word in metrics, messages and the quarantine.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reject::MissingTenant => "missing_tenant",
            Reject::MalformedTenant => "malformed_tenant",
            Reject::UnknownTenant => "unknown_tenant",
            Reject::DeletedTenant => "deleted_tenant",
            Reject::SuspendedTenant => "suspended_tenant",
            Reject::TenantMismatch => "tenant_mismatch",
        }
    }
}

/// What decided the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The verified token.
    Claim,
    /// A declared tenant for which the verified principal may write.
    Delegated,
    /// A request header.
    Header,
    /// An attribute.
    Attribute(Level),
    /// Nothing.
    None,
}

/// On what an attribute stands, from the general to the particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// What a span's trace carries along (`tracestate`).
    TraceState,
    /// The resource.
    Resource,
    /// The instrumentation scope.
    Scope,
    /// The log record, span or data point.
    Item,
}

/// One declared tenant: an attribute whose key is an alias.
#[derive(Clone, Copy)]
pub struct Declared<'a> {
    /// On what it stands.
    pub level: Level,
    /// The rank of its key among the aliases; the lower goes first.
    pub rank: u8,
    /// Its value as text; of a value that is no text, the text of the number, or nothing.
    pub text: &'a str,
}

/// The decision on one item, or on a resource group whose items declare nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution<'c> {
    /// Whose it is. In observe mode never an error; [`TenantId::NONE`] where no well-formed tenant is named.
    pub tenant: Result<TenantId, Reject>,
    /// In observe mode: what enforce mode would have rejected it for.
    pub observed: Option<Reject>,
    /// The tenant that was named, also where it is rejected as unknown, deleted or suspended.
    pub named: Option<TenantId>,
    /// The catalogue's slug of the tenant.
    pub slug: Option<&'c str>,
    /// The tenant that decided, and another that is declared.
    pub mismatch: Option<(TenantId, TenantId)>,
    /// What decided.
    pub source: Source,
}

/// What holds for a whole request, worked out once.
pub struct Resolver<'a> {
    settings: &'a Settings,
    catalogue: &'a Catalogue,
    claims: Option<&'a Claims>,
    /// Tenants that the token lists as allowed, sorted.
    allowed: Vec<TenantId>,
    /// The only tenants that a client certificate beside the token leaves, sorted.
    within: Option<Vec<TenantId>>,
    claim: Named,
    header: Named,
}

/// What one place says of the tenant.
#[derive(Clone, Copy)]
enum Named {
    Nothing,
    Malformed,
    One(TenantId),
    /// The first in precedence, and one that differs from it.
    Two(TenantId, TenantId),
}

impl Named {
    fn of<'t>(texts: impl Iterator<Item = &'t str>, catalogue: &Catalogue) -> Named {
        texts.fold(Named::Nothing, |named, text| named.and(text, catalogue))
    }

    fn and(self, text: &str, catalogue: &Catalogue) -> Named {
        match (self, normalise(text, catalogue)) {
            (Named::Nothing | Named::Malformed, Ok(tenant)) => Named::One(tenant),
            (Named::One(first), Ok(tenant)) if tenant != first => Named::Two(first, tenant),
            (Named::Nothing, Err(Malformed::Malformed)) => Named::Malformed,
            (named, _) => named,
        }
    }

    /// The tenants named: the first in precedence first.
    fn tenants(self) -> impl Iterator<Item = TenantId> + Clone {
        let (first, second) = match self {
            Named::Nothing | Named::Malformed => (None, None),
            Named::One(first) => (Some(first), None),
            Named::Two(first, second) => (Some(first), Some(second)),
        };
        first.into_iter().chain(second)
    }
}

/// What was decided, before the catalogue is asked.
struct Choice {
    tenant: Result<TenantId, Reject>,
    source: Source,
    mismatch: Option<(TenantId, TenantId)>,
}

impl<'a> Resolver<'a> {
    /// Works out claim and headers. `headers` are those that may name a tenant, lower-case name and value.
    pub fn new(
        settings: &'a Settings,
        catalogue: &'a Catalogue,
        claims: Option<&'a Claims>,
        headers: &[(String, String)],
    ) -> Self {
        let claim = Named::of(claims.and_then(|claims| claims.tenant.as_deref()).into_iter(), catalogue);
        // In the order of the settings, not in that of arrival.
        let listed = settings.headers.iter().flat_map(|name| {
            headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
        });
        let sorted = |texts: &[Box<str>]| {
            let mut tenants: Vec<TenantId> =
                texts.iter().filter_map(|text| normalise(text, catalogue).ok()).collect();
            tenants.sort_unstable();
            tenants
        };
        let allowed = claims.map_or_else(Vec::new, |claims| sorted(&claims.allowed));
        let within = claims.and_then(|claims| claims.within.as_deref()).map(sorted);
        Resolver { settings, catalogue, claims, allowed, within, claim, header: Named::of(listed, catalogue) }
    }

    /// Decides. `attributes` are the declared tenants that hold for the item: its own, its scope's, its
    /// resource's, in any order. `event_nanos` is the item's time, or that of its arrival.
    pub fn resolve(&self, attributes: &[Declared<'_>], event_nanos: u64) -> Resolution<'a> {
        let choice = self.choose(&self.levels(attributes));
        let named = choice.tenant.ok();
        let listed = named.and_then(|tenant| self.catalogue.get(tenant));
        let judged = choice.tenant.and_then(|tenant| self.judge(listed, event_nanos).map(|()| tenant));
        let judged = match (judged, choice.mismatch) {
            (Ok(_), Some(_)) if self.settings.on_mismatch == OnMismatch::Reject => {
                Err(Reject::TenantMismatch)
            }
            (judged, _) => judged,
        };
        let (tenant, observed) = match (judged, self.settings.mode) {
            (Err(reject), Mode::Observe) => (Ok(named.unwrap_or(TenantId::NONE)), Some(reject)),
            (judged, _) => (judged, None),
        };
        Resolution {
            tenant,
            observed,
            named,
            slug: listed.and_then(|tenant| tenant.slug.as_deref()),
            mismatch: choice.mismatch,
            source: choice.source,
        }
    }

    /// Whether nothing at all names a tenant: no claim, no header, none of these.
    pub fn is_silent(&self, attributes: &[Declared<'_>]) -> bool {
        let silent = |named: &Named| matches!(named, Named::Nothing);
        silent(&self.claim)
            && silent(&self.header)
            && (attributes.is_empty() || self.levels(attributes).iter().all(|(_, named)| silent(named)))
    }

    /// Decides on an item for which nothing names a tenant, and whose trace is of `tenant`: as if its trace had said
    /// so. Nothing where its sender may not write for that tenant.
    pub fn inherit(&self, tenant: TenantId, event_nanos: u64) -> Option<Resolution<'a>> {
        let mut text = [0; 36];
        let text: &str = tenant.encode(&mut text);
        let found = self.resolve(&[Declared { level: Level::TraceState, rank: 0, text }], event_nanos);
        (found.named == Some(tenant)).then_some(found)
    }

    /// The tenant that the sender was verified as.
    pub fn own(&self) -> Option<TenantId> {
        match self.claim {
            Named::One(claim) | Named::Two(claim, _) => Some(claim),
            Named::Nothing | Named::Malformed => None,
        }
    }

    /// Whether this is a tenant that the verified sender writes for without being of it.
    pub fn impersonates(&self, tenant: TenantId) -> bool {
        self.own() != Some(tenant) && self.claims.is_some_and(|claims| self.may(claims, tenant))
    }

    /// What each level declares: item, scope, resource, trace.
    fn levels(&self, attributes: &[Declared<'_>]) -> [(Level, Named); 4] {
        [Level::Item, Level::Scope, Level::Resource, Level::TraceState].map(|level| {
            let of_level = || attributes.iter().filter(|declared| declared.level == level);
            let named = match of_level().count() {
                0 => Named::Nothing,
                1 => Named::of(of_level().map(|declared| declared.text), self.catalogue),
                _ => {
                    let mut ranked: Vec<&Declared<'_>> = of_level().collect();
                    ranked.sort_by_key(|declared| declared.rank);
                    Named::of(ranked.into_iter().map(|declared| declared.text), self.catalogue)
                }
            };
            (level, named)
        })
    }

    fn choose(&self, levels: &[(Level, Named)]) -> Choice {
        let rejected = |reject| Choice { tenant: Err(reject), source: Source::None, mismatch: None };
        // The most particular first; what a trace carries along is believed last.
        let of_trace = |level: &Level| *level == Level::TraceState;
        let at = |trace: bool| {
            let levels = levels.iter().filter(move |(level, _)| of_trace(level) == trace);
            levels.flat_map(|(_, named)| named.tenants())
        };
        let said = || at(false).chain(self.header.tenants());
        let declared = || said().chain(at(true));
        match self.claim {
            Named::One(claim) | Named::Two(claim, _) => {
                return self.by_claim(claim, said().next(), declared());
            }
            // A verified token that says nonsense is not made good by an attribute.
            Named::Malformed => return rejected(Reject::MalformedTenant),
            Named::Nothing => {}
        }
        if let Some(claims) = self.claims {
            // A principal of no one tenant, such as a platform's agent: what it may write for is on a list.
            match declared().next() {
                Some(tenant) if self.may(claims, tenant) => {
                    let other = declared().find(|other| *other != tenant && !self.may(claims, *other));
                    let mismatch = other.map(|other| (tenant, other));
                    return Choice { tenant: Ok(tenant), source: Source::Delegated, mismatch };
                }
                _ if self.settings.token.required || self.is_limited(claims) => {
                    return rejected(Reject::MissingTenant);
                }
                _ => {}
            }
        }
        self.by_declaration(levels)
    }

    /// Whether a list says which tenants a principal may write for: then it may write for no other.
    fn is_limited(&self, claims: &Claims) -> bool {
        let in_catalogue = || claims.subject().is_some_and(|subject| self.catalogue.is_delegate(subject));
        claims.within.is_some() || !claims.allowed.is_empty() || in_catalogue()
    }

    /// The claim decides, but where `first`, the most particular declaration, names a tenant that the principal may
    /// write for. Every other tenant that is declared, and that it may not write for, is told of.
    fn by_claim(
        &self,
        claim: TenantId,
        first: Option<TenantId>,
        declared: impl Iterator<Item = TenantId>,
    ) -> Choice {
        let may = |tenant: TenantId| self.claims.is_some_and(|claims| self.may(claims, tenant));
        let first = first.filter(|tenant| *tenant != claim && may(*tenant));
        let (tenant, source) = match first {
            Some(tenant) => (tenant, Source::Delegated),
            None => (claim, Source::Claim),
        };
        let mut declared = declared;
        let other = declared.find(|other| *other != claim && *other != tenant && !may(*other));
        Choice { tenant: Ok(tenant), source, mismatch: other.map(|other| (tenant, other)) }
    }

    fn by_declaration(&self, levels: &[(Level, Named)]) -> Choice {
        let places = std::iter::once((Source::Header, self.header))
            .chain(levels.iter().map(|(level, named)| (Source::Attribute(*level), *named)));
        let mut malformed = false;
        for (source, named) in places {
            match named {
                Named::Nothing => {}
                Named::Malformed => malformed = true,
                Named::One(tenant) => {
                    // A header stands for whoever set it, a proxy mostly; data that says otherwise is told of.
                    let other = match source {
                        Source::Header => levels
                            .iter()
                            .flat_map(|(_, named)| named.tenants())
                            .find(|declared| *declared != tenant),
                        _ => None,
                    };
                    return Choice {
                        tenant: Ok(tenant),
                        source,
                        mismatch: other.map(|declared| (tenant, declared)),
                    };
                }
                Named::Two(first, second) => {
                    return Choice {
                        tenant: Err(Reject::TenantMismatch),
                        source,
                        mismatch: Some((first, second)),
                    };
                }
            }
        }
        let reject = if malformed { Reject::MalformedTenant } else { Reject::MissingTenant };
        Choice { tenant: Err(reject), source: Source::None, mismatch: None }
    }

    /// Whether the principal may write for a tenant that its claim does not name.
    fn may(&self, claims: &Claims, tenant: TenantId) -> bool {
        let listed_in_token = || self.allowed.binary_search(&tenant).is_ok();
        let listed_in_catalogue = || match (claims.subject(), self.catalogue.get(tenant)) {
            (Some(subject), Some(tenant)) => tenant.allowed.iter().any(|allowed| **allowed == *subject),
            _ => false,
        };
        let within = self.within.as_ref().is_none_or(|within| within.binary_search(&tenant).is_ok());
        within && (listed_in_token() || listed_in_catalogue())
    }

    fn judge(&self, listed: Option<&Tenant>, event_nanos: u64) -> Result<(), Reject> {
        let Some(tenant) = listed else {
            return if self.catalogue.is_open() { Ok(()) } else { Err(Reject::UnknownTenant) };
        };
        match tenant.state {
            State::Suspended => Err(Reject::SuspendedTenant),
            State::Deleted => {
                let grace = u64::try_from(self.settings.deleted_grace.as_nanos()).unwrap_or(u64::MAX);
                match tenant.deleted_at {
                    Some(deleted) if event_nanos <= deleted.saturating_add(grace) => Ok(()),
                    _ => Err(Reject::DeletedTenant),
                }
            }
            State::Provisioning | State::Active | State::Migrating | State::Frozen => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
