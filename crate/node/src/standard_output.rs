use crate::methods::{Method, State, reason};
use mi_httpd_core::process::output::Output;
use napi::{Env, Result};
use napi_derive::napi;
use std::time::Duration;

/// Standard output (1) or standard error (2), written from a thread that nothing waits for.
#[napi(object, object_from_js = false)]
pub struct StandardOutput<'env> {
    /// Takes lines. Never waits, never fails: lines that cannot be written are dropped.
    #[napi(ts_type = "(text: string) => void")]
    pub write: Method<'env, ()>,
    /// Lines that were dropped.
    #[napi(ts_type = "() => number")]
    pub dropped: Method<'env, f64>,
    /// Lines that were dropped and not yet told of.
    #[napi(ts_type = "() => number")]
    pub untold: Method<'env, f64>,
    /// Waits for the lines that were taken, but no longer than this: those that are left then count as dropped. For the
    /// end of the process.
    #[napi(ts_type = "(milliseconds: number) => void")]
    pub finish: Method<'env, ()>,
}

/// `limit`: bytes that may wait to be written; more are dropped. `notice`: the line that tells of dropped ones once writing
/// works again, with `{time}`, `{lines}` and `{reason}`.
#[napi(catch_unwind, ts_args_type = "descriptor: 1 | 2, limit: number, notice: string")]
pub fn standard_output<'env>(
    env: &'env Env,
    descriptor: u32,
    limit: u32,
    notice: String,
) -> Result<StandardOutput<'env>> {
    let output = Output::standard(descriptor, limit as usize, &notice).map_err(reason)?;
    let state = State::new(env, output);
    Ok(StandardOutput {
        write: state.method("write", |output, given| {
            output.write(given.get::<String>(0)?.as_bytes());
            Ok(())
        })?,
        dropped: state.method("dropped", |output, _| Ok(output.dropped() as f64))?,
        untold: state.method("untold", |output, _| Ok(output.untold() as f64))?,
        finish: state.method("finish", |output, given| {
            output.finish(Duration::from_millis(given.get::<u32>(0)?.into()));
            Ok(())
        })?,
    })
}
