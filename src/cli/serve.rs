//! `serve`: the gate, until a signal ends it.

use std::{process, sync::Arc, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Code, Failure, check::check, config::ConfigArgs, say};
use crate::{
    config::{Config, ConfigErrors, Environment},
    gateway::{Gate, Load},
    telemetry::{LogFormat, logs},
};

/// The options of `portcullis serve`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Time that is left for the gate's own logs and traces at the very end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs it.
///
/// # Errors
/// The configuration cannot be used, or a part of the gate did not start.
pub fn run(args: &ServeArgs) -> Result<Code, Failure> {
    let document = args.config.load(Environment::Process)?;
    let config: Config = document.decode()?;
    let warnings = check(&config, &document, Environment::Process).map_err(ConfigErrors)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("portcullis")
        .build()
        .map_err(|error| Failure::io("the runtime", &error))?;
    runtime.block_on(async {
        let guard = logs::init(&config.telemetry).map_err(|error| Failure::usage(error.to_string()))?;
        for warning in warnings {
            tracing::warn!(warning = %warning, "the configuration works, but");
        }
        let options = args.config.clone();
        let load: Load = Arc::new(move || options.load(Environment::Process));
        let ended = serve(load, &config).await;
        // What the stop itself says still gets out.
        let _ = tokio::task::spawn_blocking(move || guard.shutdown(LAST_WORDS)).await;
        ended
    })
}

/// From the start of the gate to its stop.
async fn serve(load: Load, config: &Config) -> Result<Code, Failure> {
    let mut signals = Signals::new().map_err(|error| Failure::io("signals", &error))?;
    let gate = tokio::select! {
        started = Gate::start(load) => started.map_err(Failure::failed)?,
        // Nothing has been taken yet.
        () = signals.end() => return Ok(Code::Ok),
    };
    announce(&gate, config.telemetry.log.format);
    while signals.next().await == Wish::Reload {
        match gate.reload().await {
            Ok(()) => tracing::info!("the configuration was read again"),
            Err(error) => {
                tracing::error!(error = %error, "the new configuration is wrong; the old one stays")
            }
        }
    }
    tracing::info!("stopping; a second signal ends at once");
    let safe = tokio::select! {
        safe = gate.stop() => safe,
        () = signals.end() => {
            say("error: ended by a second signal, before everything was safe");
            process::exit(Code::Unsafe as i32);
        }
    };
    tracing::info!(safe, "stopped");
    Ok(if safe { Code::Ok } else { Code::Unsafe })
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Reload,
    End,
}

/// The signals that the gate follows.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.terminate.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
        }
    }

    /// Waits for one that asks for the end.
    async fn end(&mut self) {
        while self.next().await != Wish::End {}
    }
}

/// Says where it listens, one line an address.
fn announce(gate: &Gate, format: LogFormat) {
    let all = [
        ("OTLP/gRPC", gate.grpc_address(), ""),
        ("OTLP/HTTP, NDJSON", gate.http_address(), ""),
        ("Prometheus", gate.metrics_address(), "/metrics"),
        ("health", gate.admin_address(), "/readyz"),
        ("admin API", gate.api_address(), "/v1/openapi.json"),
    ];
    for (what, address, path) in all {
        let Some(address) = address else { continue };
        match format {
            LogFormat::Text => say(&format!("{what:<18} http://{address}{path}")),
            LogFormat::Json => {
                tracing::info!(what, address = %format_args!("http://{address}{path}"), "listening")
            }
        }
    }
}
