//! Memory for many blocks of bytes that come, change and go: a log of pages that is cleaned as it wears. One thread at a
//! time changes it, and any others read meanwhile.

use crate::table::growing::Growing;
use crate::table::sync::{AtomicU64, Held, PAGE_WORDS, Slot, fence, pause};
use crate::table::words::put;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const WORD: usize = size_of::<u64>();
/// Bytes of a page, unless it is one of the first of its table.
pub const PAGE: usize = PAGE_WORDS * WORD;
/// Words of the smallest page: a table with a few records takes little memory. Each page has at least as many words as all
/// before it together, up to [`PAGE_WORDS`].
const FEWEST_WORDS: usize = PAGE_WORDS / 32;
/// Blocks of more bytes, header included, get memory of their own: a page must hold several to fill well.
const LARGEST_IN_PAGE: usize = PAGE / 8;
/// The word before a block: its owner, and above it the sequence number, which is odd while the block is overwritten.
const HEADER: usize = WORD;
const SEQUENCE: u32 = 32;
/// Pages are cleaned when more than one in so many bytes is dead.
const DEAD_SHARE: usize = 12;
/// Pages that are kept for the next need of one.
const SPARE_PAGES: usize = 2;
/// Pages are told apart by their dead words in so many steps.
const LEVELS: usize = 32;
/// Words that are read to have a block in the cache: one in each of its first lines.
const TOUCHED: [usize; 8] = [0, 8, 16, 24, 32, 40, 48, 56];
/// Words between the beginnings of blocks that are read one after the other as if they were one.
const CLOSE: u64 = 128;
const NONE: u32 = u32::MAX;

const OFFSET_BITS: u32 = 13;
const SERIAL_BITS: u32 = 27;
/// One less than the pages that there can be: the last number is that of no place.
const MOST_PAGES: u32 = (1 << (64 - OFFSET_BITS - SERIAL_BITS)) - 1;

/// Where a block lies: the number of its page, the word in it, and bits that tell the page from others that have had
/// its number. A block never moves within a page, and no other one ever takes its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u64);

impl Place {
    /// Where no block is.
    pub const NOWHERE: Self = Self(u64::MAX);

    fn new(page: u32, serial: u32, offset: usize) -> Self {
        Self(u64::from(page) << (SERIAL_BITS + OFFSET_BITS) | u64::from(serial) << OFFSET_BITS | offset as u64)
    }

    pub fn of(bits: u64) -> Self {
        Self(bits)
    }

    pub fn bits(self) -> u64 {
        self.0
    }

    fn page(self) -> u32 {
        (self.0 >> (SERIAL_BITS + OFFSET_BITS)) as u32
    }

    fn serial(self) -> u32 {
        (self.0 >> OFFSET_BITS) as u32 & ((1 << SERIAL_BITS) - 1)
    }

    fn offset(self) -> usize {
        (self.0 & ((1 << OFFSET_BITS) - 1)) as usize
    }

    pub fn is_in_page_of(self, other: Self) -> bool {
        self.0 >> OFFSET_BITS == other.0 >> OFFSET_BITS
    }

    /// Tells whether a block lies so close behind another one that the processor fetches it by itself.
    pub fn is_close_behind(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) <= CLOSE
    }
}

/// The bytes of a block, in whole words. The first word tells how many there are.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    pub words: &'a [u64],
    /// Bytes of it.
    pub length: usize,
}

/// The owners of blocks, which know their places.
pub trait Owners {
    /// Tells whether the block of `owner` is the one at `place`.
    fn holds(&self, owner: u32, place: Place) -> bool;
    /// The block of `owner` has moved.
    fn moved(&mut self, owner: u32, to: Place);
    /// Words of a block of which this is the first.
    fn words_of(&self, first: u64) -> usize;
}

/// A part of memory that is filled front to back, or one block that is too large for any.
pub struct Page {
    serial: u32,
    words: Box<[AtomicU64]>,
    /// Never written again.
    large: Box<[u8]>,
}

