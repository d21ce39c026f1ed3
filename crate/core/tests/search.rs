//! Searches in record tables against a naive one, beside sets and deletes.

mod support;

use mi_httpd_core::layout::SearchField;
use mi_httpd_core::table::dump::DumpedTable;
use mi_httpd_core::table::needle::Needle;
use mi_httpd_core::table::record::Style;
use mi_httpd_core::table::records::{Table, Walk};
use mi_httpd_core::table::search::Wanted;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn new_table() -> DumpedTable {
    let mut table = Table::new("N_");
    table.add_style(Style::default());
    DumpedTable::new(table)
}

/// Whether a record has a text, as one would write it without haste.
fn has(key: &str, record: &Value, text: &str, member: Option<&str>) -> bool {
    let text = text.to_ascii_lowercase();
    let is_in = |other: &str| other.to_ascii_lowercase().contains(&text);
    member.is_none() && is_in(key) || has_value(record, member, member.is_none(), &is_in)
}

fn has_value(value: &Value, member: Option<&str>, wanted: bool, is_in: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| has_value(value, member, member.is_none_or(|member| member == name), is_in)),
        Value::Array(items) => items.iter().any(|item| has_value(item, member, wanted, is_in)),
        Value::String(text) => wanted && is_in(text),
        other => wanted && is_in(&other.to_string()),
    }
}

struct Found {
    records: Vec<(String, Value)>,
    matched: usize,
    scanned: usize,
    rest: Option<Walk>,
}

fn field(fields: &[u32], field: SearchField) -> u32 {
    fields[field as usize]
}

fn run(
    table: &mut DumpedTable,
    wanted: Wanted,
    walk: Walk,
    window: usize,
    mut between: impl FnMut(&mut DumpedTable),
) -> Found {
    let slot = table.open_search(wanted, walk);
    let mut fields = [0; SearchField::COUNT];
    let mut records = Vec::new();
    let mut window = vec![0; window];
    loop {
        let written = table.search(slot, &mut window, &mut fields);
        let text = format!("[{}]", std::str::from_utf8(&window[..written]).unwrap());
        let pairs: Vec<(String, Value)> = serde_json::from_str(&text).unwrap();
        records.extend(pairs);
        if field(&fields, SearchField::IsOver) == 1 {
            break;
        }
        let room = field(&fields, SearchField::Room) as usize;
        if room > window.len() {
            window.resize(room, 0);
        }
        between(table);
    }
    table.close_search(slot);
    Found {
        matched: field(&fields, SearchField::Matched) as usize,
        scanned: field(&fields, SearchField::Scanned) as usize,
        rest: (field(&fields, SearchField::HasMore) == 1).then(|| Walk {
            next: field(&fields, SearchField::Next),
            end: field(&fields, SearchField::End),
            mark: field(&fields, SearchField::Mark),
        }),
        records,
    }
}

fn wanted(text: &str, member: Option<&str>, limit: usize) -> Wanted {
    Wanted {
        needle: Some(Needle::new(text, member)),
        limit,
        counts_all: true,
        ..Wanted::default()
    }
}

/// Few characters, so that much is found: letters, digits, what structures JSON, and what is escaped in it.
fn words() -> impl Strategy<Value = String> {
    let character = prop::sample::select("aAbB01:,[]{}\"\\\n-eE.é ".chars().collect::<Vec<_>>());
    prop::collection::vec(character, 0..6).prop_map(|characters| characters.into_iter().collect())
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just("ab".to_owned()), 3 => Just("a".to_owned()), 1 => words()]
}

