//! What an operator can say about identity.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Inherit,
    catalogue::{Isolation, Limits},
    peers::Peers,
    shared::SharedLimits,
};
use crate::{config::Secret, limits};

/// How a tenant is established, and what becomes of items that have none.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `enforce` rejects items without a valid tenant; `observe` lets them through and counts them.
    /// Default: `enforce`; without any
    /// configuration file, `observe`.
    pub mode: Mode,
    /// Bearer tokens (JWT) and the keys that verify them. Without keys, tokens are not looked at.
    pub token: TokenSettings,
    /// Further issuers, each with its own keys, claims and audiences: a token whose `iss` is among one's `issuer` is
    /// verified by that one alone, every other token as `token` says. Default: none.
    pub issuers: Vec<TokenSettings>,
    /// Senders known by their client certificate (mTLS): what a verified token says of others, this says of them. The
    /// first that fits counts. Default: none.
    pub peers: Vec<Peer>,
    /// Request headers (gRPC metadata) that may name the tenant, in order of precedence; case does not matter.
    pub headers: Vec<String>,
    /// Attributes that may name the tenant, in order of precedence; case does not matter. All of them
    /// are removed from the data; `tenant_id` is put in.
    pub aliases: Vec<String>,
    /// Keys of W3C `tracestate` members that may name the tenant of a span, in order of precedence. They are looked at
    /// last, and stay in the data. Default: none.
    pub tracestate: Vec<String>,
    /// Whether who names no tenant takes that of its trace.
    pub inherit: Inherit,
    /// What becomes of an item whose declared tenant is not the claimed one: `keep_claim` files it
    /// under the claim and reports it; `reject` rejects and reports it. Default: `keep_claim`.
    pub on_mismatch: OnMismatch,
    /// The tenants that exist.
    pub catalogue: CatalogueSettings,
    /// How long after `deleted_at` the event time of a deleted tenant's data may lie for the data to be
    /// taken still. Default: `1h`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub deleted_grace: Duration,
    /// How long after `deleted_at` everything that is kept of a deleted tenant is destroyed, as by `portcullis tenants
    /// purge`; `0s`: never by itself. Default: `0s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub purge_after: Duration,
    /// Limits of tenants for which the catalogue says none, by isolation tier. They hold instead of
    /// `default_limits`, not beside them. Default: none.
    pub tier_limits: BTreeMap<Isolation, Limits>,
    /// Limits of tenants for which neither the catalogue nor their tier says any. Default: no limits.
    pub default_limits: Limits,
    /// Limits a second that hold over several gates together. Default: none; each gate lets the whole limit through.
    pub shared_limits: Option<SharedLimits>,
}

impl Default for Settings {
    fn default() -> Self {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Settings {
            mode: Mode::default(),
            token: TokenSettings::default(),
            issuers: Vec::new(),
            peers: Vec::new(),
            headers: own(&["x-tenant-id", "x-scope-orgid"]),
            aliases: own(&[
                "tenant_id",
                "tenant.id",
                "tenantId",
                "tenant",
                "tenant_uuid",
                "org_id",
                "organization.id",
                "account_id",
                "x-tenant-id",
                "x-scope-orgid",
            ]),
            tracestate: Vec::new(),
            inherit: Inherit::default(),
            on_mismatch: OnMismatch::default(),
            catalogue: CatalogueSettings::default(),
            deleted_grace: Duration::from_secs(3600),
            purge_after: Duration::ZERO,
            tier_limits: BTreeMap::new(),
            default_limits: Limits::default(),
            shared_limits: None,
        }
    }
}

impl Settings {
    /// Whether there is anything to verify a token with.
    pub fn has_keys(&self) -> bool {
        self.token.has_keys() || !self.issuers.is_empty()
    }

    fn check_issuers(&self) -> Result<(), String> {
        if self.issuers.len() > limits::ISSUERS {
            return Err(format!("identity.issuers: more than {}", limits::ISSUERS));
        }
        for (number, issuer) in self.issuers.iter().enumerate() {
            let place = format!("identity.issuers[{number}]");
            if issuer.issuer.is_empty() {
                return Err(format!("{place}.issuer: empty; expected what its tokens have as `iss`"));
            }
            if !issuer.has_keys() {
                return Err(format!("{place}: no key to verify tokens with; give jwks_url or another"));
            }
            if issuer.required || !issuer.api_keys.is_empty() {
                return Err(format!("{place}: required and api_keys are said once, in identity.token"));
            }
            let twice =
                |name: &String| self.issuers[..number].iter().any(|other| other.issuer.contains(name));
            if issuer.issuer.iter().any(twice) {
                return Err(format!("{place}.issuer: another issuer has the same `iss`"));
            }
            issuer.check().map_err(|said| said.replacen("identity.token", &place, 1))?;
        }
        Ok(())
    }

