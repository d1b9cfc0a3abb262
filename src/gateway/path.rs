//! The path of one request, on one screen: survey, resolve, admit, split, stamp, transform, scrub.
//! Plain and synchronous; a worker thread runs it.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Format, counts,
    heirs::{Heirs, Owners},
    impersonation::Impersonator,
};
use crate::{
    batch::{Batch, Clean, Signal, TenantId},
    detect::{self, Observation},
    identify::{
        Admission, Claims, Declared, Level, Reject, Resolver, Slot, baggage, normalise, stamp,
        traces::{Traces, Waiter},
        tracestate,
    },
    policy::Policy,
    receipt::Refusal,
    receive::ndjson,
    scrub, transform,
    wire::{
        self, Cuts, Edits, Mark, Place, Sharing, Survey, WireError,
        view::{self, AnyValue, Message},
    },
};

/// One request, decoded from its transport.
pub struct Request<'a> {
    /// Its signal.
    pub signal: Signal,
    /// How `body` is written.
    pub format: Format,
    /// The body.
    pub body: Bytes,
    /// The verified token.
    pub claims: Option<&'a Claims>,
    /// Headers that may name a tenant.
    pub headers: &'a [(String, String)],
    /// The `baggage` header, whole.
    pub baggage: Option<&'a str>,
    /// The tenant that it counts as a request of already.
    pub entered: Option<TenantId>,
    /// When it came, in nanoseconds since 1970.
    pub now: u64,
    /// What is known of traces.
    pub traces: &'a Arc<Traces>,
    /// Whether it may be looked at once more when more is known of its traces.
    pub may_wait: bool,
}

/// Memory of one worker.
#[derive(Default)]
pub struct Scratch {
    survey: Survey,
    edits: Edits,
    transform: transform::Scratch,
    pub(super) scrub: scrub::Scratch,
    extractor: detect::Extractor,
    observations: Vec<Observation>,
}

/// One tenant's part of a request.
pub struct Part {
    /// Items as they came, before transforms.
    pub received: u32,
    /// Its share of the body, in bytes.
    pub bytes: u32,
    /// Values taken out of it.
    pub redacted: u64,
    /// Items that a `drop` took out, and that a `sample` left out.
    pub dropped: (u32, u32),
    /// Why it is rejected, or what observe mode let through.
    pub reject: Option<Reject>,
    /// What is left of it; `items` may be 0.
    pub batch: Batch<Clean>,
    /// Whether its tenant is the one of its trace.
    pub inherited: bool,
    /// Who wrote it, where that is not one of the tenant's own.
    pub impersonator: Option<Impersonator>,
}

