//! What a search looks for, and whether a record has it: in its key, or in a text, number or word of its JSON. Letters of
//! ASCII are equal in either case, all else is compared as it is. Names of members are not looked at, nor what is printed
//! into holes.

use crate::json::text::write_string;
use crate::table::record::Record;
use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter};

/// Records of more bytes are read byte by byte, so that a search can rest within them.
const LONGEST_AT_ONCE: usize = 16 << 10;

/// Whether a record has what is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    No,
    /// A [`Reader`] has to find out: the record is long, or something in it is escaped.
    Unclear,
}

/// The member whose values are looked at.
struct Member {
    name: Box<[u8]>,
    /// The name as a record has it, with its colon, where nothing in it is escaped.
    finder: Option<Finder<'static>>,
}

/// A text to look for.
pub struct Needle {
    finder: Finder<'static>,
    /// True if no text has it without escapes.
    is_escaped: bool,
    /// True if it may be part of a number, or of true, false and null.
    is_word: bool,
    member: Option<Member>,
}

impl Needle {
    /// `member`: only values of members with this name are looked at, and those in arrays that are such values. Without, all
    /// values and the key.
    pub fn new(text: &str, member: Option<&str>) -> Self {
        let folded = text.to_ascii_lowercase();
        Self {
            is_escaped: folded.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\'),
            is_word: folded
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')),
            finder: Finder::new(folded.as_bytes()).into_owned(),
            member: member.map(|name| {
                let mut written = Vec::new();
                write_string(&mut written, name);
                written.push(b':');
                let finder = (!written.contains(&b'\\')).then(|| Finder::new(&written).into_owned());
                Member {
                    name: name.as_bytes().into(),
                    finder,
                }
            }),
        }
    }

    fn bytes(&self) -> &[u8] {
        self.finder.needle()
    }

    /// Looks at a record; `folded` is memory that is used again and again.
    pub fn judge(&self, record: &Record<'_>, folded: &mut Vec<u8>) -> Verdict {
        if self.member.is_none() && self.bytes().is_empty() {
            return Verdict::Yes;
        }
        if let Some(member) = &self.member {
            return match &member.finder {
                Some(finder) if record.text.len() <= LONGEST_AT_ONCE => self.judge_member(finder, record.text, folded),
                _ => Verdict::Unclear,
            };
        }
        if record.text.len() > LONGEST_AT_ONCE {
            return self.judge_key(record.key, folded);
        }
        let has_escapes = fold(record.key_and_text, folded);
        if has_escapes {
            return self.judge_key(record.key, folded);
        }
        if self.has(folded, record.key.len()) {
            Verdict::Yes
        } else {
            Verdict::No
        }
    }

    /// Looks at the key alone: what its record says has to be read.
    fn judge_key(&self, key: &[u8], folded: &mut Vec<u8>) -> Verdict {
        fold(key, folded);
        if self.finder.find(folded).is_some() {
            Verdict::Yes
        } else {
            Verdict::Unclear
        }
    }

    /// Looks at a folded key and the record behind it, which has no escapes.
    fn has(&self, folded: &[u8], key: usize) -> bool {
        let part = |from: usize, to: usize| folded.get(from..to).unwrap_or_default();
        if self.is_escaped {
            return self.finder.find(part(0, key)).is_some();
        }
        let (mut from, mut quotes, mut counted) = (0, 0, key);
        while let Some(found) = self.finder.find(part(from, folded.len())) {
            let at = from + found;
            let end = at + self.bytes().len();
            from = at + 1;
            if end <= key {
                return true;
            }
            if at < key {
                continue;
            }
            // What stands behind an odd number of quotes is within a string.
            quotes += memchr_iter(b'"', part(counted, at)).count();
            counted = at;
            if quotes % 2 == 0 {
                if self.is_word {
                    return true;
                }
                continue;
            }
            let Some(rest) = memchr(b'"', part(end, folded.len())) else {
                return false;
            };
            if folded.get(end + rest + 1) != Some(&b':') {
                return true;
            }
            // The rest of a name need not be looked at.
            from = end + rest + 1;
        }
        false
    }

