//! Changes on their way to the database. The thread of the server only appends them, one behind the other; the thread that writes
//! puts them together, so that of many changes of one record the last is left.

use crate::persist::stored::{Facts, encode};
use crate::table::record::Writer;
use std::collections::{BTreeMap, HashMap};

/// A change of a table, by the number of that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change<'a> {
    Set {
        key: &'a [u8],
        text: &'a [u8],
        /// Markers in the text at most.
        marks: u32,
        deadline: f64,
        /// The text has blanks that are not kept.
        is_loose: bool,
    },
    Delete {
        key: &'a [u8],
    },
    /// All records are deleted.
    Clear,
    /// Every record was written anew: those that were not are over.
    Complete,
    /// The number that the process has for a style, and its texts, as the database knows it.
    Style {
        number: u16,
        texts: &'a [u8],
    },
    /// What the clocks show from here on.
    Clock(Clock),
}

/// What two clocks show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Seconds since 1970 by the clock of the machine.
    pub wall: u64,
    /// Seconds that it is ahead of the one that holes count by.
    pub ahead: i64,
}

const HEAD: usize = 1 + 2 + 4 + 8 + 4 + 4;

const SET: u8 = 0;
const SET_LOOSE: u8 = 1;
const DELETE: u8 = 2;
const CLEAR: u8 = 3;
const COMPLETE: u8 = 4;
const STYLE: u8 = 5;
const CLOCK: u8 = 6;

/// Changes as bytes, oldest first.
#[derive(Debug, Default)]
pub struct Log {
    bytes: Vec<u8>,
    changes: usize,
}

impl Log {
    /// Bytes that a change takes.
    pub fn size_of(change: &Change<'_>) -> usize {
        let (key, text) = parts(change);
        HEAD + key.len() + text.len()
    }

    pub fn push(&mut self, table: u16, change: Change<'_>) {
        let (key, text) = parts(&change);
        let (kind, marks, number) = match change {
            Change::Set {
                marks,
                deadline,
                is_loose,
                ..
            } => (if is_loose { SET_LOOSE } else { SET }, marks, deadline.to_bits()),
            Change::Delete { .. } => (DELETE, 0, 0),
            Change::Clear => (CLEAR, 0, 0),
            Change::Complete => (COMPLETE, 0, 0),
            Change::Style { number, .. } => (STYLE, u32::from(number), 0),
            Change::Clock(Clock { wall, .. }) => (CLOCK, 0, wall),
        };
        let ahead = match change {
            Change::Clock(Clock { ahead, .. }) => ahead.to_le_bytes(),
            _ => [0; 8],
        };
        let text = if kind == CLOCK { &ahead } else { text };
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&table.to_le_bytes());
        self.bytes.extend_from_slice(&marks.to_le_bytes());
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(text);
        self.changes += 1;
    }

    /// Drops all changes, but for what others behind them need.
    pub fn forget(&mut self) {
        let all = std::mem::take(self);
        for (table, change) in all.iter() {
            if matches!(change, Change::Style { .. } | Change::Clock(_)) {
                self.push(table, change);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.changes == 0
    }

    /// Changes in it.
    pub fn changes(&self) -> usize {
        self.changes
    }

    pub fn iter(&self) -> impl Iterator<Item = (u16, Change<'_>)> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (change, behind) = read(rest)?;
            rest = behind;
            Some(change)
        })
    }
}

fn parts<'a>(change: &Change<'a>) -> (&'a [u8], &'a [u8]) {
    match *change {
        Change::Set { key, text, .. } => (key, text),
        Change::Delete { key } => (key, &[]),
        Change::Style { texts, .. } => (&[], texts),
        Change::Clear | Change::Complete | Change::Clock(_) => (&[], &[]),
    }
}

