//! Mentions inside encodings.
//!
//! Canaries in base64 and hexadecimal are found without decoding: their first bytes, as they stand at each of the
//! three places that base64 gives a byte, are looked for at every letter of a longer run. So they are found inside
//! binary data, cut-off text and paths, too. What reads as text when it is decoded is looked into as a whole.

use super::{
    Context, Kind, Mention, Mentions, Scratch, Strength,
    build::{begin, head},
};
use crate::{
    limits,
    scrub::{
        opaque::{self, NIBBLE, SIX},
        unfold,
    },
};

impl Mentions {
    /// Looks into the runs of base64 letters of a word and around it, but not before `from`; tells where the last one
    /// ends. A word may hold several: letters beyond ASCII part them.
    pub(super) fn token(
        &self,
        text: &[u8],
        word: (usize, usize),
        from: usize,
        depth: usize,
        scratch: &mut Scratch,
    ) -> usize {
        let part = |byte: &&u8| opaque::is_part(**byte);
        let mut at = word.0 - text[from..word.0].iter().rev().take_while(part).count();
        while at < word.1 {
            let end = at + text[at..].iter().take_while(part).count();
            if end - at >= opaque::RUN - 1 {
                if !self.heads.is_empty() {
                    self.canaries(text, at, end, &mut scratch.hits);
                }
                if depth < limits::MENTION_ENCODINGS {
                    self.readable(text, at, end, depth, scratch);
                }
            }
            at = end.max(at + 1);
        }
        at
    }

    /// Canaries in base64 or hexadecimal in `start..end`.
    fn canaries(&self, text: &[u8], start: usize, end: usize, hits: &mut Vec<Mention>) {
        let (mut sixes, mut nibbles, mut digits, mut free) = (0u64, 0u64, 0usize, start);
        for (at, byte) in text[..end].iter().enumerate().skip(start) {
            if hits.len() >= limits::MENTIONS {
                return;
            }
            sixes = sixes << 6 | u64::from(SIX[usize::from(*byte)]);
            let nibble = NIBBLE[usize::from(*byte)];
            nibbles = nibbles << 4 | u64::from(nibble & 15);
            digits = if nibble < 16 { digits + 1 } else { 0 };
            if self.begins.has(begin(sixes)) && at >= free + 7 && self.heads.has(head(sixes)) {
                free = self.base64(text, at - 7, start, end, hits).unwrap_or(free);
            }
            if digits >= 12
                && self.begins.has(begin(nibbles))
                && at >= free + 11
                && self.heads.has(head(nibbles))
            {
                free = self.hexadecimal(text, at - 11, end, hits).unwrap_or(free);
            }
        }
    }

    /// A canary whose first, second or third byte begins the group at `group`; tells where it ends.
    fn base64(
        &self,
        text: &[u8],
        group: usize,
        start: usize,
        end: usize,
        hits: &mut Vec<Mention>,
    ) -> Option<usize> {
        let before = if group >= start + 4 { 4 } else { 0 };
        let from = group - before;
        let mut bytes = [0; 3 * limits::MENTION_NAME_BYTES];
        let mut len = 0;
        for (letters, out) in text[from..end].chunks(4).zip(bytes.as_chunks_mut::<3>().0) {
            let bits = letters.iter().fold(0u32, |bits, byte| bits << 6 | u32::from(SIX[usize::from(*byte)]));
            let bits = bits << (6 * (4 - letters.len()));
            *out = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
            len += letters.len() * 6 / 8;
        }
        let begins: &[usize] = if before == 0 { &[0] } else { &[3, 2, 1] };
        let (at, (tenant, long)) =
            begins.iter().find_map(|at| Some((*at, self.canary(bytes[..len].get(*at..)?)?)))?;
        let (start, to) = (from + at / 3 * 4, from + (at + long).div_ceil(3) * 4);
        hits.push(certain(tenant, start, to.min(end)));
        Some(to.min(end))
    }

    /// A canary whose first byte is the pair of digits at `start`; tells where it ends.
    fn hexadecimal(&self, text: &[u8], start: usize, end: usize, hits: &mut Vec<Mention>) -> Option<usize> {
        let mut bytes = [0; 2 * limits::MENTION_NAME_BYTES];
        let mut len = 0;
        for (pair, out) in text[start..end].chunks_exact(2).zip(&mut bytes) {
            let (high, low) = (NIBBLE[usize::from(pair[0])], NIBBLE[usize::from(pair[1])]);
            if high | low >= 16 {
                break;
            }
            *out = high << 4 | low;
            len += 1;
        }
        let (tenant, long) = self.canary(&bytes[..len])?;
        hits.push(certain(tenant, start, start + 2 * long));
        Some(start + 2 * long)
    }

