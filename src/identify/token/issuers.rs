//! Several issuers of tokens, each with its own keys, claims and audiences.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{Claims, KeyError, TokenError, Verifier, bearer};
use crate::{identify::Settings, receipt::Refusal};

/// All verifiers of a gate.
#[derive(Debug)]
pub struct Issuers {
    /// For API keys, and for tokens of no issuer that is listed.
    main: Option<Arc<Verifier>>,
    listed: Vec<Arc<Verifier>>,
    required: bool,
}

/// What is read of a token before it is verified: only to choose who verifies it.
#[derive(Deserialize)]
struct Issuer {
    #[serde(default)]
    iss: Option<String>,
}

impl Issuers {
    /// Reads the keys that are in files. `None` where no key is named at all: tokens are not looked at.
    ///
    /// # Errors
    /// As [`Verifier::new`], with the place in the settings.
    pub fn new(settings: &Settings) -> Result<Option<Self>, KeyError> {
        let main = Verifier::new(&settings.token)?.map(Arc::new);
        let mut listed = Vec::new();
        for (number, issuer) in settings.issuers.iter().enumerate() {
            let error = |error: KeyError| KeyError(format!("identity.issuers[{number}]: {error}"));
            listed.extend(Verifier::new(issuer).map_err(error)?.map(Arc::new));
        }
        if main.is_none() && listed.is_empty() {
            return Ok(None);
        }
        Ok(Some(Issuers { main, listed, required: settings.token.required }))
    }

    /// Verifies the `authorization` header of a request: by the issuer that the token names, if that is listed.
    /// Without a bearer token the answer is `None`, unless one is required.
    ///
    /// # Errors
    /// As [`Verifier::authenticate`].
    pub async fn authenticate(&self, authorization: Option<&str>) -> Result<Option<Arc<Claims>>, Refusal> {
        let Some(token) = authorization.and_then(bearer) else {
            return if self.required { Err(TokenError::Missing.into()) } else { Ok(None) };
        };
        match self.of(token) {
            Some(verifier) => verifier.authenticate(authorization).await,
            None => Err(TokenError::Issuer.into()),
        }
    }

    /// Who verifies this token.
    fn of(&self, token: &str) -> Option<&Arc<Verifier>> {
        let named = issuer(token)
            .and_then(|name| self.listed.iter().find(|verifier| verifier.settings.issuer.contains(&name)));
        named.or(self.main.as_ref())
    }

    /// Keeps the keys of all fresh, for ever: a task of its own.
    pub async fn run(self: Arc<Self>) {
        let tasks = self.main.iter().chain(&self.listed).map(|verifier| Arc::clone(verifier).run());
        futures_util::future::join_all(tasks).await;
    }
}

fn issuer(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1).filter(|_| token.len() <= crate::limits::TOKEN_BYTES)?;
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Issuer>(&json).ok()?.iss
}