    /// Looks at the members that `finder` finds.
    fn judge_member(&self, finder: &Finder<'static>, text: &[u8], folded: &mut Vec<u8>) -> Verdict {
        // With escapes in it, what looks like a name may be part of a string.
        if memchr(b'\\', text).is_some() {
            return Verdict::Unclear;
        }
        let mut rest = text;
        while let Some(at) = finder.find(rest) {
            rest = rest.get(at + finder.needle().len()..).unwrap_or_default();
            let value = match rest.first() {
                Some(b'[') => return Verdict::Unclear,
                Some(b'{') | None => continue,
                Some(b'"') => {
                    let string = rest.get(1..).unwrap_or_default();
                    let end = memchr(b'"', string).unwrap_or(string.len());
                    string.get(..end).unwrap_or_default()
                }
                Some(_) => {
                    let end = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']'));
                    // An empty one is a hole.
                    match end {
                        Some(0) => continue,
                        end => rest.get(..end.unwrap_or(rest.len())).unwrap_or_default(),
                    }
                }
            };
            fold(value, folded);
            if self.finder.find(folded).is_some() {
                return Verdict::Yes;
            }
        }
        Verdict::No
    }
}

/// Writes bytes with letters of ASCII in lower case, in place of what was there. Returns whether there is a backslash.
fn fold(bytes: &[u8], folded: &mut Vec<u8>) -> bool {
    folded.resize(bytes.len(), 0);
    let mut escapes = 0;
    for (to, byte) in folded.iter_mut().zip(bytes) {
        *to = byte.to_ascii_lowercase();
        escapes |= u8::from(*byte == b'\\');
    }
    escapes != 0
}

/// An object or an array that is being read.
#[derive(Clone, Copy, Debug)]
struct Container {
    is_object: bool,
    /// True if its present value is looked at.
    is_wanted: bool,
}

/// The place within a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    String,
    Escape,
    /// Digits of a code unit that are left, and the number so far.
    Unit(u8, u32),
}

/// Reads a record byte by byte, across any number of calls.
#[derive(Debug, Default)]
pub struct Reader {
    at: usize,
    containers: Vec<Container>,
    place: Place,
    is_name: bool,
    /// Bytes of the wanted name that this one begins with; `None` once it differs.
    name: Option<usize>,
    /// Bytes of the needle that the value ends with so far.
    matched: usize,
    /// The first half of a surrogate pair.
    half: u32,
}

impl Reader {
    /// Continues for at most so many bytes of `text`. [`Verdict::Unclear`]: it is not at its end.
    pub fn read(&mut self, needle: &Needle, failures: &Failures, text: &[u8], most: usize) -> Verdict {
        let end = self.at.saturating_add(most).min(text.len());
        let piece = text.get(self.at..end).unwrap_or_default();
        self.at = end;
        for &byte in piece {
            if self.push(needle, failures, byte) {
                return Verdict::Yes;
            }
        }
        if end == text.len() {
            Verdict::No
        } else {
            Verdict::Unclear
        }
    }

    fn is_wanted(&self, needle: &Needle) -> bool {
        needle.member.is_none() || self.containers.last().is_some_and(|container| container.is_wanted)
    }

