use crate::methods::{Method, State, length, reason, store};
use mi_httpd_core::layout::{BatchField, Reply};
use mi_httpd_core::reply::frame;
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
    /// Reads a batch whole, and writes what it holds into `found`.
    #[napi(ts_type = "(body: Uint8Array, limit: number, found: Uint32Array) => number")]
    pub scan_batch: Method<'env, u32>,
    /// Scans the element at a position of a batch that was read.
    #[napi(ts_type = "(body: Uint8Array, position: number, fields: Int32Array) => number")]
    pub scan_element: Method<'env, u32>,
    #[napi(ts_type = "() => number")]
    pub ids_held: Method<'env, u32>,
    /// Frees a slot; without effect for one that is not held.
    #[napi(ts_type = "(idSlot: number) => void")]
    pub release: Method<'env, ()>,
    /// The text behind the value of a streamed reply. Frees the slot.
    #[napi(ts_type = "(idSlot: number) => Uint8Array")]
    pub tail: Method<'env, Uint8Array>,
    /// Completes a reply in its window and frees the slot: the byte behind it, below 0 when it does not fit.
    #[napi(ts_type = "(window: Uint8Array, start: number, kind: number, end: number, idSlot: number) => number")]
    pub finish: Method<'env, i32>,
    /// As `finish` at the start of a window, and indents the reply into `indented`.
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
        scan_batch: state.method("scanBatch", |scanner, given| {
            let (outcome, batch) = scanner.scan_batch(given.bytes(0)?, given.position(1)?);
            let fields = [
                (BatchField::Elements as usize, batch.elements),
                (BatchField::Replies as usize, batch.replies),
                (BatchField::Start as usize, batch.start),
            ];
            store(fields, given.get(2)?);
            Ok(outcome as u32)
        })?,
        scan_element: state.method("scanElement", |scanner, given| {
            let (outcome, fields) = scanner.scan_element(given.bytes(0)?, given.position(1)?);
            fields.store(given.get(2)?);
            Ok(outcome as u32)
        })?,
        ids_held: state.method("idsHeld", |scanner, _| Ok(scanner.ids.held() as u32))?,
        release: state.method("release", |scanner, given| {
            given.get(0).map(|slot| scanner.ids.release(slot))
        })?,
        tail: state.method("tail", |scanner, given| {
            Ok(frame::tail(&mut scanner.ids, given.get(0)?).into())
        })?,
        finish: state.method("finish", |scanner, given| {
            let (start, kind, end, id_slot) = (
                given.position(1)?,
                reply(given.get(2)?),
                given.position(3)?,
                given.get(4)?,
            );
            let window = given.window(0)?;
            Ok(length(frame::finish(
                &mut scanner.ids,
                window,
                start,
                kind,
                end,
                id_slot,
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

/// The text in front of the value of a reply.
#[napi(catch_unwind)]
pub fn reply_head(kind: i32) -> Uint8Array {
    frame::head(reply(kind)).to_vec().into()
}

fn reply(kind: i32) -> Reply {
    Reply::of(kind).unwrap_or(Reply::Result)
}
