//! One record as bytes: its key, its text, and the holes in it, which are printed when they are read.

use crate::json::text::put;
use crate::table::arena::Content;
use crate::table::growing::Growing;
use crate::table::sync::AtomicU64;
use crate::table::words::{copy_out, eight_at, has_at};
use memchr::memmem::Finder;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

/// Longest key in bytes.
pub const MAX_KEY: usize = u16::MAX as usize;
/// Bytes before the holes: the lengths of the key, in two bytes, of the holes and of the text, in four.
const HEAD: usize = 8;
/// Bytes that a hole takes: where it is, how it is printed, its time.
pub const HOLE: usize = 12;

/// How the seconds until a time are printed when there are none to count, as JSON texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// For the time 0; empty for none.
    pub permanent: Box<[u8]>,
    /// For times that have come; empty for `0`.
    pub expired: Box<[u8]>,
}

/// All styles of a table, which more are added to while it is read.
#[derive(Default)]
pub struct Styles(Growing<OnceLock<Style>>);

impl Styles {
    /// The number of a style, which may be there already. Only one thread at a time may ask.
    pub fn number_of(&self, style: Style) -> Option<u16> {
        for number in 0..=u16::MAX {
            let place = self.0.make(number.into())?;
            if place.get_or_init(|| style.clone()) == &style {
                return Some(number);
            }
        }
        None
    }

    fn get(&self, number: u16) -> Option<&Style> {
        self.0.get(number.into())?.get()
    }
}

/// A place in a text that has the seconds until a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Position in the text.
    pub at: usize,
    pub style: u16,
    /// Seconds since 1970, 48 bits.
    pub time: u64,
}

impl Hole {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (&[a, b, c, d, e, f, g, h, i, j, k, l], _) = bytes.split_first_chunk::<HOLE>()?;
        Some(Self {
            at: u32::from_le_bytes([a, b, c, d]) as usize,
            style: u16::from_le_bytes([e, f]),
            time: u64::from_le_bytes([g, h, i, j, k, l, 0, 0]),
        })
    }

    /// As [`Hole::read`], from words that others may be writing.
    fn read_words(words: &[AtomicU64], at: usize) -> Option<Self> {
        let (place, rest) = (eight_at(words, at)?, eight_at(words, at + 4)?);
        Some(Self {
            at: place as u32 as usize,
            style: rest as u16,
            time: rest >> 16,
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.at as u32).to_le_bytes());
        out.extend_from_slice(&self.style.to_le_bytes());
        out.extend(self.time.to_le_bytes().iter().take(6));
    }

    /// The text in the hole at the time `now`.
    fn text<'a>(&self, clock: Clock<'a>, number: &'a mut itoa::Buffer) -> &'a [u8] {
        match clock.styles.get(self.style) {
            Some(style) if self.time == 0 && !style.permanent.is_empty() => style.permanent.as_ref(),
            Some(style) if self.time <= clock.now && !style.expired.is_empty() => style.expired.as_ref(),
            _ => number.format(self.time.saturating_sub(clock.now)).as_bytes(),
        }
    }
}

/// The styles and the time that holes are printed with.
#[derive(Clone, Copy)]
pub struct Clock<'a> {
    pub styles: &'a Styles,
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

/// How long the parts of a record are.
#[derive(Clone, Copy)]
pub struct Head {
    pub key: usize,
    pub holes: usize,
    pub text: usize,
}

impl Head {
    fn of(first: u64) -> Self {
        Self {
            key: usize::from(first as u16),
            holes: usize::from((first >> 16) as u16),
            text: (first >> 32) as usize,
        }
    }

    /// That of a block that nobody writes to.
    pub fn read(block: &[u8]) -> Self {
        Self::of(block.first_chunk().map_or(0, |first| u64::from_le_bytes(*first)))
    }

    /// Where the key begins, and behind it the text.
    fn key_at(self) -> usize {
        HEAD + self.holes * HOLE
    }

    /// Bytes of the whole record.
    pub fn length(self) -> usize {
        self.key_at() + self.key + self.text
    }
}

/// Words of the record that has this first word.
pub fn words_of(first: u64) -> usize {
    Head::of(first.to_le()).length().div_ceil(size_of::<u64>())
}

/// A record in words that others may be writing; see [`crate::table::words`].
#[derive(Clone, Copy)]
pub struct SharedRecord<'a> {
    words: &'a [AtomicU64],
    pub head: Head,
}

