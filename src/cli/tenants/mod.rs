//! `tenants`: the catalogue as the gate would take it, and what is done with one tenant.

mod moving;
mod purge;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Code, Failure, config::ConfigArgs, show};
use crate::{
    config::{Config, Environment},
    identify::{
        Catalogue, CatalogueError, CatalogueSettings, CatalogueSource, Settings, State, Tenant,
        catalogue::shown, normalise,
    },
    scrub::nearest,
};

/// What is done with tenants.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// All of them, one a line
    List(ListArgs),
    /// All about one
    Show(ShowArgs),
    /// Whether a catalogue can be used, and what is odd about it
    Check(CheckArgs),
    /// Take one from a destination to another, step by step, while it sends
    #[command(subcommand)]
    Move(moving::Verb),
    /// Destroy all that is kept of one that is deleted, with a signed record
    Purge(purge::PurgeArgs),
    /// Whether a record of a purge is the gate's own
    Verify(purge::VerifyArgs),
}

/// The options of `portcullis tenants list`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ListArgs {
    /// Only those in this state: active, suspended, deleted and so on
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Answer with JSON: a list of objects
    #[arg(long)]
    pub json: bool,
    /// The configuration, of which the section `identity` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The options of `portcullis tenants show`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ShowArgs {
    /// The tenant's id in any form, or its slug, present or former
    #[arg(value_name = "TENANT")]
    pub tenant: String,
    /// Answer with one JSON object
    #[arg(long)]
    pub json: bool,
    /// The configuration, of which the section `identity` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The options of `portcullis tenants check`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CheckArgs {
    /// A catalogue file; without one, the source that the configuration names
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The configuration, of which the section `identity` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Runs it.
///
/// # Errors
/// The configuration or the catalogue cannot be used, or there is no such tenant.
pub fn run(verb: &Verb) -> Result<Code, Failure> {
    match verb {
        Verb::List(args) => list(args),
        Verb::Show(args) => one(args),
        Verb::Check(args) => check(args),
        Verb::Move(verb) => moving::run(verb),
        Verb::Purge(args) => purge::destroy(args),
        Verb::Verify(args) => purge::verify(args),
    }
}

