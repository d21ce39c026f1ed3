//! A record table that several threads use at once: nothing is torn, lost or double, and what was set is seen.

use mi_httpd_core::layout::SearchField;
use mi_httpd_core::table::dump::{DumpedTable, Shape};
use mi_httpd_core::table::needle::Needle;
use mi_httpd_core::table::records::{Rejected, Shared, Table};
use mi_httpd_core::table::search::Wanted;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const KEYS: usize = if cfg!(miri) { 6 } else { 200 };
const ROUNDS: u32 = if cfg!(miri) { 12 } else { 2000 };

/// A record that shows if parts of it are of different versions. Some are long, and a few too large for any page.
fn record(key: usize, version: u32) -> String {
    let times = match version % 50 {
        49 if key.is_multiple_of(20) => 2000,
        7 | 9 => 30,
        rest => 3 + rest as usize % 3,
    };
    format!("[{key},{version},\"{}\"]", format!("{key}.{version};").repeat(times))
}

fn version_of(text: &str, key: usize) -> u32 {
    let rest = text.strip_prefix(&format!("[{key},")).expect("its key");
    let version = rest
        .split(',')
        .next()
        .and_then(|version| version.parse().ok())
        .expect("its version");
    assert_eq!(text, record(key, version), "a record is whole");
    version
}

fn set(table: &mut Table, key: usize, version: u32) {
    table
        .set(
            format!("key{key}").as_bytes(),
            record(key, version).as_bytes(),
            0,
            f64::from(version),
        )
        .unwrap();
}

fn dump(table: &Arc<Shared>) -> Vec<(usize, String)> {
    let mut held = DumpedTable::new(Table::of(Arc::clone(table), "N"));
    let slot = held.open_lines(Shape::Records, 0);
    let (mut window, mut text) = (vec![0; 3000], Vec::new());
    while let length @ 1.. = held.fill(slot, &mut window) {
        text.extend_from_slice(&window[..length]);
    }
    let text = String::from_utf8(text).unwrap();
    text.lines()
        .map(|line| (line[1..].split(',').next().unwrap().parse().unwrap(), line.to_owned()))
        .collect()
}

fn search(table: &Arc<Shared>) -> usize {
    let mut held = DumpedTable::new(Table::of(Arc::clone(table), "N"));
    let walk = held.table.begin_walk();
    let wanted = Wanted {
        needle: Some(Needle::new(";", None)),
        counts_all: true,
        ..Wanted::default()
    };
    let (slot, mut fields) = (held.open_search(wanted, walk), [0; SearchField::COUNT]);
    while fields[SearchField::IsOver as usize] == 0 {
        held.search(slot, &mut [], &mut fields);
    }
    fields[SearchField::Matched as usize] as usize
}

