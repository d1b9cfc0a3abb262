//! What every verb that reads the configuration shares, and the verbs about it:
//! `validate`, `print-config`, `schema`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::config::{
    ConfigError, ConfigErrors, Document, Environment, Options, hash, print_config, reference_markdown, schema,
};

/// The options that say which configuration is meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file; give it again to lay another file over it
    #[arg(long = "config", short = 'c', value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Set one value over the files, in YAML (repeatable)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub sets: Vec<String>,
}

impl ConfigArgs {
    /// Loads the document that these options name.
    ///
    /// # Errors
    /// As [`Document::load`].
    pub fn load(&self, environment: Environment) -> Result<Document, ConfigErrors> {
        let mut sets = self.sets.clone();
        if self.files.is_empty() {
            // Without a file nothing says which tenants there are: look, count, and let through.
            sets.insert(0, "identity.mode=observe".into());
        }
        Document::load(&self.files, &sets, Options { environment, ..Options::default() })
    }
}

/// The options of `portcullis validate`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ValidateArgs {
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Do not resolve environment variables: check the references only
    #[arg(long)]
    pub no_environment: bool,
    /// Let warnings fail the validation
    #[arg(long)]
    pub deny_warnings: bool,
}

impl ValidateArgs {
    /// Where references get their values.
    pub fn environment(&self) -> Environment {
        if self.no_environment { Environment::Unresolved } else { Environment::Process }
    }
}

/// What a validation comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It can be used.
    Valid,
    /// It can be used, but for warnings, which are denied.
    Denied,
    /// It cannot be used.
    Invalid,
}

/// The options of `portcullis schema`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SchemaArgs {
    /// Write the reference page in Markdown
    #[arg(long)]
    pub markdown: bool,
}

/// `validate`: decodes the configuration and compiles it with `compile`, which returns warnings.
/// The answer is the text for people and the verdict.
pub fn validate<T: DeserializeOwned>(
    args: &ValidateArgs,
    compile: impl FnOnce(&T, &Document) -> Result<Vec<ConfigError>, Vec<ConfigError>>,
) -> (String, Verdict) {
    let compiled = args.config.load(args.environment()).and_then(|document| {
        let config = document.decode::<T>()?;
        compile(&config, &document).map_err(ConfigErrors)
    });
    match compiled {
        Err(errors) => (errors.0.iter().map(|error| format!("error: {error}\n")).collect(), Verdict::Invalid),
        Ok(warnings) => {
            let mut text: String = warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
            if args.deny_warnings && !warnings.is_empty() {
                text.push_str("error: warnings are denied\n");
                return (text, Verdict::Denied);
            }
            text.push_str("the configuration is valid\n");
            (text, Verdict::Valid)
        }
    }
}

/// `print-config`: the effective configuration, secrets hidden, its hash in the first line.
///
/// # Errors
/// As [`Document::load`] and [`Document::decode`].
pub fn effective<T: DeserializeOwned + Serialize>(args: &ConfigArgs) -> Result<String, ConfigErrors> {
    let config: T = args.load(Environment::Process)?.decode()?;
    Ok(format!("# hash {}\n{}", hash(&config)?, print_config(&config)?))
}

/// `schema`: the JSON Schema for editors, or the reference page.
pub fn describe<T: JsonSchema>(args: &SchemaArgs) -> String {
    let schema = schema::<T>();
    if args.markdown { reference_markdown(&schema) } else { format!("{schema:#}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        /// A size, in bytes.
        size_bytes: u64,
        /// Set where there is no file.
        identity: serde_json::Value,
    }

    fn args(sets: &[&str]) -> ConfigArgs {
        ConfigArgs { files: Vec::new(), sets: sets.iter().map(|set| (*set).to_owned()).collect() }
    }

    /// Scenario: a good one, one with a warning, a bad one. Guarantee: the text and the verdict fit.
    #[test]
    fn validation_has_a_verdict() {
        let mut validation = ValidateArgs { config: args(&["size_bytes=1"]), ..ValidateArgs::default() };
        let warn = |_: &Sample, _: &Document| Ok(vec![ConfigError::new("small")]);
        assert_eq!(validate::<Sample>(&validation, |_, _| Ok(Vec::new())).1, Verdict::Valid);
        assert_eq!(validate(&validation, warn).1, Verdict::Valid);
        validation.deny_warnings = true;
        assert_eq!(
            validate(&validation, warn),
            ("warning: small\nerror: warnings are denied\n".into(), Verdict::Denied)
        );
        validation.config = args(&["size=1"]);
        let (text, verdict) = validate::<Sample>(&validation, |_, _| Ok(Vec::new()));
        assert!(
            verdict == Verdict::Invalid && text.starts_with("error: --set: size: unknown field"),
            "{text}"
        );
    }

    /// Scenario: the effective configuration and its schema. Guarantee: both name the key.
    #[test]
    fn the_effective_configuration_and_the_schema_are_printed() {
        let text = effective::<Sample>(&args(&["size_bytes=7"])).unwrap();
        assert!(text.starts_with("# hash ") && text.ends_with("\nsize_bytes: 7\n"), "{text}");
        assert!(describe::<Sample>(&SchemaArgs { markdown: true }).contains("`size_bytes`"));
        assert!(describe::<Sample>(&SchemaArgs { markdown: false }).contains("\"size_bytes\""));
    }
}
