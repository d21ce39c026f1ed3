//! Numbered places that are handed out, given back and reused.

const INDEX_BITS: u32 = 20;
const GENERATION_MASK: u32 = (1 << (31 - INDEX_BITS)) - 1;

/// How many places can be in use at once.
pub const MAX_SLOTS: usize = 1 << INDEX_BITS;

#[derive(Default)]
struct Place<T> {
    generation: u32,
    used: bool,
    value: T,
}

/// A slab of reusable places. A slot number is non-negative and carries a generation of 11 bits, so that a number
/// which was given back already names nothing, even after its place has been taken again.
#[derive(Default)]
pub struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T: Default> Slots<T> {
    /// Takes a place; its value is what the last user left there. `None` when [`MAX_SLOTS`] are in use.
    pub fn open(&mut self) -> Option<(i32, &mut T)> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.places.len() < MAX_SLOTS => {
                self.places.push(Place::default());
                (self.places.len() - 1) as u32
            }
            None => return None,
        };
        let place = self.places.get_mut(index as usize)?;
        place.used = true;
        Some(((place.generation << INDEX_BITS | index) as i32, &mut place.value))
    }

    /// The value of a slot in use; `None` for any other number.
    pub fn get(&self, slot: i32) -> Option<&T> {
        let place = self.places.get(index_of(slot)?)?;
        (place.used && place.generation == generation_of(slot)).then_some(&place.value)
    }

    /// As [`Slots::get`], to change.
    pub fn get_mut(&mut self, slot: i32) -> Option<&mut T> {
        let place = self.places.get_mut(index_of(slot)?)?;
        (place.used && place.generation == generation_of(slot)).then_some(&mut place.value)
    }

    /// Gives a slot back and returns its value, for the caller to shrink what must not stay.
    /// `None`, without effect, for a number that is not in use.
    pub fn close(&mut self, slot: i32) -> Option<&mut T> {
        let index = index_of(slot)?;
        let place = self.places.get_mut(index)?;
        if !place.used || place.generation != generation_of(slot) {
            return None;
        }
        place.used = false;
        place.generation = (place.generation + 1) & GENERATION_MASK;
        self.free.push(index as u32);
        Some(&mut place.value)
    }

    /// Slots in use.
    pub fn in_use(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

fn index_of(slot: i32) -> Option<usize> {
    u32::try_from(slot)
        .ok()
        .map(|slot| (slot & (MAX_SLOTS as u32 - 1)) as usize)
}

fn generation_of(slot: i32) -> u32 {
    slot as u32 >> INDEX_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_given_back_names_nothing_even_after_reuse() {
        let mut slots = Slots::<u8>::default();
        let (first, _) = slots.open().unwrap();
        assert!(slots.close(first).is_some());
        let (second, _) = slots.open().unwrap();
        assert_ne!(first, second);
        assert!(slots.close(first).is_none());
        assert!(slots.get(first).is_none());
        assert!(slots.get(second).is_some());
        assert_eq!(slots.in_use(), 1);
    }

    #[test]
    fn numbers_that_were_never_given_name_nothing() {
        let mut slots = Slots::<u8>::default();
        for slot in [-1, 0, 1, i32::MAX, i32::MIN] {
            assert!(slots.get_mut(slot).is_none());
            assert!(slots.close(slot).is_none());
        }
        assert_eq!(slots.in_use(), 0);
    }

    #[test]
    fn numbers_stay_non_negative_through_all_generations() {
        let mut slots = Slots::<u8>::default();
        for _ in 0..5000 {
            let (slot, _) = slots.open().unwrap();
            assert!(slot >= 0);
            slots.close(slot);
        }
    }

    #[test]
    fn the_last_place_is_the_limit() {
        let mut slots = Slots::<()>::default();
        for _ in 0..MAX_SLOTS {
            assert!(slots.open().is_some());
        }
        assert!(slots.open().is_none());
        assert_eq!(slots.in_use(), MAX_SLOTS);
    }
}
