//! Dumps: cursors that print a table as a JSON array, or as lines of JSON, piece by piece, while it changes.

use crate::json::text::write_string;
use crate::slots::Slots;
use crate::table::arena::Copied;
use crate::table::record::{MAX_KEY, Progress, Record, put_part, words_of};
use crate::table::records::{Batch, Shared, Table, Walk, copy_key, print};
use crate::table::search::{Search, Wanted};
use std::cell::RefCell;
use std::rc::{Rc, Weak};

/// The part of each record that a dump prints.
#[derive(Clone, Debug, Default)]
pub enum Shape {
    /// The record.
    #[default]
    Records,
    /// Its key, as a string.
    Keys,
    /// Its key, as the only member of an object; this is the member's name.
    Member(Box<str>),
}

/// What stands around the records of a dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frame {
    /// Those of a JSON array.
    #[default]
    Array,
    /// Each record has a line.
    Lines,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Start,
    Records,
    Done,
}

/// A record that the last window had no room for to its end, as it was then.
struct Half {
    block: Copied,
    progress: Progress,
}

/// A dump under way. It prints what was there when it was opened and still is when its turn comes, each record once;
/// all holes at the time it was opened.
#[derive(Default)]
pub struct Dump {
    walk: Walk,
    now: u64,
    shape: Shape,
    frame: Frame,
    stage: Stage,
    /// Text to write before anything else, and how much of it is written.
    pending: Vec<u8>,
    written: usize,
    half: Option<Half>,
    /// The key that is printed.
    key: Vec<u8>,
    any: bool,
}

impl Dump {
    /// `now`: seconds since 1970.
    pub fn new(table: &Shared, shape: Shape, frame: Frame, now: u64) -> Self {
        Self {
            walk: table.begin_walk(),
            now,
            shape,
            frame,
            ..Self::default()
        }
    }

    /// Continues into `window`, which is filled to its end unless the dump ends before. Returns how much was written;
    /// 0 when all is.
    pub fn fill(&mut self, table: &Shared, window: &mut [u8]) -> usize {
        let (mut end, mut batch) = (0, Batch::default());
        while self.write_rest(table, window, &mut end) && end < window.len() {
            match self.stage {
                Stage::Start => {
                    self.stage = Stage::Records;
                    if self.frame == Frame::Array {
                        self.leave(b"[");
                    }
                }
                Stage::Records => while self.next_record(table, &mut batch, window, &mut end) && end < window.len() {},
                Stage::Done => break,
            }
        }
        end
    }

    /// Returns whether the next one can be printed: this one is complete, and was not the last.
    fn next_record(&mut self, table: &Shared, batch: &mut Batch, window: &mut [u8], end: &mut usize) -> bool {
        let Some((place, page)) = table.advance(&mut self.walk, batch) else {
            self.stage = Stage::Done;
            match self.frame {
                Frame::Array => self.leave(b"]"),
                Frame::Lines if self.any => self.leave(b"\n"),
                Frame::Lines => {}
            }
            return false;
        };
        if self.any
            && let Some(between) = window.get_mut(*end)
        {
            *between = if self.frame == Frame::Array { b',' } else { b'\n' };
            *end += 1;
        }
        self.any = true;
        if matches!(self.shape, Shape::Records) {
            let clock = table.clock(self.now);
            let room = window.get_mut(*end..).unwrap_or_default();
            if let Some(written) = print(page, place, clock, room) {
                *end += written;
                return true;
            }
            let (mut block, mut progress) = (Copied::default(), Progress::default());
            block.copy(page, place, words_of);
            let (written, complete) = Record::read(block.bytes()).print(clock, &mut progress, room);
            *end += written;
            if !complete {
                self.half = Some(Half { block, progress });
            }
            return false;
        }
        self.key.resize(MAX_KEY, 0);
        let length = copy_key(page, place, &mut self.key).unwrap_or_default();
        self.leave_key(length);
        false
    }

    fn leave(&mut self, text: &[u8]) {
        self.pending.extend_from_slice(text);
    }

    fn leave_key(&mut self, length: usize) {
        let key = self.key.get(..length).unwrap_or_default();
        let key = std::str::from_utf8(key).unwrap_or_default();
        match &self.shape {
            Shape::Records | Shape::Keys => write_string(&mut self.pending, key),
            Shape::Member(name) => {
                self.pending.push(b'{');
                write_string(&mut self.pending, name);
                self.pending.push(b':');
                write_string(&mut self.pending, key);
                self.pending.push(b'}');
            }
        }
    }

