//! What an operator says about scrubbing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// The type of user content.
pub(super) const CONTENT: &str = "CONTENT";

/// Scrubbing: which rules apply, and what happens to what they find.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether the built-in packs (personal, secrets, content) are in force. Default: true.
    pub builtin: bool,
    /// Further rule packs, as paths of YAML files. Default: none.
    pub packs: Vec<PathBuf>,
    /// Ids of rules that are switched off. Default: none.
    pub disable: Vec<String>,
    /// Another action for a rule, by the rule's id. Default: none.
    pub actions: std::collections::BTreeMap<String, Action>,
    /// What is done with user content (`gen_ai.*` messages, request and response bodies). Default: drop.
    pub content: Action,
    /// Further attribute keys whose value is user content, lower-case. Default: none.
    pub content_keys: Vec<String>,
    /// Attribute keys that are never looked into (their values are kept as they are). Default: none.
    pub ignore_keys: Vec<String>,
    /// The master key of pseudonyms, 32 bytes or more. Default: none (one is made in the data directory).
    pub master_key: Secret,
    /// A file that holds the master key. Default: none.
    pub master_key_file: Option<PathBuf>,
    /// The epoch of the tenants' keys: a new number gives every tenant a new key. Default: 1.
    pub key_epoch: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            builtin: true,
            packs: Vec::new(),
            disable: Vec::new(),
            actions: Default::default(),
            content: Action::Drop,
            content_keys: Vec::new(),
            ignore_keys: Vec::new(),
            master_key: Secret::default(),
            master_key_file: None,
            key_epoch: 1,
        }
    }
}

impl Settings {
    /// What happens to the finds of a rule: `own` is what its pack says.
    pub(super) fn action(&self, id: &str, own: Action) -> Action {
        self.actions.get(id).copied().unwrap_or(own)
    }

    /// The same for a rule by key. What happens to user content is said for all such rules at once.
    pub(super) fn key_action(&self, id: &str, kind: &str, own: Action) -> Action {
        self.action(id, if kind == CONTENT { self.content } else { own })
    }
}

/// What happens to a value that a rule found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Counted, and left as it is.
    Keep,
    /// All but the last characters become `*`.
    Mask {
        /// How many characters stay, 0 to 4.
        keep: u8,
    },
    /// Becomes `[TYPE:key id:token]`: the same value under the same tenant gives the same token.
    Pseudonym,
    /// Becomes `[TYPE]`.
    #[default]
    Redact,
    /// The whole attribute goes. Where there is no attribute: redact.
    Drop,
}

impl Action {
    /// The name, as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Keep => "keep",
            Action::Mask { .. } => "mask",
            Action::Pseudonym => "pseudonym",
            Action::Redact => "redact",
            Action::Drop => "drop",
        }
    }

    /// A small dense number, below [`Action::COUNT`].
    pub const fn index(self) -> usize {
        match self {
            Action::Keep => 0,
            Action::Mask { .. } => 1,
            Action::Pseudonym => 2,
            Action::Redact => 3,
            Action::Drop => 4,
        }
    }

    /// How many kinds of action there are.
    pub const COUNT: usize = 5;
}
