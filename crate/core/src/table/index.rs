//! Which entry a key has: open tables of words with a part of the key's hash above the number of the entry. Keys stand in
//! the records alone. One thread at a time changes them, and any others read meanwhile.

use crate::table::sync::{AtomicU64, SHARDS, Slot};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// No word was ever here, or none is needed any more by one that lies behind: a search ends.
const EMPTY: u64 = u64::MAX;
/// A word was here: a search goes on. There are no entries of these numbers.
const GONE: u64 = u64::MAX - 1;
const FEWEST: usize = 8;

/// A key's hash: one half says which shard has it, the other one where to begin there.
#[derive(Clone, Copy)]
pub struct Hash(pub u64);

impl Hash {
    fn shard(self) -> usize {
        (self.0 >> 32) as usize % SHARDS
    }

    fn word(self, id: u32) -> u64 {
        self.0 << 32 | u64::from(id)
    }

    fn is_in(self, word: u64) -> bool {
        word >> 32 == self.0 & u64::from(u32::MAX)
    }
}

/// Where among so many words a search for this one begins. There may be any number of words.
fn home(word: u64, words: usize) -> usize {
    (((word >> 32) * words as u64) >> 32) as usize
}

/// Words of one shard; one in four at least is empty.
pub struct Shard(Box<[AtomicU64]>);

impl Shard {
    fn new(words: usize) -> Option<Arc<Self>> {
        let mut all = Vec::new();
        all.try_reserve_exact(words).ok()?;
        all.resize_with(words, || AtomicU64::new(EMPTY));
        Some(Arc::new(Self(all.into_boxed_slice())))
    }

    /// Asks about each entry that may be the one, until there is an answer.
    fn find<R>(&self, hash: Hash, mut is_it: impl FnMut(u32, usize) -> Option<R>) -> Option<R> {
        let words = &*self.0;
        let start = home(hash.word(0), words.len());
        let (behind, from) = words.split_at_checked(start)?;
        for (first, part) in [(start, from), (0, behind)] {
            for (at, word) in part.iter().enumerate() {
                let word = word.load(Acquire);
                if word == EMPTY {
                    return None;
                }
                if hash.is_in(word)
                    && word < GONE
                    && let Some(found) = is_it(word as u32, first + at)
                {
                    return Some(found);
                }
            }
        }
        None
    }

    /// The first place for a new word, and whether it is empty.
    fn room(&self, word: u64) -> Option<(&AtomicU64, bool)> {
        let (behind, from) = self.0.split_at_checked(home(word, self.0.len()))?;
        let mut all = from.iter().chain(behind).map(|place| (place, place.load(Relaxed)));
        all.find(|(_, word)| *word >= GONE)
            .map(|(place, word)| (place, word == EMPTY))
    }
}

/// The index as all threads find it.
pub struct Index(Box<[Slot<Shard>]>);

impl Default for Index {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Slot::default()).collect())
    }
}

impl Index {
    /// Asks about each entry that may be the one of a key with this hash, until there is an answer.
    pub fn find<R>(&self, hash: Hash, mut is_it: impl FnMut(u32) -> Option<R>) -> Option<R> {
        let shard = self.0.get(hash.shard())?.load();
        shard.as_ref()?.find(hash, |id, _| is_it(id))
    }
}

#[derive(Default)]
struct Known {
    shard: Option<Arc<Shard>>,
    len: usize,
    gone: usize,
}

/// What writers know of the index.
pub struct Indexer(Box<[Known]>);

impl Default for Indexer {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Known::default()).collect())
    }
}

impl Indexer {
    pub fn find<R>(&self, hash: Hash, mut is_it: impl FnMut(u32) -> Option<R>) -> Option<R> {
        self.0.get(hash.shard())?.shard.as_ref()?.find(hash, |id, _| is_it(id))
    }

    /// Makes sure that there is room for another word. `None` when there is no memory for it.
    pub fn make_room(&mut self, index: &Index, hash: Hash) -> Option<()> {
        let known = self.0.get_mut(hash.shard())?;
        let words = known.shard.as_ref().map_or(0, |shard| shard.0.len());
        if (known.len + known.gone + 1) * 4 <= words * 3 {
            return Some(());
        }
        known.rebuild(index, hash)
    }

    /// Adds an entry, for which there is room.
    pub fn insert(&mut self, hash: Hash, id: u32) {
        let Some(known) = self.0.get_mut(hash.shard()) else {
            return;
        };
        let word = hash.word(id);
        let room = known.shard.as_ref().and_then(|shard| shard.room(word));
        if let Some((place, is_empty)) = room {
            // The entry is ready for whoever sees its number.
            place.store(word, Release);
            known.len += 1;
            known.gone -= usize::from(!is_empty);
        }
    }

    /// Removes an entry, which need not have a record any more.
    pub fn remove(&mut self, index: &Index, hash: Hash, id: u32) {
        let Some(known) = self.0.get_mut(hash.shard()) else {
            return;
        };
        let Some(shard) = &known.shard else {
            return;
        };
        let words = shard.0.len();
        let found = shard.find(hash, |other, at| (other == id).then_some(at));
        let Some(at) = found else {
            return;
        };
        let word = |at: usize| shard.0.get(at % words);
        let load = |at: usize| word(at).map_or(EMPTY, |word| word.load(Relaxed));
        if let Some(word) = word(at) {
            word.store(GONE, Release);
        }
        known.len -= 1;
        known.gone += 1;
        // What stands before an empty word, and is gone, keeps no search going.
        let mut last = at;
        while load(last + 1) == EMPTY && load(last) == GONE {
            if let Some(word) = word(last) {
                word.store(EMPTY, Release);
            }
            known.gone -= 1;
            last = (last + words - 1) % words;
        }
        if words > 64 && known.len * 8 < words {
            known.rebuild(index, hash);
        }
    }

    pub fn clear(&mut self, index: &Index) {
        for slot in &index.0 {
            slot.store(None);
        }
        *self = Self::default();
    }

    /// Bytes of memory that are held for the index.
    pub fn held(&self) -> usize {
        let words: usize = self
            .0
            .iter()
            .filter_map(|known| known.shard.as_ref())
            .map(|shard| shard.0.len())
            .sum();
        words * size_of::<AtomicU64>() + self.0.len() * (size_of::<Known>() + size_of::<Slot<Shard>>())
    }
}

impl Known {
    /// Puts the words into other memory, of which half stays empty. Readers go on with what they hold.
    fn rebuild(&mut self, index: &Index, hash: Hash) -> Option<()> {
        let shard = Shard::new(((self.len + 1) * 2).max(FEWEST))?;
        if let Some(old) = &self.shard {
            for word in old.0.iter().map(|word| word.load(Relaxed)).filter(|word| *word < GONE) {
                shard.room(word)?.0.store(word, Relaxed);
            }
        }
        index.0.get(hash.shard())?.store(Some(Arc::clone(&shard)));
        self.shard = Some(shard);
        self.gone = 0;
        Some(())
    }
}
