//! A list that grows at its end while other threads read it, and never moves.

use std::sync::OnceLock;

/// Elements of the first segment; each of the next has twice as many as the one before.
const FIRST: u64 = 16;
const SEGMENTS: usize = 24;

pub struct Growing<T> {
    segments: [OnceLock<Box<[T]>>; SEGMENTS],
}

impl<T> Default for Growing<T> {
    fn default() -> Self {
        Self {
            segments: [const { OnceLock::new() }; SEGMENTS],
        }
    }
}

impl<T: Default> Growing<T> {
    /// The element of that number, if there is room for it already.
    pub fn get(&self, number: u32) -> Option<&T> {
        let (segment, at) = place_of(number);
        self.segments.get(segment)?.get()?.get(at)
    }

    /// The element of that number, which gets room if it has none. `None` when there is no memory for it.
    pub fn make(&self, number: u32) -> Option<&T> {
        let (segment, at) = place_of(number);
        let segment_place = self.segments.get(segment)?;
        if segment_place.get().is_none() {
            let length = (FIRST as usize) << segment;
            let mut elements = Vec::new();
            elements.try_reserve_exact(length).ok()?;
            elements.resize_with(length, T::default);
            // Another thread may have been first: its elements are as good.
            let _ = segment_place.set(elements.into_boxed_slice());
        }
        segment_place.get()?.get(at)
    }

    /// Bytes of memory that are held for elements.
    pub fn held(&self) -> usize {
        let segments = self.segments.iter().filter_map(OnceLock::get);
        segments.map(|elements| size_of_val::<[T]>(elements)).sum()
    }
}

fn place_of(number: u32) -> (usize, usize) {
    let at = u64::from(number) + FIRST;
    let segment = at.ilog2() - FIRST.ilog2();
    (segment as usize, (at - (FIRST << segment)) as usize)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_number_has_an_element_of_its_own() {
        let list = Growing::<[u8; 3]>::default();
        assert!(list.get(0).is_none());
        let places: HashSet<_> = (0..10_000)
            .map(|number| std::ptr::from_ref(list.make(number).unwrap()))
            .collect();
        assert_eq!(places.len(), 10_000);
        assert_eq!(list.get(9999), Some(&[0; 3]));
        assert_eq!(list.held(), 3 * (16 << 10) - 3 * 16);
        assert!(list.get(u32::MAX).is_none() && list.make(u32::MAX).is_none());
    }
}
