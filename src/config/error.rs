//! Mistakes in configuration: where, what was expected, and what was probably meant.

use std::{fmt, sync::Arc};

/// Where a value of the configuration was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named, or `--set`.
    pub file: Arc<str>,
    /// Line, from 1; 0 where there is none (`--set`).
    pub line: usize,
    /// Column in characters, from 1; 0 where there is none.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

/// One mistake. It names keys, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it stands, as far as is known.
    pub place: Option<Place>,
    /// The dotted path of the setting; empty for a mistake of the whole file.
    pub path: String,
    /// What is wrong, and what was expected.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl ConfigError {
    /// A mistake that has no place yet.
    pub fn new(message: impl Into<String>) -> Self {
        ConfigError { place: None, path: String::new(), message: message.into(), hint: None }
    }

    /// At a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Of a setting, by its dotted path.
    #[must_use]
    pub fn of(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With a hint that names the candidate nearest to `name`, where one is near enough.
    #[must_use]
    pub fn did_you_mean<'a>(mut self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(near) = nearest(name, candidates) {
            self.hint = Some(format!("did you mean {near:?}?"));
        }
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Every mistake that was found at once; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        ConfigErrors(vec![error])
    }
}

/// The candidate nearest to a name that somebody mistyped, where one is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            let lower = candidate.to_ascii_lowercase();
            let distance = strsim::damerau_levenshtein(&name, &lower);
            (distance, strsim::jaro_winkler(&name, &lower), candidate)
        })
        .filter(|(distance, similarity, _)| *distance <= allowed || *similarity > 0.9)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, candidate)| candidate)
}
