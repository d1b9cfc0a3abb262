//! Settings to what runs, once; every mistake is told with its place.

use regex::bytes::RegexBuilder;
use serde_json::Value;

use super::{
    Transforms,
    field::{Field, ROOTS, Root},
    operation::{Op, threshold},
    selector::Condition,
    settings::{Operation, Selector, Settings, TransformSettings},
    value::{escape_names, measure},
};
use crate::{
    batch::Signal,
    config::{ConfigError, Document},
    limits,
    wire::Aliases,
};

/// One compiled transform.
#[derive(Debug, Clone)]
pub(super) struct Transform {
    pub name: String,
    pub condition: Condition,
    pub ops: Vec<Op>,
}

impl Transforms {
    /// Compiles the settings that `document` holds at `pointer` (`/transforms`).
    ///
    /// # Errors
    /// Every mistake, with its place: unknown fields of a record, patterns that do not compile,
    /// rates outside 0 to 1, writes to what a transform must not write (resource, scope, ids, and
    /// every attribute of `tenant_keys`).
    pub fn compile(
        settings: &Settings,
        tenant_keys: &Aliases,
        document: &Document,
        pointer: &str,
    ) -> Result<Transforms, Vec<ConfigError>> {
        let mut transforms = Transforms { tenant_keys: tenant_keys.clone(), ..Transforms::default() };
        let mut compiler =
            Compiler { document, tenant_keys, signal: None, conditions: 0, errors: Vec::new() };
        if settings.0.len() > limits::TRANSFORMS {
            compiler.fail(pointer, format!("more than {} transforms", limits::TRANSFORMS));
            return Err(compiler.errors);
        }
        let mut names = std::collections::BTreeSet::new();
        for (index, transform) in settings.0.iter().enumerate() {
            let at = format!("{pointer}/{index}");
            if !names.insert(transform.name.as_str()) {
                compiler.fail(&format!("{at}/name"), "another transform has this name");
            }
            let compiled = compiler.transform(transform, &at);
            let at = transforms.list.len();
            transforms.list.push(compiled);
            for signal in Signal::ALL {
                if transform.signal.is_none_or(|only| only == signal) {
                    transforms.by_signal[usize::from(slot(signal))].push(at);
                }
            }
        }
        if compiler.errors.is_empty() { Ok(transforms) } else { Err(compiler.errors) }
    }
}

/// Where a signal's transforms are kept.
pub(super) const fn slot(signal: Signal) -> u8 {
    match signal {
        Signal::Logs => 0,
        Signal::Traces => 1,
        Signal::Metrics => 2,
    }
}

struct Compiler<'a> {
    document: &'a Document,
    tenant_keys: &'a Aliases,
    signal: Option<Signal>,
    conditions: usize,
    errors: Vec<ConfigError>,
}