/// What became of a request.
pub struct Processed {
    /// What goes on.
    pub accepted: Vec<Part>,
    /// What is rejected, scrubbed.
    pub rejected: Vec<Part>,
    /// Lines that were no JSON objects (NDJSON alone).
    pub bad_lines: u32,
    /// Values taken out: type, action, count, by tenant.
    pub redacted: Vec<(TenantId, String, &'static str, u32)>,
    /// What people wrote where no rule expects it, by tenant.
    pub content: Vec<(TenantId, scrub::ContentSeen)>,
    /// Pseudonyms that became redactions for want of a key, and why: by tenant.
    pub without_key: Vec<(TenantId, u64, Arc<std::io::Error>)>,
    /// Fields that the protocol does not have.
    pub unknown_fields: u64,
    /// Attributes over their tenants' limits.
    pub cuts: Vec<(TenantId, Cuts)>,
    /// Tenants that it counts as a request of, until it is answered.
    pub slots: Vec<Slot>,
}

/// What came of a look at a request.
pub enum Looked {
    /// It is done.
    Done(Processed),
    /// It has items whose traces are not known yet: it is to be run again after the wait. Nothing was kept.
    Waits(Waiter),
}

/// Runs one request along the path. Observations are handed to `observe`.
///
/// # Errors
/// The request is not sound, or a tenant is over its quota; nothing of it was kept.
pub fn run(
    policy: &Policy,
    admission: &Admission,
    scratch: &mut Scratch,
    request: Request<'_>,
    mut observe: impl FnMut(Vec<Observation>),
) -> Result<Looked, Refusal> {
    let signal = request.signal;
    let (bytes, bad_lines) = decode(&request)?;
    wire::survey(signal, &bytes, &policy.aliases, &mut scratch.survey).map_err(bad)?;
    let resolver = Resolver::new(&policy.config.identity, &policy.catalogue, request.claims, request.headers);
    let mut heirs = Heirs::new(signal, request.traces, &policy.config.identity.inherit, request.now);
    let (mut owners, mut sharing) =
        share(policy, &resolver, &scratch.survey, signal, &bytes, request.now, heirs.as_mut());
    if let Some(heirs) = heirs {
        // What is held while it waits is the body as it came.
        let bytes = request.may_wait.then_some(bytes.len().max(request.body.len()));
        if let Some(waiter) = heirs.settle(&resolver, &mut owners, &mut sharing, bytes) {
            return Ok(Looked::Waits(waiter));
        }
    }
    observed(policy, scratch, &request, &bytes, &mut observe);
    let parts = wire::split(signal, &bytes, &sharing).map_err(bad)?;
    let mut slots = Vec::new();
    // A tenant may have several parts; it counts as one request of it.
    let mut entered: Vec<TenantId> = Vec::new();
    for part in &parts {
        let owner = owners.get(part.part);
        let tenant = owner.tenant;
        if owner.goes_on {
            let limits = policy.catalogue.limits(tenant, &policy.config.identity);
            let again = request.entered == Some(tenant) || entered.contains(&tenant);
            if let Some(most) = limits.concurrent_requests.filter(|_| !again) {
                slots.push(admission.in_flight.enter(tenant, Some(most))?);
                entered.push(tenant);
            }
            admission.admit(tenant, limits, u64::from(part.items), part.bytes.len() as u64)?;
        }
    }
    let mut done = Processed {
        accepted: Vec::new(),
        rejected: Vec::new(),
        bad_lines,
        redacted: Vec::new(),
        content: Vec::new(),
        without_key: Vec::new(),
        unknown_fields: 0,
        cuts: Vec::new(),
        slots,
    };
    let whole = parts.len() == 1;
    let parts: Vec<_> = parts.into_iter().filter(|part| part.items > 0).collect();
    let sizes: Vec<usize> = parts.iter().map(|part| part.bytes.len()).collect();
    let shares = counts::share(request.body.len(), sizes.iter().copied());
    for (part, share) in parts.into_iter().zip(shares) {
        let owner = owners.get(part.part);
        let (tenant, reject, inherited) = (owner.tenant, owner.reject, owner.inherited);
        if !whole {
            wire::survey(signal, &part.bytes, &policy.aliases, &mut scratch.survey).map_err(bad)?;
        }
        let goes_on = owner.goes_on;
        let slug = policy.slug(tenant);
        let mut bytes = part.bytes;
        let mut dropped = (0, 0);
        if goes_on {
            bytes =
                stamp(&bytes, &scratch.survey, tenant, slug, inherited, &mut scratch.edits).map_err(bad)?;
            let text = tenant.to_string();
            let tenant_id = if tenant == TenantId::NONE { "" } else { &text };
            let context = transform::Context { tenant_id, slug };
            let out = policy
                .transforms
                .apply_batch(signal, bytes, &context, &mut scratch.transform)
                .map_err(bad)?;
            (bytes, dropped) = (out.bytes, (out.dropped, out.sampled));
        }
        let items = part.items - dropped.0 - dropped.1;
        let raw = Batch::raw(signal, tenant, items, bytes);
        let mut tally = scrub::Tally::default();
        let mut batch =
            policy.scrubber.scrub_batch(&mut scratch.scrub, raw, &policy.master, &mut tally).map_err(bad)?;
        let limits = policy.catalogue.limits(tenant, &policy.config.identity);
        if goes_on && limits.cuts() {
            // Behind the scrubber: what is cut short might no longer be known for what it is.
            let (most, longest) = (limits.attributes, limits.attribute_bytes);
            let (bytes, cuts) =
                wire::cut(signal, &batch.bytes, most, longest, &mut scratch.edits).map_err(bad)?;
            batch = batch.part(items, bytes);
            done.cuts.push((tenant, cuts));
        }
        done.unknown_fields += tally.unknown_fields;
        if goes_on && !tally.personal.is_empty() {
            observe(detect::personal_facts(&mut tally.personal, signal, tenant, request.now));
        }
        if tally.content.sentences > 0 {
            done.content.push((tenant, std::mem::take(&mut tally.content)));
        }
        done.without_key.extend(tally.key_error.take().map(|error| (tenant, tally.without_key, error)));
        let counts = tally.drain(&policy.scrubber);
        let changed = counts.iter().filter(|(_, action, _)| !matches!(*action, "shadow" | "keep"));
        let redacted = changed.map(|(_, _, n)| u64::from(*n)).sum();
        done.redacted
            .extend(counts.into_iter().map(|(kind, action, n)| (tenant, kind.to_owned(), action, n)));
        let impersonator = request.claims.filter(|_| resolver.impersonates(tenant)).map(|claims| {
            Impersonator { actor: claims.actor(), own: resolver.own().unwrap_or(TenantId::NONE) }
        });
        let part = Part {
            received: part.items,
            bytes: share,
            redacted,
            dropped,
            reject,
            batch,
            inherited,
            impersonator,
        };
        if goes_on { done.accepted.push(part) } else { done.rejected.push(part) }
    }
    Ok(Looked::Done(done))
}

fn decode(request: &Request<'_>) -> Result<(Bytes, u32), Refusal> {
    match request.format {
        Format::Protobuf => Ok((request.body.clone(), 0)),
        Format::Json => {
            wire::json::decode(request.signal, &request.body).map(|bytes| (bytes, 0)).map_err(bad)
        }
        Format::Ndjson => ndjson::transcode(&request.body).map(|out| (out.bytes, out.rejected_lines)),
    }
}

fn bad(error: WireError) -> Refusal {
    match error.fault {
        wire::Fault::Size => Refusal::TooLarge(error.to_string()),
        _ => Refusal::BadData(error.to_string()),
    }
}

/// Decides whose each group is, or each item where items or scopes declare a tenant.
fn share(
    policy: &Policy,
    resolver: &Resolver<'_>,
    survey: &Survey,
    signal: Signal,
    bytes: &[u8],
    now: u64,
    mut heirs: Option<&mut Heirs<'_>>,
) -> (Owners, Vec<Sharing>) {
    let mut owners = Owners::default();
    let mut sharing = Vec::with_capacity(survey.groups.len());
    for (group, view) in survey.groups.iter().zip(view::groups(signal, bytes)) {
        let marks: Vec<&Mark> =
            survey.marks_of(group).iter().filter(|mark| mark.rank < policy.declaring).collect();
        let texts: Vec<_> = marks.iter().map(|mark| text(bytes, mark)).collect();
        let pick = |wanted: &dyn Fn(&Mark) -> bool| -> Vec<Declared<'_>> {
            let all = marks.iter().zip(&texts).filter(|(mark, _)| wanted(mark));
            let level = |place| match place {
                Place::Resource => Level::Resource,
                Place::Scope => Level::Scope,
                Place::Item => Level::Item,
            };
            all.map(|(mark, text)| Declared { level: level(mark.place), rank: mark.rank, text }).collect()
        };
        // The time of an item decides for tenants that are deleted: those are looked at one by one.
        let resource = pick(&|mark| mark.place == Place::Resource);
        let first = resolver.resolve(&resource, 0);
        let heirless = heirs.is_none() || !resolver.is_silent(&resource);
        let timeless = heirless && first.tenant.is_ok() && !ends(policy, first.named);
        let keys = &policy.config.identity.tracestate;
        let carries =
            !keys.is_empty() && view.items().any(|item| !tracestate::declared(&item, keys).is_empty());
        if timeless && !carries && marks.iter().all(|mark| mark.place == Place::Resource) {
            let found = resolver.resolve(&resource, now);
            if let Some(heirs) = heirs.as_deref_mut() {
                view.items().for_each(|item| heirs.saw(&item, &found));
            }
            sharing.push(Sharing::Whole(owners.part(&found)));
            continue;
        }
        let scopes = &survey.scopes[group.scopes.0 as usize..group.scopes.1 as usize];
        let mut scope = 0;
        let number_of_group = sharing.len();
        let parts = view.items().enumerate().map(|(i, item)| {
            let ordinal = group.stretch.first + i as u32;
            while scope + 1 < scopes.len() && ordinal >= scopes[scope].first + scopes[scope].items {
                scope += 1;
            }
            let number = group.scopes.0 + scope as u32;
            let mut holds = pick(&|mark| match mark.place {
                Place::Resource => true,
                Place::Scope => mark.scope == number,
                Place::Item => mark.item == ordinal,
            });
            if carries {
                holds.extend(tracestate::declared(&item, keys));
            }
            let time = match item.time_unix_nano() {
                0 => now,
                time => time,
            };
            let found = resolver.resolve(&holds, time);
            match heirs.as_deref_mut() {
                Some(heirs) if resolver.is_silent(&holds) => heirs.add(&item, number_of_group, i, time),
                Some(heirs) => heirs.saw(&item, &found),
                None => {}
            }
            owners.part(&found)
        });
        sharing.push(Sharing::Items(parts.collect()));
    }
    (owners, sharing)
}

