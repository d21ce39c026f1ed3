//! The request scanner against serde_json's view of the same bytes, and each way to be invalid.

mod support;

use mi_httpd_core::json::reader::{Kind, validate};
use mi_httpd_core::layout::Outcome;
use mi_httpd_core::request::plain;
use mi_httpd_core::request::scan::{Invalid, Refusal, scan, scan_strictly};
use mi_httpd_core::request::scanner::Scanner;
use proptest::prelude::*;
use serde_json::Value;

fn member() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        3 => Just("\"jsonrpc\"".to_owned()),
        3 => Just("\"method\"".to_owned()),
        2 => Just("\"params\"".to_owned()),
        2 => Just("\"id\"".to_owned()),
        1 => Just(r#""\u0069d""#.to_owned()),
        1 => Just(r#""m\u0065thod""#.to_owned()),
        1 => Just("\"ID\"".to_owned()),
        1 => support::string(),
    ];
    let value =
        prop_oneof![3 => Just("\"2.0\"".to_owned()), 1 => Just(r#""2\u002e0""#.to_owned()), 4 => support::value()];
    (name, value).prop_map(|(name, value)| format!("{name} : {value}"))
}

/// Members as clients write them, and a few that are nearly so.
fn plain_member() -> impl Strategy<Value = String> {
    let colon = prop_oneof![4 => Just(":"), 2 => Just(": "), 1 => Just(" :")];
    let member = prop_oneof![
        3 => Just(("jsonrpc", r#""2.0""#.to_owned())).boxed(),
        3 => Just(("method", r#""ul_dump""#.to_owned())).boxed(),
        3 => support::value().prop_map(|value| ("params", value)).boxed(),
        2 => prop_oneof![Just(r#"["a",{"b":[1,null]}]"#), Just("[]"), Just("{}"), Just("[[[]]]")]
            .prop_map(|value| ("params", value.to_owned())).boxed(),
        3 => prop_oneof![Just("1"), Just("170"), Just("0"), Just("-1"), Just("1.5"), Just("01"), Just("null"), Just("nul"),
            Just("true"), Just(r#""a-1""#), Just(r#""\u0041""#), Just(r#""ä""#)]
            .prop_map(|value| ("id", value.to_owned())).boxed(),
        1 => Just(("other", "1".to_owned())).boxed(),
    ];
    (member, colon).prop_map(|((name, value), colon)| format!("\"{name}\"{colon}{value}"))
}

/// Members in order, names unescaped, repeated ones kept; `None` unless the text is an object.
fn members(text: &str) -> Option<Vec<(String, &serde_json::value::RawValue)>> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<(String, &'de serde_json::value::RawValue)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(text), Visitor).ok()
}

proptest! {
    #![proptest_config(support::cases(3000))]

    #[test]
    fn finds_what_serde_json_finds(parts in prop::collection::vec(member(), 0..6)) {
        let text = format!(" {{ {} }} ", parts.join(" , "));
        let Some(members) = members(&text) else { return Ok(()) };
        let named = |name: &str| members.iter().filter(|member| member.0 == name).map(|member| member.1.get()).collect::<Vec<_>>();
        let (jsonrpc, method, params, id) = (named("jsonrpc"), named("method"), named("params"), named("id"));
        let request = scan(text.as_bytes(), usize::MAX);
        let is = |raw: &str, kinds: &[Kind]| kinds.contains(&validate(raw.as_bytes()).unwrap().kind);
        // serde_json makes no text of half a surrogate pair.
        let is_text = |raw: &str| !is(raw, &[Kind::String]) || serde_json::from_str::<String>(raw).is_ok();
        let expected = match (&jsonrpc[..], &method[..], &params[..], &id[..]) {
            ([_, _, ..], ..) => Some(Invalid::JsonrpcRepeated),
            ([], ..) => Some(Invalid::JsonrpcMissing),
            ([version], ..) if serde_json::from_str::<String>(version).ok().as_deref() != Some("2.0") => Some(Invalid::JsonrpcNot20),
            (_, [_, _, ..], ..) => Some(Invalid::MethodRepeated),
            (_, [], ..) => Some(Invalid::MethodMissing),
            (_, [method], ..) if !is(method, &[Kind::String]) => Some(Invalid::MethodNotString),
            (_, _, [_, _, ..], _) => Some(Invalid::ParamsRepeated),
            (_, _, [params], _) if !is(params, &[Kind::Array, Kind::Object]) => Some(Invalid::ParamsBadType),
            (.., [_, _, ..]) => Some(Invalid::IdRepeated),
            (.., [id]) if !is(id, &[Kind::String, Kind::Number, Kind::Null]) => Some(Invalid::IdBadType),
            (.., [id]) if !is_text(id) => Some(Invalid::IdNotText),
            _ => None,
        };
        prop_assert_eq!(request.refusal, expected.map(Refusal::Invalid), "{}", text);
        let range = |value: mi_httpd_core::json::reader::Value| &text[value.start..value.end];
        prop_assert_eq!(request.method.map(range), method.first().copied());
        if let [id] = id[..] {
            let sound = is(id, &[Kind::String, Kind::Number, Kind::Null]) && is_text(id);
            prop_assert_eq!(request.id.map(range), sound.then_some(id));
        } else {
            prop_assert_eq!(request.id, None);
        }
        let first = params.first().map(|raw| (*raw, validate(raw.as_bytes()).unwrap().count)).filter(|(_, count)| *count > 0);
        prop_assert_eq!(request.params.map(|params| (range(params), params.count)), first);
    }

    #[test]
    fn refuses_what_is_not_json(text in support::nearly()) {
        let is_json = validate(&text).is_ok();
        prop_assert_eq!(matches!(scan(&text, usize::MAX).refusal, Some(Refusal::NotJson(_))), !is_json);
        if let Err(error) = validate(&text) {
            prop_assert_eq!(scan(&text, usize::MAX).refusal, Some(Refusal::NotJson(error)));
        }
    }

    #[test]
    fn reads_plain_requests_as_the_strict_reader_does(
        members in prop::collection::vec(plain_member(), 0..6),
        between in prop_oneof![Just(","), Just(", "), Just(",  ")],
        around in prop_oneof![4 => Just(("", "")), 1 => Just((" ", "")), 1 => Just(("", " ")), 1 => Just(("", "}"))],
        max_values in prop_oneof![2 => 0..20_usize, 1 => Just(usize::MAX)],
    ) {
        let text = format!("{}{{{}}}{}", around.0, members.join(between), around.1);
        if let Some(request) = plain::scan(text.as_bytes(), max_values) {
            prop_assert_eq!(request, scan_strictly(text.as_bytes(), max_values));
        }
    }

    #[test]
    fn reads_nearly_plain_requests_as_the_strict_reader_does(text in support::nearly(), max_values in 0..40_usize) {
        if let Some(request) = plain::scan(&text, max_values) {
            prop_assert_eq!(request, scan_strictly(&text, max_values));
        }
    }

    #[test]
    fn counts_what_serde_json_counts(params in support::value()) {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"m","params":{params}}}"#);
        let count = match serde_json::from_str::<Value>(&params) {
            Ok(Value::Array(items)) => items.len(),
            Ok(Value::Object(_)) => members(&params).map_or(0, |members| members.len()),
            _ => 0,
        };
        if serde_json::from_str::<Value>(&params).is_ok() {
            prop_assert_eq!(scan(text.as_bytes(), usize::MAX).params.map_or(0, |params| params.count), count);
        }
    }
}

#[test]
fn invalid_requests() {
    use Invalid::*;
    for (text, invalid, id) in [
        ("1", NotAnObject, None),
        ("[]", NotAnObject, None),
        ("[ {} ]", NotAnObject, None),
        ("{}", JsonrpcMissing, None),
        (r#"{"id":7}"#, JsonrpcMissing, Some("7")),
        (
            r#"{"jsonrpc":"2.0","jsonrpc":"2.0","method":"a","id":7}"#,
            JsonrpcRepeated,
            Some("7"),
        ),
        (r#"{"jsonrpc":2.0,"method":1,"id":"a"}"#, JsonrpcNot20, Some("\"a\"")),
        (r#"{"jsonrpc":"1.0","method":"a"}"#, JsonrpcNot20, None),
        (
            r#"{"jsonrpc":"2.0","METHOD":"a","id":null}"#,
            MethodMissing,
            Some("null"),
        ),
        (
            r#"{"jsonrpc":"2.0","method":null,"params":1,"id":[]}"#,
            MethodNotString,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"a","m\u0065thod":"b","id":1}"#,
            MethodRepeated,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"a","params":null,"id":1e400}"#,
            ParamsBadType,
            Some("1e400"),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"a","params":[],"params":{},"id":1}"#,
            ParamsRepeated,
            Some("1"),
        ),
        (r#"{"jsonrpc":"2.0","method":"a","id":true}"#, IdBadType, None),
        (r#"{"jsonrpc":"2.0","method":"a","id":{}}"#, IdBadType, None),
        (
            r#"{"jsonrpc":"2.0","method":"a","id":1,"id":1,"id":1}"#,
            IdRepeated,
            None,
        ),
    ] {
        let request = scan(text.as_bytes(), usize::MAX);
        assert_eq!(request.refusal, Some(Refusal::Invalid(invalid)), "{text}");
        assert_eq!(request.id.map(|id| &text[id.start..id.end]), id, "{text}");
    }
}

#[test]
fn nesting_counts_the_request_itself() {
    let nested = |depth: usize| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"a","params":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(scan(nested(127).as_bytes(), usize::MAX).refusal, None);
    assert!(matches!(
        scan(nested(128).as_bytes(), usize::MAX).refusal,
        Some(Refusal::NotJson(_))
    ));
}

#[test]
fn methods_become_commands() {
    let mut scanner = Scanner::new(vec!["ps".into(), "größe".into(), "a\"b".into()], &[4, 5, 6], usize::MAX);
    for (method, command) in [
        ("ps", 4),
        (r"\u0070s", 4),
        ("größe", 5),
        (r"gr\u00f6\u00dfe", 5),
        (r#"a\"b"#, 6),
        ("PS", -1),
        ("", -1),
        (r"\ud800", -1),
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#);
        let (outcome, fields) = scanner.scan(text.as_bytes()).unwrap();
        assert_eq!((outcome, fields.command), (Outcome::Notification, command), "{method}");
        let range = fields.method_start as usize..fields.method_end as usize;
        assert_eq!(text[range], format!("\"{method}\""));
    }
    assert_eq!(scanner.ids.held(), 0);
}

#[test]
fn ids_wait_in_slots() {
    let mut scanner = Scanner::new(Vec::new(), &[], usize::MAX);
    let mut scan = |text: &str| scanner.scan(text.as_bytes()).unwrap();
    let (outcome, call) = scan(r#"{"jsonrpc":"2.0","method":"a","id":"\u0041"}"#);
    assert_eq!((outcome, call.id_slot >= 0), (Outcome::Call, true));
    let (outcome, null) = scan(r#"{"jsonrpc":"2.0","method":"a","id":null}"#);
    assert_eq!((outcome, null.id_slot), (Outcome::Call, -1));
    let (outcome, invalid) = scan(r#"{"jsonrpc":"2.0","id":17}"#);
    assert_eq!((outcome, invalid.id_slot >= 0), (Outcome::InvalidRequest, true));
    let (outcome, broken) = scan(r#"{"jsonrpc":"2.0","id":17"#);
    assert_eq!(
        (outcome, broken.id_slot, broken.position),
        (Outcome::ParseError, -1, 24)
    );
    assert_eq!(scanner.reason(), "expected ',' or '}' at byte 24");
    assert_eq!(scanner.ids.get(call.id_slot), br#""\u0041""#);
    assert_eq!(scanner.ids.get(invalid.id_slot), b"17");
    assert_eq!(scanner.ids.held(), 2);
}

#[test]
fn a_request_has_at_most_so_many_values_and_names() {
    let text = br#"{"jsonrpc":"2.0","method":"ps","params":[1,{"a":[]}],"id":1}"#;
    // Four members with their names; in params an item, an object, and one member with its name.
    assert_eq!(scan(text, 12).refusal, None);
    let request = scan(text, 11);
    assert_eq!(
        request.refusal,
        Some(Refusal::Invalid(Invalid::TooManyValues { limit: 11 }))
    );
    assert_eq!(request.id, None);
    assert_eq!(
        scan(b"{\"a\":[1,2,3, nonsense", 4).refusal,
        Some(Refusal::Invalid(Invalid::TooManyValues { limit: 4 }))
    );
    let refusal = scan(text, 11).refusal.map(|refusal| refusal.to_string());
    let reason = "the request has more than 11 values and names, which is the limit max_values; send it in parts";
    assert_eq!(refusal.as_deref(), Some(reason));
}

#[test]
fn what_clients_send_is_plain() {
    for text in [
        r#"{"jsonrpc":"2.0","method":"version","id":1}"#,
        r#"{"jsonrpc": "2.0", "id": "3b9d2d", "method": "ul_dump", "params": []}"#,
        r#"{"id":7,"jsonrpc":"2.0","method":"get_statistics","params":{"statistics":["all"]}}"#,
        r#"{"jsonrpc":"2.0","method":"ps"}"#,
        r#"{"jsonrpc":"2.0","method":"ps","id":null}"#,
    ] {
        assert!(plain::scan(text.as_bytes(), 20).is_some(), "{text}");
    }
}
