//! Memory for many blocks of bytes that come, change and go: a log of pages that is cleaned as it wears.

use std::rc::Rc;

/// Bytes of a page.
pub const PAGE: usize = 64 << 10;
/// Blocks of more bytes, header included, get memory of their own: a page must hold several to fill well.
const LARGEST_IN_PAGE: usize = PAGE / 8;
/// Sizes are rounded up to this, so that most new values of about the same length fit where the old one lies.
const UNIT: usize = 8;
/// Owner and length of a block.
const HEADER: usize = 8;
/// Pages are cleaned when more than one in so many bytes is dead.
const DEAD_SHARE: usize = 12;
/// Pages that are kept for the next need of one.
const SPARE_PAGES: usize = 2;
/// Pages are told apart by their dead bytes in so many steps.
const LEVELS: usize = 32;
/// Bytes that are read to have a block in the cache: one in each of its first lines.
const TOUCHED: [usize; 8] = [0, 64, 128, 192, 256, 320, 384, 448];
/// Bytes between the beginnings of blocks that are read one after the other as if they were one.
const CLOSE: u32 = 1024;
const NONE: u32 = u32::MAX;

/// Where a block lies. It changes when pages are cleaned; the owner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// [`NONE`] for a block with memory of its own.
    page: u32,
    offset: u32,
}

impl Place {
    /// Tells whether a block lies so close behind another one that the processor fetches it by itself.
    pub fn is_close_behind(&self, other: Place) -> bool {
        self.page == other.page && self.offset.wrapping_sub(other.offset) <= CLOSE
    }
}

impl Default for Place {
    fn default() -> Self {
        Self {
            page: NONE,
            offset: NONE,
        }
    }
}

/// The owners of blocks, which know their places.
pub trait Owners {
    /// Tells whether the block of `owner` is the one at `place`.
    fn holds(&self, owner: u32, place: Place) -> bool;
    /// The block of `owner` has moved.
    fn moved(&mut self, owner: u32, to: Place);
}

/// A part of memory that is filled front to back.
struct Page {
    /// Never grows beyond its first allocation.
    memory: Vec<u8>,
    live: usize,
    previous: u32,
    next: u32,
    /// The list it is in; 0 for none.
    level: usize,
}

impl Page {
    fn dead(&self) -> usize {
        self.memory.len() - self.live
    }
}

/// Holds blocks, each with the number of its owner. At most a twelfth of what the pages hold, and one page, stays dead
/// as long as [`Arena::clean`] is called after every change.
pub struct Arena {
    pages: Vec<Page>,
    vacant: Vec<u32>,
    spare: Vec<Vec<u8>>,
    /// The page that new blocks are added to.
    open: u32,
    /// First page of each level, and one bit for each level that has one.
    levels: [u32; LEVELS + 1],
    filled: u64,
    used: usize,
    dead: usize,
    large: Vec<Option<Rc<[u8]>>>,
    vacant_large: Vec<u32>,
    large_bytes: usize,
}

impl Default for Arena {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            vacant: Vec::new(),
            spare: Vec::new(),
            open: NONE,
            levels: [NONE; LEVELS + 1],
            filled: 0,
            used: 0,
            dead: 0,
            large: Vec::new(),
            vacant_large: Vec::new(),
            large_bytes: 0,
        }
    }
}

impl Arena {
    /// Adds a block made of `parts`. `None` when there is no memory for it.
    pub fn insert(&mut self, owner: u32, parts: &[&[u8]]) -> Option<Place> {
        let length = length_of(parts);
        let size = block_size(length);
        if size > LARGEST_IN_PAGE {
            return self.insert_large(parts, length);
        }
        self.make_room(size)?;
        self.append(size, |memory| {
            memory.extend_from_slice(&owner.to_le_bytes());
            memory.extend_from_slice(&(length as u32).to_le_bytes());
            for part in parts {
                memory.extend_from_slice(part);
            }
        })
    }

