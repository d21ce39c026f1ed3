//! The reader and the writers against serde_json.

mod support;

use mi_httpd_core::json::checker::Checker;
use mi_httpd_core::json::reader::{Fault, Kind, MAX_DEPTH, validate};
use mi_httpd_core::json::text::{NumberPrinter, unescape, write_string};
use proptest::prelude::*;
use serde::de::IgnoredAny;

fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Checks a text that comes in pieces, cut at these places.
fn is_checked(text: &[u8], cuts: &[prop::sample::Index]) -> bool {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    let mut checker = Checker::default();
    let pieces = places
        .windows(2)
        .all(|pair| checker.push(&text[pair[0]..pair[1]]).is_ok());
    checker.end().is_ok() && pieces
}

/// True for a text with the escape of half of a surrogate pair.
fn has_half_pair(text: &[u8]) -> bool {
    let mut first = false;
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = if byte == b'\\' && behind.first() == Some(&b'u') {
            behind.get(1..5)
        } else {
            None
        };
        let unit = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let is_second = unit.is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
        if is_second != first {
            return true;
        }
        first = unit.is_some_and(|unit| (0xd800..0xdc00).contains(&unit));
        let length = if unit.is_some() {
            6
        } else if byte == b'\\' {
            2
        } else {
            1
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    first
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..6)
}

proptest! {
    #![proptest_config(support::cases(2000))]

    #[test]
    fn pieces_are_checked_as_the_whole_is_read(text in support::nearly(), cuts in cuts()) {
        if std::str::from_utf8(&text).is_ok() {
            let is_valid = validate(&text).is_ok() && !has_half_pair(&text);
            prop_assert_eq!(is_checked(&text, &cuts), is_valid, "{:?}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn half_pairs_are_found_wherever_pieces_end(text in r#"["](\\ud83d|\\uDE00|\\u00e9|\\\\|\\n|a){0,6}["]"#, cuts in cuts()) {
        prop_assert_eq!(is_checked(text.as_bytes(), &cuts), !has_half_pair(text.as_bytes()), "{}", text);
    }

    #[test]
    fn pieces_of_json_bytes_are_checked_as_the_whole_is_read(text in r#"[\[\]{},:"\\ 0-9eE.+\-truefalsn\t]{0,24}"#, cuts in cuts()) {
        prop_assert_eq!(is_checked(text.as_bytes(), &cuts), validate(text.as_bytes()).is_ok(), "{}", text);
    }

    #[test]
    fn accepts_what_serde_json_accepts(text in support::nearly()) {
        prop_assert_eq!(validate(&text).is_ok(), is_json(&text), "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn accepts_what_serde_json_accepts_of_any_bytes(text in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(validate(&text).is_ok(), is_json(&text));
    }

    #[test]
    fn accepts_what_serde_json_accepts_of_json_bytes(text in r#"[\[\]{},:"\\ 0-9eE.+\-truefalsn\t]{0,24}"#) {
        prop_assert_eq!(validate(text.as_bytes()).is_ok(), is_json(text.as_bytes()), "{}", text);
    }

    #[test]
    fn errors_lie_inside_the_text(text in support::nearly()) {
        if let Err(error) = validate(&text) {
            prop_assert!(error.position <= text.len());
            let place = format!(" at byte {}", error.position);
            prop_assert!(error.to_string().ends_with(&place));
        }
    }

    #[test]
    fn strings_read_back(text in any::<String>()) {
        let mut out = Vec::new();
        write_string(&mut out, &text);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text.clone());
        prop_assert_eq!(validate(&out).unwrap().kind, Kind::String);
        prop_assert_eq!(unescape(&out[1..out.len() - 1]), Some(text));
    }

    #[test]
    fn strings_are_unescaped_as_serde_json_does(string in support::string()) {
        prop_assert_eq!(unescape(&string.as_bytes()[1..string.len() - 1]), serde_json::from_str::<String>(&string).ok());
    }

    #[test]
    fn numbers_read_back(bits in any::<u64>(), integer in any::<i64>(), small in any::<i16>()) {
        for number in [f64::from_bits(bits), integer as f64, f64::from(small), f64::from(small) / 8.0] {
            let mut printer = NumberPrinter::default();
            let text = printer.print(number);
            prop_assert!(validate(text).is_ok());
            match std::str::from_utf8(text).unwrap() {
                "null" => prop_assert!(!number.is_finite()),
                text => prop_assert_eq!(text.parse::<f64>().unwrap(), number),
            }
        }
    }
}

#[test]
fn nesting_is_limited() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let inner = if open == "[" { "" } else { "1" };
        let nested = |depth: usize| format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
        assert!(validate(nested(MAX_DEPTH as usize).as_bytes()).is_ok());
        assert!(is_checked(nested(MAX_DEPTH as usize).as_bytes(), &[]));
        assert!(!is_checked(nested(MAX_DEPTH as usize + 1).as_bytes(), &[]));
        let error = validate(nested(MAX_DEPTH as usize + 1).as_bytes()).unwrap_err();
        assert_eq!(error.fault, Fault::TooDeep);
        assert_eq!(error.position, open.len() * MAX_DEPTH as usize);
        assert_eq!(
            validate(open.repeat(1_000_000).as_bytes()).unwrap_err().fault,
            Fault::TooDeep
        );
    }
}

#[test]
fn reasons() {
    for (text, reason) in [
        (&b""[..], "expected a value at byte 0"),
        (b" \xff", "invalid UTF-8 at byte 1"),
        (
            b"\xef\xbb\xbf{}",
            "a byte order mark, which JSON has none of (save the text as UTF-8 without one), at byte 0",
        ),
        (b"nul", "expected a value at byte 0"),
        (b"[1,]", "expected a value at byte 3"),
        (b"[1 2]", "expected ',' or ']' at byte 3"),
        (b"{1:2}", "expected a member name in quotes at byte 1"),
        (b"{\"a\":1,}", "expected a member name in quotes at byte 7"),
        (b"{\"a\" 1}", "expected ':' at byte 5"),
        (b"{\"a\":1 \"b\"", "expected ',' or '}' at byte 7"),
        (b"{} {}", "expected nothing after the value at byte 3"),
        (b"{}\0", "expected nothing after the value at byte 2"),
        (b"[\"abc", "string without closing quote at byte 1"),
        (
            b"\"a\nb\"",
            "control character in a string, which must be escaped, at byte 2",
        ),
        (b"\"a\\x\"", "invalid escape in a string at byte 2"),
        (b"\"\\u12g4\"", "invalid escape in a string at byte 1"),
        (b"01", "invalid number at byte 1"),
        (b"-", "invalid number at byte 1"),
        (b"1.", "invalid number at byte 2"),
        (b"0x10", "invalid number at byte 1"),
        (b"1e", "invalid number at byte 2"),
    ] {
        assert_eq!(
            validate(text).unwrap_err().to_string(),
            reason,
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}
