//! What happens in the gate, as types: each event counts itself and says so in the log where a
//! person would want to know. Stages emit events; they don't touch counters.

mod limits;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use metrics::{SharedString, counter, gauge, histogram};

pub use limits::{AttributesCut, LimitsShared, TenantThrottled};

use super::metrics::tenant_label;

mod inherit;
pub use inherit::{InheritWait, ItemsInherited, WaitEnd};

use crate::{
    batch::{Signal, TenantId},
    identify::Reject,
    receipt::Refusal,
};

/// Something that happened.
pub trait Event {
    /// Counts it, and logs it if it is worth a line.
    fn emit(self);
}

/// Items that enforce mode would have rejected were let through.
#[derive(Debug, Clone, Copy)]
pub struct ItemsObserved {
    /// Their signal.
    pub signal: Signal,
    /// Where they went; [`TenantId::NONE`] where no tenant is named.
    pub tenant: TenantId,
    /// How many.
    pub items: u64,
    /// What they would have been rejected for.
    pub reason: Reject,
}

impl Event for ItemsObserved {
    fn emit(self) {
        counter!("portcullis_observed_items_total", "signal" => self.signal.as_str(),
            "tenant_id" => tenant_label(self.tenant), "reason" => self.reason.as_str())
        .increment(self.items);
    }
}

/// Why a policy dropped items: the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// A transform's `drop`.
    Transform,
    /// A transform's `sample`.
    Sample,
}

impl DropReason {
    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            DropReason::Transform => "transform",
            DropReason::Sample => "sample",
        }
    }
}

/// How a request came: the label `protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP.
    Http,
    /// One JSON object a line.
    Ndjson,
}

impl Protocol {
    /// The value of the label `protocol`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::Grpc => "grpc",
            Protocol::Http => "http",
            Protocol::Ndjson => "ndjson",
        }
    }
}

/// Items of one tenant came in, before any decision.
#[derive(Debug, Clone, Copy)]
pub struct ItemsReceived {
    /// Their signal.
    pub signal: Signal,
    /// Whose they say they are.
    pub tenant: TenantId,
    /// How many.
    pub items: u64,
}

impl Event for ItemsReceived {
    fn emit(self) {
        let tenant = tenant_label(self.tenant);
        counter!("portcullis_received_items_total", "signal" => self.signal.as_str(), "tenant_id" => tenant)
            .increment(self.items);
    }
}

/// A batch is durable or delivered: its items are acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct BatchAccepted {
    /// Its signal.
    pub signal: Signal,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its items.
    pub items: u64,
}

impl Event for BatchAccepted {
    fn emit(self) {
        let (signal, tenant) = (self.signal.as_str(), tenant_label(self.tenant));
        counter!("portcullis_accepted_items_total", "signal" => signal, "tenant_id" => tenant.clone())
            .increment(self.items);
        gauge!("portcullis_tenant_last_item_timestamp_seconds", "tenant_id" => tenant, "signal" => signal)
            .set(unix_seconds());
    }
}

/// Items were refused for good (partial success).
#[derive(Debug, Clone, Copy)]
pub struct ItemsRejected {
    /// Their signal.
    pub signal: Signal,
    /// Whose they are; [`TenantId::NONE`] where that is not known.
    pub tenant: TenantId,
    /// How many.
    pub items: u64,
    /// Why.
    pub reason: Reject,
}

impl Event for ItemsRejected {
    fn emit(self) {
        let reason = self.reason.as_str();
        counter!("portcullis_rejected_items_total", "signal" => self.signal.as_str(),
            "tenant_id" => tenant_label(self.tenant), "reason" => reason)
        .increment(self.items);
        tracing::warn!(signal = %self.signal, tenant_id = %self.tenant, items = self.items, reason, "items rejected");
    }
}

/// A policy dropped items.
#[derive(Debug, Clone, Copy)]
pub struct ItemsDropped {
    /// Their signal.
    pub signal: Signal,
    /// Whose they are.
    pub tenant: TenantId,
    /// How many.
    pub items: u64,
    /// Why.
    pub reason: DropReason,
}

impl Event for ItemsDropped {
    fn emit(self) {
        counter!("portcullis_dropped_items_total", "signal" => self.signal.as_str(),
            "tenant_id" => tenant_label(self.tenant), "reason" => self.reason.as_str())
        .increment(self.items);
    }
}

/// A whole request was not taken.
#[derive(Debug, Clone, Copy)]
pub struct RequestRefused<'a> {
    /// Which endpoint it came to.
    pub signal: Signal,
    /// How it came.
    pub protocol: Protocol,
    /// What its client is told.
    pub refusal: &'a Refusal,
}

