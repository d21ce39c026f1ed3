//! Any bytes: no panic, what is found lies where the text has it, and pieces are checked as the whole is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mi_httpd_core::json::checker::Checker;
use mi_httpd_core::json::reader::{Kind, validate};
use mi_httpd_core::json::text::{unescape, write_string};

fn is_checked(text: &[u8]) -> bool {
    let mut checker = Checker::default();
    let is_sound = text.chunks(3).all(|piece| checker.push(piece).is_ok());
    checker.end().is_ok() && is_sound
}

fuzz_target!(|text: &[u8]| {
    if std::str::from_utf8(text).is_ok() {
        let is_valid = validate(text).is_ok();
        assert!(is_valid || !is_checked(text));
        // Only escapes may be half of a pair.
        assert!(!is_valid || is_checked(text) || text.windows(2).any(|pair| pair == br"\u"));
    }
    match validate(text) {
        Err(error) => assert!(error.position <= text.len()),
        Ok(value) => {
            let raw = &text[value.start..value.end];
            assert_eq!(
                validate(raw).map(|again| (again.kind, again.end)),
                Ok((value.kind, raw.len()))
            );
            assert!(
                text[..value.start]
                    .iter()
                    .chain(&text[value.end..])
                    .all(u8::is_ascii_whitespace)
            );
            if value.kind == Kind::String
                && let Some(text) = unescape(&raw[1..raw.len() - 1])
            {
                let mut written = Vec::new();
                write_string(&mut written, &text);
                assert_eq!(unescape(&written[1..written.len() - 1]), Some(text));
            }
        }
    }
});
