//! One record as bytes: its key, its text, and the holes in it, which are printed when they are read.

use crate::reply::put;
use memchr::memmem::Finder;

/// Longest key in bytes.
pub const MAX_KEY: usize = u16::MAX as usize;
/// Bytes that a hole takes: where it is, how it is printed, its time.
const HOLE: usize = 12;

/// How the seconds until a time are printed when there are none to count, as JSON texts.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// For the time 0; empty for none.
    pub permanent: Box<[u8]>,
    /// For times that have come; empty for `0`.
    pub expired: Box<[u8]>,
}

/// A place in a text that has the seconds until a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hole {
    /// Position in the text.
    at: usize,
    style: u16,
    /// Seconds since 1970, 48 bits.
    time: u64,
}

impl Hole {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&[a, b, c, d, e, f, g, h, i, j, k, l], _) = bytes.split_first_chunk::<HOLE>()?;
        Some(Self {
            at: u32::from_le_bytes([a, b, c, d]) as usize,
            style: u16::from_le_bytes([e, f]),
            time: u64::from_le_bytes([g, h, i, j, k, l, 0, 0]),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.at as u32).to_le_bytes());
        out.extend_from_slice(&self.style.to_le_bytes());
        out.extend(self.time.to_le_bytes().iter().take(6));
    }

    /// What stands in the hole at the time `now`.
    fn text<'a>(&self, clock: Clock<'a>, number: &'a mut itoa::Buffer) -> &'a [u8] {
        match clock.styles.get(usize::from(self.style)) {
            Some(style) if self.time == 0 && !style.permanent.is_empty() => style.permanent.as_ref(),
            Some(style) if self.time <= clock.now && !style.expired.is_empty() => style.expired.as_ref(),
            _ => number.format(self.time.saturating_sub(clock.now)).as_bytes(),
        }
    }
}

/// What holes are printed with.
#[derive(Clone, Copy)]
pub struct Clock<'a> {
    pub styles: &'a [Style],
    /// Seconds since 1970.
    pub now: u64,
}

/// How far a record is printed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Position in the text.
    text: usize,
    /// Holes that are done.
    holes: usize,
    /// Bytes of the next one that are written.
    within: usize,
}

/// A stored record.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub key: &'a [u8],
    /// JSON without blanks and without what stands in the holes.
    pub text: &'a [u8],
    holes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads what [`Writer`] has put together.
    pub fn read(block: &'a [u8]) -> Self {
        let parts = || {
            let (key, rest) = block.split_first_chunk::<2>()?;
            let (holes, rest) = rest.split_first_chunk::<2>()?;
            let (holes, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*holes)) * HOLE)?;
            let (key, text) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key)))?;
            Some(Self { key, text, holes })
        };
        parts().unwrap_or(Self {
            key: &[],
            text: &[],
            holes: &[],
        })
    }

    /// Holes in the text.
    pub fn holes(&self) -> usize {
        self.holes.len() / HOLE
    }

    /// Continues to print into `window`. Returns how much that was, and whether the record is complete.
    pub fn print(&self, clock: Clock<'_>, progress: &mut Progress, window: &mut [u8]) -> (usize, bool) {
        let mut end = 0;
        loop {
            let hole = Hole::read(self.holes.get(progress.holes * HOLE..).unwrap_or_default());
            let stop = hole.map_or(self.text.len(), |hole| hole.at);
            let plain = self.text.get(progress.text..stop).unwrap_or_default();
            let written = put_part(window, &mut end, plain);
            progress.text += written;
            if written < plain.len() {
                return (end, false);
            }
            let Some(hole) = hole else {
                return (end, true);
            };
            let mut number = itoa::Buffer::new();
            let text = hole.text(clock, &mut number);
            let rest = text.get(progress.within..).unwrap_or_default();
            let written = put_part(window, &mut end, rest);
            if written < rest.len() {
                progress.within += written;
                return (end, false);
            }
            progress.within = 0;
            progress.holes += 1;
        }
    }

    /// Bytes of the printed record.
    pub fn printed_length(&self, clock: Clock<'_>) -> usize {
        let mut number = itoa::Buffer::new();
        let holes = self.holes.chunks(HOLE).filter_map(Hole::read);
        holes.fold(self.text.len(), |length, hole| {
            length + hole.text(clock, &mut number).len()
        })
    }
}