impl<'a> SharedRecord<'a> {
    /// The record that begins with these words. There may be more.
    pub fn of(words: &'a [AtomicU64]) -> Self {
        let first = words.first().map_or(0, |first| first.load(Relaxed));
        Self {
            words,
            head: Head::of(first.to_le()),
        }
    }

    pub fn has_key(&self, key: &[u8]) -> bool {
        self.head.key == key.len() && has_at(self.words, self.head.key_at(), key)
    }

    /// Copies the key to the start of `out`, if there is room for it.
    pub fn copy_key(&self, out: &mut [u8]) -> Option<usize> {
        copy_out(self.words, self.head.key_at(), out.get_mut(..self.head.key)?)?;
        Some(self.head.key)
    }

    /// As [`Record::print_whole`].
    pub fn print_whole(&self, clock: Clock<'_>, window: &mut [u8]) -> Option<usize> {
        let text = self.head.key_at() + self.head.key;
        let (mut from, mut end) = (0, 0);
        for number in 0..self.head.holes {
            let hole = Hole::read_words(self.words, HEAD + number * HOLE)?;
            let length = hole.at.checked_sub(from)?;
            copy_out(self.words, text + from, window.get_mut(end..end + length)?)?;
            let mut digits = itoa::Buffer::new();
            end = put_short(window, end + length, hole.text(clock, &mut digits))?;
            from = hole.at;
        }
        let length = self.head.text.checked_sub(from)?;
        copy_out(self.words, text + from, window.get_mut(end..end + length)?)?;
        Some(end + length)
    }
}

/// A stored record.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub key: &'a [u8],
    /// JSON without blanks and without what stands in the holes.
    pub text: &'a [u8],
    /// Both, as they stand one behind the other.
    pub key_and_text: &'a [u8],
    holes: &'a [u8],
}

