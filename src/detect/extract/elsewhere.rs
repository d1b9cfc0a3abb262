//! Texts that no role speaks of: names, descriptions, trace states, attributes of resources and scopes. A canary
//! belongs into none of them.

use crate::{
    limits,
    wire::{
        Msg,
        schema::Kind,
        view::{Item, Message, RawField},
    },
};

use super::item::{CANARIES, Draft};

impl Draft<'_, '_, '_> {
    /// What stands around an item, once for all items that it stands around.
    pub(super) fn around(&mut self, item: &Item<'_>) {
        let Some(metric) = item.metric else { return };
        if self.group.metric == metric.tag {
            return;
        }
        self.group.metric = metric.tag;
        for field in metric.message().fields() {
            // Its points are read one by one.
            if matches!(Msg::Metric.kind(field.number).0, Kind::Str | Kind::Message(Msg::KeyValue)) {
                self.elsewhere(Msg::Metric, &field, b"metric", 0);
            }
        }
    }

    /// Looks for canaries in all texts of a field of `message`.
    pub(super) fn elsewhere(&mut self, message: Msg, field: &RawField<'_>, place: &[u8], depth: usize) {
        if self.group.context.mentions.is_none() {
            return;
        }
        match message.kind(field.number).0 {
            Kind::Str | Kind::Bytes => self.named(place, CANARIES, field.content()),
            Kind::Message(inner) if depth < limits::DEPTH => {
                self.all_of(inner, field.message(), place, depth + 1)
            }
            _ => {}
        }
    }

    /// The same in all fields of a message.
    pub(super) fn all_of(&mut self, message: Msg, bytes: Message<'_>, place: &[u8], depth: usize) {
        bytes.fields().for_each(|field| self.elsewhere(message, &field, place, depth));
    }
}
