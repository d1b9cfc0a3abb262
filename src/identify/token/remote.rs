//! Keys that change: a JWKS file and a JWKS URL, read again on a timer and when a key id is not known.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use foldhash::HashMap;
use tokio::sync::Mutex;

use super::{
    TokenError,
    keys::{self, Key, KeyError, Keys},
};
use crate::{identify::settings::TokenSettings, limits};

/// Reads of the key server that unknown key ids may bring about in quick succession.
const BURST: f64 = 3.0;

pub(super) struct Remote {
    fixed: Vec<Key>,
    file: Option<PathBuf>,
    url: Option<(reqwest::Client, String)>,
    min_refresh: Duration,
    state: Mutex<State>,
}

struct State {
    file_stamp: Option<(SystemTime, u64)>,
    file_keys: Vec<Key>,
    url_body: Vec<u8>,
    url_keys: Vec<Key>,
    /// When the last read of the URL ended, and whether it went well.
    last: Option<(Instant, bool)>,
    allowance: f64,
    counted: Instant,
    /// Key ids that a read of the URL did not find, and when; a fingerprint of each, since they are the senders' texts.
    absent: HashMap<[u8; 32], Instant>,
}

impl Remote {
    /// The remote sources of the settings, and the keys that can be read without a network.
    pub fn new(settings: &TokenSettings) -> Result<(Self, Vec<Key>), KeyError> {
        let fixed = keys::fixed(settings)?;
        let url = match &settings.jwks_url {
            None => None,
            Some(url) => {
                let client = reqwest::Client::builder()
                    .timeout(settings.jwks_timeout)
                    .redirect(reqwest::redirect::Policy::none())
                    .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
                    .build()
                    .map_err(|error| KeyError(format!("identity.token.jwks_url: {error}")))?;
                reqwest::Url::parse(url)
                    .map_err(|_| KeyError("identity.token.jwks_url: not a URL".into()))?;
                Some((client, url.clone()))
            }
        };
        let mut state = State {
            file_stamp: None,
            file_keys: Vec::new(),
            url_body: Vec::new(),
            url_keys: Vec::new(),
            last: None,
            allowance: BURST,
            counted: Instant::now(),
            absent: HashMap::default(),
        };
        let file = settings.jwks_file.clone();
        if let Some(file) = &file {
            state.read_file(file)?;
        }
        let list = fixed.iter().chain(&state.file_keys).cloned().collect();
        let min_refresh = settings.jwks_min_refresh.max(Duration::from_millis(1));
        Ok((Remote { fixed, file, url, min_refresh, state: Mutex::new(state) }, list))
    }

    pub fn has_url(&self) -> bool {
        self.url.is_some()
    }

    /// Whether any key can change.
    pub fn changes(&self) -> bool {
        self.url.is_some() || self.file.is_some()
    }

    /// Reads file and URL again.
    pub async fn refresh(&self, keys: &ArcSwap<Keys>) -> Result<(), KeyError> {
        let mut state = self.state.lock().await;
        let file = match &self.file {
            Some(file) => state.read_file(file),
            None => Ok(false),
        };
        let url = match &self.url {
            Some((client, url)) => state.read_url(client, url).await,
            None => Ok(false),
        };
        if file.as_ref().is_ok_and(|changed| *changed) || url.as_ref().is_ok_and(|changed| *changed) {
            self.publish(&state, keys);
        }
        file.and(url).map(|_| ())
    }

    /// Reads the URL because a token names a key that is not known. Many that wait are served by one read;
    /// a key id that a read did not find is not looked for again for a while; beyond the allowance of reads
    /// nobody can say, which is an answer that lets the client try again.
    pub async fn refresh_for(
        &self,
        kid: Option<&str>,
        error: TokenError,
        keys: &ArcSwap<Keys>,
    ) -> Result<(), TokenError> {
        let Some((client, url)) = &self.url else { return Err(error) };
        let came = Instant::now();
        let name = fingerprint(kid);
        let mut state = self.state.lock().await;
        match state.last {
            Some((ended, true)) if ended > came => return Ok(()),
            Some((ended, false)) if ended > came => return Err(self.unavailable()),
            _ => {}
        }
        if state.absent.get(&name).is_some_and(|at| at.elapsed() < self.min_refresh) {
            return Err(error);
        }
        let gained = state.counted.elapsed().as_secs_f64() / self.min_refresh.as_secs_f64();
        state.counted = Instant::now();
        state.allowance = (state.allowance + gained).min(BURST);
        if state.allowance < 1.0 {
            return Err(self.unavailable());
        }
        state.allowance -= 1.0;
        match state.read_url(client, url).await {
            Ok(changed) => {
                if changed {
                    self.publish(&state, keys);
                }
                if kid.is_none_or(|kid| !keys.load().has(kid)) {
                    if state.absent.len() >= limits::ABSENT_KEYS {
                        state.absent.clear();
                    }
                    state.absent.insert(name, Instant::now());
                }
                Ok(())
            }
            Err(failed) => {
                tracing::warn!(error = %failed, "the key server could not be read; those keys in use stay");
                Err(self.unavailable())
            }
        }
    }

    fn unavailable(&self) -> TokenError {
        TokenError::KeysUnavailable { retry_after: self.min_refresh }
    }

    fn publish(&self, state: &State, keys: &ArcSwap<Keys>) {
        let list = self.fixed.iter().chain(&state.file_keys).chain(&state.url_keys);
        let list: Vec<Key> = list.take(limits::TOKEN_KEYS).cloned().collect();
        tracing::info!(keys = list.len(), "token keys changed");
        keys.store(Arc::new(Keys { list, generation: keys.load().generation + 1 }));
    }
}

impl State {
    /// Whether the file has other keys now.
    fn read_file(&mut self, file: &PathBuf) -> Result<bool, KeyError> {
        let stamp = std::fs::metadata(file)
            .and_then(|meta| Ok((meta.modified()?, meta.len())))
            .map_err(|error| KeyError(format!("{}: {error}", file.display())))?;
        if self.file_stamp == Some(stamp) {
            return Ok(false);
        }
        self.file_keys = keys::jwks(&file.display().to_string(), keys::read(file)?.as_bytes(), true)?;
        self.file_stamp = Some(stamp);
        Ok(true)
    }

    /// Whether the URL has other keys now.
    async fn read_url(&mut self, client: &reqwest::Client, url: &str) -> Result<bool, KeyError> {
        let read = fetch(client, url).await.and_then(|body| Ok((keys::jwks(url, &body, false)?, body)));
        self.last = Some((Instant::now(), read.is_ok()));
        let (list, body) = read?;
        if body == self.url_body {
            return Ok(false);
        }
        self.url_keys = list;
        self.url_body = body;
        Ok(true)
    }
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<Vec<u8>, KeyError> {
    let failed = |error: reqwest::Error| KeyError(format!("GET of the JWKS: {}", error.without_url()));
    let mut response = client.get(url).header("accept", "application/json").send().await.map_err(failed)?;
    if response.status() != 200 {
        return Err(KeyError(format!(
            "GET of the JWKS: status {}, expected 200",
            response.status().as_u16()
        )));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > limits::JWKS_BYTES {
            return Err(KeyError(format!("GET of the JWKS: more than {} bytes", limits::JWKS_BYTES)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn fingerprint(kid: Option<&str>) -> [u8; 32] {
    let mut out = [0; 32];
    if let Some(kid) = kid {
        out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, kid.as_bytes()).as_ref());
    }
    out
}
