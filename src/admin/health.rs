//! `/livez` and `/readyz`. Live means that the process answers; ready means that it can take data,
//! and a reason stands beside each part that cannot.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::{Method, StatusCode};
use serde_json::json;

use super::server::{Answer, Ask};

/// Which parts of the gate are ready; shared and cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Option<String>>>>);

impl Readiness {
    /// No parts yet: not ready until every part that was named is.
    pub fn new() -> Self {
        Readiness::default()
    }

    /// The part can do its work.
    pub fn ready(&self, part: &'static str) {
        self.set(part, None);
    }

    /// The part cannot do its work, and why; the reason is shown to whoever asks.
    pub fn not_ready(&self, part: &'static str, reason: impl Into<String>) {
        self.set(part, Some(reason.into()));
    }

    fn set(&self, part: &'static str, reason: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part, reason);
    }

    /// Whether there is at least one part, and all are ready.
    pub fn is_ready(&self) -> bool {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !parts.is_empty() && parts.values().all(Option::is_none)
    }

    /// The table as JSON: `{"ready": .., "parts": [{"name", "ready", "reason"}]}`.
    pub fn table(&self) -> serde_json::Value {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<_> = parts
            .iter()
            .map(|(name, reason)| json!({ "name": name, "ready": reason.is_none(), "reason": reason }))
            .collect();
        let ready = !parts.is_empty() && parts.values().all(Option::is_none);
        json!({ "ready": ready, "parts": rows })
    }

    /// Answers the two paths; none for any other.
    pub fn answer(&self, ask: &Ask) -> Option<Answer> {
        let (status, body) = match ask.path.as_str() {
            "/livez" => (StatusCode::OK, json!({ "live": true })),
            "/readyz" => {
                let table = self.table();
                let ready = table["ready"] == true;
                (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, table)
            }
            _ => return None,
        };
        if ask.method != Method::GET && ask.method != Method::HEAD {
            return Some(Answer::method_not_allowed("GET, HEAD"));
        }
        Some(Answer::json(status, &body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(path: &str) -> Ask {
        Ask { path: path.into(), ..Ask::default() }
    }

    /// Scenario: parts come up, one goes away. Guarantee: ready only while all are; live always.
    #[test]
    fn ready_only_while_every_part_is() {
        let readiness = Readiness::new();
        let status = |path: &str| readiness.answer(&ask(path)).unwrap().status;
        assert_eq!(status("/readyz"), StatusCode::SERVICE_UNAVAILABLE);
        readiness.ready("receivers");
        assert_eq!(status("/readyz"), StatusCode::OK);
        readiness.not_ready("journal", "the disk is full");
        assert_eq!(status("/readyz"), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status("/livez"), StatusCode::OK);
        assert_eq!(readiness.table()["parts"][0]["reason"], "the disk is full");
        assert!(readiness.answer(&ask("/")).is_none());
    }
}
