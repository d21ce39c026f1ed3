//! Any bytes: the scanner agrees with the validator, its ranges are whole values, and no id is lost or kept too long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mi_httpd_native::json::{MAX_DEPTH, validate};
use mi_httpd_native::request::{Refusal, scan};
use mi_httpd_native::scanner::{Outcome, Scanner};

fuzz_target!(|text: &[u8]| {
    let request = scan(text);
    let not_json = match request.refusal {
        Some(Refusal::NotJson(error)) => Some(error),
        _ => None,
    };
    assert_eq!(not_json, validate(text).err(), "at most {MAX_DEPTH} levels");
    for value in [request.method, request.params, request.id].into_iter().flatten() {
        let raw = &text[value.start..value.end];
        assert_eq!(
            validate(raw).map(|again| (again.kind, again.count)),
            Ok((value.kind, value.count))
        );
    }
    let mut scanner = Scanner::new(vec!["ps".into()], &[1]);
    let Ok((outcome, fields)) = scanner.scan(text) else {
        panic!("one id is never too many")
    };
    assert_eq!(outcome == Outcome::ParseError, not_json.is_some());
    assert_eq!(scanner.reason().is_empty(), request.refusal.is_none());
    if let (Some(id), true) = (request.id, fields.id_slot >= 0) {
        assert_eq!(scanner.ids.get(fields.id_slot), &text[id.start..id.end]);
    }
    assert_eq!(scanner.ids.held(), usize::from(fields.id_slot >= 0));
    scanner.ids.release(fields.id_slot);
    assert_eq!(scanner.ids.held(), 0);
});
