//! The store: batches in, text out.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, atomic::AtomicUsize},
};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::KeyValue,
    metrics::v1::{self as otlp, AggregationTemporality, metric::Data},
};
use prost::Message as _;

use super::{
    exponential::Exponential,
    family::{Family, Kind, Refused, Registry},
    label::{self, Labels},
    name,
    negotiate::Format,
    render::{self, Sample},
    settings::Settings,
    tenant::{Point, Rejection, Tenant},
    value::{Exemplar, Histogram, Invalid, Summary, Value, number},
};
use crate::{
    batch::{Batch, Clean, Signal, TenantId},
    limits,
    telemetry::metrics::tenant_label,
};

/// `flags` of a data point: the series has ended.
const NO_RECORDED_VALUE: u32 = 1;

/// Looks up a tenant's own series limit.
type SeriesLimit = Box<dyn Fn(TenantId) -> Option<usize> + Send + Sync>;

/// What became of the data points of one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Points that are now shown.
    pub kept: u64,
    /// Series ended by a point without a recorded value.
    pub ended: u64,
    /// Points dropped, by [`Rejection`] in the order of [`Rejection::ALL`].
    pub rejected: [u64; Rejection::ALL.len()],
}

impl Tally {
    /// Points dropped for `reason`.
    pub fn rejected(&self, reason: Rejection) -> u64 {
        self.rejected[reason as usize]
    }

    fn reject(&mut self, reason: Rejection, points: usize) {
        self.rejected[reason as usize] += points as u64;
    }
}

/// The series of all tenants.
pub struct Store {
    settings: Settings,
    series_limit: SeriesLimit,
    registry: Mutex<Registry>,
    tenants: RwLock<BTreeMap<TenantId, Arc<Mutex<Tenant>>>>,
    total: Arc<AtomicUsize>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("series", &self.series()).finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store.
    pub fn new(settings: &Settings) -> Store {
        Store {
            settings: settings.clone(),
            series_limit: Box::new(|_| None),
            registry: Mutex::default(),
            tenants: RwLock::default(),
            total: Arc::default(),
        }
    }

    /// Asks `limit` for a tenant's own series limit, once a batch; `None` means the settings'.
    #[must_use]
    pub fn with_series_limit(
        mut self,
        limit: impl Fn(TenantId) -> Option<usize> + Send + Sync + 'static,
    ) -> Store {
        self.series_limit = Box::new(limit);
        self
    }

