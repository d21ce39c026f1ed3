//! The state between requests: the table of methods, the ids that replies are owed to, why the last scan failed.

use crate::json::reader::Kind;
use crate::json::text::unescape;
use crate::layout::{ElementField, Field, IdSlot, Outcome, ParamsKind, SHORT_ID};
use crate::request::ids::{Ids, TooManyIds};
use crate::request::scan::{self, BatchLimits, Reading, Refusal, Request};
use rustc_hash::FxHashMap;

/// The findings of a scan, for JavaScript: written into memory that both sides see, since each property of an object
/// that is made here would cost 50 ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Number of the command, -1 when the method text is not in the table.
    pub command: i32,
    /// Slot that holds the id's bytes, or an [`IdSlot`].
    pub id_slot: i32,
    /// One of [`ParamsKind`].
    pub params_kind: i32,
    pub params_start: i32,
    pub params_end: i32,
    pub params_count: i32,
    /// The method's string, quotes included.
    pub method_start: i32,
    pub method_end: i32,
    /// Byte of a parse error, otherwise 0.
    pub position: i32,
}

impl Fields {
    /// Writes each to the index of its [`Field`]; what has no place in `out` is left out.
    pub fn store(&self, out: &mut [i32]) {
        let values = [
            (Field::Command, self.command),
            (Field::IdSlot, self.id_slot),
            (Field::ParamsKind, self.params_kind),
            (Field::ParamsStart, self.params_start),
            (Field::ParamsEnd, self.params_end),
            (Field::ParamsCount, self.params_count),
            (Field::MethodStart, self.method_start),
            (Field::MethodEnd, self.method_end),
            (Field::Position, self.position),
        ];
        for (field, value) in values {
            if let Some(place) = out.get_mut(field as usize) {
                *place = value;
            }
        }
    }
}

/// Scans requests and holds the ids of those that are still to be answered.
pub struct Scanner {
    methods: FxHashMap<Box<[u8]>, i32>,
    max_values: usize,
    refusal: Option<Refusal>,
    pub ids: Ids,
}

impl Scanner {
    /// `numbers[i]` is the command that `methods[i]` names; a request has at most `max_values` values and names.
    pub fn new(methods: Vec<String>, numbers: &[i32], max_values: usize) -> Self {
        let names = methods.into_iter().map(|name| name.into_bytes().into_boxed_slice());
        Self {
            methods: names.zip(numbers.iter().copied()).collect(),
            max_values,
            refusal: None,
            ids: Ids::default(),
        }
    }

    /// Scans one request. A call's id is copied into a slot, as is that of an invalid request with a valid id.
    pub fn scan(&mut self, text: &[u8]) -> Result<(Outcome, Fields), TooManyIds> {
        let request = scan::scan(text, self.max_values);
        let id_slot = self.hold_id(text, &request)?;
        Ok((self.outcome(&request), self.fields(text, &request, id_slot)))
    }

    /// As [`Scanner::scan`], with the fields in `out`; of a batch it only says that it is one. (A batch as an outcome of
    /// `scan` itself cost every request 20 ns, for the way its result is handed on.)
    ///
    /// An id of at most [`SHORT_ID`] bytes takes no slot: most replies are made before the next scan. Its bytes lie behind
    /// the fields, until [`Scanner::hold_short`] gives it one.
    pub fn scan_into(&mut self, text: &[u8], out: &mut [i32]) -> Result<Outcome, TooManyIds> {
        if scan::is_batch(text) {
            return Ok(Outcome::Batch);
        }
        let request = scan::scan(text, self.max_values);
        let outcome = self.outcome(&request);
        let id_slot = match (id_of(text, &request), short_id(out)) {
            (None, _) => IdSlot::None as i32,
            (Some(id), Some((length, bytes))) if id.len() <= SHORT_ID => {
                *length = id.len() as i32;
                put_bytes(bytes, id);
                IdSlot::Short as i32
            }
            (Some(id), _) => self.ids.hold(id)?,
        };
        self.fields(text, &request, id_slot).store(out);
        Ok(outcome)
    }

    /// Gives the short id that the last [`Scanner::scan_into`] left in `out` a slot, for a reply that comes later.
    pub fn hold_short(&mut self, out: &mut [i32]) -> Result<i32, TooManyIds> {
        let mut id = [0; SHORT_ID];
        let length = short_id(out).map_or(0, |(length, bytes)| {
            for (place, word) in id.as_chunks_mut().0.iter_mut().zip(bytes) {
                *place = word.to_ne_bytes();
            }
            *length as usize
        });
        self.ids.hold(id.get(..length).unwrap_or_default())
    }

    /// Reads a batch of at most `limit` elements, up to the first that begins at `pause` or behind it. The outcome is
    /// [`Outcome::Batch`] when it is read whole, and [`Outcome::BatchGoesOn`] when it is not yet.
    pub fn read_batch(&mut self, text: &[u8], limit: usize, reading: &mut Reading, pause: usize) -> Outcome {
        let limits = BatchLimits {
            elements: limit,
            values: self.max_values,
        };
        match scan::read_batch(text, limits, reading, pause) {
            Ok(true) => Outcome::Batch,
            Ok(false) => Outcome::BatchGoesOn,
            Err(refusal) => self.outcome(&Request::refused(refusal)),
        }
    }

