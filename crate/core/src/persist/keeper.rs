//! Keeps tables in a database: a thread of its own reads and writes it, and the server waits for neither.

use crate::layout::{KeptField, KeptPhase};
use crate::persist::changes::{Change, Clock, Log, Pending, Translator};
use crate::persist::database::Database;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of changes that the thread takes at once, before it is time to write.
const PIECE: usize = 1 << 20;

/// Bytes of records that are handed over at once while they are loaded, and how many pieces wait.
const BATCH: usize = 96 << 10;
const BATCHES: usize = 16;

/// Pauses between attempts to write while that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How a database is kept.
#[derive(Clone, Debug)]
pub struct Options {
    pub path: PathBuf,
    /// Time within which a change is written; zero: as soon as it can be.
    pub interval: Duration,
    /// Bytes of changes that wait to be written; with half of them the interval is not waited for.
    pub most_pending: usize,
    /// What markers of holes begin with.
    pub nonce: String,
}

/// What a keeper is at, and has done.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub phase: KeptPhase,
    /// The last ticket of [`Keeper::flush`] whose changes are written.
    pub done: u64,
    /// The last one whose changes could not be.
    pub failed: u64,
    /// Changes that wait, and their bytes.
    pub pending: usize,
    pub pending_bytes: usize,
    pub commits: u64,
    pub failures: u64,
    /// Records that were written or deleted.
    pub written: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// The last attempt to write has failed.
    pub is_failing: bool,
    /// More changes waited than there is room for: they are forgotten, and all tables have to be written anew.
    pub is_behind: bool,
    /// The table that is loaded is complete, but for what waits to be taken.
    pub is_loaded: bool,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            phase: KeptPhase::Opening,
            done: 0,
            failed: 0,
            pending: 0,
            pending_bytes: 0,
            commits: 0,
            failures: 0,
            written: 0,
            file_bytes: 0,
            is_failing: false,
            is_behind: false,
            is_loaded: false,
        }
    }
}

impl Figures {
    /// Writes each to the index of its [`KeptField`].
    pub fn store(&self, out: &mut [f64]) {
        let values = [
            (KeptField::Phase, self.phase as u64),
            (KeptField::Done, self.done),
            (KeptField::Failed, self.failed),
            (KeptField::Pending, self.pending as u64),
            (KeptField::PendingBytes, self.pending_bytes as u64),
            (KeptField::Commits, self.commits),
            (KeptField::Failures, self.failures),
            (KeptField::Written, self.written),
            (KeptField::FileBytes, self.file_bytes),
            (KeptField::IsFailing, self.is_failing.into()),
            (KeptField::IsBehind, self.is_behind.into()),
            (KeptField::IsLoaded, self.is_loaded.into()),
        ];
        for (field, value) in values {
            if let Some(place) = out.get_mut(field as usize) {
                *place = value as f64;
            }
        }
    }
}

/// Options of loading a table.
#[derive(Clone, Debug, Default)]
pub struct Loading {
    pub table: u16,
    /// The number that the process has for each style that was stored.
    pub styles: Vec<u16>,
    /// Deadlines are times, and records whose times have all come are deleted rather than loaded.
    pub has_times: bool,
}

/// Records in the form in which a table takes them, each behind its [`BatchHead`].
#[derive(Default)]
struct Batch {
    table: u16,
    bytes: Vec<u8>,
    records: u32,
    marks: u32,
}

