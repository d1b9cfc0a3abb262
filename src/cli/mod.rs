//! The verbs of the command line.
//!
//! Every verb answers with a [`Code`]; what people read of an error goes to stderr. Values of the data
//! and secrets are in no message.

pub mod api_key;
mod ask;
pub mod audit_sql;
pub mod bench;
pub mod canary;
pub mod check;
pub mod config;
pub mod demo;
pub mod explain;
pub mod inventory;
mod panic;
pub mod quarantine;
pub mod redact;
pub mod rules;
pub mod salts;
pub mod scan;
pub mod serve;
pub mod tenants;
pub mod usage;

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError, ConfigErrors};

/// The gate in front of a multi-tenant company's telemetry.
#[derive(Debug, Parser)]
#[command(
    name = "portcullis",
    version,
    about = "The gate in front of a multi-tenant company's telemetry: verified tenants, no personal data, leaks found",
    after_help = "Exit codes: 0 all is well, 1 something was found or failed, 2 wrong usage or configuration, \
                  3 not all data was safe at a stop."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the gate
    Serve(serve::ServeArgs),
    /// Run the gate, a small company and a receiving end, and show what happens
    Demo(demo::DemoArgs),
    /// Load a running gate and say what it does
    Bench(bench::BenchArgs),
    /// Check a configuration and everything it names
    Validate(config::ValidateArgs),
    /// Run the examples that rules carry
    Test(rules::test::TestArgs),
    /// The rules: list them, show one, say what is hardly meant
    #[command(subcommand)]
    Rules(rules::Verb),
    /// Replace personal data and secrets in text, line by line
    Redact(redact::RedactArgs),
    /// Say what the rules find in a text, and why
    Explain(explain::ExplainArgs),
    /// List the fields of a stream, what is found in them, and a policy to begin with
    Inventory(inventory::InventoryArgs),
    /// Look for one tenant's data under another in a recorded stream
    Scan(scan::ScanArgs),
    /// Look for SQL statements that don't keep to one tenant, in logs of PostgreSQL and traces
    AuditSql(audit_sql::AuditSqlArgs),
    /// What was rejected: list it, send it again, remove it
    #[command(subcommand)]
    Quarantine(quarantine::Verb),
    /// The tenants that exist: list them, show one, move or purge one, check the catalogue
    #[command(subcommand)]
    Tenants(tenants::Verb),
    /// Texts that only one tenant's data holds: make some, list them
    #[command(subcommand)]
    Canary(canary::Verb),
    /// What tenants used: items, bytes, values redacted, series, by day
    Usage(usage::UsageArgs),
    /// Make an API key for a sender that has no tokens
    ApiKey(api_key::ApiKeyArgs),
    /// The tenants' salts of pseudonyms: list them, destroy one
    #[command(subcommand)]
    Salts(salts::Verb),
    /// Print the configuration in force: defaults and files, secrets hidden
    PrintConfig(config::ConfigArgs),
    /// Print the JSON Schema of the configuration, or its reference page
    Schema(config::SchemaArgs),
}

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// All is well.
    Ok = 0,
    /// Something was found, or did not work.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Not everything that was acknowledged is safe.
    Unsafe = 3,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

/// Why a verb could not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the program ends with.
    pub code: Code,
    /// For people: one line a mistake. Empty where there is nothing to say.
    pub text: String,
}

impl Failure {
    /// The command line is wrong.
    pub fn usage(text: impl Into<String>) -> Self {
        Failure { code: Code::Usage, text: text.into() }
    }

    /// Something did not work.
    pub fn failed(text: impl Into<String>) -> Self {
        Failure { code: Code::Failed, text: text.into() }
    }

    /// Reading or writing `what` did not work. A reader that has gone away is no mistake.
    pub fn io(what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure { code: Code::Ok, text: String::new() };
        }
        Failure::failed(format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Failure::usage(errors.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::usage(error.to_string())
    }
}

fn block_on(run: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run),
        Err(error) => {
            say(&format!("error: no runtime: {error}"));
            Code::Usage.into()
        }
    }
}

/// Parses the command line of this process and runs its verb.
pub fn run() -> ExitCode {
    panic::install();
    let verb = match Cli::parse().verb {
        Verb::Demo(args) => return block_on(demo::run(args)),
        Verb::Bench(args) => return block_on(bench::run(args)),
        verb => verb,
    };
    let code = act(&verb).unwrap_or_else(|failure| {
        for line in failure.text.lines() {
            say(&format!("error: {line}"));
        }
        failure.code
    });
    code.into()
}

fn act(verb: &Verb) -> Result<Code, Failure> {
    match verb {
        // They need a runtime from the start: `run` has seen to them.
        Verb::Demo(_) | Verb::Bench(_) => Ok(Code::Ok),
        Verb::Serve(args) => serve::run(args),
        Verb::Validate(args) => {
            let (text, verdict) =
                config::validate(args, |config, document| check::check(config, document, args.environment()));
            match verdict {
                config::Verdict::Valid => return show(&text).map(|()| Code::Ok),
                _ => text.lines().for_each(say),
            }
            Ok(if verdict == config::Verdict::Denied { Code::Failed } else { Code::Usage })
        }
        Verb::Test(args) => rules::test::run(args),
        Verb::Rules(verb) => rules::run(verb),
        Verb::Redact(args) => redact::run(args),
        Verb::Explain(args) => explain::run(args),
        Verb::Inventory(args) => inventory::run(args),
        Verb::Scan(args) => scan::run(args),
        Verb::AuditSql(args) => audit_sql::run(args),
        Verb::Quarantine(verb) => quarantine::run(verb),
        Verb::ApiKey(args) => api_key::run(args),
        Verb::Tenants(verb) => tenants::run(verb),
        Verb::Canary(verb) => canary::run(verb),
        Verb::Salts(verb) => salts::run(verb),
        Verb::Usage(args) => usage::run(args),
        Verb::PrintConfig(args) => show(&config::effective::<Config>(args)?).map(|()| Code::Ok),
        Verb::Schema(args) => show(&config::describe::<Config>(args)).map(|()| Code::Ok),
    }
}

/// An age in its largest unit.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Writes a text to stdout.
fn show(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::io("stdout", &error))
}

/// Writes a line to stderr; where nobody reads it, it is lost.
fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
