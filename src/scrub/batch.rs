//! A whole batch: one walk gathers every text of it into the arena, one scan finds, one splice replaces.

use std::collections::HashMap;

use super::{
    Action, Engine, FreeText, MasterKey, Scratch, Scrubber, Tally, Telling, Tenant,
    content::Watch,
    fields::{Fields, NO_ITEM},
    scan::{Find, Source},
};
use crate::{
    batch::{Batch, Clean, Raw, Signal},
    limits,
    wire::{self, Edits, Flow, Leaf, Msg, Number, Visitor, WireError, schema::Kind},
};

/// Where a text of the arena came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    leaf: Leaf<'static>,
    /// The key rule whose attribute it stands in.
    by_key: Option<Telling>,
    /// The attribute around it, as tag, end and depth.
    attribute: Option<Span>,
    number: bool,
    /// It is a sentence in a field that people write in, and goes.
    prose: bool,
    /// The item that it stands in, by its number, and its field; [`NO_ITEM`] for none.
    item: u32,
    field: u64,
}

/// An attribute that is open.
#[derive(Debug, Clone, Copy)]
struct Span {
    tag: usize,
    end: usize,
    depth: u8,
    by_key: Option<Telling>,
    ignored: bool,
}

/// What a worker keeps from batch to batch, beside the arena.
#[derive(Default)]
pub(super) struct Workspace {
    origins: Vec<Origin>,
    open: Vec<Span>,
    edits: Edits,
    number: String,
    known: Known,
    /// Looks for what people wrote.
    pub(super) watch: Watch,
    /// Counts which fields are clean.
    fields: Fields,
    /// The next text is the service's name.
    names_service: bool,
    /// The texts in which something is replaced.
    replaced: Vec<u32>,
    key: Vec<u8>,
}

/// What is known of attribute keys: the same few stand in every record.
#[derive(Default)]
struct Known {
    /// Whose verdicts these are.
    engine: u64,
    keys: HashMap<Box<[u8]>, Verdict, foldhash::fast::RandomState>,
}

/// What an attribute's key means.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    telling: Option<Telling>,
    ignored: bool,
    /// Whether the key's own text was scanned and nothing was found in it.
    clean: bool,
}

impl Known {
    /// Starts anew if the rules are others than before.
    fn keep_for(&mut self, engine: &Engine) {
        if self.engine != engine.number {
            self.keys.clear();
            self.engine = engine.number;
        }
    }

    fn verdict(&mut self, engine: &Engine, key: &str) -> Verdict {
        if let Some(verdict) = self.keys.get(key.as_bytes()) {
            return *verdict;
        }
        let verdict = Verdict {
            telling: engine.key(key.as_bytes()),
            ignored: !engine.ignored.is_empty() && engine.ignored.contains(&key.to_ascii_lowercase()),
            clean: false,
        };
        if key.len() <= limits::KNOWN_KEY_BYTES {
            if self.keys.len() >= limits::KNOWN_KEYS {
                self.keys.clear();
            }
            self.keys.insert(key.as_bytes().into(), verdict);
        }
        verdict
    }

    #[inline]
    fn is_clean(&self, key: &[u8]) -> bool {
        self.keys.get(key).is_some_and(|verdict| verdict.clean)
    }

    /// Remembers the keys in which this scan found nothing.
    fn learn(&mut self, scratch: &Scratch, origins: &[Origin]) {
        let mut finds = scratch.finds.iter().peekable();
        for (number, origin) in origins.iter().enumerate() {
            while finds.next_if(|find| (find.text as usize) < number).is_some() {}
            if origin.leaf.message != Msg::KeyValue || finds.peek().is_some_and(|f| f.text as usize == number)
            {
                continue;
            }
            let text = scratch.texts[number];
            if let Some(known) = self.keys.get_mut(&scratch.arena[text.start as usize..text.end as usize]) {
                known.clean = true;
            }
        }
    }
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").field("origins", &self.origins.len()).finish_non_exhaustive()
    }
}

struct Gather<'a> {
    engine: &'a Engine,
    /// Whether sentences of people are looked for.
    watches: bool,
    scratch: &'a mut Scratch,
    work: &'a mut Workspace,
    tally: &'a mut Tally,
}

