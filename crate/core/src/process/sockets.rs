//! Listen sockets that a service manager has opened and handed over, as sd_listen_fds(3) describes.

use std::io;

/// Where a socket listens.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    Tcp {
        address: String,
        port: u16,
    },
    /// A path, `@` in front of an abstract name.
    Unix(String),
}

/// Tells where a descriptor listens. Fails when it is no stream socket that takes connections.
pub fn place(descriptor: i32) -> io::Result<Place> {
    system::place(descriptor)
}

/// Puts an inherited socket in the place of the one that listens on this port of 127.0.0.1: under the number of that one there
/// is the inherited socket from now on. The number of the inherited one is closed.
pub fn take_place(port: u16, inherited: i32) -> io::Result<()> {
    system::take_place(port, inherited)
}

#[cfg(target_os = "linux")]
mod system {
    use super::Place;
    use rustix::io::{DupFlags, Errno, dup3, ioctl_fionbio};
    use rustix::net::{SocketAddrAny, SocketAddrUnix, SocketType, getsockname, sockopt};
    use std::fs::read_dir;
    use std::io;
    use std::mem::ManuallyDrop;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::os::fd::{FromRawFd, OwnedFd};

    pub fn place(descriptor: i32) -> io::Result<Place> {
        let socket = numbered(descriptor)?;
        // Not on what is no socket at all: the error of the system says so.
        let takes_connections =
            sockopt::socket_acceptconn(&*socket)? && sockopt::socket_type(&*socket)? == SocketType::STREAM;
        if !takes_connections {
            return Err(io::Error::other("it takes no connections"));
        }
        let name = getsockname(&*socket)?;
        match (SocketAddr::try_from(name.clone()), SocketAddrUnix::try_from(name)) {
            (Ok(address), _) => Ok(Place::Tcp {
                address: address.ip().to_string(),
                port: address.port(),
            }),
            (_, Ok(address)) => Ok(Place::Unix(unix_name(&address))),
            _ => Err(io::Error::other("it is neither of TCP nor a Unix socket")),
        }
    }

    fn unix_name(address: &SocketAddrUnix) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match (address.path_bytes(), address.abstract_name()) {
            (Some(path), _) => text(path),
            (None, Some(name)) => format!("@{}", text(name)),
            (None, None) => String::new(),
        }
    }

    pub fn take_place(port: u16, inherited: i32) -> io::Result<()> {
        let inherited = numbered(inherited)?;
        // The engine accepts until there is nothing left, so the socket must not block.
        ioctl_fionbio(&*inherited, true)?;
        let mut taken = listening_on(port)?;
        dup3(&*inherited, &mut taken, DupFlags::CLOEXEC)?;
        drop(ManuallyDrop::into_inner(inherited));
        Ok(())
    }

    fn listening_on(port: u16) -> io::Result<ManuallyDrop<OwnedFd>> {
        let wanted = SocketAddrAny::from(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        for entry in read_dir("/proc/self/fd")? {
            let Ok(number) = entry?.file_name().to_string_lossy().parse() else {
                continue;
            };
            let descriptor = numbered(number)?;
            let is_wanted = sockopt::socket_acceptconn(&*descriptor).unwrap_or(false)
                && getsockname(&*descriptor).is_ok_and(|name| name == wanted);
            if is_wanted {
                return Ok(descriptor);
            }
        }
        Err(io::Error::other("nothing listens there"))
    }

    /// The descriptor of a number that came from outside.
    #[allow(unsafe_code)]
    fn numbered(descriptor: i32) -> io::Result<ManuallyDrop<OwnedFd>> {
        if descriptor < 0 {
            return Err(Errno::BADF.into());
        }
        // SAFETY: -1, which the type excludes, does not come here. The value is never dropped, so that nothing is closed that
        // has another owner, but for the inherited socket in `take_place`, which the service manager left to this process and
        // which nothing else uses. Nothing is kept between two calls. With a number that is not open the system call fails.
        Ok(ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }
}

/// Elsewhere there is no such manager.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::Place;
    use std::io;

    pub fn place(_descriptor: i32) -> io::Result<Place> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    pub fn take_place(_port: u16, _inherited: i32) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
