//! `tenants purge` and `tenants verify`: the end of a tenant, and the record of it.

use std::{fs, path::PathBuf, sync::Arc};

use reqwest::Method;
use serde_json::json;

use super::super::{Code, Failure, ask::GateArgs, config::ConfigArgs, say, show};
use crate::{
    admin::signed,
    buffer::Journal,
    config::{Config, Environment},
    detect::file::FindingsLog,
    gateway::{
        moves::Moves,
        purge::{Everything, may_be_destroyed, purge},
    },
    identify::normalise,
    policy::key,
    usage::Ledger,
};

/// The options of `portcullis tenants purge`.
#[derive(Debug, Clone, clap::Args)]
pub struct PurgeArgs {
    /// The tenant's id in any form, or its slug
    #[arg(value_name = "TENANT")]
    pub tenant: String,
    /// Really destroy it
    #[arg(long)]
    pub yes: bool,
    /// Even if the catalogue does not say that it is deleted
    #[arg(long)]
    pub force: bool,
    /// Where the gate is that runs on the data directory, if one does.
    #[command(flatten)]
    pub gate: GateArgs,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The options of `portcullis tenants verify`.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyArgs {
    /// A record: a file of the directory `destroyed`, or what a purge printed
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The gate's public key: `destroyed/signing.pub` of its data directory
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

/// Destroys what is kept of a tenant: by the gate that runs on the data directory, or without one.
///
/// # Errors
/// The tenant is alive, the gate cannot be asked, or the disk fails.
pub fn destroy(args: &PurgeArgs) -> Result<Code, Failure> {
    if !args.yes {
        return Err(Failure::usage(
            "this would destroy everything that is kept of the tenant: accepted and held data that is not delivered \
             yet, rejected data, findings, the salt of its pseudonyms; say --yes",
        ));
    }
    let config: Config = args.config.load(Environment::Process)?.decode()?;
    let names: Vec<String> = config.destinations().into_iter().map(|destination| destination.name).collect();
    // Who counts keeps what is not counted yet.
    let usage = match config.usage.enabled {
        true => {
            Some(Arc::new(Ledger::open(&config.buffer.directory, &config.usage).map_err(Failure::failed)?))
        }
        false => None,
    };
    let opened = match &usage {
        Some(ledger) => Journal::open_counted(config.buffer.clone(), &names, ledger.counted()),
        None => Journal::open(config.buffer.clone(), &names),
    };
    let journal = match opened {
        Ok(journal) => journal,
        Err(error) if error.is_taken() => {
            let path = format!("/v1/tenants/{}/purge", super::segment(&args.tenant));
            let answer = args.gate.ask(&config, Method::POST, &path, &json!({ "force": args.force }))?;
            show(&format!("{answer}\n"))?;
            return Ok(Code::Ok);
        }
        Err(error) => return Err(Failure::failed(error.to_string())),
    };
    let catalogue = super::load(&config.identity.catalogue, &config.buffer.directory);
    let catalogue = catalogue.map_err(|error| Failure::usage(error.to_string()))?;
    let tenant = normalise(&args.tenant, &catalogue).ok().or_else(|| normalise::uuid(&args.tenant));
    let tenant =
        tenant.ok_or_else(|| Failure::usage("there is no such tenant; expected a uuid, or a slug"))?;
    if !args.force {
        may_be_destroyed(tenant, &catalogue)
            .map_err(|why| Failure::failed(why.replace("force", "--force")))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime", &error))?;
    let mut findings = config.detect.findings.clone();
    findings.file = config.findings_file();
    let purged = runtime.block_on(async {
        let moves = Moves::open(&config.buffer, names, journal.clone(), Default::default())?;
        let forget = move |tenant| FindingsLog::new(findings.clone()).forget(tenant);
        let everything = Everything {
            moves,
            buffer: config.buffer.clone(),
            salts: key::salt_directory(&config),
            journal: journal.clone(),
            findings: Box::new(forget),
            usage,
        };
        purge(everything, tenant, "command".into()).await
    });
    let (destroyed, signed) = purged.map_err(Failure::failed)?;
    show(&format!("{}\n", json!({ "record": destroyed, "signed": signed })))?;
    Ok(Code::Ok)
}

/// Says whether a record is a gate's own, and shows it.
///
/// # Errors
/// The files cannot be read.
pub fn verify(args: &VerifyArgs) -> Result<Code, Failure> {
    let read = |path: &PathBuf| {
        fs::read_to_string(path).map_err(|error| Failure::io(&path.display().to_string(), &error))
    };
    let (text, public) = (read(&args.file)?, read(&args.key)?);
    // What a purge printed has the signed text in it.
    let printed: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let text = printed.as_ref().and_then(|value| value["signed"].as_str()).unwrap_or(&text);
    match signed::verify(text, &public) {
        Ok(record) => show(&format!("{record}\n")).map(|()| Code::Ok),
        Err(why) => {
            say(&format!("error: {why}"));
            Ok(Code::Failed)
        }
    }
}
