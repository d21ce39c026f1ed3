//! Tells the service manager how far the server is, as sd_notify(3) describes.

use std::io;

/// Sends a message to the socket that `NOTIFY_SOCKET` names; `@` in front stands for an abstract name.
#[cfg(target_os = "linux")]
pub fn notify(socket: &str, message: &str) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    // A manager that reads nothing must not stop the server.
    sender.set_write_timeout(Some(Duration::from_millis(200)))?;
    sender.send_to_addr(message.as_bytes(), &address).map(|_| ())
}

/// Elsewhere there is no such manager.
#[cfg(not(target_os = "linux"))]
pub fn notify(_socket: &str, _message: &str) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
