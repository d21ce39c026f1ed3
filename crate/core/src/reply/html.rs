//! Escapes text for HTML, as a stream.

use crate::json::pretty::Progress;

/// Longest text that one byte turns into: an output of at least this much always makes progress.
pub const LONGEST_ENTITY: usize = 6;

/// Copies UTF-8 from `input` to `output` such that HTML shows it literally, in content and in quoted attributes alike.
/// Nothing is kept between calls: an entity is written whole or its byte is not consumed, and input may be cut anywhere,
/// in the midst of a character too.
pub fn escape(input: &[u8], output: &mut [u8]) -> Progress {
    let mut progress = Progress::default();
    while let (Some(rest), Some(room)) = (input.get(progress.consumed..), output.get_mut(progress.produced..)) {
        let plain = rest
            .iter()
            .take(room.len())
            .take_while(|byte| entity(**byte).is_none())
            .count();
        if let (Some(target), Some(source)) = (room.get_mut(..plain), rest.get(..plain)) {
            target.copy_from_slice(source);
        }
        progress.consumed += plain;
        progress.produced += plain;
        let Some(entity) = rest.get(plain).and_then(|byte| entity(*byte)) else {
            break;
        };
        let Some(target) = room.get_mut(plain..plain + entity.len()) else {
            break;
        };
        target.copy_from_slice(entity);
        progress.consumed += 1;
        progress.produced += entity.len();
    }
    progress
}

fn entity(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'&' => Some(b"&amp;"),
        b'<' => Some(b"&lt;"),
        b'>' => Some(b"&gt;"),
        b'"' => Some(b"&quot;"),
        b'\'' => Some(b"&#39;"),
        // HTML has no way to write NUL; browsers drop it or show this.
        0 => Some(b"\xef\xbf\xbd"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &[u8], room: usize) -> Vec<u8> {
        let (mut from, mut whole) = (0, Vec::new());
        while from < text.len() {
            let mut out = vec![0; room];
            let progress = escape(&text[from..], &mut out);
            assert!(progress.consumed > 0, "stalled at {from}");
            from += progress.consumed;
            whole.extend_from_slice(&out[..progress.produced]);
        }
        whole
    }

    #[test]
    fn markup_is_shown_literally() {
        let text = "<script>alert('\u{202e}\"x\"&')</script>\0 \u{1f4de}";
        let expected = "&lt;script&gt;alert(&#39;\u{202e}&quot;x&quot;&amp;&#39;)&lt;/script&gt;\u{fffd} \u{1f4de}";
        for room in LONGEST_ENTITY..80 {
            assert_eq!(String::from_utf8(escaped(text.as_bytes(), room)).unwrap(), expected);
        }
    }

    #[test]
    fn every_byte_passes_and_none_stays_special() {
        for byte in 0..=255 {
            let out = escaped(&[byte], LONGEST_ENTITY);
            assert!(!out.iter().any(|byte| b"<>\"'\0".contains(byte)));
            assert!(out == [byte] || entity(byte) == Some(&out));
        }
        assert_eq!(escape(b"", &mut []), Progress::default());
        assert_eq!(escape(b"<", &mut [0; 3]), Progress::default());
    }
}
