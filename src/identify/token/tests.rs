use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http_body_util::Full;
use hyper::{Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm as Alg, EncodingKey, Header as JwtHeader};
use serde_json::json;

use super::*;
use crate::identify::factory::{Signer, jwks, now, tenant_id};

const ALL: [Algorithm; 4] = keys::ALGORITHMS;

/// A verifier on a JWKS file of these issuers.
fn on_file(signers: &[&Signer], change: impl FnOnce(&mut TokenSettings)) -> Verifier {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), jwks(signers)).unwrap();
    let mut settings =
        TokenSettings { jwks_file: Some(file.path().to_path_buf()), ..TokenSettings::default() };
    change(&mut settings);
    Verifier::new(&settings).unwrap().unwrap()
}

fn claims(extra: Value) -> Value {
    let mut claims = json!({ "tid": tenant_id("acme").to_string(), "sub": "u-1", "exp": now() + 60 });
    for (name, value) in extra.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn b64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Scenario: each algorithm with a real key. Guarantee: verified, with tenant, principal's fingerprint and end.
#[test]
fn every_algorithm_verifies() {
    for algorithm in ALL {
        let signer = Signer::new(algorithm, "k1");
        let verifier = on_file(&[&signer], |_| ());
        let claims = verifier.verify(&signer.token(tenant_id("acme"))).unwrap();
        assert_eq!(claims.tenant.as_deref(), Some(&*tenant_id("acme").to_string()), "{algorithm:?}");
        assert_eq!(claims.fingerprint.as_ref().unwrap().len(), 16);
        assert!(!format!("{claims:?}").contains("demo"));
    }
}

/// Scenario: a token of the right key, each time with one thing wrong. Guarantee: refused for that reason,
/// as unauthenticated.
#[test]
fn one_wrong_thing_is_refused_by_its_name() {
    let signer = Signer::new(Algorithm::ES256, "k1");
    let verifier = on_file(&[&signer], |settings| {
        settings.issuer = vec!["https://id.example".into()];
        settings.audience = vec!["telemetry".into(), "all".into()];
    });
    let good = json!({ "iss": "https://id.example", "aud": ["x", "telemetry"] });
    assert!(verifier.verify(&signer.sign(&claims(good.clone()))).is_ok());
    for (name, value, expected) in [
        ("exp", json!(now() - 31), TokenError::Expired),
        ("exp", Value::Null, TokenError::Claim),
        ("exp", json!("soon"), TokenError::Claim),
        ("nbf", json!(now() + 60), TokenError::NotYetValid),
        ("nbf", json!("soon"), TokenError::Claim),
        ("iss", json!("https://evil.example"), TokenError::Issuer),
        ("iss", Value::Null, TokenError::Issuer),
        ("iss", json!(5), TokenError::Issuer),
        ("aud", json!("other"), TokenError::Audience),
        ("aud", json!([]), TokenError::Audience),
        ("aud", Value::Null, TokenError::Audience),
        ("tid", json!(42), TokenError::Claim),
        ("tid", json!(["a"]), TokenError::Claim),
        ("allowed_tenants", json!("acme"), TokenError::Claim),
        ("allowed_tenants", json!(vec!["a"; limits::ALLOWED_TENANTS + 1]), TokenError::Claim),
    ] {
        let mut spoiled = good.clone();
        spoiled[name] = value.clone();
        let error = verifier.verify(&signer.sign(&claims(spoiled))).expect_err(name);
        assert_eq!(error, expected, "{name} {value}");
        assert!(matches!(Refusal::from(error), Refusal::Unauthenticated(_)));
    }
    // Within the leeway both ends hold.
    let mut near = good;
    near["exp"] = json!(now() - 10);
    near["nbf"] = json!(now() + 10);
    assert!(verifier.verify(&signer.sign(&claims(near))).is_ok());
}

/// Scenario: tokens without a signature, with another's, with a changed payload, or that are no tokens.
/// Guarantee: none is taken.
#[test]
fn forged_tokens_are_refused() {
    let signer = Signer::new(Algorithm::EdDSA, "k1");
    let forger = Signer::new(Algorithm::EdDSA, "k1");
    let verifier = on_file(&[&signer], |_| ());
    let token = signer.token(tenant_id("acme"));
    let parts: Vec<&str> = token.split('.').collect();
    let other = b64(&claims(json!({ "tid": tenant_id("bravo").to_string() })).to_string());
    for (token, expected) in [
        (format!("{}.{other}.", b64(r#"{"alg":"none"}"#)), TokenError::Algorithm),
        (format!("{}.{other}.", b64(r#"{"alg":"None","kid":"k1"}"#)), TokenError::Algorithm),
        (format!("{}.{other}.{}", b64(r#"{"alg":"HS512","kid":"k1"}"#), parts[2]), TokenError::Algorithm),
        (format!("{}.{other}.{}", parts[0], parts[2]), TokenError::Signature),
        (format!("{}.{other}.", parts[0]), TokenError::Signature),
        (forger.token(tenant_id("acme")), TokenError::Signature),
        (Signer::new(Algorithm::EdDSA, "k2").token(tenant_id("acme")), TokenError::UnknownKey),
        (
            format!("{}.{}.{}", b64(r#"{"alg":"EdDSA","kid":"k1","crit":["b64"]}"#), parts[1], parts[2]),
            TokenError::Malformed,
        ),
        (String::new(), TokenError::Malformed),
        ("a.b.c".into(), TokenError::Malformed),
        (format!("{token}.x"), TokenError::Malformed),
        (format!("{}.{}.{}", parts[0], parts[1], "é"), TokenError::Malformed),
        ("a".repeat(limits::TOKEN_BYTES + 1), TokenError::Malformed),
    ] {
        let error = verifier.verify(&token).expect_err("a forged token");
        assert_eq!(error, expected, "{token:.60}");
    }
}

/// Scenario: the public key of RS256 is used as the secret of HS256. Guarantee: refused: a key is for its kind.
#[test]
fn a_public_key_is_no_secret() {
    let signer = Signer::new(Algorithm::RS256, "k1");
    let verifier = on_file(&[&signer], |_| ());
    let modulus = signer.jwk()["n"].as_str().unwrap().to_string();
    for secret in [modulus.as_bytes(), &URL_SAFE_NO_PAD.decode(&modulus).unwrap()] {
        for kid in [Some("k1".to_string()), None] {
            let mut header = JwtHeader::new(Alg::HS256);
            header.kid = kid;
            let token =
                jsonwebtoken::encode(&header, &claims(json!({})), &EncodingKey::from_secret(secret)).unwrap();
            assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::Algorithm);
        }
    }
}

/// Scenario: an algorithm that is not on the list, a key marked for another use or algorithm. Guarantee: not taken.
#[test]
fn only_listed_algorithms_and_signing_keys_are_taken() {
    let signer = Signer::new(Algorithm::ES256, "k1");
    let token = signer.token(tenant_id("acme"));
    let verifier = on_file(&[&signer], |settings| settings.algorithms = vec![Algorithm::RS256]);
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::Algorithm);
    for (name, value) in [("use", "enc"), ("alg", "ES384"), ("alg", "RS256"), ("crv", "P-521")] {
        let mut jwk = signer.jwk();
        jwk[name] = json!(value);
        let set = json!({ "keys": [jwk, { "kty": "odd" }, 5] }).to_string();
        assert!(keys::jwks("set", set.as_bytes(), true).is_err(), "{name} {value}");
    }
    let secret = jwks(&[&Signer::new(Algorithm::HS256, "k1")]);
    assert!(keys::jwks("set", secret.as_bytes(), false).is_err(), "a secret from a server");
}

/// Scenario: a secret, a PEM file; keys without an id beside a token that has one. Guarantee: they verify it;
/// a short secret and a file without keys are refused at the start, by name.
#[test]
fn fixed_keys_verify_and_bad_ones_are_refused() {
    let signer = Signer::new(Algorithm::HS256, "any");
    let verifier = Verifier::new(&signer.settings()).unwrap().unwrap();
    assert!(verifier.verify(&signer.token(tenant_id("acme"))).is_ok());

    let pair = rcgen::KeyPair::generate().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pair.public_key_pem()).unwrap();
    let settings =
        TokenSettings { public_key_file: Some(file.path().to_path_buf()), ..TokenSettings::default() };
    let verifier = Verifier::new(&settings).unwrap().unwrap();
    let key = EncodingKey::from_ec_der(pair.serialized_der());
    let token = jsonwebtoken::encode(&JwtHeader::new(Alg::ES256), &claims(json!({})), &key).unwrap();
    assert!(verifier.verify(&token).is_ok());

    std::fs::write(file.path(), "no key").unwrap();
    assert!(Verifier::new(&settings).unwrap_err().to_string().contains("public keys in PEM"));
    let short = TokenSettings { secret: crate::config::Secret::new("short"), ..TokenSettings::default() };
    let error = Verifier::new(&short).unwrap_err().to_string();
    assert!(error.contains("32 bytes") && !error.contains("short"), "{error}");
    assert!(Verifier::new(&TokenSettings::default()).unwrap().is_none());
}

/// Scenario: the tenant in another claim, of a plain or dotted name; a list of allowed tenants. Guarantee: read.
#[test]
fn the_claims_names_are_configured() {
    let signer = Signer::new(Algorithm::EdDSA, "k1");
    for (name, extra) in [
        ("https://x.example/tenant", json!({ "https://x.example/tenant": "acme" })),
        ("app.tenant.id", json!({ "app": { "tenant": { "id": "acme" } } })),
        ("app.tenant.id", json!({ "app.tenant.id": "acme" })),
    ] {
        let verifier = on_file(&[&signer], |settings| settings.claim = name.into());
        let mut extra = extra;
        extra["allowed_tenants"] = json!(["bravo"]);
        let claims = verifier.verify(&signer.sign(&claims(extra))).unwrap();
        assert_eq!(claims.tenant.as_deref(), Some("acme"));
        assert_eq!(claims.allowed.len(), 1);
    }
}

/// Scenario: a token is verified, the clock passes its end. Guarantee: the memory of it ends with it (the end is
/// held to the leeway exactly as in a first verification).
#[test]
fn a_remembered_token_ends() {
    let signer = Signer::new(Algorithm::EdDSA, "k1");
    let verifier = on_file(&[&signer], |settings| settings.leeway = Duration::ZERO);
    let token = signer.sign(&claims(json!({ "exp": now() + 1 })));
    assert!(verifier.verify(&token).is_ok());
    assert!(verifier.verify(&token).is_ok());
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenError::Expired);
}

/// A key server: what it answers can be changed, and it counts the reads.
struct KeyServer {
    address: SocketAddr,
    answer: Arc<Mutex<(u16, Vec<u8>)>>,
    reads: Arc<AtomicUsize>,
}

impl KeyServer {
    async fn start(body: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new((200, body.into_bytes())));
        let reads = Arc::new(AtomicUsize::new(0));
        let (shared, count) = (Arc::clone(&answer), Arc::clone(&reads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, count) = (Arc::clone(&shared), Arc::clone(&count));
                let service = service_fn(move |_| {
                    count.fetch_add(1, Ordering::SeqCst);
                    let (status, body) = shared.lock().unwrap().clone();
                    let response = Response::builder().status(status).body(Full::new(Bytes::from(body)));
                    std::future::ready(Ok::<_, Infallible>(response.unwrap()))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        KeyServer { address, answer, reads }
    }

    fn answer(&self, status: u16, body: impl Into<Vec<u8>>) {
        *self.answer.lock().unwrap() = (status, body.into());
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    fn verifier(&self, min_refresh: Duration) -> Verifier {
        let settings = TokenSettings {
            jwks_url: Some(format!("http://{}/jwks", self.address)),
            jwks_min_refresh: min_refresh,
            required: true,
            ..TokenSettings::default()
        };
        Verifier::new(&settings).unwrap().unwrap()
    }
}

fn header_of(signer: &Signer) -> String {
    format!("Bearer {}", signer.token(tenant_id("acme")))
}

/// Scenario: the first token, a rotation, a key that is withdrawn. Guarantee: each is followed, by one read each.
#[tokio::test]
async fn a_rotation_is_followed() {
    let (old, new) = (Signer::new(Algorithm::ES256, "old"), Signer::new(Algorithm::EdDSA, "new"));
    let server = KeyServer::start(jwks(&[&old])).await;
    let verifier = server.verifier(Duration::from_secs(10));
    for _ in 0..5 {
        assert!(verifier.authenticate(Some(&header_of(&old))).await.unwrap().is_some());
    }
    assert_eq!(server.reads(), 1);
    server.answer(200, jwks(&[&old, &new]));
    assert!(verifier.authenticate(Some(&header_of(&new))).await.is_ok());
    assert!(verifier.authenticate(Some(&header_of(&old))).await.is_ok());
    assert_eq!(server.reads(), 2);
    let remembered = header_of(&old);
    assert!(verifier.authenticate(Some(&remembered)).await.is_ok());
    server.answer(200, jwks(&[&new]));
    verifier.refresh().await.unwrap();
    let error = verifier.authenticate(Some(&remembered)).await.unwrap_err();
    assert!(matches!(error, Refusal::Unauthenticated(_)), "{error:?}");
}

/// Scenario: tokens with a key id that is not published. Guarantee: refused for good after one read, and the
/// same id brings about no other; a flood of different ids is held to the allowance, and answered retryably.
#[tokio::test]
async fn unknown_keys_do_not_flood_the_key_server() {
    let known = Signer::new(Algorithm::EdDSA, "known");
    let server = KeyServer::start(jwks(&[&known])).await;
    let verifier = server.verifier(Duration::from_secs(60));
    let stranger = header_of(&Signer::new(Algorithm::EdDSA, "stranger"));
    for _ in 0..20 {
        let error = verifier.authenticate(Some(&stranger)).await.unwrap_err();
        assert!(matches!(error, Refusal::Unauthenticated(_)), "{error:?}");
    }
    assert_eq!(server.reads(), 1);
    let mut retryable = 0;
    for number in 0..20 {
        let stranger = header_of(&Signer::new(Algorithm::EdDSA, &format!("stranger-{number}")));
        retryable += usize::from(verifier.authenticate(Some(&stranger)).await.unwrap_err().retryable());
    }
    assert_eq!((server.reads(), retryable), (3, 18));
    assert!(verifier.authenticate(Some(&header_of(&known))).await.is_ok());
}

/// Scenario: the key server is away, or answers nonsense, at the start. Guarantee: retryable; once it is back
/// tokens verify; when it goes away again the keys stay in use.
#[tokio::test]
async fn an_outage_is_retryable_and_keys_outlive_it() {
    let signer = Signer::new(Algorithm::RS256, "k1");
    let server = KeyServer::start(String::new()).await;
    let verifier = server.verifier(Duration::from_millis(1));
    for (status, body) in [
        (503, jwks(&[&signer]).into_bytes()),
        (200, b"<html>".to_vec()),
        (200, br#"{"keys":[]}"#.to_vec()),
        (302, jwks(&[&signer]).into_bytes()),
        (200, vec![b' '; limits::JWKS_BYTES + 1]),
    ] {
        server.answer(status, body);
        tokio::time::sleep(Duration::from_millis(3)).await;
        let error = verifier.authenticate(Some(&header_of(&signer))).await.unwrap_err();
        assert!(error.retryable(), "{status} {error:?}");
    }
    server.answer(200, jwks(&[&signer]));
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert!(verifier.authenticate(Some(&header_of(&signer))).await.is_ok());
    server.answer(500, "");
    assert!(verifier.refresh().await.is_err());
    assert!(verifier.authenticate(Some(&header_of(&signer))).await.is_ok());
    // Nobody can say whether this key is new.
    tokio::time::sleep(Duration::from_millis(3)).await;
    let stranger = header_of(&Signer::new(Algorithm::RS256, "k2"));
    assert!(verifier.authenticate(Some(&stranger)).await.unwrap_err().retryable());
}

/// Scenario: no header, another scheme, a bad token, a token not required. Guarantee: nothing is asked for that
/// is not required, but a bad token is never taken for none.
#[tokio::test]
async fn a_bad_token_is_not_no_token() {
    let signer = Signer::new(Algorithm::HS256, "k");
    let optional = Verifier::new(&signer.settings()).unwrap().unwrap();
    let required = Verifier::new(&TokenSettings { required: true, ..signer.settings() }).unwrap().unwrap();
    for header in [None, Some("Basic dTpw"), Some("nonsense")] {
        assert!(optional.authenticate(header).await.unwrap().is_none());
        assert!(matches!(required.authenticate(header).await, Err(Refusal::Unauthenticated(_))));
    }
    for verifier in [&optional, &required] {
        assert!(matches!(
            verifier.authenticate(Some("Bearer x.y.z")).await,
            Err(Refusal::Unauthenticated(_))
        ));
        assert!(verifier.authenticate(Some(&header_of(&signer).replace("Bearer", "bearer"))).await.is_ok());
    }
}

/// Scenario: an API key with a tenant, one that has ended, one that nobody gave out; beside them tokens. Guarantee: the
/// first is verified with its tenant and name, the others are refused by their names; tokens verify as before; an entry
/// that makes no sense is refused with its place.
#[test]
fn an_api_key_stands_for_a_token() {
    let signer = Signer::new(Algorithm::ES256, "k1");
    let (key, sha256) = crate::identify::new_api_key().unwrap();
    let (old, old_sum) = crate::identify::new_api_key().unwrap();
    let entry = |name: &str, sha256: String, expires: Option<&str>| crate::identify::ApiKey {
        name: name.into(),
        sha256,
        tenant: Some("acme".into()),
        allowed_tenants: vec!["globex".into()],
        expires: expires.map(Into::into),
    };
    let verifier = on_file(&[&signer], |settings| {
        settings.api_keys = vec![
            entry("ci", sha256.to_uppercase(), Some("2100-01-01T00:00:00Z")),
            entry("old", old_sum.clone(), Some("2001-01-01T00:00:00Z")),
        ];
    });
    let claims = verifier.verify(&key).unwrap();
    assert_eq!((claims.tenant.as_deref(), claims.subject()), (Some("acme"), Some("ci")));
    assert_eq!((claims.allowed.len(), claims.fingerprint.as_ref().unwrap().len()), (1, 16));
    assert_eq!(verifier.verify(&old).unwrap_err(), TokenError::Expired);
    let stranger = crate::identify::new_api_key().unwrap().0;
    assert_eq!(verifier.verify(&stranger).unwrap_err(), TokenError::Malformed);
    assert!(verifier.verify(&signer.token(tenant_id("acme"))).is_ok());

    for (wrong, said) in [
        (vec![entry("", sha256.clone(), None)], "api_keys[0].name"),
        (vec![entry("a", "12".into(), None)], "api_keys[0].sha256: expected 64 hex digits"),
        (vec![entry("a", sha256.clone(), Some("soon"))], "api_keys[0].expires"),
        (
            vec![entry("a", sha256.clone(), None), entry("b", sha256.clone(), None)],
            "api_keys[1].sha256: another",
        ),
    ] {
        let settings = TokenSettings { api_keys: wrong, ..TokenSettings::default() };
        let error = Verifier::new(&settings).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// Scenario: two issuers with keys, claims and audiences of their own beside the main one, one token of each, one that
/// claims to be another's, an API key, and no token at all. Guarantee: each is verified by its own issuer alone.
#[tokio::test]
async fn each_issuer_verifies_its_own() {
    let signers = ["main", "shop", "support"].map(|kid| Signer::new(Algorithm::ES256, kid));
    let directory = tempfile::tempdir().unwrap();
    let settings = |number: usize| {
        let file = directory.path().join(signers[number].kid.clone());
        std::fs::write(&file, jwks(&[&signers[number]])).unwrap();
        TokenSettings { jwks_file: Some(file), ..TokenSettings::default() }
    };
    let (key, sha256) = crate::identify::new_api_key().unwrap();
    let api_key = crate::identify::ApiKey { name: "ci".into(), sha256, ..Default::default() };
    let issuer = |number: usize, name: &str, claim: &str| TokenSettings {
        issuer: vec![name.into()],
        claim: claim.into(),
        ..settings(number)
    };
    let mut all = crate::identify::Settings {
        token: TokenSettings { required: true, api_keys: vec![api_key], ..settings(0) },
        issuers: vec![
            issuer(1, "https://shop.example", "org"),
            issuer(2, "https://support.example", "act.tid"),
        ],
        ..Default::default()
    };
    assert_eq!(all.check(), Ok(()));
    let issuers = Issuers::new(&all).unwrap().unwrap();
    let tenant = async |token: String| {
        let claims = issuers.authenticate(Some(&format!("Bearer {token}"))).await?;
        Ok::<_, Refusal>(claims.unwrap().tenant.clone())
    };
    let acme = tenant_id("acme").to_string();
    let of = |name: &str, more: Value| {
        let mut claims = json!({ "iss": name, "sub": "u-1", "exp": now() + 60 });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    let shop = of("https://shop.example", json!({ "org": acme, "tid": "nobody" }));
    assert_eq!(tenant(signers[1].sign(&shop)).await.unwrap().as_deref(), Some(&*acme));
    let support = of("https://support.example", json!({ "act": { "tid": acme } }));
    assert_eq!(tenant(signers[2].sign(&support)).await.unwrap().as_deref(), Some(&*acme));
    assert_eq!(tenant(signers[0].sign(&claims(json!({})))).await.unwrap().as_deref(), Some(&*acme));
    assert!(tenant(key).await.unwrap().is_none());
    for (signer, claims) in [(0, &shop), (2, &shop), (1, &support), (1, &claims(json!({})))] {
        assert!(matches!(tenant(signers[signer].sign(claims)).await, Err(Refusal::Unauthenticated(_))));
    }
    assert!(issuers.authenticate(None).await.is_err());

    all.issuers[1].issuer = vec!["https://shop.example".into()];
    assert!(all.check().unwrap_err().starts_with("identity.issuers[1].issuer: another"));
    all.issuers[1] = TokenSettings { issuer: vec!["x".into()], ..TokenSettings::default() };
    assert!(all.check().unwrap_err().starts_with("identity.issuers[1]: no key"));
}
