//! `canary`: texts that only one tenant's data holds, made and counted.

mod make;
mod words;

use std::{collections::BTreeMap, fmt::Write};

use aws_lc_rs::rand;
use serde_json::{Value, json};

use super::{Code, Failure, config::ConfigArgs, say, show, tenants};
use crate::{
    config::{Config, Environment},
    detect::mentions::Mentions,
    identify::{Tenant, normalise},
    limits,
    policy::key,
    scrub::MasterKey,
};

/// What is done with canaries.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Make new ones, and the lines for the catalogue
    New(NewArgs),
    /// Which tenants have some, and which have none
    List(ListArgs),
}

/// The options of `portcullis canary new`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct NewArgs {
    /// Whose it shall be: an id in any form, or a slug. With a catalogue it must be in it
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// What it looks like
    #[arg(long, value_enum, default_value_t)]
    pub kind: make::Kind,
    /// How many
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
    /// For addresses: a domain whose mail nobody reads, and no tenant's
    #[arg(long, default_value = "example.net")]
    pub domain: String,
    /// Answer with one JSON object
    #[arg(long)]
    pub json: bool,
    /// The configuration, of which the section `identity` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The options of `portcullis canary list`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ListArgs {
    /// Show the canaries themselves
    #[arg(long)]
    pub reveal: bool,
    /// Answer with JSON: a list of objects
    #[arg(long)]
    pub json: bool,
    /// The configuration, of which the sections `identity`, `scrub` and `buffer` count.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Runs it.
///
/// # Errors
/// The configuration or the catalogue cannot be used, there is no such tenant, or the system gives no randomness.
pub fn run(verb: &Verb) -> Result<Code, Failure> {
    match verb {
        Verb::New(args) => new(args),
        Verb::List(args) => list(args),
    }
}

fn new(args: &NewArgs) -> Result<Code, Failure> {
    let domain = args.domain.trim().to_ascii_lowercase();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if domain.len() > limits::MENTION_NAME_BYTES / 2 || !domain.contains('.') || !domain.bytes().all(fits) {
        return Err(Failure::usage("--domain: expected a domain, for example mail.example.net"));
    }
    let config: Config = args.config.load(Environment::Process)?.decode()?;
    let catalogue = tenants::load(&config.identity.catalogue, &config.buffer.directory)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let tenant = match &args.tenant {
        None => None,
        Some(text) => {
            let id = normalise::uuid(text).or_else(|| catalogue.by_slug(text.trim()));
            match id.filter(|id| catalogue.is_open() || catalogue.get(*id).is_some()) {
                None if catalogue.is_open() => {
                    return Err(Failure::usage(
                        "--tenant: there is no catalogue to look a slug up in; give --config FILE, whose \
                         identity.catalogue lists the tenants, or the tenant's uuid",
                    ));
                }
                None => return Err(Failure::usage("--tenant: there is no such tenant in the catalogue")),
                id => id,
            }
        }
    };
    let mentions = Mentions::of(&catalogue, []);
    let canaries: Vec<String> =
        (0..args.count).map(|_| make::canary(args.kind, &domain, &mentions)).collect::<Result<_, _>>()?;
    if args.json {
        let answer = json!({
            "tenant_id": tenant.map(|tenant| tenant.to_string()), "kind": args.kind.as_str(),
            "bits": args.kind.bits(), "canaries": canaries,
        });
        show(&format!("{answer}\n"))?;
        return Ok(Code::Ok);
    }
    let whose = tenant.map_or_else(|| "its tenant".to_owned(), |tenant| format!("tenant {tenant}"));
    let mut text = format!("    # add to the entry of {whose} in the catalogue\n    canaries:\n");
    for canary in &canaries {
        // JSON is YAML, too.
        let _ = writeln!(text, "      - {}", json!(canary));
    }
    show(&text)?;
    say(&format!(
        "a {} has {} bits of chance{}",
        args.kind.as_str(),
        args.kind.bits(),
        if args.kind.bits() < 64 { "; where nobody reads it, a token is better" } else { "" }
    ));
    say("plant it in a record of that tenant that nobody has a reason to open, as its title, note or key;");
    say("wait until the gate has taken the catalogue; seen under another tenant from then on, it is a leak");
    Ok(Code::Ok)
}

