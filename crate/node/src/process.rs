use crate::methods::{Method, State, reason};
use mi_httpd_core::process::service;
use mi_httpd_core::process::sockets::{self, Place};
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

/// Where a socket listens.
#[napi(object, object_from_js = false)]
pub struct ListenPlace {
    /// '' of a Unix socket.
    pub address: String,
    /// 0 of a Unix socket.
    pub port: u32,
    /// '' of TCP; `@` in front of an abstract name.
    pub path: String,
}

/// Where a descriptor listens. Throws when it is no socket that takes connections.
#[napi(catch_unwind)]
pub fn listen_place(descriptor: i32) -> Result<ListenPlace> {
    let (address, port, path) = match sockets::place(descriptor).map_err(reason)? {
        Place::Tcp { address, port } => (address, port, String::new()),
        Place::Unix(path) => (String::new(), 0, path),
    };
    Ok(ListenPlace {
        address,
        port: port.into(),
        path,
    })
}

/// Puts an inherited listen socket in the place of the one that listens on this port of 127.0.0.1, and closes its number.
/// Throws when nothing listens there.
#[napi(catch_unwind)]
pub fn take_listen_place(port: u32, inherited: i32) -> Result<()> {
    let port = u16::try_from(port).map_err(reason)?;
    sockets::take_place(port, inherited).map_err(reason)
}
