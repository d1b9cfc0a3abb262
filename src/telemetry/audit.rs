//! Who did what to whose data: one line each, in the log (target `portcullis::audit`) and in a file.
//!
//! [`record`] never waits: lines go to a thread of their own, which writes the file. What that cannot take is
//! counted (`portcullis_audit_lost_total`), and stands in the log all the same. The file is the process's: the
//! gate that started last has it.

use std::{path::PathBuf, sync::Arc, thread::JoinHandle, time::SystemTime};

use arc_swap::ArcSwapOption;
use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::{Value, json};

use super::{RotatingFile, events::Event, metrics::tenant_label};
use crate::{
    batch::{Signal, TenantId},
    identify::rfc3339_text,
    limits,
};

/// Items were accepted for a tenant that is not their sender's own.
#[derive(Debug, Clone, Copy)]
pub struct ItemsImpersonated {
    /// Their signal.
    pub signal: Signal,
    /// Whose they are.
    pub tenant: TenantId,
    /// How many.
    pub items: u64,
}

impl Event for ItemsImpersonated {
    fn emit(self) {
        metrics::counter!("portcullis_impersonated_items_total", "signal" => self.signal.as_str(),
            "tenant_id" => tenant_label(self.tenant))
        .increment(self.items);
    }
}

/// Where lines for the file go.
static FILE: ArcSwapOption<Sender<String>> = ArcSwapOption::const_empty();

/// Writes down that `actor` did `action` (such as `impersonation` or `quarantine.purge`) to the data of `tenant`
/// ([`TenantId::NONE`]: of no one tenant). `actor` is a configured name or a fingerprint, never a token; `details`
/// is a JSON object of names, ids and numbers, never of values of the data.
pub fn record(action: &str, actor: &str, tenant: TenantId, details: Value) {
    let tenant_id = (tenant != TenantId::NONE).then(|| tenant.to_string());
    tracing::info!(
        target: "portcullis::audit",
        action,
        actor,
        tenant_id = tenant_id.as_deref().unwrap_or_default(),
        details = %details,
        "audit"
    );
    let file = FILE.load();
    let Some(lines) = &*file else { return };
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let time = rfc3339_text(u64::try_from(nanos).unwrap_or(u64::MAX));
    let line = json!({
        "time": time, "action": action, "actor": actor, "tenant_id": tenant_id, "details": details,
    });
    if lines.try_send(line.to_string()).is_err() {
        lost();
    }
}

fn lost() {
    metrics::counter!("portcullis_audit_lost_total").increment(1);
}

/// The file's writer; dropped, it has written everything. That blocks for as long as the disk takes.
#[derive(Debug)]
pub struct AuditFile {
    lines: Arc<Sender<String>>,
    thread: Option<JoinHandle<()>>,
}

impl AuditFile {
    /// Starts writing to `path`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(path: PathBuf) -> std::io::Result<AuditFile> {
        let (lines, queue) = bounded(limits::AUDIT_QUEUE);
        let file = RotatingFile::new(path, limits::AUDIT_FILE_BYTES);
        let thread = std::thread::Builder::new().name("audit".into()).spawn(move || write(file, &queue))?;
        let lines = Arc::new(lines);
        FILE.store(Some(Arc::clone(&lines)));
        Ok(AuditFile { lines, thread: Some(thread) })
    }
}

impl Drop for AuditFile {
    fn drop(&mut self) {
        let mine = FILE.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, &self.lines));
        if mine {
            FILE.store(None);
        }
        // An empty line ends the writer: whoever records at this moment may hold the sender still.
        let sent = self.lines.send(String::new()).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| sent) {
            let _ = thread.join();
        }
    }
}

fn write(mut file: RotatingFile, queue: &Receiver<String>) {
    for line in queue {
        if line.is_empty() {
            return;
        }
        if let Err(error) = file.append(&line) {
            lost();
            tracing::warn!(error = %error, "the audit file cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: records before, while and after a file is there, of a tenant and of none, and enough for a
    /// rotation. Guarantee: each line of the file is one JSON object that says who, what, whose and when; nothing
    /// that was recorded meanwhile is missing; the file stays within its bound.
    #[test]
    fn what_is_recorded_is_in_the_file() {
        let here = tempfile::tempdir().unwrap();
        let path = here.path().join("deep").join("audit.jsonl");
        record("before", "ci", TenantId::NONE, json!({}));
        let file = AuditFile::start(path.clone()).unwrap();
        let tenant = TenantId(uuid::Uuid::from_u128(7));
        record("quarantine.purge", "ci", tenant, json!({ "batches": 3 }));
        record("reload", "principal:0011223344556677", TenantId::NONE, json!({}));
        drop(file);
        record("after", "ci", tenant, json!({}));
        let text = std::fs::read_to_string(&path).unwrap();
        // Others of this process may record at the same time.
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |action: &str| lines.iter().find(|line| line["action"] == action);
        let purge = of("quarantine.purge").unwrap();
        assert_eq!(purge["tenant_id"], tenant.to_string());
        assert_eq!((&purge["actor"], &purge["details"]["batches"]), (&"ci".into(), &3.into()));
        assert!(purge["time"].as_str().unwrap().ends_with('Z'));
        assert_eq!(of("reload").unwrap()["tenant_id"], Value::Null);
        assert!(of("before").is_none() && of("after").is_none());

        let mut small = RotatingFile::new(path.clone(), 100);
        (0..50).for_each(|n| small.append(&format!("line number {n}")).unwrap());
        let length = |path: &std::path::Path| std::fs::metadata(path).unwrap().len();
        assert!(length(&path) <= 100 && length(&here.path().join("deep").join("audit.jsonl.1")) <= 400);
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("line number 49\n"));
    }
}
