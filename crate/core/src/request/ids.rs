//! Request ids, kept as the bytes they came in until their reply is written.

use crate::layout::SHORT_ID;
use crate::slots::{MAX_SLOTS, Slots};
use std::fmt;

/// All slots hold an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyIds;

impl fmt::Display for TooManyIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MAX_SLOTS} request ids are held for replies to come, which is the limit"
        )
    }
}

/// The ids that replies are owed to.
#[derive(Default)]
pub struct Ids {
    slots: Slots<Vec<u8>>,
}

impl Ids {
    /// Copies the bytes of an id and returns its slot, 0 or above.
    pub fn hold(&mut self, id: &[u8]) -> Result<i32, TooManyIds> {
        let (slot, bytes) = self.slots.open().ok_or(TooManyIds)?;
        bytes.clear();
        bytes.extend_from_slice(id);
        Ok(slot)
    }

    /// The bytes to echo: `null` for -1 and for a slot that is not held.
    pub fn get(&self, slot: i32) -> &[u8] {
        self.slots.get(slot).map_or(b"null", Vec::as_slice)
    }

    /// Frees a slot; without effect when it is not held.
    pub fn release(&mut self, slot: i32) {
        if let Some(bytes) = self.slots.close(slot) {
            bytes.clear();
            // Short ones cost no allocation once their slot has been used.
            bytes.shrink_to(SHORT_ID);
        }
    }

    /// How many ids are held.
    pub fn held(&self) -> usize {
        self.slots.in_use()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_id_leaves_no_memory_behind() {
        let mut ids = Ids::default();
        let slot = ids.hold(&[b'1'; 100_000]).unwrap();
        assert_eq!(ids.get(slot).len(), 100_000);
        ids.release(slot);
        ids.release(slot);
        assert_eq!(ids.held(), 0);
        assert_eq!(ids.get(slot), b"null");
        let (_, bytes) = ids.slots.open().unwrap();
        assert!(bytes.capacity() <= SHORT_ID);
    }
}
