//! What is counted so far, and up to where: one value, so that both are right or neither is.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    io,
};

use serde::{Deserialize, Serialize};

use super::{Day, Happened, Key, Line, Row, destination_code};
use crate::{
    batch::TenantId,
    buffer::{Accounting, Counted, Header},
    limits,
};

/// A day that may still change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenDay {
    /// The last sequence that counted for it.
    pub last: u64,
    /// The sums.
    pub rows: BTreeMap<Key, Row>,
    /// It is over, and its file says how it stands.
    pub told: bool,
}

/// One day in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DayFile {
    /// The day.
    pub day: Day,
    /// Everything that was accepted on it has left for every destination.
    pub complete: bool,
    /// The last sequence that counted for it.
    #[serde(default)]
    pub last: u64,
    /// The sums.
    pub rows: Vec<Line>,
}

impl DayFile {
    /// A day as a file has it.
    pub fn new(day: Day, complete: bool, open: &OpenDay) -> DayFile {
        let line = |(key, row): (&Key, &Row)| Line { key: *key, row: row.clone() };
        DayFile { day, complete, last: open.last, rows: open.rows.iter().map(line).collect() }
    }

    /// The other way.
    pub fn open(self) -> OpenDay {
        let rows = self.rows.into_iter().map(|line| (line.key, line.row)).collect();
        OpenDay { last: self.last, rows, told: false }
    }
}

/// The totals in their file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TotalsFile {
    /// 1.
    pub version: u32,
    /// Everything that came in up to this sequence is counted.
    pub read: u64,
    /// Everything that went out up to this sequence is counted, for each destination.
    pub out: BTreeMap<String, u64>,
    /// Sequences that were passed and not seen: from, to.
    pub gaps: VecDeque<(u64, u64)>,
    /// Items refused for good by destination (code) and record (sequence), whose record is not counted yet.
    pub refused: Vec<(u32, u64, u64)>,
    /// The days that may still change.
    pub days: Vec<DayFile>,
}

/// What became of a record for one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was handed over.
    Handed,
    /// Its data was damaged on the disk.
    Damaged,
    /// It is for others.
    Elsewhere,
}

/// Changes since the metrics were last told.
pub type Changes = BTreeMap<Key, Row>;

/// What is counted so far, and up to where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Everything that came in up to this sequence is counted.
    pub read: u64,
    /// Everything that went out up to this sequence is counted, for each destination.
    pub out: BTreeMap<String, u64>,
    /// Sequences that were passed and not seen: what the disk gives back later of them never counts.
    pub gaps: VecDeque<(u64, u64)>,
    /// Items refused for good by destination (code) and record (sequence), whose record is not counted yet.
    pub refused: BTreeMap<(u32, u64), u64>,
    /// The days that may still change.
    pub days: BTreeMap<Day, OpenDay>,
}

impl Totals {
    /// What a file says.
    pub fn from_file(file: TotalsFile) -> Totals {
        let TotalsFile { read, out, gaps, refused, days, .. } = file;
        Totals {
            read,
            out,
            gaps,
            refused: refused.into_iter().map(|(code, record, items)| ((code, record), items)).collect(),
            days: days.into_iter().map(|day| (day.day, day.open())).collect(),
        }
    }

    /// The same for a file.
    pub fn file(&self) -> TotalsFile {
        TotalsFile {
            version: 1,
            read: self.read,
            out: self.out.clone(),
            gaps: self.gaps.clone(),
            refused: self.refused.iter().map(|((code, record), items)| (*code, *record, *items)).collect(),
            days: self.days.iter().map(|(day, open)| DayFile::new(*day, false, open)).collect(),
        }
    }

    /// How far it is counted.
    pub fn counted(&self) -> Counted {
        let least = self.out.values().copied().chain([self.read]).min().unwrap_or(0);
        Counted { least, last: self.read }
    }