    /// Series kept now, of all tenants.
    pub fn series(&self) -> usize {
        self.total.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Each tenant that has series, and how many.
    pub fn series_by_tenant(&self) -> Vec<(TenantId, usize)> {
        let all = self.all();
        all.iter().map(|tenant| lock(tenant)).map(|tenant| (tenant.id, tenant.weight())).collect()
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes a batch of metrics (other signals are ignored); `now` in nanoseconds since the epoch.
    pub fn ingest(&self, batch: &Batch<Clean>, now: u64) -> Tally {
        let mut tally = Tally::default();
        if batch.signal != Signal::Metrics || !self.settings.enabled {
            return tally;
        }
        match ExportMetricsServiceRequest::decode(batch.bytes.clone()) {
            Ok(request) => self.ingest_request(batch.tenant, &request, now, &mut tally),
            Err(_) => tally.reject(Rejection::Malformed, batch.items.max(1) as usize),
        }
        self.count(batch.tenant, &tally);
        tally
    }

    fn ingest_request(
        &self,
        id: TenantId,
        request: &ExportMetricsServiceRequest,
        now: u64,
        tally: &mut Tally,
    ) {
        let limit = (self.series_limit)(id).unwrap_or(self.settings.series_per_tenant);
        let tenant = self.tenant(id);
        for resource in &request.resource_metrics {
            let attributes = resource.resource.as_ref().map_or(&[][..], |r| &r.attributes);
            let target = label::target(attributes);
            if !target.info.is_empty() {
                let kept = target.identity.encode(&self.settings).and_then(|identity| {
                    let info = target.info.encode(&self.settings)?;
                    Ok(lock(&tenant).keep_target(&identity, info, limit, &self.settings, now))
                });
                match kept {
                    Ok(Ok(())) => {}
                    Ok(Err(reason)) => tally.reject(reason, 1),
                    Err(label::TooMuch) => tally.reject(Rejection::LabelLimit, 1),
                }
            }
            for scope in &resource.scope_metrics {
                let mut labels = target.identity.clone();
                if self.settings.scope_labels {
                    labels.add_scope(scope.scope.as_ref(), &scope.schema_url);
                }
                for metric in &scope.metrics {
                    let mut intake = Intake {
                        store: self,
                        tenant: &tenant,
                        labels: &labels,
                        limit,
                        now,
                        tally: &mut *tally,
                    };
                    intake.metric(id, metric);
                }
            }
        }
    }

    /// Counts what was dropped, and how many series the tenant has.
    fn count(&self, id: TenantId, tally: &Tally) {
        let label = tenant_label(id);
        for reason in Rejection::ALL {
            let n = tally.rejected(reason);
            if n > 0 {
                metrics::counter!("portcullis_prometheus_rejected_samples_total",
                    "tenant_id" => label.clone(), "reason" => reason.as_str())
                .increment(n);
            }
        }
        let series = self.find(id).map_or(0, |t| lock(&t).weight());
        metrics::gauge!("portcullis_prometheus_series", "tenant_id" => label).set(series as f64);
    }

    fn find(&self, id: TenantId) -> Option<Arc<Mutex<Tenant>>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn tenant(&self, id: TenantId) -> Arc<Mutex<Tenant>> {
        if let Some(tenant) = self.find(id) {
            return tenant;
        }
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let tenant = tenants
            .entry(id)
            .or_insert_with(|| Arc::new(Mutex::new(Tenant::new(id, Arc::clone(&self.total)))));
        Arc::clone(tenant)
    }

    fn all(&self) -> Vec<Arc<Mutex<Tenant>>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The tenants that have series.
    pub fn tenant_ids(&self) -> Vec<TenantId> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Forgets a tenant: its series are gone from the next scrape on.
    pub fn remove_tenant(&self, id: TenantId) {
        let gone = self.tenants.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if gone.is_some() {
            drop(gone);
            lock(&self.registry).prune();
            metrics::gauge!("portcullis_prometheus_series", "tenant_id" => tenant_label(id)).set(0.0);
        }
    }

    /// Forgets series that had no point for the settings' expiry; to be called every few seconds.
    pub fn expire(&self, now: u64) {
        let expiry = u64::try_from(self.settings.expiry.as_nanos()).unwrap_or(u64::MAX);
        let oldest = now.saturating_sub(expiry);
        for tenant in self.all() {
            let mut tenant = lock(&tenant);
            let before = tenant.weight();
            tenant.expire(oldest);
            if tenant.weight() != before {
                metrics::gauge!("portcullis_prometheus_series", "tenant_id" => tenant_label(tenant.id))
                    .set(tenant.weight() as f64);
            }
        }
        // One that a worker holds just now stays, and goes the next time.
        self.tenants
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, tenant| Arc::strong_count(tenant) > 1 || lock(tenant).weight() > 0);
        lock(&self.registry).prune();
    }

    /// All series of all tenants, without the closing `# EOF` of OpenMetrics: see [`super::page`].
    /// Each tenant is held only while its own lines are written.
    pub fn render(&self, format: Format) -> String {
        let mut families: BTreeMap<Box<str>, (Arc<Family>, String)> = BTreeMap::new();
        let mut targets = String::new();
        for tenant in self.all() {
            let tenant = lock(&tenant);
            let mut buffer = [0; 36];
            let id = tenant.id.encode(&mut buffer);
            for (base, group) in &tenant.groups {
                let (_, text) = families
                    .entry(base.clone())
                    .or_insert_with(|| (Arc::clone(&group.family), String::new()));
                render::group(text, id, group, format, &self.settings);
            }
            for (identity, info) in &tenant.targets {
                render::target(&mut targets, id, identity, info);
            }
        }
        let size: usize = families.values().map(|(_, text)| text.len() + 256).sum();
        let mut out = String::with_capacity(size + targets.len() + 256);
        if !targets.is_empty() {
            render::target_header(&mut out, format);
            out.push_str(&targets);
        }
        for (family, text) in families.values() {
            render::header(&mut out, family, format);
            out.push_str(text);
        }
        out
    }

    /// A snapshot of all samples (without `target_info`), tenant by tenant: the seam for remote
    /// write. Memory is that of one tenant's samples at a time.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.all().into_iter().flat_map(|tenant| {
            let tenant = lock(&tenant);
            let mut out = Vec::new();
            for group in tenant.groups.values() {
                render::samples(&mut out, tenant.id, group, &self.settings);
            }
            out
        })
    }
}

/// A panic elsewhere leaves whole series behind: every change is made in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One metric's way into the store.
struct Intake<'a> {
    store: &'a Store,
    tenant: &'a Mutex<Tenant>,
    labels: &'a Labels,
    limit: usize,
    now: u64,
    tally: &'a mut Tally,
}

/// What all kinds of data points have.
struct Meta<'a> {
    attributes: &'a [KeyValue],
    start: u64,
    time: u64,
    flags: u32,
}

macro_rules! meta {
    ($point:expr) => {
        Meta {
            attributes: &$point.attributes,
            start: $point.start_time_unix_nano,
            time: $point.time_unix_nano,
            flags: $point.flags,
        }
    };
}

