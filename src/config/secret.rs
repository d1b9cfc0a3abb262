//! A value that is never shown.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize, Serializer};

use super::{ConfigError, read_text};
use crate::limits;

/// A secret text. `Debug` and `Serialize` show `****`; [`Secret::expose`] is the one way in.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// A secret that is given in place, or in a file (its `*_file` twin); `None` where neither is.
    /// Line ends at the end of the file are not part of it.
    ///
    /// # Errors
    /// Both are given, or the file cannot be read, is empty, or is longer than
    /// [`limits::SECRET_BYTES`]. The error never holds the secret.
    pub fn resolve(inline: Option<&Secret>, file: Option<&Path>) -> Result<Option<Secret>, ConfigError> {
        let inline = inline.filter(|secret| !secret.is_empty());
        let Some(file) = file else { return Ok(inline.cloned()) };
        if inline.is_some() {
            return Err(ConfigError::new("given both in place and as a file; leave one of them out"));
        }
        let text = read_text(file, limits::SECRET_BYTES)?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            return Err(ConfigError::new(format!("the secret file {} is empty", file.display())));
        }
        Ok(Some(Secret::new(text)))
    }

    /// The text itself: for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether no secret was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "****" })
    }
}
