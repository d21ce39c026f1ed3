//! Any sequence of operations on any slots: bodies and counters agree with a plain model, limits hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mi_httpd_core::layout::Pushed;
use mi_httpd_core::request::body::BodyPool;
use std::collections::HashMap;

const MAX_BODY: usize = 100;
const MAX_TOTAL: usize = 250;

fuzz_target!(|operations: &[u8]| {
    let mut pool = BodyPool::new(16, MAX_BODY, MAX_TOTAL);
    let mut model: HashMap<i32, Vec<u8>> = HashMap::new();
    let mut slots = vec![-1, 0, i32::MAX, i32::MIN];
    for operation in operations.chunks_exact(3) {
        let slot = slots[usize::from(operation[1]) % slots.len()];
        match operation[0] % 4 {
            0 => {
                let slot = pool.open();
                assert!(slot >= 0 && model.insert(slot, Vec::new()).is_none());
                slots.push(slot);
            }
            1 => {
                let piece = vec![operation[2]; usize::from(operation[2])];
                let held: usize = model.values().map(Vec::len).sum();
                let expected = match model.get_mut(&slot) {
                    None => Pushed::PoolFull,
                    Some(body) if body.len() + piece.len() > MAX_BODY => Pushed::BodyTooLarge,
                    Some(_) if held + piece.len() > MAX_TOTAL => Pushed::PoolFull,
                    Some(body) => {
                        body.extend_from_slice(&piece);
                        Pushed::Taken
                    }
                };
                assert_eq!(pool.push(slot, &piece), expected);
            }
            2 => {
                let body = pool.take(slot);
                assert!(body.capacity() <= MAX_BODY);
                assert_eq!(body, model.remove(&slot).unwrap_or_default());
            }
            _ => {
                pool.free(slot);
                model.remove(&slot);
            }
        }
        assert_eq!(pool.slots_in_use(), model.len());
        assert_eq!(pool.bytes_held(), model.values().map(Vec::len).sum());
    }
});
