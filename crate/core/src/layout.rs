//! The numbers that JavaScript and Rust share. src/native/layout.ts has them again, and compares them when the addon loads.

use crate::slots::MAX_SLOTS;

/// A name and the names and numbers of its members.
pub type Group = (&'static str, &'static [(&'static str, i32)]);

macro_rules! numbers {
    ($($(#[$about:meta])* $name:ident { $($(#[$detail:meta])* $member:ident = $number:literal,)+ })+) => {
        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[repr(i32)]
            pub enum $name {
                $($(#[$detail])* $member = $number,)+
            }

            impl $name {
                /// How many members there are.
                pub const COUNT: usize = [$($number),+].len();

                /// The member of a number that JavaScript gave.
                pub fn of(number: i32) -> Option<Self> {
                    match number {
                        $($number => Some(Self::$member),)+
                        _ => None,
                    }
                }
            }
        )+

        /// All that is shared.
        pub const LAYOUT: &[Group] = &[
            $((stringify!($name), &[$((stringify!($member), $number)),+]),)+
            ("Size", SIZES),
        ];
    };
}

/// Bytes of the longest id that takes no slot.
pub const SHORT_ID: usize = 64;
/// Bytes of the length in front of a key that a walk writes.
pub const KEY_LENGTH: usize = size_of::<u32>();

/// Replies that are compressed at once, in the whole process.
pub const COMPRESSIONS: usize = 16;

/// Buckets of the latencies of a command.
pub const LATENCY_BUCKETS: usize = 128;
/// Numbers that are kept for the latencies of a command: a [`LatencyCell`] each behind its buckets.
pub const LATENCY_CELLS: usize = LATENCY_BUCKETS + LatencyCell::COUNT;

const SIZES: &[(&str, i32)] = &[
    ("ShortId", SHORT_ID as i32),
    ("Slots", MAX_SLOTS as i32),
    ("KeyLength", KEY_LENGTH as i32),
    ("Compressions", COMPRESSIONS as i32),
    ("LatencyBuckets", LATENCY_BUCKETS as i32),
    ("LatencyCells", LATENCY_CELLS as i32),
];

numbers! {
    /// The outcome of a scan.
    Outcome {
        Call = 0,
        Notification = 1,
        ParseError = 2,
        InvalidRequest = 3,
        Batch = 4,
        /// A part of a batch is read.
        BatchGoesOn = 5,
    }

    /// The kind of `params`. Empty arrays and objects are `None`.
    ParamsKind {
        None = 0,
        Array = 1,
        Object = 2,
    }

    /// Which member of a reply a value is (JSON-RPC 2.0 §5).
    Reply {
        Result = 0,
        Error = 1,
    }

    /// In place of the slot of an id, which is 0 or above.
    IdSlot {
        /// There is no id: `null` is echoed.
        None = -1,
        /// A notification, which gets no reply. Known to JavaScript alone.
        NoReply = -2,
        /// The id's bytes lie behind the fields.
        Short = -3,
    }

    /// Indexes into the memory where a scan leaves its findings.
    Field {
        Command = 0,
        IdSlot = 1,
        ParamsKind = 2,
        ParamsStart = 3,
        ParamsEnd = 4,
        ParamsCount = 5,
        MethodStart = 6,
        MethodEnd = 7,
        Position = 8,
        ShortIdLength = 9,
        /// The first four bytes of a short id.
        ShortId = 10,
    }

    /// Indexes into the memory where the reading of a batch leaves its findings, and finds them when it goes on.
    BatchField {
        Elements = 0,
        Replies = 1,
        Start = 2,
        Position = 3,
        Values = 4,
    }

    /// Indexes into the findings about one element of a batch.
    ElementField {
        Start = 0,
        Outcome = 1,
        Command = 2,
        /// Of its id; without one both are 0.
        IdStart = 3,
        IdEnd = 4,
        ParamsStart = 5,
        ParamsEnd = 6,
        ParamsCount = 7,
        MethodStart = 8,
        MethodEnd = 9,
    }

    /// Indexes into what is to be printed for one element of a batch.
    ReplyField {
        /// A [`Reply`].
        Kind = 0,
        /// Bytes of its text.
        Length = 1,
        /// Where its id begins, or the slot of its id.
        Id = 2,
        /// Where its id ends; 0 for one in a slot.
        IdEnd = 3,
    }

    /// Indexes into the memory where a printer leaves how far it came.
    ProgressField {
        Consumed = 0,
        Produced = 1,
    }

    /// Indexes into the memory of a walk over a record table.
    WalkField {
        Next = 0,
        End = 1,
        Mark = 2,
    }

    /// Indexes into the memory where a search in a record table leaves how far it came.
    SearchField {
        IsOver = 0,
        Matched = 1,
        Scanned = 2,
        /// 1 if records were found that were not printed.
        HasMore = 3,
        /// Bytes of a found record that the window has no room for.
        Room = 4,
        /// The walk behind the last record that was printed.
        Next = 5,
        End = 6,
        Mark = 7,
    }

    /// Where the database of some tables is.
    KeptPhase {
        Opening = 0,
        /// Tables are loaded; nothing is written yet.
        Loading = 1,
        Open = 2,
        /// There is no database.
        Failed = 3,
        Closed = 4,
    }

    /// Indexes into the memory where a database leaves its figures.
    KeptField {
        /// A [`KeptPhase`].
        Phase = 0,
        /// The last flush whose changes are written, and the last one whose changes could not be.
        Done = 1,
        Failed = 2,
        /// Changes that wait, and their bytes.
        Pending = 3,
        PendingBytes = 4,
        Commits = 5,
        Failures = 6,
        /// Records that were written or deleted.
        Written = 7,
        FileBytes = 8,
        /// 1 if the last attempt to write has failed.
        IsFailing = 9,
        /// 1 if changes were forgotten, and all tables have to be written anew.
        IsBehind = 10,
        /// 1 if the table that is loaded is complete and taken.
        IsLoaded = 11,
    }

    /// Indexes into the memory where records that were loaded leave their numbers.
    LoadedField {
        Records = 0,
        Marks = 1,
    }

    /// The outcome of a piece of a body.
    Pushed {
        Taken = 0,
        /// The body would be larger than one body may be.
        BodyTooLarge = 1,
        /// All bodies together would be larger than the pool may be.
        PoolFull = 2,
    }

    /// The outcome of setting a record.
    Stored {
        Added = 1,
        Replaced = 0,
        /// The table holds as many records as its limits allow.
        TooManyRecords = -1,
        /// The record does not fit into the bytes that are left.
        TooManyBytes = -2,
        /// The record is longer than the limits allow.
        RecordTooLong = -3,
        NoMemory = -4,
        /// The record has changed, or may have, since its version was read.
        Changed = -5,
    }

    /// The part of each record that a dump prints.
    DumpShape {
        Records = 0,
        Keys = 1,
        /// The key as the only member of an object.
        Members = 2,
    }

    /// Indexes into the latencies of a command, behind those of its buckets.
    LatencyCell {
        /// Calls that failed.
        Failed = 128,
        /// Microseconds of all calls together.
        Sum = 129,
        /// Microseconds of the longest.
        Longest = 130,
    }

    /// What a reply is compressed by.
    Coding {
        Zstd = 0,
        Gzip = 1,
    }
}
