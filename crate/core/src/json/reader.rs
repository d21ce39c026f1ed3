//! A strict reader of JSON text (RFC 8259): validates, and says where values lie. It builds nothing.

pub use crate::json::fault::{Fault, ParseError};
use crate::json::text::plain_prefix;

/// Containers may be nested this deep; RFC 8259 §9 allows a limit.
pub const MAX_DEPTH: u32 = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

/// Where a value lies: `start..end`, quotes and brackets included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    /// Items or members of a container, repeated names counted; 0 for anything else.
    pub count: usize,
    /// True for a string with escapes.
    pub escaped: bool,
}

/// Validates a whole text.
pub fn validate(text: &[u8]) -> Result<Value, ParseError> {
    let mut reader = Reader::new(text)?;
    reader.skip_blanks();
    let value = reader.value(MAX_DEPTH)?;
    reader.end()?;
    Ok(value)
}

/// Reads a text from front to back, in one pass and without recursion.
pub struct Reader<'a> {
    text: &'a [u8],
    position: usize,
    /// Values and names of members that may still be read.
    values: usize,
}

impl<'a> Reader<'a> {
    /// Fails unless the whole text is UTF-8 (RFC 8259 §8.1) and its positions fit 31 bits.
    pub fn new(text: &'a [u8]) -> Result<Self, ParseError> {
        if text.len() > i32::MAX as usize {
            return Err(ParseError {
                fault: Fault::TooLong,
                position: i32::MAX as usize,
            });
        }
        match std::str::from_utf8(text) {
            Ok(_) => Ok(Self::within(text, 0)),
            Err(error) => Err(ParseError {
                fault: Fault::NotUtf8,
                position: error.valid_up_to(),
            }),
        }
    }

    /// Begins within a text of which it is known that [`Reader::new`] takes it, or will be.
    pub fn within(text: &'a [u8], position: usize) -> Self {
        Self {
            text,
            position,
            values: usize::MAX,
        }
    }

    /// From here on reads at most so many values and names of members; the next one is [`Fault::TooManyValues`].
    pub fn limit_values(&mut self, values: usize) {
        self.values = values;
    }

    /// Values and names that may still be read.
    pub fn values_left(&self) -> usize {
        self.values
    }

    #[inline(always)]
    fn count_value(&mut self) -> Result<(), ParseError> {
        match self.values.checked_sub(1) {
            Some(left) => self.values = left,
            None => return self.fail(Fault::TooManyValues),
        }
        Ok(())
    }