/// A block as readers find it.
pub enum Found<'a> {
    /// From its begin to the end of its page. Others may be writing.
    Words(&'a [AtomicU64]),
    Bytes(&'a [u8]),
}

impl Page {
    /// Looks at a block that [`Pages::load`] has found. While it is overwritten, `look` sees a mixture of old and new;
    /// then it has to look again, so that its last result is that of one whole block.
    pub fn look<R>(&self, place: Place, mut look: impl FnMut(Found<'_>) -> R) -> R {
        let block = self.words.get(place.offset()..).and_then(<[_]>::split_first);
        let Some((header, content)) = block else {
            return look(Found::Bytes(&self.large));
        };
        let mut turn = 0;
        loop {
            let before = header.load(Acquire);
            if before >> SEQUENCE & 1 == 0 {
                let found = look(Found::Words(content));
                // Whoever has read a word of a later block sees its number, too.
                fence(Acquire);
                if header.load(Relaxed) == before {
                    return found;
                }
            }
            pause(&mut turn);
        }
    }

    /// Reads a little of a block, so that it is on its way into the cache; what that was means nothing.
    pub fn touch(&self, place: Place) -> u64 {
        let block = self.words.get(place.offset()..).unwrap_or_default();
        let touch = |sum, at: &usize| sum ^ block.get(*at).map_or(0, |word| word.load(Relaxed));
        TOUCHED.iter().fold(0, touch)
    }
}

/// A copy of a block, in memory that is used again and again.
#[derive(Default)]
pub struct Copied {
    words: Vec<u64>,
    large: Option<Arc<Page>>,
}

impl Copied {
    /// Copies a block of a page. `words_of` is as [`Owners::words_of`].
    pub fn copy(&mut self, page: &Arc<Page>, place: Place, words_of: impl Fn(u64) -> usize) {
        self.large = page.words.is_empty().then(|| Arc::clone(page));
        page.look(place, |found| {
            let Found::Words(content) = found else {
                return;
            };
            let length = content.first().map_or(0, |first| words_of(first.load(Relaxed)));
            let content = content.get(..length).unwrap_or_default();
            self.words.clear();
            self.words.extend(content.iter().map(|word| word.load(Relaxed)));
        });
    }

    /// The block, in which the last bytes may mean nothing.
    pub fn bytes(&self) -> &[u8] {
        match &self.large {
            Some(page) => &page.large,
            None => bytemuck::cast_slice(&self.words),
        }
    }
}

/// The pages of a table, as all threads find them.
#[derive(Default)]
pub struct Pages(Growing<Slot<Page>>);

impl Pages {
    /// The page of a place. `None` if its block has moved since the place was read, or is gone.
    pub fn load(&self, place: Place) -> Option<Held<Page>> {
        let page = self.0.get(place.page())?.load();
        let is_it = page.as_ref().is_some_and(|page| page.serial == place.serial());
        is_it.then_some(page)
    }
}

/// A page as its writers know it.
struct Known {
    page: Option<Arc<Page>>,
    /// Words that have blocks, and those of them that are in use.
    filled: usize,
    live: usize,
    previous: u32,
    next: u32,
    /// The list it is in; 0 for none.
    level: usize,
}

impl Known {
    fn of(page: Arc<Page>) -> Self {
        Self {
            page: Some(page),
            filled: 0,
            live: 0,
            previous: NONE,
            next: NONE,
            level: 0,
        }
    }

    fn dead(&self) -> usize {
        self.filled - self.live
    }
}

/// What writers know of the blocks, each of which has the number of its owner. At most a twelfth of what the pages hold,
/// and one page, stays dead as long as [`Arena::clean`] is called after every change.
pub struct Arena {
    pages: Vec<Known>,
    vacant: Vec<u32>,
    spare: Vec<Box<[AtomicU64]>>,
    /// Of the next page.
    serial: u32,
    /// The page that new blocks are added to.
    open: u32,
    /// First page of each level, and one bit for each level that has one.
    levels: [u32; LEVELS + 1],
    filled: u64,
    /// Words.
    used: usize,
    dead: usize,
    large: usize,
    large_bytes: usize,
    /// Words of all pages.
    held: usize,
}

impl Default for Arena {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            vacant: Vec::new(),
            spare: Vec::new(),
            serial: 0,
            open: NONE,
            levels: [NONE; LEVELS + 1],
            filled: 0,
            used: 0,
            dead: 0,
            large: 0,
            large_bytes: 0,
            held: 0,
        }
    }
}