impl Gather<'_> {
    /// The innermost open attribute around `leaf`.
    #[inline]
    fn attribute(&mut self, tag: usize) -> Option<Span> {
        while self.work.open.last().is_some_and(|span| span.end <= tag) {
            self.work.open.pop();
        }
        self.work.open.last().copied()
    }

    /// Which of two keys, one around the other, tells: the outer one, if it changes anything.
    fn stronger(&self, outer: Option<Telling>, inner: Option<Telling>) -> Option<Telling> {
        let loud = |telling: &Telling| !self.engine.action(telling.source).is_quiet();
        outer.filter(loud).or(inner).or(outer)
    }

    #[inline]
    fn text(&mut self, text: &[u8], leaf: &Leaf<'_>, number: bool) {
        let attribute = self.attribute(leaf.tag);
        let is_key = leaf.message == Msg::KeyValue;
        let ignored = attribute.is_some_and(|span| span.ignored);
        let key = leaf.key.unwrap_or_default();
        if text.is_empty() || (ignored && !is_key) || is_tenant(key, text) {
            return;
        }
        if is_key && self.work.known.is_clean(text) {
            return;
        }
        let by_key = attribute.and_then(|span| span.by_key).filter(|_| !is_key);
        if number && by_key.is_none() && text.len() < 7 {
            return;
        }
        let prose = self.watches && !number && !is_key && by_key.is_none() && self.is_prose(text, leaf);
        let item = if is_key { NO_ITEM } else { self.work.fields.at() };
        let field = if item == NO_ITEM { 0 } else { self.work.fields.text(key) };
        self.scratch.push(text, if is_key { b"" } else { key.as_bytes() });
        self.work.origins.push(Origin {
            leaf: Leaf { key: None, ..*leaf },
            by_key,
            attribute,
            number,
            prose,
            item,
            field,
        });
    }
}

impl Gather<'_> {
    /// Whether a text is one of those that people write, and is to go.
    #[inline]
    fn is_prose(&mut self, text: &[u8], leaf: &Leaf<'_>) -> bool {
        if leaf.message != Msg::AnyValue {
            return false;
        }
        let Ok(text) = std::str::from_utf8(text) else { return false };
        let content = self.work.watch.look(leaf.key.unwrap_or("body"), text);
        if let Some(order) = self.work.watch.sentence {
            self.work.fields.sentence(self.scratch.texts.len(), order);
        }
        content && self.engine.free_text == FreeText::Redact
    }
}

/// Whether this is a trace's or a span's id.
#[inline]
fn is_id(at: &Leaf<'_>) -> bool {
    at.message.kind(at.field).0 == Kind::Id
}

/// The canonical tenant attribute: an id and no person's data.
fn is_tenant(key: &str, text: &[u8]) -> bool {
    key == "tenant_id" && text.len() == 36 && uuid::Uuid::try_parse_ascii(text).is_ok()
}

