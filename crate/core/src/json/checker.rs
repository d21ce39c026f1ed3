//! Checks JSON text that comes in pieces, by the grammar of [`reader`](crate::json::reader), which needs it whole.

use crate::json::fault::{Fault, ParseError};
use crate::json::reader::MAX_DEPTH;
use crate::json::text::plain_prefix;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Value,
    /// Behind the bracket that opens an array.
    FirstItem,
    /// Behind the brace that opens an object.
    FirstName,
    Name,
    Colon,
    /// Behind a value.
    After,
    String(Role),
    /// Behind a backslash.
    Escape(Role),
    /// Digits of `\u` that are to come.
    Hex(Role, u8),
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Number(Digits),
}

/// Whether a string is the name of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Name,
    Value,
}

/// How far a number has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    /// Behind its minus.
    Sign,
    /// Behind a zero in front: no digit follows.
    Zero,
    Integer,
    Point,
    Fraction,
    /// Behind `e`.
    Exponent,
    /// Behind the sign of the exponent.
    PowerSign,
    Power,
}

impl Digits {
    /// Where a byte leads to; `None`: the number does not go on with it.
    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Sign, b'0') => Some(Self::Zero),
            (Self::Sign | Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::PowerSign),
            (Self::Exponent | Self::PowerSign | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::Power)
    }
}

/// Takes what [`validate`](crate::json::reader::validate) takes, but for UTF-8, which has to be sound, and for escapes of half of a
/// surrogate pair, which strict decoders do not take. Memory: one bit for each open container.
pub struct Checker {
    state: State,
    open: u32,
    /// One bit for each open container: 1 is an object.
    objects: u128,
    /// The character whose digits come.
    unit: u16,
    /// True behind the escape of the first half of a pair.
    is_half: bool,
    /// Bytes of the pieces that are done with.
    passed: usize,
    failure: Option<ParseError>,
}

impl Default for Checker {
    fn default() -> Self {
        Self {
            state: State::Value,
            open: 0,
            objects: 0,
            unit: 0,
            is_half: false,
            passed: 0,
            failure: None,
        }
    }
}

