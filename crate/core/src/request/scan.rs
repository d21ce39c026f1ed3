//! JSON-RPC 2.0 requests: one pass over the text validates all of it and finds the members that matter.

use crate::json::reader::{Fault, Kind, MAX_DEPTH, ParseError, Reader, Value};
use crate::json::text::unescape;
use crate::request::plain;
use std::fmt;

/// Requests of a batch together may have so many times the values of one.
pub const FULL_BATCH: usize = 16;

/// The faults that make valid JSON an invalid request (JSON-RPC 2.0 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    NotAnObject,
    EmptyBatch,
    BatchTooLong { limit: usize },
    TooManyValues { limit: usize },
    BatchTooFull { limit: usize },
    JsonrpcMissing,
    JsonrpcRepeated,
    JsonrpcNot20,
    MethodMissing,
    MethodRepeated,
    MethodNotString,
    ParamsRepeated,
    ParamsBadType,
    IdRepeated,
    IdBadType,
    IdNotText,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BatchTooLong { limit: 0 } => "batches are refused, since max_batch is 0; send each request by itself",
            Self::BatchTooLong { limit } => {
                return write!(
                    f,
                    "the batch has more than {limit} requests, which is the limit max_batch; send it in parts"
                );
            }
            Self::TooManyValues { limit } => {
                return write!(
                    f,
                    "the request has more than {limit} values and names, which is the limit max_values; send it in parts"
                );
            }
            Self::BatchTooFull { limit } => {
                return write!(
                    f,
                    "the batch has more than {limit} values and names, {FULL_BATCH} times the limit max_values; send it in parts"
                );
            }
            Self::NotAnObject => "a request must be an object",
            Self::EmptyBatch => "an empty array is no batch; send an object, or an array of at least one",
            Self::JsonrpcMissing => "member \"jsonrpc\" is missing; it must be the string \"2.0\"",
            Self::JsonrpcRepeated => "member \"jsonrpc\" is repeated; give it once",
            Self::JsonrpcNot20 => "member \"jsonrpc\" must be the string \"2.0\"",
            Self::MethodMissing => "member \"method\" is missing; it must be the name of a command",
            Self::MethodRepeated => "member \"method\" is repeated; give it once",
            Self::MethodNotString => "member \"method\" must be a string",
            Self::ParamsRepeated => "member \"params\" is repeated; give it once",
            Self::ParamsBadType => "member \"params\" must be an array or an object",
            Self::IdRepeated => "member \"id\" is repeated; give it once",
            Self::IdBadType => "member \"id\" must be a string, a number or null",
            Self::IdNotText => "member \"id\" has half of a surrogate pair; give well-formed text",
        })
    }
}

/// Why a text is not a request that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotJson(ParseError),
    Invalid(Invalid),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) => error.fmt(f),
            Self::Invalid(invalid) => invalid.fmt(f),
        }
    }
}

/// The members of a request, where they are, each as first given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub method: Option<Value>,
    /// `None` when absent or empty, which is the same (JSON-RPC 2.0 §4 "may be omitted"; docs/compatibility.md).
    pub params: Option<Value>,
    /// `None` for a notification, and for an id that cannot be echoed.
    pub id: Option<Value>,
    pub refusal: Option<Refusal>,
}

#[derive(Clone, Copy, Default)]
struct Member {
    value: Option<Value>,
    repeated: bool,
}

#[derive(Default)]
struct Members {
    jsonrpc: Member,
    method: Member,
    params: Member,
    id: Member,
}

/// Scans one request. Never fails: what is wrong is in [`Request::refusal`], with the id beside it if that is sound.
///
/// Of a request with more than `max_values` values and names of members nothing is read behind the last of these: to
/// make JavaScript values of them would keep everybody waiting, and what is refused must not cost more the larger it is.
pub fn scan(text: &[u8], max_values: usize) -> Request {
    plain::scan(text, max_values).unwrap_or_else(|| scan_strictly(text, max_values))
}

/// As [`scan`], which asks for it where [`plain::scan`] does not know.
pub fn scan_strictly(text: &[u8], max_values: usize) -> Request {
    let mut members = Members::default();
    match read(text, max_values, &mut members) {
        Err(refusal) => Request::refused(refusal),
        Ok(()) => members.check(text),
    }
}

/// Tells whether a text is an array, should it be JSON: a batch (JSON-RPC 2.0 §6).
pub fn is_batch(text: &[u8]) -> bool {
    // Nearly all requests begin with their brace.
    if text.first() == Some(&b'{') {
        return false;
    }
    let mut reader = Reader::within(text, 0);
    reader.skip_blanks();
    reader.peek() == Some(b'[')
}

/// The contents of an array of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub elements: usize,
    /// Elements that get a reply: all but notifications.
    pub replies: usize,
    /// Where the first element begins.
    pub start: usize,
}

