//! Tenants and signed tokens in one line each: for tests and the demo, never for the gate itself.

use std::fmt::Write;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    catalogue::Entry,
    settings::{Algorithm, TokenSettings},
};
use crate::{batch::TenantId, config::Secret};

/// The id of the tenant of a name: always the same for the same name.
pub fn tenant_id(slug: &str) -> TenantId {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, slug.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    TenantId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// A tenant of a catalogue: its slug, and an id made of it.
pub fn tenant(slug: &str) -> Entry {
    Entry { id: tenant_id(slug).to_string(), slug: Some(slug.into()), ..Entry::default() }
}

/// A catalogue file of these tenants (JSON, which is YAML too).
pub fn catalogue(tenants: &[Entry]) -> String {
    serde_json::to_string_pretty(&json!({ "tenants": tenants })).unwrap_or_default()
}

/// A catalogue file of `count` tenants in YAML as people write it.
pub fn catalogue_of(count: usize) -> String {
    let mut text = String::from("tenants:\n");
    for number in 0..count {
        let id = Uuid::from_u128(0x7f0c_8e0a_52a4_4c3d_9d0e_0000_0000_0000 + number as u128 + 1);
        let _ = writeln!(
            text,
            "  - id: {id}\n    slug: tenant-{number}\n    name: Tenant {number}\n    isolation: rls\n    \
             limits: {{ items_per_second: 1000, series: 5000 }}"
        );
    }
    text
}

/// An issuer of tokens with one key.
pub struct Signer {
    /// The id of its key.
    pub kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
    public: Value,
    secret: Option<String>,
}

impl Signer {
    /// An issuer with a new key.
    ///
    /// # Panics
    /// Where the system gives no randomness.
    pub fn new(algorithm: Algorithm, kid: &str) -> Self {
        let random = SystemRandom::new();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (key, public, secret) = match algorithm {
            Algorithm::HS256 => {
                let mut bytes = [0; 32];
                aws_lc_rs::rand::fill(&mut bytes).expect("randomness");
                let secret = text(&bytes);
                let public = json!({ "kty": "oct", "k": text(secret.as_bytes()) });
                (EncodingKey::from_secret(secret.as_bytes()), public, Some(secret))
            }
            Algorithm::RS256 => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("randomness");
                let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("a key that was just made");
                let n = pair.public_key().modulus().big_endian_without_leading_zero();
                let e = pair.public_key().exponent().big_endian_without_leading_zero();
                let public = json!({ "kty": "RSA", "n": text(n), "e": text(e) });
                // The library takes RSA keys of this form in PEM alone.
                let pem = format!(
                    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
                    STANDARD.encode(der.as_ref())
                );
                let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key that was just made");
                (key, public, None)
            }
            Algorithm::ES256 => {
                let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                    .expect("randomness");
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref())
                    .expect("a key that was just made");
                let point = pair.public_key().as_ref();
                let public = json!({
                    "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..65]),
                });
                (EncodingKey::from_ec_der(der.as_ref()), public, None)
            }
            Algorithm::EdDSA => {
                let der = Ed25519KeyPair::generate_pkcs8(&random).expect("randomness");
                let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a key that was just made");
                let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) });
                (EncodingKey::from_ed_der(der.as_ref()), public, None)
            }
        };
        Signer { kid: kid.into(), algorithm, key, public, secret }
    }

    /// A token for a tenant, good for an hour.
    pub fn token(&self, tenant: TenantId) -> String {
        self.sign(&json!({ "tid": tenant.to_string(), "sub": "demo", "exp": now() + 3600 }))
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(super::token::algorithm(self.algorithm));
        header.kid = Some(self.kid.clone());
        self.sign_as(&header, claims)
    }

    /// A token with this header and these claims.
    ///
    /// # Panics
    /// Where the header's algorithm is not the key's.
    pub fn sign_as(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).expect("an algorithm that fits the key")
    }

    /// The public key as a JWK (for HS256 the secret one).
    pub fn jwk(&self) -> Value {
        let mut jwk = self.public.clone();
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// Settings that verify this issuer's tokens; HS256 only, since other keys come from a file or a URL.
    pub fn settings(&self) -> TokenSettings {
        let secret = Secret::new(self.secret.clone().unwrap_or_default());
        TokenSettings { secret, ..TokenSettings::default() }
    }
}

/// A JWKS of these issuers.
pub fn jwks(signers: &[&Signer]) -> String {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Seconds since 1970.
pub fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}
