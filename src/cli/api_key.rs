//! `api-key`: a new key for a sender that has no tokens, and its entry in the configuration.

use serde_json::json;

use super::{Code, Failure, show};
use crate::identify::{date_time, new_api_key};

/// The options of `portcullis api-key`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ApiKeyArgs {
    /// What the key is known by: a principal, as the subject of a token is
    #[arg(long)]
    pub name: String,
    /// The tenant that its data is of: uuid or slug; without one the data says so itself
    #[arg(long)]
    pub tenant: Option<String>,
    /// A further tenant that it may write for (repeatable)
    #[arg(long = "allow", value_name = "TENANT")]
    pub allowed: Vec<String>,
    /// When it ends, for example 2027-01-31T23:59:59Z
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
    /// Answer with one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
///
/// # Errors
/// The time makes no sense, or the system gives no randomness.
pub fn run(args: &ApiKeyArgs) -> Result<Code, Failure> {
    if args.name.trim().is_empty() {
        return Err(Failure::usage("--name is empty; expected what the key is known by, for example ci"));
    }
    if args.expires.as_deref().is_some_and(|text| date_time(text).is_none()) {
        return Err(Failure::usage("--expires: expected a date and time as 2027-01-31T23:59:59Z"));
    }
    let (key, sha256) = new_api_key().map_err(|error| Failure::failed(error.to_string()))?;
    let mut entry = json!({ "name": args.name, "sha256": sha256 });
    let fields = [
        ("tenant", json!(args.tenant)),
        ("allowed_tenants", json!(args.allowed)),
        ("expires", json!(args.expires)),
    ];
    for (name, value) in fields {
        if !value.is_null() && value != json!([]) {
            entry[name] = value;
        }
    }
    show(&if args.json {
        format!("{}\n", json!({ "key": key, "entry": entry }))
    } else {
        // JSON is YAML, too.
        format!(
            "key    {key}\n       shown this once; its sender has the header `authorization: Bearer <key>`\n\
             entry  {entry}\n       for the list identity.token.api_keys\n"
        )
    })?;
    Ok(Code::Ok)
}
