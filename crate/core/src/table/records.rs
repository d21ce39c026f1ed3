//! Record tables: records that are encoded once, when they are set, and copied as often as they are read.
//!
//! Any number of threads use one table. Those that change it wait for each other; those that read it wait for nobody, and
//! nobody waits for them:
//!
//! - **Blocks.** A record is a block of words in a page ([`crate::table::arena`]). A new block is written where nobody looks,
//!   and then its place is stored in its entry; who reads the place sees the block. A block that is overwritten where it
//!   lies has a sequence number before it, which is odd meanwhile. A reader takes the number, the words, and the number
//!   again; if it has changed or is odd, it reads anew. All words are atomic, so that a mixture of old and new is no data
//!   race, and what is read of one is bounds-checked and thrown away.
//! - **Pages.** A page that wears out is cleaned: its blocks are copied, their new places are stored, and the page goes. A
//!   reader that has it keeps it alive and sees what was there when it came. One that comes later finds no page, or one with
//!   another serial number, which the place has, too: then it reads the place again, and by then it is a new one. No
//!   block ever takes the place of another one in the same page.
//! - **Index.** A word has a part of a key's hash and the number of its entry ([`crate::table::index`]); the key stands in
//!   the block and is compared there. A word is stored when its entry is ready. Searches go on over words that are gone, and
//!   end at empty ones, of which no word that is in use was ever behind. A table that is full is copied, and then replaced.
//! - **Walks** go by the numbers of entries, which stay. A walk takes the generation and then asks for a new one; the next
//!   record that is added begins it. Sequentially consistent fences stand between asking and reading places, and between
//!   the places that a writer has given up and its look at whether somebody asked. So a walk that has seen a record never
//!   takes one of the same key, set again, for one that was there when it began.
//!
//! - **Versions.** Each change of a record counts, when it is done, in the one of [`STRIPES`] numbers that its key has. Who reads
//!   the number and then the record may have its own change taken only if the number is still the same, which is
//!   compared where changes wait for each other. So of two threads that change a record by what they have read, one
//!   reads again.
//!
//! All memory is owned by reference counts, and is freed with the last of them. What a writer did before it returned
//! is seen by every call that begins afterwards, on any thread that knows it has returned.

use crate::json::reader::{self, ParseError};
use crate::layout::{KEY_LENGTH, WalkField};
use crate::table::arena::{self, Arena, Copied, Found, Page, Pages, Place};
use crate::table::entries::{Chunk, Entries, Keeper};
use crate::table::index::{Hash, Index, Indexer};
use crate::table::record::{
    BadHoles, Clock, Head, MAX_KEY, Progress, Record, SharedRecord, Style, Styles, Writer, put_part, words_of,
};
use crate::table::sync::{AtomicBool, AtomicU32, AtomicU64, Hashing, Held, Mutex, fence};
use std::fmt;
use std::hash::BuildHasher;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::{Arc, PoisonError};

/// Most entries that one step of [`Table::walk`] looks at.
const STEP: usize = 8192;
/// Bytes that a record is counted with beside its block: its entry, its place in the index, and free room.
const RECORD_OVERHEAD: usize = 60;
/// Numbers that changes are counted in.
const STRIPES: usize = 64;
/// Records that are looked up together.
const BATCH: usize = 16;
/// Pages of them that are held meanwhile: of more than 8, arc-swap would have to count the holders.
const BATCH_PAGES: usize = 6;

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
    /// The record has, or may have, been changed since its version was read.
    Changed,
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
            Self::Changed => write!(f, "the record has been changed meanwhile"),
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

/// A number that the thread that changes the table writes, and any other one reads.
#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    fn get(&self) -> usize {
        self.0.load(Relaxed) as usize
    }

    fn set(&self, value: usize) {
        self.0.store(value as u64, Relaxed);
    }

    fn change(&self, less: usize, more: usize) {
        self.set(self.get() - less + more);
    }
}

/// Counts the changes of the records whose keys share it.
#[derive(Default)]
struct Version(AtomicU64);

impl Version {
    /// What is read behind it is not older.
    fn get(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// By the thread that changes the table, behind its changes: who reads the new number sees them.
    fn count(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Release);
    }
}