    /// Holds the settings against each other.
    ///
    /// # Errors
    /// Says which setting is wrong, what is expected and how to mend it.
    pub fn check(&self) -> Result<(), String> {
        if self.aliases.is_empty() {
            return Err("identity.aliases: empty; at least `tenant_id` is expected".into());
        }
        if self.aliases.len() > limits::TENANT_ALIASES {
            return Err(format!("identity.aliases: more than {} names", limits::TENANT_ALIASES));
        }
        self.check_issuers()?;
        if !self.purge_after.is_zero() && self.purge_after < self.deleted_grace {
            return Err("identity.purge_after: less than deleted_grace; late data would come after it".into());
        }
        if self.tracestate.len() > limits::TENANT_ALIASES {
            return Err(format!("identity.tracestate: more than {} keys", limits::TENANT_ALIASES));
        }
        if let Some(key) = self.tracestate.iter().find(|key| key.is_empty() || key.contains([',', '=', ' ']))
        {
            return Err(format!(
                "identity.tracestate: {key:?} is no key; expected the like of tenant or org@vendor"
            ));
        }
        self.inherit.check()?;
        Peers::new(&self.peers)?;
        if self.token.required && !self.has_keys() && self.peers.is_empty() {
            return Err("identity.token.required: no key to verify tokens with; give one of jwks_url, \
                        jwks_file, public_key_file, secret, secret_file, api_keys"
                .into());
        }
        let named = |name: String, limits: &Limits| limits.check().map_err(|said| format!("{name}: {said}"));
        named("identity.default_limits".into(), &self.default_limits)?;
        for (tier, limits) in &self.tier_limits {
            named(format!("identity.tier_limits.{}", tier.as_str()), limits)?;
        }
        if let Some(shared) = &self.shared_limits {
            shared.check()?;
        }
        self.catalogue.check()?;
        self.token.check()
    }
}

/// Whether items without a valid tenant are rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are rejected by partial success, and kept scrubbed in quarantine.
    #[default]
    Enforce,
    /// They go through, and are counted.
    Observe,
}

/// What becomes of an item that declares another tenant than the one its sender was verified as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMismatch {
    /// It is filed under the verified tenant, and reported.
    #[default]
    KeepClaim,
    /// It is rejected, and reported.
    Reject,
}

/// Where the tenants that exist are listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogueSettings {
    /// A YAML or JSON file, read again when it changes. Without any source every well-formed uuid is a known
    /// tenant.
    pub file: Option<PathBuf>,
    /// A URL that answers with the same, asked again with its `ETag`.
    pub url: Option<String>,
    /// Headers of that request, such as `authorization`.
    pub headers: BTreeMap<String, Secret>,
    /// A database that holds the tenants.
    pub postgres: Option<PostgresSettings>,
    /// How often a URL or database is asked again. Default: `30s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub refresh: Duration,
    /// How long an answer may take. Default: `10s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for CatalogueSettings {
    fn default() -> Self {
        CatalogueSettings {
            file: None,
            url: None,
            headers: BTreeMap::new(),
            postgres: None,
            refresh: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
        }
    }
}

impl CatalogueSettings {
    /// Whether a catalogue is given at all.
    pub fn is_given(&self) -> bool {
        self.file.is_some() || self.is_remote()
    }

    /// Whether it comes from elsewhere.
    pub fn is_remote(&self) -> bool {
        self.url.is_some() || self.postgres.is_some()
    }

    fn check(&self) -> Result<(), String> {
        let sources = [self.file.is_some(), self.url.is_some(), self.postgres.is_some()];
        if sources.into_iter().filter(|given| *given).count() > 1 {
            return Err("identity.catalogue: expected one of file, url, postgres, not several".into());
        }
        if let Some(url) = &self.url
            && !url.starts_with("https://")
            && !url.starts_with("http://")
        {
            return Err("identity.catalogue.url: expected a URL that begins with https://".into());
        }
        if self.refresh < Duration::from_millis(100) || self.timeout.is_zero() {
            return Err("identity.catalogue: refresh of 100ms or more, timeout of more than 0".into());
        }
        Ok(())
    }
}

/// A PostgreSQL database that holds the tenants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresSettings {
    /// How to reach it: `postgresql://user:password@host/database`, with `sslmode` and the like. With TLS the
    /// server's certificate is verified, always.
    pub url: Secret,
    /// A file that holds the same.
    pub url_file: Option<PathBuf>,
    /// A SELECT whose columns are the fields of a tenant: `id`, and any of `slug`, `former_slugs`, `name`,
    /// `domains`, `isolation`, `state`, `deleted_at`, `limits`, `route`, `canaries`, `allowed`.
    pub query: String,
    /// A channel (`NOTIFY`) on which a change is told; without one it is seen at the next refresh.
    pub notify: Option<String>,
    /// A PEM file with the certificates that sign the server's. Default: those of the system.
    pub ca_file: Option<PathBuf>,
}

/// A signature algorithm of JWT (RFC 7518). There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Algorithm {
    /// HMAC with SHA-256: a secret shared with the issuer.
    HS256,
    /// RSA PKCS #1 v1.5 with SHA-256; keys of 2048 to 8192 bits.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