impl Visitor for Gather<'_> {
    fn enter(&mut self, message: Msg, _at: &Leaf<'_>) -> Flow {
        if message.is_item() {
            self.work.fields.item();
        } else if message.is_group() {
            self.work.fields.group();
            self.work.watch.service("");
        }
        Flow::Walk
    }

    fn attribute(&mut self, key: &str, at: &Leaf<'_>) -> Flow {
        self.work.names_service = at.message == Msg::Resource && key == "service.name";
        let outer = self.attribute(at.tag);
        let again = outer.filter(|span| span.tag == at.tag);
        let Verdict { telling: own, ignored, .. } = self.work.known.verdict(self.engine, key);
        if let Some(telling) = own.filter(|own| !own.doubtful)
            && self.engine.action(telling.source) == Action::Drop
        {
            self.work.edits.delete(at);
            self.tally.add(self.engine.kind(telling.source), Action::Drop);
            return Flow::Skip;
        }
        let span = Span {
            tag: at.tag,
            end: at.end,
            depth: at.depth,
            by_key: self.stronger(outer.and_then(|span| span.by_key), own),
            // A pair with two keys is ignored only if both are.
            ignored: ignored && again.is_none_or(|span| span.ignored),
        };
        match again {
            Some(_) => *self.work.open.last_mut().unwrap_or(&mut { span }) = span,
            None => self.work.open.push(span),
        }
        Flow::Walk
    }

    fn string(&mut self, text: &str, at: &Leaf<'_>) {
        if at.message == Msg::AnyValue && std::mem::take(&mut self.work.names_service) {
            self.work.watch.service(text);
            self.work.fields.service(text);
        }
        self.text(text.as_bytes(), at, false);
    }

    fn bytes(&mut self, bytes: &[u8], at: &Leaf<'_>) {
        if !is_id(at) {
            return self.text(bytes, at, false);
        }
        // An id is 16 or 8 bytes of any kind; text in its place is none, or was meant to be read.
        match bytes.len() {
            16 | 8 if bytes.iter().any(|b| !b.is_ascii_graphic()) => self.work.fields.id(bytes, at),
            16 | 8 => self.text(bytes, at, false),
            0 => {}
            _ => self.work.edits.delete(at),
        }
    }

    fn number(&mut self, number: Number, at: &Leaf<'_>) {
        use std::fmt::Write;
        let mut text = std::mem::take(&mut self.work.number);
        text.clear();
        // Writing to a String cannot fail.
        let _ = match number {
            Number::Int(n) => write!(text, "{n}"),
            Number::Double(x) => write!(text, "{x}"),
        };
        self.text(text.as_bytes(), at, true);
        self.work.number = text;
    }

    fn unknown(&mut self, at: &Leaf<'_>) {
        self.tally.unknown_fields += 1;
        self.work.edits.delete(at);
    }
}

impl Scrubber {
    /// Scrubs one tenant's batch. Nothing found: the same bytes, with no copy.
    ///
    /// # Errors
    /// The bytes are not a valid request, or grow past what a record may hold.
    pub fn scrub_batch(
        &self,
        scratch: &mut Scratch,
        batch: Batch<Raw>,
        master: &MasterKey,
        tally: &mut Tally,
    ) -> Result<Batch<Clean>, WireError> {
        let Batch { signal, tenant, items, ref bytes, .. } = batch;
        let mut work = std::mem::take(&mut scratch.workspace);
        let result =
            self.scrub_bytes(scratch, &mut work, signal, bytes, Tenant { master, id: tenant }, tally);
        scratch.workspace = work;
        Ok(Batch::clean(signal, tenant, items, result?))
    }

    /// Looks for what stands in a batch, for the tally alone: nothing is replaced, so nothing can leave by this way.
    ///
    /// # Errors
    /// The bytes are not a valid request.
    pub fn look_batch(
        &self,
        scratch: &mut Scratch,
        signal: Signal,
        bytes: &[u8],
        tally: &mut Tally,
    ) -> Result<(), WireError> {
        let mut work = std::mem::take(&mut scratch.workspace);
        let result = self.find(scratch, &mut work, signal, bytes, tally);
        scratch.workspace = work;
        result
    }

    /// Gathers the texts of a batch and finds what is in them.
    fn find(
        &self,
        scratch: &mut Scratch,
        work: &mut Workspace,
        signal: Signal,
        bytes: &[u8],
        tally: &mut Tally,
    ) -> Result<(), WireError> {
        scratch.clear();
        work.origins.clear();
        work.open.clear();
        work.edits.clear();
        work.known.keep_for(&self.engine);
        let watches = signal != Signal::Metrics && self.engine.free_text != FreeText::Off;
        work.watch.begin();
        work.fields.begin();
        wire::walk(signal, bytes, &mut Gather { engine: &self.engine, watches, scratch, work, tally })?;
        self.seen(work, tally);
        self.engine.scan(scratch);
        work.known.learn(scratch, &work.origins);
        self.engine.tell(scratch, &work.origins);
        self.engine.count(scratch, tally);
        let (origins, known) = (&work.origins, &work.known);
        let origin = |text: u32| origins.get(text as usize).map(|origin| (origin.item, origin.field));
        self.engine.personal(scratch, &mut work.fields, tally, origin, |key| known.is_clean(key));
        Ok(())
    }