#[derive(Default)]
struct State {
    figures: Figures,
    reason: String,
    log: Log,
    clock: Clock,
    /// The log has that clock.
    is_clock_logged: bool,
    /// When the oldest change came that is not being written.
    since: Option<Instant>,
    /// The last ticket that was given out, and the last one that is written or has failed.
    asked: u64,
    answered: u64,
    /// What the thread has put together and not written: bytes and records.
    held: (usize, usize),
    /// The thread is to drop that.
    is_forgotten: bool,
    /// The thread is to begin another generation with the changes that come.
    is_anew: bool,
    retry: Option<Instant>,
    tables: Vec<String>,
    styles: Vec<Box<[u8]>>,
    load: Option<Loading>,
    batches: VecDeque<Batch>,
    /// Records that changed while tables are loaded: what is stored of them is old.
    touched: HashMap<u16, HashSet<Box<[u8]>>>,
    is_closing: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    interval: Duration,
    most_pending: usize,
    told: Box<dyn Fn() + Send + Sync>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The database of some tables, as the server sees it.
pub struct Keeper {
    shared: Arc<Shared>,
}

impl Keeper {
    /// Opens a database in a thread of its own. `told`: called from there when it is open or is not, when records were loaded,
    /// when a flush is over, and when writing fails or works again.
    pub fn open(options: Options, told: impl Fn() + Send + Sync + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            interval: options.interval,
            most_pending: options.most_pending,
            told: Box::new(told),
        });
        let thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("persist".to_owned())
            .spawn(move || run(&thread, &options))?;
        Ok(Self { shared })
    }

    pub fn figures(&self) -> Figures {
        let state = self.shared.lock();
        Figures {
            pending: state.log.changes() + state.held.1,
            pending_bytes: state.log.len() + state.held.0,
            is_loaded: state.figures.is_loaded && state.batches.is_empty(),
            ..state.figures
        }
    }

    /// Why there is no database, or why the last write failed.
    pub fn reason(&self) -> String {
        self.shared.lock().reason.clone()
    }

    /// Names of the tables that were stored, by their numbers.
    pub fn tables(&self) -> Vec<String> {
        self.shared.lock().tables.clone()
    }

    /// Texts of the styles that were stored.
    pub fn styles(&self) -> Vec<Box<[u8]>> {
        self.shared.lock().styles.clone()
    }

    /// The number of a table, which need not be stored.
    pub fn table(&self, name: &str) -> u16 {
        let mut state = self.shared.lock();
        let found = state.tables.iter().position(|known| known == name);
        let number = found.unwrap_or_else(|| {
            state.tables.push(name.to_owned());
            state.tables.len() - 1
        });
        number as u16
    }

    /// Sets what the clocks show from now on.
    pub fn set_clock(&self, clock: Clock) {
        let mut state = self.shared.lock();
        state.is_clock_logged = state.is_clock_logged && state.clock == clock;
        state.clock = clock;
    }

    /// Takes a change, to be written later.
    pub fn change(&self, table: u16, change: Change<'_>) {
        let mut state = self.shared.lock();
        if state.figures.phase == KeptPhase::Failed || state.figures.phase == KeptPhase::Closed {
            return;
        }
        if state.figures.phase != KeptPhase::Open
            && let Change::Set { key, .. } | Change::Delete { key } = change
        {
            state.touched.entry(table).or_default().insert(key.into());
        }
        let is_style = matches!(change, Change::Style { .. });
        if state.figures.is_behind && !is_style {
            return;
        }
        if state.log.len() + state.held.0 + Log::size_of(&change) > self.shared.most_pending && !is_style {
            // Nobody can be told to wait. The tables have everything, and are written anew once that works again.
            state.log.forget();
            state.is_forgotten = true;
            state.figures.is_behind = true;
            state.since = None;
            drop(state);
            self.shared.changed.notify_all();
            (self.shared.told)();
            return;
        }
        let before = state.log.len();
        if !state.is_clock_logged {
            state.is_clock_logged = true;
            let clock = state.clock;
            state.log.push(table, Change::Clock(clock));
        }
        state.log.push(table, change);
        let is_first = state.since.is_none();
        if is_first {
            state.since = Some(Instant::now());
        }
        if is_first || before / PIECE < state.log.len() / PIECE {
            drop(state);
            self.shared.changed.notify_all();
        }
    }

    /// All tables are going to be written anew, each with [`Change::Complete`] in the end.
    pub fn begin_anew(&self) {
        let mut state = self.shared.lock();
        state.figures.is_behind = false;
        state.is_anew = true;
    }

    /// Has all changes so far written now; the ticket by which [`Figures`] tell of it. It fails at once while writing fails and the
    /// next attempt is yet to come.
    pub fn flush(&self) -> u64 {
        let mut state = self.shared.lock();
        state.asked += 1;
        let ticket = state.asked;
        drop(state);
        self.shared.changed.notify_all();
        ticket
    }

    /// Begins to load a table, when the one before is loaded and taken.
    pub fn load(&self, loading: Loading) {
        let mut state = self.shared.lock();
        state.load = Some(loading);
        state.figures.is_loaded = false;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Takes records that were loaded, into the start of a window: bytes, records and markers; zeros if there are none for now.
    /// Records that have changed since are left out.
    pub fn take(&self, window: &mut [u8]) -> (usize, usize, usize) {
        let batch = {
            let mut state = self.shared.lock();
            let Some(mut batch) = state.batches.pop_front() else {
                return (0, 0, 0);
            };
            if let Some(touched) = state.touched.get(&batch.table) {
                batch.leave_out(touched);
            }
            batch
        };
        self.shared.changed.notify_all();
        let length = batch.bytes.len().min(window.len());
        if let (Some(place), Some(bytes)) = (window.get_mut(..length), batch.bytes.get(..length)) {
            place.copy_from_slice(bytes);
        }
        (length, batch.records as usize, batch.marks as usize)
    }

    /// Bytes of the batch that comes next; 0 for none. One record may be longer than all that batches usually are.
    pub fn next_length(&self) -> usize {
        self.shared.lock().batches.front().map_or(0, |batch| batch.bytes.len())
    }

    /// Ends the loading: from now on changes are written.
    pub fn begin(&self) {
        let mut state = self.shared.lock();
        if state.figures.phase == KeptPhase::Loading {
            state.figures.phase = KeptPhase::Open;
        }
        state.touched = HashMap::new();
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Writes what waits, once, and gives the file back.
    pub fn close(&self) {
        self.shared.lock().is_closing = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.close();
    }
}

/// What stands in front of a record in a batch: lengths of key and text, markers, deadline.
pub const BATCH_HEAD: usize = 2 + 4 + 4 + 8;

/// A record of a batch, as a table takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loaded<'a> {
    pub key: &'a [u8],
    pub text: &'a [u8],
    pub marks: usize,
    pub deadline: f64,
    /// Bytes of it and its head.
    length: usize,
}

