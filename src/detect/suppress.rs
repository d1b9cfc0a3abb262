//! What an operator says of findings that nobody needs to hear of: which, who says so, why, and until when.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    finding::{Class, Finding},
    fingerprint::{Domain, Fingerprint, Key},
};
use crate::{batch::TenantId, identify::date_time, limits};

/// Findings that are counted and not told, until a day. All that is given must fit, and something must be given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Suppression {
    /// The class. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The tenant that acted (uuid). Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The tenant whose data it was (uuid). Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_tenant: Option<String>,
    /// The service; may end with `*`, which alone is any, and not enough by itself. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The route template, as the finding says it. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The statement's fingerprint, 16 hexadecimal digits, as the finding's `evidence.statement_id`. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// The principal: a value of the mapped principal attributes, or its fingerprint (`fp:` and 16 hexadecimal
    /// digits, as the finding says it). Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Who says so. Required.
    pub owner: String,
    /// Why. Required.
    pub reason: String,
    /// When it ends: a date and time with its zone (RFC 3339), at most a year ahead. Required.
    pub until: String,
}

impl Suppression {
    /// A number for what it says: the same for the same.
    pub(super) fn id(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
        sum.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Compiles it; `now` in nanoseconds since the epoch.
    ///
    /// # Errors
    /// Which key is wrong, and what is expected.
    pub(super) fn compile(&self, key: Key, now: u64) -> Result<Test, String> {
        let texts = [
            ("tenant", &self.tenant),
            ("other_tenant", &self.other_tenant),
            ("service", &self.service),
            ("route", &self.route),
            ("statement", &self.statement),
            ("principal", &self.principal),
        ];
        for (name, text) in &texts {
            let wrong = |text: &String| text.is_empty() || text.len() > limits::SUPPRESSION_TEXT_BYTES;
            if text.as_ref().is_some_and(wrong) {
                return Err(format!("{name}: expected 1 to {} bytes", limits::SUPPRESSION_TEXT_BYTES));
            }
        }
        // `*` alone is every service.
        let says = |(name, text): &(&str, &Option<String>)| match text.as_deref() {
            None => false,
            Some("*") => *name != "service",
            Some(_) => true,
        };
        if self.class.is_none() && !texts.iter().any(says) {
            return Err("class: expected one of class, tenant, other_tenant, service (more than `*`), route, statement, \
                        principal; without any it would suppress everything"
                .into());
        }
        for (name, text) in [("owner", &self.owner), ("reason", &self.reason)] {
            if text.trim().is_empty() || text.len() > limits::SUPPRESSION_TEXT_BYTES {
                let what = if name == "owner" { "who says so" } else { "why" };
                return Err(format!(
                    "{name}: expected {what}, at most {} bytes",
                    limits::SUPPRESSION_TEXT_BYTES
                ));
            }
        }
        let until = match self.until.len() > 10 {
            true => date_time(&self.until),
            false => None,
        };
        let until =
            until.ok_or("until: expected a date and time with its zone, such as 2026-12-31T00:00:00Z")?;
        if until > now.saturating_add(limits::SUPPRESSION_NANOS) {
            return Err("until: expected at most a year ahead; say it again then, if it still holds".into());
        }
        let tenant = |name: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => Uuid::try_parse(text.trim())
                .map(|uuid| Some(TenantId(uuid)))
                .map_err(|_| format!("{name}: expected a tenant's uuid")),
        };
        let hex =
            |text: &str| Some(text).filter(|t| t.len() == 16).and_then(|t| u64::from_str_radix(t, 16).ok());
        let statement = match &self.statement {
            None => None,
            Some(text) => Some(
                hex(text).ok_or("statement: expected 16 hexadecimal digits, as evidence.statement_id has")?,
            ),
        };
        let principal = match &self.principal {
            None => None,
            Some(text) => Some(match text.strip_prefix("fp:") {
                Some(print) => {
                    Fingerprint(hex(print).ok_or("principal: expected `fp:` and 16 hexadecimal digits")?)
                }
                None => key.of(Domain::Principal, text.as_bytes()),
            }),
        };
        Ok(Test {
            class: self.class,
            tenant: tenant("tenant", &self.tenant)?,
            other: tenant("other_tenant", &self.other_tenant)?,
            service: self.service.clone(),
            route: self.route.clone(),
            statement,
            principal,
            until,
        })
    }
}

/// Looks for mistakes in the suppressions of a configuration.
///
/// # Errors
/// Where, which key is wrong, and what is expected.
pub(super) fn check(all: &[Suppression], key: Key) -> Result<(), String> {
    if all.len() > limits::SUPPRESSIONS {
        return Err(format!("detect.suppressions: expected at most {}", limits::SUPPRESSIONS));
    }
    let now = super::engine::wall_clock();
    for (n, one) in all.iter().enumerate() {
        one.compile(key, now).map_err(|what| format!("detect.suppressions[{n}].{what}"))?;
    }
    Ok(())
}

/// A compiled suppression.
#[derive(Debug, Clone)]
pub(super) struct Test {
    class: Option<Class>,
    tenant: Option<TenantId>,
    other: Option<TenantId>,
    service: Option<String>,
    route: Option<String>,
    statement: Option<u64>,
    pub principal: Option<Fingerprint>,
    /// In nanoseconds since the epoch.
    pub until: u64,
}

impl Test {
    /// Whether it is about this tenant.
    pub fn names(&self, tenant: TenantId) -> bool {
        self.tenant == Some(tenant) || self.other == Some(tenant)
    }

    /// Whether it is about this finding, its time aside.
    pub fn fits(&self, f: &Finding) -> bool {
        let service = |wanted: &String| match wanted.strip_suffix('*') {
            Some(prefix) => f.service.starts_with(prefix),
            None => f.service == *wanted,
        };
        // What has met further tenants is not about one or two any more.
        let named = self.tenant.is_some() || self.other.is_some();
        self.class.is_none_or(|class| f.class == class)
            && self.tenant.is_none_or(|tenant| f.tenant == tenant)
            && self.other.is_none_or(|other| f.other == Some(other))
            && (f.tenants.is_empty() || !named)
            && self.service.as_ref().is_none_or(service)
            && self.route.as_ref().is_none_or(|route| *f.route == **route)
            && self.statement.is_none_or(|statement| f.statement_id == Some(statement))
            && self.principal.is_none_or(|who| f.principals.len() == 1 && f.principals.contains(who))
    }
}