fn list(args: &ListArgs) -> Result<Code, Failure> {
    let config: Config = args.config.load(Environment::Process)?.decode()?;
    let catalogue = tenants::load(&config.identity.catalogue, &config.buffer.directory)
        .map_err(|error| Failure::usage(error.to_string()))?;
    if catalogue.is_open() {
        return Err(Failure::usage(
            "there is no catalogue, so no canaries; give --config FILE with identity.catalogue",
        ));
    }
    let (key, lasting) = fingerprint_key(&config)?;
    let fingerprint = |canary: &str| {
        let sum = key.sum("canary", canary.as_bytes());
        sum[..4].iter().fold("fp:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    };
    let with: Vec<&Tenant> = catalogue.iter().filter(|tenant| !tenant.canaries.is_empty()).collect();
    let without: Vec<&Tenant> = catalogue.iter().filter(|tenant| tenant.canaries.is_empty()).collect();
    if args.json {
        let one = |tenant: &Tenant| {
            let canaries = tenant.canaries.iter().map(|canary| {
                let revealed = args.reveal.then_some(&**canary);
                json!({ "kind": make::Kind::of(canary), "fingerprint": fingerprint(canary), "canary": revealed })
            });
            json!({ "tenant_id": tenant.id.to_string(), "slug": tenant.slug.as_deref(),
                    "canaries": canaries.collect::<Vec<Value>>() })
        };
        show(&format!("{}\n", Value::from_iter(catalogue.iter().map(one))))?;
    } else {
        let mut text = String::new();
        for tenant in &with {
            let mut kinds = BTreeMap::<&str, usize>::new();
            tenant.canaries.iter().for_each(|canary| *kinds.entry(make::Kind::of(canary)).or_default() += 1);
            let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let _ = writeln!(text, "{}  {:<24}  {}", tenant.id, name(tenant), kinds.join(", "));
            for canary in &tenant.canaries {
                let shown = if args.reveal { format!("  {}", json!(canary)) } else { String::new() };
                let _ = writeln!(text, "    {}  {}{shown}", fingerprint(canary), make::Kind::of(canary));
            }
        }
        if !without.is_empty() {
            let _ = writeln!(text, "without a canary:");
            without.iter().for_each(|tenant| {
                let _ = writeln!(text, "{}  {}", tenant.id, name(tenant));
            });
        }
        let _ = writeln!(text, "{} tenants with canaries, {} without", with.len(), without.len());
        show(&text)?;
    }
    warn(&catalogue, lasting);
    Ok(Code::Ok)
}

/// Says which canaries are not looked for, and why.
fn warn(catalogue: &crate::identify::Catalogue, lasting: bool) {
    let skipped = Mentions::of(catalogue, []).skipped();
    if skipped.ambiguous_canaries > 0 {
        say(&format!(
            "warning: {} canaries are not looked for: two tenants have the same, or one is another tenant's name",
            skipped.ambiguous_canaries
        ));
    }
    if skipped.unfit_canaries > 0 {
        say(&format!(
            "warning: {} canaries are not looked for: expected {} letters and digits or more, at most {} bytes, and not the tenant's own name",
            skipped.unfit_canaries,
            limits::CANARY_LETTERS,
            limits::MENTION_NAME_BYTES
        ));
    }
    if !lasting {
        say("fingerprints are of this call alone: there is no pseudonym key yet");
    }
}

fn name(tenant: &Tenant) -> &str {
    tenant.slug.as_deref().or(tenant.name.as_deref()).unwrap_or("-")
}

/// The key of fingerprints, and whether it is there the next time, too. Looking doesn't make one.
fn fingerprint_key(config: &Config) -> Result<(MasterKey, bool), Failure> {
    if key::exists(config) {
        return key::master(config, false).map(|key| (key, true)).map_err(Failure::usage);
    }
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Failure::failed("the system gives no random bytes"))?;
    MasterKey::new(&bytes, 0).map(|key| (key, false)).map_err(Failure::failed)
}