struct Versions([Version; STRIPES]);

impl Default for Versions {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Version::default()))
    }
}

impl Versions {
    fn of(&self, hash: Hash) -> &Version {
        let Self(stripes) = self;
        &stripes[hash.0 as usize % STRIPES]
    }
}

/// What only the thread that changes the table sees.
#[derive(Default)]
struct Changing {
    arena: Arena,
    keeper: Keeper,
    indexer: Indexer,
    limits: Limits,
}

impl Changing {
    /// Entry and place of a key, and how long its record is.
    fn find(&self, hash: Hash, key: &[u8]) -> Option<(u32, Place, Head)> {
        self.indexer.find(hash, |id| {
            let place = self.keeper.place(id)?;
            let page = self.arena.page(place)?;
            has_key(page, place, key).then(|| (id, place, head_of(page, place)))
        })
    }
}

/// A table as all threads share it.
#[derive(Default)]
pub struct Shared {
    pages: Pages,
    entries: Entries,
    index: Index,
    styles: Styles,
    hasher: Hashing,
    records: Count,
    key_bytes: Count,
    text_bytes: Count,
    holes: Count,
    used: Count,
    versions: Versions,
    /// Records that are added are born in it.
    generation: AtomicU32,
    /// True when a walk has begun in this generation, so that the next record that is added begins another one.
    walked: AtomicBool,
    changing: Mutex<Changing>,
}

/// The next records of a walk, on their way into the cache: after much change they lie anywhere in memory, and each
/// would be waited for alone.
#[derive(Default)]
pub struct Batch {
    pages: [Option<Held<Page>>; BATCH_PAGES],
    /// Entry, place, and which of the pages has it.
    records: [Option<(u32, Place, usize)>; BATCH],
    taken: usize,
    /// Where the walk goes on behind these.
    next: u32,
}

impl Shared {
    fn changing(&self) -> impl DerefMut<Target = Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hash(&self, key: &[u8]) -> Hash {
        Hash(self.hasher.hash_one(key))
    }

    /// A number that other tables, and those of another process, hardly have.
    pub fn mark(&self) -> u32 {
        self.hasher.hash_one("mark") as u32
    }

    /// The most that the table takes.
    pub fn limits(&self) -> Limits {
        self.changing().limits
    }

    /// Sets the most that the table takes from now on; what is there already stays.
    pub fn set_limits(&self, limits: Limits) {
        self.changing().limits = limits;
    }

    /// A number that is another one once the record of a key has changed, or the like of it.
    pub fn version(&self, key: &[u8]) -> u64 {
        self.versions.of(self.hash(key)).get()
    }

    /// `version`: as it has to be.
    fn store(
        &self,
        writer: &mut Writer,
        key: &[u8],
        text: &[u8],
        deadline: f64,
        version: Option<u64>,
    ) -> Result<bool, Rejected> {
        let hash = self.hash(key);
        let (content, head) = writer.record(key, text);
        let size = arena::block_size(content.length) + RECORD_OVERHEAD;
        let mut changing = self.changing();
        if version.is_some_and(|version| self.versions.of(hash).get() != version) {
            return Err(Rejected::Changed);
        }
        let known = changing.find(hash, key);
        let Changing {
            arena,
            keeper,
            indexer,
            limits,
        } = &mut *changing;
        let before = known.map_or(0, |(_, _, old)| arena::block_size(old.length()) + RECORD_OVERHEAD);
        if head.key + head.text > limits.record_bytes {
            return Err(Rejected::RecordBytes);
        }
        if known.is_none() && keeper.count() >= limits.records {
            return Err(Rejected::Records);
        }
        // One that becomes smaller is taken in any case: it makes room.
        if size > before && self.used.get() - before + size > limits.bytes {
            return Err(Rejected::Bytes);
        }
        match known {
            Some((id, place, old)) => {
                let words = old.length().div_ceil(size_of::<u64>());
                if arena.overwrite(place, words, content) {
                    keeper.set_deadline(id, deadline);
                } else {
                    let to = arena.insert(&self.pages, id, content).ok_or(Rejected::NoMemory)?;
                    keeper.set_deadline(id, deadline);
                    keeper.set_place(id, to);
                    arena.remove(&self.pages, place, words);
                }
                self.text_bytes.change(old.text, head.text);
                self.holes.change(old.holes, head.holes);
            }
            None => {
                indexer.make_room(&self.index, hash).ok_or(Rejected::NoMemory)?;
                let id = keeper.take(&self.entries).ok_or(Rejected::NoMemory)?;
                let Some(place) = arena.insert(&self.pages, id, content) else {
                    keeper.give_back(&self.entries, id);
                    return Err(Rejected::NoMemory);
                };
                keeper.set_born(id, self.generation(keeper));
                keeper.set_deadline(id, deadline);
                keeper.set_place(id, place);
                indexer.insert(hash, id);
                self.records.set(keeper.count());
                self.key_bytes.change(0, head.key);
                self.text_bytes.change(0, head.text);
                self.holes.change(0, head.holes);
            }
        }
        self.used.change(before, size);
        self.versions.of(hash).count();
        arena.clean(&self.pages, keeper);
        Ok(known.is_none())
    }

