//! The indenting printer: same value, same bytes however it is cut, and the layout of known replies.

mod support;

use mi_httpd_core::json::pretty::PrettyPrinter;
use proptest::prelude::*;
use serde_json::Value;

/// Pushes in pieces of the given sizes, over and over, as a stream with a small buffer does.
fn indent(text: &[u8], inputs: &[usize], outputs: &[usize]) -> Vec<u8> {
    let mut printer = PrettyPrinter::default();
    let mut whole = Vec::new();
    let mut rest = text;
    let (mut inputs, mut outputs) = (inputs.iter().cycle(), outputs.iter().cycle());
    while !rest.is_empty() {
        let mut piece = &rest[..rest.len().min(*inputs.next().unwrap())];
        rest = &rest[piece.len()..];
        while !piece.is_empty() {
            let mut out = vec![0; *outputs.next().unwrap()];
            let progress = printer.push(piece, &mut out);
            assert!(progress.consumed + progress.produced > 0, "no progress at {piece:?}");
            piece = &piece[progress.consumed..];
            whole.extend_from_slice(&out[..progress.produced]);
        }
    }
    whole
}

fn whole(text: &[u8]) -> Vec<u8> {
    indent(text, &[usize::MAX], &[1 << 20])
}

proptest! {
    #![proptest_config(support::cases(1000))]

    #[test]
    fn keeps_the_value_wherever_it_is_cut(
        text in support::value().prop_filter("a lone surrogate is no value", |text| serde_json::from_str::<Value>(text).is_ok()),
        inputs in prop::collection::vec(1_usize..20, 1..5),
        outputs in prop::collection::vec(1_usize..80, 1..5),
    ) {
        let expected = whole(text.as_bytes());
        prop_assert_eq!(&indent(text.as_bytes(), &inputs, &outputs), &expected);
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Value>(&expected).unwrap(), value);
        // Blanks outside of strings are of its own choice: what is indented stays as it is.
        prop_assert_eq!(whole(&expected), expected);
    }

    #[test]
    fn any_bytes_end(text in prop::collection::vec(any::<u8>(), 0..200), output in 1_usize..100) {
        prop_assert_eq!(indent(&text, &[7], &[output]), whole(&text));
    }
}

#[test]
fn layout() {
    for (compact, indented) in [
        (
            r#"{"jsonrpc":"2.0","result":{"usrloc:registered_users":0,"usrloc:location-users":0},"id":1}"#,
            "{\n\t\"jsonrpc\":\t\"2.0\",\n\t\"result\":\t{\n\t\t\"usrloc:registered_users\":\t0,\n\
             \t\t\"usrloc:location-users\":\t0\n\t},\n\t\"id\":\t1\n}",
        ),
        (
            r#"{"jsonrpc":"2.0","result":["core:pwd","core:arg"],"id":"x"}"#,
            "{\n\t\"jsonrpc\":\t\"2.0\",\n\t\"result\":\t[\"core:pwd\", \"core:arg\"],\n\t\"id\":\t\"x\"\n}",
        ),
        (
            r#"{"result":{"Connections":[]},"id":null}"#,
            "{\n\t\"result\":\t{\n\t\t\"Connections\":\t[]\n\t},\n\t\"id\":\tnull\n}",
        ),
        (
            r#"{"result":[{"http_root":"mi","module":"mi_http"},{"http_root":"web","module":"mi_html"}],"id":1}"#,
            "{\n\t\"result\":\t[{\n\t\t\t\"http_root\":\t\"mi\",\n\t\t\t\"module\":\t\"mi_http\"\n\t\t}, \
             {\n\t\t\t\"http_root\":\t\"web\",\n\t\t\t\"module\":\t\"mi_html\"\n\t\t}],\n\t\"id\":\t1\n}",
        ),
    ] {
        assert_eq!(String::from_utf8(whole(compact.as_bytes())).unwrap(), indented);
    }
}