impl Arena {
    /// Adds a block. `None` when there is no memory for it.
    pub fn insert(&mut self, pages: &Pages, owner: u32, content: Content<'_>) -> Option<Place> {
        if block_size(content.length) > LARGEST_IN_PAGE {
            return self.insert_large(pages, content);
        }
        self.make_room(pages, 1 + content.words.len())?;
        self.append(owner, content.words.len(), |block| put(block, content.words))
    }

    /// Writes another block over the one at `place`, which has `old` words, if it takes the same room. Returns whether it did.
    pub fn overwrite(&mut self, place: Place, old: usize, content: Content<'_>) -> bool {
        let Some(page) = self.page(place) else {
            return false;
        };
        if old != content.words.len() {
            return false;
        }
        let block = page.words.get(place.offset()..).and_then(<[_]>::split_first);
        let Some((header, block)) = block else {
            return false;
        };
        let before = header.load(Relaxed);
        header.store(before.wrapping_add(1 << SEQUENCE), Relaxed);
        // Whoever reads a word that is stored from now on sees that the number is odd, or a later one.
        fence(Release);
        put(block, content.words);
        header.store(before.wrapping_add(2 << SEQUENCE), Release);
        true
    }

    /// The page of a block, for the writer.
    pub fn page(&self, place: Place) -> Option<&Arc<Page>> {
        self.pages.get(place.page() as usize)?.page.as_ref()
    }

    /// Drops the block at `place`, which has so many words.
    pub fn remove(&mut self, pages: &Pages, place: Place, words: usize) {
        let number = place.page();
        let Some(known) = self.pages.get_mut(number as usize) else {
            return;
        };
        let Some(page) = &known.page else {
            return;
        };
        if page.words.is_empty() {
            self.large -= 1;
            self.large_bytes -= page.large.len();
            self.retire(pages, number);
            return;
        }
        known.live -= 1 + words;
        self.dead += 1 + words;
        if known.live > 0 {
            self.link(number);
            return;
        }
        // The place of a block is never another one's: an open page, too, is not filled anew.
        if number == self.open {
            self.open = NONE;
        }
        self.retire(pages, number);
    }

    /// Moves the blocks of the page with most dead bytes together, when too many bytes are dead. At most one page is
    /// cleaned in a call, which is enough when it follows every change. Returns whether one was.
    pub fn clean(&mut self, pages: &Pages, owners: &mut impl Owners) -> bool {
        if self.dead <= PAGE_WORDS + self.used / DEAD_SHARE {
            return false;
        }
        let Some(level) = self.filled.checked_ilog2() else {
            return false;
        };
        // The rest of one page fits into the rest of the open one and one more.
        if self.spare.is_empty() && !self.add_spare() {
            return false;
        }
        let Some(&victim) = self.levels.get(level as usize) else {
            return false;
        };
        let Some(known) = self.pages.get(victim as usize) else {
            return false;
        };
        let (Some(page), filled) = (known.page.clone(), known.filled) else {
            return false;
        };
        let mut offset = 0;
        while offset < filled
            && let Some((header, block)) = page.words.get(offset..).and_then(<[_]>::split_first)
            && let Some(first) = block.first()
        {
            let from = Place::new(victim, page.serial, offset);
            let (owner, length) = (header.load(Relaxed) as u32, owners.words_of(first.load(Relaxed)));
            if owners.holds(owner, from)
                && let Some(block) = block.get(..length)
                && self.make_room(pages, 1 + length).is_some()
                && let Some(to) = self.append(owner, length, |to| {
                    for (to, from) in to.iter().zip(block) {
                        to.store(from.load(Relaxed), Relaxed);
                    }
                })
            {
                owners.moved(owner, to);
            }
            offset += 1 + length;
        }
        drop(page);
        // Readers that still come for it find it gone, and by then the new places.
        self.retire(pages, victim);
        true
    }

