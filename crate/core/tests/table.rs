//! Record tables against a model: random changes, with dumps and walks under way.

mod support;

use mi_httpd_core::json::reader::validate;
use mi_httpd_core::table::dump::{DumpedTable, Shape};
use mi_httpd_core::table::record::Style;
use mi_httpd_core::table::records::{Rejected, Table, Walk};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const NONCE: &str = "Zm9vYmFyYmF6cXV4Zm9vYg";

fn new_table() -> Table {
    let mut table = Table::new(NONCE);
    table.add_style(Style::default());
    table.add_style(Style {
        permanent: b"\"permanent\"".as_slice().into(),
        expired: b"\"expired\"".as_slice().into(),
    });
    table
}

/// A record that tells its key and which version it is.
fn record(key: &str, version: usize, time: u64, padding: usize) -> String {
    let padding = "x".repeat(padding);
    format!(r#"{{"key":"{key}","version":{version},"left":"{NONCE}1.{time}","padding":"{padding}"}}"#)
}

fn left(time: u64, now: u64) -> Value {
    match time {
        0 => "permanent".into(),
        time if time <= now => "expired".into(),
        time => (time - now).into(),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set {
        key: u8,
        time: u64,
        padding: usize,
    },
    SetJson {
        key: u8,
    },
    Refuse {
        key: u8,
    },
    Delete {
        key: u8,
    },
    /// Many sets of a few keys, so that pages wear out.
    Wear {
        key: u8,
        padding: usize,
    },
    Clear,
    Open {
        shape: u8,
        now: u64,
    },
    Fill {
        dump: u8,
        window: usize,
    },
    Release {
        dump: u8,
    },
    BeginWalk,
    Walk {
        walk: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let padding = prop_oneof![8 => 0..900_usize, 2 => 0..9000_usize, 1 => 0..40_000_usize];
    let time = prop_oneof![Just(0), 1..300_u64];
    let window = prop_oneof![1..40_usize, 40..4000_usize, Just(65_536)];
    prop_oneof![
        20 => (any::<u8>(), time, padding).prop_map(|(key, time, padding)| Step::Set { key, time, padding }),
        2 => any::<u8>().prop_map(|key| Step::SetJson { key }),
        1 => any::<u8>().prop_map(|key| Step::Refuse { key }),
        12 => any::<u8>().prop_map(|key| Step::Delete { key }),
        2 => (any::<u8>(), 500..2500_usize).prop_map(|(key, padding)| Step::Wear { key, padding }),
        1 => Just(Step::Clear),
        3 => (0..3_u8, 0..300_u64).prop_map(|(shape, now)| Step::Open { shape, now }),
        30 => (any::<u8>(), window).prop_map(|(dump, window)| Step::Fill { dump, window }),
        1 => any::<u8>().prop_map(|dump| Step::Release { dump }),
        2 => Just(Step::BeginWalk),
        10 => any::<u8>().prop_map(|walk| Step::Walk { walk }),
    ]
}

/// The keys that a walk that has begun may still show.
#[derive(Default)]
struct Watch {
    /// Keys that were there at its begin, and those of them that always were since.
    at_begin: BTreeSet<String>,
    throughout: BTreeSet<String>,
}

struct OpenDump {
    slot: i32,
    shape: u8,
    now: u64,
    text: Vec<u8>,
    /// Versions that each key has had since it was opened.
    versions: BTreeSet<(String, usize)>,
    watch: Watch,
}

#[derive(Default)]
struct OpenWalk {
    walk: Walk,
    seen: Vec<String>,
    watch: Watch,
}

struct Run {
    held: DumpedTable,
    model: BTreeMap<String, (usize, u64, String)>,
    dumps: Vec<OpenDump>,
    walks: Vec<OpenWalk>,
    version: usize,
}

impl Run {
    fn watch(&self) -> Watch {
        let keys: BTreeSet<String> = self.model.keys().cloned().collect();
        Watch {
            at_begin: keys.clone(),
            throughout: keys,
        }
    }

    fn forget(&mut self, key: &str) {
        let dumps = self.dumps.iter_mut().map(|dump| &mut dump.watch);
        for watch in dumps.chain(self.walks.iter_mut().map(|walk| &mut walk.watch)) {
            watch.throughout.remove(key);
        }
    }

    fn set(&mut self, key: String, time: u64, text: String, plain: bool) {
        self.version += 1;
        let is_new = match plain {
            true => self
                .held
                .table
                .set_json(key.as_bytes(), format!(" {text}\n").as_bytes(), f64::INFINITY),
            false => self.held.table.set(key.as_bytes(), text.as_bytes(), 1, time as f64),
        };
        for dump in &mut self.dumps {
            dump.versions.insert((key.clone(), self.version));
        }
        let stored = text.replace(&format!("\"{NONCE}1.{time}\""), "");
        let old = self.model.insert(key, (self.version, time, stored));
        assert_eq!(is_new, Ok(old.is_none()));
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Set { key, time, padding } => {
                let key = key_of(key);
                let text = record(&key, self.version + 1, time, padding);
                self.set(key, time, text, false);
            }
            Step::SetJson { key } => {
                let key = key_of(key);
                let text = format!(r#"{{"key":"{key}","version":{},"left":"permanent"}}"#, self.version + 1);
                self.set(key, 0, text, true);
            }
            Step::Refuse { key } => {
                let rejected = self.held.table.set_json(key_of(key).as_bytes(), b"[1,]", 0.0);
                assert!(matches!(rejected, Err(Rejected::NotJson(_))));
            }
            Step::Delete { key } => {
                let key = key_of(key);
                self.forget(&key);
                assert_eq!(
                    self.held.table.delete(key.as_bytes()),
                    self.model.remove(&key).is_some()
                );
            }
            Step::Wear { key, padding } => {
                for number in 0..60 {
                    let key = key_of(key.wrapping_add(number % 13));
                    let text = record(&key, self.version + 1, 5, padding + usize::from(number) * 16);
                    self.set(key, 5, text, false);
                }
            }
            Step::Clear => {
                for key in std::mem::take(&mut self.model).into_keys() {
                    self.forget(&key);
                }
                self.held.table.clear();
            }
            Step::Open { shape, now } => {
                let native = match shape {
                    0 => Shape::Records,
                    1 => Shape::Keys,
                    _ => Shape::Member("AOR".into()),
                };
                self.dumps.push(OpenDump {
                    slot: self.held.open(native, now),
                    shape,
                    now,
                    text: Vec::new(),
                    versions: self.model.iter().map(|(key, value)| (key.clone(), value.0)).collect(),
                    watch: self.watch(),
                });
            }
            Step::Fill { dump, window } => {
                if !self.dumps.is_empty() {
                    let index = usize::from(dump) % self.dumps.len();
                    self.fill(index, window);
                }
            }
            Step::Release { dump } => {
                if !self.dumps.is_empty() {
                    let dump = self.dumps.swap_remove(usize::from(dump) % self.dumps.len());
                    self.held.release(dump.slot);
                    assert_eq!(self.held.fill(dump.slot, &mut [0; 9]), 0);
                }
            }
            Step::BeginWalk => self.walks.push(OpenWalk {
                walk: self.held.table.begin_walk(),
                seen: Vec::new(),
                watch: self.watch(),
            }),
            Step::Walk { walk } => {
                if !self.walks.is_empty() {
                    let index = usize::from(walk) % self.walks.len();
                    self.walk(index);
                }
            }
        }
        self.check();
    }

    fn fill(&mut self, index: usize, size: usize) {
        let mut window = vec![0; size];
        let dump = &mut self.dumps[index];
        let length = self.held.fill(dump.slot, &mut window);
        dump.text.extend_from_slice(&window[..length]);
        if length == 0 {
            let dump = self.dumps.swap_remove(index);
            self.held.release(dump.slot);
            check_dump(&dump, &self.model);
        }
    }

    fn walk(&mut self, index: usize) {
        let open = &mut self.walks[index];
        let mut window = vec![0; 65_539];
        let length = self.held.table.walk(&mut open.walk, f64::INFINITY, &mut window);
        open.seen.extend(keys_in(&window[..length]));
        if open.walk.next == open.walk.end {
            let open = self.walks.swap_remove(index);
            check_keys(&open.seen, &open.watch);
        }
    }

    fn check(&self) {
        let table = &self.held.table;
        assert_eq!(table.len(), self.model.len());
        let bytes: usize = self
            .model
            .iter()
            .map(|(key, (_, _, text))| key.len() + text.len())
            .sum();
        assert_eq!(table.bytes(), bytes);
        assert_eq!(self.held.dumps_open(), self.dumps.len());
    }

    /// Reads everything, and ends what is under way.
    fn finish(mut self) {
        for key in 0..=255 {
            let key = key_of(key);
            let mut window = vec![0; 65_536];
            let length = self.held.table.get(key.as_bytes(), 100, &mut window);
            assert_eq!(length.is_some(), self.model.contains_key(&key));
            assert_eq!(self.held.table.has(key.as_bytes()), length.is_some());
            if let (Some(length), Some((version, time, _))) = (length, self.model.get(&key)) {
                let value: Value = serde_json::from_slice(&window[..length]).unwrap();
                assert_eq!((&value["key"], &value["version"]), (&key.into(), &(*version).into()));
                assert_eq!(value["left"], left(*time, 100));
            }
        }
        while !self.walks.is_empty() {
            self.walk(0);
        }
        while !self.dumps.is_empty() {
            self.fill(0, 1000);
        }
        self.check();
    }
}

fn key_of(key: u8) -> String {
    format!("{}é\u{1f600}{key}", "k".repeat(usize::from(key) / 4))
}

fn keys_in(mut bytes: &[u8]) -> Vec<String> {
    let mut keys = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (key, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        keys.push(String::from_utf8(key.to_vec()).unwrap());
        bytes = rest;
    }
    keys
}

fn check_keys(seen: &[String], watch: &Watch) {
    let set: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(set.len(), seen.len(), "each key at most once");
    assert!(watch.throughout.is_subset(&set), "what is always there is there");
    assert!(set.is_subset(&watch.at_begin), "what is new is left out");
}

fn check_dump(dump: &OpenDump, model: &BTreeMap<String, (usize, u64, String)>) {
    assert!(validate(&dump.text).is_ok());
    let values: Vec<Value> = serde_json::from_slice(&dump.text).unwrap();
    let keys: Vec<String> = values
        .iter()
        .map(|value| match dump.shape {
            0 => value["key"].as_str(),
            1 => value.as_str(),
            _ => value["AOR"].as_str(),
        })
        .map(|key| key.unwrap().to_owned())
        .collect();
    check_keys(&keys, &dump.watch);
    if dump.shape != 0 {
        return;
    }
    for (key, value) in keys.into_iter().zip(&values) {
        let version = value["version"].as_u64().unwrap() as usize;
        if let Some((last, time, _)) = model.get(&key)
            && *last == version
        {
            assert_eq!(value["left"], left(*time, dump.now));
        }
        assert!(dump.versions.contains(&(key, version)), "a record as it once was");
    }
}

proptest! {
    #![proptest_config(support::cases(200))]

    #[test]
    fn any_changes_between_the_slices_of_dumps(steps in prop::collection::vec(step(), 1..600)) {
        let mut run = Run {
            held: DumpedTable::new(new_table()),
            model: BTreeMap::new(),
            dumps: Vec::new(),
            walks: Vec::new(),
            version: 0,
        };
        for step in steps {
            run.apply(step);
        }
        run.finish();
    }

    #[test]
    fn any_json_is_kept_as_it_is_without_blanks(text in support::value()) {
        let mut table = new_table();
        table.set_json(b"k", text.as_bytes(), 0.0).unwrap();
        let mut window = vec![0; text.len()];
        let length = table.get(b"k", 0, &mut window).unwrap();
        let kept = validate(&window[..length]).unwrap();
        let given = validate(text.as_bytes()).unwrap();
        prop_assert_eq!((kept.kind, kept.count, kept.start, kept.end), (given.kind, given.count, 0, length));
        let stripped: String = text.chars().filter(|c| !" \t\r\n".contains(*c)).collect();
        let without: String = String::from_utf8(window[..length].to_vec()).unwrap().chars().filter(|c| *c != ' ').collect();
        prop_assert_eq!(stripped, without);
    }
}

/// Numbers that look random, the same each time.
fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 16) as usize
}

#[test]
fn memory_stays_near_what_is_stored_through_churn() {
    let (mut table, mut state) = (new_table(), 88172645463325252);
    const RECORDS: usize = 40_000;
    let set = |table: &mut Table, number: usize, base: usize, state: &mut u64| {
        let text = record("k", 0, 1, base + random(state) % 100);
        table
            .set(format!("user{number}@example.com").as_bytes(), text.as_bytes(), 1, 0.0)
            .unwrap();
    };
    let mut next = RECORDS;
    for number in 0..RECORDS {
        set(&mut table, number, 300, &mut state);
    }
    // One in four is replaced by a new key, and records grow by and by.
    for step in 0..10 * RECORDS {
        let number = random(&mut state) % RECORDS + next - RECORDS;
        let base = 300 + step * 300 / (10 * RECORDS);
        if step % 4 == 0 {
            table.delete(format!("user{}@example.com", next - RECORDS).as_bytes());
            set(&mut table, next, base, &mut state);
            next += 1;
        } else {
            set(&mut table, number.max(next - RECORDS), base, &mut state);
        }
        if step % 1000 == 0 {
            let share = table.held() as f64 / table.bytes() as f64;
            assert!(
                share < 1.3,
                "{share} times the bytes that are stored, after {step} steps"
            );
        }
    }
    assert_eq!(table.len(), RECORDS);
    for number in next - RECORDS..next - 100 {
        assert!(table.delete(format!("user{number}@example.com").as_bytes()));
    }
    assert_eq!(table.len(), 100);
    assert!(table.held() < 1 << 20, "{} bytes for 100 records", table.held());
}

#[test]
fn deadlines_find_what_is_due() {
    let mut table = new_table();
    for number in 0..20_000 {
        let deadline = if number % 10 == 0 {
            f64::INFINITY
        } else {
            f64::from(number)
        };
        table.set(number.to_string().as_bytes(), b"{}", 0, deadline).unwrap();
    }
    table.set(b"5", b"{}", 0, f64::INFINITY).unwrap();
    let (mut walk, mut steps, mut keys) = (table.begin_walk(), 0, Vec::new());
    let mut window = vec![0; 131_072];
    while walk.next != walk.end {
        let length = table.walk(&mut walk, 12.0, &mut window);
        keys.extend(keys_in(&window[..length]));
        steps += 1;
    }
    assert_eq!(keys, ["1", "2", "3", "4", "6", "7", "8", "9", "11", "12"]);
    assert_eq!(steps, 3, "a step looks at a limited number of records");
}

#[test]
fn a_step_of_a_walk_is_limited_among_records_that_are_new_to_it() {
    let mut table = new_table();
    let fill = |table: &mut Table| {
        for number in 0..20_000 {
            table.set(number.to_string().as_bytes(), b"{}", 0, 1.0).unwrap();
        }
    };
    fill(&mut table);
    let (mut walk, mut steps) = (table.begin_walk(), 0);
    table.clear();
    fill(&mut table);
    while walk.next != walk.end {
        assert_eq!(table.walk(&mut walk, 2.0, &mut [0; 70_000]), 0);
        steps += 1;
    }
    assert_eq!(steps, 3);
}

#[test]
fn a_dump_goes_on_behind_records_that_are_new_to_it() {
    let mut held = DumpedTable::new(new_table());
    let text = format!("\"{}\"", "x".repeat(7000));
    let set = |held: &mut DumpedTable, number: u32| {
        held.table
            .set(number.to_string().as_bytes(), text.as_bytes(), 0, 0.0)
            .unwrap();
    };
    for number in 0..401 {
        set(&mut held, number);
    }
    let slot = held.open(Shape::Keys, 0);
    // Each page has a few records: the new ones take more pages than are looked at together.
    for number in 0..400 {
        held.table.delete(number.to_string().as_bytes());
    }
    for number in 1000..1400 {
        set(&mut held, number);
    }
    let mut window = [0; 100];
    let length = held.fill(slot, &mut window);
    assert_eq!(&window[..length], b"[\"400\"]");
}

#[test]
fn limits_and_refusals_change_nothing() {
    let mut table = new_table();
    table.set(b"k", b"1", 0, 0.0).unwrap();
    let before = (table.len(), table.bytes());
    let long = vec![b'k'; 65_536];
    for (rejected, reason) in [
        (
            table.set(&long, b"1", 0, 0.0),
            "key of 65536 bytes is longer than the 65535 that a record table takes; shorten it",
        ),
        (
            table.set_json(b"k", b"{\"a\" 1}", 0.0),
            "record is not JSON: expected ':' at byte 5",
        ),
        (
            table.set(b"k", format!("[\"\\\"{NONCE}1.1\\\"\"]").as_bytes(), 1, 0.0),
            "value that depends on time was turned into a text before the record was set; set it as it is",
        ),
    ] {
        assert_eq!(rejected.unwrap_err().to_string(), reason);
    }
    assert_eq!((table.len(), table.bytes()), before);
    table.set(&long[1..], b"2", 0, 0.0).unwrap();
    let mut window = vec![b'k'; 65_536];
    assert_eq!(table.get_over(65_535, 0, &mut window), Some(1));
    assert_eq!(window[0], b'2');
    assert_eq!(table.get_over(65_537, 0, &mut window), None);
}

#[test]
fn a_dump_of_keys_escapes_them() {
    let mut held = DumpedTable::new(new_table());
    held.table.set("a\"\\\n\u{7f}é".as_bytes(), b"1", 0, 0.0).unwrap();
    let slot = held.open(Shape::Member("A\"".into()), 0);
    let mut window = [0; 100];
    let length = held.fill(slot, &mut window);
    assert_eq!(
        std::str::from_utf8(&window[..length]).unwrap(),
        "[{\"A\\\"\":\"a\\\"\\\\\\n\u{7f}é\"}]"
    );
    assert_eq!(held.fill(slot, &mut window), 0);
}

#[test]
fn a_dump_by_lines_has_the_records_of_the_array_through_any_window() {
    let mut held = DumpedTable::new(new_table());
    let read = |held: &mut DumpedTable, slot: i32, room: usize| {
        let mut window = vec![0; room];
        let mut text = Vec::new();
        while let length @ 1.. = held.fill(slot, &mut window) {
            text.extend_from_slice(&window[..length]);
        }
        held.release(slot);
        String::from_utf8(text).unwrap()
    };
    for count in 0..4 {
        for room in (1..40).chain([1000]) {
            let slot = held.open(Shape::Records, 7);
            let array = read(&mut held, slot, room);
            let slot = held.open_lines(Shape::Records, 7);
            let lines = read(&mut held, slot, room);
            let array: Vec<Value> = serde_json::from_str(&array).unwrap();
            assert_eq!(array.len(), count);
            assert!(lines.is_empty() || lines.ends_with('\n'));
            let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines, array);
        }
        let key = format!("k{count}");
        let text = record(&key, count, 9, count);
        held.table.set(key.as_bytes(), text.as_bytes(), 1, 0.0).unwrap();
    }
}

#[test]
fn the_length_of_a_dump_is_known_without_holes() {
    let mut held = DumpedTable::new(new_table());
    assert_eq!(held.length(), Some(2));
    for (key, text) in [("a", "1"), ("b", "22"), ("a", "333")] {
        held.table.set(key.as_bytes(), text.as_bytes(), 0, 0.0).unwrap();
    }
    let slot = held.open(Shape::Records, 0);
    assert_eq!(Some(held.fill(slot, &mut [0; 100])), held.length());
    held.table
        .set(b"a", format!("\"{NONCE}0.7\"").as_bytes(), 1, 0.0)
        .unwrap();
    assert_eq!(held.length(), None);
    held.table.delete(b"a");
    assert_eq!(held.length(), Some(4));
}
