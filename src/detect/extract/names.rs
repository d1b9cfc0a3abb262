//! One copy of a name that many items have.

use std::{collections::HashMap, sync::Arc};

use crate::limits;

/// Names that a worker has met, each once.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Box<str>, Arc<str>, foldhash::fast::RandomState>);

impl Names {
    /// The copy of this one.
    pub(super) fn one(&mut self, text: &str) -> Arc<str> {
        if let Some(name) = self.0.get(text) {
            return Arc::clone(name);
        }
        if self.0.len() >= limits::KNOWN_KEYS {
            self.0.clear();
        }
        let name: Arc<str> = text.into();
        self.0.insert(text.into(), Arc::clone(&name));
        name
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
