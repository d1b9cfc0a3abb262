//! `tenants move`: a tenant goes from one destination to another, step by step.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::{Code, Failure, ask::GateArgs, config::ConfigArgs, show};
use crate::config::{Config, Environment};

/// A step of a move.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Write the tenant's data to the new destinations, too
    Start(StartArgs),
    /// Accept its data and hold it on the disk
    Freeze(StepArgs),
    /// Send what comes from now on to the new destinations alone
    CutOver(StepArgs),
    /// Let what was held go on, in its order
    Unfreeze(StepArgs),
    /// Forget the move: routes and catalogue say the same
    Finish(StepArgs),
    /// Give a move up that is in dual-write
    Abort(StepArgs),
    /// How far it is
    Show(StepArgs),
}

/// The options of `portcullis tenants move start`.
#[derive(Debug, Clone, clap::Args)]
pub struct StartArgs {
    /// A new destination (repeatable)
    #[arg(long, value_name = "DESTINATION", required = true)]
    pub to: Vec<String>,
    /// Whose move.
    #[command(flatten)]
    pub step: StepArgs,
}

/// The options of a step.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StepArgs {
    /// The tenant's id in any form, or its slug
    #[arg(value_name = "TENANT")]
    pub tenant: String,
    /// Where the gate is.
    #[command(flatten)]
    pub gate: GateArgs,
    /// The configuration, of which the section `admin` counts.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Runs it.
///
/// # Errors
/// The gate cannot be asked, or says that it is not the time for the step.
pub fn run(verb: &Verb) -> Result<Code, Failure> {
    let (step, word, body) = match verb {
        Verb::Start(args) => (&args.step, "", json!({ "to": args.to })),
        Verb::Freeze(step) => (step, "/freeze", json!({})),
        Verb::CutOver(step) => (step, "/cut-over", json!({})),
        Verb::Unfreeze(step) => (step, "/unfreeze", json!({})),
        Verb::Finish(step) => (step, "/finish", json!({})),
        Verb::Abort(step) => (step, "/abort", json!({})),
        Verb::Show(step) => (step, "", Value::Null),
    };
    let config: Config = step.config.load(Environment::Process)?.decode()?;
    let method = if body.is_null() { Method::GET } else { Method::POST };
    let path = format!("/v1/tenants/{}/move{word}", super::segment(&step.tenant));
    let answer = step.gate.ask(&config, method, &path, &body)?;
    show(&format!("{answer}\n"))?;
    Ok(Code::Ok)
}
