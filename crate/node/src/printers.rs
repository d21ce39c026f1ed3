use crate::methods::{self, Method, State};
use mi_httpd_core::json::pretty::{PrettyPrinter, Progress};
use mi_httpd_core::layout::ProgressField;
use mi_httpd_core::reply::html;
use napi::{Env, Result};
use napi_derive::napi;

/// Turns a text into another one, as a stream.
#[napi(object, object_from_js = false)]
pub struct Printer<'env> {
    /// Continues with `input` into `output`, which must not share memory. How far it came is in `progress`.
    #[napi(ts_type = "(input: Uint8Array, output: Uint8Array, progress: Uint32Array) => void")]
    pub push: Method<'env, ()>,
}

/// Indents compact JSON.
#[napi(catch_unwind)]
pub fn pretty_printer<'env>(env: &'env Env) -> Result<Printer<'env>> {
    let state = State::new(env, PrettyPrinter::default());
    let push = state.method("push", |printer, given| {
        store(printer.push(given.bytes(0)?, given.window(1)?), given.get(2)?);
        Ok(())
    })?;
    Ok(Printer { push })
}

/// Escapes text for HTML.
#[napi(catch_unwind)]
pub fn html_escaper<'env>(env: &'env Env) -> Result<Printer<'env>> {
    let push = State::new(env, ()).method("push", |(), given| {
        store(html::escape(given.bytes(0)?, given.window(1)?), given.get(2)?);
        Ok(())
    })?;
    Ok(Printer { push })
}

fn store(progress: Progress, out: &mut [u32]) {
    let consumed = (ProgressField::Consumed as usize, progress.consumed);
    let produced = (ProgressField::Produced as usize, progress.produced);
    methods::store([consumed, produced], out);
}