    /// Writes another block over the one at `place`, if it takes the same room. Returns whether it did.
    pub fn overwrite(&mut self, place: Place, parts: &[&[u8]]) -> bool {
        let Some(page) = self.pages.get_mut(place.page as usize) else {
            return false;
        };
        let length = length_of(parts);
        let offset = place.offset as usize;
        let Some((_, old)) = header(&page.memory, offset) else {
            return false;
        };
        if block_size(old) != block_size(length) {
            return false;
        }
        let Some(block) = page.memory.get_mut(offset + 4..offset + HEADER + length) else {
            return false;
        };
        let mut at = 0;
        for part in [&(length as u32).to_le_bytes()[..]].iter().chain(parts) {
            if let Some(target) = block.get_mut(at..at + part.len()) {
                target.copy_from_slice(part);
            }
            at += part.len();
        }
        true
    }

    /// The block at `place`; empty for a place that has none.
    pub fn get(&self, place: Place) -> &[u8] {
        if place.page == NONE {
            return self.large(place).map_or(&[], |block| block);
        }
        self.pages
            .get(place.page as usize)
            .and_then(|page| block(&page.memory, place.offset as usize))
            .unwrap_or_default()
    }

    /// Reads a little of the block at `place`, so that it is on its way into the cache; what that was means nothing.
    pub fn touch(&self, place: Place) -> u8 {
        let memory = self.pages.get(place.page as usize).map_or(&[][..], |page| &page.memory);
        let block = memory.get(place.offset as usize..).unwrap_or_default();
        let touch = |block: &[u8]| TOUCHED.iter().fold(0, |sum, at| sum ^ block.get(*at).unwrap_or(&0));
        // Mostly there are as many bytes: then none is looked for.
        block
            .first_chunk::<512>()
            .map_or_else(|| touch(block), |block| touch(block))
    }

    /// The block at `place`, to outlive any change.
    pub fn hold(&self, place: Place) -> Rc<[u8]> {
        match self.large(place) {
            Some(block) if place.page == NONE => Rc::clone(block),
            _ => Rc::from(self.get(place)),
        }
    }

    /// Drops the block at `place`.
    pub fn remove(&mut self, place: Place) {
        if place.page == NONE {
            if let Some(block) = self.large.get_mut(place.offset as usize).and_then(Option::take) {
                self.large_bytes -= block.len();
                self.vacant_large.push(place.offset);
            }
            return;
        }
        let Some(page) = self.pages.get_mut(place.page as usize) else {
            return;
        };
        let Some((_, length)) = header(&page.memory, place.offset as usize) else {
            return;
        };
        page.live -= block_size(length);
        self.dead += block_size(length);
        if page.live > 0 {
            self.link(place.page);
        } else if place.page == self.open {
            self.used -= page.memory.len();
            self.dead -= page.memory.len();
            page.memory.clear();
        } else {
            self.retire(place.page);
        }
    }