    /// The generation of a record that is added now.
    fn generation(&self, keeper: &Keeper) -> u32 {
        let generation = self.generation.load(Relaxed);
        // A walk that has seen what was deleted before has asked before; see `begin_walk`.
        fence(SeqCst);
        if !self.walked.load(Relaxed) {
            return generation;
        }
        // In this order: a walk that begins between the two gets the old number, and the records from now on are new to it.
        self.walked.store(false, Relaxed);
        let mut next = generation + 1;
        if next == u32::MAX {
            // The generations start anew. Walks under way may then pass records that were added behind them.
            keeper.age();
            next = 1;
        }
        self.generation.store(next, Release);
        next
    }

    /// Writes the record of `key` at the start of a window, as it is at the time `now`, if it fits. Returns its
    /// length either way; `None` when there is no such record.
    pub fn get(&self, key: &[u8], now: u64, window: &mut [u8]) -> Option<usize> {
        let (place, page) = self.lookup(key)?;
        self.print_whole(&page, place, now, window)
    }

    /// As [`Shared::get`] for a key at the start of the window itself, which may be gone even if the record does not fit.
    pub fn get_over(&self, key_length: usize, now: u64, window: &mut [u8]) -> Option<usize> {
        let (place, page) = self.lookup(window.get(..key_length)?)?;
        self.print_whole(&page, place, now, window)
    }

    fn print_whole(&self, page: &Held<Page>, place: Place, now: u64, window: &mut [u8]) -> Option<usize> {
        let (page, clock) = (page.as_ref()?, self.clock(now));
        if let Some(length) = print(page, place, clock, window) {
            return Some(length);
        }
        let mut copied = Copied::default();
        copied.copy(page, place, words_of);
        let record = Record::read(copied.bytes());
        let length = record.printed_length(clock);
        // It may have become shorter meanwhile.
        if length <= window.len() {
            record.print(clock, &mut Progress::default(), window);
        }
        Some(length)
    }

    /// The place of a key's record.
    fn lookup(&self, key: &[u8]) -> Option<(Place, Held<Page>)> {
        self.index.find(self.hash(key), |id| {
            let chunk = self.entries.chunk(id)?;
            let (place, page) = self.locate(chunk.as_ref()?, id)?;
            has_key(page.as_ref()?, place, key).then_some((place, page))
        })
    }

    /// A copy of a key's record, and its deadline.
    fn copy(&self, key: &[u8]) -> Option<(Copied, f64)> {
        self.index.find(self.hash(key), |id| {
            let chunk = self.entries.chunk(id)?;
            let (place, page) = self.locate(chunk.as_ref()?, id)?;
            let mut copied = Copied::default();
            copied.copy(page.as_ref()?, place, words_of);
            let is_it = Record::read(copied.bytes()).key == key;
            is_it.then(|| (copied, chunk.as_ref().map_or(f64::INFINITY, |chunk| chunk.deadline(id))))
        })
    }

    /// Where the record of an entry is, and its page.
    fn locate(&self, chunk: &Chunk, id: u32) -> Option<(Place, Held<Page>)> {
        loop {
            let place = chunk.place(id)?;
            // A page that is gone has left a new place to each of its blocks that is in use.
            if let Some(page) = self.pages.load(place) {
                return Some((place, page));
            }
        }
    }