/// The records of a batch.
pub fn loaded(mut batch: &[u8]) -> impl Iterator<Item = Loaded<'_>> {
    std::iter::from_fn(move || {
        let (key, rest) = batch.split_first_chunk()?;
        let (text, rest) = rest.split_first_chunk()?;
        let (marks, rest) = rest.split_first_chunk()?;
        let (deadline, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key)))?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*text) as usize)?;
        let length = batch.len() - rest.len();
        batch = rest;
        Some(Loaded {
            key,
            text,
            marks: u32::from_le_bytes(*marks) as usize,
            deadline: f64::from_le_bytes(*deadline),
            length,
        })
    })
}

impl Batch {
    /// Appends a record whose text `print` writes.
    fn push(&mut self, key: &[u8], marks: usize, deadline: f64, print: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&(marks as u32).to_le_bytes());
        self.bytes.extend_from_slice(&deadline.to_le_bytes());
        self.bytes.extend_from_slice(key);
        let start = self.bytes.len();
        print(&mut self.bytes);
        let length = (self.bytes.len() - start) as u32;
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        self.records += 1;
        self.marks += marks as u32;
    }

    fn leave_out(&mut self, touched: &HashSet<Box<[u8]>>) {
        let mut kept = Vec::with_capacity(self.bytes.len());
        let (mut records, mut marks, mut at) = (0, 0, 0);
        for record in loaded(&self.bytes) {
            if !touched.contains(record.key) {
                kept.extend_from_slice(self.bytes.get(at..at + record.length).unwrap_or_default());
                records += 1;
                marks += record.marks as u32;
            }
            at += record.length;
        }
        *self = Self {
            table: self.table,
            bytes: kept,
            records,
            marks,
        };
    }
}

/// What the thread does next.
enum Step {
    Load(Loading),
    /// Put these changes on top of the others.
    Merge(Log),
    /// As well, then write. With the ticket that this answers.
    Write(Log, u64),
    /// As well, for the last time.
    End(Log, u64),
}