impl Event for RequestRefused<'_> {
    fn emit(self) {
        let (protocol, reason) = (self.protocol.as_str(), self.refusal.reason());
        counter!("portcullis_refused_requests_total", "signal" => self.signal.as_str(),
            "protocol" => protocol, "reason" => reason)
        .increment(1);
        tracing::warn!(signal = %self.signal, protocol, reason, detail = self.refusal.message(), "request refused");
    }
}

/// A request has its answer, whatever it is.
#[derive(Debug, Clone, Copy)]
pub struct RequestAnswered {
    /// Which endpoint it came to.
    pub signal: Signal,
    /// How it came.
    pub protocol: Protocol,
    /// Its body after decompression.
    pub bytes: u64,
    /// From its first byte to the answer.
    pub took: Duration,
}

impl Event for RequestAnswered {
    fn emit(self) {
        let (signal, protocol) = (self.signal.as_str(), self.protocol.as_str());
        counter!("portcullis_received_bytes_total", "signal" => signal, "protocol" => protocol)
            .increment(self.bytes);
        histogram!("portcullis_request_duration_seconds", "signal" => signal, "protocol" => protocol)
            .record(self.took);
    }
}

/// Fields that no schema names were dropped.
#[derive(Debug, Clone, Copy)]
pub struct UnknownFields {
    /// In which signal.
    pub signal: Signal,
    /// How many.
    pub fields: u64,
}

impl Event for UnknownFields {
    fn emit(self) {
        counter!("portcullis_unknown_fields_total", "signal" => self.signal.as_str()).increment(self.fields);
    }
}

/// Sentences that people wrote were seen in fields where no rule expects them.
#[derive(Debug, Clone, Copy)]
pub struct SentencesSeen {
    /// Whose data.
    pub tenant: TenantId,
    /// How many.
    pub sentences: u64,
}

impl Event for SentencesSeen {
    fn emit(self) {
        counter!("portcullis_user_sentences_total", "tenant_id" => tenant_label(self.tenant))
            .increment(self.sentences);
    }
}

/// Pseudonyms became redactions, since the tenant's key could not be had.
#[derive(Debug, Clone)]
pub struct PseudonymsWithoutKey {
    /// Whose data.
    pub tenant: TenantId,
    /// How many.
    pub values: u64,
    /// Why, for the last of them.
    pub error: Arc<std::io::Error>,
}

impl Event for PseudonymsWithoutKey {
    fn emit(self) {
        counter!("portcullis_pseudonyms_without_key_total", "tenant_id" => tenant_label(self.tenant))
            .increment(self.values);
        tracing::error!(tenant_id = %self.tenant, values = self.values, error = %self.error,
            "no key for pseudonyms: values were redacted instead; see scrub.salt_directory");
    }
}

/// Values of one type were redacted in a batch.
#[derive(Debug, Clone)]
pub struct ValuesRedacted {
    /// Whose data.
    pub tenant: TenantId,
    /// The rule's type; from the rule packs, never from the data.
    pub kind: SharedString,
    /// What was done.
    pub action: &'static str,
    /// How many.
    pub values: u64,
}

impl Event for ValuesRedacted {
    fn emit(self) {
        counter!("portcullis_redacted_values_total", "tenant_id" => tenant_label(self.tenant),
            "type" => self.kind, "action" => self.action)
        .increment(self.values);
    }
}

/// A detector raised a finding.
#[derive(Debug, Clone, Copy)]
pub struct FindingRaised {
    /// Its class.
    pub class: &'static str,
    /// Its severity.
    pub severity: &'static str,
    /// Whose data was seen where it should not be.
    pub tenant: TenantId,
    /// Where it was seen, if that is another tenant.
    pub other: Option<TenantId>,
}

impl Event for FindingRaised {
    fn emit(self) {
        let Self { class, severity, tenant, other } = self;
        counter!("portcullis_findings_total", "class" => class, "tenant_id" => tenant_label(tenant),
            "severity" => severity)
        .increment(1);
        let other = other.map(tracing::field::display);
        tracing::warn!(class, severity, tenant_id = %tenant, other_tenant_id = other, "finding");
    }
}

/// A detector shed observations for a time.
#[derive(Debug, Clone, Copy)]
pub struct DetectorBlind {
    /// Which.
    pub detector: &'static str,
    /// For how long, in whole seconds.
    pub seconds: u64,
}

impl Event for DetectorBlind {
    fn emit(self) {
        let Self { detector, seconds } = self;
        counter!("portcullis_detector_blind_seconds_total", "detector" => detector).increment(seconds);
        tracing::warn!(detector, seconds, "detector was overloaded and shed observations");
    }
}