    pub fn has(&self, key: &[u8]) -> bool {
        self.lookup(key).is_some()
    }

    /// Deletes a record; returns whether there was one.
    pub fn delete(&self, key: &[u8]) -> bool {
        self.remove(key, None).is_ok_and(|is_deleted| is_deleted)
    }

    /// As [`Shared::delete`], if the [`Shared::version`] of the key is still that one.
    pub fn delete_unchanged(&self, key: &[u8], version: u64) -> Result<bool, Rejected> {
        self.remove(key, Some(version))
    }

    fn remove(&self, key: &[u8], version: Option<u64>) -> Result<bool, Rejected> {
        let hash = self.hash(key);
        let mut changing = self.changing();
        if version.is_some_and(|version| self.versions.of(hash).get() != version) {
            return Err(Rejected::Changed);
        }
        let Some((id, place, old)) = changing.find(hash, key) else {
            return Ok(false);
        };
        let Changing {
            arena, keeper, indexer, ..
        } = &mut *changing;
        indexer.remove(&self.index, hash, id);
        keeper.give_back(&self.entries, id);
        arena.remove(&self.pages, place, old.length().div_ceil(size_of::<u64>()));
        self.records.set(keeper.count());
        self.key_bytes.change(old.key, 0);
        self.text_bytes.change(old.text, 0);
        self.holes.change(old.holes, 0);
        self.used.change(arena::block_size(old.length()) + RECORD_OVERHEAD, 0);
        self.versions.of(hash).count();
        arena.clean(&self.pages, keeper);
        Ok(true)
    }

    /// Deletes all records and gives their memory back.
    pub fn clear(&self) {
        let mut changing = self.changing();
        // In this order: who finds a page gone looks for a new place.
        changing.indexer.clear(&self.index);
        changing.keeper.clear(&self.entries);
        changing.arena.clear(&self.pages);
        for count in [
            &self.records,
            &self.key_bytes,
            &self.text_bytes,
            &self.holes,
            &self.used,
        ] {
            count.set(0);
        }
        for version in &self.versions.0 {
            version.count();
        }
    }

    /// Records.
    pub fn len(&self) -> usize {
        self.records.get()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all keys and texts, without what stands in holes.
    pub fn bytes(&self) -> usize {
        self.key_bytes.get() + self.text_bytes.get()
    }

    /// Values in all records that depend on time.
    pub fn holes(&self) -> usize {
        self.holes.get()
    }

    /// Bytes that the limit of the table counts: those of all records, and what each costs beside its text.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// Bytes of all memory that the table holds.
    pub fn held(&self) -> usize {
        let changing = self.changing();
        changing.arena.held(&self.pages) + changing.keeper.held(&self.entries) + changing.indexer.held()
    }

    /// Bytes of all texts with a comma between each two; `None` when there are holes, which change with time.
    pub fn joined_length(&self) -> Option<usize> {
        (self.holes.get() == 0).then(|| self.text_bytes.get() + self.len().saturating_sub(1))
    }

    /// Begins a walk. What is deleted from now on is left out unless it was passed, what is added is left out.
    pub fn begin_walk(&self) -> Walk {
        let generation = self.generation.load(Acquire);
        self.walked.store(true, Relaxed);
        // Either the next writer that adds a record sees that, or this walk sees all that it has done before.
        fence(SeqCst);
        Walk {
            next: 0,
            end: self.entries.end(),
            mark: generation + 1,
        }
    }

    /// Looks the next records of a walk up, when all those before are taken.
    fn gather(&self, walk: &Walk, batch: &mut Batch) {
        *batch = Batch {
            next: walk.end,
            ..Batch::default()
        };
        let (mut from, mut chunk) = (walk.next, None);
        let (mut last, mut pages, mut count) = (Place::NOWHERE, 0, 0);
        while let Some(id) = self.entries.next(from, walk.end, &mut chunk) {
            let Some(record) = batch.records.get_mut(count) else {
                batch.next = id;
                break;
            };
            from = id + 1;
            let Some(chunk) = chunk.as_ref().and_then(|(_, chunk)| chunk.as_ref()) else {
                continue;
            };
            let Some(mut place) = chunk.place(id) else {
                continue;
            };
            if pages == 0 || !place.is_in_page_of(last) {
                let Some(held) = batch.pages.get_mut(pages) else {
                    batch.next = id;
                    break;
                };
                let Some((found, page)) = self.locate(chunk, id) else {
                    continue;
                };
                // Behind the last look at the place, which may be that of a later record.
                if chunk.born(id) >= walk.mark {
                    continue;
                }
                (place, *held) = (found, Some(page));
                pages += 1;
            } else if chunk.born(id) >= walk.mark {
                continue;
            }
            *record = Some((id, place, pages - 1));
            last = place;
            count += 1;
        }
        batch.touch();
    }

    /// The next record of a walk.
    pub fn advance<'a>(&self, walk: &mut Walk, batch: &'a mut Batch) -> Option<(Place, &'a Arc<Page>)> {
        if batch.is_taken() {
            self.gather(walk, batch);
        }
        let taken = batch.records.get(batch.taken).copied().flatten();
        let Some((id, place, page)) = taken else {
            walk.next = walk.end;
            return None;
        };
        batch.taken += 1;
        // The entries up to the next record are passed with this one.
        walk.next = if batch.is_taken() { batch.next } else { id + 1 };
        Some((place, batch.pages.get(page)?.as_ref()?.as_ref()?))
    }

