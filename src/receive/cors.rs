//! Cross-origin requests: off unless origins are listed.

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use super::{reply::ReplyBody, settings::Cors};

const ALWAYS: &str = "content-type, content-encoding, traceparent, tracestate";

/// The answer to a preflight; none if this is not one, or if cross-origin requests are off.
pub(super) fn preflight<B>(cors: &Cors, request: &Request<B>) -> Option<Response<ReplyBody>> {
    let headers = request.headers();
    let asked = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if cors.allowed_origins.is_empty() || request.method() != Method::OPTIONS || !asked {
        return None;
    }
    let mut response = Response::new(ReplyBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let reply = response.headers_mut();
    match origin(cors, headers) {
        Some(origin) => {
            allow(reply, origin);
            reply.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            reply.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
            if let Some(value) = allowed_headers(cors, headers) {
                reply.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, value);
            }
        }
        // Nothing is allowed: the browser stops by itself.
        None => {
            reply.insert(header::VARY, HeaderValue::from_static("origin"));
        }
    }
    Some(response)
}

/// The origin of a request, if it is an allowed one.
pub(super) fn origin(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(header::ORIGIN)?;
    let origin = value.to_str().ok()?;
    cors.allowed_origins.iter().any(|pattern| matches(pattern, origin)).then(|| value.clone())
}

/// Marks a response as readable by `origin`.
pub(super) fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

fn allowed_headers(cors: &Cors, headers: &HeaderMap) -> Option<HeaderValue> {
    if cors.allowed_headers.iter().any(|name| name == "*") {
        return headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    }
    let mut all = String::from(ALWAYS);
    for name in &cors.allowed_headers {
        all.push_str(", ");
        all.push_str(name);
    }
    HeaderValue::from_str(&all).ok()
}

/// Whole text, with one `*` that stands for any text.
fn matches(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(origin),
        Some((start, end)) => {
            origin.len() >= start.len() + end.len() && origin.starts_with(start) && origin.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: origins like and unlike the listed ones. Guarantee: no suffix or prefix trick passes.
    #[test]
    fn origins_match_whole() {
        assert!(matches("https://app.example.com", "https://app.example.com"));
        assert!(matches("https://*.example.com", "https://a.example.com"));
        assert!(matches("*", "https://x"));
        assert!(!matches("https://app.example.com", "https://app.example.com.evil.test"));
        assert!(!matches("https://*.example.com", "https://evilexample.com"));
        assert!(!matches("https://*.example.com", "http://a.example.com"));
    }
}
