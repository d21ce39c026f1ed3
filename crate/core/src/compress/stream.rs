//! Replies that are being compressed: each is given piece by piece, and each piece is compressed by a worker.

use crate::compress::coding::Encoder;
use crate::compress::workers::Workers;
use crate::layout::{COMPRESSIONS, Coding};
use std::collections::HashMap;
use std::io::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Called by a worker when the piece of a stream is compressed.
type Told = Arc<dyn Fn(u32) + Send + Sync>;

/// Streams that are open in the process.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Streams of the process whose memory is held: also one that is freed, as long as a worker is at it.
pub fn in_use() -> usize {
    OPEN.load(Ordering::Relaxed)
}

/// Counts as an open stream for as long as it is there.
struct Permit;

impl Permit {
    fn new() -> Option<Self> {
        let one_more = |open: usize| (open < COMPRESSIONS).then_some(open + 1);
        let counted = OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        // Not made before it is counted: dropping it counts too.
        counted.is_ok().then(|| Self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The streams of one thread of JavaScript.
pub struct Compressions {
    told: Told,
    streams: HashMap<u32, Stream>,
    /// Numbers are not used again soon: what a worker tells late is of no other stream.
    last: u32,
}

impl Compressions {
    pub fn new(told: impl Fn(u32) + Send + Sync + 'static) -> Self {
        Self {
            told: Arc::new(told),
            streams: HashMap::new(),
            last: 0,
        }
    }

    /// Opens a stream; `None` when the process has as many as it may, or gets no memory.
    pub fn open(&mut self, coding: Coding, level: u32) -> Option<u32> {
        let permit = Permit::new()?;
        let encoder = Encoder::new(coding, level).ok()?;
        while self.last == 0 || self.streams.contains_key(&self.last) {
            self.last = self.last.wrapping_add(1);
        }
        self.streams.insert(self.last, Stream::new(encoder, permit));
        let number = self.last;
        self.last = self.last.wrapping_add(1);
        Some(number)
    }

    /// Adds to the piece that is compressed next.
    pub fn give(&mut self, number: u32, bytes: &[u8]) -> Result<()> {
        match self.streams.get_mut(&number) {
            Some(stream) => stream.give(bytes),
            None => Err(closed()),
        }
    }

    /// Has the piece compressed. To be called when the one before is taken.
    pub fn begin(&mut self, number: u32, is_last: bool) -> Result<()> {
        let stream = self.streams.get_mut(&number).ok_or_else(closed)?;
        let told = Arc::clone(&self.told);
        stream.begin(is_last, Workers::of_process(), move || told(number));
        Ok(())
    }

    /// Copies what a piece was compressed to, as much as there is room for; 0 when nothing is left of it.
    pub fn take(&mut self, number: u32, window: &mut [u8]) -> Result<usize> {
        self.streams
            .get_mut(&number)
            .map_or(Ok(0), |stream| stream.take(window))
    }

    /// Frees a stream; without effect for one that is not open.
    pub fn release(&mut self, number: u32) {
        self.streams.remove(&number);
    }
}

fn closed() -> Error {
    Error::other("the compression is over")
}

struct Stream {
    /// The piece that is compressed next.
    given: Vec<u8>,
    /// With the worker while it compresses.
    bench: Arc<Mutex<Bench>>,
    is_closed: Arc<AtomicBool>,
    /// What was compressed and not yet taken.
    output: Vec<u8>,
    taken: usize,
}

/// What a worker needs, and what it leaves.
struct Bench {
    encoder: Encoder,
    piece: Vec<u8>,
    output: Vec<u8>,
    failure: Option<Error>,
    is_done: bool,
    _permit: Permit,
}

impl Stream {
    fn new(encoder: Encoder, permit: Permit) -> Self {
        let bench = Bench {
            encoder,
            piece: Vec::new(),
            output: Vec::new(),
            failure: None,
            is_done: false,
            _permit: permit,
        };
        Self {
            given: Vec::new(),
            bench: Arc::new(Mutex::new(bench)),
            is_closed: Arc::default(),
            output: Vec::new(),
            taken: 0,
        }
    }

    fn give(&mut self, bytes: &[u8]) -> Result<()> {
        self.given.try_reserve(bytes.len()).map_err(Error::other)?;
        self.given.extend_from_slice(bytes);
        Ok(())
    }

    fn begin(&mut self, is_last: bool, workers: &Workers, told: impl FnOnce() + Send + 'static) {
        {
            let mut bench = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
            let bench = &mut *bench;
            std::mem::swap(&mut bench.piece, &mut self.given);
            bench.is_done = false;
        }
        self.given.clear();
        let bench = Arc::clone(&self.bench);
        let is_closed = Arc::clone(&self.is_closed);
        workers.run(move || {
            if is_closed.load(Ordering::Relaxed) {
                return;
            }
            // Told also when the work panics: nobody may wait for ever.
            let _told = OnDrop(Some(told));
            let mut bench = bench.lock().unwrap_or_else(PoisonError::into_inner);
            let Bench {
                encoder, piece, output, ..
            } = &mut *bench;
            let outcome = encoder.push(piece, is_last, output);
            piece.clear();
            bench.failure = outcome.err();
            bench.is_done = true;
        });
    }

    fn take(&mut self, window: &mut [u8]) -> Result<usize> {
        if self.taken == self.output.len() {
            let mut bench = self.bench.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(failure) = bench.failure.take() {
                return Err(failure);
            }
            if !bench.is_done {
                return Err(Error::other("a compression has failed"));
            }
            self.output.clear();
            self.taken = 0;
            std::mem::swap(&mut bench.output, &mut self.output);
        }
        let rest = self.output.get(self.taken..).unwrap_or_default();
        let (source, _) = rest.split_at(rest.len().min(window.len()));
        if let Some(place) = window.get_mut(..source.len()) {
            place.copy_from_slice(source);
        }
        self.taken += source.len();
        Ok(source.len())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }
}

struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}
