//! `salts`: the tenants' salts of pseudonyms, beside a running gate or without one.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::{Code, Failure, config::ConfigArgs, say, show};
use crate::{
    batch::TenantId,
    config::{Config, Environment},
    identify::normalise,
    policy::key,
    scrub::Salts,
};

/// What is done with salts.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// The tenants that have one, and since when
    List(ListArgs),
    /// Destroy a tenant's: its pseudonyms so far can never be made or matched again
    Destroy(DestroyArgs),
}

/// The options of `portcullis salts list`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ListArgs {
    /// Answer with JSON: a list of objects
    #[arg(long)]
    pub json: bool,
    /// The configuration, of which the sections `scrub` and `buffer` count.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The options of `portcullis salts destroy`.
#[derive(Debug, Clone, clap::Args)]
pub struct DestroyArgs {
    /// The tenant (uuid)
    #[arg(value_parser = tenant)]
    pub tenant: TenantId,
    /// Really destroy it
    #[arg(long)]
    pub yes: bool,
    /// The configuration, of which the sections `scrub` and `buffer` count.
    #[command(flatten)]
    pub config: ConfigArgs,
}

fn tenant(text: &str) -> Result<TenantId, String> {
    normalise::uuid(text).ok_or_else(|| "expected a uuid".into())
}

/// Runs it.
///
/// # Errors
/// The configuration cannot be used, or the directory of salts cannot be read or changed.
pub fn run(verb: &Verb) -> Result<Code, Failure> {
    match verb {
        Verb::List(args) => list(args),
        Verb::Destroy(args) => destroy(args),
    }
}

fn salts(args: &ConfigArgs) -> Result<Option<Salts>, Failure> {
    let config: Config = args.load(Environment::Process)?.decode()?;
    let directory = key::salt_directory(&config);
    // Looking doesn't make it.
    if !directory.exists() {
        return Ok(None);
    }
    Salts::open(&directory).map(Some).map_err(|error| Failure::io(&directory.display().to_string(), &error))
}

fn list(args: &ListArgs) -> Result<Code, Failure> {
    let all = match salts(&args.config)? {
        Some(salts) => salts.list().map_err(|error| Failure::io("the directory of salts", &error))?,
        None => Vec::new(),
    };
    let unix = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if args.json {
        let all = all.into_iter().map(
            |(tenant, time)| json!({ "tenant_id": tenant.to_string(), "since_unix_seconds": unix(time) }),
        );
        show(&format!("{}\n", serde_json::Value::from_iter(all)))?;
    } else {
        let old = |time: SystemTime| super::age(time.elapsed().unwrap_or_default());
        let lines = all.into_iter().map(|(tenant, time)| format!("{tenant}  {:>5} old\n", old(time)));
        show(&lines.collect::<String>())?;
    }
    Ok(Code::Ok)
}

fn destroy(args: &DestroyArgs) -> Result<Code, Failure> {
    let tenant = args.tenant;
    if !args.yes {
        return Err(Failure::usage(format!(
            "this would destroy the salt of {tenant}: its pseudonyms so far could never be matched again; say --yes"
        )));
    }
    let destroyed = match salts(&args.config)? {
        Some(salts) => salts.destroy(tenant).map_err(|error| Failure::io("the tenant's salt", &error))?,
        None => false,
    };
    if !destroyed {
        say(&format!("{tenant} has no salt"));
        return Ok(Code::Failed);
    }
    say(&format!("the salt of {tenant} is destroyed"));
    Ok(Code::Ok)
}
