//! One tenant's series. Nothing of another tenant is ever in here.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{
    family::Family,
    settings::Settings,
    value::{Exemplar, Value},
};
use crate::batch::TenantId;

/// Why samples were dropped: a closed set, and the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Rejection {
    /// The tenant, or the gate, has as many series as it may.
    SeriesLimit,
    /// More labels, or longer ones, than allowed; or too long a name.
    LabelLimit,
    /// Another metric has the name, with another type.
    TypeConflict,
    /// The name is the gate's or the format's.
    ReservedName,
    /// Older than what is already there.
    OutOfOrder,
    /// As old as what is already there.
    Duplicate,
    /// A value that the type cannot hold.
    Invalid,
    /// Neither delta nor cumulative.
    Temporality,
    /// The batch cannot be read.
    Malformed,
}

impl Rejection {
    /// All of them, in the order of their numbers.
    pub const ALL: [Rejection; 9] = [
        Rejection::SeriesLimit,
        Rejection::LabelLimit,
        Rejection::TypeConflict,
        Rejection::ReservedName,
        Rejection::OutOfOrder,
        Rejection::Duplicate,
        Rejection::Invalid,
        Rejection::Temporality,
        Rejection::Malformed,
    ];

    /// The value of the label `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rejection::SeriesLimit => "series_limit",
            Rejection::LabelLimit => "label_limit",
            Rejection::TypeConflict => "type_conflict",
            Rejection::ReservedName => "reserved_name",
            Rejection::OutOfOrder => "out_of_order",
            Rejection::Duplicate => "duplicate",
            Rejection::Invalid => "invalid_value",
            Rejection::Temporality => "temporality",
            Rejection::Malformed => "malformed",
        }
    }
}

/// One point, ready to be kept.
pub struct Point {
    /// Its value.
    pub value: Value,
    /// Start of its interval, in nanoseconds since the epoch; 0 if not known.
    pub start: u64,
    /// End of its interval, in nanoseconds since the epoch; never 0.
    pub time: u64,
    /// Whether the value covers only `start..time`.
    pub delta: bool,
    /// The last exemplar (counters).
    pub exemplar: Option<Exemplar>,
}

/// One series.
#[derive(Debug)]
pub struct Series {
    /// Its cumulative value.
    pub value: Value,
    /// Since when the value is counted; 0 if not known.
    pub start: u64,
    /// Time of the last point.
    pub time: u64,
    /// When that point came.
    pub seen: u64,
    /// The last exemplar (counters).
    pub exemplar: Option<Exemplar>,
    weight: usize,
}

/// The series of one family, by their labels.
#[derive(Debug)]
pub struct Group {
    /// Name, type and help.
    pub family: Arc<Family>,
    /// Encoded labels (without `tenant_id`) and what is kept under them.
    pub series: HashMap<Box<str>, Series, foldhash::fast::RandomState>,
}

/// A `target_info`.
#[derive(Debug)]
pub struct Info {
    /// All labels but `job`, `instance` and `tenant_id`.
    pub labels: Box<str>,
    seen: u64,
}

/// All that is kept of one tenant.
#[derive(Debug)]
pub struct Tenant {
    /// Whose it is.
    pub id: TenantId,
    /// Series by family name.
    pub groups: BTreeMap<Box<str>, Group>,
    /// `target_info` by `job` and `instance`.
    pub targets: BTreeMap<Box<str>, Info>,
    weight: usize,
    total: Arc<AtomicUsize>,
}

impl Tenant {
    /// Nothing yet; `total` counts the series of all tenants.
    pub fn new(id: TenantId, total: Arc<AtomicUsize>) -> Tenant {
        Tenant { id, groups: BTreeMap::new(), targets: BTreeMap::new(), weight: 0, total }
    }

    /// Prometheus series kept.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Takes room for `more` series, or says that there is none.
    fn grow(&mut self, more: usize, limit: usize, settings: &Settings) -> Result<(), Rejection> {
        let full = self.weight.saturating_add(more) > limit
            || self
                .total
                .fetch_update(Relaxed, Relaxed, |n| {
                    n.checked_add(more).filter(|n| *n <= settings.series_total)
                })
                .is_err();
        if full {
            return Err(Rejection::SeriesLimit);
        }
        self.weight += more;
        Ok(())
    }

