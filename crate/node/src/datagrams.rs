use crate::methods::{Method, State, reason};
use mi_httpd_core::process::datagrams::{self, Sent, Socket};
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result};
use napi_derive::napi;

/// A socket of datagrams of the file system.
#[napi(object, object_from_js = false)]
pub struct UnixDatagrams<'env> {
    /// Binds it to another socket, by a path or by `@` and an abstract name: those of others are not received from now on.
    #[napi(ts_type = "(name: string) => void")]
    pub connect: Method<'env, ()>,
    /// False when the other side has as many as it takes.
    #[napi(ts_type = "(bytes: Uint8Array) => boolean")]
    pub send: Method<'env, bool>,
    /// As `send`, to another socket.
    #[napi(ts_type = "(bytes: Uint8Array, name: string) => boolean")]
    pub send_to: Method<'env, bool>,
    /// Length of the datagram that came first, written to the window as far as it fits; -1 when there is none.
    #[napi(ts_type = "(window: Uint8Array) => number")]
    pub take: Method<'env, i32>,
    /// Name of the socket that the datagram taken last came from; empty without a name.
    #[napi(ts_type = "() => string")]
    pub sender: Method<'env, String>,
    /// Harmless when it was called before; what else is called then throws.
    #[napi(ts_type = "() => void")]
    pub close: Method<'env, ()>,
}

struct Open {
    socket: Option<Socket>,
    sender: String,
}

impl Open {
    fn socket(&self) -> Result<&Socket> {
        self.socket.as_ref().ok_or_else(|| reason("the socket is closed"))
    }
}

/// Binds a socket to a path, or to an abstract name behind `@`. `told`: called when something came and nothing waited before,
/// also late, when it is closed. It keeps no event loop alive.
#[napi(catch_unwind)]
pub fn unix_datagrams<'env>(env: &'env Env, name: String, told: Function<'env, (), ()>) -> Result<UnixDatagrams<'env>> {
    let told = told
        .build_threadsafe_function::<()>()
        .weak::<true>()
        .callee_handled::<false>()
        .build()?;
    let socket = Socket::bind(&name, move || {
        told.call((), ThreadsafeFunctionCallMode::NonBlocking);
    })
    .map_err(reason)?;
    let state = State::new(
        env,
        Open {
            socket: Some(socket),
            sender: String::new(),
        },
    );
    Ok(UnixDatagrams {
        connect: state.method("connect", |open, given| {
            open.socket()?.connect(&given.get::<String>(0)?).map_err(reason)
        })?,
        send: state.method("send", |open, given| {
            let sent = open.socket()?.send(given.bytes(0)?).map_err(reason)?;
            Ok(sent == Sent::Whole)
        })?,
        send_to: state.method("sendTo", |open, given| {
            let name: String = given.get(1)?;
            let sent = open.socket()?.send_to(given.bytes(0)?, &name).map_err(reason)?;
            Ok(sent == Sent::Whole)
        })?,
        take: state.method("take", |open, given| {
            let Some(datagram) = open.socket()?.take() else {
                return Ok(-1);
            };
            let window = given.window(0)?;
            let length = datagram.bytes.len().min(window.len());
            window[..length].copy_from_slice(&datagram.bytes[..length]);
            open.sender = datagram.sender;
            Ok(datagram.bytes.len() as i32)
        })?,
        sender: state.method("sender", |open, _| Ok(open.sender.clone()))?,
        close: state.method("close", |open, _| {
            open.socket = None;
            Ok(())
        })?,
    })
}

/// Makes a FIFO. Throws when there is something of that name.
#[napi(catch_unwind)]
pub fn make_fifo(path: String, mode: u32) -> Result<()> {
    datagrams::make_fifo(&path, mode).map_err(reason)
}
