//! Headers of a request, with the tenant in them.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Sender;
use crate::config::Secret;

/// The headers of a destination.
#[derive(Default)]
pub(super) struct Headers {
    fixed: HeaderMap,
    /// Those that name the tenant, as the parts around and in place of the placeholders.
    templates: Vec<(HeaderName, Vec<Part>)>,
}

enum Part {
    Text(String),
    TenantId,
    TenantSlug,
}

impl Headers {
    pub fn new(settings: &BTreeMap<String, Secret>) -> Result<Self, String> {
        let mut headers = Headers::default();
        for (name, value) in settings {
            let key = HeaderName::try_from(name.to_ascii_lowercase())
                .map_err(|_| format!("headers: `{name}` is no header name"))?;
            let reserved = [
                "host",
                "content-type",
                "content-length",
                "content-encoding",
                "te",
                "connection",
                "user-agent",
            ];
            if reserved.contains(&key.as_str()) || key.as_str().starts_with("grpc-") {
                return Err(format!("headers: `{name}` is set by the exporter itself"));
            }
            let parts = parse(value.expose()).map_err(|what| format!("headers: `{name}`: {what}"))?;
            match &parts[..] {
                [] => {
                    headers.fixed.insert(key, HeaderValue::from_static(""));
                }
                [Part::Text(text)] => {
                    let mut value = HeaderValue::from_str(text)
                        .map_err(|_| format!("headers: `{name}`: its value cannot stand in a header"))?;
                    value.set_sensitive(true);
                    headers.fixed.insert(key, value);
                }
                _ => headers.templates.push((key, parts)),
            }
        }
        Ok(headers)
    }

    pub fn name_tenant(&self) -> bool {
        !self.templates.is_empty()
    }

    /// The headers for a tenant. Where a slug is missing or can't stand in a header the id stands for it.
    pub fn render(&self, sender: Option<Sender<'_>>) -> HeaderMap {
        let mut out = self.fixed.clone();
        let Some(sender) = sender else { return out };
        for (name, parts) in &self.templates {
            let value = |slug: Option<&str>| -> Option<HeaderValue> {
                let id = sender.id.to_string();
                let text: String = parts
                    .iter()
                    .map(|part| match part {
                        Part::Text(text) => text.as_str(),
                        Part::TenantId => &id,
                        Part::TenantSlug => slug.unwrap_or(&id),
                    })
                    .collect();
                HeaderValue::from_str(&text).ok()
            };
            let plain = sender.slug.filter(|slug| slug.bytes().all(|byte| byte.is_ascii_graphic()));
            if let Some(value) = value(plain) {
                out.insert(name, value);
            }
        }
        out
    }
}

fn parse(template: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        if open > 0 {
            parts.push(Part::Text(rest[..open].to_string()));
        }
        let (part, length) = [("{tenant_id}", Part::TenantId), ("{tenant_slug}", Part::TenantSlug)]
            .into_iter()
            .find(|(name, _)| rest[open..].starts_with(name))
            .map(|(name, part)| (part, name.len()))
            .ok_or("`{`: expected {tenant_id} or {tenant_slug}")?;
        parts.push(part);
        rest = &rest[open + length..];
    }
    if !rest.is_empty() {
        if !rest.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte)) {
            return Err("its value cannot stand in a header".into());
        }
        parts.push(Part::Text(rest.to_string()));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify::factory::tenant_id;

    fn headers(value: &str) -> Result<Headers, String> {
        Headers::new(&BTreeMap::from([("X-Scope-OrgID".to_string(), Secret::new(value))]))
    }

    fn rendered(value: &str, slug: Option<&str>) -> String {
        let sender = Sender { id: tenant_id("acme"), slug };
        headers(value).unwrap().render(Some(sender))["x-scope-orgid"].to_str().unwrap().to_string()
    }

    /// Scenario: placeholders among text, with and without a slug, with a slug that is no header text.
    /// Guarantee: the tenant's id and slug stand in their place, or the id for the slug.
    #[test]
    fn the_tenant_stands_in_the_header() {
        let id = tenant_id("acme").to_string();
        assert_eq!(rendered("{tenant_id}", None), id);
        assert_eq!(rendered("a-{tenant_slug}/{tenant_id}-z", Some("acme")), format!("a-acme/{id}-z"));
        for slug in [None, Some("ac\r\nme: x"), Some("åcme")] {
            assert_eq!(rendered("{tenant_slug}", slug), id);
        }
        assert!(headers("{tenant_id}").unwrap().name_tenant());
        assert!(!headers("fixed").unwrap().name_tenant());
    }

    /// Scenario: a placeholder that is none, a value over two lines, the exporter's own header. Guarantee: refused,
    /// and no value is shown.
    #[test]
    fn what_is_no_header_is_refused() {
        for value in ["{tenant}", "{tenant_id", "secret\nvalue", "{tenant_id}\r\n"] {
            let error = headers(value).err().unwrap();
            assert!(!error.contains("secret"), "{error}");
        }
        for name in ["content-type", "grpc-timeout", "no name"] {
            assert!(Headers::new(&BTreeMap::from([(name.to_string(), Secret::new("x"))])).is_err());
        }
    }
}