    /// Drops all blocks.
    pub fn clear(&mut self, pages: &Pages) {
        for number in 0..self.pages.len() as u32 {
            if let Some(slot) = pages.0.get(number) {
                slot.store(None);
            }
        }
        // Places of before must not be found in pages of after.
        let serial = self.serial;
        *self = Self {
            serial,
            ..Self::default()
        };
    }

    /// Bytes of memory that are held for blocks.
    pub fn held(&self, pages: &Pages) -> usize {
        (self.held + self.spare.len() * PAGE_WORDS) * WORD
            + self.pages.capacity() * (size_of::<Known>() + size_of::<Page>())
            + pages.0.held()
            + self.large_bytes
    }

    fn insert_large(&mut self, pages: &Pages, content: Content<'_>) -> Option<Place> {
        let bytes = bytemuck::cast_slice::<u64, u8>(content.words).get(..content.length)?;
        let mut large = Vec::new();
        large.try_reserve_exact(bytes.len()).ok()?;
        large.extend_from_slice(bytes);
        let number = self.publish(pages, Box::default(), large.into())?;
        self.large += 1;
        self.large_bytes += bytes.len();
        self.pages
            .get_mut(number as usize)?
            .page
            .as_ref()
            .map(|page| Place::new(number, page.serial, 0))
    }

    /// Makes sure that the open page has room for so many words.
    fn make_room(&mut self, pages: &Pages, words: usize) -> Option<()> {
        let known = self.pages.get(self.open as usize);
        let room = known.and_then(|known| Some(known.page.as_ref()?.words.len() - known.filled));
        if room.is_some_and(|room| words <= room) {
            return Some(());
        }
        // Small ones are for the begin: pages are cleaned only when there is more.
        let size = self.held.max(words).next_power_of_two().clamp(FEWEST_WORDS, PAGE_WORDS);
        let memory = if size < PAGE_WORDS {
            fresh(size)
        } else {
            self.spare.pop().or_else(|| fresh(size))
        }?;
        let full = std::mem::replace(&mut self.open, NONE);
        self.link(full);
        self.open = self.publish(pages, memory, Box::default())?;
        Some(())
    }

    /// Makes a page known to all; its number.
    fn publish(&mut self, pages: &Pages, words: Box<[AtomicU64]>, large: Box<[u8]>) -> Option<u32> {
        let serial = self.serial;
        let size = words.len();
        let page = Arc::new(Page { serial, words, large });
        let known = Known::of(Arc::clone(&page));
        let number = match self.vacant.pop() {
            Some(number) => {
                *self.pages.get_mut(number as usize)? = known;
                number
            }
            None => {
                let number = u32::try_from(self.pages.len())
                    .ok()
                    .filter(|number| *number < MOST_PAGES)?;
                pages.0.make(number)?;
                self.pages.try_reserve(1).ok()?;
                self.pages.push(known);
                number
            }
        };
        self.serial = (serial + 1) & ((1 << SERIAL_BITS) - 1);
        self.held += size;
        pages.0.get(number)?.store(Some(page));
        Some(number)
    }

    fn add_spare(&mut self) -> bool {
        let memory = fresh(PAGE_WORDS);
        let added = memory.is_some();
        self.spare.extend(memory);
        added
    }

    /// Adds a block to the open page, where nobody looks before its place is known.
    fn append(&mut self, owner: u32, words: usize, write: impl FnOnce(&[AtomicU64])) -> Option<Place> {
        let known = self.pages.get_mut(self.open as usize)?;
        let page = known.page.as_ref()?;
        let offset = known.filled;
        let (header, block) = page.words.get(offset..=offset + words)?.split_first()?;
        header.store(owner.into(), Relaxed);
        write(block);
        known.filled += 1 + words;
        known.live += 1 + words;
        self.used += 1 + words;
        Some(Place::new(self.open, page.serial, offset))
    }

