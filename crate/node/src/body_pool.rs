use crate::methods::{Method, State};
use mi_httpd_core::request::body;
use napi::bindgen_prelude::Uint8Array;
use napi::{Env, Result};
use napi_derive::napi;

/// Collects bodies that arrive in pieces.
#[napi(object, object_from_js = false, js_name = "NativeBodyPool")]
pub struct BodyPool<'env> {
    /// Begins a body and returns its slot, below 0 when too many are open.
    #[napi(ts_type = "() => number")]
    pub open: Method<'env, i32>,
    /// Appends a piece, or leaves the body as it was.
    #[napi(ts_type = "(slot: number, piece: Uint8Array) => number")]
    pub push: Method<'env, u32>,
    /// Moves a body out and frees its slot.
    #[napi(ts_type = "(slot: number) => Uint8Array")]
    pub take: Method<'env, Uint8Array>,
    /// Copies a body out and frees its slot. Returns its length; as a negative number, and the slot still open, when it
    /// does not fit.
    #[napi(ts_type = "(slot: number, out: Uint8Array) => number")]
    pub copy_out: Method<'env, f64>,
    /// Drops a body and frees its slot; without effect for one that is not open.
    #[napi(ts_type = "(slot: number) => void")]
    pub free: Method<'env, ()>,
    #[napi(ts_type = "() => number")]
    pub slots_in_use: Method<'env, u32>,
    #[napi(ts_type = "() => number")]
    pub bytes_held: Method<'env, f64>,
}

#[napi(catch_unwind)]
pub fn body_pool<'env>(env: &'env Env, slot_size: f64, max_body: f64, max_total: f64) -> Result<BodyPool<'env>> {
    let pool = body::BodyPool::new(slot_size as usize, max_body as usize, max_total as usize);
    let state = State::new(env, pool);
    Ok(BodyPool {
        open: state.method("open", |pool, _| Ok(pool.open()))?,
        push: state.method("push", |pool, given| {
            Ok(pool.push(given.get(0)?, given.bytes(1)?) as u32)
        })?,
        take: state.method("take", |pool, given| Ok(pool.take(given.get(0)?).into()))?,
        copy_out: state.method("copyOut", |pool, given| {
            let copied = pool.copy_out(given.get(0)?, given.window(1)?);
            Ok(copied.map_or_else(|length| -(length as f64), |length| length as f64))
        })?,
        free: state.method("free", |pool, given| given.get(0).map(|slot| pool.free(slot)))?,
        slots_in_use: state.method("slotsInUse", |pool, _| Ok(pool.slots_in_use() as u32))?,
        bytes_held: state.method("bytesHeld", |pool, _| Ok(pool.bytes_held() as f64))?,
    })
}