    fn scrub_bytes(
        &self,
        scratch: &mut Scratch,
        work: &mut Workspace,
        signal: Signal,
        bytes: &bytes::Bytes,
        tenant: Tenant<'_>,
        tally: &mut Tally,
    ) -> Result<bytes::Bytes, WireError> {
        self.find(scratch, work, signal, bytes, tally)?;
        let mut replaced = scratch.nested.take().unwrap_or_default();
        replaced.clear();
        work.replaced.clear();
        let mut from = 0;
        while let Some(first) = scratch.finds.get(from).copied() {
            let to = from + scratch.finds[from..].iter().take_while(|f| f.text == first.text).count();
            let finds = &scratch.finds[from..to];
            let drop = finds.iter().any(|f| self.engine.action(f.source) == Action::Drop);
            match work.origins[first.text as usize].attribute {
                Some(span) if drop => work.edits.remove(span.tag, span.end, span.depth),
                _ => {
                    work.replaced.push(first.text);
                    work.key.clear();
                    work.key.extend_from_slice(scratch.key_of(first.text));
                    replaced.push_with(&work.key, |out| {
                        self.engine.replace(scratch, from..to, Some(tenant), out);
                    });
                }
            }
            from = to;
        }
        // What was replaced is looked at again, all at once; hardly ever is there anything left in it.
        if !work.replaced.is_empty() {
            self.engine.scan(&mut replaced);
        }
        let mut finds = &replaced.finds[..];
        for (number, text) in (0..).zip(&work.replaced) {
            let left;
            let here = finds.iter().take_while(|find| find.text == number).count();
            let mut content = replaced.text(number);
            if here > 0 {
                let mut more = content.to_vec();
                let key = scratch.key_of(*text).to_vec();
                self.engine.again(scratch, &mut more, &key, Some(tenant), Some(tally));
                left = more;
                content = &left;
            }
            finds = &finds[here..];
            let origin = &work.origins[*text as usize];
            if origin.number {
                work.edits.rewrite(&origin.leaf, |out| wire::put::bytes(out, 1, content));
            } else if is_id(&origin.leaf) {
                // No other text would be an id; without one, the item is still valid.
                work.edits.delete(&origin.leaf);
            } else {
                work.edits.replace(&origin.leaf, content);
            }
        }
        for keys in [&mut scratch.tenant_keys, &mut replaced.tenant_keys] {
            let (failed, error) = keys.take_failed();
            tally.without_key += failed;
            tally.key_error = error.map(std::sync::Arc::new).or(tally.key_error.take());
        }
        scratch.nested = Some(replaced);
        wire::splice(bytes, &mut work.edits)
    }
}

impl Scrubber {
    /// What people wrote in this batch, for the tally.
    fn seen(&self, work: &mut Workspace, tally: &mut Tally) {
        let seen = &mut work.watch.seen;
        tally.content.sentences += std::mem::take(&mut seen.sentences);
        tally.content.found.extend(seen.found.drain(..).map(|field| self.shown(field)));
    }
}

impl Engine {
    /// Texts under a telling key are finds from end to end.
    fn tell(&self, scratch: &mut Scratch, origins: &[Origin]) {
        if origins.iter().all(|origin| origin.by_key.is_none() && !origin.prose) {
            return;
        }
        let tells = |number: usize| {
            let text = scratch.texts[number];
            let value = &scratch.arena[text.start as usize..text.end as usize];
            let told = origins[number].by_key.filter(|telling| self.tells(*telling, value));
            told.map(|telling| telling.source).or(origins[number].prose.then_some(Source::Prose))
        };
        let told: Vec<Find> = (0..origins.len())
            .filter_map(|number| {
                let text = scratch.texts[number];
                let source = tells(number)?;
                Some(Find { text: number as u32, start: 0, end: text.end - text.start, source })
            })
            .collect();
        let (quiet, told): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|find| self.action(find.source).is_quiet());
        scratch.apart.extend(quiet);
        scratch.finds.retain(|find| told.binary_search_by_key(&find.text, |t| t.text).is_err());
        scratch.finds.extend(told);
        scratch.finds.sort_unstable();
    }
}