    /// Scans elements of a batch that has been read, from `position` on: as many as `out` has room for and `count` says.
    /// Their ids are not held, but told as ranges. Returns where the next one begins.
    pub fn scan_elements(&self, text: &[u8], position: usize, count: usize, out: &mut [i32]) -> usize {
        let mut next = position;
        let (places, _) = out.as_chunks_mut::<{ ElementField::COUNT }>();
        for place in places.iter_mut().take(count) {
            let start = next;
            let request;
            (request, next) = scan::scan_element(text, start);
            *place = [0; ElementField::COUNT];
            place[ElementField::Start as usize] = start as i32;
            place[ElementField::Outcome as usize] = outcome_of(&request) as i32;
            place[ElementField::Command as usize] = self.command(text, &request);
            if let Some(id) = request.id {
                place[ElementField::IdStart as usize] = id.start as i32;
                place[ElementField::IdEnd as usize] = id.end as i32;
            }
            if let Some(params) = request.params {
                place[ElementField::ParamsStart as usize] = params.start as i32;
                place[ElementField::ParamsEnd as usize] = params.end as i32;
                place[ElementField::ParamsCount as usize] = params.count as i32;
            }
            if let Some(method) = request.method {
                place[ElementField::MethodStart as usize] = method.start as i32;
                place[ElementField::MethodEnd as usize] = method.end as i32;
            }
        }
        next
    }

    /// Why the element of a batch that begins at `position` is no request; empty when it is one.
    pub fn reason_of_element(&self, text: &[u8], position: usize) -> String {
        reason(scan::scan_element(text, position).0.refusal)
    }

    /// Remembers why it is none, for [`Scanner::reason`].
    fn outcome(&mut self, request: &Request) -> Outcome {
        self.refusal = request.refusal;
        outcome_of(request)
    }

    fn fields(&self, text: &[u8], request: &Request, id_slot: i32) -> Fields {
        let (method_start, method_end) = request.method.map_or((0, 0), |method| (method.start, method.end));
        let (params_kind, params_start, params_end, params_count) = match request.params {
            None => (ParamsKind::None, 0, 0, 0),
            Some(params) => {
                let kind = match params.kind {
                    Kind::Array => ParamsKind::Array,
                    _ => ParamsKind::Object,
                };
                (kind, params.start, params.end, params.count)
            }
        };
        let position = match request.refusal {
            Some(Refusal::NotJson(error)) => error.position,
            _ => 0,
        };
        Fields {
            command: self.command(text, request),
            id_slot,
            params_kind: params_kind as i32,
            params_start: params_start as i32,
            params_end: params_end as i32,
            params_count: params_count as i32,
            method_start: method_start as i32,
            method_end: method_end as i32,
            position: position as i32,
        }
    }

    fn command(&self, text: &[u8], request: &Request) -> i32 {
        let Some(method) = request.method.filter(|_| request.refusal.is_none()) else {
            return -1;
        };
        let raw = scan::inner(text, method);
        let number = if method.escaped {
            unescape(raw).and_then(|name| self.methods.get(name.as_bytes()))
        } else {
            self.methods.get(raw)
        };
        number.copied().unwrap_or(-1)
    }

    fn hold_id(&mut self, text: &[u8], request: &Request) -> Result<i32, TooManyIds> {
        id_of(text, request).map_or(Ok(IdSlot::None as i32), |id| self.ids.hold(id))
    }

    /// Why the last scan found no request; empty when it found one.
    pub fn reason(&self) -> String {
        reason(self.refusal)
    }
}

fn outcome_of(request: &Request) -> Outcome {
    match request.refusal {
        Some(Refusal::NotJson(_)) => Outcome::ParseError,
        Some(Refusal::Invalid(_)) => Outcome::InvalidRequest,
        None if request.id.is_none() => Outcome::Notification,
        None => Outcome::Call,
    }
}

fn reason(refusal: Option<Refusal>) -> String {
    refusal.map(|refusal| refusal.to_string()).unwrap_or_default()
}

/// The bytes of an id that is not null.
fn id_of<'a>(text: &'a [u8], request: &Request) -> Option<&'a [u8]> {
    let id = request.id.filter(|id| id.kind != Kind::Null)?;
    text.get(id.start..id.end)
}

/// The place for the length of a short id, and that for its bytes.
fn short_id(out: &mut [i32]) -> Option<(&mut i32, &mut [i32])> {
    let (length, bytes) = out.get_mut(Field::ShortIdLength as usize..)?.split_first_mut()?;
    Some((length, bytes.get_mut(..SHORT_ID / 4)?))
}

/// Puts at most four bytes for each word, in the order in which they lie in memory.
fn put_bytes(words: &mut [i32], bytes: &[u8]) {
    for (word, part) in words.iter_mut().zip(bytes.chunks(4)) {
        let mut four = [0; 4];
        for (place, byte) in four.iter_mut().zip(part) {
            *place = *byte;
        }
        *word = i32::from_ne_bytes(four);
    }
}
