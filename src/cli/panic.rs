//! What a panic says: where, never what. Its message may hold values of the data.

use std::panic::{self, Location};

/// Takes the place of the standard hook, for the whole process.
pub fn install() {
    panic::set_hook(Box::new(|panic| {
        let (file, line) = panic.location().map_or(("?", 0), |at: &Location<'_>| (at.file(), at.line()));
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        if tracing::dispatcher::has_been_set() {
            tracing::error!(file, line, thread, "a thread panicked; its message is kept back");
        } else {
            super::say(&format!(
                "error: thread {thread} panicked at {file}:{line}; its message is kept back"
            ));
        }
    }));
}
