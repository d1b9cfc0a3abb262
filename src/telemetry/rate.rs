//! A bound on how often one call site may warn.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::{
    Level, Metadata, Subscriber, callsite::Identifier, level_filters::LevelFilter, subscriber::Interest,
};
use tracing_subscriber::layer::{Context, Filter};

use crate::limits;

/// Lets so many warnings and errors of one call site through in each window; the rest is counted.
/// Lower levels are not held back: who turns them on wants them all.
#[derive(Debug)]
pub struct RateLimit {
    /// As many entries as the program has warnings.
    sites: Mutex<HashMap<Identifier, Window>>,
    lines: u32,
    window: Duration,
    counts: bool,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        RateLimit {
            sites: Mutex::default(),
            lines: limits::LOG_LINES_PER_CALL_SITE,
            window: Duration::from_secs(limits::LOG_WINDOW_SECONDS),
            counts: false,
        }
    }
}

impl RateLimit {
    /// One that counts what it holds back as `portcullis_log_events_suppressed_total`: for the one
    /// output that is always there.
    pub fn counting() -> RateLimit {
        RateLimit { counts: true, ..RateLimit::default() }
    }

    fn allows(&self, site: Identifier, now: Instant) -> bool {
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let window = sites.entry(site).or_insert(Window { began: now, lines: 0 });
        if now.duration_since(window.began) >= self.window {
            *window = Window { began: now, lines: 0 };
        }
        window.lines = window.lines.saturating_add(1);
        window.lines <= self.lines
    }
}

/// The decision is made in `enabled`, not in `event_enabled`: a filter that says no there leaves
/// its mark on the next event of the thread (tracing-subscriber 0.3).
impl<S: Subscriber> Filter<S> for RateLimit {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        if !limited(metadata) || self.allows(metadata.callsite(), Instant::now()) {
            return true;
        }
        if self.counts {
            let level = metadata.level().as_str();
            metrics::counter!("portcullis_log_events_suppressed_total", "level" => level).increment(1);
        }
        false
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if limited(metadata) { Interest::sometimes() } else { Interest::always() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

fn limited(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && *metadata.level() <= Level::WARN
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

    use super::*;
    use crate::telemetry::logs::tests::Buffer;

    /// Scenario: one call site warns without end, another once. Guarantee: the first is bounded,
    /// the second and the lower levels are heard.
    #[test]
    fn a_call_site_that_repeats_itself_is_held_back() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).with_ansi(false);
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(RateLimit::default()));
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..100 {
                tracing::warn!(n, "again");
                tracing::info!(n, "chatter");
            }
            tracing::error!("once");
        });
        let text = buffer.text();
        assert_eq!(text.matches("again").count(), limits::LOG_LINES_PER_CALL_SITE as usize);
        assert_eq!(text.matches("chatter").count(), 100);
        assert_eq!(text.matches("once").count(), 1);
    }

    /// Scenario: a new window. Guarantee: the call site may speak again.
    #[test]
    fn a_window_ends() {
        let rate = RateLimit { lines: 1, window: Duration::from_secs(10), ..RateLimit::default() };
        let site = tracing::callsite::Identifier(&SITE);
        let now = Instant::now();
        assert!(rate.allows(site.clone(), now));
        assert!(!rate.allows(site.clone(), now + Duration::from_secs(9)));
        assert!(rate.allows(site, now + Duration::from_secs(10)));
    }

    struct Site;
    static SITE: Site = Site;
    impl tracing::Callsite for Site {
        fn set_interest(&self, _: Interest) {}
        fn metadata(&self) -> &Metadata<'_> {
            unreachable!("only its identity is used")
        }
    }
}
