//! What an operator says about scrubbing.

use std::{collections::BTreeMap, path::PathBuf};

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
    /// Built-in packs that are switched off, by name: personal, secrets, vendors, content. Default: none.
    pub disable_packs: Vec<String>,
    /// Another action for a rule, by the rule's id. Default: none.
    pub actions: BTreeMap<String, Action>,
    /// Rules whose finds stay as they are, by the rule's id, and why they may. Default: none.
    pub keep: BTreeMap<String, String>,
    /// What is done with user content (`gen_ai.*` messages, request and response bodies). Default: drop.
    pub content: Action,
    /// What is done about sentences that people wrote, in fields where no rule expects them. Default: report.
    pub free_text: FreeText,
    /// Further attribute keys whose value is user content, lower-case. Default: none.
    pub content_keys: Vec<String>,
    /// Attribute keys that are never looked into (their values are kept as they are). Default: none.
    pub ignore_keys: Vec<String>,
    /// The master key of pseudonyms, 32 bytes or more. Default: none (one is made in the data directory).
    pub master_key: Secret,
    /// A file that holds the master key. Default: none.
    pub master_key_file: Option<PathBuf>,
    /// A directory with one random salt a tenant, which its pseudonyms need; best on another disk than the master
    /// key. Default: `salts` in the data directory.
    pub salt_directory: Option<PathBuf>,
    /// The epoch of the tenants' keys: a new number gives every tenant a new key. Default: 1.
    pub key_epoch: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            builtin: true,
            packs: Vec::new(),
            disable: Vec::new(),
            disable_packs: Vec::new(),
            actions: BTreeMap::new(),
            keep: BTreeMap::new(),
            content: Action::Drop,
            free_text: FreeText::default(),
            content_keys: Vec::new(),
            ignore_keys: Vec::new(),
            master_key: Secret::default(),
            master_key_file: None,
            salt_directory: None,
            key_epoch: 1,
        }
    }
}

impl Settings {
    /// What happens to the finds of a rule: `own` is what its pack says.
    pub(super) fn action(&self, id: &str, own: Action) -> Action {
        if self.keep.contains_key(id) { Action::Keep } else { self.actions.get(id).copied().unwrap_or(own) }
    }

    /// Whether every `keep` has its reason; if not, which rule's has none.
    pub(super) fn check_keeps(&self) -> Result<(), (Option<String>, &'static str)> {
        let bare = self.actions.iter().find(|(_, action)| **action == Action::Keep);
        let empty = self.keep.iter().find(|(_, reason)| reason.trim().is_empty()).map(|(id, _)| id);
        match bare.map(|(id, _)| id).or(empty) {
            Some(id) => Err((Some(id.clone()), "its finds are to be kept, and no reason is given")),
            None if self.content == Action::Keep => {
                Err((None, "scrub.content cannot be `keep`: each rule that is to keep needs a reason"))
            }
            None => Ok(()),
        }
    }

    /// The same for a rule by key. What happens to user content is said for all such rules at once.
    pub(super) fn key_action(&self, id: &str, kind: &str, own: Action) -> Action {
        self.action(id, if kind == CONTENT { self.content } else { own })
    }
}

/// What is done about sentences that people wrote, in a field (service and key) where no rule expects them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FreeText {
    /// They are not looked for.
    Off,
    /// A field that holds them is told once, as a finding; they are counted, and stay.
    #[default]
    Report,
    /// The same, and from then on they become `[CONTENT]` in that field.
    Redact,
}

/// What happens to a value that a rule found.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Counted, and nothing else: as if the rule were not there.
    Shadow,
    /// Counted, and left as it is for a reason that is given; so is what other rules by shape find inside.
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
            Action::Shadow => "shadow",
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
            Action::Shadow => 0,
            Action::Keep => 1,
            Action::Mask { .. } => 2,
            Action::Pseudonym => 3,
            Action::Redact => 4,
            Action::Drop => 5,
        }
    }

    /// How many kinds of action there are.
    pub const COUNT: usize = 6;

    /// Whether a find stays as it is.
    pub const fn is_quiet(self) -> bool {
        matches!(self, Action::Shadow | Action::Keep)
    }
}
