use crate::methods::{Method, State, length};
use mi_httpd_core::reply::metrics;
use napi::bindgen_prelude::{Uint8Array, Uint32Array};
use napi::{Env, Result};
use napi_derive::napi;

/// A text of metrics, encoded once. The numbers in it lie in JavaScript.
#[napi(object, object_from_js = false)]
pub struct MetricsText<'env> {
    /// Writes the text with the numbers that lie there now to the start of a window: its length, below 0 when it does not fit.
    #[napi(ts_type = "(values: Float64Array, more: Float64Array, window: Uint8Array) => number")]
    pub print: Method<'env, i32>,
}

#[napi(catch_unwind)]
pub fn metrics_text<'env>(
    env: &'env Env,
    text: Uint8Array,
    ends: Uint32Array,
    slots: Uint32Array,
) -> Result<MetricsText<'env>> {
    let printed = metrics::MetricsText::new(text.to_vec(), ends.to_vec(), slots.to_vec());
    let print = State::new(env, printed).method("print", |text, given| {
        Ok(length(text.print(given.get(0)?, given.get(1)?, given.window(2)?)))
    })?;
    Ok(MetricsText { print })
}
