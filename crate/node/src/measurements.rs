use crate::methods::{Method, State};
use mi_httpd_core::layout::LATENCY_BUCKETS;
use mi_httpd_core::measure::latencies::{self, Recent};
use mi_httpd_core::measure::series::{SeriesTable, Shape};
use napi::bindgen_prelude::Float64Array;
use napi::{Env, Result};
use napi_derive::napi;

/// Latencies that JavaScript counts, as quantiles.
#[napi(object, object_from_js = false)]
pub struct LatencyReader<'env> {
    /// Microseconds at which each bucket ends.
    pub ends: Float64Array,
    /// Writes quantiles of the command of a slot, in microseconds; NaN without calls.
    #[napi(ts_type = "(cells: Float64Array, slot: number, wanted: Float64Array, out: Float64Array) => void")]
    pub quantiles: Method<'env, ()>,
    /// Takes down what has been counted until now; to be called once a second.
    #[napi(ts_type = "(cells: Float64Array) => void")]
    pub tick: Method<'env, ()>,
    /// A quantile of all calls of so many last seconds, in microseconds; NaN without any.
    #[napi(ts_type = "(seconds: number, quantile: number) => number")]
    pub recent: Method<'env, f64>,
}

#[napi(catch_unwind)]
pub fn latency_reader<'env>(env: &'env Env) -> Result<LatencyReader<'env>> {
    let state = State::new(env, Recent::default());
    Ok(LatencyReader {
        ends: Float64Array::new((1..=LATENCY_BUCKETS).map(latencies::begin).collect()),
        quantiles: state.method("quantiles", |_, given| {
            latencies::quantiles(given.get(0)?, given.position(1)?, given.get(2)?, given.get(3)?);
            Ok(())
        })?,
        tick: state.method("tick", |recent, given| {
            recent.tick(given.get(0)?);
            Ok(())
        })?,
        recent: state.method("recent", |recent, given| {
            Ok(recent.quantile(given.position(0)?, given.get(1)?))
        })?,
    })
}

/// Values over time. A step is a number by a clock that nobody sets.
#[napi(object, object_from_js = false)]
pub struct Series<'env> {
    /// Bytes that one series takes at most.
    pub series_bytes: u32,
    /// Adds a series, whose coarse steps have the mean of its values or the last one, and gives its number.
    #[napi(ts_type = "(isMean: boolean) => number")]
    pub add: Method<'env, u32>,
    /// Sets the values of all series at a step.
    #[napi(ts_type = "(step: number, values: Float64Array) => void")]
    pub put_all: Method<'env, ()>,
    /// Sets the value of one series at a step.
    #[napi(ts_type = "(series: number, step: number, value: number) => void")]
    pub put: Method<'env, ()>,
    /// Reads a series from a step on, in fine or coarse steps; NaN where there is no value.
    #[napi(ts_type = "(series: number, isCoarse: boolean, from: number, out: Float64Array) => void")]
    pub read: Method<'env, ()>,
}

/// @param fine steps of the fine rings
/// @param factor fine steps that a coarse one is
/// @param coarse steps of the coarse rings
#[napi(catch_unwind)]
pub fn series<'env>(env: &'env Env, fine: u32, factor: u32, coarse: u32) -> Result<Series<'env>> {
    let table = SeriesTable::new(Shape {
        fine: fine as usize,
        factor: factor.into(),
        coarse: coarse as usize,
    });
    let series_bytes = table.series_bytes() as u32;
    let state = State::new(env, table);
    Ok(Series {
        series_bytes,
        add: state.method("add", |table, given| Ok(table.add(given.get(0)?) as u32))?,
        put_all: state.method("putAll", |table, given| {
            table.put_all(step(given.get(0)?), given.get(1)?);
            Ok(())
        })?,
        put: state.method("put", |table, given| {
            table.put(given.position(0)?, step(given.get(1)?), given.get(2)?);
            Ok(())
        })?,
        read: state.method("read", |table, given| {
            table.read(given.position(0)?, given.get(1)?, step(given.get(2)?), given.get(3)?);
            Ok(())
        })?,
    })
}

/// The number of a step, an integer of JavaScript; one before the first counts as the first.
fn step(number: f64) -> u64 {
    (number as u64).min(1 << 53)
}
