//! Any operations, and any texts: a table agrees with a model, and what is dumped while it changes is whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mi_httpd_core::json::reader::validate;
use mi_httpd_core::table::dump::{DumpedTable, Shape};
use mi_httpd_core::table::records::Table;
use std::collections::{BTreeMap, BTreeSet};

struct Open {
    slot: i32,
    text: Vec<u8>,
    at_begin: BTreeSet<u8>,
    throughout: BTreeSet<u8>,
}

/// A record is the number of its key, twice, with blanks in between that make it long.
fn record(key: u8, length: u8) -> Vec<u8> {
    format!("[{key},\"{}\",{key}]", " ".repeat(usize::from(length).pow(2))).into_bytes()
}

fn check(open: &Open) {
    let Ok(array) = validate(&open.text) else {
        panic!("a dump is JSON")
    };
    let text = std::str::from_utf8(&open.text).expect("JSON is UTF-8");
    let mut keys = BTreeSet::new();
    for record in text[1..text.len() - 1].split_inclusive(']') {
        let numbers = record.trim_matches([',', '[', ']']);
        let (first, rest) = numbers.split_once(',').expect("a record is whole");
        assert_eq!(Some(first), rest.rsplit(',').next());
        assert!(keys.insert(first.parse().expect("a key")), "each record once");
    }
    assert_eq!(keys.len(), array.count);
    assert!(open.throughout.is_subset(&keys) && keys.is_subset(&open.at_begin));
}

fn operate(operations: &[u8]) {
    let mut held = DumpedTable::new(Table::new("N"));
    let mut model: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let mut dumps: Vec<Open> = Vec::new();
    for operation in operations.chunks_exact(3) {
        let (key, number) = (operation[1], operation[2]);
        match operation[0] % 8 {
            0..=2 => {
                let text = record(key, number);
                assert_eq!(
                    held.table.set(&[key], &text, 0, 0.0),
                    Ok(model.insert(key, text).is_none())
                );
            }
            3 => {
                assert_eq!(held.table.delete(&[key]), model.remove(&key).is_some());
                for dump in &mut dumps {
                    dump.throughout.remove(&key);
                }
            }
            4 if dumps.len() < 4 => {
                let keys: BTreeSet<u8> = model.keys().copied().collect();
                let (at_begin, throughout) = (keys.clone(), keys);
                let slot = held.open(Shape::Records, 0);
                dumps.push(Open {
                    slot,
                    text: Vec::new(),
                    at_begin,
                    throughout,
                });
            }
            5 if number == 255 => {
                held.table.clear();
                model.clear();
                dumps.iter_mut().for_each(|dump| dump.throughout.clear());
            }
            6 if !dumps.is_empty() => {
                let dump = dumps.swap_remove(usize::from(key) % dumps.len());
                held.release(dump.slot);
            }
            _ if !dumps.is_empty() => {
                let index = usize::from(key) % dumps.len();
                let mut window = vec![0; usize::from(number) * 40 + 1];
                let length = held.fill(dumps[index].slot, &mut window);
                dumps[index].text.extend_from_slice(&window[..length]);
                if length == 0 {
                    let dump = dumps.swap_remove(index);
                    held.release(dump.slot);
                    check(&dump);
                }
            }
            _ => {}
        }
        assert_eq!(held.table.len(), model.len());
    }
    let mut window = vec![0; 1 << 17];
    for (key, text) in &model {
        let length = held.table.get(&[*key], 0, &mut window);
        assert_eq!(length.and_then(|length| window.get(..length)), Some(&text[..]));
    }
    assert_eq!(held.table.bytes(), model.values().map(|text| text.len() + 1).sum());
}

fn store(text: &[u8]) {
    let mut table = Table::new("N");
    let valid = validate(text).is_ok();
    assert_eq!(table.set_json(b"k", text, 0.0).is_ok(), valid);
    let mut window = vec![0; text.len() * 20 + 20];
    let length = table.get(b"k", 0, &mut window).unwrap_or_default();
    assert_eq!(validate(&window[..length]).is_ok(), valid);
    // A clock replaces the text behind the nonce: here always by digits.
    if valid && table.set(b"k", text, usize::MAX, 0.0).is_ok() {
        let length = table.get(b"k", 0, &mut window).expect("it was set");
        assert!(std::str::from_utf8(&window[..length]).is_ok());
    }
}

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((b't', text)) => store(text),
        Some((_, operations)) => operate(operations),
        None => {}
    }
});