/// A detector's state, at a look.
#[derive(Debug, Clone, Copy)]
pub struct DetectorState {
    /// Which.
    pub detector: &'static str,
    /// Entries now.
    pub entries: u64,
    /// Entries evicted since the last look.
    pub evicted: u64,
}

impl Event for DetectorState {
    fn emit(self) {
        gauge!("portcullis_detector_state_entries", "detector" => self.detector).set(self.entries as f64);
        counter!("portcullis_detector_evicted_total", "detector" => self.detector).increment(self.evicted);
    }
}

/// A destination took items.
#[derive(Debug, Clone)]
pub struct ItemsSent {
    /// Its name in the configuration.
    pub destination: SharedString,
    /// Their signal.
    pub signal: Signal,
    /// Whose they are.
    pub tenant: TenantId,
    /// How many.
    pub items: u64,
}

impl Event for ItemsSent {
    fn emit(self) {
        counter!("portcullis_exporter_sent_items_total", "destination" => self.destination.clone(),
            "signal" => self.signal.as_str(), "tenant_id" => tenant_label(self.tenant))
        .increment(self.items);
        gauge!("portcullis_exporter_last_success_timestamp_seconds", "destination" => self.destination)
            .set(unix_seconds());
    }
}

/// A send failed; it is tried again.
#[derive(Debug, Clone)]
pub struct SendFailed {
    /// The destination's name in the configuration.
    pub destination: SharedString,
    /// Why, of a closed set.
    pub reason: &'static str,
}

impl Event for SendFailed {
    fn emit(self) {
        tracing::warn!(
            destination = &*self.destination,
            reason = self.reason,
            "send failed, will be tried again"
        );
        counter!("portcullis_exporter_send_failed_total", "destination" => self.destination,
            "reason" => self.reason)
        .increment(1);
    }
}

/// A destination refused items for good.
#[derive(Debug, Clone)]
pub struct ItemsRefusedByDestination {
    /// Its name in the configuration.
    pub destination: SharedString,
    /// Their signal.
    pub signal: Signal,
    /// How many.
    pub items: u64,
}

impl Event for ItemsRefusedByDestination {
    fn emit(self) {
        tracing::error!(destination = &*self.destination, signal = %self.signal, items = self.items,
            "the destination refused items for good");
        counter!("portcullis_exporter_rejected_items_total", "destination" => self.destination,
            "signal" => self.signal.as_str())
        .increment(self.items);
    }
}

/// The journal reached the disk.
#[derive(Debug, Clone, Copy)]
pub struct JournalSynced {
    /// How long the fsync took.
    pub took: Duration,
}

impl Event for JournalSynced {
    fn emit(self) {
        histogram!("portcullis_journal_fsync_seconds").record(self.took);
    }
}

/// A disk operation of the journal failed.
#[derive(Debug, Clone, Copy)]
pub struct JournalFailed {
    /// Which operation, of a closed set.
    pub operation: &'static str,
    /// What the system said.
    pub error: std::io::ErrorKind,
}

impl Event for JournalFailed {
    fn emit(self) {
        let Self { operation, error } = self;
        counter!("portcullis_journal_failures_total", "operation" => operation).increment(1);
        tracing::error!(operation, %error, "journal operation failed");
    }
}

/// Records failed their checksum and were set aside.
#[derive(Debug, Clone, Copy)]
pub struct JournalCorrupt {
    /// How many.
    pub records: u64,
}

impl Event for JournalCorrupt {
    fn emit(self) {
        counter!("portcullis_journal_corrupt_records_total").increment(self.records);
        tracing::error!(records = self.records, "corrupt journal records were set aside");
    }
}

/// A new configuration or policy was taken, or not.
#[derive(Debug, Clone)]
pub struct Reloaded {
    /// The hash of what is now in use, or why the old one stays.
    pub result: Result<SharedString, String>,
}

impl Event for Reloaded {
    fn emit(self) {
        let taken = self.result.is_ok();
        gauge!("portcullis_config_last_reload_successful").set(if taken { 1.0 } else { 0.0 });
        match self.result {
            Ok(hash) => {
                gauge!("portcullis_config_last_reload_timestamp_seconds").set(unix_seconds());
                tracing::info!(hash = &*hash, "configuration taken");
                gauge!("portcullis_config_info", "hash" => hash).set(1.0);
            }
            Err(why) => tracing::error!(why, "reload refused, the old configuration stays"),
        }
    }
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

#[cfg(test)]
mod tests;
