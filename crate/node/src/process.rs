use crate::methods::{Method, State, reason};
use mi_httpd_core::process::service;
use napi::bindgen_prelude::ArrayBuffer;
use napi::{Env, Result};
use napi_derive::napi;
use std::sync::OnceLock;

#[napi(object, object_from_js = false)]
pub struct Addresses<'env> {
    /// Address of the first byte of a buffer; only for comparing the places of buffers.
    #[napi(ts_type = "(memory: ArrayBuffer) => number")]
    pub memory_address: Method<'env, f64>,
}

#[napi(catch_unwind)]
pub fn addresses<'env>(env: &'env Env) -> Result<Addresses<'env>> {
    let memory_address = State::new(env, ()).method("memoryAddress", |(), given| {
        Ok(given.get::<ArrayBuffer>(0)?.as_ptr() as usize as f64)
    })?;
    Ok(Addresses { memory_address })
}

static FIRST_HEAD_LIMIT: OnceLock<u32> = OnceLock::new();

/// The value of a variable of the environment when any thread of the process first asked: a number above 0, or 0 for none.
/// The environment of a worker thread is a copy; this is the one that native code sees.
#[napi(catch_unwind)]
pub fn first_head_limit(variable: String) -> u32 {
    *FIRST_HEAD_LIMIT.get_or_init(|| {
        std::env::var(variable)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    })
}

/// Sends a message to a service manager, as sd_notify(3) describes. Throws when the socket cannot be reached.
#[napi(catch_unwind)]
pub fn notify_service(socket: String, message: String) -> Result<()> {
    service::notify(&socket, &message).map_err(reason)
}