    /// Gives back a page without blocks.
    fn retire(&mut self, pages: &Pages, number: u32) {
        self.unlink(number);
        if let Some(slot) = pages.0.get(number) {
            slot.store(None);
        }
        let Some(known) = self.pages.get_mut(number as usize) else {
            return;
        };
        self.used -= known.filled;
        self.dead -= known.dead();
        (known.filled, known.live) = (0, 0);
        let page = known.page.take();
        self.held -= page.as_ref().map_or(0, |page| page.words.len());
        self.vacant.push(number);
        // Only memory that no reader holds is used again.
        if self.spare.len() < SPARE_PAGES
            && let Some(page) = page.and_then(Arc::into_inner)
            && page.words.len() == PAGE_WORDS
        {
            self.spare.push(page.words);
        }
    }

    /// Puts a page, unless it is open, into the list that its dead words say.
    fn link(&mut self, number: u32) {
        if number == self.open {
            return;
        }
        let Some(known) = self.pages.get(number as usize) else {
            return;
        };
        let level = (known.dead() * LEVELS).div_ceil(PAGE_WORDS).min(LEVELS);
        if level == known.level {
            return;
        }
        self.unlink(number);
        let Some(first) = self.levels.get_mut(level) else {
            return;
        };
        let next = std::mem::replace(first, number);
        self.filled |= 1 << level;
        if let Some(known) = self.pages.get_mut(number as usize) {
            (known.level, known.previous, known.next) = (level, NONE, next);
        }
        if let Some(known) = self.pages.get_mut(next as usize) {
            known.previous = number;
        }
    }

    fn unlink(&mut self, number: u32) {
        let Some(known) = self.pages.get_mut(number as usize) else {
            return;
        };
        let (level, previous, next) = (known.level, known.previous, known.next);
        if level == 0 {
            return;
        }
        known.level = 0;
        if let Some(known) = self.pages.get_mut(next as usize) {
            known.previous = previous;
        }
        if let Some(known) = self.pages.get_mut(previous as usize) {
            known.next = next;
        } else if let Some(first) = self.levels.get_mut(level) {
            *first = next;
            if next == NONE {
                self.filled &= !(1 << level);
            }
        }
    }
}

fn fresh(words: usize) -> Option<Box<[AtomicU64]>> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(words).ok()?;
    memory.resize_with(words, AtomicU64::default);
    Some(memory.into_boxed_slice())
}

