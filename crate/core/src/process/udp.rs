//! A socket of UDP that is bound to one other. Node.js waits for it, and reads what comes first; what else came with that, and all that is
//! sent, goes past it, since of a small datagram it makes half a dozen objects and 64 KiB of memory.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// A socket of which Node.js has a second descriptor.
pub struct Socket(UdpSocket);

impl Socket {
    /// Binds a socket to another one: datagrams of others are not received.
    pub fn connect(address: IpAddr, port: u16) -> io::Result<Self> {
        let any: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect((address, port))?;
        Ok(Self(socket))
    }

    /// A descriptor of it for Node.js, which closes that.
    #[cfg(unix)]
    pub fn second(&self) -> io::Result<i32> {
        use std::os::fd::IntoRawFd;
        Ok(self.0.try_clone()?.into_raw_fd())
    }

    /// Node.js takes none there.
    #[cfg(not(unix))]
    pub fn second(&self) -> io::Result<i32> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    /// Sends a datagram; false when the system takes no more at present.
    pub fn send(&self, bytes: &[u8]) -> io::Result<bool> {
        again(self.0.send(bytes)).map(|sent| sent.is_some())
    }

    /// Receives a datagram into a window, and tells its length; none: nothing has come.
    pub fn take(&self, window: &mut [u8]) -> io::Result<Option<usize>> {
        again(self.0.recv(window))
    }
}

fn again<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(given) => Ok(Some(given)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::Socket;
    use std::net::{Ipv4Addr, UdpSocket};

    fn pair() -> Result<(Socket, UdpSocket), Box<dyn std::error::Error>> {
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let socket = Socket::connect(Ipv4Addr::LOCALHOST.into(), other.local_addr()?.port())?;
        Ok((socket, other))
    }

    #[test]
    fn datagrams_come_one_by_one_and_then_none() -> Result<(), Box<dyn std::error::Error>> {
        let (socket, other) = pair()?;
        let mut window = [0; 16];
        assert_eq!(socket.take(&mut window)?, None);
        assert!(socket.send(b"asked")?);
        let (length, from) = other.recv_from(&mut window)?;
        assert_eq!(&window[..length], b"asked");
        other.send_to(b"first", from)?;
        other.send_to(b"second", from)?;
        assert_eq!(socket.take(&mut window)?, Some(5));
        assert_eq!(socket.take(&mut window)?, Some(6));
        assert_eq!(&window[..6], b"second");
        assert_eq!(socket.take(&mut window)?, None);
        Ok(())
    }

    #[test]
    fn those_of_others_are_not_received() -> Result<(), Box<dyn std::error::Error>> {
        let (socket, other) = pair()?;
        assert!(socket.send(b"x")?);
        let (_, from) = other.recv_from(&mut [0; 16])?;
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.send_to(b"forged", from)?;
        other.send_to(b"true", from)?;
        assert_eq!(socket.take(&mut [0; 16])?, Some(4));
        assert_eq!(socket.take(&mut [0; 16])?, None);
        Ok(())
    }
}