/// A batch of which a part is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The elements that are read.
    pub batch: Batch,
    /// Where the next element begins.
    pub position: usize,
    /// Values and names of the elements that are read.
    pub values: usize,
}

/// The limits of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    pub elements: usize,
    /// Values and names of each element; all of them may have [`FULL_BATCH`] times as many.
    pub values: usize,
}

/// Reads a batch whole, so that none of it is run unless all of it is JSON (JSON-RPC 2.0 §7, "invalid JSON").
///
/// Of a batch with too many elements nothing is read behind the comma that makes it too long, be it JSON or not: what is
/// refused must not cost more the larger it is.
pub fn scan_batch(text: &[u8], limit: usize, max_values: usize) -> Result<Batch, Refusal> {
    let limits = BatchLimits {
        elements: limit,
        values: max_values,
    };
    let mut reading = Reading::default();
    while !read_batch(text, limits, &mut reading, usize::MAX)? {}
    Ok(reading.batch)
}

/// Reads on, up to the first element that begins at `pause` or behind it. Returns whether the batch is read whole.
pub fn read_batch(text: &[u8], limits: BatchLimits, reading: &mut Reading, pause: usize) -> Result<bool, Refusal> {
    match read_elements(text, limits, reading, pause) {
        Ok(false) => Ok(false),
        Err(Refusal::Invalid(invalid)) => Err(Refusal::Invalid(invalid)),
        // Late, since this looks at all of the text; but before any other fault, as in a single request.
        read => Reader::new(text).map_err(Refusal::NotJson).and(read),
    }
}

fn read_elements(text: &[u8], limits: BatchLimits, reading: &mut Reading, pause: usize) -> Result<bool, Refusal> {
    let mut reader = Reader::within(text, reading.position);
    let batch = &mut reading.batch;
    let begun = batch.elements;
    let mut more = true;
    if begun == 0 {
        reader.skip_blanks();
        more = reader.pass(b'[') && !reader.pass(b']');
        batch.start = reader.position();
    }
    let full = limits.values.saturating_mul(FULL_BATCH);
    while more {
        if batch.elements == limits.elements {
            let limit = limits.elements;
            return Err(Refusal::Invalid(Invalid::BatchTooLong { limit }));
        }
        if reader.position() >= pause && batch.elements > begun {
            reading.position = reader.position();
            return Ok(false);
        }
        let allowed = limits.values.min(full.saturating_sub(reading.values));
        let (request, values) =
            element(text, &mut reader, allowed).map_err(|error| match refusal(error, limits.values) {
                Refusal::Invalid(_) if allowed < limits.values => {
                    Refusal::Invalid(Invalid::BatchTooFull { limit: full })
                }
                refusal => refusal,
            })?;
        reading.values += values;
        batch.elements += 1;
        batch.replies += usize::from(request.refusal.is_some() || request.id.is_some());
        more = reader.pass(b',');
        if !more && !reader.pass(b']') {
            return reader.fail(Fault::ExpectedCommaOrBracket).map_err(Refusal::NotJson);
        }
    }
    reader.end().map_err(Refusal::NotJson)?;
    if batch.elements == 0 {
        return Err(Refusal::Invalid(Invalid::EmptyBatch));
    }
    Ok(true)
}

/// Scans the element of a batch that begins at `position`, of a text that [`scan_batch`] has read. Returns the position
/// of the next one, that of the closing bracket behind the last.
pub fn scan_element(text: &[u8], position: usize) -> (Request, usize) {
    let mut reader = Reader::within(text, position);
    let request = element(text, &mut reader, usize::MAX).map_or_else(
        |error| Request::refused(Refusal::NotJson(error)),
        |(request, _)| request,
    );
    reader.pass(b',');
    (request, reader.position())
}

/// An element of at most `max_values`, and how many these are.
fn element(text: &[u8], reader: &mut Reader<'_>, max_values: usize) -> Result<(Request, usize), ParseError> {
    let levels = MAX_DEPTH - 2;
    if let Some(plain) = plain::object(text, reader.position(), levels, max_values) {
        reader.go_on(plain.end);
        reader.skip_blanks();
        return Ok((plain.request, plain.values));
    }
    reader.limit_values(max_values);
    let request = if reader.peek() == Some(b'{') {
        let mut members = Members::default();
        object(text, reader, levels, &mut members)?;
        members.check(text)
    } else {
        reader.value(MAX_DEPTH - 1)?;
        Request::refused(Refusal::Invalid(Invalid::NotAnObject))
    };
    reader.skip_blanks();
    Ok((request, max_values - reader.values_left()))
}

