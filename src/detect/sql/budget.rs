//! How much work one statement may cost.

use std::cell::Cell;

use crate::limits;

/// What is left of it. A step is a name, a column or a condition that is looked at.
#[derive(Debug)]
pub(super) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Cell::new(limits::SQL_STEPS))
    }
}

impl Budget {
    /// Takes steps away. Whether anything is left: if not, what was found so far means nothing.
    pub fn spend(&self, steps: usize) -> bool {
        self.0.set(self.0.get().saturating_sub(steps));
        !self.spent()
    }

    /// Takes away all that is left.
    pub fn end(&self) {
        self.0.set(0);
    }

    /// Whether nothing is left.
    pub fn spent(&self) -> bool {
        self.0.get() == 0
    }
}
