//! The entries of a record table: numbered, so that walks over them go on while they change. One thread at a time changes
//! them, and any others read meanwhile.

use crate::table::arena::{Owners, Place};
use crate::table::growing::Growing;
use crate::table::record::words_of;
use crate::table::sync::{AtomicU32, AtomicU64, CHUNK, Held, Slot};
use std::array::from_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The facts of records that are known without looking at them, each in a list of its own.
pub struct Chunk {
    /// One bit for each entry in use.
    used: [AtomicU64; CHUNK / 64],
    /// [`Place::NOWHERE`] for entries that are free.
    places: [AtomicU64; CHUNK],
    /// The generation that each was added in, see [`crate::table::records::Walk`].
    born: [AtomicU32; CHUNK],
    /// Bits of an `f64`, infinite for none.
    deadlines: [AtomicU64; CHUNK],
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            used: from_fn(|_| AtomicU64::new(0)),
            places: from_fn(|_| AtomicU64::new(Place::NOWHERE.bits())),
            born: from_fn(|_| AtomicU32::new(0)),
            deadlines: from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Chunk {
    /// Where the record of an entry lies; `None` for an entry that is free. Whoever knows a place knows what was
    /// written before it was told: the record, and when its entry was born.
    pub fn place(&self, id: u32) -> Option<Place> {
        let bits = self.places.get(id as usize % CHUNK)?.load(Acquire);
        Some(Place::of(bits)).filter(|place| *place != Place::NOWHERE)
    }

    fn set_place(&self, id: u32, place: Place) {
        if let Some(bits) = self.places.get(id as usize % CHUNK) {
            bits.store(place.bits(), Release);
        }
    }

    /// To be asked behind the place: it is that of the record there, or of a later one.
    pub fn born(&self, id: u32) -> u32 {
        self.born
            .get(id as usize % CHUNK)
            .map_or(u32::MAX, |born| born.load(Relaxed))
    }

    pub fn deadline(&self, id: u32) -> f64 {
        let bits = self.deadlines.get(id as usize % CHUNK);
        bits.map_or(f64::INFINITY, |bits| f64::from_bits(bits.load(Relaxed)))
    }

    /// The first entry in use from `at` on.
    fn next(&self, at: usize) -> Option<usize> {
        let mut below = u64::MAX << (at % 64);
        for (index, bits) in self.used.iter().enumerate().skip(at / 64) {
            let bits = bits.load(Relaxed) & below;
            if bits != 0 {
                return Some(index * 64 + bits.trailing_zeros() as usize);
            }
            below = u64::MAX;
        }
        None
    }

    /// Takes the first free entry.
    fn take(&self) -> Option<usize> {
        let mut all = self.used.iter().enumerate();
        let (index, word) = all.find(|(_, bits)| bits.load(Relaxed) != u64::MAX)?;
        let bits = word.load(Relaxed);
        let bit = bits.trailing_ones() as usize;
        word.store(bits | 1 << bit, Relaxed);
        Some(index * 64 + bit)
    }

    fn give_back(&self, at: usize) {
        if let Some(word) = self.used.get(at / 64) {
            word.store(word.load(Relaxed) & !(1 << (at % 64)), Relaxed);
        }
    }
}

/// Entries by number, as all threads find them.
#[derive(Default)]
pub struct Entries {
    chunks: Growing<Slot<Chunk>>,
    end: AtomicU32,
}

impl Entries {
    /// The chunk of an entry.
    pub fn chunk(&self, id: u32) -> Option<Held<Chunk>> {
        Some(self.chunks.get(id / CHUNK as u32)?.load())
    }

