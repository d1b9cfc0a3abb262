//! What a batch is held against: tenants, transforms, rules, routes. Compiled once, swapped whole,
//! never half.

pub mod key;

use std::sync::Arc;

use crate::{
    batch::{Signal, TenantId},
    config::{Config, Document},
    detect,
    export::route::{Router, Targets},
    identify::{Catalogue, Issuers, Peers, stamp},
    scrub::{MasterKey, Scrubber},
    transform::Transforms,
    wire::Aliases,
};

/// One compiled policy.
pub struct Policy {
    /// Counts policies up; durable records carry it.
    pub epoch: u32,
    /// Names the configuration that it was compiled from.
    pub hash: String,
    /// The configuration itself.
    pub config: Config,
    /// The tenants that exist.
    pub catalogue: Catalogue,
    /// Verifies tokens; `None` where no key is configured.
    pub verifier: Option<Arc<Issuers>>,
    /// Senders known by their client certificate.
    pub peers: Peers,
    /// The attribute names that may hold a tenant, and behind them the gate's own.
    pub aliases: Aliases,
    /// How many of `aliases` declare a tenant.
    pub declaring: u8,
    /// The transforms.
    pub transforms: Transforms,
    /// The scrubber.
    pub scrubber: Arc<Scrubber>,
    /// The key of all pseudonyms.
    pub master: Arc<MasterKey>,
    /// What observations are made of.
    pub rules: Arc<detect::Rules>,
    /// Names and canaries of all tenants; none where nobody looks for them.
    pub mentions: Option<Arc<detect::mentions::Mentions>>,
    /// Where data goes.
    pub router: Router,
}

/// Everything that may be wrong with a configuration, in words for people, one a line.
pub type Mistakes = Vec<String>;

impl Policy {
    /// Compiles a policy. `before` is the one in use: its epoch, fingerprint key and unchanged parts go on.
    ///
    /// # Errors
    /// Every mistake that was found; the policy in use is not touched.
    pub fn compile(
        document: &Document,
        catalogue: Catalogue,
        before: Option<&Policy>,
    ) -> Result<Policy, Mistakes> {
        let config: Config = document.decode().map_err(|errors| vec![errors.to_string()])?;
        let mut mistakes = Mistakes::new();
        let mut check = |result: Result<(), String>| mistakes.extend(result.err());
        check(config.identity.check());
        check(config.receivers.validate());
        check(crate::admin::tokens::Tokens::new(&config.admin.api).map(drop));
        check(config.usage.check());
        check(config.buffer.validate().map_err(|errors| errors.join("\n")));
        config.destinations().iter().for_each(|destination| check(destination.check()));
        let names = config.identity.aliases.iter().map(String::as_str);
        let aliases =
            Aliases::new(names.chain([stamp::TENANT_ID, stamp::TENANT_SLUG, stamp::TENANT_INHERITED]));
        let declaring = config.identity.aliases.len().min(usize::from(u8::MAX)) as u8;
        let transforms = Transforms::compile(&config.transforms, &aliases, document, "/transforms")
            .map_err(|errors| mistakes.extend(errors.iter().map(ToString::to_string)));
        let scrubber = Scrubber::new(&config.scrub).map_err(|error| mistakes.push(error.to_string()));
        let salted = scrubber.as_ref().is_ok_and(Scrubber::makes_pseudonyms);
        let master = key::master(&config, salted).map_err(|error| mistakes.push(error));
        let key = before.map_or_else(|| key::fingerprints(&config), |policy| policy.rules.key());
        let rules = detect::Rules::new(&config.detect, key).map_err(|error| mistakes.push(error));
        let router = Router::new(&config.destinations(), &config.routes, &catalogue)
            .map_err(|error| mistakes.push(error));
        let verifier = Issuers::new(&config.identity).map_err(|error| mistakes.push(error.to_string()));
        // What is wrong with them the check of the section has said.
        let peers = Peers::new(&config.identity.peers).unwrap_or_default();
        let hash = crate::config::hash(&config).map_err(|error| mistakes.push(error.to_string()));
        let (Ok(transforms), Ok(scrubber), Ok(master), Ok(rules), Ok(router), Ok(verifier), Ok(hash), true) =
            (transforms, scrubber, master, rules, router, verifier, hash, mistakes.is_empty())
        else {
            return Err(mistakes);
        };
        // Seconds for very many tenants; nobody waits for it, the policy before is in force until then.
        let wanted =
            config.detect.detectors.contains(&detect::DetectorName::Mentions) && !catalogue.is_empty();
        let platform = config.detect.platform_domains.iter().map(String::as_str);
        let mentions = wanted.then(|| Arc::new(detect::mentions::Mentions::of(&catalogue, platform)));
        Ok(Policy {
            epoch: before.map_or(1, |policy| policy.epoch.wrapping_add(1)),
            hash,
            catalogue,
            verifier: verifier.map(Arc::new),
            peers,
            aliases,
            declaring,
            transforms,
            scrubber: Arc::new(scrubber),
            master: Arc::new(master),
            rules: Arc::new(rules),
            mentions,
            router,
            config,
        })
    }

    /// The destinations of a tenant's data.
    pub fn targets(&self, signal: Signal, tenant: TenantId) -> Targets {
        self.router.targets(signal, tenant, &self.catalogue)
    }

    /// The tenant's slug.
    pub fn slug(&self, tenant: TenantId) -> Option<&str> {
        self.catalogue.get(tenant).and_then(|tenant| tenant.slug.as_deref())
    }
}

impl detect::Directory for Catalogue {
    fn named(&self, slug: &str) -> Option<TenantId> {
        self.by_slug(slug)
    }

    fn state(&self, tenant: TenantId) -> detect::TenantState {
        use crate::identify::State;
        use detect::TenantState;
        match self.get(tenant) {
            None if self.is_open() => TenantState::Unverified,
            None => TenantState::Unknown,
            Some(listed) => match listed.state {
                State::Deleted => TenantState::Deleted(listed.deleted_at),
                State::Suspended => TenantState::Suspended,
                State::Provisioning | State::Active | State::Migrating | State::Frozen => TenantState::Active,
            },
        }
    }
}
