//! Request bodies that arrive in pieces, collected in slots within a budget.

use crate::layout::Pushed;
use crate::slots::Slots;

/// Bytes of memory that are kept for the next large body.
const KEPT: usize = 1 << 20;

/// Collects bodies. Rejected pieces change nothing; their slots stay open until they are freed.
pub struct BodyPool {
    /// Memory of the last large body, for the next one: fresh memory of that size costs more than to fill it.
    spare: Vec<u8>,
    slot_size: usize,
    max_body: usize,
    max_total: usize,
    slots: Slots<Vec<u8>>,
    held: usize,
}

impl BodyPool {
    /// `slot_size`: bytes a slot is allocated with; `max_body`: largest body; `max_total`: bytes of all bodies.
    pub fn new(slot_size: usize, max_body: usize, max_total: usize) -> Self {
        Self {
            spare: Vec::new(),
            slot_size: slot_size.min(max_body),
            max_body,
            max_total,
            slots: Slots::default(),
            held: 0,
        }
    }

    /// Begins a body. Returns its slot, or -1 when all slots are in use.
    pub fn open(&mut self) -> i32 {
        self.slots.open().map_or(-1, |(slot, _)| slot)
    }

    /// Appends a piece. For a slot that is not open nothing is taken.
    pub fn push(&mut self, slot: i32, piece: &[u8]) -> Pushed {
        let Some(body) = self.slots.get_mut(slot) else {
            return Pushed::PoolFull;
        };
        let length = body.len().saturating_add(piece.len());
        if length > self.max_body {
            return Pushed::BodyTooLarge;
        }
        if piece.len() > self.max_total.saturating_sub(self.held) {
            return Pushed::PoolFull;
        }
        if length > body.capacity() {
            // Doubling keeps appending linear, but never past what the body may become.
            let capacity = length
                .max(body.capacity().saturating_mul(2))
                .max(self.slot_size)
                .min(self.max_body);
            if length > self.slot_size && self.spare.capacity() >= length {
                self.spare.extend_from_slice(body);
                std::mem::swap(&mut self.spare, body);
                self.spare.clear();
            } else if body.try_reserve_exact(capacity - body.len()).is_err() {
                return Pushed::PoolFull;
            }
        }
        body.extend_from_slice(piece);
        self.held += piece.len();
        Pushed::Taken
    }

    /// Moves a body out, without copying it, and frees its slot. Empty for a slot that is not open.
    pub fn take(&mut self, slot: i32) -> Vec<u8> {
        let body = self.slots.close(slot).map(std::mem::take).unwrap_or_default();
        self.held -= body.len();
        body
    }

    /// Copies a body to the start of `out` and frees its slot. Returns its length, `Err` with it, and the slot still
    /// open, when it does not fit; 0 for a slot that is not open.
    pub fn copy_out(&mut self, slot: i32, out: &mut [u8]) -> Result<usize, usize> {
        let Some(body) = self.slots.get(slot) else {
            return Ok(0);
        };
        let length = body.len();
        out.get_mut(..length).ok_or(length)?.copy_from_slice(body);
        self.free(slot);
        Ok(length)
    }

    /// Drops a body and frees its slot; without effect for a slot that is not open.
    pub fn free(&mut self, slot: i32) {
        let Some(body) = self.slots.close(slot) else {
            return;
        };
        self.held -= body.len();
        body.clear();
        if body.capacity() > self.spare.capacity().max(self.slot_size) && body.capacity() <= KEPT {
            std::mem::swap(&mut self.spare, body);
        }
        body.shrink_to(self.slot_size);
    }

    /// Slots that are open.
    pub fn slots_in_use(&self) -> usize {
        self.slots.in_use()
    }

    /// Bytes of the bodies in open slots.
    pub fn bytes_held(&self) -> usize {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_pieces_and_moves_them_out() {
        let mut pool = BodyPool::new(4, 100, 1000);
        let (a, b) = (pool.open(), pool.open());
        assert_eq!(pool.push(a, b"hello, "), Pushed::Taken);
        assert_eq!(pool.push(b, b"other"), Pushed::Taken);
        assert_eq!(pool.push(a, b"world"), Pushed::Taken);
        assert_eq!((pool.slots_in_use(), pool.bytes_held()), (2, 17));
        assert_eq!(pool.take(a), b"hello, world");
        assert_eq!((pool.slots_in_use(), pool.bytes_held()), (1, 5));
        assert_eq!(pool.take(a), b"");
        pool.free(b);
        pool.free(b);
        assert_eq!((pool.slots_in_use(), pool.bytes_held()), (0, 0));
    }

    #[test]
    fn limits_are_inclusive() {
        let mut pool = BodyPool::new(4, 10, 15);
        let (a, b) = (pool.open(), pool.open());
        assert_eq!(pool.push(a, &[0; 10]), Pushed::Taken);
        assert_eq!(pool.push(a, &[0; 1]), Pushed::BodyTooLarge);
        assert_eq!(pool.push(b, &[0; 6]), Pushed::PoolFull);
        assert_eq!(pool.push(b, &[0; 5]), Pushed::Taken);
        assert_eq!(pool.push(b, &[]), Pushed::Taken);
        pool.free(a);
        assert_eq!(pool.push(b, &[0; 5]), Pushed::Taken);
        assert_eq!(pool.bytes_held(), 10);
    }

    #[test]
    fn a_freed_slot_shrinks_to_the_slot_size() {
        let mut pool = BodyPool::new(16, 100_000, 200_000);
        let (first, slot) = (pool.open(), pool.open());
        pool.push(first, &[0; 100_000]);
        pool.push(slot, &[0; 100_000]);
        pool.free(first);
        pool.free(slot);
        let (_, body) = pool.slots.open().unwrap();
        assert_eq!(body.capacity(), 16);
    }

    #[test]
    fn memory_of_a_large_body_serves_the_next_one() {
        let mut pool = BodyPool::new(16, KEPT + 1, usize::MAX);
        let mut out = vec![0; KEPT + 1];
        for (size, kept) in [
            (5000, 5000),
            (100_000, 100_000),
            (3000, 100_000),
            (KEPT, KEPT),
            (KEPT + 1, KEPT),
        ] {
            let slot = pool.open();
            pool.push(slot, b"ab");
            pool.push(slot, &vec![b'x'; size - 2]);
            assert_eq!(pool.copy_out(slot, &mut out[..size - 1]), Err(size));
            assert_eq!(pool.copy_out(slot, &mut out), Ok(size));
            assert_eq!((&out[..3], out[size - 1]), (&b"abx"[..], b'x'));
            assert_eq!(pool.spare.capacity(), kept);
            assert_eq!((pool.slots_in_use(), pool.bytes_held()), (0, 0));
        }
    }

    #[test]
    fn slots_that_are_not_open() {
        let mut pool = BodyPool::new(16, 100, 100);
        for slot in [-1, 0, 7, i32::MAX, i32::MIN] {
            assert_eq!(pool.push(slot, b"x"), Pushed::PoolFull);
            assert_eq!(pool.take(slot), b"");
            assert_eq!(pool.copy_out(slot, &mut []), Ok(0));
            pool.free(slot);
        }
        assert_eq!((pool.slots_in_use(), pool.bytes_held()), (0, 0));
    }
}