    fn shrink(&mut self, by: usize) {
        self.weight = self.weight.saturating_sub(by);
        self.total.fetch_sub(by, Relaxed);
    }

    /// Keeps a point.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn keep(
        &mut self,
        family: &Arc<Family>,
        labels: Box<str>,
        point: Point,
        limit: usize,
        settings: &Settings,
        now: u64,
    ) -> Result<(), Rejection> {
        let weight = point.value.weight(settings.exponential_buckets);
        let known = self.groups.get(&family.base).and_then(|g| g.series.get(&labels)).map(|s| s.weight);
        if let Some(before) = known {
            if weight > before {
                self.grow(weight - before, limit, settings)?;
            }
            let group = self.groups.get_mut(&family.base);
            let Some(series) = group.and_then(|g| g.series.get_mut(&labels)) else { return Ok(()) };
            let result = series.update(point, now);
            let keeps = if result.is_ok() { weight } else { before };
            series.weight = keeps;
            if before.max(weight) > keeps {
                self.shrink(before.max(weight) - keeps);
            }
            return result;
        }
        self.grow(weight, limit, settings)?;
        let group = self
            .groups
            .entry(family.base.clone())
            .or_insert_with(|| Group { family: Arc::clone(family), series: HashMap::default() });
        let Point { value, start, time, exemplar, .. } = point;
        group.series.insert(labels, Series { value, start, time, seen: now, exemplar, weight });
        Ok(())
    }

    /// Ends a series (a point without a recorded value).
    pub fn end(&mut self, family: &str, labels: &str) {
        let Some(group) = self.groups.get_mut(family) else { return };
        let Some(series) = group.series.remove(labels) else { return };
        if group.series.is_empty() {
            self.groups.remove(family);
        }
        self.shrink(series.weight);
    }

    /// Keeps a `target_info`; the last one of a job and instance stays.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn keep_target(
        &mut self,
        identity: &str,
        labels: Box<str>,
        limit: usize,
        settings: &Settings,
        now: u64,
    ) -> Result<(), Rejection> {
        if let Some(info) = self.targets.get_mut(identity) {
            *info = Info { labels, seen: now };
            return Ok(());
        }
        self.grow(1, limit, settings)?;
        self.targets.insert(identity.into(), Info { labels, seen: now });
        Ok(())
    }

    /// Forgets what was last seen before `oldest`.
    pub fn expire(&mut self, oldest: u64) {
        let mut gone = 0;
        self.groups.retain(|_, group| {
            group.series.retain(|_, series| {
                let keep = series.seen >= oldest;
                gone += if keep { 0 } else { series.weight };
                keep
            });
            !group.series.is_empty()
        });
        self.targets.retain(|_, info| {
            let keep = info.seen >= oldest;
            gone += usize::from(!keep);
            keep
        });
        self.shrink(gone);
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.shrink(self.weight);
    }
}

impl Series {
    fn update(&mut self, mut point: Point, now: u64) -> Result<(), Rejection> {
        if point.time == self.time {
            return Err(Rejection::Duplicate);
        }
        // A delta that begins before the last one ended would be counted twice.
        if point.time < self.time || (point.delta && point.start != 0 && point.start < self.time) {
            return Err(Rejection::OutOfOrder);
        }
        if point.delta {
            // A gap: what happened in it is not known, so counting begins anew, as the data model says.
            if point.start > self.time {
                self.value = point.value;
                self.start = point.start;
            } else if !self.value.add(point.value) {
                self.start = self.time;
            }
        } else {
            if let (Value::Histogram(old), Value::Histogram(new)) = (&mut self.value, &mut point.value)
                && old.bounds == new.bounds
            {
                let newer = std::mem::take(&mut new.exemplars);
                old.keep_exemplars(newer);
                new.exemplars = std::mem::take(&mut old.exemplars);
            }
            self.value = point.value;
            self.start = point.start;
        }
        self.time = point.time;
        self.seen = now;
        if point.exemplar.is_some() {
            self.exemplar = point.exemplar;
        }
        Ok(())
    }
}