fn ends(policy: &Policy, tenant: Option<TenantId>) -> bool {
    tenant.and_then(|tenant| policy.catalogue.get(tenant)).is_some_and(|tenant| tenant.deleted_at.is_some())
}

/// The text of a declared tenant; of what is no text, the number's.
fn text<'a>(bytes: &'a [u8], mark: &Mark) -> std::borrow::Cow<'a, str> {
    let pair = Message::at(bytes, mark.start as usize, mark.end as usize);
    let value = pair.all(2).map(|value| AnyValue::read(value.message())).last();
    match value {
        Some(AnyValue::Str(text)) => text.into(),
        Some(AnyValue::Int(number)) => number.to_string().into(),
        _ => "".into(),
    }
}

fn observed(
    policy: &Policy,
    scratch: &mut Scratch,
    request: &Request<'_>,
    bytes: &[u8],
    observe: impl FnOnce(Vec<Observation>),
) {
    let named = |text: &str| normalise(text, &policy.catalogue).ok();
    let context = detect::Context {
        at: request.now,
        claimed: request.claims.and_then(|claims| claims.tenant.as_deref()).and_then(named),
        fallback: request.headers.iter().find_map(|(_, value)| named(value)),
        baggage: request.baggage.and_then(|text| baggage::tenant(text, &policy.aliases, &policy.catalogue)),
        directory: &policy.catalogue,
        mentions: policy.mentions.as_deref(),
    };
    let out = &mut scratch.observations;
    out.clear();
    detect::observe_batch(request.signal, bytes, &policy.rules, context, &mut scratch.extractor, out);
    if !out.is_empty() {
        observe(std::mem::take(out));
    }
}