impl Compiler<'_> {
    fn fail(&mut self, pointer: &str, message: impl Into<String>) {
        let error = self.document.error(pointer, message);
        self.push(error);
    }

    fn push(&mut self, error: ConfigError) {
        if self.errors.len() < limits::CONFIG_ERRORS {
            self.errors.push(error);
        }
    }

    fn transform(&mut self, settings: &TransformSettings, at: &str) -> Transform {
        self.signal = settings.signal;
        self.conditions = 0;
        if settings.name.trim().is_empty() {
            self.fail(&format!("{at}/name"), "a transform needs a name");
        }
        if settings.operations.is_empty() {
            self.fail(&format!("{at}/do"), "expected at least one operation");
        }
        if settings.operations.len() > limits::TRANSFORM_OPERATIONS {
            self.fail(&format!("{at}/do"), format!("more than {} operations", limits::TRANSFORM_OPERATIONS));
        }
        let condition = self.condition(&settings.selector, &format!("{at}/where"));
        let ops = settings
            .operations
            .iter()
            .enumerate()
            .filter_map(|(index, operation)| self.operation(operation, &format!("{at}/do/{index}")))
            .collect();
        Transform { name: settings.name.clone(), condition, ops }
    }

    /// A field that is read.
    fn read(&mut self, text: &str, at: &str) -> Option<Field> {
        let field = match Field::parse(text) {
            Ok(field) => field,
            Err(bad) => {
                let error = self.document.error(at, bad.message);
                let error = match bad.root {
                    Some(root) => error.did_you_mean(&root, ROOTS),
                    None => error,
                };
                self.push(error);
                return None;
            }
        };
        if let Some(signal) = self.signal
            && !field.is_of(signal)
        {
            self.fail(at, format!("a {} has no such field", signal.item()));
            return None;
        }
        Some(field)
    }

    /// A field that is written.
    fn write(&mut self, text: &str, at: &str) -> Option<Field> {
        let field = self.read(text, at)?;
        if let Some(reason) = field.read_only() {
            self.fail(at, reason);
            return None;
        }
        if field.root == Root::Name && self.signal == Some(Signal::Metrics) {
            self.fail(
                at,
                "the name of a metric is shared by its data points: a transform can read it, not write it",
            );
            return None;
        }
        if field.attribute().is_some_and(|name| self.tenant_keys.rank(name).is_some()) {
            self.fail(at, "this attribute names the tenant, which no transform may change");
            return None;
        }
        Some(field)
    }

    /// A field that is written, and is not all attributes together.
    fn write_one(&mut self, text: &str, at: &str) -> Option<Field> {
        let field = self.write(text, at)?;
        if field.all_attributes() {
            self.fail(at, "expected one attribute, as in attributes[\"name\"]");
            return None;
        }
        Some(field)
    }

    fn operation(&mut self, operation: &Operation, at: &str) -> Option<Op> {
        Some(match operation {
            Operation::ParseJson(parse) => {
                let at = format!("{at}/parse_json");
                let from = self.read(&parse.from, &format!("{at}/from"));
                let into = match &parse.into {
                    Some(into) => self.write(into, &format!("{at}/into")),
                    None => self.write_one(&parse.from, &format!("{at}/from")),
                };
                Op::ParseJson { from: from?, into: into? }
            }
            Operation::ParseKeyValue(parse) => {
                let at = format!("{at}/parse_key_value");
                let from = self.read(&parse.from, &format!("{at}/from"));
                let into = self.write(&parse.into, &format!("{at}/into"));
                if parse.separator.is_empty() || parse.separator == parse.delimiter {
                    self.fail(
                        &format!("{at}/separator"),
                        "expected text that is not empty and not the delimiter",
                    );
                    return None;
                }
                Op::ParseKeyValue {
                    from: from?,
                    into: into?,
                    delimiter: parse.delimiter.clone(),
                    separator: parse.separator.clone(),
                }
            }
            Operation::Rename(rename) => {
                let from = self.write_one(&rename.from, &format!("{at}/rename/from"));
                let to = self.write_one(&rename.to, &format!("{at}/rename/to"));
                let (from, to) = (from?, to?);
                if from.root == to.root
                    && (from.steps.starts_with(&to.steps) || to.steps.starts_with(&from.steps))
                {
                    self.fail(
                        &format!("{at}/rename/to"),
                        "a field cannot be moved into itself or onto what it is part of",
                    );
                    return None;
                }
                Op::Rename { from, to }
            }
            Operation::Copy(copy) => {
                let from = self.read(&copy.from, &format!("{at}/copy/from"));
                let to = self.write_one(&copy.to, &format!("{at}/copy/to"));
                Op::Copy { from: from?, to: to? }
            }
            Operation::Set(set) => {
                let field = self.write_one(&set.field, &format!("{at}/set/field"));
                let mut value = set.value.clone();
                let (size, height) = measure(&value, limits::TRANSFORM_GROWTH_BYTES);
                if size > limits::TRANSFORM_GROWTH_BYTES || height > limits::TRANSFORM_DEPTH {
                    self.fail(&format!("{at}/set/value"), "too large or too deep a value");
                }
                escape_names(&mut value);
                let field = field?;
                let severity = field.root == Root::SeverityNumber;
                if severity && value.as_u64().is_none_or(|number| number > 24) {
                    self.fail(&format!("{at}/set/value"), "expected a severity number from 0 to 24");
                }
                Op::Set { field, value }
            }
            Operation::Remove(fields) => Op::Remove(self.fields(&fields.0, &format!("{at}/remove"))?),
            Operation::Coerce(coerce) => Op::Coerce {
                field: self.write_one(&coerce.field, &format!("{at}/coerce/field"))?,
                to: coerce.to,
            },
            Operation::Lowercase(fields) => {
                Op::Lowercase(self.fields(&fields.0, &format!("{at}/lowercase"))?)
            }
            Operation::KeepOnly(fields) => {
                let at = format!("{at}/keep_only");
                let kept = fields.0.iter().enumerate().map(|(index, text)| {
                    let at = self.item_pointer(&at, index);
                    let field = self.read(text, &at)?;
                    if !matches!(field.root, Root::Attributes | Root::Body) {
                        self.fail(&at, "expected a body or an attribute: all other fields stay anyway");
                        return None;
                    }
                    Some(field)
                });
                // Every mistake is told before the first one ends it.
                let kept: Vec<Option<Field>> = kept.collect();
                Op::KeepOnly(kept.into_iter().collect::<Option<Vec<Field>>>()?)
            }
            Operation::Drop => Op::Drop,
            Operation::Sample(sample) => {
                if !(0.0..=1.0).contains(&sample.rate) {
                    self.fail(&format!("{at}/sample/rate"), "expected a share from 0 to 1");
                }
                let key = match &sample.key {
                    Some(key) => Some(self.read(key, &format!("{at}/sample/key"))?),
                    None => None,
                };
                Op::Sample { threshold: threshold(sample.rate), all: sample.rate >= 1.0, key }
            }
        })
    }

    fn fields(&mut self, texts: &[String], at: &str) -> Option<Vec<Field>> {
        let fields: Vec<Option<Field>> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let at = self.item_pointer(at, index);
                self.write_one(text, &at)
            })
            .collect();
        fields.into_iter().collect()
    }

    /// The pointer of an item of what is one text or a list.
    fn item_pointer(&self, at: &str, index: usize) -> String {
        if self.document.is_list(at) { format!("{at}/{index}") } else { at.to_owned() }
    }

    fn condition(&mut self, selector: &Selector, at: &str) -> Condition {
        self.conditions += 1;
        if self.conditions > limits::TRANSFORM_CONDITIONS {
            if self.conditions == limits::TRANSFORM_CONDITIONS + 1 {
                self.fail(at, format!("more than {} conditions", limits::TRANSFORM_CONDITIONS));
            }
            return Condition::All(Vec::new());
        }
        let mut parts = Vec::new();
        if let Some(names) = &selector.tenant {
            parts.push(Condition::Tenant(names.0.clone()));
        }
        if let Some(names) = &selector.service
            && let Ok(field) = Field::parse("resource[\"service.name\"]")
        {
            parts.push(Condition::OneOf(field, names.0.iter().cloned().map(Value::String).collect()));
        }
        self.field_conditions(selector, at, &mut parts);
        if let Some(not) = &selector.not {
            parts.push(Condition::Not(Box::new(self.condition(not, &format!("{at}/not")))));
        }
        if let Some(all) = &selector.all {
            parts.extend(
                all.iter()
                    .enumerate()
                    .map(|(index, part)| self.condition(part, &format!("{at}/all/{index}"))),
            );
        }
        if let Some(any) = &selector.any {
            let any = any
                .iter()
                .enumerate()
                .map(|(index, part)| self.condition(part, &format!("{at}/any/{index}")));
            parts.push(Condition::Any(any.collect()));
        }
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => only,
            (_, Some(last)) => {
                parts.push(last);
                Condition::All(parts)
            }
            (_, None) => Condition::All(parts),
        }
    }

    fn field_conditions(&mut self, selector: &Selector, at: &str, parts: &mut Vec<Condition>) {
        let asked = selector.equals.is_some()
            || selector.one_of.is_some()
            || selector.matches.is_some()
            || selector.exists.is_some();
        let Some(text) = &selector.field else {
            if asked {
                self.fail(at, "equals, in, matches and exists need a field to look at");
            }
            return;
        };
        let Some(field) = self.read(text, &format!("{at}/field")) else { return };
        if !asked {
            self.fail(&format!("{at}/field"), "expected equals, in, matches or exists beside it");
        }
        for (name, values) in [
            ("equals", selector.equals.as_ref().map(std::slice::from_ref)),
            ("in", selector.one_of.as_deref()),
        ] {
            let Some(values) = values else { continue };
            if values.iter().any(|value| value.is_array() || value.is_object()) {
                self.fail(&format!("{at}/{name}"), "expected text, a number, or true or false");
            }
            parts.push(Condition::OneOf(field.clone(), values.to_vec()));
        }
        if let Some(pattern) = &selector.matches {
            match RegexBuilder::new(pattern)
                .unicode(false)
                .size_limit(limits::TRANSFORM_PATTERN_BYTES)
                .build()
            {
                Ok(pattern) => parts.push(Condition::Matches(field.clone(), pattern)),
                Err(error) => {
                    let reason = match error {
                        regex::Error::CompiledTooBig(_) => "it compiles to too large a program".to_owned(),
                        // The last line says what is wrong; those before it draw the pattern.
                        other => other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
                    };
                    self.fail(&format!("{at}/matches"), format!("not a regular expression: {reason}"));
                }
            }
        }
        match selector.exists {
            Some(true) => parts.push(Condition::Exists(field)),
            Some(false) => parts.push(Condition::Not(Box::new(Condition::Exists(field)))),
            None => {}
        }
    }
}