    /// Opens a day again, or anew; `load` gives its file where there is one.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn open(
        &mut self,
        day: Day,
        load: impl FnOnce(Day) -> io::Result<Option<DayFile>>,
    ) -> io::Result<()> {
        if let Entry::Vacant(place) = self.days.entry(day) {
            place.insert(load(day)?.map(DayFile::open).unwrap_or_default());
        }
        Ok(())
    }

    /// Up to here nothing is to come any more: what was not seen is a gap.
    pub fn skip_to(&mut self, sequence: u64) {
        if sequence > self.read {
            self.gaps.push_back((self.read + 1, sequence));
            self.read = sequence;
            if self.gaps.len() > limits::USAGE_GAPS {
                self.gaps.pop_front();
            }
        }
    }

    /// Counts a header that came in. Its day is open.
    pub fn take_in(&mut self, header: &Header, changes: &mut Changes) {
        self.skip_to(header.sequence - 1);
        self.read = header.sequence;
        let items = u64::from(header.items);
        let happened = if header.is_data() { None } else { Happened::from_code(header.reason) };
        if let Some(Happened::Undeliverable) = happened {
            self.refused.insert((header.epoch, header.note), items);
            return;
        }
        let counts = Accounting::unpack(header.note);
        if counts.own || !header.is_data() && happened.is_none() {
            return;
        }
        let redacted = u64::from(counts.redacted);
        let received = match counts.received_bytes {
            0 => u64::from(header.length),
            bytes => u64::from(bytes),
        };
        self.change(header, &counts, changes, |row| {
            row.redacted_values += redacted;
            match happened {
                None => {
                    row.accepted_items += items;
                    row.bytes_in += received;
                }
                Some(Happened::Rejected(why)) => {
                    *row.rejected_items.entry(why).or_default() += items;
                    row.rejected_bytes += received;
                }
                Some(Happened::Dropped(why)) => {
                    *row.dropped_items.entry(why).or_default() += items;
                    row.bytes_in += received;
                }
                Some(Happened::Redacted) => row.redacted_values += items,
                Some(Happened::Undeliverable) => {}
            }
        });
    }

    /// Whether a header is counted for destinations: data that was counted when it came in.
    pub fn goes_out(&self, header: &Header) -> bool {
        let unseen = self.gaps.iter().any(|(from, to)| (*from..=*to).contains(&header.sequence));
        header.is_data() && !unseen && !Accounting::unpack(header.note).own
    }

    /// Counts a header that [goes out](Totals::goes_out) for one destination. Its day is open.
    pub fn take_out(&mut self, destination: &str, header: &Header, fate: Fate, changes: &mut Changes) {
        let counts = Accounting::unpack(header.note);
        let items = u64::from(header.items);
        let refused = self.refused.remove(&(destination_code(destination), header.sequence));
        let refused = match fate {
            Fate::Handed => refused.unwrap_or(0).min(items),
            Fate::Damaged => items,
            Fate::Elsewhere => 0,
        };
        self.change(header, &counts, changes, |row| {
            let out = row.destination(destination);
            if fate == Fate::Elsewhere {
                out.elsewhere_items += items;
                return;
            }
            out.undeliverable_items += refused;
            out.delivered_items += items - refused;
            // What was taken of a record that was refused in part: as much of its bytes as of its items.
            out.bytes_out += u64::from(header.length) * (items - refused) / items.max(1);
        });
    }

    /// Everything of a destination up to a sequence is counted; what nobody needs any more is forgotten.
    pub fn passed(&mut self, destination: &str, sequence: u64) {
        if let Some(out) = self.out.get_mut(destination) {
            *out = sequence.max(*out);
        }
        let codes: BTreeMap<u32, u64> =
            self.out.iter().map(|(name, out)| (destination_code(name), *out)).collect();
        self.refused.retain(|(code, record), _| codes.get(code).is_some_and(|out| record > out));
        let least = self.counted().least;
        self.gaps.retain(|(_, to)| *to > least);
    }

    fn change(
        &mut self,
        header: &Header,
        counts: &Accounting,
        changes: &mut Changes,
        change: impl Fn(&mut Row),
    ) {
        let tenant = if counts.unlisted { TenantId::NONE } else { header.tenant };
        let key = Key { tenant, signal: header.signal, tier: counts.tier };
        let (key, day) = self.row(Day::of(header.time_unix_nano), key);
        day.last = day.last.max(header.sequence);
        change(day.rows.entry(key).or_default());
        change(changes.entry(key).or_default());
    }

    /// The key under which a day counts, and the day.
    pub fn row(&mut self, day: Day, key: Key) -> (Key, &mut OpenDay) {
        let room = if self.days.len() > limits::USAGE_OPEN_DAYS { 0 } else { limits::USAGE_ROWS };
        let day = self.days.entry(day).or_default();
        let fits = day.rows.contains_key(&key) || day.rows.len() < room;
        (if fits { key } else { Key { tenant: TenantId::NONE, ..key } }, day)
    }
}
