//! Tells findings, each where findings go: file, counter, log record, webhook.

use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::TenantId;

use super::{
    Finding, Hooks, Settings, board::Board, file::FindingsLog, finding::Status, fingerprint::Key, record,
    sinks::webhook::Webhook, suppressions::Suppressions,
};

/// Tells findings that are not suppressed.
#[derive(Clone)]
pub(super) struct Teller {
    pub file: Arc<Mutex<FindingsLog>>,
    pub hooks: Hooks,
    pub board: Arc<Board>,
    pub suppressions: Arc<Suppressions>,
    pub webhook: Option<Arc<Webhook>>,
}

impl Teller {
    /// Opens what findings are told to.
    ///
    /// # Errors
    /// The file of suppressions cannot be read; the webhook cannot be made.
    pub fn new(settings: &Settings, key: Key, hooks: &Hooks) -> std::io::Result<Teller> {
        let now = (hooks.clock)();
        let suppressions = settings.findings.file.with_file_name("suppressions.json");
        let webhook = settings.webhook.as_ref().map(|webhook| Webhook::start(webhook, &settings.runbook_url));
        Ok(Teller {
            file: Arc::new(Mutex::new(
                FindingsLog::new(settings.findings.clone()).with_runbook(&settings.runbook_url),
            )),
            hooks: hooks.clone(),
            board: Arc::new(Board::new(&settings.runbook_url)),
            suppressions: Arc::new(Suppressions::open(&settings.suppressions, key, suppressions, now)?),
            webhook: webhook.transpose()?.map(Arc::new),
        })
    }

    /// Tells a finding, or counts it as suppressed. Writes a file.
    pub fn tell(&self, finding: &Finding) {
        let now = (self.hooks.clock)();
        let over = finding.status == Status::Closed;
        let suppressed = !over && self.suppressions.covers(finding, now);
        // Each that is held back counts once, however often it grows.
        if suppressed && self.board.held_back(finding.id) != Some(true) {
            self.suppressions.count(finding, now);
        }
        let Some(finding) = self.board.note(finding, suppressed) else { return };
        if finding.status == Status::Open {
            metrics::counter!(
                "portcullis_findings_total",
                "class" => finding.class.as_str(),
                "tenant_id" => (self.hooks.tenant_label)(finding.tenant),
                "severity" => finding.severity.as_str()
            )
            .increment(1);
        }
        let written = self.file.lock().unwrap_or_else(PoisonError::into_inner).append(&finding);
        if let Err(error) = written {
            tracing::error!(%error, class = finding.class.as_str(), "the findings file cannot be written");
        }
        if let Some(webhook) = &self.webhook {
            webhook.tell(&finding);
        }
        (self.hooks.on_finding)(&finding, record::otlp(&finding));
    }

    /// Takes up a finding that went on before a restart: it was told then. One that is suppressed now is over.
    pub fn resume(&self, finding: &Finding) {
        self.board.note(finding, false);
        if self.suppressions.covers(finding, (self.hooks.clock)()) {
            return self.tell(finding);
        }
        if let Some(webhook) = &self.webhook {
            webhook.remind(finding);
        }
    }

    /// Forgets what names a tenant.
    pub fn forget(&self, tenant: TenantId) {
        self.board.forget(tenant);
        if let Some(webhook) = &self.webhook {
            webhook.forget(tenant);
        }
    }
}
