//! Batches against the scan of each of their elements alone.

mod support;

use mi_httpd_core::json::reader::validate;
use mi_httpd_core::layout::Outcome;
use mi_httpd_core::request::scan::{Batch, Invalid, Refusal, is_batch, scan, scan_batch, scan_element};
use mi_httpd_core::request::scanner::Scanner;
use proptest::prelude::*;

fn element() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        Just(String::new()),
        Just(r#","id":null"#.to_owned()),
        Just(r#","id":[]"#.to_owned()),
        support::string().prop_map(|id| format!(r#", "id" : {id}"#)),
        support::number().prop_map(|id| format!(r#","id":{id} "#)),
    ];
    let request = (id, support::value())
        .prop_map(|(id, params)| format!(r#"{{ "jsonrpc":"2.0","method":"ps","params":{params}{id}}}"#));
    prop_oneof![4 => request, 1 => support::value()]
}

fn blanks() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

proptest! {
    #![proptest_config(support::cases(2000))]

    #[test]
    fn each_element_is_scanned_as_if_alone(elements in prop::collection::vec((blanks(), element(), blanks()), 1..8)) {
        let parts: Vec<String> = elements.iter().map(|(before, text, after)| format!("{before}{text}{after}")).collect();
        let text = format!(" [{}] ", parts.join(","));
        let alone: Vec<_> = elements.iter().map(|(_, text, _)| scan(text.as_bytes(), usize::MAX)).collect();
        prop_assert!(is_batch(text.as_bytes()));
        let batch = scan_batch(text.as_bytes(), elements.len(), usize::MAX).unwrap();
        prop_assert_eq!(batch.elements, elements.len());
        let replies = alone.iter().filter(|request| request.refusal.is_some() || request.id.is_some()).count();
        prop_assert_eq!(batch.replies, replies);
        let mut position = batch.start;
        for ((_, element, _), alone) in elements.iter().zip(alone) {
            let (request, next) = scan_element(text.as_bytes(), position);
            prop_assert_eq!(request.refusal, alone.refusal);
            for (here, there) in [(request.method, alone.method), (request.params, alone.params), (request.id, alone.id)] {
                prop_assert_eq!(here.map(|value| &text[value.start..value.end]), there.map(|value| &element[value.start..value.end]));
                prop_assert_eq!(here.map(|value| (value.kind, value.count)), there.map(|value| (value.kind, value.count)));
            }
            position = next;
        }
        prop_assert_eq!(text.as_bytes().get(position), Some(&b']'));
        let limit = elements.len() - 1;
        prop_assert_eq!(scan_batch(text.as_bytes(), limit, usize::MAX), Err(Refusal::Invalid(Invalid::BatchTooLong { limit })));
    }

    #[test]
    fn refuses_what_is_not_json(text in support::nearly()) {
        if is_batch(&text) {
            let fault = match scan_batch(&text, usize::MAX, usize::MAX) {
                Err(Refusal::NotJson(error)) => Some(error),
                _ => None,
            };
            prop_assert_eq!(fault, validate(&text).err());
        }
    }

    #[test]
    fn any_position_of_any_text_is_survived(text in support::nearly(), position in 0..300_usize) {
        let (_, next) = scan_element(&text, position);
        prop_assert!(next >= position.min(text.len()));
    }
}

#[test]
fn what_is_behind_the_limit_is_not_read() {
    let too_long = |limit| Err(Refusal::Invalid(Invalid::BatchTooLong { limit }));
    assert_eq!(scan_batch(b"[1,2,\xff nonsense", 2, usize::MAX), too_long(2));
    assert_eq!(scan_batch(b"[x", 0, usize::MAX), too_long(0));
    assert!(matches!(scan_batch(b"[1,x", 2, usize::MAX), Err(Refusal::NotJson(_))));
    assert!(matches!(scan_batch(b"[\"\xff\"]", 1, usize::MAX), Err(Refusal::NotJson(error)) if error.position == 2));
    assert!(matches!(scan_batch(b"[1,2", 2, usize::MAX), Err(Refusal::NotJson(error)) if error.position == 4));
}

#[test]
fn empty_batches_and_their_like() {
    assert_eq!(
        scan_batch(b" [ ] ", 9, usize::MAX),
        Err(Refusal::Invalid(Invalid::EmptyBatch))
    );
    assert_eq!(
        scan_batch(b"[[]]", 9, usize::MAX),
        Ok(Batch {
            elements: 1,
            replies: 1,
            start: 1
        })
    );
    for text in ["", " ", "{}", "1", "{\"a\":[]}", "x["] {
        assert!(!is_batch(text.as_bytes()), "{text}");
    }
}

#[test]
fn nesting_counts_the_batch() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"[{{"jsonrpc":"2.0","method":"a","params":{open}{close}}}]"#)
    };
    assert!(scan_batch(nested(126).as_bytes(), 1, usize::MAX).is_ok());
    assert!(matches!(
        scan_batch(nested(127).as_bytes(), 1, usize::MAX),
        Err(Refusal::NotJson(_))
    ));
}

#[test]
fn the_scanner_holds_an_id_for_each_element_that_has_one() {
    let mut scanner = Scanner::new(vec!["ps".into()], &[4], usize::MAX);
    let text = br#"[{"jsonrpc":"2.0","method":"ps","id":1},{"jsonrpc":"2.0","method":"ps"},7,{"id":"x"}]"#;
    assert_eq!(scanner.scan_into(text, &mut []), Ok(Outcome::Batch));
    let (outcome, batch) = scanner.scan_batch(text, 4);
    assert_eq!((outcome, batch.elements, batch.replies), (Outcome::Batch, 4, 3));
    assert_eq!(scanner.ids.held(), 0);
    let mut position = batch.start;
    let mut found = Vec::new();
    for _ in 0..batch.elements {
        let (outcome, fields) = scanner.scan_element(text, position);
        found.push((outcome, scanner.ids.get(fields.id_slot).to_vec(), scanner.reason()));
        position = fields.position as usize;
    }
    assert_eq!(
        found,
        [
            (Outcome::Call, b"1".to_vec(), String::new()),
            (Outcome::Notification, b"null".to_vec(), String::new()),
            (
                Outcome::InvalidRequest,
                b"null".to_vec(),
                "a request must be an object".to_owned()
            ),
            (
                Outcome::InvalidRequest,
                b"\"x\"".to_vec(),
                "member \"jsonrpc\" is missing; it must be the string \"2.0\"".to_owned()
            ),
        ]
    );
    assert_eq!(scanner.ids.held(), 2);
    let (outcome, _) = scanner.scan_batch(text, 3);
    assert_eq!(
        (outcome, scanner.reason()),
        (
            Outcome::InvalidRequest,
            "the batch has more than 3 requests, which is the limit max_batch; send it in parts".to_owned()
        )
    );
}

#[test]
fn without_a_place_for_its_id_an_element_is_passed() {
    let mut scanner = Scanner::new(Vec::new(), &[], usize::MAX);
    while scanner.ids.hold(b"").is_ok() {}
    let text = br#"[{"jsonrpc":"2.0","method":"ps","id":1} , 7]"#;
    let (_, batch) = scanner.scan_batch(text, 2);
    let (outcome, fields) = scanner.scan_element(text, batch.start);
    assert_eq!((outcome, fields.id_slot), (Outcome::TooManyIds, -1));
    assert_eq!(text.get(fields.position as usize), Some(&b'7'));
}

#[test]
fn each_request_may_have_so_many_values() {
    let request = r#"{"jsonrpc":"2.0","method":"ps","params":[1,{"a":[]}],"id":1}"#;
    let batch = format!("[{request},{request}]");
    assert!(scan_batch(batch.as_bytes(), 2, 12).is_ok());
    let too_many = Err(Refusal::Invalid(Invalid::TooManyValues { limit: 11 }));
    assert_eq!(scan_batch(batch.as_bytes(), 2, 11), too_many);
    // Sixteen times as many together.
    let full = |count: usize| format!("[{}]", vec!["[1,2]"; count].join(","));
    assert!(scan_batch(full(16).as_bytes(), 100, 3).is_ok());
    assert_eq!(
        scan_batch(full(17).as_bytes(), 100, 3),
        Err(Refusal::Invalid(Invalid::BatchTooFull { limit: 48 }))
    );
    // Nothing is read behind the one that is too many.
    assert_eq!(scan_batch(b"[[1,2,3,4,5,6,7,8,9,10,11,12,\xff", 2, 11), too_many);
}