/// A text as one segment of a path.
fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text.trim(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The catalogue that settings name, read once.
///
/// # Errors
/// It cannot be had, or is wrong.
pub(super) fn load(settings: &CatalogueSettings, directory: &Path) -> Result<Catalogue, CatalogueError> {
    let no_runtime = |error: std::io::Error| CatalogueError {
        file: "identity.catalogue".into(),
        line: 0,
        column: 0,
        message: error.to_string(),
    };
    // A source that is elsewhere is asked by a task.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(no_runtime)?;
    let _inside = runtime.enter();
    CatalogueSource::new(settings, directory, Default::default())?.load()
}

fn configured(args: &ConfigArgs) -> Result<(Catalogue, Settings), Failure> {
    let config: Config = args.load(Environment::Process)?.decode()?;
    let catalogue = load(&config.identity.catalogue, &config.buffer.directory);
    Ok((catalogue.map_err(|error| Failure::usage(error.to_string()))?, config.identity))
}

fn closed(args: &ConfigArgs) -> Result<(Catalogue, Settings), Failure> {
    let (catalogue, settings) = configured(args)?;
    if catalogue.is_open() {
        return Err(Failure::usage(
            "there is no catalogue: every well-formed uuid is a tenant; name one in identity.catalogue",
        ));
    }
    Ok((catalogue, settings))
}

fn list(args: &ListArgs) -> Result<Code, Failure> {
    let state: Option<State> = match &args.state {
        None => None,
        Some(word) => Some(serde_json::from_value(json!(word.to_ascii_lowercase())).map_err(|_| {
            let words = ["provisioning", "active", "migrating", "frozen", "suspended", "deleted"];
            Failure::usage(format!("no such state; expected one of {}", words.join(", ")))
        })?),
    };
    let (catalogue, settings) = closed(&args.config)?;
    let tenants: Vec<&Tenant> =
        catalogue.iter().filter(|tenant| state.is_none_or(|state| tenant.state == state)).collect();
    if args.json {
        let former = catalogue.former_slugs();
        let all = tenants.iter().map(|tenant| shown(tenant, &former, &catalogue, &settings));
        show(&format!("{}\n", Value::from_iter(all)))?;
        return Ok(Code::Ok);
    }
    let mut text = format!(
        "{:<36}  {:<24}  {:<12}  {:<9}  {:<16}  {}\n",
        "ID", "SLUG", "STATE", "ISOLATION", "ROUTE", "NAME"
    );
    for tenant in tenants {
        let _ = writeln!(
            text,
            "{:<36}  {:<24}  {:<12}  {:<9}  {:<16}  {}",
            tenant.id.to_string(),
            tenant.slug.as_deref().unwrap_or("-"),
            tenant.state.as_str(),
            tenant.isolation.as_str(),
            tenant.route.as_deref().unwrap_or("-"),
            tenant.name.as_deref().unwrap_or("-"),
        );
    }
    show(&text)?;
    Ok(Code::Ok)
}

fn one(args: &ShowArgs) -> Result<Code, Failure> {
    let (catalogue, settings) = closed(&args.config)?;
    let id = normalise::uuid(&args.tenant).or_else(|| catalogue.by_slug(args.tenant.trim()));
    let Some(tenant) = id.and_then(|id| catalogue.get(id)) else {
        let slugs = catalogue.iter().filter_map(|tenant| tenant.slug.as_deref());
        let near = nearest(slugs, &args.tenant).map(|near| format!("; did you mean {near}?"));
        return Err(Failure::usage(format!("there is no such tenant{}", near.unwrap_or_default())));
    };
    let fields = shown(tenant, &catalogue.former_slugs(), &catalogue, &settings);
    if args.json {
        show(&format!("{fields}\n"))?;
        return Ok(Code::Ok);
    }
    let mut text = String::new();
    for (name, value) in fields.as_object().into_iter().flatten() {
        let shown = match value {
            Value::Null => continue,
            Value::Array(list) if list.is_empty() => continue,
            Value::String(text) => text.clone(),
            Value::Array(list) => {
                list.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        let _ = writeln!(text, "{name:<14} {shown}");
    }
    show(&text)?;
    Ok(Code::Ok)
}

fn check(args: &CheckArgs) -> Result<Code, Failure> {
    let catalogue = match &args.file {
        Some(file) => {
            let settings = CatalogueSettings { file: Some(file.clone()), ..CatalogueSettings::default() };
            load(&settings, Path::new(".")).map_err(|error| Failure::usage(error.to_string()))?
        }
        None => closed(&args.config)?.0,
    };
    let mut text = String::new();
    let mut odd = 0;
    for tenant in catalogue.iter() {
        let mut warn = |what: &str| {
            odd += 1;
            let _ = writeln!(text, "warning: tenant {}: {what}", tenant.id);
        };
        if tenant.state == State::Deleted && tenant.deleted_at.is_none() {
            warn("deleted without deleted_at: late data of the time before is rejected, too");
        }
        if tenant.deleted_at.is_some() && tenant.state != State::Deleted {
            warn("deleted_at, and its state is not deleted");
        }
        if tenant.slug.is_none() {
            warn("no slug: it is found by its id alone");
        }
    }
    let count = |state: State| catalogue.iter().filter(|tenant| tenant.state == state).count();
    let _ = writeln!(
        text,
        "{} tenants: {} active, {} suspended, {} deleted; {odd} warnings",
        catalogue.len(),
        count(State::Active),
        count(State::Suspended),
        count(State::Deleted)
    );
    show(&text)?;
    Ok(Code::Ok)
}
