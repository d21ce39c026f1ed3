//! Any bytes, cut in any way: it comes to an end, always with the same output, and JSON stays the same JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mi_httpd_core::json::pretty::PrettyPrinter;
use mi_httpd_core::json::reader::validate;

fn indent(mut text: &[u8], input: usize, output: usize) -> Vec<u8> {
    let mut printer = PrettyPrinter::default();
    let mut whole = Vec::new();
    let mut out = vec![0; output];
    while !text.is_empty() {
        let progress = printer.push(&text[..text.len().min(input)], &mut out);
        assert!(progress.consumed + progress.produced > 0);
        text = &text[progress.consumed..];
        whole.extend_from_slice(&out[..progress.produced]);
    }
    whole
}

fuzz_target!(|data: &[u8]| {
    let [input, output, text @ ..] = data else { return };
    let whole = indent(text, text.len(), 1 << 16);
    assert_eq!(indent(text, usize::from(*input) + 1, usize::from(*output) + 1), whole);
    if let Ok(value) = validate(text) {
        let indented = validate(&whole).expect("indented JSON is JSON");
        assert_eq!((indented.kind, indented.count), (value.kind, value.count));
        assert_eq!(indent(&whole, 7, 64), whole);
    }
});