    /// The byte that is read next.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Goes on behind what has been read in another way.
    pub fn go_on(&mut self, position: usize) {
        self.position = position;
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    pub fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.position += 1;
        }
    }

    /// Why no value begins here.
    fn no_value(&self) -> Fault {
        let rest = self.text.get(self.position..).unwrap_or_default();
        if rest.starts_with(b"\xef\xbb\xbf") {
            Fault::ByteOrderMark
        } else {
            Fault::ExpectedValue
        }
    }

    /// Passes `byte` and the blanks behind it, if it is next.
    pub fn pass(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.position += 1;
            self.skip_blanks();
        }
        is_next
    }

    pub fn end(&mut self) -> Result<(), ParseError> {
        self.skip_blanks();
        if self.position == self.text.len() {
            Ok(())
        } else {
            self.fail(Fault::ExpectedEnd)
        }
    }

    /// A fault at the current position.
    pub fn fail<T>(&self, fault: Fault) -> Result<T, ParseError> {
        Err(ParseError {
            fault,
            position: self.position,
        })
    }

    /// Reads a member name, its colon and the blanks around, and stops at the member's value.
    pub fn name(&mut self) -> Result<Value, ParseError> {
        if self.peek() != Some(b'"') {
            return self.fail(Fault::ExpectedName);
        }
        self.count_value()?;
        let name = self.string()?;
        self.skip_blanks();
        if self.pass(b':') {
            Ok(name)
        } else {
            self.fail(Fault::ExpectedColon)
        }
    }

    /// Reads the value that begins here, with at most `levels` (up to [`MAX_DEPTH`]) nested containers.
    pub fn value(&mut self, levels: u32) -> Result<Value, ParseError> {
        let levels = levels.min(MAX_DEPTH);
        let start = self.position;
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            _ => return self.scalar(),
        };
        let mut count = 0;
        let mut open = 0;
        // One bit for each open container: 1 is an object.
        let mut objects: u128 = 0;
        loop {
            let begins = self.peek();
            if let Some(b'{' | b'[') = begins {
                if open == levels {
                    return self.fail(Fault::TooDeep);
                }
                self.count_value()?;
                open += 1;
                let is_object = begins == Some(b'{');
                objects = objects << 1 | u128::from(is_object);
                self.position += 1;
                self.skip_blanks();
                if self.peek() != Some(if is_object { b'}' } else { b']' }) {
                    if is_object {
                        self.name()?;
                    }
                    count += usize::from(open == 1);
                    continue;
                }
            } else {
                self.scalar()?;
                self.skip_blanks();
            }
            // Behind a value, or at the closing bracket of an empty container.
            loop {
                let is_object = objects & 1 == 1;
                match self.peek() {
                    Some(b'}') if is_object => {}
                    Some(b']') if !is_object => {}
                    Some(b',') => break,
                    _ if is_object => return self.fail(Fault::ExpectedCommaOrBrace),
                    _ => return self.fail(Fault::ExpectedCommaOrBracket),
                }
                self.position += 1;
                open -= 1;
                objects >>= 1;
                if open == 0 {
                    return Ok(Value {
                        kind,
                        start,
                        end: self.position,
                        count,
                        escaped: false,
                    });
                }
                self.skip_blanks();
            }
            self.pass(b',');
            if objects & 1 == 1 {
                self.name()?;
            }
            count += usize::from(open == 1);
        }
    }

    #[inline(always)]
    fn scalar(&mut self) -> Result<Value, ParseError> {
        self.count_value()?;
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true", Kind::Boolean),
            Some(b'f') => self.literal(b"false", Kind::Boolean),
            Some(b'n') => self.literal(b"null", Kind::Null),
            _ => self.fail(self.no_value()),
        }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<Value, ParseError> {
        let start = self.position;
        if !self.rest().starts_with(word) {
            return self.fail(Fault::ExpectedValue);
        }
        self.position += word.len();
        Ok(Value {
            kind,
            start,
            end: self.position,
            count: 0,
            escaped: false,
        })
    }

    /// RFC 8259 §7. Escapes of lone surrogates are allowed by its grammar.
    fn string(&mut self) -> Result<Value, ParseError> {
        let start = self.position;
        let mut escaped = false;
        self.position += 1;
        loop {
            // Escapes often come in a row: looking at the next byte is cheaper than a plain prefix of nothing.
            while self.peek() == Some(b'\\') {
                self.escape()?;
                escaped = true;
            }
            self.position += plain_prefix(self.rest());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => continue,
                Some(_) => return self.fail(Fault::ControlCharacter),
                None => {
                    return Err(ParseError {
                        fault: Fault::UnterminatedString,
                        position: start,
                    });
                }
            }
        }
        self.position += 1;
        Ok(Value {
            kind: Kind::String,
            start,
            end: self.position,
            count: 0,
            escaped,
        })
    }

    fn escape(&mut self) -> Result<(), ParseError> {
        let length = match self.rest() {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', digits @ ..] if digits.len() >= 4 && digits.iter().take(4).all(u8::is_ascii_hexdigit) => 6,
            _ => return self.fail(Fault::BadEscape),
        };
        self.position += length;
        Ok(())
    }

    /// RFC 8259 §6, of any size and precision.
    #[inline(always)]
    fn number(&mut self) -> Result<Value, ParseError> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        match self.peek() {
            Some(b'0') => self.position += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.position += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.position += 1;
            }
            self.digits()?;
        }
        // `01` and `0x1` would otherwise be reported as a missing comma.
        if let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-') = self.peek() {
            return self.fail(Fault::BadNumber);
        }
        Ok(Value {
            kind: Kind::Number,
            start,
            end: self.position,
            count: 0,
            escaped: false,
        })
    }

    #[inline(always)]
    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.position;
        while let Some(b'0'..=b'9') = self.peek() {
            self.position += 1;
        }
        if self.position == start {
            return self.fail(Fault::BadNumber);
        }
        Ok(())
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.position..).unwrap_or_default()
    }
}
