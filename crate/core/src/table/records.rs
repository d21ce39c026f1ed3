//! Record tables: records that are encoded once, when they are set, and copied as often as they are read.

use crate::json::reader::{self, ParseError};
use crate::layout::{KEY_LENGTH, WalkField};
use crate::table::arena::{self, Arena, Place};
use crate::table::entries::{Entries, Entry};
use crate::table::record::{BadHoles, Clock, MAX_KEY, Progress, Record, Style, Writer, put_part};
use hashbrown::HashTable;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// The index is made of so many tables, each of which grows by itself: growing all of it at once would stall.
const SHARDS: usize = 256;
/// Most entries that one step of [`Table::walk`] looks at.
const STEP: usize = 8192;
/// Bytes that a record is counted with beside its block: its entry, its place in the index, and free room.
const RECORD_OVERHEAD: usize = 64;

/// The most that a table takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub records: usize,
    /// Bytes as [`Table::used`] counts them.
    pub bytes: usize,
    /// Bytes of one key and its text.
    pub record_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            records: usize::MAX,
            bytes: usize::MAX,
            record_bytes: usize::MAX,
        }
    }
}

/// Why a record is not taken. The table is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    KeyTooLong(usize),
    TextTooLong(usize),
    Holes(BadHoles),
    NotJson(ParseError),
    NoMemory,
    /// The table holds as many records as its limits allow.
    Records,
    /// The record does not fit into the bytes that are left.
    Bytes,
    /// The record is longer than the limits allow.
    RecordBytes,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyTooLong(length) => write!(
                f,
                "key of {length} bytes is longer than the {MAX_KEY} that a record table takes; shorten it"
            ),
            Self::TextTooLong(length) => write!(
                f,
                "record of {length} bytes is longer than the {} that a record table takes; split it",
                i32::MAX
            ),
            Self::Holes(BadHoles::Misplaced) => write!(
                f,
                "value that depends on time was turned into a text before the record was set; set it as it is"
            ),
            Self::Holes(BadHoles::TooMany) => write!(
                f,
                "record has more than the {} values that depend on time that a record table takes; split it",
                u16::MAX
            ),
            Self::NotJson(error) => write!(f, "record is not JSON: {error}"),
            Self::NoMemory => write!(f, "no memory for another record; delete some or give the process more"),
            Self::Records => write!(f, "no more records are allowed"),
            Self::Bytes => write!(f, "no more bytes are allowed"),
            Self::RecordBytes => write!(f, "the record is longer than allowed"),
        }
    }
}

/// A walk over the records that were there when it began: which entry comes next, where the walk ends, and the
/// generation from which on entries are new to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk {
    pub next: u32,
    pub end: u32,
    pub mark: u32,
}

impl Walk {
    /// The walk that [`Walk::store`] wrote; one that is over for memory that is too short.
    pub fn load(fields: &[u32]) -> Self {
        let field = |field: WalkField| fields.get(field as usize).copied().unwrap_or_default();
        Self {
            next: field(WalkField::Next),
            end: field(WalkField::End),
            mark: field(WalkField::Mark),
        }
    }

    pub fn store(&self, fields: &mut [u32]) {
        let values = [
            (WalkField::Next, self.next),
            (WalkField::End, self.end),
            (WalkField::Mark, self.mark),
        ];
        for (field, value) in values {
            if let Some(place) = fields.get_mut(field as usize) {
                *place = value;
            }
        }
    }
}

/// Records by key.
pub struct Table {
    arena: Arena,
    entries: Entries,
    index: Box<[HashTable<u32>]>,
    hasher: RandomState,
    writer: Writer,
    styles: Vec<Style>,
    key_bytes: usize,
    text_bytes: usize,
    holes: usize,
    used: usize,
    limits: Limits,
    generation: u32,
    /// True once entries were added in this generation.
    grown: bool,
}

impl Table {
    /// `nonce`: see [`Writer::new`].
    pub fn new(nonce: &str) -> Self {
        Self {
            arena: Arena::default(),
            entries: Entries::default(),
            index: (0..SHARDS).map(|_| HashTable::new()).collect(),
            hasher: RandomState::new(),
            writer: Writer::new(nonce),
            styles: Vec::new(),
            key_bytes: 0,
            text_bytes: 0,
            holes: 0,
            used: 0,
            limits: Limits::default(),
            generation: 0,
            grown: false,
        }
    }