    /// Writes what is left of the last record; whether nothing is left of it now.
    fn write_rest(&mut self, table: &Shared, window: &mut [u8], end: &mut usize) -> bool {
        let rest = self.pending.get(self.written..).unwrap_or_default();
        self.written += put_part(window, end, rest);
        if self.written < self.pending.len() {
            return false;
        }
        self.pending.clear();
        self.written = 0;
        if let Some(half) = &mut self.half {
            let room = window.get_mut(*end..).unwrap_or_default();
            let (written, complete) =
                Record::read(half.block.bytes()).print(table.clock(self.now), &mut half.progress, room);
            *end += written;
            if !complete {
                return false;
            }
            self.half = None;
        }
        true
    }
}

/// A table, and the dumps of it and the searches in it that are under way.
pub struct DumpedTable {
    pub table: Table,
    dumps: Slots<Dump>,
    searches: Slots<Search>,
}

impl DumpedTable {
    pub fn new(table: Table) -> Self {
        Self {
            table,
            dumps: Slots::default(),
            searches: Slots::default(),
        }
    }

    /// Opens a search from where a walk is, and returns its slot; -1 when 1048576 are open.
    pub fn open_search(&mut self, wanted: Wanted, walk: Walk) -> i32 {
        let Some((slot, place)) = self.searches.open() else {
            return -1;
        };
        *place = Search::new(wanted, walk);
        slot
    }

    /// As [`Search::step`] and [`Search::store`]; without effect for a slot that is not open.
    pub fn search(&mut self, slot: i32, window: &mut [u8], fields: &mut [u32]) -> usize {
        self.searches.get_mut(slot).map_or(0, |search| {
            let written = search.step(&self.table, window);
            search.store(fields);
            written
        })
    }

    /// Ends a search; without effect for a slot that is not open.
    pub fn close_search(&mut self, slot: i32) {
        if let Some(search) = self.searches.close(slot) {
            *search = Search::default();
        }
    }

    /// Opens a dump and returns its slot; -1 when 1048576 are open.
    pub fn open(&mut self, shape: Shape, now: u64) -> i32 {
        self.begin(shape, Frame::Array, now)
    }

    /// As [`DumpedTable::open`], a line for each record.
    pub fn open_lines(&mut self, shape: Shape, now: u64) -> i32 {
        self.begin(shape, Frame::Lines, now)
    }

    fn begin(&mut self, shape: Shape, frame: Frame, now: u64) -> i32 {
        let Some((slot, place)) = self.dumps.open() else {
            return -1;
        };
        *place = Dump::new(&self.table, shape, frame, now);
        slot
    }

    /// As [`Dump::fill`]; 0 for a slot that is not open.
    pub fn fill(&mut self, slot: i32, window: &mut [u8]) -> usize {
        self.dumps
            .get_mut(slot)
            .map_or(0, |dump| dump.fill(&self.table, window))
    }

    /// Ends a dump; without effect for a slot that is not open.
    pub fn release(&mut self, slot: i32) {
        if let Some(dump) = self.dumps.close(slot) {
            *dump = Dump::default();
        }
    }

    /// Bytes of a dump of all records as they are now; `None` when they have holes.
    pub fn length(&self) -> Option<usize> {
        self.table.joined_length().map(|length| length + 2)
    }

    /// Dumps that are open.
    pub fn dumps_open(&self) -> usize {
        self.dumps.in_use()
    }
}

/// The tables that exist, to be counted together.
#[derive(Default)]
pub struct Tables(Vec<Weak<RefCell<DumpedTable>>>);

impl Tables {
    pub fn add(&mut self, table: &Rc<RefCell<DumpedTable>>) {
        // Those that were freed are forgotten before room is made for more.
        if self.0.len() == self.0.capacity() {
            self.0.retain(|table| table.strong_count() > 0);
        }
        self.0.push(Rc::downgrade(table));
    }

    /// Dumps that are open, of all tables.
    pub fn dumps_open(&self) -> usize {
        let tables = self.0.iter().filter_map(Weak::upgrade);
        tables
            .map(|table| table.try_borrow().map_or(0, |table| table.dumps_open()))
            .sum()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn dumps_of_all_tables_that_exist_are_counted() {
        let mut tables = Tables::default();
        let held: Vec<_> = (0..3)
            .map(|_| Rc::new(RefCell::new(DumpedTable::new(Table::new("nonce")))))
            .collect();
        for table in &held {
            tables.add(table);
            table.borrow_mut().open(Shape::Records, 0);
        }
        let slot = held[0].borrow_mut().open(Shape::Keys, 0);
        assert_eq!(tables.dumps_open(), 4);
        held[0].borrow_mut().release(slot);
        assert_eq!(tables.dumps_open(), 3);
        drop(held);
        assert_eq!(tables.dumps_open(), 0);
        for _ in 0..1000 {
            tables.add(&Rc::new(RefCell::new(DumpedTable::new(Table::new("nonce")))));
        }
        assert!(tables.0.capacity() < 10);
    }
}
