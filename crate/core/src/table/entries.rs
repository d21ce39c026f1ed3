//! The entries of a record table: numbered, so that walks over them go on while they change.

use crate::table::arena::{Owners, Place};

/// Entries are allocated this many at a time.
const CHUNK: usize = 1024;

/// The facts of a record that are known without looking at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    pub place: Place,
    pub hash: u32,
    /// The generation it was added in, see [`crate::table::records::Walk`].
    pub born: u32,
    /// Infinite for none.
    pub deadline: f64,
}

struct Chunk {
    /// One bit for each entry in use.
    used: [u64; CHUNK / 64],
    count: usize,
    entries: [Entry; CHUNK],
}

impl Chunk {
    fn is_used(&self, at: usize) -> bool {
        self.used.get(at / 64).is_some_and(|bits| bits >> (at % 64) & 1 == 1)
    }

    /// The first entry in use from `at` on.
    fn next(&self, at: usize) -> Option<usize> {
        let mut below = u64::MAX << (at % 64);
        for (index, bits) in self.used.iter().enumerate().skip(at / 64) {
            let bits = bits & below;
            if bits != 0 {
                return Some(index * 64 + bits.trailing_zeros() as usize);
            }
            below = u64::MAX;
        }
        None
    }

    /// Takes the first free place.
    fn take(&mut self) -> Option<usize> {
        let (index, bits) = self.used.iter_mut().enumerate().find(|(_, bits)| **bits != u64::MAX)?;
        let bit = bits.trailing_ones() as usize;
        *bits |= 1 << bit;
        self.count += 1;
        Some(index * 64 + bit)
    }
}

/// Entries by number. A number stays the same as long as its entry lives, and is used again afterwards.
#[derive(Default)]
pub struct Entries {
    chunks: Vec<Option<Box<Chunk>>>,
    /// Chunks that are not full, each once.
    open: Vec<u32>,
    allocated: usize,
    count: usize,
}

impl Entries {
    /// Adds an entry and returns its number; `None` when 2^32 - 1024 are there.
    pub fn insert(&mut self, entry: Entry) -> Option<u32> {
        let number = match self.open.last() {
            Some(&number) => number,
            None => {
                let number = u32::try_from(self.chunks.len()).ok()?;
                (number as usize * CHUNK < u32::MAX as usize - CHUNK).then_some(())?;
                self.chunks.try_reserve(1).ok()?;
                self.open.try_reserve(1).ok()?;
                self.chunks.push(None);
                self.open.push(number);
                number
            }
        };
        let place = self.chunks.get_mut(number as usize)?;
        if place.is_none() {
            self.allocated += 1;
        }
        let chunk = place.get_or_insert_with(|| {
            Box::new(Chunk {
                used: [0; CHUNK / 64],
                count: 0,
                entries: [Entry::default(); CHUNK],
            })
        });
        let at = chunk.take()?;
        *chunk.entries.get_mut(at)? = entry;
        if chunk.count == CHUNK {
            self.open.pop();
        }
        self.count += 1;
        Some(number * CHUNK as u32 + at as u32)
    }

    pub fn get(&self, id: u32) -> Option<&Entry> {
        let chunk = self.chunks.get(id as usize / CHUNK)?.as_ref()?;
        let at = id as usize % CHUNK;
        if chunk.is_used(at) { chunk.entries.get(at) } else { None }
    }

    pub fn get_mut(&mut self, id: u32) -> Option<&mut Entry> {
        let chunk = self.chunks.get_mut(id as usize / CHUNK)?.as_mut()?;
        let at = id as usize % CHUNK;
        if chunk.is_used(at) {
            chunk.entries.get_mut(at)
        } else {
            None
        }
    }

