//! Bearer tokens: JSON Web Tokens, verified against keys that are fixed or read from a key server.
//!
//! [`Verifier::verify`] is synchronous, on an immutable snapshot of the keys; [`Verifier::authenticate`]
//! adds what may need the key server: a key id that is not known yet.

mod api_keys;
mod cache;
mod issuers;
mod keys;
mod remote;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Validation, errors::ErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use api_keys::new_api_key;
pub use issuers::Issuers;
pub use keys::KeyError;
pub(super) use keys::library as algorithm;

use super::settings::{Algorithm, TokenSettings};
use crate::{limits, receipt::Refusal};
use api_keys::ApiKeys;
use cache::Cache;
use keys::Keys;
use remote::Remote;

/// What a verified token says. Its `Debug` shows no text of the token.
pub struct Claims {
    /// The tenant, as the token writes it; goes through [`normalise`](super::normalise()).
    pub tenant: Option<Box<str>>,
    /// Further tenants that the principal may write for, as the token writes them.
    pub allowed: Box<[Box<str>]>,
    /// A keyed fingerprint of the principal, 16 hex digits: for findings and logs.
    pub fingerprint: Option<Box<str>>,
    /// When the token ends, in seconds since 1970.
    pub expires: u64,
    /// What the configuration calls the sender: that of an API key or of a client certificate. May be shown.
    pub name: Option<Box<str>>,
    /// The only tenants that this may be used for, where a client certificate stands beside the token.
    pub(super) within: Option<Box<[Box<str>]>>,
    subject: Option<Box<str>>,
}

impl Claims {
    /// The principal itself: to be compared, never to be shown.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Who it is, as it may be shown: the configuration's name, or `principal:` and the fingerprint, or `unnamed`.
    pub fn actor(&self) -> String {
        match (&self.name, &self.fingerprint) {
            (Some(name), _) => name.to_string(),
            (None, Some(fingerprint)) => format!("principal:{fingerprint}"),
            (None, None) => "unnamed".into(),
        }
    }

    /// The claims of a client certificate that is on a list.
    pub(super) fn of_peer(name: &str, tenant: Option<&str>, allowed: &[String]) -> Self {
        Claims {
            tenant: tenant.map(Into::into),
            allowed: allowed.iter().map(|text| text.as_str().into()).collect(),
            fingerprint: None,
            expires: u64::MAX,
            name: Some(name.into()),
            within: None,
            subject: Some(name.into()),
        }
    }

    /// The same claims, to be used for these tenants alone.
    pub(super) fn kept_within(&self, tenants: impl Iterator<Item = Box<str>>) -> Self {
        Claims {
            tenant: self.tenant.clone(),
            allowed: self.allowed.clone(),
            fingerprint: self.fingerprint.clone(),
            expires: self.expires,
            name: self.name.clone(),
            within: Some(tenants.collect()),
            subject: self.subject.clone(),
        }
    }

    /// Claims for tests and the demo, as if verified.
    pub fn assumed(tenant: Option<&str>, subject: Option<&str>, allowed: &[&str]) -> Self {
        Claims {
            tenant: tenant.map(Into::into),
            allowed: allowed.iter().map(|text| Box::from(*text)).collect(),
            fingerprint: subject.map(|_| "0000000000000000".into()),
            expires: u64::MAX,
            name: None,
            within: None,
            subject: subject.map(Into::into),
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("tenant", &self.tenant.is_some())
            .field("allowed", &self.allowed.len())
            .field("principal", &self.fingerprint)
            .field("expires", &self.expires)
            .finish()
    }
}

/// Why a token was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// A token is required and none came.
    Missing,
    /// It is no JSON Web Token.
    Malformed,
    /// Its algorithm is not taken, or does not fit the key; `none` is never taken.
    Algorithm,
    /// No key has its key id.
    UnknownKey,
    /// No key verifies its signature.
    Signature,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// It is of another issuer.
    Issuer,
    /// It is for another audience.
    Audience,
    /// A claim is missing or of the wrong type.
    Claim,
    /// The key server is away, so nobody can say; try again.
    KeysUnavailable {
        /// After how long.
        retry_after: Duration,
    },
}

