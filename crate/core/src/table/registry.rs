//! Numbers by which the threads of a process find each other's tables.

use crate::table::records::Shared;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Numbered tables. A table that nobody uses any more is freed, and its number is not given again.
#[derive(Default)]
pub struct Registry {
    last: u32,
    tables: BTreeMap<u32, Weak<Shared>>,
}

impl Registry {
    pub const fn new() -> Self {
        Self {
            last: 0,
            tables: BTreeMap::new(),
        }
    }

    /// The number of a table, which gets one when it is asked for first.
    pub fn number_of(&mut self, table: &Arc<Shared>) -> u32 {
        let known = self
            .tables
            .iter()
            .find(|(_, known)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(table)));
        if let Some((number, _)) = known {
            return *number;
        }
        self.tables.retain(|_, known| known.strong_count() > 0);
        self.last += 1;
        self.tables.insert(self.last, Arc::downgrade(table));
        self.last
    }

    /// The table of that number; `None` if there is none, or no more.
    pub fn open(&self, number: u32) -> Option<Arc<Shared>> {
        self.tables.get(&number)?.upgrade()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_its_number_while_it_is_used() {
        let mut registry = Registry::new();
        let (one, other) = (Arc::<Shared>::default(), Arc::<Shared>::default());
        assert_eq!(
            (
                registry.number_of(&one),
                registry.number_of(&other),
                registry.number_of(&one)
            ),
            (1, 2, 1)
        );
        assert!(registry.open(1).is_some_and(|found| Arc::ptr_eq(&found, &one)));
        drop(one);
        assert!(registry.open(1).is_none() && registry.open(3).is_none());
        assert_eq!(registry.number_of(&Arc::default()), 3);
        assert_eq!(registry.tables.len(), 2);
        drop(other);
    }
}