    /// The first entry that may be in use from `from` on, below `end`, and its chunk. Takes a step for each 64 entries
    /// that are free, and one for each 1024 where none is in use.
    pub fn next(&self, from: u32, end: u32, held: &mut Option<(u32, Held<Chunk>)>) -> Option<u32> {
        let mut from = from;
        while from < end {
            let number = from / CHUNK as u32;
            if !matches!(held, Some((of, _)) if *of == number) {
                *held = self.chunk(from).map(|chunk| (number, chunk));
            }
            if let Some((_, chunk)) = held
                && let Some(chunk) = chunk.as_ref()
                && let Some(found) = chunk.next(from as usize % CHUNK)
            {
                return Some(number * CHUNK as u32 + found as u32).filter(|id| *id < end);
            }
            from = (number + 1).checked_mul(CHUNK as u32)?;
        }
        None
    }

    /// Above all numbers that are in use.
    pub fn end(&self) -> u32 {
        self.end.load(Acquire)
    }
}

struct Known {
    chunk: Arc<Chunk>,
    count: usize,
}

/// What writers know of the entries. A number stays the same as long as its entry lives, and is used again afterwards.
#[derive(Default)]
pub struct Keeper {
    chunks: Vec<Option<Known>>,
    /// Chunks that are not full, each once.
    open: Vec<u32>,
    allocated: usize,
    count: usize,
}

impl Keeper {
    /// Takes the number of a free entry; `None` when 2^32 - 1024 are there. It is found when it has a place.
    pub fn take(&mut self, entries: &Entries) -> Option<u32> {
        let number = match self.open.last() {
            Some(&number) => number,
            None => {
                let number = u32::try_from(self.chunks.len()).ok()?;
                (number as usize * CHUNK < u32::MAX as usize - CHUNK).then_some(())?;
                entries.chunks.make(number)?;
                self.chunks.try_reserve(1).ok()?;
                self.open.try_reserve(1).ok()?;
                self.chunks.push(None);
                self.open.push(number);
                entries.end.store((number + 1) * CHUNK as u32, Release);
                number
            }
        };
        let known = self.chunks.get_mut(number as usize)?;
        if known.is_none() {
            self.allocated += 1;
            let chunk = Arc::<Chunk>::default();
            entries.chunks.get(number)?.store(Some(Arc::clone(&chunk)));
            *known = Some(Known { chunk, count: 0 });
        }
        let known = known.as_mut()?;
        let at = known.chunk.take()?;
        known.count += 1;
        if known.count == CHUNK {
            self.open.pop();
        }
        self.count += 1;
        Some(number * CHUNK as u32 + at as u32)
    }

    fn chunk(&self, id: u32) -> Option<&Chunk> {
        Some(&self.chunks.get(id as usize / CHUNK)?.as_ref()?.chunk)
    }

    pub fn place(&self, id: u32) -> Option<Place> {
        self.chunk(id)?.place(id)
    }

    /// Tells all where the record of an entry is from now on.
    pub fn set_place(&self, id: u32, place: Place) {
        if let Some(chunk) = self.chunk(id) {
            chunk.set_place(id, place);
        }
    }

    /// Has to be told before the place of a new record.
    pub fn set_born(&self, id: u32, generation: u32) {
        if let Some(born) = self.chunk(id).and_then(|chunk| chunk.born.get(id as usize % CHUNK)) {
            born.store(generation, Relaxed);
        }
    }

    pub fn set_deadline(&self, id: u32, deadline: f64) {
        if let Some(bits) = self
            .chunk(id)
            .and_then(|chunk| chunk.deadlines.get(id as usize % CHUNK))
        {
            bits.store(deadline.to_bits(), Relaxed);
        }
    }

    /// Gives an entry back.
    pub fn give_back(&mut self, entries: &Entries, id: u32) {
        self.set_place(id, Place::NOWHERE);
        let number = id as usize / CHUNK;
        let Some(place) = self.chunks.get_mut(number) else {
            return;
        };
        let Some(known) = place else {
            return;
        };
        known.chunk.give_back(id as usize % CHUNK);
        if known.count == CHUNK {
            self.open.push(number as u32);
        }
        known.count -= 1;
        self.count -= 1;
        // Some room stays, so that a table around the end of a chunk does not allocate with every change.
        if known.count == 0 && self.allocated * CHUNK - self.count > 2 * CHUNK {
            *place = None;
            self.allocated -= 1;
            if let Some(slot) = entries.chunks.get(number as u32) {
                slot.store(None);
            }
        }
    }