    /// Looks through what a run means, if people could read that.
    fn readable(&self, text: &[u8], start: usize, end: usize, depth: usize, scratch: &mut Scratch) {
        let run = &text[start..end.min(start + limits::MENTION_ENCODED_BYTES / 4 * 4)];
        let mut meant = std::mem::take(&mut scratch.decoded[depth]);
        meant.clear();
        let hex = opaque::may_be_hex(run) && opaque::like_hex(run) && opaque::hex(run, &mut meant).is_some();
        if !hex {
            meant.clear();
        }
        if hex || (opaque::may_be_base64(run) && opaque::like_base64(run) && opaque::base64(run, &mut meant))
        {
            let mark = scratch.hits.len();
            self.look(&meant, depth + 1, scratch);
            let known = scratch.hits[..mark].iter().rposition(|hit| hit.end <= start).map_or(0, |at| at + 1);
            place(&mut scratch.hits, known, mark, |_, _| (start, start + run.len()));
        }
        scratch.decoded[depth] = meant;
    }

    /// Looks through a text without its escapes. Hits from `mark` on are of the text as it stands.
    pub(super) fn escaped(&self, text: &[u8], mark: usize, depth: usize, scratch: &mut Scratch) {
        let mut plain = std::mem::take(&mut scratch.plain[depth]);
        if plain.read(&text[..text.len().min(limits::MENTION_ENCODED_BYTES)]) {
            let known = scratch.hits.len();
            self.look(&plain.text, depth + 1, scratch);
            place(&mut scratch.hits, mark, known, |start, end| (plain.origin(start), plain.origin(end)));
        }
        scratch.plain[depth] = plain;
    }
}

/// A text without its escapes, and the way back.
#[derive(Debug, Default)]
pub(super) struct Plain {
    text: Vec<u8>,
    /// From which byte on the text is the original from another byte on.
    pieces: Vec<(usize, usize)>,
}

impl Plain {
    /// Takes the escapes out of a text, one layer of them; false if there are none.
    fn read(&mut self, text: &[u8]) -> bool {
        self.text.clear();
        self.pieces.clear();
        self.pieces.push((0, 0));
        let mut from = 0;
        for at in memchr::memchr3_iter(b'%', b'\\', b'&', text) {
            let rest = &text[at..];
            // Where an escape holds another one, it begins before this one is through.
            if at < from || !unfold::may_start(rest) {
                continue;
            }
            let Some((meant, used)) = unfold::step(rest) else { continue };
            self.text.extend_from_slice(&text[from..at]);
            self.pieces.push((self.text.len(), at));
            if let Some(meant) = meant {
                self.text.extend_from_slice(meant.encode_utf8(&mut [0; 4]).as_bytes());
            }
            from = at + used;
            self.pieces.push((self.text.len(), from));
        }
        self.text.extend_from_slice(&text[from..]);
        self.pieces.len() > 1
    }

    /// Where the original of a byte is.
    fn origin(&self, at: usize) -> usize {
        let piece = self.pieces.partition_point(|piece| piece.0 <= at).saturating_sub(1);
        self.pieces.get(piece).map_or(0, |(plain, original)| original + (at - plain))
    }
}

fn certain(tenant: crate::batch::TenantId, start: usize, end: usize) -> Mention {
    Mention { tenant, kind: Kind::Canary, strength: Strength::Certain, start, end, context: Context::Encoded }
}

/// Gives the hits from `new` on their places in the text that encodes them; those that stand among the ones from
/// `known` on already go.
fn place(hits: &mut Vec<Mention>, known: usize, new: usize, origin: impl Fn(usize, usize) -> (usize, usize)) {
    let mut kept = new;
    for at in new..hits.len() {
        let mut hit = hits[at];
        (hit.start, hit.end) = origin(hit.start, hit.end);
        hit.context = Context::Encoded;
        let is_known = hits[known..kept].iter().any(|other| {
            (other.tenant, other.kind) == (hit.tenant, hit.kind)
                && other.start < hit.end
                && hit.start < other.end
        });
        if !is_known {
            hits[kept] = hit;
            kept += 1;
        }
    }
    hits.truncate(kept);
}