    /// Removes an entry and returns it.
    pub fn remove(&mut self, id: u32) -> Option<Entry> {
        let entry = *self.get(id)?;
        let number = id as usize / CHUNK;
        let place = self.chunks.get_mut(number)?;
        let chunk = place.as_mut()?;
        let at = id as usize % CHUNK;
        *chunk.used.get_mut(at / 64)? &= !(1 << (at % 64));
        if chunk.count == CHUNK {
            self.open.push(number as u32);
        }
        chunk.count -= 1;
        self.count -= 1;
        // Some room stays, so that a table around the end of a chunk does not allocate with every change.
        if chunk.count == 0 && self.allocated * CHUNK - self.count > 2 * CHUNK {
            *place = None;
            self.allocated -= 1;
        }
        Some(entry)
    }

    /// The first entry from `from` on, below `end`. Takes a step for each 64 entries that are free, and one for each
    /// 1024 where none is in use.
    pub fn next(&self, from: u32, end: u32) -> Option<(u32, &Entry)> {
        // Mostly it is that one.
        if from < end
            && let Some(entry) = self.get(from)
        {
            return Some((from, entry));
        }
        let mut at = from as usize % CHUNK;
        for (number, chunk) in self.chunks.iter().enumerate().skip(from as usize / CHUNK) {
            let start = (number * CHUNK) as u32;
            if start >= end {
                return None;
            }
            if let Some(chunk) = chunk
                && let Some(found) = chunk.next(at)
            {
                let id = start + found as u32;
                return chunk.entries.get(found).filter(|_| id < end).map(|entry| (id, entry));
            }
            at = 0;
        }
        None
    }

    /// Above all numbers that are in use.
    pub fn end(&self) -> u32 {
        (self.chunks.len() * CHUNK) as u32
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of memory that are held for entries.
    pub fn held(&self) -> usize {
        self.allocated * size_of::<Chunk>()
            + self.chunks.capacity() * size_of::<Option<Box<Chunk>>>()
            + self.open.capacity() * size_of::<u32>()
    }
}

impl Owners for Entries {
    fn holds(&self, owner: u32, place: Place) -> bool {
        self.get(owner).is_some_and(|entry| entry.place == place)
    }

    fn moved(&mut self, owner: u32, to: Place) {
        if let Some(entry) = self.get_mut(owner) {
            entry.place = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(entries: &Entries, from: u32, end: u32) -> Vec<u32> {
        let mut numbers = Vec::new();
        let mut next = from;
        while let Some((id, _)) = entries.next(next, end) {
            numbers.push(id);
            next = id + 1;
        }
        numbers
    }

    #[test]
    fn numbers_are_given_in_order_and_used_again() {
        let mut entries = Entries::default();
        for expected in 0..3000 {
            assert_eq!(entries.insert(Entry::default()), Some(expected));
        }
        assert!(entries.remove(70).is_some() && entries.remove(70).is_none());
        assert!(entries.get(70).is_none() && entries.get_mut(70).is_none() && entries.get(3000).is_none());
        assert_eq!(numbers(&entries, 68, 73), [68, 69, 71, 72]);
        assert_eq!(numbers(&entries, 2998, u32::MAX), [2998, 2999]);
        assert_eq!(entries.insert(Entry::default()), Some(70));
        assert_eq!(numbers(&entries, 0, entries.end()).len(), entries.len());
    }

    #[test]
    fn memory_of_free_entries_is_given_back() {
        let mut entries = Entries::default();
        for _ in 0..10 * CHUNK {
            entries.insert(Entry::default());
        }
        let full = entries.held();
        for id in (0..10 * CHUNK as u32).filter(|id| *id != 5000) {
            entries.remove(id);
        }
        assert!(entries.held() < full / 3);
        assert_eq!(numbers(&entries, 0, entries.end()), [5000]);
        for _ in 0..10 * CHUNK - 1 {
            entries.insert(Entry::default());
        }
        assert_eq!(entries.end() as usize, 10 * CHUNK);
        assert_eq!(numbers(&entries, 0, entries.end()).len(), 10 * CHUNK);
    }
}