#[test]
fn readers_beside_writers() {
    let table = Table::new("N");
    let acknowledged: Vec<AtomicU32> = (0..KEYS).map(|_| AtomicU32::new(0)).collect();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|own| {
                let (mut table, acknowledged) = (Table::of(Arc::clone(table.shared()), "N"), &acknowledged);
                scope.spawn(move || {
                    for version in 1..=ROUNDS {
                        for key in (own..KEYS).step_by(2) {
                            set(&mut table, key, version);
                            acknowledged[key].store(version, Ordering::Release);
                            // Others come and go, so that pages wear out, and entries and words of the index are used again.
                            let passing = KEYS + key;
                            if version % 3 == 0 {
                                table.delete(format!("key{passing}").as_bytes());
                            } else {
                                set(&mut table, passing, version);
                            }
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let before: Vec<u32> = acknowledged.iter().map(|one| one.load(Ordering::Acquire)).collect();
                    let mut seen = HashSet::new();
                    for (key, text) in dump(table.shared()) {
                        let version = version_of(&text, key);
                        assert!(seen.insert(key), "{key} is there twice");
                        assert!(before.get(key).is_none_or(|before| version >= *before), "{key} is old");
                    }
                    let there = before.iter().enumerate().filter(|(_, before)| **before > 0);
                    let there: Vec<usize> = there.map(|(key, _)| key).collect();
                    assert!(there.iter().all(|key| seen.contains(key)), "what is there is dumped");
                    assert!(search(table.shared()) >= there.len());
                }
            });
        }
        scope.spawn(|| {
            let mut window = vec![0; 60_000];
            while !is_over.load(Ordering::Relaxed) {
                for (key, acknowledged) in acknowledged.iter().enumerate() {
                    let before = acknowledged.load(Ordering::Acquire);
                    let length = table.shared().get(format!("key{key}").as_bytes(), 0, &mut window);
                    let version = length.map_or(0, |length| {
                        version_of(std::str::from_utf8(&window[..length]).unwrap(), key)
                    });
                    assert!(version >= before, "{key} is {version}, and was {before}");
                    assert!(!table.shared().has(format!("kay{key}").as_bytes()));
                }
            }
        });
        for writer in writers {
            let ended = writer.join();
            is_over.store(ended.is_err(), Ordering::Relaxed);
            ended.unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(dump(table.shared()).len(), table.len());
    let texts: usize = dump(table.shared())
        .iter()
        .map(|(key, text)| format!("key{key}").len() + text.len())
        .sum();
    assert_eq!(table.bytes(), texts);
}

#[test]
fn a_table_is_cleared_beside_readers() {
    let mut table = Table::new("N");
    let is_over = AtomicBool::new(false);
    let shared = Arc::clone(table.shared());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut window = vec![0; 60_000];
            while !is_over.load(Ordering::Relaxed) {
                for (key, text) in dump(&shared) {
                    version_of(&text, key);
                }
                for key in 0..KEYS {
                    if let Some(length) = shared.get(format!("key{key}").as_bytes(), 0, &mut window) {
                        version_of(std::str::from_utf8(&window[..length]).unwrap(), key);
                    }
                }
            }
        });
        for version in 1..ROUNDS / 4 {
            for key in 0..KEYS {
                set(&mut table, key, version);
            }
            table.clear();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(table.is_empty());
}

#[test]
fn of_changes_by_what_was_read_none_is_lost() {
    let rounds = if cfg!(miri) { 10 } else { 20_000 };
    let mut home = Table::new("N");
    let count = |table: &mut Table| {
        for _ in 0..rounds {
            for key in [&b"one"[..], b"two"] {
                loop {
                    let version = table.version(key);
                    let mut window = [0; 16];
                    let length = table.get(key, 0, &mut window).unwrap_or_default();
                    let before: u32 = std::str::from_utf8(&window[..length]).unwrap().parse().unwrap_or(0);
                    let text = (before + 1).to_string();
                    match table.set_unchanged(key, text.as_bytes(), 0, 0.0, version) {
                        Ok(_) => break,
                        Err(problem) => assert_eq!(problem, Rejected::Changed),
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut table = Table::of(Arc::clone(home.shared()), "N");
            scope.spawn(move || count(&mut table));
        }
        count(&mut home);
    });
    let mut window = [0; 16];
    for key in [&b"one"[..], b"two"] {
        let length = home.get(key, 0, &mut window).unwrap();
        assert_eq!(window[..length], *(4 * rounds).to_string().as_bytes());
    }
}

#[test]
fn a_version_is_of_what_is_read_behind_it() {
    let mut table = Table::new("N");
    let absent = table.version(b"k");
    assert_eq!(table.delete_unchanged(b"k", absent), Ok(false));
    assert_eq!(table.set_unchanged(b"k", b"1", 0, 0.0, absent), Ok(true));
    assert_eq!(table.set_unchanged(b"k", b"2", 0, 0.0, absent), Err(Rejected::Changed));
    assert_eq!(table.delete_unchanged(b"k", absent), Err(Rejected::Changed));
    let set = table.version(b"k");
    table.set_json(b"k", b"3", 0.0).unwrap();
    assert_eq!(table.delete_unchanged(b"k", set), Err(Rejected::Changed));
    let set = table.version(b"k");
    assert_eq!(table.delete_unchanged(b"k", set), Ok(true));
    let gone = table.version(b"k");
    assert_ne!(gone, set);
    table.clear();
    assert_ne!(table.version(b"k"), gone);
    assert_eq!(table.len(), 0);
}
