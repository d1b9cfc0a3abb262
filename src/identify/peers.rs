//! Senders known by their client certificate (mTLS), and what holds where a token stands beside it.

use std::sync::Arc;

use super::{Catalogue, Claims, normalise, settings::Peer};
use crate::{limits, receipt::Refusal};

/// The certificates that say who a sender is.
#[derive(Debug, Default)]
pub struct Peers(Vec<(Pattern, Arc<Claims>)>);

/// Which certificates are meant.
#[derive(Debug)]
enum Pattern {
    /// Of this fingerprint, in lower-case hex.
    Fingerprint(String),
    /// Of this subject.
    Exact(String),
    /// Of a subject that begins and ends like this, with text of one part in between.
    Between(String, String),
}

impl Peers {
    /// Compiles them.
    ///
    /// # Errors
    /// Says which entry is wrong, what is expected and how to mend it.
    pub fn new(peers: &[Peer]) -> Result<Peers, String> {
        if peers.len() > limits::PEERS {
            return Err(format!("identity.peers: more than {}", limits::PEERS));
        }
        let compiled = peers.iter().enumerate().map(|(number, peer)| {
            let pattern = Pattern::new(&peer.subject)
                .map_err(|said| format!("identity.peers[{number}].subject: {said}"))?;
            if peer.tenant.is_none() && peer.allowed_tenants.is_empty() {
                return Err(format!("identity.peers[{number}]: expected tenant, allowed_tenants, or both"));
            }
            if peer.allowed_tenants.len() > limits::ALLOWED_TENANTS {
                let most = limits::ALLOWED_TENANTS;
                return Err(format!("identity.peers[{number}].allowed_tenants: more than {most}"));
            }
            let name = peer.name.as_deref().unwrap_or(&peer.subject);
            let claims = Claims::of_peer(name, peer.tenant.as_deref(), &peer.allowed_tenants);
            Ok((pattern, Arc::new(claims)))
        });
        compiled.collect::<Result<_, _>>().map(Peers)
    }

    /// What the first entry that fits says of a certificate, as `receive` describes it.
    pub fn find(&self, described: &str) -> Option<&Arc<Claims>> {
        let (fingerprint, subject) = described.split_once(' ').unwrap_or((described, ""));
        self.0.iter().find(|(pattern, _)| pattern.fits(fingerprint, subject)).map(|(_, claims)| claims)
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Pattern, String> {
        if let Some(digits) = text.strip_prefix("sha256:") {
            let digits = digits.replace(':', "").to_ascii_lowercase();
            let sound = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            return if sound {
                Ok(Pattern::Fingerprint(format!("sha256:{digits}")))
            } else {
                Err("expected 64 hex digits after sha256:".into())
            };
        }
        if !text.contains('=') {
            return Err("expected a subject such as CN=checkout,O=Acme, or sha256: and a fingerprint".into());
        }
        match text.split_once('*') {
            None => Ok(Pattern::Exact(text.into())),
            Some((_, after)) if after.contains('*') => Err("expected at most one *".into()),
            Some((before, _)) if !before.contains('=') => {
                Err("expected a * in a value, such as CN=gate-*,O=Acme".into())
            }
            Some((before, after)) => Ok(Pattern::Between(before.into(), after.into())),
        }
    }

    fn fits(&self, fingerprint: &str, subject: &str) -> bool {
        match self {
            Pattern::Fingerprint(wanted) => wanted == fingerprint,
            Pattern::Exact(wanted) => wanted == subject,
            // What parts a name, and what escapes, is not covered: `CN=*,O=Acme` is one common name of Acme's.
            Pattern::Between(before, after) => subject
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|between| !between.is_empty() && !between.contains([',', '+', '\\'])),
        }
    }
}

