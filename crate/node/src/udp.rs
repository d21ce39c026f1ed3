use crate::methods::{Method, State, length, reason};
use mi_httpd_core::process::udp::Socket;
use napi::{Env, Result};
use napi_derive::napi;
use std::net::IpAddr;

/// A socket of UDP that is bound to another one.
#[napi(object, object_from_js = false)]
pub struct UdpSocket<'env> {
    /// A descriptor of it, which is closed by who takes it.
    #[napi(ts_type = "() => number")]
    pub second: Method<'env, i32>,
    /// False when the system takes no more at present. Throws when nobody listens at the other end.
    #[napi(ts_type = "(bytes: Uint8Array) => boolean")]
    pub send: Method<'env, bool>,
    /// Length of the datagram that came first, written to the window; -1 when there is none. Throws as `send`.
    #[napi(ts_type = "(window: Uint8Array) => number")]
    pub take: Method<'env, i32>,
    /// Harmless when it was called before; what else is called then throws.
    #[napi(ts_type = "() => void")]
    pub close: Method<'env, ()>,
}

struct Open(Option<Socket>);

impl Open {
    fn socket(&self) -> Result<&Socket> {
        self.0.as_ref().ok_or_else(|| reason("the socket is closed"))
    }
}

/// Binds a socket to a port of an address in digits.
#[napi(catch_unwind)]
pub fn udp_socket<'env>(env: &'env Env, address: String, port: u16) -> Result<UdpSocket<'env>> {
    let address: IpAddr = address.parse().map_err(reason)?;
    let state = State::new(env, Open(Some(Socket::connect(address, port).map_err(reason)?)));
    Ok(UdpSocket {
        second: state.method("second", |open, _| open.socket()?.second().map_err(reason))?,
        send: state.method("send", |open, given| {
            open.socket()?.send(given.bytes(0)?).map_err(reason)
        })?,
        take: state.method("take", |open, given| {
            Ok(length(open.socket()?.take(given.window(0)?).map_err(reason)?))
        })?,
        close: state.method("close", |open, _| {
            open.0 = None;
            Ok(())
        })?,
    })
}