impl Checker {
    /// Goes on with a piece, which may be cut anywhere. What has failed once stays so.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), ParseError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            let step = match self.state {
                State::String(role) => {
                    let plain = plain_prefix(piece.get(at..).unwrap_or_default());
                    if plain > 0 && self.is_half {
                        return self.fail(Fault::HalfPair, at);
                    }
                    at += plain;
                    match piece.get(at) {
                        None => break,
                        Some(&byte) => self.in_string(role, byte),
                    }
                }
                State::Number(digits) => match digits.next(byte) {
                    Some(next) => {
                        self.state = State::Number(next);
                        Ok(())
                    }
                    None if digits.may_end() => self.after(byte),
                    None => Err(Fault::BadNumber),
                },
                _ => self.step(byte),
            };
            if let Err(fault) = step {
                return self.fail(fault, at);
            }
            at += 1;
        }
        self.passed += piece.len();
        Ok(())
    }

    /// All has come.
    pub fn end(&mut self) -> Result<(), ParseError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let is_whole = match self.state {
            State::After => true,
            State::Number(digits) => digits.may_end(),
            _ => false,
        };
        match self.state {
            _ if is_whole && self.open == 0 => Ok(()),
            State::String(_) | State::Escape(_) | State::Hex(..) => self.fail(Fault::UnterminatedString, 0),
            _ if is_whole => self.fail(self.expected_behind(), 0),
            _ => self.fail(Fault::ExpectedValue, 0),
        }
    }

    fn fail(&mut self, fault: Fault, at: usize) -> Result<(), ParseError> {
        let failure = ParseError {
            fault,
            position: self.passed + at,
        };
        self.failure = Some(failure);
        Err(failure)
    }

    fn step(&mut self, byte: u8) -> Result<(), Fault> {
        match self.state {
            State::Escape(_) if self.is_half && byte != b'u' => return Err(Fault::HalfPair),
            State::Escape(role) => {
                self.state = match byte {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::String(role),
                    b'u' => State::Hex(role, 4),
                    _ => return Err(Fault::BadEscape),
                };
            }
            State::Hex(role, left) => {
                let digit = char::from(byte).to_digit(16).ok_or(Fault::BadEscape)?;
                self.unit = self.unit << 4 | digit as u16;
                if left > 1 {
                    self.state = State::Hex(role, left - 1);
                    return Ok(());
                }
                self.state = State::String(role);
                let is_second = (0xdc00..=0xdfff).contains(&self.unit);
                if is_second != self.is_half {
                    return Err(Fault::HalfPair);
                }
                self.is_half = (0xd800..=0xdbff).contains(&self.unit);
            }
            State::Literal(rest) => match rest.split_first() {
                Some((&first, rest)) if first == byte => {
                    self.state = if rest.is_empty() {
                        State::After
                    } else {
                        State::Literal(rest)
                    };
                }
                _ => return Err(Fault::ExpectedValue),
            },
            State::After => return self.after(byte),
            _ if matches!(byte, b' ' | b'\n' | b'\t' | b'\r') => {}
            State::Colon if byte == b':' => self.state = State::Value,
            State::Colon => return Err(Fault::ExpectedColon),
            State::FirstName if byte == b'}' => self.close(),
            State::FirstName | State::Name if byte == b'"' => self.state = State::String(Role::Name),
            State::FirstName | State::Name => return Err(Fault::ExpectedName),
            State::FirstItem if byte == b']' => self.close(),
            _ => return self.value(byte),
        }
        Ok(())
    }

    fn in_string(&mut self, role: Role, byte: u8) -> Result<(), Fault> {
        self.state = match byte {
            b'\\' => State::Escape(role),
            _ if self.is_half => return Err(Fault::HalfPair),
            b'"' if role == Role::Name => State::Colon,
            b'"' => State::After,
            _ => return Err(Fault::ControlCharacter),
        };
        Ok(())
    }

    /// The first byte of a value.
    fn value(&mut self, byte: u8) -> Result<(), Fault> {
        self.state = match byte {
            b'"' => State::String(Role::Value),
            b'-' => State::Number(Digits::Sign),
            b'0' => State::Number(Digits::Zero),
            b'1'..=b'9' => State::Number(Digits::Integer),
            b't' => State::Literal(b"rue"),
            b'f' => State::Literal(b"alse"),
            b'n' => State::Literal(b"ull"),
            b'{' | b'[' if self.open == MAX_DEPTH => return Err(Fault::TooDeep),
            b'{' | b'[' => {
                let is_object = byte == b'{';
                self.open += 1;
                self.objects = self.objects << 1 | u128::from(is_object);
                if is_object { State::FirstName } else { State::FirstItem }
            }
            _ => return Err(Fault::ExpectedValue),
        };
        Ok(())
    }

    /// A byte behind a value, which ends with it if it is a number.
    fn after(&mut self, byte: u8) -> Result<(), Fault> {
        let is_object = self.objects & 1 == 1;
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' => self.state = State::After,
            _ if self.open == 0 => return Err(Fault::ExpectedEnd),
            b',' if is_object => self.state = State::Name,
            b',' => self.state = State::Value,
            b'}' if is_object => self.close(),
            b']' if !is_object => self.close(),
            _ => return Err(self.expected_behind()),
        }
        Ok(())
    }

    /// What is missing behind a value.
    fn expected_behind(&self) -> Fault {
        if self.objects & 1 == 1 {
            Fault::ExpectedCommaOrBrace
        } else {
            Fault::ExpectedCommaOrBracket
        }
    }

    fn close(&mut self) {
        self.open -= 1;
        self.objects >>= 1;
        self.state = State::After;
    }
}