    /// Sets the most that the table takes from now on; what is there already stays.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Adds a way to print holes; markers name it by its number, from 0 on.
    pub fn add_style(&mut self, style: Style) {
        self.styles.push(style);
    }

    /// Sets a record to a text that is known to be JSON without blanks, with at most so many markers of holes.
    /// `deadline` is infinite for none. Returns whether the key is new.
    pub fn set(&mut self, key: &[u8], text: &[u8], marks: usize, deadline: f64) -> Result<bool, Rejected> {
        check_lengths(key, text)?;
        if marks > 0 {
            self.writer.with_holes(key, text, marks).map_err(Rejected::Holes)?;
        } else {
            self.writer.plain(key);
        }
        self.store(key, text, deadline)
    }

    /// As [`Table::set`], with any text: it is validated, and stored without blanks.
    pub fn set_json(&mut self, key: &[u8], text: &[u8], deadline: f64) -> Result<bool, Rejected> {
        check_lengths(key, text)?;
        reader::validate(text).map_err(Rejected::NotJson)?;
        self.writer.compact(key, text);
        self.store(key, text, deadline)
    }

    fn store(&mut self, key: &[u8], text: &[u8], deadline: f64) -> Result<bool, Rejected> {
        let (shard, hash) = self.hash(key);
        let parts = self.writer.parts(key, text);
        let added = self.writer.holes();
        let text_length = parts.last().map_or(0, |text| text.len());
        let record_length = key.len() + text_length;
        let size = arena::block_size(parts.iter().map(|part| part.len()).sum()) + RECORD_OVERHEAD;
        let known = self.find(shard, hash, key);
        let before = known.and_then(|id| self.entries.get(id)).map_or(0, |entry| {
            arena::block_size(self.arena.get(entry.place).len()) + RECORD_OVERHEAD
        });
        if record_length > self.limits.record_bytes {
            return Err(Rejected::RecordBytes);
        }
        if known.is_none() && self.entries.len() >= self.limits.records {
            return Err(Rejected::Records);
        }
        // One that becomes smaller is taken in any case: it makes room.
        if size > before && self.used - before + size > self.limits.bytes {
            return Err(Rejected::Bytes);
        }
        match known.and_then(|id| Some((id, self.entries.get(id)?.place))) {
            Some((id, place)) => {
                let old = Record::read(self.arena.get(place));
                let (old_text, old_holes) = (old.text.len(), old.holes());
                let mut new_place = place;
                if !self.arena.overwrite(place, &parts) {
                    new_place = self.arena.insert(id, &parts).ok_or(Rejected::NoMemory)?;
                    self.arena.remove(place);
                }
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.place = new_place;
                    entry.deadline = deadline;
                }
                self.text_bytes -= old_text;
                self.holes -= old_holes;
            }
            None => {
                let entries = &self.entries;
                let rehash = |id: &u32| entries.get(*id).map_or(0, |entry| spread(entry.hash));
                let index = self.index.get_mut(shard).ok_or(Rejected::NoMemory)?;
                index.try_reserve(1, rehash).map_err(|_| Rejected::NoMemory)?;
                let entry = Entry {
                    hash,
                    born: self.generation,
                    deadline,
                    ..Entry::default()
                };
                let id = self.entries.insert(entry).ok_or(Rejected::NoMemory)?;
                let Some(place) = self.arena.insert(id, &parts) else {
                    self.entries.remove(id);
                    return Err(Rejected::NoMemory);
                };
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.place = place;
                }
                index.insert_unique(spread(hash), id, |_| 0);
                self.key_bytes += key.len();
                self.grown = true;
            }
        }
        self.text_bytes += text_length;
        self.holes += added;
        self.used = self.used - before + size;
        self.writer.trim();
        self.arena.clean(&mut self.entries);
        Ok(known.is_none())
    }

    /// Writes the record of `key` at the start of a window, as it is at the time `now`, if it fits. Returns its
    /// length either way; `None` when there is no such record.
    pub fn get(&self, key: &[u8], now: u64, window: &mut [u8]) -> Option<usize> {
        self.lookup(key).map(|record| self.print_whole(record, now, window))
    }

    /// As [`Table::get`] for a key at the start of the window itself.
    pub fn get_over(&self, key_length: usize, now: u64, window: &mut [u8]) -> Option<usize> {
        let record = self.lookup(window.get(..key_length)?)?;
        Some(self.print_whole(record, now, window))
    }

    /// Appends the text of a record with markers in its holes, as [`Table::set`] takes it. Returns how many these are, and the
    /// deadline; `None` when there is no such record.
    pub fn get_marked(&self, key: &[u8], nonce: &str, out: &mut Vec<u8>) -> Option<(usize, f64)> {
        let (shard, hash) = self.hash(key);
        let entry = self.entries.get(self.find(shard, hash, key)?)?;
        let record = Record::read(self.arena.get(entry.place));
        record.print_marked(nonce, out);
        Some((record.holes(), entry.deadline))
    }

    fn print_whole(&self, record: Record<'_>, now: u64, window: &mut [u8]) -> usize {
        let clock = self.clock(now);
        let length = record.printed_length(clock);
        if length <= window.len() {
            record.print(clock, &mut Progress::default(), window);
        }
        length
    }

    fn lookup(&self, key: &[u8]) -> Option<Record<'_>> {
        let (shard, hash) = self.hash(key);
        let entry = self.entries.get(self.find(shard, hash, key)?)?;
        Some(Record::read(self.arena.get(entry.place)))
    }

    pub fn has(&self, key: &[u8]) -> bool {
        self.lookup(key).is_some()
    }

    /// Deletes a record; returns whether there was one.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let (shard, hash) = self.hash(key);
        let Some(id) = self.find(shard, hash, key) else {
            return false;
        };
        let Some(index) = self.index.get_mut(shard) else {
            return false;
        };
        if let Ok(found) = index.find_entry(spread(hash), |other| *other == id) {
            found.remove();
        }
        if let Some(entry) = self.entries.remove(id) {
            let block = self.arena.get(entry.place);
            self.used -= arena::block_size(block.len()) + RECORD_OVERHEAD;
            let record = Record::read(block);
            self.key_bytes -= record.key.len();
            self.text_bytes -= record.text.len();
            self.holes -= record.holes();
            self.arena.remove(entry.place);
        }
        let entries = &self.entries;
        if index.capacity() > 64 && index.len() * 8 < index.capacity() {
            let rehash = |id: &u32| entries.get(*id).map_or(0, |entry| spread(entry.hash));
            index.shrink_to(index.len() * 2, rehash);
        }
        self.arena.clean(&mut self.entries);
        true
    }

    /// Deletes all records and gives their memory back.
    pub fn clear(&mut self) {
        self.arena = Arena::default();
        self.entries = Entries::default();
        for shard in &mut self.index {
            *shard = HashTable::new();
        }
        (self.key_bytes, self.text_bytes, self.holes, self.used) = (0, 0, 0, 0);
    }

    /// Records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all keys and texts, without what stands in holes.
    pub fn bytes(&self) -> usize {
        self.key_bytes + self.text_bytes
    }

    /// Bytes that the limit of the table counts: those of all records, and what each costs beside its text.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Bytes of all memory that the table holds.
    pub fn held(&self) -> usize {
        let index: usize = self.index.iter().map(HashTable::allocation_size).sum();
        let shards = self.index.len() * size_of::<HashTable<u32>>();
        self.arena.held() + self.entries.held() + index + shards
    }

    /// Bytes of all texts with a comma between each two; `None` when there are holes, which change with time.
    pub fn joined_length(&self) -> Option<usize> {
        (self.holes == 0).then(|| self.text_bytes + self.entries.len().saturating_sub(1))
    }

    /// Begins a walk. What is deleted from now on is left out unless it was passed, what is added is left out.
    pub fn begin_walk(&mut self) -> Walk {
        if self.grown {
            self.grown = false;
            match self.generation.checked_add(1) {
                Some(generation) => self.generation = generation,
                None => self.renumber(),
            }
        }
        Walk {
            next: 0,
            end: self.entries.end(),
            mark: self.generation,
        }
    }

    /// Starts the generations anew. Walks under way may then pass records that were added behind them.
    fn renumber(&mut self) {
        let mut from = 0;
        let end = self.entries.end();
        while let Some((id, _)) = self.entries.next(from, end) {
            if let Some(entry) = self.entries.get_mut(id) {
                entry.born = 0;
            }
            from = id + 1;
        }
        self.generation = 1;
    }

    /// The next record of a walk.
    pub fn advance(&self, walk: &mut Walk) -> Option<&Entry> {
        while let Some((id, entry)) = self.entries.next(walk.next, walk.end) {
            walk.next = id + 1;
            if entry.born < walk.mark {
                return Some(entry);
            }
        }
        walk.next = walk.end;
        None
    }

    /// Has the next records of a walk fetched into the cache: after much change they lie anywhere in memory, and each
    /// would be waited for alone. Returns where to call it again.
    pub fn fetch(&self, walk: &Walk) -> u32 {
        const RECORDS: usize = 16;
        let (mut next, mut sum) = (walk.next, 0);
        let mut last = Place::default();
        for _ in 0..RECORDS {
            let Some((id, entry)) = self.entries.next(next, walk.end) else {
                return walk.end;
            };
            if !entry.place.is_close_behind(last) {
                sum ^= self.arena.touch(entry.place);
            }
            last = entry.place;
            next = id + 1;
        }
        std::hint::black_box(sum);
        next
    }

    /// Writes the keys of the next records whose deadline is not after `due`, each behind its length in [`KEY_LENGTH`]
    /// bytes, least first. Looks at a limited number of records and stops when the window, of at least [`MAX_KEY`] and
    /// these, is full; the walk is over when its `next` is its `end`. Returns how much was written.
    pub fn walk(&self, walk: &mut Walk, due: f64, window: &mut [u8]) -> usize {
        let mut end = 0;
        for _ in 0..STEP {
            let before = *walk;
            // Not by `advance`: entries that are new to the walk count as steps, too.
            let Some((id, entry)) = self.entries.next(walk.next, walk.end) else {
                walk.next = walk.end;
                break;
            };
            walk.next = id + 1;
            if entry.born >= walk.mark || entry.deadline > due {
                continue;
            }
            let key = self.record(entry).key;
            if window.len() - end < key.len() + KEY_LENGTH {
                *walk = before;
                break;
            }
            put_part(window, &mut end, &(key.len() as u32).to_le_bytes());
            put_part(window, &mut end, key);
        }
        end
    }

    pub fn record(&self, entry: &Entry) -> Record<'_> {
        Record::read(self.arena.get(entry.place))
    }

    /// The block of a record, for [`Record::read`], to outlive any change.
    pub fn hold(&self, entry: &Entry) -> std::rc::Rc<[u8]> {
        self.arena.hold(entry.place)
    }

    /// The clock to print holes with at the time `now`.
    pub fn clock(&self, now: u64) -> Clock<'_> {
        Clock {
            styles: &self.styles,
            now,
        }
    }

    fn find(&self, shard: usize, hash: u32, key: &[u8]) -> Option<u32> {
        let is_it = |id: &u32| {
            self.entries
                .get(*id)
                .is_some_and(|entry| entry.hash == hash && self.record(entry).key == key)
        };
        self.index.get(shard)?.find(spread(hash), is_it).copied()
    }

    /// The shard of a key and its hash within.
    fn hash(&self, key: &[u8]) -> (usize, u32) {
        let hash = self.hasher.hash_one(key);
        ((hash >> 32) as usize % SHARDS, hash as u32)
    }
}

/// The index wants good bits at both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn check_lengths(key: &[u8], text: &[u8]) -> Result<(), Rejected> {
    if key.len() > MAX_KEY {
        return Err(Rejected::KeyTooLong(key.len()));
    }
    if text.len() > i32::MAX as usize {
        return Err(Rejected::TextTooLong(text.len()));
    }
    Ok(())
}
