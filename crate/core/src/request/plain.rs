//! Requests as nearly all clients write them, read in less than half of the time that the strict reader takes.
//!
//! Plain are objects whose members are each given once, without escapes and without blanks but single spaces:
//! `{"jsonrpc": "2.0", "method": "ps", "id": 17}`. Whatever is not like that, or is wrong, is left to
//! [`crate::request::scan`], so that this file needs to know nothing of errors. What it takes it reads in the same way.

use crate::json::reader::{Kind, MAX_DEPTH, Reader, Value};
use crate::json::text::plain_prefix;
use crate::request::scan::Request;

struct Plain<'a> {
    text: &'a [u8],
    position: usize,
}

/// Scans a request; `None` unless it is plain, valid, and has at most `max_values` values and names of members.
pub fn scan(text: &[u8], max_values: usize) -> Option<Request> {
    if !text.is_ascii() || text.len() > i32::MAX as usize {
        return None;
    }
    let object = object(text, 0, MAX_DEPTH - 1, max_values)?;
    (object.end == text.len()).then_some(object.request)
}

/// A plain request within a text.
pub struct Object {
    pub request: Request,
    /// Where it ends.
    pub end: usize,
    /// Its values and names of members.
    pub values: usize,
}

/// As [`scan`], for the object that begins at `position` of a text whose bytes beyond ASCII are UTF-8, or will be found not
/// to be. Its values may have so many `levels` of containers.
// Not inlined, what it returns is copied: 7 % of the instructions of a call.
#[inline(always)]
pub fn object(text: &[u8], position: usize, levels: u32, max_values: usize) -> Option<Object> {
    let mut plain = Plain { text, position };
    let (mut version, mut method, mut params, mut id) = (None, None, None, None);
    let mut values = 0;
    plain.take(b'{')?;
    loop {
        let name = plain.string()?;
        plain.take(b':')?;
        plain.skip_space();
        let (value, within) = plain.value(levels, max_values)?;
        values += 1 + within;
        let place = match text.get(name.start + 1..name.end - 1)? {
            b"jsonrpc" => &mut version,
            b"method" => &mut method,
            b"params" => &mut params,
            b"id" => &mut id,
            _ => return None,
        };
        if place.replace(value).is_some() {
            return None;
        }
        if plain.take(b',').is_none() {
            break;
        }
        plain.skip_space();
    }
    plain.take(b'}')?;
    let version = version?;
    let is_valid = text.get(version.start..version.end)? == b"\"2.0\""
        && method?.kind == Kind::String
        && params.is_none_or(|value| matches!(value.kind, Kind::Array | Kind::Object))
        && id.is_none_or(|value| matches!(value.kind, Kind::String | Kind::Number | Kind::Null));
    (is_valid && values <= max_values).then_some(Object {
        request: Request {
            method,
            params: params.filter(|value| value.count > 0),
            id,
            refusal: None,
        },
        end: plain.position,
        values,
    })
}

impl Plain<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.position += 1)
    }

    fn skip_space(&mut self) {
        if self.peek() == Some(b' ') {
            self.position += 1;
        }
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<Value> {
        let start = self.position;
        self.take(b'"')?;
        self.position += plain_prefix(self.text.get(self.position..)?);
        self.take(b'"')?;
        Some(self.scalar(Kind::String, start))
    }

    /// A value, and how many it is with all that are within it.
    fn value(&mut self, levels: u32, max_values: usize) -> Option<(Value, usize)> {
        let start = self.position;
        match self.peek()? {
            b'"' => Some((self.string()?, 1)),
            b'1'..=b'9' => {
                while let Some(b'0'..=b'9') = self.peek() {
                    self.position += 1;
                }
                // Not `1.5`, `1e5` or `1x`.
                matches!(self.peek()?, b',' | b'}').then(|| (self.scalar(Kind::Number, start), 1))
            }
            b'[' | b'{' => {
                let mut reader = Reader::within(self.text, start);
                reader.limit_values(max_values);
                let value = reader.value(levels).ok()?;
                self.position = value.end;
                Some((value, max_values - reader.values_left()))
            }
            b'n' => {
                self.position += 4;
                (self.text.get(start..self.position)? == b"null").then(|| (self.scalar(Kind::Null, start), 1))
            }
            _ => None,
        }
    }

    fn scalar(&self, kind: Kind, start: usize) -> Value {
        Value {
            kind,
            start,
            end: self.position,
            count: 0,
            escaped: false,
        }
    }
}
