//! Indents compact JSON with tabs, as a stream.

/// How far a push came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of input that are done with; the rest must be pushed again.
    pub consumed: usize,
    /// Bytes of output that were written.
    pub produced: usize,
}

/// The rest, still to be written, of the text that one byte of structure turns into.
#[derive(Clone, Copy, Default)]
struct Expansion {
    before: &'static [u8],
    tabs: usize,
    after: Option<u8>,
}

impl Expansion {
    /// Writes what there is room for; returns how much that was.
    fn write(&mut self, room: &mut [u8]) -> usize {
        let now = self.before.len().min(room.len());
        let (head, room) = room.split_at_mut(now);
        let (written, left) = self.before.split_at(now);
        head.copy_from_slice(written);
        self.before = left;
        let tabs = self.tabs.min(room.len());
        let (head, room) = room.split_at_mut(tabs);
        head.fill(b'\t');
        self.tabs -= tabs;
        match (self.after, room.first_mut()) {
            (Some(byte), Some(place)) => {
                *place = byte;
                self.after = None;
                now + tabs + 1
            }
            _ => now + tabs,
        }
    }

    fn is_written(&self) -> bool {
        self.before.is_empty() && self.tabs == 0 && self.after.is_none()
    }
}

/// Turns valid JSON without blanks into the indented form that docs/compatibility.md describes: members on lines of
/// their own behind one tab for each container around them, name and value parted by a tab, arrays on one line.
///
/// A byte of input counts as consumed when everything it turns into is written, so a text is complete as soon as all
/// of it is consumed. Input may be cut anywhere. Memory: one bit for each open container.
#[derive(Default)]
pub struct PrettyPrinter {
    /// One bit for each open container, 1 for an object.
    objects: Vec<u64>,
    depth: usize,
    in_string: bool,
    after_backslash: bool,
    /// Behind the bracket that opens an object.
    at_first_member: bool,
    /// Of the byte that comes next.
    unfinished: Option<Expansion>,
}

impl PrettyPrinter {
    /// Continues with `input` into `output`. Makes progress whenever neither is empty.
    pub fn push(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut progress = Progress::default();
        while let Some(rest) = input.get(progress.consumed..).filter(|rest| !rest.is_empty()) {
            let room = output.get_mut(progress.produced..).unwrap_or_default();
            let step = if self.in_string {
                self.copy_string(rest, room)
            } else {
                self.expand(rest, room)
            };
            progress.consumed += step.consumed;
            progress.produced += step.produced;
            if step == Progress::default() {
                break;
            }
        }
        progress
    }

    /// Copies what is left of a string, closing quote included.
    fn copy_string(&mut self, input: &[u8], room: &mut [u8]) -> Progress {
        let length = input.len().min(room.len());
        let (source, target) = (
            input.get(..length).unwrap_or_default(),
            room.get_mut(..length).unwrap_or_default(),
        );
        let mut end = 0;
        while let Some(&byte) = source.get(end) {
            if self.after_backslash {
                self.after_backslash = false;
                end += 1;
                continue;
            }
            match byte {
                b'\\' => self.after_backslash = true,
                b'"' => self.in_string = false,
                _ => {
                    // At least one byte, so that control characters, which cannot occur, cannot stall it either.
                    end += crate::json::text::plain_prefix(source.get(end..).unwrap_or_default()).max(1);
                    continue;
                }
            }
            end += 1;
            if !self.in_string {
                break;
            }
        }
        if let (Some(target), Some(source)) = (target.get_mut(..end), source.get(..end)) {
            target.copy_from_slice(source);
        }
        Progress {
            consumed: end,
            produced: end,
        }
    }

