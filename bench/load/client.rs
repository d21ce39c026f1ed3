//! The load that wrk cannot make: calls by schedule, readers of dumps, clients that read slowly or only stay.
//! Standard library only, built by `rustc -O`. All of them talk to 127.0.0.1.
//!
//! client rate PORT PATH BODY RATE CONNECTIONS SECONDS    latencies on standard output, f64 ms, little endian
//! client read PORT PATH BODY COUNT                       for each reply a line BYTES FIRST_BYTE_NS TOTAL_NS; 0: for ever
//! client slow PORT PATH BODY CONNECTIONS SECONDS         each reads 64 KiB ten times a second
//! client stay PORT PATH BODY CONNECTIONS SECONDS         each makes one call, then stays; tells `ready`
//!
//! CODING in the environment is the Accept-Encoding of them; what comes is counted and not decoded.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a call may stay without an answer before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(180);

struct Target {
    port: u16,
    request: Vec<u8>,
    closing: Vec<u8>,
}

impl Target {
    fn new(port: u16, path: &str, body: &str) -> Self {
        let coding = match std::env::var("CODING") {
            Ok(coding) if !coding.is_empty() => format!("Accept-Encoding: {coding}\r\n"),
            _ => String::new(),
        };
        let request = |connection: &str| {
            let type_line = "Content-Type: application/json";
            let head = format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{type_line}\r\n{coding}{connection}");
            format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
        };
        Self { port, request: request(""), closing: request("Connection: close\r\n") }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

/// Reads one whole reply, by its Content-Length or to its last chunk.
fn read_reply(stream: &mut TcpStream, memory: &mut [u8]) -> io::Result<()> {
    let mut held = 0;
    let head = loop {
        let count = stream.read(&mut memory[held..])?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        held += count;
        if let Some(at) = memory[..held].windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let text = String::from_utf8_lossy(&memory[..head]).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        return Err(ErrorKind::InvalidData.into());
    }
    if let Some((_, rest)) = text.split_once("\r\ncontent-length:") {
        let length: usize = rest.lines().next().and_then(|line| line.trim().parse().ok()).unwrap_or(0);
        let mut left = (head + length).saturating_sub(held);
        while left > 0 {
            let room = left.min(memory.len());
            match stream.read(&mut memory[..room])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => left -= count,
            }
        }
        return Ok(());
    }
    let mut tail = memory[head..held].to_vec();
    while !tail.ends_with(b"0\r\n\r\n") {
        let count = stream.read(memory)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        tail = [&tail[tail.len().saturating_sub(5)..], &memory[..count]].concat();
    }
    Ok(())
}

struct Lane {
    latencies: Vec<u8>,
    errors: u64,
}

/// Every `connections`-th call of the schedule. One that is due while the last one is still unanswered counts from when
/// it was due, so that a stall of the server is seen by every call it delays; one that finds its connection free counts
/// from when it is sent, so that a late wake-up of this client is not blamed on the server.
fn run_lane(target: &Target, begin: Instant, first: u64, step: u64, rate: f64, total: u64) -> io::Result<Lane> {
    let mut stream = target.connect()?;
    let mut memory = vec![0; 65536];
    let mut lane = Lane { latencies: Vec::with_capacity(8 * (total / step + 1) as usize), errors: 0 };
    let give_up = begin + Duration::from_secs_f64(total as f64 / rate) + PATIENCE;
    for number in (first..total).step_by(step as usize) {
        let due = begin + Duration::from_secs_f64(number as f64 / rate);
        let now = Instant::now();
        let from = if due > now {
            thread::sleep(due - now);
            Instant::now()
        } else {
            due
        };
        if now > give_up {
            lane.errors += (total - number) / step;
            break;
        }
        let outcome = stream.write_all(&target.request).and_then(|()| read_reply(&mut stream, &mut memory));
        if outcome.is_err() {
            lane.errors += 1;
            stream = target.connect()?;
            continue;
        }
        lane.latencies.extend_from_slice(&(from.elapsed().as_secs_f64() * 1e3).to_le_bytes());
    }
    Ok(lane)
}

fn rate(target: Target, rate: f64, connections: u64, seconds: f64) -> io::Result<()> {
    let target = Arc::new(target);
    let begin = Instant::now() + Duration::from_millis(20);
    let total = (rate * seconds) as u64;
    let lanes: Vec<_> = (0..connections)
        .map(|first| {
            let target = Arc::clone(&target);
            thread::spawn(move || run_lane(&target, begin, first, connections, rate, total))
        })
        .collect();
    let mut errors = 0;
    let mut output = io::stdout().lock();
    for lane in lanes {
        let lane = lane.join().map_err(|_| io::Error::other("a thread failed"))??;
        errors += lane.errors;
        output.write_all(&lane.latencies)?;
    }
    if errors > 0 {
        eprintln!("client: {errors} of {total} calls failed");
    }
    output.flush()
}

/// Bytes of a reply whose head has come, by its Content-Length; without one, it ends with the connection.
fn whole_length(begun: &[u8]) -> Option<usize> {
    let head = begun.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&begun[..head]).to_ascii_lowercase();
    let Some((_, rest)) = text.split_once("\r\ncontent-length:") else { return Some(usize::MAX) };
    let length: usize = rest.lines().next().and_then(|line| line.trim().parse().ok())?;
    Some(head + length)
}

