//! Threads for work that takes too long for the thread of the server. They are not those of libuv: of these there are
//! four, and logins wait for them.

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// More would take the processor from the proxy on the same machine.
const MOST_THREADS: usize = 4;

/// How long a thread waits for work before it ends: a server that compresses nothing has none.
const PATIENCE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs, the oldest first.
pub struct Workers {
    shared: Arc<Shared>,
    most: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers {
    /// Those of the process: one for each core but one, which is the server's.
    pub fn of_process() -> &'static Self {
        static WORKERS: LazyLock<Workers> = LazyLock::new(|| {
            let cores = thread::available_parallelism().map_or(1, NonZero::get);
            Workers::new(cores.saturating_sub(1).clamp(1, MOST_THREADS))
        });
        &WORKERS
    }

    pub fn new(most: usize) -> Self {
        Self {
            shared: Arc::default(),
            most,
        }
    }

    /// Runs a job later. Where no thread can be had it runs here.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.shared.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle >= state.jobs.len() || state.threads == self.most {
            drop(state);
            self.shared.came.notify_one();
            return;
        }
        state.threads += 1;
        drop(state);
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("compress".to_owned());
        if thread.spawn(move || work(&shared)).is_err() {
            let mut state = self.shared.lock();
            state.threads -= 1;
            let job = if state.threads == 0 {
                state.jobs.pop_back()
            } else {
                None
            };
            drop(state);
            if let Some(job) = job {
                attempt(job);
            }
        }
    }
}

fn work(shared: &Shared) {
    while let Some(job) = next(shared) {
        attempt(job);
    }
}

/// The oldest job; `None` when the thread is to end.
fn next(shared: &Shared) -> Option<Job> {
    let mut state = shared.lock();
    state.idle += 1;
    let (mut state, _) = shared
        .came
        .wait_timeout_while(state, PATIENCE, |state| state.jobs.is_empty())
        .unwrap_or_else(PoisonError::into_inner);
    state.idle -= 1;
    let job = state.jobs.pop_front();
    if job.is_none() {
        state.threads -= 1;
    }
    job
}

/// A job that panics ends alone: its thread has others.
fn attempt(job: Job) {
    drop(catch_unwind(AssertUnwindSafe(job)));
}
