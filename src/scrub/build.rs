//! From packs and settings to compiled rules.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    Action, BUILTIN, Engine, Filter, Pack, PackError, Scrubber, Settings, Shape,
    keys::{KeyRule, Names},
    literals::{Begins, Literals},
    nearest,
    pack::{self, Place},
    rule::Rule,
    scan,
    settings::CONTENT,
    unfold,
};
use crate::limits;

impl Scrubber {
    /// Reads all packs that `settings` ask for, without compiling them.
    ///
    /// # Errors
    /// A file cannot be read, or is not a pack.
    pub fn packs(settings: &Settings) -> Result<Vec<Pack>, PackError> {
        let mut packs = Vec::new();
        if settings.builtin {
            let off = |file: &str| settings.disable_packs.iter().any(|name| name == pack_name(file));
            for (file, text) in BUILTIN.iter().filter(|(file, _)| !off(file)) {
                packs.push(pack::read(file, text)?);
            }
        }
        for path in &settings.packs {
            let file = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|e| {
                PackError::new(&file, Place::default(), None, format!("cannot read the pack: {e}"))
                    .hint("scrub.packs lists paths of YAML files")
            })?;
            packs.push(pack::read(&file, &text)?);
        }
        for name in &settings.disable_packs {
            let names = || BUILTIN.iter().map(|(file, _)| pack_name(file));
            if !names().any(|known| known == name) {
                let known = names().collect::<Vec<_>>().join(", ");
                let error =
                    PackError::new("scrub.disable_packs", Place::default(), None, "no such built-in pack");
                return Err(error.hint(format!("the built-in packs are {known}")));
            }
        }
        pack::apply_overrides(&mut packs).into_iter().next().map_or(Ok(packs), Err)
    }

    /// Compiles packs that have been read.
    ///
    /// # Errors
    /// A rule does not compile, or two have one id, or `settings` name a rule that is not there.
    pub fn from_packs(packs: &[Pack], settings: &Settings) -> Result<Scrubber, PackError> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let mut engine = Engine {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            rules: Vec::new(),
            keys: Vec::new(),
            kinds: vec![CONTENT.to_owned()],
            literals: Literals::new([]),
            by_shape: Default::default(),
            shapes: 0,
            runs: Default::default(),
            unfiltered: Vec::new(),
            names: Names::default(),
            quiet: false,
            free_text: settings.free_text,
            content: 0,
            personal: Vec::new(),
            ignored: settings.ignore_keys.iter().map(|k| k.to_ascii_lowercase()).collect(),
        };
        let mut ids = HashSet::new();
        let mut names = Vec::new();
        let mut except: Vec<&String> = Vec::new();
        for pack in packs {
            let mut enter = |id: &str, kind: &str, place: Place| {
                let error = |message: &str, hint: &str| {
                    Err(PackError::new(&pack.file, place, Some(id), message).hint(hint))
                };
                if !ids.insert(id.to_owned()) {
                    return error("another rule has this id", "to replace that rule, say `override: true`");
                }
                if ids.len() > limits::RULES {
                    return error("too many rules in all packs together", "4096 at most");
                }
                let ok = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
                if kind.len() < 2 || kind.len() > 40 || !kind.bytes().all(ok) {
                    return error("the type is not a name", "upper-case letters, digits and _: CREDIT_CARD");
                }
                let index = engine.kinds.iter().position(|k| k == kind).unwrap_or_else(|| {
                    engine.kinds.push(kind.to_owned());
                    engine.kinds.len() - 1
                });
                Ok((index as u16, settings.disable.iter().any(|d| d == id)))
            };
            for (spec, place) in &pack.rules {
                let (kind, off) = enter(&spec.id, &spec.kind, *place)?;
                let mut rule = Rule::compile(spec, &pack.file, *place, kind)?;
                rule.action = settings.action(&spec.id, spec.action);
                if !off {
                    engine.quiet |= rule.action.is_quiet();
                    engine.rules.push(rule);
                }
            }
            for (spec, place) in &pack.keys {
                let (kind, off) = enter(&spec.id, &spec.kind, *place)?;
                let mut rule = KeyRule::compile(spec, &pack.file, *place, kind)?;
                rule.action = settings.key_action(&spec.id, &spec.kind, spec.action);
                if off {
                    continue;
                }
                let number = engine.keys.len() as u16;
                let shadow = rule.action == Action::Shadow;
                engine.quiet |= rule.action.is_quiet();
                names.extend(spec.names.iter().map(|name| (shadow, name.clone(), number)));
                if spec.kind == CONTENT {
                    let more = settings.content_keys.iter();
                    names.extend(more.map(|name| (shadow, name.clone(), number)));
                }
                except.extend(&spec.except);
                engine.keys.push(rule);
            }
        }
        let named = settings.disable.iter().chain(settings.actions.keys()).chain(settings.keep.keys());
        if let Some(id) = named.into_iter().find(|id| !ids.contains(*id)) {
            let error = PackError::new("scrub", Place::default(), Some(id), "there is no rule of this id");
            let near = nearest(ids.iter().map(String::as_str), id);
            return Err(near.iter().fold(error, |e, near| e.hint(format!("did you mean {near}?"))));
        }
        settings.check_keeps().map_err(|(id, message)| {
            PackError::new("scrub", Place::default(), id.as_deref(), message)
                .hint("scrub.keep has a reason for each rule: { ipv4: 'needed to stop abuse' }")
        })?;
        // A rule in shadow leaves a name to others that have it, too.
        names.sort_by_key(|(shadow, ..)| *shadow);
        engine.index(&names);
        except.iter().for_each(|name| engine.names.except(name));
        Ok(Scrubber { engine })
    }
}

/// What a built-in pack is called.
fn pack_name(file: &str) -> &str {
    file.trim_start_matches("rules/").trim_end_matches(".yaml")
}

impl Engine {
    fn index(&mut self, names: &[(bool, String, u16)]) {
        let mut literals = Vec::new();
        for (i, rule) in self.rules.iter().enumerate() {
            match &rule.filter {
                Filter::Literals(list) => {
                    literals.extend(list.iter().map(|l| (l.clone(), i as u16, rule.begins)));
                }
                Filter::Shape(shape) => {
                    self.by_shape[*shape as usize].push(i as u16);
                    if !matches!(shape, Shape::Token | Shape::Run) {
                        self.shapes |= 1 << *shape as u64;
                    }
                    if *shape == Shape::Run {
                        self.runs.add(i as u16, &rule.starts);
                    }
                }
                Filter::None => self.unfiltered.push(i as u16),
            }
        }
        let spelled = unfold::spelled_starts().map(|word| (word, scan::SPELLED, Begins::AtWord));
        self.literals = Literals::new(literals.into_iter().chain(spelled));
        for (_, name, rule) in names {
            self.names.add(name, *rule);
        }
        self.kinds.iter().for_each(|kind| self.names.add_kind(kind));
        self.personal = self.kinds.iter().map(|kind| super::fields::is_personal(kind)).collect();
    }
}