/// A key of a sender that has no issuer of tokens. `portcullis api-key` makes one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKey {
    /// What it is known by: a principal, as the subject of a token is.
    pub name: String,
    /// The SHA-256 of the key, 64 hex digits.
    pub sha256: String,
    /// The tenant that its data is of: uuid or slug. Default: none (the data says so itself).
    pub tenant: Option<String>,
    /// Further tenants that it may write for. Default: none.
    pub allowed_tenants: Vec<String>,
    /// When it ends: a date and time of RFC 3339. Default: never.
    pub expires: Option<String>,
}

/// A sender that is known by its client certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Peer {
    /// The certificate's subject as `openssl x509 -noout -subject -nameopt RFC2253` shows it, such as
    /// `CN=checkout,O=Acme`; one `*` stands for any text within one part. Or `sha256:` and the 64 hex digits of its
    /// fingerprint.
    pub subject: String,
    /// What it is known by: a principal, as the subject of a token is. Default: `subject`.
    pub name: Option<String>,
    /// The tenant that its data is of: uuid or slug. Default: none (the data says so itself).
    pub tenant: Option<String>,
    /// Further tenants that it may write for. Default: none.
    pub allowed_tenants: Vec<String>,
}

/// Bearer tokens and the keys that verify them.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSettings {
    /// Whether a request without a valid token is refused. Default: false.
    pub required: bool,
    /// The claim that holds the tenant; a dotted path where no claim has the whole name. Default: `tid`.
    pub claim: String,
    /// The claim that lists further tenants that the principal may write for. Default: `allowed_tenants`.
    pub allowed_claim: String,
    /// The claim that names the principal. Default: `sub`.
    pub subject_claim: String,
    /// Algorithms that are taken, among those that fit a key. Default: all four.
    pub algorithms: Vec<Algorithm>,
    /// Issuers (`iss`) that are taken; empty: any.
    pub issuer: Vec<String>,
    /// Audiences (`aud`) of which a token must have one; empty: tokens with any or no audience are taken.
    pub audience: Vec<String>,
    /// Clock difference to the issuer that is allowed in `exp` and `nbf`. Default: `30s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub leeway: Duration,
    /// A secret for HS256, 32 bytes or more.
    pub secret: Secret,
    /// A file that holds the secret for HS256 (white space around it is not part of it).
    pub secret_file: Option<PathBuf>,
    /// A PEM file with public keys (`BEGIN PUBLIC KEY`): RSA, P-256 or Ed25519.
    pub public_key_file: Option<PathBuf>,
    /// A JWKS file, read again when it changes.
    pub jwks_file: Option<PathBuf>,
    /// A JWKS URL. Symmetric keys in it are not taken.
    pub jwks_url: Option<String>,
    /// Keys of senders that have no issuer of tokens: sent as bearer tokens, kept as their SHA-256.
    pub api_keys: Vec<ApiKey>,
    /// How often the JWKS is read again. Default: `5m`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub jwks_refresh: Duration,
    /// How long a read of the JWKS that an unknown key id brings about keeps off the next but two. Default: `10s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub jwks_min_refresh: Duration,
    /// How long one read of the JWKS may take. Default: `5s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub jwks_timeout: Duration,
}

impl Default for TokenSettings {
    fn default() -> Self {
        TokenSettings {
            required: false,
            claim: "tid".into(),
            allowed_claim: "allowed_tenants".into(),
            subject_claim: "sub".into(),
            algorithms: vec![Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
            issuer: Vec::new(),
            audience: Vec::new(),
            leeway: Duration::from_secs(30),
            secret: Secret::default(),
            secret_file: None,
            public_key_file: None,
            jwks_file: None,
            jwks_url: None,
            api_keys: Vec::new(),
            jwks_refresh: Duration::from_secs(300),
            jwks_min_refresh: Duration::from_secs(10),
            jwks_timeout: Duration::from_secs(5),
        }
    }
}

impl TokenSettings {
    /// Whether there is anything to verify a token with.
    pub fn has_keys(&self) -> bool {
        !self.secret.is_empty()
            || self.secret_file.is_some()
            || self.public_key_file.is_some()
            || self.jwks_file.is_some()
            || self.jwks_url.is_some()
            || !self.api_keys.is_empty()
    }

    fn check(&self) -> Result<(), String> {
        if self.algorithms.is_empty() {
            return Err(
                "identity.token.algorithms: empty; expected some of HS256, RS256, ES256, EdDSA".into()
            );
        }
        if self.claim.is_empty() {
            return Err("identity.token.claim: empty; expected the name of a claim, for example tid".into());
        }
        if self.leeway > Duration::from_secs(3600) {
            return Err("identity.token.leeway: more than 1h".into());
        }
        if let Some(url) = &self.jwks_url
            && !url.starts_with("https://")
            && !url.starts_with("http://")
        {
            return Err("identity.token.jwks_url: expected a URL that begins with https://".into());
        }
        Ok(())
    }
}