impl TokenError {
    /// The reason as one word, for metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            TokenError::Missing => "missing_token",
            TokenError::Malformed => "malformed_token",
            TokenError::Algorithm => "algorithm",
            TokenError::UnknownKey => "unknown_key",
            TokenError::Signature => "signature",
            TokenError::Expired => "expired",
            TokenError::NotYetValid => "not_yet_valid",
            TokenError::Issuer => "issuer",
            TokenError::Audience => "audience",
            TokenError::Claim => "claim",
            TokenError::KeysUnavailable { .. } => "keys_unavailable",
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenError::Missing => {
                "a bearer token is required: send the header `authorization: Bearer <token>`"
            }
            TokenError::Malformed => {
                "the bearer token is neither a signed JSON Web Token nor a known API key"
            }
            TokenError::Algorithm => "the token's algorithm is not accepted for its key",
            TokenError::UnknownKey => "the token names a key that its issuer does not publish",
            TokenError::Signature => "the token's signature does not verify",
            TokenError::Expired => "the token or key has expired; get a new one",
            TokenError::NotYetValid => "the token is not valid yet; check the clocks",
            TokenError::Issuer => "the token is of an issuer that is not accepted",
            TokenError::Audience => "the token is for another audience",
            TokenError::Claim => "a claim that is needed is missing from the token, or of the wrong type",
            TokenError::KeysUnavailable { .. } => {
                "the keys that verify tokens cannot be read now; send again later"
            }
        })
    }
}

impl std::error::Error for TokenError {}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Refusal {
        match error {
            TokenError::KeysUnavailable { retry_after } => {
                Refusal::Unavailable { message: error.to_string(), retry_after }
            }
            _ => Refusal::Unauthenticated(error.to_string()),
        }
    }
}

impl From<jsonwebtoken::errors::Error> for TokenError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Signature,
            ErrorKind::ExpiredSignature => TokenError::Expired,
            ErrorKind::ImmatureSignature => TokenError::NotYetValid,
            ErrorKind::InvalidIssuer => TokenError::Issuer,
            ErrorKind::InvalidAudience => TokenError::Audience,
            ErrorKind::MissingRequiredClaim(name) if name == "iss" => TokenError::Issuer,
            ErrorKind::MissingRequiredClaim(name) if name == "aud" => TokenError::Audience,
            ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => TokenError::Claim,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => TokenError::Algorithm,
            ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
                TokenError::Malformed
            }
            _ => TokenError::Signature,
        }
    }
}

