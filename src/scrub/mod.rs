//! Scrub: personal data and secrets are found and replaced; what leaves holds none.
//!
//! Rules are data (YAML packs, [`pack`]). A batch's texts are scanned as one arena: bit streams of byte
//! classes and one table of literal fingerprints say where something could be, each rule's own automaton
//! says whether it is, a validator and context words say whether it counts.
//!
//! As a library:
//!
//! ```
//! use portcullis::scrub::{Scrubber, Settings};
//!
//! let scrubber = Scrubber::new(&Settings::default())?;
//! assert_eq!(scrubber.scrub("order of jane@example.com"), "order of [EMAIL]");
//! # Ok::<(), portcullis::scrub::PackError>(())
//! ```
//!
//! `examples/tracing.rs` scrubs a program's own log lines.

mod apart;
mod batch;
mod block;
mod build;
pub mod catalogue;
mod classes;
mod content;
mod coverage;
mod explain;
mod fields;
mod groups;
mod inventory;
mod keys;
pub mod lint;
mod literals;
pub(crate) mod opaque;
mod oracle;
pub mod pack;
mod places;
mod prose;
mod pseudonym;
mod replace;
mod report;
mod rule;
mod salt;
mod scan;
mod settings;
mod starts;
mod tally;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_batch;
#[cfg(test)]
mod tests_policy;
pub(crate) mod unfold;
mod validate;
mod verify;

use std::{borrow::Cow, cell::RefCell, collections::HashSet, ops::Range};

pub use classes::Shape;
pub use content::{ContentField, ContentFields, ContentSeen};
pub use explain::{Explanation, Finding, NearMiss};
pub use fields::FieldSeen;
pub use inventory::{Field, Inventory, Proposal};
pub use pack::{Pack, PackError, Severity};
pub use prose::{Habit, is_prose};
pub use pseudonym::{MasterKey, Tenant};
pub use report::{ExampleFailure, Report, run_examples};
pub use rule::Filter;
pub use salt::Salts;
pub use scan::Scratch;
pub use settings::{Action, FreeText, Settings};
pub use tally::Tally;
pub use validate::Validator;

use crate::limits;
use keys::{KeyRule, Names};
use literals::Literals;
use rule::Rule;
use scan::Source;

/// The packs that are built in: file name and text.
pub const BUILTIN: [(&str, &str); 4] = [
    ("rules/personal.yaml", include_str!("../../rules/personal.yaml")),
    ("rules/secrets.yaml", include_str!("../../rules/secrets.yaml")),
    ("rules/vendors.yaml", include_str!("../../rules/vendors.yaml")),
    ("rules/content.yaml", include_str!("../../rules/content.yaml")),
];

/// The compiled rules.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Unlike any other engine's: what a scratch remembers is good for one engine only.
    number: u64,
    rules: Vec<Rule>,
    keys: Vec<KeyRule>,
    kinds: Vec<String>,
    literals: Literals,
    by_shape: [Vec<u16>; Shape::COUNT],
    /// The shapes that have rules, one bit each; without those of runs, which have a turn of their own.
    shapes: u64,
    runs: starts::Runs,
    unfiltered: Vec<u16>,
    names: Names,
    ignored: HashSet<String>,
    /// Whether the finds of some rule stay as they are.
    quiet: bool,
    free_text: FreeText,
    /// The type of user content.
    content: u16,
    /// Whether a value of this type is a person's, by the type's number.
    personal: Vec<bool>,
}

/// Finds and replaces personal data and secrets. Compiled once; `Send + Sync`; share it in an `Arc`.
#[derive(Debug)]
pub struct Scrubber {
    engine: Engine,
}

/// What an attribute's key says of its value.
#[derive(Debug, Clone, Copy)]
struct Telling {
    source: Source,
    /// The name is common (`code`, `token`), or its rule has a validator: the value must look its part too.
    doubtful: bool,
}

impl Engine {
    fn action(&self, source: Source) -> Action {
        match source {
            Source::Rule(i) => self.rules[usize::from(i)].action,
            Source::Key(i) => self.keys[usize::from(i)].action,
            Source::Prose => Action::Redact,
        }
    }