    /// Returns whether the needle has been found.
    fn push(&mut self, needle: &Needle, failures: &Failures, byte: u8) -> bool {
        match self.place {
            Place::Outside => self.outside(needle, failures, byte),
            Place::String => match byte {
                b'"' => {
                    self.place = Place::Outside;
                    if self.is_name
                        && let (Some(container), Some(member)) = (self.containers.last_mut(), &needle.member)
                    {
                        container.is_wanted = self.name == Some(member.name.len());
                    }
                    // A name is over, and so is a string: neither goes on behind it.
                    self.matched = 0;
                    false
                }
                b'\\' => {
                    self.place = Place::Escape;
                    false
                }
                _ => self.character(needle, failures, byte),
            },
            Place::Escape => {
                self.place = Place::String;
                let plain = match byte {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'u' => {
                        self.place = Place::Unit(4, 0);
                        return false;
                    }
                    other => other,
                };
                self.character(needle, failures, plain)
            }
            Place::Unit(left, number) => {
                let number = number << 4 | char::from(byte).to_digit(16).unwrap_or(0);
                if left > 1 {
                    self.place = Place::Unit(left - 1, number);
                    return false;
                }
                self.place = Place::String;
                self.unit(needle, failures, number)
            }
        }
    }

    fn outside(&mut self, needle: &Needle, failures: &Failures, byte: u8) -> bool {
        match byte {
            b'{' => {
                self.containers.push(Container {
                    is_object: true,
                    is_wanted: false,
                });
                self.is_name = true;
            }
            b'[' => {
                let is_wanted = self.is_wanted(needle);
                self.containers.push(Container {
                    is_object: false,
                    is_wanted,
                });
                self.is_name = false;
            }
            b'}' | b']' => {
                self.containers.pop();
            }
            b',' => self.is_name = self.containers.last().is_some_and(|container| container.is_object),
            b':' => self.is_name = false,
            b'"' => {
                self.place = Place::String;
                self.name = Some(0);
                self.half = 0;
                self.matched = 0;
                // An empty text is found where there is a value.
                return needle.bytes().is_empty() && !self.is_name && self.is_wanted(needle);
            }
            _ => return self.character(needle, failures, byte),
        }
        self.matched = 0;
        false
    }

    fn unit(&mut self, needle: &Needle, failures: &Failures, unit: u32) -> bool {
        if (0xd800..0xdc00).contains(&unit) {
            self.half = unit;
            return false;
        }
        let number = if (0xdc00..0xe000).contains(&unit) && self.half != 0 {
            0x10000 + ((self.half - 0xd800) << 10) + (unit - 0xdc00)
        } else {
            unit
        };
        self.half = 0;
        let mut utf8 = [0; 4];
        let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut is_found = false;
        for byte in character.encode_utf8(&mut utf8).bytes() {
            is_found |= self.character(needle, failures, byte);
        }
        is_found
    }

    /// Takes one byte of a name or value.
    fn character(&mut self, needle: &Needle, failures: &Failures, byte: u8) -> bool {
        if self.is_name {
            if let Some(member) = &needle.member {
                self.name = self
                    .name
                    .and_then(|length| (member.name.get(length) == Some(&byte)).then_some(length + 1));
            }
            return false;
        }
        if !self.is_wanted(needle) {
            return false;
        }
        let wanted = needle.bytes();
        let byte = byte.to_ascii_lowercase();
        while self.matched > 0 && wanted.get(self.matched) != Some(&byte) {
            self.matched = failures.0.get(self.matched - 1).map_or(0, |length| *length as usize);
        }
        if wanted.get(self.matched) == Some(&byte) {
            self.matched += 1;
        }
        self.matched == wanted.len()
    }
}

/// For each beginning of a needle the length of the longest shorter one that it ends with.
#[derive(Debug, Default)]
pub struct Failures(Box<[u32]>);

impl Failures {
    pub fn of(needle: &Needle) -> Self {
        let bytes = needle.bytes();
        let mut lengths: Vec<u32> = vec![0; bytes.len()];
        let mut length = 0;
        for at in 1..bytes.len() {
            while length > 0 && bytes.get(at) != bytes.get(length) {
                length = lengths.get(length - 1).map_or(0, |shorter| *shorter as usize);
            }
            if bytes.get(at) == bytes.get(length) {
                length += 1;
            }
            if let Some(place) = lengths.get_mut(at) {
                *place = length as u32;
            }
        }
        Self(lengths.into())
    }
}
