//! Inherited listen sockets: told apart, and put in the place of others.
#![cfg(target_os = "linux")]
use mi_httpd_core::process::sockets::{Place, place, take_place};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

#[test]
fn tells_where_a_socket_listens() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let address = "127.0.0.1".to_owned();
    assert_eq!(place(tcp.as_raw_fd()).unwrap(), Place::Tcp { address, port });
    let name = format!("mi-httpd-place-{}", std::process::id());
    let unix = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    assert_eq!(place(unix.as_raw_fd()).unwrap(), Place::Unix(format!("@{name}")));
}

#[test]
fn takes_nothing_else_for_a_listen_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let datagrams = UnixDatagram::unbound().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    for descriptor in [
        stream.as_raw_fd(),
        datagrams.as_raw_fd(),
        file.as_raw_fd(),
        -1,
        1_000_000,
    ] {
        assert!(place(descriptor).is_err(), "{descriptor}");
    }
}

#[test]
fn an_inherited_socket_takes_the_place_of_another_one() {
    let engine = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = engine.local_addr().unwrap().port();
    let name = format!("mi-httpd-take-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let inherited = UnixListener::bind_addr(&address).unwrap().into_raw_fd();
    take_place(port, inherited).unwrap();
    assert_eq!(place(engine.as_raw_fd()).unwrap(), Place::Unix(format!("@{name}")));
    assert!(place(inherited).is_err());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let mut client = UnixStream::connect_addr(&address).unwrap();
    client.write_all(b"x").unwrap();
    drop(engine.accept());
    // Accepted and closed: the end comes, or a reset for what was not read.
    assert!(!matches!(client.read(&mut [0]), Ok(1)));
    assert!(take_place(port, engine.as_raw_fd()).is_err());
}