    /// Writes what the next byte turns into, as far as there is room.
    fn expand(&mut self, input: &[u8], room: &mut [u8]) -> Progress {
        let Some(&byte) = input.first() else {
            return Progress::default();
        };
        let mut expansion = self.unfinished.take().unwrap_or_else(|| self.structure(byte));
        let produced = expansion.write(room);
        if expansion.is_written() {
            self.in_string = byte == b'"';
            Progress { consumed: 1, produced }
        } else {
            self.unfinished = Some(expansion);
            Progress { consumed: 0, produced }
        }
    }

    fn structure(&mut self, byte: u8) -> Expansion {
        let none: &[u8] = &[];
        let (before, tabs, after) = match byte {
            b' ' | b'\n' | b'\t' | b'\r' => return Expansion::default(),
            b'}' => {
                let line_end: &[u8] = if self.at_first_member { &[] } else { b"\n" };
                self.close();
                (line_end, self.depth, Some(byte))
            }
            _ if self.at_first_member => (none, self.depth, Some(byte)),
            b'{' => (&b"{\n"[..], 0, None),
            b']' => {
                self.close();
                (none, 0, Some(byte))
            }
            b',' if self.in_object() => (&b",\n"[..], self.depth, None),
            b',' => (&b", "[..], 0, None),
            b':' => (&b":\t"[..], 0, None),
            _ => (none, 0, Some(byte)),
        };
        match byte {
            b'{' | b'[' => self.open(byte == b'{'),
            _ => self.at_first_member = false,
        }
        Expansion { before, tabs, after }
    }

    fn in_object(&self) -> bool {
        let Some(top) = self.depth.checked_sub(1) else {
            return false;
        };
        self.objects
            .get(top / 64)
            .is_some_and(|bits| bits >> (top % 64) & 1 == 1)
    }

    fn open(&mut self, is_object: bool) {
        let bit = 1 << (self.depth % 64);
        match self.objects.get_mut(self.depth / 64) {
            Some(bits) if is_object => *bits |= bit,
            Some(bits) => *bits &= !bit,
            None => self.objects.push(if is_object { bit } else { 0 }),
        }
        self.depth += 1;
        self.at_first_member = is_object;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indent(text: &str) -> String {
        let mut out = vec![0; text.len() * 1000 + 64];
        let progress = PrettyPrinter::default().push(text.as_bytes(), &mut out);
        assert_eq!(progress.consumed, text.len());
        String::from_utf8(out[..progress.produced].to_vec()).unwrap()
    }

    #[test]
    fn nested_containers() {
        assert_eq!(indent("{}"), "{\n}");
        assert_eq!(indent("[]"), "[]");
        assert_eq!(indent("[{},[]]"), "[{\n\t}, []]");
        assert_eq!(indent(r#"{"a":{},"b":[]}"#), "{\n\t\"a\":\t{\n\t},\n\t\"b\":\t[]\n}");
        assert_eq!(indent(r#"[[{"a":1}]]"#), "[[{\n\t\t\t\"a\":\t1\n\t\t}]]");
        assert_eq!(
            indent(r#"{"a":"{\"\\","b":-1.5e3}"#),
            "{\n\t\"a\":\t\"{\\\"\\\\\",\n\t\"b\":\t-1.5e3\n}"
        );
        assert_eq!(indent(" [ 1 , true ]\n"), "[1, true]");
    }

    #[test]
    fn nothing_valid_or_not_stalls_it() {
        for text in ["}}}]]", "{{{{", ",,::", "{[}]", "\"\u{1}\u{1}", "{\u{0}"] {
            indent(text);
        }
    }

    #[test]
    fn deep_nesting_in_small_outputs() {
        let text = format!("{}1{}", "{\"a\":[".repeat(300), "]}".repeat(300));
        let mut printer = PrettyPrinter::default();
        let (mut from, mut whole) = (0, Vec::new());
        while from < text.len() {
            let mut out = [0; 64];
            let progress = printer.push(&text.as_bytes()[from..], &mut out);
            from += progress.consumed;
            whole.extend_from_slice(&out[..progress.produced]);
        }
        assert_eq!(String::from_utf8(whole).unwrap(), indent(&text));
    }
}
