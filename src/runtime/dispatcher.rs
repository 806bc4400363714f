//! Threads for the caller's functions: callbacks, and those of its cache backends. Started when there is work and none is idle, up to a
//! limit. A job that was accepted runs, even after [`stop`]: then on a thread that ends when nothing is left.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::block::Deadline;
use super::threads::{self, Kind};

type Job = Box<dyn FnOnce() + Send>;

/// Threads of one purpose.
struct Pool {
    purpose: &'static str,
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    stopping: bool,
    /// Of threads that ended or will.
    handles: Vec<JoinHandle<()>>,
    started: u64,
}

static CALLBACKS: Pool = Pool::new("call");
static BACKENDS: Pool = Pool::new("backend");

/// Runs `job` on one of weir's dispatcher threads, soon, exactly once. Jobs have no order among each other.
pub fn dispatch(job: Job) {
    let most = super::config().dispatcher_threads;
    CALLBACKS.run(job, if most == 0 { 4 } else { most });
}

/// Runs `job`, which calls a function of the caller's that may not return, at once. There are as many threads as were wanted at the same
/// time; the caller sees to it that those are not too many. They are not the runtime's, all of whose may wait for what is done here.
pub(crate) fn call_backend(job: Job) {
    BACKENDS.run(job, usize::MAX);
}

impl Pool {
    const fn new(purpose: &'static str) -> Self {
        let state = State { jobs: VecDeque::new(), threads: 0, idle: 0, stopping: false, handles: Vec::new(), started: 0 };
        Self { purpose, state: Mutex::new(state), work: Condvar::new() }
    }

    fn run(&'static self, job: Job, most: usize) {
        super::watch_fork();
        let mut state = self.state.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() || state.threads >= most {
            self.work.notify_one();
            return;
        }
        state.threads += 1;
        state.started += 1;
        let name = format!("{}-{}-{}", super::config().thread_name, self.purpose, state.started);
        match std::thread::Builder::new().name(name).spawn(|| self.work()) {
            Ok(handle) => {
                state.handles.retain(|handle| !handle.is_finished());
                state.handles.push(handle);
            }
            Err(error) => {
                state.threads -= 1;
                let alone = state.threads == 0;
                let job = if alone { state.jobs.pop_back() } else { None };
                drop(state);
                tracing::error!(%error, "no thread for a function of the caller's");
                // The last resort: late or on the wrong thread is better than never.
                if let Some(job) = job {
                    perform(job);
                }
            }
        }
    }

    fn work(&self) {
        threads::started(Kind::Dispatcher);
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                perform(job);
                state = self.state.lock();
            } else if state.stopping {
                break;
            } else {
                state.idle += 1;
                self.work.wait(&mut state);
                state.idle -= 1;
            }
        }
        state.threads -= 1;
        drop(state);
        threads::stopping();
    }

    fn stop(&self) -> Vec<JoinHandle<()>> {
        let mut state = self.state.lock();
        state.stopping = true;
        self.work.notify_all();
        std::mem::take(&mut state.handles)
    }
}

fn perform(job: Job) {
    if catch_unwind(AssertUnwindSafe(job)).is_err() {
        tracing::error!("a panic in a function of the caller's was caught");
    }
}

/// Lets every thread end once no job is left, and joins those that do so before the deadline.
pub(super) fn stop(deadline: Deadline) {
    let handles = [&CALLBACKS, &BACKENDS].map(Pool::stop);
    if threads::wait_for_none(deadline) == 0 {
        for handle in handles.into_iter().flatten() {
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn callbacks_may_block_and_never_run_on_the_caller() {
        let (send, receive) = mpsc::channel();
        let here = std::thread::current().id();
        // The second job is needed by the first: one thread would not do.
        let (open, opened) = mpsc::channel();
        let first = send.clone();
        dispatch(Box::new(move || {
            opened.recv().unwrap();
            first.send(std::thread::current().id()).unwrap();
        }));
        dispatch(Box::new(move || {
            threads::may_block().unwrap();
            open.send(()).unwrap();
            send.send(std::thread::current().id()).unwrap();
        }));
        for _ in 0..2 {
            assert_ne!(receive.recv().unwrap(), here);
        }
    }

    #[test]
    fn a_panicking_job_harms_nobody() {
        dispatch(Box::new(|| panic!("in a callback")));
        let (send, receive) = mpsc::channel();
        dispatch(Box::new(move || send.send(()).unwrap()));
        receive.recv().unwrap();
    }
}