fn json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        4 => words().prop_map(Value::String),
        1 => (-20_i32..2000).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(serde_json::from_str("1.50E+3").unwrap()),
    ];
    scalar.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((names(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Writes some characters as escapes that nobody needs.
fn written(value: &Value, escapes: bool) -> String {
    let text = value.to_string();
    if !escapes || text.contains("false") {
        return text;
    }
    text.replace('a', "\\u0061").replace("é", "\\u00e9")
}

proptest! {
    #![proptest_config(support::cases(2000))]

    #[test]
    fn a_record_is_found_as_a_naive_search_finds_it(
        records in prop::collection::vec((words(), json(), prop::bool::weighted(0.2)), 1..12),
        text in words(),
        member in prop::option::of(names()),
        limit in 0..6_usize,
    ) {
        let mut table = new_table();
        let mut model = BTreeMap::new();
        for (key, record, escapes) in &records {
            table.table.set_json(key.as_bytes(), written(record, *escapes).as_bytes(), f64::INFINITY).unwrap();
            model.insert(key.clone(), record.clone());
        }
        let member = member.as_deref();
        let expected: BTreeSet<&String> =
            model.iter().filter(|(key, record)| has(key, record, &text, member)).map(|(key, _)| key).collect();
        let mut walk = table.table.begin_walk();
        let (mut found, mut scanned) = (BTreeSet::new(), None);
        loop {
            let page = run(&mut table, wanted(&text, member, limit), walk, 64, |_| {});
            prop_assert!(page.records.len() <= limit);
            prop_assert_eq!(page.matched + found.len(), expected.len());
            prop_assert_eq!(*scanned.get_or_insert(page.scanned), model.len());
            for (key, record) in page.records {
                prop_assert_eq!(Some(&record), model.get(&key));
                prop_assert!(found.insert(key));
            }
            match page.rest {
                Some(rest) if limit > 0 => walk = rest,
                Some(_) => break,
                None => {
                    prop_assert_eq!(found.iter().collect::<BTreeSet<_>>(), expected);
                    break;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(support::cases(60))]

    #[test]
    fn what_stays_is_found_once_beside_sets_and_deletes(
        changes in prop::collection::vec((0..3000_u32, prop::bool::ANY), 1..200),
        limit in 1..400_usize,
    ) {
        let mut table = new_table();
        let text = |version: usize| format!(r#"{{"name":"{} of {version}","left":""}}"#, if version.is_multiple_of(2) { "ODD" } else { "odd" });
        for key in 0..3000_u32 {
            table.table.set(key.to_string().as_bytes(), text(0).as_bytes(), 0, f64::INFINITY).unwrap();
        }
        let mut changes = changes.into_iter();
        let mut touched = BTreeSet::new();
        let mut walk = table.table.begin_walk();
        let mut found = BTreeSet::new();
        loop {
            let page = run(&mut table, wanted("oDd", Some("name"), limit), walk, 4096, |table| {
                for (key, is_deleted) in changes.by_ref().take(9) {
                    if is_deleted {
                        table.table.delete(key.to_string().as_bytes());
                        touched.insert(key.to_string());
                    } else if table.table.has(key.to_string().as_bytes()) {
                        table.table.set(key.to_string().as_bytes(), text(key as usize).as_bytes(), 0, f64::INFINITY).unwrap();
                    }
                    table.table.set(format!("new{key}").as_bytes(), text(1).as_bytes(), 0, f64::INFINITY).unwrap();
                }
            });
            for (key, _) in page.records {
                prop_assert!(!key.starts_with("new"));
                prop_assert!(found.insert(key));
            }
            match page.rest {
                Some(rest) => walk = rest,
                None => break,
            }
        }
        for key in (0..3000_u32).map(|key| key.to_string()) {
            prop_assert!(found.contains(&key) || touched.contains(&key));
        }
    }
}

#[test]
fn long_records_are_read_across_steps() {
    let mut table = new_table();
    let padding = "x".repeat(300_000);
    for (key, tail) in [("a", "needle"), ("b", "NEED\\u006ce"), ("c", "needl")] {
        let text = format!(r#"{{"needle":"{padding}","list":["{padding}{tail}"]}}"#);
        table
            .table
            .set_json(key.as_bytes(), text.as_bytes(), f64::INFINITY)
            .unwrap();
    }
    let walk = table.table.begin_walk();
    let mut steps = 0;
    let found = run(&mut table, wanted("Needle", None, 10), walk, 64, |_| steps += 1);
    let keys: Vec<_> = found.records.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!((keys, found.matched, found.scanned), (vec!["a", "b"], 2, 3));
    assert!(steps > 50);
    let walk = table.table.begin_walk();
    assert_eq!(
        run(&mut table, wanted("Needle", Some("needle"), 10), walk, 64, |_| {}).matched,
        0
    );
}

#[test]
fn times_are_printed_and_not_searched() {
    let mut table = new_table();
    table
        .table
        .set(
            b"k",
            br#"{"left":"N_0.100","list":["N_0.200"],"x":1}"#,
            2,
            f64::INFINITY,
        )
        .unwrap();
    for (text, member, expected) in [
        ("", None, 1),
        ("90", None, 0),
        ("", Some("left"), 0),
        ("1", Some("x"), 1),
        (":", None, 0),
    ] {
        let walk = table.table.begin_walk();
        let page = run(
            &mut table,
            Wanted {
                now: 10,
                ..wanted(text, member, 1)
            },
            walk,
            64,
            |_| {},
        );
        assert_eq!(page.matched, expected, "{text} {member:?}");
        for (_, record) in page.records {
            assert_eq!(record["left"], 90);
        }
    }
}

#[test]
fn one_record_is_passed_over_and_a_search_that_does_not_count_ends_early() {
    let mut table = new_table();
    for key in 0..2000 {
        table
            .table
            .set(key.to_string().as_bytes(), b"\"text\"", 0, f64::INFINITY)
            .unwrap();
    }
    let walk = table.table.begin_walk();
    let except = Some(b"7".as_slice().into());
    let page = run(
        &mut table,
        Wanted {
            except,
            ..wanted("TEXT", None, 0)
        },
        walk,
        64,
        |_| {},
    );
    assert_eq!((page.matched, page.scanned), (1999, 1999));
    let walk = table.table.begin_walk();
    let page = run(
        &mut table,
        Wanted {
            counts_all: false,
            ..wanted("TEXT", None, 5)
        },
        walk,
        64,
        |_| {},
    );
    assert_eq!((page.records.len(), page.matched, page.rest.is_some()), (5, 6, true));
    let mut fields = [7; SearchField::COUNT];
    assert_eq!(table.search(-1, &mut [], &mut fields), 0);
    table.close_search(-1);
    assert_eq!(fields, [7; SearchField::COUNT]);
}
