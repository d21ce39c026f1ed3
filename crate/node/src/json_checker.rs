use crate::methods::{Method, State};
use mi_httpd_core::json::checker::Checker;
use mi_httpd_core::json::fault::ParseError;
use napi::{Env, Result};
use napi_derive::napi;

/// Checks JSON text that comes in pieces, cut anywhere; its UTF-8 has to be sound.
#[napi(object, object_from_js = false)]
pub struct JsonChecker<'env> {
    /// Why the text is no JSON so far, which it stays; empty while it may be.
    #[napi(ts_type = "(piece: Uint8Array) => string")]
    pub push: Method<'env, String>,
    /// As `push`, when all has come. The next piece is the first one of another text.
    #[napi(ts_type = "() => string")]
    pub end: Method<'env, String>,
}

#[napi(catch_unwind)]
pub fn json_checker<'env>(env: &'env Env) -> Result<JsonChecker<'env>> {
    let state = State::new(env, Checker::default());
    Ok(JsonChecker {
        push: state.method("push", |checker, given| Ok(told(checker.push(given.bytes(0)?))))?,
        end: state.method("end", |checker, _| Ok(told(std::mem::take(checker).end())))?,
    })
}

fn told(checked: std::result::Result<(), ParseError>) -> String {
    checked.err().map(|error| error.to_string()).unwrap_or_default()
}
