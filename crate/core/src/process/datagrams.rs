//! Datagrams of the file system, which Node.js lacks: a socket with a name of its own, bound to one other. A thread receives, so
//! that nothing of the server waits for it, and what came is taken from a queue.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Datagrams that wait to be taken, all together; further ones are dropped, as the system itself does.
const MOST_BYTES: usize = 16 << 20;

/// What a datagram that waits takes beside its bytes.
const OVERHEAD: usize = 64;

/// The longest datagram that is received whole: the system sends no longer one with its default settings.
const LONGEST: usize = 256 << 10;

/// What became of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    Whole,
    /// The other side has as many as it takes: to be tried again.
    QueueFull,
}

/// Who a datagram came from, and its bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Datagram {
    /// A path, `@` in front of an abstract name; empty without a name.
    pub sender: String,
    pub bytes: Vec<u8>,
}

#[derive(Default)]
struct Inbox {
    state: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    datagrams: VecDeque<Datagram>,
    bytes: usize,
    is_closed: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the one that takes has to be told: nothing waited.
    fn add(&self, datagram: Datagram) -> bool {
        let mut waiting = self.lock();
        let size = datagram.bytes.len() + OVERHEAD;
        if waiting.bytes + size > MOST_BYTES {
            return false;
        }
        waiting.bytes += size;
        waiting.datagrams.push_back(datagram);
        waiting.datagrams.len() == 1
    }

    fn take(&self) -> Option<Datagram> {
        let mut waiting = self.lock();
        let datagram = waiting.datagrams.pop_front()?;
        waiting.bytes -= datagram.bytes.len() + OVERHEAD;
        Some(datagram)
    }
}

/// A socket of datagrams. Closed when it is dropped.
pub struct Socket {
    inbox: Arc<Inbox>,
    system: system::Socket,
}

impl Socket {
    /// Binds a socket to a path, or to an abstract name behind `@`. `told` is called from another thread when something came
    /// and nothing waited before.
    pub fn bind(name: &str, told: impl Fn() + Send + 'static) -> io::Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let system = system::Socket::bind(name, Arc::clone(&inbox), told)?;
        Ok(Self { inbox, system })
    }

    /// Binds it to another socket: datagrams of others are not received from now on.
    pub fn connect(&self, name: &str) -> io::Result<()> {
        self.system.connect(name)
    }

    /// Sends a datagram to the socket that this one is bound to. Never waits.
    pub fn send(&self, bytes: &[u8]) -> io::Result<Sent> {
        self.system.send(bytes)
    }

    /// Sends a datagram to another socket. Never waits.
    pub fn send_to(&self, bytes: &[u8], name: &str) -> io::Result<Sent> {
        self.system.send_to(bytes, name)
    }

    /// What came first of all that waits.
    pub fn take(&self) -> Option<Datagram> {
        self.inbox.take()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.inbox.lock().is_closed = true;
        self.system.close();
    }
}

/// Makes a FIFO, which Node.js cannot either.
pub fn make_fifo(path: &str, mode: u32) -> io::Result<()> {
    system::make_fifo(path, mode)
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Datagram, Inbox, LONGEST, Sent};
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use rustix::io::Errno;
    use rustix::net::{SendFlags, SocketAddrUnix, send, sendto};
    use std::io;
    use std::net::Shutdown;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::sync::Arc;
    use std::thread;

    pub struct Socket(Arc<UnixDatagram>);

    impl Socket {
        pub fn bind(name: &str, inbox: Arc<Inbox>, told: impl Fn() + Send + 'static) -> io::Result<Self> {
            let socket = Arc::new(match name.strip_prefix('@') {
                Some(name) => UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)?,
                None => UnixDatagram::bind(name)?,
            });
            let receiver = Arc::clone(&socket);
            thread::Builder::new()
                .name("datagrams".to_owned())
                .spawn(move || receive(&receiver, &inbox, told))?;
            Ok(Self(socket))
        }

        pub fn connect(&self, name: &str) -> io::Result<()> {
            match name.strip_prefix('@') {
                Some(name) => self.0.connect_addr(&SocketAddr::from_abstract_name(name)?),
                None => self.0.connect(name),
            }
        }

        pub fn send(&self, bytes: &[u8]) -> io::Result<Sent> {
            sent(send(&*self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
        }

        pub fn send_to(&self, bytes: &[u8], name: &str) -> io::Result<Sent> {
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
                None => SocketAddrUnix::new(name)?,
            };
            sent(sendto(
                &*self.0,
                bytes,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
                &address,
            ))
        }

        /// Wakes the thread, which ends.
        pub fn close(&self) {
            // A socket that is bound to none is shut down as well, though that is an error.
            drop(self.0.shutdown(Shutdown::Both));
        }
    }

    fn sent(outcome: Result<usize, Errno>) -> io::Result<Sent> {
        match outcome {
            Ok(_) => Ok(Sent::Whole),
            Err(Errno::AGAIN | Errno::NOBUFS) => Ok(Sent::QueueFull),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(socket: &UnixDatagram, inbox: &Inbox, told: impl Fn()) {
        let mut buffer = vec![0; LONGEST];
        loop {
            let received = socket.recv_from(&mut buffer);
            if inbox.lock().is_closed {
                return;
            }
            match received {
                Ok((length, sender)) => {
                    let datagram = Datagram {
                        sender: name_of(&sender),
                        bytes: buffer[..length].to_vec(),
                    };
                    if inbox.add(datagram) {
                        told();
                    }
                }
                // The other side has gone: the next one to send learns of it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn name_of(address: &SocketAddr) -> String {
        match (address.as_pathname(), address.as_abstract_name()) {
            (Some(path), _) => path.to_string_lossy().into_owned(),
            (None, Some(name)) => format!("@{}", String::from_utf8_lossy(name)),
            (None, None) => String::new(),
        }
    }

    pub fn make_fifo(path: &str, mode: u32) -> io::Result<()> {
        Ok(mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(mode), 0)?)
    }
}

/// OpenSIPS runs on Linux; elsewhere the others are served.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Inbox, Sent};
    use std::io;
    use std::sync::Arc;

    pub struct Socket;

    impl Socket {
        pub fn bind(_name: &str, _inbox: Arc<Inbox>, _told: impl Fn() + Send + 'static) -> io::Result<Self> {
            Err(unsupported())
        }

        pub fn connect(&self, _name: &str) -> io::Result<()> {
            Err(unsupported())
        }

        pub fn send(&self, _bytes: &[u8]) -> io::Result<Sent> {
            Err(unsupported())
        }

        pub fn send_to(&self, _bytes: &[u8], _name: &str) -> io::Result<Sent> {
            Err(unsupported())
        }

        pub fn close(&self) {}
    }

    pub fn make_fifo(_path: &str, _mode: u32) -> io::Result<()> {
        Err(unsupported())
    }

    fn unsupported() -> io::Error {
        io::Error::from(io::ErrorKind::Unsupported)
    }
}
