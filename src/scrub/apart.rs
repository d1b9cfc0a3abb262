//! Finds that change nothing: those of rules in shadow, and those that are kept for a reason.

use super::{
    Action, Engine, Scratch,
    scan::{Find, Source},
};

impl Engine {
    /// Moves the finds that change nothing from `finds` to `apart`, so that they don't widen others. What a kept
    /// pattern covers is kept, too, unless a key's name told; a rule in shadow covers nothing.
    pub(super) fn set_apart(&self, scratch: &mut Scratch) {
        let Scratch { finds, apart, .. } = scratch;
        apart.clear();
        if !self.quiet || finds.is_empty() {
            return;
        }
        apart.extend(finds.iter().filter(|find| self.action(find.source).is_quiet()));
        if apart.is_empty() {
            return;
        }
        apart.sort_unstable();
        apart.dedup();
        finds.retain(|find| !self.action(find.source).is_quiet());
        finds.sort_unstable();
        let keeps =
            |find: &&Find| matches!(find.source, Source::Rule(_)) && self.action(find.source) == Action::Keep;
        let mut kept = apart.iter().filter(keeps).peekable();
        // Where the kept finds that began so far reach to: a text, and a place in it.
        let mut reach = (0, 0);
        finds.retain(|find| {
            while let Some(next) = kept.next_if(|next| (next.text, next.start) <= (find.text, find.start)) {
                reach = reach.max((next.text, next.end));
            }
            reach.0 != find.text || reach.1 < find.end || matches!(find.source, Source::Key(_))
        });
    }
}
