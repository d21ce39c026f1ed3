//! Any bytes, cut in any way: the same text as a plain replacement gives, and nothing in it is special to HTML.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mi_httpd_core::reply::html::{LONGEST_ENTITY, escape};

/// The expected text, byte by byte.
fn replaced(text: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    for byte in text {
        match byte {
            b'&' => whole.extend(b"&amp;"),
            b'<' => whole.extend(b"&lt;"),
            b'>' => whole.extend(b"&gt;"),
            b'"' => whole.extend(b"&quot;"),
            b'\'' => whole.extend(b"&#39;"),
            0 => whole.extend("\u{fffd}".bytes()),
            other => whole.push(*other),
        }
    }
    whole
}

/// Back to the text, NUL excepted, which has no way back.
fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fuzz_target!(|data: &[u8]| {
    let [input, output, text @ ..] = data else { return };
    let mut out = vec![0; LONGEST_ENTITY + usize::from(*output)];
    let (mut rest, mut whole) = (text, Vec::new());
    while !rest.is_empty() {
        let progress = escape(&rest[..rest.len().min(usize::from(*input) + 1)], &mut out);
        assert!(progress.consumed > 0, "stalled with {} bytes left", rest.len());
        rest = &rest[progress.consumed..];
        whole.extend_from_slice(&out[..progress.produced]);
    }
    assert_eq!(whole, replaced(text));
    if let (Ok(text), Ok(html)) = (std::str::from_utf8(text), std::str::from_utf8(&whole)) {
        assert_eq!(unescaped(html), text.replace('\0', "\u{fffd}"));
    }

    // An output with no room for an entity takes what is before it, and no part of it.
    let mut narrow = vec![0; usize::from(*output) % LONGEST_ENTITY];
    let progress = escape(text, &mut narrow);
    assert_eq!(narrow[..progress.produced], replaced(&text[..progress.consumed]));
});