/// What the verifier reads of a token's header before it trusts anything of it.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// Verifies tokens.
pub struct Verifier {
    settings: TokenSettings,
    /// One for each algorithm, in the order of [`keys::ALGORITHMS`].
    validations: [Validation; 4],
    keys: ArcSwap<Keys>,
    api_keys: ApiKeys,
    cache: Cache,
    remote: Remote,
    fingerprints: hmac::Key,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.keys.load().list.len()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads the keys that are in files. `None` where the settings name no key: tokens are not looked at.
    ///
    /// # Errors
    /// A file cannot be read or holds no usable key; the secret is too short.
    pub fn new(settings: &TokenSettings) -> Result<Option<Self>, KeyError> {
        if !settings.has_keys() {
            return Ok(None);
        }
        let (remote, list) = Remote::new(settings)?;
        let fingerprints = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new())
            .map_err(|_| KeyError("no randomness for the key of fingerprints".into()))?;
        Ok(Some(Verifier {
            validations: keys::ALGORITHMS.map(|algorithm| validation(settings, algorithm)),
            keys: ArcSwap::from_pointee(Keys { list, generation: 0 }),
            api_keys: ApiKeys::new(&settings.api_keys)?,
            cache: Cache::new(limits::TOKEN_CACHE),
            remote,
            fingerprints,
            settings: settings.clone(),
        }))
    }

    /// Fingerprints principals under a key that outlives the process, so that they stay comparable.
    pub fn with_fingerprint_key(mut self, key: &[u8]) -> Self {
        self.fingerprints = hmac::Key::new(hmac::HMAC_SHA256, key);
        self
    }

    /// Verifies a token against the keys at hand. A token that was verified before is looked up.
    ///
    /// # Errors
    /// [`TokenError`]; never [`TokenError::KeysUnavailable`].
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let mut name = [0; 32];
        name.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let now = jsonwebtoken::get_current_timestamp();
        if let Some(entry) = self.api_keys.get(&name) {
            return if entry.expires > now { Ok(self.api_claims(entry)) } else { Err(TokenError::Expired) };
        }
        if token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(TokenError::Malformed);
        }
        let keys = self.keys.load();
        if let Some(claims) = self.cache.get(&name, keys.generation, now) {
            return Ok(claims);
        }
        let claims = Arc::new(self.verify_with(token, &keys)?);
        let until = claims.expires.saturating_add(self.settings.leeway.as_secs());
        self.cache.put(name, keys.generation, until, now, Arc::clone(&claims));
        Ok(claims)
    }

    /// Verifies the `authorization` header of a request, asking the key server where a key is not known.
    /// Without a bearer token the answer is `None`, unless one is required.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`], or [`Refusal::Unavailable`] where the key server is away.
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Option<Arc<Claims>>, Refusal> {
        let Some(token) = authorization.and_then(bearer) else {
            return if self.settings.required { Err(TokenError::Missing.into()) } else { Ok(None) };
        };
        let error = match self.verify(token) {
            Ok(claims) => return Ok(Some(claims)),
            Err(error) => error,
        };
        let kid = header(token).ok().and_then(|header| header.kid);
        // Without a key id a new key can't be told from a bad signature.
        let may_be_new = error == TokenError::UnknownKey || (error == TokenError::Signature && kid.is_none());
        if !may_be_new || !self.remote.has_url() {
            return Err(error.into());
        }
        self.remote.refresh_for(kid.as_deref(), error, &self.keys).await?;
        Ok(Some(self.verify(token)?))
    }

    /// Reads the JWKS again: the file if it has changed, and the URL.
    ///
    /// # Errors
    /// What failed; the keys in use stay.
    pub async fn refresh(&self) -> Result<(), KeyError> {
        self.remote.refresh(&self.keys).await
    }

    /// Keeps the keys fresh, for ever: a task of its own. Nothing to do where all keys are fixed.
    pub async fn run(self: Arc<Self>) {
        while self.remote.changes() {
            let pause = match self.refresh().await {
                Ok(()) => self.settings.jwks_refresh,
                Err(error) => {
                    tracing::warn!(error = %error, "token keys could not be read; those in use stay");
                    self.settings.jwks_min_refresh.min(self.settings.jwks_refresh)
                }
            };
            tokio::time::sleep(pause.max(Duration::from_secs(1))).await;
        }
    }

    fn verify_with(&self, token: &str, keys: &Keys) -> Result<Claims, TokenError> {
        let header = header(token)?;
        // Extensions that must be understood, and are not.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let (at, algorithm) = keys::named(&header.alg).ok_or(TokenError::Algorithm)?;
        if !self.settings.algorithms.contains(&algorithm) {
            return Err(TokenError::Algorithm);
        }
        let mut error = TokenError::UnknownKey;
        let mut tried = 0;
        for key in keys.candidates(header.kid.as_deref()) {
            if key.algorithm != algorithm {
                // A key there is, of another kind: a public key is no HMAC secret.
                error = match error {
                    TokenError::UnknownKey => TokenError::Algorithm,
                    error => error,
                };
                continue;
            }
            if tried == limits::TOKEN_KEYS_TRIED {
                break;
            }
            tried += 1;
            match jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &self.validations[at]) {
                Ok(data) => return self.claims(&data.claims),
                Err(failed) => error = failed.into(),
            }
            if error != TokenError::Signature {
                break;
            }
        }
        Err(error)
    }

    fn claims(&self, claims: &Map<String, Value>) -> Result<Claims, TokenError> {
        let text = |name: &str| match find(claims, name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(Box::<str>::from(text.as_str()))),
            Some(_) => Err(TokenError::Claim),
        };
        let allowed = match find(claims, &self.settings.allowed_claim) {
            None | Some(Value::Null) => Box::default(),
            Some(Value::Array(list)) if list.len() <= limits::ALLOWED_TENANTS => list
                .iter()
                .map(|item| item.as_str().map(Box::from).ok_or(TokenError::Claim))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(TokenError::Claim),
        };
        let subject = text(&self.settings.subject_claim)?;
        let expires = claims.get("exp").and_then(|exp| exp.as_u64().or(exp.as_f64().map(|exp| exp as u64)));
        Ok(Claims {
            tenant: text(&self.settings.claim)?,
            allowed,
            fingerprint: subject.as_deref().map(|subject| self.fingerprint(subject)),
            expires: expires.ok_or(TokenError::Claim)?,
            name: None,
            within: None,
            subject,
        })
    }

    fn api_claims(&self, entry: &api_keys::Entry) -> Arc<Claims> {
        let key = &entry.key;
        Arc::new(Claims {
            tenant: key.tenant.as_deref().map(Into::into),
            allowed: key.allowed_tenants.iter().map(|tenant| tenant.as_str().into()).collect(),
            fingerprint: Some(self.fingerprint(&key.name)),
            expires: entry.expires,
            name: Some(key.name.as_str().into()),
            within: None,
            subject: Some(key.name.as_str().into()),
        })
    }

    fn fingerprint(&self, subject: &str) -> Box<str> {
        let tag = hmac::sign(&self.fingerprints, subject.as_bytes());
        tag.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

/// The claim of this very name, or the one that the dotted path leads to.
fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, part| value.get(part))
    })
}

pub(crate) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn header(token: &str) -> Result<Header, TokenError> {
    let encoded = token.split('.').next().unwrap_or_default();
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
}

fn validation(settings: &TokenSettings, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(keys::library(algorithm));
    let mut required = vec!["exp"];
    validation.validate_nbf = true;
    validation.leeway = settings.leeway.as_secs();
    validation.validate_aud = !settings.audience.is_empty();
    // The library checks issuer and audience where they are there; here they must be there.
    if !settings.audience.is_empty() {
        validation.set_audience(&settings.audience);
        required.push("aud");
    }
    if !settings.issuer.is_empty() {
        validation.set_issuer(&settings.issuer);
        required.push("iss");
    }
    validation.set_required_spec_claims(&required);
    validation
}