/// Prints a text with a marker, `"<nonce><style>.<time>"`, in each hole: as [`Writer::with_holes`] takes it.
pub fn print_marked(text: &[u8], holes: impl Iterator<Item = Hole>, nonce: &str, out: &mut Vec<u8>) {
    let mut from = 0;
    for hole in holes {
        out.extend_from_slice(text.get(from..hole.at).unwrap_or_default());
        from = hole.at.max(from);
        out.push(b'"');
        out.extend_from_slice(nonce.as_bytes());
        let mut number = itoa::Buffer::new();
        out.extend_from_slice(number.format(hole.style).as_bytes());
        out.push(b'.');
        out.extend_from_slice(number.format(hole.time).as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
}

impl<'a> Record<'a> {
    /// Reads what [`Writer`] has put together.
    pub fn read(block: &'a [u8]) -> Self {
        let parts = || {
            let (head, rest) = block.split_first_chunk::<HEAD>()?;
            let head = Head::of(u64::from_le_bytes(*head));
            let (holes, rest) = rest.split_at_checked(head.holes * HOLE)?;
            let key_and_text = rest.get(..head.key + head.text)?;
            let (key, text) = key_and_text.split_at_checked(head.key)?;
            Some(Self {
                key,
                text,
                key_and_text,
                holes,
            })
        };
        parts().unwrap_or(Self {
            key: &[],
            text: &[],
            key_and_text: &[],
            holes: &[],
        })
    }

    /// Holes in the text.
    pub fn holes(&self) -> usize {
        self.holes.len() / HOLE
    }

    /// The text with a marker in each hole.
    pub fn print_marked(&self, nonce: &str, marker_of: impl Fn(u16) -> u16, out: &mut Vec<u8>) {
        let holes = self.holes.chunks_exact(HOLE).filter_map(Hole::read);
        let marked = holes.map(|hole| Hole {
            style: marker_of(hole.style),
            ..hole
        });
        print_marked(self.text, marked, nonce, out);
    }

    /// Prints the record to the start of `window`, if it has room for all of it. Returns its length.
    pub fn print_whole(&self, clock: Clock<'_>, window: &mut [u8]) -> Option<usize> {
        let (mut from, mut end) = (0, 0);
        for hole in self.holes.chunks_exact(HOLE).filter_map(Hole::read) {
            end = put(window, end, self.text.get(from..hole.at)?)?;
            let mut number = itoa::Buffer::new();
            end = put_short(window, end, hole.text(clock, &mut number))?;
            from = hole.at;
        }
        put(window, end, self.text.get(from..)?)
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

/// As [`put`], for few bytes: a call that copies them would take longer.
fn put_short(window: &mut [u8], at: usize, bytes: &[u8]) -> Option<usize> {
    const SHORT: usize = 16;
    let end = at.checked_add(bytes.len())?;
    if bytes.len() > SHORT {
        return put(window, at, bytes);
    }
    for (to, byte) in window.get_mut(at..end)?.iter_mut().zip(bytes) {
        *to = *byte;
    }
    Some(end)
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
    words: Vec<u64>,
    /// The number that each style has in the table, by the number that markers name it by.
    styles: Vec<u16>,
}

impl Writer {
    /// `nonce`: what the marker of a hole begins with, behind its quote; no text of a user has it.
    pub fn new(nonce: &str) -> Self {
        Self {
            marker: Finder::new(&format!("\"{nonce}")).into_owned(),
            head: Vec::new(),
            text: Vec::new(),
            has_text: false,
            words: Vec::new(),
            styles: Vec::new(),
        }
    }

    /// Adds a style, which has this number in the table; markers name it by how many were added before.
    pub fn add_style(&mut self, number: u16) {
        self.styles.push(number);
    }

    /// The number by which markers name a style of the table.
    pub fn marker_of(&self, style: u16) -> u16 {
        let known = self.styles.iter().position(|known| *known == style);
        known.unwrap_or(0) as u16
    }

    /// Holes, and the text, of the record that was begun last.
    pub fn holes_and_text<'a>(&'a self, text: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let holes = self.head.get(HEAD..).unwrap_or_default();
        (holes, if self.has_text { &self.text } else { text })
    }

    /// Begins a record, whose text is used as it is.
    pub fn plain(&mut self, key: &[u8]) {
        self.head.clear();
        self.head.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.head.extend_from_slice(&[0; HEAD - 2]);
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
            let style = self.styles.get(usize::from(style)).copied().unwrap_or(style);
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

    /// The record that was begun last, with its key and text, and how long its parts are.
    pub fn record(&mut self, key: &[u8], text: &[u8]) -> (Content<'_>, Head) {
        let text = if self.has_text { &self.text } else { text };
        if let Some(place) = self.head.get_mut(4..HEAD) {
            place.copy_from_slice(&(text.len() as u32).to_le_bytes());
        }
        let length = self.head.len() + key.len() + text.len();
        self.words.resize(length.div_ceil(size_of::<u64>()), 0);
        if let Some(last) = self.words.last_mut() {
            *last = 0;
        }
        let (bytes, mut end) = (bytemuck::cast_slice_mut::<u64, u8>(&mut self.words), 0);
        for part in [&self.head, key, text] {
            put_part(bytes, &mut end, part);
        }
        let head = Head {
            key: key.len(),
            holes: self.head.len().saturating_sub(HEAD) / HOLE,
            text: text.len(),
        };
        let words = &self.words;
        (Content { words, length }, head)
    }

    /// Gives memory back that only a long record needs.
    pub fn trim(&mut self) {
        const KEPT: usize = 64 << 10;
        if self.text.capacity() > KEPT {
            self.text = Vec::new();
        }
        if self.head.capacity() > KEPT {
            self.head = Vec::new();
        }
        if self.words.capacity() > KEPT / size_of::<u64>() {
            self.words = Vec::new();
        }
    }
}

/// Length of the string at the start of a valid text, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut length = 1;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        length += crate::json::text::plain_prefix(rest);
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn block(writer: &mut Writer, key: &[u8], text: &[u8]) -> Vec<u8> {
        let (content, head) = writer.record(key, text);
        assert_eq!(
            (head.length(), words_of(content.words[0])),
            (content.length, content.words.len())
        );
        bytemuck::cast_slice(content.words).to_vec()
    }

    fn styles(all: &[Style]) -> Styles {
        let styles = Styles::default();
        for (number, style) in all.iter().enumerate() {
            assert_eq!(styles.number_of(style.clone()), Some(number as u16));
        }
        styles
    }

    /// Prints from words that nobody else writes to, into a window of any size.
    fn print_shared(block: &[u8], clock: Clock<'_>, whole: &str) {
        let (chunks, _) = block.as_chunks::<8>();
        let words: Vec<_> = chunks
            .iter()
            .map(|chunk| AtomicU64::new(u64::from_ne_bytes(*chunk)))
            .collect();
        let record = SharedRecord::of(&words);
        assert!(record.has_key(Record::read(block).key));
        let mut window = vec![0; whole.len()];
        assert_eq!(record.print_whole(clock, &mut window), Some(whole.len()));
        assert_eq!(window, whole.as_bytes());
        for short in 0..whole.len() {
            assert_eq!(record.print_whole(clock, &mut vec![0; short]), None);
        }
        let cut = words.get(..words.len() - 1).unwrap();
        assert_eq!(SharedRecord::of(cut).print_whole(clock, &mut window), None);
    }

    fn print(block: &[u8], clock: Clock<'_>, window: usize) -> String {
        let (mut progress, mut whole) = (Progress::default(), Vec::new());
        loop {
            let mut window = vec![0; window];
            let (written, complete) = Record::read(block).print(clock, &mut progress, &mut window);
            whole.extend_from_slice(&window[..written]);
            if complete {
                assert_eq!(whole.len(), Record::read(block).printed_length(clock));
                let whole = String::from_utf8(whole).unwrap();
                if whole.len() < 1000 {
                    print_shared(block, clock, &whole);
                }
                return whole;
            }
        }
    }

    #[test]
    fn holes_are_printed_at_the_time_of_reading() {
        let named = Style {
            permanent: b"\"permanent\"".as_slice().into(),
            expired: b"\"expired\"".as_slice().into(),
        };
        let styles = styles(&[Style::default(), named]);
        let mut writer = Writer::new("N_-");
        let text = br#"["N_-0.0","N_-1.0",{"a":"N_-1.100","N_-b":"N_-0.100"},"N_-0.281474976710655","x"]"#;
        assert_eq!(writer.with_holes(b"k", text, 5), Err(BadHoles::Misplaced));
        let text = br#"["N_-0.0","N_-1.0",{"a":"N_-1.100","b":"N_-0.100"},"N_-0.281474976710655","x"]"#;
        writer.with_holes(b"k", text, 5).unwrap();
        let block = block(&mut writer, b"k", text);
        assert_eq!((Record::read(&block).key, Record::read(&block).holes()), (&b"k"[..], 5));
        for (now, expected) in [
            (90, r#"[0,"permanent",{"a":10,"b":10},281474976710565,"x"]"#),
            (99, r#"[0,"permanent",{"a":1,"b":1},281474976710556,"x"]"#),
            (100, r#"[0,"permanent",{"a":"expired","b":0},281474976710555,"x"]"#),
            (u64::MAX, r#"[0,"permanent",{"a":"expired","b":0},0,"x"]"#),
        ] {
            for window in [1, 2, 3, 7, 100] {
                assert_eq!(print(&block, Clock { styles: &styles, now }, window), expected);
            }
        }
    }

    #[test]
    fn markers_that_are_none() {
        let mut writer = Writer::new("N");
        for text in [
            r#"["N0.281474976710656"]"#,
            r#"["N65536.1"]"#,
            r#"["Nx.1"]"#,
            r#"["N1"]"#,
            r#"["N0.1x"]"#,
            r#"["N"#,
        ] {
            assert_eq!(writer.with_holes(b"", text.as_bytes(), 9), Err(BadHoles::Misplaced));
        }
        let many = r#""N0.1","#.repeat(65_536);
        assert_eq!(
            writer.with_holes(b"", many.as_bytes(), usize::MAX),
            Err(BadHoles::TooMany)
        );
        writer.with_holes(b"", &many.as_bytes()[7..], usize::MAX).unwrap();
        let block = block(&mut writer, b"", b"");
        assert_eq!(
            print(
                &block,
                Clock {
                    styles: &Styles::default(),
                    now: 0
                },
                1000
            ),
            "1,".repeat(65_535)
        );
    }

    #[test]
    fn blanks_are_taken_out_of_json_alone() {
        let mut writer = Writer::new("N");
        for (text, expected) in [
            (" [ ] ", "[]"),
            (
                "\t{\n\"a b\" :\r[ 1 , \" \\\" \" ,\"\\\\\" , -1.50E+3 ] }\n",
                r#"{"a b":[1," \" ","\\",-1.50E+3]}"#,
            ),
            ("null", "null"),
            ("\"\"", "\"\""),
        ] {
            writer.compact(b"", text.as_bytes());
            assert_eq!(
                print(
                    &block(&mut writer, b"", b""),
                    Clock {
                        styles: &Styles::default(),
                        now: 0
                    },
                    1000
                ),
                expected
            );
        }
    }

    #[test]
    fn cut_blocks_are_empty_records() {
        for block in [
            &b""[..],
            b"\x01",
            b"\x01\0\0\0\0\0\0\0",
            b"\0\0\x01\0\0\0\0\0",
            b"\0\0\0\0\x01\0\0\0",
        ] {
            let record = Record::read(block);
            assert_eq!((record.key, record.text, record.holes()), (&b""[..], &b""[..], 0));
        }
    }
}