    /// Writes the keys of the next records whose deadline is not after `due`, each behind its length in [`KEY_LENGTH`]
    /// bytes, least first. Looks at a limited number of records and stops when the window, of at least [`MAX_KEY`] and
    /// these, is full; the walk is over when its `next` is its `end`. Returns how much was written.
    pub fn walk(&self, walk: &mut Walk, due: f64, window: &mut [u8]) -> usize {
        let (mut end, mut chunk) = (0, None);
        for _ in 0..STEP {
            // Entries that are new to the walk count as steps, too.
            let Some(id) = self.entries.next(walk.next, walk.end, &mut chunk) else {
                walk.next = walk.end;
                break;
            };
            let before = std::mem::replace(&mut walk.next, id + 1);
            let Some(chunk) = chunk.as_ref().and_then(|(_, chunk)| chunk.as_ref()) else {
                continue;
            };
            // Mostly there is no need to look for the page.
            if chunk.place(id).is_none() || chunk.deadline(id) > due {
                continue;
            }
            let Some((place, page)) = self.locate(chunk, id) else {
                continue;
            };
            let (Some(page), true) = (page.as_ref(), chunk.born(id) < walk.mark) else {
                continue;
            };
            let room = window.get_mut(end + KEY_LENGTH..).unwrap_or_default();
            let Some(length) = copy_key(page, place, room) else {
                walk.next = before;
                break;
            };
            put_part(window, &mut end, &(length as u32).to_le_bytes());
            end += length;
        }
        end
    }

    /// The clock to print holes with at the time `now`.
    pub fn clock(&self, now: u64) -> Clock<'_> {
        Clock {
            styles: &self.styles,
            now,
        }
    }
}

impl Batch {
    /// Has all fetched at once. To take hold of a page waits for whatever is fetched: so all are held before.
    fn touch(&self) {
        let (mut sum, mut last) = (0, Place::NOWHERE);
        for (_, place, page) in self.records.iter().flatten() {
            let page = self
                .pages
                .get(*page)
                .and_then(Option::as_ref)
                .and_then(|page| page.as_ref());
            if !place.is_close_behind(last)
                && let Some(page) = page
            {
                sum ^= page.touch(*place);
            }
            last = *place;
        }
        std::hint::black_box(sum);
    }

    fn is_taken(&self) -> bool {
        self.records.get(self.taken).copied().flatten().is_none()
    }
}

/// Tells whether the record at a place is that of a key.
fn has_key(page: &Page, place: Place, key: &[u8]) -> bool {
    page.look(place, |found| match found {
        Found::Words(words) => SharedRecord::of(words).has_key(key),
        Found::Bytes(block) => Record::read(block).key == key,
    })
}