    /// Moves the blocks of the page with most dead bytes together, when too many bytes are dead. At most one page is
    /// cleaned in a call, which is enough when it follows every change. Returns whether one was.
    pub fn clean(&mut self, owners: &mut impl Owners) -> bool {
        if self.dead <= PAGE + self.used / DEAD_SHARE {
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
        let Some(page) = self.pages.get_mut(victim as usize) else {
            return false;
        };
        let memory = std::mem::take(&mut page.memory);
        let mut offset = 0;
        while let Some((owner, length)) = header(&memory, offset) {
            let from = Place {
                page: victim,
                offset: offset as u32,
            };
            let size = block_size(length);
            if owners.holds(owner, from)
                && let Some(block) = memory.get(offset..offset + HEADER + length)
                && self.make_room(size).is_some()
                && let Some(to) = self.append(size, |memory| memory.extend_from_slice(block))
            {
                owners.moved(owner, to);
            }
            offset += size;
        }
        if let Some(page) = self.pages.get_mut(victim as usize) {
            page.memory = memory;
        }
        self.retire(victim);
        true
    }

    /// Bytes of memory that are held for blocks.
    pub fn held(&self) -> usize {
        (self.pages.len() - self.vacant.len() + self.spare.len()) * PAGE
            + self.pages.capacity() * size_of::<Page>()
            + self.large.capacity() * size_of::<Option<Rc<[u8]>>>()
            + self.large_bytes
    }

    fn large(&self, place: Place) -> Option<&Rc<[u8]>> {
        self.large.get(place.offset as usize)?.as_ref()
    }

    fn insert_large(&mut self, parts: &[&[u8]], length: usize) -> Option<Place> {
        let mut block = Vec::new();
        block.try_reserve_exact(length).ok()?;
        for part in parts {
            block.extend_from_slice(part);
        }
        let block = Some(Rc::from(block));
        let offset = match self.vacant_large.pop() {
            Some(offset) => {
                *self.large.get_mut(offset as usize)? = block;
                offset
            }
            None => {
                self.large.try_reserve(1).ok()?;
                self.large.push(block);
                self.large.len() as u32 - 1
            }
        };
        self.large_bytes += length;
        Some(Place { page: NONE, offset })
    }

    /// Makes sure that the open page has room for `size` bytes.
    fn make_room(&mut self, size: usize) -> Option<()> {
        if let Some(page) = self.pages.get(self.open as usize) {
            if page.memory.len() + size <= PAGE {
                return Some(());
            }
            if self.spare.is_empty() && !self.add_spare() {
                return None;
            }
            let full = std::mem::replace(&mut self.open, NONE);
            self.link(full);
        }
        if self.spare.is_empty() && !self.add_spare() {
            return None;
        }
        let page = Page {
            memory: self.spare.pop()?,
            live: 0,
            previous: NONE,
            next: NONE,
            level: 0,
        };
        self.open = match self.vacant.pop() {
            Some(number) => {
                *self.pages.get_mut(number as usize)? = page;
                number
            }
            None => {
                self.pages.try_reserve(1).ok()?;
                self.pages.push(page);
                self.pages.len() as u32 - 1
            }
        };
        Some(())
    }

    fn add_spare(&mut self) -> bool {
        let mut memory = Vec::new();
        let added = memory.try_reserve_exact(PAGE).is_ok();
        if added {
            self.spare.push(memory);
        }
        added
    }

    fn append(&mut self, size: usize, write: impl FnOnce(&mut Vec<u8>)) -> Option<Place> {
        let page = self.pages.get_mut(self.open as usize)?;
        let offset = page.memory.len();
        write(&mut page.memory);
        page.memory.resize(offset + size, 0);
        page.live += size;
        self.used += size;
        Some(Place {
            page: self.open,
            offset: offset as u32,
        })
    }

    /// Gives back a page without blocks.
    fn retire(&mut self, number: u32) {
        self.unlink(number);
        let Some(page) = self.pages.get_mut(number as usize) else {
            return;
        };
        let mut memory = std::mem::take(&mut page.memory);
        self.used -= memory.len();
        self.dead -= memory.len() - page.live;
        page.live = 0;
        self.vacant.push(number);
        if self.spare.len() < SPARE_PAGES {
            memory.clear();
            self.spare.push(memory);
        }
    }

    /// Puts a page, unless it is open, into the list that its dead bytes say.
    fn link(&mut self, number: u32) {
        if number == self.open {
            return;
        }
        let Some(page) = self.pages.get(number as usize) else {
            return;
        };
        let level = (page.dead() * LEVELS).div_ceil(PAGE).min(LEVELS);
        if level == page.level {
            return;
        }
        self.unlink(number);
        let Some(first) = self.levels.get_mut(level) else {
            return;
        };
        let next = std::mem::replace(first, number);
        self.filled |= 1 << level;
        if let Some(page) = self.pages.get_mut(number as usize) {
            (page.level, page.previous, page.next) = (level, NONE, next);
        }
        if let Some(page) = self.pages.get_mut(next as usize) {
            page.previous = number;
        }
    }

    fn unlink(&mut self, number: u32) {
        let Some(page) = self.pages.get_mut(number as usize) else {
            return;
        };
        let (level, previous, next) = (page.level, page.previous, page.next);
        if level == 0 {
            return;
        }
        page.level = 0;
        if let Some(page) = self.pages.get_mut(next as usize) {
            page.previous = previous;
        }
        if let Some(page) = self.pages.get_mut(previous as usize) {
            page.next = next;
        } else if let Some(first) = self.levels.get_mut(level) {
            *first = next;
            if next == NONE {
                self.filled &= !(1 << level);
            }
        }
    }
}

fn length_of(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

/// Bytes that a block of so many takes in a page, header included.
pub fn block_size(length: usize) -> usize {
    (HEADER + length).next_multiple_of(UNIT)
}

/// Owner and length of the block at `offset`.
fn header(memory: &[u8], offset: usize) -> Option<(u32, usize)> {
    let (owner, rest) = memory.get(offset..)?.split_first_chunk::<4>()?;
    let (length, _) = rest.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*owner), u32::from_le_bytes(*length) as usize))
}