fn read(target: &Target, count: u64) -> io::Result<()> {
    let mut memory = vec![0; 1 << 20];
    let mut round = 0;
    while count == 0 || round < count {
        let mut stream = target.connect()?;
        let begin = Instant::now();
        stream.write_all(&target.closing)?;
        let (mut bytes, mut first) = (0, Duration::ZERO);
        let mut head = Vec::new();
        let mut whole = None;
        while whole.is_none_or(|whole| bytes < whole) {
            match stream.read(&mut memory)? {
                0 => break,
                length => {
                    if bytes == 0 {
                        first = begin.elapsed();
                    }
                    bytes += length;
                    // Not all servers close a connection because they are asked to.
                    if whole.is_none() {
                        head.extend_from_slice(&memory[..length]);
                        whole = whole_length(&head);
                    }
                }
            }
        }
        if count > 0 {
            println!("{bytes} {} {}", first.as_nanos(), begin.elapsed().as_nanos());
        }
        round += 1;
    }
    Ok(())
}

fn connect_all(target: &Target, connections: u64) -> io::Result<Vec<TcpStream>> {
    (0..connections).map(|_| target.connect()).collect()
}

fn slow(target: &Target, connections: u64, seconds: f64) -> io::Result<()> {
    let mut streams = connect_all(target, connections)?;
    for stream in &mut streams {
        stream.write_all(&target.closing)?;
        stream.set_nonblocking(true)?;
    }
    let mut memory = vec![0; 65536];
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < seconds {
        for stream in &mut streams {
            // Nothing to read yet, or read to its end: both are how a reader may be.
            let _ = stream.read(&mut memory);
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn stay(target: &Target, connections: u64, seconds: f64) -> io::Result<()> {
    let mut streams = connect_all(target, connections)?;
    let mut memory = vec![0; 65536];
    for stream in &mut streams {
        stream.write_all(&target.request)?;
        read_reply(stream, &mut memory)?;
    }
    println!("ready");
    thread::sleep(Duration::from_secs_f64(seconds));
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| args.get(index).and_then(|text| text.parse::<f64>().ok());
    let [verb, _, path, body, ..] = &args[..] else {
        eprintln!("usage: client rate|read|slow|stay PORT PATH BODY NUMBER...; its source tells more");
        return ExitCode::from(2);
    };
    let target = Target::new(number(1).unwrap_or(0.0) as u16, path, body);
    let outcome = match (verb.as_str(), number(4), number(5), number(6)) {
        ("rate", Some(calls), Some(connections), Some(seconds)) => rate(target, calls, connections as u64, seconds),
        ("read", Some(count), _, _) => read(&target, count as u64),
        ("slow", Some(connections), Some(seconds), _) => slow(&target, connections as u64, seconds),
        ("stay", Some(connections), Some(seconds), _) => stay(&target, connections as u64, seconds),
        _ => Err(io::Error::other(format!("{verb} lacks numbers"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client: {verb}: {error}");
            ExitCode::FAILURE
        }
    }
}