fn head_of(page: &Page, place: Place) -> Head {
    page.look(place, |found| match found {
        Found::Words(words) => SharedRecord::of(words).head,
        Found::Bytes(block) => Head::read(block),
    })
}

/// Copies the key at a place to the start of `out`, if there is room for it.
pub fn copy_key(page: &Page, place: Place, out: &mut [u8]) -> Option<usize> {
    page.look(place, |found| match found {
        Found::Words(words) => SharedRecord::of(words).copy_key(out),
        Found::Bytes(block) => {
            let key = Record::read(block).key;
            out.get_mut(..key.len())?.copy_from_slice(key);
            Some(key.len())
        }
    })
}

/// As [`Record::print_whole`], for the record at a place.
pub fn print(page: &Page, place: Place, clock: Clock<'_>, window: &mut [u8]) -> Option<usize> {
    page.look(place, |found| match found {
        Found::Words(words) => SharedRecord::of(words).print_whole(clock, window),
        Found::Bytes(block) => Record::read(block).print_whole(clock, window),
    })
}

/// Records by key, as one thread uses them. Others may use the same ones.
pub struct Table {
    shared: Arc<Shared>,
    writer: Writer,
}

impl Deref for Table {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Table {
    /// `nonce`: see [`Writer::new`].
    pub fn new(nonce: &str) -> Self {
        Self::of(Arc::default(), nonce)
    }

    /// A table that shares its records with others. Each has a nonce and styles of its own.
    pub fn of(shared: Arc<Shared>, nonce: &str) -> Self {
        Self {
            shared,
            writer: Writer::new(nonce),
        }
    }

    /// For [`Table::of`].
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Adds a way to print holes; markers name it by its number, from 0 on.
    pub fn add_style(&mut self, style: Style) {
        // Under the lock of those that change the table: numbers are given one after the other.
        let changing = self.shared.changing();
        let number = self.shared.styles.number_of(style);
        drop(changing);
        self.writer.add_style(number.unwrap_or_default());
    }

    /// Sets a record to a text that is known to be JSON without blanks, with at most so many markers of holes.
    /// `deadline` is infinite for none. Returns whether the key is new.
    pub fn set(&mut self, key: &[u8], text: &[u8], marks: usize, deadline: f64) -> Result<bool, Rejected> {
        self.prepare(key, text, marks)?;
        self.store(key, text, deadline, None)
    }

    /// As [`Table::set`], if the [`Shared::version`] of the key is still that one.
    pub fn set_unchanged(
        &mut self,
        key: &[u8],
        text: &[u8],
        marks: usize,
        deadline: f64,
        version: u64,
    ) -> Result<bool, Rejected> {
        self.prepare(key, text, marks)?;
        self.store(key, text, deadline, Some(version))
    }

    fn prepare(&mut self, key: &[u8], text: &[u8], marks: usize) -> Result<(), Rejected> {
        check_lengths(key, text)?;
        if marks > 0 {
            self.writer.with_holes(key, text, marks).map_err(Rejected::Holes)
        } else {
            self.writer.plain(key);
            Ok(())
        }
    }

    /// Appends the text of a record with markers in its holes, as [`Table::set`] takes it. Returns how many these are, and the
    /// deadline; `None` when there is no such record. A style that only another thread has added becomes the first one.
    pub fn get_marked(&self, key: &[u8], nonce: &str, out: &mut Vec<u8>) -> Option<(usize, f64)> {
        let (copied, deadline) = self.copy(key)?;
        let record = Record::read(copied.bytes());
        record.print_marked(nonce, |style| self.writer.marker_of(style), out);
        Some((record.holes(), deadline))
    }

    /// As [`Table::set`], with any text: it is validated, and stored without blanks.
    pub fn set_json(&mut self, key: &[u8], text: &[u8], deadline: f64) -> Result<bool, Rejected> {
        check_lengths(key, text)?;
        reader::validate(text).map_err(Rejected::NotJson)?;
        self.writer.compact(key, text);
        self.store(key, text, deadline, None)
    }

    fn store(&mut self, key: &[u8], text: &[u8], deadline: f64, version: Option<u64>) -> Result<bool, Rejected> {
        let taken = self.shared.store(&mut self.writer, key, text, deadline, version);
        self.writer.trim();
        taken
    }
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
