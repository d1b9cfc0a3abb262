//! The catalogue from a URL, asked for again with its `ETag` (RFC 9110, section 13.1.2).

use reqwest::header::{ETAG, HeaderName, HeaderValue, IF_NONE_MATCH};

use crate::{identify::settings::CatalogueSettings, limits};

/// A URL, and what it said last.
pub(super) struct Url {
    client: reqwest::Client,
    url: reqwest::Url,
    headers: reqwest::header::HeaderMap,
    etag: Option<HeaderValue>,
    body: Vec<u8>,
}

impl Url {
    pub fn new(url: &str, settings: &CatalogueSettings) -> Result<Self, String> {
        let url = reqwest::Url::parse(url).map_err(|_| "not a URL".to_owned())?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in &settings.headers {
            let header =
                HeaderName::try_from(name).map_err(|_| format!("headers: {name}: not a header's name"))?;
            let mut value = HeaderValue::try_from(value.expose())
                .map_err(|_| format!("headers: {name}: the value cannot stand in a header"))?;
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok(Url { client, url, headers, etag: None, body: Vec::new() })
    }

    pub async fn fetch(&mut self) -> Result<Option<String>, String> {
        let failed = |error: reqwest::Error| format!("GET of the catalogue: {}", error.without_url());
        let mut request = self
            .client
            .get(self.url.clone())
            .headers(self.headers.clone())
            .header("accept", "application/json, application/yaml");
        if let Some(etag) = &self.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = request.send().await.map_err(failed)?;
        match response.status().as_u16() {
            304 if self.etag.is_some() => return Ok(None),
            200 => {}
            status => return Err(format!("GET of the catalogue: status {status}, expected 200 or 304")),
        }
        let etag = response.headers().get(ETAG).cloned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if (body.len() + chunk.len()) as u64 > limits::CATALOGUE_BYTES {
                return Err(format!("GET of the catalogue: more than {} bytes", limits::CATALOGUE_BYTES));
            }
            body.extend_from_slice(&chunk);
        }
        self.etag = etag;
        if body == self.body {
            return Ok(None);
        }
        let text = String::from_utf8(body).map_err(|_| "GET of the catalogue: not UTF-8".to_owned())?;
        self.body = text.clone().into_bytes();
        Ok(Some(text))
    }
}