    /// Gives all entries back.
    pub fn clear(&mut self, entries: &Entries) {
        for (number, known) in self.chunks.drain(..).enumerate() {
            let Some(known) = known else {
                continue;
            };
            // For readers that hold the chunk.
            for place in &known.chunk.places {
                place.store(Place::NOWHERE.bits(), Release);
            }
            if let Some(slot) = entries.chunks.get(number as u32) {
                slot.store(None);
            }
        }
        entries.end.store(0, Release);
        *self = Self::default();
    }

    /// Has all entries be born in the generation 0.
    pub fn age(&self) {
        let chunks = self.chunks.iter().flatten();
        for born in chunks.flat_map(|known| &known.chunk.born) {
            born.store(0, Relaxed);
        }
    }

    /// Entries that are taken.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of memory that are held for entries.
    pub fn held(&self, entries: &Entries) -> usize {
        self.allocated * size_of::<Chunk>()
            + self.chunks.capacity() * size_of::<Option<Known>>()
            + self.open.capacity() * size_of::<u32>()
            + entries.chunks.held()
    }
}

impl Owners for Keeper {
    fn holds(&self, owner: u32, place: Place) -> bool {
        self.place(owner) == Some(place)
    }

    fn moved(&mut self, owner: u32, to: Place) {
        self.set_place(owner, to);
    }

    fn words_of(&self, first: u64) -> usize {
        words_of(first)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A place that is some block's.
    fn take(keeper: &mut Keeper, entries: &Entries) -> Option<u32> {
        let id = keeper.take(entries)?;
        keeper.set_place(id, Place::of(id.into()));
        Some(id)
    }

    fn numbers(entries: &Entries, from: u32, end: u32) -> Vec<u32> {
        let (mut numbers, mut held) = (Vec::new(), None);
        let mut next = from;
        while let Some(id) = entries.next(next, end, &mut held) {
            let place = entries.chunk(id).and_then(|chunk| chunk.as_ref()?.place(id));
            assert_eq!(place, Some(Place::of(id.into())));
            numbers.push(id);
            next = id + 1;
        }
        numbers
    }

    #[test]
    fn numbers_are_given_in_order_and_used_again() {
        let (mut keeper, entries) = (Keeper::default(), Entries::default());
        for expected in 0..3000 {
            assert_eq!(take(&mut keeper, &entries), Some(expected));
        }
        keeper.give_back(&entries, 70);
        assert!(keeper.place(70).is_none() && keeper.place(3000).is_none() && keeper.place(9000).is_none());
        assert_eq!(numbers(&entries, 68, 73), [68, 69, 71, 72]);
        assert_eq!(numbers(&entries, 2998, u32::MAX), [2998, 2999]);
        assert_eq!(take(&mut keeper, &entries), Some(70));
        assert_eq!(numbers(&entries, 0, entries.end()).len(), keeper.count());
        keeper.clear(&entries);
        assert_eq!((entries.end(), keeper.count()), (0, 0));
        assert!(numbers(&entries, 0, u32::MAX).is_empty());
        assert_eq!(take(&mut keeper, &entries), Some(0));
    }

    #[test]
    fn memory_of_free_entries_is_given_back() {
        let (mut keeper, entries) = (Keeper::default(), Entries::default());
        for _ in 0..10 * CHUNK {
            take(&mut keeper, &entries);
        }
        let full = keeper.held(&entries);
        for id in (0..10 * CHUNK as u32).filter(|id| *id != 5000) {
            keeper.give_back(&entries, id);
        }
        assert!(keeper.held(&entries) < full / 3);
        assert_eq!(numbers(&entries, 0, entries.end()), [5000]);
        for _ in 0..10 * CHUNK - 1 {
            take(&mut keeper, &entries);
        }
        assert_eq!(entries.end() as usize, 10 * CHUNK);
        assert_eq!(numbers(&entries, 0, entries.end()).len(), 10 * CHUNK);
    }
}
