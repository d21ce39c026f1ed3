//! What is compressed is what was given, however it is cut, and at most so many at once.
use flate2::read::GzDecoder;
use mi_httpd_core::compress::coding::Encoder;
use mi_httpd_core::compress::stream::{self, Compressions};
use mi_httpd_core::compress::workers::Workers;
use mi_httpd_core::layout::{COMPRESSIONS, Coding};
use proptest::prelude::*;
use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::channel;

fn decode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let read = match coding {
        Coding::Zstd => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut text),
        Coding::Gzip => GzDecoder::new(bytes).read_to_end(&mut text),
    };
    read.unwrap();
    text
}

/// What a reader has so far, who does not know whether more comes.
fn decode_begun(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut text = vec![0; 1 << 20];
    let mut end = 0;
    let mut from: Box<dyn Read> = match coding {
        Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        Coding::Gzip => Box::new(GzDecoder::new(bytes)),
    };
    while let Ok(count @ 1..) = from.read(&mut text[end..]) {
        end += count;
    }
    text.truncate(end);
    text
}

fn coding() -> impl Strategy<Value = Coding> {
    prop_oneof![Just(Coding::Zstd), Just(Coding::Gzip)]
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let plain = (any::<u8>(), 0..200_000_usize).prop_map(|(byte, length)| vec![byte; length]);
    let dense = prop::collection::vec(any::<u8>(), 0..70_000);
    prop::collection::vec(prop_oneof![plain, dense], 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn pieces_come_back_whole(coding in coding(), level in 1..=6_u32, pieces in pieces()) {
        let mut encoder = Encoder::new(coding, level).unwrap();
        let mut output = Vec::new();
        let mut given = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            encoder.push(piece, false, &mut output).unwrap();
            given.extend_from_slice(piece);
            if index == 0 {
                prop_assert_eq!(&decode_begun(coding, &output), &given);
            }
        }
        encoder.push(&[], true, &mut output).unwrap();
        prop_assert_eq!(decode(coding, &output), given);
    }
}

/// Tests that open streams, which are counted for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_stream_is_compressed_by_other_threads_and_read_through_any_window() {
    let _alone = ALONE.lock();
    let (sender, receiver) = channel();
    let mut streams = Compressions::new(move |number| sender.send(number).unwrap());
    let text: Vec<u8> = (0..100_000_u32)
        .flat_map(|n| format!("{{\"n\":{n}}},").into_bytes())
        .collect();
    for (coding, room) in [(Coding::Zstd, 1), (Coding::Gzip, 7), (Coding::Zstd, 65536)] {
        let number = streams.open(coding, 1).unwrap();
        let mut output = Vec::new();
        let mut window = vec![0; room];
        let mut chunks = text.chunks(131_072).peekable();
        while let Some(chunk) = chunks.next() {
            streams.give(number, &chunk[..chunk.len() / 2]).unwrap();
            streams.give(number, &chunk[chunk.len() / 2..]).unwrap();
            streams.begin(number, chunks.peek().is_none()).unwrap();
            assert_eq!(receiver.recv().unwrap(), number);
            while let count @ 1.. = streams.take(number, &mut window).unwrap() {
                output.extend_from_slice(&window[..count]);
            }
        }
        assert!(decode(coding, &output) == text);
        streams.release(number);
        assert!(streams.give(number, b"x").is_err());
        assert_eq!(streams.take(number, &mut window).unwrap(), 0);
    }
    assert_eq!(stream::in_use(), 0);
}

#[test]
fn a_process_has_so_many_and_a_closed_one_makes_room() {
    let _alone = ALONE.lock();
    let (sender, receiver) = channel();
    let mut streams = Compressions::new(move |number| sender.send(number).unwrap());
    let numbers: Vec<u32> = (0..COMPRESSIONS)
        .map(|_| streams.open(Coding::Zstd, 1).unwrap())
        .collect();
    assert_eq!(streams.open(Coding::Gzip, 1), None);
    assert_eq!(Compressions::new(|_| ()).open(Coding::Gzip, 1), None);
    streams.release(numbers[3]);
    let another = streams.open(Coding::Gzip, 1).unwrap();
    assert!(!numbers.contains(&another));
    // One that is closed while it is compressed is told of, or not, and hurts nobody.
    streams.give(another, &vec![7; 1 << 20]).unwrap();
    streams.begin(another, true).unwrap();
    streams.release(another);
    streams.give(numbers[0], b"text").unwrap();
    streams.begin(numbers[0], true).unwrap();
    while receiver.recv().unwrap() != numbers[0] {}
    drop(streams);
}

#[test]
fn a_job_that_panics_leaves_its_thread_to_others() {
    let workers = Workers::new(1);
    let (sender, receiver) = channel();
    workers.run(|| panic!("a job of a test"));
    workers.run(move || sender.send(1).unwrap());
    assert_eq!(receiver.recv().unwrap(), 1);
}
