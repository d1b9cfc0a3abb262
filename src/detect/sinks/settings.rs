//! What an operator says of the webhook.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    config::Secret,
    detect::Severity,
    export::settings::{Retry, Tls},
    limits,
};

/// Findings to a URL, as they are told.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSettings {
    /// Where to: `http://` or `https://`. For `alertmanager` the address of the Alertmanager itself
    /// (`http://alertmanager:9093`). Give this or `url_file`.
    pub url: String,
    /// The same in a file, where the URL is a secret.
    pub url_file: Option<PathBuf>,
    /// What is sent. Default: `alertmanager`.
    pub format: WebhookFormat,
    /// Signs each request: `Portcullis-Signature: t=SECONDS,v1=HEX`, the HMAC-SHA256 of `SECONDS.BODY`. Default: none.
    pub secret: Secret,
    /// The same in a file.
    pub secret_file: Option<PathBuf>,
    /// Further headers, such as `authorization`; values are secrets.
    pub headers: BTreeMap<String, Secret>,
    /// Certificates, for `https://`.
    pub tls: Tls,
    /// How long one request may take. Default: `10s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// What is done about a request that fails. Default: pauses of `1s` to `30s`, given up after `10m`.
    pub retry: WebhookRetry,
    /// Findings that wait at most; further ones are dropped and counted. Default: 1000.
    pub queue: usize,
    /// Findings below it are not sent. Default: `info`.
    pub min_severity: Severity,
    /// The page that an alert leads back to (`generatorURL`), such as that of your logs. Default: none.
    pub link: Option<String>,
}

/// What is done about a request to a webhook that fails and may be sent again.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookRetry {
    /// The longest first pause. Default: `1s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub initial: Duration,
    /// The longest pause of all, unless the receiver asks for a longer one. Default: `30s`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub max: Duration,
    /// After how long a finding is given up: it is counted as dropped, and stands in the findings file all the same;
    /// `0s`: never, those behind it wait. Default: `10m`.
    #[serde(with = "crate::config::duration")]
    #[schemars(with = "String")]
    pub max_elapsed: Duration,
}

impl Default for WebhookRetry {
    fn default() -> Self {
        let Retry { initial, max, .. } = Retry::default();
        WebhookRetry { initial, max, max_elapsed: Duration::from_secs(600) }
    }
}

impl WebhookRetry {
    /// As exporters take it.
    pub(super) fn plain(&self) -> Retry {
        Retry { initial: self.initial, max: self.max, max_elapsed: self.max_elapsed }
    }
}

/// What a webhook sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFormat {
    /// To an Alertmanager: its API v2, `POST /api/v2/alerts`.
    #[default]
    Alertmanager,
    /// As an Alertmanager sends to a receiver of webhooks (version 4).
    AlertmanagerWebhook,
    /// The finding as in the findings file, one a request.
    Json,
    /// The finding as an OCSF Detection Finding, one a request.
    Ocsf,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        let secs = Duration::from_secs;
        WebhookSettings {
            url: String::new(),
            url_file: None,
            format: WebhookFormat::default(),
            secret: Secret::default(),
            secret_file: None,
            headers: BTreeMap::new(),
            tls: Tls::default(),
            timeout: secs(10),
            retry: WebhookRetry::default(),
            queue: 1000,
            min_severity: Severity::Info,
            link: None,
        }
    }
}

impl WebhookSettings {
    /// Looks for mistakes, without opening files.
    ///
    /// # Errors
    /// Which key is wrong, and what is expected.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("detect.webhook.{what}"));
        if self.url.is_empty() == self.url_file.is_none() {
            return wrong("url: expected either url or url_file");
        }
        if !self.url.is_empty() {
            address(&self.url)?;
        }
        if !self.secret.is_empty() && self.secret_file.is_some() {
            return wrong("secret_file: given both in place and as a file; leave one of them out");
        }
        if self.timeout.is_zero() {
            return wrong("timeout: expected more than 0");
        }
        if self.queue == 0 || self.queue > limits::WEBHOOK_QUEUE {
            return Err(format!("detect.webhook.queue: expected 1 to {}", limits::WEBHOOK_QUEUE));
        }
        if self.retry.initial.is_zero() || self.retry.initial > self.retry.max {
            return wrong("retry: expected 0 < initial <= max");
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            return wrong("tls: cert_file and key_file go together");
        }
        if self.link.as_ref().is_some_and(|link| !is_web(link)) {
            return wrong("link: expected a URL that begins with http:// or https://");
        }
        Ok(())
    }
}

/// A URL that can be posted to.
pub(super) fn address(text: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(text).ok().filter(|_| is_web(text));
    url.ok_or_else(|| "detect.webhook.url: expected a URL that begins with http:// or https://".to_owned())
}

/// Whether a text is an address of the web.
pub(super) fn is_web(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
