//! Whether a configuration can be used: every section is compiled as the gate compiles it, all
//! mistakes are told at once, and what works but is hardly meant is warned of.

use std::{net::SocketAddr, path::Path, sync::Arc};

use crate::{
    admin::tokens::Tokens,
    buffer::quarantine,
    config::{Config, ConfigError, Document, Environment, Place, Secret},
    detect,
    export::{
        otlp::Exporter,
        route::Router,
        settings::{Destination, Kind},
    },
    identify::{Catalogue, Issuers, Mode},
    receive::tls::TlsFiles,
    scrub::{MasterKey, PackError, Scrubber},
    transform::Transforms,
    wire::Aliases,
};

/// Compiles a configuration, and answers with warnings. Without an environment nothing that stands
/// outside the configuration is read: no keys, certificates, catalogue or packs.
///
/// # Errors
/// Every mistake that was found.
pub fn check(
    config: &Config,
    document: &Document,
    environment: Environment,
) -> Result<Vec<ConfigError>, Vec<ConfigError>> {
    let outside = environment != Environment::Unresolved;
    let mut check = Check { config, document, errors: Vec::new(), warnings: Vec::new() };
    check.receivers(outside);
    check.addresses();
    let catalogue = check.identity(outside);
    let aliases = Aliases::new(config.identity.aliases.iter());
    if let Err(errors) = Transforms::compile(&config.transforms, &aliases, document, "/transforms") {
        check.errors.extend(errors);
    }
    check.said("detect", detect::Rules::new(&config.detect, detect::Key::random()).map(drop));
    if outside {
        check.scrub();
    }
    if let Err(messages) = config.buffer.validate() {
        messages.iter().for_each(|message| check.wrong("buffer", message));
    }
    check.said("usage", config.usage.check());
    if outside {
        let keys = quarantine::check_keys(&config.buffer.quarantine);
        check.said("buffer.quarantine", keys.map_err(|error| error.to_string()));
    }
    check.destinations(outside);
    // Who the tenants are is known only with their catalogue.
    if let Some(catalogue) = catalogue {
        check.said("routes", Router::new(&config.destinations(), &config.routes, &catalogue).map(drop));
    }
    check.telemetry();
    check.said("admin.api", Tokens::new(&config.admin.api).map(drop));
    if check.errors.is_empty() { Ok(check.warnings) } else { Err(check.errors) }
}

struct Check<'a> {
    config: &'a Config,
    document: &'a Document,
    errors: Vec<ConfigError>,
    warnings: Vec<ConfigError>,
}

