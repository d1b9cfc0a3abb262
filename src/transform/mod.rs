//! Transforms: a closed set of operations, declared in YAML, on the records that a selector picks.
//!
//! They run before detection and scrubbing, so that nothing that they make escapes either. They
//! cannot fail, they cannot write what records share (resource, scope) or what joins them to
//! traces, and they cannot touch the tenant. [`Transforms::compile`] checks all of it once, with
//! file, line and column; [`Transforms::apply_batch`] runs them over a request and decodes only the
//! records that are picked; [`Transforms::apply`] runs them over one [`Record`].
//!
//! How fields are named is told in `field.rs`; the settings are [`Settings`].

mod batch;
mod compile;
mod field;
mod operation;
mod record;
mod selector;
pub mod settings;
mod value;

pub use batch::{Scratch, Transformed};
pub use record::Record;
pub use selector::Context;
pub use settings::Settings;

use crate::{batch::Signal, wire::Aliases};

/// Compiled transforms.
#[derive(Debug, Clone)]
pub struct Transforms {
    list: Vec<compile::Transform>,
    /// For each signal, which of them are for it.
    by_signal: [Vec<usize>; 3],
    /// Attributes that name a tenant.
    tenant_keys: Aliases,
}

impl Default for Transforms {
    /// None.
    fn default() -> Self {
        Transforms { list: Vec::new(), by_signal: Default::default(), tenant_keys: Aliases::new([""; 0]) }
    }
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Keep,
    /// The transform of this name dropped it.
    Drop(String),
    /// The transform of this name left it out of its sample.
    Sampled(String),
}

impl Transforms {
    /// Whether there is none for a signal.
    pub fn is_empty(&self, signal: Signal) -> bool {
        self.by_signal[usize::from(compile::slot(signal))].is_empty()
    }

    /// Runs the transforms of a signal over one record.
    pub fn apply(&self, signal: Signal, record: &mut Record, context: &Context<'_>) -> Verdict {
        self.run(&self.by_signal[usize::from(compile::slot(signal))], false, record, context).0
    }

    /// Runs some transforms; `picked` says that the first is known to pick the record.
    /// Also gives the place of the one that took the record out.
    fn run(
        &self,
        which: &[usize],
        picked: bool,
        record: &mut Record,
        context: &Context<'_>,
    ) -> (Verdict, Option<usize>) {
        for (nth, at) in which.iter().enumerate() {
            let transform = &self.list[*at];
            let known = picked && nth == 0;
            if !known && !transform.condition.holds(record, context) {
                continue;
            }
            for op in &transform.ops {
                match op.run(record, &self.tenant_keys) {
                    operation::Next::Go => {}
                    operation::Next::Drop => return (Verdict::Drop(transform.name.clone()), Some(*at)),
                    operation::Next::Sampled => return (Verdict::Sampled(transform.name.clone()), Some(*at)),
                }
            }
        }
        (Verdict::Keep, None)
    }
}

#[cfg(test)]
mod tests;
