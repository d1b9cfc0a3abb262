//! Keys: what they are read from, and which of them may verify a token.

use std::{fmt, path::Path};

use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde_json::Value;

use crate::{
    identify::settings::{Algorithm, TokenSettings},
    limits,
};

/// Every algorithm, in one order.
pub(super) const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Why there are no keys: what was read, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError(pub(super) String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

/// One key and the one algorithm that it is for: a key is never tried as a key of another kind.
#[derive(Clone)]
pub(super) struct Key {
    pub kid: Option<Box<str>>,
    pub algorithm: Algorithm,
    pub decoding: DecodingKey,
}

/// The keys in use at one time.
#[derive(Default)]
pub(super) struct Keys {
    pub list: Vec<Key>,
    /// Counts the changes.
    pub generation: u64,
}

impl Keys {
    /// The keys that a token with this key id may be verified with: those of the id; where none has it,
    /// those without one; for a token without an id, all.
    pub fn candidates<'k>(&'k self, kid: Option<&'k str>) -> impl Iterator<Item = &'k Key> {
        let known = kid.is_some_and(|kid| self.has(kid));
        self.list.iter().filter(move |key| match (kid, &key.kid) {
            (None, _) => true,
            (Some(kid), Some(own)) => **own == *kid,
            (Some(_), None) => !known,
        })
    }

    pub fn has(&self, kid: &str) -> bool {
        self.list.iter().any(|key| key.kid.as_deref() == Some(kid))
    }
}

/// The algorithm of a name in a token's header, with its place in [`ALGORITHMS`].
pub(super) fn named(name: &str) -> Option<(usize, Algorithm)> {
    let at = ["HS256", "RS256", "ES256", "EdDSA"].iter().position(|known| *known == name)?;
    Some((at, ALGORITHMS[at]))
}

/// The library's word for an algorithm.
pub(in crate::identify) fn library(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    }
}

/// The keys that do not change: the secret and the PEM file.
pub(super) fn fixed(settings: &TokenSettings) -> Result<Vec<Key>, KeyError> {
    let mut keys = Vec::new();
    if !settings.secret.is_empty() {
        keys.push(secret("identity.token.secret", settings.secret.expose().as_bytes())?);
    }
    if let Some(path) = &settings.secret_file {
        keys.push(secret(&path.display().to_string(), read(path)?.trim().as_bytes())?);
    }
    if let Some(path) = &settings.public_key_file {
        keys.extend(pem(&path.display().to_string(), &read(path)?)?);
    }
    Ok(keys)
}

fn secret(from: &str, secret: &[u8]) -> Result<Key, KeyError> {
    if secret.len() < 32 {
        return Err(KeyError(format!("{from}: expected 32 bytes or more for HS256 (RFC 7518)")));
    }
    Ok(Key { kid: None, algorithm: Algorithm::HS256, decoding: DecodingKey::from_secret(secret) })
}

fn pem(from: &str, text: &str) -> Result<Vec<Key>, KeyError> {
    const END: &str = "-----END ";
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let Some(end) = rest[begin..].find(END).map(|end| begin + end) else { break };
        let stop = rest[end..].find('\n').map_or(rest.len(), |line| end + line + 1);
        let block = &rest.as_bytes()[begin..stop];
        let key = if let Ok(key) = DecodingKey::from_rsa_pem(block) {
            (Algorithm::RS256, key)
        } else if let Some(key) = DecodingKey::from_ec_pem(block).ok().filter(is_p256) {
            (Algorithm::ES256, key)
        } else if let Ok(key) = DecodingKey::from_ed_pem(block) {
            (Algorithm::EdDSA, key)
        } else {
            return Err(KeyError(format!("{from}: expected public keys of RSA, P-256 or Ed25519 in PEM")));
        };
        keys.push(Key { kid: None, algorithm: key.0, decoding: key.1 });
        rest = &rest[stop..];
    }
    if keys.is_empty() || keys.len() > limits::TOKEN_KEYS {
        return Err(KeyError(format!("{from}: expected 1 to {} public keys in PEM", limits::TOKEN_KEYS)));
    }
    Ok(keys)
}

/// An uncompressed point of P-256 is 65 bytes long.
fn is_p256(key: &DecodingKey) -> bool {
    key.try_get_as_bytes().is_ok_and(|point| point.len() == 65)
}

/// The keys of a JWKS that can be used; others in it (for encryption, of other kinds) are passed over.
/// Symmetric keys are taken from a file alone: a secret that a server publishes is none.
pub(super) fn jwks(from: &str, json: &[u8], symmetric: bool) -> Result<Vec<Key>, KeyError> {
    let wrong = || KeyError(format!("{from}: expected a JWKS: a JSON object with a list `keys`"));
    let set: Value = serde_json::from_slice(json).map_err(|_| wrong())?;
    let list = set.get("keys").and_then(Value::as_array).ok_or_else(wrong)?;
    let keys: Vec<Key> =
        list.iter().take(limits::TOKEN_KEYS).filter_map(|value| jwk(value, symmetric)).collect();
    if keys.is_empty() {
        return Err(KeyError(format!("{from}: no key that can verify HS256, RS256, ES256 or EdDSA")));
    }
    Ok(keys)
}

fn jwk(value: &Value, symmetric: bool) -> Option<Key> {
    // One key that is not understood does not spoil the others.
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if matches!(jwk.common.public_key_use, Some(ref usage) if *usage != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::OctetKey(_) if symmetric => Algorithm::HS256,
        _ => return None,
    };
    // A key that says which algorithm it is for is for no other.
    let said = value.get("alg").and_then(Value::as_str);
    if said.is_some_and(|said| named(said).is_none_or(|(_, said)| said != algorithm)) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    if algorithm == Algorithm::HS256 && decoding.try_get_as_bytes().ok()?.len() < 32 {
        return None;
    }
    Some(Key { kid: jwk.common.key_id.map(Into::into), algorithm, decoding })
}

/// Reads a file of keys, bounded.
pub(super) fn read(path: &Path) -> Result<String, KeyError> {
    let failed = |what: &dyn fmt::Display| KeyError(format!("{}: {what}", path.display()));
    let meta = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if meta.len() > limits::JWKS_BYTES as u64 {
        return Err(failed(&"larger than 1 MiB; expected keys"));
    }
    std::fs::read_to_string(path).map_err(|error| failed(&error))
}