impl Intake<'_> {
    fn metric(&mut self, id: TenantId, metric: &otlp::Metric) {
        let Some(data) = &metric.data else { return };
        let (kind, temporality, points) = match data {
            Data::Gauge(g) => (Kind::Gauge, None, g.data_points.len()),
            Data::Sum(s) if s.is_monotonic => {
                (Kind::Counter, Some(s.aggregation_temporality), s.data_points.len())
            }
            Data::Sum(s) => (Kind::Gauge, Some(s.aggregation_temporality), s.data_points.len()),
            Data::Histogram(h) => (Kind::Histogram, Some(h.aggregation_temporality), h.data_points.len()),
            Data::ExponentialHistogram(h) => {
                (Kind::Histogram, Some(h.aggregation_temporality), h.data_points.len())
            }
            Data::Summary(s) => (Kind::Summary, None, s.data_points.len()),
        };
        let delta = match temporality.map(AggregationTemporality::try_from) {
            None | Some(Ok(AggregationTemporality::Cumulative)) => false,
            Some(Ok(AggregationTemporality::Delta)) => true,
            Some(_) => return self.tally.reject(Rejection::Temporality, points),
        };
        if metric.name.len() > limits::PROMETHEUS_NAME_BYTES
            || metric.unit.len() > limits::PROMETHEUS_NAME_BYTES
        {
            return self.tally.reject(Rejection::LabelLimit, points);
        }
        let unit = if kind == Kind::Gauge && temporality.is_some() && metric.unit == "1" {
            ""
        } else {
            &metric.unit
        };
        let name = name::metric(&metric.name, unit, kind);
        let claimed =
            lock(&self.store.registry).claim(&name.base, kind, &metric.description, name.unit.as_deref());
        let family = match claimed {
            Ok(family) => family,
            Err(refused) => {
                let reason = match refused {
                    Refused::Reserved => Rejection::ReservedName,
                    Refused::Conflict => Rejection::TypeConflict,
                };
                tracing::warn!(tenant_id = %id, metric = %name.base, r#type = kind.as_str(),
                    reason = reason.as_str(), points, "metric not shown to Prometheus");
                return self.tally.reject(reason, points);
            }
        };
        match data {
            Data::Gauge(g) => self.numbers(&family, &g.data_points, false),
            Data::Sum(s) => self.numbers(&family, &s.data_points, delta),
            Data::Histogram(h) => {
                for p in &h.data_points {
                    let value = || Histogram::from_point(p).map(Value::Histogram);
                    self.point(&family, meta!(p), delta, value, None);
                }
            }
            Data::ExponentialHistogram(h) => {
                for p in &h.data_points {
                    let value = || Exponential::from_point(p).map(Value::Exponential);
                    self.point(&family, meta!(p), delta, value, None);
                }
            }
            Data::Summary(s) => {
                for p in &s.data_points {
                    let value = || Summary::from_point(p).map(Value::Summary);
                    self.point(&family, meta!(p), false, value, None);
                }
            }
        }
        lock(&self.store.registry).release(family);
    }

    fn numbers(&mut self, family: &Arc<Family>, points: &[otlp::NumberDataPoint], delta: bool) {
        for p in points {
            let exemplar = p.exemplars.iter().rev().find_map(Exemplar::from_point);
            let value = || {
                let value = number(p)?;
                // A counter never falls, and NaN is more than nothing of nothing.
                let legal = family.kind != Kind::Counter || value >= 0.0;
                if legal { Ok(Value::Number(value)) } else { Err(Invalid) }
            };
            self.point(family, meta!(p), delta, value, exemplar);
        }
    }

    fn point(
        &mut self,
        family: &Arc<Family>,
        meta: Meta<'_>,
        delta: bool,
        value: impl FnOnce() -> Result<Value, Invalid>,
        exemplar: Option<Exemplar>,
    ) {
        let result = self.keep(family, meta, delta, value, exemplar);
        match result {
            Ok(true) => self.tally.kept += 1,
            Ok(false) => self.tally.ended += 1,
            Err(reason) => self.tally.reject(reason, 1),
        }
    }

    /// Whether the point is now shown (or ended its series).
    fn keep(
        &mut self,
        family: &Arc<Family>,
        meta: Meta<'_>,
        delta: bool,
        value: impl FnOnce() -> Result<Value, Invalid>,
        exemplar: Option<Exemplar>,
    ) -> Result<bool, Rejection> {
        let settings = &self.store.settings;
        let mut labels = self.labels.clone();
        labels.add_point(meta.attributes, family.kind);
        let labels = labels.encode(settings).map_err(|label::TooMuch| Rejection::LabelLimit)?;
        if meta.flags & NO_RECORDED_VALUE != 0 {
            lock(self.tenant).end(&family.base, &labels);
            return Ok(false);
        }
        let value = value().map_err(|Invalid| Rejection::Invalid)?;
        let time = if meta.time == 0 { self.now } else { meta.time };
        let point = Point { value, start: meta.start, time, delta, exemplar };
        lock(self.tenant).keep(family, labels, point, self.limit, settings, self.now)?;
        Ok(true)
    }
}

/// How many tenants have an entry: for tests.
#[cfg(test)]
impl Store {
    pub(super) fn tenants(&self) -> BTreeMap<TenantId, usize> {
        let entry = |tenant: &Arc<Mutex<Tenant>>| {
            let tenant = lock(tenant);
            (tenant.id, tenant.weight())
        };
        self.all().iter().map(entry).collect()
    }
}
