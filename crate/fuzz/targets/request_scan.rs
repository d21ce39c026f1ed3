//! Any bytes: the scanner agrees with the validator, its ranges are whole values, and no id is lost or kept too long.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mi_httpd_core::json::reader::{MAX_DEPTH, validate};
use mi_httpd_core::layout::{ElementField, Outcome};
use mi_httpd_core::request::scan::{
    BatchLimits, Invalid, Reading, Refusal, is_batch, read_batch, scan, scan_batch, scan_element, scan_strictly,
};
use mi_httpd_core::request::scanner::Scanner;

fuzz_target!(|text: &[u8]| {
    let request = scan(text, usize::MAX);
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
    if is_batch(text) {
        check_batch(text);
        return;
    }
    let mut scanner = Scanner::new(vec!["ps".into()], &[1], usize::MAX);
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

/// A batch is read as the validator reads it, within any limit, and its elements as if each were alone.
fn check_batch(text: &[u8]) {
    let read = scan_batch(text, usize::MAX, usize::MAX);
    let fault = match read {
        Err(Refusal::NotJson(error)) => Some(error),
        _ => None,
    };
    assert_eq!(fault, validate(text).err());
    // Whatever the text is, an element can be looked for in it.
    scan_element(text, text.len() / 2);
    for max_values in [usize::MAX, text.len() / 4] {
        let limits = BatchLimits {
            elements: usize::MAX,
            values: max_values,
        };
        let mut reading = Reading::default();
        let in_parts = loop {
            match read_batch(text, limits, &mut reading, 0) {
                Ok(false) => {}
                Ok(true) => break Ok(reading.batch),
                Err(refusal) => break Err(refusal),
            }
        };
        assert_eq!(in_parts, scan_batch(text, usize::MAX, max_values));
    }
    let Ok(batch) = read else { return };
    let scanner = Scanner::new(vec!["ps".into()], &[1], usize::MAX);
    let mut position = batch.start;
    let mut replies = 0;
    for _ in 0..batch.elements {
        let (request, next) = scan_element(text, position);
        let part = text[position..next].trim_ascii_end();
        let alone = scan_strictly(part.strip_suffix(b",").unwrap_or(part), usize::MAX);
        assert_eq!(request.refusal, alone.refusal);
        let mut fields = [0; ElementField::COUNT];
        assert_eq!(scanner.scan_elements(text, position, 1, &mut fields), next);
        let number = |field: ElementField| fields[field as usize];
        replies += usize::from(number(ElementField::Outcome) != Outcome::Notification as i32);
        let id = number(ElementField::IdStart) as usize..number(ElementField::IdEnd) as usize;
        assert_eq!(id, request.id.map_or(0..0, |id| id.start..id.end));
        position = next;
    }
    assert_eq!((text[position], replies), (b']', batch.replies));
    let limit = batch.elements - 1;
    assert_eq!(
        scan_batch(text, limit, usize::MAX),
        Err(Refusal::Invalid(Invalid::BatchTooLong { limit }))
    );
}
