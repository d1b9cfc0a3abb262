//! Which destinations a tenant's data goes to.
//!
//! A tenant's own destination in the catalogue goes first, then the first route that fits, then the
//! default: the destinations that nobody names. A destination that is named for somebody never gets
//! everybody's data by default.

use foldhash::{HashMap, HashSet};

use super::settings::{Destination, Route};
use crate::{
    batch::{Signal, TenantId},
    identify::{Catalogue, Isolation, catalogue::Tenant, normalise},
    limits,
};

// One bit for each.
const _: () = assert!(limits::DESTINATIONS <= 64);

/// Routes, compiled against destinations and catalogue.
#[derive(Debug)]
pub struct Router {
    /// By name.
    destinations: HashMap<String, u8>,
    routes: Vec<Compiled>,
    default: Targets,
}

/// A set of destinations, by their place in the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Targets(u64);

impl Targets {
    /// Whether a destination is in it.
    pub fn has(self, destination: usize) -> bool {
        destination < limits::DESTINATIONS && self.0 >> destination & 1 == 1
    }

    /// The places of the destinations in it.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..limits::DESTINATIONS).filter(move |place| self.has(*place))
    }

    fn with(self, destination: u8) -> Targets {
        Targets(self.0 | 1 << destination)
    }
}

impl FromIterator<usize> for Targets {
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Self {
        let within = places.into_iter().filter(|place| *place < limits::DESTINATIONS);
        within.fold(Targets::default(), |targets, place| targets.with(place as u8))
    }
}

#[derive(Debug)]
struct Compiled {
    tenants: HashSet<TenantId>,
    any_tenant: bool,
    isolation: Vec<Isolation>,
    signals: Vec<Signal>,
    targets: Targets,
}

impl Router {
    /// Compiles routes.
    ///
    /// # Errors
    /// A name that is no destination, a destination twice, more than 64 of them, a tenant that the
    /// catalogue does not know, or nowhere to go for data that no route fits.
    pub fn new(
        destinations: &[Destination],
        routes: &[Route],
        catalogue: &Catalogue,
    ) -> Result<Self, String> {
        if destinations.len() > limits::DESTINATIONS {
            return Err(format!("destinations: more than {}", limits::DESTINATIONS));
        }
        let mut names = HashMap::default();
        for (place, destination) in destinations.iter().enumerate() {
            if names.insert(destination.name.clone(), place as u8).is_some() {
                return Err(format!("destinations: `{}` stands twice", destination.name));
            }
        }
        let find = |name: &str, by: &str| {
            names.get(name).copied().ok_or_else(|| {
                let nearest = names
                    .keys()
                    .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
                let hint = nearest.map_or(String::new(), |nearest| format!("; did you mean `{nearest}`?"));
                format!("{by}: there is no destination `{name}`{hint}")
            })
        };
        let mut named = Targets::default();
        let mut compiled = Vec::with_capacity(routes.len());
        for (at, route) in routes.iter().enumerate() {
            let by = format!("routes[{at}]");
            if route.destinations.is_empty() {
                return Err(format!("{by}: destinations: empty; expected at least one name"));
            }
            let mut targets = Targets::default();
            for name in &route.destinations {
                targets = targets.with(find(name, &by)?);
            }
            named.0 |= targets.0;
            let mut tenants = HashSet::default();
            for text in &route.tenants {
                let tenant = normalise(text, catalogue)
                    .map_err(|_| format!("{by}: tenants: expected uuids, or slugs of the catalogue"))?;
                tenants.insert(tenant);
            }
            compiled.push(Compiled {
                any_tenant: route.tenants.is_empty(),
                tenants,
                isolation: route.isolation.clone(),
                signals: route.signals.clone(),
                targets,
            });
        }
        for name in catalogue.routes() {
            named = named.with(find(name, "the tenant catalogue")?);
        }
        let unnamed = names.values().filter(|place| !named.has(usize::from(**place)));
        let default = unnamed.fold(Targets::default(), |targets, place| targets.with(*place));
        if default == Targets::default() && !routes.iter().any(Route::fits_all) {
            return Err("routes: data that no route fits has nowhere to go; add a last route with \
                        destinations alone"
                .into());
        }
        Ok(Router { destinations: names, routes: compiled, default })
    }

