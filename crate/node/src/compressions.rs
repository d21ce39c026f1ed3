use crate::methods::{Method, State, reason};
use mi_httpd_core::compress::stream;
use mi_httpd_core::layout::Coding;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result};
use napi_derive::napi;

/// Replies that are being compressed, each by a number.
#[napi(object, object_from_js = false)]
pub struct Compressions<'env> {
    /// Number of a new one, which is above 0; 0 when the process has as many as it may, or gets no memory.
    #[napi(ts_type = "(coding: number, level: number) => number")]
    pub open: Method<'env, u32>,
    /// Adds to the piece that is compressed next.
    #[napi(ts_type = "(number: number, bytes: Uint8Array) => void")]
    pub give: Method<'env, ()>,
    /// Has that piece compressed, off this thread. The one before has to be taken.
    #[napi(ts_type = "(number: number, isLast: boolean) => void")]
    pub begin: Method<'env, ()>,
    /// Once it is told: bytes written to the window, 0 when nothing is left of the piece.
    #[napi(ts_type = "(number: number, window: Uint8Array) => number")]
    pub take: Method<'env, u32>,
    /// Frees one, whatever it is at; without effect when it is not open.
    #[napi(ts_type = "(number: number) => void")]
    pub release: Method<'env, ()>,
    /// Those of the process whose memory is held: also one that is freed while it is being compressed.
    #[napi(ts_type = "() => number")]
    pub in_use: Method<'env, u32>,
}

/// `told`: gets the number whose piece is compressed, or has failed; also late, of one that is closed. It keeps no event
/// loop alive.
#[napi(catch_unwind)]
pub fn compressions<'env>(env: &'env Env, told: Function<'env, u32, ()>) -> Result<Compressions<'env>> {
    let told = told
        .build_threadsafe_function::<u32>()
        .weak::<true>()
        .callee_handled::<false>()
        .build()?;
    let state = State::new(
        env,
        stream::Compressions::new(move |number| {
            told.call(number, ThreadsafeFunctionCallMode::NonBlocking);
        }),
    );
    Ok(Compressions {
        open: state.method("open", |streams, given| {
            let coding = Coding::of(given.get(0)?).unwrap_or(Coding::Gzip);
            Ok(streams.open(coding, given.get(1)?).unwrap_or(0))
        })?,
        give: state.method("give", |streams, given| {
            streams.give(given.get(0)?, given.bytes(1)?).map_err(reason)
        })?,
        begin: state.method("begin", |streams, given| {
            streams.begin(given.get(0)?, given.get(1)?).map_err(reason)
        })?,
        take: state.method("take", |streams, given| {
            let written = streams.take(given.get(0)?, given.window(1)?).map_err(reason)?;
            Ok(written as u32)
        })?,
        release: state.method("release", |streams, given| {
            given.get(0).map(|number| streams.release(number))
        })?,
        in_use: state.method("inUse", |_, _| Ok(stream::in_use() as u32))?,
    })
}
