//! Writes the log from a thread of its own: neither a full disk nor a pipe that nobody reads keeps the process waiting.
//! Lines that cannot be written are dropped and counted, and one line tells of them once writing works again.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Pauses between attempts to tell of lost lines while writing fails.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Pause while a pipe that must not be waited for is full.
const FULL_PIPE_PAUSE: Duration = Duration::from_millis(5);

const FULL: &str = "its reader is too slow";

/// One of the two standard outputs, or a stand-in.
pub struct Output {
    shared: Arc<Shared>,
    limit: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Bytes and lines that the thread has taken and not yet written.
    writing: usize,
    writing_lines: u64,
    dropped: u64,
    /// Lines that were dropped and that no notice has told of.
    untold: u64,
    reason: String,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, state: MutexGuard<'_, State>, limit: Option<Duration>) -> bool {
        match limit {
            None => {
                drop(self.changed.wait(state).unwrap_or_else(PoisonError::into_inner));
                false
            }
            Some(limit) => {
                let waited = self
                    .changed
                    .wait_timeout(state, limit)
                    .unwrap_or_else(PoisonError::into_inner);
                waited.1.timed_out()
            }
        }
    }
}

impl State {
    fn drop_lines(&mut self, text: &[u8], reason: &str) {
        let lines = lines_of(text);
        self.dropped += lines;
        self.untold += lines;
        reason.clone_into(&mut self.reason);
    }
}

impl Output {
    /// Takes over a standard output, 1 or 2, by a descriptor of its own.
    ///
    /// `notice` is the line that tells of lost lines; in it `{time}`, `{lines}` and `{reason}` are filled in.
    pub fn standard(descriptor: u32, limit: usize, notice: &str) -> io::Result<Self> {
        Self::new(duplicate(descriptor)?, limit, notice)
    }

    pub fn new(target: impl Write + Send + 'static, limit: usize, notice: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut writer = Writer {
            shared: Arc::clone(&shared),
            target,
            notice: notice.to_owned(),
            is_within_line: false,
        };
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self { shared, limit })
    }

    /// Takes lines; those beyond the limit are dropped.
    pub fn write(&self, text: &[u8]) {
        let mut state = self.shared.lock();
        if state.waiting.len() + state.writing + text.len() > self.limit {
            state.drop_lines(text, FULL);
        } else {
            state.waiting.extend_from_slice(text);
        }
        self.shared.changed.notify_all();
    }

    /// Lines that were dropped.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Lines that were dropped and that no notice has told of yet.
    pub fn untold(&self) -> u64 {
        self.shared.lock().untold
    }

    /// Waits until everything is written or dropped, but no longer than a limit: what is left then counts as dropped.
    pub fn finish(&self, limit: Duration) {
        let (mut state, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), limit, |state| {
                state.writing > 0 || !state.waiting.is_empty()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            let waiting = std::mem::take(&mut state.waiting);
            state.drop_lines(&waiting, FULL);
            state.dropped += state.writing_lines;
            state.untold += state.writing_lines;
        }
    }
}

struct Writer<T> {
    shared: Arc<Shared>,
    target: T,
    notice: String,
    /// A line was cut short by an error: the next one has to begin on a line of its own.
    is_within_line: bool,
}

impl<T: Write> Writer<T> {
    fn run(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let (batch, untold, reason) = self.next(pause);
            if untold > 0 && !self.tell(untold, &reason, &batch) {
                if batch.is_empty() {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                continue;
            }
            pause = FIRST_PAUSE;
            let failed = self.put(&batch);
            self.settle(|state| {
                if let Some((written, reason)) = failed {
                    state.drop_lines(batch.get(written..).unwrap_or_default(), &reason);
                }
            });
        }
    }

    /// The lines that wait, when there are any or when it is time to tell of lost ones.
    fn next(&self, pause: Duration) -> (Vec<u8>, u64, String) {
        loop {
            let mut state = self.shared.lock();
            let is_idle = state.waiting.is_empty();
            if is_idle {
                let limit = (state.untold > 0).then_some(pause);
                if !self.shared.wait(state, limit) {
                    continue;
                }
                state = self.shared.lock();
            }
            let batch = std::mem::take(&mut state.waiting);
            state.writing = batch.len();
            state.writing_lines = lines_of(&batch);
            return (batch, state.untold, state.reason.clone());
        }
    }

    /// Tells of lost lines. When that fails, the batch is lost too.
    fn tell(&mut self, untold: u64, reason: &str, batch: &[u8]) -> bool {
        let line = self
            .notice
            .replace("{time}", &iso_time(SystemTime::now()))
            .replace("{lines}", &untold.to_string())
            .replace("{reason}", reason);
        let text = if self.is_within_line {
            format!("\n{line}\n")
        } else {
            format!("{line}\n")
        };
        match self.put(text.as_bytes()) {
            None => {
                self.shared.lock().untold -= untold;
                true
            }
            Some((_, reason)) => {
                self.settle(|state| {
                    if !batch.is_empty() {
                        state.drop_lines(batch, &reason);
                    }
                });
                false
            }
        }
    }