/// A token's claims, within the tenants of the certificate beside it.
///
/// # Errors
/// [`Refusal::PermissionDenied`] where the token is of a tenant that the certificate may not write for.
pub fn beside(token: &Claims, peer: &Claims, catalogue: &Catalogue) -> Result<Claims, Refusal> {
    let tenants = || peer.tenant.iter().chain(&peer.allowed);
    let may = |text: &str| {
        let Ok(tenant) = normalise(text, catalogue) else { return false };
        tenants().any(|other| normalise(other, catalogue) == Ok(tenant))
    };
    match &token.tenant {
        Some(tenant) if !may(tenant) => Err(Refusal::PermissionDenied(
            "the token is of a tenant that the client certificate may not write for; use the one that belongs to it"
                .into(),
        )),
        _ => Ok(token.kept_within(tenants().cloned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        batch::TenantId,
        identify::{Declared, Level, Reject, Resolver, Settings, Source},
    };

    const A: &str = "11111111-1111-4111-8111-111111111111";
    const B: &str = "22222222-2222-4222-8222-222222222222";
    const C: &str = "33333333-3333-4333-8333-333333333333";

    fn peer(subject: &str) -> Peer {
        Peer { subject: subject.into(), tenant: Some(A.into()), ..Peer::default() }
    }

    fn found(pattern: &str, subject: &str) -> bool {
        let print = "ab".repeat(32);
        let peers = Peers::new(&[peer(pattern)]).unwrap();
        peers.find(format!("sha256:{print} {subject}").trim_end()).is_some()
    }

    /// Scenario: subjects held against exact names, patterns and fingerprints; some try to look like others.
    /// Guarantee: only what is meant fits; a star covers text of one part, never none and never several.
    #[test]
    fn a_certificate_fits_what_is_meant() {
        assert!(found("CN=checkout,O=Acme", "CN=checkout,O=Acme"));
        assert!(!found("CN=checkout,O=Acme", "CN=checkout,O=Acme,C=DE"));
        assert!(!found("CN=checkout", "CN=Checkout"));
        assert!(found("CN=gate-*,O=Acme", "CN=gate-7,O=Acme"));
        for other in ["CN=gate-,O=Acme", "CN=gate-7,OU=x,O=Acme", "CN=gate-7\\,x,O=Acme", "CN=a+UID=b,O=Acme"]
        {
            assert!(
                !found("CN=gate-*,O=Acme", other) && !found("CN=*,O=Acme", other)
                    || other == "CN=gate-,O=Acme",
                "{other}"
            );
        }
        assert!(!found("CN=aba*bab", "CN=abab"));
        assert!(
            found(&format!("sha256:{}", "AB".repeat(32)), "")
                && found(&format!("sha256:{}ab", "ab:".repeat(31)), "CN=x")
        );
        assert!(!found(&format!("sha256:{}", "cd".repeat(32)), &format!("CN=sha256:{}", "cd".repeat(32))));
        assert!(!found("CN=x", ""));
    }

    /// Scenario: entries that mean nothing. Guarantee: refused, with their place and what is expected.
    #[test]
    fn entries_that_mean_nothing_are_refused() {
        for (subject, said) in [
            ("", "CN=checkout"),
            ("*", "CN=checkout"),
            ("*=x", "in a value"),
            ("CN=*,O=*", "one *"),
            ("sha256:ab", "64 hex"),
        ] {
            let error = Peers::new(&[peer("CN=a"), peer(subject)]).unwrap_err();
            assert!(error.starts_with("identity.peers[1].subject: ") && error.contains(said), "{error}");
        }
        let error = Peers::new(&[Peer { subject: "CN=a".into(), ..Peer::default() }]).unwrap_err();
        assert!(error.contains("allowed_tenants"), "{error}");
        let settings = Settings { peers: vec![peer("*")], ..Settings::default() };
        assert!(settings.check().unwrap_err().contains("identity.peers[0]"));
    }

    /// Scenario: a token of a tenant beside a certificate for it, for another, and for several; a token without a
    /// tenant that may write for two. Guarantee: what the certificate excludes is refused or not written for.
    #[test]
    fn a_token_stays_within_its_certificate() {
        let catalogue = Catalogue::open();
        let certificate = |tenant: Option<&str>, allowed: &[&str]| {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            Claims::of_peer("agent", tenant, &allowed)
        };
        let token = Claims::assumed(Some(A), Some("ci"), &[B, C]);
        for (peer, sound) in [
            (certificate(Some(A), &[]), true),
            (certificate(Some(B), &[&A.to_uppercase()]), true),
            (certificate(Some(B), &[C]), false),
            (certificate(None, &[B]), false),
        ] {
            let both = beside(&token, &peer, &catalogue);
            assert_eq!(both.is_ok(), sound);
            assert!(sound || matches!(both, Err(Refusal::PermissionDenied(_))));
        }
        let both = beside(&token, &certificate(Some(A), &[B]), &catalogue).unwrap();
        assert_eq!((both.tenant.as_deref(), both.subject()), (Some(A), Some("ci")));
        let settings = Settings::default();
        let resolver = Resolver::new(&settings, &catalogue, Some(&both), &[]);
        let says = |text| resolver.resolve(&[Declared { level: Level::Item, rank: 0, text }], 0);
        let id = |text: &str| Ok::<TenantId, Reject>(text.parse().unwrap());
        assert_eq!((says(B).tenant, says(B).source), (id(B), Source::Delegated));
        assert_eq!((says(C).tenant, says(C).source), (id(A), Source::Claim));
        assert!(says(C).mismatch.is_some());
    }
}
