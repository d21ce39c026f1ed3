//! Batches against the scan of each of their elements alone.

mod support;

use mi_httpd_core::json::reader::validate;
use mi_httpd_core::layout::{ElementField, Outcome};
use mi_httpd_core::request::scan::{
    Batch, BatchLimits, Invalid, Reading, Refusal, is_batch, read_batch, scan_batch, scan_element, scan_strictly,
};
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
        let alone: Vec<_> = elements.iter().map(|(_, text, _)| scan_strictly(text.as_bytes(), usize::MAX)).collect();
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
    fn is_read_in_parts_as_it_is_at_once(
        elements in prop::collection::vec(element(), 0..8),
        end in prop_oneof![4 => Just("]"), 1 => Just(""), 1 => Just("]x"), 1 => Just(",]")],
        pause in 1..200_usize,
        limit in 0..9_usize,
        max_values in prop_oneof![1 => 0..40_usize, 1 => Just(usize::MAX)],
    ) {
        let text = format!("[ {}{end}", elements.join(" ,"));
        let limits = BatchLimits { elements: limit, values: max_values };
        let mut reading = Reading::default();
        let in_parts = loop {
            let before = reading;
            match read_batch(text.as_bytes(), limits, &mut reading, before.position + pause) {
                Ok(false) => {
                    prop_assert!(reading.position > before.position);
                    prop_assert!(reading.batch.elements > before.batch.elements);
                }
                Ok(true) => break Ok(reading.batch),
                Err(refusal) => break Err(refusal),
            }
        };
        prop_assert_eq!(in_parts, scan_batch(text.as_bytes(), limit, max_values));
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
fn the_scanner_tells_where_the_parts_of_each_element_are() {
    let mut scanner = Scanner::new(vec!["ps".into()], &[4], usize::MAX);
    let text = br#"[{"jsonrpc":"2.0","method":"ps","id":1},{"jsonrpc":"2.0","method":"\u0070s","params":[7, 8]},7,{"id":"x"}]"#;
    assert_eq!(scanner.scan_into(text, &mut []), Ok(Outcome::Batch));
    let mut reading = Reading::default();
    assert_eq!(scanner.read_batch(text, 4, &mut reading, 1), Outcome::BatchGoesOn);
    assert_eq!(scanner.read_batch(text, 4, &mut reading, usize::MAX), Outcome::Batch);
    assert_eq!((reading.batch.elements, reading.batch.replies), (4, 3));
    let mut fields = [9; 4 * ElementField::COUNT];
    let second = scanner.scan_elements(text, reading.batch.start, 1, &mut fields);
    let end = scanner.scan_elements(text, second, 9, &mut fields[ElementField::COUNT..]);
    assert_eq!(text.get(end..), Some(&b"]"[..]));
    let found: Vec<_> = fields
        .chunks(ElementField::COUNT)
        .map(|element| {
            let number = |field: ElementField| element[field as usize];
            let part = |start: ElementField, end: ElementField| {
                String::from_utf8_lossy(&text[number(start) as usize..number(end) as usize]).into_owned()
            };
            (
                Outcome::of(number(ElementField::Outcome)),
                number(ElementField::Command),
                [
                    part(ElementField::IdStart, ElementField::IdEnd),
                    part(ElementField::MethodStart, ElementField::MethodEnd),
                    part(ElementField::ParamsStart, ElementField::ParamsEnd),
                ],
                number(ElementField::ParamsCount),
                scanner.reason_of_element(text, number(ElementField::Start) as usize),
            )
        })
        .collect();
    let parts = |id: &str, method: &str, params: &str| [id, method, params].map(String::from);
    assert_eq!(
        found,
        [
            (Some(Outcome::Call), 4, parts("1", "\"ps\"", ""), 0, String::new()),
            (
                Some(Outcome::Notification),
                4,
                parts("", "\"\\u0070s\"", "[7, 8]"),
                2,
                String::new()
            ),
            (
                Some(Outcome::InvalidRequest),
                -1,
                parts("", "", ""),
                0,
                "a request must be an object".to_owned()
            ),
            (
                Some(Outcome::InvalidRequest),
                -1,
                parts("\"x\"", "", ""),
                0,
                "member \"jsonrpc\" is missing; it must be the string \"2.0\"".to_owned()
            ),
        ]
    );
    assert_eq!(scanner.ids.held(), 0);
    assert_eq!(
        scanner.read_batch(text, 3, &mut Reading::default(), usize::MAX),
        Outcome::InvalidRequest
    );
    assert_eq!(
        scanner.reason(),
        "the batch has more than 3 requests, which is the limit max_batch; send it in parts"
    );
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