fn block(memory: &[u8], offset: usize) -> Option<&[u8]> {
    let (_, length) = header(memory, offset)?;
    memory.get(offset + HEADER..offset + HEADER + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[derive(Default)]
    struct Model {
        places: HashMap<u32, Place>,
        blocks: HashMap<u32, Vec<u8>>,
    }

    impl Owners for Model {
        fn holds(&self, owner: u32, place: Place) -> bool {
            self.places.get(&owner) == Some(&place)
        }

        fn moved(&mut self, owner: u32, to: Place) {
            self.places.insert(owner, to);
        }
    }

    impl Model {
        fn set(&mut self, arena: &mut Arena, owner: u32, block: Vec<u8>) {
            let parts: [&[u8]; 2] = [&block[..block.len() / 2], &block[block.len() / 2..]];
            let old = self.places.get(&owner).copied();
            if !old.is_some_and(|place| arena.overwrite(place, &parts)) {
                self.places.insert(owner, arena.insert(owner, &parts).unwrap());
                if let Some(place) = old {
                    arena.remove(place);
                }
            }
            self.blocks.insert(owner, block);
        }

        fn remove(&mut self, arena: &mut Arena, owner: u32) {
            self.blocks.remove(&owner);
            if let Some(place) = self.places.remove(&owner) {
                arena.remove(place);
            }
        }

        fn check(&self, arena: &Arena) {
            for (owner, block) in &self.blocks {
                assert_eq!(arena.get(self.places[owner]), block);
                assert_eq!(&*arena.hold(self.places[owner]), block);
            }
            let filled: usize = arena.pages.iter().map(|page| page.memory.len()).sum();
            let live: usize = arena.pages.iter().map(|page| page.live).sum();
            assert_eq!((arena.used, arena.dead), (filled, filled - live));
            let sizes = self.blocks.values().map(|block| block_size(block.len()));
            assert_eq!(live, sizes.filter(|size| *size <= LARGEST_IN_PAGE).sum::<usize>());
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
        for largest in [30, 400, 3000, 12_000] {
            let (mut arena, mut model, mut state) = (Arena::default(), Model::default(), 88172645463325252);
            for step in 0..20_000 {
                let owner = (random(&mut state) % (8_000_000 / largest).clamp(100, 20_000)) as u32;
                match random(&mut state) % 4 {
                    0 => model.remove(&mut arena, owner),
                    _ => model.set(&mut arena, owner, vec![step as u8; random(&mut state) % largest]),
                }
                arena.clean(&mut model);
                assert!(arena.dead <= PAGE + arena.used / DEAD_SHARE);
                if step % 4000 == 0 {
                    model.check(&arena);
                }
            }
            model.check(&arena);
            for owner in model.places.keys().copied().collect::<Vec<_>>() {
                model.remove(&mut arena, owner);
                arena.clean(&mut model);
            }
            model.check(&arena);
            assert_eq!((arena.used, arena.dead, arena.large_bytes), (0, 0, 0));
            assert!(arena.pages.len() - arena.vacant.len() <= 1);
            assert!(arena.spare.len() <= SPARE_PAGES);
        }
    }

    #[test]
    fn places_without_a_block() {
        let mut arena = Arena::default();
        arena.remove(Place::default());
        assert_eq!(arena.get(Place::default()), b"");
        assert!(!arena.overwrite(Place::default(), &[b"x"]));
        let place = arena.insert(1, &[b"abc"]).unwrap();
        let beyond = Place { offset: 64, ..place };
        arena.remove(beyond);
        assert_eq!(arena.get(beyond), b"");
        assert_eq!(arena.get(place), b"abc");
    }

    #[test]
    fn what_is_held_outlives_the_block() {
        let mut arena = Arena::default();
        for length in [10, 100_000] {
            let place = arena.insert(1, &[&vec![7; length]]).unwrap();
            let held = arena.hold(place);
            arena.overwrite(place, &[&vec![8; length]]);
            arena.remove(place);
            assert_eq!(&*held, vec![7; length]);
        }
    }
}