impl Check<'_> {
    /// A mistake in `section`, whose message may begin with a path of its own.
    fn wrong(&mut self, section: &str, message: &str) {
        let (path, message) = match message.split_once(": ") {
            Some((path, rest)) if is_path(path) && path.starts_with(section) => (path, rest),
            _ => (section, message),
        };
        self.errors.push(self.document.error(&pointer(path), message));
    }

    fn said(&mut self, section: &str, result: Result<(), String>) {
        if let Err(message) = result {
            self.wrong(section, &message);
        }
    }

    fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.warnings.push(self.document.error(&pointer(path), message));
    }

    fn receivers(&mut self, outside: bool) {
        let receivers = &self.config.receivers;
        self.said("receivers", receivers.validate());
        let tls = |it: Option<&_>| it.map_or(Ok(()), |tls| TlsFiles::load(tls).map(drop));
        if outside {
            self.said("receivers.grpc.tls", tls(receivers.grpc.as_ref().and_then(|grpc| grpc.tls.as_ref())));
            self.said("receivers.http.tls", tls(receivers.http.as_ref().and_then(|http| http.tls.as_ref())));
        }
        if receivers.grpc.is_none() && receivers.http.is_none() {
            self.warn("receivers", "both receivers are off: nothing can come in");
        }
        let sizes = [
            receivers.grpc.as_ref().map_or(0, |grpc| grpc.max_recv_bytes),
            receivers.http.as_ref().map_or(0, |http| http.max_recv_bytes),
        ];
        if sizes.into_iter().any(|size| size > self.config.process.in_flight_bytes) {
            self.wrong(
                "process.in_flight_bytes",
                "expected at least the largest max_recv_bytes of the receivers",
            );
        }
    }

    /// One address serves one thing; a token goes over plain text on this machine only.
    fn addresses(&mut self) {
        let config = self.config;
        let (grpc, http) = (config.receivers.grpc.as_ref(), config.receivers.http.as_ref());
        let all: [(&str, Option<SocketAddr>); 5] = [
            ("receivers.grpc.endpoint", grpc.map(|grpc| grpc.endpoint)),
            ("receivers.http.endpoint", http.map(|http| http.endpoint)),
            ("prometheus.endpoint", Some(config.prometheus.endpoint)),
            ("admin.endpoint", config.admin.endpoint),
            ("admin.api.endpoint", config.admin.api.endpoint),
        ];
        for (at, (path, address)) in all.iter().enumerate() {
            let clash = all[..at]
                .iter()
                .find(|(_, other)| matches!((address, other), (Some(a), Some(b)) if a == b && a.port() != 0));
            if let Some((other, _)) = clash {
                self.wrong(path, &format!("the same address as {other}"));
            }
        }
        let plain = [
            (grpc.is_some_and(|grpc| grpc.tls.is_none()), all[0]),
            (http.is_some_and(|http| http.tls.is_none()), all[1]),
        ];
        for (plain, (path, address)) in plain {
            if plain && config.identity.has_keys() && address.is_some_and(|a| !a.ip().is_loopback()) {
                self.warn(
                    path,
                    "tokens come over plain text here; set tls, unless something before the gate has it",
                );
            }
        }
    }

    /// The catalogue, if it can be read.
    fn identity(&mut self, outside: bool) -> Option<Catalogue> {
        let identity = &self.config.identity;
        self.said("identity", identity.check());
        let mut catalogue = None;
        if outside {
            if let Err(error) = Issuers::new(identity) {
                self.wrong("identity.token", &error.to_string());
            }
            match super::tenants::load(&self.config.identity.catalogue, &self.config.buffer.directory) {
                Ok(loaded) => catalogue = Some(loaded),
                Err(error) if error.line == 0 => self.wrong("identity.catalogue.file", &error.to_string()),
                Err(error) => self.errors.push(ConfigError::new(error.message).at(place(
                    &error.file,
                    error.line,
                    error.column,
                ))),
            }
        }
        if identity.mode == Mode::Enforce && !identity.catalogue.is_given() && !identity.has_keys() {
            let message = "enforced without a catalogue and without keys for tokens: any well-formed uuid is \
                           a tenant, and senders are believed";
            self.warn("identity.mode", message);
        }
        catalogue
    }

    fn scrub(&mut self) {
        let scrub = &self.config.scrub;
        match Scrubber::new(scrub) {
            Err(error) => {
                let error = pack_error(self.document, error);
                self.errors.push(error);
            }
            Ok(scrubber) => {
                for id in scrubber.slow_rules() {
                    self.warn(
                        "scrub",
                        format!("rule {id} is slow: it has neither a literal nor a shape to look for"),
                    );
                }
                if scrubber.is_empty() {
                    self.warn("scrub", "no rule is in force: nothing is scrubbed");
                }
            }
        }
        let key = Secret::resolve(Some(&scrub.master_key), scrub.master_key_file.as_deref());
        let key = key.map_err(|error| error.to_string()).and_then(|key| match key {
            Some(key) => MasterKey::new(key.expose().as_bytes(), scrub.key_epoch).map(drop),
            None => Ok(()),
        });
        self.said("scrub.master_key", key);
    }

    fn destinations(&mut self, outside: bool) {
        let config = self.config;
        // Connections are made by the runtime, later; here there may be none yet.
        let runtime = tokio::runtime::Handle::try_current()
            .err()
            .and_then(|_| tokio::runtime::Builder::new_current_thread().enable_all().build().ok());
        let _inside = runtime.as_ref().map(tokio::runtime::Runtime::enter);
        for (at, destination) in config.destinations.iter().enumerate() {
            let path = format!("destinations[{at}]");
            let made = match destination.kind {
                Kind::Otlp if outside => Exporter::new(destination).map(drop),
                _ => destination.check(),
            };
            self.said(&path, made);
            if tells_secrets(destination) {
                self.warn(&path, "credentials go over plain text to another machine; use https://");
            }
        }
    }

    fn telemetry(&mut self) {
        let telemetry = &self.config.telemetry;
        if tracing_subscriber::EnvFilter::builder().parse(&telemetry.log.level).is_err() {
            let expected = "expected a level (error, warn, info, debug, trace) or directives such as \
                            info,portcullis::buffer=debug";
            self.wrong("telemetry.log.level", expected);
        }
        if !(0.0..=1.0).contains(&telemetry.otlp.sample_ratio) {
            self.wrong("telemetry.otlp.sample_ratio", "expected 0 to 1");
        }
    }
}

/// Whether requests carry credentials in plain text off this machine.
fn tells_secrets(destination: &Destination) -> bool {
    let local = |url: &str| {
        let host = url.trim_start_matches("http://");
        ["localhost", "127.", "[::1]"].iter().any(|name| host.starts_with(name))
    };
    let plain = |url: &String| url.starts_with("http://") && !local(url);
    let credential = |name: &String| {
        let name = name.to_ascii_lowercase();
        ["authorization", "key", "token", "secret"].iter().any(|word| name.contains(word))
    };
    destination.kind == Kind::Otlp
        && destination.headers.keys().any(credential)
        && std::iter::once(&destination.endpoint).chain(destination.endpoints.values()).any(plain)
}

fn pack_error(document: &Document, error: PackError) -> ConfigError {
    let PackError { file, line, column, rule, message, hint } = error;
    let message = rule.map_or(message.clone(), |rule| format!("rule {rule}: {message}"));
    let mistake = match line {
        0 if file == "scrub" => document.error("/scrub", message),
        0 => document.error("/scrub/packs", format!("{file}: {message}")),
        _ => ConfigError::new(message).at(place(&file, line, column)),
    };
    ConfigError { hint, ..mistake }
}

fn place(file: &str, line: usize, column: usize) -> Place {
    Place { file: Arc::from(Path::new(file).to_string_lossy()), line, column }
}

/// Whether a text is a dotted path of the configuration, as `routes[0].tenants`.
fn is_path(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._[]".contains(&b))
}

/// `routes[0].tenants` as `/routes/0/tenants`.
fn pointer(path: &str) -> String {
    let steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
    steps.flat_map(|step| ["/", step]).collect()
}
