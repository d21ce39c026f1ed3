//! Datagrams of the file system, and FIFOs.
#![cfg(target_os = "linux")]
use mi_httpd_core::process::datagrams::{Sent, Socket, make_fifo};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

fn name(of: &str) -> String {
    format!("@mi-httpd-{of}-{}", std::process::id())
}

fn path(of: &str) -> PathBuf {
    std::env::temp_dir().join(format!("mi-httpd-{of}-{}", std::process::id()))
}

fn bind(name: &str) -> (Socket, Receiver<()>) {
    let (came, told) = channel();
    let socket = Socket::bind(name, move || came.send(()).unwrap_or_default()).unwrap();
    (socket, told)
}

fn wait(told: &Receiver<()>) {
    told.recv_timeout(Duration::from_secs(60)).unwrap();
}

#[test]
fn a_datagram_comes_with_its_sender_and_is_answered() {
    let (server, server_told) = bind(&name("server"));
    let (client, client_told) = bind(&name("client"));
    client.connect(&name("server")).unwrap();
    assert_eq!(client.send(b"version").unwrap(), Sent::Whole);
    wait(&server_told);
    let request = server.take().unwrap();
    assert_eq!(
        (request.sender.as_str(), request.bytes.as_slice()),
        (name("client").as_str(), &b"version"[..])
    );
    assert_eq!(server.take(), None);
    server.send_to(&[7; 200_000], &request.sender).unwrap();
    wait(&client_told);
    assert_eq!(client.take().unwrap().bytes, [7; 200_000]);
}

#[test]
fn a_socket_has_a_path_where_it_is_given_one() {
    let server_path = path("by-path");
    let (server, told) = bind(server_path.to_str().unwrap());
    let (client, _) = bind(&name("of-path"));
    client.connect(server_path.to_str().unwrap()).unwrap();
    client.send(b"").unwrap();
    wait(&told);
    assert_eq!(server.take().unwrap().bytes, b"");
    fs::remove_file(server_path).unwrap();
}

#[test]
fn a_socket_that_is_bound_to_another_takes_nothing_of_others() {
    let (_server, _) = bind(&name("peer"));
    let (client, _) = bind(&name("bound"));
    let (stranger, _) = bind(&name("stranger"));
    client.connect(&name("peer")).unwrap();
    assert!(stranger.send_to(b"forged", &name("bound")).is_err());
    assert_eq!(client.take(), None);
}

#[test]
fn a_server_that_has_gone_is_an_error_and_its_successor_is_reached() {
    let (server, _) = bind(&name("gone"));
    let (client, _) = bind(&name("staying"));
    client.connect(&name("gone")).unwrap();
    drop(server);
    // Its thread may still hold the socket for an instant.
    while client.send(b"?").is_ok() {
        std::thread::yield_now();
    }
    assert!(client.connect(&name("nowhere")).is_err());
    let (server, told) = loop {
        let (came, told) = channel();
        if let Ok(server) = Socket::bind(&name("gone"), move || came.send(()).unwrap_or_default()) {
            break (server, told);
        }
    };
    client.connect(&name("gone")).unwrap();
    assert_eq!(client.send(b"!").unwrap(), Sent::Whole);
    wait(&told);
    assert_eq!(server.take().unwrap().bytes, b"!");
}

#[test]
fn sending_does_not_wait_for_a_full_queue() {
    // Nothing receives from a socket of the standard library that is only bound.
    let full = path("full");
    let _silent = std::os::unix::net::UnixDatagram::bind(&full).unwrap();
    let (client, _) = bind(&name("sender"));
    client.connect(full.to_str().unwrap()).unwrap();
    let first_refused = (0..10_000).position(|_| client.send(b"x").unwrap() == Sent::QueueFull);
    assert!(first_refused.is_some());
    fs::remove_file(full).unwrap();
}

#[test]
fn makes_a_fifo_once() {
    let fifo = path("fifo");
    make_fifo(fifo.to_str().unwrap(), 0o600).unwrap();
    assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
    assert!(make_fifo(fifo.to_str().unwrap(), 0o600).is_err());
    fs::remove_file(fifo).unwrap();
}