/// Copies as much as there is room for; returns how much that was.
pub fn put_part(window: &mut [u8], end: &mut usize, bytes: &[u8]) -> usize {
    let length = bytes.len().min(window.len().saturating_sub(*end));
    if let Some(part) = bytes.get(..length)
        && let Some(after) = put(window, *end, part)
    {
        *end = after;
    }
    length
}

/// Why a text with markers is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHoles {
    /// More than a record can have, 65535.
    TooMany,
    /// A marker is part of a longer string.
    Misplaced,
}

/// Puts records together, in memory that is used again and again.
pub struct Writer {
    marker: Finder<'static>,
    head: Vec<u8>,
    text: Vec<u8>,
    has_text: bool,
}

impl Writer {
    /// `nonce`: what the marker of a hole begins with, behind its quote; no text of a user has it.
    pub fn new(nonce: &str) -> Self {
        Self {
            marker: Finder::new(&format!("\"{nonce}")).into_owned(),
            head: Vec::new(),
            text: Vec::new(),
            has_text: false,
        }
    }

    /// Begins a record, whose text is used as it is.
    pub fn plain(&mut self, key: &[u8]) {
        self.head.clear();
        self.head.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.head.extend_from_slice(&[0; 2]);
        self.has_text = false;
    }

    /// Begins a record and takes the markers, `"<nonce><style>.<time>"`, out of its text; there are at most so many.
    pub fn with_holes(&mut self, key: &[u8], text: &[u8], marks: usize) -> Result<(), BadHoles> {
        self.plain(key);
        self.has_text = true;
        self.text.clear();
        let mut holes: u16 = 0;
        let mut rest = text;
        while usize::from(holes) < marks
            && let Some(at) = self.marker.find(rest)
        {
            let (before, from) = rest.split_at(at);
            self.text.extend_from_slice(before);
            let behind = from.get(self.marker.needle().len()..).unwrap_or_default();
            let (style, time, length) = marked(behind).ok_or(BadHoles::Misplaced)?;
            holes = holes.checked_add(1).ok_or(BadHoles::TooMany)?;
            let at = self.text.len();
            Hole { at, style, time }.write(&mut self.head);
            rest = behind.get(length..).unwrap_or_default();
        }
        self.text.extend_from_slice(rest);
        if let Some(place) = self.head.get_mut(2..4) {
            place.copy_from_slice(&holes.to_le_bytes());
        }
        Ok(())
    }

    /// Begins a record and takes the blanks out of its text, which must be valid JSON.
    pub fn compact(&mut self, key: &[u8], text: &[u8]) {
        self.plain(key);
        self.has_text = true;
        self.text.clear();
        let mut rest = text;
        while let Some(&byte) = rest.first() {
            let length = match byte {
                b'"' => string_length(rest),
                _ => rest
                    .iter()
                    .take_while(|byte| !matches!(byte, b'"' | b' ' | b'\n' | b'\t' | b'\r'))
                    .count(),
            };
            let (part, behind) = rest.split_at(length.min(rest.len()));
            self.text.extend_from_slice(part);
            rest = if length == 0 {
                behind.get(1..).unwrap_or_default()
            } else {
                behind
            };
        }
    }

    /// The parts of the record that was begun last, with its key and text; the last is the text.
    pub fn parts<'a>(&'a self, key: &'a [u8], text: &'a [u8]) -> [&'a [u8]; 3] {
        [&self.head, key, if self.has_text { &self.text } else { text }]
    }

    /// Bytes of memory that are held, and given back when they are many.
    pub fn trim(&mut self) {
        const KEPT: usize = 64 << 10;
        if self.text.capacity() > KEPT {
            self.text = Vec::new();
        }
        if self.head.capacity() > KEPT {
            self.head = Vec::new();
        }
    }
}

/// Length of the string at the start of a valid text, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut length = 1;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        length += crate::text::plain_prefix(rest);
        match text.get(length) {
            Some(b'\\') => length += 2,
            _ => return length + 1,
        }
    }
}

/// Style and time of a marker behind its nonce, and the length of that with the closing quote.
fn marked(text: &[u8]) -> Option<(u16, u64, usize)> {
    let end = text.iter().take(32).position(|&byte| byte == b'"')?;
    let (style, time) = std::str::from_utf8(text.get(..end)?).ok()?.split_once('.')?;
    let time = time.parse().ok().filter(|time: &u64| *time < 1 << 48)?;
    Some((style.parse().ok()?, time, end + 1))
}
