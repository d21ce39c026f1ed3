//! Faults of JSON text, and their messages.

use std::fmt;

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NotUtf8,
    TooLong,
    TooDeep,
    ExpectedValue,
    ByteOrderMark,
    ExpectedName,
    ExpectedColon,
    ExpectedCommaOrBrace,
    ExpectedCommaOrBracket,
    ExpectedEnd,
    UnterminatedString,
    ControlCharacter,
    BadEscape,
    /// The grammar has it, and many decoders do not take it.
    HalfPair,
    BadNumber,
    /// More values and names than a reader was told to read; no fault of the text.
    TooManyValues,
}

/// A [`Fault`] and the byte it was found at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub fault: Fault,
    pub position: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.fault {
            Fault::NotUtf8 => "invalid UTF-8",
            Fault::TooLong => "text of more than 2147483647 bytes",
            Fault::TooDeep => "more than 128 nested arrays and objects",
            Fault::ExpectedValue => "expected a value",
            Fault::ByteOrderMark => "a byte order mark, which JSON has none of (save the text as UTF-8 without one),",
            Fault::ExpectedName => "expected a member name in quotes",
            Fault::ExpectedColon => "expected ':'",
            Fault::ExpectedCommaOrBrace => "expected ',' or '}'",
            Fault::ExpectedCommaOrBracket => "expected ',' or ']'",
            Fault::ExpectedEnd => "expected nothing after the value",
            Fault::UnterminatedString => "string without closing quote",
            Fault::ControlCharacter => "control character in a string, which must be escaped,",
            Fault::BadEscape => "invalid escape in a string",
            Fault::HalfPair => "half of a surrogate pair in a string",
            Fault::BadNumber => "invalid number",
            Fault::TooManyValues => "more values than are read",
        };
        write!(f, "{text} at byte {}", self.position)
    }
}
