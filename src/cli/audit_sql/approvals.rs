//! Statements that somebody answers for, until a day.

use std::collections::HashMap;

use serde::Deserialize;

use super::super::Failure;
use crate::{identify::from_yaml, usage::Day};

/// One approval.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    /// As the report has it: 16 digits, base 16.
    pub fingerprint: String,
    pub owner: String,
    pub reason: String,
    /// The last day on which it holds, in UTC.
    pub expires: Day,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    approved: Vec<Approval>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Approvals(HashMap<u64, Approval>);

/// What an approval says today.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing<'a> {
    None,
    Holds(&'a Approval),
    Expired(&'a Approval),
}

impl Approvals {
    /// Reads a file of approvals.
    ///
    /// # Errors
    /// It is wrong anywhere: all of it is refused.
    pub fn parse(name: &str, text: &str) -> Result<Self, Failure> {
        let failed = |error: String| Failure::usage(format!("{name}: {error}"));
        let file: File = from_yaml(text).map_err(failed)?;
        let mut all = HashMap::new();
        for approval in file.approved {
            let given = &approval.fingerprint;
            let number = (given.len() == 16).then(|| u64::from_str_radix(given, 16).ok()).flatten();
            let Some(number) = number else {
                return Err(failed(
                    "a fingerprint is not 16 digits of base 16, in quotes, as in the report".into(),
                ));
            };
            if approval.owner.trim().is_empty() || approval.reason.trim().is_empty() {
                return Err(failed(format!("{number:016x}: expected an owner and a reason")));
            }
            if all.insert(number, approval).is_some() {
                return Err(failed(format!("{number:016x}: stands twice")));
            }
        }
        Ok(Approvals(all))
    }

    /// What is said of a statement on a day.
    pub fn of(&self, fingerprint: u64, today: Day) -> Standing<'_> {
        match self.0.get(&fingerprint) {
            None => Standing::None,
            Some(approval) if approval.expires >= today => Standing::Holds(approval),
            Some(approval) => Standing::Expired(approval),
        }
    }
}