fn read(text: &[u8], max_values: usize, members: &mut Members) -> Result<(), Refusal> {
    let mut reader = Reader::new(text).map_err(Refusal::NotJson)?;
    reader.limit_values(max_values);
    reader.skip_blanks();
    let is_object = reader.peek() == Some(b'{');
    let whole = if is_object {
        object(text, &mut reader, MAX_DEPTH - 1, members)
    } else {
        reader.value(MAX_DEPTH).map(|_| ())
    };
    whole
        .and_then(|()| reader.end())
        .map_err(|error| refusal(error, max_values))?;
    if is_object {
        Ok(())
    } else {
        Err(Refusal::Invalid(Invalid::NotAnObject))
    }
}

fn refusal(error: ParseError, max_values: usize) -> Refusal {
    match error.fault {
        Fault::TooManyValues => Refusal::Invalid(Invalid::TooManyValues { limit: max_values }),
        _ => Refusal::NotJson(error),
    }
}

/// Reads the members of an object whose values may have so many `levels` of containers.
fn object(text: &[u8], reader: &mut Reader<'_>, levels: u32, members: &mut Members) -> Result<(), ParseError> {
    let mut more = reader.pass(b'{') && !reader.pass(b'}');
    while more {
        let name = reader.name()?;
        let value = reader.value(levels)?;
        members.keep(text, name, value);
        reader.skip_blanks();
        more = reader.pass(b',');
        if !more && !reader.pass(b'}') {
            return reader.fail(Fault::ExpectedCommaOrBrace);
        }
    }
    Ok(())
}

impl Request {
    /// A request of which nothing is known but what is wrong with it.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::default()
        }
    }
}

impl Members {
    fn keep(&mut self, text: &[u8], name: Value, value: Value) {
        let raw = inner(text, name);
        let member = if name.escaped {
            unescape(raw).and_then(|name| self.named(name.as_bytes()))
        } else {
            self.named(raw)
        };
        let Some(member) = member else { return };
        member.repeated = member.value.is_some();
        member.value = member.value.or(Some(value));
    }

    /// Names are compared exactly (JSON-RPC 2.0 §4: "all member names … are case-sensitive").
    fn named(&mut self, name: &[u8]) -> Option<&mut Member> {
        match name {
            b"jsonrpc" => Some(&mut self.jsonrpc),
            b"method" => Some(&mut self.method),
            b"params" => Some(&mut self.params),
            b"id" => Some(&mut self.id),
            _ => None,
        }
    }

    fn check(&self, text: &[u8]) -> Request {
        let invalid = self
            .check_jsonrpc(text)
            .or(self.check_method())
            .or(self.check_params())
            .or(self.check_id(text));
        Request {
            method: self.method.value,
            params: self.params.value.filter(|params| params.count > 0),
            id: if self.check_id(text).is_none() {
                self.id.value
            } else {
                None
            },
            refusal: invalid.map(Refusal::Invalid),
        }
    }

    fn check_jsonrpc(&self, text: &[u8]) -> Option<Invalid> {
        match self.jsonrpc {
            Member { repeated: true, .. } => Some(Invalid::JsonrpcRepeated),
            Member { value: None, .. } => Some(Invalid::JsonrpcMissing),
            Member { value: Some(value), .. } => {
                let is_20 = value.kind == Kind::String
                    && if value.escaped {
                        unescape(inner(text, value)).as_deref() == Some("2.0")
                    } else {
                        inner(text, value) == b"2.0"
                    };
                (!is_20).then_some(Invalid::JsonrpcNot20)
            }
        }
    }

    fn check_method(&self) -> Option<Invalid> {
        match self.method {
            Member { repeated: true, .. } => Some(Invalid::MethodRepeated),
            Member { value: None, .. } => Some(Invalid::MethodMissing),
            Member { value: Some(value), .. } => (value.kind != Kind::String).then_some(Invalid::MethodNotString),
        }
    }

    fn check_params(&self) -> Option<Invalid> {
        match self.params {
            Member { repeated: true, .. } => Some(Invalid::ParamsRepeated),
            Member { value: Some(value), .. } if !matches!(value.kind, Kind::Array | Kind::Object) => {
                Some(Invalid::ParamsBadType)
            }
            _ => None,
        }
    }

    fn check_id(&self, text: &[u8]) -> Option<Invalid> {
        match self.id {
            Member { repeated: true, .. } => Some(Invalid::IdRepeated),
            Member { value: Some(value), .. } if !matches!(value.kind, Kind::String | Kind::Number | Kind::Null) => {
                Some(Invalid::IdBadType)
            }
            // It would be echoed, and spoil the whole reply for those who decode strictly.
            Member { value: Some(value), .. } if value.escaped && unescape(inner(text, value)).is_none() => {
                Some(Invalid::IdNotText)
            }
            _ => None,
        }
    }
}

/// The bytes of a string between its quotes.
pub fn inner(text: &[u8], string: Value) -> &[u8] {
    text.get(string.start + 1..string.end.saturating_sub(1))
        .unwrap_or_default()
}
