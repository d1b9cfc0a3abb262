//! The end of a tenant: everything that the gate keeps of it is destroyed, and a signed record says what that was.
//!
//! The record holds the tenant's id and numbers. It stands in `destroyed/` as JWS, whose content is base64: nothing
//! in the data directory shows the tenant to whoever looks for it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use serde_json::json;

use super::{moves::Moves, workers::now};
use crate::{
    admin::signed,
    batch::TenantId,
    buffer::{
        Erased, Journal, Settings,
        quarantine::{Filter, Store},
    },
    config::write_whole,
    identify::{Catalogue, State, rfc3339_text},
    scrub::Salts,
    telemetry::audit,
    usage::{Ledger, Report},
};

/// Who destroys when `identity.purge_after` is over.
pub const POLICY: &str = "policy";
/// Where records are, in the data directory.
const DIRECTORY: &str = "destroyed";

/// What was destroyed of a tenant. A part that says 0 or false had nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destroyed {
    /// Whose it was.
    pub tenant_id: String,
    /// When, as RFC 3339.
    pub destroyed_at: String,
    /// On whose word: the name of a token, `command`, or `policy`.
    pub by: String,
    /// The version of the gate.
    pub version: String,
    /// Accepted data on the disk, and what the account says of it.
    pub journal: Erased,
    /// Bytes that were held for a move.
    pub held_bytes: u64,
    /// Rejected batches.
    pub quarantine_batches: u64,
    /// Whether it had a salt: without it its pseudonyms can never be made or matched again.
    pub salt: bool,
    /// Findings about it.
    pub findings: u64,
    /// What it used, by day: the last account of it.
    pub usage: Vec<Report>,
}

/// What may be destroyed.
///
/// # Errors
/// The tenant is alive.
pub fn may_be_destroyed(tenant: TenantId, catalogue: &Catalogue) -> Result<(), String> {
    match catalogue.get(tenant) {
        Some(listed) if listed.state == State::Deleted => Ok(()),
        None if !catalogue.is_open() => Ok(()),
        Some(listed) => Err(format!(
            "the catalogue says that the tenant is {}; set it to deleted first, or insist with force",
            listed.state.as_str()
        )),
        None => Err("there is no catalogue that says that the tenant is deleted; insist with force".into()),
    }
}

/// Destroys what is kept of a tenant, but what [`Moves`] hold of it. Blocks.
///
/// # Errors
/// The disk's: some of it may be destroyed; the same again destroys the rest.
fn destroy(all: &Everything, tenant: TenantId, held_bytes: u64, by: &str) -> io::Result<Destroyed> {
    let journal = all.journal.erase(tenant)?;
    let quarantine_batches = match all.buffer.directory.join("quarantine").is_dir() {
        true => {
            let mut store = Store::open(&all.buffer).map_err(io::Error::other)?;
            store.purge(&Filter { tenant: Some(tenant), ..Filter::default() })?
        }
        false => 0,
    };
    let salt = all.salts.is_dir() && Salts::open(&all.salts)?.destroy(tenant)?;
    let findings = (all.findings)(tenant)?;
    let usage = match &all.usage {
        Some(ledger) => ledger.forget(tenant)?,
        // It was counted before.
        None if all.buffer.directory.join("usage").is_dir() => {
            let ledger =
                Ledger::open(&all.buffer.directory, &Default::default()).map_err(io::Error::other)?;
            ledger.forget(tenant)?
        }
        None => Vec::new(),
    };
    remove_asides(&all.buffer.directory.join("usage"))?;
    Ok(Destroyed {
        tenant_id: tenant.to_string(),
        destroyed_at: rfc3339_text(now()),
        by: by.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        journal,
        held_bytes,
        quarantine_batches,
        salt,
        findings,
        usage,
    })
}

/// Removes damaged files that were set aside, and unfinished ones: whose they are is not known.
fn remove_asides(directory: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "damaged") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Signs a record and keeps it. Returns the text and its file.
///
/// # Errors
/// The key or the file cannot be written.
fn record(directory: &Path, destroyed: &Destroyed) -> io::Result<(String, PathBuf)> {
    let directory = directory.join(DIRECTORY);
    let text = signed::sign(&directory, &serde_json::to_value(destroyed)?)?;
    let time = destroyed.destroyed_at.replace([':', '.'], "-");
    let path = directory.join(format!("{time}-{:08x}.jws", uuid::Uuid::new_v4().as_fields().0));
    write_whole(&path, format!("{text}\n").as_bytes())?;
    Ok((text, path))
}

impl Destroyed {
    /// Nothing was there.
    fn is_nothing(&self) -> bool {
        self.journal.items == 0
            && self.held_bytes == 0
            && self.quarantine_batches == 0
            && !self.salt
            && self.findings == 0
    }
}

/// Where everything is that [`purge`] destroys.
pub struct Everything {
    /// The tenants that move, and what is held of them.
    pub moves: Arc<Moves>,
    /// The section `buffer`.
    pub buffer: Settings,
    /// The directory of salts.
    pub salts: PathBuf,
    /// The journal.
    pub journal: Journal,
    /// Takes a tenant's findings away, and says how many.
    pub findings: Box<dyn Fn(TenantId) -> io::Result<u64> + Send>,
    /// What is used, where it is counted.
    pub usage: Option<Arc<Ledger>>,
}

/// The whole of it: held data, everything else, the record. Returns what was destroyed, and the signed text.
///
/// # Errors
/// In words for people; the same again goes on.
pub async fn purge(all: Everything, tenant: TenantId, by: String) -> Result<(Destroyed, String), String> {
    let said = |error: super::moves::NotMoved| error.to_string();
    let held_bytes = all.moves.erase_held(tenant).await.map_err(said)?;
    let (moves, directory) = (Arc::clone(&all.moves), all.buffer.directory.clone());
    let (of, whose) = (by.clone(), tenant);
    let done = tokio::task::spawn_blocking(move || destroy(&all, whose, held_bytes, &of)).await;
    let not_all =
        |error: io::Error| format!("not all of the tenant is destroyed: {error}; the same again goes on");
    let destroyed = done.map_err(|error| error.to_string())?.map_err(not_all)?;
    moves.forget(tenant).await.map_err(said)?;
    // What goes by itself, and had nothing, needs no record.
    if by == POLICY && destroyed.is_nothing() {
        return Ok((destroyed, String::new()));
    }
    let (text, path) = record(&directory, &destroyed).map_err(not_all)?;
    let details = json!({
        "record": path.display().to_string(), "records": destroyed.journal.records,
        "quarantined": destroyed.quarantine_batches, "salt": destroyed.salt,
    });
    // Without the name of what is gone: that is in the record.
    audit::record("tenant.purge", &by, TenantId::NONE, details);
    Ok((destroyed, text))
}

/// Whether a deleted tenant's time is over.
pub fn is_due(deleted_at: u64, purge_after: Duration, now: u64) -> bool {
    !purge_after.is_zero() && u128::from(now) > u128::from(deleted_at) + purge_after.as_nanos()
}