/// The first change of a log, and what is behind it.
fn read(bytes: &[u8]) -> Option<((u16, Change<'_>), &[u8])> {
    let ([kind], rest) = bytes.split_first_chunk()?;
    let (table, rest) = rest.split_first_chunk()?;
    let (marks, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_first_chunk()?;
    let (text, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key) as usize)?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*text) as usize)?;
    let marks = u32::from_le_bytes(*marks);
    let number = u64::from_le_bytes(*number);
    let change = match *kind {
        SET | SET_LOOSE => Change::Set {
            key,
            text,
            marks,
            deadline: f64::from_bits(number),
            is_loose: *kind == SET_LOOSE,
        },
        DELETE => Change::Delete { key },
        CLEAR => Change::Clear,
        COMPLETE => Change::Complete,
        CLOCK => Change::Clock(Clock {
            wall: number,
            ahead: text.first_chunk().map_or(0, |ahead| i64::from_le_bytes(*ahead)),
        }),
        _ => Change::Style {
            number: marks as u16,
            texts: text,
        },
    };
    Some(((u16::from_le_bytes(*table), change), rest))
}

/// What is to be written of one table.
#[derive(Debug, Default)]
pub struct TableChanges {
    /// The table is emptied first.
    pub is_cleared: bool,
    /// Records of an older generation are deleted in the end.
    pub is_complete: bool,
    /// The stored form of each record that was set, `None` for one that was deleted.
    pub records: BTreeMap<Box<[u8]>, Option<Box<[u8]>>>,
}

/// What is to be written: of each record the last change.
#[derive(Default)]
pub struct Pending {
    tables: HashMap<u16, TableChanges>,
    bytes: usize,
    records: usize,
}

/// Bytes that a record takes in the map, beside itself.
const RECORD_OVERHEAD: usize = 64;

/// Turns what the server tells into what is stored.
pub struct Translator {
    writer: Writer,
    styles: HashMap<u16, u16>,
    clock: Clock,
}

impl Translator {
    /// `nonce`: what markers begin with.
    pub fn new(nonce: &str) -> Self {
        Self {
            writer: Writer::new(nonce),
            styles: HashMap::new(),
            clock: Clock::default(),
        }
    }
}

impl Pending {
    /// Puts the changes of a log on top. `number_of` gives the number that the database has for the texts of a style.
    pub fn merge(
        &mut self,
        log: &Log,
        translator: &mut Translator,
        generation: u32,
        mut number_of: impl FnMut(&[u8]) -> u16,
    ) {
        let mut compacting = Writer::new("");
        for (table, change) in log.iter() {
            match change {
                Change::Style { number, texts } => {
                    translator.styles.insert(number, number_of(texts));
                }
                Change::Clock(clock) => translator.clock = clock,
                Change::Set {
                    key,
                    text,
                    marks,
                    deadline,
                    is_loose,
                } => {
                    let facts = Facts {
                        generation,
                        deadline,
                        clock: translator.clock,
                    };
                    let (_, text) = if is_loose {
                        compacting.compact(&[], text);
                        compacting.holes_and_text(text)
                    } else {
                        (&[][..], text)
                    };
                    let styles = &translator.styles;
                    let style_of = |style| styles.get(&style).copied().unwrap_or_default();
                    // A table has taken the record before, so it is sound.
                    if let Ok(stored) = encode(&mut translator.writer, text, marks as usize, facts, style_of) {
                        self.put(table, key, Some(stored));
                    }
                }
                Change::Delete { key } => self.put(table, key, None),
                Change::Clear => {
                    let gone = self.tables.entry(table).or_default();
                    let gone = std::mem::replace(
                        gone,
                        TableChanges {
                            is_cleared: true,
                            ..TableChanges::default()
                        },
                    );
                    for (key, value) in &gone.records {
                        self.bytes -= size(key, value.as_deref());
                    }
                    self.records -= gone.records.len();
                }
                Change::Complete => self.tables.entry(table).or_default().is_complete = true,
            }
        }
        translator.writer.trim();
    }

