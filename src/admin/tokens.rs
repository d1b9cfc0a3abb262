//! Who asks the admin API.

use aws_lc_rs::{constant_time, digest};
use http::{HeaderMap, header};

use super::ApiSettings;
use crate::limits;

/// One who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The token's name, for the audit log.
    pub name: String,
    /// The one tenant that it may look at, as configured; none: everything.
    pub tenant: Option<String>,
}

/// The tokens that are taken.
pub struct Tokens(Vec<([u8; 32], Who)>);

impl Tokens {
    /// Reads the tokens of the settings.
    ///
    /// # Errors
    /// Says which setting is wrong, and what is expected.
    pub fn new(settings: &ApiSettings) -> Result<Tokens, String> {
        if let Some(endpoint) = settings.endpoint {
            if !endpoint.ip().is_loopback() {
                return Err("admin.api.endpoint: expected an address of this machine alone, such as \
                            127.0.0.1:13134; put a proxy with TLS in front of it where others must reach it"
                    .into());
            }
            if settings.tokens.is_empty() {
                return Err(
                    "admin.api.tokens: empty; `portcullis api-key --name ops` makes a token and its sha256"
                        .into(),
                );
            }
        }
        if settings.tokens.len() > limits::API_KEYS {
            return Err(format!("admin.api.tokens: more than {}", limits::API_KEYS));
        }
        let mut all: Vec<([u8; 32], Who)> = Vec::with_capacity(settings.tokens.len());
        for (number, token) in settings.tokens.iter().enumerate() {
            let wrong = |what: &str| Err(format!("admin.api.tokens[{number}].{what}"));
            let Some(sum) = hex(&token.sha256) else { return wrong("sha256: expected 64 hex digits") };
            if token.name.trim().is_empty() {
                return wrong("name: empty; expected whose it is, for the audit log");
            }
            if all.iter().any(|(other, _)| *other == sum) {
                return wrong("sha256: another entry has the same token");
            }
            all.push((sum, Who { name: token.name.clone(), tenant: token.tenant.clone() }));
        }
        Ok(Tokens(all))
    }

    /// Who sends these headers; none without a token that is known.
    pub fn who(&self, headers: &HeaderMap) -> Option<&Who> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let sum = digest::digest(&digest::SHA256, token.trim().as_bytes());
        // All of them, each in constant time.
        let mut found = None;
        for (known, who) in &self.0 {
            if constant_time::verify_slices_are_equal(known, sum.as_ref()).is_ok() {
                found = Some(who);
            }
        }
        found
    }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let text = text.trim().as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::{admin::ApiToken, identify::new_api_key};

    fn headers(value: &str) -> HeaderMap {
        [(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())].into_iter().collect()
    }

    /// Scenario: the right token, another, none, another scheme. Guarantee: the right one alone is somebody.
    #[test]
    fn the_right_token_alone_is_somebody() {
        let (key, sha256) = new_api_key().unwrap();
        let token = ApiToken { name: "ops".into(), sha256, tenant: Some("acme".into()) };
        let settings =
            ApiSettings { endpoint: Some(([127, 0, 0, 1], 0).into()), tokens: vec![token.clone()] };
        let tokens = Tokens::new(&settings).unwrap();
        let who = tokens.who(&headers(&format!("Bearer {key}"))).unwrap();
        assert_eq!((who.name.as_str(), who.tenant.as_deref()), ("ops", Some("acme")));
        assert!(tokens.who(&headers("Bearer pck_wrong")).is_none());
        assert!(tokens.who(&headers(&format!("Basic {key}"))).is_none());
        assert!(tokens.who(&HeaderMap::new()).is_none());
        let twice = ApiSettings { tokens: vec![token.clone(), token], ..settings };
        assert!(Tokens::new(&twice).err().unwrap().contains("same token"));
    }

    /// Scenario: an API for everybody, one without tokens, a sum that is none. Guarantee: refused by name.
    #[test]
    fn an_open_api_is_refused() {
        let bad = |settings: ApiSettings| Tokens::new(&settings).err().unwrap();
        let endpoint = |ip: [u8; 4]| Some((ip, 1).into());
        assert!(
            bad(ApiSettings { endpoint: endpoint([0, 0, 0, 0]), tokens: vec![] }).contains("this machine")
        );
        assert!(bad(ApiSettings { endpoint: endpoint([127, 0, 0, 1]), tokens: vec![] }).contains("api-key"));
        let token = ApiToken { name: "ops".into(), sha256: "0z".into(), tenant: None };
        assert!(bad(ApiSettings { endpoint: None, tokens: vec![token] }).contains("64 hex digits"));
    }
}
