//! Searches: walks over a table in steps, which print the records that have a text, and count the others that have it.

use crate::json::text::write_string;
use crate::layout::SearchField;
use crate::table::arena::Copied;
use crate::table::needle::{Failures, Needle, Reader, Verdict};
use crate::table::record::{Progress, Record, words_of};
use crate::table::records::{Batch, Shared, Walk};

/// Bytes of records that one step looks at: well under 100 microseconds.
const STEP_BYTES: usize = 128 << 10;
/// Records that one step looks at.
const STEP_RECORDS: usize = 512;
/// A byte that is read one by one takes as long as so many others.
const SLOWNESS: usize = 8;
/// Records are printed up to so many bytes together, so that what one search gives is bounded.
const MOST_PRINTED: usize = 1 << 20;

/// What a search looks for, and how much of it is given.
#[derive(Default)]
pub struct Wanted {
    /// `None`: every record.
    pub needle: Option<Needle>,
    /// Key of a record that is passed over.
    pub except: Option<Box<[u8]>>,
    /// Records that are printed at most.
    pub limit: usize,
    /// True to count those behind them; else the search ends at the next one.
    pub counts_all: bool,
    /// Seconds since 1970 at which holes are printed.
    pub now: u64,
}

/// A record whose text is read across several steps, as it was then.
struct Long {
    block: Copied,
    reader: Reader,
}

/// A search under way. A record that is there from its begin to its end is looked at once; one that is added or deleted
/// meanwhile may be missing.
#[derive(Default)]
pub struct Search {
    wanted: Wanted,
    failures: Failures,
    walk: Walk,
    /// The record that is looked at, as it was then.
    block: Copied,
    /// Where a later search goes on: behind the last record that was printed.
    resume: Walk,
    printed: usize,
    printed_bytes: usize,
    matched: usize,
    scanned: usize,
    is_over: bool,
    long: Option<Long>,
    /// A record that is printed, until there is room for it.
    pending: Vec<u8>,
    folded: Vec<u8>,
}

impl Search {
    pub fn new(wanted: Wanted, walk: Walk) -> Self {
        Self {
            failures: wanted.needle.as_ref().map(Failures::of).unwrap_or_default(),
            wanted,
            walk,
            resume: walk,
            ..Self::default()
        }
    }

    /// Looks at some records. Those that are found are printed into `window` as `["key",record]`, with commas between them,
    /// each whole. Returns how much was written.
    pub fn step(&mut self, table: &Shared, window: &mut [u8]) -> usize {
        let (mut end, mut looked, mut seen) = (0, 0, 0);
        let mut batch = Batch::default();
        while self.flush(window, &mut end) && !self.is_over && looked < STEP_BYTES && seen < STEP_RECORDS {
            seen += 1;
            looked += self.look(table, &mut batch);
        }
        end
    }

    /// Writes how far the search has come.
    pub fn store(&self, fields: &mut [u32]) {
        let is_over = self.is_over && self.pending.is_empty();
        let values = [
            (SearchField::IsOver, u32::from(is_over)),
            (SearchField::Matched, self.matched as u32),
            (SearchField::Scanned, self.scanned as u32),
            (SearchField::HasMore, u32::from(self.matched > self.printed)),
            (SearchField::Room, self.pending.len() as u32),
            (SearchField::Next, self.resume.next),
            (SearchField::End, self.resume.end),
            (SearchField::Mark, self.resume.mark),
        ];
        for (field, value) in values {
            if let Some(place) = fields.get_mut(field as usize) {
                *place = value;
            }
        }
    }

    /// Writes what is left to be written; whether all of it is.
    fn flush(&mut self, window: &mut [u8], end: &mut usize) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        let comma = usize::from(*end > 0);
        let Some(room) = window.get_mut(*end..*end + comma + self.pending.len()) else {
            return false;
        };
        if let Some((first, rest)) = room.split_at_mut_checked(comma) {
            first.fill(b',');
            rest.copy_from_slice(&self.pending);
        }
        *end += comma + self.pending.len();
        self.pending.clear();
        self.pending.shrink_to(STEP_BYTES);
        true
    }

    /// Looks at the next record, or at more of one. Returns how many bytes that were, as it were.
    fn look(&mut self, table: &Shared, batch: &mut Batch) -> usize {
        if let Some(mut long) = self.long.take() {
            let record = Record::read(long.block.bytes());
            let verdict = self.wanted.needle.as_ref().map_or(Verdict::Yes, |needle| {
                long.reader
                    .read(needle, &self.failures, record.text, STEP_BYTES / SLOWNESS)
            });
            match verdict {
                Verdict::Yes => self.found(table, &record),
                Verdict::No => {}
                Verdict::Unclear => self.long = Some(long),
            }
            return STEP_BYTES;
        }
        let Some((place, page)) = table.advance(&mut self.walk, batch) else {
            self.is_over = true;
            return 0;
        };
        let mut block = std::mem::take(&mut self.block);
        block.copy(page, place, words_of);
        let (looked, rest) = self.judge(table, &Record::read(block.bytes()));
        match rest {
            Some(reader) => self.long = Some(Long { block, reader }),
            None => self.block = block,
        }
        looked
    }

    /// Looks at a record. Returns how many bytes that were, as it were, and who reads the rest of it.
    fn judge(&mut self, table: &Shared, record: &Record<'_>) -> (usize, Option<Reader>) {
        if self.wanted.except.as_deref() == Some(record.key) {
            return (record.key.len(), None);
        }
        self.scanned += 1;
        let Some(needle) = &self.wanted.needle else {
            self.found(table, record);
            return (0, None);
        };
        let length = record.key_and_text.len();
        match needle.judge(record, &mut self.folded) {
            Verdict::Yes => self.found(table, record),
            Verdict::No => {}
            Verdict::Unclear => {
                let mut reader = Reader::default();
                match reader.read(needle, &self.failures, record.text, STEP_BYTES / SLOWNESS) {
                    Verdict::Yes => self.found(table, record),
                    Verdict::No => {}
                    Verdict::Unclear => return (length.min(STEP_BYTES / SLOWNESS) * SLOWNESS, Some(reader)),
                }
                return (length.min(STEP_BYTES / SLOWNESS) * SLOWNESS, None);
            }
        }
        (length, None)
    }

    fn found(&mut self, table: &Shared, record: &Record<'_>) {
        self.matched += 1;
        let has_room = self.printed < self.wanted.limit && self.printed_bytes < MOST_PRINTED;
        // What was left out stays so: records are given in their order.
        if !has_room || self.matched > self.printed + 1 {
            self.is_over |= !self.wanted.counts_all;
            return;
        }
        let clock = table.clock(self.wanted.now);
        self.pending.push(b'[');
        write_string(&mut self.pending, std::str::from_utf8(record.key).unwrap_or_default());
        self.pending.push(b',');
        let start = self.pending.len();
        self.pending.resize(start + record.printed_length(clock), 0);
        if let Some(room) = self.pending.get_mut(start..) {
            record.print(clock, &mut Progress::default(), room);
        }
        self.pending.push(b']');
        self.printed += 1;
        self.printed_bytes += self.pending.len();
        self.resume = self.walk;
    }
}
