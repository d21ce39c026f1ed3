//! Where the threads that share a table meet: atomic numbers, and places whose content one thread replaces while others
//! read it. crate/models builds this crate with `cfg(loom)`, which has models of them, and small sizes.

pub use primitives::*;

#[cfg(not(loom))]
mod primitives {
    use arc_swap::{ArcSwapOption, Guard};
    pub use std::hash::RandomState as Hashing;
    use std::sync::Arc;
    pub use std::sync::Mutex;
    pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};

    /// Words of a page.
    pub const PAGE_WORDS: usize = 8192;
    /// Entries are allocated this many at a time.
    pub const CHUNK: usize = 1024;
    /// The index is made of so many tables, each of which grows by itself: growing all of it at once would stall.
    pub const SHARDS: usize = 256;

    /// A place for a `T`. Who reads it is never waited for, and keeps what was read as long as needed.
    pub struct Slot<T>(ArcSwapOption<T>);

    pub type Held<T> = Guard<Option<Arc<T>>>;

    impl<T> Default for Slot<T> {
        fn default() -> Self {
            Self(ArcSwapOption::empty())
        }
    }

    impl<T> Slot<T> {
        pub fn load(&self) -> Held<T> {
            self.0.load()
        }

        pub fn store(&self, content: Option<Arc<T>>) {
            self.0.store(content);
        }
    }

    /// Waits a little for a writer that is between two stores; longer if it has lost the processor there.
    pub fn pause(turn: &mut u32) {
        *turn += 1;
        if turn.is_multiple_of(64) {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

#[cfg(loom)]
mod primitives {
    pub use loom::sync::Mutex;
    pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use std::hash::{BuildHasherDefault, DefaultHasher};
    use std::sync::Arc;

    pub const PAGE_WORDS: usize = 32;
    pub const CHUNK: usize = 64;
    pub const SHARDS: usize = 1;

    /// The same in each run.
    pub type Hashing = BuildHasherDefault<DefaultHasher>;

    /// What arc-swap promises, and no more: a load that sees a store sees what was done before it.
    pub struct Slot<T> {
        current: AtomicUsize,
        all: std::sync::Mutex<Vec<Option<Arc<T>>>>,
    }

    pub struct Held<T>(Option<Arc<T>>);

    impl<T> Held<T> {
        pub fn as_ref(&self) -> Option<&Arc<T>> {
            self.0.as_ref()
        }
    }

    impl<T> Default for Slot<T> {
        fn default() -> Self {
            Self {
                current: AtomicUsize::new(0),
                all: std::sync::Mutex::new(vec![None]),
            }
        }
    }

    impl<T> Slot<T> {
        pub fn load(&self) -> Held<T> {
            let current = self.current.load(Ordering::Acquire);
            Held(self.all.lock().unwrap()[current].clone())
        }

        pub fn store(&self, content: Option<Arc<T>>) {
            let current = {
                let mut all = self.all.lock().unwrap();
                all.push(content);
                all.len() - 1
            };
            self.current.store(current, Ordering::Release);
        }
    }

    pub fn pause(_: &mut u32) {
        loom::thread::yield_now();
    }
}