/// Bytes that a block of so many takes in a page, header included.
pub fn block_size(length: usize) -> usize {
    HEADER + length.next_multiple_of(WORD)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// A block is how many words it has, and these.
    #[derive(Default)]
    struct Model {
        places: HashMap<u32, Place>,
        blocks: HashMap<u32, Vec<u64>>,
    }

    impl Owners for Model {
        fn holds(&self, owner: u32, place: Place) -> bool {
            self.places.get(&owner) == Some(&place)
        }

        fn moved(&mut self, owner: u32, to: Place) {
            self.places.insert(owner, to);
        }

        fn words_of(&self, first: u64) -> usize {
            first as usize
        }
    }

    fn content(words: &[u64]) -> Content<'_> {
        Content {
            words,
            length: size_of_val(words),
        }
    }

    fn block(word: usize, bytes: usize) -> Vec<u64> {
        let length = bytes / WORD + 1;
        let mut block = vec![word as u64; length];
        block[0] = length as u64;
        block
    }

    fn read(pages: &Pages, place: Place) -> Option<Vec<u64>> {
        let page = pages.load(place)?;
        let mut copied = Copied::default();
        copied.copy(page.as_ref()?, place, |first| first as usize);
        let (words, _) = copied.bytes().as_chunks::<WORD>();
        Some(words.iter().map(|word| u64::from_ne_bytes(*word)).collect())
    }

    impl Model {
        fn set(&mut self, arena: &mut Arena, pages: &Pages, owner: u32, block: Vec<u64>) {
            let old = self.places.get(&owner).copied();
            let length = self.blocks.get(&owner).map_or(0, Vec::len);
            if !old.is_some_and(|place| arena.overwrite(place, length, content(&block))) {
                let place = arena.insert(pages, owner, content(&block)).unwrap();
                self.places.insert(owner, place);
                if let Some(place) = old {
                    arena.remove(pages, place, length);
                }
            }
            self.blocks.insert(owner, block);
        }

        fn remove(&mut self, arena: &mut Arena, pages: &Pages, owner: u32) {
            let block = self.blocks.remove(&owner);
            if let (Some(place), Some(block)) = (self.places.remove(&owner), block) {
                arena.remove(pages, place, block.len());
            }
        }

        fn check(&self, arena: &Arena, pages: &Pages) {
            for (owner, block) in &self.blocks {
                assert_eq!(read(pages, self.places[owner]).as_ref(), Some(block));
            }
            let filled: usize = arena.pages.iter().map(|page| page.filled).sum();
            let live: usize = arena.pages.iter().map(|page| page.live).sum();
            assert_eq!((arena.used, arena.dead), (filled, filled - live));
            let sizes = self.blocks.values().map(|block| block_size(block.len() * WORD));
            let in_pages: usize = sizes.filter(|size| *size <= LARGEST_IN_PAGE).sum();
            assert_eq!(live * WORD, in_pages);
        }
    }

    /// Numbers that look random, the same each time.
    fn random(state: &mut u64) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 16) as usize
    }

    #[test]
    fn blocks_stay_what_they_are_while_pages_are_cleaned() {
        let steps = if cfg!(miri) { 400 } else { 20_000 };
        for largest in [30, 400, 3000, 12_000] {
            let (mut arena, pages, mut model, mut state) =
                (Arena::default(), Pages::default(), Model::default(), 88172645463325252);
            for step in 0..steps {
                let owner = (random(&mut state) % (8_000_000 / largest).clamp(100, steps)) as u32;
                match random(&mut state) % 4 {
                    0 => model.remove(&mut arena, &pages, owner),
                    _ => model.set(&mut arena, &pages, owner, block(step, random(&mut state) % largest)),
                }
                arena.clean(&pages, &mut model);
                assert!(arena.dead <= PAGE_WORDS + arena.used / DEAD_SHARE);
                if step % (steps / 5) == 0 {
                    model.check(&arena, &pages);
                }
            }
            model.check(&arena, &pages);
            for owner in model.places.keys().copied().collect::<Vec<_>>() {
                model.remove(&mut arena, &pages, owner);
                arena.clean(&pages, &mut model);
            }
            model.check(&arena, &pages);
            assert_eq!((arena.used, arena.dead, arena.large, arena.large_bytes), (0, 0, 0, 0));
            assert!(arena.pages.len() - arena.vacant.len() <= 1);
            assert!(arena.spare.len() <= SPARE_PAGES);
        }
    }

    #[test]
    fn places_without_a_block() {
        let (mut arena, pages) = (Arena::default(), Pages::default());
        arena.remove(&pages, Place::NOWHERE, 1);
        assert_eq!(read(&pages, Place::NOWHERE), None);
        assert!(!arena.overwrite(Place::NOWHERE, 1, content(&[1])));
        let place = arena.insert(&pages, 1, content(&[2, 7])).unwrap();
        assert_eq!(read(&pages, place), Some(vec![2, 7]));
        arena.clear(&pages);
        assert_eq!(read(&pages, place), None);
        let next = arena.insert(&pages, 1, content(&[2, 8])).unwrap();
        assert_eq!((read(&pages, place), read(&pages, next)), (None, Some(vec![2, 8])));
    }

    #[test]
    fn a_page_that_is_held_outlives_its_blocks() {
        for bytes in [10, 100_000] {
            let (mut arena, pages) = (Arena::default(), Pages::default());
            let words = block(7, bytes);
            let place = arena.insert(&pages, 1, content(&words)).unwrap();
            let page = pages.load(place).unwrap();
            arena.remove(&pages, place, words.len());
            for owner in 0..3 {
                arena.insert(&pages, owner, content(&block(8, bytes))).unwrap();
            }
            assert_eq!(read(&pages, place), None);
            let mut copied = Copied::default();
            copied.copy(page.as_ref().unwrap(), place, |first| first as usize);
            assert_eq!(bytemuck::cast_slice::<u64, u8>(&words), copied.bytes());
        }
    }
}