fn run(shared: &Shared, options: &Options) {
    let mut database = match Database::open(&options.path) {
        Ok(database) => database,
        Err(error) => {
            let mut state = shared.lock();
            state.reason = error.message(&options.path);
            state.figures.phase = KeptPhase::Failed;
            drop(state);
            (shared.told)();
            return;
        }
    };
    {
        let mut state = shared.lock();
        state.tables = database.tables().to_vec();
        state.styles = database.styles().to_vec();
        state.figures.file_bytes = database.size();
        state.figures.phase = KeptPhase::Loading;
    }
    (shared.told)();
    let mut pending = Pending::default();
    let mut translator = Translator::new(&options.nonce);
    let mut pause = FIRST_PAUSE;
    loop {
        let (step, is_forgotten, is_anew) = next(shared);
        if is_forgotten {
            pending = Pending::default();
        }
        if is_anew {
            database.next_generation();
        }
        let (log, ticket, is_last) = match step {
            Step::Load(loading) => {
                if !load(shared, &database, &loading, options) {
                    return;
                }
                continue;
            }
            Step::Merge(log) => (log, None, false),
            Step::Write(log, ticket) => (log, Some(ticket), false),
            Step::End(log, ticket) => (log, Some(ticket), true),
        };
        let generation = database.generation();
        pending.merge(&log, &mut translator, generation, |texts| database.style(texts));
        drop(log);
        {
            let mut state = shared.lock();
            state.held = (pending.bytes(), pending.records());
            for name in state.tables.iter().skip(database.tables().len()) {
                database.table(name);
            }
        }
        let is_full = pending.bytes() > options.most_pending / 2;
        let is_due = shared.lock().retry.is_none_or(|retry| Instant::now() >= retry);
        if !(ticket.is_some() || is_full && is_due) {
            continue;
        }
        let is_nothing = pending.is_empty() && shared.lock().retry.is_none();
        let written = if is_nothing {
            Ok(false)
        } else {
            database.write(&pending)
        };
        let mut state = shared.lock();
        let ticket = ticket.unwrap_or(state.answered);
        state.answered = state.answered.max(ticket);
        match written {
            Ok(is_anew) => {
                if is_anew {
                    // The tables have what it lacks.
                    state.log.forget();
                    state.figures.is_behind = true;
                    state.since = None;
                }
                state.figures.written += pending.records() as u64;
                state.figures.commits += u64::from(!is_nothing);
                state.figures.is_failing = false;
                state.figures.done = state.answered;
                state.figures.file_bytes = database.size();
                state.held = (0, 0);
                state.retry = None;
                pause = FIRST_PAUSE;
                drop(state);
                pending = Pending::default();
            }
            Err(error) => {
                state.reason = error.message(database.path());
                state.figures.failures += 1;
                state.figures.is_failing = true;
                state.figures.failed = state.answered;
                state.retry = Some(Instant::now() + pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        if is_last {
            break;
        }
        (shared.told)();
    }
    // The file is given back before anybody hears that it is.
    drop(database);
    shared.lock().figures.phase = KeptPhase::Closed;
    (shared.told)();
}

/// Waits for something to do.
fn next(shared: &Shared) -> (Step, bool, bool) {
    let mut state = shared.lock();
    let step = loop {
        let is_open = state.figures.phase == KeptPhase::Open;
        let at = Instant::now();
        if state.is_closing {
            break Step::End(std::mem::take(&mut state.log), state.asked);
        }
        if let Some(loading) = state.load.take() {
            break Step::Load(loading);
        }
        let wake = match (state.retry, state.since) {
            (Some(retry), _) => Some(retry),
            (None, Some(since)) => Some(since + shared.interval),
            (None, None) => None,
        };
        let is_asked = state.asked > state.answered;
        if is_open && is_asked && state.retry.is_some_and(|retry| at < retry) {
            state.answered = state.asked;
            state.figures.failed = state.asked;
            drop(state);
            (shared.told)();
            state = shared.lock();
            continue;
        }
        if is_open && (is_asked || wake.is_some_and(|wake| at >= wake)) {
            state.since = None;
            break Step::Write(std::mem::take(&mut state.log), state.asked);
        }
        // While tables are loaded changes are put together, but not written: what is loaded is what was stored.
        if state.log.len() >= PIECE {
            break Step::Merge(std::mem::take(&mut state.log));
        }
        state = match wake.filter(|_| is_open) {
            Some(wake) => {
                let waited = shared.changed.wait_timeout(state, wake.saturating_duration_since(at));
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    };
    let (is_forgotten, is_anew) = (state.is_forgotten, state.is_anew);
    (state.is_forgotten, state.is_anew) = (false, false);
    (step, is_forgotten, is_anew)
}

/// Hands the records of a table over; false when that was not possible, which is told.
fn load(shared: &Shared, database: &Database, loading: &Loading, options: &Options) -> bool {
    let now = shared.lock().clock;
    let clock = loading.has_times.then_some(now);
    let empty = || Batch {
        table: loading.table,
        ..Batch::default()
    };
    let mut batch = empty();
    let hand_over = |batch: Batch| {
        let mut state = shared.lock();
        while state.batches.len() >= BATCHES && !state.is_closing {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let is_closing = state.is_closing;
        state.batches.push_back(batch);
        drop(state);
        (shared.told)();
        !is_closing
    };
    let style_of = |style: u16| loading.styles.get(usize::from(style)).copied().unwrap_or_default();
    let read = database.read(loading.table, |key, stored| {
        if loading.has_times && stored.is_over(now) {
            let mut state = shared.lock();
            if !state
                .touched
                .get(&loading.table)
                .is_some_and(|touched| touched.contains(key))
            {
                state.log.push(loading.table, Change::Delete { key });
                state.since.get_or_insert_with(Instant::now);
            }
            return true;
        }
        let deadline = stored.deadline(clock);
        batch.push(key, stored.marks(), deadline, |out| {
            stored.print(now, &options.nonce, style_of, out);
        });
        batch.bytes.len() < BATCH || hand_over(std::mem::replace(&mut batch, empty()))
    });
    let is_read = match read {
        Ok(()) => {
            if batch.records > 0 {
                hand_over(batch);
            }
            shared.lock().figures.is_loaded = true;
            true
        }
        Err(error) => {
            let mut state = shared.lock();
            state.reason = error.message(database.path());
            state.figures.phase = KeptPhase::Failed;
            false
        }
    };
    (shared.told)();
    is_read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::testing::Folder;
    use std::fs;
    use std::sync::mpsc::{Receiver, channel};

    const TEXTS: &[u8] = br#"["permanent","expired"]"#;

    /// A keeper, and a channel that tells when it tells.
    struct Kept {
        keeper: Keeper,
        told: Receiver<()>,
    }

    impl Kept {
        fn open(path: PathBuf, interval: u64, most_pending: usize) -> Self {
            let (tell, told) = channel();
            let options = Options {
                path,
                interval: Duration::from_millis(interval),
                most_pending,
                nonce: "NONCE".to_owned(),
            };
            let keeper = Keeper::open(options, move || {
                let _ = tell.send(());
            })
            .unwrap();
            let kept = Self { keeper, told };
            kept.until(|figures| figures.phase != KeptPhase::Opening);
            kept.keeper.set_clock(Clock { wall: 1000, ahead: 0 });
            kept
        }

        fn until(&self, is_so: impl Fn(Figures) -> bool) {
            while !is_so(self.keeper.figures()) {
                self.told.recv_timeout(Duration::from_secs(60)).unwrap();
            }
        }

        fn load(&self, table: &str, has_times: bool) -> Vec<(String, String, f64)> {
            self.keeper.load(Loading {
                table: self.keeper.table(table),
                styles: (0..self.keeper.styles().len() as u16).collect(),
                has_times,
            });
            let mut records = Vec::new();
            let mut window = vec![0; 1 << 20];
            loop {
                let is_loaded = self.keeper.figures().is_loaded;
                let (length, count, _) = self.keeper.take(&mut window);
                assert_eq!(loaded(&window[..length]).count(), count);
                for record in loaded(&window[..length]) {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    records.push((text(record.key), text(record.text), record.deadline));
                }
                if is_loaded {
                    return records;
                }
                if length == 0 {
                    self.told.recv_timeout(Duration::from_secs(60)).unwrap();
                }
            }
        }

        fn flush(&self) -> bool {
            let ticket = self.keeper.flush();
            self.until(|figures| figures.done >= ticket || figures.failed >= ticket);
            self.keeper.figures().done >= ticket
        }

        fn close(self) {
            self.keeper.close();
            self.until(|figures| figures.phase == KeptPhase::Closed);
        }
    }

    fn set<'a>(key: &'a str, text: &'a str) -> Change<'a> {
        Change::Set {
            key: key.as_bytes(),
            text: text.as_bytes(),
            marks: 1,
            deadline: f64::INFINITY,
            is_loose: false,
        }
    }

    #[test]
    fn records_outlive_a_keeper() {
        let folder = Folder::new();
        let path = folder.path("contacts");
        let kept = Kept::open(path.clone(), 60_000, 1 << 20);
        assert!(kept.keeper.tables().is_empty());
        kept.keeper.begin();
        let (a, b) = (kept.keeper.table("a"), kept.keeper.table("b"));
        kept.keeper.change(
            a,
            Change::Style {
                number: 5,
                texts: TEXTS,
            },
        );
        let later = 2000;
        kept.keeper
            .change(a, set("x", &format!(r#"{{"left":"NONCE5.{later}"}}"#)));
        kept.keeper.change(a, set("gone", "1"));
        kept.keeper.change(a, Change::Delete { key: b"gone" });
        kept.keeper.change(b, set("x", r#"["NONCE5.7"]"#));
        assert_eq!(kept.keeper.figures().pending, 6, "one of them is the clock");
        assert!(kept.flush());
        assert_eq!(kept.keeper.figures().pending, 0);
        kept.keeper.change(b, set("last", "2"));
        kept.close();

        let kept = Kept::open(path, 60_000, 1 << 20);
        assert_eq!(kept.keeper.tables(), ["a", "b"]);
        assert_eq!(kept.keeper.styles(), [TEXTS.into()]);
        let records = kept.load("a", true);
        assert_eq!(
            records,
            [("x".to_owned(), format!(r#"{{"left":"NONCE0.{later}"}}"#), f64::INFINITY)]
        );
        let records = kept.load("b", true);
        assert_eq!(records, [("last".to_owned(), "2".to_owned(), f64::INFINITY)], "expired");
        kept.keeper.begin();
        assert!(kept.flush());
        assert_eq!(kept.load("b", false).len(), 1, "what has expired is deleted");
    }

    #[test]
    fn what_changes_while_a_table_is_loaded_is_not_loaded() {
        let folder = Folder::new();
        let path = folder.path("contacts");
        let kept = Kept::open(path.clone(), 0, 1 << 30);
        kept.keeper.begin();
        let table = kept.keeper.table("t");
        for number in 0..10_000 {
            kept.keeper.change(table, set(&format!("key{number}"), "1"));
        }
        kept.close();
        let kept = Kept::open(path, 0, 1 << 30);
        kept.keeper.change(table, set("key7", "2"));
        kept.keeper.change(table, Change::Delete { key: b"key9999" });
        let records = kept.load("t", false);
        assert_eq!(records.len(), 9998);
        assert!(records.iter().all(|(key, ..)| key != "key7" && key != "key9999"));
        kept.keeper.begin();
        assert!(kept.flush());
        let mut records = kept.load("t", false);
        records.retain(|(_, text, _)| text != "1");
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn what_is_too_much_is_forgotten_and_written_anew() {
        let folder = Folder::new();
        let path = folder.path("contacts");
        let kept = Kept::open(path.clone(), 60_000, 10_000);
        kept.keeper.begin();
        let table = kept.keeper.table("t");
        kept.keeper.change(table, set("deleted", "0"));
        kept.keeper.change(table, set("stays", "0"));
        assert!(kept.flush());
        kept.keeper.change(table, Change::Delete { key: b"deleted" });
        for number in 0..1000 {
            kept.keeper.change(table, set(&format!("key{number}"), "1"));
        }
        let figures = kept.keeper.figures();
        assert!(figures.is_behind && figures.pending_bytes < 10_000, "{figures:?}");
        kept.keeper.begin_anew();
        kept.keeper.change(table, set("stays", "0"));
        for number in 0..1000 {
            kept.keeper.change(table, set(&format!("key{number}"), "2"));
            if number % 50 == 0 {
                assert!(kept.flush());
            }
        }
        kept.keeper.change(table, Change::Complete);
        assert!(!kept.keeper.figures().is_behind);
        kept.close();
        let kept = Kept::open(path, 60_000, 10_000);
        let records = kept.load("t", false);
        assert_eq!(records.len(), 1001);
        assert!(records.iter().all(|(key, text, _)| key == "stays" || text == "2"));
    }

    #[test]
    fn what_is_no_database_of_ours_is_left_as_it_is() {
        let folder = Folder::new();
        let message = |name: &str, content: &[u8]| {
            let path = folder.path(name);
            fs::write(&path, content).unwrap();
            let kept = Kept::open(path.clone(), 0, 1 << 20);
            assert_eq!(kept.keeper.figures().phase, KeptPhase::Failed);
            assert_eq!(fs::read(&path).unwrap(), content);
            let reason = kept.keeper.reason();
            assert!(reason.contains(path.to_str().unwrap()), "{reason}");
            reason
        };
        assert!(message("text", b"contacts").contains("is not a database of mi-httpd"));
        assert!(message("long", &b"line of a text\n".repeat(100_000)).contains("is not a database of mi-httpd"));
        let path = folder.path("whole");
        let kept = Kept::open(path.clone(), 0, 1 << 30);
        kept.keeper.begin();
        let table = kept.keeper.table("t");
        for number in 0..2000 {
            kept.keeper
                .change(table, set(&format!("key{number}"), &format!("\"{number}\"")));
        }
        assert!(kept.flush());
        let other = Kept::open(path.clone(), 0, 1 << 30);
        assert!(other.keeper.reason().contains("is in use by another process"));
        kept.close();
        let whole = fs::read(&path).unwrap();
        let reason = message("cut", &whole[..whole.len() / 2]);
        assert!(reason.contains("is damaged"), "{reason}");
        // A record, wherever it lies.
        let at = whole.windows(6).position(|part| part == b"\"1234\"").unwrap();
        let mut altered = whole.clone();
        altered[at + 2] = b'9';
        let path = folder.path("altered");
        fs::write(&path, &altered).unwrap();
        let kept = Kept::open(path, 0, 1 << 20);
        assert_eq!(kept.keeper.figures().phase, KeptPhase::Failed);
        assert!(kept.keeper.reason().contains("is damaged"), "{}", kept.keeper.reason());
    }

    #[test]
    fn a_file_that_was_not_made_to_the_end_is_made_by_the_next_start() {
        let folder = Folder::new();
        let path = folder.path("contacts");
        Kept::open(path.clone(), 0, 1 << 20).close();
        let whole = fs::read(&path).unwrap();
        let begun = b"mi-httpd: a database is being made here";
        for length in [0, begun.len(), 4096, whole.len()] {
            let mut cut = vec![0; length];
            let start = begun.len().min(length);
            cut[..start].copy_from_slice(&begun[..start]);
            fs::write(&path, &cut).unwrap();
            let kept = Kept::open(path.clone(), 0, 1 << 20);
            assert_eq!(
                kept.keeper.figures().phase,
                KeptPhase::Loading,
                "{length}: {}",
                kept.keeper.reason()
            );
            kept.keeper.begin();
            kept.keeper.change(kept.keeper.table("t"), set("key", "1"));
            assert!(kept.flush());
            kept.close();
            let kept = Kept::open(path.clone(), 0, 1 << 20);
            assert_eq!(kept.load("t", false).len(), 1);
            kept.close();
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_is_gone_is_told_and_made_anew() {
        let folder = Folder::new();
        let path = folder.path("contacts");
        let aside = folder.path("aside");
        let kept = Kept::open(path.clone(), 0, 1 << 20);
        kept.keeper.begin();
        let table = kept.keeper.table("t");
        let has = |at: &PathBuf, count: usize| {
            let copy = folder.path("copy");
            fs::copy(at, &copy).unwrap();
            assert_eq!(Kept::open(copy, 0, 1 << 20).load("t", false).len(), count);
        };
        for number in 0..100 {
            kept.keeper.change(table, set(&format!("key{number}"), "1"));
        }
        assert!(kept.flush());
        // It comes back: nothing is lost.
        fs::rename(&path, &aside).unwrap();
        kept.keeper.change(table, set("late", "1"));
        assert!(!kept.flush());
        assert!(
            kept.keeper
                .reason()
                .contains("was deleted, moved or emptied while it was in use")
        );
        assert!(kept.keeper.figures().is_failing);
        fs::rename(&aside, &path).unwrap();
        kept.until(|figures| !figures.is_failing);
        assert!(!kept.keeper.figures().is_behind);
        kept.keeper.change(table, set("later", "1"));
        assert!(kept.flush());
        has(&path, 102);
        // Another one is left as it is.
        fs::rename(&path, &aside).unwrap();
        fs::write(&path, "other").unwrap();
        kept.keeper.change(table, set("last", "1"));
        assert!(!kept.flush());
        kept.until(|figures| figures.failures > 2);
        assert!(kept.keeper.reason().contains("was replaced by another file"));
        assert_eq!(fs::read(&path).unwrap(), b"other");
        fs::rename(&aside, &path).unwrap();
        kept.until(|figures| !figures.is_failing);
        // It is deleted, or emptied: all has to be written.
        for empties in [false, true] {
            if empties {
                fs::write(&path, "").unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            kept.keeper.change(table, set("first", "1"));
            assert!(!kept.flush());
            kept.until(|figures| figures.is_behind);
            kept.keeper.begin_anew();
            for number in 0..50 {
                kept.keeper.change(table, set(&format!("key{number}"), "2"));
            }
            kept.keeper.change(table, Change::Complete);
            assert!(kept.flush());
            has(&path, 50);
        }
        kept.close();
    }
}
