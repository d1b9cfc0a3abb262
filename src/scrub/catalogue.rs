//! The rules as they are in force: for people who want to see them.

use super::{Action, Filter, PackError, Scrubber, Settings, pack, rule::Rule};

/// A rule as its pack has it.
#[derive(Debug, Clone, Copy)]
pub enum Spec<'p> {
    /// It finds a value by its shape.
    Shape(&'p pack::RuleSpec),
    /// It knows a value by the name of its key.
    Key(&'p pack::KeySpec),
}

/// A rule, and what the configuration makes of it.
#[derive(Debug)]
pub struct Entry<'p> {
    /// The rule.
    pub spec: Spec<'p>,
    /// Its pack.
    pub file: &'p str,
    /// Where it begins.
    pub place: pack::Place,
    /// The action in force.
    pub action: Action,
    /// Why its finds stay as they are, if they do.
    pub reason: Option<&'p str>,
    /// Whether the configuration switches it off.
    pub off: bool,
    /// How its candidates are found; nothing for a rule by key.
    pub filter: Option<Filter>,
}

impl Entry<'_> {
    /// The rule's id.
    pub fn id(&self) -> &str {
        match self.spec {
            Spec::Shape(rule) => &rule.id,
            Spec::Key(rule) => &rule.id,
        }
    }

    /// What it finds.
    pub fn kind(&self) -> &str {
        match self.spec {
            Spec::Shape(rule) => &rule.kind,
            Spec::Key(rule) => &rule.kind,
        }
    }

    /// How bad a leak is.
    pub fn severity(&self) -> pack::Severity {
        match self.spec {
            Spec::Shape(rule) => rule.severity,
            Spec::Key(rule) => rule.severity,
        }
    }
}

/// All rules of some packs, in their order.
///
/// # Errors
/// As [`Scrubber::from_packs`]: what is shown is what would run.
pub fn catalogue<'p>(packs: &'p [pack::Pack], settings: &'p Settings) -> Result<Vec<Entry<'p>>, PackError> {
    Scrubber::from_packs(packs, settings)?;
    let mut out = Vec::new();
    for pack in packs {
        let file = pack.file.as_str();
        let why = |id: &String, own: &'p String| {
            let reason = settings.keep.get(id).unwrap_or(own);
            (!reason.is_empty()).then_some(reason.as_str())
        };
        let off = |id: &String| settings.disable.contains(id);
        for (spec, place) in &pack.rules {
            let (action, off) = (settings.action(&spec.id, spec.action), off(&spec.id));
            let filter = Some(Rule::compile(spec, file, *place, 0)?.filter);
            let reason = why(&spec.id, &spec.reason);
            out.push(Entry { spec: Spec::Shape(spec), file, place: *place, action, reason, off, filter });
        }
        for (spec, place) in &pack.keys {
            let (action, off) = (settings.key_action(&spec.id, &spec.kind, spec.action), off(&spec.id));
            let (place, reason) = (*place, why(&spec.id, &spec.reason));
            out.push(Entry { spec: Spec::Key(spec), file, place, action, reason, off, filter: None });
        }
    }
    Ok(out)
}
