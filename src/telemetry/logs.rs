//! Own logs and spans: to stderr, and over OTLP where that is on.

use std::{fmt, io::IsTerminal as _, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, filter_fn},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use super::{
    otlp::Providers,
    rate::RateLimit,
    settings::{LogFormat, LogSettings, Settings},
};

/// Why own telemetry did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitError(String);

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InitError {}

/// Own telemetry while it runs. Dropped without [`Guard::shutdown`], what waits to be sent may be
/// lost.
#[derive(Debug)]
#[must_use = "own logs and traces end with it"]
pub struct Guard {
    providers: Providers,
}

impl Guard {
    /// Sends what is left of own traces and logs, within `deadline`; whether all got out. Blocks:
    /// not for an async thread.
    pub fn shutdown(self, deadline: Duration) -> bool {
        self.providers.shutdown(deadline)
    }
}

/// Starts logging for the process, and own OTLP export if it is on (which needs a tokio runtime
/// around this call).
///
/// # Errors
/// Logging was started before, the level is no directive, or the OTLP settings are unusable.
pub fn init(settings: &Settings) -> Result<Guard, InitError> {
    let providers = Providers::new(&settings.otlp).map_err(InitError)?;
    let ansi = std::io::stderr().is_terminal();
    let stderr = directives(&settings.log)?.and(RateLimit::counting());
    let mut layers = vec![writer(&settings.log, ansi, std::io::stderr).with_filter(stderr).boxed()];
    if let Some(provider) = &providers.traces {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("portcullis"));
        layers.push(layer.with_filter(directives(&settings.log)?.and(filter_fn(own))).boxed());
    }
    if let Some(provider) = &providers.logs {
        let layer = OpenTelemetryTracingBridge::new(provider);
        let filter = directives(&settings.log)?.and(filter_fn(own)).and(RateLimit::default());
        layers.push(layer.with_filter(filter).boxed());
    }
    tracing_subscriber::registry()
        .with(layers)
        .try_init()
        .map_err(|_| InitError("logging was started twice in this process".into()))?;
    Ok(Guard { providers })
}

/// Only the gate's own words are exported: those of the libraries that carry them would go round
/// for ever.
fn own(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target == "portcullis" || target.starts_with("portcullis::")
}

/// `RUST_LOG`, or else the settings' level.
fn directives(settings: &LogSettings) -> Result<EnvFilter, InitError> {
    let (source, text) = match std::env::var("RUST_LOG") {
        Ok(text) if !text.trim().is_empty() => ("RUST_LOG", text),
        _ => ("telemetry.log.level", settings.level.clone()),
    };
    EnvFilter::builder().parse(text).map_err(|_| {
        InitError(format!(
            "{source}: not a log filter; expected a level (error, warn, info, debug, trace) or directives such as info,portcullis::buffer=debug"
        ))
    })
}

type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

fn writer<S, W>(settings: &LogSettings, ansi: bool, to: W) -> Boxed<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(to);
    match settings.format {
        LogFormat::Text => layer.with_ansi(ansi).boxed(),
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A writer into memory.
    #[derive(Clone, Default)]
    pub struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Buffer {
        /// What was written.
        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl std::io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Scenario: JSON logs. Guarantee: one object a line, fields at the top.
    #[test]
    fn json_lines_are_objects() {
        let buffer = Buffer::default();
        let to = buffer.clone();
        let settings = LogSettings { format: LogFormat::Json, ..LogSettings::default() };
        let subscriber = tracing_subscriber::registry().with(writer(&settings, false, move || to.clone()));
        tracing::subscriber::with_default(subscriber, || tracing::warn!(items = 3, "line\nbreak"));
        let line: serde_json::Value = serde_json::from_str(buffer.text().trim_end()).unwrap();
        assert_eq!((&line["items"], &line["level"]), (&3.into(), &"WARN".into()));
        assert_eq!(line["message"], "line\nbreak");
    }

    /// Scenario: a level that is none. Guarantee: an error that says what was expected, not what came.
    #[test]
    fn a_bad_level_is_explained() {
        if std::env::var_os("RUST_LOG").is_some() {
            return;
        }
        let settings = LogSettings { level: "portcullis=hunter2".into(), ..LogSettings::default() };
        let error = directives(&settings).unwrap_err().to_string();
        assert!(error.contains("telemetry.log.level") && error.contains("expected"), "{error}");
        assert!(!error.contains("hunter2"));
        assert!(directives(&LogSettings::default()).is_ok());
    }
}
