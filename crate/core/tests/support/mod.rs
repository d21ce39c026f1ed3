//! Random JSON texts, valid and nearly valid, for the property tests.
#![allow(dead_code, reason = "each test file uses its own part")]

use proptest::prelude::*;

/// Found cases become tests of their own rather than seeds in files.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn blanks() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

/// A JSON string, quotes included, with raw characters and every kind of escape.
pub fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[ -!#-\\[\\]-~]{1,9}",
        1 => any::<char>().prop_filter("escaped only", |c| *c >= ' ' && *c != '"' && *c != '\\').prop_map(String::from),
        1 => r#"\\["\\/bfnrt]"#,
        1 => r"\\u[0-9a-fA-F]{4}",
        1 => Just(r"\ud83d\ude00".to_owned()),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

pub fn number() -> impl Strategy<Value = String> {
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?"
}

/// A valid text with blanks in all places that allow them.
pub fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        string(),
        number(),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
    ];
    scalar.prop_recursive(6, 60, 6, |inner| {
        let item = (blanks(), inner, blanks())
            .prop_map(|(before, value, after)| before + &value + &after)
            .boxed();
        let member = (blanks(), string(), blanks(), item.clone())
            .prop_map(|(before, name, after, value)| before + &name + &after + ":" + &value);
        prop_oneof![
            (prop::collection::vec(item, 1..6)).prop_map(|items| format!("[{}]", items.join(","))),
            (prop::collection::vec(member, 1..6)).prop_map(|members| format!("{{{}}}", members.join(","))),
            blanks().prop_map(|blanks| format!("[{blanks}]")),
            blanks().prop_map(|blanks| format!("{{{blanks}}}")),
        ]
    })
}

/// Bytes that are often JSON but for one cut, added or changed byte.
pub fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop_oneof![
        2 => Just(None),
        5 => (any::<prop::sample::Index>(), 0..4_u8, prop_oneof![any::<u8>(), prop::sample::select(b"{}[],:\"\\0e.-+ tn".to_vec())])
            .prop_map(Some),
    ];
    (value(), damage).prop_map(|(text, damage)| {
        let mut bytes = text.into_bytes();
        if let Some((index, kind, byte)) = damage {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}