    fn kind(&self, source: Source) -> u16 {
        match source {
            Source::Rule(i) => self.rules[usize::from(i)].kind,
            Source::Key(i) => self.keys[usize::from(i)].kind,
            Source::Prose => self.content,
        }
    }

    fn id(&self, source: Source) -> &str {
        match source {
            Source::Rule(i) => &self.rules[usize::from(i)].id,
            Source::Key(i) => &self.keys[usize::from(i)].id,
            Source::Prose => "free_text",
        }
    }
}

impl Scrubber {
    /// Reads and compiles all packs that `settings` ask for, and holds the rules of the user's own packs to
    /// their examples (those of the built-in packs are held to theirs by this crate's tests).
    ///
    /// # Errors
    /// A pack cannot be read, a rule in it does not compile, or does not find what its examples say: file,
    /// line, column, rule and a hint.
    pub fn new(settings: &Settings) -> Result<Scrubber, PackError> {
        let packs = Self::packs(settings)?;
        let scrubber = Self::from_packs(&packs, settings)?;
        if settings.packs.is_empty() {
            return Ok(scrubber);
        }
        // A user's rule may well take over what a built-in one found, so only the user's are held to it.
        let own = |failure: &ExampleFailure| {
            settings.packs.iter().any(|path| path.display().to_string() == failure.file)
                && !settings.disable.contains(&failure.rule)
        };
        match run_examples(&packs)?.failures.iter().find(|failure| own(failure)) {
            Some(failure) => Err(failure.into()),
            None => Ok(scrubber),
        }
    }

    /// The names of all types, in the order of a [`Tally`]'s rows.
    pub fn types(&self) -> &[String] {
        &self.engine.kinds
    }

    /// Ids of rules that have no filter and so run over every text: slow.
    pub fn slow_rules(&self) -> impl Iterator<Item = &str> {
        self.engine.unfiltered.iter().map(|i| self.engine.rules[usize::from(*i)].id.as_str())
    }

    /// Whether some rule makes pseudonyms.
    pub fn makes_pseudonyms(&self) -> bool {
        let keys = self.engine.keys.iter().map(|rule| rule.action);
        self.engine.rules.iter().map(|rule| rule.action).chain(keys).any(|action| action == Action::Pseudonym)
    }

    /// How many rules are in force.
    pub fn len(&self) -> usize {
        self.engine.rules.len() + self.engine.keys.len()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A text without personal data; the same text if it had none. Pseudonyms need a tenant's key, so
    /// here they become redactions.
    pub fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
        SCRATCH.with_borrow_mut(|scratch| self.scrub_with(scratch, text, "", None, None))
    }

    /// [`Scrubber::scrub`] for one line, as `portcullis redact` does it.
    pub fn redact_line<'a>(&self, line: &'a str) -> Cow<'a, str> {
        self.scrub(line)
    }

    /// A value that stands under `key`, without personal data. `Drop` is shown as a redaction.
    pub fn scrub_with<'a>(
        &self,
        scratch: &mut Scratch,
        text: &'a str,
        key: &str,
        tenant: Option<Tenant<'_>>,
        mut tally: Option<&mut Tally>,
    ) -> Cow<'a, str> {
        scratch.clear();
        scratch.push(text.as_bytes(), key.as_bytes());
        self.engine.scan(scratch);
        self.engine.whole(scratch, key, 0);
        if let Some(tally) = &mut tally {
            self.engine.count(scratch, tally);
        }
        let all = 0..scratch.finds.len();
        if scratch.finds.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len() + 16);
        self.engine.replace(scratch, all, tenant, &mut out);
        self.engine.again(scratch, &mut out, key.as_bytes(), tenant, tally);
        Cow::Owned(String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into()))
    }

    /// A number that stands under `key`, scanned as its text is: what to put in its place, if anything.
    pub fn scrub_number(
        &self,
        scratch: &mut Scratch,
        number: &str,
        key: &str,
        tenant: Option<Tenant<'_>>,
    ) -> Option<String> {
        match self.scrub_with(scratch, number, key, tenant, None) {
            Cow::Borrowed(_) => None,
            Cow::Owned(text) => Some(text),
        }
    }

    /// What happens to the whole value of an attribute of this key, if the key tells.
    pub fn key_action(&self, key: &str) -> Option<(&str, Action)> {
        let source = self.engine.key(key.as_bytes())?.source;
        Some((&self.engine.kinds[usize::from(self.engine.kind(source))], self.engine.action(source)))
    }
}

