//! What readers see of a table while another thread changes it, in each order that the memory model allows.
//!
//! Threads are interrupted a limited number of times in each run (LOOM_MAX_PREEMPTIONS): more finds nothing new here, and
//! takes days.

use loom::thread;
use mi_httpd_core::table::dump::{DumpedTable, Shape};
use mi_httpd_core::table::records::{Shared, Table};
use std::sync::Arc;

/// A table with some records, the handle of the writer, and what readers share.
fn table(records: &[(&str, &str)]) -> (Table, Arc<Shared>) {
    let mut table = Table::new("N");
    for (key, text) in records {
        set(&mut table, key, text);
    }
    let shared = Arc::clone(table.shared());
    (table, shared)
}

fn set(table: &mut Table, key: &str, text: &str) {
    table.set(key.as_bytes(), text.as_bytes(), 0, 0.0).unwrap();
}

fn get(table: &Shared, key: &str) -> Option<String> {
    let mut window = [0; 64];
    let length = table.get(key.as_bytes(), 0, &mut window)?;
    Some(String::from_utf8(window[..length].to_vec()).unwrap())
}

fn dump(table: &Arc<Shared>) -> String {
    let mut held = DumpedTable::new(Table::of(Arc::clone(table), "N"));
    let slot = held.open(Shape::Records, 0);
    let mut window = [0; 200];
    let length = held.fill(slot, &mut window);
    String::from_utf8(window[..length].to_vec()).unwrap()
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.max_branches = 100_000;
    builder.check(run);
}

#[test]
fn a_record_that_is_overwritten_is_read_whole() {
    model(|| {
        let (mut writer, readers) = table(&[("k", "[11111111111,1]")]);
        let reader = thread::spawn(move || {
            let seen = get(&readers, "k").expect("it is always there");
            assert!(["[11111111111,1]", "[22222222222,2]"].contains(&&*seen), "{seen}");
        });
        set(&mut writer, "k", "[22222222222,2]");
        assert_eq!(get(&writer, "k").as_deref(), Some("[22222222222,2]"));
        reader.join().unwrap();
    });
}

#[test]
fn a_dump_has_each_record_once_and_whole_while_one_is_overwritten() {
    model(|| {
        let (mut writer, readers) = table(&[("k", "[11111111111,1]"), ("l", "[0]")]);
        let reader = thread::spawn(move || {
            let seen = dump(&readers);
            assert!(["[[11111111111,1],[0]]", "[[22222222222,2],[0]]"].contains(&&*seen), "{seen}");
        });
        set(&mut writer, "k", "[22222222222,2]");
        reader.join().unwrap();
    });
}

#[test]
fn a_record_that_moves_is_always_found() {
    model(|| {
        let (mut writer, readers) = table(&[("k", "[1]")]);
        let reader = thread::spawn(move || {
            let seen = get(&readers, "k").expect("it is always there");
            assert!(["[1]", "[11111111112]"].contains(&&*seen), "{seen}");
        });
        // It is longer: its page loses the only block, and goes.
        set(&mut writer, "k", "[11111111112]");
        reader.join().unwrap();
    });
}

#[test]
fn pages_are_cleaned_under_readers() {
    model(|| {
        let (mut writer, readers) = table(&[("a", "1"), ("k", "2"), ("b", "3"), ("c", "4"), ("d", "5"), ("e", "6")]);
        // Blocks of four words or more: some pages of 32 fill, and more than one is dead before long.
        for key in ["a", "b", "c", "d", "e", "a", "b"] {
            writer.delete(key.as_bytes());
            set(&mut writer, key, "[123456789]");
        }
        let reader = thread::spawn(move || {
            assert_eq!(get(&readers, "k").as_deref(), Some("2"), "it is always there");
        });
        for key in ["c", "d", "e", "a", "b"] {
            writer.delete(key.as_bytes());
            set(&mut writer, key, "[123456789]");
        }
        reader.join().unwrap();
    });
}

#[test]
fn what_was_acknowledged_is_seen() {
    model(|| {
        let (mut writer, readers) = table(&[]);
        let told = Arc::new(loom::sync::atomic::AtomicU32::new(0));
        let reader = {
            let told = Arc::clone(&told);
            thread::spawn(move || {
                let before = told.load(std::sync::atomic::Ordering::Acquire);
                let seen = get(&readers, "k");
                match before {
                    0 => {}
                    1 => assert!(seen.is_some_and(|seen| seen == "1" || seen == "[2222222222]")),
                    _ => assert_eq!(seen.as_deref(), Some("[2222222222]")),
                }
            })
        };
        set(&mut writer, "k", "1");
        told.store(1, std::sync::atomic::Ordering::Release);
        set(&mut writer, "k", "[2222222222]");
        told.store(2, std::sync::atomic::Ordering::Release);
        reader.join().unwrap();
    });
}

#[test]
fn a_dump_never_has_a_key_twice() {
    model(|| {
        let (mut writer, readers) = table(&[("k", "1"), ("l", "2")]);
        let reader = thread::spawn(move || {
            let seen = dump(&readers);
            assert!(seen.matches('1').count() <= 1, "{seen}");
            assert_eq!(seen.matches('2').count(), 1, "{seen}");
        });
        // "m" takes the place of "k" among the entries, and "k" comes back behind it.
        writer.delete(b"k");
        set(&mut writer, "m", "3");
        set(&mut writer, "k", "1");
        reader.join().unwrap();
    });
}

#[test]
fn a_key_that_is_there_is_found_while_the_index_grows_and_shrinks() {
    model(|| {
        let keys = ["a", "b", "c", "d", "e", "f"];
        let records: Vec<_> = keys.iter().map(|key| (*key, "1")).collect();
        let (mut writer, readers) = table(&records);
        let reader = thread::spawn(move || {
            assert_eq!(get(&readers, "f").as_deref(), Some("1"));
        });
        writer.delete(b"a");
        set(&mut writer, "g", "1");
        set(&mut writer, "h", "1");
        reader.join().unwrap();
    });
}