    fn settle(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.shared.lock();
        change(&mut state);
        state.writing = 0;
        state.writing_lines = 0;
        self.shared.changed.notify_all();
    }

    /// Writes a text; when that fails, tells how many bytes were written and why not more.
    fn put(&mut self, text: &[u8]) -> Option<(usize, String)> {
        let mut written = 0;
        while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
            match self.target.write(rest) {
                Ok(0) => return Some(self.fail(text, written, "it takes nothing".to_owned())),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PIPE_PAUSE),
                Err(error) => return Some(self.fail(text, written, error.to_string())),
            }
        }
        if !text.is_empty() {
            self.is_within_line = false;
        }
        None
    }

    fn fail(&mut self, text: &[u8], written: usize, reason: String) -> (usize, String) {
        if let Some(last) = text.get(..written).and_then(<[u8]>::last) {
            self.is_within_line = *last != b'\n';
        }
        (written, reason)
    }
}

fn lines_of(text: &[u8]) -> u64 {
    let ends = memchr::memchr_iter(b'\n', text).count() as u64;
    ends + u64::from(text.last().is_some_and(|last| *last != b'\n'))
}

#[cfg(unix)]
fn duplicate(descriptor: u32) -> io::Result<File> {
    use std::os::fd::AsFd;
    let owned = match descriptor {
        1 => io::stdout().as_fd().try_clone_to_owned(),
        _ => io::stderr().as_fd().try_clone_to_owned(),
    };
    owned.map(File::from)
}

#[cfg(windows)]
fn duplicate(descriptor: u32) -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    let owned = match descriptor {
        1 => io::stdout().as_handle().try_clone_to_owned(),
        _ => io::stderr().as_handle().try_clone_to_owned(),
    };
    owned.map(File::from)
}

/// A time as `Date.prototype.toISOString` writes it.
fn iso_time(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86400, since.as_secs() % 86400);
    // Counted from March 1st of the year 0, so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target that takes a number of bytes, then fails until it is given more.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn grow(&self, bytes: usize) {
            self.0.lock().unwrap().1 += bytes;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let taken = text.len().min(disk.1 - disk.0.len());
            disk.0.extend_from_slice(&text[..taken]);
            if taken == 0 {
                Err(io::Error::other("full"))
            } else {
                Ok(taken)
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn lines_that_a_full_disk_loses_are_counted_and_told_on_a_line_of_their_own() {
        let disk = Disk::default();
        disk.grow(8);
        let output = Output::new(disk.clone(), 1000, "{lines} lost: {reason}").unwrap();
        for line in ["first\n", "second\n", "third\n"] {
            output.write(line.as_bytes());
            output.finish(LIMIT);
        }
        assert_eq!((output.dropped(), output.untold()), (2, 2));
        assert_eq!(disk.text(), "first\nse");
        disk.grow(1000);
        while output.untold() > 0 {
            thread::sleep(Duration::from_millis(5));
        }
        output.write(b"fourth\n");
        output.finish(LIMIT);
        assert_eq!(disk.text(), "first\nse\n2 lost: full\nfourth\n");
        assert_eq!(output.dropped(), 2);
    }

    /// A target that blocks until it is let go.
    struct Stuck(Arc<(Mutex<bool>, Condvar)>, Disk);

    impl Write for Stuck {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let open = self.0.0.lock().unwrap();
            drop(self.0.1.wait_while(open, |open| !*open).unwrap());
            self.1.write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_target_that_blocks_keeps_nobody_waiting_and_memory_bounded() {
        let disk = Disk::default();
        disk.grow(100_000);
        let door = Arc::new((Mutex::new(false), Condvar::new()));
        let output = Output::new(Stuck(Arc::clone(&door), disk.clone()), 100, "{lines} lost").unwrap();
        for _ in 0..50 {
            output.write(b"123456789\n");
        }
        assert_eq!(output.dropped(), 40);
        *door.0.lock().unwrap() = true;
        door.1.notify_all();
        output.finish(LIMIT);
        while output.untold() > 0 {
            thread::sleep(Duration::from_millis(5));
        }
        let text = disk.text();
        assert_eq!(text.matches("123456789\n").count(), 10);
        // The thread may begin when some of them are lost already, and tell of these first.
        let told = text
            .lines()
            .filter_map(|line| line.strip_suffix(" lost")?.parse::<u64>().ok());
        assert_eq!(told.sum::<u64>(), 40);
    }

    #[test]
    fn times_are_written_as_javascript_writes_them() {
        let at = |seconds: u64, millis: u64| iso_time(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_399, 7), "2000-02-28T23:59:59.007Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_798_761_599, 999), "2026-12-31T23:59:59.999Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
    }
}
