use crate::methods::{Method, State, length};
use mi_httpd_core::reply::statistics::StatisticNames as Names;
use napi::bindgen_prelude::Uint8Array;
use napi::{Env, Result};
use napi_derive::napi;

/// Names of statistics, encoded once. Their values lie in JavaScript.
#[napi(object, object_from_js = false)]
pub struct StatisticNames<'env> {
    /// Adds a name and returns its index.
    #[napi(ts_type = "(name: string) => number")]
    pub add: Method<'env, u32>,
    /// Writes the selected statistics as an object at a position: the one behind it, below 0 when it does not fit.
    #[napi(ts_type = "(values: Float64Array, selection: Uint32Array, window: Uint8Array, at: number) => number")]
    pub print: Method<'env, i32>,
    /// The same object as bytes of the caller's own.
    #[napi(ts_type = "(values: Float64Array, selection: Uint32Array) => Uint8Array")]
    pub print_all: Method<'env, Uint8Array>,
}

#[napi(catch_unwind)]
pub fn statistic_names<'env>(env: &'env Env) -> Result<StatisticNames<'env>> {
    let state = State::new(env, Names::default());
    Ok(StatisticNames {
        add: state.method("add", |names, given| Ok(names.add(&given.get::<String>(0)?) as u32))?,
        print: state.method("print", |names, given| {
            Ok(length(names.print(
                given.get(0)?,
                given.get(1)?,
                given.window(2)?,
                given.position(3)?,
            )))
        })?,
        print_all: state.method("printAll", |names, given| {
            Ok(names.print_all(given.get(0)?, given.get(1)?).into())
        })?,
    })
}
