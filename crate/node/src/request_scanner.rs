use crate::methods::{Method, State, length, reason, store};
use mi_httpd_core::layout::{BatchField, Reply, ReplyField};
use mi_httpd_core::reply::frame::{self, Replies};
use mi_httpd_core::request::scan::{Batch, Reading};
use mi_httpd_core::request::scanner::Scanner;
use napi::bindgen_prelude::{ArrayBuffer, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;

/// Scans requests, and holds the ids of those that are still to be answered.
#[napi(object, object_from_js = false, js_name = "NativeScanner")]
pub struct RequestScanner<'env> {
    /// Scans one request into `fields`; of a batch it only tells that it is one. Throws when too many ids are held.
    #[napi(ts_type = "(body: Uint8Array, fields: Int32Array) => number")]
    pub scan: Method<'env, u32>,
    /// As `scan`, for a body that is lent by the engine.
    #[napi(ts_type = "(body: ArrayBuffer, fields: Int32Array) => number")]
    pub scan_buffer: Method<'env, u32>,
    /// Gives the short id in `fields` a slot.
    #[napi(ts_type = "(fields: Int32Array) => number")]
    pub hold_short_id: Method<'env, i32>,
    /// Why the last scan found no request; '' when it found one.
    #[napi(ts_type = "() => string")]
    pub reason: Method<'env, String>,
    /// Reads a batch on, up to about a position; where it is, and what it holds, is in `reading`.
    #[napi(ts_type = "(body: Uint8Array, limit: number, reading: Uint32Array, pause: number) => number")]
    pub read_batch: Method<'env, u32>,
    /// Scans elements from a position of a batch that was read: where the next one begins.
    #[napi(ts_type = "(body: Uint8Array, position: number, count: number, elements: Int32Array) => number")]
    pub scan_elements: Method<'env, u32>,
    /// Why the element at a position is no request.
    #[napi(ts_type = "(body: Uint8Array, position: number) => string")]
    pub reason_of_element: Method<'env, String>,
    /// Gives an id that is a range of a body a slot.
    #[napi(ts_type = "(body: Uint8Array, start: number, end: number) => number")]
    pub hold_id: Method<'env, i32>,
    #[napi(ts_type = "() => number")]
    pub ids_held: Method<'env, u32>,
    /// Frees a slot; without effect for one that is not held.
    #[napi(ts_type = "(idSlot: number) => void")]
    pub release: Method<'env, ()>,
    /// The text behind the value of a streamed reply. Frees the slot.
    #[napi(ts_type = "(idSlot: number) => Uint8Array")]
    pub tail: Method<'env, Uint8Array>,
    /// Completes a reply in its window and frees the slot: its length, below 0 when it does not fit.
    #[napi(ts_type = "(window: Uint8Array, kind: number, end: number, idSlot: number) => number")]
    pub finish: Method<'env, i32>,
    /// Prints replies to elements of a batch at a position of a window, each behind a comma, and frees their slots: the
    /// byte behind them, below 0 when they do not fit.
    #[napi(
        ts_type = "(window: Uint8Array, at: number, fields: Int32Array, count: number, texts: Uint8Array, length: number, body: Uint8Array) => number"
    )]
    pub print_replies: Method<'env, i32>,
    /// As `finish`, and indents the reply into `indented`.
    #[napi(
        ts_type = "(window: Uint8Array, indented: Uint8Array, kind: number, end: number, idSlot: number) => number"
    )]
    pub finish_pretty: Method<'env, i32>,
}

