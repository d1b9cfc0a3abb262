//! Records that others can verify: signed with a key of the gate's own, as JWS (RFC 7515) with Ed25519 (RFC 8037).

use std::{fs, io, path::Path};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::Value;

use crate::config::write_whole;

/// The type in the header of each record.
const TYPE: &str = "portcullis-record";
/// The private key: PEM, for the gate alone.
const KEY: &str = "signing.key";
/// The public key: PEM, to be given to whoever verifies.
const PUBLIC: &str = "signing.pub";
/// What stands before the 32 bytes of an Ed25519 public key in DER (RFC 8410).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs records with the key in a directory, which is made, with the key, if it is missing.
///
/// # Errors
/// The key cannot be read, written or used.
pub fn sign(directory: &Path, record: &Value) -> io::Result<String> {
    let pem = key(directory)?;
    let other = |error: jsonwebtoken::errors::Error| io::Error::other(format!("{KEY}: {error}"));
    let key = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(other)?;
    let header = Header { typ: Some(TYPE.into()), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, record, &key).map_err(other)
}

/// The record in a signed text, if the public key (PEM) verifies it.
///
/// # Errors
/// The key is none, or the text was not signed with it.
pub fn verify(text: &str, public: &str) -> Result<Value, String> {
    let key = DecodingKey::from_ed_pem(public.as_bytes())
        .map_err(|_| "the key is none: expected a PEM with BEGIN PUBLIC KEY (Ed25519)".to_owned())?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    // A record does not end.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let read = jsonwebtoken::decode::<Value>(text.trim(), &key, &validation)
        .map_err(|_| "the record was not signed with this key, or was changed since".to_owned())?;
    if read.header.typ.as_deref() != Some(TYPE) {
        return Err("it is signed, but no record of a gate".into());
    }
    Ok(read.claims)
}

fn key(directory: &Path) -> io::Result<String> {
    let path = directory.join(KEY);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let pair =
        Ed25519KeyPair::generate().map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let der =
        AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| io::Error::other("no form for a new key"))?;
    let private = pem("PRIVATE KEY", der.as_ref());
    let public = [&PUBLIC_PREFIX[..], pair.public_key().as_ref()].concat();
    write_whole(&directory.join(PUBLIC), pem("PUBLIC KEY", &public).as_bytes())?;
    write_whole(&path, private.as_bytes())?;
    Ok(private)
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Scenario: records signed before and after a restart, one changed, another key. Guarantee: the public file
    /// verifies both, and neither of the others.
    #[test]
    fn a_record_is_verified_by_its_key_alone() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let record = json!({ "tenant_id": "x", "n": 1 });
        let (one, two) = (sign(here.path(), &record).unwrap(), sign(here.path(), &record).unwrap());
        let public = fs::read_to_string(here.path().join(PUBLIC)).unwrap();
        assert_eq!(verify(&one, &public).unwrap(), record);
        assert_eq!(verify(&two, &public).unwrap(), record);
        let mut parts: Vec<&str> = one.split('.').collect();
        let forged = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"tenant_id":"x","n":2}"#);
        parts[1] = &forged;
        assert!(verify(&parts.join("."), &public).is_err());
        sign(there.path(), &record).unwrap();
        let other = fs::read_to_string(there.path().join(PUBLIC)).unwrap();
        assert!(verify(&one, &other).is_err());
    }
}
