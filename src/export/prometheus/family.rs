//! Metric families: one name, one type, for all tenants.

use std::{collections::HashMap, sync::Arc};

use crate::limits;

/// What a family is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A monotonic sum.
    Counter,
    /// A gauge, or a sum that may fall.
    Gauge,
    /// Explicit or exponential buckets.
    Histogram,
    /// Quantiles.
    Summary,
}

impl Kind {
    /// The word of a `# TYPE` line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        }
    }

    /// Suffixes of the names that a family of this kind takes for itself.
    const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Kind::Counter => &["", "_total", "_created"],
            Kind::Gauge => &[""],
            Kind::Histogram => &["", "_bucket", "_count", "_sum", "_created"],
            Kind::Summary => &["", "_count", "_sum", "_created"],
        }
    }
}

/// A family: what its `# TYPE`, `# HELP` and `# UNIT` lines say.
#[derive(Debug)]
pub struct Family {
    /// The name, without `_total`.
    pub base: Box<str>,
    /// The type.
    pub kind: Kind,
    /// The help text of whoever came first; may be empty.
    pub help: Box<str>,
    /// The unit that `base` ends with.
    pub unit: Option<Box<str>>,
}

/// Why a family was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The name belongs to the gate, or to the format.
    Reserved,
    /// The name, or one that its samples would have, is taken by a family of another type.
    Conflict,
}

/// All families that have a series, and the names their samples take.
#[derive(Debug, Default)]
pub struct Registry {
    families: HashMap<Box<str>, Arc<Family>>,
    /// Every sample name, with how many families take it (`a` as `a_sum` of one only).
    taken: HashMap<Box<str>, Box<str>>,
}

impl Registry {
    /// The family of that name and type; made if it is new. The first one's help and unit stay.
    ///
    /// # Errors
    /// [`Refused`]: the name is not to be had.
    pub fn claim(
        &mut self,
        base: &str,
        kind: Kind,
        help: &str,
        unit: Option<&str>,
    ) -> Result<Arc<Family>, Refused> {
        if let Some(family) = self.families.get(base) {
            return if family.kind == kind { Ok(Arc::clone(family)) } else { Err(Refused::Conflict) };
        }
        let names = || kind.suffixes().iter().map(|suffix| format!("{base}{suffix}"));
        if base.starts_with("portcullis_") || names().any(|n| reserved(&n)) {
            return Err(Refused::Reserved);
        }
        if names().any(|n| self.taken.contains_key(n.as_str())) {
            return Err(Refused::Conflict);
        }
        for name in names() {
            self.taken.insert(name.into(), base.into());
        }
        let family = Arc::new(Family {
            base: base.into(),
            kind,
            help: cut(help, limits::PROMETHEUS_HELP_BYTES).into(),
            unit: unit.map(Into::into),
        });
        self.families.insert(base.into(), Arc::clone(&family));
        Ok(family)
    }

    /// Gives a family back; it is forgotten if no series holds it.
    pub fn release(&mut self, family: Arc<Family>) {
        // The registry's own reference, and the one given back.
        if Arc::strong_count(&family) == 2 {
            self.forget(&family.base, family.kind);
        }
    }

    /// Forgets every family that no series holds any more.
    pub fn prune(&mut self) {
        let unused: Vec<_> = self
            .families
            .values()
            .filter(|f| Arc::strong_count(f) == 1)
            .map(|f| (f.base.clone(), f.kind))
            .collect();
        for (base, kind) in unused {
            self.forget(&base, kind);
        }
    }

    fn forget(&mut self, base: &str, kind: Kind) {
        self.families.remove(base);
        for suffix in kind.suffixes() {
            self.taken.remove(format!("{base}{suffix}").as_str());
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.families.len()
    }
}

/// Names that ingested data may not have: the format's own, and the gate's.
fn reserved(name: &str) -> bool {
    matches!(name, "" | "target" | "target_info") || name.starts_with("portcullis_")
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a second metric wants a name that is taken, whole or as a suffix.
    /// Guarantee: the first keeps it, and it is free again when the first has no series.
    #[test]
    fn the_first_type_wins_until_it_is_gone() {
        let mut registry = Registry::default();
        let first = registry.claim("a", Kind::Histogram, "h", None).unwrap();
        assert_eq!(registry.claim("a", Kind::Gauge, "", None).unwrap_err(), Refused::Conflict);
        assert_eq!(registry.claim("a_sum", Kind::Gauge, "", None).unwrap_err(), Refused::Conflict);
        assert_eq!(registry.claim("a", Kind::Histogram, "other", None).unwrap().help.as_ref(), "h");
        for name in ["portcullis_x", "target_info", "target", ""] {
            assert_eq!(registry.claim(name, Kind::Gauge, "", None).unwrap_err(), Refused::Reserved);
        }
        registry.release(first);
        assert!(registry.claim("a_sum", Kind::Gauge, "", None).is_ok());
        registry.prune();
        assert_eq!((registry.len(), registry.taken.len()), (0, 0));
    }
}