#[napi(catch_unwind)]
pub fn request_scanner<'env>(
    env: &'env Env,
    methods: Vec<String>,
    numbers: &[i32],
    max_values: u32,
) -> Result<RequestScanner<'env>> {
    let state = State::new(env, Scanner::new(methods, numbers, max_values as usize));
    Ok(RequestScanner {
        scan: state.method("scan", |scanner, given| scan(scanner, given.bytes(0)?, given.get(1)?))?,
        scan_buffer: state.method("scanBuffer", |scanner, given| {
            scan(scanner, &given.get::<ArrayBuffer>(0)?, given.get(1)?)
        })?,
        hold_short_id: state.method("holdShortId", |scanner, given| {
            scanner.hold_short(given.get(0)?).map_err(reason)
        })?,
        reason: state.method("reason", |scanner, _| Ok(scanner.reason()))?,
        read_batch: state.method("readBatch", |scanner, given| {
            let memory: &mut [u32] = given.get(2)?;
            let mut reading = reading_of(memory);
            let outcome = scanner.read_batch(given.bytes(0)?, given.position(1)?, &mut reading, given.position(3)?);
            let fields = [
                (BatchField::Elements as usize, reading.batch.elements),
                (BatchField::Replies as usize, reading.batch.replies),
                (BatchField::Start as usize, reading.batch.start),
                (BatchField::Position as usize, reading.position),
                (BatchField::Values as usize, reading.values),
            ];
            store(fields, memory);
            Ok(outcome as u32)
        })?,
        scan_elements: state.method("scanElements", |scanner, given| {
            let (position, count) = (given.position(1)?, given.position(2)?);
            Ok(scanner.scan_elements(given.bytes(0)?, position, count, given.get(3)?) as u32)
        })?,
        reason_of_element: state.method("reasonOfElement", |scanner, given| {
            Ok(scanner.reason_of_element(given.bytes(0)?, given.position(1)?))
        })?,
        hold_id: state.method("holdId", |scanner, given| {
            let id = given.bytes(0)?.get(given.position(1)?..given.position(2)?);
            scanner.ids.hold(id.unwrap_or(b"null")).map_err(reason)
        })?,
        ids_held: state.method("idsHeld", |scanner, _| Ok(scanner.ids.held() as u32))?,
        release: state.method("release", |scanner, given| {
            given.get(0).map(|slot| scanner.ids.release(slot))
        })?,
        tail: state.method("tail", |scanner, given| {
            Ok(frame::take_tail(&mut scanner.ids, given.get(0)?).into())
        })?,
        finish: state.method("finish", |scanner, given| {
            let (kind, end, id_slot) = (reply(given.get(1)?), given.position(2)?, given.get(3)?);
            Ok(length(frame::finish(
                &mut scanner.ids,
                given.window(0)?,
                kind,
                end,
                id_slot,
            )))
        })?,
        print_replies: state.method("printReplies", |scanner, given| {
            let fields: &[i32] = given.get(2)?;
            let replies = Replies {
                fields: fields.get(..given.position(3)? * ReplyField::COUNT).unwrap_or_default(),
                texts: given.bytes(4)?.get(..given.position(5)?).unwrap_or_default(),
                body: given.bytes(6)?,
            };
            Ok(length(replies.print(
                &mut scanner.ids,
                given.window(0)?,
                given.position(1)?,
            )))
        })?,
        finish_pretty: state.method("finishPretty", |scanner, given| {
            let (kind, end, id_slot) = (reply(given.get(2)?), given.position(3)?, given.get(4)?);
            let (window, indented) = (given.window(0)?, given.window(1)?);
            Ok(length(frame::finish_pretty(
                &mut scanner.ids,
                window,
                indented,
                kind,
                end,
                id_slot,
            )))
        })?,
    })
}

fn scan(scanner: &mut Scanner, body: &[u8], fields: &mut [i32]) -> Result<u32> {
    let outcome = scanner.scan_into(body, fields);
    outcome.map(|outcome| outcome as u32).map_err(reason)
}

fn reading_of(memory: &[u32]) -> Reading {
    let number = |field: BatchField| memory.get(field as usize).map_or(0, |number| *number as usize);
    Reading {
        batch: Batch {
            elements: number(BatchField::Elements),
            replies: number(BatchField::Replies),
            start: number(BatchField::Start),
        },
        position: number(BatchField::Position),
        values: number(BatchField::Values),
    }
}

/// The text behind the value of a reply whose id is empty: a brace, and what is in front of the id.
#[napi(catch_unwind)]
pub fn reply_tail() -> Uint8Array {
    frame::tail(b"").into()
}

/// The text in front of the value of a reply.
#[napi(catch_unwind)]
pub fn reply_head(kind: i32) -> Uint8Array {
    frame::head(reply(kind)).to_vec().into()
}

fn reply(kind: i32) -> Reply {
    Reply::of(kind).unwrap_or(Reply::Result)
}
