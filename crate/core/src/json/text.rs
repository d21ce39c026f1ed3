//! Strings and numbers as JSON text, and strings back from it.

/// Appends `text` as a JSON string. Escaped are the quote, the backslash and the control characters, with two
/// characters where RFC 8259 §7 has them; `/`, DEL and everything beyond ASCII are written raw.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.push(b'"');
    loop {
        let (plain, from) = rest.split_at(plain_prefix(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = from.split_first() else {
            break;
        };
        write_escape(out, byte);
        rest = after;
    }
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Length of the part before the first quote, backslash or control character.
pub fn plain_prefix(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let mut length = 0;
    let (words, _) = text.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        // Borrows can only mark bytes above a true hit, so the lowest mark is exact.
        let hits = ((quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word))
            & HIGHS;
        if hits != 0 {
            return length + (hits.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    let tail = text.get(length..).unwrap_or_default();
    length
        + tail
            .iter()
            .take_while(|&&byte| byte != b'"' && byte != b'\\' && byte >= 0x20)
            .count()
}

/// The characters of a JSON string that is known to be valid, given without its quotes.
/// `None` when it has the escape of a lone surrogate, which no text equals.
pub fn unescape(string: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(string.len());
    let mut rest = std::str::from_utf8(string).ok()?;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut after = escape.chars();
        out.push(match after.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => unescape_unicode(&mut after)?,
            other => other,
        });
        rest = after.as_str();
    }
    out.push_str(rest);
    Some(out)
}

fn unescape_unicode(text: &mut std::str::Chars<'_>) -> Option<char> {
    let first = code_unit(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if text.next()? != '\\' || text.next()? != 'u' {
        return None;
    }
    let second = code_unit(text)?;
    char::decode_utf16([first as u16, second as u16]).next()?.ok()
}

fn code_unit(text: &mut std::str::Chars<'_>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit << 4 | text.next()?.to_digit(16)?;
    }
    Some(unit)
}

/// Copies `bytes` to `at`; returns the position behind them, `None` when they do not fit.
pub fn put(window: &mut [u8], at: usize, bytes: &[u8]) -> Option<usize> {
    let end = at.checked_add(bytes.len())?;
    window.get_mut(at..end)?.copy_from_slice(bytes);
    Some(end)
}

/// A number that prints itself into memory of its own, without allocation.
#[derive(Default)]
pub struct NumberPrinter {
    integer: itoa::Buffer,
    fraction: ryu::Buffer,
}

impl NumberPrinter {
    /// The shortest text that reads back as `number`; integers below 2^64 in plain digits. Negative zero is `0`,
    /// what is not finite is `null` (RFC 8259 §6 has neither infinity nor NaN).
    pub fn print(&mut self, number: f64) -> &[u8] {
        let integer = number as i64;
        if integer as f64 == number && integer != i64::MAX {
            self.integer.format(integer).as_bytes()
        } else if !number.is_finite() {
            b"null"
        } else if number > 0.0 && number < 18_446_744_073_709_551_616.0 && number.fract() == 0.0 {
            self.integer.format(number as u64).as_bytes()
        } else {
            self.fraction.format_finite(number).as_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(number: f64) -> String {
        String::from_utf8(NumberPrinter::default().print(number).to_vec()).unwrap()
    }

    #[test]
    fn numbers() {
        assert_eq!(print(0.0), "0");
        assert_eq!(print(-0.0), "0");
        assert_eq!(print(-2_147_483_649.0), "-2147483649");
        assert_eq!(print(9_007_199_254_740_991.0), "9007199254740991");
        assert_eq!(print(9_223_372_036_854_775_808.0), "9223372036854775808");
        assert_eq!(print(18_446_744_073_709_549_568.0), "18446744073709549568");
        assert_eq!(print(-9_223_372_036_854_775_808.0), "-9223372036854775808");
        assert_eq!(print(18_446_744_073_709_551_616.0), "1.8446744073709552e19");
        assert_eq!(print(0.1 + 0.2), "0.30000000000000004");
        assert_eq!(print(-1e-7), "-1e-7");
        assert_eq!(print(f64::MIN_POSITIVE), "2.2250738585072014e-308");
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(print(number), "null");
        }
    }

    #[test]
    fn strings() {
        let mut out = Vec::new();
        write_string(&mut out, "a\"\\/\u{8}\n\u{c}\r\t\u{0}\u{1f}\u{7f}é😀");
        let expected = "\"a\\\"\\\\/\\b\\n\\f\\r\\t\\u0000\\u001f\u{7f}é😀\"";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn escapes_read_back() {
        assert_eq!(
            unescape(br"m\u0065thod\/\b\f\n\r\t\\").as_deref(),
            Some("method/\u{8}\u{c}\n\r\t\\")
        );
        assert_eq!(unescape(br"\ud83d\uDE00").as_deref(), Some("😀"));
        for lone in [&br"\ud800"[..], br"\udc00", br"\ud800x", br"\ud800\n", br"\ud800\ud800"] {
            assert_eq!(unescape(lone), None);
        }
    }
}
