//! The form of a record in the database. Times are those that clocks show: what counts down in memory does so by a clock that
//! begins with the process.

use crate::persist::changes::Clock;
use crate::table::record::{BadHoles, HOLE, Hole, Writer, print_marked};

/// Bytes in front of the holes: generation, when it was written, deadline, number of holes.
const HEAD: usize = 4 + 8 + 8 + 2;

/// What a change of a record has beside its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// See [`Stored::generation`].
    pub generation: u32,
    /// In seconds since 1970, or in a unit of the caller's; infinite for none.
    pub deadline: f64,
    pub clock: Clock,
}

/// Puts a record into its stored form. `style_of` gives the number that the database has for a style.
pub fn encode(
    writer: &mut Writer,
    text: &[u8],
    marks: usize,
    facts: Facts,
    style_of: impl Fn(u16) -> u16,
) -> Result<Box<[u8]>, BadHoles> {
    writer.with_holes(&[], text, marks)?;
    let (holes, text) = writer.holes_and_text(text);
    let mut out = Vec::with_capacity(HEAD + holes.len() + text.len());
    out.extend_from_slice(&facts.generation.to_le_bytes());
    out.extend_from_slice(&facts.clock.wall.to_le_bytes());
    out.extend_from_slice(&facts.deadline.to_le_bytes());
    out.extend_from_slice(&((holes.len() / HOLE) as u16).to_le_bytes());
    for hole in holes.chunks_exact(HOLE).filter_map(Hole::read) {
        let (style, time) = (style_of(hole.style), shifted(hole.time, facts.clock.ahead));
        Hole { style, time, ..hole }.write(&mut out);
    }
    out.extend_from_slice(text);
    Ok(out.into())
}

/// Time 0 is none, and nothing that is over becomes it.
fn shifted(time: u64, seconds: i64) -> u64 {
    const LATEST: u64 = (1 << 48) - 1;
    if time == 0 {
        return 0;
    }
    time.saturating_add_signed(seconds).clamp(1, LATEST)
}

/// A record as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The run of writing everything anew in which it was written last. Records of an older one are over when that is complete.
    pub generation: u32,
    written: u64,
    deadline: f64,
    holes: &'a [u8],
    text: &'a [u8],
}

impl<'a> Stored<'a> {
    /// `None` for what [`encode`] has not made.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (generation, rest) = bytes.split_first_chunk()?;
        let (written, rest) = rest.split_first_chunk()?;
        let (deadline, rest) = rest.split_first_chunk()?;
        let (holes, rest) = rest.split_first_chunk()?;
        let (holes, text) = rest.split_at_checked(usize::from(u16::from_le_bytes(*holes)) * HOLE)?;
        Some(Self {
            generation: u32::from_le_bytes(*generation),
            written: u64::from_le_bytes(*written),
            deadline: f64::from_le_bytes(*deadline),
            holes,
            text,
        })
    }

    fn holes(&self) -> impl Iterator<Item = Hole> {
        self.holes.chunks_exact(HOLE).filter_map(Hole::read)
    }

    /// Holes in the text.
    pub fn marks(&self) -> usize {
        self.holes.len() / HOLE
    }

    /// True if it has times, and all of them have come.
    pub fn is_over(&self, now: Clock) -> bool {
        self.marks() > 0
            && self
                .holes()
                .all(|hole| hole.time != 0 && now.left(self.written, hole.time) == 0)
    }

    /// The deadline: `Some` clock where it is a time of that.
    pub fn deadline(&self, now: Option<Clock>) -> f64 {
        match now {
            Some(now) if self.deadline.is_finite() => {
                let left = now.left(self.written, self.deadline.max(0.0) as u64);
                (now.here() + left as i64) as f64
            }
            _ => self.deadline,
        }
    }

    /// Appends the text with markers, by the clock of this process. `style_of` gives the number that the process has for a style.
    pub fn print(&self, now: Clock, nonce: &str, style_of: impl Fn(u16) -> u16, out: &mut Vec<u8>) {
        let holes = self.holes().map(|hole| Hole {
            style: style_of(hole.style),
            time: match hole.time {
                0 => 0,
                time => shifted(now.wall, -now.ahead).saturating_add(now.left(self.written, time)),
            },
            ..hole
        });
        print_marked(self.text, holes, nonce, out);
    }
}

impl Clock {
    fn here(self) -> i64 {
        (self.wall as i64).saturating_sub(self.ahead)
    }

    /// Seconds until a time of a record. Nothing lives longer than it had to when it was written, although the clock was set back.
    fn left(self, written: u64, time: u64) -> u64 {
        let given = time.saturating_sub(written);
        time.saturating_sub(self.wall).min(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(text: &str, written: u64, deadline: f64, ahead: i64) -> Box<[u8]> {
        let facts = Facts {
            generation: 7,
            deadline,
            clock: Clock { wall: written, ahead },
        };
        encode(&mut Writer::new("N"), text.as_bytes(), 9, facts, |style| style + 3).unwrap()
    }

    fn printed(bytes: &[u8], now: Clock) -> String {
        let mut out = Vec::new();
        let stored = Stored::read(bytes).unwrap();
        stored.print(now, "OTHER", |style| style - 1, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_those_of_the_machine_between_two_processes() {
        // The clock of the first process is 100 s behind that of the machine, the other one 5 s ahead of it.
        let bytes = stored(r#"{"a":"N0.1000","b":["N1.0"]}"#, 1050, 1100.0, 100);
        let now = Clock { wall: 1080, ahead: -5 };
        assert_eq!(printed(&bytes, now), r#"{"a":"OTHER2.1105","b":["OTHER3.0"]}"#);
        let read = Stored::read(&bytes).unwrap();
        assert_eq!((read.generation, read.marks()), (7, 2));
        assert_eq!((read.deadline(Some(now)), read.deadline(None)), (1105.0, 1100.0));
        assert!(!read.is_over(Clock { wall: 5000, ahead: 0 }), "one of them is for ever");
    }

    #[test]
    fn nothing_lives_longer_when_the_clock_was_set_back() {
        let bytes = stored(r#"["N0.1060"]"#, 1000, 1060.0, 0);
        for (wall, left) in [(1000, 60), (1050, 10), (900, 60), (1, 60)] {
            let now = Clock { wall, ahead: 0 };
            assert_eq!(printed(&bytes, now), format!(r#"["OTHER2.{}"]"#, wall + left));
            assert_eq!(Stored::read(&bytes).unwrap().deadline(Some(now)), (wall + left) as f64);
        }
        assert!(Stored::read(&bytes).unwrap().is_over(Clock { wall: 1060, ahead: 0 }));
        assert!(!Stored::read(&bytes).unwrap().is_over(Clock { wall: 1059, ahead: 0 }));
    }

    #[test]
    fn cut_forms_are_none() {
        let bytes = stored(r#"["N0.1060","N0.1061"]"#, 1000, f64::INFINITY, 0);
        for length in 0..HEAD + 2 * HOLE {
            assert!(Stored::read(&bytes[..length]).is_none(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, wall in 0u64..1 << 40, ahead in -1000i64..1000) {
            if let Some(read) = Stored::read(&bytes) {
                let now = Clock { wall, ahead };
                let mut out = Vec::new();
                read.is_over(now);
                read.deadline(Some(now));
                read.print(now, "N", |style| style, &mut out);
            }
        }
    }
}