    fn put(&mut self, table: u16, key: &[u8], value: Option<Box<[u8]>>) {
        let records = &mut self.tables.entry(table).or_default().records;
        self.bytes += size(key, value.as_deref());
        if let Some(before) = records.get_mut(key) {
            self.bytes -= size(key, before.as_deref());
            *before = value;
        } else {
            records.insert(key.into(), value);
            self.records += 1;
        }
    }

    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records that changed.
    pub fn records(&self) -> usize {
        self.records
    }

    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub fn tables(&self) -> impl Iterator<Item = (u16, &TableChanges)> {
        self.tables.iter().map(|(table, changes)| (*table, changes))
    }
}

fn size(key: &[u8], value: Option<&[u8]>) -> usize {
    RECORD_OVERHEAD + key.len() + value.map_or(0, <[u8]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::stored::Stored;
    use proptest::prelude::*;

    fn set<'a>(key: &'a [u8], text: &'a [u8]) -> Change<'a> {
        Change::Set {
            key,
            text,
            marks: 3,
            deadline: 9.5,
            is_loose: false,
        }
    }

    #[test]
    fn a_log_gives_back_what_it_was_given() {
        let changes = [
            set(b"a", b"{}"),
            Change::Delete { key: b"" },
            Change::Clear,
            Change::Complete,
            Change::Style {
                number: 65535,
                texts: b"x",
            },
            Change::Clock(Clock { wall: 5, ahead: -2 }),
        ];
        let mut log = Log::default();
        for change in changes {
            log.push(7, change);
        }
        assert_eq!(log.iter().collect::<Vec<_>>(), changes.map(|change| (7, change)));
        assert_eq!(log.len(), changes.iter().map(Log::size_of).sum::<usize>() + 8);
    }

    #[test]
    fn blanks_are_not_stored() {
        let mut log = Log::default();
        log.push(
            0,
            Change::Set {
                key: b"k",
                text: b" [ 1 ] ",
                marks: 0,
                deadline: 0.0,
                is_loose: true,
            },
        );
        let mut pending = Pending::default();
        pending.merge(&log, &mut Translator::new("N"), 0, |_| 0);
        let (_, changes) = pending.tables().next().unwrap();
        let stored = changes.records[&b"k"[..]].as_ref().unwrap();
        assert!(stored.ends_with(b"[1]") && !stored.ends_with(b" [1]"));
        assert_eq!(Stored::read(stored).unwrap().marks(), 0);
    }

    proptest! {
        /// The last change of each record is left, and its bytes are counted.
        #[test]
        fn changes_are_put_together(steps in prop::collection::vec((0u16..2, 0u8..4, 0u8..9, any::<bool>()), 0..60), cut in 0usize..60) {
            let mut pending = Pending::default();
            let mut translator = Translator::new("N");
            let mut model = HashMap::new();
            let mut cleared = [false; 2];
            let mut log = Log::default();
            for (index, (table, key, value, is_delete)) in steps.iter().enumerate() {
                let key_bytes = [*key];
                if *value == 8 {
                    log.push(*table, Change::Clear);
                    model.retain(|(of, _), _| of != table);
                    cleared[usize::from(*table)] = true;
                } else if *is_delete {
                    log.push(*table, Change::Delete { key: &key_bytes });
                    model.insert((*table, *key), None);
                } else {
                    log.push(*table, set(&key_bytes, &[b'0' + value]));
                    model.insert((*table, *key), Some(b'0' + value));
                }
                if index == cut {
                    pending.merge(&std::mem::take(&mut log), &mut translator, 1, |_| 0);
                }
            }
            pending.merge(&log, &mut translator, 1, |_| 0);
            let mut bytes = 0;
            let mut found = HashMap::new();
            for (table, changes) in pending.tables() {
                prop_assert_eq!(changes.is_cleared, cleared[usize::from(table)]);
                for (key, value) in &changes.records {
                    bytes += size(key, value.as_deref());
                    found.insert((table, key[0]), value.as_ref().and_then(|value| value.last().copied()));
                }
            }
            prop_assert_eq!(found.len(), pending.records());
            prop_assert_eq!(found, model);
            prop_assert_eq!(bytes, pending.bytes());
        }
    }
}