/// The name that is most like `name`, if there are any.
pub(crate) fn nearest<'n>(names: impl Iterator<Item = &'n str>, name: &str) -> Option<&'n str> {
    names.max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)))
}

impl Engine {
    /// The key rule of an attribute's key.
    fn key(&self, key: &[u8]) -> Option<Telling> {
        self.names.find(key).map(|(number, exact)| {
            let rule = &self.keys[usize::from(number)];
            let judged = !rule.pairs && (exact || rule.validator.is_some());
            Telling { source: Source::Key(number), doubtful: judged && rule.value.is_some() }
        })
    }

    /// Whether a value under a telling key is sensitive.
    fn tells(&self, telling: Telling, value: &[u8]) -> bool {
        if keys::is_placeholder(value, true) {
            return false;
        }
        match telling.source {
            Source::Key(rule) if telling.doubtful => {
                let rule = &self.keys[usize::from(rule)];
                let input = regex_automata::Input::new(value).anchored(regex_automata::Anchored::Yes);
                rule.value.as_ref().is_none_or(|regex| regex.is_match(input))
                    && rule.validator.is_none_or(|validator| validator.check(value))
            }
            _ => true,
        }
    }

    /// If the key of text `number` tells, the whole text is one find.
    fn whole(&self, scratch: &mut Scratch, key: &str, number: u32) {
        let Some(telling) = self.key(key.as_bytes()) else { return };
        let text = scratch.texts[number as usize];
        let value = &scratch.arena[text.start as usize..text.end as usize];
        if !self.tells(telling, value) {
            return;
        }
        let (end, source) = (text.end - text.start, telling.source);
        let find = scan::Find { text: number, start: 0, end, source };
        if self.action(source).is_quiet() {
            scratch.apart.push(find);
        } else {
            scratch.finds.retain(|find| find.text != number);
            scratch.finds.push(find);
        }
    }

    fn count(&self, scratch: &Scratch, tally: &mut Tally) {
        for find in scratch.finds.iter().chain(&scratch.apart) {
            tally.add(self.kind(find.source), self.action(find.source));
        }
    }

    /// Writes the text of the finds `which`, all of one text, with them replaced.
    fn replace(
        &self,
        scratch: &mut Scratch,
        which: Range<usize>,
        tenant: Option<Tenant<'_>>,
        out: &mut Vec<u8>,
    ) {
        let finds = &scratch.finds[which];
        let Some(first) = finds.first() else { return };
        let text = scratch.texts[first.text as usize];
        let bytes = &scratch.arena[text.start as usize..text.end as usize];
        let mut at = 0;
        for find in finds {
            let (start, end) = (find.start as usize, find.end as usize);
            out.extend_from_slice(&bytes[at..start]);
            let kind = &self.kinds[usize::from(self.kind(find.source))];
            let action = self.action(find.source);
            replace::write(out, kind, action, &bytes[start..end], tenant, &mut scratch.tenant_keys);
            at = end;
        }
        out.extend_from_slice(&bytes[at..]);
    }

    /// Looks at a text again in which values were replaced, until nothing more is found: what was part of
    /// something longer may now be a value by itself, and a word that spoke against one may be gone.
    fn again(
        &self,
        scratch: &mut Scratch,
        text: &mut Vec<u8>,
        key: &[u8],
        tenant: Option<Tenant<'_>>,
        mut tally: Option<&mut Tally>,
    ) {
        let mut inner = scratch.nested.take().unwrap_or_default();
        for _ in 0..limits::SCRUB_AGAIN {
            inner.clear();
            inner.push(text, key);
            self.scan(&mut inner);
            if inner.finds.is_empty() {
                break;
            }
            text.clear();
            let all = 0..inner.finds.len();
            self.replace(&mut inner, all, tenant, text);
            if *text == inner.text(0) {
                break;
            }
            inner.apart.clear();
            if let Some(tally) = &mut tally {
                self.count(&inner, tally);
            }
        }
        scratch.nested = Some(inner);
    }
}