    /// The destinations of a tenant's data of one signal.
    pub fn targets(&self, signal: Signal, tenant: TenantId, catalogue: &Catalogue) -> Targets {
        let listed = catalogue.get(tenant);
        if let Some(own) = listed.and_then(|tenant| tenant.route.as_deref())
            && let Some(place) = self.destinations.get(own)
        {
            return Targets::default().with(*place);
        }
        let route = self.routes.iter().find(|route| route.fits(signal, tenant, listed));
        route.map_or(self.default, |route| route.targets)
    }
}

impl Compiled {
    fn fits(&self, signal: Signal, tenant: TenantId, listed: Option<&Tenant>) -> bool {
        let isolation = listed.map(|tenant| tenant.isolation).unwrap_or_default();
        (self.any_tenant || self.tenants.contains(&tenant))
            && (self.isolation.is_empty() || self.isolation.contains(&isolation))
            && (self.signals.is_empty() || self.signals.contains(&signal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify::{catalogue, factory};

    fn destinations(names: &[&str]) -> Vec<Destination> {
        let named = |name: &&str| Destination { name: (*name).into(), ..Destination::default() };
        names.iter().map(named).collect()
    }

    fn route(tenants: &[&str], isolation: &[Isolation], signals: &[Signal], to: &[&str]) -> Route {
        let own = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Route {
            tenants: own(tenants),
            isolation: isolation.to_vec(),
            signals: signals.to_vec(),
            destinations: own(to),
        }
    }

    /// acme has its own destination, bravo a database of its own.
    fn tenants() -> Catalogue {
        let mut entries: Vec<catalogue::Entry> =
            ["acme", "bravo", "charlie", "delta"].map(factory::tenant).into();
        entries[0].route = Some("own".into());
        entries[1].isolation = Isolation::Database;
        catalogue::parse("t", &factory::catalogue(&entries)).unwrap()
    }

    /// Scenario: a tenant with its own destination, a tier, a tenant and a signal with a route, and the rest.
    /// Guarantee: each goes to its own and nowhere else; nobody's own destination is a default.
    #[test]
    fn own_then_route_then_default() {
        let routes = [
            route(&["charlie"], &[], &[Signal::Logs], &["tier"]),
            route(&[], &[Isolation::Database], &[], &["tier", "all"]),
        ];
        let catalogue = tenants();
        let router =
            Router::new(&destinations(&["all", "own", "tier", "more"]), &routes, &catalogue).unwrap();
        let targets = |slug, signal| {
            router.targets(signal, factory::tenant_id(slug), &catalogue).iter().collect::<Vec<_>>()
        };
        assert_eq!(targets("acme", Signal::Logs), [1]);
        assert_eq!(targets("bravo", Signal::Logs), [0, 2]);
        assert_eq!(targets("charlie", Signal::Logs), [2]);
        assert_eq!(targets("charlie", Signal::Traces), [3]);
        assert_eq!(targets("delta", Signal::Logs), [3]);
        assert_eq!(targets("stranger", Signal::Metrics), [3]);
    }

    /// Scenario: names that are none, twice the same, nowhere to go. Guarantee: refused, saying what to do.
    #[test]
    fn what_leads_nowhere_is_refused() {
        let refuse = |names: &[&str], routes: &[Route]| {
            Router::new(&destinations(names), routes, &tenants()).unwrap_err()
        };
        assert!(refuse(&["own", "a", "a"], &[]).contains("stands twice"));
        assert!(refuse(&["owm", "a"], &[]).contains("did you mean `owm`"));
        assert!(refuse(&["own", "a"], &[route(&[], &[], &[], &["b"])]).contains("no destination `b`"));
        assert!(refuse(&["own", "a"], &[route(&["nobody"], &[], &[], &["a"])]).contains("tenants"));
        assert!(refuse(&["own", "a"], &[route(&[], &[], &[], &[])]).contains("empty"));
        assert!(refuse(&["own"], &[]).contains("nowhere to go"));
        let all = [route(&[], &[], &[], &["own"])];
        assert!(Router::new(&destinations(&["own"]), &all, &tenants()).is_ok());
    }
}
